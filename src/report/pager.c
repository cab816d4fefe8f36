/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Starts a pager, sends it a text, and waits for it. */
#define _GNU_SOURCE
#include "report/pager.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/process.h"

static gboolean
is_borrowed_root (void)
{
  return geteuid () == 0
         && (g_getenv ("SUDO_UID") != NULL || g_getenv ("PKEXEC_UID") != NULL || g_getenv ("DOAS_USER") != NULL);
}

/* Returns: (transfer full) (nullable): the words of the pager */
static char **
find_pager (void)
{
  const char *text = is_borrowed_root () ? NULL : g_getenv ("DKMS_PAGER");
  char **argv = NULL;

  if (text == NULL && !is_borrowed_root ())
    text = g_getenv ("PAGER");
  if (text == NULL)
    text = "less";
  if (strcmp (text, "cat") == 0 || !g_shell_parse_argv (text, NULL, &argv, NULL))
    return NULL;
  g_autofree char *program = g_find_program_in_path (argv[0]);
  if (program == NULL)
    g_clear_pointer (&argv, g_strfreev);
  return argv;
}

static char **
pager_env (void)
{
  char **env = g_get_environ ();

  env = g_environ_setenv (env, "LESS", "FRX", FALSE);
  return geteuid () == 0 ? g_environ_setenv (env, "LESSSECURE", "1", TRUE) : env; /* disables commands and files */
}

/* Returns: the descriptor for the text; -1 without a pager: the text goes to the standard output */
static int
begin (GPid *pid)
{
  g_auto (GStrv) argv = isatty (STDOUT_FILENO) && g_strcmp0 (g_getenv ("TERM"), "dumb") != 0 ? find_pager () : NULL;
  g_auto (GStrv) env = argv != NULL ? pager_env () : NULL;
  int ends[2];

  if (argv == NULL || pipe2 (ends, O_CLOEXEC) < 0)
    return -1;
  const DkmsCommand command = { .argv = (const char *const *)argv, .env = env, .output_fd = -1, .input_fd = ends[0] };
  gboolean started = dkms_process_start (&command, pid, NULL);
  (void)close (ends[0]);
  if (started)
    {
      (void)signal (SIGINT, SIG_IGN); /* SIGINT is for the pager */
      return ends[1];
    }
  (void)close (ends[1]);
  return -1;
}

static void
end (int fd, GPid pid)
{
  (void)close (fd);
  (void)dkms_process_wait (pid);
  (void)signal (SIGINT, SIG_DFL);
}

/* ---- the text ---- */

/* Escapes control characters, which a terminal would interpret. If the last character is incomplete, @kept bytes of it
 * are kept for the next piece. */
static gboolean
write_shown (int to, char *piece, gsize size, gsize *kept)
{
  *kept = size > 0 && (guchar)piece[size - 1] == 0xc2 ? 1 : 0;
  for (gsize i = 0; i < size - *kept; i++)
    if (piece[i] == '\0')
      piece[i] = ' ';
  g_autofree char *text = g_strndup (piece, size - *kept);
  g_autofree char *shown = dkms_process_printable (text);
  return dkms_write_all (to, shown, strlen (shown), "the standard output", NULL);
}

/* @safe: escape control characters, for a terminal. If the reader closes its end, that is not an error. */
static gboolean
copy_log (int from, int to, gboolean safe, GError **error)
{
  enum { PIECE = 1 << 16 };
  g_autofree char *piece = g_malloc (PIECE + 1);
  gsize kept = 0;

  for (;;)
    {
      ssize_t n = read (from, piece + kept, PIECE);
      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return dkms_fail_errno (error, "read", "the log");
      if (n == 0)
        return TRUE;
      if (safe && !write_shown (to, piece, kept + (gsize)n, &kept))
        return TRUE;
      if (!safe && !dkms_write_all (to, piece, (gsize)n, "the standard output", error))
        return errno == EPIPE ? (g_clear_error (error), TRUE) : FALSE;
      if (safe && kept > 0)
        *piece = (char)0xc2;
    }
}

gboolean
dkms_pager_show (int fd, GError **error)
{
  GPid pid = 0;
  int pager = begin (&pid);

  if (pager < 0)
    return copy_log (fd, STDOUT_FILENO, isatty (STDOUT_FILENO) == 1, error);
  gboolean ok = copy_log (fd, pager, TRUE, error);
  end (pager, pid);
  return ok;
}
