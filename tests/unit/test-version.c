/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The two orders of versions. */
#include "model/version.h"

static const struct {
  const char *in, *out;
} normal[] = {
  /* the table of docs/interface/dkms-conf.md §7 */
  { "2.6.9-1cvs200409091247", "002.006.009-001cvs200409091247" },
  { "6.12.117+deb12-amd64", "006.012.117+deb012-amd064" },
  { "5.10-rc1", "005.010-rc001" },
  { "1234", "1234" },
  { "", "" },
  { "1 2", "001002" },
};

static const struct {
  const char *low, *high;
} orders[] = {
  { "5.10", "5.10-rc1" }, { "5.10-rc1", "5.10.1" }, { "999", "1000x" }, { "4.11.999", "4.12" }, { "4.12", "4.12.0" }, { "", "1" },
}, sorts[] = {
  { "2.0", "10.0" }, { "1.0~rc1", "1.0" }, { "1.0", "1.0a" }, { "6.1.0-9", "6.1.0-10" }, { "a", "b" }, { "1.2-b", "1.3-a" },
};

static void
test_normalize (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (normal); i++)
    {
      g_autofree char *got = dkms_version_normalize (normal[i].in);
      g_assert_cmpstr (got, ==, normal[i].out);
    }
}

static void
test_compare (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (orders); i++)
    {
      if (i == 2) /* numbers above 999 are compared by bytes: 1000 is below 999 */
        g_assert_cmpint (dkms_version_compare (orders[i].low, orders[i].high), >, 0);
      else
        g_assert_cmpint (dkms_version_compare (orders[i].low, orders[i].high), <, 0);
      g_assert_cmpint (dkms_version_compare (orders[i].low, orders[i].low), ==, 0);
    }
}

static void
test_sort (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (sorts); i++)
    {
      g_assert_cmpint (dkms_version_sort (sorts[i].low, sorts[i].high), <, 0);
      g_assert_cmpint (dkms_version_sort (sorts[i].high, sorts[i].low), >, 0);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/version/normalize", test_normalize);
  g_test_add_func ("/version/compare", test_compare);
  g_test_add_func ("/version/sort", test_sort);
  return g_test_run ();
}
