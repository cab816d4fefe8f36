/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include "store/transaction.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"

typedef enum { STAGE_COPY, STAGE_LINK, STAGE_TEXT } StageKind;

typedef struct {
  StageKind kind;
  char *from; /* source path, link text or content */
  char *temp;
  mode_t mode;
} Stage;

struct DkmsTransaction {
  const DkmsSettings *settings;
  guint32 id;
  GArray *stages;
  json_t *ops;
};

static void
stage_clear (gpointer data)
{
  Stage *stage = data;

  g_free (stage->from);
  g_free (stage->temp);
}

DkmsTransaction *
dkms_transaction_new (const DkmsSettings *settings)
{
  DkmsTransaction *self = g_new0 (DkmsTransaction, 1);

  self->settings = settings;
  self->id = g_random_int ();
  self->stages = g_array_new (FALSE, FALSE, sizeof (Stage));
  g_array_set_clear_func (self->stages, stage_clear);
  self->ops = json_array ();
  return self;
}

void
dkms_transaction_free (DkmsTransaction *self)
{
  if (self == NULL)
    return;
  g_array_unref (self->stages);
  json_decref (self->ops);
  g_free (self);
}

static void
add_op (DkmsTransaction *self, const char *op, const char *a, const char *b)
{
  json_array_append_new (self->ops, json_pack ("[sss]", op, a, b));
}

static void
add_stage (DkmsTransaction *self, StageKind kind, const char *from, const char *target, mode_t mode)
{
  g_autofree char *dir = g_path_get_dirname (target);
  Stage stage = { kind, g_strdup (from), g_strdup_printf ("%s/.dkms-%08x-%u", dir, self->id, self->stages->len), mode };

  g_array_append_val (self->stages, stage);
  add_op (self, "rename", stage.temp, target);
}

void
dkms_transaction_copy (DkmsTransaction *self, const char *source, const char *target, mode_t mode)
{
  add_stage (self, STAGE_COPY, source, target, mode);
}

void
dkms_transaction_link (DkmsTransaction *self, const char *text, const char *target)
{
  add_stage (self, STAGE_LINK, text, target, 0);
}

void
dkms_transaction_write (DkmsTransaction *self, const char *text, const char *target)
{
  add_stage (self, STAGE_TEXT, text, target, 0644);
}

void
dkms_transaction_delete (DkmsTransaction *self, const char *path)
{
  add_op (self, "delete", path, "");
}

void
dkms_transaction_prune (DkmsTransaction *self, const char *dir, const char *stop)
{
  add_op (self, "prune", dir, stop);
}

/* The directory that holds @path, opened inside the root, and the name in it. */
static int
parent_of (const DkmsRoot *root, const char *path, gboolean create, char **name, GError **error)
{
  g_autofree char *dir = g_path_get_dirname (path);

  *name = g_path_get_basename (path);
  return dkms_root_open_dir (root, dir, create, error);
}

/* Creates the directory of a temporary and adds what it had to create to @made, parents first. */
static gboolean
make_dirs (const DkmsRoot *root, const char *dir, GPtrArray *made, GError **error)
{
  g_autofree char *up = g_path_get_dirname (dir);
  g_auto (DkmsFd) fd = -1;

  if (dkms_root_is_dir (root, dir))
    return TRUE;
  if (!make_dirs (root, up, made, error))
    return FALSE;
  fd = dkms_root_open_dir (root, dir, TRUE, error);
  if (fd >= 0)
    g_ptr_array_add (made, g_strdup (dir));
  return fd >= 0;
}

static void
undo_dirs (const DkmsRoot *root, const GPtrArray *made)
{
  for (guint i = made->len; i > 0; i--)
    {
      g_autofree char *name = NULL;
      g_auto (DkmsFd) parent = parent_of (root, made->pdata[i - 1], FALSE, &name, NULL);

      if (parent >= 0)
        (void)unlinkat (parent, name, AT_REMOVEDIR);
    }
}

static gboolean
write_stage (const DkmsRoot *root, const Stage *stage, GPtrArray *made, GError **error)
{
  g_autofree char *dir_name = g_path_get_dirname (stage->temp);
  g_autofree char *name = NULL;
  g_auto (DkmsFd) dir
      = make_dirs (root, dir_name, made, error) ? parent_of (root, stage->temp, FALSE, &name, error) : -1;
  g_auto (DkmsFd) from = -1;
  char magic[64];

  if (dir < 0)
    return FALSE;
  switch (stage->kind)
    {
    case STAGE_LINK:
      return symlinkat (stage->from, dir, name) == 0 || dkms_fail_errno (error, "create the link", stage->temp);
    case STAGE_TEXT:
      return dkms_publish_at (dir, name, stage->from, strlen (stage->from), stage->mode, error);
    default:
      from = dkms_root_openat (root, stage->from, O_RDONLY, 0);
      if (from < 0)
        return dkms_fail_errno (error, "read", stage->from);
      g_snprintf (magic, sizeof magic, "/proc/self/fd/%d", from);
      if (dkms_copy_file_at (AT_FDCWD, magic, dir, name, stage->mode, TRUE, error))
        return TRUE;
      g_prefix_error (error, "%s: ", stage->from);
      return FALSE;
    }
}

static void
prune (const DkmsRoot *root, const char *dir, const char *stop)
{
  g_autofree char *at = g_strdup (dir);

  while (g_str_has_prefix (at, stop) && strlen (at) > strlen (stop) + 1)
    {
      g_autofree char *name = NULL;
      g_auto (DkmsFd) parent = parent_of (root, at, FALSE, &name, NULL);
      char *up = g_path_get_dirname (at);

      if (parent >= 0 && unlinkat (parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        {
          g_free (up);
          return;
        }
      g_free (at);
      at = up;
    }
}

/* Does one change; doing it again is harmless. */
static gboolean
apply (const DkmsRoot *root, json_t *op, GError **error)
{
  const char *what = json_string_value (json_array_get (op, 0)), *a = json_string_value (json_array_get (op, 1)),
             *b = json_string_value (json_array_get (op, 2));
  g_autofree char *name = NULL;
  g_auto (DkmsFd) dir = -1;

  if (what == NULL || a == NULL || b == NULL || *a != '/')
    return dkms_fail (error, DKMS_ERROR_IO, NULL, NULL, "The journal holds a change that makes no sense");
  if (strcmp (what, "prune") == 0)
    return prune (root, a, b), TRUE;

  dir = parent_of (root, a, FALSE, &name, NULL);
  if (dir < 0)
    return errno == ENOENT || dkms_fail_errno (error, "open the directory of", a);
  if (strcmp (what, "delete") == 0)
    {
      if (unlinkat (dir, name, 0) < 0 && errno != ENOENT)
        return dkms_fail_errno (error, "delete", a);
    }
  else
    {
      g_autofree char *target = g_path_get_basename (b); /* same directory by construction */
      if (renameat (dir, name, dir, target) < 0 && errno != ENOENT)
        return dkms_fail_errno (error, "put in place", b);
    }
  return fsync (dir) == 0 || dkms_fail_errno (error, "flush the directory of", a);
}

static gboolean
apply_all (const DkmsRoot *root, json_t *ops, GError **error)
{
  json_t *op;
  size_t i;

  json_array_foreach (ops, i, op)
    if (!apply (root, op, error))
      return FALSE;
  return TRUE;
}

static void
delete_temps (const DkmsRoot *root, json_t *temps)
{
  json_t *temp;
  size_t i;

  json_array_foreach (temps, i, temp)
    {
      const char *path = json_string_value (temp);
      g_autofree char *name = NULL;
      g_auto (DkmsFd) dir = path != NULL ? parent_of (root, path, FALSE, &name, NULL) : -1;

      if (dir >= 0 && g_str_has_prefix (name, ".dkms-"))
        (void)unlinkat (dir, name, 0);
    }
}

static int
open_journal (const DkmsSettings *settings, gboolean create, GError **error)
{
  g_autofree char *path = dkms_tree_path (settings, ".dkms", "journal", NULL);

  return dkms_root_open_dir (settings->root, path, create, error);
}

static gboolean
write_journal (int dir, const char *name, const char *key, json_t *list, GError **error)
{
  json_t *object = json_pack ("{sO}", key, list);
  char *text = json_dumps (object, JSON_INDENT (1));
  gboolean ok = dkms_publish_at (dir, name, text, strlen (text), 0600, error);

  free (text);
  json_decref (object);
  return ok;
}

gboolean
dkms_transaction_commit (DkmsTransaction *self, DkmsUi *ui, GError **error)
{
  const DkmsRoot *root = self->settings->root;
  g_autoptr (DkmsLock) lock = dkms_lock_take (self->settings, ui, "lock", TRUE, error);
  g_auto (DkmsFd) journal = lock != NULL ? open_journal (self->settings, TRUE, error) : -1;
  g_autofree char *name = g_strdup_printf ("%08x.json", self->id);
  g_autoptr (GPtrArray) made = g_ptr_array_new_with_free_func (g_free);
  json_t *temps = json_array ();
  gboolean ok;

  for (guint i = 0; i < self->stages->len; i++)
    json_array_append_new (temps, json_string (g_array_index (self->stages, Stage, i).temp));
  ok = journal >= 0 && write_journal (journal, name, "temps", temps, error);
  for (guint i = 0; ok && i < self->stages->len; i++)
    ok = write_stage (root, &g_array_index (self->stages, Stage, i), made, error);
  ok = ok && write_journal (journal, name, "ops", self->ops, error);
  if (!ok)
    {
      delete_temps (root, temps);
      undo_dirs (root, made);
      if (journal >= 0)
        (void)unlinkat (journal, name, 0);
      json_decref (temps);
      return FALSE;
    }
  json_decref (temps);
  if (!apply_all (root, self->ops, error))
    return FALSE; /* the journal stays: the next run finishes */
  if (unlinkat (journal, name, 0) < 0)
    return dkms_fail_errno (error, "delete the journal", name);
  return TRUE;
}

static gboolean
recover_one (const DkmsSettings *settings, DkmsUi *ui, int journal, const char *name, GError **error)
{
  g_autofree char *text = dkms_read_at (journal, name, 1 << 20, NULL, NULL);
  json_t *object = text != NULL && g_str_has_suffix (name, ".json") ? json_loads (text, 0, NULL) : NULL;
  json_t *ops = json_object_get (object, "ops");
  gboolean ok = TRUE;

  if (ops != NULL)
    {
      ok = apply_all (settings->root, ops, error);
      if (ok)
        dkms_ui_note (ui, "Finished a change that an earlier run was interrupted in");
    }
  else if (object != NULL)
    delete_temps (settings->root, json_object_get (object, "temps"));
  json_decref (object);
  if (ok && unlinkat (journal, name, 0) < 0 && errno != ENOENT)
    return dkms_fail_errno (error, "delete the journal", name);
  return ok;
}

gboolean
dkms_transaction_recover (const DkmsSettings *settings, DkmsUi *ui, GError **error)
{
  g_auto (DkmsFd) journal = open_journal (settings, FALSE, NULL);
  g_autoptr (GPtrArray) names = journal >= 0 ? dkms_list_dir_at (journal, ".", error) : NULL;
  g_autoptr (DkmsLock) lock = NULL;

  if (journal < 0)
    return TRUE;
  if (names == NULL)
    return FALSE;
  if (names->len == 0)
    return TRUE;
  lock = dkms_lock_take (settings, ui, "lock", TRUE, error);
  if (lock == NULL)
    return FALSE;
  for (guint i = 0; i < names->len; i++)
    if (!recover_one (settings, ui, journal, names->pdata[i], error))
      return FALSE;
  return TRUE;
}
