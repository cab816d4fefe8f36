/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Builds, signs and takes with the functions of dkms-entry. */
#define _GNU_SOURCE
#include "entry-lab.h"

#include <elf.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "ed25519.h"

static const char inputs[] = "arch x86_64\nkernel 6.1\nmodule m\nversion 1\n";

/* ---- files ---- */

static int
make_dir (const Lab *lab, const char *name)
{
  g_assert_cmpint (mkdirat (lab->fd, name, 0755), ==, 0);
  int fd = openat (lab->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  g_assert_cmpint (fd, >=, 0);
  return fd;
}

void
lab_put (int dir, const char *name, const void *bytes, gsize size)
{
  int fd = openat (dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (write (fd, bytes, size), ==, (gssize)size);
  close (fd);
}

char *
lab_get (int dir, const char *name, gsize *size)
{
  g_autofree char *path = g_strdup_printf ("/proc/self/fd/%d/%s", dir, name);
  char *text = NULL;

  return g_file_get_contents (path, &text, size, NULL) ? text : NULL;
}

/* A small file in ELF with one section that is loaded. */
static GByteArray *
make_module (char content)
{
  static const char names[] = "\0.text\0.shstrtab";
  Elf64_Ehdr head = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
                      .e_type = ET_REL,
                      .e_machine = EM_X86_64,
                      .e_version = EV_CURRENT,
                      .e_ehsize = sizeof head,
                      .e_shentsize = sizeof (Elf64_Shdr),
                      .e_shnum = 3,
                      .e_shstrndx = 2 };
  guint8 code[32];
  Elf64_Shdr sections[3] = {
    { 0 },
    { .sh_name = 1, .sh_type = SHT_PROGBITS, .sh_flags = SHF_ALLOC, .sh_offset = sizeof head, .sh_size = sizeof code },
    { .sh_name = 7, .sh_type = SHT_STRTAB, .sh_offset = sizeof head + sizeof code, .sh_size = sizeof names }
  };
  GByteArray *bytes = g_byte_array_new ();

  memset (code, content, sizeof code);
  head.e_shoff = sizeof head + sizeof code + sizeof names;
  g_byte_array_append (bytes, (const guint8 *)&head, sizeof head);
  g_byte_array_append (bytes, code, sizeof code);
  g_byte_array_append (bytes, (const guint8 *)names, sizeof names);
  g_byte_array_append (bytes, (const guint8 *)sections, sizeof sections);
  return bytes;
}

/* ---- a machine that builds ---- */

static EVP_PKEY *
make_key (unsigned char seed, char text[MINISIGN_KEY_TEXT + 1])
{
  const unsigned char bytes[32] = { seed };
  EVP_PKEY *private = EVP_PKEY_new_raw_private_key (EVP_PKEY_ED25519, NULL, bytes, sizeof bytes);
  MinisignKey key;
  size_t size = sizeof key.key;

  g_assert_cmpint (EVP_PKEY_get_raw_public_key (private, key.key, &size), ==, 1);
  minisign_key_set_id (&key);
  minisign_key_write (&key, text);
  return private;
}

void
lab_set_up (Lab *lab, gconstpointer data)
{
  static const char *const paths[LAB_FILES] = { "module/m.ko", "module/n.ko", "extra/c.h", "log/make.log" };
  (void)data;

  lab->dir = g_dir_make_tmp ("entry-XXXXXX", NULL);
  lab->fd = open (lab->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  lab->source = make_dir (lab, "source");
  lab->blobs = make_dir (lab, "blobs");
  lab->out = make_dir (lab, "out");
  lab->private = make_key (1, lab->key);
  lab->other = make_key (2, lab->other_key);
  entry_digest (inputs, strlen (inputs), lab->build);
  g_assert_cmpint (mkdirat (lab->source, "module", 0755) + mkdirat (lab->source, "extra", 0755)
                       + mkdirat (lab->source, "log", 0755),
                   ==, 0);
  for (gsize i = 0; i < LAB_FILES; i++)
    {
      g_autoptr (GByteArray) module = make_module ((char)('a' + i));
      if (i < 2)
        lab_put (lab->source, paths[i], module->data, module->len);
      else
        lab_put (lab->source, paths[i], "text of a file\n", i == 2 ? 8 : 15);
      lab->files[i].path = (char *)(gsize)paths[i];
      g_assert_null (entry_blob_pack (lab->source, paths[i], lab->blobs, &lab->files[i]));
    }
  lab->manifest = (EntryManifest){ .key = lab->build,
                                   .result = (char *)"built",
                                   .module = (char *)"m",
                                   .version = (char *)"1",
                                   .kernel = (char *)"6.1",
                                   .arch = (char *)"x86_64",
                                   .inputs = (char *)(gsize)inputs,
                                   .dkms = (char *)"4",
                                   .builder = (char *)"b",
                                   .time = 1,
                                   .files = lab->files,
                                   .count = LAB_FILES };
}

static void
empty (int dir)
{
  g_autofree char *path = g_strdup_printf ("/proc/self/fd/%d", dir);
  GDir *list = g_dir_open (path, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (list)) != NULL)
    if (unlinkat (dir, name, 0) < 0)
      {
        int inner = openat (dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        empty (inner);
        close (inner);
        g_assert_cmpint (unlinkat (dir, name, AT_REMOVEDIR), ==, 0);
      }
  g_dir_close (list);
}

void
lab_tear_down (Lab *lab, gconstpointer data)
{
  (void)data;
  empty (lab->fd);
  g_assert_cmpint (g_rmdir (lab->dir), ==, 0);
  EVP_PKEY_free (lab->private);
  EVP_PKEY_free (lab->other);
  close (lab->source);
  close (lab->blobs);
  close (lab->out);
  close (lab->fd);
  g_free (lab->dir);
}

/* Returns: (transfer full): an entry with @text as the manifest, signed with @key */
unsigned char *
lab_seal (const Lab *lab, const char *text, EVP_PKEY *key, const char *name, size_t *size)
{
  MinisignKey public;

  g_assert_true (minisign_key_read (&public, name));
  char *signature = minisign_write (&public, text, strlen (text), "c", ed25519_sign, key);
  unsigned char *entry = entry_write (&lab->manifest, text, signature, size);
  free (signature);
  g_assert_nonnull (entry);
  return entry;
}

/* Returns: (transfer full): an entry with the manifest of @lab, with @from replaced by @to if they are not NULL */
unsigned char *
lab_entry (const Lab *lab, const char *from, const char *to, size_t *size)
{
  char *text = entry_manifest_write (&lab->manifest);

  g_assert_nonnull (text);
  g_auto (GStrv) pieces = g_strsplit (text, from != NULL ? from : "\n", -1);
  g_assert_true (from == NULL || g_strv_length (pieces) > 1);
  g_autofree char *changed = g_strjoinv (to != NULL ? to : "\n", pieces);
  free (text);
  return lab_seal (lab, changed, lab->private, lab->key, size);
}

/* ---- the machine that takes it ---- */

static guint written, missing;

static void
count (const EntryFile *file, bool is_missing)
{
  (void)file;
  *(is_missing ? &missing : &written) += 1;
}

const char *lab_outputs[2] = { "m", "n" };

EntryWish
lab_wish (const Lab *lab, const char **signers, size_t count)
{
  return (EntryWish){ .key = lab->build,
                      .module = "m",
                      .version = "1",
                      .kernel = "6.1",
                      .arch = "x86_64",
                      .outputs = lab_outputs,
                      .count = 2,
                      .most = LAB_MOST,
                      .signers = signers,
                      .signer_count = count };
}

/* Reads the entry and writes its files. Returns: why it is refused; NULL: all files were written; "": some are absent
 */
const char *
lab_take (Lab *lab, const void *bytes, gsize size, const EntryWish *wish)
{
  const char *signers[] = { lab->key }, *bad = NULL;
  const EntryWish usual = lab_wish (lab, signers, 1);
  EntryManifest manifest;
  EntryFindings findings;
  const EntrySource source = { bytes, size, lab->blobs };

  written = missing = 0;
  const char *reason = entry_read (&source, wish != NULL ? wish : &usual, &manifest, &findings, NULL);
  if (reason == NULL)
    empty (lab->out);
  if (reason == NULL)
    reason = entry_unpack (&manifest, lab->blobs, lab->out, count, &bad);
  entry_manifest_clear (&manifest);
  lab->written = written;
  lab->missing = missing;
  return reason != NULL ? reason : missing > 0 ? "" : NULL;
}

const char *
lab_take_changed (Lab *lab, const char *from, const char *to)
{
  size_t size;
  unsigned char *entry = lab_entry (lab, from, to, &size);
  const char *reason = lab_take (lab, entry, size, NULL);

  free (entry);
  return reason;
}

/* Asserts that the files are those of the build. */
void
lab_assert_files (const Lab *lab)
{
  g_assert_cmpuint (lab->written, ==, LAB_FILES);
  for (gsize i = 0; i < LAB_FILES; i++)
    {
      gsize size, expected_size;
      g_autofree char *found = lab_get (lab->out, lab->files[i].path, &size),
                      *expected = lab_get (lab->source, lab->files[i].path, &expected_size);
      g_assert_cmpmem (found, size, expected, expected_size);
    }
}
