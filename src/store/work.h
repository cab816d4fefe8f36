/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Scratch directories on the file system of the tree, so that what is made in them gets its place by one rename.
 * Each is locked as long as its run lives; one that nobody holds is what a dead run left. */
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

/** Makes a scratch directory (mode 0700). Returns: (transfer full) (nullable) */
DkmsWork *dkms_work_new (const DkmsPlaces *places, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Deletes the directory with all in it. */
void dkms_work_free (DkmsWork *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsWork, dkms_work_free)
/** Returns: (transfer full): a name in the directory @dir (source_tree or tmp_location) that is swept with this one */
char *dkms_work_beside (const DkmsWork *self, const char *dir);
/** Returns: whether the run that made work/@id still lives */
gboolean dkms_work_alive (const DkmsPlaces *places, const char *id);
/** Deletes what dead runs left. What cannot be deleted is reported, and left for the next run. */
void dkms_work_sweep (const DkmsPlaces *places, DkmsListener *events);
