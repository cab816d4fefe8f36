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
  char *missing;    /* (nullable): a path that does not exist */
  char *unreadable; /* (nullable): a path that we may not look into */
  int unreadable_errno;
  char *bare_dir; /* (nullable): a directory without dkms.conf */
  char *root, *dkmstree, *sourcetree, *installtree, *config, *kernelsourcedir, *conf_file, *jobs, *templatekernel;
  GPtrArray *directives;
  GPtrArray *words;   /* all that is no option, in order */
  GPtrArray *ignored; /* those of them that mean nothing */
  gboolean all, all_kernels, force, force_version_override, no_depmod, dry_run, verbose, quiet, symlink_modules,
      binaries_only, source_only, rpm_safe_upgrade, modprobe_on_install, help, version_asked;
} DkmsOptions;

/* ---- words: one table of verbs and one of options, from which parser, help and completions are made ---- */

/* What an argument stands for; completions know how to list it. */
typedef enum {
  DKMS_WORD_NONE,      /* nothing */
  DKMS_WORD_TEXT,      /* anything */
  DKMS_WORD_MODULE,    /* a module of the tree, or <module>/<version> */
  DKMS_WORD_VERSION,   /* a version of the module given */
  DKMS_WORD_KERNEL,    /* a kernel release of the machine */
  DKMS_WORD_ARCH,      /* an architecture, as uname -m prints it */
  DKMS_WORD_FILE,      /* a file */
  DKMS_WORD_DIRECTORY, /* a directory */
  DKMS_WORD_SOURCE     /* a module of the tree or of the sources, a directory or an archive */
} DkmsWordKind;

typedef struct {
  const char *name;
  const char *arguments; /* as help shows them */
  const char *summary;   /* a few words, without full stop */
  const char *details;   /* sentences */
  DkmsVerb verb;
  DkmsWordKind positional;
  gboolean takes_all;
  gboolean many_kernels; /* more than one -k makes sense */
  gboolean needs_root;
  gboolean needs_writable_tree;
} DkmsVerbInfo;

typedef struct DkmsOptionInfo DkmsOptionInfo;
struct DkmsOptionInfo {
  const char *letter; /* (nullable): the short form */
  const char *name;   /* (nullable): the long form */
  const char *value;  /* (nullable): what help calls its value; NULL for a flag */
  void (*take) (DkmsOptions *options, const DkmsOptionInfo *self, const char *value, DkmsUi *ui);
  gsize field;         /* offset in DkmsOptions of what @take sets, if that is one field */
  DkmsWordKind kind;   /* of the value */
  guint verbs;         /* bit (1 << verb) of each verb that it means something to; 0: accepted and not shown */
  const char *summary; /* NULL where @verbs is 0 */
};

/** Returns: (transfer none): all verbs, ended by one without a name */
const DkmsVerbInfo *dkms_verbs (void);
/** Returns: (transfer none) (nullable): the verb of that name */
const DkmsVerbInfo *dkms_verb_find (const char *name);
/** Returns: (transfer none) (nullable): what to use in place of a verb of earlier versions; NULL for other words */
const char *dkms_verb_dropped (const char *name);
/** Returns: (transfer none): all options, ended by one without any name */
const DkmsOptionInfo *dkms_option_infos (void);
/** Returns: (transfer none) (nullable): the option of that letter or name, dashes included */
const DkmsOptionInfo *dkms_option_find (const char *word);
/** Prints one line, how @only (nullable: any verb) is used, on standard output. */
void dkms_help_usage (const DkmsVerbInfo *only);
/** Prints help about @only, or about all verbs when it is NULL, on standard output. */
void dkms_help_print (const DkmsVerbInfo *only);
/**
 * dkms_complete_main:
 * @argc, @argv: the words of a command line behind "dkms"; the last one is unfinished, and may be empty
 *
 * Prints what the last word may become: a line each, a tab and a description behind it; then `:files` or
 * `:directories` if the shell shall offer these, too. Changes nothing and reports no errors: it runs on every press of
 * a key. The scripts in data/completions call it as `dkms --complete WORD...`.
 *
 * Returns: its exit status
 */
int dkms_complete_main (int argc, char **argv);

/** Returns: (transfer full): a command line without options and words */
DkmsOptions *dkms_options_new (void);
DkmsOptions *dkms_options_parse (int argc, char **argv, DkmsUi *ui, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Fails because the words hold no verb: with the verb that may have been meant, or with what became of a dropped one.
 */
gboolean dkms_fail_verb (const DkmsOptions *self, GError **error);
/** Takes <m> or <m>/<v>, split at the first slash. */
void dkms_options_set_module (DkmsOptions *self, const char *value);
/** Takes a version; slashes at its end are dropped. */
void dkms_options_set_version (DkmsOptions *self, const char *value);
/** Adds a value of -k. */
void dkms_options_add_kernel (DkmsOptions *self, const char *value);
/** Lets the options override @settings, which takes the directives over; @verb (nullable) is what recipes see
 * as $action. */
void dkms_options_apply (DkmsOptions *self, const DkmsVerbInfo *verb, DkmsSettings *settings);
/** Checks the values that options and settings have for @verb, before any of them is used. */
gboolean dkms_options_check (const DkmsOptions *options, DkmsSettings *settings, DkmsVerb verb, DkmsUi *ui,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Warns of settings and kernels that will have no effect on @verb. */
void dkms_options_warn (const DkmsOptions *options, const DkmsSettings *settings, DkmsVerb verb, DkmsUi *ui);
/** Warns of variables in framework.conf that are no settings; programs that this one starts do not do so again. */
void dkms_settings_warn_once (const DkmsSettings *settings, DkmsUi *ui);
/** Returns: whether the verb may build */
gboolean dkms_verb_builds (DkmsVerb verb);
void dkms_options_free (DkmsOptions *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsOptions, dkms_options_free)

/**
 * dkms_verb_run:
 * Does what `dkms VERB OPTIONS` does. @options: what they hold may be taken over; they are for one call.
 *
 * Returns: its exit status
 */
int dkms_verb_run (DkmsSettings *settings, DkmsUi *ui, const DkmsVerbInfo *verb, DkmsOptions *options);

/** Returns: the exit status of spec/cli.md §9 for an error */
int dkms_exit_code (const GError *error);
/** Runs the dkms command. Returns: its exit status */
int dkms_cli_main (int argc, char **argv);
/** Runs common.postinst (spec/integration.md §6). Returns: its exit status */
int dkms_postinst_main (int argc, char **argv);
