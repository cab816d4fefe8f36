/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether the configuration of modprobe and the command line of the kernel allow a module, and which other modules
 * drive its devices. */
#pragma once

#include "check/finding.h"
#include "conf/settings.h"

/* What decides about all modules of a kernel. */
typedef struct DkmsAllowed DkmsAllowed;

/** Returns: (transfer full): the configuration of modprobe (modprobe.d) for the kernel @release, and its command line
 * @cmdline (nullable: unknown). @settings must outlive it */
DkmsAllowed *dkms_allowed_new (const DkmsSettings *settings, const char *release, const char *cmdline);
void dkms_allowed_free (DkmsAllowed *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsAllowed, dkms_allowed_free)

/** Adds to @findings what they say about the module @name: BLACKLISTED, INSTALL_OVERRIDE, CMDLINE_BLACKLIST,
 * SOFTDEP_ABSENT. */
void dkms_allowed_check (DkmsAllowed *self, const char *name, GPtrArray *findings);
/** Adds RIVAL to @findings if another module that is not blacklisted drives a device of this machine that @name drives.
 * Nothing is added if the root is not that of the machine. */
void dkms_rivals_check (DkmsAllowed *self, const char *name, GPtrArray *findings);
/** Returns: (transfer full) (element-type utf8): names of the modules that drive a device with @name, whichever root it
 * is. For tests */
GPtrArray *dkms_allowed_rivals (DkmsAllowed *self, const char *name);
