/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include "plan/jobserver.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/fd.h"

struct DkmsJobserver {
  int read_end, write_end; /* -1: no limit, or none to share */
  int own;                 /* read_end opened once more, so that we never block, whatever mode the makes want */
  gboolean joined;         /* the pipe is of the make that started us */
  gboolean inherit;        /* builds find it by the numbers of its descriptors */
  guint limit;             /* slots in all, when the pipe is ours; 0: no limit */
  guint running;           /* builds that hold a slot */
  gboolean free_slot;      /* joined: the one slot that comes without a token is not in use */
  GByteArray *tokens;      /* what was read for each running build, to be written back as it was */
  char *fifo;              /* (nullable) */
  char *flags;
};

char *
dkms_makeflags_without_jobs (const char *flags)
{
  g_auto (GStrv) words = g_strsplit (flags != NULL ? flags : "", " ", -1);
  g_autoptr (GPtrArray) rest = g_ptr_array_new ();

  for (char **word = words; *word != NULL; word++)
    if (**word != '\0' && !g_str_has_prefix (*word, "-j") && !g_str_has_prefix (*word, "--jobserver"))
      g_ptr_array_add (rest, *word);
  g_ptr_array_add (rest, NULL);
  return g_strjoinv (" ", (char **)rest->pdata);
}

static gboolean
is_pipe (int fd)
{
  struct stat st;

  return fd >= 0 && fstat (fd, &st) == 0 && S_ISFIFO (st.st_mode);
}

/* The jobserver of the make that started us, if it lets us have it (a recipe line with "+" or $(MAKE)). */
static gboolean
join (DkmsJobserver *self, const char *makeflags)
{
  const char *auth = makeflags != NULL ? g_strrstr (makeflags, "--jobserver-auth=") : NULL;
  g_autofree char *value = auth != NULL ? g_strndup (auth + 17, strcspn (auth + 17, " ")) : NULL;
  int r = -1, w = -1;

  if (value == NULL)
    return FALSE;
  if (g_str_has_prefix (value, "fifo:"))
    {
      r = open (value + 5, O_RDWR | O_CLOEXEC | O_NONBLOCK);
      w = r >= 0 ? fcntl (r, F_DUPFD_CLOEXEC, 3) : -1;
    }
  else if (sscanf (value, "%d,%d", &r, &w) != 2 || !is_pipe (r) || !is_pipe (w))
    return FALSE;
  else
    self->inherit = TRUE;
  if (r < 0 || w < 0)
    return FALSE;
  self->read_end = r;
  self->write_end = w;
  self->joined = self->free_slot = TRUE;
  self->flags = g_strdup_printf ("-j --jobserver-auth=%s", value);
  return TRUE;
}

static gboolean
wants_fifo (const char *make_version)
{
  int major = 0, minor = 0;

  return make_version != NULL && sscanf (make_version, "GNU Make %d.%d", &major, &minor) == 2
         && (major > 4 || (major == 4 && minor >= 4));
}

static gboolean
open_pipe (DkmsJobserver *self, GError **error)
{
  int ends[2];

  if (pipe2 (ends, O_CLOEXEC) < 0)
    return dkms_fail_errno (error, "create", "the jobserver's pipe");
  /* Out of the way of the small numbers that shell scripts use. */
  self->read_end = dkms_fd_duplicate_high (ends[0], 100);
  self->write_end = dkms_fd_duplicate_high (ends[1], 100);
  (void)close (ends[0]);
  (void)close (ends[1]);
  self->inherit = TRUE;
  self->flags = g_strdup_printf ("-j%u --jobserver-auth=%d,%d", self->limit, self->read_end, self->write_end);
  return (self->read_end >= 0 && self->write_end >= 0) || dkms_fail_errno (error, "create", "the jobserver's pipe");
}

static gboolean
open_fifo (DkmsJobserver *self, const char *dir, GError **error)
{
  self->fifo = g_build_filename (dir, "jobserver", NULL);
  if (mkfifo (self->fifo, 0600) < 0 || chmod (self->fifo, 0666) < 0)
    return dkms_fail_errno (error, "create", self->fifo);
  self->read_end = open (self->fifo, O_RDWR | O_CLOEXEC | O_NONBLOCK);
  self->write_end = self->read_end >= 0 ? fcntl (self->read_end, F_DUPFD_CLOEXEC, 3) : -1;
  self->flags = g_strdup_printf ("-j%u --jobserver-auth=fifo:%s", self->limit, self->fifo);
  return self->write_end >= 0 || dkms_fail_errno (error, "open", self->fifo);
}

static void
put_token (const DkmsJobserver *self, char token)
{
  while (write (self->write_end, &token, 1) < 0)
    if (errno != EINTR)
      return;
}

static gboolean
open_own (DkmsJobserver *self, GError **error)
{
  g_autofree char *path = g_strdup_printf ("/proc/self/fd/%d", self->read_end);

  self->own = open (path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  return self->own >= 0 || dkms_fail_errno (error, "open", "the jobserver's pipe");
}

/* Takes a token if one is there. */
static gboolean
get_token (const DkmsJobserver *self, char *token)
{
  ssize_t n;

  while ((n = read (self->own, token, 1)) < 0 && errno == EINTR)
    ;
  return n == 1;
}

static void
fill (const DkmsJobserver *self)
{
  char token;

  while (get_token (self, &token))
    ;
  for (guint i = 0; i < self->limit; i++)
    put_token (self, '+');
}

DkmsJobserver *
dkms_jobserver_new (const char *jobs, const char *makeflags, const char *make_version, const char *dir, GError **error)
{
  g_autoptr (DkmsJobserver) self = g_new0 (DkmsJobserver, 1);
  guint64 limit = 0;

  self->read_end = self->write_end = self->own = -1;
  self->tokens = g_byte_array_new ();
  if (join (self, makeflags))
    return open_own (self, error) ? g_steal_pointer (&self) : NULL;
  (void)g_ascii_string_to_unsigned (jobs, 10, 0, 4096, &limit, NULL); /* a pipe holds so many tokens at the least */
  self->limit = (guint)limit;
  if (self->limit == 0)
    {
      self->flags = g_strdup ("");
      return g_steal_pointer (&self);
    }
  if (!(wants_fifo (make_version) ? open_fifo (self, dir, error) : open_pipe (self, error)) || !open_own (self, error))
    return NULL;
  fill (self);
  return g_steal_pointer (&self);
}

void
dkms_jobserver_free (DkmsJobserver *self)
{
  if (self == NULL)
    return;
  while (self->joined && self->tokens->len > 0)
    dkms_jobserver_give (self);
  if (self->read_end >= 0 && !(self->joined && self->inherit))
    {
      (void)close (self->read_end);
      (void)close (self->write_end);
    }
  if (self->own >= 0)
    (void)close (self->own);
  if (self->fifo != NULL)
    (void)unlink (self->fifo);
  g_byte_array_unref (self->tokens);
  g_free (self->fifo);
  g_free (self->flags);
  g_free (self);
}

gboolean
dkms_jobserver_take (DkmsJobserver *self)
{
  char token;

  if (self->read_end >= 0)
    {
      if (self->joined && self->free_slot)
        self->free_slot = FALSE;
      else if (get_token (self, &token))
        g_byte_array_append (self->tokens, (const guint8 *)&token, 1);
      else
        return FALSE;
    }
  self->running++;
  return TRUE;
}

void
dkms_jobserver_give (DkmsJobserver *self)
{
  if (self->running > 0)
    self->running--;
  if (self->read_end < 0)
    return;
  if (self->tokens->len > 0)
    {
      put_token (self, (char)self->tokens->data[self->tokens->len - 1]);
      g_byte_array_set_size (self->tokens, self->tokens->len - 1);
    }
  else
    self->free_slot = TRUE;
  if (!self->joined && self->running == 0)
    fill (self); /* a build that was killed may have died with tokens in hand */
}

int
dkms_jobserver_fd (const DkmsJobserver *self)
{
  return self->own;
}

const char *
dkms_jobserver_flags (const DkmsJobserver *self)
{
  return self->flags;
}

void
dkms_jobserver_keep (const DkmsJobserver *self, GArray *keep)
{
  if (!self->inherit)
    return;
  g_array_append_val (keep, self->read_end);
  g_array_append_val (keep, self->write_end);
}
