/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The environment of the commands of a build, without the variables of make. */
#pragma once

#include "install/job.h"

/* PATH in a defined environment. */
#define DKMS_DEFINED_PATH "/usr/sbin:/usr/bin:/sbin:/bin"

/** Returns: (transfer full): the environment of the caller of dkms, and what builds get besides */
char **dkms_environment_of_caller (const DkmsJob *job);

/**
 * dkms_environment_defined:
 * The same on every machine, so that equal inputs have equal results: of the variables of the caller it only has those
 * in cache_environment. HOME is set by the sandbox.
 *
 * @job: its settings, request, events, id, kernel and config
 *
 * Returns: (transfer full)
 */
char **dkms_environment_defined (const DkmsJob *job);
/** Adds @flags to the options for compilers of C and of assembler in @env (transfer full), after those that it has.
 * Returns: (transfer full) */
char **dkms_environment_add_flags (char **env, const char *flags);
