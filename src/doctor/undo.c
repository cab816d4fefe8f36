/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Takes repairs back. */
#define _GNU_SOURCE
#include "doctor/undo.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/unread.h"
#include "doctor/attic.h"
#include "doctor/digest.h"
#include "doctor/look.h"
#include "install/depmod.h"
#include "model/event-json.h"
#include "store/layout.h"
#include "store/recovery.h"
#include "store/work.h"

/* ---- shared with attic.c ---- */

json_t *
dkms_manifest_read (const DkmsPlaces *places, const char *name, GError **error)
{
  g_autofree char *dir = dkms_layout_own (places, "attic", name);
  g_autofree char *path = g_build_filename (dir, "manifest.json", NULL);
  g_autofree char *text = dkms_root_read (places->root, path, 64 << 20, NULL, error);
  json_t *manifest = text != NULL ? json_loads (text, 0, NULL) : NULL;

  if (text == NULL
      || (json_integer_value (json_object_get (manifest, "format")) == DKMS_MANIFEST_FORMAT
          && json_is_array (json_object_get (manifest, "entries"))))
    return manifest;
  json_decref (manifest);
  return DKMS_FAIL (error, MANIFEST_NOT_UNDERSTOOD, .path = path), NULL;
}

DkmsLock *
dkms_attic_lock (const DkmsPlaces *places, DkmsListener *events, GError **error)
{
  g_autoptr (GError) local = NULL;
  DkmsLock *lock = dkms_lock_try (places, events, "locks/attic", TRUE, &local);

  if (local != NULL)
    return g_propagate_error (error, g_steal_pointer (&local)), NULL;
  if (lock == NULL)
    DKMS_FAIL (error, ATTIC_BUSY, .id = { 0 });
  return lock;
}

/* Returns: the mount of @fd; 0: unknown */
static guint64
mount_of (int fd)
{
  struct statx st;

  return statx (fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &st) == 0 && (st.stx_mask & STATX_MNT_ID) != 0 ? st.stx_mnt_id : 0;
}

gboolean
dkms_attic_is_near (const DkmsPlaces *places, int dir_fd)
{
  g_autofree char *own = dkms_layout_own (places, "", NULL);
  g_auto (DkmsFd) fd = dkms_root_open_dir (places->root, own, TRUE, NULL);
  struct stat a, b;

  return fd >= 0 && fstat (fd, &a) == 0 && fstat (dir_fd, &b) == 0 && a.st_dev == b.st_dev
         && mount_of (fd) == mount_of (dir_fd);
}

gboolean
dkms_attic_finish (const DkmsSettings *settings, DkmsListener *events, DkmsTransaction *tx, const GPtrArray *touched,
                   GError **error)
{
  const DkmsPlaces *places = &settings->places;
  g_autoptr (DkmsWork) work = dkms_work_new (places, error);
  g_autoptr (GHashTable) kernels = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  GHashTableIter iter;
  gpointer kernel;

  if (work == NULL)
    return FALSE;
  for (guint i = 0; i < touched->len; i++)
    {
      char *name = dkms_layout_kernel_of (places, touched->pdata[i]);
      if (name != NULL)
        g_hash_table_add (kernels, name);
    }
  g_hash_table_iter_init (&iter, kernels);
  while (g_hash_table_iter_next (&iter, &kernel, NULL))
    {
      g_autofree char *note = dkms_depmod_note (places, work, kernel);
      dkms_transaction_write (tx, dkms_depmod_note_text (places, kernel), note);
    }
  if (dkms_lock_is_held (places, "lock"))
    return DKMS_FAIL (error, TREE_BUSY, .id = { 0 });
  if (!dkms_transaction_commit (tx, events, error))
    return FALSE;
  g_hash_table_iter_init (&iter, kernels);
  while (g_hash_table_iter_next (&iter, &kernel, NULL))
    dkms_depmod (settings, events, work, kernel, FALSE, -1);
  return TRUE;
}

/* ---- undo ---- */

/* Returns: (transfer full) (nullable): the newest repair: <date>-<n> with the highest date and number; NULL: none */
static char *
newest (const DkmsPlaces *places)
{
  g_autofree char *dir = dkms_layout_own (places, "attic", NULL);
  g_autoptr (GPtrArray) names = dkms_look_list (places, dir);
  const char *found = NULL;
  gint64 date = 0, number = 0;

  for (guint i = 0; i < names->len; i++)
    {
      char *end;
      gint64 d = g_ascii_strtoll (names->pdata[i], &end, 10), n = *end == '-' ? g_ascii_strtoll (end + 1, NULL, 10) : 0;
      if (n <= 0 || d < date || (d == date && n < number))
        continue;
      found = names->pdata[i];
      date = d;
      number = n;
    }
  return g_strdup (found);
}

/* Whether the file at @path has the digest @wanted (nullable: nothing is there). */
static gboolean
is_as (const DkmsRoot *root, const char *path, const char *wanted, GError **error)
{
  g_autoptr (GError) local = NULL;
  g_autofree char *is = dkms_digest_of (root, path, &local);

  if (local != NULL)
    return g_propagate_error (error, g_steal_pointer (&local)), FALSE;
  return g_strcmp0 (is, wanted) == 0 || DKMS_FAIL (error, CHANGED_SINCE_REPAIR, .path = path);
}

static const char *
text_of (const json_t *entry, const char *name)
{
  return json_string_value (json_object_get (entry, name));
}

/* Whether the manifest leads only to places where doctor makes changes. */
static gboolean
is_ours (const DkmsPlaces *places, const char *from)
{
  const char *const trees[] = { places->dkms_tree, places->install_tree };

  if (dkms_path_climbs (from))
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (trees); i++)
    if (g_str_has_prefix (from, trees[i]) && from[strlen (trees[i])] == '/')
      return TRUE;
  return FALSE;
}

/* An undo. */
typedef struct {
  const DkmsPlaces *places;
  const char *dir; /* in the attic */
  DkmsTransaction *tx;
  GPtrArray *touched;
} Undo;

static gboolean
check_mode (const Undo *self, const char *from, const json_t *modes, GError **error)
{
  struct stat st;

  if (dkms_root_stat (self->places->root, from, &st) < 0)
    return dkms_fail_errno (error, "look at", from);
  return (json_int_t)(st.st_mode & 07777) == json_integer_value (json_array_get (modes, 1))
         || DKMS_FAIL (error, CHANGED_SINCE_REPAIR, .path = from);
}

/* Whether the entry can be undone. Entries of one path are checked by the last of them, which is checked first. */
static gboolean
check_entry (const Undo *self, const json_t *entry, GHashTable *seen, GError **error)
{
  const char *from = text_of (entry, "from"), *to = text_of (entry, "to");
  const json_t *modes = json_object_get (entry, "modes");
  g_autofree char *kept = to != NULL && strchr (to, '/') == NULL ? g_build_filename (self->dir, to, NULL) : NULL;

  if (from == NULL || (modes == NULL && !is_ours (self->places, from)) || (to != NULL && kept == NULL))
    return DKMS_FAIL (error, MANIFEST_NOT_UNDERSTOOD, .path = self->dir);
  if (modes != NULL)
    return check_mode (self, from, modes, error);
  if (g_hash_table_add (seen, (gpointer)from) && !is_as (self->places->root, from, text_of (entry, "now"), error))
    return FALSE;
  return kept == NULL || is_as (self->places->root, kept, text_of (entry, "digest"), error);
}

static gboolean
add_entry (const Undo *self, const json_t *entry, GError **error)
{
  const DkmsPlaces *places = self->places;
  const char *from = text_of (entry, "from"), *to = text_of (entry, "to");
  g_autofree char *kept = to != NULL ? g_build_filename (self->dir, to, NULL) : NULL;
  g_autofree char *dir = g_path_get_dirname (from),
                  *text = kept != NULL ? dkms_root_read_link (places->root, kept) : NULL;
  guint mark = dkms_unread_mark ();
  g_auto (DkmsFd) parent = dkms_root_openat (places->root, dir, O_RDONLY | O_DIRECTORY, 0);

  if (parent < 0)
    dkms_unread_drop (mark);
  if (json_object_get (entry, "modes") != NULL)
    return TRUE;
  g_ptr_array_add (self->touched, g_strdup (from));
  const char *now = text_of (entry, "now");
  gboolean over_directory = now != NULL && g_str_has_prefix (now, "directory:");
  if (kept == NULL && over_directory)
    dkms_transaction_discard (self->tx, from);
  else if (kept == NULL)
    dkms_transaction_delete (self->tx, from);
  else if (text != NULL)
    dkms_transaction_link (self->tx, text, from);
  else if (!dkms_root_is_dir (places->root, kept))
    dkms_transaction_preserve (self->tx, kept, from);
  else if (g_str_has_prefix (from, places->dkms_tree) && (parent < 0 || dkms_attic_is_near (places, parent)))
    dkms_transaction_keep (self->tx, kept, from);
  else
    return DKMS_FAIL (error, ATTIC_ELSEWHERE, .path = from, .place = self->dir);
  if (over_directory && kept != NULL && (text != NULL || !dkms_root_is_dir (places->root, kept)))
    dkms_transaction_retain (self->tx, NULL);
  if (kept == NULL)
    dkms_transaction_prune (self->tx, dir,
                            g_str_has_prefix (from, places->dkms_tree) ? places->dkms_tree : places->install_tree);
  return TRUE;
}

/* Restores permissions, which is no part of the transaction. */
static gboolean
restore_mode (const Undo *self, const json_t *entry, GError **error)
{
  const json_t *modes = json_object_get (entry, "modes");
  const char *from = text_of (entry, "from");
  g_auto (DkmsFd) fd = modes != NULL ? dkms_root_openat (self->places->root, from, O_RDONLY | O_NONBLOCK, 0) : -1;

  return modes == NULL || (fd >= 0 && fchmod (fd, (mode_t)json_integer_value (json_array_get (modes, 0)) & 07777) == 0)
         || dkms_fail_errno (error, "change the permissions of", from);
}

static gboolean
undo (const Undo *self, const DkmsSettings *settings, DkmsListener *events, json_t *entries, GError **error)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);

  for (size_t i = json_array_size (entries); i > 0; i--)
    if (!check_entry (self, json_array_get (entries, i - 1), seen, error))
      return FALSE;
  for (size_t i = json_array_size (entries); i > 0; i--)
    if (!add_entry (self, json_array_get (entries, i - 1), error))
      return FALSE;
  dkms_transaction_discard (self->tx, self->dir);
  if (!dkms_attic_finish (settings, events, self->tx, self->touched, error))
    return FALSE;
  for (size_t i = json_array_size (entries); i > 0; i--)
    if (!restore_mode (self, json_array_get (entries, i - 1), error))
      return FALSE;
  return TRUE;
}

gboolean
dkms_attic_undo (const DkmsSettings *settings, DkmsListener *events, const char *given, GError **error)
{
  const DkmsPlaces *places = &settings->places;
  g_autoptr (DkmsLock) lock = dkms_attic_lock (places, events, error);
  g_autofree char *name = NULL, *dir = NULL;
  g_autoptr (DkmsTransaction) tx = dkms_transaction_new (places);
  g_autoptr (GPtrArray) touched = g_ptr_array_new_with_free_func (g_free);
  json_t *manifest;

  if (lock == NULL || !dkms_journal_try_recover (places, events, error))
    return FALSE;
  name = *given != '\0' ? g_strdup (given) : newest (places);
  if (name == NULL || strchr (name, '/') != NULL || *name == '.')
    return DKMS_FAIL (error, NO_REPAIR, .name = name);
  dir = dkms_layout_own (places, "attic", name);
  if (!dkms_root_is_dir (places->root, dir))
    return DKMS_FAIL (error, NO_REPAIR, .name = name);
  manifest = dkms_manifest_read (places, name, error);
  const Undo self = { places, dir, tx, touched };
  gboolean ok = manifest != NULL && undo (&self, settings, events, json_object_get (manifest, "entries"), error);
  if (ok)
    DKMS_EMIT (events, DOCTOR_UNDONE, .name = name, .text = text_of (manifest, "fault"),
               .place = text_of (manifest, "subject"));
  json_decref (manifest);
  return ok;
}
