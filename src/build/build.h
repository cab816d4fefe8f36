/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One build: a copy of the source, patches, scripts, make, the result (spec/build-install.md §5). */
#pragma once

#include "base/process.h"
#include "build/sign.h"
#include "install/job.h"

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
  char *place;    /* <m>/<v>/build, inside the root: where the recipe finds the copy of its source */
  char *tool_dir; /* the same, as tools name it */
  char *dir;      /* where that copy is: in the scratch of a confined build, else the place itself */
  int fd;         /* that directory */
  int log_fd; /* make.log in it; what is read of the log later is read from here, whatever a build made of the name */
  int report; /* findings of the sandbox; -1: not confined */
  DkmsLock *lock; /* (nullable): of the place, when the build is not confined */
  char *ended;    /* (nullable): why the sandbox ended the last command */
  char **env;
  const char *suffix;
} DkmsWorkArea;

/** Begins make.log with its two header lines. */
gboolean dkms_log_begin (DkmsWorkArea *area, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * dkms_log_section:
 * @command: its output_fd is the log
 *
 * Runs @command as one section of a log (spec/build-install.md §5) and a step of the ui.
 * Returns: its exit status, -1 with an error
 */
int dkms_log_section (DkmsUi *ui, const char *title, const DkmsCommand *command, const char *command_line,
                      GError **error) G_GNUC_WARN_UNUSED_RESULT;
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

/**
 * dkms_first_error:
 * @log: text of a make.log
 *
 * Returns: (transfer full) (nullable): the line that says why the build failed: the first compiler,
 *   linker, modpost or make message that is no mere consequence
 */
char *dkms_first_error (const char *log);

/** Compresses @path (inside the root) in place as @suffix says; a failure is a warning and leaves it plain. */
void dkms_compress (const DkmsJob *job, const char *path, const char *suffix);
