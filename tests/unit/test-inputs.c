/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The inputs of builds: their JSON form, identity and comparison. */
#include "model/inputs.h"

static const DkmsId id = { "foo", "1.0", "6.1.0-9-test", "x86_64" };

static DkmsInputs *
sample (void)
{
  DkmsInputs *self = dkms_inputs_new (&id);

  dkms_inputs_set (self, "source", "aa");
  dkms_inputs_set (self, "admin", "-");
  dkms_inputs_set (self, "make", "make -C x\n100%");
  dkms_inputs_set (self, "patch.000", "fix.patch");
  dkms_inputs_set (self, "output.foo", "foo strip=yes");
  dkms_inputs_set (self, "depend.bar", "2.0 bb");
  dkms_inputs_set (self, "symvers", "cc");
  dkms_inputs_set (self, "config", "dd");
  dkms_inputs_set (self, "release", "ee");
  dkms_inputs_set (self, "btf", "-");
  dkms_inputs_set (self, "compiler", "gcc-12 gcc-12 (Debian 12.2.0-14) 12.2.0");
  dkms_inputs_set (self, "environment", "ff");
  return self;
}

static void
test_document (void)
{
  g_autoptr (DkmsInputs) inputs = dkms_inputs_new (&id);
  g_autoptr (DkmsInputs) other = sample ();
  g_autofree char *identity = NULL, *other_identity = dkms_inputs_identity (other);

  dkms_inputs_set (inputs, "make", "a\nb%\rc");
  dkms_inputs_set (inputs, "source", NULL);
  g_autofree char *document = dkms_inputs_document (inputs);
  g_assert_cmpstr (
      document, ==,
      "arch x86_64\nformat dkms-inputs-1\nkernel 6.1.0-9-test\nmake a%0Ab%25%0Dc\nmodule foo\nversion 1.0\n");
  identity = dkms_inputs_identity (inputs);
  g_autofree char *sum = g_compute_checksum_for_string (G_CHECKSUM_SHA256, document, -1);
  g_assert_cmpstr (identity, ==, sum);
  g_assert_cmpstr (identity, !=, other_identity);
}

static void
test_json (void)
{
  g_autoptr (DkmsInputs) inputs = sample ();

  dkms_inputs_set (inputs, "prebuild", "caf\xe9");
  json_t *json = dkms_inputs_to_json (inputs);
  g_autoptr (DkmsInputs) back = dkms_inputs_from_json (json);
  g_autofree char *a = dkms_inputs_document (inputs), *b = dkms_inputs_document (back);
  g_assert_cmpstr (a, ==, b);
  json_decref (json);
  json = json_pack ("{s:i}", "format", 1);
  g_assert_null (dkms_inputs_from_json (json));
  json_decref (json);
  g_assert_null (dkms_inputs_from_json (NULL));
}

/* The effect of a change of each input. */
static void
test_compare (void)
{
  static const struct {
    const char *name, *value;
    guint staleness;
  } table[] = {
    { "source", "a", DKMS_STALE_SOURCE },
    { "source", "-", DKMS_STALE_SOURCE },
    { "admin", "a", DKMS_STALE_SOURCE },
    { "make", "make", DKMS_STALE_SOURCE },
    { "prebuild", "new", 0 }, /* not recorded before */
    { "patch.000", "other.patch", DKMS_STALE_SOURCE },
    { "patch.001", "more.patch", DKMS_STALE_SOURCE },
    { "output.foo", "foo strip=no", DKMS_STALE_SOURCE },
    { "output.more", "more strip=no", DKMS_STALE_SOURCE },
    { "depend.bar", "2.0 b", DKMS_STALE_DEPENDS },
    { "depend.more", "1.0 -", DKMS_STALE_DEPENDS },
    { "symvers", "c", DKMS_STALE_HEADERS },
    { "config", "d", DKMS_STALE_HEADERS },
    { "config", "-", 0 },
    { "btf", "d", DKMS_STALE_HEADERS },
    { "release", "e", 0 },
    { "compiler", "gcc-12 gcc-12 (Debian 12.2.0-99) 12.3.1", 0 },
    { "compiler", "gcc-12 gcc-12 (Debian 13.2.0-14) 13.2.0", DKMS_STALE_COMPILER },
    { "compiler", "clang gcc-12 (Debian 12.2.0-14) 12.2.0", DKMS_STALE_COMPILER },
    { "environment", "f", DKMS_STALE_ENVIRONMENT },
  };
  g_autoptr (DkmsInputs) made = sample ();

  for (gsize i = 0; i < G_N_ELEMENTS (table); i++)
    {
      g_autoptr (DkmsInputs) now = sample ();

      g_assert_cmpuint (dkms_inputs_compare (made, now), ==, 0);
      dkms_inputs_set (now, table[i].name, table[i].value);
      g_test_message ("%s %s", table[i].name, table[i].value);
      g_assert_cmpuint (dkms_inputs_compare (made, now), ==, table[i].staleness);
    }
  g_autoptr (DkmsInputs) other = sample ();
  dkms_inputs_set (other, "source", "x");
  g_assert_cmpuint (dkms_inputs_compare (NULL, other), ==, 0);
  dkms_inputs_set (other, "format", "dkms-inputs-2");
  g_assert_cmpuint (dkms_inputs_compare (made, other), ==, 0);
  dkms_inputs_set (other, "compiler", "unknown"); /* no version in it */
  g_assert_cmpuint (dkms_inputs_compare (other, other), ==, 0);
}

static void
test_words (void)
{
  g_autofree char *all = dkms_staleness_words (G_MAXUINT), *none = dkms_staleness_words (0);

  g_assert_cmpstr (all, ==, "headers, source, depends, compiler, environment");
  g_assert_cmpstr (none, ==, "");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/inputs/document", test_document);
  g_test_add_func ("/inputs/json", test_json);
  g_test_add_func ("/inputs/compare", test_compare);
  g_test_add_func ("/inputs/words", test_words);
  return g_test_run ();
}
