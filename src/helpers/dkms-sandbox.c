/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dkms-sandbox: runs one command in a world of its own. A program by itself because it links libseccomp, and so that
 * the code that changes mounts and privileges is small and stands alone.
 *
 * Usage: dkms-sandbox [OPTION]... [-- COMMAND [ARGUMENT]...]
 *   --root DIR          what stands for "/"; all other paths but the source of --bind are paths in it
 *   --chdir DIR         where the command starts
 *   --report FD         findings go there, a line each (see below)
 *   --user UID GID      whom the command runs as
 *   --processes N       so many at once, then the command is ended
 *   --file-size BYTES   no file may grow larger
 *   --reserve DIR BYTES so much stays free on the file system of DIR, else the command is ended
 *   --tmp-size BYTES    the most that --fresh and --overlay together may take, in memory
 * and, done in the order given, on top of a root that is read-only as a whole:
 *   --fresh DIR         DIR is empty, anyone may write there, and what is written goes with the command
 *   --mask PATH         the directory PATH is empty, the file PATH cannot be read; absent is fine
 *   --expose PATH       what PATH was before any --fresh and --mask, at its place
 *   --overlay DIR       DIR may be written to; what is written goes with the command
 *   --cover DIR         new entries in DIR itself go with the command, what is there can be read
 *   --bind FROM PATH    the directory FROM (a path outside --root) can be written as PATH
 * Without a command it only tries whether all this can be had.
 *
 * The command gets namespaces for mounts, processes, IPC and network (with no device, not even a loopback that is up),
 * its own /proc and a /dev of harmless nodes, no capability, no new privileges and a filter of system calls. Whoever is
 * not root gets a user namespace for it, in which only his own uid exists. When the command ends, so does all that it
 * started, and when dkms-sandbox is killed, all of it is.
 *
 * Exit status: that of the command, 128 + signal number if one ended it; 125 when the world could not be made.
 * Findings: "setup WHAT: WHY", "processes N", "disk", "left N NAME" (so many were still running when the command had
 * ended). Sources: mount_setattr(2), pid_namespaces(7), user_namespaces(7), capabilities(7), seccomp(2). */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Not in every libc yet. */
#ifndef MOUNT_ATTR_RDONLY
#define MOUNT_ATTR_RDONLY 0x00000001
struct mount_attr {
  unsigned long long attr_set, attr_clr, propagation, userns_fd;
};
#endif
#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#endif
#ifndef MOVE_MOUNT_F_EMPTY_PATH
#define MOVE_MOUNT_F_EMPTY_PATH 0x00000004
#endif
#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif

enum { SETUP_FAILED = 125, MAX_CHANGES = 256, TICK_MS = 200, GRACE_MS = 150, STORE_PATH = 48 };
/* The kernel stops a crowd a little after the watch does: it keeps 300 numbers of a namespace for itself. */
enum { SPARE_PROCESSES = 512 };

typedef enum { FRESH, MASK, EXPOSE, OVERLAY, COVER, BIND } Kind;

typedef struct {
  Kind kind;
  const char *path;
  const char *from; /* BIND */
  int tree;         /* EXPOSE, BIND: a detached clone of what is to appear; -1: none */
} Change;

typedef struct {
  const char *root, *cwd, *reserve_dir, *tmp_size;
  int report;
  int user; /* whether uid and gid were given */
  uid_t uid;
  gid_t gid;
  long processes;
  unsigned long long file_size, reserve;
  Change changes[MAX_CHANGES];
  int count;
  char **command;
  int stores; /* directories made in the store so far */
} Sandbox;

static const char *const nodes[] = { "null", "zero", "full", "random", "urandom" };

/* ---- reporting ---- */

static void report (const Sandbox *self, const char *format, ...) __attribute__ ((format (printf, 2, 3)));

static void
report (const Sandbox *self, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  (void)vdprintf (self->report >= 0 ? self->report : STDERR_FILENO, format, args);
  va_end (args);
}

static void die (const Sandbox *self, const char *what, const char *path) __attribute__ ((noreturn));

static void
die (const Sandbox *self, const char *what, const char *path)
{
  report (self, "setup %s%s%s: %s\n", what, path != NULL ? " " : "", path != NULL ? path : "", strerror (errno));
  _exit (SETUP_FAILED);
}

/* ---- system calls without wrappers ---- */

static int
clone_tree (const char *path)
{
  return (int)syscall (SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | O_CLOEXEC | AT_RECURSIVE);
}

static int
attach_tree (int tree, const char *path)
{
  return (int)syscall (SYS_move_mount, tree, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH);
}

static int
make_read_only (const char *path, unsigned int recursive)
{
  struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };

  return (int)syscall (SYS_mount_setattr, AT_FDCWD, path, recursive, &attr, sizeof attr);
}

/* ---- arguments ---- */

static void usage (const Sandbox *self, const char *word) __attribute__ ((noreturn));

static void
usage (const Sandbox *self, const char *word)
{
  report (self, "setup arguments: do not understand %s\n", word);
  _exit (SETUP_FAILED);
}

static void
add_change (Sandbox *self, Kind kind, const char *path, const char *from)
{
  if (self->count == MAX_CHANGES)
    usage (self, "so many paths");
  self->changes[self->count++] = (Change){ kind, path, from, -1 };
}

static void
parse (Sandbox *self, int argc, char **argv)
{
  static const struct {
    const char *word;
    Kind kind;
  } changes[] = { { "--fresh", FRESH },     { "--mask", MASK },   { "--expose", EXPOSE },
                  { "--overlay", OVERLAY }, { "--cover", COVER }, { "--bind", BIND } };

  for (int i = 1; i < argc; i++)
    {
      const char *word = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL, *more = i + 2 < argc ? argv[i + 2] : NULL;
      int used = 1, kind = -1;

      if (strcmp (word, "--") == 0)
        {
          self->command = argv + i + 1;
          return;
        }
      for (size_t k = 0; k < sizeof changes / sizeof *changes; k++)
        if (strcmp (word, changes[k].word) == 0)
          kind = (int)changes[k].kind;
      if (value == NULL
          || ((kind == BIND || strcmp (word, "--user") == 0 || strcmp (word, "--reserve") == 0) && more == NULL))
        usage (self, word);
      if (kind >= 0)
        {
          add_change (self, (Kind)kind, kind == BIND ? more : value, kind == BIND ? value : NULL);
          used = kind == BIND ? 2 : 1;
        }
      else if (strcmp (word, "--root") == 0)
        self->root = value;
      else if (strcmp (word, "--chdir") == 0)
        self->cwd = value;
      else if (strcmp (word, "--report") == 0)
        self->report = (int)strtol (value, NULL, 10);
      else if (strcmp (word, "--processes") == 0)
        self->processes = strtol (value, NULL, 10);
      else if (strcmp (word, "--file-size") == 0)
        self->file_size = strtoull (value, NULL, 10);
      else if (strcmp (word, "--tmp-size") == 0)
        self->tmp_size = value;
      else if (strcmp (word, "--reserve") == 0)
        {
          self->reserve_dir = value;
          self->reserve = strtoull (more, NULL, 10);
          used = 2;
        }
      else if (strcmp (word, "--user") == 0)
        {
          self->user = 1;
          self->uid = (uid_t)strtoul (value, NULL, 10);
          self->gid = (gid_t)strtoul (more, NULL, 10);
          used = 2;
        }
      else
        usage (self, word);
      i += used;
    }
}

/* ---- the world ---- */

static void
put_text (const Sandbox *self, const char *path, const char *text)
{
  int fd = open (path, O_WRONLY | O_CLOEXEC);

  if (fd < 0 || write (fd, text, strlen (text)) < 0)
    die (self, "write", path);
  (void)close (fd);
}

/* New namespaces. Without root's privilege only a user namespace gives the right to the others. */
static void
leave (const Sandbox *self)
{
  int flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWNET;
  uid_t uid = geteuid ();
  gid_t gid = getegid ();
  char map[64];

  if (uid == 0)
    {
      if (unshare (flags) < 0)
        die (self, "namespaces", NULL);
      return;
    }
  if (unshare (flags | CLONE_NEWUSER) < 0)
    die (self, "user namespace", NULL);
  put_text (self, "/proc/self/setgroups", "deny");
  (void)snprintf (map, sizeof map, "%u %u 1", uid, uid);
  put_text (self, "/proc/self/uid_map", map);
  (void)snprintf (map, sizeof map, "%u %u 1", gid, gid);
  put_text (self, "/proc/self/gid_map", map);
}

/* Creates @path and its parents, as far as the mounts so far allow. */
static void
make_dirs (const char *path, mode_t mode)
{
  char walk[PATH_MAX];

  (void)snprintf (walk, sizeof walk, "%s", path);
  for (char *p = walk + 1; *p != '\0'; p++)
    if (*p == '/')
      {
        *p = '\0';
        (void)mkdir (walk, 0755);
        *p = '/';
      }
  (void)mkdir (walk, mode);
}

/* A new directory in the store, which lies under /dev until all is done. */
static void
new_store (Sandbox *self, const char *name, mode_t mode, char path[static STORE_PATH])
{
  (void)snprintf (path, STORE_PATH, "/dev/%d-%s", self->stores++, name);
  if (mkdir (path, 0700) < 0 || chmod (path, mode) < 0)
    die (self, "make", path);
}

/* A file system in memory for all that may be written, and the harmless nodes of /dev in it. */
static void
make_store (Sandbox *self, const int *trees, char dev[static STORE_PATH])
{
  char option[64], path[STORE_PATH + 64];

  (void)snprintf (option, sizeof option, "mode=0755,size=%s", self->tmp_size != NULL ? self->tmp_size : "25%");
  if (mount ("dkms", "/dev", "tmpfs", MS_NOSUID, option) < 0)
    die (self, "cover", "/dev");
  new_store (self, "dev", 0755, dev);
  for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++)
    {
      int fd;

      (void)snprintf (path, sizeof path, "%s/%s", dev, nodes[i]);
      fd = open (path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
      if (fd < 0 || trees[i] < 0 || attach_tree (trees[i], path) < 0)
        die (self, "make", path);
      (void)close (fd);
    }
  (void)snprintf (path, sizeof path, "%s/shm", dev);
  if (mkdir (path, 0700) < 0 || chmod (path, 01777) < 0)
    die (self, "make", path);
  static const char *const links[][2] = { { "/proc/self/fd", "fd" },
                                          { "/proc/self/fd/0", "stdin" },
                                          { "/proc/self/fd/1", "stdout" },
                                          { "/proc/self/fd/2", "stderr" } };
  for (size_t i = 0; i < sizeof links / sizeof *links; i++)
    {
      (void)snprintf (path, sizeof path, "%s/%s", dev, links[i][1]);
      if (symlink (links[i][0], path) < 0)
        die (self, "make", path);
    }
}

static void
bind_over (const Sandbox *self, const char *from, const char *to)
{
  if (mount (from, to, NULL, MS_BIND, NULL) < 0)
    die (self, "cover", to);
}

static void
do_mask (Sandbox *self, const char *path)
{
  char empty[STORE_PATH];
  struct stat st;

  if (stat (path, &st) < 0)
    return;
  if (S_ISDIR (st.st_mode))
    new_store (self, "empty", 0555, empty);
  else
    {
      int fd;

      (void)snprintf (empty, STORE_PATH, "/dev/%d-empty", self->stores++);
      fd = open (empty, O_WRONLY | O_CREAT | O_CLOEXEC, 0);
      if (fd < 0)
        die (self, "make", empty);
      (void)close (fd);
    }
  bind_over (self, empty, path);
  if (make_read_only (path, 0) < 0)
    die (self, "close", path);
}

static void
do_overlay (Sandbox *self, const char *path)
{
  char upper[STORE_PATH], work[STORE_PATH], *options = NULL;
  struct stat st;

  if (stat (path, &st) < 0 || !S_ISDIR (st.st_mode))
    return;
  new_store (self, "upper", st.st_mode & 07777, upper);
  new_store (self, "work", 0700, work);
  if (geteuid () == 0 && chown (upper, st.st_uid, st.st_gid) < 0)
    die (self, "set the owner of", upper);
  if (strpbrk (path, ",:\\") != NULL)
    {
      errno = EINVAL;
      die (self, "overlay", path);
    }
  /* Whoever is in a user namespace may not set trusted attributes; the kernel offers others. */
  if (asprintf (&options, "lowerdir=%s,upperdir=%s,workdir=%s%s", path, upper, work,
                geteuid () == 0 ? "" : ",userxattr")
          < 0
      || mount ("dkms", path, "overlay", MS_NOSUID | MS_NODEV, options) < 0)
    die (self, "overlay", path);
  free (options);
}

/* Whether something else will be shown as @path: then it must not hang on what is there now, which others may delete,
 * and the mount with it. */
static int
is_replaced (const Sandbox *self, const char *path)
{
  for (int i = 0; i < self->count; i++)
    if (self->changes[i].kind == BIND && strcmp (self->changes[i].path, path) == 0)
      return 1;
  return 0;
}

/* The entries of @path appear again in a directory of the store, in which others can be made. */
static void
do_cover (Sandbox *self, const char *path)
{
  DIR *dir = opendir (path);
  char cover[STORE_PATH];
  const struct dirent *entry;

  if (dir == NULL)
    die (self, "read", path);
  new_store (self, "cover", 0755, cover);
  while ((entry = readdir (dir)) != NULL)
    {
      char *from = NULL, *to = NULL, text[PATH_MAX];
      struct stat st;
      ssize_t n;
      int fd;

      if (strcmp (entry->d_name, ".") == 0 || strcmp (entry->d_name, "..") == 0)
        continue;
      if (asprintf (&from, "%s/%s", path, entry->d_name) < 0 || asprintf (&to, "%s/%s", cover, entry->d_name) < 0)
        die (self, "show", path);
      if (lstat (from, &st) < 0)
        st.st_mode = 0; /* gone meanwhile */
      if (S_ISLNK (st.st_mode))
        {
          n = readlink (from, text, sizeof text - 1);
          text[n > 0 ? n : 0] = '\0';
          if (symlink (text, to) < 0)
            die (self, "show", from);
        }
      else if (S_ISDIR (st.st_mode))
        {
          if (mkdir (to, 0755) < 0)
            die (self, "show", from);
          if (!is_replaced (self, from) && mount (from, to, NULL, MS_BIND, NULL) < 0 && errno != ENOENT)
            die (self, "show", from);
        }
      else if (S_ISREG (st.st_mode))
        {
          fd = open (to, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
          if (fd < 0)
            die (self, "show", from);
          (void)close (fd);
          if (mount (from, to, NULL, MS_BIND, NULL) < 0 && errno != ENOENT)
            die (self, "show", from);
        }
      free (from);
      free (to);
    }
  (void)closedir (dir);
  if (mount (cover, path, NULL, MS_BIND | MS_REC, NULL) < 0)
    die (self, "cover", path);
}

static void
do_attach (const Sandbox *self, const Change *change)
{
  if (change->tree < 0)
    return;
  make_dirs (change->path, 0755);
  if (attach_tree (change->tree, change->path) < 0)
    die (self, "show", change->path);
  (void)close (change->tree);
}

static void
change_world (Sandbox *self)
{
  char dev[STORE_PATH], fresh[STORE_PATH];
  int trees[sizeof nodes / sizeof *nodes];

  if (mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
    die (self, "separate", "/");
  /* What is taken from outside, before there is no outside any more. */
  for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++)
    {
      char path[64];
      (void)snprintf (path, sizeof path, "/dev/%s", nodes[i]);
      trees[i] = clone_tree (path);
    }
  for (int i = 0; i < self->count; i++)
    if (self->changes[i].kind == BIND && (self->changes[i].tree = clone_tree (self->changes[i].from)) < 0)
      die (self, "take", self->changes[i].from);

  if (mount (self->root, self->root, NULL, MS_BIND | MS_REC, NULL) < 0 || chdir (self->root) < 0 || chroot (".") < 0
      || chdir ("/") < 0)
    die (self, "enter", self->root);
  if (make_read_only ("/", AT_RECURSIVE) < 0)
    die (self, "close", "/");
  for (int i = 0; i < self->count; i++)
    if (self->changes[i].kind == EXPOSE)
      self->changes[i].tree = clone_tree (self->changes[i].path);
  make_store (self, trees, dev);

  for (int i = 0; i < self->count; i++)
    {
      const Change *change = &self->changes[i];
      struct stat st;

      switch (change->kind)
        {
        case FRESH:
          if (stat (change->path, &st) < 0 || !S_ISDIR (st.st_mode))
            break;
          new_store (self, "fresh", 01777, fresh);
          bind_over (self, fresh, change->path);
          break;
        case MASK:
          do_mask (self, change->path);
          break;
        case OVERLAY:
          do_overlay (self, change->path);
          break;
        case COVER:
          do_cover (self, change->path);
          break;
        case EXPOSE:
        case BIND:
          do_attach (self, change);
          break;
        }
    }
  if (mount (dev, "/dev", NULL, MS_BIND | MS_REC, NULL) < 0)
    die (self, "cover", "/dev");
}

/* Since Linux 6.14 the number of processes is limited by the process namespace itself; before that, the same file is
 * about the whole machine. */
static void
limit_namespace (const Sandbox *self)
{
  struct utsname uts;
  int major = 0, minor = 0, fd;
  char text[32];

  if (self->processes <= 0 || uname (&uts) < 0 || sscanf (uts.release, "%d.%d", &major, &minor) != 2 || major < 6
      || (major == 6 && minor < 14))
    return;
  fd = open ("/proc/sys/kernel/pid_max", O_WRONLY | O_CLOEXEC);
  (void)snprintf (text, sizeof text, "%ld", self->processes + SPARE_PROCESSES);
  if (fd >= 0 && write (fd, text, strlen (text)) < 0)
    (void)0; /* the watch of this process remains */
  if (fd >= 0)
    (void)close (fd);
}

static void
mount_proc (const Sandbox *self)
{
  struct stat st;

  if (stat ("/proc", &st) < 0)
    return; /* a root that has none */
  if (mount ("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
    die (self, "mount", "/proc");
  limit_namespace (self);
}

static void
close_proc (const Sandbox *self)
{
  struct stat st;

  if (stat ("/proc/self", &st) == 0 && make_read_only ("/proc", 0) < 0)
    die (self, "close", "/proc");
}

/* ---- the command's rights ---- */

static void
limit (const Sandbox *self, int what, rlim_t value)
{
  struct rlimit now, wanted = { value, value };

  if (getrlimit ((__rlimit_resource_t)what, &now) < 0)
    die (self, "read", "limits");
  if (now.rlim_max != RLIM_INFINITY && wanted.rlim_max > now.rlim_max)
    wanted.rlim_cur = wanted.rlim_max = now.rlim_max;
  if (setrlimit ((__rlimit_resource_t)what, &wanted) < 0)
    die (self, "set", "limits");
}

static void
set_limits (const Sandbox *self)
{
  limit (self, RLIMIT_CORE, 0);
  limit (self, RLIMIT_NOFILE, 4096);
  limit (self, RLIMIT_MEMLOCK, 8 << 20);
  if (self->file_size > 0)
    limit (self, RLIMIT_FSIZE, self->file_size);
  if (self->processes > 0)
    limit (self, RLIMIT_NPROC, (rlim_t)self->processes + SPARE_PROCESSES);
}

static void
drop_rights (const Sandbox *self)
{
  struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
  struct __user_cap_data_struct none[2] = { { 0, 0, 0 }, { 0, 0, 0 } };

  for (int cap = 0; cap <= 63; cap++)
    if (prctl (PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 && errno != EINVAL)
      die (self, "drop", "capabilities");
  if (geteuid () == 0 && setgroups (0, NULL) < 0)
    die (self, "drop", "groups");
  if (self->user
      && (setresgid (self->gid, self->gid, self->gid) < 0 || setresuid (self->uid, self->uid, self->uid) < 0))
    die (self, "become", "the build user");
  (void)prctl (PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED, 0, 0,
               0); /* not allowed any more after setresuid */
  if (prctl (PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 || syscall (SYS_capset, &header, none) < 0)
    die (self, "drop", "capabilities");
  if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
    die (self, "refuse", "new privileges");
}

/* What no build needs: to change mounts, to look into other processes, to talk to the kernel's inner parts. */
static const int refused[] = {
  SCMP_SYS (acct),
  SCMP_SYS (add_key),
  SCMP_SYS (bpf),
  SCMP_SYS (clock_adjtime),
  SCMP_SYS (clock_settime),
  SCMP_SYS (delete_module),
  SCMP_SYS (fanotify_init),
  SCMP_SYS (finit_module),
  SCMP_SYS (fsconfig),
  SCMP_SYS (fsmount),
  SCMP_SYS (fsopen),
  SCMP_SYS (fspick),
  SCMP_SYS (init_module),
  SCMP_SYS (io_uring_enter),
  SCMP_SYS (io_uring_register),
  SCMP_SYS (io_uring_setup),
  SCMP_SYS (iopl),
  SCMP_SYS (ioperm),
  SCMP_SYS (kcmp),
  SCMP_SYS (kexec_file_load),
  SCMP_SYS (kexec_load),
  SCMP_SYS (keyctl),
  SCMP_SYS (lookup_dcookie),
  SCMP_SYS (mbind),
  SCMP_SYS (mount),
  SCMP_SYS (mount_setattr),
  SCMP_SYS (move_mount),
  SCMP_SYS (move_pages),
  SCMP_SYS (name_to_handle_at),
  SCMP_SYS (nfsservctl),
  SCMP_SYS (open_by_handle_at),
  SCMP_SYS (open_tree),
  SCMP_SYS (perf_event_open),
  SCMP_SYS (pidfd_getfd),
  SCMP_SYS (pivot_root),
  SCMP_SYS (process_vm_readv),
  SCMP_SYS (process_vm_writev),
  SCMP_SYS (ptrace),
  SCMP_SYS (quotactl),
  SCMP_SYS (reboot),
  SCMP_SYS (request_key),
  SCMP_SYS (setdomainname),
  SCMP_SYS (sethostname),
  SCMP_SYS (setns),
  SCMP_SYS (settimeofday),
  SCMP_SYS (swapoff),
  SCMP_SYS (swapon),
  SCMP_SYS (syslog),
  SCMP_SYS (umount2),
  SCMP_SYS (unshare),
  SCMP_SYS (userfaultfd),
  SCMP_SYS (vhangup),
};

enum {
  NEW_NAMESPACES
  = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET
};

static int
refuse_arguments (scmp_filter_ctx filter)
{
  /* s390 has the flags of clone second. */
#ifdef __s390__
  const unsigned int flags = 1;
#else
  const unsigned int flags = 0;
#endif
  int rc = 0;

  for (unsigned int bit = 1; bit != 0; bit <<= 1)
    if ((NEW_NAMESPACES & bit) != 0)
      rc |= seccomp_rule_add (filter, SCMP_ACT_ERRNO (EPERM), SCMP_SYS (clone), 1,
                              SCMP_CMP (flags, SCMP_CMP_MASKED_EQ, bit, bit));
  /* Its flags cannot be looked at; libc does with clone instead. */
  rc |= seccomp_rule_add (filter, SCMP_ACT_ERRNO (ENOSYS), SCMP_SYS (clone3), 0);
  /* Keys for the terminal that dkms was started from. */
  rc |= seccomp_rule_add (filter, SCMP_ACT_ERRNO (EPERM), SCMP_SYS (ioctl), 1,
                          SCMP_CMP (1, SCMP_CMP_MASKED_EQ, 0xffffffffu, 0x5412 /* TIOCSTI */));
  rc |= seccomp_rule_add (filter, SCMP_ACT_ERRNO (EPERM), SCMP_SYS (ioctl), 1,
                          SCMP_CMP (1, SCMP_CMP_MASKED_EQ, 0xffffffffu, 0x541C /* TIOCLINUX */));
  /* Address families beyond those of sockets, the internet and netlink: a network namespace does not keep all of them
   * apart (vsock), and some reach deep into the kernel. */
  rc |= seccomp_rule_add (filter, SCMP_ACT_ERRNO (EAFNOSUPPORT), SCMP_SYS (socket), 1,
                          SCMP_CMP (0, SCMP_CMP_GT, AF_NETLINK));
  return rc;
}

static void
filter_calls (const Sandbox *self)
{
  scmp_filter_ctx filter = seccomp_init (SCMP_ACT_ALLOW);
  int rc = filter != NULL ? 0 : -1;

#ifdef __x86_64__
  if (filter != NULL)
    (void)seccomp_arch_add (filter, SCMP_ARCH_X86); /* tools of 32 bits live by the same rules */
#endif
  for (size_t i = 0; rc == 0 && i < sizeof refused / sizeof *refused; i++)
    rc = seccomp_rule_add (filter, SCMP_ACT_ERRNO (EPERM), refused[i], 0);
  if (rc == 0)
    rc = refuse_arguments (filter);
  if (rc == 0)
    (void)seccomp_attr_set (filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
  if (rc == 0)
    rc = seccomp_load (filter);
  if (rc != 0)
    {
      errno = rc < -1 ? -rc : EINVAL;
      die (self, "filter", "system calls");
    }
  seccomp_release (filter);
}

/* ---- while the command runs ---- */

/* Returns: how many processes there are in the namespace, this one not counted; name: of one of them */
static long
count_processes (char name[static 64])
{
  DIR *dir = opendir ("/proc");
  const struct dirent *entry;
  long count = 0;

  *name = '\0';
  while (dir != NULL && (entry = readdir (dir)) != NULL)
    {
      char path[300];
      int fd;

      if (entry->d_name[0] < '1' || entry->d_name[0] > '9' || strcmp (entry->d_name, "1") == 0)
        continue;
      count++;
      if (*name != '\0')
        continue;
      (void)snprintf (path, sizeof path, "/proc/%s/comm", entry->d_name);
      fd = open (path, O_RDONLY | O_CLOEXEC);
      ssize_t n = fd >= 0 ? read (fd, name, 63) : -1;
      name[n > 0 ? n - 1 : 0] = '\0';
      if (fd >= 0)
        (void)close (fd);
    }
  if (dir != NULL)
    (void)closedir (dir);
  return count;
}

static int
disk_is_full (const Sandbox *self, int dir)
{
  struct statvfs st;

  return dir >= 0 && fstatvfs (dir, &st) == 0 && (unsigned long long)st.f_bavail * st.f_frsize < self->reserve;
}

static void
pause_ms (long ms)
{
  struct timespec time = { ms / 1000, ms % 1000 * 1000000 };

  (void)nanosleep (&time, NULL);
}

/* What the command leaves running gets a moment to end by itself. */
static void
report_left (const Sandbox *self)
{
  char name[64];
  pid_t pid;

  for (int waited = 0; waited < GRACE_MS; waited += 10)
    {
      while ((pid = waitpid (-1, NULL, WNOHANG)) > 0)
        ;
      if (pid < 0)
        return;
      pause_ms (10);
    }
  long left = count_processes (name);
  if (left > 0)
    report (self, "left %ld %s\n", left, name);
}

/* Process 1 of the namespace: reaps, watches, and takes all others along when it ends. */
static int
watch (const Sandbox *self, pid_t command, int reserve_dir)
{
  const struct timespec tick = { 0, TICK_MS * 1000000 };
  sigset_t child;
  char name[64];

  (void)sigemptyset (&child);
  (void)sigaddset (&child, SIGCHLD);
  for (;;)
    {
      pid_t pid;
      int status, result = -1;

      while ((pid = waitpid (-1, &status, WNOHANG)) > 0)
        if (pid == command)
          result = WIFEXITED (status) ? WEXITSTATUS (status) : 128 + WTERMSIG (status);
      if (result >= 0)
        {
          report_left (self);
          return result;
        }
      if (self->processes > 0 && count_processes (name) >= self->processes)
        {
          report (self, "processes %ld\n", self->processes);
          return 128 + SIGKILL;
        }
      if (disk_is_full (self, reserve_dir))
        {
          report (self, "disk\n");
          return 128 + SIGKILL;
        }
      (void)sigtimedwait (&child, NULL, &tick);
    }
}

/* Where the kernel schedules each session as one, it goes by the niceness of the session (sched(7), "autogroup"). */
static void
make_session_nice (void)
{
  int nice = getpriority (PRIO_PROCESS, 0);
  int fd = nice > 0 ? open ("/proc/self/autogroup", O_WRONLY | O_CLOEXEC) : -1;

  if (fd < 0)
    return;
  (void)dprintf (fd, "%d", nice);
  (void)close (fd);
}

static void
run_command (const Sandbox *self, const sigset_t *signals)
{
  (void)setsid (); /* what it sends to its process group must not reach ours */
  make_session_nice ();
  close_proc (self);
  if (self->cwd != NULL && chdir (self->cwd) < 0)
    die (self, "enter", self->cwd);
  set_limits (self);
  drop_rights (self);
  filter_calls (self);
  (void)sigprocmask (SIG_SETMASK, signals, NULL);
  if (self->report >= 0)
    (void)close (self->report);
  (void)execvp (self->command[0], self->command);
  (void)fprintf (stderr, "%s: %s\n", self->command[0], strerror (errno));
  _exit (127);
}

static int
be_first (Sandbox *self, const sigset_t *signals)
{
  int reserve_dir = -1;
  pid_t pid;

  if (prctl (PR_SET_PDEATHSIG, SIGKILL) < 0)
    die (self, "tie", "the command to dkms");
  change_world (self);
  mount_proc (self);
  if (self->command == NULL)
    {
      close_proc (self);
      drop_rights (self);
      filter_calls (self);
      return 0;
    }
  if (self->reserve_dir != NULL)
    reserve_dir = open (self->reserve_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (disk_is_full (self, reserve_dir))
    reserve_dir = -1; /* it was before: not the command's doing */
  pid = fork ();
  if (pid < 0)
    die (self, "start", "the command");
  if (pid == 0)
    run_command (self, signals);
  (void)setpriority (PRIO_PROCESS, 0, -10); /* to keep watch in a crowd */
  return watch (self, pid, reserve_dir);
}

int
main (int argc, char **argv)
{
  Sandbox self = { .root = "/", .report = -1 };
  sigset_t child, signals;
  pid_t pid;
  int status;

  parse (&self, argc, argv);
  if (self.report >= 0 && fcntl (self.report, F_SETFD, FD_CLOEXEC) < 0)
    self.report = -1;
  (void)sigemptyset (&child);
  (void)sigaddset (&child, SIGCHLD);
  if (sigprocmask (SIG_BLOCK, &child, &signals) < 0)
    die (&self, "block", "signals");
  leave (&self);
  pid = fork ();
  if (pid < 0)
    die (&self, "start", "a process namespace");
  if (pid == 0)
    _exit (be_first (&self, &signals));
  while (waitpid (pid, &status, 0) < 0)
    if (errno != EINTR)
      die (&self, "wait for", "the command");
  _exit (WIFEXITED (status) ? WEXITSTATUS (status) : 128 + WTERMSIG (status));
}
