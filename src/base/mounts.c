/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Enters, fills and leaves a mount namespace. Sources: mount_namespaces(7), setns(2), open_tree(2), overlayfs in the
 * documentation of Linux. */
#define _GNU_SOURCE
#include "base/mounts.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"

/* Missing in some versions of libc. */
#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#endif
#ifndef MOVE_MOUNT_F_EMPTY_PATH
#define MOVE_MOUNT_F_EMPTY_PATH 0x00000004
#endif

struct DkmsMounts {
  int space; /* the mount namespace of before */
  int root;  /* "/" and the working directory of before */
  int current;
};

static gboolean
fail (GError **error, const char *what)
{
  return DKMS_FAIL (error, HEADERS_NOT_SHOWN, .text = what, .number = errno);
}

static void
mounts_free (DkmsMounts *self)
{
  const int descriptors[] = { self->space, self->root, self->current };

  for (gsize i = 0; i < G_N_ELEMENTS (descriptors); i++)
    if (descriptors[i] >= 0)
      (void)close (descriptors[i]);
  g_free (self);
}

/* Enters the namespace @space. setns() enters its root, which is not that of a process in a chroot. */
static gboolean
enter (const DkmsMounts *self, int space)
{
  return setns (space, CLONE_NEWNS) == 0 && fchdir (self->root) == 0 && chroot (".") == 0
         && fchdir (self->current) == 0;
}

DkmsMounts *
dkms_mounts_enter (GError **error)
{
  DkmsMounts *self = g_new0 (DkmsMounts, 1);

  self->space = open ("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
  self->root = open ("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  self->current = open (".", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (self->space < 0 || self->root < 0 || self->current < 0 || unshare (CLONE_NEWNS) < 0)
    {
      (void)fail (error, "a mount namespace");
      mounts_free (self);
      return NULL;
    }
  /* In a chroot "/" may not be a mount. Then mounts stay in this namespace only if those of the machine are private. */
  if (mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
    {
      int here = open ("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC), root = open ("/", O_PATH | O_DIRECTORY | O_CLOEXEC),
          current = open (".", O_PATH | O_DIRECTORY | O_CLOEXEC);
      gboolean ok = here >= 0 && root >= 0 && current >= 0 && setns (here, CLONE_NEWNS) == 0
                    && mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 && fchdir (root) == 0
                    && chroot (".") == 0 && fchdir (current) == 0;
      if (!ok)
        (void)fail (error, "private mounts");
      (void)close (here);
      (void)close (root);
      (void)close (current);
      if (!ok)
        {
          (void)dkms_mounts_leave (self, NULL);
          return NULL;
        }
    }
  return self;
}

gboolean
dkms_mounts_leave (DkmsMounts *self, GError **error)
{
  gboolean ok = enter (self, self->space) || fail (error, "the mount namespace of before");

  mounts_free (self);
  return ok;
}

gboolean
dkms_mounts_bind (const char *from, const char *to, gboolean writable, GError **error)
{
  return (mount (from, to, NULL, MS_BIND | MS_REC, NULL) == 0
          && (writable || mount (NULL, to, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) == 0))
         || fail (error, to);
}

/* ---- merging ---- */

/* Replaces \040 and the like in a path of mountinfo, in place. */
static void
unescape (char *path)
{
  char *to = path;

  for (const char *at = path; *at != '\0'; to++)
    if (*at == '\\' && g_ascii_isdigit (at[1]) && g_ascii_isdigit (at[2]) && g_ascii_isdigit (at[3]))
      {
        *to = (char)((at[1] - '0') * 64 + (at[2] - '0') * 8 + (at[3] - '0'));
        at += 4;
      }
    else
      *to = *at++;
  *to = '\0';
}

/* Returns: (transfer full) (nullable): the mount points below @dir that are not below another one */
static GPtrArray *
list_mounts (const char *dir, GError **error)
{
  g_autofree char *prefix = g_strconcat (dir, "/", NULL);
  g_autofree char *text = NULL;
  GPtrArray *found;

  if (!g_file_get_contents ("/proc/self/mountinfo", &text, NULL, NULL))
    return fail (error, "/proc/self/mountinfo"), NULL;
  found = g_ptr_array_new_with_free_func (g_free);
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  for (char **line = lines; *line != NULL; line++)
    {
      g_auto (GStrv) words = g_strsplit (*line, " ", 6);
      if (g_strv_length (words) < 6)
        continue;
      unescape (words[4]);
      if (g_str_has_prefix (words[4], prefix))
        g_ptr_array_add (found, g_strdup (words[4]));
    }
  g_ptr_array_sort (found, dkms_compare_names);
  for (guint i = found->len; i-- > 1;)
    for (guint before = 0; before < i; before++)
      {
        const char *outer = found->pdata[before], *inner = found->pdata[i];
        gsize n = strlen (outer);
        if (strncmp (inner, outer, n) == 0 && (inner[n] == '/' || inner[n] == '\0'))
          {
            g_ptr_array_remove_index (found, i);
            break;
          }
      }
  return found;
}

/* Returns: a descriptor of a copy of the mount at @path; -1 with errno */
static int
clone_tree (const char *path)
{
  return (int)syscall (SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | O_CLOEXEC | AT_RECURSIVE | AT_NO_AUTOMOUNT);
}

static void
close_one (gpointer fd)
{
  dkms_fd_drop (GPOINTER_TO_INT (fd));
}

gboolean
dkms_mounts_merge (const char *dir, const GPtrArray *more, GError **error)
{
  g_autoptr (GPtrArray) below = list_mounts (dir, error);
  g_autoptr (GPtrArray) trees = g_ptr_array_new_with_free_func (close_one);
  g_autoptr (GPtrArray) lowers = g_ptr_array_new_with_free_func (close_one);
  g_autoptr (GString) option = g_string_new ("lowerdir=");

  if (below == NULL)
    return FALSE;
  for (guint i = 0; i < below->len; i++)
    {
      int fd = clone_tree (below->pdata[i]);
      if (fd < 0)
        return fail (error, below->pdata[i]);
      g_ptr_array_add (trees, GINT_TO_POINTER (fd));
    }
  /* A path may contain characters that have a meaning in options of mounts. */
  for (guint i = 0; i <= more->len; i++)
    {
      int fd = open (i == 0 ? dir : (const char *)more->pdata[i - 1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
      if (fd < 0)
        return fail (error, i == 0 ? dir : more->pdata[i - 1]);
      g_ptr_array_add (lowers, GINT_TO_POINTER (fd));
      g_string_append_printf (option, "%s/proc/self/fd/%d", i > 0 ? ":" : "", fd);
    }
  if (mount ("dkms", dir, "overlay", MS_RDONLY, option->str) < 0)
    return fail (error, dir);
  for (guint i = 0; i < below->len; i++)
    if (syscall (SYS_move_mount, GPOINTER_TO_INT (trees->pdata[i]), "", AT_FDCWD, below->pdata[i],
                 MOVE_MOUNT_F_EMPTY_PATH)
        < 0)
      return fail (error, below->pdata[i]);
  return TRUE;
}
