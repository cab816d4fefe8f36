/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lays out the live lines. */
#include "report/frame.h"

#include <string.h>

#include "base/language.h"
#include "base/template.h"
#include "report/columns.h"

/* In fewer columns, the tail of a log is not shown beside a phase, no text is useful, and expected durations have no
 * room. */
enum { GAP = 2, LEAST_TAIL = 20, LEAST_TEXT = 6, LEAST_WIDTH = 60 };

/* The widths of the columns. */
typedef struct {
  guint width; /* of a whole line */
  guint name, kernel, time, phase;
} Layout;

static gboolean
kernels_differ (const DkmsFrameRow *rows, guint count)
{
  for (guint i = 1; i < count; i++)
    if (strcmp (rows[i].kernel, rows[0].kernel) != 0)
      return TRUE;
  return FALSE;
}

/* Returns: the columns of the time of @row that are shown */
static guint
time_columns (const DkmsFrameRow *row, guint width)
{
  return width < LEAST_WIDTH ? (guint)strcspn (row->time, "/") : dkms_columns_count (row->time);
}

static Layout
lay_out (const DkmsFrameRow *rows, guint count, guint columns)
{
  Layout self = { .width = columns > 1 ? columns - 1 : 1 };

  for (guint i = 0; i < count; i++)
    {
      self.name = MAX (self.name, dkms_columns_count (rows[i].name));
      self.kernel = MAX (self.kernel, dkms_columns_count (rows[i].kernel));
      self.time = MAX (self.time, time_columns (&rows[i], self.width));
      self.phase = MAX (self.phase, dkms_columns_count (rows[i].phase));
    }
  self.name = MIN (self.name, self.width / 3);
  self.kernel = kernels_differ (rows, count) ? MIN (self.kernel, self.width / 4) : 0;
  return self;
}

static void
append_column (GString *line, const char *text, guint width)
{
  if (width == 0)
    return;
  dkms_columns_append (line, text, width);
  g_string_append_printf (line, "%*s", GAP, "");
}

static guint
rest_of (const GString *line, const Layout *layout)
{
  guint used = dkms_columns_count (line->str);

  return layout->width > used ? layout->width - used : 0;
}

static void
append_row (GString *out, const DkmsFrameRow *row, const Layout *layout, gboolean colour)
{
  g_autoptr (GString) line = g_string_new (NULL);

  append_column (line, row->name, layout->name);
  append_column (line, row->kernel, layout->kernel);
  g_autofree char *time = g_strndup (row->time, time_columns (row, layout->width));
  append_column (line, time, layout->time);
  guint rest = rest_of (line, layout);
  if (rest >= LEAST_TEXT && (*row->tail == '\0' || rest >= layout->phase + GAP + LEAST_TAIL))
    {
      append_column (line, row->phase, MIN (layout->phase, rest));
      rest = rest_of (line, layout);
    }
  rest = rest >= LEAST_TEXT ? rest : 0;
  g_autofree char *tail = dkms_columns_elide (row->tail, rest);
  gboolean dim = colour && *tail != '\0';
  g_autofree char *begin = dkms_columns_cut (*tail != '\0' ? line->str : g_strchomp (line->str), layout->width);
  g_string_append_printf (out, "%s%s%s%s", begin, dim ? "\033[2m" : "", tail, dim ? "\033[0m" : "");
}

/* The fields of the last line and of the row above it. */
typedef struct {
  const DkmsFrameSum *sum;
  guint more;
  gboolean colour;
} Facts;

static char *
field (gconstpointer subject, const char *name)
{
  const Facts *self = subject;
  const struct {
    const char *name;
    guint value;
  } numbers[] = { { "done", self->sum->good + self->sum->bad },
                  { "total", self->sum->total },
                  { "running", self->sum->running },
                  { "bad", self->sum->bad },
                  { "more", self->more } };

  for (gsize i = 0; i < G_N_ELEMENTS (numbers); i++)
    if (strcmp (numbers[i].name, name) == 0)
      return numbers[i].value > 0 || *name != 'b' ? g_strdup_printf ("%u", numbers[i].value) : NULL;
  if (strcmp (name, "time") == 0)
    return g_strdup (self->sum->elapsed);
  if (strcmp (name, "left") == 0)
    return g_strdup (self->sum->left);
  if (strcmp (name, "red") == 0)
    return g_strdup (self->colour ? "\033[31m" : "");
  if (strcmp (name, "plain") == 0)
    return g_strdup (self->colour ? "\033[0m" : "");
  return g_strdup (dkms_columns_ellipsis ());
}

/* Returns: (transfer full): the longest form of the total that fits into @width columns */
static char *
sum_text (const DkmsFrameSum *sum, guint width, gboolean colour)
{
  const char *const forms[] = {
    _ ("{done} of {total} done, {running} running[, {red}{bad} failed{plain}]  {time}[, about {left} left]"),
    _ ("{done} of {total} done, {running} running[, {red}{bad} failed{plain}]  {time}[, {left} left]"),
    _ ("{done}/{total} done, {running} running[, {red}{bad} failed{plain}]  {time}"),
    _ ("{done}/{total} done[, {red}{bad} failed{plain}]"),
    "{done}/{total}",
  };
  const Facts plain = { .sum = sum }, facts = { .sum = sum, .colour = colour };

  for (gsize i = 0; i < G_N_ELEMENTS (forms); i++)
    {
      g_autofree char *text = dkms_template_fill (forms[i], "", field, &plain);
      if (dkms_columns_count (text) <= width)
        return dkms_template_fill (forms[i], "", field, &facts);
    }
  return g_strdup ("");
}

char *
dkms_frame_text (const DkmsFrameRow *rows, guint count, const DkmsFrameSum *sum, guint columns, guint lines,
                 gboolean colour)
{
  guint room = lines > 1 ? lines - 1 : 1, width = columns > 1 ? columns - 1 : 1;
  gboolean total = sum->total > 1;
  guint most = room - (total ? 1 : 0), shown = count <= most ? count : most > 0 ? most - 1 : 0;
  const Layout layout = lay_out (rows, shown, columns);
  g_autoptr (GPtrArray) texts = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < shown; i++)
    {
      GString *row = g_string_new (NULL);
      append_row (row, &rows[i], &layout, colour);
      g_ptr_array_add (texts, g_string_free (row, FALSE));
    }
  if (shown < count && most > 0)
    {
      const Facts facts = { .sum = sum, .more = count - shown };
      g_autofree char *more = dkms_template_fill (_ ("{ellipsis} and {more} more"), "", field, &facts);
      g_ptr_array_add (texts, dkms_columns_cut (more, width));
    }
  if (total)
    g_ptr_array_add (texts, sum_text (sum, width, colour));
  g_ptr_array_add (texts, NULL);
  return g_strjoinv ("\n", (char **)texts->pdata);
}
