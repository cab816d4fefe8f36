/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One build: a copy of the source, patches, scripts, make, the result (docs/interface/build-install.md §5). */
#pragma once

#include "base/error.h"
#include "base/process.h"
#include "build/sign.h"
#include "conf/sandbox.h"
#include "install/job.h"
#include "store/lock.h"
#include "ui/ui.h"

/**
 * dkms_build:
 * Builds @job in the scratch directory job->work. On success <base> holds module/, log/ and the build record, in place
 * of what was there; on failure what was there stays, the work area with its make.log becomes <m>/<v>/build, a copy of
 * the log is kept per kernel in .dkms/logs, and the error names the first real error of the log. Several builds may run
 * at once, also of the same version, as long as they are confined.
 */
gboolean dkms_build (const DkmsJob *job, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* ---- the pieces, each in its own file ---- */

typedef struct {
  const DkmsJob *job;
  char *place;      /* <m>/<v>/build, inside the root: where the recipe finds the copy of its source */
  char *tool_dir;   /* the same, as tools name it */
  char *view;       /* (nullable): a path inside the root: what POST_BUILD sees at that place */
  char *result_dir; /* (nullable): <m>/<v>/<k>/<a> as tools name it */
  char *dir;        /* where that copy is: in the scratch of a confined build, else the place itself */
  int fd;           /* that directory */
  int log_fd; /* make.log in it; what is read of the log later is read from here, whatever a build made of the name */
  DkmsSandbox *sandbox; /* (nullable): where all commands of a confined build run; made for the first of them */
  DkmsLock *lock;       /* (nullable): of the place, when the build is not confined */
  int result_fd;        /* the directory "result" of the scratch; -1: not made yet */
  gboolean post_build;  /* the recipe has a POST_BUILD */
  gboolean exchanged;   /* the result is in its place while the POST_BUILD of an unconfined build runs */
  char *ended;          /* (nullable): why the sandbox ended the last command */
  gboolean log_matters; /* the build failed, and its log says why */
  gboolean log_kept;    /* a copy of it is in .dkms/logs */
  char **env;
  const char *suffix;
} DkmsWorkArea;

/** Copies what dkms wrote to the log, which need not be what has its name by now. */
gboolean dkms_log_copy (const DkmsWorkArea *area, int dir, const char *name, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Begins make.log with its two header lines. */
gboolean dkms_log_begin (DkmsWorkArea *area, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Runs something and returns its exit status, or -1 with an error. */
typedef int (*DkmsRunFunc) (gpointer data, GError **error);

/**
 * dkms_log_section:
 * @log_fd: the log
 * @run: called with @data; what it runs writes to the log
 *
 * Makes @run one section of a log (docs/interface/build-install.md §5) and a step of the ui.
 * Returns: its exit status, -1 with an error
 */
int dkms_log_section (DkmsUi *ui, int log_fd, const char *title, const char *command_line, DkmsRunFunc run,
                      gpointer data, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * dkms_area_exec:
 * Runs a program in the work area, confined if the job is.
 *
 * @output_fd: as in DkmsCommand
 * @section: (nullable): title of a section of the log and a step of the ui, then @line is the command to show
 *
 * Returns: its exit status, -1 with an error
 */
int dkms_area_exec (DkmsWorkArea *area, const char *const *argv, int output_fd, const char *section, const char *line,
                    GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * dkms_log_step:
 * Runs @command_line with bash in the work area, as a section of the log and a step of the ui.
 * Returns: its exit status, -1 with an error
 */
int dkms_log_step (DkmsWorkArea *area, const char *title, const char *command_line,
                   GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* ---- failure.c ---- */

/**
 * dkms_step_failed:
 * @code: DKMS_ERROR_SCRIPT for a script, whose @status becomes that of dkms
 * @what: what failed, such as "PRE_BUILD of"
 * @who: the program that exited with @status
 * @script: (nullable): its path as tools name it, if it is a script of the package's or administrator's
 *
 * Fails with the first error of the log, its cause, and what to do about it.
 * Always returns FALSE.
 */
gboolean dkms_step_failed (DkmsWorkArea *area, DkmsError code, int status, const char *what, const char *who,
                           const char *script, GError **error);
/** A build failed after its steps, so nobody has kept its log yet: keeps a copy per kernel, tells the crash reporter.
 */
void dkms_failure_keep_log (DkmsWorkArea *area);
/** The end of every build that failed with @error: what is left becomes <m>/<v>/build, where people look for it, and
 * @error names the log, if it could be kept. */
void dkms_failure_end (DkmsWorkArea *area, GError *error);

/** Compresses @path (inside the root) in place as @suffix says; a failure is a warning and leaves it plain. */
void dkms_compress (const DkmsJob *job, const char *path, const char *suffix);

/* ---- the result (result.c) ---- */

/** Returns: (transfer full): path of the file that make makes for @output, relative to the work area */
char *dkms_built_path (const DkmsOutput *output);
/** Fails with DKMS_ERROR_INCOMPLETE when a module that the recipe names is not there. */
gboolean dkms_result_check (const DkmsWorkArea *area, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Makes the module of @output writable for its owner: what a recipe copied read-only is to be stripped, too. */
void dkms_result_make_writable (const DkmsWorkArea *area, const DkmsOutput *output);
/** Copies Module.symvers and all modules into the result, and signs and compresses them there. */
gboolean dkms_result_collect (DkmsWorkArea *area, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Lets POST_BUILD see the result as <m>/<v>/<k>/<a>, with module/ and log/, and write there. */
gboolean dkms_result_show (DkmsWorkArea *area, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * dkms_result_take:
 * Ends what dkms_result_show() began. Regular files that the script added or changed are taken into the result, with
 * the exception of names that begin with a dot. At most 64 files and 64 MiB may be added beside module/.
 */
gboolean dkms_result_take (DkmsWorkArea *area, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Writes the records of the result and gives it its place; the work area goes. @start: when the build began */
gboolean dkms_result_publish (DkmsWorkArea *area, gint64 start, GError **error) G_GNUC_WARN_UNUSED_RESULT;
