/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The settings of a run: its places, and its policy from framework.conf and options. */
#pragma once

#include "conf/places.h"
#include "conf/policy.h"
#include "conf/recipe.h"

typedef struct {
  DkmsPlaces places;
  DkmsPolicy policy;
  DkmsEvent *ignored; /* (nullable): an event about a framework.conf, or a part of it, that was ignored */
} DkmsSettings;

/**
 * dkms_settings_new:
 * @root: (transfer full): the root of this run
 *
 * Built-in defaults, then the environment, then framework.conf and framework.conf.d
 * (docs/interface/framework-conf.md). A file that contains only comments needs no process.
 *
 * Returns: (transfer full) (nullable)
 */
DkmsSettings *dkms_settings_new (DkmsRoot *root, GError **error) G_GNUC_WARN_UNUSED_RESULT;

void dkms_settings_free (DkmsSettings *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsSettings, dkms_settings_free)

/**
 * dkms_settings_reread:
 * @names: names of the wanted variables, separated by blanks
 * @kernel: (nullable): release that the files see as $kernelver
 * @values: (out) (nullable): NULL if all files contain only comments
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
 * them: `signing_key`, and, if the key in framework.conf depends on the kernel, those for @releases, each of which
 * needs a process. NULL with an error
 */
GPtrArray *dkms_settings_key_files (const DkmsSettings *self, const GPtrArray *releases, GError **error);

/** Returns: (transfer full): the files of framework.conf that exist, paths inside the root in the order they are read
 */
GPtrArray *dkms_settings_files (const DkmsPlaces *places);
/** Returns: (transfer full): the names of all settings */
char **dkms_settings_known (void);
