/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Configuration files without code: those that consist of nothing but comments and plain assignments, one on a line.
 *
 * The first status on a tree that dkms 3 left needs the recipes of all builds, one for each kernel; most of them are
 * such files, and to start bash and a sandbox for them would take most of the time. What is read here is a small part
 * of the language of bash, whose meaning depends on nothing but the text and the variables that the files can see;
 * every other file is left to bash. */
#pragma once

#include "conf/query.h"

/**
 * dkms_plain_evaluate:
 * @texts: (element-type GString): of all files of @query, as bash would be given them
 * @names: blank separated variables to take over
 *
 * A plain file has empty lines, comments, and lines NAME=VALUE or NAME[NUMBER]=VALUE with a NAME of @names. VALUE is
 * made of letters, digits and the characters %+,-./:=@^_ and of texts in quotes, all of them ASCII; outside of single
 * quotes it may name variables of @names and of @query, as $NAME or ${NAME}. Values that bash would expand once more,
 * and regular expressions, are not plain.
 *
 * Returns: (transfer full) (nullable): what bash would answer; NULL: only bash knows
 */
DkmsVars *dkms_plain_evaluate (const DkmsQuery *query, const GPtrArray *texts, const char *names);
