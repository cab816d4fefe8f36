/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tree on disk as plain data (docs/interface/tree.md §1, §4, §5), and the changes to it that are no build or
 * install: registering a source and deleting what is no longer wanted, each of them one transaction.
 *
 * What this program adds to the reference's layout lives in <dkms_tree>/.dkms:
 *   lock, locks/      see dkms_lock_take()
 *   work/<id>/        scratch of a run, locked by it; deleted by whoever finds it unlocked; loan-* in it: store/loan.h
 *   journal/<id>.json a change under way (store/transaction.h)
 *   depmod/<id>.<k>   the run with work/<id> installed something for kernel <k>: depmod is due
 *   logs/<m>/<v>/<k>/<a>/make.log   log of the last build that failed
 * A file <m>/<v>/<k>/<a>/.stale says that the source was replaced after that build.
 */
#pragma once

#include "conf/settings.h"
#include "ui/ui.h"

#define DKMS_STALE ".stale" /* a file in <k>/<a> */

typedef struct {
  char *kernel;
  char *arch;
  gboolean built;     /* module/ exists */
  gboolean active;    /* kernel-<k>-<a> leads here */
  gboolean stale;     /* .stale exists: the source was replaced since */
  gboolean originals; /* original_module/<k>/<a> exists */
  /* Filled by dkms_build_examine() (store/health.h), FALSE until then: */
  gboolean incomplete; /* a module that it should hold is missing in module/ */
  gboolean gone;       /* active, and a file that was installed is no longer there */
  gboolean unindexed;  /* active, and the kernel's index does not list a file that is installed */
  GHashTable *seen;    /* (nullable): BUILD_DEPENDS name -> its version at build time; see dkms_state_read_seen() */
} DkmsBuild;

/* What a version's recipe says for one kernel, as far as plans depend on it; filled by plan/run.c. */
typedef struct {
  gboolean weak;        /* another kernel's build serves this one */
  gboolean autoinstall; /* it wants to be there */
  char **depends;       /* (nullable): BUILD_DEPENDS */
  GError *conf_error;   /* (nullable): why the recipe could not be read */
} DkmsWish;

typedef struct {
  char *module;
  char *version;
  gboolean broken;
  GPtrArray *builds;  /* element-type DkmsBuild, by kernel then arch */
  GPtrArray *remains; /* element-type DkmsBuild: what is left of builds that have no module/ any more: a directory with
                         a record or a log, or just a link kernel-<k>-<a> that says it was installed (active) */
  GHashTable *wishes; /* "kernel/arch" -> DkmsWish; see dkms_version_wish() */
} DkmsVersion;

/* Something of a module could not be read. */
typedef struct {
  char *module;
  GError *error;
} DkmsUnread;

typedef struct {
  GPtrArray *versions; /* element-type DkmsVersion, by module then version, byte order */
  GPtrArray *unread;   /* element-type DkmsUnread */
} DkmsState;

/** Returns: (transfer full) (nullable): every version, or those of @module, or that @version only; NULL with an error
 * when anything of them cannot be read */
DkmsState *dkms_state_read (const DkmsSettings *settings, const char *module, const char *version,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** As dkms_state_read(), but goes on: versions that cannot be read are left out, and listed in `unread`. */
DkmsState *dkms_state_read_most (const DkmsSettings *settings, const char *module, const char *version,
                                 GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Adds to `unread` that @module cannot be worked on, because of @error (transfer full). */
void dkms_state_give_up (DkmsState *self, const char *module, GError *error);
/** Takes all versions of the modules in `unread` out of `versions`: a plan for a part of a module would be wrong. */
void dkms_state_drop_unread (DkmsState *self);
/** Fills `seen` of all builds for that kernel that recorded something (.dep_*, docs/interface/dkms-conf.md §10), and
 * gives up modules of which that cannot be read. */
void dkms_state_read_seen (const DkmsSettings *settings, DkmsState *state, const char *kernel, const char *arch);
DkmsState *dkms_state_new (void);
void dkms_state_free (DkmsState *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsState, dkms_state_free)
/** Adds a version (for tests and for the reader). Returns: (transfer none) */
DkmsVersion *dkms_state_add (DkmsState *self, const char *module, const char *version);
DkmsBuild *dkms_version_add_build (DkmsVersion *self, const char *kernel, const char *arch);
/** As dkms_version_add_build(), for what is left of a build. */
DkmsBuild *dkms_version_add_remains (DkmsVersion *self, const char *kernel, const char *arch);
/** Returns: (transfer none): the wish for that kernel, an empty one if there was none yet */
DkmsWish *dkms_version_wish (const DkmsVersion *self, const char *kernel, const char *arch);
DkmsVersion *dkms_state_find (const DkmsState *self, const char *module, const char *version);
DkmsBuild *dkms_version_find (const DkmsVersion *self, const char *kernel, const char *arch);
/** Returns: (transfer none) (nullable): what is left of the build for that kernel */
DkmsBuild *dkms_version_find_remains (const DkmsVersion *self, const char *kernel, const char *arch);
/** Returns: (transfer none) (nullable): the version of @module that is installed there */
DkmsVersion *dkms_state_installed (const DkmsState *self, const char *module, const char *kernel, const char *arch);

/** Returns: whether every module of that active build serves @kernel, too, through links in its weak-updates */
gboolean dkms_weak_serves (const DkmsSettings *settings, const DkmsVersion *v, const DkmsBuild *build,
                           const char *kernel);

/** Returns: (transfer full): <dkms_tree>/<m>/<v>/..., a path inside the root; the varargs end with NULL */
char *dkms_tree_path (const DkmsSettings *settings, const char *first, ...) G_GNUC_NULL_TERMINATED;
/** Fails with DKMS_ERROR_BAD_NAME if @name cannot be one path component that people can type. */
gboolean dkms_tree_check_name (const char *what, const char *name, GError **error);
/**
 * Fails with DKMS_ERROR_BAD_NAME if <dkms_tree>/<m>, or <m>/<v>, is a name that the tree itself uses. Only for modules
 * that are about to be added: one that the reference added keeps working as far as it did.
 */
gboolean dkms_tree_check_new (const char *module, const char *version, GError **error);
/** Returns: whether <m>/<v>/@name can be the directory of a kernel; "source" and its like are not */
gboolean dkms_tree_is_kernel_name (const char *name);
/** Fails with DKMS_ERROR_BAD_NAME if nothing can be built for a kernel of that name. */
gboolean dkms_tree_check_kernel (const char *kernel, GError **error);
/** Fails with DKMS_ERROR_NO_PRIVILEGE if the tree cannot be written; creates it when absent. */
gboolean dkms_tree_check_writable (const DkmsSettings *settings, GError **error);
/**
 * Fails with DKMS_ERROR_NO_PRIVILEGE if somebody else than the caller and root may write to the tree or to .dkms in it:
 * what the journal there lists is done with the caller's rights.
 */
gboolean dkms_tree_check_trusted (const DkmsSettings *settings, GError **error);

/**
 * dkms_tree_import:
 * @seen: (nullable): @host_dir as it was when its recipe was read; another directory in its place is an error
 * @replaces: another source is registered under that name: its builds are marked as stale in the same transaction
 *
 * Copies a source tree of the host to <source_tree>/<m>-<v>, unless it is that already.
 */
gboolean dkms_tree_import (const DkmsSettings *settings, DkmsUi *ui, const char *host_dir, const struct stat *seen,
                           const char *module, const char *version, gboolean replaces,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Makes <m>/<v> with its source link (docs/interface/tree.md §7, add). */
gboolean dkms_tree_register (const DkmsSettings *settings, DkmsUi *ui, const char *module, const char *version,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Deletes <m>/<v> if nothing is left in it that counts, then <m> if empty. @gone tells. */
gboolean dkms_tree_unregister (const DkmsSettings *settings, DkmsUi *ui, const char *module, const char *version,
                               gboolean *gone, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Deletes a build: <m>/<v>/<k>/<a>, and <k> when that was its last. */
gboolean dkms_tree_drop_build (const DkmsSettings *settings, DkmsUi *ui, const char *module, const char *version,
                               const char *kernel, const char *arch, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* ---- locks ---- */
/* Who holds what, and in which order it is taken, so that no two runs wait for each other:
 *   1. locks/module/<m>         shared to work on its builds, exclusive to add, load or remove it
 *   2. locks/build/<k>/<a>/<m>  exclusive to build, install, uninstall or delete for that kernel; several at once are
 *                               taken in byte order, and a run that works on many modules never waits for one while
 *                               it holds another one's, except for commits:
 *   3. locks/area/<m>/<v>       exclusive while a build that is not confined uses <m>/<v>/build
 *   4. locks/depmod/<k>         exclusive while depmod runs
 *   5. lock                     exclusive while a transaction is committed, shared to read a consistent state
 * Beside that order, locks/loan/<m>: exclusive by a run that borrowed the lock of the module, which waits for nothing
 * else (store/loan.h). All are flock(2) locks and vanish with their process. */
typedef struct DkmsLock DkmsLock;
/**
 * dkms_lock_take:
 * @ui: (nullable): told whom we wait for
 * @name: as listed above
 * @exclusive: to change; otherwise to read
 *
 * Waits without limit. The kernel drops the lock when the process, and every worker forked by it, ends.
 *
 * Returns: (transfer full) (nullable): NULL with an error; for readers of a tree that has no lock yet, or in which they
 *   may make none, an empty lock
 */
DkmsLock *dkms_lock_take (const DkmsSettings *settings, DkmsUi *ui, const char *name, gboolean exclusive,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** As dkms_lock_take(), but does not wait. Returns: (transfer full) (nullable): NULL without an error when it is held
 */
DkmsLock *dkms_lock_try (const DkmsSettings *settings, DkmsUi *ui, const char *name, gboolean exclusive,
                         GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Fails with errno, which a lock on @path (inside @root) met; a file system without locks is named as such. */
gboolean dkms_fail_lock (const DkmsRoot *root, const char *path, GError **error);
/** Returns: (transfer full): name of the lock of @module, or, with @kernel and @arch, of its build for them */
char *dkms_lock_name (const char *module, const char *kernel, const char *arch);
void dkms_lock_release (DkmsLock *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsLock, dkms_lock_release)
