/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Input: a letter and a file, as dkms-entry reads it:
 *   a  an ActionResult
 *   m  a manifest, whose key is replaced by the digest of its inputs
 *   e  an ActionResult of a build, or of a claim on the build "k"
 *   p  a module
 *   b  a blob, whose digest is made right
 * Findings: a crash; contents outside of the file; a manifest that is accepted although it has a file with a path that
 * climbs, twice, or too large; an unpacked file of another size. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "helpers/action-result.h"
#include "helpers/entry-blob.h"
#include "helpers/entry-read.h"

enum { MOST = 1 << 16 };

static void
read_result (const uint8_t *bytes, size_t size)
{
  ActionFile file;
  size_t length = 0;

  if (!action_result_find (bytes, size, "build.json", &file))
    return;
  g_assert (file.contents == NULL || (file.contents >= bytes && file.contents + file.size <= bytes + size));
  if (file.contents == NULL)
    return;
  g_autofree unsigned char *again = action_result_write (&file, 1, 7, &length);
  ActionFile copy;
  g_assert (action_result_find (again, length, "build.json", &copy) && copy.size == file.size
            && memcmp (copy.contents, file.contents, file.size) == 0 && strcmp (copy.hash, file.hash) == 0);
}

static void
read_manifest (const uint8_t *bytes, size_t size)
{
  static const char *outputs[] = { "a", "b" };
  char key[ENTRY_HEX + 1];
  json_t *json = json_loadb ((const char *)bytes, size, 0, NULL);
  const char *inputs = json_string_value (json_object_get (json, "inputs"));
  EntryManifest manifest;

  entry_digest (inputs, inputs != NULL ? strlen (inputs) : 0, key);
  if (inputs != NULL)
    (void)json_object_set_new (json, "key", json_string (key));
  char *text = json_dumps (json, JSON_COMPACT);
  const EntryWish wish = { key, "m", "1", "6.1", "x86_64", outputs, G_N_ELEMENTS (outputs), MOST };
  if (text != NULL && entry_manifest_read (&manifest, text, strlen (text)) == NULL
      && entry_manifest_refuse (&manifest, &wish) == NULL)
    {
      g_assert (strcmp (manifest.key, key) == 0 && manifest.count <= 2 + ENTRY_MOST_EXTRAS + 2);
      for (size_t i = 0; i < manifest.count; i++)
        {
          const EntryFile *file = &manifest.files[i];
          g_assert (file->size <= MOST && file->blob_size <= MOST && strstr (file->path, "/.") == NULL
                    && *file->path != '/' && strchr (file->path, '/') == strrchr (file->path, '/'));
        }
      char *again = entry_manifest_write (&manifest);
      EntryManifest copy;
      g_assert (again != NULL && entry_manifest_read (&copy, again, strlen (again)) == NULL
                && copy.count == manifest.count);
      entry_manifest_clear (&copy);
      free (again);
    }
  if (text != NULL)
    entry_manifest_clear (&manifest);
  free (text);
  json_decref (json);
}

static void
read_blob (const uint8_t *bytes, size_t size)
{
  EntryFile file
      = { .path = (char *)(size_t) "out", .size = size > 0 ? (uint64_t)bytes[0] << 4 : 0, .blob_size = size };
  struct stat st;

  entry_digest (bytes, size, file.blob);
  memset (file.sha256, '0', ENTRY_HEX);
  fuzz_write (file.blob, bytes, size);
  int dir = open (fuzz_place (), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  g_assert (dir >= 0);
  const char *reason = entry_blob_unpack (dir, dir, &file);
  g_assert (reason != NULL && *reason != '\0');
  if (fstatat (dir, "out", &st, 0) == 0)
    g_assert ((uint64_t)st.st_size <= file.size);
  (void)close (dir);
  fuzz_delete (file.blob);
  fuzz_delete ("out");
}

/* Nobody has signed what a fuzzer makes, and nothing is trusted of it. */
static void
read_entry (const uint8_t *bytes, size_t size)
{
  const char *signers[] = { "RWT/9XCX+ze6osFp6zg8IQKJ7IH7scRoUHHW78e7qEmEJkc9DqMwxXfH" };
  EntryWish wish = { .key = "", .module = "m", .version = "1", .kernel = "6.1", .arch = "x86_64", .most = 1 << 20 };
  const EntrySource source = { bytes, size, -1 };
  EntryFindings found;
  int64_t expires = -1;

  const char *claim = entry_read_claim (&source, "k", "b", &found, &expires);
  g_assert ((claim != NULL || expires >= 0) && (claim == NULL || *claim != '\0' || found.count == 1));
  for (size_t i = 0; i < 2; i++)
    {
      EntryManifest manifest;
      EntryFindings findings;
      char *text;
      wish.signers = signers;
      wish.signer_count = i;
      const char *reason = entry_read (&source, &wish, &manifest, &findings, &text);
      g_assert (reason != NULL && text == NULL && findings.signer == NULL && (i == 0 || manifest.key == NULL));
      g_assert (findings.count <= 2 && (*reason != '\0' || findings.count > 0));
      entry_manifest_clear (&manifest);
    }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree uint8_t *exact = NULL;
  FuzzInput input = { data, size };
  char letter = (char)fuzz_byte (&input), digest[ENTRY_HEX + 1];

  fuzz_begin ();
  exact = g_memdup2 (input.data, input.size); /* so that a byte too far is noticed */
  switch (letter)
    {
    case 'a':
      read_result (exact, input.size);
      return 0;
    case 'e':
      read_entry (exact, input.size);
      return 0;
    case 'm':
      read_manifest (exact, input.size);
      return 0;
    case 'p':
      (void)entry_payload (exact, input.size, digest);
      return 0;
    case 'b':
      read_blob (exact, input.size);
      return 0;
    default:
      return -1; /* not added to the corpus */
    }
}
