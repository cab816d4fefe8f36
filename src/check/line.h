/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Extracts names from a line of a log or script: paths, commands, programs that download. */
#pragma once

#include <glib.h>

/** Returns: (transfer none) (nullable): the first command in @text that downloads files */
const char *dkms_downloader_in (const char *text);
/** Returns: (transfer full): the absolute paths in @line, NULL-terminated */
char **dkms_line_paths (const char *line);
/** Returns: whether @line is about a file that could not be created */
gboolean dkms_line_creates (const char *line);
/** Returns: (transfer full) (nullable): the command or file that is absent according to @line */
char *dkms_line_command (const char *line);
/** Copies @line to @plain, which has @size bytes, without escape sequences for colours. Returns: bytes copied
 */
gsize dkms_line_drop_colours (const char *line, gsize size, char *plain);
/** Returns: (transfer full): @line without escape sequences and other control characters, as valid UTF-8
 * of at most 400 characters */
char *dkms_line_clean (const char *line, gsize size);
/** Returns: (transfer full): @line with typographic and other quotation marks replaced by ' */
char *dkms_line_plain_quotes (const char *line);
