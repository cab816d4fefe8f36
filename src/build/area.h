/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The work area of a build, and the commands that run in it. */
#pragma once

#include "conf/sandbox-session.h"
#include "conf/sandbox.h"
#include "install/job.h"
#include "store/lock.h"

typedef struct {
  const DkmsJob *job;
  char *place;          /* <m>/<v>/build, inside the root: the path at which the recipe finds the copy of its source */
  char *tool_dir;       /* the same, as tools name it */
  char *view;           /* (nullable): a path inside the root: the directory that POST_BUILD sees at <m>/<v>/<k>/<a> */
  char *result_dir;     /* (nullable): <m>/<v>/<k>/<a> as tools name it */
  char *dir;            /* the actual directory: the scratch directory of a confined build, otherwise @place */
  int fd;               /* descriptor of @dir */
  int log_fd;           /* make.log in it; the log is always read from here, even if the build replaced the file */
  DkmsSandbox *sandbox; /* (nullable): the sandbox for all commands of a confined build */
  DkmsLock *lock;       /* (nullable): the lock on @place, for an unconfined build */
  int result_fd;        /* the directory "result" of the scratch directory; -1: not created yet */
  gboolean post_build;  /* the recipe has a POST_BUILD */
  gboolean exchanged;   /* the result is at its final path while POST_BUILD of an unconfined build runs */
  char *ended;          /* (nullable): the limit for which the sandbox killed the last command */
  gboolean kept;        /* copies of the modules are ready for the build cache, */
  gboolean altered;     /* but POST_BUILD has changed a module */
  gboolean log_matters; /* the build failed, and its log shows the reason */
  char **env;
  const char *suffix;
  double seconds;    /* duration of the build that is taken over; 0: this build is measured */
  const char *taken; /* (nullable): the kept build that is taken over, inside the root; it is deleted */
} DkmsWorkArea;

/**
 * dkms_area_prepare:
 * Makes the sandbox of a confined build, in whose place its files already are. It is completed while this process goes
 * on.
 */
gboolean dkms_area_prepare (DkmsWorkArea *area, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** Returns: the compression of the modules of @job; those of a forecast are kept uncompressed */
const char *dkms_area_suffix (const DkmsJob *job);

/** Fills in @area, whose job is set, for a build that is complete elsewhere, and took @seconds: its result is copied,
 * and nothing runs. */
void dkms_area_adopt (DkmsWorkArea *area, double seconds);

/** Frees the content of @self, and ends its sandbox. */
void dkms_area_clear (DkmsWorkArea *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (DkmsWorkArea, dkms_area_clear)

/**
 * dkms_area_exec:
 * Runs a program in the work area, confined if the job is.
 *
 * @output_fd: as in DkmsCommand
 * @section: (nullable): title of a section of the log and a step of the events; @line is the command shown for it
 *
 * Returns: its exit status, -1 with an error
 */
int dkms_area_exec (DkmsWorkArea *area, const char *const *argv, int output_fd, const char *section, const char *line,
                    GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * dkms_area_step:
 * Runs @command_line with bash in the work area, as a section of the log and a step of the events.
 * Returns: its exit status, -1 with an error
 */
int dkms_area_step (DkmsWorkArea *area, const char *title, const char *command_line,
                    GError **error) G_GNUC_WARN_UNUSED_RESULT;
