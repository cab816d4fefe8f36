/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dkms-compress gz|xz|zst JOBS TOKENS FILE...: replaces each FILE by FILE.gz, FILE.xz or FILE.zst. JOBS files are
 * compressed at the same time; 0: no limit. Of these, each but the first takes a token from the pipe TOKENS of a job
 * server; -1: none. A FILE that cannot be compressed stays, and the exit status is 1.
 *
 * The formats are those that kernels can decompress (kernel/module/decompress.c): xz with CRC32 and a dictionary
 * of 1 MiB, zstd and gzip at their tools' default levels. The result is complete and flushed before
 * it gets its name. A separate program, so that the compression libraries do not delay the start of dkms. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <lzma.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "helpers/job-token.h"
#include "helpers/write-all.h"

static size_t
pack_gz (const void *in, size_t size, void *out, size_t room)
{
  z_stream stream = { 0 };
  size_t made = 0;

  if (deflateInit2 (&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    return 0;
  stream.next_in = (Bytef *)(size_t)in;
  stream.avail_in = (uInt)size;
  stream.next_out = out;
  stream.avail_out = (uInt)room;
  if (deflate (&stream, Z_FINISH) == Z_STREAM_END)
    made = stream.total_out;
  (void)deflateEnd (&stream);
  return made;
}

static size_t
pack_xz (const void *in, size_t size, void *out, size_t room)
{
  lzma_options_lzma options;
  lzma_filter filters[] = { { LZMA_FILTER_LZMA2, &options }, { LZMA_VLI_UNKNOWN, NULL } };
  lzma_stream stream = LZMA_STREAM_INIT;
  size_t made = 0;

  if (lzma_lzma_preset (&options, LZMA_PRESET_DEFAULT))
    return 0;
  options.dict_size = 1 << 20;
  stream.next_in = in;
  stream.avail_in = size;
  stream.next_out = out;
  stream.avail_out = room;
  /* The streaming encoder omits sizes in the block header, like the xz tool. */
  if (lzma_stream_encoder (&stream, filters, LZMA_CHECK_CRC32) == LZMA_OK
      && lzma_code (&stream, LZMA_FINISH) == LZMA_STREAM_END)
    made = (size_t)stream.total_out;
  lzma_end (&stream);
  return made;
}

static size_t
pack_zst (const void *in, size_t size, void *out, size_t room)
{
  ZSTD_CCtx *ctx = ZSTD_createCCtx ();
  size_t made = 0;

  if (ctx != NULL && !ZSTD_isError (ZSTD_CCtx_setParameter (ctx, ZSTD_c_checksumFlag, 1)))
    made = ZSTD_compress2 (ctx, out, room, in, size);
  (void)ZSTD_freeCCtx (ctx);
  return ZSTD_isError (made) ? 0 : made;
}

static int
fail (const char *what, const char *path)
{
  fprintf (stderr, "dkms-compress: cannot %s %s: %s\n", what, path, strerror (errno));
  return 1;
}

static int
publish (const char *path, const char *suffix, const char *data, size_t size, mode_t mode)
{
  char temp[4096], target[4096];

  if (snprintf (target, sizeof target, "%s.%s", path, suffix) >= (int)sizeof target
      || snprintf (temp, sizeof temp, "%s.tmp", target) >= (int)sizeof temp)
    return errno = ENAMETOOLONG, fail ("write beside", path);
  int fd = open (temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
  if (fd < 0)
    return fail ("create", temp);
  int bad = !write_all (fd, data, size) || fsync (fd) < 0;
  bad |= close (fd) < 0;
  if (bad || rename (temp, target) < 0 || unlink (path) < 0)
    {
      int result = fail ("write", target);
      (void)unlink (temp);
      return result;
    }
  return 0;
}

static int
pack (const char *format, const char *path)
{
  struct stat st;
  int fd = open (path, O_RDONLY | O_CLOEXEC);

  if (fd < 0 || fstat (fd, &st) < 0)
    return fail ("read", path);
  size_t size = (size_t)st.st_size, room = size + size / 2 + (64 << 10), made = 0;
  void *in = mmap (NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
  char *out = malloc (room);
  (void)close (fd);
  if (in == MAP_FAILED || out == NULL)
    return free (out), fail ("read", path);
  if (strcmp (format, "gz") == 0)
    made = pack_gz (in, size, out, room);
  else if (strcmp (format, "xz") == 0)
    made = pack_xz (in, size, out, room);
  else if (strcmp (format, "zst") == 0)
    made = pack_zst (in, size, out, room);
  int result = made > 0 ? publish (path, format, out, made, st.st_mode & 0777) : fail ("compress", path);
  free (out);
  return result;
}

/* A process that compresses one file, and its token. */
typedef struct {
  pid_t pid;
  JobToken token;
} Job;

typedef struct {
  int tokens;
  unsigned limit, running;
  int failed;
  Job *jobs;
  size_t count;
} Crowd;

static void
wait_for_one (Crowd *self)
{
  int status = 1;
  pid_t pid = waitpid (-1, &status, 0);

  if (pid < 0 && errno == EINTR)
    return;
  if (pid < 0)
    {
      self->failed = fail ("wait for", "a process");
      self->running = 0;
      return;
    }
  self->failed |= !WIFEXITED (status) || WEXITSTATUS (status) != 0;
  self->running--;
  for (size_t i = 0; i < self->count; i++)
    if (self->jobs[i].pid == pid)
      job_token_give (&self->jobs[i].token, self->tokens);
}

/* Whether one more process may start now. */
static int
may_start (const Crowd *self, Job *job)
{
  if (self->running == 0)
    return 1;
  if (self->limit > 0 && self->running >= self->limit)
    return 0;
  return job_token_take (&job->token, self->tokens) || self->tokens < 0;
}

static int
pack_all (Crowd *self, const char *format, char **paths)
{
  for (; *paths != NULL; paths++)
    {
      Job *job = &self->jobs[self->count];

      while (!may_start (self, job))
        wait_for_one (self);
      job->pid = fork ();
      if (job->pid == 0)
        _exit (prctl (PR_SET_PDEATHSIG, SIGKILL) < 0 ? fail ("tie", "a process") : pack (format, *paths));
      if (job->pid < 0)
        {
          self->failed = fail ("start a process for", *paths);
          job_token_give (&job->token, self->tokens);
          continue;
        }
      self->running++;
      self->count++;
    }
  while (self->running > 0)
    wait_for_one (self);
  return self->failed;
}

int
main (int argc, char **argv)
{
  Crowd crowd = { 0 };

  if (argc < 5)
    return fprintf (stderr, "usage: dkms-compress gz|xz|zst JOBS TOKENS FILE...\n"), 2;
  if (argc == 5)
    return pack (argv[1], argv[4]);
  crowd.limit = (unsigned)strtoul (argv[2], NULL, 10);
  crowd.tokens = atoi (argv[3]);
  crowd.jobs = calloc ((size_t)argc - 4, sizeof *crowd.jobs);
  if (crowd.jobs == NULL)
    return fail ("compress", argv[4]);
  int result = pack_all (&crowd, argv[1], argv + 4);
  free (crowd.jobs);
  return result;
}
