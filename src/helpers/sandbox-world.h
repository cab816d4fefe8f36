/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The namespaces and mounts of a sandbox. */
#pragma once

#include "sandbox.h"

/** New namespaces for this process; that of processes is its next child's. */
void sandbox_leave (const Sandbox *self);

/** Enters the root and makes all of @self's changes to it. */
void sandbox_change_world (Sandbox *self);

/** Makes self->proc, sets the limits of the process namespace there, and mounts /proc, read-only, if the root has such
 * a directory. */
void sandbox_mount_proc (Sandbox *self);

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
