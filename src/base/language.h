/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The language of the user. Errors, events, records and JSON contain English text. For each text that is filled in
 * (base/template.h), this file remembers its translation, so that the report can show it. In English, nothing is
 * remembered and no catalogue is read. */
#pragma once

#include <glib.h>

/**
 * dkms_language_begin:
 *
 * Chooses the language by LC_ALL, LC_MESSAGES, LANG and LANGUAGE (locale(7), gettext(3)), and reads its catalogue,
 * which lies beside the program or in the directory of the system. The locale of the process stays "C", so that no
 * other function behaves differently. Without a catalogue, or if the terminal does not use UTF-8, the language is
 * English. Call it once, before the process changes its root.
 */
void dkms_language_begin (void);
/** Returns: whether the user reads English, which makes all functions below do nothing */
gboolean dkms_language_is_english (void);

/**
 * dkms_language_of:
 * @english: a template, a fixed text, a text that was filled in, or a message of strerror(3)
 *
 * Returns: (transfer none): its translation; @english itself if there is none. It is valid until the text is filled in
 * again
 */
const char *dkms_language_of (const char *english);
/** Marks a text that is always shown to people, and translates it. */
#define _(english) dkms_language_of (english)
/** Marks a text that is translated when it is shown. */
#define N_(english) english

/** Remembers that @english means @translation. Both are copied. */
void dkms_language_remember (const char *english, const char *translation);

/** Remembers the translation of @english, a text such as "namespaces: Operation not permitted" that comes from a
 * helper, if the text after the last colon has one. */
void dkms_language_recall (const char *english);

typedef void (*DkmsTranslationFunc) (gpointer data, const char *english, const char *translation);
/** Calls @func (nullable) for each translation that was remembered since the last call, in order. */
void dkms_language_each_new (DkmsTranslationFunc func, gpointer data);
