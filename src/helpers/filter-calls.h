/* SPDX-License-Identifier: GPL-2.0-or-later */
/* System calls that the command of a sandbox may make, or may not make. Names that this libseccomp or this architecture
 * does not know are passed over. The lists end with NULL. */
#pragma once

/* What programs need. Everything else gets ENOSYS. */
extern const char *const allowed_calls[];
/* To change mounts, to look into other processes, to talk to the kernel's inner parts. socketcall hides the address
 * family from a filter; its callers fall back to socket. */
extern const char *const refused_calls[];
/* Changing the owner of a file has no effect and returns success, as in rootless image builders: cp -a, tar and install
 * expect that uid 0 may do so, and the owner of a file in a build does not matter. */
extern const char *const pretended_calls[];
