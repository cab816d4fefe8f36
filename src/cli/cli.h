/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The edge: argv in, exit status out. Alone here are usage text and exit codes. */
#pragma once

#include "plan/plan.h"
#include "ui/ui.h"

/* The command line, before defaults. */
typedef struct {
  GPtrArray *kernels; /* element-type DkmsTarget; arch NULL unless given as k/a */
  GPtrArray *arches;  /* from -a */
  char *verb;         /* (nullable) */
  char *module, *version, *source;
  char *archive;
  char *missing;  /* (nullable): a path that does not exist */
  char *bare_dir; /* (nullable): a directory without dkms.conf */
  char *root, *dkmstree, *sourcetree, *installtree, *config, *kernelsourcedir, *conf_file, *jobs, *templatekernel;
  GPtrArray *directives;
  gboolean all, all_kernels, force, force_version_override, no_depmod, dry_run, verbose, quiet, symlink_modules,
      binaries_only, source_only, rpm_safe_upgrade, modprobe_on_install, help, version_asked;
} DkmsOptions;

typedef struct {
  const char *name;
  DkmsVerb verb;
  const char *summary; /* for help */
  gboolean takes_all;
  gboolean many_kernels; /* more than one -k makes sense */
  gboolean needs_root;
  gboolean needs_writable_tree;
} DkmsVerbInfo;

/** Returns: (transfer none) (nullable): the verb of that name */
const DkmsVerbInfo *dkms_verb_find (const char *name);
void dkms_verb_print_help (const DkmsVerbInfo *only);

DkmsOptions *dkms_options_parse (int argc, char **argv, DkmsUi *ui, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Adds a value of -k. */
void dkms_options_add_kernel (DkmsOptions *self, const char *value);
void dkms_options_free (DkmsOptions *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsOptions, dkms_options_free)

/** Returns: the exit status of spec/cli.md §9 for an error */
int dkms_exit_code (const GError *error);
/** Runs the dkms command. Returns: its exit status */
int dkms_cli_main (int argc, char **argv);
/** Runs common.postinst (spec/integration.md §6). Returns: its exit status */
int dkms_postinst_main (int argc, char **argv);
