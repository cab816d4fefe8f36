/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The facts about kernels and recipes of a run. Each is read once, at its first use. */
#pragma once

#include "base/id.h"
#include "conf/recipe.h"
#include "conf/settings.h"
#include "kernel/kernel.h"
#include "model/event.h"
#include "model/inputs.h"
#include "model/request.h"
#include "store/digests.h"

/* One bash process evaluates all announced recipes of a package. */
typedef struct DkmsWorld DkmsWorld;

/** @request: borrowed; its directives, and its files of the kernel and the recipe, apply to all recipes */
DkmsWorld *dkms_world_new (const DkmsSettings *settings, const DkmsRequest *request, DkmsListener *events);
void dkms_world_free (DkmsWorld *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsWorld, dkms_world_free)

typedef struct {
  const DkmsKernel *kernel;
  const char *config; /* (nullable): text of its configuration */
} DkmsKernelFacts;

/** Returns: the facts about a kernel, valid as long as the world */
DkmsKernelFacts dkms_world_kernel (DkmsWorld *self, const DkmsId *kernel);
/** Returns: (nullable): text of the Module.symvers of that kernel, read at its first use */
const char *dkms_world_symvers (DkmsWorld *self, const DkmsId *kernel);
/** Returns: (transfer none): where world/inputs.c keeps the inputs of that kernel; NULL there: not gathered yet */
DkmsInputs **dkms_world_kernel_inputs (DkmsWorld *self, const DkmsId *kernel);
/** As dkms_world_kernel_inputs(), for world/cache-key.c. */
DkmsInputs **dkms_world_kernel_cache_inputs (DkmsWorld *self, const DkmsId *kernel);
/** Announces that this recipe will be needed, so that it is read together with others. */
void dkms_world_want (DkmsWorld *self, const DkmsId *id);
/** Reads all announced recipes together. */
gboolean dkms_world_load (DkmsWorld *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * dkms_world_recipe:
 * Returns: (transfer none) (nullable): the evaluated recipe, unchecked; NULL with its own error
 */
const DkmsRecipe *dkms_world_recipe (DkmsWorld *self, const DkmsId *id, GError **error);
/** As dkms_world_recipe(), after the checks of docs/interface/dkms-conf.md §6, whose problems are reported. */
const DkmsRecipe *dkms_world_valid_recipe (DkmsWorld *self, const DkmsId *id, gboolean strict, GError **error);
/**
 * dkms_world_sandbox:
 * Decides whether builds of the module are confined: by framework.conf, unless a file of the administrator for this
 * module (such as /etc/dkms/<m>.conf) sets sandbox=. The module's own dkms.conf is not read for this.
 */
gboolean dkms_world_sandbox (DkmsWorld *self, const DkmsId *id, DkmsSandboxMode *mode,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Returns: whether a recipe was evaluated in a sandbox, so that builds can be confined, too */
gboolean dkms_world_has_sandbox (const DkmsWorld *self);
/** Returns: whether this is the first call of the run for that module and version, or kernel and architecture */
gboolean dkms_world_is_first (DkmsWorld *self, const char *name, const char *of);

/**
 * dkms_world_read_given:
 * Reads the recipe of a given source, which may be anywhere on the host, even with --root.
 *
 * @dir: its directory
 * @kernel: (nullable): the kernel of the evaluation
 * @recipe: (out) (transfer full)
 */
gboolean dkms_world_read_given (DkmsWorld *self, const char *dir, const DkmsKernel *kernel, DkmsRecipe **recipe,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Fails with DKMS_ERROR_BAD_CONF, after reporting each problem, if @recipe is not valid (docs/interface/dkms-conf.md
 * §6). */
gboolean dkms_world_check (DkmsWorld *self, const DkmsRecipe *recipe, gboolean strict,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Returns: (transfer none): digests of files; call dkms_digests_save() if the tree may be written */
DkmsDigests *dkms_world_digests (const DkmsWorld *self);
/** Returns: (transfer none) */
const DkmsSettings *dkms_world_settings (const DkmsWorld *self);
/** Returns: (transfer none) */
const DkmsRequest *dkms_world_request (const DkmsWorld *self);
/** Returns: (transfer none) */
DkmsListener *dkms_world_events (const DkmsWorld *self);
