/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which kernel boots next on the machines in boot/cases. */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"
#include "machine/efi.h"
#include "machine/next-boot.h"

enum { NOBODY = 65534 };

static void
put_kernel (const Fixture *self, const char *word)
{
  g_autofree char *release = g_strndup (word, strcspn (word, "*!"));
  g_autofree char *image = g_strconcat ("/boot/vmlinuz-", release, NULL);
  g_autofree char *initrd = g_strconcat ("/boot/initrd.img-", release, NULL);
  g_autofree char *modules = g_strconcat (self->dir, "/lib/modules/", release, NULL);

  if (strchr (word, '!') == NULL)
    {
      fixture_put (self, image, "");
      fixture_put (self, initrd, "");
    }
  if (strchr (word, '*') == NULL)
    g_assert_cmpint (g_mkdir_with_parents (modules, 0755), ==, 0);
}

/* A variable is four bytes of attributes and a text in UTF-16, which contain NUL bytes. */
static void
put_variable (const Fixture *self, const char *name, const char *text)
{
  g_autofree char *dir = g_strconcat (self->dir, "/sys/firmware/efi/efivars", NULL);
  g_autofree char *path = g_strdup_printf ("%s/%s-" DKMS_EFI_LOADER, dir, name);
  g_autoptr (GByteArray) bytes = g_byte_array_new ();

  g_assert_cmpint (g_mkdir_with_parents (dir, 0755), ==, 0);
  g_byte_array_append (bytes, (const guint8 *)"\6\0\0\0", 4);
  for (; *text != '\0'; text++)
    g_byte_array_append (bytes, (const guint8[]){ (guint8)*text, 0 }, 2);
  g_byte_array_append (bytes, (const guint8[]){ 0, 0 }, 2);
  g_assert_true (g_file_set_contents (path, (const char *)bytes->data, (gssize)bytes->len, NULL));
}

static char *
answer (const Fixture *self)
{
  static const char *const loaders[] = { "unknown", "grub", "systemd-boot", "extlinux" };
  static const char *const confidences[] = { "unknown", "likely", "certain" };
  g_autoptr (DkmsNextBoot) next = dkms_next_boot_find (self->places.root, "/lib/modules");

  return g_strdup_printf ("%s %s %s %u %s", loaders[next->loader], confidences[next->confidence],
                          next->release != NULL ? next->release : "-", next->initrds->len,
                          next->entry != NULL ? next->entry : "-");
}

/* Makes the machine that @lines describe. Returns: (transfer full): what it wants */
static char *
make (const Fixture *self, char **lines, gboolean *secret)
{
  g_autoptr (GString) text = g_string_new (NULL);
  char *want = NULL;

  for (guint i = 0; lines[i] != NULL; i++)
    {
      g_auto (GStrv) words = g_strsplit (lines[i], " ", 3);
      const char *first = words[0] != NULL ? words[0] : "";

      if (strcmp (first, "kernels") == 0)
        {
          g_auto (GStrv) kernels = g_strsplit (lines[i], " ", -1);
          for (char **kernel = kernels + 1; *kernel != NULL; kernel++)
            put_kernel (self, *kernel);
        }
      else if (strcmp (first, "file") == 0)
        {
          g_autofree char *from = g_build_filename (FIXTURES, words[2], NULL);
          g_autofree char *content = NULL;
          g_assert_true (g_file_get_contents (from, &content, NULL, NULL));
          fixture_put (self, words[1], content);
        }
      else if (strcmp (first, "text") == 0)
        {
          g_string_truncate (text, 0);
          for (; lines[i + 1] != NULL && lines[i + 1][0] == '|'; i++)
            g_string_append_printf (text, "%s\n", lines[i + 1] + 1);
          fixture_put (self, words[1], text->str);
        }
      else if (strcmp (first, "secret") == 0)
        {
          g_autofree char *full = g_strconcat (self->dir, words[1], NULL);
          g_assert_cmpint (chmod (full, 0), ==, 0);
          *secret = TRUE;
        }
      else if (strcmp (first, "efi") == 0)
        put_variable (self, words[1], words[2]);
      else if (strcmp (first, "want") == 0)
        want = g_strdup (lines[i] + strlen ("want "));
    }
  return want;
}

static void
check (char **lines)
{
  Fixture self = { 0 };
  gboolean secret = FALSE;

  fixture_set_up (&self, NULL);
  g_autofree char *want = make (&self, lines, &secret);
  gboolean drop = secret && geteuid () == 0;
  g_assert_true (!drop || (chmod (self.dir, 0755) == 0 && seteuid (NOBODY) == 0));
  g_autofree char *found = answer (&self);
  g_assert_true (!drop || seteuid (0) == 0);
  if (g_strcmp0 (found, want) != 0)
    g_test_message ("machine %s: %s, not %s", lines[0], found, want);
  g_assert_cmpstr (found, ==, want);
  fixture_tear_down (&self, NULL);
}

static void
test_machines (void)
{
  g_autofree char *path = g_build_filename (FIXTURES, "cases", NULL);
  g_autofree char *content = NULL;
  g_assert_true (g_file_get_contents (path, &content, NULL, NULL));
  g_auto (GStrv) machines = g_strsplit (content, "\nmachine ", -1);

  g_assert_cmpuint (g_strv_length (machines), >, 30);
  for (char **machine = machines + 1; *machine != NULL; machine++)
    {
      g_auto (GStrv) lines = g_strsplit (*machine, "\n", -1);
      check (lines);
    }
}

/* ---- unified kernel images ---- */

static void
add_number (GByteArray *to, guint32 value, guint bytes)
{
  for (guint i = 0; i < bytes; i++)
    g_byte_array_append (to, &(const guint8){ (guint8)(value >> 8 * i) }, 1);
}

/* A program for EFI firmware with sections: names and texts. */
static void
put_unified (const Fixture *self, const char *path, const char *const *sections)
{
  enum { HEAD = 0x40, SECTIONS = HEAD + 24, AT = 0x200, EACH = 64 };
  g_autoptr (GByteArray) file = g_byte_array_new ();
  g_autofree char *full = g_strconcat (self->dir, path, NULL);
  g_autofree char *dir = g_path_get_dirname (full);
  guint count = g_strv_length ((char **)(gsize)sections) / 2;

  g_byte_array_set_size (file, HEAD);
  memset (file->data, 0, HEAD);
  memcpy (file->data, "MZ", 2);
  file->data[0x3c] = HEAD;
  g_byte_array_append (file, (const guint8 *)"PE\0\0", 4);
  add_number (file, 0x8664, 2);
  add_number (file, count, 2);
  for (guint i = 0; i < 4; i++)
    add_number (file, 0, 4);
  for (guint i = 0; i < count; i++)
    {
      char name[8] = "";
      memcpy (name, sections[2 * i], strlen (sections[2 * i]));
      g_byte_array_append (file, (const guint8 *)name, sizeof name);
      add_number (file, (guint32)strlen (sections[2 * i + 1]), 4);
      add_number (file, 0, 4);
      add_number (file, EACH, 4);
      add_number (file, AT + i * EACH, 4);
      for (guint k = 0; k < 4; k++)
        add_number (file, 0, 4);
    }
  g_assert_cmpuint (file->len, <=, AT);
  gsize length = file->len, size = AT + (gsize)count * EACH;
  g_byte_array_set_size (file, (guint)size);
  memset (file->data + length, 0, size - length);
  for (guint i = 0; i < count; i++)
    memcpy (file->data + AT + i * EACH, sections[2 * i + 1], strlen (sections[2 * i + 1]));
  g_assert_cmpint (g_mkdir_with_parents (dir, 0755), ==, 0);
  g_assert_true (g_file_set_contents (full, (const char *)file->data, (gssize)file->len, NULL));
}

/* systemd-boot lists them with other entries; the release is in the image, and the image is the boot image, too. */
static void
test_unified (void)
{
  static const char *const old[] = { ".osrel",   "ID=debian\nVERSION_ID=12\nPRETTY_NAME=\"Debian 12\"\n",
                                     ".cmdline", "root=/dev/a quiet\n",
                                     ".uname",   "6.1.0-1-test",
                                     ".linux",   "kernel",
                                     NULL };
  static const char *const new[] = {
    ".osrel", "ID=debian\nVERSION_ID=13\nPRETTY_NAME=\"Debian 13\"\n", ".uname", "6.12.1-test", ".linux", "kernel", NULL
  };
  static const char *const other[] = { ".uname", "9.9.9", NULL };
  Fixture self = { 0 };

  fixture_set_up (&self, NULL);
  put_unified (&self, "/efi/EFI/Linux/debian-12+3.efi", old);
  put_unified (&self, "/efi/EFI/Linux/z-no-kernel.efi", other);
  fixture_put (&self, "/efi/EFI/Linux/z-text.efi", "no program");
  g_autofree char *first = answer (&self);
  g_assert_cmpstr (first, ==, "systemd-boot likely 6.1.0-1-test 1 Debian 12");
  put_unified (&self, "/efi/EFI/Linux/debian-13.efi", new);
  g_autofree char *second = answer (&self);
  g_assert_cmpstr (second, ==, "systemd-boot likely 6.12.1-test 1 Debian 13");
  fixture_put (&self, "/efi/loader/loader.conf", "default debian-12.efi\n");
  g_autoptr (DkmsNextBoot) next = dkms_next_boot_find (self.places.root, "/lib/modules");
  g_assert_cmpstr (next->release, ==, "6.1.0-1-test");
  g_assert_cmpstr (next->cmdline, ==, "root=/dev/a quiet");
  g_assert_cmpstr (next->kernel, ==, "/efi/EFI/Linux/debian-12+3.efi");
  g_assert_cmpstr (next->initrds->pdata[0], ==, "/efi/EFI/Linux/debian-12+3.efi");
  fixture_tear_down (&self, NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  fixture_provide_helpers ();
  g_test_add_func ("/next-boot/unified", test_unified);
  g_test_add_func ("/next-boot/machines", test_machines);
  return g_test_run ();
}
