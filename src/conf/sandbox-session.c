/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A dkms-sandbox that serves all commands of a build. helpers/dkms-sandbox.c describes the protocol. */
#define _GNU_SOURCE
#include "conf/sandbox-session.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/proc.h"
#include "conf/sandbox.h"

struct DkmsSandbox {
  GPid pid;   /* the helper; 0 after it was waited for */
  int socket; /* for requests and answers */
  int report; /* a memory file for findings */
};

DkmsSandbox *
dkms_sandbox_open (const DkmsConfinement *confinement, const GArray *keep, GError **error)
{
  g_autoptr (DkmsSandbox) self = g_new0 (DkmsSandbox, 1);
  g_autoptr (GArray) kept = g_array_new (FALSE, FALSE, sizeof (int));
  g_autoptr (GPtrArray) argv = NULL;
  g_auto (DkmsFd) theirs = -1;
  int pair[2];

  self->socket = self->report = -1;
  if (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
    return dkms_fail_errno (error, "create", "a socket for the sandbox"), NULL;
  self->socket = pair[0];
  theirs = pair[1];
  self->report = memfd_create ("findings", MFD_CLOEXEC);
  if (self->report < 0)
    return dkms_fail_errno (error, "create", "a memory file"), NULL;
  argv = dkms_sandbox_wrap (confinement, NULL, NULL, self->report);
  g_ptr_array_insert (argv, 1, g_strdup ("--serve"));
  g_ptr_array_insert (argv, 2, g_strdup_printf ("%d", theirs));
  if (keep != NULL)
    g_array_append_vals (kept, keep->data, keep->len);
  g_array_append_val (kept, theirs);
  g_array_append_val (kept, self->report);
  DkmsCommand command = { .argv = (const char *const *)argv->pdata, .output_fd = -2, .keep = kept, .null_stdin = TRUE };
  return dkms_process_start (&command, &self->pid, error) ? g_steal_pointer (&self) : NULL;
}

void
dkms_sandbox_end (DkmsSandbox *self)
{
  if (self != NULL && self->socket >= 0)
    (void)close (dkms_fd_steal (&self->socket));
}

void
dkms_sandbox_close (DkmsSandbox *self)
{
  if (self == NULL)
    return;
  dkms_sandbox_end (self);
  if (self->pid != 0)
    (void)dkms_process_wait (self->pid);
  if (self->report >= 0)
    (void)close (self->report);
  g_free (self);
}

static void
add_word (GByteArray *text, const char *word)
{
  g_byte_array_append (text, (const guint8 *)word, (guint)strlen (word) + 1);
}

/* Returns a memory file with the words of a request. */
static int
write_request (const DkmsCommand *command, GError **error)
{
  g_auto (DkmsFd) fd = memfd_create ("request", MFD_CLOEXEC);
  g_autoptr (GByteArray) text = g_byte_array_new ();
  g_autofree char *count = g_strdup_printf ("%u", g_strv_length ((char **)command->argv));

  add_word (text, command->cwd);
  add_word (text, count);
  for (const char *const *word = command->argv; *word != NULL; word++)
    add_word (text, *word);
  for (char *const *word = command->env; *word != NULL; word++)
    add_word (text, *word);
  if (fd < 0)
    return dkms_fail_errno (error, "create", "a memory file"), -1;
  return dkms_write_all (fd, text->data, text->len, "a memory file", error) ? dkms_fd_steal (&fd) : -1;
}

/* Returns: FALSE with errno, which is EPIPE if the sandbox has ended */
static gboolean
send_request (const DkmsSandbox *self, const int fds[static 3])
{
  union {
    struct cmsghdr header;
    char room[CMSG_SPACE (3 * sizeof (int))];
  } control = { 0 };
  struct iovec data = { (char[]){ "run" }, 3 };
  struct msghdr message
      = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
  struct cmsghdr *part = CMSG_FIRSTHDR (&message);
  ssize_t n;

  part->cmsg_level = SOL_SOCKET;
  part->cmsg_type = SCM_RIGHTS;
  part->cmsg_len = CMSG_LEN (3 * sizeof (int));
  memcpy (CMSG_DATA (part), fds, 3 * sizeof (int));
  do
    n = sendmsg (self->socket, &message, MSG_NOSIGNAL);
  while (n < 0 && errno == EINTR);
  return n > 0;
}

/* Returns the exit status of the running command, or that of the sandbox if it ends before it answers. */
static int
read_answer (DkmsSandbox *self)
{
  struct pollfd answer = { .fd = self->socket, .events = POLLIN };
  char text[16] = "";
  gboolean stopped = FALSE;
  ssize_t n;

  while (poll (&answer, 1, 100) <= 0)
    if (!stopped && dkms_process_is_interrupted ())
      {
        (void)kill (self->pid, SIGTERM);
        stopped = TRUE;
      }
  do
    n = recv (self->socket, text, sizeof text - 1, 0);
  while (n < 0 && errno == EINTR);
  if (n > 0)
    return atoi (text);
  n = dkms_process_wait (self->pid);
  self->pid = 0;
  return (int)n;
}

int
dkms_sandbox_run (DkmsSandbox *self, const DkmsCommand *command, DkmsFindings *findings, GError **error)
{
  g_auto (DkmsFd) request = write_request (command, error);
  g_auto (DkmsFd) null_fd = dkms_null_open ();
  const int fds[] = { request, null_fd, command->output_fd == -2 ? null_fd : command->output_fd };
  int status = -1;

  if (request < 0)
    return -1;
  if (null_fd < 0)
    return dkms_fail_errno (error, "open", "/dev/null"), -1;
  if (self->pid == 0 || self->socket < 0)
    return DKMS_FAIL (error, SANDBOX_ENDED), -1;
  if (!send_request (self, fds) && errno != EPIPE && errno != ECONNRESET)
    return dkms_fail_errno (error, "write to", "the sandbox"), -1;
  status = read_answer (self);
  dkms_findings_read (findings, self->report);
  /* The report is emptied now, not before the next command: findings about the creation of the sandbox belong to the
   * first command. */
  if (ftruncate (self->report, 0) < 0 || lseek (self->report, 0, SEEK_SET) < 0)
    return dkms_fail_errno (error, "empty", "a memory file"), -1;
  return status;
}
