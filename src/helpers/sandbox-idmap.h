/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Id-mapped mounts, in which two users have exchanged their files. */
#pragma once

#include "sandbox.h"

/** Returns: the user who owns files of @owner in a mount in which @owner and @user have exchanged their files. Groups
 * work likewise. */
unsigned int sandbox_exchanged (unsigned int id, unsigned int owner, unsigned int user);

/** Starts processes that hold a user namespace, one for each overlay in which owners are to be exchanged. The root must
 * be that of the mount namespace: the kernel creates no user namespace in a chroot. */
void sandbox_hold_namespaces (Sandbox *self);

/**
 * Lets the files of the owner and group of @overlay's directory belong to the user and group of the command, and those
 * of the latter to the former. No file is read or changed. Sets @overlay->tree to a detached mount of it, unless
 * the file system, the kernel or its limits do not permit that. Ends @overlay->holder.
 */
void sandbox_exchange_owner (const Sandbox *self, SandboxChange *overlay);
