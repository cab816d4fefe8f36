/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of dkms-sandbox share. All of them end the process when they fail: there is no half a world. */
#pragma once

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Not in every libc yet. */
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

/* The kernel stops a crowd a little after the watch does: it keeps 300 numbers of a namespace for itself. */
enum { SANDBOX_SPARE_PROCESSES = 512 };
enum { SANDBOX_STORE_PATH = 48 };

typedef enum { FRESH, HOME, MASK, LINK, EXPOSE, WRITE, OVERLAY, CLAIM, COVER, BIND } SandboxKind;

typedef struct {
  char *path;
  int tree; /* what is to appear there; -1: none */
} SandboxPath;

typedef struct {
  SandboxPath *items;
  size_t count;
} SandboxPaths;

typedef struct {
  SandboxKind kind;
  const char *path;
  const char *from;   /* BIND: the directory; LINK: the text */
  int tree;           /* EXPOSE, WRITE, BIND: a detached clone of what is to appear; WRITE of "/", MASK: the mount;
                         -1: none */
  SandboxPaths paths; /* OVERLAY: mounts below @path, CLAIM: relative paths below @path */
} SandboxChange;

typedef struct {
  const char *root, *cwd, *reserve_dir, *tmp_size;
  const char *home; /* (nullable): $HOME of commands */
  int report;
  int nice;    /* niceness of commands */
  int proc;    /* a mount of /proc, writable, which the root cannot replace by another; -1: not yet */
  int symbols; /* what notices that addresses are looked for; -1: nothing to notice */
  int outside; /* the root before "/" was masked, while the world is made; -1: "/" is not masked */
  int parent;  /* a pidfd of the process outside that process 1 must not outlive */
  int serve;   /* socket on which commands arrive; -1: none */
  int user;    /* whether uid and gid were given */
  uid_t uid;
  gid_t gid;
  long processes;
  long ceiling; /* threads that the machine can have; 0: unknown */
  long silence; /* seconds; 0: no limit, as for all others */
  unsigned long long file_size, reserve, memory, output;
  SandboxChange *changes;
  size_t count;
  char **command;
  int stores; /* directories made in the store so far */
} Sandbox;

/** Writes a finding for dkms; the options of dkms-sandbox list them. */
void sandbox_report (const Sandbox *self, const char *format, ...) __attribute__ ((format (printf, 2, 3)));

/** Reports that @what (with @path, nullable) failed for errno's reason, and ends the process. */
void sandbox_die (const Sandbox *self, const char *what, const char *path) __attribute__ ((noreturn));

/** As sandbox_die(), for what only permission, or a feature of the kernel, makes possible: reports when that was
 * missing. */
void sandbox_lack (const Sandbox *self, const char *what, const char *path) __attribute__ ((noreturn));
