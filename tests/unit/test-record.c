/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records of builds: all forms of the text are read as the same record; a quick look uses only the stat of files. */
#include "store/record.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <unistd.h>

#include "base/file.h"
#include "fixture.h"

#define MODULE                                                                                                         \
  "{\"name\":\"foo\",\"location\":\"/updates/dkms\",\"file\":\"foo.ko\",\"sha256\":\"ab\",\"built\":\"1:2\"}"
#define BEGIN "{\"format\":1,\"seconds\":12.5,\"checked\":true,\"doubts\":[],\"modules\":["

/* @same: whether the text means the same as BEGIN MODULE "]}\n"; otherwise it is invalid */
static const struct {
  const char *name, *text;
  gboolean same;
} forms[] = {
  { "own", BEGIN MODULE "]}\n", TRUE },
  { "no-newline", BEGIN MODULE "]}", TRUE },
  { "blanks", "{ \"format\": 1, \"seconds\": 12.5, \"checked\": true, \"doubts\": [], \"modules\": [" MODULE "] }",
    TRUE },
  { "order", "{\"modules\":[" MODULE "],\"doubts\":[],\"checked\":true,\"seconds\":12.5,\"format\":1}\n", TRUE },
  { "exponent", "{\"format\":1,\"seconds\":1.25e1,\"checked\":true,\"doubts\":[],\"modules\":[" MODULE "]}\n", TRUE },
  { "more-fields",
    "{\"format\":1,\"new\":{},\"seconds\":12.5,\"checked\":true,\"doubts\":[],\"modules\":[" MODULE "]}\n", TRUE },
  { "escape",
    BEGIN "{\"name\":\"f\\u006fo\",\"location\":\"\\/updates\\/"
          "dkms\",\"file\":\"foo.ko\",\"sha256\":\"ab\",\"built\":\"1:2\"}]}\n",
    TRUE },
  { "format", "{\"format\":2,\"seconds\":12.5,\"checked\":true,\"doubts\":[],\"modules\":[" MODULE "]}\n", FALSE },
  { "zero", "{\"format\":1,\"seconds\":012.5,\"checked\":true,\"doubts\":[],\"modules\":[" MODULE "]}\n", FALSE },
  { "no-fraction", "{\"format\":1,\"seconds\":12.,\"checked\":true,\"doubts\":[],\"modules\":[" MODULE "]}\n", FALSE },
  { "cut", BEGIN MODULE "]", FALSE },
  { "comma", BEGIN MODULE ",]}\n", FALSE },
  { "rest", BEGIN MODULE "]}\n{}", FALSE },
  { "control", BEGIN "{\"name\":\"f\to\",\"location\":\"\"}]}\n", FALSE },
  { "utf8", BEGIN "{\"name\":\"f\xff\",\"location\":\"\"}]}\n", FALSE },
  { "leads-out", BEGIN "{\"name\":\"../foo\",\"location\":\"\"}]}\n", FALSE },
  { "climbs", BEGIN "{\"name\":\"foo\",\"location\":\"/../..\"}]}\n", FALSE },
};

static int
open_at (const Fixture *f, const char *path)
{
  g_autofree char *host = g_build_filename (f->dir, path, NULL);
  int fd = open (host, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  g_assert_cmpint (fd, >=, 0);
  return fd;
}

static void
test_forms (Fixture *f, gconstpointer data)
{
  (void)data;
  for (gsize i = 0; i < G_N_ELEMENTS (forms); i++)
    {
      g_test_message ("%s", forms[i].name);
      fixture_put (f, "/k/a/.record.json", forms[i].text);
      int fd = open_at (f, "/k/a");
      g_autoptr (DkmsRecord) record = dkms_record_read_at (fd);
      close (fd);
      g_assert_cmpint (record != NULL, ==, forms[i].same);
      if (record == NULL)
        continue;
      const DkmsRecordModule *module = dkms_record_find (record, "foo");
      g_assert_nonnull (module);
      g_assert_cmpfloat (record->seconds, ==, 12.5);
      g_assert_true (record->checked);
      g_assert_cmpuint (record->modules->len, ==, 1);
      g_assert_cmpstr (module->dest_location, ==, "/updates/dkms");
      g_assert_cmpstr (module->file, ==, "foo.ko");
      g_assert_cmpstr (module->sha256, ==, "ab");
      g_assert_cmpstr (module->built_sig, ==, "1:2");
      g_assert_null (module->installed_sig);
    }
}

/* Checks the result of dkms_record_look() for the build in /k/a. */
static void
assert_look (const Fixture *f, gboolean read, gboolean seen, gboolean unchanged)
{
  gboolean really = !seen;
  int fd = open_at (f, "/k");
  g_autoptr (DkmsRecord) record = dkms_record_look (fd, "a", &really);

  close (fd);
  g_assert_cmpint (record != NULL, ==, read);
  g_assert_cmpint (really, ==, seen);
  if (record != NULL)
    g_assert_cmpint (dkms_record_find (record, "foo")->unchanged, ==, unchanged);
}

static void
test_look (Fixture *f, gconstpointer data)
{
  g_autofree char *file = g_build_filename (f->dir, "k/a/module/foo.ko", NULL);
  g_autofree char *record_file = g_build_filename (f->dir, "k/a/.record.json", NULL);
  g_autofree char *other = g_build_filename (f->dir, "other", NULL);
  g_autoptr (DkmsRecord) record = dkms_record_new ();
  struct stat st;

  (void)data;
  fixture_put (f, "/k/a/module/foo.ko", "x");
  assert_look (f, FALSE, FALSE, FALSE);
  g_assert_cmpint (stat (file, &st), ==, 0);
  DkmsRecordModule *module = dkms_record_add (record, "foo", "/updates", "foo.ko");
  module->built_sig = dkms_stat_signature (&st);
  g_autofree char *text = dkms_record_to_text (record);
  fixture_put (f, "/k/a/.record.json", text);
  assert_look (f, TRUE, TRUE, TRUE);

  /* The signature of a link differs from that of its target. */
  g_assert_cmpint (rename (file, other), ==, 0);
  g_assert_cmpint (symlink (other, file), ==, 0);
  assert_look (f, TRUE, TRUE, FALSE);
  g_assert_cmpint (unlink (file), ==, 0);
  assert_look (f, TRUE, FALSE, FALSE);
  /* A record that is a symbolic link is not read, because only other functions resolve links inside the root. */
  g_assert_cmpint (rename (record_file, other), ==, 0);
  g_assert_cmpint (symlink (other, record_file), ==, 0);
  assert_look (f, FALSE, FALSE, FALSE);
}

/* Records and .dkms/digests contain signatures, so their form must not change. */
static void
test_signature (void)
{
  const struct stat st = {
    .st_dev = 0xfe01, .st_ino = 0xabcdef, .st_size = 100, .st_mtim = { 1700000000, 1 }, .st_ctim = { -5, 120000000 }
  };
  const struct stat zero = { 0 };
  g_autofree char *one = dkms_stat_signature (&st), *other = dkms_stat_signature (&zero);

  g_assert_cmpstr (one, ==, "fe01:abcdef:100:1700000000.000000001:-5.120000000");
  g_assert_cmpstr (other, ==, "0:0:0:0.000000000:0.000000000");
  g_assert_true (dkms_stat_has_signature (&st, one));
  g_assert_false (dkms_stat_has_signature (&st, other));
  g_assert_false (dkms_stat_has_signature (&st, NULL));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/record/forms", Fixture, NULL, fixture_set_up, test_forms, fixture_tear_down);
  g_test_add ("/record/look", Fixture, NULL, fixture_set_up, test_look, fixture_tear_down);
  g_test_add_func ("/record/signature", test_signature);
  return g_test_run ();
}
