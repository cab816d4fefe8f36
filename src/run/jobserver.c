/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The job server for all makes of a run, and the client for that of a caller. */
#define _GNU_SOURCE
#include "run/jobserver.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/fd.h"

/* Intervals for checks of the pipe: to forward tokens of the outer make, and to find tokens that a build added. */
enum { RELAY_MS = 20, SURPLUS_MS = 200 };

struct DkmsJobserver {
  int read_end, write_end; /* of the pipe that builds share; -1: no limit, or none to share */
  int own;                 /* the same pipe, opened again, so that dkms never blocks, whatever mode the makes set */
  int outer;               /* the pipe of the make that started dkms, opened again; -1: none */
  gboolean inherit;        /* builds find the pipe by the numbers of its descriptors */
  guint limit;             /* number of slots; 0: no limit, or that of the make that started dkms */
  guint running;           /* builds with a slot */
  gboolean free_slot;      /* joined: the slot without a token is free */
  GByteArray *tokens;      /* the bytes read for each running build, which are written back unchanged */
  GByteArray *lent;        /* joined: the bytes that were read for builds, for each of which their pipe has one token */
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

/* Connects to the job server of the make that started dkms, if that make permits it (a recipe line with "+" or
 * $(MAKE)). */
static gboolean
join (DkmsJobserver *self, const char *makeflags)
{
  const char *auth = makeflags != NULL ? g_strrstr (makeflags, "--jobserver-auth=") : NULL;
  g_autofree char *value = auth != NULL ? g_strndup (auth + 17, strcspn (auth + 17, " ")) : NULL;
  g_autofree char *path = NULL;
  int r = -1, w = -1;

  if (value == NULL)
    return FALSE;
  if (g_str_has_prefix (value, "fifo:"))
    path = g_strdup (value + 5);
  else if (sscanf (value, "%d,%d", &r, &w) == 2 && is_pipe (r) && is_pipe (w))
    path = g_strdup_printf ("/proc/self/fd/%d", r);
  self->outer = path != NULL ? open (path, O_RDWR | O_CLOEXEC | O_NONBLOCK) : -1;
  if (self->outer >= 0 && !is_pipe (self->outer))
    {
      (void)close (self->outer);
      self->outer = -1;
    }
  self->free_slot = self->outer >= 0;
  return self->outer >= 0;
}

static gboolean
wants_fifo (const char *make_version)
{
  int major = 0, minor = 0;

  return make_version != NULL && sscanf (make_version, "GNU Make %d.%d", &major, &minor) == 2
         && (major > 4 || (major == 4 && minor >= 4));
}

/* The words about jobs in MAKEFLAGS. A make that uses a job server ignores the number. */
static char *
make_flags (const DkmsJobserver *self, const char *auth)
{
  return self->limit > 0 ? g_strdup_printf ("-j%u --jobserver-auth=%s", self->limit, auth)
                         : g_strdup_printf ("-j --jobserver-auth=%s", auth);
}

static gboolean
open_pipe (DkmsJobserver *self, GError **error)
{
  g_autofree char *auth = NULL;
  int ends[2];

  if (pipe2 (ends, O_CLOEXEC) < 0)
    return dkms_fail_errno (error, "create", "the jobserver's pipe");
  /* Shell scripts use small numbers. */
  self->read_end = dkms_fd_duplicate_high (ends[0], 100);
  self->write_end = dkms_fd_duplicate_high (ends[1], 100);
  (void)close (ends[0]);
  (void)close (ends[1]);
  self->inherit = TRUE;
  auth = g_strdup_printf ("%d,%d", self->read_end, self->write_end);
  self->flags = make_flags (self, auth);
  return (self->read_end >= 0 && self->write_end >= 0) || dkms_fail_errno (error, "create", "the jobserver's pipe");
}

static gboolean
open_fifo (DkmsJobserver *self, const char *dir, const char *tool_dir, GError **error)
{
  g_autofree char *auth = g_strdup_printf ("fifo:%s/jobserver", tool_dir);

  self->fifo = g_build_filename (dir, "jobserver", NULL);
  if (mkfifo (self->fifo, 0600) < 0 || chmod (self->fifo, 0666) < 0)
    return dkms_fail_errno (error, "create", self->fifo);
  self->read_end = open (self->fifo, O_RDWR | O_CLOEXEC | O_NONBLOCK);
  self->write_end = self->read_end >= 0 ? fcntl (self->read_end, F_DUPFD_CLOEXEC, 3) : -1;
  self->flags = make_flags (self, auth);
  return self->write_end >= 0 || dkms_fail_errno (error, "open", self->fifo);
}

/* If the pipe is full, the token is dropped: only a build that floods the pipe can have filled it. */
static void
put_token (int fd, char token)
{
  while (write (fd, &token, 1) < 0 && errno == EINTR)
    ;
}

/* Takes a token if one is available. */
static gboolean
get_token (int fd, char *token)
{
  ssize_t n;

  while ((n = read (fd, token, 1)) < 0 && errno == EINTR)
    ;
  return n == 1;
}

static gboolean
open_own (DkmsJobserver *self, GError **error)
{
  g_autofree char *path = g_strdup_printf ("/proc/self/fd/%d", self->read_end);

  self->own = open (path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
  return self->own >= 0 || dkms_fail_errno (error, "open", "the jobserver's pipe");
}

/* Reads @count bytes from the pipe. The count limits the time, even if a process keeps writing. */
static void
drain (const DkmsJobserver *self, int count)
{
  char chunk[4096];

  while (count > 0)
    {
      ssize_t n = read (self->own, chunk, MIN ((gsize)count, sizeof chunk));
      if (n <= 0)
        return;
      count -= (int)n;
    }
}

/* Returns the number of bytes in the pipe: tokens and other data. */
static int
count_idle (const DkmsJobserver *self)
{
  int idle = 0;

  return ioctl (self->own, FIONREAD, &idle) == 0 ? idle : 0;
}

/* The pipe contains at most the tokens of builds without a slot and makes without a token. A surplus was written by a
 * build that wants more jobs than there are. */
static void
drop_surplus (const DkmsJobserver *self)
{
  int most = (int)self->limit - (int)self->running;

  if (self->limit > 0 && count_idle (self) > most)
    drain (self, count_idle (self) - MAX (most, 0));
}

static void
fill (const DkmsJobserver *self)
{
  drain (self, count_idle (self));
  for (guint i = 0; i < self->limit; i++)
    put_token (self->own, '+');
}

DkmsJobserver *
dkms_jobserver_new (const char *jobs, const char *makeflags, const char *make_version, const char *dir,
                    const char *tool_dir, GError **error)
{
  g_autoptr (DkmsJobserver) self = g_new0 (DkmsJobserver, 1);
  guint64 limit = 0;

  self->read_end = self->write_end = self->own = self->outer = -1;
  self->tokens = g_byte_array_new ();
  self->lent = g_byte_array_new ();
  if (!join (self, makeflags))
    (void)g_ascii_string_to_unsigned (jobs, 10, 0, 4096, &limit,
                                      NULL); /* a pipe has room for at least as many tokens */
  self->limit = (guint)limit;
  if (self->limit == 0 && self->outer < 0)
    {
      self->flags = g_strdup ("");
      return g_steal_pointer (&self);
    }
  if (!(wants_fifo (make_version) ? open_fifo (self, dir, tool_dir, error) : open_pipe (self, error))
      || !open_own (self, error))
    return NULL;
  fill (self);
  return g_steal_pointer (&self);
}

static void
give_back (DkmsJobserver *self, GByteArray *tokens)
{
  put_token (self->outer >= 0 ? self->outer : self->own, (char)tokens->data[tokens->len - 1]);
  g_byte_array_set_size (tokens, tokens->len - 1);
}

void
dkms_jobserver_free (DkmsJobserver *self)
{
  const int descriptors[] = { self != NULL ? self->read_end : -1, self != NULL ? self->write_end : -1,
                              self != NULL ? self->own : -1, self != NULL ? self->outer : -1 };

  if (self == NULL)
    return;
  while (self->outer >= 0 && self->tokens->len > 0)
    give_back (self, self->tokens);
  while (self->lent->len > 0)
    give_back (self, self->lent);
  for (gsize i = 0; i < G_N_ELEMENTS (descriptors); i++)
    if (descriptors[i] >= 0)
      (void)close (descriptors[i]);
  if (self->fifo != NULL)
    (void)unlink (self->fifo);
  g_byte_array_unref (self->tokens);
  g_byte_array_unref (self->lent);
  g_free (self->fifo);
  g_free (self->flags);
  g_free (self);
}

gboolean
dkms_jobserver_take (DkmsJobserver *self)
{
  char token;

  if (self->limit > 0 && self->running >= self->limit)
    return FALSE;
  if (self->read_end >= 0)
    {
      drop_surplus (self);
      if (self->free_slot)
        self->free_slot = FALSE;
      else if (get_token (dkms_jobserver_fd (self), &token))
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
    give_back (self, self->tokens);
  else
    self->free_slot = self->outer >= 0;
  if (self->running > 0)
    return;
  /* A killed build may have held tokens. */
  while (self->lent->len > 0)
    give_back (self, self->lent);
  fill (self);
}

int
dkms_jobserver_relay (DkmsJobserver *self)
{
  int idle;
  char token;

  if (self->read_end < 0 || self->running == 0)
    return -1;
  if (self->outer < 0)
    return drop_surplus (self), SURPLUS_MS;
  for (idle = count_idle (self); idle > 1 && get_token (self->own, &token); idle--)
    if (self->lent->len > 0)
      give_back (self, self->lent);
  if (idle == 0 && get_token (self->outer, &token))
    {
      g_byte_array_append (self->lent, (const guint8 *)&token, 1);
      put_token (self->own, '+');
    }
  return RELAY_MS;
}

int
dkms_jobserver_fd (const DkmsJobserver *self)
{
  return self->outer >= 0                                  ? self->outer
         : self->limit > 0 && self->running >= self->limit ? -1 /* the pipe may contain bytes that are not slots */
                                                           : self->own;
}

int
dkms_jobserver_pipe (const DkmsJobserver *self)
{
  return self != NULL ? self->own : -1;
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
