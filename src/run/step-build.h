/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A build: what is checked before it, here; the build itself, in a worker. */
#pragma once

#include "run/steps.h"

/* A build that is ready to start. */
typedef struct {
  DkmsJob job;
  GPtrArray *outputs;
  DkmsRecord *replaced;
  DkmsWork *work;
  DkmsAttempt *attempt;
  char *make_flags;
  GArray *keep;
  int nice; /* added to its niceness */
} DkmsBuildWork;

/**
 * dkms_step_prepare_build:
 * Checks everything that can be checked before a build, here and not in a worker, so that what it finds out (recipes,
 * keys, headers) is found out once.
 *
 * @work: (out) (transfer full) (nullable): what to build; NULL when nothing is to be done any more
 */
gboolean dkms_step_prepare_build (DkmsRun *run, const DkmsStep *step, DkmsBuildWork **work,
                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** As dkms_step_prepare_build(). @needed: the build is made although another run has made one */
gboolean dkms_step_prepare (DkmsRun *run, const DkmsStep *step, DkmsBuildWork **result, gboolean needed,
                            GError **error);
/** Builds: a DkmsWorkFunc for run/worker.h. */
gboolean dkms_build_work_do (gpointer data, DkmsListener *events, GError **error);
void dkms_build_work_free (DkmsBuildWork *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsBuildWork, dkms_build_work_free)
/** Returns: whether the build of @step will be confined; unconfined builds of one version must not run at once */
gboolean dkms_step_is_confined (DkmsRun *run, const DkmsStep *step, GError **error);
/** Returns: seconds that a build will take, from what earlier builds took, else guessed from the size of the source */
double dkms_step_estimate (DkmsRun *run, const DkmsStep *step);
/** Fails with DKMS_ERROR_NO_HEADERS, naming the package to install. */
gboolean dkms_step_check_headers (const DkmsRun *run, const DkmsKernel *kernel, GError **error);
