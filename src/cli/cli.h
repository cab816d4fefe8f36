/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The edge: argv in, exit status out. Alone here are usage text and exit codes. */
#pragma once

#include "base/error.h"
#include "conf/settings.h"
#include "model/request.h"
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

/* Options that mean something to some verbs only. */
typedef enum {
  DKMS_OPTION_ALWAYS, /* what means something to every verb */
  DKMS_OPTION_MODULE,
  DKMS_OPTION_KERNEL,
  DKMS_OPTION_ARCH,
  DKMS_OPTION_ALL,
  DKMS_OPTION_ALL_KERNELS,
  DKMS_OPTION_FORCE,
  DKMS_OPTION_FORCE_VERSION,
  DKMS_OPTION_TEMPLATE,
  DKMS_OPTION_ARCHIVE,
  DKMS_OPTION_PACK,
  DKMS_OPTION_CONF,
  DKMS_OPTION_CHANGE,
  DKMS_OPTION_HEADERS,
  DKMS_OPTION_JOBS,
  DKMS_OPTION_DEPMOD,
  DKMS_OPTION_PLACE,
  DKMS_OPTION_RPM
} DkmsOptionId;

#define DKMS_TAKES(id) (1u << DKMS_OPTION_##id)
/* Sets of them that go together. */
#define DKMS_TAKES_TARGET (DKMS_TAKES (ALWAYS) | DKMS_TAKES (KERNEL) | DKMS_TAKES (ARCH))
#define DKMS_TAKES_MODULE (DKMS_TAKES_TARGET | DKMS_TAKES (MODULE))
#define DKMS_TAKES_BUILD (DKMS_TAKES (CHANGE) | DKMS_TAKES (HEADERS) | DKMS_TAKES (JOBS))
#define DKMS_TAKES_INSTALL (DKMS_TAKES_BUILD | DKMS_TAKES (DEPMOD) | DKMS_TAKES (PLACE))

/* A verb: what it is called, what it takes and needs, and what is special about it. */
typedef struct DkmsVerbInfo DkmsVerbInfo;
struct DkmsVerbInfo {
  const char *name;
  const char *arguments; /* as help shows them */
  const char *summary;   /* a few words, without full stop */
  const char *details;   /* sentences */
  DkmsGoal goal;         /* of its request */
  DkmsSelection selection;
  DkmsWordKind positional;
  guint options; /* DKMS_TAKES (...): those that mean something to it, and that its help shows */
  gboolean takes_all;
  gboolean many_kernels; /* more than one -k makes sense */
  gboolean one_kernel;   /* it needs exactly one -k */
  gboolean filters;      /* it shows something: -m, -v, -k and -a leave out lines */
  gboolean adds;         /* it may put a source into the tree */
  gboolean builds;
  gboolean writes_archive; /* --archive is to be made */
  gboolean needs_root;
  gboolean needs_root_to_force;
  gboolean needs_writable_tree;
  DkmsError bad_name; /* for a name that cannot be a module's or version's; 0: any name will do */
  DkmsError no_tree;  /* for a --dkmstree that does not exist; 0: it need not exist */
  DkmsError no_file;  /* for a file or directory that does not exist */
  /** (nullable): checks what only this verb demands of the options */
  gboolean (*check_options) (const DkmsOptions *options, GError **error);
  /** (nullable): the same for the finished request */
  gboolean (*check_request) (const DkmsRequest *request, GError **error);
  /** (nullable): answers the request; without it the engine does what the request asks for (run/run.h) */
  gboolean (*answer) (const DkmsSettings *settings, DkmsUi *ui, const DkmsRequest *request, GError **error);
};

typedef struct DkmsOptionInfo DkmsOptionInfo;
struct DkmsOptionInfo {
  const char *letter; /* (nullable): the short form */
  const char *name;   /* (nullable): the long form */
  const char *value;  /* (nullable): what help calls its value; NULL for a flag */
  void (*take) (DkmsOptions *options, const DkmsOptionInfo *self, const char *value, DkmsUi *ui);
  gsize field;       /* offset in DkmsOptions of what @take sets, if that is one field */
  DkmsWordKind kind; /* of the value */
  DkmsOptionId id;
  const char *summary; /* NULL: accepted and not shown */
};

/* One file for each family of verbs; words.c has them in the order of the help. */
extern const DkmsVerbInfo dkms_verb_add, dkms_verb_build, dkms_verb_install, dkms_verb_uninstall, dkms_verb_unbuild,
    dkms_verb_remove, dkms_verb_autoinstall, dkms_verb_status, dkms_verb_match, dkms_verb_mktarball,
    dkms_verb_ldtarball, dkms_verb_generate_mok, dkms_verb_kernel_preinst, dkms_verb_kernel_postinst,
    dkms_verb_kernel_prerm;

/** Returns: (transfer none): all verbs, NULL-terminated */
const DkmsVerbInfo *const *dkms_verbs (void);
/** Returns: whether @option is shown as one of @verb's (nullable: of any verb) */
gboolean dkms_option_serves (const DkmsOptionInfo *option, const DkmsVerbInfo *verb);
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
gboolean dkms_options_check (const DkmsOptions *options, DkmsSettings *settings, const DkmsVerbInfo *verb, DkmsUi *ui,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Warns of settings and kernels that will have no effect on @verb. */
void dkms_options_warn (const DkmsOptions *options, const DkmsSettings *settings, const DkmsVerbInfo *verb, DkmsUi *ui);
/** Warns of variables in framework.conf that are no settings; programs that this one starts do not do so again. */
void dkms_settings_warn_once (const DkmsSettings *settings, DkmsUi *ui);
void dkms_options_free (DkmsOptions *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsOptions, dkms_options_free)

/**
 * dkms_verb_run:
 * Does what `dkms VERB OPTIONS` does. @options: what they hold may be taken over; they are for one call.
 *
 * Returns: its exit status
 */
int dkms_verb_run (DkmsSettings *settings, DkmsUi *ui, const DkmsVerbInfo *verb, DkmsOptions *options);

/** Returns: the exit status of docs/interface/cli.md §9 for an error */
int dkms_exit_code (const GError *error);
/** Runs the dkms command. Returns: its exit status */
int dkms_cli_main (int argc, char **argv);
/** Runs common.postinst (docs/interface/integration.md §6). Returns: its exit status */
int dkms_postinst_main (int argc, char **argv);
