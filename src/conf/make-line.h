/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What dkms adds to a MAKE line of a dkms.conf (docs/interface/dkms-conf.md §8). */
#pragma once

#include <glib.h>

/** Returns: (transfer full): @line with LLVM=1 as the last argument of every make in it; without any make, as its last
 * word, where the reference has it always */
char *dkms_make_line_add_llvm (const char *line);
/** Returns: (transfer full): @line with -j@jobs (NULL: a jobserver gives the jobs, and -j would end that) and
 * KERNELRELEASE=@release behind the make that it begins with; unchanged if it begins with another word */
char *dkms_make_line_inject (const char *line, const char *jobs, const char *release);
