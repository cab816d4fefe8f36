/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds the known word that is nearest to a misspelt one. */
#pragma once

#include <glib.h>

/**
 * dkms_nearest:
 * @word: the word that the user wrote
 * @choices: the known words, ended by NULL
 *
 * The distance counts single letters that are omitted, added, replaced or swapped with their neighbour. It is at most a
 * third of the length of @word. Case is ignored.
 *
 * Returns: (transfer none) (nullable): the nearest of @choices, the first one of equals; NULL if none is near
 */
const char *dkms_nearest (const char *word, const char *const *choices);
/** As dkms_nearest(). @choices: element-type utf8, not ended by NULL */
const char *dkms_nearest_in (const char *word, const GPtrArray *choices);
