/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The step that builds: its checks run here, and the build itself in a worker. */
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
  char **env; /* (nullable): of the job */
  GArray *keep;
  int nice; /* added to its niceness */
} DkmsBuildWork;

/**
 * dkms_step_prepare_build:
 * Carries out all checks before a build in this process, so that recipes, keys and headers are examined only once for
 * all workers.
 *
 * @work: (out) (transfer full) (nullable): the build; NULL if it is no longer necessary
 */
gboolean dkms_step_prepare_build (DkmsRun *run, const DkmsStep *step, DkmsBuildWork **work,
                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** As dkms_step_prepare_build(). @needed: build even if another run has built it meanwhile */
gboolean dkms_step_prepare (DkmsRun *run, const DkmsStep *step, DkmsBuildWork **result, gboolean needed,
                            GError **error);
/** Returns: (transfer none): signs modules for the kernel of @step; decided and reported once per kernel. @config:
 * (nullable): text of its configuration */
const DkmsSigner *dkms_step_signer (DkmsRun *run, const DkmsStep *step, const char *config);
/** Runs the build: a DkmsWorkFunc for run/worker.h. */
gboolean dkms_build_work_do (gpointer data, DkmsListener *events, GError **error);
void dkms_build_work_free (DkmsBuildWork *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsBuildWork, dkms_build_work_free)
/** Returns: whether the build of @step will be confined; unconfined builds of one version must not run at the same time
 */
gboolean dkms_step_is_confined (DkmsRun *run, const DkmsStep *step, GError **error);
/** Returns: the duration of the longest earlier build of the module in seconds; 0: unknown */
double dkms_step_duration (const DkmsRun *run, const DkmsStep *step);
/** Returns: the expected duration of a build in seconds, estimated from the size of the source */
double dkms_step_estimate (const DkmsRun *run, const DkmsStep *step);
/** Fails with DKMS_ERROR_NO_HEADERS and the name of the package to install. */
gboolean dkms_step_check_headers (const DkmsRun *run, const DkmsKernel *kernel, GError **error);
