/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The place where one build works, and running commands in it. */
#pragma once

#include "conf/sandbox-session.h"
#include "conf/sandbox.h"
#include "install/job.h"
#include "store/lock.h"

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
  char **env;
  const char *suffix;
} DkmsWorkArea;

/**
 * dkms_area_exec:
 * Runs a program in the work area, confined if the job is.
 *
 * @output_fd: as in DkmsCommand
 * @section: (nullable): title of a section of the log and a step of the events, then @line is the command to show
 *
 * Returns: its exit status, -1 with an error
 */
int dkms_area_exec (DkmsWorkArea *area, const char *const *argv, int output_fd, const char *section, const char *line,
                    GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * dkms_area_step:
 * Runs @command_line with bash in the work area, as a section of the log and a step that the listener hears of.
 * Returns: its exit status, -1 with an error
 */
int dkms_area_step (DkmsWorkArea *area, const char *title, const char *command_line,
                    GError **error) G_GNUC_WARN_UNUSED_RESULT;
