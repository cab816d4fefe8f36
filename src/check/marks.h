/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Searches a line for several hundred literals at once, with a cost per byte that does not depend on their number (Aho
 * and Corasick, 1975). The result selects the few regular expressions to try. */
#pragma once

#include <glib.h>

/* A literal has a number; several literals may share one. */
enum { DKMS_MARKS_MOST = 192 };

typedef struct {
  guint64 words[DKMS_MARKS_MOST / 64];
} DkmsMarkSet;

static inline gboolean
dkms_mark_set_has (const DkmsMarkSet *self, guint number)
{
  return (self->words[number / 64] >> (number % 64) & 1) != 0;
}

static inline void
dkms_mark_set_add (DkmsMarkSet *self, guint number)
{
  self->words[number / 64] |= (guint64)1 << (number % 64);
}

typedef struct DkmsMarks DkmsMarks;

DkmsMarks *dkms_marks_new (void);
/** Adds a literal with its @number. Must not be called after dkms_marks_finish(). */
void dkms_marks_add (DkmsMarks *self, const char *literal, guint number);
/** Must be called once, after the last literal. */
void dkms_marks_finish (DkmsMarks *self);
/** Returns: whether any literal is in the @size bytes of @text; @found: (out): their numbers */
gboolean dkms_marks_search (const DkmsMarks *self, const char *text, gsize size, DkmsMarkSet *found);
void dkms_marks_free (DkmsMarks *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsMarks, dkms_marks_free)
