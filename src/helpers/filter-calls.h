/* SPDX-License-Identifier: GPL-2.0-or-later */
/* System calls that the command of a sandbox may use, and that it may not use. Names that are unknown to libseccomp or
 * the architecture are skipped. The lists end with NULL. */
#pragma once

/* System calls that programs need. All others fail with ENOSYS. */
extern const char *const allowed_calls[];
/* System calls that change mounts, inspect other processes, or access internals of the kernel. socketcall hides the
 * address family from a filter; its callers use socket instead. */
extern const char *const refused_calls[];
/* Changing the owner of a file succeeds without effect, as in rootless image builders: cp -a, tar and install expect
 * that uid 0 may do so, and the owner of a file in a build does not matter. */
extern const char *const pretended_calls[];
