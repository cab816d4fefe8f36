/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One module version for one kernel: what build/ and install/ work on. Borrows all it points to. */
#pragma once

#include "conf/recipe.h"
#include "conf/settings.h"
#include "model/id.h"
#include "store/record.h"
#include "store/work.h"
#include "ui/ui.h"

typedef struct {
  const DkmsSettings *settings;
  DkmsUi *ui;
  DkmsId id; /* of the build */
  const DkmsKernel *kernel;
  const DkmsRecipe *recipe;        /* (nullable): a removal may have to do without */
  const char *config;              /* (nullable): text of the kernel configuration */
  const char *symvers;             /* (nullable): text of the Module.symvers of the kernel */
  const GPtrArray *outputs;        /* element-type DkmsOutput */
  const DkmsRecord *replaced;      /* (nullable): build: the record of the build that this one replaces */
  const struct DkmsSigner *signer; /* (nullable): build: signs the modules if ready (build/sign.h) */
  const DkmsWork *work;            /* scratch: of the run; build: of this build alone */
  gboolean confined;               /* build: in the sandbox, where the scratch stands in for <m>/<v>/build */
  const char *make_jobs;           /* (nullable): build: for make -j; NULL: the jobserver of make_flags decides */
  const char *make_flags;          /* (nullable): build: MAKEFLAGS */
  const GArray *keep;              /* (nullable): build: descriptors (int) that its commands inherit */
  GHashTable *seen;                /* (nullable): build: BUILD_DEPENDS name -> installed version, to be recorded */
  gboolean lends_all;              /* scripts may work on every build of the module: this run works on none meanwhile */
  gboolean no_scripts;             /* the source is gone, and the scripts of the recipe with it */
  gboolean force;
  gboolean force_version_override;
} DkmsJob;

/** Returns: (transfer full): environment for scripts and make (docs/interface/dkms-conf.md §11) */
char **dkms_job_env (const DkmsJob *job);
/** Returns: (transfer full): a path below <m>/<v>/<k>/<a> */
char *dkms_job_base (const DkmsJob *job, const char *below);
/** Returns: (transfer full) (nullable): name of the file <name>.ko or <name>.ko<suffix> in @dir of the root */
char *dkms_job_find (const DkmsRoot *root, const char *dir, const char *name, const char *suffix);
/** Returns: a fresh number of seconds since @start (monotonic microseconds) */
double dkms_job_seconds (gint64 start);

/**
 * dkms_script_find:
 * Finds the program of a script directive: /etc/dkms/<m>/<program> if executable, else @base/<program>.
 *
 * @seen_as: (nullable): where the script will find @base; NULL: there. A program that climbs out of @base by ".." is
 *   looked for from here
 * @cwd: (out) (transfer full): where to run it
 * @rest: (out) (transfer none): the directive's text after the program's name
 *
 * Returns: (transfer full) (nullable): path as tools name it; NULL after a warning when there is none
 */
char *dkms_script_find (const DkmsJob *job, DkmsScript script, const char *base, const char *seen_as, char **cwd,
                        const char **rest);

/**
 * dkms_script_arguments:
 * Returns: (transfer full): @text as bash must be given it to get its words: split at blanks outside of quotes, quotes
 *   taken off as a shell does, patterns outside of quotes left for the shell to expand, everything else literal. A
 * quote without its other end makes all quotes literal.
 */
char *dkms_script_arguments (const char *text);

/**
 * dkms_script_run:
 * Runs PRE_INSTALL, POST_INSTALL, POST_ADD or POST_REMOVE with the caller's stdin, stdout and stderr.
 *
 * Returns: its exit status; 0 when the directive is empty or names nothing that can be run
 */
int dkms_script_run (const DkmsJob *job, DkmsScript script);

/**
 * dkms_install:
 * Puts the built modules of @job in place (docs/interface/build-install.md §6, steps 7 to 10), all in one
 * transaction. @previous is the version whose files are in the way, NULL if none is installed.
 */
gboolean dkms_install (const DkmsJob *job, const char *previous, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * dkms_recipe_of_files:
 * Stands in for the recipe of a build whose source is gone and that has no record: one module for each file in its
 * module/, and for each original in the archive, in the place where an equal file is installed.
 *
 * Returns: (transfer full)
 */
DkmsRecipe *dkms_recipe_of_files (const DkmsSettings *settings, const DkmsId *id, const DkmsKernel *kernel);
/** Takes the modules of @job away again and restores originals (docs/interface/build-install.md §11). */
gboolean dkms_uninstall (const DkmsJob *job, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** Turns on force for the modules that /usr/share/dkms/modules_to_force_install names. */
void dkms_job_apply_force_list (DkmsJob *job);
/** Tells the distribution's weak-modules tool what was installed, or is about to go; no matter if it fails. */
void dkms_weak_modules (const DkmsJob *job, gboolean add);
/** Deletes all empty directories of a kernel's module directory, itself included. */
gboolean dkms_kernel_dir_clean (const DkmsSettings *settings, const char *release,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** How a built file relates to one that is there already (docs/interface/build-install.md §7). */
typedef enum { DKMS_VERDICT_INSTALL, DKMS_VERDICT_OLDER, DKMS_VERDICT_SAME } DkmsVerdict;
/** @built and @found are paths inside the root. */
DkmsVerdict dkms_version_check (const DkmsJob *job, const char *built, const char *found, GError **error);

/** Returns: whether both files state the same module version (none counts as a version) */
gboolean dkms_version_equal (const DkmsJob *job, const char *built, const char *found);

/** Runs depmod for one kernel by the rules of docs/interface/build-install.md §9, and drops the note; a failure is a
 * warning. */
void dkms_depmod (const DkmsSettings *settings, DkmsUi *ui, const DkmsWork *work, const char *release,
                  gboolean disabled);
/** Loads modules for all hardware of this machine, if the admin asked for it. Failures do not matter. */
void dkms_modprobe (const DkmsSettings *settings);
/** Returns: (transfer full): path of the note of the run with @work that depmod is due for @release */
char *dkms_depmod_note (const DkmsSettings *settings, const DkmsWork *work, const char *release);
/** Text of a note about a kernel that has an index (modules.dep); any other text: it had none, so none is made. */
#define DKMS_NOTE_INDEX "index\n"
/** Returns: (transfer none): what a note about @release is to say */
const char *dkms_depmod_note_text (const DkmsSettings *settings, const char *release);
/** Runs depmod for the kernels for which runs that are dead left a note. */
void dkms_depmod_due (const DkmsSettings *settings, DkmsUi *ui, gboolean disabled);
