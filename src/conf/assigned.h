/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds assignments in the text of configuration files, for messages that name a line. */
#pragma once

#include <glib.h>

/** Returns: (transfer full) (element-type utf8): the names that @text assigns to, each once */
GPtrArray *dkms_assigned_names (const char *text);

/**
 * dkms_assigned_line:
 * @name: a variable
 * @index: its element; -1: any. An assignment without an index sets element 0; a list in parentheses may set any
 *
 * Returns: the number of the last line of @text that assigns to it, from 1; 0: none
 */
guint dkms_assigned_line (const char *text, const char *name, int index);

/** Returns: (transfer full): "@path:@line", or @path if @line is 0 */
char *dkms_file_and_line (const char *path, guint line);
