/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds the word that somebody meant who typed another one. */
#pragma once

#include <glib.h>

/**
 * dkms_nearest:
 * @word: what was typed
 * @choices: the words that mean something, ended by NULL
 *
 * Counts single letters left out, added, exchanged or swapped with their neighbour; a word that is further away than a
 * third of its length is not a typing error. Upper and lower case are the same.
 *
 * Returns: (transfer none) (nullable): the nearest of @choices, the first one of equals; NULL if none is near
 */
const char *dkms_nearest (const char *word, const char *const *choices);
/** As dkms_nearest(). @choices: element-type utf8, not ended by NULL */
const char *dkms_nearest_in (const char *word, const GPtrArray *choices);
