/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One run while it lasts, and what each kind of step does. Private to run/. */
#pragma once

#include "build/sign.h"
#include "conf/settings.h"
#include "install/job.h"
#include "run/jobserver.h"
#include "run/run.h"
#include "share/tarball.h"
#include "ui/ui.h"

typedef enum {
  OUTCOME_WAITING,
  OUTCOME_RUNNING,
  OUTCOME_DONE,
  OUTCOME_SKIPPED,
  OUTCOME_FAILED,
  OUTCOME_BLOCKED
} DkmsOutcome;

typedef struct {
  const DkmsSettings *settings;
  DkmsUi *ui;
  const DkmsRequest *request;
  DkmsWorld *world;
  DkmsFacts *facts; /* constant once the plan is made */
  const DkmsPlan *plan;
  DkmsTarball *tarball;     /* (nullable): the archive that the request names, unpacked */
  DkmsWork *work;           /* scratch, and the name under which this run leaves notes */
  DkmsJobserver *jobserver; /* (nullable): when builds may share the jobs */
  GHashTable *signers;      /* "release/arch" -> DkmsSigner */
  GHashTable *locks;        /* name -> DkmsLock: taken before the plan was made */
  DkmsOutcome *outcomes;    /* by step */
  int *codes;               /* exit statuses, by step */
  gint64 start;             /* seconds of the clock */
  gboolean sandbox_asked;   /* whether builds can be confined here is known: */
  char *sandbox_missing;    /* (nullable): why not */
  int (*exit_code) (const GError *);
} DkmsRun;

/** Does one step of another kind than build; the locks of its chain are held. */
gboolean dkms_step_do (DkmsRun *run, const DkmsStep *step, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* A build that is ready to start. */
typedef struct {
  DkmsJob job;
  GPtrArray *outputs;
  DkmsRecord *replaced;
  DkmsWork *work;
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
/** Builds: a DkmsWorkFunc for run/worker.h. */
gboolean dkms_build_work_do (gpointer data, DkmsUi *ui, GError **error);
void dkms_build_work_free (DkmsBuildWork *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsBuildWork, dkms_build_work_free)

/** Returns: whether the build of @step will be confined; unconfined builds of one version must not run at once */
gboolean dkms_step_is_confined (DkmsRun *run, const DkmsStep *step, GError **error);
/** Returns: seconds that a build will take, from what earlier builds took, else guessed from the size of the source */
double dkms_step_estimate (DkmsRun *run, const DkmsStep *step);

/** Does all steps of the plan (run/schedule.c). Returns: FALSE when a signal ended the run */
gboolean dkms_schedule (DkmsRun *run, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** Announces every recipe that the steps of the plan need, so that one bash reads them all. */
void dkms_step_want_recipes (DkmsRun *run);
/** Returns: whether there are doubts that what @step built or installed will load (build/loadable.h) */
gboolean dkms_step_is_doubtful (const DkmsRun *run, const DkmsStep *step);
/** Runs the admin's command after a successful run, logged in <dkms_tree>/post_transaction.log; a failure is told. */
void dkms_post_transaction (const DkmsSettings *settings, DkmsUi *ui, const char *kernel);
/** Writes (add) or honours (remove) the lock of an rpm upgrade. @cancelled: (out): nothing is to be removed */
gboolean dkms_rpm_upgrade (DkmsRun *run, gboolean *cancelled, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Fails with DKMS_ERROR_NO_HEADERS, naming the package to install. */
gboolean dkms_step_check_headers (const DkmsRun *run, const DkmsKernel *kernel, GError **error);
