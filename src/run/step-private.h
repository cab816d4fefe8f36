/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kinds of steps share, and each of them. Private to run/. A step that returns FALSE has an error. */
#pragma once

#include "install/job.h"
#include "run/steps.h"

/* What another run, or a script, did before or while the lock was ours: the state of one build. */
typedef struct {
  gboolean added, broken;
  gboolean built;  /* there is a build, complete or not */
  gboolean active; /* the build, or what is left of it, is installed */
  char *installed; /* (nullable): the version that is */
} DkmsMeanwhile;

void dkms_meanwhile_clear (DkmsMeanwhile *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (DkmsMeanwhile, dkms_meanwhile_clear)

/** Reads the state of the build that @step is about. @now: (out caller-allocates): all zero */
gboolean dkms_step_look_again (const DkmsRun *run, const DkmsStep *step, DkmsMeanwhile *now, GError **error);
/** Fails with DKMS_ERROR_EXCLUDED: a run about many modules meets one that another run removed. */
gboolean dkms_step_skip_removed (const DkmsStep *step, GError **error);
/** Returns: what build/ and install/ work on; @outputs: (out) (transfer full) (nullable): what it makes */
DkmsJob dkms_step_job (DkmsRun *run, const DkmsStep *step, const DkmsRecipe *recipe, GPtrArray **outputs);
/** Returns: @ok; FALSE with an error if what the step went by could not be read (base/unread.h) */
gboolean dkms_step_settle (gboolean ok, GError **error);

/** Fails with DKMS_ERROR_NO_PRIVILEGE if the caller must not write to the source tree. */
gboolean dkms_step_check_may_import (const DkmsRun *run, GError **error);
/** As dkms_step_prepare_build(). @needed: the build is made although another run has made one */
gboolean dkms_step_prepare (DkmsRun *run, const DkmsStep *step, DkmsBuildWork **result, gboolean needed,
                            GError **error);

gboolean dkms_step_add (DkmsRun *run, const DkmsStep *step, GError **error);
gboolean dkms_step_install (DkmsRun *run, const DkmsStep *step, GError **error);
gboolean dkms_step_reinstall (DkmsRun *run, const DkmsStep *step, GError **error);
gboolean dkms_step_uninstall (DkmsRun *run, const DkmsStep *step, GError **error);
gboolean dkms_step_unbuild (DkmsRun *run, const DkmsStep *step, GError **error);
gboolean dkms_step_unregister (DkmsRun *run, const DkmsStep *step, GError **error);
