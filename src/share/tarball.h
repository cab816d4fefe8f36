/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tarballs of module sources and builds (docs/interface/build-install.md §14, §15).
 *
 * An archive of ours, or of the reference, has a member ./dkms_main_tree/ with a build in each <k>/<a>
 * below it, and ./dkms_source_tree/ (sources) or ./dkms_binaries_only/ (dkms.conf alone). Any other
 * archive with a dkms.conf in it is taken for sources. The work is done by the helper dkms-archive. */
#pragma once

#include "base/id.h"
#include "conf/settings.h"
#include "model/event.h"
#include "store/work.h"

typedef struct {
  const DkmsPlaces *places;
  DkmsWork *work;
  char *staging; /* directory inside the root that holds what was unpacked; goes with work */
  char *tree;    /* directory of the machine that holds the dkms.conf */
  int tree_fd;   /* that directory */
  gboolean ours; /* it has a dkms_main_tree */
  gboolean stub; /* dkms.conf without sources */
} DkmsTarball;

/**
 * dkms_tarball_open:
 * @path: of the machine, whatever the root
 *
 * Unpacks the archive into a staging directory below tmp_location. An archive that would leave it,
 * or grows beyond the limit, is refused.
 *
 * Returns: (transfer full) (nullable)
 */
DkmsTarball *dkms_tarball_open (const DkmsSettings *settings, const char *path,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;
void dkms_tarball_close (DkmsTarball *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsTarball, dkms_tarball_close)

/**
 * dkms_tarball_load:
 * Puts the sources (or the stub) and every build of an archive of ours in place and registers them, in one
 * transaction; what is there already stays, with a warning, unless @force.
 */
gboolean dkms_tarball_load (const DkmsTarball *self, DkmsListener *events, const DkmsId *id, gboolean force,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;

typedef enum { DKMS_TARBALL_ALL, DKMS_TARBALL_SOURCE_ONLY, DKMS_TARBALL_BINARIES_ONLY } DkmsTarballKind;

/* What is to be packed. */
typedef struct {
  const DkmsId *id;
  const char
      *archive; /* (nullable): value of --archive, a path of the machine; NULL or a bare name: <m>/<v>/tarball/ */
  DkmsTarballKind kind;
  const GPtrArray *builds; /* element-type DkmsBuild */
  const char *conf_file;   /* (nullable): DKMS_TARBALL_BINARIES_ONLY: instead of the dkms.conf of the source */
} DkmsPacking;

/** Makes an archive. */
gboolean dkms_tarball_make (const DkmsPlaces *places, DkmsListener *events, const DkmsPacking *what,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;
