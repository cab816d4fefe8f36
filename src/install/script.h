/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finding and running the scripts of packages and administrators. */
#pragma once

#include "install/job.h"

/**
 * dkms_script_find:
 * Finds the program of a script directive: /etc/dkms/<m>/<program> if executable, else @base/<program>.
 *
 * @seen_as: (nullable): where the script will find @base; NULL: there. A program that climbs out of @base by ".." is
 *   looked for from here
 * @cwd: (out) (transfer full): where to run it
 * @rest: (out) (transfer none): the directive's text after the program's name
 *
 * Returns: (transfer full) (nullable): path as tools name it; NULL after a warning when there is none
 */
char *dkms_script_find (const DkmsJob *job, DkmsScript script, const char *base, const char *seen_as, char **cwd,
                        const char **rest);

/**
 * dkms_script_arguments:
 * Returns: (transfer full): @text as bash must be given it to get its words: split at blanks outside of quotes, quotes
 *   taken off as a shell does, patterns outside of quotes left for the shell to expand, everything else literal. A
 * quote without its other end makes all quotes literal.
 */
char *dkms_script_arguments (const char *text);

/**
 * dkms_script_run:
 * Runs PRE_INSTALL, POST_INSTALL, POST_ADD or POST_REMOVE with the caller's stdin, stdout and stderr.
 *
 * Returns: its exit status; 0 when the directive is empty or names nothing that can be run
 */
int dkms_script_run (const DkmsJob *job, DkmsScript script);
