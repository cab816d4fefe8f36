/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds and runs the scripts of packages and administrators. */
#pragma once

#include "install/job.h"

/**
 * dkms_script_find:
 * Finds the program of a script directive: /etc/dkms/<m>/<program> if executable, else @base/<program>.
 *
 * @seen_as: (nullable): the path of @base for the script; NULL: @base. A program that leaves @base by ".." is searched
 * from here
 * @cwd: (out) (transfer full): its working directory
 * @rest: (out) (transfer none): the directive's text after the program's name
 *
 * Returns: (transfer full) (nullable): path as tools name it; NULL after a warning if it does not exist
 */
char *dkms_script_find (const DkmsJob *job, DkmsScript script, const char *base, const char *seen_as, char **cwd,
                        const char **rest);

/**
 * dkms_script_arguments:
 * Returns: (transfer full): @text in a form that bash splits into the same words: split at blanks outside of quotes,
 * without quotes, with patterns outside of quotes for the shell to expand, and everything else literal. If a quote is
 * not closed, all quotes are literal.
 */
char *dkms_script_arguments (const char *text);

/**
 * dkms_script_run:
 * Runs PRE_INSTALL, POST_INSTALL, POST_ADD or POST_REMOVE with the caller's stdin, stdout and stderr.
 *
 * Returns: its exit status; 0 if the directive is empty, or names no executable file
 */
int dkms_script_run (const DkmsJob *job, DkmsScript script);
