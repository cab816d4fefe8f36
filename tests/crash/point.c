/* SPDX-License-Identifier: GPL-2.0-or-later */
/* point: stops a program at one of the system calls with which it and its children change or read files.
 *
 * Usage: point count COMMAND...           prints the number of such calls to descriptor 9
 *        point kill N COMMAND...          kills the command and all its children before call number N
 *        point fail N ERRNO COMMAND...    makes call number N fail once; if N is 0, all calls
 *
 * With POINT_BELOW=DIR in the environment, calls that read DIR or files below it are counted instead: opening without
 * writing, reading, mapping, copying, listing, status and permissions of files and file systems, texts of links,
 * extended attributes. Other calls (the dynamic loader, locales, /proc, /sys, /dev, tools of the host) are not counted,
 * nor are those of programs other than dkms and its helpers (depmod, cp), which report their own errors.
 *
 * Calls with which the helper dkms-transfer connects to servers and sends to them are counted as changes, too.
 *
 * Calls of all processes are counted in their order, except those inside a sandbox (dkms-sandbox and its children),
 * whose changes are discarded or taken over later. The exit status is that of the command, or 137 if it was killed.
 * POINT_LIST=1 prints each call. Sources: ptrace(2), seccomp(2). For x86-64 and aarch64. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_PIDS = 1 << 22 };

static const int changing[] = {
#ifdef SYS_open
  SYS_open,      SYS_creat,     SYS_mkdir,     SYS_rmdir,    SYS_rename,    SYS_link,     SYS_unlink,
  SYS_symlink,   SYS_chmod,     SYS_chown,     SYS_lchown,   SYS_mknod,     SYS_utimes,
#endif
  SYS_openat,    SYS_openat2,   SYS_mkdirat,   SYS_renameat, SYS_renameat2, SYS_linkat,   SYS_unlinkat,
  SYS_symlinkat, SYS_mknodat,   SYS_fchmod,    SYS_fchmodat, SYS_fchown,    SYS_fchownat, SYS_utimensat,
  SYS_truncate,  SYS_ftruncate, SYS_fallocate, SYS_write,    SYS_pwrite64,  SYS_writev,   SYS_copy_file_range,
  SYS_sendfile,  SYS_fsync,     SYS_fdatasync, SYS_syncfs,   SYS_fsetxattr, SYS_setxattr, SYS_connect,
  SYS_sendto,    SYS_sendmsg,
};

static const int reading[] = {
#ifdef SYS_open
  SYS_open,       SYS_stat,      SYS_lstat,      SYS_readlink,        SYS_access,     SYS_getdents,
#endif
  SYS_openat,     SYS_openat2,   SYS_read,       SYS_pread64,         SYS_readv,      SYS_getdents64, SYS_fstat,
  SYS_newfstatat, SYS_statx,     SYS_readlinkat, SYS_faccessat,       SYS_faccessat2, SYS_preadv,     SYS_preadv2,
  SYS_mmap,       SYS_sendfile,  SYS_splice,     SYS_copy_file_range, SYS_statfs,     SYS_fstatfs,    SYS_getxattr,
  SYS_lgetxattr,  SYS_fgetxattr, SYS_listxattr,  SYS_llistxattr,      SYS_flistxattr, SYS_lseek,
};

static unsigned char ignored[MAX_PIDS]; /* 1: in a sandbox, or a program whose calls are not counted */
static unsigned char sends[MAX_PIDS];   /* the program that sends to servers */
static unsigned char alive[MAX_PIDS];
static unsigned char held[MAX_PIDS]; /* stopped before the event that names its parent */
static char mode;
static long wanted, seen;
static int error_number;
static unsigned char failing[MAX_PIDS]; /* in a call that must fail */
static const char *below;               /* (nullable): count reads in this directory */

static void
stop (const char *what)
{
  perror (what);
  exit (2);
}

static void
filter_calls (void)
{
  enum { MOST = 64 };
  _Static_assert(sizeof changing / sizeof *changing < MOST && sizeof reading / sizeof *reading < MOST, "room");
  const int *calls = below != NULL ? reading : changing;
  size_t count = below != NULL ? sizeof reading / sizeof *reading : sizeof changing / sizeof *changing;
  struct sock_filter code[MOST + 3];
  struct sock_fprog program = { (unsigned short)(count + 3), code };

  code[0] = (struct sock_filter)BPF_STMT (BPF_LD | BPF_W | BPF_ABS, offsetof (struct seccomp_data, nr));
  for (size_t i = 0; i < count; i++)
    code[i + 1]
        = (struct sock_filter)BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, (unsigned)calls[i], (unsigned char)(count - i), 0);
  code[count + 1] = (struct sock_filter)BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  code[count + 2] = (struct sock_filter)BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_TRACE);
  if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
    stop ("seccomp");
}

static int
is_real_file (pid_t pid, unsigned long fd)
{
  char path[64], text[256];
  struct stat st;
  ssize_t n;

  (void)snprintf (path, sizeof path, "/proc/%d/fd/%ld", pid, (long)fd);
  if (stat (path, &st) < 0 || !(S_ISREG (st.st_mode) || S_ISDIR (st.st_mode)))
    return 0;
  n = readlink (path, text, sizeof text - 1);
  text[n > 0 ? n : 0] = '\0';
  return strncmp (text, "/memfd:", 7) != 0 && strncmp (text, "/proc/", 6) != 0;
}

/* Whether the call changes a file. Opening does so if it creates or truncates. */
static int
changes_file (pid_t pid, const struct __ptrace_syscall_info *info)
{
  unsigned long long nr = info->seccomp.nr;
  const unsigned long long *arg = (const unsigned long long *)info->seccomp.args;

  switch (nr)
    {
    case SYS_openat:
      return (arg[2] & (O_CREAT | O_TRUNC)) != 0;
#ifdef SYS_open
    case SYS_open:
      return (arg[1] & (O_CREAT | O_TRUNC)) != 0;
#endif
      case SYS_openat2: {
        unsigned long long flags = (unsigned long long)ptrace (PTRACE_PEEKDATA, pid, (void *)arg[2], NULL);
        return (flags & (O_CREAT | O_TRUNC)) != 0;
      }
    case SYS_write:
    case SYS_pwrite64:
    case SYS_writev:
    case SYS_ftruncate:
    case SYS_fallocate:
    case SYS_fchmod:
    case SYS_fchown:
    case SYS_fsync:
    case SYS_fdatasync:
    case SYS_syncfs:
    case SYS_fsetxattr:
      return is_real_file (pid, arg[0]);
    case SYS_copy_file_range:
      return is_real_file (pid, arg[2]);
    case SYS_sendfile:
      return is_real_file (pid, arg[0]);
    case SYS_connect:
    case SYS_sendto:
    case SYS_sendmsg:
      return sends[pid];
    default:
      return 1;
    }
}

/* Stores the target of the link /proc/@pid/@what in @text, or "". */
static void
link_of_process (pid_t pid, const char *what, char *text, size_t size)
{
  char path[64];
  ssize_t n;

  (void)snprintf (path, sizeof path, "/proc/%d/%s", pid, what);
  n = readlink (path, text, size - 1);
  text[n > 0 ? n : 0] = '\0';
}

/* Stores the path of the file of a call in @text. The file is given by descriptor @fd or AT_FDCWD and, unless @name is
 * 0, by the path at the address @name of @pid. @in_root: absolute paths begin at @fd. */
static void
name_file (pid_t pid, long fd, unsigned long long name, int in_root, char *text, size_t size)
{
  char link[32], memory[64], path[2048] = "";
  size_t used;
  int file;

  if (name != 0)
    {
      (void)snprintf (memory, sizeof memory, "/proc/%d/mem", pid);
      file = open (memory, O_RDONLY | O_CLOEXEC);
      /* The path may end near the end of its page. Then the read is shorter. */
      if (file < 0 || pread (file, path, sizeof path - 1, (off_t)name) <= 0)
        path[0] = '\0';
      (void)close (file);
    }
  if (*path == '/' && !in_root)
    {
      (void)snprintf (text, size, "%s", path);
      return;
    }
  (void)snprintf (link, sizeof link, "fd/%ld", fd);
  link_of_process (pid, (int)fd == AT_FDCWD ? "cwd" : link, text, size);
  used = strlen (text);
  if (name != 0 && *path != '\0')
    (void)snprintf (text + used, size - used, "%s%s", *path == '/' ? "" : "/", path);
}

static int
opens_for_reading (unsigned long long flags)
{
  return (flags & (O_CREAT | O_TRUNC)) == 0 && ((flags & O_ACCMODE) != O_WRONLY || (flags & O_PATH) != 0);
}

/* Whether the call reads a file in the directory @below. */
static int
reads_file (pid_t pid, const struct __ptrace_syscall_info *info, char *text, size_t size)
{
  const unsigned long long *arg = (const unsigned long long *)info->seccomp.args;
  int by_descriptor = 0, fd = -1;
  size_t n = strlen (below);

  *text = '\0';
  switch (info->seccomp.nr)
    {
    case SYS_openat:
      if (opens_for_reading (arg[2]))
        name_file (pid, (int)arg[0], arg[1], 0, text, size);
      break;
    case SYS_openat2:
      if (opens_for_reading ((unsigned long long)ptrace (PTRACE_PEEKDATA, pid, (void *)arg[2], NULL)))
        name_file (pid, (int)arg[0], arg[1], 1, text, size);
      break;
#ifdef SYS_open
    case SYS_open:
      if (opens_for_reading (arg[1]))
        name_file (pid, AT_FDCWD, arg[0], 0, text, size);
      break;
    case SYS_stat:
    case SYS_lstat:
    case SYS_readlink:
    case SYS_access:
#endif
    case SYS_statfs:
    case SYS_getxattr:
    case SYS_lgetxattr:
    case SYS_listxattr:
    case SYS_llistxattr:
      name_file (pid, AT_FDCWD, arg[0], 0, text, size);
      break;
    case SYS_newfstatat:
    case SYS_statx:
    case SYS_readlinkat:
    case SYS_faccessat:
    case SYS_faccessat2:
      name_file (pid, (int)arg[0], arg[1], 0, text, size);
      break;
    default:
      by_descriptor = 1;
      if (info->seccomp.nr == SYS_mmap)
        fd = (int)arg[4];
      else
        fd = (int)arg[info->seccomp.nr == SYS_sendfile ? 1 : 0];
      if (fd >= 0)
        name_file (pid, fd, 0, 0, text, size);
    }
  return strncmp (text, below, n) == 0 && (text[n] == '/' || text[n] == '\0')
         && (!by_descriptor || info->seccomp.nr == SYS_fstat || is_real_file (pid, (unsigned long)fd));
}

static void
set_call (pid_t pid, long nr)
{
#ifdef __x86_64__
  if (ptrace (PTRACE_POKEUSER, pid, offsetof (struct user_regs_struct, orig_rax), nr) < 0)
    stop ("ptrace");
#else
  int value = (int)nr;
  struct iovec iov = { &value, sizeof value };
  if (ptrace (PTRACE_SETREGSET, pid, 0x404 /* NT_ARM_SYSTEM_CALL */, &iov) < 0)
    stop ("ptrace");
#endif
}

static void
set_result (pid_t pid, long result)
{
#ifdef __x86_64__
  if (ptrace (PTRACE_POKEUSER, pid, offsetof (struct user_regs_struct, rax), result) < 0)
    stop ("ptrace");
#else
  struct user_regs_struct regs;
  struct iovec iov = { &regs, sizeof regs };
  if (ptrace (PTRACE_GETREGSET, pid, 1 /* NT_PRSTATUS */, &iov) < 0)
    stop ("ptrace");
  regs.regs[0] = (unsigned long long)result;
  if (ptrace (PTRACE_SETREGSET, pid, 1, &iov) < 0)
    stop ("ptrace");
#endif
}

/* Kills all processes at once, like a power cut. Then waits until they have ended. */
static void
kill_all (void)
{
  pid_t pid;
  int status;

  for (pid = 1; pid < MAX_PIDS; pid++)
    if (alive[pid] || held[pid])
      (void)kill (pid, SIGKILL);
  while ((pid = waitpid (-1, &status, __WALL)) > 0 || errno == EINTR)
    if (pid > 0 && WIFSTOPPED (status)) /* a new process */
      (void)kill (pid, SIGKILL);
  exit (137);
}

/* Returns: whether the process must be stopped again when the call returns */
static int
at_call (pid_t pid)
{
  struct __ptrace_syscall_info info;
  char text[8192] = "";

  if (ignored[pid])
    return 0;
  if (ptrace (PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info) < 0 || info.op != PTRACE_SYSCALL_INFO_SECCOMP
      || !(below != NULL ? reads_file (pid, &info, text, sizeof text) : changes_file (pid, &info)))
    return 0;
  seen++;
  if (getenv ("POINT_LIST") != NULL)
    fprintf (stderr, "point %ld: pid %d call %llu %s\n", seen, pid, (unsigned long long)info.seccomp.nr, text);
  if (seen != wanted && (mode != 'f' || wanted != 0))
    return 0;
  if (mode == 'k')
    kill_all ();
  set_call (pid, -1);
  failing[pid] = 1;
  return 1;
}

static void
at_exec (pid_t pid)
{
  char path[64], text[4096];
  ssize_t n;

  (void)snprintf (path, sizeof path, "/proc/%d/exe", pid);
  n = readlink (path, text, sizeof text - 1);
  text[n > 0 ? n : 0] = '\0';
  sends[pid] = strstr (text, "/dkms-transfer") != NULL;
  if (strstr (text, "/dkms-sandbox") != NULL)
    ignored[pid] = 1;
  else if (below != NULL)
    ignored[pid] = n <= 0 || strncmp (strrchr (text, '/'), "/dkms", 5) != 0;
}

static void
go_on (pid_t pid, int to_exit, int signal)
{
  if (ptrace (to_exit ? PTRACE_SYSCALL : PTRACE_CONT, pid, NULL, (void *)(long)signal) < 0 && errno != ESRCH)
    stop ("ptrace");
}

static int
follow (pid_t command)
{
  int status, result = 2;
  pid_t pid;

  while ((pid = waitpid (-1, &status, __WALL)) > 0 || errno == EINTR)
    {
      int signal = 0, to_exit = 0;
      unsigned long message;

      if (pid <= 0)
        continue;
      if (WIFEXITED (status) || WIFSIGNALED (status))
        {
          ignored[pid] = alive[pid] = held[pid] = sends[pid] = 0;
          if (pid == command)
            result = WIFEXITED (status) ? WEXITSTATUS (status) : 128 + WTERMSIG (status);
          continue;
        }
      if (!alive[pid])
        {
          held[pid] = 1;
          continue;
        }
      switch (status >> 8)
        {
        case SIGTRAP | (PTRACE_EVENT_SECCOMP << 8):
          to_exit = at_call (pid);
          break;
        case SIGTRAP | (PTRACE_EVENT_EXEC << 8):
          at_exec (pid);
          break;
        case SIGTRAP | (PTRACE_EVENT_FORK << 8):
        case SIGTRAP | (PTRACE_EVENT_VFORK << 8):
        case SIGTRAP | (PTRACE_EVENT_CLONE << 8):
          if (ptrace (PTRACE_GETEVENTMSG, pid, NULL, &message) == 0 && message < MAX_PIDS)
            {
              ignored[message] = ignored[pid];
              alive[message] = 1;
              if (held[message])
                go_on ((pid_t)message, 0, 0);
              held[message] = 0;
            }
          break;
        case SIGTRAP | 0x80:
          if (failing[pid])
            {
              set_result (pid, -error_number);
              failing[pid] = 0;
            }
          break;
        case SIGTRAP | (PTRACE_EVENT_STOP << 8):
        case SIGSTOP | (PTRACE_EVENT_STOP << 8):
          break;
        default:
          signal = WSTOPSIG (status);
          if (signal == SIGSTOP || signal == SIGTRAP)
            signal = 0;
        }
      go_on (pid, to_exit, signal);
    }
  return result;
}

int
main (int argc, char **argv)
{
  char **command = argv + 2;
  pid_t pid;

  if (argc < 3)
    return fprintf (stderr, "usage: point count|kill N|fail N ERRNO COMMAND...\n"), 2;
  mode = argv[1][0];
  below = getenv ("POINT_BELOW");
  if (mode != 'c' && argc > 4)
    wanted = strtol (*command++, NULL, 10);
  if (mode == 'f' && argc > 5)
    error_number = atoi (*command++);
  pid = fork ();
  if (pid == 0)
    {
      if (ptrace (PTRACE_TRACEME, 0, NULL, NULL) < 0)
        stop ("ptrace");
      (void)raise (SIGSTOP);
      filter_calls ();
      (void)close (9);
      (void)execvp (*command, command);
      stop (*command);
    }
  int status;
  if (waitpid (pid, &status, 0) < 0
      || ptrace (PTRACE_SETOPTIONS, pid, NULL,
                 (void *)(PTRACE_O_EXITKILL | PTRACE_O_TRACESECCOMP | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK
                          | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD))
             < 0
      || ptrace (PTRACE_CONT, pid, NULL, NULL) < 0)
    stop ("ptrace");
  alive[pid] = 1;
  int result = follow (pid);
  if (mode == 'c')
    dprintf (9, "%ld\n", seen);
  return result;
}
