/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tree as plain data (docs/interface/tree.md §1, §4, §5): store/scan.c reads it. */
#pragma once

#include "base/id.h"

typedef struct {
  char *kernel;
  char *arch;
  gboolean built;   /* module/ exists */
  gboolean active;  /* kernel-<k>-<a> leads here */
  gboolean stale;   /* .stale exists: the source was replaced since */
  guint changes;    /* what else has changed since (DkmsStaleness); filled by world/facts.c if the request wants to know
                     */
  gboolean rebuild; /* because of such changes it is to be built again */
  gboolean originals; /* original_module/<k>/<a> exists */
  /* Filled by dkms_build_examine() (store/health.h), FALSE until then: */
  gboolean incomplete; /* a module that it should hold is missing in module/ */
  gboolean gone;       /* active, and a file that was installed is no longer there */
  gboolean unindexed;  /* active, and the kernel's index does not list a file that is installed */
  GHashTable *seen;    /* (nullable): BUILD_DEPENDS name -> its version at build time; see dkms_state_read_seen() */
} DkmsBuild;

/* What a version's recipe says for one kernel, as far as plans depend on it; filled by world/facts.c. */
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

DkmsState *dkms_state_new (void);
void dkms_state_free (DkmsState *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsState, dkms_state_free)
/** Adds to `unread` that @module cannot be worked on, because of @error (transfer full). */
void dkms_state_give_up (DkmsState *self, const char *module, GError *error);
/** Takes all versions of the modules in `unread` out of `versions`: a plan for a part of a module would be wrong. */
void dkms_state_drop_unread (DkmsState *self);
/** Adds a version (for tests and for the reader). Returns: (transfer none) */
DkmsVersion *dkms_state_add (DkmsState *self, const DkmsId *id);
/* Of @kernel only kernel and architecture count in what follows, neither of which may be NULL. */

DkmsBuild *dkms_version_add_build (DkmsVersion *self, const DkmsId *kernel);
/** As dkms_version_add_build(), for what is left of a build. */
DkmsBuild *dkms_version_add_remains (DkmsVersion *self, const DkmsId *kernel);
/** Returns: (transfer none): the wish for that kernel, an empty one if there was none yet */
DkmsWish *dkms_version_wish (const DkmsVersion *self, const DkmsId *kernel);
DkmsVersion *dkms_state_find (const DkmsState *self, const DkmsId *id);
/** Returns: the name of the build of @self for that kernel; it lives as long as @self and the strings of @kernel */
DkmsId dkms_version_id (const DkmsVersion *self, const DkmsId *kernel);
/** Returns: the name of @build of @self; it lives as long as they do */
DkmsId dkms_build_id (const DkmsVersion *self, const DkmsBuild *build);
DkmsBuild *dkms_version_find (const DkmsVersion *self, const DkmsId *kernel);
/** Returns: (transfer none) (nullable): what is left of the build for that kernel */
DkmsBuild *dkms_version_find_remains (const DkmsVersion *self, const DkmsId *kernel);
/** Returns: (transfer none) (nullable): the version of the module of @id that is installed for its kernel */
DkmsVersion *dkms_state_installed (const DkmsState *self, const DkmsId *id);

/** Returns: (transfer none) (nullable): the highest version of @module that is not broken */
DkmsVersion *dkms_state_latest (const DkmsState *self, const char *module);
/** Returns: (transfer none): "built" or "installed" */
const char *dkms_build_word (const DkmsBuild *self);
/** Returns: whether @self (nullable) holds all modules, so that it can be installed */
gboolean dkms_build_is_usable (const DkmsBuild *self);
/** Returns: whether @self (nullable) is installed, and all of it is where it was put; it may be one to rebuild */
gboolean dkms_build_is_sound (const DkmsBuild *self);
