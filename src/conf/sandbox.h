/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a package's own code, its recipe and its build, gets to see and may change: the policy. How it is done is in
 * helpers/dkms-sandbox.c.
 *
 * The file system is empty but for what is on a list: where programs, libraries and headers are (/usr, /opt and the
 * like), the files of /etc that compilers and scripts read, configurations of kernels in /boot, databases of packages,
 * /proc, /sys and harmless devices; and what the command works with, wherever it is: trees, kernels, its source,
 * /etc/dkms. Of /etc and /boot nothing is shown that others may not read, whatever the list says: so a file that is
 * made there tomorrow, or that a package puts into /etc/default with a password in it, is no exception. All of it is
 * read-only; sources, kernel headers and /tmp can be written to, and changes are discarded. Signing keys are hidden
 * wherever they are. There is no network. */
#pragma once

#include "base/findings.h"
#include "base/process.h"
#include "conf/settings.h"

/* What one command is about. All paths but @scratch as tools name them. */
typedef struct {
  const DkmsSettings *settings;
  const char *conf_file;         /* (nullable): a recipe that the command line names */
  const char *kernel_config;     /* (nullable): a configuration of the kernel that the command line names */
  const char *kernel_source_dir; /* (nullable): may be written to, and forgets it */
  const char *version_dir;       /* (nullable): <dkms_tree>/<m>/<v>; its build directory is @scratch */
  const char *scratch;           /* (nullable): a path of the machine: all that stays of what a build writes */
  const char *result_dir;        /* (nullable): <version_dir>/<k>/<a>; it is @result */
  const char *result;            /* (nullable): a path of the machine: what a build leaves beside its modules */
  const char *make_flags;        /* (nullable): MAKEFLAGS; the jobserver that is named there can be reached */
  const GPtrArray *keys;         /* (nullable) (element-type utf8): signing keys, which are hidden */
  const char *recipe;            /* (nullable): the file of a recipe that is read; dkms_evaluate() sets it */
  const GPtrArray *overrides;    /* (nullable) (element-type utf8): what is read with it; dkms_evaluate() sets it */
  const GPtrArray *kernels; /* (nullable) (element-type utf8): kernel_source_dir of the kernels they are read for */
} DkmsConfinement;

/**
 * dkms_sandbox_wrap:
 * @argv: the command, NULL-terminated
 * @cwd: (nullable): where it starts
 * @report: a descriptor that the command keeps (DkmsCommand.keep): findings are written there; -1: to stderr
 *
 * Returns: (transfer full): the command that runs @argv confined; it needs neither root nor cwd any more. Without @argv
 *   one that only tries whether it would work
 */
GPtrArray *dkms_sandbox_wrap (const DkmsConfinement *self, const char *const *argv, const char *cwd, int report);

/**
 * dkms_sandbox_env:
 * @root: where it works; a dkms that it calls there is told that it is confined
 * @env: (transfer full): the environment of a command that will be confined
 *
 * Returns: (transfer full): the same without what points to places that the command will not see or may not write to,
 *   and without variables that by their names hold secrets (KBUILD_SIGN_PIN, GITHUB_TOKEN, DB_PASSWORD)
 */
char **dkms_sandbox_env (const DkmsRoot *root, char **env);

/**
 * dkms_sandbox_close_root:
 * Sets the wall of settings->root (base/root.h), or removes it: code of another root must not get out of it, unless
 * sandbox=off, or this dkms runs behind that wall already. @settings must live as long as the root.
 */
void dkms_sandbox_close_root (const DkmsSettings *settings);

/**
 * dkms_sandbox_missing:
 * @missing: (out) (transfer full) (nullable): why nothing can be confined here, for want of permission or of a feature
 * of the kernel; NULL when it can
 *
 * Returns: FALSE with an error when nobody knows, because the try failed for another reason
 */
gboolean dkms_sandbox_missing (const DkmsConfinement *self, char **missing, GError **error) G_GNUC_WARN_UNUSED_RESULT;
