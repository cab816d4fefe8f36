/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes and reads ActionResult messages. */
#define _GNU_SOURCE
#include "helpers/action-result.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WIRE_VARINT = 0, WIRE_64_BITS = 1, WIRE_BYTES = 2, WIRE_32_BITS = 5 };
enum { OUTPUT_FILES = 2, EXIT_CODE = 4, EXECUTION_METADATA = 9 };
enum { FILE_PATH = 1, FILE_DIGEST = 2, FILE_CONTENTS = 5 };
enum { DIGEST_HASH = 1, DIGEST_SIZE = 2 };
enum { METADATA_WORKER = 1 };

/* ---- writing ---- */

static void
put_number (FILE *out, uint64_t value)
{
  for (; value >= 0x80; value >>= 7)
    (void)fputc ((int)(value & 0x7f) | 0x80, out);
  (void)fputc ((int)value, out);
}

static void
put_field (FILE *out, unsigned number, unsigned wire)
{
  put_number (out, (uint64_t)number << 3 | wire);
}

static void
put_bytes (FILE *out, unsigned number, const void *bytes, size_t size)
{
  put_field (out, number, WIRE_BYTES);
  put_number (out, size);
  (void)fwrite (bytes, 1, size, out);
}

/* Writes the fields of the object @about. */
typedef void (*Fields) (FILE *out, const void *about);

/* Writes a message inside of another one, which begins with its size. */
static void
put_message (FILE *out, unsigned number, Fields fields, const void *about)
{
  char *bytes = NULL;
  size_t size = 0;
  FILE *inner = open_memstream (&bytes, &size);

  if (inner != NULL)
    fields (inner, about);
  if (inner == NULL || fclose (inner) != 0)
    (void)fclose (out), abort (); /* there is no memory */
  put_bytes (out, number, bytes, size);
  free (bytes);
}

static void
digest_fields (FILE *out, const void *about)
{
  const ActionFile *file = about;

  put_bytes (out, DIGEST_HASH, file->hash, strlen (file->hash));
  put_field (out, DIGEST_SIZE, WIRE_VARINT);
  put_number (out, file->size);
}

static void
file_fields (FILE *out, const void *about)
{
  const ActionFile *file = about;

  put_bytes (out, FILE_PATH, file->path, strlen (file->path));
  put_message (out, FILE_DIGEST, digest_fields, file);
  if (file->contents != NULL)
    put_bytes (out, FILE_CONTENTS, file->contents, file->size);
}

/* A cache writes the address of its client into a message without a worker, and so changes it. */
static void
metadata_fields (FILE *out, const void *about)
{
  put_bytes (out, METADATA_WORKER, about, strlen (about));
}

unsigned char *
action_result_write (const ActionFile *files, size_t count, int exit_code, size_t *size)
{
  char *bytes = NULL;
  FILE *out = open_memstream (&bytes, size);

  if (out == NULL)
    return NULL;
  for (size_t i = 0; i < count; i++)
    put_message (out, OUTPUT_FILES, file_fields, &files[i]);
  if (exit_code != 0)
    {
      put_field (out, EXIT_CODE, WIRE_VARINT);
      put_number (out, (uint64_t)(int64_t)exit_code);
    }
  put_message (out, EXECUTION_METADATA, metadata_fields, "dkms");
  if (fclose (out) == 0)
    return (unsigned char *)bytes;
  free (bytes);
  return NULL;
}

/* ---- reading ---- */

/* A part of the message that is still to be read. */
typedef struct {
  const unsigned char *at, *end;
} Part;

/* A field. */
typedef struct {
  uint64_t number, value; /* value: of WIRE_VARINT */
  unsigned wire;
  Part content; /* of WIRE_BYTES */
} Field;

static bool
take_number (Part *part, uint64_t *value)
{
  *value = 0;
  for (unsigned shift = 0; part->at < part->end && shift < 64; shift += 7)
    {
      unsigned char byte = *part->at++;
      if (shift == 63 && byte > 1)
        return false;
      *value |= (uint64_t)(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0)
        return true;
    }
  return false;
}

static bool
skip (Part *part, uint64_t size)
{
  if (size > (uint64_t)(part->end - part->at))
    return false;
  part->at += size;
  return true;
}

static bool
take_field (Part *part, Field *field)
{
  uint64_t head, size;

  if (!take_number (part, &head))
    return false;
  *field = (Field){ .number = head >> 3, .wire = head & 7 };
  switch (field->wire)
    {
    case WIRE_VARINT:
      return take_number (part, &field->value);
    case WIRE_64_BITS:
      return skip (part, 8);
    case WIRE_32_BITS:
      return skip (part, 4);
    case WIRE_BYTES:
      if (!take_number (part, &size))
        return false;
      field->content.at = part->at;
      if (!skip (part, size))
        return false;
      field->content.end = part->at;
      return true;
    default: /* groups are not part of the message */
      return false;
    }
}

static size_t
length (const Part *part)
{
  return (size_t)(part->end - part->at);
}

static bool
read_digest (Part part, ActionFile *file)
{
  Field field;

  while (part.at < part.end)
    {
      if (!take_field (&part, &field))
        return false;
      if (field.number == DIGEST_HASH && field.wire == WIRE_BYTES)
        {
          if (length (&field.content) != ACTION_HASH)
            return false;
          memcpy (file->hash, field.content.at, ACTION_HASH);
          file->hash[ACTION_HASH] = '\0';
        }
      else if (field.number == DIGEST_SIZE && field.wire == WIRE_VARINT)
        file->size = field.value;
    }
  return file->hash[0] != '\0' && strspn (file->hash, "0123456789abcdef") == ACTION_HASH;
}

/* Reads the output file in @part. @same: (out): whether it is that of @file */
static bool
read_file (Part part, ActionFile *file, bool *same)
{
  ActionFile found = { .path = file->path };
  Part contents = { NULL, NULL };
  bool has_digest = false;
  Field field;

  *same = false;
  while (part.at < part.end)
    {
      if (!take_field (&part, &field))
        return false;
      if (field.wire != WIRE_BYTES)
        continue;
      if (field.number == FILE_PATH)
        *same = length (&field.content) == strlen (file->path)
                && memcmp (field.content.at, file->path, length (&field.content)) == 0;
      else if (field.number == FILE_DIGEST && !(has_digest = read_digest (field.content, &found)))
        return false;
      else if (field.number == FILE_CONTENTS)
        contents = field.content;
    }
  if (!*same)
    return true;
  if (!has_digest || (length (&contents) > 0 && length (&contents) != found.size))
    return false;
  found.contents = length (&contents) > 0 ? contents.at : NULL;
  *file = found;
  return true;
}

bool
action_result_find (const void *bytes, size_t size, const char *path, ActionFile *file)
{
  Part part = { bytes, size > 0 ? (const unsigned char *)bytes + size : bytes };
  unsigned found = 0;
  Field field;

  *file = (ActionFile){ .path = path };
  while (part.at < part.end)
    {
      bool same = false;
      if (!take_field (&part, &field))
        return false;
      if (field.number == OUTPUT_FILES && field.wire == WIRE_BYTES && !read_file (field.content, file, &same))
        return false;
      found += same;
    }
  return found == 1;
}
