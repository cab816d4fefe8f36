/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Carries out the renames and deletions of a transaction, or undoes them. */
#define _GNU_SOURCE
#include "store/changes.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/unread.h"
#include "store/layout.h"
#include "store/reading.h"

enum { TRIES = 3 }; /* attempts to complete changes after the point of no return */

/* Whether the paths of @op are ones that dkms writes: absolute, and without "..". */
static gboolean
makes_sense (json_t *op)
{
  gsize count = json_array_size (op);

  if (count < 2 || json_string_value (json_array_get (op, 0)) == NULL)
    return FALSE;
  for (gsize i = 1; i < count; i++)
    {
      const char *path = json_string_value (json_array_get (op, i));

      if (path == NULL || (*path != '/' && (*path != '\0' || i == 1)))
        return FALSE;
      if (dkms_path_climbs (path))
        return FALSE;
    }
  return TRUE;
}

gboolean
dkms_changes_check (json_t *ops, GError **error)
{
  json_t *op;
  size_t i;

  json_array_foreach (ops, i, op)
    if (!makes_sense (op))
      {
        char *text = json_dumps (op, JSON_COMPACT);
        DKMS_FAIL (error, CHANGE_LEADS_OUT, .text = text != NULL ? text : "not a list");
        free (text);
        return FALSE;
      }
  return TRUE;
}

/* Returns: whether @name does not exist; a directory that is not empty stays, and temporary failures are not repeated.
 */
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

/* As dkms_root_open_parent(). Returns: FALSE with an error unless *@fd is open, or -1 because the directory does not
 * exist */
static gboolean
find_parent (const DkmsRoot *root, const char *path, int *fd, char **name, GError **error)
{
  g_autoptr (GError) local = NULL;

  *fd = dkms_root_open_parent (root, path, FALSE, name, &local);
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

/* A set of changes that is being carried out. */
typedef struct {
  const DkmsPlaces *places;
  DkmsListener *events;
  GHashTable *touched; /* the directories to flush */
} Changing;

static gboolean
prune (const Changing *self, const char *dir, const char *stop, GError **error)
{
  g_autofree char *at = g_strdup (dir);

  while (g_str_has_prefix (at, stop) && strlen (at) > strlen (stop) + 1)
    {
      g_autofree char *name = NULL;
      g_auto (DkmsFd) parent = -1;
      g_autofree char *up = g_path_get_dirname (at);

      if (!find_parent (self->places->root, at, &parent, &name, error))
        return FALSE;
      g_hash_table_add (self->touched, g_strdup (up));
      if (parent >= 0 && !remove_empty_at (parent, name))
        return TRUE;
      g_free (at);
      at = g_steal_pointer (&up);
    }
  return TRUE;
}

/* Opens the directory of @path. If the directory does not exist, the change in it was made before. */
static int
dir_of_change (const Changing *self, const char *path, gboolean create, char **name, gboolean *gone, GError **error)
{
  g_autoptr (GError) local = NULL;
  g_auto (DkmsFd) dir = dkms_root_open_parent (self->places->root, path, create, name, &local);

  *gone = dir < 0 && dkms_is_absent (errno) && !create;
  if (dir < 0 && !*gone)
    g_propagate_error (error, g_steal_pointer (&local));
  if (dir >= 0)
    g_hash_table_add (self->touched, g_path_get_dirname (path));
  return dkms_fd_steal (&dir);
}

/* Renames @from to @to. A missing @from means that an earlier attempt already moved it. */
static gboolean
apply_move (const Changing *self, const char *from, const char *to, const char *trash, GError **error)
{
  g_autofree char *from_name = NULL;
  g_autofree char *to_name = NULL;
  g_autofree char *trash_name = g_path_get_basename (trash);
  gboolean gone;
  g_auto (DkmsFd) from_dir = dir_of_change (self, from, FALSE, &from_name, &gone, error);
  g_auto (DkmsFd) to_dir = -1;
  struct stat st;

  if (from_dir < 0)
    return gone;
  if (fstatat (from_dir, from_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
    return errno == ENOENT || dkms_fail_errno (error, "look at", from);
  to_dir = dir_of_change (self, to, TRUE, &to_name, &gone, error);
  if (to_dir < 0)
    return FALSE;
  if (renameat (to_dir, to_name, to_dir, trash_name) < 0 && errno != ENOENT)
    return dkms_fail_errno (error, "move away", to);
  return renameat (from_dir, from_name, to_dir, to_name) == 0 || dkms_fail_errno (error, "put in place", to);
}

/* Deletes a file that a change has replaced. This does not belong to the change: a file that cannot be deleted is moved
 * to a place where every run tries again. */
static void
sweep (const DkmsPlaces *places, DkmsListener *events, int dir, const char *name, const char *path)
{
  g_autofree char *work_path = dkms_layout_own (places, "work", NULL);
  g_autofree char *host = dkms_root_host_path (places->root, path);
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
  work = dkms_root_openat (places->root, work_path, O_RDONLY | O_DIRECTORY, 0);
  if (work >= 0 && renameat (dir, name, work, name) == 0)
    {
      g_free (host);
      g_autofree char *moved = g_build_filename (work_path, name, NULL);
      host = dkms_root_host_path (places->root, moved);
    }
  DKMS_EMIT (events, REPLACED_LEFT, .error = error, .path = host);
}

/* Carries out one change, which can be repeated. */
static gboolean
apply (const Changing *self, json_t *op, GError **error)
{
  const char *words[4] = { NULL };
  g_autofree char *name = NULL;
  g_autofree char *target = NULL;
  g_auto (DkmsFd) dir = -1;
  gboolean gone;

  for (gsize i = 0; i < G_N_ELEMENTS (words); i++)
    words[i] = json_string_value (json_array_get (op, i));
  const char *what = words[0], *a = words[1], *b = words[2] != NULL ? words[2] : "";
  if (strcmp (what, "prune") == 0)
    return prune (self, a, b, error);
  if (strcmp (what, "move") == 0)
    return apply_move (self, a, b, words[3] != NULL ? words[3] : "", error);

  dir = dir_of_change (self, a, FALSE, &name, &gone, error);
  if (dir < 0)
    return gone;
  if (strcmp (what, "delete") == 0)
    return unlinkat (dir, name, 0) == 0 || errno == ENOENT || dkms_fail_errno (error, "delete", a);
  if (strcmp (what, "sweep") == 0)
    return sweep (self->places, self->events, dir, name, a), TRUE;
  target = g_path_get_basename (b); /* rename and discard stay in the same directory */
  return renameat (dir, name, dir, target) == 0 || errno == ENOENT || dkms_fail_errno (error, "rename", a);
}

/* Flushes the directories in @touched. Directories that were deleted need no flush. */
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

static gboolean
apply_once (const DkmsPlaces *places, DkmsListener *events, json_t *ops, GError **error)
{
  g_autoptr (GHashTable) touched = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  const Changing changing = { places, events, touched };
  json_t *op;
  size_t i;

  json_array_foreach (ops, i, op)
    if (!apply (&changing, op, error))
      return FALSE;
  return flush_all (places->root, touched, error);
}

gboolean
dkms_changes_apply (const DkmsPlaces *places, DkmsListener *events, json_t *ops, int sequence, GError **error)
{
  for (int tries = 1; tries < TRIES; tries++)
    {
      guint mark = dkms_unread_mark ();
      if (dkms_sequence_raise (sequence, NULL) && apply_once (places, events, ops, NULL))
        return TRUE;
      dkms_unread_drop (mark);
    }
  return dkms_sequence_raise (sequence, error) && apply_once (places, events, ops, error);
}

static gboolean
delete_temps (const DkmsPlaces *places, DkmsListener *events, json_t *temps, GError **error)
{
  json_t *temp;
  size_t i;

  json_array_foreach (temps, i, temp)
    {
      const char *path = json_string_value (temp);
      g_autofree char *name = NULL;
      g_auto (DkmsFd) dir = -1;

      if (!find_parent (places->root, path, &dir, &name, error))
        return FALSE;
      if (dir >= 0)
        sweep (places, events, dir, name, path);
    }
  return TRUE;
}

gboolean
dkms_changes_undo (const DkmsPlaces *places, DkmsListener *events, json_t *plan, GError **error)
{
  return delete_temps (places, events, json_object_get (plan, "temps"), error)
         && undo_dirs (places->root, json_object_get (plan, "dirs"), error);
}
