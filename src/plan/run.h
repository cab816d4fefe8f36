/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads what a request needs to know, plans it, and does it. */
#pragma once

#include "conf/recipe.h"
#include "plan/plan.h"

/* What a run knows about kernels and recipes; filled on demand, one bash process for all it asks. */
typedef struct DkmsWorld DkmsWorld;

DkmsWorld *dkms_world_new (const DkmsSettings *settings, DkmsUi *ui);
void dkms_world_free (DkmsWorld *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsWorld, dkms_world_free)

typedef struct {
  const DkmsKernel *kernel;
  const char *config; /* (nullable): text of its configuration */
} DkmsKernelFacts;

/** Returns: what is known about a kernel, valid as long as the world */
DkmsKernelFacts dkms_world_kernel (DkmsWorld *self, const char *release, const char *arch);
/** Returns: (nullable): text of the Module.symvers of that kernel, read when it is asked for first */
const char *dkms_world_symvers (DkmsWorld *self, const char *release, const char *arch);
/** Announces that this recipe will be asked for, so that it is read with the others. */
void dkms_world_want (DkmsWorld *self, const char *module, const char *version, const char *kernel, const char *arch);
/** Reads all announced recipes in one go. */
gboolean dkms_world_load (DkmsWorld *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * dkms_world_recipe:
 * Returns: (transfer none) (nullable): the evaluated recipe, unchecked; NULL with its own error
 */
const DkmsRecipe *dkms_world_recipe (DkmsWorld *self, const char *module, const char *version, const char *kernel,
                                     const char *arch, GError **error);
/** As dkms_world_recipe(), after the checks of docs/interface/dkms-conf.md §6, whose findings are told. */
const DkmsRecipe *dkms_world_valid_recipe (DkmsWorld *self, const char *module, const char *version, const char *kernel,
                                           const char *arch, gboolean strict, GError **error);
/**
 * dkms_world_sandbox:
 * Whether builds of the module are confined: as framework.conf says, unless a file of the admin's about this module
 * (/etc/dkms/<m>.conf and its kin) says otherwise with sandbox=. The module's own dkms.conf is not asked.
 */
gboolean dkms_world_sandbox (DkmsWorld *self, const char *module, const char *version, const char *kernel,
                             const char *arch, DkmsSandboxMode *mode, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Returns: whether it is the first call in this run for that module and version, or kernel and architecture */
gboolean dkms_world_tell_once (DkmsWorld *self, const char *name, const char *of);
/** Fills module and version of @request from the dkms.conf of request->source. */
gboolean dkms_world_identify (DkmsWorld *self, DkmsRequest *request, gboolean strict,
                              GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * dkms_run:
 * Does @request. Errors of steps are told as they happen; what is returned has not been told yet.
 *
 * @status: (out): exit status of a step, 0 if all went well; the first failure's in plan order
 */
gboolean dkms_run (const DkmsSettings *settings, DkmsUi *ui, DkmsRequest *request, int (*exit_code) (const GError *),
                   int *status, GError **error) G_GNUC_WARN_UNUSED_RESULT;
