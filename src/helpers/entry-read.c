/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads, checks and writes entries. */
#define _GNU_SOURCE
#include "helpers/entry-read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "helpers/action-result.h"
#include "helpers/entry-blob.h"
#include "helpers/memory-file.h"
#include "helpers/minisign.h"

enum { MOST_ENTRY = 1 << 20 };

/* ---- parts ---- */

/* The bytes of a part. */
typedef struct {
  const unsigned char *bytes;
  size_t size;
  bool mapped;
} Part;

static void
part_clear (Part *self)
{
  if (self->mapped)
    (void)munmap ((void *)(size_t)self->bytes, self->size);
  *self = (Part){ 0 };
}

/* Reads the blob of the part that @file describes. */
static const char *
take_blob (const ActionFile *file, int blobs, Part *part, EntryFindings *findings)
{
  int fd = blobs >= 0 ? openat (blobs, file->hash, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) : -1;

  if (fd < 0 && blobs >= 0 && errno != ENOENT)
    return "a blob cannot be read";
  if (fd < 0)
    {
      EntryPart *absent = &findings->absent[findings->count++];
      memcpy (absent->hash, file->hash, sizeof absent->hash);
      absent->size = file->size;
      return "";
    }
  part->bytes = memory_file_map (fd, &part->size);
  part->mapped = part->bytes != NULL;
  (void)close (fd);
  memcpy (findings->bad, file->hash, sizeof findings->bad);
  return NULL;
}

/* Finds the part @path, of at most @most bytes. */
static const char *
take_part (const EntrySource *source, const char *path, uint64_t most, Part *part, EntryFindings *findings)
{
  ActionFile file;
  char digest[ENTRY_HEX + 1];
  const char *reason = NULL;

  if (source->bytes == NULL || source->size > MOST_ENTRY)
    return "the entry is empty or too large";
  if (!action_result_find (source->bytes, source->size, path, &file))
    return strcmp (path, ENTRY_MANIFEST) == 0 ? "the entry has no manifest" : "it is not signed";
  if (file.size == 0 || file.size > most)
    return "a part of the entry is empty or too large";
  *part = (Part){ file.contents, (size_t)file.size, false };
  if (file.contents == NULL)
    reason = take_blob (&file, source->blobs, part, findings);
  if (reason != NULL)
    return reason;
  if (part->bytes == NULL || part->size != file.size)
    return "a blob has another size";
  entry_digest (part->bytes, part->size, digest);
  if (strcmp (digest, file.hash) != 0)
    return "a part of the entry has another digest";
  findings->bad[0] = '\0';
  return NULL;
}

/* ---- reading ---- */

/* Compares the signature with the keys of all signers. */
static const char *
check_signature (const Part *manifest, const Part *signature, const EntryWish *wish, EntryFindings *findings)
{
  const char *reason = NULL;

  for (size_t i = 0; i < wish->signer_count; i++)
    {
      MinisignKey key;
      if (!minisign_key_read (&key, wish->signers[i]))
        return "the signer is not a public key";
      reason = minisign_verify (&key, manifest->bytes, manifest->size, signature->bytes, signature->size);
      if (reason == NULL)
        {
          findings->signer = wish->signers[i];
          return NULL;
        }
    }
  return reason;
}

static const char *
take_parts (const EntrySource *source, const EntryWish *wish, Part *manifest, Part *signature, EntryFindings *findings)
{
  const char *reason = take_part (source, ENTRY_MANIFEST, ENTRY_MOST_MANIFEST, manifest, findings);

  if (wish->signer_count == 0 || (reason != NULL && *reason != '\0'))
    return reason;
  const char *second = take_part (source, ENTRY_SIGNATURE, MINISIGN_MOST_FILE, signature, findings);
  if (second != NULL && *second != '\0')
    return second;
  return reason != NULL ? reason : second;
}

const char *
entry_read (const EntrySource *source, const EntryWish *wish, EntryManifest *manifest, EntryFindings *findings,
            char **text)
{
  Part bytes = { 0 }, signature = { 0 };

  *findings = (EntryFindings){ 0 };
  *manifest = (EntryManifest){ 0 };
  if (text != NULL)
    *text = NULL;
  const char *reason = take_parts (source, wish, &bytes, &signature, findings);
  if (reason == NULL && wish->signer_count > 0)
    reason = check_signature (&bytes, &signature, wish, findings);
  if (reason == NULL)
    reason = entry_manifest_read (manifest, (const char *)bytes.bytes, bytes.size);
  if (reason == NULL)
    reason = entry_manifest_refuse (manifest, wish);
  if (reason == NULL && text != NULL)
    {
      *text = strndup ((const char *)bytes.bytes, bytes.size);
      reason = *text == NULL ? "memory ran out" : NULL;
    }
  part_clear (&bytes);
  part_clear (&signature);
  return reason;
}

const char *
entry_read_claim (const EntrySource *source, const char *key, const char *by, EntryFindings *findings, int64_t *expires)
{
  Part bytes = { 0 };

  *findings = (EntryFindings){ 0 };
  const char *reason = take_part (source, ENTRY_MANIFEST, ENTRY_MOST_MANIFEST, &bytes, findings);
  if (reason == NULL)
    reason = entry_claim_read ((const char *)bytes.bytes, bytes.size, key, by, expires);
  part_clear (&bytes);
  return reason;
}

const char *
entry_unpack (const EntryManifest *manifest, int blobs, int out, EntryFileFunc written, const char **bad)
{
  static const char *const dirs[] = { "module", "extra", "log" };

  *bad = NULL;
  for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++)
    if (mkdirat (out, dirs[i], 0755) < 0 && errno != EEXIST)
      return "a file cannot be written";
  for (size_t i = 0; i < manifest->count; i++)
    {
      const EntryFile *file = &manifest->files[i];
      const char *reason = entry_blob_unpack (blobs, out, file);
      if (reason != NULL && *reason != '\0')
        {
          *bad = file->blob;
          return reason;
        }
      written (file, reason != NULL);
    }
  return NULL;
}

/* ---- writing ---- */

/* Describes the part @path with the content @text. */
static ActionFile
part_of (const char *path, const char *text)
{
  ActionFile file = { .path = path, .size = strlen (text), .contents = (const unsigned char *)text };

  entry_digest (text, strlen (text), file.hash);
  return file;
}

unsigned char *
entry_write (const EntryManifest *manifest, const char *text, const char *signature, size_t *size)
{
  ActionFile *files = calloc (manifest->count + 2, sizeof *files);
  char (*paths)[ENTRY_HEX + 8] = calloc (manifest->count + 1, sizeof *paths);
  unsigned char *bytes = NULL;
  size_t count = 0;

  if (files != NULL && paths != NULL)
    {
      files[count++] = part_of (ENTRY_MANIFEST, text);
      if (signature != NULL)
        files[count++] = part_of (ENTRY_SIGNATURE, signature);
      for (size_t i = 0; i < manifest->count; i++)
        {
          const EntryFile *file = &manifest->files[i];
          (void)snprintf (paths[i], sizeof paths[i], "blob/%s", file->blob);
          files[count] = (ActionFile){ .path = paths[i], .size = file->blob_size };
          memcpy (files[count++].hash, file->blob, sizeof files->hash);
        }
      bytes = action_result_write (files, count, manifest->exit, size);
    }
  free (paths);
  free (files);
  return bytes;
}
