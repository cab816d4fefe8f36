/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lists of words in configuration files that shells read, without a shell. */
#pragma once

#include <glib.h>

/**
 * dkms_shell_list_read:
 * @words: (element-type utf8): a list that owns its words
 *
 * Reads the assignments NAME=VALUE and NAME+=VALUE to the variable @name at the beginning of lines of @text: the former
 * replaces @words. VALUE is a word, a text in quotes, or an array in parentheses; blanks and line ends separate its
 * words. Words with expansions are left out.
 */
void dkms_shell_list_read (const char *text, const char *name, GPtrArray *words);
