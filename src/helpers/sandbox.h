/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Declarations for all parts of dkms-sandbox. All functions end the process after a failure, because an incomplete
 * sandbox must not run. */
#pragma once

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Missing in some versions of libc. */
#ifndef MOUNT_ATTR_RDONLY
#define MOUNT_ATTR_RDONLY 0x00000001
#define MOUNT_ATTR_NOSUID 0x00000002
#define MOUNT_ATTR_NODEV 0x00000004
#define MOUNT_ATTR_NOEXEC 0x00000008
struct mount_attr {
  unsigned long long attr_set, attr_clr, propagation, userns_fd;
};
#endif
#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif

/* The limit of the kernel is a little higher than that of the watch: the kernel reserves 300 numbers of a namespace. */
enum { SANDBOX_SPARE_PROCESSES = 512 };
enum { SANDBOX_STORE_PATH = 48 };

typedef enum { FRESH, HOME, MASK, LINK, EXPOSE, WRITE, OVERLAY, EXCHANGE, CLAIM, COVER, BIND } SandboxKind;

typedef struct {
  char *path;
  int tree; /* the mount that will appear there; -1: none */
} SandboxPath;

typedef struct {
  SandboxPath *items;
  size_t count;
} SandboxPaths;

typedef struct {
  SandboxKind kind;
  const char *path;
  const char *from; /* BIND: the directory; LINK: the text */
  int tree;     /* EXPOSE, WRITE, BIND: a detached clone of the directory; OVERLAY: one in which owners were exchanged;
                   WRITE of "/", MASK: the mount; -1: none */
  pid_t holder; /* OVERLAY: a process that holds a user namespace; 0: none */
  SandboxPaths paths; /* OVERLAY: mounts below @path, EXCHANGE, CLAIM: relative paths below @path */
} SandboxChange;

typedef struct {
  const char *root, *cwd, *reserve_dir, *tmp_size;
  const char *home; /* (nullable): $HOME of commands */
  int report;
  int nice;    /* niceness of commands */
  int proc;    /* a writable mount of /proc, which the root cannot replace; -1: not created yet */
  int symbols; /* detects reads of addresses; -1: not necessary */
  int leased;  /* whether @symbols is the file itself, with a lease */
  int outside; /* the root before "/" was masked, during the setup; -1: "/" is not masked */
  int parent;  /* a pidfd of the outside process with which process 1 must end */
  int serve;   /* socket for commands; -1: none */
  int user;    /* whether uid and gid were given */
  uid_t uid;
  gid_t gid;
  long processes;
  long ceiling; /* maximum number of threads of the machine; 0: unknown */
  long silence; /* seconds; 0: no limit, as for all others */
  unsigned long long file_size, reserve, memory, output;
  SandboxChange *changes;
  size_t count;
  char **command;
  int stores; /* number of directories created in the store */
} Sandbox;

/** Writes a finding for dkms; dkms-sandbox.c lists them. */
void sandbox_report (const Sandbox *self, const char *format, ...) __attribute__ ((format (printf, 2, 3)));

/** Reports that @what (with @path, nullable) failed with errno, and ends the process. */
void sandbox_die (const Sandbox *self, const char *what, const char *path) __attribute__ ((noreturn));

/** As sandbox_die(), for operations that need a permission or a feature of the kernel: reports if that is missing. */
void sandbox_lack (const Sandbox *self, const char *what, const char *path) __attribute__ ((noreturn));
