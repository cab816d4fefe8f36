/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dkms-depmod --modules FD --store FD --out FD [--least N] [--jobs N] [--tokens FD] [--map FILE] [--private DIR]
 * [--prepare] [--verbose] BASE RELEASE
 *
 * Creates the indexes of a kernel with the machine's depmod, which reads stubs (module-stub.h) instead of the modules.
 * The indexes are byte for byte those that `depmod -b BASE -a RELEASE` would write.
 *
 *   --modules FD   the directory BASE/lib/modules/RELEASE
 *   --store FD     a directory of the caller only; the file RELEASE in it keeps stubs (stub-store.h)
 *   --out FD       an empty directory; gets the indexes
 *   --least N      do nothing if fewer modules are compressed, because then depmod is fast without stubs
 *   --jobs N       processes that make stubs at the same time
 *   --tokens FD    pipe of a job server that limits them further
 *   --map FILE     is passed to depmod as -F FILE
 *   --private DIR  a directory in memory that ends with the caller; is used where no file system can be mounted
 *   --prepare      make the stubs, and no indexes
 *   --verbose      print what depmod prints, and why there are no indexes
 *
 * Exit status: 0: the indexes were created; 3: they were not, and the caller runs depmod itself; 2: wrong arguments. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "helpers/stub-list.h"
#include "helpers/stub-store.h"
#include "helpers/stub-view.h"
#include "helpers/stub-work.h"

enum { EXIT_PLAIN = 3, MOST_SAMPLES = 24, IN_MEMORY = 0x01021994 }; /* TMPFS_MAGIC */

typedef struct {
  int modules, store, out;
  int scratch; /* for private directories: out, or a directory in memory */
  size_t least;
  StubWork work;
  const char *map; /* (nullable) */
  bool prepare, verbose;
  const char *base, *release;
} Job;

/* ---- the identity of depmod ---- */

static void
append_state (char identity[STUB_IDENTITY], const char *path)
{
  size_t n = strlen (identity);
  struct stat st;

  if (stat (path, &st) == 0)
    (void)snprintf (identity + n, STUB_IDENTITY - n, "%llx:%llx:%llx.%lx;", (unsigned long long)st.st_ino,
                    (unsigned long long)st.st_size, (unsigned long long)st.st_ctim.tv_sec,
                    (unsigned long)st.st_ctim.tv_nsec);
  else
    (void)snprintf (identity + n, STUB_IDENTITY - n, "none;");
}

/* The state of the program that execvp() finds, and of the libraries of the machine: other ones may read modules
 * differently. */
static void
identify_depmod (char identity[STUB_IDENTITY])
{
  const char *at = getenv ("PATH");

  identity[0] = '\0';
  for (size_t n; at != NULL && *at != '\0'; at += n + (at[n] == ':'))
    {
      char path[PATH_MAX];

      n = strcspn (at, ":");
      if (snprintf (path, sizeof path, "%.*s/depmod", (int)n, at) >= (int)sizeof path || access (path, X_OK) < 0)
        continue;
      append_state (identity, path);
      break;
    }
  append_state (identity, "/etc/ld.so.cache");
}

/* ---- a trial ---- */

/* Takes a few modules of each compression. @originals: gets the same modules without their stubs */
static void
take_samples (const StubList *list, StubList *samples, StubList *originals)
{
  static const char *const suffixes[] = { ".ko", ".gz", ".xz", ".zst" };

  for (size_t s = 0; s < sizeof suffixes / sizeof *suffixes; s++)
    {
      size_t taken = 0, step = list->count / 16 + 1;

      for (size_t i = s; i < list->count && taken < MOST_SAMPLES / 4;)
        {
          const StubFile *file = &list->files[i];

          if (file->stub == NULL || strcmp (strrchr (file->path, '.'), suffixes[s]) != 0)
            {
              i++;
              continue;
            }
          samples->files[samples->count++] = *file;
          originals->files[originals->count] = *file;
          originals->files[originals->count++].stub = NULL;
          taken++;
          i += step;
        }
    }
}

static const char *
run_trial (const Job *job, StubView *view, const StubList *list, StubIndex indexes[STUB_MOST_INDEXES], unsigned *count)
{
  const char *why = stub_view_open (view, job->release, job->modules, job->scratch);

  if (why == NULL)
    why = stub_view_fill (view, list);
  if (why == NULL)
    why = stub_view_depmod (view, job->map, NULL, true);
  return why == NULL ? stub_view_indexes (view, indexes, count) : why;
}

static bool
equal_files (int a, int b, const char *name, size_t size)
{
  int fd_a = openat (a, name, O_RDONLY | O_CLOEXEC), fd_b = openat (b, name, O_RDONLY | O_CLOEXEC);
  char *bytes = malloc (2 * size + 1);
  bool equal = bytes != NULL && fd_a >= 0 && fd_b >= 0 && read (fd_a, bytes, size) == (ssize_t)size
               && read (fd_b, bytes + size, size) == (ssize_t)size && memcmp (bytes, bytes + size, size) == 0;

  if (fd_a >= 0)
    (void)close (fd_a);
  if (fd_b >= 0)
    (void)close (fd_b);
  free (bytes);
  return equal;
}

/* Returns: (nullable): why the trials cannot be compared. @refused: (out): whether they differ */
static const char *
compare_trials (const Job *job, const StubList *samples, const StubList *originals, bool *refused)
{
  StubView a, b = { .base = -1, .modules = -1 };
  StubIndex of_a[STUB_MOST_INDEXES], of_b[STUB_MOST_INDEXES];
  unsigned n = 0, m = 0;
  const char *why = run_trial (job, &a, originals, of_a, &n);

  if (why == NULL)
    why = run_trial (job, &b, samples, of_b, &m);
  *refused = why == NULL && n != m;
  for (unsigned i = 0; why == NULL && i < n && !*refused; i++)
    {
      unsigned k = 0;

      while (k < m && strcmp (of_a[i].name, of_b[k].name) != 0)
        k++;
      *refused = k == m || of_a[i].size != of_b[k].size
                 || !equal_files (a.modules, b.modules, of_a[i].name, (size_t)of_a[i].size);
    }
  stub_view_close (&a);
  stub_view_close (&b);
  return why;
}

/* Runs depmod over some modules, and over their stubs. */
static const char *
try_depmod (const Job *job, const StubList *list, bool *refused)
{
  StubFile files[2][MOST_SAMPLES];
  StubList samples = { .files = files[0] }, originals = { .files = files[1] };
  const char *why = NULL;

  *refused = false;
  take_samples (list, &samples, &originals);
  for (unsigned i = 0; i < 2 && why == NULL; i++) /* a temporary failure may not occur again */
    if (i == 0 || *refused)
      why = samples.count > 0 ? compare_trials (job, &samples, &originals, refused) : NULL;
  return why;
}

/* ---- the work ---- */

static const char *
create_indexes (const Job *job, const StubList *list)
{
  StubView view;
  StubIndex indexes[STUB_MOST_INDEXES];
  unsigned count = 0;
  const char *why = stub_view_open (&view, job->release, job->modules, job->scratch);

  if (why == NULL)
    why = stub_view_fill (&view, list);
  if (why == NULL)
    why = stub_view_depmod (&view, job->map, job->base, !job->verbose);
  if (why == NULL)
    why = stub_view_indexes (&view, indexes, &count);
  for (unsigned i = 0; why == NULL && i < count; i++)
    if (!stub_copy (view.modules, indexes[i].name, job->out, indexes[i].name))
      why = "the indexes cannot be copied";
  stub_view_close (&view);
  return why;
}

static size_t
count_kept (const StubList *list)
{
  size_t kept = 0;

  for (size_t i = 0; i < list->count; i++)
    kept += list->files[i].known && !list->files[i].recent;
  return kept;
}

static const char *
work (const Job *job, StubStore *store, StubList *list)
{
  const char *why = stub_list_read (list, job->modules);
  char identity[STUB_IDENTITY];
  size_t compressed = 0, found;
  bool tried;

  for (size_t i = 0; i < list->count; i++)
    compressed += list->files[i].compressed;
  if (why != NULL || compressed < job->least)
    return why != NULL ? why : "few modules are compressed";
  identify_depmod (identity);
  stub_store_open (store, job->store, job->release);
  tried = strcmp (store->identity, identity) == 0;
  if (tried && store->refused)
    return "depmod does not write the same indexes from stubs";
  found = stub_store_find (store, list);
  why = stub_work (&job->work, list);
  if (why != NULL)
    return why;
  bool refused = false;
  if (!tried && (why = try_depmod (job, list, &refused)) != NULL)
    return why;
  if (!tried || found < store->count || found < count_kept (list))
    if (!stub_store_write (job->store, job->release, list, identity, refused) && job->verbose)
      fprintf (stderr, "dkms-depmod: cannot store the stubs: %s\n", strerror (errno));
  if (refused)
    return "depmod does not write the same indexes from stubs";
  return job->prepare ? NULL : create_indexes (job, list);
}

/* ---- arguments ---- */

static int
number_of (const char *text)
{
  char *end = NULL;
  long value = strtol (text, &end, 10);

  return end != text && *end == '\0' && value >= 0 && value <= INT_MAX ? (int)value : -1;
}

/* Uses @path for private directories, if it is in memory. */
static void
use_private (Job *job, const char *path)
{
  int fd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  struct statfs fs;

  if (fd >= 0 && fstatfs (fd, &fs) == 0 && fs.f_type == IN_MEMORY)
    job->scratch = fd;
  else if (fd >= 0)
    (void)close (fd);
}

static bool
read_arguments (Job *job, int argc, char **argv)
{
  static const struct option options[]
      = { { "modules", 1, NULL, 'm' }, { "store", 1, NULL, 's' },   { "out", 1, NULL, 'o' },
          { "least", 1, NULL, 'l' },   { "jobs", 1, NULL, 'j' },    { "tokens", 1, NULL, 't' },
          { "map", 1, NULL, 'F' },     { "private", 1, NULL, 'p' }, { "prepare", 0, NULL, 'P' },
          { "verbose", 0, NULL, 'v' }, { NULL, 0, NULL, 0 } };
  const char *scratch = NULL;
  int letter;

  while ((letter = getopt_long (argc, argv, "", options, NULL)) >= 0)
    if (letter == 'm')
      job->modules = number_of (optarg);
    else if (letter == 's')
      job->store = number_of (optarg);
    else if (letter == 'o')
      job->out = number_of (optarg);
    else if (letter == 'l')
      job->least = (size_t)number_of (optarg);
    else if (letter == 'j')
      job->work.jobs = (unsigned)number_of (optarg);
    else if (letter == 't')
      job->work.tokens = number_of (optarg);
    else if (letter == 'F')
      job->map = optarg;
    else if (letter == 'p')
      scratch = optarg;
    else if (letter == 'P')
      job->prepare = true;
    else if (letter == 'v')
      job->verbose = true;
    else
      return false;
  if (fcntl (job->modules, F_SETFD, FD_CLOEXEC) < 0 || fcntl (job->store, F_SETFD, FD_CLOEXEC) < 0
      || fcntl (job->out, F_SETFD, FD_CLOEXEC) < 0)
    return false;
  if (argc - optind != 2 || job->modules < 0 || job->store < 0 || job->out < 0 || job->work.jobs == 0
      || strchr (argv[optind + 1], '/') != NULL)
    return false;
  job->base = argv[optind];
  job->release = argv[optind + 1];
  job->work.dir_fd = job->modules;
  job->scratch = job->out;
  if (scratch != NULL)
    use_private (job, scratch);
  return true;
}

int
main (int argc, char **argv)
{
  Job job = { .modules = -1, .store = -1, .out = -1, .work = { .jobs = 1, .tokens = -1 } };
  StubStore store = { 0 };
  StubList list = { 0 };
  const char *why;

  if (!read_arguments (&job, argc, argv))
    return fprintf (stderr, "dkms-depmod: wrong arguments\n"), 2;
  why = work (&job, &store, &list);
  stub_list_clear (&list);
  stub_store_close (&store);
  if (why != NULL && job.verbose)
    fprintf (stderr, "dkms-depmod: running depmod without stubs: %s\n", why);
  return why != NULL ? EXIT_PLAIN : 0;
}
