/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds a directory that no other worker uses. */
#define _GNU_SOURCE
#include "fleet/slot.h"

#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "run/run.h"

enum { MOST_SLOTS = 1000 };

struct DkmsSlot {
  int fd;     /* locked */
  char *path; /* inside the root */
};

/* Opens the directory @name, which only this user may use, and creates it if necessary. Returns: -1 with an error */
static int
open_own (int parent, const char *name, const char *shown, GError **error)
{
  g_auto (DkmsFd) fd = -1;
  struct stat st;

  if (mkdirat (parent, name, 0700) < 0 && errno != EEXIST)
    return dkms_fail_errno (error, "create the directory", shown), -1;
  fd = openat (parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0 || fstat (fd, &st) < 0)
    return dkms_fail_errno (error, "open", shown), -1;
  if (st.st_uid != geteuid () || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return DKMS_FAIL (error, SLOT_OF_ANOTHER, .path = shown), -1;
  return dkms_fd_steal (&fd);
}

DkmsSlot *
dkms_slot_take (const DkmsPlaces *places, GError **error)
{
  g_autofree char *name = g_strdup_printf ("dkms-matrix-%u", (guint)geteuid ());
  g_autofree char *above = g_build_filename (places->tmp_location, name, NULL);
  g_autofree char *shown = dkms_root_host_path (places->root, above);
  g_auto (DkmsFd) tmp = dkms_root_open_dir (places->root, places->tmp_location, TRUE, error);
  g_auto (DkmsFd) dir = tmp >= 0 ? open_own (tmp, name, shown, error) : -1;

  for (guint i = 0; dir >= 0 && i < MOST_SLOTS; i++)
    {
      g_autofree char *number = g_strdup_printf ("%u", i);
      g_auto (DkmsFd) fd = open_own (dir, number, shown, error);
      if (fd < 0)
        return NULL;
      if (flock (fd, LOCK_EX | LOCK_NB) < 0)
        continue; /* another worker uses it */
      g_autoptr (DkmsSlot) self = g_new0 (DkmsSlot, 1);
      self->fd = dkms_fd_steal (&fd);
      self->path = g_build_filename (above, number, NULL);
      return dkms_slot_empty (self, error) ? g_steal_pointer (&self) : NULL;
    }
  if (dir >= 0)
    (void)DKMS_FAIL (error, NO_SLOT, .path = shown);
  return NULL;
}

gboolean
dkms_slot_empty (DkmsSlot *self, GError **error)
{
  g_autoptr (GPtrArray) names = dkms_list_dir_at (self->fd, ".", error);

  for (guint i = 0; names != NULL && i < names->len; i++)
    if (!dkms_remove_tree_at (self->fd, names->pdata[i], error))
      return FALSE;
  return names != NULL;
}

char *
dkms_slot_path (const DkmsSlot *self, const char *name)
{
  return g_build_filename (self->path, name, NULL);
}

void
dkms_slot_release (DkmsSlot *self)
{
  if (self == NULL)
    return;
  g_autoptr (GError) error = NULL;
  if (!dkms_slot_empty (self, &error))
    g_debug ("%s", error->message); /* the next worker reports it */
  (void)close (self->fd);
  g_free (self->path);
  g_free (self);
}

gboolean
dkms_slot_add (const DkmsSettings *settings, DkmsListener *events, const DkmsRequest *given, const DkmsId *kernel,
               GError **error)
{
  g_autoptr (GPtrArray) targets = dkms_targets_new ();
  DkmsRequest request = *given;
  int status = 0;

  dkms_targets_add (targets, kernel);
  request.goal = given->archive != NULL ? DKMS_GOAL_LOADED : DKMS_GOAL_REGISTERED;
  request.selection = DKMS_SELECT_ONE;
  request.action = (char *)"add";
  request.targets = targets;
  return dkms_run (settings, events, &request, NULL, &status, error)
         && (status == 0 || DKMS_FAIL (error, NOT_ADDED, .id = { .module = given->module }));
}
