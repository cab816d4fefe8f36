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
  int proc;    /* the mount /proc, writable; -1: none */
  int symbols; /* what notices that addresses are looked for; -1: nothing to notice */
  int outside; /* the root before "/" was masked, while the world is made; -1: "/" is not masked */
  int parent;  /* a pidfd of the process outside that process 1 must not outlive */
  int serve;   /* socket on which commands arrive; -1: none */
  int user;    /* whether uid and gid were given */
  uid_t uid;
  gid_t gid;
  long processes;
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

/* ---- sandbox-world.c ---- */

/** New namespaces for this process; that of processes is its next child's. */
void sandbox_leave (const Sandbox *self);

/** Enters the root and makes all of @self's changes to it. */
void sandbox_change_world (Sandbox *self);

/** Mounts /proc of the process namespace, so far writable: its limits are set there. */
void sandbox_mount_proc (const Sandbox *self);

/** Makes that /proc read-only, but for self->proc. */
void sandbox_close_proc (Sandbox *self);

/** Returns: a detached clone of all that is mounted at and below @path; -1 with errno */
int sandbox_clone_tree (const char *path);
/** The same for a @path that is relative to the directory @dir; "" is the directory. */
int sandbox_clone_tree_at (int dir, const char *path);
/** Mounts the detached @tree at @path. Returns: 0, or -1 with errno */
int sandbox_attach_tree (int tree, const char *path);

/**
 * Changes attributes of a mount.
 * @fd: the mount, as a detached tree or opened at its root
 * @recursive: AT_RECURSIVE for all mounts below it, too, else 0
 *
 * Returns: 0, or -1 with errno
 */
int sandbox_set_attributes (int fd, unsigned int recursive, unsigned long long set, unsigned long long clear);
int sandbox_set_attributes_of (const char *path, unsigned int recursive, unsigned long long set);

/** A new directory in the store, which lies under /dev until the world is complete. */
void sandbox_new_store (Sandbox *self, const char *name, mode_t mode, char path[static SANDBOX_STORE_PATH]);

/* ---- sandbox-changes.c: what becomes of each change, in this order ---- */

/** Takes what comes from outside the root. */
void sandbox_take (const Sandbox *self, SandboxChange *change);
/** Takes what can be written to and shall be, before the root is made read-only. */
void sandbox_note_writable (const Sandbox *self, SandboxChange *change);
/** Takes what will be hidden. @mounts (nullable): the table of mounts */
void sandbox_prepare (const Sandbox *self, SandboxChange *change, const char *mounts);
void sandbox_do (Sandbox *self, SandboxChange *change);
/** A mask is made read-only when all that appears in it is there. */
void sandbox_close_mask (const Sandbox *self, const SandboxChange *change);

/* ---- sandbox-overlay.c ---- */

/** Reads the table of mounts, as long as the outside can be seen. Returns: NULL without a /proc */
char *sandbox_read_mounts (void);
/** Returns: whether the command's user may read the file, or list and enter the directory, that @st is about */
int sandbox_may_read (const Sandbox *self, const struct stat *st);

/** Finds out what an OVERLAY or CLAIM will need, before anything changes. @mounts (nullable): the table of mounts */
void sandbox_survey (const Sandbox *self, SandboxChange *change, const char *mounts);

void sandbox_do_overlay (Sandbox *self, SandboxChange *change);
void sandbox_do_claim (const Sandbox *self, const SandboxChange *change);

/* ---- sandbox-symbols.c ---- */

/** Notices from now on whether a command looks for addresses of kernel symbols that are hidden from it. */
void sandbox_watch_symbols (Sandbox *self);
/** Returns: whether one did since this was asked last */
int sandbox_saw_symbols (const Sandbox *self);

/* ---- sandbox-rights.c ---- */

/** Limits what this process and its children may take. */
void sandbox_set_limits (const Sandbox *self);

/** Becomes the build user, if one is given, without capabilities or a way to any. */
void sandbox_drop_rights (const Sandbox *self);

/** Drops what process 1 does not need once the world is made. */
void sandbox_keep_few_rights (const Sandbox *self);

/* ---- sandbox-filter.c ---- */

/** Allows this process and its children, from here on, only the system calls that programs need. */
void sandbox_filter_calls (const Sandbox *self);

/* ---- sandbox-watch.c ---- */

/**
 * sandbox_watch:
 * @command: a child of this process, which is number 1 of its namespace
 * @output: where it writes to; -1: elsewhere
 *
 * Waits until @command ends, or exceeds a limit, which is reported. Then no other process is left, and what was is
 * reported, too.
 *
 * Returns: its exit status; 128 + SIGKILL when it exceeded a limit
 */
int sandbox_watch (const Sandbox *self, pid_t command, int output);
