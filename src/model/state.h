/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tree as plain data (docs/interface/tree.md §1, §4, §5). store/scan.c reads it. */
#pragma once

#include "base/id.h"

typedef struct {
  char *kernel;
  char *arch;
  gboolean built;     /* module/ exists */
  gboolean active;    /* the link kernel-<k>-<a> points to this build */
  gboolean stale;     /* .stale exists: the source was replaced after the build */
  guint changes;      /* other changes since the build (DkmsStaleness); world/facts.c sets it if the request needs it */
  gboolean rebuild;   /* it must be rebuilt because of such changes */
  gboolean originals; /* original_module/<k>/<a> exists */
  /* dkms_build_examine() (store/health.h) sets these; FALSE until then: */
  gboolean incomplete; /* a module that module/ should contain is missing */
  gboolean gone;       /* active, and an installed file is missing */
  gboolean unindexed;  /* active, and the index of the kernel lacks an installed file */
  GHashTable *seen;    /* (nullable): BUILD_DEPENDS name -> its version at build time; see dkms_state_read_seen() */
} DkmsBuild;

/* The values of a recipe for one kernel that plans depend on; world/facts.c sets them. */
typedef struct {
  gboolean weak;        /* the build for another kernel is used for this one */
  gboolean autoinstall; /* AUTOINSTALL is yes */
  char **depends;       /* (nullable): BUILD_DEPENDS */
  GError *conf_error;   /* (nullable): the error if the recipe could not be read */
} DkmsVersionFacts;

typedef struct {
  char *module;
  char *version;
  gboolean broken;
  GPtrArray *builds;  /* element-type DkmsBuild, by kernel then arch */
  GPtrArray *remains; /* element-type DkmsBuild: remains of builds without module/: a directory with a record or a log,
                         or only a link kernel-<k>-<a> of an installed build (active) */
  GHashTable *facts;  /* "kernel/arch" -> DkmsVersionFacts; see dkms_version_facts() */
} DkmsVersion;

/* A module that could not be read completely. */
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
/** Adds @module to `unread`, with @error (transfer full): it cannot be worked on. */
void dkms_state_give_up (DkmsState *self, const char *module, GError *error);
/** Removes all versions of the modules in `unread` from `versions`, because a plan for a part of a module would be
 * wrong. */
void dkms_state_drop_unread (DkmsState *self);
/** Adds a version (for tests and for the reader). Returns: (transfer none) */
DkmsVersion *dkms_state_add (DkmsState *self, const DkmsId *id);
/* In the following functions, only kernel and architecture of @kernel are used. Neither may be NULL. */

DkmsBuild *dkms_version_add_build (DkmsVersion *self, const DkmsId *kernel);
/** As dkms_version_add_build(), for remains of a build. */
DkmsBuild *dkms_version_add_remains (DkmsVersion *self, const DkmsId *kernel);
/** Returns: (transfer none): the facts for that kernel; all zero if none were set */
DkmsVersionFacts *dkms_version_facts (const DkmsVersion *self, const DkmsId *kernel);
DkmsVersion *dkms_state_find (const DkmsState *self, const DkmsId *id);
/** Returns: whether a version of the module of @id is in @self; if @id has a version (not NULL or ""), this one */
gboolean dkms_state_has (const DkmsState *self, const DkmsId *id);
/** Returns: the identifier of the build of @self for that kernel; it lives as long as @self and the strings of @kernel
 */
DkmsId dkms_version_id (const DkmsVersion *self, const DkmsId *kernel);
/** Returns: the identifier of @build of @self; it lives as long as they do */
DkmsId dkms_build_id (const DkmsVersion *self, const DkmsBuild *build);
DkmsBuild *dkms_version_find (const DkmsVersion *self, const DkmsId *kernel);
/** Returns: (transfer none) (nullable): the remains of the build for that kernel */
DkmsBuild *dkms_version_find_remains (const DkmsVersion *self, const DkmsId *kernel);
/** Returns: (transfer none) (nullable): the version of the module of @id that is installed for its kernel */
DkmsVersion *dkms_state_installed (const DkmsState *self, const DkmsId *id);

/** Returns: (transfer none) (nullable): the highest version of @module that is not broken */
DkmsVersion *dkms_state_latest (const DkmsState *self, const char *module);
/** Returns: (transfer none): "built" or "installed" */
const char *dkms_build_word (const DkmsBuild *self);
/** Returns: whether @self (nullable) contains all modules and can be installed */
gboolean dkms_build_is_usable (const DkmsBuild *self);
/** Returns: whether @self (nullable) is installed, and all its installed files exist; it may be stale */
gboolean dkms_build_is_sound (const DkmsBuild *self);
