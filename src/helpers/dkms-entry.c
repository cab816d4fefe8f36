/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes and reads entries of the build cache. An entry is an ActionResult (action-result.h) that contains the manifest
 * build.json (entry-manifest.h); its blobs (entry-blob.h) are files of their own.
 *
 * dkms-entry pack SOURCE OUT < REQUEST: REQUEST consists of pairs "key NUL value NUL": key, result, module, version,
 * kernel, arch, inputs, time, seconds, dkms, builder, for a failed build error and exit, and a pair "file" for each
 * file below the directory SOURCE. Writes to the directory OUT the blobs, build.json and entry. Prints a pair "blob"
 * with the name of each blob.
 *
 * dkms-entry unpack ENTRY BLOBS OUT < REQUEST: REQUEST has key, module, version, kernel, arch, a pair "output" with the
 * name of each module that the build makes, and "most", the largest size of a file in bytes. Reads the file ENTRY and
 * blobs in the directory BLOBS, writes the files of the build to the directory OUT, and prints:
 *
 *   result, time, seconds, dkms, builder, exit, error    as in the manifest
 *   file      each path below OUT
 *   missing   instead of a file: the name of a blob that does not exist
 *   blob      the names of its blobs
 *   refused   why the entry cannot be used; "bad", before: the blob because of which
 *
 * Both end with a pair "end". The files and directories are opened first; then the process drops its privileges. So
 * OUT belongs to the user 65534 if root calls. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "helpers/action-result.h"
#include "helpers/drop-rights.h"
#include "helpers/entry-blob.h"
#include "helpers/entry-manifest.h"
#include "helpers/facts-out.h"
#include "helpers/memory-file.h"
#include "helpers/write-all.h"

enum { MOST_REQUEST = 4 << 20, MOST_ENTRY = 1 << 20, MOST_SECONDS = 600, MOST_BYTES = 1 << 30 };

static const char manifest_name[] = "build.json";

/* ---- pairs ---- */

static void
put_number (const char *key, long long value)
{
  char text[24];

  (void)snprintf (text, sizeof text, "%lld", value);
  facts_put (key, text);
}

static int
finish (void)
{
  facts_put ("end", "");
  return fflush (stdout) == 0 ? 0 : 1;
}

static int
fail (const char *what, const char *path)
{
  fprintf (stderr, "dkms-entry: %s: %s%s%s\n", path, what, errno != 0 ? ": " : "", errno != 0 ? strerror (errno) : "");
  return 1;
}

/* The pairs on standard input. */
typedef struct {
  char *text;
  size_t size;
} Request;

static bool
read_request (Request *self)
{
  ssize_t got = 1;

  self->text = malloc (MOST_REQUEST + 1);
  while (self->text != NULL && got > 0 && self->size < MOST_REQUEST)
    {
      got = read (STDIN_FILENO, self->text + self->size, MOST_REQUEST - self->size);
      if (got < 0 && errno == EINTR)
        got = 1;
      else if (got > 0)
        self->size += (size_t)got;
    }
  return self->text != NULL && got == 0 && (self->size == 0 || self->text[self->size - 1] == '\0');
}

/* Returns: the value of the pair with @key that follows @after (nullable: the first one); NULL: none */
static const char *
next (const Request *self, const char *key, const char *after)
{
  const char *end = self->text + self->size, *at = after == NULL ? self->text : after + strlen (after) + 1;

  while (at < end)
    {
      const char *value = at + strlen (at) + 1;
      if (value >= end)
        return NULL;
      if (strcmp (at, key) == 0)
        return value;
      at = value + strlen (value) + 1;
    }
  return NULL;
}

static size_t
count (const Request *self, const char *key)
{
  size_t n = 0;

  for (const char *value = next (self, key, NULL); value != NULL; value = next (self, key, value))
    n++;
  return n;
}

static const char *
first (const void *request, const char *key)
{
  return next (request, key, NULL);
}

/* ---- pack ---- */

static bool
write_file (int dir, const char *name, const void *bytes, size_t size)
{
  int fd = openat (dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
  bool good = fd >= 0 && write_all (fd, bytes, size);

  return (fd < 0 || close (fd) == 0) && good;
}

static bool
take_request (const Request *request, EntryManifest *manifest)
{
  const char *time = first (request, "time"), *seconds = first (request, "seconds"), *status = first (request, "exit"),
             *error = first (request, "error");

  manifest->time = time != NULL ? strtoll (time, NULL, 10) : 0;
  manifest->seconds = seconds != NULL ? strtod (seconds, NULL) : 0;
  manifest->exit = status != NULL ? (int)strtol (status, NULL, 10) : 0;
  manifest->error = error != NULL ? strdup (error) : NULL;
  return entry_manifest_take (manifest, first, request) && (error == NULL || manifest->error != NULL);
}

/* Compresses the files. Returns: an exit status */
static int
pack_files (const Request *request, int source, int out, EntryManifest *manifest)
{
  manifest->files = calloc (count (request, "file") + 1, sizeof *manifest->files);
  if (manifest->files == NULL)
    return fail ("cannot read", "the request");
  for (const char *path = next (request, "file", NULL); path != NULL; path = next (request, "file", path))
    {
      EntryFile *file = &manifest->files[manifest->count++];
      file->path = strdup (path);
      const char *reason = file->path != NULL ? entry_blob_pack (source, path, out, file) : "memory ran out";
      if (reason != NULL)
        return fail (reason, path);
    }
  return 0;
}

/* Writes the message about the manifest and its blobs. */
static bool
write_entry (int out, const EntryManifest *manifest, const char *text)
{
  ActionFile *files = calloc (manifest->count + 1, sizeof *files);
  char (*paths)[ENTRY_HEX + 8] = calloc (manifest->count + 1, sizeof *paths);
  unsigned char *bytes = NULL;
  size_t size = 0;

  if (files != NULL && paths != NULL)
    {
      files[0] = (ActionFile){ .path = manifest_name, .size = strlen (text), .contents = (const unsigned char *)text };
      entry_digest (text, strlen (text), files[0].hash);
      for (size_t i = 0; i < manifest->count; i++)
        {
          const EntryFile *file = &manifest->files[i];
          (void)snprintf (paths[i], sizeof paths[i], "blob/%s", file->blob);
          files[i + 1] = (ActionFile){ .path = paths[i], .size = file->blob_size };
          memcpy (files[i + 1].hash, file->blob, sizeof files[i + 1].hash);
        }
      bytes = action_result_write (files, manifest->count + 1, manifest->exit, &size);
    }
  bool good = bytes != NULL && write_file (out, "entry", bytes, size);
  free (bytes);
  free (paths);
  free (files);
  return good;
}

static int
pack (const Request *request, int source, int out)
{
  EntryManifest manifest = { 0 };
  char *text = NULL;

  int status = take_request (request, &manifest) ? pack_files (request, source, out, &manifest)
                                                 : fail ("it is incomplete", "the request");
  if (status == 0)
    {
      errno = 0;
      text = entry_manifest_write (&manifest);
      if (text == NULL || strlen (text) > ENTRY_MOST_MANIFEST || !write_file (out, manifest_name, text, strlen (text))
          || !write_entry (out, &manifest, text))
        status = fail ("it cannot be written", manifest_name);
    }
  for (size_t i = 0; status == 0 && i < manifest.count; i++)
    facts_put ("blob", manifest.files[i].blob);
  free (text);
  entry_manifest_clear (&manifest);
  return status == 0 ? finish () : status;
}

/* ---- unpack ---- */

static void
put_manifest (const EntryManifest *manifest)
{
  char seconds[32];

  facts_put ("result", manifest->result);
  put_number ("time", manifest->time);
  (void)snprintf (seconds, sizeof seconds, "%.6f", manifest->seconds);
  facts_put ("seconds", seconds);
  facts_put ("dkms", manifest->dkms);
  facts_put ("builder", manifest->builder);
  for (size_t i = 0; i < manifest->count; i++)
    facts_put ("blob", manifest->files[i].blob);
  if (manifest->error != NULL)
    {
      put_number ("exit", manifest->exit);
      facts_put ("error", manifest->error);
    }
}

/* Returns: (transfer none) (nullable): why the manifest in the message cannot be used */
static const char *
read_manifest (const unsigned char *bytes, size_t size, const EntryWish *wish, EntryManifest *manifest)
{
  ActionFile file;

  if (bytes == NULL || size > MOST_ENTRY)
    return "the entry is empty or too large";
  if (!action_result_find (bytes, size, manifest_name, &file))
    return "the entry has no manifest";
  if (file.contents == NULL)
    return "the entry does not contain its manifest";
  const char *reason = entry_manifest_read (manifest, (const char *)file.contents, (size_t)file.size);
  return reason != NULL ? reason : entry_manifest_refuse (manifest, wish);
}

static const char *
unpack_files (const EntryManifest *manifest, int blobs, int out)
{
  static const char *const dirs[] = { "module", "extra", "log" };

  for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++)
    if (mkdirat (out, dirs[i], 0755) < 0 && errno != EEXIST)
      return "a file cannot be written";
  for (size_t i = 0; i < manifest->count; i++)
    {
      const EntryFile *file = &manifest->files[i];
      const char *reason = entry_blob_unpack (blobs, out, file);
      if (reason != NULL && *reason != '\0')
        return facts_put ("bad", file->blob), reason;
      facts_put (reason == NULL ? "file" : "missing", reason == NULL ? file->path : file->blob);
    }
  return NULL;
}

static int
unpack (const Request *request, int entry, int blobs, int out)
{
  const char *most = first (request, "most");
  EntryWish wish = { .key = first (request, "key"),
                     .module = first (request, "module"),
                     .version = first (request, "version"),
                     .kernel = first (request, "kernel"),
                     .arch = first (request, "arch"),
                     .outputs = calloc (count (request, "output") + 1, sizeof *wish.outputs),
                     .most = most != NULL ? strtoull (most, NULL, 10) : 0 };
  EntryManifest manifest = { 0 };
  size_t size = 0;
  const unsigned char *bytes = memory_file_map (entry, &size);

  errno = 0;
  if (wish.outputs == NULL || wish.key == NULL || wish.module == NULL || wish.version == NULL || wish.kernel == NULL
      || wish.arch == NULL)
    return free (wish.outputs), fail ("it is incomplete", "the request");
  for (const char *name = next (request, "output", NULL); name != NULL; name = next (request, "output", name))
    wish.outputs[wish.count++] = name;
  const char *reason = read_manifest (bytes, size, &wish, &manifest);
  if (reason == NULL)
    {
      put_manifest (&manifest);
      reason = unpack_files (&manifest, blobs, out);
    }
  if (reason != NULL)
    facts_put ("refused", reason);
  entry_manifest_clear (&manifest);
  free (wish.outputs);
  return finish ();
}

static int
usage (void)
{
  return fprintf (stderr, "usage: dkms-entry pack SOURCE OUT | unpack ENTRY BLOBS OUT, with a request on stdin\n"), 2;
}

int
main (int argc, char **argv)
{
  bool packs = argc == 4 && strcmp (argv[1], "pack") == 0, unpacks = argc == 5 && strcmp (argv[1], "unpack") == 0;
  Request request = { 0 };
  int fds[3] = { -1, -1, -1 };

  if (!packs && !unpacks)
    return usage ();
  for (int i = 0; i < argc - 2; i++)
    {
      fds[i] = open (argv[i + 2], O_RDONLY | O_CLOEXEC | O_NONBLOCK | (unpacks && i == 0 ? 0 : O_DIRECTORY));
      if (fds[i] < 0)
        return fail ("it cannot be opened", argv[i + 2]);
    }
  if (!drop_rights ("dkms-entry", MOST_SECONDS, MOST_BYTES))
    return fail ("cannot drop privileges", "dkms-entry");
  (void)umask (022);
  errno = 0;
  if (!read_request (&request))
    return free (request.text), fail ("it cannot be read", "the request");
  int status = packs ? pack (&request, fds[0], fds[1]) : unpack (&request, fds[0], fds[1], fds[2]);
  free (request.text);
  return status;
}
