/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Request and facts in, a graph of steps out. Pure: no disk, no clock, no output. */
#pragma once

#include "model/id.h"
#include "world/facts.h"

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
  DkmsId *id;         /* of depmod and clean: a kernel alone */
  char *text;         /* of a notice */
  gboolean again;     /* add, build, install: though it is there; it stays until the new one replaces it */
  gboolean dependent; /* follows from the change of a module that this one depends on */
  gboolean due;       /* depmod: the index lacks modules that were installed before: to be made in any case */
  GArray *needs;      /* element-type guint: steps that must have succeeded; for depmod: any of them */
  GArray *after;      /* element-type guint: steps that must have succeeded or been skipped (77) */
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
 * Turns @request and @facts into steps. Preconditions (docs/interface/cli.md §7) that depend on them only are checked
 * here. Modules that could not be read are among the failed ones.
 *
 * Returns: (transfer full) (nullable)
 */
DkmsPlan *dkms_plan_make (const DkmsRequest *request, const DkmsFacts *facts, GError **error) G_GNUC_WARN_UNUSED_RESULT;
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
