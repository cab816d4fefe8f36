/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Configuration files without code: files that contain only comments and plain assignments, one per line.
 *
 * The first status on a tree of dkms 3 needs the recipes of all builds, one for each kernel. Most of them are such
 * files, and starting bash and a sandbox for them would take most of the time. The code reads a small part of the
 * language of bash, whose meaning depends only on the text and on the variables of the query. All other files are
 * evaluated by bash. */
#pragma once

#include "conf/query.h"

/**
 * dkms_plain_evaluate:
 * @texts: (element-type GString): of all files of @query, as bash would get them
 * @names: names of the wanted variables, separated by blanks
 * @deprecated: (nullable): names of deprecated variables, likewise; the result notes them
 *
 * A plain file has empty lines, comments, and lines NAME=VALUE or NAME[NUMBER]=VALUE. NAME is one of those, or a
 * variable of the file, which begins with a small letter. VALUE consists of letters, digits and the characters
 * %+,-./:=@^_ and of texts in quotes, all of them ASCII; outside of single quotes it may contain these variables and
 * those of @query, as $NAME or ${NAME}. Values that bash would expand once more, and regular expressions, are not
 * plain.
 *
 * Returns: (transfer full) (nullable): the values that bash would return; NULL: bash is needed
 */
DkmsVars *dkms_plain_evaluate (const DkmsQuery *query, const GPtrArray *texts, const char *names,
                               const char *deprecated);
