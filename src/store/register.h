/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names that may be in the tree, and the changes of the tree that are no build or install: registering a source and
 * deleting what is no longer wanted, each of them one transaction. */
#pragma once

#include "base/error.h"
#include "base/id.h"
#include "conf/places.h"
#include "model/event.h"
#include "store/transaction.h"
#include "store/work.h"

/** Fails with @kind, such as DKMS_ERROR_BAD_NAME, if @name cannot be one path component that people can type.
 * @what: what it is the name of, such as "module name" */
gboolean dkms_tree_check_name (DkmsError kind, const char *what, const char *name, GError **error);

/**
 * Fails with @kind, such as DKMS_ERROR_RESERVED_NAME, if <dkms_tree>/<m>, or <m>/<v>, is a name that the tree itself
 * uses. Only for modules that are about to be added: one that the reference added keeps working as far as it did.
 */
gboolean dkms_tree_check_new (DkmsError kind, const DkmsId *id, GError **error);

/** Returns: whether <m>/<v>/@name can be the directory of a kernel; "source" and its like are not */
gboolean dkms_tree_is_kernel_name (const char *name);
/** Fails with DKMS_ERROR_RESERVED_KERNEL if nothing can be built for a kernel of that name. */
gboolean dkms_tree_check_kernel (const char *kernel, GError **error);
/** Fails with DKMS_ERROR_TREE_NOT_WRITABLE if the tree cannot be written; creates it when absent. */
gboolean dkms_tree_check_writable (const DkmsPlaces *places, GError **error);

/**
 * Fails with DKMS_ERROR_TREE_OF_ANOTHER or DKMS_ERROR_TREE_OPEN if somebody else than the caller and root may write to
 * the tree or to .dkms in it: what the journal there lists is done with the caller's rights.
 */
gboolean dkms_tree_check_trusted (const DkmsPlaces *places, GError **error);

/* A source that is to be copied to <source_tree>/<m>-<v>, unless it is that already. */
typedef struct {
  const char *dir;         /* a directory of the host */
  const struct stat *seen; /* (nullable): as it was when its recipe was read; another directory in its place is an error
                            */
  gboolean overwrite;      /* what is there goes; otherwise the copy goes over it, as specified */
} DkmsImport;

/**
 * dkms_tree_import:
 * @replaces: another source is registered under that name: its builds are marked as stale in the same transaction
 *
 * Copies @source into the source tree.
 */
gboolean dkms_tree_import (const DkmsPlaces *places, DkmsListener *events, const DkmsImport *source, const DkmsId *id,
                           gboolean replaces, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** Makes <m>/<v> with its source link (docs/interface/tree.md §7, add). */
gboolean dkms_tree_register (const DkmsPlaces *places, DkmsListener *events, const DkmsId *id,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Deletes <m>/<v> if nothing is left in it that counts, then <m> if empty. @gone tells. */
gboolean dkms_tree_unregister (const DkmsPlaces *places, DkmsListener *events, const DkmsId *id, gboolean *gone,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Deletes a build: <m>/<v>/<k>/<a>, and <k> when that was its last. */
gboolean dkms_tree_drop_build (const DkmsPlaces *places, DkmsListener *events, const DkmsId *id,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* ---- the parts of dkms_tree_import() and dkms_tree_register(), for transactions that do more ---- */

/** Copies @source beside its place; the transaction puts it there. */
gboolean dkms_tree_stage_source (const DkmsPlaces *places, DkmsTransaction *tx, const DkmsWork *work,
                                 const DkmsImport *source, const DkmsId *id, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Makes what registers <m>/<v> in the directory "version" of @work; if the version is not there yet, that directory as
 * a whole becomes it, with what the caller has put there. @stub: it keeps its own dkms.conf in the place of the link.
 */
gboolean dkms_tree_stage_version (const DkmsPlaces *places, DkmsTransaction *tx, const DkmsWork *work, const DkmsId *id,
                                  gboolean stub, GError **error) G_GNUC_WARN_UNUSED_RESULT;
