/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include "conf/sandbox-view.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"

enum { MAX_LINKS = 40 }; /* as in the kernel */

/* One option of dkms-sandbox. */
typedef struct {
  const char *option;
  char *path; /* without links in it */
  char *text; /* (nullable): of a link */
} Change;

struct DkmsView {
  const DkmsSettings *settings;
  GPtrArray *changes;  /* element-type Change: hidden directories and what is shown in them; one per path */
  GPtrArray *writable; /* element-type utf8: directories, none of which lies in another one on the same mount */
  GPtrArray *claimed;  /* element-type utf8: directories in which the build user may read everything */
};

static void
change_free (gpointer data)
{
  Change *self = data;

  g_free (self->path);
  g_free (self->text);
  g_free (self);
}

DkmsView *
dkms_view_new (const DkmsSettings *settings)
{
  DkmsView *self = g_new0 (DkmsView, 1);

  self->settings = settings;
  self->changes = g_ptr_array_new_with_free_func (change_free);
  self->writable = g_ptr_array_new_with_free_func (g_free);
  self->claimed = g_ptr_array_new_with_free_func (g_free);
  return self;
}

void
dkms_view_free (DkmsView *self)
{
  g_ptr_array_unref (self->changes);
  g_ptr_array_unref (self->writable);
  g_ptr_array_unref (self->claimed);
  g_free (self);
}

static gboolean
is_below (const char *path, const char *dir)
{
  gsize n = strlen (dir);

  return strncmp (path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0' || strcmp (dir, "/") == 0);
}

/* ---- what there is ---- */

/* Looks at @path without following it; its parents contain no links. Returns: FALSE when it does not exist */
static gboolean
look (const DkmsView *self, const char *path, struct stat *st, char **text)
{
  const DkmsRoot *root = self->settings->root;
  g_auto (DkmsFd) fd = root->has_shell ? dkms_root_openat (root, path, O_PATH | O_NOFOLLOW, 0)
                                       : open (path, O_PATH | O_NOFOLLOW | O_CLOEXEC);

  *text = NULL;
  if (fd < 0 || fstat (fd, st) < 0)
    return FALSE;
  if (S_ISLNK (st->st_mode))
    *text = dkms_read_link_at (fd, "");
  return !S_ISLNK (st->st_mode) || *text != NULL;
}

/* Whether the build user may enter a directory. An ordinary user builds as himself, and has just entered it. */
static gboolean
may_enter (const DkmsView *self, const struct stat *st)
{
  const DkmsSettings *s = self->settings;
  int shift = st->st_uid == s->build_uid ? 6 : st->st_gid == s->build_gid ? 3 : 0;

  return geteuid () != 0 || (st->st_mode >> shift & 01) != 0;
}

/* ---- what is seen ---- */

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
      if (is_below (path, change->path) && (best == NULL || strlen (change->path) > strlen (best->path)))
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
    if (is_below (path, dirs->pdata[i]))
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

/* Called for a directory or link on the way from "/" to a path. @last: nothing follows it */
typedef void (*StepFunc) (DkmsView *self, const char *path, const struct stat *st, const char *text, gboolean last);

/* Calls @step (nullable) for every directory and link on the way to @path. Returns: (transfer full) (nullable): the
 * path without links; NULL when it does not exist */
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

/* Handles a directory that the build user may not enter like a hidden one: only what is shown appears in it. In an
 * overlay its mode can be changed instead. */
static void
make_way (DkmsView *self, const char *path, const struct stat *st, const char *text, gboolean last)
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
dkms_view_hide (DkmsView *self, const char *option, const char *path)
{
  g_autofree char *real = follow (self, path, NULL);

  if (real != NULL && strcmp (real, "/") != 0 && !dkms_view_hides (self, real))
    add_change (self, option, real, NULL);
}

char *
dkms_view_show (DkmsView *self, const char *path)
{
  g_autofree char *real = path != NULL && *path == '/' ? follow (self, path, make_way) : NULL;

  if (real != NULL && dkms_view_hides (self, real))
    add_change (self, "--expose", real, NULL);
  return g_steal_pointer (&real);
}

/* Whether both paths are on the same mount, so that an overlay of one covers the other. TRUE if the kernel cannot tell
 * (before Linux 5.8). */
static gboolean
share_mount (const DkmsView *self, const char *a, const char *b)
{
#ifdef STATX_MNT_ID
  const DkmsRoot *root = self->settings->root;
  g_auto (DkmsFd) fd_a = root->has_shell ? dkms_root_openat (root, a, O_PATH, 0) : open (a, O_PATH | O_CLOEXEC);
  g_auto (DkmsFd) fd_b = root->has_shell ? dkms_root_openat (root, b, O_PATH, 0) : open (b, O_PATH | O_CLOEXEC);
  struct statx x, y;

  if (fd_a >= 0 && fd_b >= 0 && statx (fd_a, "", AT_EMPTY_PATH, STATX_MNT_ID, &x) == 0
      && statx (fd_b, "", AT_EMPTY_PATH, STATX_MNT_ID, &y) == 0 && (x.stx_mask & y.stx_mask & STATX_MNT_ID) != 0)
    return x.stx_mnt_id == y.stx_mnt_id;
#endif
  return TRUE;
}

static void
add_writable (DkmsView *self, const char *real)
{
  for (guint i = 0; i < self->writable->len; i++)
    if (is_below (real, self->writable->pdata[i]) && share_mount (self, real, self->writable->pdata[i]))
      return;
  for (guint i = self->writable->len; i-- > 0;)
    if (is_below (self->writable->pdata[i], real) && share_mount (self, real, self->writable->pdata[i]))
      g_ptr_array_remove_index (self->writable, i);
  g_ptr_array_add (self->writable, g_strdup (real));
}

void
dkms_view_show_writable (DkmsView *self, const char *path, gboolean thorough)
{
  g_autofree char *real = dkms_view_show (self, path);
  g_autofree char *text = NULL;
  struct stat st;

  if (real == NULL || strcmp (real, "/") == 0 || !look (self, real, &st, &text) || !S_ISDIR (st.st_mode))
    return;
  add_writable (self, real);
  if ((thorough || st.st_uid != self->settings->build_uid || !may_enter (self, &st)) && !is_in (self->claimed, real))
    g_ptr_array_add (self->claimed, g_strdup (real));
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
  const DkmsRoot *root = self->settings->root;
  g_auto (DkmsFd) fd = root->has_shell ? dkms_root_openat (root, path, O_RDONLY | O_DIRECTORY, 0)
                                       : open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  g_autoptr (GPtrArray) names = fd >= 0 ? dkms_list_dir_at (fd, ".", NULL) : NULL;

  for (guint i = 0; names != NULL && i < names->len; i++)
    if (dkms_is_link_at (fd, names->pdata[i]))
      {
        g_autofree char *link = g_build_filename (path, names->pdata[i], NULL);
        g_free (dkms_view_show (self, link));
      }
}

/* A package could ship a link to any secret whose path it guesses. The target of a link is therefore shown only if its
 * mode lets everybody read it and no name in its path begins with a dot. Directories in /run are never shown: they
 * contain sockets. */
static gboolean
is_harmless (const DkmsView *self, const char *real)
{
  g_autofree char *text = NULL;
  g_autofree char *dir = g_path_get_dirname (real);
  struct stat st;

  if (strstr (real, "/.") != NULL || g_str_has_suffix (dir, "/home") || !look (self, real, &st, &text))
    return FALSE;
  for (guint i = 0; i < self->changes->len; i++)
    if (is_below (((const Change *)self->changes->pdata[i])->path, real))
      return FALSE; /* it contains a hidden directory as a whole */
  if (S_ISDIR (st.st_mode))
    return (st.st_mode & 05) == 05 && !is_below (real, "/run");
  return S_ISREG (st.st_mode) && (st.st_mode & 04) != 0;
}

void
dkms_view_show_linked (DkmsView *self, const char *from, const char *text)
{
  g_autofree char *dir = g_path_get_dirname (from);
  g_autofree char *path = g_canonicalize_filename (text, dir);
  g_autofree char *real = follow (self, path, NULL);
  g_autofree char *shown = NULL;

  if (real == NULL || !dkms_view_hides (self, real))
    return;
  if (is_harmless (self, real))
    shown = dkms_view_show (self, path);
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
  /* Sorted by path, a directory comes before what is in it. */
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
  for (guint i = 0; i < self->claimed->len; i++)
    add_option (argv, "--claim", self->claimed->pdata[i]);
}
