/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Scratch directories on the file system of the tree, so that files prepared in them can be renamed to their place. The
 * run that created it keeps it locked; an unlocked one belongs to a killed run. */
#pragma once

#include "conf/places.h"
#include "model/event.h"
#include "store/transaction.h"

typedef struct {
  const DkmsPlaces *places;
  char *id;   /* eight hexadecimal digits */
  char *path; /* <dkms_tree>/.dkms/work/<id>, inside the root */
  int fd;     /* that directory, locked */
} DkmsWork;

/** Creates a scratch directory (mode 0700). Returns: (transfer full) (nullable) */
DkmsWork *dkms_work_new (const DkmsPlaces *places, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Deletes the directory with its content. */
void dkms_work_free (DkmsWork *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsWork, dkms_work_free)
/** Returns: (transfer full): a name in the directory @dir (source_tree or tmp_location) that is deleted with this
 * scratch directory */
char *dkms_work_beside (const DkmsWork *self, const char *dir);
/** Returns: whether the run that created work/@id is still running */
gboolean dkms_work_alive (const DkmsPlaces *places, const char *id);
/** Deletes scratch directories of killed runs. Failures are reported, and the next run tries again. */
void dkms_work_sweep (const DkmsPlaces *places, DkmsListener *events);
