/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes and reads entries of the build cache (entry-read.h). Its blobs (entry-blob.h) are files of their own. REQUEST
 * consists of pairs "key NUL value NUL" on standard input.
 *
 * dkms-entry pack SOURCE OUT < REQUEST: REQUEST has key, result, module, version, kernel, arch, inputs, time, seconds,
 * dkms, builder, for a failed build error and exit, and a pair "file" for each file below the directory SOURCE. Writes
 * to the directory OUT the blobs, build.json and entry. Prints a pair "blob" with the name of each blob, and "manifest"
 * with the name of the file that can be signed.
 *
 * dkms-entry seal OUT: writes the file entry again, with the signature build.json.minisig beside build.json.
 *
 * dkms-entry unpack ENTRY BLOBS OUT < REQUEST: REQUEST has key, module, version, kernel, arch, a pair "output" with the
 * name of each module that the build makes, "most", the largest size of a file in bytes, a pair "signer" with each
 * public key that may have signed it (none: it is an entry of this machine, without a signature), and a pair "deny"
 * with each key or digest that is refused. Reads the file ENTRY and blobs in the directory BLOBS, writes the files of
 * the build to the directory OUT, and prints:
 *
 *   signer    the one who has signed it
 *   result, time, seconds, dkms, builder, exit, error    as in the manifest
 *   blob      the names of its blobs
 *   file      each path below OUT; "payload", behind it: the digest of what is loaded of a module
 *   missing   instead of a file: the name of a blob that does not exist
 *   refused   why the entry cannot be used; "bad", before: the blob because of which
 *
 * dkms-entry list ENTRY [BLOBS [OUT]] < REQUEST: the same request. Only checks the entry, so it needs no blobs. Prints
 * signer, result and so on, and for each file in this order "blob", "size" (of the blob), "content" (bytes of the
 * file), "file" (its path), "payload"; or "refused". If the manifest or its signature is not in the entry, it is looked
 * for in BLOBS; if it is not there either, prints "fetch" (its digest) and "size", and nothing else about the entry.
 * Writes the manifest to build.json in OUT.
 *
 * dkms-entry claim OUT < REQUEST: REQUEST has key, expires, and by, a text of this machine. Writes a claim on that
 * build to build.json and entry in the directory OUT.
 *
 * dkms-entry claimed ENTRY BLOBS < REQUEST: REQUEST has key and by. Prints "expires", if ENTRY is a claim of another
 * machine on that build; or "fetch" and "size" as above; or "refused".
 *
 * dkms-entry digest FILE...: prints about each FILE, a module:
 *
 *   content   SHA-256 of it, uncompressed and without signatures
 *   payload   digest of what is loaded (entry_payload()), if it is an ELF file; and
 *   typeless  the same without type information (.BTF), which pahole writes in any order
 *   refused   instead: why it cannot be read
 *
 * All end with a pair "end". The files and directories are opened first; then the process drops its privileges. So OUT
 * belongs to the user 65534 if root calls. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "helpers/drop-rights.h"
#include "helpers/entry-blob.h"
#include "helpers/entry-read.h"
#include "helpers/facts-out.h"
#include "helpers/memory-file.h"
#include "helpers/minisign.h"
#include "helpers/module-digest.h"
#include "helpers/pairs-in.h"
#include "helpers/write-all.h"

enum { MOST_REQUEST = 4 << 20, MOST_SECONDS = 600, MOST_BYTES = 1 << 30 };

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
  return pairs_find (self->text, self->size, key, after);
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

/* Writes the message about the manifest @text and its blobs. */
static bool
write_entry (int out, const EntryManifest *manifest, const char *text, const char *signature)
{
  size_t size = 0;
  unsigned char *bytes = entry_write (manifest, text, signature, &size);
  bool good = bytes != NULL && write_file (out, "entry", bytes, size);

  free (bytes);
  return good;
}

static void
put_blobs (const EntryManifest *manifest)
{
  for (size_t i = 0; i < manifest->count; i++)
    facts_put ("blob", manifest->files[i].blob);
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
      if (text == NULL || strlen (text) > ENTRY_MOST_MANIFEST || !write_file (out, ENTRY_MANIFEST, text, strlen (text))
          || !write_entry (out, &manifest, text, NULL))
        status = fail ("it cannot be written", ENTRY_MANIFEST);
    }
  if (status == 0)
    {
      put_blobs (&manifest);
      facts_put ("manifest", ENTRY_MANIFEST);
    }
  free (text);
  entry_manifest_clear (&manifest);
  return status == 0 ? finish () : status;
}

/* Reads the text file @name of at most @most bytes. Returns: (transfer full) (nullable) */
static char *
read_text (int dir, const char *name, size_t most)
{
  size_t size = 0;
  int fd = openat (dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  const unsigned char *bytes = fd >= 0 ? memory_file_map (fd, &size) : NULL;
  bool good = bytes != NULL && size <= most && memchr (bytes, '\0', size) == NULL;

  if (fd >= 0)
    (void)close (fd);
  return good ? strndup ((const char *)bytes, size) : NULL;
}

static int
seal (int out)
{
  EntryManifest manifest = { 0 };
  char *text = read_text (out, ENTRY_MANIFEST, ENTRY_MOST_MANIFEST),
       *signature = read_text (out, ENTRY_SIGNATURE, MINISIGN_MOST_FILE);
  int status = 0;

  if (text == NULL || signature == NULL)
    status = fail ("it cannot be read", text == NULL ? ENTRY_MANIFEST : ENTRY_SIGNATURE);
  else
    {
      errno = 0;
      const char *reason = entry_manifest_read (&manifest, text, strlen (text));
      if (reason != NULL)
        status = fail (reason, ENTRY_MANIFEST);
      else if (!write_entry (out, &manifest, text, signature))
        status = fail ("it cannot be written", "entry");
    }
  if (status == 0)
    put_blobs (&manifest);
  free (text);
  free (signature);
  entry_manifest_clear (&manifest);
  return status == 0 ? finish () : status;
}

/* ---- list and unpack ---- */

static void
put_manifest (const EntryManifest *manifest, const char *signer)
{
  char seconds[32];

  if (signer != NULL)
    facts_put ("signer", signer);
  facts_put ("result", manifest->result);
  put_number ("time", manifest->time);
  (void)snprintf (seconds, sizeof seconds, "%.6f", manifest->seconds);
  facts_put ("seconds", seconds);
  facts_put ("dkms", manifest->dkms);
  facts_put ("builder", manifest->builder);
  if (manifest->error != NULL)
    {
      put_number ("exit", manifest->exit);
      facts_put ("error", manifest->error);
    }
}

static void
put_path (const EntryFile *file)
{
  facts_put ("file", file->path);
  if (file->payload[0] != '\0')
    facts_put ("payload", file->payload);
}

static void
put_file (const EntryFile *file, bool missing)
{
  if (missing)
    facts_put ("missing", file->blob);
  else
    put_path (file);
}

static void
put_needed (const EntryManifest *manifest)
{
  for (size_t i = 0; i < manifest->count; i++)
    {
      const EntryFile *file = &manifest->files[i];
      facts_put ("blob", file->blob);
      put_number ("size", (long long)file->blob_size);
      put_number ("content", (long long)file->size);
      put_path (file);
    }
}

/* @unpacks: else the parts are listed so that the caller can fetch them */
static void
put_absent (const EntryFindings *findings, bool unpacks)
{
  for (size_t i = 0; i < findings->count; i++)
    {
      facts_put (unpacks ? "missing" : "fetch", findings->absent[i].hash);
      if (!unpacks)
        put_number ("size", (long long)findings->absent[i].size);
    }
}

/* Returns: (transfer full) (nullable): the values of all pairs with @key. @found: (out): their number */
static const char **
values (const Request *request, const char *key, size_t *found)
{
  const char **list = calloc (count (request, key) + 1, sizeof *list);

  *found = 0;
  for (const char *value = next (request, key, NULL); list != NULL && value != NULL; value = next (request, key, value))
    list[(*found)++] = value;
  return list;
}

static bool
take_wish (const Request *request, EntryWish *wish)
{
  const char *most = first (request, "most");

  *wish = (EntryWish){ .key = first (request, "key"),
                       .module = first (request, "module"),
                       .version = first (request, "version"),
                       .kernel = first (request, "kernel"),
                       .arch = first (request, "arch"),
                       .most = most != NULL ? strtoull (most, NULL, 10) : 0 };
  wish->outputs = values (request, "output", &wish->count);
  wish->signers = values (request, "signer", &wish->signer_count);
  wish->denied = values (request, "deny", &wish->denied_count);
  return wish->outputs != NULL && wish->signers != NULL && wish->denied != NULL && wish->key != NULL
         && wish->module != NULL && wish->version != NULL && wish->kernel != NULL && wish->arch != NULL;
}

static void
wish_clear (EntryWish *wish)
{
  free (wish->outputs);
  free (wish->signers);
  free (wish->denied);
}

/* @fds: entry, blobs, and the directory for the files, where not given -1. @unpacks: else the entry is only listed */
static int
look (const Request *request, const int fds[3], bool unpacks)
{
  EntryWish wish;
  EntryManifest manifest = { 0 };
  EntryFindings findings = { 0 };
  EntrySource source = { .blobs = fds[1] };
  char *text = NULL;
  const char *bad = NULL;

  if (!take_wish (request, &wish))
    return wish_clear (&wish), fail ("it is incomplete", "the request");
  source.bytes = memory_file_map (fds[0], &source.size);
  const char *reason = entry_read (&source, &wish, &manifest, &findings, unpacks ? NULL : &text);
  if (reason == NULL)
    {
      put_manifest (&manifest, findings.signer);
      if (unpacks)
        put_blobs (&manifest);
      else
        put_needed (&manifest);
      if (unpacks)
        reason = entry_unpack (&manifest, fds[1], fds[2], put_file, &bad);
      else if (fds[2] >= 0 && !write_file (fds[2], ENTRY_MANIFEST, text, strlen (text)))
        reason = "its manifest cannot be written";
    }
  else if (*reason == '\0')
    {
      put_absent (&findings, unpacks);
      reason = NULL;
    }
  else if (findings.bad[0] != '\0')
    bad = findings.bad;
  if (bad != NULL)
    facts_put ("bad", bad);
  if (reason != NULL)
    facts_put ("refused", reason);
  free (text);
  entry_manifest_clear (&manifest);
  wish_clear (&wish);
  return finish ();
}

/* ---- claims ---- */

static int
claim (const Request *request, int out)
{
  const EntryManifest none = { 0 };
  const char *key = first (request, "key"), *by = first (request, "by"), *expires = first (request, "expires");

  if (key == NULL || by == NULL || expires == NULL)
    return fail ("it is incomplete", "the request");
  char *text = entry_claim_write (key, by, strtoll (expires, NULL, 10));
  bool good
      = text != NULL && write_file (out, ENTRY_MANIFEST, text, strlen (text)) && write_entry (out, &none, text, NULL);
  free (text);
  return good ? finish () : fail ("it cannot be written", "entry");
}

static int
read_claim (const Request *request, int entry, int blobs)
{
  const char *key = first (request, "key"), *by = first (request, "by");
  EntryFindings findings = { 0 };
  EntrySource source = { .blobs = blobs };
  int64_t expires = 0;

  if (key == NULL || by == NULL)
    return fail ("it is incomplete", "the request");
  source.bytes = memory_file_map (entry, &source.size);
  const char *reason = entry_read_claim (&source, key, by, &findings, &expires);
  if (reason == NULL)
    put_number ("expires", expires);
  else if (*reason == '\0')
    put_absent (&findings, false);
  else
    facts_put ("refused", reason);
  return finish ();
}

/* ---- digest ---- */

/* Prints digests of the modules in the @count files @paths. Returns: an exit status */
static int
digest (int count, char **paths)
{
  int *fds = calloc ((size_t)count, sizeof *fds), status = fds != NULL ? 0 : fail ("memory ran out", "dkms-entry");

  for (int i = 0; status == 0 && i < count; i++)
    {
      fds[i] = open (paths[i], O_RDONLY | O_CLOEXEC | O_NONBLOCK);
      if (fds[i] < 0)
        status = fail ("it cannot be opened", paths[i]);
    }
  if (status == 0 && !drop_rights ("dkms-entry", MOST_SECONDS, MOST_BYTES))
    status = fail ("cannot drop privileges", "dkms-entry");
  for (int i = 0; status == 0 && i < count; i++)
    module_digest_put (fds[i]);
  free (fds);
  return status == 0 ? finish () : status;
}

/* ---- start ---- */

typedef enum { PACK, SEAL, LIST, UNPACK, CLAIM, CLAIMED } Verb;

static const struct {
  const char *name;
  int least, most; /* arguments */
} verbs[] = { { "pack", 2, 2 },   { "seal", 1, 1 },  { "list", 1, 3 },
              { "unpack", 3, 3 }, { "claim", 1, 1 }, { "claimed", 2, 2 } };

static int
find_verb (int argc, char **argv)
{
  for (size_t i = 0; argc > 1 && i < sizeof verbs / sizeof *verbs; i++)
    if (strcmp (argv[1], verbs[i].name) == 0 && argc - 2 >= verbs[i].least && argc - 2 <= verbs[i].most)
      return (int)i;
  return -1;
}

static int
run (int verb, const Request *request, const int fds[3])
{
  switch (verb)
    {
    case PACK:
      return pack (request, fds[0], fds[1]);
    case SEAL:
      return seal (fds[0]);
    case CLAIM:
      return claim (request, fds[0]);
    case CLAIMED:
      return read_claim (request, fds[0], fds[1]);
    default:
      return look (request, fds, verb == UNPACK);
    }
}

int
main (int argc, char **argv)
{
  int verb = find_verb (argc, argv), fds[3] = { -1, -1, -1 };
  bool reads = verb == LIST || verb == UNPACK || verb == CLAIMED;
  Request request = { 0 };

  if (argc > 2 && strcmp (argv[1], "digest") == 0)
    return digest (argc - 2, argv + 2);
  if (verb < 0)
    return fprintf (stderr, "usage: dkms-entry pack SOURCE OUT | seal OUT | list ENTRY [BLOBS [OUT]] | "
                            "unpack ENTRY BLOBS OUT | claim OUT | claimed ENTRY BLOBS, with a request on stdin; "
                            "digest FILE...\n"),
           2;
  for (int i = 0; i < argc - 2; i++)
    {
      fds[i] = open (argv[i + 2], O_RDONLY | O_CLOEXEC | O_NONBLOCK | (reads && i == 0 ? 0 : O_DIRECTORY));
      if (fds[i] < 0)
        return fail ("it cannot be opened", argv[i + 2]);
    }
  if (!drop_rights ("dkms-entry", MOST_SECONDS, MOST_BYTES))
    return fail ("cannot drop privileges", "dkms-entry");
  (void)umask (022);
  errno = 0;
  if (verb != SEAL && !read_request (&request))
    return free (request.text), fail ("it cannot be read", "the request");
  int status = run (verb, &request, fds);
  free (request.text);
  return status;
}
