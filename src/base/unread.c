/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The notes about files that could not be read. */
#define _GNU_SOURCE
#include "base/unread.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

typedef struct {
  char *path;
  int code;
} Note;

static GPtrArray *notes; /* element-type Note; NULL: none */

static void
note_free (gpointer data)
{
  Note *self = data;

  g_free (self->path);
  g_free (self);
}

gboolean
dkms_is_absent (int code)
{
  return code == ENOENT || code == ENOTDIR || code == ELOOP;
}

/* The path for messages. It is made without a descriptor, because none may be left. */
static char *
path_of (int dir_fd, const char *name)
{
  char magic[32], text[PATH_MAX];
  ssize_t n = -1;

  if (*name != '/' && dir_fd >= 0)
    {
      g_snprintf (magic, sizeof magic, "/proc/self/fd/%d", dir_fd);
      n = readlink (magic, text, sizeof text);
    }
  if (n < 0 || (gsize)n >= sizeof text)
    return g_strdup (name);
  text[n] = '\0';
  return *name == '\0' || strcmp (name, ".") == 0 ? g_strdup (text) : g_build_filename (text, name, NULL);
}

void
dkms_unread_note (int dir_fd, const char *name, int code)
{
  int saved = errno;

  if (!dkms_is_absent (code) && code != EBADF && !g_str_has_prefix (name, "/proc/"))
    {
      Note *note = g_new0 (Note, 1);

      note->path = path_of (dir_fd, name);
      note->code = code;
      if (notes == NULL)
        notes = g_ptr_array_new_with_free_func (note_free);
      g_ptr_array_add (notes, note);
    }
  errno = saved;
}

guint
dkms_unread_mark (void)
{
  return notes != NULL ? notes->len : 0;
}

void
dkms_unread_drop (guint mark)
{
  if (notes != NULL && notes->len > mark)
    g_ptr_array_set_size (notes, (int)mark);
}

gboolean
dkms_unread_since (guint mark, gboolean refused, GError **error)
{
  gboolean ok = TRUE;

  for (guint i = mark; notes != NULL && i < notes->len && ok; i++)
    {
      const Note *note = notes->pdata[i];

      if (!refused && (note->code == EACCES || note->code == EPERM) && geteuid () != 0)
        continue;
      errno = note->code;
      ok = dkms_fail_errno (error, "read", note->path);
    }
  dkms_unread_drop (mark);
  return ok;
}

gboolean
dkms_unread_check (GError **error)
{
  return dkms_unread_since (0, FALSE, error);
}

gboolean
dkms_fail_read (GError **error, const char *doing, int dir_fd, const char *name)
{
  int code = errno;
  g_autofree char *path = path_of (dir_fd, name);

  if (error == NULL)
    dkms_unread_note (dir_fd, name, code);
  errno = code;
  return dkms_fail_errno (error, doing, path);
}
