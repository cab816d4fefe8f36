/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One run while it lasts, and what each kind of step does. Private to plan/. */
#pragma once

#include "build/sign.h"
#include "plan/run.h"
#include "share/tarball.h"

typedef enum { OUTCOME_WAITING, OUTCOME_DONE, OUTCOME_SKIPPED, OUTCOME_FAILED, OUTCOME_BLOCKED } DkmsOutcome;

typedef struct {
  const DkmsSettings *settings;
  DkmsUi *ui;
  const DkmsRequest *request;
  DkmsWorld *world;
  const DkmsPlan *plan;
  const DkmsTarball *tarball; /* (nullable): the archive that the request names, unpacked */
  GHashTable *signers;        /* "release/arch" -> DkmsSigner */
  DkmsOutcome *outcomes;      /* by step */
  int *codes;                 /* exit statuses, by step */
  int (*exit_code) (const GError *);
} DkmsRun;

/** Does one step; the module's lock is held. */
gboolean dkms_step_do (DkmsRun *run, const DkmsStep *step, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Announces every recipe that the steps of the plan need, so that one bash reads them all. */
void dkms_step_want_recipes (DkmsRun *run);
/** Runs the admin's command after a successful run, logged in <dkms_tree>/post_transaction.log; a failure is told. */
void dkms_post_transaction (const DkmsSettings *settings, DkmsUi *ui, const char *kernel);
/** Writes (add) or honours (remove) the lock of an rpm upgrade. @cancelled: (out): nothing is to be removed */
gboolean dkms_rpm_upgrade (DkmsRun *run, gboolean *cancelled, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Fails with DKMS_ERROR_NO_HEADERS, naming the package to install. */
gboolean dkms_step_check_headers (const DkmsRun *run, const DkmsKernel *kernel, GError **error);
