/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The only place that starts other programs: with an array of arguments (never through a shell), with an empty stdin,
 * and killed when dkms terminates. */
#pragma once

#include <glib.h>

#include "base/findings.h"
#include "base/root.h"

/* Environment variable of a command that is confined to a root: the path of that root on the host. */
#define DKMS_WALL_VARIABLE "DKMS_CONFINED_TO"

typedef struct {
  const char *const *argv; /* NULL-terminated; argv[0] is looked up in PATH */
  char *const *env;        /* (nullable): the whole environment; NULL inherits ours */
  const DkmsRoot *root;    /* (nullable): if it contains a shell, the command is chrooted there; if it has a wall, the
                              command is confined to it */
  gboolean of_machine; /* argv is a program of the machine that works on @root: it is not chrooted, and cwd is a path of
                          the machine */
  const char *cwd;     /* (nullable): as the command sees it, after the chroot */
  int output_fd;       /* for stdout and stderr; -1: inherited; -2: /dev/null */
  gboolean discard_errors; /* stderr is discarded, even if output_fd is given */
  int input_fd;            /* (0: none): stdin of the command; has precedence over null_stdin */
  int pass_fd;             /* (0: none): a descriptor that the child keeps under the same number */
  const GArray *keep;      /* (nullable) (element-type int): more descriptors that the child keeps */
  gboolean null_stdin;     /* stdin is /dev/null; otherwise inherited */
  DkmsFindings *findings;  /* (nullable): gets the findings of a wall; if NULL, exceeding a limit is an error */
} DkmsCommand;

/**
 * dkms_process_begin:
 * Makes this process independent of its caller. Every program of dkms that starts others calls this first.
 * Descriptors 0 to 2 are open, SIGCHLD has its default action, no signal is blocked, SIGPIPE is ignored, PATH contains
 * the directories of system tools, CC and the flags of compilers are not set, the umask is 022, and the soft limit of
 * open files is raised. Started programs get the default actions and the original limit.
 */
void dkms_process_begin (void);

/** Returns: whether the standard output was closed when this process started */
gboolean dkms_process_stdout_was_closed (void);

/** Returns: how many more descriptors this process can open; at most 16384 */
guint dkms_process_free_descriptors (void);

/**
 * dkms_process_speak_english:
 * @env: (transfer full): an environment
 *
 * Selects English messages, which dkms can analyse and most helpers of users can read. The encoding of file names is
 * unchanged. LC_ALL is not sufficient, because kbuild removes it from the environment.
 *
 * Returns: (transfer full): @env with the language English and without any other locale
 */
char **dkms_process_speak_english (char **env);

/**
 * dkms_process_printable:
 * Returns: (transfer full): @text with control characters (C1 in UTF-8 included), which a terminal would interpret,
 * written as \\xNN, except tab and line end
 */
char *dkms_process_printable (const char *text);

/**
 * dkms_process_forget_secrets:
 * @env: (transfer full): an environment
 *
 * Returns: (transfer full): @env without variables with names of secrets (KBUILD_SIGN_PIN, GITHUB_TOKEN,
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
 * A run blocks SIGINT, SIGTERM and SIGHUP, so that it can clean up. Every wait without a limit must poll this function.
 *
 * Returns: the number of one of these signals that is blocked and pending; 0: none
 */
int dkms_process_interrupted_by (void);
/**
 * dkms_process_set_stop:
 * @stop: (nullable): what to do when SIGTSTP (Ctrl-Z) arrives, which a run blocks; NULL: nothing
 * @data: for @stop
 *
 * dkms_process_interrupted_by() calls @stop. A program of the same process group, for which this process may be
 * waiting, is stopped by the same signal, so this process must not go on waiting.
 */
void dkms_process_set_stop (void (*stop) (gpointer data), gpointer data);
/** Returns: whether a signal of dkms_process_interrupted_by() is pending */
gboolean dkms_process_is_interrupted (void);

/** Waits for @pid. Returns: its exit status; 128 + signal number if a signal ended it */
int dkms_process_wait (GPid pid);

/**
 * dkms_process_run:
 * Starts a program and waits for it. Returns: the exit status as from dkms_process_wait(), or -1 with @error if it
 * could not be started or, without @command->findings, exceeded a limit of its wall
 */
int dkms_process_run (const DkmsCommand *command, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** Runs a command whose failure does not matter. */
void dkms_process_try (const DkmsCommand *command);

/**
 * dkms_process_capture:
 * @command: what to run; its output_fd is replaced
 * @size: (out) (optional): bytes of output
 * @status: (out): its exit status
 *
 * For output that is data. Messages on stderr, such as warnings of the run-time linker, are not mixed into it.
 *
 * Returns: (transfer full) (nullable): stdout, NUL-terminated, 16 MiB at most; NULL with @error if it could not be run
 */
char *dkms_process_capture (const DkmsCommand *command, gsize *size, int *status,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * dkms_process_transcript:
 * @status: (out): its exit status, also if the output cannot be read; -1 with @error if it could not be run
 *
 * As dkms_process_capture(), but stdout and stderr together: for output that people read; do not parse it. Of more than
 * 4 MiB, the first and the last 2 MiB are returned, with a line between them that contains the number of missing bytes.
 */
char *dkms_process_transcript (const DkmsCommand *command, int *status, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * dkms_process_helper:
 * @name: one of our own helper programs, such as "dkms-modinfo"
 *
 * Returns: (transfer full): its path: next to dkms in a build tree, otherwise in libexec
 */
char *dkms_process_helper (const char *name);
/** Returns: (transfer full): the directory of the catalogues of translations: in the build directory, if this program
 * lies there, or that of the system */
char *dkms_process_locales (void);
