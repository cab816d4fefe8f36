/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What holds for a whole run: where it works, and what framework.conf and the options that override it decide. */
#pragma once

#include "conf/places.h"
#include "conf/policy.h"
#include "conf/recipe.h"

typedef struct {
  DkmsPlaces places;
  DkmsPolicy policy;
  DkmsEvent *ignored; /* (nullable): about a framework.conf, or a part of it, of which nothing was taken */
} DkmsSettings;

/**
 * dkms_settings_new:
 * @root: (transfer full): the root of this run
 *
 * Built-in defaults, then the environment, then framework.conf and framework.conf.d
 * (docs/interface/framework-conf.md). A file of nothing but comments costs no process.
 *
 * Returns: (transfer full) (nullable)
 */
DkmsSettings *dkms_settings_new (DkmsRoot *root, GError **error) G_GNUC_WARN_UNUSED_RESULT;

void dkms_settings_free (DkmsSettings *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsSettings, dkms_settings_free)

/**
 * dkms_settings_reread:
 * @names: blank separated variables to take over
 * @kernel: (nullable): release that the files see as $kernelver
 * @values: (out) (nullable): NULL when no file says anything
 *
 * Evaluates framework.conf and framework.conf.d again, now that the kernel is known.
 */
gboolean dkms_settings_reread (const DkmsSettings *self, const char *names, const char *kernel, DkmsVars **values,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * dkms_settings_key_files:
 * @releases: (element-type utf8): of kernels
 *
 * Returns: (transfer full) (nullable) (element-type utf8): the key files that mok_signing_key names, as tools name
 * them: `signing_key`, and those for @releases if framework.conf makes the key depend on the kernel, which costs a
 * process for each. NULL with an error
 */
GPtrArray *dkms_settings_key_files (const DkmsSettings *self, const GPtrArray *releases, GError **error);

/** Returns: (transfer full): the files of framework.conf that exist, paths inside the root in the order they are read
 */
GPtrArray *dkms_settings_files (const DkmsPlaces *places);
/** Returns: (transfer full): the names of all settings */
char **dkms_settings_known (void);
