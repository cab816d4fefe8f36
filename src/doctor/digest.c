/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Digests of files, links and directories. */
#define _GNU_SOURCE
#include "doctor/digest.h"

#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/unread.h"
#include "base/walk.h"

/* Returns: (transfer full) (nullable): the digest of one entry that is not a directory; NULL with an error */
static char *
digest_file (int dir, const char *name, const struct stat *st, GError **error)
{
  g_autofree char *text = NULL, *sha256 = NULL;

  if (S_ISLNK (st->st_mode))
    {
      text = dkms_read_link_at (dir, name);
      if (text == NULL)
        return dkms_fail_errno (error, "read the link", name), NULL;
      sha256 = g_compute_checksum_for_string (G_CHECKSUM_SHA256, text, -1);
      return g_strconcat ("link:", sha256, NULL);
    }
  if (!S_ISREG (st->st_mode))
    return g_strdup_printf ("other:%o:%" G_GUINT64_FORMAT, st->st_mode, (guint64)st->st_rdev);
  sha256 = dkms_sha256_at (dir, name, error);
  return sha256 != NULL ? g_strconcat ("file:", sha256, NULL) : NULL;
}

static gboolean
add_entry (const DkmsWalkEntry *entry, gpointer data, GError **error)
{
  GChecksum *sum = data;
  g_autofree char *line = NULL, *digest = NULL;

  switch (entry->event)
    {
    case DKMS_WALK_ENTER:
      line = g_strdup_printf ("enter %s\n", entry->path);
      break;
    case DKMS_WALK_LEAVE:
      line = g_strdup ("leave\n");
      break;
    case DKMS_WALK_MOUNT:
      line = g_strdup_printf ("mount %s\n", entry->path);
      break;
    default:
      digest = digest_file (entry->dir_fd, entry->name, entry->st, error);
      if (digest == NULL)
        return FALSE;
      line = g_strdup_printf ("%s %s\n", digest, entry->path);
    }
  g_checksum_update (sum, (const guchar *)line, (gssize)strlen (line));
  return TRUE;
}

char *
dkms_digest_of (const DkmsRoot *root, const char *path, GError **error)
{
  g_autofree char *name = NULL;
  guint mark = dkms_unread_mark ();
  g_auto (DkmsFd) dir = dkms_root_open_parent (root, path, FALSE, &name, NULL);
  g_autoptr (GChecksum) sum = NULL;
  g_auto (DkmsFd) fd = -1;
  struct stat st;

  if (dir < 0 || fstatat (dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
    {
      if (!dkms_is_absent (errno))
        dkms_fail_errno (error, "look at", path);
      dkms_unread_drop (mark);
      return NULL;
    }
  if (!S_ISDIR (st.st_mode))
    return digest_file (dir, name, &st, error);
  fd = openat (dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0)
    return dkms_fail_errno (error, "read the directory", path), NULL;
  sum = g_checksum_new (G_CHECKSUM_SHA256); /* the name of the directory itself does not count */
  if (!dkms_walk_at (fd, ".", add_entry, sum, error))
    return NULL;
  return g_strconcat ("directory:", g_checksum_get_string (sum), NULL);
}
