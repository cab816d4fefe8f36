/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a line of a log, or of a script, names: paths, commands, programs that download. */
#pragma once

#include <glib.h>

/** Returns: (transfer none) (nullable): the first command in @text that fetches something over the network */
const char *dkms_downloader_in (const char *text);
/** Returns: (transfer full): the absolute paths in @line, NULL-terminated */
char **dkms_line_paths (const char *line);
/** Returns: whether @line is about a file that could not be created */
gboolean dkms_line_creates (const char *line);
/** Returns: (transfer full) (nullable): the command or file that @line reports as absent */
char *dkms_line_command (const char *line);
/** Copies @line to @plain, which has room for @size bytes, without what colours it on a terminal. Returns: bytes copied
 */
gsize dkms_line_drop_colours (const char *line, gsize size, char *plain);
/** Returns: (transfer full): @line without what colours it on a terminal and other control characters, as valid UTF-8
 * of at most 400 characters */
char *dkms_line_clean (const char *line, gsize size);
/** Returns: (transfer full): @line with ' for typographic and other quotation marks */
char *dkms_line_plain_quotes (const char *line);
