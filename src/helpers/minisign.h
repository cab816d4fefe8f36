/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Public keys and signature files of minisign, which signify of OpenBSD uses, too. Both contain Base64 texts:
 *
 *   public key   42 bytes: "Ed", the id of the key (8), the key of Ed25519 (32)
 *   signature    74 bytes: "Ed", the id of the key (8), the signature of the bytes of the file (64). Or "ED": the
 *                signature of their BLAKE2b-512
 *
 * A signature file has these lines. The last two may be missing, as signify writes it:
 *
 *   untrusted comment: TEXT
 *   the signature
 *   trusted comment: TEXT
 *   64 bytes: the signature of the 64 bytes above and this TEXT */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { MINISIGN_ID = 8, MINISIGN_KEY = 32, MINISIGN_SIGNATURE = 64, MINISIGN_MOST_FILE = 4096 };
enum { MINISIGN_KEY_TEXT = 56, MINISIGN_NAME = 2 * MINISIGN_ID };

typedef struct {
  unsigned char id[MINISIGN_ID], key[MINISIGN_KEY];
} MinisignKey;

/** Reads a public key in Base64. Returns: false if @text is none */
bool minisign_key_read (MinisignKey *self, const char *text);
/** Writes @self in Base64. */
void minisign_key_write (const MinisignKey *self, char text[MINISIGN_KEY_TEXT + 1]);
/** Writes the id of @self as minisign prints it: as a number in hexadecimal, with upper-case letters. */
void minisign_key_name (const MinisignKey *self, char name[MINISIGN_NAME + 1]);
/** Gives @self an id that depends on nothing but the key. */
void minisign_key_set_id (MinisignKey *self);

/**
 * minisign_verify:
 * @file: a signature file of @file_size bytes, which another party has made
 *
 * Returns: (transfer none) (nullable): why it is not a signature of the @size @bytes by @key
 */
const char *minisign_verify (const MinisignKey *key, const void *bytes, size_t size, const void *file,
                             size_t file_size);

/* Signs @size bytes. Returns: whether it succeeded */
typedef bool (*MinisignFunc) (void *key, const void *bytes, size_t size, unsigned char signature[MINISIGN_SIGNATURE]);
/**
 * minisign_write:
 * Signs @size @bytes with @sign, which gets @data.
 *
 * @comment: one line, which is signed, too
 *
 * Returns: (transfer full) (nullable): a signature file; NULL if @sign fails, or without memory
 */
char *minisign_write (const MinisignKey *key, const void *bytes, size_t size, const char *comment, MinisignFunc sign,
                      void *data);
