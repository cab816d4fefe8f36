/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one door to other programs: an argv array (never a shell string), stdin from /dev/null,
 * no life after ours, and an exit status in words. */
#pragma once

#include <glib.h>

#include "base/findings.h"
#include "base/root.h"

/* Set for a command that is confined to a root, to the path of that root outside. */
#define DKMS_WALL_VARIABLE "DKMS_CONFINED_TO"

typedef struct {
  const char *const *argv; /* NULL-terminated; argv[0] is looked up in PATH */
  char *const *env;        /* (nullable): the whole environment; NULL inherits ours */
  const DkmsRoot *root;    /* (nullable): chroot there first if it has a shell of its own; it is confined to this root
                              if that has a wall */
  gboolean of_machine;     /* argv is a program of the machine that works on @root: no chroot, and cwd is one of the
                              machine */
  const char *cwd;         /* (nullable): as the tool sees it, that is after the chroot */
  int output_fd;           /* stdout and stderr go there; -1: inherited; -2: /dev/null */
  gboolean discard_errors; /* if output_fd is given, stderr goes nowhere all the same */
  int input_fd;            /* (0 for none): stdin comes from there, whatever null_stdin says */
  int pass_fd;             /* (0 for none): a descriptor the child keeps, under the same number */
  const GArray *keep;      /* (nullable) (element-type int): more descriptors the child keeps */
  gboolean null_stdin;     /* stdin is /dev/null; otherwise inherited */
  DkmsFindings *findings;  /* (nullable): where a wall reports to; clear it. Without it, a limit that ends the command
                              is an error */
} DkmsCommand;

/**
 * dkms_process_begin:
 * Makes this process independent of how it was started; the first act of every program of ours that starts others.
 * Descriptors 0 to 2 are open, SIGCHLD has its default action, no signal is blocked, a reader that goes away does not
 * kill (SIGPIPE), PATH names the places of system tools, CC and the flags of compilers are not set, the umask is 022,
 * and the soft limit of open files is as high as it may be. What we start gets the default actions back, and the limit
 * as it was.
 */
void dkms_process_begin (void);

/** Returns: whether the standard output was closed when this process started */
gboolean dkms_process_stdout_was_closed (void);

/** Returns: how many more descriptors this process can open; 16384 at the most */
guint dkms_process_free_descriptors (void);

/**
 * dkms_process_speak_english:
 * @env: (transfer full): an environment
 *
 * So that messages of tools can be understood by programs, and by those who are asked for help. Names of files keep
 * their encoding. LC_ALL alone would not do: kbuild takes it out of the environment.
 *
 * Returns: (transfer full): @env with the language English and without any other locale
 */
char **dkms_process_speak_english (char **env);

/**
 * dkms_process_printable:
 * Returns: (transfer full): @text with what a terminal would obey, instead of showing it, written as \xNN: control
 *   characters other than tab and line end, those of C1 in UTF-8 included
 */
char *dkms_process_printable (const char *text);

/**
 * dkms_process_forget_secrets:
 * @env: (transfer full): an environment
 *
 * Returns: (transfer full): @env without the variables that by their names hold secrets (KBUILD_SIGN_PIN, GITHUB_TOKEN,
 *   DB_PASSWORD)
 */
char **dkms_process_forget_secrets (char **env);

/**
 * dkms_process_start:
 * @pid: (out): the child; reap it with dkms_process_wait()
 */
gboolean dkms_process_start (const DkmsCommand *command, GPid *pid, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * dkms_process_interrupted_by:
 *
 * A run blocks SIGINT, SIGTERM and SIGHUP to end in good order. Whatever waits without end must ask this now and then.
 *
 * Returns: the number of one of these signals that is blocked and pending; 0: none
 */
int dkms_process_interrupted_by (void);
/** Returns: whether there is such a signal */
gboolean dkms_process_is_interrupted (void);

/** Waits for @pid. Returns: its exit status; 128 + signal number if a signal ended it */
int dkms_process_wait (GPid pid);

/**
 * dkms_process_run:
 * Starts, waits. Returns: the exit status as from dkms_process_wait(), or -1 with @error when it could not even be
 *   started, or, without @command->findings, exceeded a limit of its wall
 */
int dkms_process_run (const DkmsCommand *command, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** Runs a command whose failure changes nothing. */
void dkms_process_try (const DkmsCommand *command);

/**
 * dkms_process_capture:
 * @command: what to run; its output_fd is replaced
 * @size: (out) (optional): bytes of output
 * @status: (out): its exit status
 *
 * For answers that are data: what a program writes to stderr, such as a warning of its run-time linker or its
 * surroundings, never becomes a part of them.
 *
 * Returns: (transfer full) (nullable): stdout, NUL-terminated, 16 MiB at most; NULL with @error when it could not be
 * run
 */
char *dkms_process_capture (const DkmsCommand *command, gsize *size, int *status,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * dkms_process_transcript:
 * @status: (out): its exit status, also if the output cannot be read; -1 with @error if it could not be run
 *
 * As dkms_process_capture(), but stdout and stderr together: for people to read, never to be parsed. Of more than 4
 * MiB, the first and the last 2 MiB are returned, with a line between them that says how many bytes are missing.
 */
char *dkms_process_transcript (const DkmsCommand *command, int *status, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * dkms_process_helper:
 * @name: one of our own helper programs, such as "dkms-modinfo"
 *
 * Returns: (transfer full): where it is: beside the program in a build tree, in libexec when installed
 */
char *dkms_process_helper (const char *name);
