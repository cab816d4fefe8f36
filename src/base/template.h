/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sentences with fields: {field} stands for a value, and [...] for text that is omitted if a value in it is absent.
 * Brackets cannot be nested. */
#pragma once

#include <glib.h>

/**
 * dkms_template_set_root:
 * @root: the value of --root
 * @is_verb: whether a word is a verb of dkms
 *
 * From now on, "dkms VERB" in sentences is "dkms --root ROOT VERB", and depmod gets -b ROOT: without the options, the
 * user who types a command that a sentence advises would change the own machine. Call it once, before the first
 * sentence.
 */
void dkms_template_set_root (const char *root, gboolean (*is_verb) (const char *word));
/** Returns: (transfer none): what begins a command for the root: "dkms" or "dkms --root ROOT" */
const char *dkms_template_program (void);

/** Returns: (transfer full) (nullable): the value of the field @name of @subject; NULL: absent */
typedef char *(*DkmsTemplateValue) (gconstpointer subject, const char *name);

/**
 * dkms_template_fill:
 * @text: the template; values are not searched for fields
 * @absent: the text for an absent value outside brackets
 * @value: called for each field in @text
 *
 * If the user does not read English, the translation of the sentence is filled in, too, and remembered
 * (base/language.h).
 *
 * Returns: (transfer full): the sentence with its values, in English
 */
char *dkms_template_fill (const char *text, const char *absent, DkmsTemplateValue value, gconstpointer subject);

/**
 * dkms_template_recall:
 * @text: a template
 * @filled: a text in English, such as the message of a recorded error
 *
 * Finds the values in @filled, and remembers its translation.
 *
 * Returns: whether @filled consists of @text and values
 */
gboolean dkms_template_recall (const char *text, const char *filled);
