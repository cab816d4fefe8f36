/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names that are allowed in the tree, and changes of the tree other than builds and installations: registering a
 * source, and deleting versions. Each is one transaction. */
#pragma once

#include "base/error.h"
#include "base/id.h"
#include "conf/places.h"
#include "model/event.h"
#include "store/transaction.h"
#include "store/work.h"

/** Fails with @kind, such as DKMS_ERROR_BAD_NAME, if @name is not a valid path component without special characters.
 * @what: the kind of name, such as "module name" */
gboolean dkms_tree_check_name (DkmsError kind, const char *what, const char *name, GError **error);

/**
 * Fails with @kind, such as DKMS_ERROR_RESERVED_NAME, if <dkms_tree>/<m>, or <m>/<v>, is a name that the tree itself
 * uses. Call this only before a module is added: one that the reference added remains usable.
 */
gboolean dkms_tree_check_new (DkmsError kind, const DkmsId *id, GError **error);

/** Returns: whether <m>/<v>/@name can be the directory of a kernel; names such as "source" cannot */
gboolean dkms_tree_is_kernel_name (const char *name);
/** Fails with DKMS_ERROR_RESERVED_KERNEL if builds for a kernel with this name are impossible. */
gboolean dkms_tree_check_kernel (const char *kernel, GError **error);
/** Fails with DKMS_ERROR_TREE_NOT_WRITABLE if the tree cannot be written; creates it if it does not exist. */
gboolean dkms_tree_check_writable (const DkmsPlaces *places, GError **error);

/**
 * Fails with DKMS_ERROR_TREE_OF_ANOTHER or DKMS_ERROR_TREE_OPEN if a user other than the caller and root may write to
 * the tree or to .dkms in it, because the changes in its journal are carried out with the caller's rights.
 */
gboolean dkms_tree_check_trusted (const DkmsPlaces *places, GError **error);

/* A source that is copied to <source_tree>/<m>-<v>, unless it is already there. */
typedef struct {
  const char *dir;         /* a directory of the host */
  const struct stat *seen; /* (nullable): its status when its recipe was read; another directory there is an error */
  gboolean overwrite;      /* replace existing files; otherwise the copy is added to them, as specified */
} DkmsTreeImport;

/**
 * dkms_tree_import:
 * @replaces: whether another source is registered under that name; its builds are marked as stale in the same
 * transaction
 *
 * Copies @source into the source tree.
 */
gboolean dkms_tree_import (const DkmsPlaces *places, DkmsListener *events, const DkmsTreeImport *source,
                           const DkmsId *id, gboolean replaces, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** Creates <m>/<v> with its link to the source (docs/interface/tree.md §7, add). */
gboolean dkms_tree_register (const DkmsPlaces *places, DkmsListener *events, const DkmsId *id,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Deletes <m>/<v> if it contains no builds, then <m> if it is empty. @gone: (out): whether <m>/<v> was deleted */
gboolean dkms_tree_unregister (const DkmsPlaces *places, DkmsListener *events, const DkmsId *id, gboolean *gone,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Deletes a build: <m>/<v>/<k>/<a>, and <k> if it is empty afterwards. */
gboolean dkms_tree_drop_build (const DkmsPlaces *places, DkmsListener *events, const DkmsId *id,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* ---- the parts of dkms_tree_import() and dkms_tree_register(), for transactions that do more ---- */

/** Copies @source to a temporary directory; the transaction renames it. */
gboolean dkms_tree_stage_source (const DkmsPlaces *places, DkmsTransaction *tx, const DkmsWork *work,
                                 const DkmsTreeImport *source, const DkmsId *id,
                                 GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Creates the files that register <m>/<v> in the directory "version" of @work. If the version is not registered yet,
 * the whole directory, with the files of the caller, becomes the version. @stub: it has its own dkms.conf instead of
 * the link.
 */
gboolean dkms_tree_stage_version (const DkmsPlaces *places, DkmsTransaction *tx, const DkmsWork *work, const DkmsId *id,
                                  gboolean stub, GError **error) G_GNUC_WARN_UNUSED_RESULT;
