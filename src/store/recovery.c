/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Completes or undoes the transactions of killed runs. */
#define _GNU_SOURCE
#include "store/recovery.h"

#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/unread.h"
#include "store/changes.h"
#include "store/journal.h"
#include "store/layout.h"
#include "store/lock.h"
#include "store/reading.h"
#include "store/register.h"

static gboolean
recover_one (const DkmsPlaces *places, DkmsListener *events, int journal, const char *name, int sequence,
             GError **error)
{
  g_autofree char *inside = dkms_layout_own (places, "journal", name);
  g_autofree char *path = dkms_root_host_path (places->root, inside);
  g_autoptr (GError) local = NULL;
  g_autofree char *text = NULL;
  struct stat st;
  json_t *object;
  gboolean ok;

  if (*name == '.') /* a run was killed before it renamed the journal */
    return dkms_journal_drop (journal, name, error);
  if (fstatat (journal, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
    return dkms_fail_errno (error, "read the journal", path);
  text = S_ISREG (st.st_mode) && g_str_has_suffix (name, ".json") ? dkms_journal_read (journal, name, &local) : NULL;
  if (local != NULL)
    {
      g_autofree char *advice = DKMS_SAY (CHANGE_INTERRUPTED, .path = path);
      dkms_error_add_advice (local, advice);
      return g_propagate_error (error, g_steal_pointer (&local)), FALSE;
    }
  object = text != NULL ? json_loads (text, 0, NULL) : NULL;
  switch (dkms_journal_kind (object))
    {
    case DKMS_JOURNAL_BAD:
      ok = dkms_journal_set_aside (events, journal, name, path, error);
      break;
    case DKMS_JOURNAL_NEWER:
      ok = DKMS_FAIL (error, JOURNAL_NEWER, .path = path);
      break;
    case DKMS_JOURNAL_CHANGES:
      ok = dkms_changes_check (json_object_get (object, "ops"), error)
           && dkms_changes_apply (places, events, json_object_get (object, "ops"), sequence, error);
      if (ok)
        DKMS_EMIT (events, CHANGE_FINISHED);
      ok = ok && dkms_journal_drop (journal, name, error);
      break;
    default:
      ok = dkms_changes_undo (places, events, object, error) && dkms_journal_drop (journal, name, error);
    }
  json_decref (object);
  return ok;
}

gboolean
dkms_journal_recover_locked (const DkmsPlaces *places, DkmsListener *events, int journal, int sequence, GError **error)
{
  g_autoptr (GPtrArray) names = dkms_journal_list (journal, error);

  for (guint i = 0; names != NULL && i < names->len; i++)
    if (!recover_one (places, events, journal, names->pdata[i], sequence, error))
      return FALSE;
  return names != NULL;
}

static gboolean
recover (const DkmsPlaces *places, DkmsListener *events, gboolean wait, GError **error)
{
  g_autoptr (GError) local = NULL;
  g_auto (DkmsFd) journal = -1;
  g_auto (DkmsFd) sequence = -1;
  g_autoptr (GPtrArray) names = NULL;
  g_autoptr (DkmsLock) lock = NULL;

  if (!dkms_tree_check_trusted (places, error))
    return FALSE;
  journal = dkms_journal_open (places, FALSE, &local);
  if (journal < 0 && dkms_is_absent (errno))
    return TRUE;
  names = journal >= 0 ? dkms_journal_list (journal, &local) : NULL;
  if (names != NULL && names->len == 0)
    return TRUE;
  if (local == NULL)
    lock = wait ? dkms_lock_take (places, events, "lock", TRUE, &local)
                : dkms_lock_try (places, NULL, "lock", TRUE, &local);
  if (local != NULL)
    return g_propagate_error (error, g_steal_pointer (&local)), FALSE;
  if (lock == NULL)
    return TRUE; /* the holder of the lock does it */
  sequence = dkms_sequence_open (places, error);
  return sequence >= 0 && dkms_journal_recover_locked (places, events, journal, sequence, error);
}

gboolean
dkms_journal_recover (const DkmsPlaces *places, DkmsListener *events, GError **error)
{
  return recover (places, events, TRUE, error);
}

gboolean
dkms_journal_try_recover (const DkmsPlaces *places, DkmsListener *events, GError **error)
{
  return recover (places, events, FALSE, error);
}
