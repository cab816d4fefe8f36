/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Takes rights from a process before it parses files of other parties. */
#pragma once

#include <stdbool.h>
#include <sys/resource.h>

/** Limits this process to @seconds of processor time, files of @bytes, and four times as much memory; disables core
 * dumps. Root becomes the user 65534 without groups. The process cannot gain privileges. Returns: false with errno. A
 * limit that cannot be set is reported on standard error, after @program */
bool drop_rights (const char *program, rlim_t seconds, rlim_t bytes);
