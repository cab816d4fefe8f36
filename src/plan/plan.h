/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Request and facts in, a graph of steps out. Pure: no disk, no clock, no output. */
#pragma once

#include "model/event.h"
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
  DKMS_STEP_REMARK /* nothing to do; its reason says why */
} DkmsStepKind;

typedef struct {
  DkmsStepKind kind;
  DkmsId *id;         /* of depmod and clean: a kernel alone */
  DkmsEvent *reason;  /* (nullable): of a remark, why nothing is done; of a build, why it is done again */
  gboolean again;     /* add, build, install: though it is there; it stays until the new one replaces it */
  gboolean dependent; /* follows from the change of a module that this one depends on */
  gboolean due;       /* depmod: the index lacks modules that were installed before: to be made in any case */
  GArray *needs;      /* element-type guint: steps that must have succeeded; for depmod: any of them */
  GArray *after;      /* element-type guint: steps that must have succeeded or been skipped (77) */
} DkmsStep;

typedef struct {
  GPtrArray *steps; /* element-type DkmsStep; a step only refers to earlier ones */
  /* Events, whose kernel says which target they are about. Of autoinstall: */
  GPtrArray *installed; /* ALREADY_INSTALLED: was there before */
  GPtrArray *deferred;  /* NEEDS_UNKNOWN: waits for modules that nobody knows */
  GPtrArray *failed;    /* NEEDS_MISSING, UNREADABLE: cannot be attempted */
  GPtrArray *cycles;    /* CYCLE: should be rebuilt, and depend on each other */
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

/** Returns: (transfer none): what the step does, in a word or two, as --dry-run shows it */
const char *dkms_step_word (const DkmsStep *step);
