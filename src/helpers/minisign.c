/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads, checks and writes signature files of minisign. */
#define _GNU_SOURCE
#include "helpers/minisign.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  ALGORITHM = 2,
  HEAD = ALGORITHM + MINISIGN_ID,
  PUBLIC = HEAD + MINISIGN_KEY,
  SIGNED = HEAD + MINISIGN_SIGNATURE
};
enum { PREHASH = 64, MOST_COMMENT = 1024 };

static const char untrusted[] = "untrusted comment: ", trusted[] = "trusted comment: ";

/* ---- Base64 ---- */

static int
digit (char c)
{
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const char *at = c != '\0' ? strchr (digits, c) : NULL;

  return at != NULL ? (int)(at - digits) : -1;
}

/* Decodes the @length characters of @text, which must be the only form of exactly @size bytes. */
static bool
decode (const char *text, size_t length, unsigned char *bytes, size_t size)
{
  size_t digits = (size * 4 + 2) / 3, done = 0;
  unsigned value = 0, bits = 0;

  if (length != (size + 2) / 3 * 4)
    return false;
  for (size_t i = 0; i < length; i++)
    {
      int next = digit (text[i]);
      if (i >= digits ? text[i] != '=' : next < 0)
        return false;
      if (i >= digits)
        continue;
      value = value << 6 | (unsigned)next;
      bits += 6;
      if (bits >= 8)
        {
          bits -= 8;
          bytes[done++] = (unsigned char)(value >> bits);
          value &= (1U << bits) - 1;
        }
    }
  return value == 0;
}

/* @text: (out): has room for the characters and a NUL */
static void
encode (const unsigned char *bytes, size_t size, char *text)
{
  (void)EVP_EncodeBlock ((unsigned char *)text, bytes, (int)size);
}

/* ---- keys ---- */

bool
minisign_key_read (MinisignKey *self, const char *text)
{
  unsigned char bytes[PUBLIC];

  if (!decode (text, strlen (text), bytes, sizeof bytes) || memcmp (bytes, "Ed", ALGORITHM) != 0)
    return false;
  memcpy (self->id, bytes + ALGORITHM, MINISIGN_ID);
  memcpy (self->key, bytes + HEAD, MINISIGN_KEY);
  return true;
}

void
minisign_key_write (const MinisignKey *self, char text[MINISIGN_KEY_TEXT + 1])
{
  unsigned char bytes[PUBLIC] = { 'E', 'd' };

  memcpy (bytes + ALGORITHM, self->id, MINISIGN_ID);
  memcpy (bytes + HEAD, self->key, MINISIGN_KEY);
  encode (bytes, sizeof bytes, text);
}

void
minisign_key_name (const MinisignKey *self, char name[MINISIGN_NAME + 1])
{
  static const char digits[] = "0123456789ABCDEF";

  for (size_t i = 0; i < MINISIGN_ID; i++)
    {
      unsigned char byte = self->id[MINISIGN_ID - 1 - i];
      name[2 * i] = digits[byte >> 4];
      name[2 * i + 1] = digits[byte & 15];
    }
  name[MINISIGN_NAME] = '\0';
}

/* Returns: whether the digest of @size bytes, of @want bytes, was computed */
static bool
hash (const EVP_MD *kind, const void *bytes, size_t size, unsigned char *digest, unsigned want)
{
  unsigned length = 0;

  return EVP_Digest (bytes, size, digest, &length, kind, NULL) == 1 && length == want;
}

void
minisign_key_set_id (MinisignKey *self)
{
  unsigned char digest[EVP_MAX_MD_SIZE];

  if (!hash (EVP_sha256 (), self->key, sizeof self->key, digest, 32))
    abort (); /* there is no memory */
  memcpy (self->id, digest, MINISIGN_ID);
}

/* ---- reading signatures ---- */

/* A line without its end. */
typedef struct {
  const char *text;
  size_t length;
} Line;

/* Takes the next line of @size bytes at @at. Returns: false if there is none */
static bool
take_line (const char **at, size_t *size, Line *line)
{
  const char *end = *size > 0 ? memchr (*at, '\n', *size) : NULL;

  *line = (Line){ *at, end != NULL ? (size_t)(end - *at) : *size };
  if (*size == 0)
    return false;
  size_t taken = line->length + (end != NULL);
  *at += taken;
  *size -= taken;
  if (line->length > 0 && line->text[line->length - 1] == '\r')
    line->length--;
  return true;
}

static bool
begins (const Line *line, const char *with)
{
  return line->length >= strlen (with) && memcmp (line->text, with, strlen (with)) == 0;
}

static bool
is_signed (const MinisignKey *key, const void *bytes, size_t size, const unsigned char *signature)
{
  EVP_PKEY *public = EVP_PKEY_new_raw_public_key (EVP_PKEY_ED25519, NULL, key->key, sizeof key->key);
  EVP_MD_CTX *context = EVP_MD_CTX_new ();
  bool good = public != NULL && context != NULL && EVP_DigestVerifyInit (context, NULL, NULL, NULL, public) == 1
              && EVP_DigestVerify (context, signature, MINISIGN_SIGNATURE, bytes, size) == 1;

  EVP_MD_CTX_free (context);
  EVP_PKEY_free (public);
  return good;
}

/* Returns: the signature of @signature and the text of the line @comment, as they are signed together */
static size_t
join (const unsigned char *signature, const char *comment, size_t length, unsigned char *joined)
{
  memcpy (joined, signature, MINISIGN_SIGNATURE);
  memcpy (joined + MINISIGN_SIGNATURE, comment, length);
  return MINISIGN_SIGNATURE + length;
}

static bool
is_comment_signed (const MinisignKey *key, const unsigned char *signature, const Line *comment, const Line *line)
{
  unsigned char joined[MINISIGN_SIGNATURE + MOST_COMMENT], second[MINISIGN_SIGNATURE];
  size_t skip = strlen (trusted), length = begins (comment, trusted) ? comment->length - skip : 0;

  return begins (comment, trusted) && length <= MOST_COMMENT && decode (line->text, line->length, second, sizeof second)
         && is_signed (key, joined, join (signature, comment->text + skip, length, joined), second);
}

const char *
minisign_verify (const MinisignKey *key, const void *bytes, size_t size, const void *file, size_t file_size)
{
  const char *at = file;
  Line first, second, comment, last;
  unsigned char read[SIGNED], digest[PREHASH];
  size_t left = file_size;

  if (file == NULL || file_size > MINISIGN_MOST_FILE || !take_line (&at, &left, &first) || !begins (&first, untrusted)
      || !take_line (&at, &left, &second) || !decode (second.text, second.length, read, sizeof read))
    return "the signature is damaged";
  bool prehashed = memcmp (read, "ED", ALGORITHM) == 0;
  if (!prehashed && memcmp (read, "Ed", ALGORITHM) != 0)
    return "the signature has another format";
  if (memcmp (read + ALGORITHM, key->id, MINISIGN_ID) != 0)
    return "it is signed with another key";
  if (prehashed && !hash (EVP_blake2b512 (), bytes, size, digest, sizeof digest))
    return "the signature cannot be verified here";
  if (!is_signed (key, prehashed ? digest : bytes, prehashed ? sizeof digest : size, read + HEAD))
    return "the signature is wrong";
  if (take_line (&at, &left, &comment)
      && (!take_line (&at, &left, &last) || left > 0 || !is_comment_signed (key, read + HEAD, &comment, &last)))
    return "the signature of the comment is wrong";
  return NULL;
}

/* ---- writing signatures ---- */

char *
minisign_write (const MinisignKey *key, const void *bytes, size_t size, const char *comment, MinisignFunc sign,
                void *data)
{
  unsigned char read[SIGNED] = { 'E', 'd' }, second[MINISIGN_SIGNATURE], joined[MINISIGN_SIGNATURE + MOST_COMMENT];
  char first_text[(SIGNED + 2) / 3 * 4 + 1], second_text[(MINISIGN_SIGNATURE + 2) / 3 * 4 + 1], name[MINISIGN_NAME + 1],
      *text = NULL;

  memcpy (read + ALGORITHM, key->id, MINISIGN_ID);
  if (strlen (comment) > MOST_COMMENT || !sign (data, bytes, size, read + HEAD)
      || !sign (data, joined, join (read + HEAD, comment, strlen (comment), joined), second))
    return NULL;
  encode (read, sizeof read, first_text);
  encode (second, sizeof second, second_text);
  minisign_key_name (key, name);
  return asprintf (&text, "%ssignature from dkms key %s\n%s\n%s%s\n%s\n", untrusted, name, first_text, trusted, comment,
                   second_text)
                 < 0
             ? NULL
             : text;
}
