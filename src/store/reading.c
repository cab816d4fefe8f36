/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The number that each change of the tree increments, and reading without a lock. */
#define _GNU_SOURCE
#include "store/reading.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/unread.h"
#include "store/journal.h"
#include "store/layout.h"
#include "store/lock.h"

enum { READING_RETRY_US = 2000, READING_PATIENCE_S = 2 };

gboolean
dkms_sequence_raise (int fd, GError **error)
{
  char text[24] = "";
  ssize_t n = pread (fd, text, sizeof text - 1, 0);

  if (n < 0)
    return dkms_fail_errno (error, "read", "the sequence number of the tree (.dkms/sequence)");
  g_snprintf (text, sizeof text, "%020" G_GUINT64_FORMAT "\n", g_ascii_strtoull (text, NULL, 10) + 1);
  n = pwrite (fd, text, strlen (text), 0);
  if (n >= 0 && n < (ssize_t)strlen (text))
    errno = ENOSPC;
  return n == (ssize_t)strlen (text)
         || dkms_fail_errno (error, "write", "the sequence number of the tree (.dkms/sequence)");
}

int
dkms_sequence_open (const DkmsPlaces *places, GError **error)
{
  g_autofree char *path = dkms_layout_own (places, NULL, NULL);
  g_autofree char *shown_dir = dkms_root_host_path (places->root, path);
  g_autofree char *shown = g_build_filename (shown_dir, "sequence", NULL);
  g_auto (DkmsFd) dir = dkms_root_open_dir (places->root, path, TRUE, error);
  g_auto (DkmsFd) fd = -1;
  struct stat st;

  if (dir < 0)
    return -1;
  fd = dkms_open_own_at (dir, "sequence", 0644, shown, error);
  if (fd < 0)
    return -1;
  /* If the disk is full, this must fail before the journal lists changes. */
  if (fstat (fd, &st) < 0)
    return dkms_fail_errno (error, "look at", shown), -1;
  if (st.st_size == 0 && !dkms_sequence_raise (fd, error))
    return -1;
  return dkms_fd_steal (&fd);
}

/* The file is opened only once, because it is written in place. */
static void
read_sequence (DkmsReading *self, char *number, gsize size)
{
  g_autofree char *path = self->sequence < 0 ? dkms_layout_own (self->places, "sequence", NULL) : NULL;
  ssize_t n;

  if (path != NULL)
    self->sequence = dkms_root_openat (self->places->root, path, DKMS_READ_FLAGS, 0);
  n = self->sequence >= 0 ? pread (self->sequence, number, size - 1, 0) : 0;
  if (n < 0)
    dkms_unread_note (self->sequence, "", errno);
  number[MAX (n, 0)] = '\0';
}

/* Whether a running process is making changes. @pending: (out): whether a killed run left changes: its journal existed
 * before and after no process held the lock */
static gboolean
is_changing (const DkmsPlaces *places, gboolean *pending)
{
  g_auto (DkmsFd) journal = dkms_journal_open (places, FALSE, NULL);
  g_autoptr (GPtrArray) names = journal >= 0 ? dkms_journal_list (journal, NULL) : NULL;
  gboolean changes = FALSE;

  *pending = FALSE;
  if (names == NULL || names->len == 0)
    return FALSE;
  for (guint i = 0; i < names->len; i++)
    changes |= dkms_journal_may_list_changes (journal, names->pdata[i]);
  if (dkms_lock_is_held (places, "lock"))
    return changes;
  for (guint i = 0; i < names->len; i++)
    *pending |= dkms_is_file_at (journal, names->pdata[i]);
  return FALSE;
}

void
dkms_reading_begin (DkmsReading *self, const DkmsPlaces *places, DkmsListener *events)
{
  guint mark = dkms_unread_mark ();
  gint64 since = g_get_monotonic_time ();
  gboolean reported = FALSE;

  self->places = places;
  self->sequence = -1;
  for (;;)
    {
      read_sequence (self, self->number, sizeof self->number);
      if (!is_changing (places, &self->pending))
        return;
      dkms_unread_drop (mark); /* important files are read again */
      if (!reported && g_get_monotonic_time () - since > (gint64)READING_PATIENCE_S * G_USEC_PER_SEC)
        {
          dkms_lock_report_holder (places, events, "lock");
          reported = TRUE;
        }
      g_usleep (READING_RETRY_US);
    }
}

gboolean
dkms_reading_end (DkmsReading *self)
{
  char number[sizeof self->number];

  read_sequence (self, number, sizeof number);
  if (self->sequence >= 0)
    (void)close (self->sequence);
  return strcmp (number, self->number) == 0;
}
