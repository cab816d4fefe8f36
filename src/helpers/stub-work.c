/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Starts workers, gives each some modules, and takes the stubs that they made.
 *
 * A worker gets the modules as open files, and writes its results to a memory file: for each module a Result and the
 * stub. It has no other access. */
#define _GNU_SOURCE
#include "helpers/stub-work.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "helpers/drop-rights.h"
#include "helpers/job-token.h"
#include "helpers/module-stub.h"
#include "helpers/unpack.h"
#include "helpers/write-all.h"

/* A worker costs some hundred page faults before its first stub. */
enum { LEAST_BATCH = 16, MOST_BATCH = 256, MOST_WORKERS = 64, MOST_BYTES = 1 << 30, MOST_SECONDS = 60 };
enum { EXIT_RIGHTS = 3, LARGE_PAGE = 2 << 20 };

static const char no_memory[] = "there is not enough memory";

typedef struct {
  uint64_t size; /* 0: the module has no stub */
} Result;

typedef struct {
  pid_t pid; /* 0: free */
  int result;
  JobToken token;
  size_t files[MOST_BATCH];
  unsigned count;
} Worker;

typedef struct {
  const StubWork *work;
  StubList *list;
  size_t next; /* file to look at */
  Worker workers[MOST_WORKERS];
  unsigned running;
} Crowd;

/* ---- in a worker ---- */

typedef struct {
  char *bytes;
  size_t size, room;
} Buffer;

/* Makes room for @n more bytes. */
static bool
make_room (Buffer *self, size_t n)
{
  if (n > MOST_BYTES - self->size)
    return false;
  if (n > self->room - self->size)
    {
      size_t room = (2 * (self->size + n) / LARGE_PAGE + 1) * LARGE_PAGE;
      char *more = aligned_alloc (LARGE_PAGE, room);

      if (more == NULL)
        return false;
      (void)madvise (more, room, MADV_HUGEPAGE); /* fewer page faults, if the system allows it */
      if (self->size > 0)
        memcpy (more, self->bytes, self->size);
      free (self->bytes);
      self->bytes = more;
      self->room = room;
    }
  return true;
}

static bool
take_bytes (void *user, const void *bytes, size_t n)
{
  Buffer *self = user;

  if (!make_room (self, n))
    return false;
  if (n > 0)
    memcpy (self->bytes + self->size, bytes, n);
  self->size += n;
  return true;
}

/* Returns: whether the content has the form that the name of the file promises */
static bool
has_form (const StubFile *file, UnpackFunc unpack)
{
  const char *dot = strrchr (file->path, '.');
  UnpackFunc promised = strcmp (dot, ".gz") == 0    ? unpack_gz
                        : strcmp (dot, ".xz") == 0  ? unpack_xz
                        : strcmp (dot, ".zst") == 0 ? unpack_zst
                                                    : NULL;

  return promised == unpack;
}

/* Decompresses a module that every version of depmod decompresses in the same way. */
static bool
unpack_all (UnpackFunc unpack, const void *bytes, size_t size, Buffer *buffer)
{
  size_t rest = 0;

  return (unpack != unpack_zst || unpack_zst_has_size (bytes, size)) && unpack (bytes, size, take_bytes, buffer, &rest)
         && rest == 0;
}

/* Reads a module. A mapping would cost more: most modules are small, and compressed. */
static bool
read_module (int fd, size_t size, Buffer *buffer)
{
  ssize_t got = 1;

  buffer->size = 0;
  if (!make_room (buffer, size))
    return false;
  while (buffer->size < size && got != 0)
    {
      got = read (fd, buffer->bytes + buffer->size, size - buffer->size);
      if (got < 0 && errno != EINTR)
        return false;
      buffer->size += got > 0 ? (size_t)got : 0;
    }
  return buffer->size == size;
}

/* What a worker reads and decompresses. */
typedef struct {
  Buffer module, content;
} Room;

/* Returns: whether the result was written */
static bool
reduce (const StubFile *file, int fd, Room *room, int result_fd)
{
  size_t size = (size_t)file->key.size, stub_size = 0;
  const Buffer *content = &room->module;
  void *stub = NULL;
  const char *why = "";
  Result result = { 0 };

  room->content.size = 0;
  if (size > 0 && size <= MOST_BYTES && read_module (fd, size, &room->module))
    {
      UnpackFunc unpack = unpack_find (room->module.bytes, size);

      if (unpack != NULL)
        content = &room->content;
      if (has_form (file, unpack) && (unpack == NULL || unpack_all (unpack, room->module.bytes, size, &room->content)))
        why = module_stub_make (content->bytes, content->size, &stub, &stub_size);
    }
  result.size = why == NULL ? stub_size : 0;
  bool good = write_all (result_fd, &result, sizeof result) && write_all (result_fd, stub, (size_t)result.size);
  free (stub);
  return good;
}

static void
be_worker (const Crowd *crowd, const Worker *self, const int fds[MOST_BATCH])
{
  Room room = { 0 };

  if (prctl (PR_SET_PDEATHSIG, SIGKILL) < 0 || !drop_rights ("dkms-depmod", MOST_SECONDS, MOST_BYTES))
    _exit (EXIT_RIGHTS);
  for (unsigned i = 0; i < self->count; i++)
    if (!reduce (&crowd->list->files[self->files[i]], fds[i], &room, self->result))
      _exit (1);
  _exit (0);
}

/* ---- in the main process ---- */

/* At least 1. */
static unsigned
most_jobs (const Crowd *self)
{
  return self->work->jobs < MOST_WORKERS ? self->work->jobs : MOST_WORKERS;
}

/* Returns: the number of files for the next worker. It becomes smaller, so that the last workers end together. */
static unsigned
batch_size (const Crowd *self)
{
  size_t part = (self->list->count - self->next) / (2 * (size_t)most_jobs (self));

  return part < LEAST_BATCH ? LEAST_BATCH : part > MOST_BATCH ? MOST_BATCH : (unsigned)part;
}

/* Opens the next files without stubs. Returns: (nullable): why a file cannot be used */
static const char *
open_batch (Crowd *self, Worker *worker, int fds[MOST_BATCH])
{
  const unsigned most = batch_size (self);

  worker->count = 0;
  for (; self->next < self->list->count && worker->count < most; self->next++)
    {
      const StubFile *file = &self->list->files[self->next];
      struct stat st;
      StubKey key;

      if (file->known)
        continue;
      int fd = openat (self->work->dir_fd, file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
      if (fd < 0)
        return "a module cannot be read";
      fds[worker->count] = fd;
      worker->files[worker->count++] = self->next;
      if (fstat (fd, &st) < 0 || !S_ISREG (st.st_mode))
        return "a module cannot be read";
      stub_key_set (&key, &st);
      if (!stub_key_equal (&key, &file->key))
        return "a module was changed at the same time";
    }
  return NULL;
}

/* Whether one more worker may start now. */
static bool
take_token (const Crowd *self, Worker *worker)
{
  return job_token_take (&worker->token, self->work->tokens) || self->work->tokens < 0 || self->running == 0;
}

static const char *
start (Crowd *self, Worker *worker)
{
  int fds[MOST_BATCH];
  const char *why = open_batch (self, worker, fds);

  worker->pid = 0;
  worker->result = -1;
  if (why == NULL && worker->count > 0)
    {
      worker->result = memfd_create ("stubs", MFD_CLOEXEC | MFD_ALLOW_SEALING);
      worker->pid = worker->result >= 0 ? fork () : -1;
      if (worker->pid == 0)
        be_worker (self, worker, fds);
      if (worker->pid < 0)
        why = "a process cannot be started";
    }
  for (unsigned i = 0; i < worker->count; i++)
    (void)close (fds[i]);
  if (worker->pid > 0)
    self->running++;
  else
    {
      job_token_give (&worker->token, self->work->tokens);
      if (worker->result >= 0)
        (void)close (worker->result);
      worker->pid = 0;
    }
  return why;
}

/* Takes the complete results in @bytes. Returns: the number of them */
static unsigned
take_results (const Crowd *self, const Worker *worker, const char *bytes, size_t size)
{
  size_t at = 0;
  unsigned i = 0;

  for (; i < worker->count; i++)
    {
      StubFile *file = &self->list->files[worker->files[i]];
      Result result;

      if (size - at < sizeof result)
        break;
      memcpy (&result, bytes + at, sizeof result);
      if (result.size > size - at - sizeof result)
        break;
      file->known = true;
      file->stub = result.size > 0 ? bytes + at + sizeof result : NULL;
      file->stub_size = (size_t)result.size;
      at += sizeof result + (size_t)result.size;
    }
  return i;
}

/* Maps the results of a worker that has ended, and lets the list own them. A process that it left cannot change them
 * any more. @bytes: (out) (nullable): NULL if there are none. Returns: (nullable): why they cannot be used */
static const char *
map_results (Crowd *self, int fd, const void **bytes, size_t *size)
{
  struct stat st;

  *bytes = NULL;
  if (fcntl (fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW) < 0 || fstat (fd, &st) < 0)
    return "the results of a process cannot be read";
  *size = (size_t)st.st_size;
  if (*size == 0)
    return NULL;
  void *mapped = mmap (NULL, *size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
  if (mapped == MAP_FAILED)
    return no_memory;
  if (!stub_list_own (self->list, mapped, *size))
    return (void)munmap (mapped, *size), no_memory;
  *bytes = mapped;
  return NULL;
}

static const char *
finish (Crowd *self, Worker *worker, int status)
{
  const void *bytes;
  size_t size;
  unsigned done = 0;

  job_token_give (&worker->token, self->work->tokens);
  self->running--;
  worker->pid = 0;
  const char *why = map_results (self, worker->result, &bytes, &size);
  if (WIFEXITED (status) && WEXITSTATUS (status) == EXIT_RIGHTS)
    why = "the rights of a process cannot be dropped";
  else if (bytes != NULL)
    done = take_results (self, worker, bytes, size);
  (void)close (worker->result);
  if (why != NULL || done == worker->count)
    return why;
  /* The worker crashed at one file. The others, after it, are given to another worker. */
  self->list->files[worker->files[done]].known = true;
  self->next = self->next < worker->files[done] ? self->next : worker->files[done];
  return NULL;
}

static const char *
wait_for_one (Crowd *self)
{
  int status = 0;
  pid_t pid = waitpid (-1, &status, 0);

  if (pid < 0)
    return errno == EINTR ? NULL : "a process was lost";
  for (unsigned i = 0; i < MOST_WORKERS; i++)
    if (self->workers[i].pid == pid)
      return finish (self, &self->workers[i], status);
  return NULL;
}

static bool
has_more (Crowd *self)
{
  while (self->next < self->list->count && self->list->files[self->next].known)
    self->next++;
  return self->next < self->list->count;
}

static Worker *
free_worker (Crowd *self)
{
  for (unsigned i = 0; i < most_jobs (self); i++)
    if (self->workers[i].pid == 0)
      return &self->workers[i];
  return NULL;
}

const char *
stub_work (const StubWork *work, StubList *list)
{
  Crowd *self = calloc (1, sizeof *self);
  const char *why = self == NULL ? no_memory : NULL;

  if (self == NULL)
    return why;
  self->work = work;
  self->list = list;
  while (why == NULL && (has_more (self) || self->running > 0))
    {
      Worker *worker = has_more (self) ? free_worker (self) : NULL;

      why = worker != NULL && take_token (self, worker) ? start (self, worker) : wait_for_one (self);
    }
  for (unsigned i = 0; i < MOST_WORKERS; i++)
    if (self->workers[i].pid > 0)
      (void)kill (self->workers[i].pid, SIGKILL);
  while (self->running > 0 && wait_for_one (self) == NULL)
    ;
  free (self);
  return why;
}
