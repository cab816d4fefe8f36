/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a run knows about kernels and recipes, each found out once, when it is asked for first. */
#pragma once

#include "base/id.h"
#include "conf/recipe.h"
#include "conf/settings.h"
#include "kernel/kernel.h"
#include "model/event.h"
#include "model/request.h"
#include "store/digests.h"

/* One bash process reads all recipes that were announced. */
typedef struct DkmsWorld DkmsWorld;

/** @request: borrowed; its directives, and the files of the kernel and of the recipe that it names, hold for all */
DkmsWorld *dkms_world_new (const DkmsSettings *settings, const DkmsRequest *request, DkmsListener *events);
void dkms_world_free (DkmsWorld *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsWorld, dkms_world_free)

typedef struct {
  const DkmsKernel *kernel;
  const char *config; /* (nullable): text of its configuration */
} DkmsKernelFacts;

/** Returns: what is known about a kernel, valid as long as the world */
DkmsKernelFacts dkms_world_kernel (DkmsWorld *self, const DkmsId *kernel);
/** Returns: (nullable): text of the Module.symvers of that kernel, read when it is asked for first */
const char *dkms_world_symvers (DkmsWorld *self, const DkmsId *kernel);
/** Announces that this recipe will be asked for, so that it is read with the others. */
void dkms_world_want (DkmsWorld *self, const DkmsId *id);
/** Reads all announced recipes in one go. */
gboolean dkms_world_load (DkmsWorld *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * dkms_world_recipe:
 * Returns: (transfer none) (nullable): the evaluated recipe, unchecked; NULL with its own error
 */
const DkmsRecipe *dkms_world_recipe (DkmsWorld *self, const DkmsId *id, GError **error);
/** As dkms_world_recipe(), after the checks of docs/interface/dkms-conf.md §6, whose findings are told. */
const DkmsRecipe *dkms_world_valid_recipe (DkmsWorld *self, const DkmsId *id, gboolean strict, GError **error);
/**
 * dkms_world_sandbox:
 * Whether builds of the module are confined: as framework.conf says, unless a file of the admin's about this module
 * (/etc/dkms/<m>.conf and its kin) says otherwise with sandbox=. The module's own dkms.conf is not asked.
 */
gboolean dkms_world_sandbox (DkmsWorld *self, const DkmsId *id, DkmsSandboxMode *mode,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Returns: whether a recipe was read in a sandbox, so that builds can be confined here, too */
gboolean dkms_world_has_sandbox (const DkmsWorld *self);
/** Returns: whether it is the first call in this run for that module and version, or kernel and architecture */
gboolean dkms_world_tell_once (DkmsWorld *self, const char *name, const char *of);

/**
 * dkms_world_read_given:
 * Reads the recipe of a source that is given, which may lie anywhere on the machine, whatever --root says.
 *
 * @dir: its directory
 * @kernel: (nullable): for which kernel
 * @recipe: (out) (transfer full)
 */
gboolean dkms_world_read_given (DkmsWorld *self, const char *dir, const DkmsKernel *kernel, DkmsRecipe **recipe,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Fails with DKMS_ERROR_BAD_CONF, after a line for each problem, if @recipe is not valid (docs/interface/dkms-conf.md
 * §6). */
gboolean dkms_world_check (DkmsWorld *self, const DkmsRecipe *recipe, gboolean strict,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Returns: (transfer none): what is remembered about files; dkms_digests_save() it when the tree may be written to */
DkmsDigests *dkms_world_digests (const DkmsWorld *self);
/** Returns: (transfer none) */
const DkmsSettings *dkms_world_settings (const DkmsWorld *self);
/** Returns: (transfer none) */
DkmsListener *dkms_world_events (const DkmsWorld *self);
