/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Input: the text of a .record.json, from the tree or from an archive of another machine. It names files that root
 * deletes later. Findings: a crash; an accepted record that names a file outside of the module directories; a record
 * that differs after it was written and read again; a text that the fast reader and the JSON reader read differently.
 */
#define _GNU_SOURCE
#include "../../src/store/record.c"

#include <fcntl.h>
#include <unistd.h>

#include "fuzz.h"

static void
assert_name (const char *name)
{
  g_assert (*name != '\0' && strchr (name, '/') == NULL && strcmp (name, ".") != 0 && strcmp (name, "..") != 0);
}

static void
assert_sound (const DkmsRecord *record)
{
  for (guint i = 0; i < record->modules->len; i++)
    {
      const DkmsRecordModule *module = record->modules->pdata[i];
      g_autofree char *path = g_strconcat ("/lib/modules/k", module->dest_location, "/", module->dest_name, NULL);
      g_autofree char *canonical = g_canonicalize_filename (path, NULL);

      assert_name (module->dest_name);
      if (module->file != NULL)
        assert_name (module->file);
      g_assert (g_str_has_prefix (canonical, "/lib/modules/k/"));
      g_assert (dkms_record_find (record, module->dest_name) != NULL);
    }
}

static void
assert_same (const DkmsRecord *a, const DkmsRecord *b)
{
  g_assert (b != NULL && a->checked == b->checked && a->modules->len == b->modules->len
            && a->doubts->len == b->doubts->len);
  for (guint i = 0; i < a->doubts->len; i++)
    g_assert_cmpstr (a->doubts->pdata[i], ==, b->doubts->pdata[i]);
  for (guint i = 0; i < a->modules->len; i++)
    {
      const DkmsRecordModule *x = a->modules->pdata[i], *y = b->modules->pdata[i];
      g_assert_cmpstr (x->dest_name, ==, y->dest_name);
      g_assert_cmpstr (x->dest_location, ==, y->dest_location);
      g_assert_cmpstr (x->file, ==, y->file);
      g_assert_cmpstr (x->sha256, ==, y->sha256);
      g_assert_cmpstr (x->built_sig, ==, y->built_sig);
      g_assert_cmpstr (x->installed_sig, ==, y->installed_sig);
      g_assert_cmpstr (x->owned_sig, ==, y->owned_sig);
      g_assert_cmpstr (x->indexed_sig, ==, y->indexed_sig);
    }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (DkmsRecord) record = NULL;

  fuzz_begin ();
  g_autofree char *text = g_malloc (size + 1);
  memcpy (text, data, size);
  text[size] = '\0';
  g_autoptr (DkmsRecord) own = record_from_own_text (text, size);
  record = record_from_json (json_loadb (text, size, 0, NULL));
  if (own != NULL)
    {
      g_assert (record != NULL && record->seconds == own->seconds);
      assert_same (own, record);
    }
  if (record == NULL)
    return 0;
  assert_sound (record);
  if (size % 16 == 0) /* writing is slower than reading, so only some inputs are written */
    {
      int dir = open (fuzz_place (), O_PATH | O_DIRECTORY | O_CLOEXEC);
      g_autoptr (DkmsRecord) again = NULL;

      g_assert (dkms_record_write (record, dir, -1, NULL));
      again = dkms_record_read_at (dir);
      assert_same (record, again);
      (void)close (dir);
    }
  return 0;
}
