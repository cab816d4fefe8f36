/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The data of a run, and functions that all kinds of steps share. Private to run/. A step that returns FALSE sets an
 * error. */
#pragma once

#include "build/sign.h"
#include "conf/settings.h"
#include "install/job.h"
#include "model/event.h"
#include "run/jobserver.h"
#include "run/run.h"
#include "share/cache.h"
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
  DkmsFacts *facts; /* constant after the plan was made */
  const DkmsPlan *plan;
  DkmsTarball *tarball;     /* (nullable): the archive in the request, unpacked */
  DkmsWork *work;           /* scratch directory, whose name the notes of this run contain */
  DkmsJobserver *jobserver; /* (nullable): NULL unless builds share the jobs */
  GHashTable *signers;      /* "release/arch" -> DkmsSigner */
  GHashTable *locks;        /* name -> DkmsLock: locks acquired before the plan was made */
  DkmsOutcome *outcomes;    /* by step */
  int *codes;               /* exit statuses, by step */
  gint64 start;             /* in seconds since 1970 */
  GPtrArray *resigned;      /* (element-type utf8): paths of installed modules that got other signatures */
  gboolean sandbox_asked;   /* whether it was checked that builds can be confined here: */
  char *sandbox_missing;    /* (nullable): why they cannot */
  DkmsCaches caches;        /* the build cache; run/caching.h opens it */
  gboolean cache_asked;
  int (*exit_code) (const char *verb, const GError *); /* (nullable) */
} DkmsRun;

/** Returns: the exit status for @error; 1 if the caller of the run does not distinguish errors */
int dkms_run_exit_code (const DkmsRun *run, const GError *error);

/** Runs one step of another kind than build. The locks of its chain are held. */
gboolean dkms_step_do (DkmsRun *run, const DkmsStep *step, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Announces every recipe that the steps of the plan need, so that they are evaluated together. */
void dkms_step_want_recipes (DkmsRun *run);

/* The state of one build after another run or a script may have changed it. */
typedef struct {
  gboolean added, broken;
  gboolean built;  /* a build exists, complete or not */
  gboolean active; /* the build, or its remains, are installed */
  char *installed; /* (nullable): the installed version */
} DkmsBuildState;

void dkms_build_state_clear (DkmsBuildState *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (DkmsBuildState, dkms_build_state_clear)
/** Reads the state of the build of @step from the tree. @now: (out caller-allocates): all zero. Fails if the tree
 * cannot be read. */
gboolean dkms_step_reread_build (const DkmsRun *run, const DkmsStep *step, DkmsBuildState *now, GError **error);
/** Fails with DKMS_ERROR_REMOVED_MEANWHILE: in a run for many modules, another run removed one. */
gboolean dkms_step_skip_removed (const DkmsStep *step, GError **error);
/** Returns: the data for build/ and install/; @outputs: (out) (transfer full) (nullable): its module files */
DkmsJob dkms_step_job (DkmsRun *run, const DkmsStep *step, const DkmsRecipe *recipe, GPtrArray **outputs);
/** Returns: @ok; FALSE with an error if files that the step depends on could not be read (base/unread.h) */
gboolean dkms_step_settle (gboolean ok, GError **error);
