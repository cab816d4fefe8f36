/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compares a given source with the registered one. */
#define _GNU_SOURCE
#include "share/source.h"

#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "base/unread.h"
#include "base/walk.h"
#include "store/layout.h"

/* ---- comparing ---- */

enum { SHOWN = 3 }; /* maximum number of names; the others are counted */

typedef struct {
  int other;           /* the other tree */
  gboolean only_there; /* the second pass, which finds entries that only one tree has */
  GPtrArray *names;    /* (element-type utf8) the different entries */
} Comparison;

static gboolean
is_version_control (const char *path)
{
  static const char *const names[] = { ".git", ".hg", ".svn", ".bzr", "CVS", NULL };
  g_auto (GStrv) parts = g_strsplit (path, "/", -1);
  gboolean found = FALSE;

  for (char **part = parts; *part != NULL; part++)
    found |= g_strv_contains (names, *part);
  return found;
}

/* Whether the entry @name of @dir_fd is the same as @path of the other tree, including its execute bits. */
static gboolean
is_same (const Comparison *self, int dir_fd, const char *name, const struct stat *st, const char *path)
{
  struct stat other;

  if (fstatat (self->other, path, &other, AT_SYMLINK_NOFOLLOW) < 0)
    {
      dkms_unread_note (self->other, path, errno);
      return FALSE;
    }
  if (self->only_there)
    return TRUE;
  if ((st->st_mode & S_IFMT) != (other.st_mode & S_IFMT))
    return FALSE;
  if (S_ISLNK (st->st_mode))
    {
      g_autofree char *x = dkms_read_link_at (dir_fd, name);
      g_autofree char *y = dkms_read_link_at (self->other, path);
      return x != NULL && g_strcmp0 (x, y) == 0;
    }
  if (!S_ISREG (st->st_mode))
    return TRUE;
  return (st->st_mode & 0111) == (other.st_mode & 0111) && dkms_files_equal_at (dir_fd, name, self->other, path);
}

static gboolean
compare_entry (const DkmsWalkEntry *entry, gpointer data, GError **error)
{
  Comparison *self = data;

  if (entry->event == DKMS_WALK_LEAVE || strcmp (entry->path, ".") == 0)
    return TRUE;
  const char *path = entry->path + strlen ("./"); /* the walk begins at "." */
  if (!is_version_control (path) && !is_same (self, entry->dir_fd, entry->name, entry->st, path))
    g_ptr_array_add (self->names, g_strdup (path));
  return TRUE;
}

static char *
describe (GPtrArray *names)
{
  g_ptr_array_sort (names, dkms_compare_names);
  g_autofree char *list = dkms_list_names ((const char *const *)names->pdata, names->len, SHOWN);
  return names->len == 1 ? DKMS_SAY (FILE_DIFFERS, .text = list) : DKMS_SAY (FILES_DIFFER, .text = list);
}

/* Opens the registered source, or the directory where it would be. */
static int
open_present (const DkmsPlaces *places, const DkmsId *id)
{
  g_autofree char *registered = dkms_layout_source (places, id, NULL);
  g_autofree char *place = dkms_layout_unpacked (places, id);
  int fd = dkms_root_openat (places->root, registered, O_RDONLY | O_DIRECTORY, 0);

  return fd >= 0 ? fd : dkms_root_openat (places->root, place, O_RDONLY | O_DIRECTORY, 0);
}

DkmsSourceState
dkms_source_compare (const DkmsPlaces *places, const char *given, const DkmsId *id, char **differs)
{
  g_auto (DkmsFd) ours = open (given, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  g_auto (DkmsFd) theirs = open_present (places, id);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) error = NULL;
  Comparison forth = { theirs, FALSE, names }, back = { ours, TRUE, names };
  struct stat a, b;

  *differs = NULL;
  if (theirs < 0)
    return DKMS_SOURCE_NONE;
  if (ours >= 0 && fstat (ours, &a) == 0 && fstat (theirs, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino)
    return DKMS_SOURCE_SAME;
  if (ours < 0 || !dkms_walk_at (ours, ".", compare_entry, &forth, &error)
      || !dkms_walk_at (theirs, ".", compare_entry, &back, &error))
    {
      *differs = DKMS_SAY (NOT_COMPARED, .text = error != NULL ? error->message : g_strerror (errno));
      return DKMS_SOURCE_OTHER;
    }
  if (names->len == 0)
    return DKMS_SOURCE_SAME;
  *differs = describe (names);
  return DKMS_SOURCE_OTHER;
}
