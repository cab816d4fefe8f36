/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of dkms-sandbox share. All of them end the process when they fail: there is no half a world. */
#pragma once

#include <sys/types.h>

enum { SANDBOX_MAX_CHANGES = 256 };
/* The kernel stops a crowd a little after the watch does: it keeps 300 numbers of a namespace for itself. */
enum { SANDBOX_SPARE_PROCESSES = 512 };

typedef enum { FRESH, MASK, EXPOSE, OVERLAY, COVER, BIND } SandboxKind;

typedef struct {
  SandboxKind kind;
  const char *path;
  const char *from; /* BIND */
  int tree;         /* EXPOSE, BIND: a detached clone of what is to appear; -1: none */
} SandboxChange;

typedef struct {
  const char *root, *cwd, *reserve_dir, *tmp_size;
  int report;
  int nice;   /* niceness of commands */
  int proc;   /* the mount /proc, writable; -1: none */
  int parent; /* a pidfd of the process outside that process 1 must not outlive */
  int serve;  /* socket on which commands arrive; -1: none */
  int user;   /* whether uid and gid were given */
  uid_t uid;
  gid_t gid;
  long processes;
  long silence; /* seconds; 0: no limit, as for all others */
  unsigned long long file_size, reserve, memory, output;
  SandboxChange changes[SANDBOX_MAX_CHANGES];
  int count;
  char **command;
  int stores; /* directories made in the store so far */
} Sandbox;

/** Writes a finding for dkms; the options of dkms-sandbox list them. */
void sandbox_report (const Sandbox *self, const char *format, ...) __attribute__ ((format (printf, 2, 3)));

/** Reports that @what (with @path, nullable) failed for errno's reason, and ends the process. */
void sandbox_die (const Sandbox *self, const char *what, const char *path) __attribute__ ((noreturn));

/* ---- sandbox-world.c ---- */

/** New namespaces for this process; that of processes is its next child's. */
void sandbox_leave (const Sandbox *self);

/** Enters the root and makes all of @self's changes to it. */
void sandbox_change_world (Sandbox *self);

/** Mounts /proc of the process namespace, so far writable: its limits are set there. */
void sandbox_mount_proc (const Sandbox *self);

/** Makes that /proc read-only, but for self->proc. */
void sandbox_close_proc (Sandbox *self);

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
