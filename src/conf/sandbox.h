/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The policy of the sandbox: what code of a package, in its recipe and its build, can see and change.
 * helpers/dkms-sandbox.c carries it out.
 *
 * The file system contains only listed files: directories of programs, libraries and headers (/usr, /opt and similar
 * ones), files in /etc that compilers and scripts read, configurations of kernels in /boot, package databases, /proc,
 * /sys, harmless devices, and the files of the command: trees, kernels, its source, /etc/dkms. In /etc and /boot, files
 * that others may not read are hidden even if they are listed; this includes future files, and files with passwords
 * that a package puts into /etc/default. All files are read-only, except sources, kernel headers and /tmp, whose
 * changes are discarded. Signing keys are hidden everywhere. The network cannot be used. */
#pragma once

#include "base/findings.h"
#include "base/process.h"
#include "conf/settings.h"

/* The subject of a command. All paths except @scratch and @result as tools name them. */
typedef struct {
  const DkmsSettings *settings;
  const char *conf_file;         /* (nullable): a recipe that is given on the command line */
  const char *kernel_config;     /* (nullable): a kernel configuration that is given on the command line */
  const char *kernel_source_dir; /* (nullable): writable; changes are discarded */
  const char *version_dir;       /* (nullable): <dkms_tree>/<m>/<v>; @scratch is mounted at its build directory */
  const char *scratch;           /* (nullable): a path of the host: the only files of a build that are kept */
  const char *result_dir;        /* (nullable): <version_dir>/<k>/<a>; @result is mounted there */
  const char *result;            /* (nullable): a path of the host: files that POST_BUILD leaves besides the modules */
  const char *make_flags;        /* (nullable): MAKEFLAGS; the job server in it is accessible */
  const GPtrArray *keys;         /* (nullable) (element-type utf8): signing keys, which are hidden */
  const char *recipe;            /* (nullable): the recipe that is evaluated; dkms_evaluate() sets it */
  const GPtrArray *overrides;    /* (nullable) (element-type utf8): files evaluated after it; dkms_evaluate() sets it */
  const GPtrArray *kernels; /* (nullable) (element-type utf8): kernel_source_dir of the kernels of the evaluation */
} DkmsConfinement;

/**
 * dkms_sandbox_wrap:
 * @argv: the command, NULL-terminated
 * @cwd: (nullable): its working directory
 * @report: a descriptor for the findings, which the command keeps (DkmsCommand.keep); -1: stderr
 *
 * Returns: (transfer full): the command that runs @argv confined; do not set its root and cwd. If @argv is NULL, it
 * only checks whether a sandbox can be created
 */
GPtrArray *dkms_sandbox_wrap (const DkmsConfinement *self, const char *const *argv, const char *cwd, int report);

/**
 * dkms_sandbox_env:
 * @root: the root of the command; a dkms that it calls reads from the environment that it is confined
 * @env: (transfer full): the environment of a command that will be confined
 *
 * Returns: (transfer full): @env without variables that name places which the command cannot see or write to, and
 * without variables with names of secrets (KBUILD_SIGN_PIN, GITHUB_TOKEN, DB_PASSWORD)
 */
char **dkms_sandbox_env (const DkmsRoot *root, char **env);

/**
 * dkms_sandbox_close_root:
 * Sets or removes the wall of settings->root (base/root.h), which confines code of another root to it. No wall is
 * set with sandbox=off, or if this dkms already runs behind it. @settings must live as long as the root.
 */
void dkms_sandbox_close_root (const DkmsSettings *settings);

/**
 * dkms_sandbox_missing:
 * @missing: (out) (transfer full) (nullable): the permission or kernel feature that is missing for a sandbox; NULL if a
 * sandbox can be created
 *
 * Returns: FALSE with an error if the check failed for another reason
 */
gboolean dkms_sandbox_missing (const DkmsConfinement *self, char **missing, GError **error) G_GNUC_WARN_UNUSED_RESULT;
