/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs depmod, and finds out whether it is due. */
#define _GNU_SOURCE
#include "install/depmod.h"

#include <fcntl.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "base/unread.h"
#include "install/depmod-stubs.h"
#include "install/job.h"
#include "store/layout.h"
#include "store/lock.h"

char *
dkms_depmod_note (const DkmsPlaces *places, const DkmsWork *work, const char *release)
{
  g_autofree char *name = g_strconcat (work->id, ".", release, NULL);

  return dkms_layout_own (places, "depmod", name);
}

const char *
dkms_depmod_note_text (const DkmsPlaces *places, const char *release)
{
  g_autofree char *dep = g_build_filename (places->install_tree, release, "modules.dep", NULL);

  return dkms_root_is_file (places->root, dep) ? DKMS_NOTE_INDEX : "";
}

/* After the last module of a removed kernel is deleted, deletes the files of depmod and the directory. */
static void
clean_after_last (const DkmsPlaces *places, const char *dir)
{
  static const char *const files[] = { "alias", "dep", "devname", "softdep", "symbols", "weakdep" };
  g_auto (DkmsFd) fd = dkms_root_openat (places->root, dir, O_RDONLY | O_DIRECTORY, 0);
  g_autofree char *name = g_path_get_basename (dir);
  g_auto (DkmsFd) parent = dkms_root_openat (places->root, places->install_tree, O_RDONLY | O_DIRECTORY, 0);
  g_autoptr (GPtrArray) names = NULL;
  struct stat st;

  if (fd < 0 || fstatat (fd, "modules.dep", &st, 0) < 0 || st.st_size != 0)
    return;
  names = dkms_list_dir_at (fd, ".", NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (files); i++)
    {
      g_autofree char *file = g_strconcat ("modules.", files[i], NULL);
      (void)unlinkat (fd, file, 0);
    }
  for (guint i = 0; names != NULL && i < names->len; i++)
    if (g_str_has_prefix (names->pdata[i], "modules.") && g_str_has_suffix (names->pdata[i], ".bin"))
      (void)unlinkat (fd, names->pdata[i], 0);
  if (parent >= 0)
    (void)unlinkat (parent, name, AT_REMOVEDIR);
}

/* depmod needs the directory above lib/modules, so other install trees cannot be passed to it. */
static char *
depmod_base (const DkmsPlaces *places)
{
  g_autofree char *shown = dkms_root_host_path (places->root, places->install_tree);

  if (g_str_has_suffix (shown, "/usr/lib/modules"))
    return g_strndup (shown, strlen (shown) - strlen ("/lib/modules"));
  if (g_str_has_suffix (shown, "/lib/modules"))
    return g_strndup (shown, strlen (shown) - strlen ("/lib/modules"));
  return NULL;
}

/* Deletes the temporary files of an interrupted depmod: modules.<index>.<pid>.<microseconds>.<seconds>.
 * Returns: their number */
static guint
drop_left_overs (const DkmsPlaces *places, const char *dir)
{
  g_auto (DkmsFd) fd = dkms_root_openat (places->root, dir, O_RDONLY | O_DIRECTORY, 0);
  g_autoptr (GPtrArray) names = fd >= 0 ? dkms_list_dir_at (fd, ".", NULL) : NULL;
  guint count = 0;

  for (guint i = 0; names != NULL && i < names->len; i++)
    {
      g_auto (GStrv) parts = g_strsplit (names->pdata[i], ".", -1);
      guint n = g_strv_length (parts);
      gboolean numbers = n >= 5 && strcmp (parts[0], "modules") == 0;

      for (guint p = n >= 3 ? n - 3 : 0; numbers && p < n; p++)
        numbers = *parts[p] != '\0' && strspn (parts[p], "0123456789") == strlen (parts[p]);
      if (!numbers)
        continue;
      count++;
      (void)unlinkat (fd, names->pdata[i], 0);
    }
  return count;
}

/* The status of the indexes that every run of depmod creates again; 0 for missing ones. */
static const char *const indexes[] = { "modules.dep",     "modules.dep.bin",     "modules.alias",  "modules.alias.bin",
                                       "modules.symbols", "modules.symbols.bin", "modules.softdep" };

static void
look_at_indexes (const DkmsPlaces *places, const char *dir, ino_t inodes[static G_N_ELEMENTS (indexes)])
{
  g_auto (DkmsFd) fd = dkms_root_openat (places->root, dir, O_RDONLY | O_DIRECTORY, 0);
  struct stat st;

  for (gsize i = 0; i < G_N_ELEMENTS (indexes); i++)
    inodes[i] = fd >= 0 && fstatat (fd, indexes[i], &st, 0) == 0 ? st.st_ino : 0;
}

/* Behind the wall of --root, root has no capabilities. Returns: FALSE with an error if @dir belongs to another user */
static gboolean
check_owner (const DkmsRoot *root, const char *dir, GError **error)
{
  struct stat st;

  if (root->wall == NULL || dkms_root_stat (root, dir, &st) < 0 || st.st_uid == geteuid ())
    return TRUE;
  return DKMS_FAIL (error, TREE_NOT_OURS, .path = dir);
}

/* depmod does not always report that it could not write. It replaces all indexes, or none if a stand-in does nothing.
 * Returns: its exit status, or 1 if it was 0 but some indexes were not replaced; -1 with an error */
static int
run_and_look (const DkmsPlaces *places, const char *dir, const DkmsCommand *command, GError **error)
{
  ino_t before[G_N_ELEMENTS (indexes)], after[G_N_ELEMENTS (indexes)];
  gboolean old = FALSE, fresh = FALSE;
  int status;

  look_at_indexes (places, dir, before);
  status = dkms_process_run (command, error);
  look_at_indexes (places, dir, after);
  for (gsize i = 0; i < G_N_ELEMENTS (indexes); i++)
    {
      old |= before[i] == after[i] && before[i] != 0;
      fresh |= before[i] != after[i];
    }
  gboolean partial = (old && fresh) || after[0] == 0;
  partial |= drop_left_overs (places, dir) > 0;
  if (status >= 0 && !fresh && !check_owner (places->root, dir, error))
    return -1;
  return status == 0 && partial ? 1 : status;
}

/* @call: its map is set. @flushed: (out): whether the indexes are on the disk. Returns: whether it succeeded */
static gboolean
run_depmod (const DkmsSettings *settings, DkmsListener *events, DkmsDepmodCall *call, gboolean *flushed)
{
  const char *release = call->release, *base = call->base;
  g_autofree char *map_name = g_strconcat ("/boot/System.map-", release, NULL);
  g_autofree char *map = dkms_root_host_path (settings->places.root, map_name);
  gboolean other = *base != '\0' && strcmp (base, "/usr") != 0;
  const char *argv[10];
  guint n = 0;
  g_autoptr (GError) error = NULL;
  gint64 start = dkms_clock_now ();

  argv[n++] = "depmod";
  if (other)
    {
      argv[n++] = "-b";
      argv[n++] = base;
    }
  argv[n++] = "-a";
  argv[n++] = release;
  if (dkms_root_is_file (settings->places.root, map_name))
    {
      argv[n++] = "-F";
      argv[n++] = map;
      call->map = map;
    }
  argv[n] = NULL;

  g_autofree char *line = g_strjoinv (" ", (char **)argv);
  g_autofree char *what = DKMS_SAY (STEP_DEPMOD, .id = { .kernel = (char *)release });
  DkmsCommand command = { .argv = argv,
                          .root = settings->places.root,
                          .of_machine = TRUE,
                          .output_fd = settings->policy.verbose ? -1 : -2,
                          .null_stdin = TRUE };
  DKMS_EMIT (events, STEP_BEGUN, .name = what, .text = line);
  *flushed = dkms_depmod_stubs (settings, events, call);
  if (*flushed)
    (void)drop_left_overs (&settings->places, call->dir);
  int status = *flushed ? 0 : run_and_look (&settings->places, call->dir, &command, &error);
  if (status > 0) /* a temporary failure may not occur again */
    status = run_and_look (&settings->places, call->dir, &command, &error);
  call->map = NULL;
  DKMS_EMIT (events, STEP_ENDED, .number = status, .seconds = dkms_clock_since (start));
  if (status != 0)
    DKMS_EMIT (events, DEPMOD_FAILED, .text = line, .error = error);
  return status == 0;
}

/* depmod renames its files without flushing them: after a power cut the old ones could reappear, or none exist. */
static void
flush_indexes (const DkmsPlaces *places, DkmsListener *events, const char *dir)
{
  g_auto (DkmsFd) fd = dkms_root_openat (places->root, dir, O_RDONLY | O_DIRECTORY, 0);
  g_autoptr (GPtrArray) names = fd >= 0 ? dkms_list_dir_at (fd, ".", NULL) : NULL;
  gboolean ok = names != NULL;

  for (guint i = 0; names != NULL && i < names->len; i++)
    {
      g_auto (DkmsFd) file
          = g_str_has_prefix (names->pdata[i], "modules.") ? openat (fd, names->pdata[i], DKMS_READ_FLAGS) : -1;
      if (file < 0 && g_str_has_prefix (names->pdata[i], "modules."))
        dkms_unread_note (fd, names->pdata[i], errno);
      ok &= file < 0 || fsync (file) == 0;
    }
  if (!ok || fsync (fd) < 0)
    DKMS_EMIT (events, DEPMOD_NOT_FLUSHED, .path = dir, .number = errno);
}

/* Whether the note records that the kernel had an index. Then an index must be created even if none exists now. */
static gboolean
records_index (const DkmsPlaces *places, const char *note)
{
  g_autofree char *text = dkms_root_read (places->root, note, 64, NULL, NULL);

  return text != NULL && strcmp (text, DKMS_NOTE_INDEX) == 0;
}

/* Whether the kernel in @dir has an index, or had one when the note was written. */
static gboolean
has_index (const DkmsPlaces *places, const char *dir, const char *note)
{
  g_autofree char *dep = g_build_filename (dir, "modules.dep", NULL);

  return dkms_root_is_dir (places->root, dir)
         && (dkms_root_is_file (places->root, dep) || records_index (places, note));
}

/* @call: its release, note and tokens are set. Returns: FALSE if it must be tried again */
static gboolean
depmod (const DkmsSettings *settings, DkmsListener *events, DkmsDepmodCall *call, gboolean disabled)
{
  const char *release = call->release, *note = call->note;
  g_autofree char *dir = g_build_filename (settings->places.install_tree, release, NULL);
  g_autofree char *base = depmod_base (&settings->places);
  g_autofree char *name = g_strconcat ("locks/depmod/", release, NULL);
  g_autoptr (DkmsLock) lock = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) unread = NULL;
  guint mark = dkms_unread_mark ();
  gboolean ok, flushed = FALSE;

  call->dir = dir;
  call->base = base;
  if (disabled || base == NULL)
    return TRUE;
  gboolean wanted = has_index (&settings->places, dir, note);
  if (!wanted && dkms_unread_mark () > mark) /* a temporary failure may not occur again */
    {
      dkms_unread_drop (mark);
      wanted = has_index (&settings->places, dir, note);
    }
  if (!wanted)
    {
      if (dkms_unread_since (mark, FALSE, &unread))
        return TRUE;
      DKMS_EMIT (events, DEPMOD_DEFERRED, .id = { .kernel = release }, .error = unread);
      return FALSE;
    }
  /* Runs of depmod are serialized, so that the last one to start is the last one to write. */
  lock = dkms_lock_take (&settings->places, events, name, TRUE, &error);
  if (lock == NULL)
    DKMS_EMIT (events, DEPMOD_ANYHOW, .error = error);
  ok = run_depmod (settings, events, call, &flushed);
  clean_after_last (&settings->places, dir);
  if (!flushed && dkms_root_is_dir (settings->places.root, dir))
    flush_indexes (&settings->places, events, dir);
  if (dkms_unread_since (mark, FALSE, &unread))
    return ok;
  DKMS_EMIT (events, DEPMOD_AGAIN, .id = { .kernel = release }, .error = unread);
  return FALSE;
}

static void
drop_note (const DkmsPlaces *places, const char *note)
{
  g_autofree char *dir = g_path_get_dirname (note);
  g_autofree char *name = g_path_get_basename (note);
  g_auto (DkmsFd) fd = dkms_root_openat (places->root, dir, O_RDONLY | O_DIRECTORY, 0);

  if (fd >= 0)
    (void)unlinkat (fd, name, 0);
}

void
dkms_depmod (const DkmsSettings *settings, DkmsListener *events, const DkmsWork *work, const char *release,
             gboolean disabled, int tokens)
{
  g_autofree char *note = dkms_depmod_note (&settings->places, work, release);
  DkmsDepmodCall call = { .release = release, .note = note, .tokens = tokens };

  if (depmod (settings, events, &call, disabled))
    drop_note (&settings->places, note);
}

void
dkms_depmod_prepare (const DkmsSettings *settings, const char *release, int tokens)
{
  g_autofree char *dir = g_build_filename (settings->places.install_tree, release, NULL);
  g_autofree char *dep = g_build_filename (dir, "modules.dep", NULL);
  g_autofree char *base = depmod_base (&settings->places);
  const DkmsDepmodCall call = { .release = release, .dir = dir, .base = base, .tokens = tokens };

  if (base != NULL && dkms_root_is_file (settings->places.root, dep))
    dkms_depmod_stubs_prepare (settings, &call);
}

void
dkms_depmod_due (const DkmsSettings *settings, DkmsListener *events, gboolean disabled)
{
  g_autofree char *path = dkms_layout_own (&settings->places, "depmod", NULL);
  g_auto (DkmsFd) fd = dkms_root_openat (settings->places.root, path, O_RDONLY | O_DIRECTORY, 0);
  g_autoptr (GPtrArray) names = fd >= 0 ? dkms_list_dir_at (fd, ".", NULL) : NULL;
  g_autoptr (GHashTable) done = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GError) unread = NULL;

  if (!dkms_unread_check (&unread))
    DKMS_EMIT (events, DEPMOD_UNKNOWN, .error = unread);
  for (guint i = 0; names != NULL && i < names->len; i++)
    {
      const char *name = names->pdata[i], *dot = strchr (name, '.');
      g_autofree char *id = dot != NULL && dot != name ? g_strndup (name, (gsize)(dot - name)) : NULL;
      g_autofree char *note = g_build_filename (path, name, NULL);

      if (id == NULL || dkms_work_alive (&settings->places, id))
        continue; /* its own run does it */
      DkmsDepmodCall call = { .release = dot + 1, .note = note, .tokens = -1 };
      if (g_hash_table_contains (done, dot + 1) || depmod (settings, events, &call, disabled))
        {
          g_hash_table_add (done, g_strdup (dot + 1));
          drop_note (&settings->places, note);
        }
    }
}
