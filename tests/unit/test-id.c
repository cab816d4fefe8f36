/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Identities, and the paths that contain them. */
#include "base/id.h"
#include "store/layout.h"

static const DkmsId module = { "m", NULL, NULL, NULL }, version = { "m", "1", NULL, NULL },
                    build = { "m", "1", "k", "a" }, kernel = { NULL, NULL, "k", NULL };

static void
test_equal (void)
{
  const DkmsId others[]
      = { { "n", "1", "k", "a" },   { "m", "2", "k", "a" },    { "m", "1", "l", "a" },   { "m", "1", "k", "b" },
          { "m", "1", NULL, NULL }, { "m", NULL, NULL, NULL }, { NULL, NULL, "k", NULL } };
  g_autoptr (DkmsId) copy = dkms_id_copy (&build);

  g_assert_true (dkms_id_equal (copy, &build));
  g_assert_cmpuint (dkms_id_hash (copy), ==, dkms_id_hash (&build));
  g_assert_true (copy->module != build.module);
  for (gsize i = 0; i < G_N_ELEMENTS (others); i++)
    {
      g_assert_false (dkms_id_equal (&others[i], &build));
      g_assert_cmpuint (dkms_id_hash (&others[i]), !=, dkms_id_hash (&build));
    }
}

static void
test_passes (void)
{
  const DkmsId fitting[] = { { NULL, NULL, NULL, NULL }, module, version, kernel, build, { NULL, NULL, "k", "a" } };
  const DkmsId others[]
      = { { "n", NULL, NULL, NULL }, { "m", "2", NULL, NULL }, { NULL, NULL, "l", NULL }, { NULL, NULL, "k", "b" } };

  for (gsize i = 0; i < G_N_ELEMENTS (fitting); i++)
    g_assert_true (dkms_id_passes (&build, &fitting[i]));
  for (gsize i = 0; i < G_N_ELEMENTS (others); i++)
    g_assert_false (dkms_id_passes (&build, &others[i]));
  g_assert_false (dkms_id_passes (&module, &version)); /* a module without a version does not match a version */
}

static void
test_format (void)
{
  const struct {
    const DkmsId *id;
    const char *text;
  } cases[] = { { &module, "m" }, { &version, "m/1" }, { &build, "m/1, k, a" }, { &kernel, "k" } };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *text = dkms_id_format (cases[i].id);
      g_assert_cmpstr (text, ==, cases[i].text);
    }
}

static void
assert_path (char *path, const char *expected)
{
  g_assert_cmpstr (path, ==, expected);
  g_free (path);
}

static void
test_layout (void)
{
  const DkmsPlaces places = { .dkms_tree = (char *)"/tree", .source_tree = (char *)"/src" };
  const DkmsPlaces *s = &places;

  assert_path (dkms_layout_module (s, &build), "/tree/m");
  assert_path (dkms_layout_version (s, &build, NULL), "/tree/m/1");
  assert_path (dkms_layout_version (s, &version, "tarball"), "/tree/m/1/tarball");
  assert_path (dkms_layout_source (s, &build, NULL), "/tree/m/1/source");
  assert_path (dkms_layout_source (s, &version, "dkms.conf"), "/tree/m/1/source/dkms.conf");
  assert_path (dkms_layout_build (s, &build, NULL), "/tree/m/1/k/a");
  assert_path (dkms_layout_build (s, &build, "log/make.log"), "/tree/m/1/k/a/log/make.log");
  assert_path (dkms_layout_unpacked (s, &build), "/src/m-1");
  assert_path (dkms_layout_link (s, &build), "/tree/m/kernel-k-a");
  assert_path (dkms_layout_originals (s, &build), "/tree/m/original_module/k/a");
  assert_path (dkms_layout_logs (s, &build), "/tree/.dkms/logs/m/1/k/a");
  assert_path (dkms_layout_logs (s, &version), "/tree/.dkms/logs/m/1");
  assert_path (dkms_layout_own (s, "journal", NULL), "/tree/.dkms/journal");
  assert_path (dkms_layout_own (s, "work", "7"), "/tree/.dkms/work/7");
  assert_path (dkms_layout_post_log (s), "/tree/post_transaction.log");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/id/equal", test_equal);
  g_test_add_func ("/id/passes", test_passes);
  g_test_add_func ("/id/format", test_format);
  g_test_add_func ("/id/layout", test_layout);
  return g_test_run ();
}
