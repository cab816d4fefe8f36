/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes, reads and classifies the files of the journal. */
#define _GNU_SOURCE
#include "store/journal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/publish.h"
#include "store/layout.h"

static const char bad[] = "bad"; /* directory of the journal for files that are not journals */

enum { LIMIT = 16 << 20 }; /* maximum size of a journal in bytes */

int
dkms_journal_open (const DkmsPlaces *places, gboolean create, GError **error)
{
  g_autofree char *path = dkms_layout_own (places, "journal", NULL);

  return dkms_root_open_dir (places->root, path, create, error);
}

gboolean
dkms_journal_write (int dir, const char *name, json_t *object, GError **error)
{
  char *text = json_dumps (object, JSON_INDENT (1));
  gboolean ok = dkms_publish_at (dir, name, text, strlen (text), 0644, error);

  free (text);
  return ok;
}

gboolean
dkms_journal_drop (int dir, const char *name, GError **error)
{
  if ((unlinkat (dir, name, 0) < 0 && errno != ENOENT) || fsync (dir) < 0)
    return dkms_fail_errno (error, "delete the journal", name);
  return TRUE;
}

/* Whether @list (nullable) is a list of strings. */
static gboolean
is_list_of_texts (json_t *list)
{
  json_t *text;
  size_t i;

  json_array_foreach (list, i, text)
    if (!json_is_string (text))
      return FALSE;
  return list == NULL || json_is_array (list);
}

static gboolean
is_list_of_ops (json_t *ops)
{
  json_t *op;
  size_t i;

  json_array_foreach (ops, i, op)
    if (!is_list_of_texts (op) || json_array_size (op) < 2)
      return FALSE;
  return json_is_array (ops);
}

DkmsJournalKind
dkms_journal_kind (json_t *object)
{
  static const char *const known[] = { "rename", "delete", "move", "discard", "prune", "sweep", NULL };
  json_t *format = json_object_get (object, "format"), *ops = json_object_get (object, "ops");
  json_t *temps = json_object_get (object, "temps"), *dirs = json_object_get (object, "dirs"), *op;
  size_t i;

  if (!json_is_object (object) || (format != NULL && (!json_is_integer (format) || json_integer_value (format) < 1)))
    return DKMS_JOURNAL_BAD;
  if (json_integer_value (format) > DKMS_JOURNAL_FORMAT)
    return DKMS_JOURNAL_NEWER;
  if (ops == NULL)
    return (temps != NULL || dirs != NULL) && is_list_of_texts (temps) && is_list_of_texts (dirs) ? DKMS_JOURNAL_PLAN
                                                                                                  : DKMS_JOURNAL_BAD;
  if (!is_list_of_ops (ops))
    return DKMS_JOURNAL_BAD;
  json_array_foreach (ops, i, op)
    if (!g_strv_contains (known, json_string_value (json_array_get (op, 0))))
      return DKMS_JOURNAL_NEWER;
  return DKMS_JOURNAL_CHANGES;
}

gboolean
dkms_journal_set_aside (DkmsListener *events, int journal, const char *name, const char *path, GError **error)
{
  g_autofree char *target = g_build_filename (bad, name, NULL);
  g_autofree char *dir = g_path_get_dirname (path);

  if (mkdirat (journal, bad, 0700) < 0 && errno != EEXIST)
    return dkms_fail_errno (error, "create the directory for what is not a journal in", dir);
  if (renameat (journal, name, journal, target) < 0 || fsync (journal) < 0)
    return dkms_fail_errno (error, "move away", path);
  g_autofree char *place = g_build_filename (dir, target, NULL);
  DKMS_EMIT (events, JOURNAL_ASIDE, .path = path, .place = place);
  return TRUE;
}

GPtrArray *
dkms_journal_list (int journal, GError **error)
{
  GPtrArray *names = dkms_list_dir_at (journal, ".", error);

  for (guint i = names != NULL ? names->len : 0; i-- > 0;)
    if (strcmp (names->pdata[i], bad) == 0)
      g_ptr_array_remove_index (names, i);
  return names;
}

char *
dkms_journal_read (int journal, const char *name, GError **error)
{
  return dkms_read_at (journal, name, LIMIT, NULL, error);
}

gboolean
dkms_journal_may_list_changes (int journal, const char *name)
{
  g_autofree char *text = g_str_has_suffix (name, ".json") ? dkms_journal_read (journal, name, NULL) : NULL;
  json_t *object = text != NULL ? json_loads (text, 0, NULL) : NULL;
  gboolean lists = text == NULL ? g_str_has_suffix (name, ".json") : json_object_get (object, "ops") != NULL;

  json_decref (object);
  return lists;
}
