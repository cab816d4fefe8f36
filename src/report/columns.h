/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Texts in columns of a terminal. Private to report/. */
#pragma once

#include <glib.h>

/** Returns: (transfer full): @text as valid UTF-8, with each control character replaced by a blank */
char *dkms_columns_clean (const char *text);
/** Returns: the number of columns of @text, a text of dkms_columns_clean() */
guint dkms_columns_count (const char *text);
/** Returns: (transfer full): @text, or as much of its beginning as fits into @width columns together with an ellipsis
 */
char *dkms_columns_cut (const char *text, guint width);
/**
 * dkms_columns_elide:
 * @text: a line of a log, as dkms_columns_clean() returns it
 * @width: number of columns
 *
 * Shortens a line so that the name of its file stays: the directories of its last path are omitted first, then the end
 * of the line, then the words before the path.
 *
 * Returns: (transfer full): at most @width columns
 */
char *dkms_columns_elide (const char *text, guint width);
/** Appends @text to @line, cut or with blanks so that it takes @width columns. */
void dkms_columns_append (GString *line, const char *text, guint width);
/** Returns: (transfer none): the ellipsis that the locale of the environment can show */
const char *dkms_columns_ellipsis (void);
