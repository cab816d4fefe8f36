/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Starts dkms-transfer, and passes requests to it. */
#define _GNU_SOURCE
#include "share/transfer.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/pairs.h"
#include "base/process.h"
#include "base/unread.h"
#include "conf/key-list.h"

enum { MOST_ANSWER = 1 << 12, MOST_CREDENTIAL = 1 << 20, GRACE_SECONDS = 30 };

struct DkmsTransfer {
  GPid pid;
  int socket;
  guint timeout;
};

void
dkms_transfer_answer_clear (DkmsTransferAnswer *self)
{
  g_clear_pointer (&self->text, g_free);
}

/* ---- messages ---- */

static gboolean
send_message (const DkmsTransfer *self, const GByteArray *message, GError **error)
{
  return send (self->socket, message->data, message->len, MSG_NOSIGNAL) == (ssize_t)message->len
         || DKMS_FAIL (error, HELPER_FAILED, .name = "dkms-transfer", .status = 1);
}

/* ---- the start ---- */

/* The descriptors that the helper inherits. */
typedef struct {
  const DkmsSettings *settings;
  GArray *fds; /* element-type int; of memory files, which are closed at the end */
  GByteArray *message;
} Gift;

static void
close_all (GArray *fds)
{
  for (guint i = 0; i < fds->len; i++)
    dkms_fd_drop (g_array_index (fds, int, i));
  g_array_unref (fds);
}

/* Only root, or the caller, may read passwords and keys. @needed: whether the file must exist */
static gboolean
check_secret (const DkmsSettings *settings, const char *path, gboolean needed, GError **error)
{
  struct stat st;

  if (*path == '\0')
    return TRUE;
  if (dkms_root_stat (settings->places.root, path, &st) < 0)
    return (!needed && dkms_is_absent (errno)) || dkms_fail_errno (error, "read", path);
  return (st.st_uid == 0 || st.st_uid == geteuid ()) && (st.st_mode & 077) == 0
             ? TRUE
             : DKMS_FAIL (error, CACHE_SECRET_OPEN, .path = path);
}

gboolean
dkms_transfer_check (const DkmsSettings *settings, GError **error)
{
  const DkmsRemotePolicy *policy = &settings->policy.remote;

  /* Without the key that signs, builds can still be read. */
  return check_secret (settings, policy->netrc, TRUE, error) && check_secret (settings, policy->tls_key, TRUE, error)
         && (dkms_key_is_token (policy->signing_key) || check_secret (settings, policy->signing_key, FALSE, error));
}

/* Copies the file @path ("": none) to a memory file, which the helper can read without privileges. */
static gboolean
give (Gift *self, const char *key, const char *path, GError **error)
{
  gsize size = 0;

  if (*path == '\0')
    return TRUE;
  g_autofree char *text = dkms_root_read (self->settings->places.root, path, MOST_CREDENTIAL, &size, error);
  g_auto (DkmsFd) fd = text != NULL ? memfd_create ("credential", MFD_CLOEXEC) : -1;
  if (text == NULL)
    return FALSE;
  gboolean written = fd >= 0 && dkms_write_all (fd, text, size, path, error);
  explicit_bzero (text, size);
  if (!written)
    return fd >= 0 ? FALSE : dkms_fail_errno (error, "create", "a memory file");
  g_autofree char *name = g_strdup_printf ("/proc/self/fd/%d", fd);
  dkms_pairs_add (self->message, key, name);
  int kept = dkms_fd_steal (&fd);
  g_array_append_val (self->fds, kept);
  return TRUE;
}

static gboolean
describe (Gift *self, GError **error)
{
  const DkmsRemotePolicy *policy = &self->settings->policy.remote;
  g_autofree char *timeout = g_strdup_printf ("%u", policy->timeout);

  dkms_pairs_add (self->message, "url", policy->url);
  dkms_pairs_add (self->message, "timeout", timeout);
  return give (self, "netrc", policy->netrc, error) && give (self, "ca", policy->tls_ca, error)
         && give (self, "certificate", policy->tls_cert, error) && give (self, "key", policy->tls_key, error);
}

DkmsTransfer *
dkms_transfer_start (const DkmsSettings *settings, int dir, GError **error)
{
  g_autofree char *helper = dkms_process_helper ("dkms-transfer");
  g_autofree char *path = g_strdup_printf ("/proc/self/fd/%d", dir);
  g_autoptr (GByteArray) message = g_byte_array_new ();
  Gift gift = { settings, g_array_new (FALSE, FALSE, sizeof (int)), message };
  const char *const argv[] = { helper, path, NULL };
  g_autoptr (DkmsTransfer) self = g_new0 (DkmsTransfer, 1);
  int ends[2] = { -1, -1 };
  GPid pid = 0;

  self->timeout = settings->policy.remote.timeout;
  self->socket = -1;
  if (!describe (&gift, error))
    return close_all (gift.fds), NULL;
  if (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
    return close_all (gift.fds), (void)dkms_fail_errno (error, "create", "a socket"), NULL;
  self->socket = ends[0];
  g_autoptr (GArray) keep = g_array_copy (gift.fds);
  g_array_append_val (keep, dir);
  g_auto (GStrv) env = dkms_process_forget_secrets (g_get_environ ());
  const DkmsCommand command = { .argv = argv, .env = env, .input_fd = ends[1], .output_fd = -2, .keep = keep };
  gboolean started = dkms_process_start (&command, &pid, error);
  (void)close (ends[1]);
  close_all (gift.fds);
  if (!started)
    return NULL;
  self->pid = pid;
  return send_message (self, message, error) ? g_steal_pointer (&self) : NULL;
}

void
dkms_transfer_end (DkmsTransfer *self)
{
  if (self == NULL)
    return;
  if (self->socket >= 0)
    (void)close (self->socket);
  if (self->pid > 0)
    {
      (void)kill (self->pid, SIGKILL); /* it has nothing to do; and it must not go on */
      (void)dkms_process_wait (self->pid);
    }
  g_free (self);
}

/* ---- requests ---- */

static DkmsTransferResult
result_of (const char *word)
{
  static const char *const words[] = { "good", "absent", "denied", "wrong" };

  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    if (strcmp (words[i], word) == 0)
      return (DkmsTransferResult)i;
  return DKMS_TRANSFER_AWAY;
}

static void
take_answer (const char *message, gsize size, DkmsTransferAnswer *answer)
{
  g_autoptr (GBytes) bytes = g_bytes_new_static (message, size);
  const char *end, *at = dkms_pairs_begin (bytes, &end), *key, *value;

  answer->result = DKMS_TRANSFER_AWAY;
  answer->now = g_get_real_time () / G_USEC_PER_SEC;
  while (dkms_pairs_next (&at, end, &key, &value))
    if (strcmp (key, "answer") == 0)
      answer->result = result_of (value);
    else if (strcmp (key, "status") == 0)
      answer->status = (int)g_ascii_strtoll (value, NULL, 10);
    else if (strcmp (key, "date") == 0 && *value != '-')
      answer->now = g_ascii_strtoll (value, NULL, 10);
    else if (strcmp (key, "text") == 0 && *value != '\0')
      dkms_replace_text (&answer->text, value);
}

/* The helper has a limit of its own; if it does not keep it, the server counts as away. */
static gboolean
limit_wait (const DkmsTransfer *self, goffset bytes, GError **error)
{
  const struct timeval limit = { (time_t)self->timeout + (time_t)(bytes >> 20) + GRACE_SECONDS, 0 };

  return setsockopt (self->socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0
         || dkms_fail_errno (error, "set a limit for", "a socket");
}

gboolean
dkms_transfer_ask (DkmsTransfer *self, const DkmsTransferRequest *request, DkmsTransferAnswer *answer, GError **error)
{
  g_autoptr (GByteArray) message = g_byte_array_new ();
  g_autofree char *most = g_strdup_printf ("%" G_GOFFSET_FORMAT, request->most);
  g_autofree char *size = g_strdup_printf ("%" G_GOFFSET_FORMAT, request->size);
  char buffer[MOST_ANSWER];
  ssize_t got;

  dkms_pairs_add (message, request->verb, request->path);
  if (request->file != NULL)
    dkms_pairs_add (message, "file", request->file);
  dkms_pairs_add (message, "most", most);
  if (request->size > 0)
    dkms_pairs_add (message, "size", size);
  if (!limit_wait (self, request->most, error) || !send_message (self, message, error))
    return FALSE;
  do
    got = recv (self->socket, buffer, sizeof buffer, 0);
  while (got < 0 && errno == EINTR);
  if (got == 0 || (got < 0 && errno != EAGAIN))
    return DKMS_FAIL (error, HELPER_FAILED, .name = "dkms-transfer", .status = 1);
  take_answer (buffer, got > 0 ? (gsize)got : 0, answer);
  return TRUE;
}
