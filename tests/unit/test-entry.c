/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Attacks on entries of the build cache: every changed bit, other builds, other files, other signers. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "ed25519.h"
#include "entry-lab.h"

static void
test_taken (Lab *lab, gconstpointer data)
{
  (void)data;
  g_assert_cmpstr (lab_take_changed (lab, NULL, NULL), ==, NULL);
  lab_assert_files (lab);
}

/* No changed bit of the entry changes what is taken: it is refused, or was not about the build. */
static void
test_bits_of_the_entry (Lab *lab, gconstpointer data)
{
  size_t size;
  unsigned char *entry = lab_entry (lab, NULL, NULL, &size);
  guint refused = 0, same = 0;
  (void)data;

  for (gsize at = 0; at < size; at++)
    for (guint bit = 0; bit < 8; bit++)
      {
        entry[at] ^= (unsigned char)(1 << bit);
        const char *reason = lab_take (lab, entry, size, NULL);
        if (reason == NULL)
          lab_assert_files (lab);
        *(reason == NULL ? &same : &refused) += 1;
        entry[at] ^= (unsigned char)(1 << bit);
      }
  for (gsize length = 0; length < size; length++)
    if (lab_take (lab, entry, length, NULL) == NULL)
      lab_assert_files (lab);
  g_test_message ("%u refused, %u of the same content", refused, same);
  /* The manifest, which is most of it, and its signature. */
  g_assert_cmpuint (refused, >, size * 5);
  free (entry);
}

/* Each changed bit of a manifest makes its signature wrong, and each one of a signature, but in its first comment. */
static void
test_bits_of_manifest_and_signature (Lab *lab, gconstpointer data)
{
  MinisignKey key;
  char *text = entry_manifest_write (&lab->manifest);
  const gsize length = strlen (text);
  (void)data;

  g_assert_true (minisign_key_read (&key, lab->key));
  char *signature = minisign_write (&key, text, length, "c", ed25519_sign, lab->private);
  for (gsize at = 0; at < length; at++)
    for (guint bit = 0; bit < 8; bit++)
      {
        text[at] = (char)(text[at] ^ (1 << bit));
        g_assert_cmpstr (minisign_verify (&key, text, length, signature, strlen (signature)), ==,
                         "the signature is wrong");
        text[at] = (char)(text[at] ^ (1 << bit));
      }
  for (gsize at = strcspn (signature, "\n") + 1; at + 1 < strlen (signature); at++)
    for (guint bit = 0; bit < 8; bit++)
      {
        g_autofree char *changed = g_memdup2 (signature, strlen (signature) + 1);
        changed[at] = (char)(changed[at] ^ (1 << bit));
        size_t size;
        unsigned char *entry = entry_write (&lab->manifest, text, changed, &size);
        if (changed[at] != '\0')
          g_assert_cmpstr (lab_take (lab, entry, size, NULL), !=, NULL);
        g_assert_cmpuint (lab->written, ==, 0);
        free (entry);
      }
  free (signature);
  free (text);
}

static void
test_bits_of_blobs (Lab *lab, gconstpointer data)
{
  size_t size;
  unsigned char *entry = lab_entry (lab, NULL, NULL, &size);
  (void)data;

  for (gsize i = 0; i < LAB_FILES; i++)
    {
      gsize length;
      g_autofree char *blob = lab_get (lab->blobs, lab->files[i].blob, &length);
      for (gsize at = 0; at < length; at++)
        {
          const char before = blob[at];
          blob[at] = (char)(before ^ (1 << at % 8));
          lab_put (lab->blobs, lab->files[i].blob, blob, length);
          g_assert_cmpstr (lab_take (lab, entry, size, NULL), ==, "a blob has another digest");
          blob[at] = before;
        }
      lab_put (lab->blobs, lab->files[i].blob, blob, length - 1);
      g_assert_cmpstr (lab_take (lab, entry, size, NULL), ==, "a blob has another digest");
      lab_put (lab->blobs, lab->files[i].blob, "", 0);
      g_assert_cmpstr (lab_take (lab, entry, size, NULL), ==, "a blob is empty, or cannot be read");
      g_assert_cmpint (unlinkat (lab->blobs, lab->files[i].blob, 0), ==, 0);
      g_assert_cmpstr (lab_take (lab, entry, size, NULL), ==, "");
      g_assert_cmpuint (lab->missing, ==, 1);
      /* A blob that leads elsewhere, and one of another file. */
      g_assert_cmpint (symlinkat ("../source/log/make.log", lab->blobs, lab->files[i].blob), ==, 0);
      g_assert_cmpstr (lab_take (lab, entry, size, NULL), ==, "a blob cannot be read");
      g_assert_cmpint (unlinkat (lab->blobs, lab->files[i].blob, 0), ==, 0);
      g_autofree char *other = lab_get (lab->blobs, lab->files[(i + 1) % LAB_FILES].blob, &size);
      lab_put (lab->blobs, lab->files[i].blob, other, size);
      free (entry);
      entry = lab_entry (lab, NULL, NULL, &size);
      g_assert_cmpstr (lab_take (lab, entry, size, NULL), ==, "a blob has another digest");
      lab_put (lab->blobs, lab->files[i].blob, blob, length);
    }
  g_assert_cmpstr (lab_take (lab, entry, size, NULL), ==, NULL);
  free (entry);
}

/* ---- signed by a trusted builder that lies ---- */

static void
test_other_builds (Lab *lab, gconstpointer data)
{
  static const struct {
    const char *from, *to, *reason;
  } cases[] = {
    { "\"kernel\":\"6.1\"", "\"kernel\":\"6.2\"", "the inputs are about another build" },
    { "\"arch\":\"x86_64\"", "\"arch\":\"i686\"", "the inputs are about another build" },
    { "\"module\":\"m\"", "\"module\":\"z\"", "the inputs are about another build" },
    { "\"version\":\"1\"", "\"version\":\"2\"", "the inputs are about another build" },
    { "kernel 6.1", "kernel 6.2", "the key is not that of the inputs" },
    { "\"result\":\"built\"", "\"result\":\"building\"", "its result is not known" },
    { "\"result\":\"built\"", "\"result\":\"failed\"", "its result is not known" },
    { "\"result\":\"built\"", "\"result\":\"failed\",\"error\":\"e\"", "it has a file that the build does not make" },
    { "\"format\":1", "\"format\":2", "the manifest has another format" },
    { "\"format\":1", "\"format\":1,\"format\":1", "the manifest is not in JSON" },
    { "\"time\":1", "\"time\":1,\"unknown\":[{}]", NULL }, /* what is not known is no harm */
    { "module/m.ko", "module/x.ko", "it has a file that the build does not make" },
    { "module/m.ko", "module/../m.ko", "it has a file that the build does not make" },
    { "module/m.ko", "module/n.ko", "it has a file twice" },
    { "module/m.ko", "../module/m.ko", "it has a file that the build does not make" },
    { "module/m.ko", "/module/m.ko", "it has a file that the build does not make" },
    { "module/m.ko", "module/Module.symvers", "it lacks a module" },
    { "extra/c.h", "extra/..", "it has a file that the build does not make" },
    { "extra/c.h", "extra/.", "it has a file that the build does not make" },
    { "extra/c.h", "extra/.hidden", "it has a file that the build does not make" },
    { "extra/c.h", "extra/a/b", "it has a file that the build does not make" },
    { "extra/c.h", "extra/", "it has a file that the build does not make" },
    { "extra/c.h", "etc/passwd", "it has a file that the build does not make" },
    { "extra/c.h", "module/Module.symvers", NULL },
    { "log/make.log", "log/../log/make.log", "it has a file that the build does not make" },
    { "\"size\":15", "\"size\":14", "a blob is damaged, or has another size" },
    { "\"size\":15", "\"size\":16", "a blob is damaged, or has another size" },
    { "\"size\":15", "\"size\":-1", "the manifest is incomplete" },
    { "\"size\":15", "\"size\":65537", "it has a file that is too large" },
    { "\"size\":15", "\"size\":99999999999999999999", "the manifest is not in JSON" },
    { "\"files\"", "\"filed\"", "the manifest is incomplete" },
    { "{", "[", "the manifest is not in JSON" },
  };
  (void)data;

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_test_message ("%s: %s", cases[i].from, cases[i].to);
      g_assert_cmpstr (lab_take_changed (lab, cases[i].from, cases[i].to), ==, cases[i].reason);
    }
}

/* The wish of a machine with another kernel, another module, and so on. */
static void
test_other_wishes (Lab *lab, gconstpointer data)
{
  const char *signers[] = { lab->key, lab->other_key }, *stranger[] = { lab->other_key }, *three[] = { "m", "n", "o" };
  const char *denied[] = { "0000000000000000000000000000000000000000000000000000000000000000", NULL };
  EntryWish usual = lab_wish (lab, signers, 2);
  EntryWish wishes[9];
  static const char *const reasons[G_N_ELEMENTS (wishes)] = { "it has another key",
                                                              "it is about another module",
                                                              "it is about another module",
                                                              "it is about another kernel",
                                                              "it is about another kernel",
                                                              "it lacks a module",
                                                              "it has a file that the build does not make",
                                                              "it has a file that is too large",
                                                              "it is signed with another key" };
  size_t size;
  unsigned char *entry = lab_entry (lab, NULL, NULL, &size);
  (void)data;

  usual.denied = denied;
  for (gsize i = 0; i < G_N_ELEMENTS (wishes); i++)
    wishes[i] = usual;
  wishes[0].key = denied[0];
  wishes[1].module = "n";
  wishes[2].version = "1.0";
  wishes[3].kernel = "6.1.0";
  wishes[4].arch = "aarch64";
  wishes[5].outputs = three;
  wishes[5].count = 3;
  wishes[6].count = 1;
  wishes[7].most = 14;
  wishes[8].signers = stranger;
  wishes[8].signer_count = 1;
  for (gsize i = 0; i < G_N_ELEMENTS (wishes); i++)
    {
      g_assert_cmpstr (lab_take (lab, entry, size, &wishes[i]), ==, reasons[i]);
      g_assert_cmpuint (lab->written, ==, 0);
    }
  g_assert_cmpstr (lab_take (lab, entry, size, &usual), ==, NULL);
  /* Each digest that the administrator denies. */
  const char *digests[] = { lab->build, lab->files[0].sha256, lab->files[1].payload, lab->files[3].blob };
  for (gsize i = 0; i < G_N_ELEMENTS (digests); i++)
    {
      EntryWish wish = usual;
      denied[1] = digests[i];
      wish.denied_count = 1;
      g_assert_cmpstr (lab_take (lab, entry, size, &wish), ==, NULL);
      wish.denied_count = 2;
      g_assert_cmpstr (lab_take (lab, entry, size, &wish), ==,
                       i == 0 ? "its key is denied" : "one of its files is denied");
    }
  free (entry);
}

/* Signed by another key, by nobody, or twice. */
static void
test_other_signers (Lab *lab, gconstpointer data)
{
  char *text = entry_manifest_write (&lab->manifest);
  size_t size;
  (void)data;

  unsigned char *entry = lab_seal (lab, text, lab->other, lab->other_key, &size);
  g_assert_cmpstr (lab_take (lab, entry, size, NULL), ==, "it is signed with another key");
  free (entry);
  entry = lab_seal (lab, text, lab->other, lab->key, &size); /* under the id of the signer */
  g_assert_cmpstr (lab_take (lab, entry, size, NULL), ==, "the signature is wrong");
  free (entry);
  entry = entry_write (&lab->manifest, text, NULL, &size);
  g_assert_cmpstr (lab_take (lab, entry, size, NULL), ==, "it is not signed");
  unsigned char *twice = g_malloc (2 * size);
  memcpy (twice, entry, size);
  memcpy (twice + size, entry, size);
  g_assert_cmpstr (lab_take (lab, twice, 2 * size, NULL), ==, "the entry has no manifest");
  g_free (twice);
  free (entry);
  entry = entry_write (&lab->manifest, text, "", &size);
  g_assert_cmpstr (lab_take (lab, entry, size, NULL), ==, "a part of the entry is empty or too large");
  free (entry);
  g_autofree char *large = g_strnfill (MINISIGN_MOST_FILE + 1, 'x');
  entry = entry_write (&lab->manifest, text, large, &size);
  g_assert_cmpstr (lab_take (lab, entry, size, NULL), ==, "a part of the entry is empty or too large");
  free (entry);
  g_autofree char *huge = g_strnfill (ENTRY_MOST_MANIFEST + 1, ' ');
  entry = lab_seal (lab, huge, lab->private, lab->key, &size);
  g_assert_cmpstr (lab_take (lab, entry, size, NULL), ==, "a part of the entry is empty or too large");
  g_assert_cmpstr (lab_take (lab, entry, (1 << 20) + 1, NULL), ==, "the entry is empty or too large");
  free (entry);
  /* Deep nesting, signed. */
  memset (huge, '[', ENTRY_MOST_MANIFEST);
  huge[ENTRY_MOST_MANIFEST] = '\0';
  entry = lab_seal (lab, huge, lab->private, lab->key, &size);
  g_assert_cmpstr (lab_take (lab, entry, size, NULL), ==, "the manifest is not in JSON");
  free (entry);
  free (text);
}

/* Replaces the blob of the log by @bytes, and signs that. */
static const char *
take_with_blob (Lab *lab, const void *bytes, gsize size)
{
  EntryFile *file = &lab->files[LAB_FILES - 1], before = *file;
  size_t length;

  entry_digest (bytes, size, file->blob);
  file->blob_size = size;
  lab_put (lab->blobs, file->blob, bytes, size);
  unsigned char *entry = lab_entry (lab, NULL, NULL, &length);
  const char *reason = lab_take (lab, entry, length, NULL);
  free (entry);
  *file = before;
  return reason;
}

/* Blobs that unpack to more than the manifest says, or that have something behind them. */
static void
test_bombs (Lab *lab, gconstpointer data)
{
  const gsize size = 64 << 20, room = ZSTD_compressBound (size);
  g_autofree char *zeros = g_malloc0 (size), *bomb = g_malloc (room);
  gsize packed = ZSTD_compress (bomb, room, zeros, size, 3), length;
  g_autofree char *blob = lab_get (lab->blobs, lab->files[LAB_FILES - 1].blob, &length);
  g_autofree char *two = g_malloc (2 * length);
  struct stat st;
  (void)data;

  g_assert_false (ZSTD_isError (packed));
  g_assert_cmpuint (packed, <, LAB_MOST);
  g_assert_cmpstr (take_with_blob (lab, bomb, packed), ==, "a blob is damaged, or has another size");
  g_assert_cmpint (fstatat (lab->out, "log/make.log", &st, 0), ==, 0);
  g_assert_cmpint (st.st_size, <=, 15); /* nothing more was written */
  memcpy (two, blob, length);
  memcpy (two + length, blob, length);
  g_assert_cmpstr (take_with_blob (lab, two, 2 * length), ==, "a blob is damaged, or has another size");
  g_assert_cmpstr (take_with_blob (lab, two, length + 1), ==, "a blob is damaged, or has another size");
  g_assert_cmpstr (take_with_blob (lab, "not compressed", 14), ==, "a blob is damaged, or has another size");
  static const char skipped[] = "\x50\x2a\x4d\x18\x04\0\0\0abcd"; /* a frame that decoders skip */
  g_assert_cmpstr (take_with_blob (lab, skipped, sizeof skipped - 1), ==, "a blob is damaged, or has another size");
  /* Other content of the same size: its own frame is right. */
  char other[256];
  gsize other_size = ZSTD_compress (other, sizeof other, "another  file!\n", 15, 3);
  g_assert_cmpstr (take_with_blob (lab, other, other_size), ==, "a file has another digest");
  g_assert_cmpstr (take_with_blob (lab, blob, length), ==, NULL);
}

/* A module whose payload is not the signed one, by which "require" compares builders. */
static void
test_payload (Lab *lab, gconstpointer data)
{
  char payload[ENTRY_HEX + 1];
  (void)data;

  memcpy (payload, lab->files[0].payload, sizeof payload);
  memcpy (lab->files[0].payload, lab->files[1].payload, sizeof payload);
  g_assert_cmpstr (lab_take_changed (lab, NULL, NULL), ==, "a module has another payload");
  lab->files[0].payload[0] = '\0';
  g_assert_cmpstr (lab_take_changed (lab, NULL, NULL), ==, "it lacks a module");
  memcpy (lab->files[0].payload, payload, sizeof payload);
  g_assert_cmpstr (lab_take_changed (lab, NULL, NULL), ==, NULL);
}

static void
test_too_many (Lab *lab, gconstpointer data)
{
  EntryFile many[2 + ENTRY_MOST_EXTRAS + 3];
  char *paths[G_N_ELEMENTS (many)];
  (void)data;

  for (gsize i = 0; i < G_N_ELEMENTS (many); i++)
    {
      paths[i] = i < 2 ? g_strdup (lab->files[i].path) : g_strdup_printf ("extra/%zu", i);
      many[i] = lab->files[i < 2 ? i : 2];
      many[i].path = paths[i];
    }
  lab->manifest.files = many;
  lab->manifest.count = 2 + ENTRY_MOST_EXTRAS;
  g_assert_cmpstr (lab_take_changed (lab, NULL, NULL), ==, NULL);
  lab->manifest.count++;
  g_assert_cmpstr (lab_take_changed (lab, NULL, NULL), ==, "POST_BUILD left too much");
  lab->manifest.count += 2;
  g_assert_cmpstr (lab_take_changed (lab, NULL, NULL), ==, "it has too many files");
  for (gsize i = 0; i < G_N_ELEMENTS (many); i++)
    g_free (paths[i]);
}

/* Returns: (transfer full): an entry with the text of a claim */
static unsigned char *
seal_claim (const char *text, size_t *size)
{
  const EntryManifest none = { 0 };

  return entry_write (&none, text, NULL, size);
}

static const char *
read_claim (const void *bytes, size_t size, const char *key, int64_t *expires)
{
  const EntrySource source = { bytes, size, -1 };
  EntryFindings findings;

  *expires = -1;
  return entry_read_claim (&source, key, "us", &findings, expires);
}

/* A claim is about one key, and no changed bit makes another one of it. */
static void
test_claims (Lab *lab, gconstpointer data)
{
  static const char *const wrong[] = { "1.5", "\"1\"", "-1", "null", "99999999999999999999" };
  g_autofree char *key = g_strnfill (ENTRY_HEX, 'a'), *other = g_strnfill (ENTRY_HEX, 'b');
  char *text = entry_claim_write (key, "them", 1234567890);
  int64_t expires;
  size_t size;
  unsigned char *entry = seal_claim (text, &size);
  (void)lab;
  (void)data;

  g_assert_cmpstr (read_claim (entry, size, key, &expires), ==, NULL);
  g_assert_cmpint (expires, ==, 1234567890);
  g_assert_cmpstr (read_claim (entry, size, other, &expires), ==, "it has another key");
  for (gsize at = 0; at < size; at++)
    for (guint bit = 0; bit < 8; bit++)
      {
        entry[at] ^= (unsigned char)(1 << bit);
        if (read_claim (entry, size, key, &expires) == NULL)
          g_assert_cmpint (expires, ==, 1234567890);
        entry[at] ^= (unsigned char)(1 << bit);
      }
  free (entry);
  free (text);
  text = entry_claim_write (key, "us", 1234567890);
  entry = seal_claim (text, &size);
  g_assert_cmpstr (read_claim (entry, size, key, &expires), ==, "it is a claim of this machine");
  free (entry);
  for (gsize i = 0; i < G_N_ELEMENTS (wrong); i++)
    {
      g_autofree char *bad
          = g_strdup_printf ("{\"format\":1,\"key\":\"%s\",\"result\":\"building\",\"expires\":%s}", key, wrong[i]);
      entry = seal_claim (bad, &size);
      g_assert_cmpstr (read_claim (entry, size, key, &expires), !=, NULL);
      free (entry);
    }
  free (text);
}

static void
add (const char *name, void (*test) (Lab *, gconstpointer))
{
  g_test_add (name, Lab, NULL, lab_set_up, test, lab_tear_down);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add ("/entry/taken", test_taken);
  add ("/entry/bits-of-the-entry", test_bits_of_the_entry);
  add ("/entry/bits-of-manifest-and-signature", test_bits_of_manifest_and_signature);
  add ("/entry/bits-of-blobs", test_bits_of_blobs);
  add ("/entry/other-builds", test_other_builds);
  add ("/entry/other-wishes", test_other_wishes);
  add ("/entry/other-signers", test_other_signers);
  add ("/entry/bombs", test_bombs);
  add ("/entry/payload", test_payload);
  add ("/entry/claims", test_claims);
  add ("/entry/too-many", test_too_many);
  return g_test_run ();
}
