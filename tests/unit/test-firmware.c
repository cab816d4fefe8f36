/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The state of Secure Boot, and the lists of keys, in directories like those of the kernel. */
#include "machine/firmware.h"

#include <string.h>
#include <unistd.h>

#include "base/file.h"

#define GLOBAL "8be4df61-93ca-11d2-aa0d-00e098032b8c"
#define SHIM "605dab50-e046-4300-abb6-3dd810dd8b23"
#define DB "d719b2cb-3d3a-4596-a3bc-dad00e67656f"

static char *machine; /* the directory of the root */

static void
write_file (const char *name, const char *bytes, gsize size)
{
  g_autofree char *path = g_build_filename (machine, "sys/firmware/efi", name, NULL);
  g_autofree char *directory = g_path_get_dirname (path);

  g_assert_cmpint (g_mkdir_with_parents (directory, 0755), ==, 0);
  g_assert_true (g_file_set_contents (path, bytes, (gssize)size, NULL));
}

/* Begins with a machine whose /sys/firmware contains one entry. */
static void
begin (void)
{
  g_autofree char *entry = NULL;

  machine = g_dir_make_tmp ("dkms-firmware-XXXXXX", NULL);
  g_assert_nonnull (machine);
  entry = g_build_filename (machine, "sys/firmware/memmap", NULL);
  g_assert_cmpint (g_mkdir_with_parents (entry, 0755), ==, 0);
}

static DkmsFirmwareReading *
end (void)
{
  g_autoptr (DkmsRoot) root = dkms_root_open (machine, NULL);
  DkmsFirmwareReading *reading = dkms_firmware_read (root);

  dkms_discard_tree_at (AT_FDCWD, machine);
  g_clear_pointer (&machine, g_free);
  return reading;
}

/* ---- Secure Boot ---- */

static void
test_state (void)
{
  static const struct {
    const char *secure_boot, *setup_mode, *shim; /* (nullable): attributes and value, each in one digit */
    DkmsKnown state;
    gboolean unchecked;
  } cases[] = {
    { "60001", "60000", NULL, DKMS_YES, FALSE },     { "60001", NULL, NULL, DKMS_YES, FALSE },
    { "60001", "60001", NULL, DKMS_NO, FALSE },      { "60000", NULL, NULL, DKMS_NO, FALSE },
    { NULL, NULL, NULL, DKMS_DONT_KNOW, FALSE },     { "6000", NULL, NULL, DKMS_DONT_KNOW, FALSE },
    { "600011", NULL, NULL, DKMS_DONT_KNOW, FALSE }, { "60001", "6000", NULL, DKMS_DONT_KNOW, FALSE },
    { "60001", NULL, "60001", DKMS_YES, TRUE },      { "60001", NULL, "60000", DKMS_YES, FALSE },
    { "60001", NULL, "70001", DKMS_YES, FALSE }, /* a permanent variable */
    { "60001", NULL, "6", DKMS_YES, FALSE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      const char *const values[] = { cases[i].secure_boot, cases[i].setup_mode, cases[i].shim };
      static const char *const names[]
          = { "efivars/SecureBoot-" GLOBAL, "efivars/SetupMode-" GLOBAL, "efivars/MokSBStateRT-" SHIM };
      begin ();
      write_file ("runtime", "", 0);
      for (gsize k = 0; k < G_N_ELEMENTS (values); k++)
        if (values[k] != NULL)
          {
            g_autofree char *bytes = g_strdup (values[k]);
            for (char *at = bytes; *at != '\0'; at++)
              *at = (char)(*at - '0');
            write_file (names[k], bytes, strlen (values[k]));
          }
      g_autoptr (DkmsFirmwareReading) reading = end ();
      g_test_message ("case %zu", i);
      g_assert_cmpint (reading->state.efi, ==, DKMS_YES);
      g_assert_cmpint (reading->state.secure_boot, ==, cases[i].state);
      g_assert_cmpint (reading->state.unchecked, ==, cases[i].unchecked);
    }
}

static void
test_no_efi (void)
{
  g_autoptr (DkmsFirmwareReading) bios = (begin (), end ());
  begin ();
  g_autofree char *entry = g_build_filename (machine, "sys/firmware/memmap", NULL);
  g_assert_cmpint (rmdir (entry), ==, 0);
  g_autoptr (DkmsFirmwareReading) container = end ();
  begin ();
  g_autofree char *firmware = g_build_filename (machine, "sys", NULL);
  dkms_discard_tree_at (AT_FDCWD, firmware);
  g_autoptr (DkmsFirmwareReading) nothing = end ();

  g_assert_cmpint (bios->state.efi, ==, DKMS_NO);
  g_assert_cmpint (bios->shim, ==, DKMS_NO);
  g_assert_cmpint (container->state.efi, ==, DKMS_DONT_KNOW);
  g_assert_cmpint (nothing->state.efi, ==, DKMS_DONT_KNOW);
  g_assert_cmpint (nothing->state.secure_boot, ==, DKMS_DONT_KNOW);
}

/* ---- lists ---- */

/* Returns: (transfer full): the parts of a list, joined by '+' */
static char *
joined (const DkmsFirmwareReading *reading, DkmsKeyList list)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < reading->lists[list].parts->len; i++)
    {
      gsize size;
      const char *data = g_bytes_get_data (reading->lists[list].parts->pdata[i], &size);
      g_string_append_printf (text, "%s%.*s", i > 0 ? "+" : "", (int)size, data);
    }
  return g_string_free (text, FALSE);
}

static void
check_list (const DkmsFirmwareReading *reading, DkmsKeyList list, const char *expected)
{
  g_autofree char *found = joined (reading, list);

  g_assert_cmpstr (found, ==, expected);
}

static void
test_lists (void)
{
  begin ();
  write_file ("efivars/MokListRT-" SHIM, "____first", 9);
  write_file ("efivars/MokListRT1-" SHIM, "____second", 10);
  write_file ("efivars/MokListRT3-" SHIM, "____lost", 8);
  write_file ("efivars/db-" DB, "____firmware", 12);
  write_file ("efivars/dbx-" GLOBAL, "____of another vendor", 21);
  write_file ("efivars/MokNew-" SHIM, "___", 3);
  write_file ("efivars/MokDel-" SHIM, "____", 4);
  write_file ("mok-variables/MokListXRT", "revoked", 7);
  write_file ("mok-variables/MokListTrustedRT", "\1", 1);
  g_autoptr (DkmsFirmwareReading) reading = end ();
  check_list (reading, DKMS_LIST_OWNER, "first+second");
  check_list (reading, DKMS_LIST_FIRMWARE, "firmware");
  check_list (reading, DKMS_LIST_FORBIDDEN, "");
  check_list (reading, DKMS_LIST_REVOKED, "revoked");
  check_list (reading, DKMS_LIST_TO_DELETE, "");
  g_assert_cmpint (reading->shim, ==, DKMS_YES);
  g_assert_false (reading->state.distrusted);
  g_assert_null (reading->lists[DKMS_LIST_OWNER].unread);
  g_assert_true (g_str_has_suffix (reading->lists[DKMS_LIST_TO_ENROL].unread, "MokNew-" SHIM)); /* no attributes */

  begin (); /* the copy has precedence */
  write_file ("efivars/MokListRT-" SHIM, "____cut", 7);
  write_file ("mok-variables/MokListRT", "whole", 5);
  g_autoptr (DkmsFirmwareReading) copied = end ();
  check_list (copied, DKMS_LIST_OWNER, "whole");
  g_assert_true (copied->state.distrusted);
}

/* A directory in the place of a file cannot be read, by root either. */
static void
test_unreadable (void)
{
  begin ();
  write_file ("mok-variables/MokListRT/x", "", 0);
  write_file ("mok-variables/MokListXRT/x", "", 0);
  write_file ("efivars/MokListRT-" SHIM, "____visible", 11);
  write_file ("efivars/db-" DB "/x", "", 0);
  g_autoptr (DkmsFirmwareReading) reading = end ();
  check_list (reading, DKMS_LIST_OWNER, "visible");
  g_assert_null (reading->lists[DKMS_LIST_OWNER].unread);
  g_assert_cmpstr (reading->lists[DKMS_LIST_REVOKED].unread, ==, "/sys/firmware/efi/mok-variables/MokListXRT");
  g_assert_cmpstr (reading->lists[DKMS_LIST_FIRMWARE].unread, ==, "/sys/firmware/efi/efivars/db-" DB);
  g_assert_null (reading->lists[DKMS_LIST_FORBIDDEN].unread);
}

static void
test_shim (void)
{
  begin ();
  write_file ("efivars/db-" DB, "____x", 5);
  g_autoptr (DkmsFirmwareReading) none = end ();
  begin ();
  write_file ("runtime", "", 0);
  g_autoptr (DkmsFirmwareReading) hidden = end ();
  begin ();
  write_file ("efivars/x", "", 0);
  g_autofree char *file = g_build_filename (machine, "sys/firmware/efi/efivars/x", NULL);
  g_assert_cmpint (unlink (file), ==, 0);
  g_autoptr (DkmsFirmwareReading) unmounted = end ();
  begin ();
  write_file ("efivars/SbatLevelRT-" SHIM, "____sbat", 8);
  g_autoptr (DkmsFirmwareReading) empty = end ();

  g_assert_cmpint (none->shim, ==, DKMS_NO);
  g_assert_cmpint (hidden->shim, ==, DKMS_DONT_KNOW);
  g_assert_cmpint (unmounted->shim, ==, DKMS_DONT_KNOW);
  g_assert_nonnull (unmounted->lists[DKMS_LIST_OWNER].unread);
  g_assert_null (none->lists[DKMS_LIST_OWNER].unread);
  g_assert_cmpint (empty->shim, ==, DKMS_YES);
  g_assert_cmpstr (dkms_key_list_name (DKMS_LIST_TO_ENROL), ==, "MokNew");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/firmware/secure-boot", test_state);
  g_test_add_func ("/firmware/no-efi", test_no_efi);
  g_test_add_func ("/firmware/lists", test_lists);
  g_test_add_func ("/firmware/unreadable", test_unreadable);
  g_test_add_func ("/firmware/shim", test_shim);
  return g_test_run ();
}
