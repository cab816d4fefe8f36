/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The data for one version and kernel that build/ and install/ work with. All pointers are borrowed. */
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
  const DkmsRecipe *recipe;        /* (nullable): a removal may have no recipe */
  const char *config;              /* (nullable): text of the kernel configuration */
  const char *symvers;             /* (nullable): text of the Module.symvers of the kernel */
  const GPtrArray *outputs;        /* element-type DkmsOutput */
  const DkmsRecord *replaced;      /* (nullable): build: the record of the build that is replaced */
  const struct DkmsSigner *signer; /* (nullable): build: signs the modules if ready (build/sign.h) */
  const DkmsWork *work;            /* scratch directory: of the run; build: of this build alone */
  gboolean confined;               /* build: in the sandbox, with the scratch directory mounted at <m>/<v>/build */
  char **env;                      /* (nullable): build: a defined environment; NULL: that of the caller */
  const char *make_jobs;           /* (nullable): build: for make -j; NULL: the job server in make_flags */
  const char *make_flags;          /* (nullable): build: MAKEFLAGS */
  int tokens;                      /* build: pipe of the job server for programs of dkms; -1: none */
  const GArray *keep;              /* (nullable): build: descriptors (int) that its commands inherit */
  const struct DkmsCaches *caches; /* (nullable): build: where it may be stored already; the attempt has the key */
  double expected;                 /* build: seconds that it will take; 0: unknown */
  DkmsAttempt *attempt;            /* (nullable): build: its record so far; the build adds to it */
  GHashTable *seen;                /* (nullable): build: BUILD_DEPENDS name -> installed version, for the record */
  gboolean lends_all;              /* this run works on no build of the module during scripts, so they may do so */
  gboolean no_scripts;             /* the source does not exist, so scripts of the recipe do not run */
  gboolean force;
  gboolean force_version_override;
} DkmsJob;

/** Returns: (transfer full): environment for scripts and make (docs/interface/dkms-conf.md §11), added to @env
 * (transfer full) */
char **dkms_job_env (const DkmsJob *job, char **env);
/** Returns: (transfer full): a path below <m>/<v>/<k>/<a> */
char *dkms_job_base (const DkmsJob *job, const char *below);
/** Returns: (transfer full) (nullable): name of the file of the module @name in @dir of the root, compressed or not. A
 * build that was loaded from an archive may be compressed in another way than the modules of the kernel. */
char *dkms_job_find (const DkmsRoot *root, const char *dir, const char *name);
/** Sets force for the modules that /usr/share/dkms/modules_to_force_install lists. */
void dkms_job_apply_force_list (DkmsJob *job);
