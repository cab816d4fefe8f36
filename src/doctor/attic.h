/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The attic: what repairs took away, in <dkms_tree>/.dkms/attic/<date>-<n>/, with a manifest. Each repair is one
 * transaction (store/transaction.h), and has one directory.
 *
 * manifest.json: {"format": 1, "time": seconds since 1970, "fault": ..., "subject": ..., "entries": [{...}]}. An entry
 * describes one change at the path "from": "to" is the name in the attic of what was there before, with "mode",
 * "owner" and "digest"; null if nothing was there. "now" is the digest of what the repair left there; null if nothing.
 * An entry with "modes": [before, after] is a change of permissions only. An undo carries out the entries backwards, if
 * every path is still as the repair left it, and deletes the directory. Directories are deleted after 90 days. */
#pragma once

#include "check/fault.h"
#include "conf/settings.h"
#include "model/event.h"

typedef struct DkmsAttic DkmsAttic;
typedef struct DkmsAtticRepair DkmsAtticRepair;

/** Opens the attic for repairs, and deletes what is older than 90 days. Returns: (transfer full) (nullable): NULL with
 * an error if another process repairs */
DkmsAttic *dkms_attic_open (const DkmsPlaces *places, DkmsListener *events, GError **error);
void dkms_attic_free (DkmsAttic *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsAttic, dkms_attic_free)
/** Returns: (transfer none) (nullable): the name of the directory of the last repair */
const char *dkms_attic_last (const DkmsAttic *self);

/** Returns: (transfer full): a repair without changes. All paths of the following functions are inside the root. */
DkmsAtticRepair *dkms_attic_repair_new (DkmsAttic *self, const DkmsFaultFinding *finding);
void dkms_attic_repair_free (DkmsAtticRepair *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsAtticRepair, dkms_attic_repair_free)
/** Takes away the file, link or directory @path, if it exists. @stop: (nullable): empty directories above @path are
 * deleted up to this one */
void dkms_attic_take (DkmsAtticRepair *self, const char *path, const char *stop);
/** @path becomes a link with the text @text. What was there is taken away. */
void dkms_attic_put_link (DkmsAtticRepair *self, const char *text, const char *path);
/** @path becomes a file with the content @text. What was there is taken away. */
void dkms_attic_put_text (DkmsAtticRepair *self, const char *text, const char *path);
/** @path becomes a copy of the file @source with its mode. What was there is taken away. */
void dkms_attic_put_copy (DkmsAtticRepair *self, const char *source, const char *path);
/** @path becomes the directory @prepared, which is complete and flushed. What was there is taken away. */
void dkms_attic_put_dir (DkmsAtticRepair *self, const char *prepared, const char *path);
/** Changes the permissions of @path at once, before the other changes. */
gboolean dkms_attic_change_mode (DkmsAtticRepair *self, const char *path, mode_t mode,
                                 GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Makes the changes in one transaction, and runs depmod for kernels whose directories changed. */
gboolean dkms_attic_commit (DkmsAtticRepair *self, const DkmsSettings *settings,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** Takes back the repair @name, or the last one if @name is empty. Fails if something changed where it made changes. */
gboolean dkms_attic_undo (const DkmsSettings *settings, DkmsListener *events, const char *name,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;
