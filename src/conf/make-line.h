/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The arguments that dkms adds to a MAKE line of a dkms.conf (docs/interface/dkms-conf.md §8). */
#pragma once

#include <glib.h>

/** Returns: (transfer full): @line with LLVM=1 as the last argument of every make in it. If @line contains no make,
 * LLVM=1 is its last word, as always with the reference */
char *dkms_make_line_add_llvm (const char *line);
/** Returns: (transfer full): @line with -j@jobs (NULL: a jobserver limits the jobs, and -j would disable it) and
 * KERNELRELEASE=@release after the make at its beginning; unchanged if it begins with another word */
char *dkms_make_line_inject (const char *line, const char *jobs, const char *release);
