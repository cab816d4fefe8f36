/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sentences with fields: {field} stands for a value, and [...] for text that is omitted if a value in it is absent.
 * Brackets cannot be nested. */
#pragma once

#include <glib.h>

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
