/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changes that happen as a whole or not at all, and what is done after a crash. */
#define _GNU_SOURCE
#include "store/transaction.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/copy.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/publish.h"
#include "base/unread.h"

typedef enum { STAGE_COPY, STAGE_PRESERVE, STAGE_LINK, STAGE_TEXT, STAGE_MOVE } StageKind;

enum { TRIES = 3 };  /* of changes that there is no way back from */
enum { FORMAT = 1 }; /* of journals */

static const char bad[] = "bad"; /* directory in the journal's for what is not one */

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

/* As parent_of(). Returns: FALSE with an error unless *@fd is open, or -1 because there is no such directory */
static gboolean
find_parent (const DkmsRoot *root, const char *path, int *fd, char **name, GError **error)
{
  g_autoptr (GError) local = NULL;

  *fd = parent_of (root, path, FALSE, name, &local);
  if (*fd >= 0 || dkms_is_absent (errno))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&local));
  return FALSE;
}

static gboolean
undo_dirs (const DkmsRoot *root, json_t *dirs, GError **error)
{
  for (size_t i = json_array_size (dirs); i > 0; i--)
    {
      g_autofree char *name = NULL;
      g_auto (DkmsFd) parent = -1;

      if (!find_parent (root, json_string_value (json_array_get (dirs, i - 1)), &parent, &name, error))
        return FALSE;
      if (parent >= 0)
        (void)remove_empty_at (parent, name);
    }
  return TRUE;
}

/* Puts a copy of @from, a file, link or directory, flushed, on another file system. What is left of a copy that fails
 * is deleted with the temporaries. */
static gboolean
copy_across (int from_dir, const char *from, int dir, const char *name, GError **error)
{
  g_autofree char *text = dkms_read_link_at (from_dir, from);

  if (text != NULL)
    return symlinkat (text, dir, name) == 0 || dkms_fail_errno (error, "create the link", name);
  if (errno != EINVAL)
    return dkms_fail_errno (error, "read the link", from);
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

static gboolean
prune (const DkmsRoot *root, const char *dir, const char *stop, GHashTable *touched, GError **error)
{
  g_autofree char *at = g_strdup (dir);

  while (g_str_has_prefix (at, stop) && strlen (at) > strlen (stop) + 1)
    {
      g_autofree char *name = NULL;
      g_auto (DkmsFd) parent = -1;
      g_autofree char *up = g_path_get_dirname (at);

      if (!find_parent (root, at, &parent, &name, error))
        return FALSE;
      g_hash_table_add (touched, g_strdup (up));
      if (parent >= 0 && !remove_empty_at (parent, name))
        return TRUE;
      g_free (at);
      at = g_steal_pointer (&up);
    }
  return TRUE;
}

/* The directory of @path; when it is gone, so is what was to be changed in it. */
static int
dir_of_change (const DkmsRoot *root, const char *path, gboolean create, char **name, GHashTable *touched,
               gboolean *gone, GError **error)
{
  g_autoptr (GError) local = NULL;
  g_auto (DkmsFd) dir = parent_of (root, path, create, name, &local);

  *gone = dir < 0 && dkms_is_absent (errno) && !create;
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
  g_autofree char *work_path = dkms_layout_own (settings, "work", NULL);
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
    return prune (root, a, b, touched, error);
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
      if (fd < 0 && dkms_is_absent (errno))
        continue;
      if (fd < 0 || fsync (fd) < 0)
        return dkms_fail_errno (error, "flush the directory", path);
    }
  return TRUE;
}

/* ---- the sequence number, by which readers see that something changed ---- */

/* With the tree's lock held, after the journal that lists the changes was written and before the first of them. */
static gboolean
raise_sequence (int fd, GError **error)
{
  char text[24] = "";
  ssize_t n = pread (fd, text, sizeof text - 1, 0);

  if (n < 0)
    return dkms_fail_errno (error, "read", "the tree's sequence number");
  g_snprintf (text, sizeof text, "%020" G_GUINT64_FORMAT "\n", g_ascii_strtoull (text, NULL, 10) + 1);
  n = pwrite (fd, text, strlen (text), 0);
  if (n >= 0 && n < (ssize_t)strlen (text))
    errno = ENOSPC;
  return n == (ssize_t)strlen (text) || dkms_fail_errno (error, "write", "the tree's sequence number");
}

/* Opens the number, and creates it if it is absent. */
static int
open_sequence (const DkmsSettings *settings, GError **error)
{
  g_autofree char *path = dkms_layout_own (settings, NULL, NULL);
  g_autofree char *shown_dir = dkms_root_host_path (settings->root, path);
  g_autofree char *shown = g_build_filename (shown_dir, "sequence", NULL);
  g_auto (DkmsFd) dir = dkms_root_open_dir (settings->root, path, TRUE, error);
  g_auto (DkmsFd) fd = -1;
  struct stat st;

  if (dir < 0)
    return -1;
  fd = openat (dir, "sequence", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644);
  if (fd < 0)
    return dkms_fail_errno (error, "open", shown), -1;
  /* Where the disk is full, that must be found out before the journal lists changes. */
  if (fstat (fd, &st) < 0)
    return dkms_fail_errno (error, "look at", shown), -1;
  if (st.st_size == 0 && !raise_sequence (fd, error))
    return -1;
  return dkms_fd_steal (&fd);
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

/* Each change can be repeated, and what failed for a passing reason does not fail again. @sequence: see
 * raise_sequence() */
static gboolean
apply_all (const DkmsSettings *settings, DkmsUi *ui, json_t *ops, int sequence, GError **error)
{
  for (int tries = 1; tries < TRIES; tries++)
    {
      guint mark = dkms_unread_mark ();
      if (raise_sequence (sequence, NULL) && apply_once (settings, ui, ops, NULL))
        return TRUE;
      dkms_unread_drop (mark);
    }
  return raise_sequence (sequence, error) && apply_once (settings, ui, ops, error);
}

static gboolean
delete_temps (const DkmsSettings *settings, DkmsUi *ui, json_t *temps, GError **error)
{
  json_t *temp;
  size_t i;

  json_array_foreach (temps, i, temp)
    {
      const char *path = json_string_value (temp);
      g_autofree char *name = NULL;
      g_auto (DkmsFd) dir = -1;

      if (!find_parent (settings->root, path, &dir, &name, error))
        return FALSE;
      if (dir >= 0)
        sweep (settings, ui, dir, name, path);
    }
  return TRUE;
}

static int
open_journal (const DkmsSettings *settings, gboolean create, GError **error)
{
  g_autofree char *path = dkms_layout_own (settings, "journal", NULL);

  return dkms_root_open_dir (settings->root, path, create, error);
}

static gboolean
write_journal (int dir, const char *name, json_t *object, GError **error)
{
  char *text = json_dumps (object, JSON_INDENT (1));
  gboolean ok = dkms_publish_at (dir, name, text, strlen (text), 0644, error);

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

static gboolean
undo (const DkmsSettings *settings, DkmsUi *ui, json_t *plan, GError **error)
{
  return delete_temps (settings, ui, json_object_get (plan, "temps"), error)
         && undo_dirs (settings->root, json_object_get (plan, "dirs"), error);
}

/* Whether @list (nullable) is a list of texts. */
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

typedef enum { JOURNAL_BAD, JOURNAL_NEWER, JOURNAL_CHANGES, JOURNAL_PLAN } JournalKind;

static JournalKind
kind_of_journal (json_t *object)
{
  static const char *const known[] = { "rename", "delete", "move", "discard", "prune", "sweep", NULL };
  json_t *format = json_object_get (object, "format"), *ops = json_object_get (object, "ops");
  json_t *temps = json_object_get (object, "temps"), *dirs = json_object_get (object, "dirs"), *op;
  size_t i;

  if (!json_is_object (object) || (format != NULL && (!json_is_integer (format) || json_integer_value (format) < 1)))
    return JOURNAL_BAD;
  if (json_integer_value (format) > FORMAT)
    return JOURNAL_NEWER;
  if (ops == NULL)
    return (temps != NULL || dirs != NULL) && is_list_of_texts (temps) && is_list_of_texts (dirs) ? JOURNAL_PLAN
                                                                                                  : JOURNAL_BAD;
  if (!is_list_of_ops (ops))
    return JOURNAL_BAD;
  json_array_foreach (ops, i, op)
    if (!g_strv_contains (known, json_string_value (json_array_get (op, 0))))
      return JOURNAL_NEWER;
  return JOURNAL_CHANGES;
}

/* @path: of the journal, as people know it */
static gboolean
set_aside (DkmsUi *ui, int journal, const char *name, const char *path, GError **error)
{
  g_autofree char *target = g_build_filename (bad, name, NULL);
  g_autofree char *dir = g_path_get_dirname (path);

  if (mkdirat (journal, bad, 0700) < 0 && errno != EEXIST)
    return dkms_fail_errno (error, "create the directory for what is not a journal in", dir);
  if (renameat (journal, name, journal, target) < 0 || fsync (journal) < 0)
    return dkms_fail_errno (error, "move away", path);
  dkms_ui_warn (ui,
                "%s is not a journal of dkms; it was moved to %s/%s.\n"
                "If a command was interrupted before, compare 'dkms status' with what you expect, and repeat it.",
                path, dir, target);
  return TRUE;
}

static gboolean
recover_one (const DkmsSettings *settings, DkmsUi *ui, int journal, const char *name, int sequence, GError **error)
{
  g_autofree char *inside = dkms_layout_own (settings, "journal", name);
  g_autofree char *path = dkms_root_host_path (settings->root, inside);
  g_autoptr (GError) local = NULL;
  g_autofree char *text = NULL;
  struct stat st;
  json_t *object;
  gboolean ok;

  if (strcmp (name, bad) == 0)
    return TRUE;
  if (*name == '.') /* a run died before it gave the journal its name */
    return drop_journal (journal, name, error);
  if (fstatat (journal, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
    return dkms_fail_errno (error, "read the journal", path);
  text = S_ISREG (st.st_mode) && g_str_has_suffix (name, ".json") ? dkms_read_at (journal, name, 16 << 20, NULL, &local)
                                                                  : NULL;
  if (local != NULL)
    {
      dkms_error_add_advice (local, "It describes a change that was interrupted, which the next dkms command that can "
                                    "read it will finish or undo.");
      return g_propagate_error (error, g_steal_pointer (&local)), FALSE;
    }
  object = text != NULL ? json_loads (text, 0, NULL) : NULL;
  switch (kind_of_journal (object))
    {
    case JOURNAL_BAD:
      ok = set_aside (ui, journal, name, path, error);
      break;
    case JOURNAL_NEWER:
      ok = dkms_fail (error, DKMS_ERROR_IO, path, "Run the command with the newer dkms, which can finish the change.",
                      "The journal %s was written by a newer version of dkms", path);
      break;
    case JOURNAL_CHANGES:
      ok = check_ops (json_object_get (object, "ops"), error)
           && apply_all (settings, ui, json_object_get (object, "ops"), sequence, error);
      if (ok)
        dkms_ui_note (ui, "Finished a change that an earlier run was interrupted in");
      ok = ok && drop_journal (journal, name, error);
      break;
    default:
      ok = undo (settings, ui, object, error) && drop_journal (journal, name, error);
    }
  json_decref (object);
  return ok;
}

/* With the tree's lock held: what is in the journal is of dead runs. */
static gboolean
recover_all (const DkmsSettings *settings, DkmsUi *ui, int journal, int sequence, GError **error)
{
  g_autoptr (GPtrArray) names = dkms_list_dir_at (journal, ".", error);

  for (guint i = 0; names != NULL && i < names->len; i++)
    if (!recover_one (settings, ui, journal, names->pdata[i], sequence, error))
      return FALSE;
  return names != NULL;
}

/* After a failure in stage 1 or 2. What cannot be undone now is undone by the next run: then the journal stays. */
static void
back_out (DkmsTransaction *self, DkmsUi *ui, int journal, const char *name, json_t *plan)
{
  guint mark = dkms_unread_mark ();

  if (undo (self->settings, ui, plan, NULL))
    (void)drop_journal (journal, name, NULL);
  dkms_unread_drop (mark);
}

/* Stages 1 and 2. On failure all is as it was. */
static gboolean
prepare (DkmsTransaction *self, DkmsUi *ui, int journal, const char *name, GError **error)
{
  const DkmsRoot *root = self->settings->root;
  json_t *dirs = missing_dirs (self), *temps, *plan, *ops;
  gboolean ok;

  /* What is to be changed was decided by what was read. */
  if (!dkms_unread_check (error))
    return json_decref (dirs), FALSE;
  temps = json_array ();
  for (guint i = 0; i < self->stages->len; i++)
    json_array_append_new (temps, json_string (g_array_index (self->stages, Stage, i).temp));
  plan = json_pack ("{s:i,s:o,s:o}", "format", FORMAT, "temps", temps, "dirs", dirs);
  ops = json_pack ("{s:i,s:O}", "format", FORMAT, "ops", self->ops);
  ok = write_journal (journal, name, plan, error) && make_dirs (root, dirs, error);
  for (guint i = 0; ok && i < self->stages->len; i++)
    ok = write_stage (root, &g_array_index (self->stages, Stage, i), error);
  if (!ok)
    back_out (self, ui, journal, name, plan);
  else if (!write_journal (journal, name, ops, error))
    {
      /* Either journal may be there now. The one with the changes must go before their temporaries do. */
      ok = FALSE;
      if (drop_journal (journal, name, NULL))
        (void)undo (self->settings, ui, plan, NULL);
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
  g_auto (DkmsFd) sequence = journal >= 0 ? open_sequence (self->settings, error) : -1;
  g_autofree char *name = g_strdup_printf ("%08x.json", self->id);

  if (sequence < 0 || !dkms_tree_check_trusted (self->settings, error) || !check_ops (self->ops, error)
      || !recover_all (self->settings, ui, journal, sequence, error) || !prepare (self, ui, journal, name, error))
    return FALSE;
  /* From here on there is no way back: after a failure the journal stays, and the next run finishes. */
  return apply_all (self->settings, ui, self->ops, sequence, error) && drop_journal (journal, name, error);
}

/* Returns: whether there are journals; FALSE with an error when nobody knows */
static gboolean
anything_in (int journal, GError **error)
{
  g_autoptr (GPtrArray) names = journal >= 0 ? dkms_list_dir_at (journal, ".", error) : NULL;

  for (guint i = 0; names != NULL && i < names->len; i++)
    if (strcmp (names->pdata[i], bad) != 0)
      return TRUE;
  return FALSE;
}

static gboolean
recover (const DkmsSettings *settings, DkmsUi *ui, gboolean wait, GError **error)
{
  g_autoptr (GError) local = NULL;
  g_auto (DkmsFd) journal = -1;
  g_auto (DkmsFd) sequence = -1;
  g_autoptr (DkmsLock) lock = NULL;

  if (!dkms_tree_check_trusted (settings, error))
    return FALSE;
  journal = open_journal (settings, FALSE, &local);
  if (journal < 0 && dkms_is_absent (errno))
    return TRUE;
  if (journal >= 0 && !anything_in (journal, &local) && local == NULL)
    return TRUE;
  if (local == NULL)
    lock = wait ? dkms_lock_take (settings, ui, "lock", TRUE, &local)
                : dkms_lock_try (settings, NULL, "lock", TRUE, &local);
  if (local != NULL)
    return g_propagate_error (error, g_steal_pointer (&local)), FALSE;
  if (lock == NULL)
    return TRUE; /* its holder does it */
  sequence = open_sequence (settings, error);
  return sequence >= 0 && recover_all (settings, ui, journal, sequence, error);
}

gboolean
dkms_transaction_recover (const DkmsSettings *settings, DkmsUi *ui, GError **error)
{
  return recover (settings, ui, TRUE, error);
}

gboolean
dkms_transaction_try_recover (const DkmsSettings *settings, DkmsUi *ui, GError **error)
{
  return recover (settings, ui, FALSE, error);
}

/* ---- reading without a lock ---- */

enum { READING_RETRY_US = 2000, READING_PATIENCE_S = 2 };

/* The file is opened once: it is written in place. */
static void
read_sequence (DkmsReading *self, char *number, gsize size)
{
  g_autofree char *path = self->sequence < 0 ? dkms_layout_own (self->settings, "sequence", NULL) : NULL;
  ssize_t n;

  if (path != NULL)
    self->sequence = dkms_root_openat (self->settings->root, path, DKMS_READ_FLAGS, 0);
  n = self->sequence >= 0 ? pread (self->sequence, number, size - 1, 0) : 0;
  if (n < 0)
    dkms_unread_note (self->sequence, "", errno);
  number[MAX (n, 0)] = '\0';
}

/* Whether the journal @name may list changes; one that cannot be read may. */
static gboolean
lists_changes (int journal, const char *name)
{
  g_autofree char *text = g_str_has_suffix (name, ".json") ? dkms_read_at (journal, name, 16 << 20, NULL, NULL) : NULL;
  json_t *object = text != NULL ? json_loads (text, 0, NULL) : NULL;
  gboolean lists = text == NULL ? g_str_has_suffix (name, ".json") : json_object_get (object, "ops") != NULL;

  json_decref (object);
  return lists;
}

/* Whether a live run is making changes. @pending: (out): a dead one left some: its journal was there before and after
 * nobody held the lock */
static gboolean
is_changing (const DkmsSettings *settings, gboolean *pending)
{
  g_auto (DkmsFd) journal = open_journal (settings, FALSE, NULL);
  g_autoptr (GPtrArray) names = journal >= 0 ? dkms_list_dir_at (journal, ".", NULL) : NULL;
  gboolean changes = FALSE;

  *pending = FALSE;
  for (guint i = names != NULL ? names->len : 0; i-- > 0;)
    if (strcmp (names->pdata[i], bad) == 0)
      g_ptr_array_remove_index (names, i);
  if (names == NULL || names->len == 0)
    return FALSE;
  for (guint i = 0; i < names->len; i++)
    changes |= lists_changes (journal, names->pdata[i]);
  if (dkms_lock_is_held (settings, "lock"))
    return changes;
  for (guint i = 0; i < names->len; i++)
    *pending |= dkms_is_file_at (journal, names->pdata[i]);
  return FALSE;
}

void
dkms_reading_begin (DkmsReading *self, const DkmsSettings *settings, DkmsUi *ui)
{
  guint mark = dkms_unread_mark ();
  gint64 since = g_get_monotonic_time ();
  gboolean told = FALSE;

  self->settings = settings;
  self->sequence = -1;
  for (;;)
    {
      read_sequence (self, self->number, sizeof self->number);
      if (!is_changing (settings, &self->pending))
        return;
      dkms_unread_drop (mark); /* what matters of it is read again */
      if (!told && g_get_monotonic_time () - since > (gint64)READING_PATIENCE_S * G_USEC_PER_SEC)
        {
          dkms_lock_say_holder (settings, ui, "lock");
          told = TRUE;
        }
      g_usleep (READING_RETRY_US);
    }
}

gboolean
dkms_reading_end (DkmsReading *self)
{
  char number[sizeof self->number];

  read_sequence (self, number, sizeof number);
  if (self->sequence >= 0)
    (void)close (self->sequence);
  return strcmp (number, self->number) == 0;
}
