/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names that are accepted for modules, versions and kernels. */
#include <string.h>

#include "base/error.h"
#include "store/register.h"

static const struct {
  const char *name;
  gboolean good;
} names[]
    = { { "foo", TRUE },     { "1.0", TRUE },      { "a-b_c+d~e", TRUE },   { "caf\xc3\xa9", TRUE }, { "a.", TRUE },
        { "-foo", FALSE },   { ".foo", FALSE },    { "..", FALSE },         { "a/b", FALSE },        { "a b", FALSE },
        { "a\tb", FALSE },   { "a\nb", FALSE },    { "a\x1b[2J", FALSE },   { "a\x7f", FALSE },      { " a", FALSE },
        { "a\x01z", FALSE }, { "foo\x1f", FALSE }, { "\xc3\xa9-1.0", TRUE } };

/* Names such as kernel-<k>-<a> and .dkms-<id>-<n> contain a name, and must not be longer than 255 bytes. */
enum { LONGEST_NAME = 200 };

static void
test_names (void)
{
  g_autofree char *longest = g_strnfill (LONGEST_NAME, 'x');
  g_autofree char *too_long = g_strnfill (LONGEST_NAME + 1, 'x');
  g_autoptr (GError) error = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *shown = g_strescape (names[i].name, NULL);

      g_test_message ("%s", shown);
      g_assert_cmpint (dkms_tree_check_name (DKMS_ERROR_BAD_NAME, "module name", names[i].name, NULL), ==,
                       names[i].good);
    }
  g_assert_true (dkms_tree_check_name (DKMS_ERROR_BAD_NAME, "module name", longest, &error));
  g_assert_no_error (error);
  g_assert_false (dkms_tree_check_name (DKMS_ERROR_BAD_NAME, "module name", too_long, &error));
  g_assert_error (error, DKMS_ERROR, DKMS_ERROR_BAD_NAME);
}

/* The error message contains the name, with control characters escaped. */
static void
test_odd_names_are_shown_escaped (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (dkms_tree_check_name (DKMS_ERROR_BAD_NAME, "module name", "a\x1b[2J", &error));
  g_assert_nonnull (strstr (error->message, "\"a\\033[2J\""));
}

static void
test_kernels (void)
{
  static const char *const reserved[] = { "build", "source", "tarball", "driver_disk", "rpm", "deb", ".x" };

  for (gsize i = 0; i < G_N_ELEMENTS (reserved); i++)
    g_assert_false (dkms_tree_is_kernel_name (reserved[i]));
  g_assert_true (dkms_tree_is_kernel_name ("6.1.0-1-amd64"));
  g_assert_true (dkms_tree_is_kernel_name ("builder"));
}

static void
test_new_modules (void)
{
  static const struct {
    const char *module, *version;
    gboolean good;
  } rows[] = { { "foo", "1.0", TRUE },
               { "mok.key", "1.0", FALSE },
               { "mok.pub", "1.0", FALSE },
               { "mok.keys", "1.0", TRUE },
               { "post_transaction.log", "1", FALSE },
               { "foo", "source", FALSE },
               { "foo", "build", FALSE },
               { "foo", "original_module", FALSE },
               { "foo", "kernel-6.1-x86_64", FALSE },
               { "foo", "kernel-6.1", TRUE },
               { "foo", "kernel", TRUE } };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_test_message ("%s/%s", rows[i].module, rows[i].version);
      g_assert_cmpint (dkms_tree_check_new (DKMS_ERROR_RESERVED_NAME,
                                            &(DkmsId){ .module = rows[i].module, .version = rows[i].version }, NULL),
                       ==, rows[i].good);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/register/names", test_names);
  g_test_add_func ("/register/odd-names-are-shown-escaped", test_odd_names_are_shown_escaped);
  g_test_add_func ("/register/kernels", test_kernels);
  g_test_add_func ("/register/new-modules", test_new_modules);
  return g_test_run ();
}
