/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Creates the private directory, and runs depmod in it. */
#define _GNU_SOURCE
#include "helpers/stub-view.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "helpers/write-all.h"

enum { MOST_OUTPUT = 1 << 20, MOST_TWINS = 4096, MOST_VIEWS = 8 };

static const char no_space[] = "a private directory cannot be filled";
static const char odd_order[] = "the order of two modules with the same name cannot be reproduced";

/* ---- the directory ---- */

/* Not in the headers of older C libraries. */
enum { FSCONFIG_STRING = 1, FSCONFIG_CREATE = 6 };

/* Mounts a file system in memory, without giving it a place. It ends with its descriptor. Returns: -1 if the system
 * does not allow it */
static int
open_memory (void)
{
  int fs = (int)syscall (SYS_fsopen, "tmpfs", 1 /* FSOPEN_CLOEXEC */), fd = -1;

  if (fs < 0)
    return -1;
  if (syscall (SYS_fsconfig, fs, FSCONFIG_STRING, "mode", "0700", 0) == 0
      && syscall (SYS_fsconfig, fs, FSCONFIG_CREATE, NULL, NULL, 0) == 0)
    fd = (int)syscall (SYS_fsmount, fs, 1 /* FSMOUNT_CLOEXEC */, MS_NOSUID | MS_NODEV);
  (void)close (fs);
  return fd;
}

static bool
make_dir (int dir_fd, const char *path)
{
  return mkdirat (dir_fd, path, 0755) == 0 || errno == EEXIST;
}

static int
open_dir (int dir_fd, const char *path)
{
  return openat (dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Creates a directory for systems on which no file system can be mounted. Returns: -1 with errno */
static int
open_plain (int scratch)
{
  char name[16];

  for (unsigned i = 0; i < MOST_VIEWS; i++)
    {
      (void)snprintf (name, sizeof name, "view%u", i);
      if (mkdirat (scratch, name, 0700) == 0)
        return open_dir (scratch, name);
      if (errno != EEXIST)
        break;
    }
  return -1;
}

bool
stub_copy (int from, const char *name, int to, const char *target)
{
  int in = openat (from, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), out = -1;
  static char buffer[1 << 17];
  struct stat st;
  ssize_t n = -1;

  if (in >= 0 && fstat (in, &st) == 0 && S_ISREG (st.st_mode))
    out = openat (to, target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
  while (out >= 0 && (n = read (in, buffer, sizeof buffer)) > 0)
    if (!write_all (out, buffer, (size_t)n))
      {
        n = -1;
        break;
      }
  if (in >= 0)
    (void)close (in);
  return out >= 0 && close (out) == 0 && n == 0;
}

static bool
begins_with (const char *text, const char *prefix)
{
  return strncmp (text, prefix, strlen (prefix)) == 0;
}

/* Whether depmod writes this file. It need not be copied. */
static bool
is_index (const char *name)
{
  static const char *const names[] = { "dep", "alias", "symbols", "softdep", "weakdep", "devname" };
  const char *kind = name + strlen ("modules.");

  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    {
      size_t n = strlen (names[i]);
      if (strncmp (kind, names[i], n) == 0 && (kind[n] == '\0' || strcmp (kind + n, ".bin") == 0))
        return true;
    }
  return strncmp (kind, "builtin.", 8) == 0 && strlen (kind) > 4 && strcmp (kind + strlen (kind) - 4, ".bin") == 0;
}

/* Marks copies, so that stub_view_indexes() distinguishes them from files that depmod writes. */
enum { COPY_MODE = 0400 };

static const char *
copy_inputs (StubView *self)
{
  int fd = open_dir (self->source, ".");
  DIR *dir = fd >= 0 ? fdopendir (fd) : NULL;
  const struct dirent *entry;
  bool good = dir != NULL;

  while (good && (errno = 0, entry = readdir (dir)) != NULL)
    {
      struct stat st;

      if (!begins_with (entry->d_name, "modules.") || is_index (entry->d_name)
          || fstatat (self->source, entry->d_name, &st, 0) < 0 || !S_ISREG (st.st_mode))
        continue;
      good = stub_copy (self->source, entry->d_name, self->modules, entry->d_name)
             && fchmodat (self->modules, entry->d_name, COPY_MODE, 0) == 0;
    }
  good &= errno == 0;
  if (dir != NULL)
    (void)closedir (dir);
  else if (fd >= 0)
    (void)close (fd);
  return good ? NULL : "a file of the kernel cannot be copied";
}

const char *
stub_view_open (StubView *self, const char *release, int source, int scratch)
{
  int above = -1;

  *self = (StubView){ release, source, scratch, open_memory (), -1 };
  if (self->base < 0)
    self->base = open_plain (scratch);
  /* depmod looks into lib/modules or usr/lib/modules. */
  if (self->base >= 0 && make_dir (self->base, "usr") && make_dir (self->base, "usr/lib")
      && make_dir (self->base, "usr/lib/modules") && (symlinkat ("usr/lib", self->base, "lib") == 0 || errno == EEXIST))
    above = open_dir (self->base, "usr/lib/modules");
  if (above >= 0 && mkdirat (above, release, 0755) == 0)
    self->modules = open_dir (above, release);
  if (above >= 0)
    (void)close (above);
  return self->modules >= 0 ? copy_inputs (self) : no_space;
}

void
stub_view_close (StubView *self)
{
  if (self->modules >= 0)
    (void)close (self->modules);
  if (self->base >= 0)
    (void)close (self->base);
  self->modules = self->base = -1;
}

/* ---- modules ---- */

/* The directory of the last file, which is often that of the next one. */
typedef struct {
  int fd; /* -1: none */
  char path[4096];
} Place;

/* Returns: a descriptor, which @place owns, of the directory of @path; @name: (out): the last part of @path */
static int
enter (const StubView *self, Place *place, const char *path, const char **name)
{
  const char *slash = strrchr (path, '/');
  size_t n = slash != NULL ? (size_t)(slash - path) : 0;

  *name = slash != NULL ? slash + 1 : path;
  if (place->fd >= 0 && strlen (place->path) == n && strncmp (place->path, path, n) == 0)
    return place->fd;
  if (place->fd >= 0)
    (void)close (place->fd);
  place->fd = -1;
  if (n >= sizeof place->path)
    return -1;
  memcpy (place->path, path, n);
  place->path[n] = '\0';
  place->fd = open_dir (self->modules, n > 0 ? place->path : ".");
  for (char *at = place->path; place->fd < 0 && at != NULL;)
    {
      at = strchr (at + 1, '/');
      if (at != NULL)
        *at = '\0';
      bool made = make_dir (self->modules, place->path);
      if (at != NULL)
        *at = '/';
      if (!made)
        break;
    }
  if (place->fd < 0)
    place->fd = open_dir (self->modules, place->path);
  return place->fd;
}

static bool
put_file (const StubView *self, Place *place, const StubFile *file)
{
  const char *name;
  int dir = enter (self, place, file->path, &name), fd;

  if (dir < 0)
    return false;
  if (file->stub == NULL)
    return stub_copy (self->source, file->path, dir, name);
  fd = openat (dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (fd < 0)
    return false;
  bool good = write (fd, file->stub, file->stub_size) == (ssize_t)file->stub_size;
  return close (fd) == 0 && good;
}

static bool
put_files (const StubView *self, const StubList *list, bool reverse)
{
  Place place = { .fd = -1 };
  bool good = true;

  for (size_t i = 0; good && i < list->count; i++)
    good = put_file (self, &place, &list->files[reverse ? list->count - 1 - i : i]);
  if (place.fd >= 0)
    (void)close (place.fd);
  return good;
}

/* ---- order ---- */

/* Whether the file system lists the newest entry of a directory first. */
static bool
lists_newest_first (const StubView *self)
{
  static const char *const names[] = { "a", "b", "c" };
  int fd = make_dir (self->base, "order") ? open_dir (self->base, "order") : -1, file;
  DIR *dir = NULL;
  const struct dirent *entry;
  char order[4] = "";
  size_t n = 0;

  for (size_t i = 0; fd >= 0 && i < sizeof names / sizeof *names; i++)
    {
      file = openat (fd, names[i], O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
      if (file >= 0)
        (void)close (file);
    }
  dir = fd >= 0 ? fdopendir (fd) : NULL;
  while (dir != NULL && n < 3 && (entry = readdir (dir)) != NULL)
    if (entry->d_name[0] != '.')
      order[n++] = entry->d_name[0];
  if (dir != NULL)
    (void)closedir (dir);
  else if (fd >= 0)
    (void)close (fd);
  return strcmp (order, "cba") == 0;
}

/* Whether the modules of each name have the same order in both lists. */
static bool
same_order (const StubList *a, const StubList *b)
{
  size_t n = 0, m = 0, *twins = stub_list_twins (a, &n), *others = stub_list_twins (b, &m);
  bool same = twins != NULL && others != NULL && n == m && n <= MOST_TWINS;
  bool used[MOST_TWINS] = { false };

  for (size_t i = 0; same && i < n; i++)
    {
      const char *path = a->files[twins[i]].path;
      size_t k = 0;

      while (k < m && (used[k] || !stub_same_module (path, b->files[others[k]].path)))
        k++;
      same = k < m && strcmp (path, b->files[others[k]].path) == 0;
      if (same)
        used[k] = true;
    }
  free (twins);
  free (others);
  return same;
}

const char *
stub_view_fill (StubView *self, const StubList *list)
{
  StubList seen = { 0 };
  size_t count = 0, *twins = stub_list_twins (list, &count);
  const char *why = NULL;

  free (twins);
  if (twins == NULL || !put_files (self, list, count > 0 && lists_newest_first (self)))
    return no_space;
  if (count == 0)
    return NULL;
  why = stub_list_read (&seen, self->modules);
  if (why == NULL && !same_order (list, &seen))
    why = odd_order;
  stub_list_clear (&seen);
  return why;
}

/* ---- depmod ---- */

/* Runs in the child. */
static void
be_depmod (const StubView *self, const char *map, int output)
{
  char base[64];
  const char *argv[8] = { "depmod", "-b", base, "-a", self->release };

  (void)snprintf (base, sizeof base, "/proc/self/fd/%d", self->base);
  if (map != NULL)
    {
      argv[5] = "-F";
      argv[6] = map;
    }
  if (prctl (PR_SET_PDEATHSIG, SIGTERM) < 0 || fcntl (self->base, F_SETFD, 0) < 0 || dup2 (output, 1) < 0
      || dup2 (output, 2) < 0)
    _exit (126);
  (void)execvp (argv[0], (char **)(size_t)argv);
  _exit (127);
}

/* Reads the output of depmod. Returns: (transfer none) */
static const char *
read_output (int output)
{
  static char text[MOST_OUTPUT + 1];
  ssize_t n = pread (output, text, MOST_OUTPUT, 0);

  text[n > 0 ? n : 0] = '\0';
  return text;
}

/* depmod does not always exit with an error when it cannot write an index. Returns: whether its output contains an
 * error about a file modules.* */
static bool
reports_failure (const char *text)
{
  for (const char *line = text; *line != '\0';)
    {
      char copy[1024];
      size_t n = strcspn (line, "\n");

      (void)snprintf (copy, sizeof copy, "%.*s", (int)n, line);
      if ((strstr (copy, "ERROR") != NULL || strstr (copy, "FATAL") != NULL) && strstr (copy, "modules.") != NULL)
        return true;
      line += n + (line[n] == '\n');
    }
  return false;
}

/* Prints the output of depmod with @shown instead of the private directory. */
static void
print_output (const StubView *self, const char *text, const char *shown)
{
  char base[64];
  const char *at = text, *next;

  (void)snprintf (base, sizeof base, "/proc/self/fd/%d", self->base);
  while ((next = strstr (at, base)) != NULL)
    {
      printf ("%.*s%s", (int)(next - at), at, shown);
      at = next + strlen (base);
    }
  printf ("%s", at);
  (void)fflush (stdout);
}

const char *
stub_view_depmod (StubView *self, const char *map, const char *shown, bool quiet)
{
  int output = memfd_create ("output", MFD_CLOEXEC), status = -1;
  pid_t pid = output >= 0 ? fork () : -1;

  if (pid == 0)
    be_depmod (self, map, output);
  while (pid > 0 && waitpid (pid, &status, 0) < 0 && errno == EINTR)
    ;
  bool good = pid > 0 && WIFEXITED (status) && WEXITSTATUS (status) == 0;
  const char *text = good ? read_output (output) : "";
  good = good && !reports_failure (text);
  if (good && !quiet)
    print_output (self, text, shown);
  if (output >= 0)
    (void)close (output);
  return good ? NULL : "depmod failed";
}

/* depmod renames its temporary files, whose names end with numbers. One that remains was not completed. */
static bool
is_temporary (const char *name)
{
  const char *dot = strrchr (name, '.');

  return isdigit ((unsigned char)dot[1]);
}

/* Whether the indexes are there that every version of depmod writes. */
static bool
has_all (const StubIndex indexes[STUB_MOST_INDEXES], unsigned count)
{
  static const char *const names[] = { "modules.dep",     "modules.dep.bin",     "modules.alias",   "modules.alias.bin",
                                       "modules.symbols", "modules.symbols.bin", "modules.softdep", "modules.devname" };

  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    {
      unsigned k = 0;

      while (k < count && strcmp (indexes[k].name, names[i]) != 0)
        k++;
      if (k == count)
        return false;
    }
  return true;
}

const char *
stub_view_indexes (const StubView *self, StubIndex indexes[STUB_MOST_INDEXES], unsigned *count)
{
  int fd = open_dir (self->modules, ".");
  DIR *dir = fd >= 0 ? fdopendir (fd) : NULL;
  const struct dirent *entry;
  const char *why = dir != NULL ? NULL : no_space;

  *count = 0;
  while (why == NULL && (errno = 0, entry = readdir (dir)) != NULL)
    {
      struct stat st;

      if (!begins_with (entry->d_name, "modules."))
        continue;
      if (fstatat (self->modules, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG (st.st_mode))
        why = "depmod has written an unknown file";
      else if ((st.st_mode & 0777) == COPY_MODE)
        continue;
      else if (is_temporary (entry->d_name) || *count == STUB_MOST_INDEXES
               || strlen (entry->d_name) >= sizeof indexes->name)
        why = "depmod has left a temporary file";
      else
        {
          StubIndex *index = &indexes[(*count)++];
          index->size = st.st_size;
          memcpy (index->name, entry->d_name, strlen (entry->d_name) + 1);
        }
    }
  if (dir != NULL)
    (void)closedir (dir);
  else if (fd >= 0)
    (void)close (fd);
  return why != NULL || has_all (indexes, *count) ? why : "depmod has not written all indexes";
}
