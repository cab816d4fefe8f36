/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Collects, path by path, the part of the file system that a confined command sees. */
#define _GNU_SOURCE
#include "conf/sandbox-view.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/walk.h"

enum { MAX_LINKS = 40 }; /* as in the kernel */
/* A directory with more entries than this is not searched for private files. It stays hidden. */
enum { MAX_SEARCHED = 20000 };

/* One option of dkms-sandbox. */
typedef struct {
  const char *option;
  char *path; /* without links on the path */
  char *text; /* (nullable): target, if it is a link */
} Change;

/* The type of a path. */
typedef struct {
  gboolean there;
  struct stat st;
  char *text; /* (nullable): target, if it is a link */
} Known;

struct DkmsView {
  const DkmsSettings *settings;
  GHashTable *known;    /* path -> Known, for all paths that were examined */
  GPtrArray *changes;   /* element-type Change: hidden directories, and files shown in them; one for each path */
  GPtrArray *writable;  /* element-type utf8: directories of which none is inside another one on the same mount */
  GPtrArray *open;      /* the same for directories whose changes are kept */
  GPtrArray *exchanged; /* element-type utf8: directories in which the build user may use the files of their owner */
  GPtrArray *claimed;   /* element-type utf8: directories in which the build user may use all files */
  GPtrArray *secret; /* element-type utf8: files and directories that stay hidden, even if their directory is shown */
};

static void
known_free (gpointer data)
{
  Known *self = data;

  g_free (self->text);
  g_free (self);
}

static void
change_free (gpointer data)
{
  Change *self = data;

  g_free (self->path);
  g_free (self->text);
  g_free (self);
}

void
dkms_view_free (DkmsView *self)
{
  g_hash_table_unref (self->known);
  g_ptr_array_unref (self->changes);
  g_ptr_array_unref (self->writable);
  g_ptr_array_unref (self->open);
  g_ptr_array_unref (self->exchanged);
  g_ptr_array_unref (self->claimed);
  g_ptr_array_unref (self->secret);
  g_free (self);
}

/* ---- existing files ---- */

/* Returns: a descriptor, or -1 with errno */
static int
open_path (const DkmsView *self, const char *path, int flags)
{
  const DkmsRoot *root = self->settings->places.root;

  return root->has_shell ? dkms_root_openat (root, path, flags, 0) : open (path, flags | O_CLOEXEC);
}

static Known *
learn (const DkmsView *self, const char *path)
{
  Known *known = g_new0 (Known, 1);
  g_auto (DkmsFd) fd = open_path (self, path, O_PATH | O_NOFOLLOW);

  known->there = fd >= 0 && fstat (fd, &known->st) == 0;
  if (known->there && S_ISLNK (known->st.st_mode))
    known->text = dkms_read_link_at (fd, "");
  known->there &= known->text != NULL || !S_ISLNK (known->st.st_mode);
  return known;
}

/* Examines @path without following a link; its parents contain no links. Returns: FALSE if it does not exist */
static gboolean
look (const DkmsView *self, const char *path, struct stat *st, char **text)
{
  Known *known = g_hash_table_lookup (self->known, path);

  if (known == NULL)
    {
      known = learn (self, path);
      g_hash_table_insert (self->known, g_strdup (path), known);
    }
  *st = known->st;
  *text = g_strdup (known->text);
  return known->there;
}

/* Whether the build user may enter a directory. Builds of an ordinary user run as that user, who has just entered it.
 */
static gboolean
may_enter (const DkmsView *self, const struct stat *st)
{
  const DkmsSettings *s = self->settings;
  int shift = st->st_uid == s->policy.build_uid ? 6 : st->st_gid == s->policy.build_gid ? 3 : 0;

  return geteuid () != 0 || (st->st_mode >> shift & 01) != 0;
}

/* ---- visible files ---- */

static gboolean
hides (const Change *change)
{
  return strcmp (change->option, "--mask") == 0 || strcmp (change->option, "--fresh") == 0
         || strcmp (change->option, "--home") == 0;
}

/* Returns: (transfer none) (nullable): the change with the longest path that contains @path */
static const Change *
nearest (const DkmsView *self, const char *path)
{
  const Change *best = NULL;

  for (guint i = 0; i < self->changes->len; i++)
    {
      const Change *change = self->changes->pdata[i];
      if (dkms_path_is_in (path, change->path) && (best == NULL || strlen (change->path) > strlen (best->path)))
        best = change;
    }
  return best;
}

gboolean
dkms_view_hides (const DkmsView *self, const char *path)
{
  const Change *change = nearest (self, path);

  return change != NULL && hides (change);
}

static gboolean
is_in (const GPtrArray *dirs, const char *path)
{
  for (guint i = 0; i < dirs->len; i++)
    if (dkms_path_is_in (path, dirs->pdata[i]))
      return TRUE;
  return FALSE;
}

/* Replaces an earlier change of the same path. */
static void
add_change (DkmsView *self, const char *option, const char *path, const char *text)
{
  Change *change = g_new0 (Change, 1);

  for (guint i = self->changes->len; i-- > 0;)
    if (strcmp (((const Change *)self->changes->pdata[i])->path, path) == 0)
      g_ptr_array_remove_index (self->changes, i);
  change->option = option;
  change->path = g_strdup (path);
  change->text = g_strdup (text);
  g_ptr_array_add (self->changes, change);
}

DkmsView *
dkms_view_new (const DkmsSettings *settings)
{
  DkmsView *self = g_new0 (DkmsView, 1);

  self->settings = settings;
  self->known = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, known_free);
  self->changes = g_ptr_array_new_with_free_func (change_free);
  self->writable = g_ptr_array_new_with_free_func (g_free);
  self->open = g_ptr_array_new_with_free_func (g_free);
  self->exchanged = g_ptr_array_new_with_free_func (g_free);
  self->claimed = g_ptr_array_new_with_free_func (g_free);
  self->secret = g_ptr_array_new_with_free_func (g_free);
  add_change (self, "--mask", "/", NULL);
  return self;
}

void
dkms_view_show_root (DkmsView *self)
{
  g_ptr_array_set_size (self->changes, 0);
}

/* Called for each directory or link on the way from "/" to a path. @last: whether it is the last one */
typedef void (*StepFunc) (DkmsView *self, const char *path, const struct stat *st, const char *text, gboolean last);

/* Calls @step (nullable) for every directory and link on the way to @path. Returns: (transfer full) (nullable): the
 * path without links; NULL if it does not exist */
static char *
follow (DkmsView *self, const char *path, StepFunc step)
{
  g_autoptr (GQueue) rest = g_queue_new ();
  g_autoptr (GPtrArray) words = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GString) done = g_string_new ("");
  guint links = 0;

  for (const char *text = path; text != NULL;)
    {
      g_auto (GStrv) parts = g_strsplit (text, "/", -1);
      struct stat st;
      g_autofree char *target = NULL;

      for (guint i = g_strv_length (parts); i-- > 0;)
        if (*parts[i] != '\0' && strcmp (parts[i], ".") != 0)
          {
            g_ptr_array_add (words, g_strdup (parts[i]));
            g_queue_push_head (rest, words->pdata[words->len - 1]);
          }
      text = NULL;
      while (text == NULL && !g_queue_is_empty (rest))
        {
          const char *word = g_queue_pop_head (rest);
          gsize before = done->len;

          if (strcmp (word, "..") == 0)
            {
              const char *slash = strrchr (done->str, '/');
              g_string_truncate (done, slash != NULL ? (gsize)(slash - done->str) : 0);
              continue;
            }
          g_string_append_printf (done, "/%s", word);
          g_clear_pointer (&target, g_free);
          if (!look (self, done->str, &st, &target))
            return NULL;
          if (step != NULL)
            step (self, done->str, &st, target, g_queue_is_empty (rest));
          if (target == NULL)
            continue;
          if (++links > MAX_LINKS)
            return NULL;
          g_string_truncate (done, *target == '/' ? 0 : before);
          g_ptr_array_add (words, g_steal_pointer (&target));
          text = words->pdata[words->len - 1];
        }
    }
  return g_strdup (done->len > 0 ? done->str : "/");
}

/* Hides a directory that the build user may not enter, so that only shown files appear in it. In an overlay its mode
 * can be changed instead. */
static void
hide_closed_dir (DkmsView *self, const char *path, const struct stat *st, const char *text, gboolean last)
{
  if (text != NULL && dkms_view_hides (self, path))
    add_change (self, "--link", path, text);
  if (text != NULL || last || !S_ISDIR (st->st_mode) || may_enter (self, st) || is_in (self->claimed, path)
      || dkms_view_hides (self, path))
    return;
  if (is_in (self->writable, path))
    g_ptr_array_add (self->claimed, g_strdup (path));
  else
    add_change (self, "--mask", path, NULL);
}

void
dkms_view_show_empty (DkmsView *self, const char *path)
{
  g_autofree char *real = follow (self, path, hide_closed_dir);

  if (g_strcmp0 (real, "/") != 0)
    add_change (self, "--fresh", real != NULL ? real : path, NULL);
}

char *
dkms_view_show (DkmsView *self, const char *path)
{
  g_autofree char *real = path != NULL && *path == '/' ? follow (self, path, hide_closed_dir) : NULL;

  if (real != NULL && strcmp (real, "/") != 0 && dkms_view_hides (self, real))
    add_change (self, "--expose", real, NULL);
  return g_steal_pointer (&real);
}

/* ---- what every user may read ---- */

static gboolean
is_public (const struct stat *st)
{
  return S_ISDIR (st->st_mode) ? (st->st_mode & 05) == 05 : S_ISREG (st->st_mode) && (st->st_mode & 04) != 0;
}

typedef struct {
  DkmsView *view;
  const char *top;
  guint left; /* entries that may still be examined */
} Search;

/* Hides an entry of a shown directory, unless every user may read it. A mounted file system is not searched, and stays
 * hidden. */
static gboolean
hide_private_entry (const DkmsWalkEntry *entry, gpointer data, GError **error)
{
  Search *search = data;
  g_autofree char *full = NULL;

  if (entry->event == DKMS_WALK_LEAVE || (entry->event == DKMS_WALK_FILE && S_ISLNK (entry->st->st_mode)))
    return TRUE;
  if (search->left-- == 0)
    return DKMS_FAIL (error, TOO_MANY_ENTRIES, .path = search->top, .number = MAX_SEARCHED);
  if (entry->event != DKMS_WALK_MOUNT && is_public (entry->st))
    return TRUE;
  full = g_build_filename (search->top, entry->path + 1, NULL); /* entry->path begins with "." */
  if (!dkms_view_hides (search->view, full))
    add_change (search->view, "--mask", full, NULL);
  return TRUE;
}

/* Shows @path, which leads to @real, except files that others may not read. */
static void
show_public (DkmsView *self, const char *path, const char *real)
{
  g_auto (DkmsFd) fd = open_path (self, real, O_RDONLY | O_DIRECTORY);
  g_autofree char *shown = dkms_view_show (self, path);
  g_autoptr (GError) error = NULL;
  Search search = { self, real, MAX_SEARCHED };

  if (shown == NULL || (fd < 0 && errno == ENOTDIR))
    return;
  if (fd >= 0 && dkms_walk_at (fd, ".", hide_private_entry, &search, &error))
    return;
  g_debug ("%s is not shown to builds: %s", real, error != NULL ? error->message : g_strerror (errno));
  add_change (self, "--mask", real, NULL);
}

static gboolean
matches (const char *name, const char *const *patterns)
{
  for (; *patterns != NULL; patterns++)
    if (fnmatch (*patterns, name, FNM_PERIOD) == 0)
      return TRUE;
  return FALSE;
}

void
dkms_view_show_public (DkmsView *self, const char *dir, const char *const *patterns)
{
  g_auto (DkmsFd) fd = open_path (self, dir, O_RDONLY | O_DIRECTORY);
  g_autoptr (GPtrArray) names = fd >= 0 ? dkms_list_dir_at (fd, ".", NULL) : NULL;

  for (guint i = 0; names != NULL && i < names->len; i++)
    {
      g_autofree char *path = g_build_filename (dir, names->pdata[i], NULL);
      g_autofree char *real = matches (names->pdata[i], patterns) ? follow (self, path, NULL) : NULL;
      g_autofree char *text = NULL;
      struct stat st;

      if (real != NULL && look (self, real, &st, &text) && is_public (&st))
        show_public (self, path, real);
    }
}

/* ---- hidden files ---- */

void
dkms_view_hide (DkmsView *self, const char *path)
{
  g_autofree char *real = *path == '/' ? follow (self, path, NULL) : NULL;

  if (real != NULL && strcmp (real, "/") != 0
      && !g_ptr_array_find_with_equal_func (self->secret, real, g_str_equal, NULL))
    g_ptr_array_add (self->secret, g_steal_pointer (&real));
}

void
dkms_view_hide_files (DkmsView *self, const char *dir, const char *const *patterns)
{
  g_auto (DkmsFd) fd = open_path (self, dir, O_RDONLY | O_DIRECTORY);
  g_autoptr (GPtrArray) names = fd >= 0 ? dkms_list_dir_at (fd, ".", NULL) : NULL;

  for (guint i = 0; names != NULL && i < names->len; i++)
    if (matches (names->pdata[i], patterns) && !dkms_is_dir_at (fd, names->pdata[i]))
      {
        g_autofree char *path = g_build_filename (dir, names->pdata[i], NULL);
        dkms_view_hide (self, path);
      }
}

/* ---- what may be written to ---- */

/* Whether both paths are on the same mount, so that an overlay of one covers the other. TRUE if the kernel does not
 * report it (before Linux 5.8). */
static gboolean
share_mount (const DkmsView *self, const char *a, const char *b)
{
#ifdef STATX_MNT_ID
  g_auto (DkmsFd) fd_a = open_path (self, a, O_PATH);
  g_auto (DkmsFd) fd_b = open_path (self, b, O_PATH);
  struct statx x, y;

  if (fd_a >= 0 && fd_b >= 0 && statx (fd_a, "", AT_EMPTY_PATH, STATX_MNT_ID, &x) == 0
      && statx (fd_b, "", AT_EMPTY_PATH, STATX_MNT_ID, &y) == 0 && (x.stx_mask & y.stx_mask & STATX_MNT_ID) != 0)
    return x.stx_mnt_id == y.stx_mnt_id;
#endif
  return TRUE;
}

/* Adds a directory to @dirs, unless it is inside one of them on the same mount; removes those inside it. */
static void
add_dir (const DkmsView *self, GPtrArray *dirs, const char *real)
{
  for (guint i = 0; i < dirs->len; i++)
    if (dkms_path_is_in (real, dirs->pdata[i]) && share_mount (self, real, dirs->pdata[i]))
      return;
  for (guint i = dirs->len; i-- > 0;)
    if (dkms_path_is_in (dirs->pdata[i], real) && share_mount (self, real, dirs->pdata[i]))
      g_ptr_array_remove_index (dirs, i);
  g_ptr_array_add (dirs, g_strdup (real));
}

void
dkms_view_show_writable (DkmsView *self, const char *path, gboolean thorough)
{
  g_autofree char *real = dkms_view_show (self, path);
  g_autofree char *text = NULL;
  struct stat st;

  if (real == NULL || strcmp (real, "/") == 0 || !look (self, real, &st, &text) || !S_ISDIR (st.st_mode))
    return;
  add_dir (self, self->writable, real);
  if (thorough && !is_in (self->claimed, real))
    g_ptr_array_add (self->claimed, g_strdup (real));
  else if (!thorough && (st.st_uid != self->settings->policy.build_uid || !may_enter (self, &st))
           && !is_in (self->exchanged, real))
    g_ptr_array_add (self->exchanged, g_strdup (real));
}

gboolean
dkms_view_stat (DkmsView *self, const char *path, struct stat *st)
{
  g_autofree char *real = follow (self, path, NULL);
  g_autofree char *text = NULL;

  return real != NULL && look (self, real, st, &text);
}

void
dkms_view_show_open (DkmsView *self, const char *path)
{
  g_autofree char *real = dkms_view_show (self, path);
  g_autofree char *text = NULL;
  struct stat st;

  if (real != NULL && (strcmp (real, "/") == 0 || (look (self, real, &st, &text) && S_ISDIR (st.st_mode))))
    add_dir (self, self->open, real);
}

void
dkms_view_show_source (DkmsView *self, const char *path)
{
  g_autofree char *real = dkms_view_show (self, path);
  g_autofree char *text = NULL;
  struct stat st;

  if (real != NULL && look (self, real, &st, &text) && S_ISDIR (st.st_mode) && !may_enter (self, &st))
    dkms_view_show_writable (self, path, FALSE);
}

void
dkms_view_show_links (DkmsView *self, const char *path)
{
  g_auto (DkmsFd) fd = open_path (self, path, O_RDONLY | O_DIRECTORY);
  g_autoptr (GPtrArray) names = fd >= 0 ? dkms_list_dir_at (fd, ".", NULL) : NULL;

  for (guint i = 0; names != NULL && i < names->len; i++)
    if (dkms_is_link_at (fd, names->pdata[i]))
      {
        g_autofree char *link = g_build_filename (path, names->pdata[i], NULL);
        g_free (dkms_view_show (self, link));
      }
}

/* Whether every user may enter the directories on the way to @real. Home directories are exempt: they are usually
 * closed to others, but users keep sources in them. */
static gboolean
is_reachable (const DkmsView *self, const char *real)
{
  g_autofree char *dir = g_path_get_dirname (real);
  g_autofree char *text = NULL;
  struct stat st;

  if (strcmp (dir, "/") == 0 || dkms_path_is_in (real, "/root") || dkms_path_is_in (real, "/home"))
    return TRUE;
  return look (self, dir, &st, &text) && (st.st_mode & 01) != 0 && is_reachable (self, dir);
}

/* A package could contain a link to a secret whose path it guesses. Therefore the target of a link is shown only if
 * every user may read it and no name in its path begins with a dot. Whole home directories, directories in "/", and
 * directories in /run, which contain sockets, are never shown. */
static gboolean
is_harmless (const DkmsView *self, const char *real)
{
  g_autofree char *text = NULL;
  g_autofree char *dir = g_path_get_dirname (real);
  struct stat st;

  if (strstr (real, "/.") != NULL || g_str_has_suffix (dir, "/home") || !look (self, real, &st, &text)
      || !is_public (&st) || !is_reachable (self, real))
    return FALSE;
  for (guint i = 0; i < self->changes->len; i++)
    if (dkms_path_is_in (((const Change *)self->changes->pdata[i])->path, real))
      return FALSE; /* it contains a directory that is shown */
  return !S_ISDIR (st.st_mode) || (!dkms_path_is_in (real, "/run") && strcmp (dir, "/") != 0);
}

void
dkms_view_show_linked (DkmsView *self, const char *from, const char *text)
{
  g_autofree char *dir = g_path_get_dirname (from);
  g_autofree char *path = g_canonicalize_filename (text, dir);
  g_autofree char *real = follow (self, path, NULL);

  if (real == NULL || !dkms_view_hides (self, real))
    return;
  if (is_harmless (self, real))
    show_public (self, path, real);
  else
    g_debug ("%s leads to %s, which is not shown to builds", from, real);
}

void
dkms_view_set_home (DkmsView *self, const char *path)
{
  add_change (self, "--home", path, NULL);
}

/* ---- options ---- */

static void
add_option (GPtrArray *argv, const char *option, const char *value)
{
  g_ptr_array_add (argv, g_strdup (option));
  g_ptr_array_add (argv, g_strdup (value));
}

static int
compare_changes (gconstpointer a, gconstpointer b)
{
  return strcmp ((*(const Change *const *)a)->path, (*(const Change *const *)b)->path);
}

void
dkms_view_add_options (const DkmsView *self, GPtrArray *argv)
{
  /* In sorted order, a directory precedes its content. */
  g_ptr_array_sort (self->changes, compare_changes);
  g_ptr_array_sort (self->writable, dkms_compare_names);
  for (guint i = 0; i < self->changes->len; i++)
    {
      const Change *change = self->changes->pdata[i];
      add_option (argv, change->option, change->text != NULL ? change->text : change->path);
      if (change->text != NULL)
        g_ptr_array_add (argv, g_strdup (change->path));
    }
  for (guint i = 0; i < self->writable->len; i++)
    add_option (argv, "--overlay", self->writable->pdata[i]);
  for (guint i = 0; i < self->exchanged->len; i++)
    add_option (argv, "--exchange", self->exchanged->pdata[i]);
  for (guint i = 0; i < self->claimed->len; i++)
    add_option (argv, "--claim", self->claimed->pdata[i]);
  for (guint i = 0; i < self->open->len; i++)
    add_option (argv, "--write", self->open->pdata[i]);
  for (guint i = 0; i < self->secret->len; i++)
    add_option (argv, "--mask", self->secret->pdata[i]);
}
