/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The automaton: a state for each beginning of a literal, and a complete table of transitions. */
#include "check/marks.h"

#include <string.h>

/* A row of the table has 128 columns: bytes that no literal contains share column 0. */
enum { ROW_BITS = 7, COLUMNS = 1 << ROW_BITS, ROOT = 0, MOST_STATES = G_MAXUINT16 };

struct DkmsMarks {
  guint8 columns[256]; /* of each byte */
  guint used;          /* columns */
  GArray *next;        /* element-type guint16: COLUMNS for each state */
  GArray *output;      /* element-type DkmsMarkSet: of each state */
  guint8 *ends;        /* whether a state has an output */
};

static guint
add_state (DkmsMarks *self)
{
  static const guint16 none[COLUMNS];
  static const DkmsMarkSet nothing;

  g_assert (self->output->len < MOST_STATES);
  g_array_append_vals (self->next, none, COLUMNS);
  g_array_append_val (self->output, nothing);
  return self->output->len - 1;
}

DkmsMarks *
dkms_marks_new (void)
{
  DkmsMarks *self = g_new0 (DkmsMarks, 1);

  self->next = g_array_new (FALSE, FALSE, sizeof (guint16));
  self->output = g_array_new (FALSE, FALSE, sizeof (DkmsMarkSet));
  self->used = 1;
  (void)add_state (self);
  return self;
}

static guint16 *
cell (const DkmsMarks *self, guint state, guint column)
{
  return &g_array_index (self->next, guint16, (state << ROW_BITS) + column);
}

void
dkms_marks_add (DkmsMarks *self, const char *literal, guint number)
{
  guint state = ROOT;

  g_assert (*literal != '\0' && number < DKMS_MARKS_MOST);
  for (const guchar *at = (const guchar *)literal; *at != '\0'; at++)
    {
      if (self->columns[*at] == 0)
        {
          g_assert (self->used < COLUMNS);
          self->columns[*at] = (guint8)self->used++;
        }
      guint next = *cell (self, state, self->columns[*at]);
      if (next == ROOT)
        {
          next = add_state (self);
          *cell (self, state, self->columns[*at]) = (guint16)next;
        }
      state = next;
    }
  dkms_mark_set_add (&g_array_index (self->output, DkmsMarkSet, state), number);
}

static void
add_output (const DkmsMarks *self, guint state, guint of)
{
  DkmsMarkSet *to = &g_array_index (self->output, DkmsMarkSet, state);

  for (gsize i = 0; i < G_N_ELEMENTS (to->words); i++)
    to->words[i] |= g_array_index (self->output, DkmsMarkSet, of).words[i];
}

/* In breadth-first order: a missing transition is copied from the state of the longest suffix that is also a beginning
 * of a literal. */
void
dkms_marks_finish (DkmsMarks *self)
{
  guint states = self->output->len, head = 0, tail = 0;
  g_autofree guint *queue = g_new0 (guint, states);
  g_autofree guint *shorter = g_new0 (guint, states);

  for (guint column = 0; column < self->used; column++)
    if (*cell (self, ROOT, column) != ROOT)
      queue[tail++] = *cell (self, ROOT, column);
  while (head < tail)
    {
      guint state = queue[head++];
      for (guint column = 0; column < self->used; column++)
        {
          guint next = *cell (self, state, column), otherwise = *cell (self, shorter[state], column);
          if (next == ROOT)
            {
              *cell (self, state, column) = (guint16)otherwise;
              continue;
            }
          shorter[next] = otherwise;
          add_output (self, next, otherwise);
          queue[tail++] = next;
        }
    }
  self->ends = g_new0 (guint8, states);
  for (guint state = 0; state < states; state++)
    for (gsize i = 0; i < DKMS_MARKS_MOST / 64; i++)
      self->ends[state] |= g_array_index (self->output, DkmsMarkSet, state).words[i] != 0;
}

gboolean
dkms_marks_search (const DkmsMarks *self, const char *text, gsize size, DkmsMarkSet *found)
{
  const guint16 *next = (const guint16 *)(gpointer)self->next->data;
  const DkmsMarkSet *output = (const DkmsMarkSet *)(gpointer)self->output->data;
  const guchar *at = (const guchar *)text, *end = at + size;
  guint state = ROOT;
  gboolean any = FALSE;

  *found = (DkmsMarkSet){ 0 };
  for (; at < end; at++)
    {
      state = next[(state << ROW_BITS) + self->columns[*at]];
      if (G_LIKELY (self->ends[state] == 0))
        continue;
      any = TRUE;
      for (gsize i = 0; i < G_N_ELEMENTS (found->words); i++)
        found->words[i] |= output[state].words[i];
    }
  return any;
}

void
dkms_marks_free (DkmsMarks *self)
{
  if (self == NULL)
    return;
  g_array_unref (self->next);
  g_array_unref (self->output);
  g_free (self->ends);
  g_free (self);
}
