/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One build: a copy of the source, patches, scripts, make, the result (spec/build-install.md §5). */
#pragma once

#include "base/process.h"
#include "build/sign.h"
#include "install/job.h"

/**
 * dkms_build:
 * Builds @job. On success <base> holds module/, log/ and the build record; on failure the work area
 * with its make.log stays, a copy of the log is kept per kernel in .dkms/logs, and the first real
 * error of the log has been told.
 */
gboolean dkms_build (const DkmsJob *job, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* ---- the pieces, each in its own file ---- */

typedef struct {
  const DkmsJob *job;
  char *dir;      /* <m>/<v>/build, inside the root */
  char *tool_dir; /* the same, as tools name it */
  int fd;         /* that directory */
  int log_fd;     /* make.log in it */
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
