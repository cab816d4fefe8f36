/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Request and state in, a graph of steps out. Pure: no disk, no clock, no output. */
#pragma once

#include "share/source.h"
#include "store/tree.h"

typedef enum {
  DKMS_VERB_NONE,
  DKMS_VERB_ADD,
  DKMS_VERB_BUILD,
  DKMS_VERB_INSTALL,
  DKMS_VERB_UNINSTALL,
  DKMS_VERB_UNBUILD,
  DKMS_VERB_REMOVE,
  DKMS_VERB_AUTOINSTALL,
  DKMS_VERB_STATUS,
  DKMS_VERB_MATCH,
  DKMS_VERB_MKTARBALL,
  DKMS_VERB_LDTARBALL,
  DKMS_VERB_GENERATE_MOK,
  DKMS_VERB_KERNEL_PREINST,
  DKMS_VERB_KERNEL_POSTINST,
  DKMS_VERB_KERNEL_PRERM
} DkmsVerb;

typedef struct {
  char *kernel;
  char *arch;
} DkmsTarget;

/* What the user asked for, validated. */
typedef struct {
  DkmsVerb verb;
  char *module;                        /* (nullable) */
  char *version;                       /* (nullable) */
  char *source;                        /* (nullable): add from this directory of the host */
  struct stat source_seen;             /* @source when its recipe was read */
  char *archive;                       /* (nullable): tarball to load or to make, as given */
  char *template;                      /* (nullable): kernel that match imitates */
  gboolean template_exists;            /* that kernel is installed */
  GPtrArray *targets;                  /* element-type DkmsTarget; for status filters, either part may be NULL */
  DkmsSourceState source_state;        /* @source, compared with what is in its place */
  char *differs;                       /* (nullable): in which files */
  gboolean loads;                      /* the archive holds builds, or a dkms.conf without sources */
  gboolean source_only, binaries_only; /* mktarball */
  gboolean rpm_safe_upgrade;
  gboolean all;
  gboolean force;
  gboolean force_version_override;
  gboolean no_depmod;
  gboolean dry_run;
} DkmsRequest;

typedef enum {
  DKMS_STEP_ADD,
  DKMS_STEP_BUILD,
  DKMS_STEP_INSTALL,
  DKMS_STEP_REINSTALL, /* over what is installed, which stays until then */
  DKMS_STEP_UNINSTALL,
  DKMS_STEP_UNBUILD,
  DKMS_STEP_UNREGISTER,
  DKMS_STEP_DEPMOD,
  DKMS_STEP_LOAD,  /* put the sources and builds of an archive in place */
  DKMS_STEP_PACK,  /* make an archive */
  DKMS_STEP_CLEAN, /* delete the empty directories of a kernel, whatever became of the steps before */
  DKMS_STEP_NOTICE /* nothing to do; text says why */
} DkmsStepKind;

typedef struct {
  DkmsStepKind kind;
  char *module, *version; /* NULL for depmod */
  char *kernel, *arch;    /* NULL where the step is for no kernel */
  char *text;             /* of a notice */
  gboolean again;         /* add, build, install: though it is there; it stays until the new one replaces it */
  gboolean dependent;     /* follows from the change of a module that this one depends on */
  gboolean due;           /* depmod: the index lacks modules that were installed before: to be made in any case */
  GArray *needs;          /* element-type guint: steps that must have succeeded; for depmod: any of them */
  GArray *after;          /* element-type guint: steps that must have succeeded or been skipped (77) */
} DkmsStep;

/* Something to say about one kernel. */
typedef struct {
  char *kernel;
  char *text;
} DkmsRemark;

typedef struct {
  GPtrArray *steps;     /* element-type DkmsStep; a step only refers to earlier ones */
  GPtrArray *installed; /* element-type DkmsRemark: autoinstall: names that were installed before */
  GPtrArray *deferred;  /* element-type DkmsRemark: autoinstall: sentences about modules that wait for unknown ones */
  GPtrArray *failed;    /* element-type DkmsRemark: autoinstall: sentences about modules that cannot be attempted */
  GPtrArray *cycles;    /* sentences about modules that should be rebuilt and depend on each other */
} DkmsPlan;

/**
 * dkms_plan_make:
 * Turns @request and @state into steps. The verb's preconditions (docs/interface/cli.md §7) that depend on the
 * state only are checked here.
 *
 * Returns: (transfer full) (nullable)
 */
DkmsPlan *dkms_plan_make (const DkmsRequest *request, const DkmsState *state, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void dkms_plan_free (DkmsPlan *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsPlan, dkms_plan_free)

/** Returns: how many builds there are among the steps */
guint dkms_plan_count_builds (const DkmsPlan *self);

/** Drops the first build and all that comes after it, but for the depmod of what comes before: nothing can be built. */
void dkms_plan_cut_builds (DkmsPlan *self);

/** Returns: whether @step puts modules in place */
gboolean dkms_step_installs (const DkmsStep *step);

/** Returns: (transfer full): one line that describes the step, for --dry-run and tests */
char *dkms_step_describe (const DkmsStep *step);

/** Frees a DkmsTarget. */
void dkms_target_free (gpointer target);

DkmsRequest *dkms_request_new (void);
void dkms_request_free (DkmsRequest *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsRequest, dkms_request_free)
void dkms_request_add_target (DkmsRequest *self, const char *kernel, const char *arch);
/** Returns: whether that kernel and arch (not NULL) is among the targets */
gboolean dkms_request_has_target (const DkmsRequest *self, const char *kernel, const char *arch);

/** Returns: whether the verb installs the latest version of every module */
gboolean dkms_verb_is_autoinstall (DkmsVerb verb);
/** Returns: whether the verb takes builds of all modules away from a kernel */
gboolean dkms_verb_clears_kernel (DkmsVerb verb);

/** Returns: (transfer none) (nullable): the highest version of @module that is not broken */
DkmsVersion *dkms_plan_latest (const DkmsState *state, const char *module);
