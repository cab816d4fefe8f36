/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether the configuration of modprobe and the command line of the kernel allow a module, and which other modules
 * drive its devices. */
#pragma once

#include "check/finding.h"
#include "conf/settings.h"

/** Adds to @findings what modprobe's configuration (modprobe.d) and the command line @cmdline (nullable: unknown) of
 * the kernel @release say about the module @name: BLACKLISTED, INSTALL_OVERRIDE, CMDLINE_BLACKLIST, SOFTDEP_ABSENT. */
void dkms_allowed_check (const DkmsSettings *settings, const char *release, const char *name, const char *cmdline,
                         GPtrArray *findings);
/** Adds RIVAL to @findings if another module of @release that is not blacklisted drives a device of this machine that
 * @name drives. Nothing is added if the root is not that of the machine. */
void dkms_rivals_check (const DkmsSettings *settings, const char *release, const char *name, GPtrArray *findings);
