/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tree on disk as plain data (spec/tree.md §1, §4, §5), and the few changes to it that are no
 * transaction: registering a source and deleting what is no longer wanted.
 *
 * What this program adds to the reference's layout lives in <dkms_tree>/.dkms:
 *   lock              shared to read, exclusive to commit
 *   locks/<m>         held while something is done with module <m>
 *   journal/<id>.json a change under way (store/transaction.h)
 *   depmod/<k>        depmod is due for kernel <k>
 *   logs/<m>/<v>/<k>/<a>/make.log   log of the last build that failed
 */
#pragma once

#include "conf/settings.h"
#include "ui/ui.h"

typedef struct {
  char *kernel;
  char *arch;
  gboolean built;     /* module/ exists */
  gboolean active;    /* kernel-<k>-<a> leads here */
  gboolean originals; /* original_module/<k>/<a> exists */
  GHashTable *seen;   /* (nullable): BUILD_DEPENDS name -> its version at build time; see dkms_state_read_seen() */
} DkmsBuild;

typedef struct {
  char *module;
  char *version;
  gboolean broken;
  GPtrArray *builds;    /* element-type DkmsBuild, by kernel then arch */
  gboolean weak;        /* another kernel's build serves the target; filled for autoinstall by plan/run.c */
  gboolean autoinstall; /* filled for autoinstall by plan/world.c */
  char **depends;       /* (nullable) likewise */
  GError *conf_error;   /* (nullable) likewise */
} DkmsVersion;

typedef struct {
  GPtrArray *versions; /* element-type DkmsVersion, by module then version, byte order */
} DkmsState;

/** Returns: (transfer full) (nullable): every version, or those of @module, or that @version only */
DkmsState *dkms_state_read (const DkmsSettings *settings, const char *module, const char *version,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Fills `seen` of all builds for that kernel that recorded something (.dep_*, spec/dkms-conf.md §10). */
void dkms_state_read_seen (const DkmsSettings *settings, DkmsState *state, const char *kernel, const char *arch);
DkmsState *dkms_state_new (void);
void dkms_state_free (DkmsState *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsState, dkms_state_free)
/** Adds a version (for tests and for the reader). Returns: (transfer none) */
DkmsVersion *dkms_state_add (DkmsState *self, const char *module, const char *version);
DkmsBuild *dkms_version_add_build (DkmsVersion *self, const char *kernel, const char *arch);
DkmsVersion *dkms_state_find (const DkmsState *self, const char *module, const char *version);
DkmsBuild *dkms_version_find (const DkmsVersion *self, const char *kernel, const char *arch);
/** Returns: (transfer none) (nullable): the version of @module that is installed there */
DkmsVersion *dkms_state_installed (const DkmsState *self, const char *module, const char *kernel, const char *arch);

/** Returns: whether every module of that active build serves @kernel, too, through links in its weak-updates */
gboolean dkms_weak_serves (const DkmsSettings *settings, const DkmsVersion *v, const DkmsBuild *build,
                           const char *kernel);

/** Returns: (transfer full): <dkms_tree>/<m>/<v>/..., a path inside the root; the varargs end with NULL */
char *dkms_tree_path (const DkmsSettings *settings, const char *first, ...) G_GNUC_NULL_TERMINATED;
/** Fails with DKMS_ERROR_BAD_NAME if @name cannot be one path component that people can type. */
gboolean dkms_tree_check_name (const char *what, const char *name, GError **error);
/** Fails with DKMS_ERROR_NO_PRIVILEGE if the tree cannot be written; creates it when absent. */
gboolean dkms_tree_check_writable (const DkmsSettings *settings, GError **error);

/** Copies a source tree of the host to <source_tree>/<m>-<v>, unless it is that already. */
gboolean dkms_tree_import (const DkmsSettings *settings, const char *host_dir, const char *module, const char *version,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Makes <m>/<v> with its source link (spec/tree.md §7, add). */
gboolean dkms_tree_register (const DkmsSettings *settings, const char *module, const char *version,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Deletes <m>/<v> if nothing is left in it that counts, then <m> if empty. @gone tells. */
gboolean dkms_tree_unregister (const DkmsSettings *settings, const char *module, const char *version, gboolean *gone,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Deletes a build: <m>/<v>/<k>/<a>, and <k> when that was its last. */
gboolean dkms_tree_drop_build (const DkmsSettings *settings, const char *module, const char *version,
                               const char *kernel, const char *arch, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* ---- locks ---- */
typedef struct DkmsLock DkmsLock;
/**
 * dkms_lock_take:
 * @name: "lock", or "locks/<m>"
 * @exclusive: to change; otherwise to read
 *
 * Waits without limit; says whom it waits for. The kernel drops the lock when the process ends.
 *
 * Returns: (transfer full) (nullable): NULL with an error; for readers of a tree that they cannot
 *   write and that has no lock yet, an empty lock
 */
DkmsLock *dkms_lock_take (const DkmsSettings *settings, DkmsUi *ui, const char *name, gboolean exclusive,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;
void dkms_lock_release (DkmsLock *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsLock, dkms_lock_release)
