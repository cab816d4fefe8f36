/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One run while it lasts, and what the kinds of steps share. Private to run/. A step that returns FALSE has an
 * error. */
#pragma once

#include "build/sign.h"
#include "conf/settings.h"
#include "install/job.h"
#include "model/event.h"
#include "run/jobserver.h"
#include "run/run.h"
#include "share/tarball.h"

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
  DkmsListener *events;
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
  int (*exit_code) (const char *verb, const GError *);
} DkmsRun;

/** Does one step of another kind than build; the locks of its chain are held. */
gboolean dkms_step_do (DkmsRun *run, const DkmsStep *step, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Announces every recipe that the steps of the plan need, so that one bash reads them all. */
void dkms_step_want_recipes (DkmsRun *run);

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
/** Fails with DKMS_ERROR_REMOVED_MEANWHILE: a run about many modules meets one that another run removed. */
gboolean dkms_step_skip_removed (const DkmsStep *step, GError **error);
/** Returns: what build/ and install/ work on; @outputs: (out) (transfer full) (nullable): what it makes */
DkmsJob dkms_step_job (DkmsRun *run, const DkmsStep *step, const DkmsRecipe *recipe, GPtrArray **outputs);
/** Returns: @ok; FALSE with an error if what the step went by could not be read (base/unread.h) */
gboolean dkms_step_settle (gboolean ok, GError **error);
