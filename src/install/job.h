/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One module version for one kernel: what build/ and install/ work on. Borrows all it points to. */
#pragma once

#include "base/id.h"
#include "conf/recipe.h"
#include "conf/settings.h"
#include "model/attempt.h"
#include "model/event.h"
#include "model/request.h"
#include "store/record.h"
#include "store/work.h"

typedef struct {
  const DkmsSettings *settings;
  const DkmsRequest *request;
  DkmsListener *events;
  DkmsId id; /* of the build */
  const DkmsKernel *kernel;
  const DkmsRecipe *recipe;        /* (nullable): a removal may have to do without */
  const char *config;              /* (nullable): text of the kernel configuration */
  const char *symvers;             /* (nullable): text of the Module.symvers of the kernel */
  const GPtrArray *outputs;        /* element-type DkmsOutput */
  const DkmsRecord *replaced;      /* (nullable): build: the record of the build that this one replaces */
  const struct DkmsSigner *signer; /* (nullable): build: signs the modules if ready (build/sign.h) */
  const DkmsWork *work;            /* scratch: of the run; build: of this build alone */
  gboolean confined;               /* build: in the sandbox, where the scratch stands in for <m>/<v>/build */
  const char *make_jobs;           /* (nullable): build: for make -j; NULL: the jobserver of make_flags decides */
  const char *make_flags;          /* (nullable): build: MAKEFLAGS */
  const GArray *keep;              /* (nullable): build: descriptors (int) that its commands inherit */
  DkmsAttempt *attempt;            /* (nullable): build: what is known about it so far; the build adds the rest */
  GHashTable *seen;                /* (nullable): build: BUILD_DEPENDS name -> installed version, to be recorded */
  gboolean lends_all;              /* scripts may work on every build of the module: this run works on none meanwhile */
  gboolean no_scripts;             /* the source is gone, and the scripts of the recipe with it */
  gboolean force;
  gboolean force_version_override;
} DkmsJob;

/** Returns: (transfer full): environment for scripts and make (docs/interface/dkms-conf.md §11) */
char **dkms_job_env (const DkmsJob *job);
/** Returns: (transfer full): a path below <m>/<v>/<k>/<a> */
char *dkms_job_base (const DkmsJob *job, const char *below);
/** Returns: (transfer full) (nullable): name of the file <name>.ko or <name>.ko<suffix> in @dir of the root */
char *dkms_job_find (const DkmsRoot *root, const char *dir, const char *name, const char *suffix);
/** Returns: a fresh number of seconds since @start (monotonic microseconds) */
double dkms_job_seconds (gint64 start);
/** Turns on force for the modules that /usr/share/dkms/modules_to_force_install names. */
void dkms_job_apply_force_list (DkmsJob *job);
