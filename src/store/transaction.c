/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include "store/transaction.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"

typedef enum { STAGE_COPY, STAGE_PRESERVE, STAGE_LINK, STAGE_TEXT, STAGE_MOVE } StageKind;

enum { TRIES = 3 }; /* of changes that there is no way back from */

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
add_op (DkmsTransaction *self, const char *op, const char *a, const char *b, const char *c)
{
  json_array_append_new (self->ops, json_pack ("[ssss]", op, a, b, c));
}

/* A name beside @path that is ours alone. */
static char *
beside (const DkmsTransaction *self, const char *path, const char *kind, gsize number)
{
  g_autofree char *dir = g_path_get_dirname (path);

  return g_strdup_printf ("%s/.dkms-%08x-%s%" G_GSIZE_FORMAT, dir, self->id, kind, number);
}

/* Returns: (transfer none): name of the temporary that will become @target */
static const char *
add_stage (DkmsTransaction *self, StageKind kind, const char *from, const char *target, mode_t mode)
{
  Stage stage = { kind, g_strdup (from), beside (self, target, "", self->stages->len), mode };

  g_array_append_val (self->stages, stage);
  if (kind != STAGE_MOVE)
    add_op (self, "rename", stage.temp, target, "");
  return stage.temp;
}

void
dkms_transaction_copy (DkmsTransaction *self, const char *source, const char *target, mode_t mode)
{
  (void)add_stage (self, STAGE_COPY, source, target, mode);
}

void
dkms_transaction_preserve (DkmsTransaction *self, const char *source, const char *target)
{
  (void)add_stage (self, STAGE_PRESERVE, source, target, 0);
}

void
dkms_transaction_link (DkmsTransaction *self, const char *text, const char *target)
{
  (void)add_stage (self, STAGE_LINK, text, target, 0);
}

void
dkms_transaction_write (DkmsTransaction *self, const char *text, const char *target)
{
  (void)add_stage (self, STAGE_TEXT, text, target, 0644);
}

void
dkms_transaction_move (DkmsTransaction *self, const char *from, const char *to)
{
  g_autofree char *trash = beside (self, to, "old", json_array_size (self->ops));

  /* First beside its place: once the changes are journalled nothing depends on where it came from. */
  add_op (self, "move", add_stage (self, STAGE_MOVE, from, to, 0), to, trash);
  add_op (self, "sweep", trash, "", "");
}

void
dkms_transaction_discard (DkmsTransaction *self, const char *path)
{
  g_autofree char *trash = beside (self, path, "old", json_array_size (self->ops));

  add_op (self, "discard", path, trash, "");
  add_op (self, "sweep", trash, "", "");
}

void
dkms_transaction_delete (DkmsTransaction *self, const char *path)
{
  add_op (self, "delete", path, "", "");
}

void
dkms_transaction_prune (DkmsTransaction *self, const char *dir, const char *stop)
{
  add_op (self, "prune", dir, stop, "");
}

/* The directory that holds @path, opened inside the root, and the name in it. */
static int
parent_of (const DkmsRoot *root, const char *path, gboolean create, char **name, GError **error)
{
  g_autofree char *dir = g_path_get_dirname (path);

  *name = g_path_get_basename (path);
  return dkms_root_open_dir (root, dir, create, error);
}

/* Adds @dir and its parents to @list as far as they are missing, parents first. */
static void
list_missing (const DkmsRoot *root, const char *dir, json_t *list)
{
  g_autofree char *up = g_path_get_dirname (dir);
  json_t *known;
  size_t i;

  if (dkms_root_is_dir (root, dir))
    return;
  json_array_foreach (list, i, known)
    if (strcmp (json_string_value (known), dir) == 0)
      return;
  list_missing (root, up, list);
  json_array_append_new (list, json_string (dir));
}

/* Every directory that the changes need and that is not there yet. */
static json_t *
missing_dirs (const DkmsTransaction *self)
{
  json_t *list = json_array (), *op;
  size_t i;

  json_array_foreach (self->ops, i, op)
    {
      const char *what = json_string_value (json_array_get (op, 0));
      const char *path = json_string_value (json_array_get (op, 1));
      g_autofree char *dir = NULL;

      if (strcmp (what, "move") == 0)
        path = json_string_value (json_array_get (op, 2));
      else if (strcmp (what, "rename") != 0)
        continue;
      dir = g_path_get_dirname (path);
      list_missing (self->settings->root, dir, list);
    }
  return list;
}

/* Makes the directories of @dirs and flushes each into its parent. */
static gboolean
make_dirs (const DkmsRoot *root, json_t *dirs, GError **error)
{
  json_t *dir;
  size_t i;

  json_array_foreach (dirs, i, dir)
    {
      g_autofree char *name = NULL;
      g_auto (DkmsFd) parent = parent_of (root, json_string_value (dir), FALSE, &name, error);

      if (parent < 0)
        return FALSE;
      if ((mkdirat (parent, name, 0755) < 0 && errno != EEXIST) || fsync (parent) < 0)
        return dkms_fail_errno (error, "create the directory", json_string_value (dir));
    }
  return TRUE;
}

/* Returns: whether @name is gone; what is not empty stays, and a failure for a passing reason does not come again. */
static gboolean
remove_empty_at (int dir, const char *name)
{
  for (int tries = 0; tries < TRIES; tries++)
    if (unlinkat (dir, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
      return TRUE;
    else if (errno == ENOTEMPTY || errno == EEXIST)
      break;
  return FALSE;
}

static void
undo_dirs (const DkmsRoot *root, json_t *dirs)
{
  for (size_t i = json_array_size (dirs); i > 0; i--)
    {
      g_autofree char *name = NULL;
      const char *path = json_string_value (json_array_get (dirs, i - 1));
      g_auto (DkmsFd) parent = path != NULL ? parent_of (root, path, FALSE, &name, NULL) : -1;

      if (parent >= 0)
        (void)remove_empty_at (parent, name);
    }
}

/* Puts a copy of @from, a file, link or directory, flushed, on another file system. What is left of a copy that fails
 * is deleted with the temporaries. */
static gboolean
copy_across (int from_dir, const char *from, int dir, const char *name, GError **error)
{
  g_autofree char *text = dkms_read_link_at (from_dir, from);

  if (text != NULL)
    return symlinkat (text, dir, name) == 0 || dkms_fail_errno (error, "create the link", name);
  if (!dkms_is_dir_at (from_dir, from))
    return dkms_copy_file_at (from_dir, from, dir, name, 0644, TRUE, error);
  return dkms_copy_tree_at (from_dir, from, dir, name, error) && dkms_flush_tree_at (dir, name, error);
}

static gboolean
write_stage (const DkmsRoot *root, const Stage *stage, GError **error)
{
  g_autofree char *name = NULL;
  g_auto (DkmsFd) dir = parent_of (root, stage->temp, FALSE, &name, error);
  g_auto (DkmsFd) from = -1;
  g_auto (DkmsFd) from_dir = -1;
  g_autofree char *from_name = NULL;
  char magic[64];

  if (dir < 0)
    return FALSE;
  switch (stage->kind)
    {
    case STAGE_MOVE:
      from_dir = parent_of (root, stage->from, FALSE, &from_name, error);
      if (from_dir < 0)
        return FALSE;
      if (renameat (from_dir, from_name, dir, name) == 0)
        return TRUE;
      /* A part of the tree may be a link to another file system. */
      return errno == EXDEV ? copy_across (from_dir, from_name, dir, name, error)
                            : dkms_fail_errno (error, "move", stage->from);
    case STAGE_LINK:
      return symlinkat (stage->from, dir, name) == 0 || dkms_fail_errno (error, "create the link", stage->temp);
    case STAGE_TEXT:
      return dkms_write_new_at (dir, name, stage->from, strlen (stage->from), stage->mode, error);
    default:
      from = dkms_root_openat (root, stage->from, O_RDONLY, 0);
      if (from < 0)
        return dkms_fail_errno (error, "read", stage->from);
      g_snprintf (magic, sizeof magic, "/proc/self/fd/%d", from);
      if (stage->kind == STAGE_PRESERVE ? dkms_copy_alike_at (AT_FDCWD, magic, dir, name, error)
                                        : dkms_copy_file_at (AT_FDCWD, magic, dir, name, stage->mode, TRUE, error))
        return TRUE;
      g_prefix_error (error, "%s: ", stage->from);
      return FALSE;
    }
}

static void
prune (const DkmsRoot *root, const char *dir, const char *stop, GHashTable *touched)
{
  g_autofree char *at = g_strdup (dir);

  while (g_str_has_prefix (at, stop) && strlen (at) > strlen (stop) + 1)
    {
      g_autofree char *name = NULL;
      g_auto (DkmsFd) parent = parent_of (root, at, FALSE, &name, NULL);
      g_autofree char *up = g_path_get_dirname (at);

      g_hash_table_add (touched, g_strdup (up));
      if (parent >= 0 && !remove_empty_at (parent, name))
        return;
      g_free (at);
      at = g_steal_pointer (&up);
    }
}

/* The directory of @path; when it is gone, so is what was to be changed in it. */
static int
dir_of_change (const DkmsRoot *root, const char *path, gboolean create, char **name, GHashTable *touched,
               gboolean *gone, GError **error)
{
  g_autoptr (GError) local = NULL;
  g_auto (DkmsFd) dir = parent_of (root, path, create, name, &local);

  *gone = dir < 0 && errno == ENOENT && !create;
  if (dir < 0 && !*gone)
    g_propagate_error (error, g_steal_pointer (&local));
  if (dir >= 0)
    g_hash_table_add (touched, g_path_get_dirname (path));
  return dkms_fd_steal (&dir);
}

/* @from takes the place of @to. Whoever finds no @from knows that it was done. */
static gboolean
apply_move (const DkmsRoot *root, const char *from, const char *to, const char *trash, GHashTable *touched,
            GError **error)
{
  g_autofree char *from_name = NULL;
  g_autofree char *to_name = NULL;
  g_autofree char *trash_name = g_path_get_basename (trash);
  gboolean gone;
  g_auto (DkmsFd) from_dir = dir_of_change (root, from, FALSE, &from_name, touched, &gone, error);
  g_auto (DkmsFd) to_dir = -1;
  struct stat st;

  if (from_dir < 0)
    return gone;
  if (fstatat (from_dir, from_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
    return errno == ENOENT || dkms_fail_errno (error, "look at", from);
  to_dir = dir_of_change (root, to, TRUE, &to_name, touched, &gone, error);
  if (to_dir < 0)
    return FALSE;
  if (renameat (to_dir, to_name, to_dir, trash_name) < 0 && errno != ENOENT)
    return dkms_fail_errno (error, "move away", to);
  return renameat (from_dir, from_name, to_dir, to_name) == 0 || dkms_fail_errno (error, "put in place", to);
}

/* Whether the paths of @op are what this program writes: absolute, with nothing in them that climbs. */
static gboolean
makes_sense (json_t *op)
{
  gsize count = json_array_size (op);

  if (count < 2 || json_string_value (json_array_get (op, 0)) == NULL)
    return FALSE;
  for (gsize i = 1; i < count; i++)
    {
      const char *path = json_string_value (json_array_get (op, i));
      g_auto (GStrv) words = g_strsplit (path != NULL ? path : "", "/", -1);

      if (path == NULL || (*path != '/' && (*path != '\0' || i == 1)))
        return FALSE;
      if (g_strv_contains ((const char *const *)words, "..") || g_strv_contains ((const char *const *)words, "."))
        return FALSE;
    }
  return TRUE;
}

static gboolean
check_ops (json_t *ops, GError **error)
{
  json_t *op;
  size_t i;

  json_array_foreach (ops, i, op)
    if (!makes_sense (op))
      {
        char *text = json_dumps (op, JSON_COMPACT);
        dkms_fail (error, DKMS_ERROR_IO, NULL, NULL, "Refusing a change of files that leads out of its directory: %s",
                   text != NULL ? text : "not a list");
        free (text);
        return FALSE;
      }
  return TRUE;
}

/* Deletes what a change has taken out of its place, which is no part of the change: what cannot be deleted goes where
 * every run tries again, and stops nobody. */
static void
sweep (const DkmsSettings *settings, DkmsUi *ui, int dir, const char *name, const char *path)
{
  g_autofree char *work_path = dkms_tree_path (settings, ".dkms", "work", NULL);
  g_autofree char *host = dkms_root_host_path (settings->root, path);
  g_auto (DkmsFd) work = -1;
  g_autoptr (GError) error = NULL;

  if (!g_str_has_prefix (name, ".dkms-"))
    return;
  for (int tries = 0; tries < TRIES; tries++)
    {
      g_clear_error (&error);
      if (dkms_remove_tree_at (dir, name, &error))
        return;
    }
  work = dkms_root_openat (settings->root, work_path, O_RDONLY | O_DIRECTORY, 0);
  if (work >= 0 && renameat (dir, name, work, name) == 0)
    {
      g_free (host);
      g_autofree char *moved = g_build_filename (work_path, name, NULL);
      host = dkms_root_host_path (settings->root, moved);
    }
  dkms_ui_warn (ui, "%s. What is left of the replaced files is in %s; delete it by hand.", error->message, host);
}

/* Does one change; doing it again is harmless. Adds the directories that are to be flushed to @touched. */
static gboolean
apply (const DkmsSettings *settings, DkmsUi *ui, json_t *op, GHashTable *touched, GError **error)
{
  const DkmsRoot *root = settings->root;
  const char *words[4] = { NULL };
  g_autofree char *name = NULL;
  g_autofree char *target = NULL;
  g_auto (DkmsFd) dir = -1;
  gboolean gone;

  for (gsize i = 0; i < G_N_ELEMENTS (words); i++)
    words[i] = json_string_value (json_array_get (op, i));
  const char *what = words[0], *a = words[1], *b = words[2] != NULL ? words[2] : "";
  if (strcmp (what, "prune") == 0)
    return prune (root, a, b, touched), TRUE;
  if (strcmp (what, "move") == 0)
    return apply_move (root, a, b, words[3] != NULL ? words[3] : "", touched, error);

  dir = dir_of_change (root, a, FALSE, &name, touched, &gone, error);
  if (dir < 0)
    return gone;
  if (strcmp (what, "delete") == 0)
    return unlinkat (dir, name, 0) == 0 || errno == ENOENT || dkms_fail_errno (error, "delete", a);
  if (strcmp (what, "sweep") == 0)
    return sweep (settings, ui, dir, name, a), TRUE;
  target = g_path_get_basename (b); /* of rename and discard: in the same directory by construction */
  return renameat (dir, name, dir, target) == 0 || errno == ENOENT || dkms_fail_errno (error, "rename", a);
}

/* Flushes what was renamed and deleted in the directories of @touched; those that are gone need it no more. */
static gboolean
flush_all (const DkmsRoot *root, GHashTable *touched, GError **error)
{
  GHashTableIter iter;
  gpointer path;

  g_hash_table_iter_init (&iter, touched);
  while (g_hash_table_iter_next (&iter, &path, NULL))
    {
      g_auto (DkmsFd) fd = dkms_root_openat (root, path, O_RDONLY | O_DIRECTORY, 0);
      if (fd < 0 && errno == ENOENT)
        continue;
      if (fd < 0 || fsync (fd) < 0)
        return dkms_fail_errno (error, "flush the directory", path);
    }
  return TRUE;
}

static gboolean
apply_once (const DkmsSettings *settings, DkmsUi *ui, json_t *ops, GError **error)
{
  g_autoptr (GHashTable) touched = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  json_t *op;
  size_t i;

  json_array_foreach (ops, i, op)
    if (!apply (settings, ui, op, touched, error))
      return FALSE;
  return flush_all (settings->root, touched, error);
}

/* Each change can be repeated, and what failed for a passing reason does not fail again. */
static gboolean
apply_all (const DkmsSettings *settings, DkmsUi *ui, json_t *ops, GError **error)
{
  for (int tries = 1; tries < TRIES; tries++)
    if (apply_once (settings, ui, ops, NULL))
      return TRUE;
  return apply_once (settings, ui, ops, error);
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
        dkms_discard_tree_at (dir, name);
    }
}

static int
open_journal (const DkmsSettings *settings, gboolean create, GError **error)
{
  g_autofree char *path = dkms_tree_path (settings, ".dkms", "journal", NULL);

  return dkms_root_open_dir (settings->root, path, create, error);
}

static gboolean
write_journal (int dir, const char *name, json_t *object, GError **error)
{
  char *text = json_dumps (object, JSON_INDENT (1));
  gboolean ok = dkms_publish_at (dir, name, text, strlen (text), 0600, error);

  free (text);
  return ok;
}

/* Only after this nobody does the changes of the journal again. */
static gboolean
drop_journal (int dir, const char *name, GError **error)
{
  if ((unlinkat (dir, name, 0) < 0 && errno != ENOENT) || fsync (dir) < 0)
    return dkms_fail_errno (error, "delete the journal", name);
  return TRUE;
}

static void
undo (const DkmsRoot *root, json_t *plan)
{
  delete_temps (root, json_object_get (plan, "temps"));
  undo_dirs (root, json_object_get (plan, "dirs"));
}

static gboolean
recover_one (const DkmsSettings *settings, DkmsUi *ui, int journal, const char *name, GError **error)
{
  g_autofree char *text = dkms_read_at (journal, name, 16 << 20, NULL, NULL);
  json_t *object = text != NULL && g_str_has_suffix (name, ".json") ? json_loads (text, 0, NULL) : NULL;
  json_t *ops = json_object_get (object, "ops");
  gboolean ok = TRUE;

  if (ops != NULL)
    {
      ok = check_ops (ops, error) && apply_all (settings, ui, ops, error);
      if (ok)
        dkms_ui_note (ui, "Finished a change that an earlier run was interrupted in");
    }
  else if (object != NULL)
    undo (settings->root, object);
  json_decref (object);
  return ok && drop_journal (journal, name, error);
}

/* With the tree's lock held: what is in the journal is of dead runs. */
static gboolean
recover_all (const DkmsSettings *settings, DkmsUi *ui, int journal, GError **error)
{
  g_autoptr (GPtrArray) names = dkms_list_dir_at (journal, ".", error);

  for (guint i = 0; names != NULL && i < names->len; i++)
    if (!recover_one (settings, ui, journal, names->pdata[i], error))
      return FALSE;
  return names != NULL;
}

/* Stages 1 and 2. On failure all is as it was. */
static gboolean
prepare (DkmsTransaction *self, int journal, const char *name, GError **error)
{
  const DkmsRoot *root = self->settings->root;
  json_t *temps = json_array (), *plan = json_pack ("{s:o,s:o}", "temps", temps, "dirs", missing_dirs (self));
  json_t *ops = json_pack ("{s:O}", "ops", self->ops);
  gboolean ok;

  for (guint i = 0; i < self->stages->len; i++)
    json_array_append_new (temps, json_string (g_array_index (self->stages, Stage, i).temp));
  ok = write_journal (journal, name, plan, error) && make_dirs (root, json_object_get (plan, "dirs"), error);
  for (guint i = 0; ok && i < self->stages->len; i++)
    ok = write_stage (root, &g_array_index (self->stages, Stage, i), error);
  if (!ok)
    {
      undo (root, plan);
      (void)drop_journal (journal, name, NULL);
    }
  else if (!write_journal (journal, name, ops, error))
    {
      /* Either journal may be there now. The one with the changes must go before their temporaries do. */
      ok = FALSE;
      if (drop_journal (journal, name, NULL))
        undo (root, plan);
    }
  json_decref (plan);
  json_decref (ops);
  return ok;
}

gboolean
dkms_transaction_commit (DkmsTransaction *self, DkmsUi *ui, GError **error)
{
  g_autoptr (DkmsLock) lock = dkms_lock_take (self->settings, ui, "lock", TRUE, error);
  g_auto (DkmsFd) journal = lock != NULL ? open_journal (self->settings, TRUE, error) : -1;
  g_autofree char *name = g_strdup_printf ("%08x.json", self->id);

  if (journal < 0 || !check_ops (self->ops, error) || !recover_all (self->settings, ui, journal, error)
      || !prepare (self, journal, name, error))
    return FALSE;
  /* From here on there is no way back: after a failure the journal stays, and the next run finishes. */
  return apply_all (self->settings, ui, self->ops, error) && drop_journal (journal, name, error);
}

static gboolean
anything_in (int journal)
{
  g_autoptr (GPtrArray) names = journal >= 0 ? dkms_list_dir_at (journal, ".", NULL) : NULL;

  return names != NULL && names->len > 0;
}

gboolean
dkms_transaction_pending (const DkmsSettings *settings)
{
  g_auto (DkmsFd) journal = open_journal (settings, FALSE, NULL);

  return anything_in (journal);
}

gboolean
dkms_transaction_recover (const DkmsSettings *settings, DkmsUi *ui, GError **error)
{
  g_auto (DkmsFd) journal = open_journal (settings, FALSE, NULL);
  g_autoptr (DkmsLock) lock = NULL;

  if (!anything_in (journal))
    return TRUE;
  lock = dkms_lock_take (settings, ui, "lock", TRUE, error);
  return lock != NULL && recover_all (settings, ui, journal, error);
}
