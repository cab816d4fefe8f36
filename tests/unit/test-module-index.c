/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parser of what dkms-modinfo lookup prints. */
#include "kernel/module-index.h"

#include <errno.h>

#include "base/error.h"

static GPtrArray *
parse (const char *text, gsize size, guint count, GError **error)
{
  g_autoptr (GBytes) output = g_bytes_new (text, size);

  return dkms_module_lookup_parse (output, "/host/lib/modules/6.1", "/lib/modules/6.1", count, error);
}

static void
test_found (void)
{
  static const char text[]
      = "module\0foo\0path\0/host/lib/modules/6.1/updates/foo.ko\0depends\0/host/lib/modules/6.1/kernel/bar.ko\0"
        "depends\0/elsewhere/baz.ko\0end\0\0builtin\0001\0module\0tty\0end\0\0absent\0001\0end\0";
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) all = parse (text, sizeof text, 3, &error);

  g_assert_no_error (error);
  const DkmsModuleLookup *foo = all->pdata[0], *tty = all->pdata[1], *none = all->pdata[2];
  g_assert_true (!foo->builtin && foo->modules->len == 1 && foo->paths->len == 1 && foo->depends->len == 2);
  g_assert_cmpstr (foo->modules->pdata[0], ==, "foo");
  g_assert_cmpstr (foo->paths->pdata[0], ==, "/lib/modules/6.1/updates/foo.ko");
  g_assert_cmpstr (foo->depends->pdata[0], ==, "/lib/modules/6.1/kernel/bar.ko");
  g_assert_cmpstr (foo->depends->pdata[1], ==, "/elsewhere/baz.ko");
  g_assert_true (tty->builtin && tty->modules->len == 1 && tty->paths->len == 0);
  g_assert_true (!none->builtin && none->modules->len == 0 && none->paths->len == 0);
}

static void
test_unread (void)
{
  static const char unread[] = "unread\0002 modules.dep.bin", cut[] = "module\0foo\0end\0\0module\0b";
  g_autoptr (GError) error = NULL, other = NULL;

  g_assert_null (parse (unread, sizeof unread, 1, &error));
  g_assert_error (error, DKMS_ERROR, DKMS_ERROR_IO);
  g_assert_cmpint (dkms_error_info (error)->number, ==, ENOENT);
  g_assert_cmpstr (dkms_error_info (error)->path, ==, "/lib/modules/6.1/modules.dep.bin");
  g_assert_null (parse (cut, sizeof cut, 2, &other)); /* which is not "absent" */
  g_assert_error (other, DKMS_ERROR, DKMS_ERROR_HELPER_FAILED);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/module-index/found", test_found);
  g_test_add_func ("/module-index/unread", test_unread);
  return g_test_run ();
}
