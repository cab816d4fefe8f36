/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes a graph of steps from a request and facts. The code uses no disk, clock or output. */
#pragma once

#include "model/event.h"
#include "world/facts.h"

typedef enum {
  DKMS_STEP_ADD,
  DKMS_STEP_BUILD,
  DKMS_STEP_INSTALL,
  DKMS_STEP_REINSTALL, /* replaces an installed version, which is kept until then */
  DKMS_STEP_UNINSTALL,
  DKMS_STEP_UNBUILD,
  DKMS_STEP_UNREGISTER,
  DKMS_STEP_DEPMOD,
  DKMS_STEP_LOAD,  /* publishes the sources and builds of an archive */
  DKMS_STEP_PACK,  /* creates an archive */
  DKMS_STEP_SIGN,  /* signs a build, and its installed modules, with today's keys */
  DKMS_STEP_CLEAN, /* deletes the empty directories of a kernel, whether the steps before succeeded or not */
  DKMS_STEP_REMARK /* nothing to do; its reason explains why */
} DkmsStepKind;

typedef struct {
  DkmsStepKind kind;
  DkmsId *id;         /* of depmod and clean: only a kernel */
  DkmsEvent *reason;  /* (nullable): of a remark, why nothing is done; of a build, why it is repeated */
  gboolean replaces;  /* add, build, install: replaces existing files, which are kept until then */
  gboolean dependent; /* caused by a change of a dependency */
  gboolean due;       /* depmod: the index lacks installed modules, so depmod must run in any case */
  GArray *needs;      /* element-type guint: steps that must have succeeded; for depmod: any of them */
  GArray *after;      /* element-type guint: steps that must have succeeded or been skipped (77) */
} DkmsStep;

typedef struct {
  GPtrArray *steps; /* element-type DkmsStep; a step refers only to earlier ones */
  /* Events, whose kernel is the target. Of autoinstall: */
  GPtrArray *installed; /* ALREADY_INSTALLED: was installed before */
  GPtrArray *deferred;  /* NEEDS_UNKNOWN: needs modules that are not registered */
  GPtrArray *failed;    /* NEEDS_MISSING, UNREADABLE: cannot be attempted */
  GPtrArray *cycles;    /* CYCLE: should be rebuilt, but depend on each other */
} DkmsPlan;

/**
 * dkms_plan_make:
 * Turns @request and @facts into steps. Preconditions (docs/interface/cli.md §7) that depend only on these are checked
 * here. Modules that could not be read count as failed.
 *
 * Returns: (transfer full) (nullable)
 */
DkmsPlan *dkms_plan_make (const DkmsRequest *request, const DkmsFacts *facts, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void dkms_plan_free (DkmsPlan *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsPlan, dkms_plan_free)

/** Returns: the number of builds among the steps */
guint dkms_plan_count_builds (const DkmsPlan *self);

/** Removes the first build and all steps after it, except the depmod for earlier steps, because no build is possible.
 */
void dkms_plan_cut_builds (DkmsPlan *self);

/** Returns: whether @step installs modules */
gboolean dkms_step_installs (const DkmsStep *step);

/** Returns: (transfer none): the name of the step, as --dry-run prints it */
const char *dkms_step_word (const DkmsStep *step);
