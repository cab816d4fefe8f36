/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tarballs of module sources and builds (docs/interface/build-install.md §14, §15).
 *
 * An archive of dkms or of the reference has a member ./dkms_main_tree/ with a build in each <k>/<a>
 * below it, and ./dkms_source_tree/ (sources) or ./dkms_binaries_only/ (dkms.conf alone). Any other archive with a
 * dkms.conf is treated as sources. The helper dkms-archive packs and unpacks. */
#pragma once

#include "base/id.h"
#include "conf/settings.h"
#include "model/event.h"
#include "store/work.h"

typedef struct {
  const DkmsPlaces *places;
  DkmsWork *work;
  char *staging; /* directory inside the root with the unpacked files; deleted with @work */
  char *tree;    /* directory of the host that contains the dkms.conf */
  int tree_fd;   /* that directory */
  gboolean ours; /* it has a dkms_main_tree */
  gboolean stub; /* dkms.conf without sources */
} DkmsTarball;

/**
 * dkms_tarball_open:
 * @path: of the host, even with another root
 *
 * Unpacks the archive into a staging directory below tmp_location. An archive that would write outside of it, or
 * exceeds the limit, is refused.
 *
 * Returns: (transfer full) (nullable)
 */
DkmsTarball *dkms_tarball_open (const DkmsSettings *settings, const char *path,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;
void dkms_tarball_close (DkmsTarball *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsTarball, dkms_tarball_close)

/** Unpacks the files of the package @path (deb, RPM, pacman, apk or tar) into the directory @dir of the host, next to
 * those of other packages. It is refused as in dkms_tarball_open(), except that links may lead to any path. */
gboolean dkms_tarball_unpack_package (const DkmsSettings *settings, const char *path, const char *dir,
                                      GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * dkms_tarball_load:
 * Publishes and registers the sources (or the stub) and every build of an archive of dkms, in one transaction. Existing
 * files are kept with a warning, unless @force.
 */
gboolean dkms_tarball_load (const DkmsTarball *self, DkmsListener *events, const DkmsId *id, gboolean force,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;

typedef enum { DKMS_TARBALL_ALL, DKMS_TARBALL_SOURCE_ONLY, DKMS_TARBALL_BINARIES_ONLY } DkmsTarballKind;

/* The content of an archive to create. */
typedef struct {
  const DkmsId *id;
  const char
      *archive; /* (nullable): value of --archive, a path of the host; NULL or a bare name: in <m>/<v>/tarball/ */
  DkmsTarballKind kind;
  const GPtrArray *builds; /* element-type DkmsBuild */
  const char *conf_file;   /* (nullable): for DKMS_TARBALL_BINARIES_ONLY: replaces the dkms.conf of the source */
} DkmsPacking;

/** Creates an archive. */
gboolean dkms_tarball_make (const DkmsPlaces *places, DkmsListener *events, const DkmsPacking *what,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;
