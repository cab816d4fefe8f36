/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The namespaces and mounts of a sandbox. */
#pragma once

#include "sandbox.h"

/** Creates new namespaces for this process; the process namespace contains its next child. */
void sandbox_unshare (const Sandbox *self);

/** Creates self->proc, enters the root and makes all changes of @self to it. */
void sandbox_change_world (Sandbox *self);

/** Sets the limits of the process namespace, and mounts /proc, read-only, if the root has that directory. */
void sandbox_mount_proc (Sandbox *self);

/** Reads the beginning of the file @path of self->proc. @text: (out): ends with NUL. Returns: bytes read, or -1 */
ssize_t sandbox_read_proc (const Sandbox *self, const char *path, char *text, size_t size);

/** Returns: a detached clone of the mounts at and below @path; -1 with errno */
int sandbox_clone_tree (const char *path);
/** As sandbox_clone_tree(), for a @path relative to the directory @dir; "" is that directory. */
int sandbox_clone_tree_at (int dir, const char *path);
/** Mounts the detached @tree at @path. Returns: 0, or -1 with errno */
int sandbox_attach_tree (int tree, const char *path);

/**
 * Changes attributes of a mount.
 * @fd: a detached tree, or the root of the mount
 * @recursive: AT_RECURSIVE to include all mounts below it, otherwise 0
 *
 * Returns: 0, or -1 with errno
 */
int sandbox_set_attributes (int fd, unsigned int recursive, unsigned long long set, unsigned long long clear);
int sandbox_set_attributes_of (const char *path, unsigned int recursive, unsigned long long set);

/** Creates a directory in the store, which is under /dev until the root is complete. */
void sandbox_new_store (Sandbox *self, const char *name, mode_t mode, char path[static SANDBOX_STORE_PATH]);
