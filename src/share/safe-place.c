/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads owners and modes of files and of all that leads to them. */
#define _GNU_SOURCE
#include "share/safe-place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"

gboolean
dkms_is_safe (const struct stat *st, gboolean sticky)
{
  return (st->st_uid == 0 || st->st_uid == geteuid ())
         && ((st->st_mode & (S_IWGRP | S_IWOTH)) == 0 || (sticky && (st->st_mode & S_ISVTX) != 0));
}

/* A walk along a path. */
typedef struct {
  const DkmsRoot *root;
  GString *done;  /* the part that was checked, without links; "": the root directory */
  char *rest;     /* the part that follows */
  guint links;    /* that were followed */
  gboolean back;  /* a link was followed; its target begins at a part that was checked before */
  struct stat st; /* of what was reached */
} Walk;

static void
walk_clear (Walk *self)
{
  g_string_free (self->done, TRUE);
  g_free (self->rest);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Walk, walk_clear)

static const char *
reached (const Walk *self)
{
  return self->done->len > 0 ? self->done->str : "/";
}

static void
step_back (Walk *self)
{
  const char *slash = strrchr (self->done->str, '/');

  g_string_truncate (self->done, slash != NULL ? (gsize)(slash - self->done->str) : 0);
}

/* Goes on to the next part of the path. Returns: FALSE at its end */
static gboolean
step (Walk *self)
{
  if (self->back)
    return self->back = FALSE, TRUE;
  const char *name = self->rest + strspn (self->rest, "/");
  gsize length = strcspn (name, "/");

  if (length == 0)
    return FALSE;
  if (length == 2 && strncmp (name, "..", length) == 0)
    step_back (self);
  else if (length != 1 || *name != '.')
    g_string_append_printf (self->done, "/%.*s", (int)length, name);
  char *rest = g_strdup (name + length);
  g_free (self->rest);
  self->rest = rest;
  return TRUE;
}

/* Continues where the link @fd leads. */
static gboolean
follow (Walk *self, int fd, GError **error)
{
  enum { MOST_LINKS = 40 };
  char target[PATH_MAX];
  ssize_t size = readlinkat (fd, "", target, sizeof target);

  if (size == sizeof target || (size >= 0 && self->links++ == MOST_LINKS))
    size = -1, errno = ELOOP;
  if (size < 0)
    return dkms_fail_errno (error, "read", reached (self));
  char *rest = g_strdup_printf ("%.*s/%s", (int)size, target, self->rest);
  g_free (self->rest);
  self->rest = rest;
  self->back = TRUE;
  if (*target == '/')
    g_string_truncate (self->done, 0);
  else
    step_back (self);
  return TRUE;
}

/* Checks what was reached. @unsafe: as in dkms_find_unsafe() */
static gboolean
check (Walk *self, char **unsafe, GError **error)
{
  g_auto (DkmsFd) fd = dkms_root_openat (self->root, reached (self), O_PATH | O_NOFOLLOW, 0);
  const struct stat above = self->st;

  if (fd < 0 || fstat (fd, &self->st) < 0)
    return dkms_fail_errno (error, "open", reached (self));
  if (S_ISLNK (self->st.st_mode))
    {
      if (self->st.st_uid == 0 || self->st.st_uid == geteuid ())
        return follow (self, fd, error);
      *unsafe = g_strdup (reached (self));
      return TRUE;
    }
  gboolean last = self->rest[strspn (self->rest, "/")] == '\0';
  if (!dkms_is_safe (&self->st, S_ISDIR (self->st.st_mode) && !last))
    *unsafe = g_strdup (reached (self));
  else if (!S_ISDIR (self->st.st_mode) && !dkms_is_safe (&above, FALSE))
    {
      step_back (self);
      *unsafe = g_strdup (reached (self));
    }
  return TRUE;
}

gboolean
dkms_find_unsafe (const DkmsRoot *root, const char *path, char **unsafe, GError **error)
{
  g_auto (Walk) walk = { .root = root, .done = g_string_new (NULL), .rest = g_strdup (path) };

  *unsafe = NULL;
  do
    if (!check (&walk, unsafe, error))
      return FALSE;
  while (*unsafe == NULL && step (&walk));
  return TRUE;
}
