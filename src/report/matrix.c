/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Collects the answers of status, and draws them as a matrix. */
#include "report/matrix.h"

#include <string.h>

#include "model/version.h"
#include "report/columns.h"

enum { GAP = 2 };

#define NOTHING "-"

typedef struct {
  char *name;             /* release, and the architecture if there are several */
  gboolean runs, is_next; /* now; after the next boot */
} Column;

struct DkmsMatrix {
  GPtrArray *rows;    /* element-type utf8: "module/version", in the order of status */
  GPtrArray *columns; /* element-type Column */
  GHashTable *cells;  /* "row NUL column" as one text -> word */
  GHashTable *broken; /* rows without a source */
};

static void
column_free (gpointer data)
{
  Column *self = data;

  g_free (self->name);
  g_free (self);
}

DkmsMatrix *
dkms_matrix_new (void)
{
  DkmsMatrix *self = g_new0 (DkmsMatrix, 1);

  self->rows = g_ptr_array_new_with_free_func (g_free);
  self->columns = g_ptr_array_new_with_free_func (column_free);
  self->cells = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->broken = g_hash_table_new (g_str_hash, g_str_equal);
  return self;
}

void
dkms_matrix_free (DkmsMatrix *self)
{
  if (self == NULL)
    return;
  g_hash_table_unref (self->broken);
  g_hash_table_unref (self->cells);
  g_ptr_array_unref (self->columns);
  g_ptr_array_unref (self->rows);
  g_free (self);
}

/* ---- collecting ---- */

/* Returns: (transfer none): the row of @id, which is added if it is new; rows of one version follow each other */
static const char *
row_of (DkmsMatrix *self, const DkmsId *id)
{
  g_autofree char *name = g_strconcat (id->module, "/", id->version, NULL);
  guint at;

  if (!g_ptr_array_find_with_equal_func (self->rows, name, g_str_equal, &at))
    {
      at = self->rows->len;
      g_ptr_array_add (self->rows, g_steal_pointer (&name));
    }
  return self->rows->pdata[at];
}

static Column *
column_of (DkmsMatrix *self, const char *kernel)
{
  for (guint i = 0; i < self->columns->len; i++)
    if (strcmp (((Column *)self->columns->pdata[i])->name, kernel) == 0)
      return self->columns->pdata[i];
  Column *column = g_new0 (Column, 1);
  column->name = g_strdup (kernel);
  g_ptr_array_add (self->columns, column);
  return column;
}

static char *
key_of (const char *row, const char *column)
{
  return g_strconcat (row, "\n", column, NULL);
}

/* The words of cells, from the one that matters most. */
static const char *const words[]
    = { "problem", "missing", "differs", "failed", "interrupted", "stale", "installed", "weak", "built", "excluded" };

static guint
rank_of (const char *word)
{
  guint i = 0;

  while (i < G_N_ELEMENTS (words) && strcmp (words[i], word) != 0)
    i++;
  return i;
}

/* Puts @word, a text that lives as long as the program, into the cell of @id, unless another one matters more. */
static void
put (DkmsMatrix *self, const DkmsId *id, const char *word)
{
  char *key = key_of (row_of (self, id), column_of (self, id->kernel)->name);
  const char *old = g_hash_table_lookup (self->cells, key);

  if (old == NULL || rank_of (word) < rank_of (old))
    g_hash_table_replace (self->cells, key, (gpointer)word);
  else
    g_free (key);
}

static const char *
word_of_build (const DkmsEvent *event)
{
  return event->text != NULL && strstr (event->text, "missing") != NULL   ? "missing"
         : event->text != NULL && strstr (event->text, "differs") != NULL ? "differs"
         : event->place != NULL                                           ? "stale"
         : strcmp (event->name, "installed") == 0                         ? "installed"
                                                                          : "built";
}

gboolean
dkms_matrix_hear (DkmsMatrix *self, const DkmsEvent *event)
{
  Column *column;

  switch (event->kind)
    {
    case DKMS_EVENT_STATUS_KERNEL:
      column = column_of (self, event->id.kernel);
      column->runs = (event->number & 1) != 0;
      column->is_next = (event->number & 2) != 0;
      return TRUE;
    case DKMS_EVENT_STATUS_ADDED:
      (void)row_of (self, &event->id);
      return TRUE;
    case DKMS_EVENT_STATUS_BROKEN:
      (void)g_hash_table_add (self->broken, (gpointer)row_of (self, &event->id));
      return TRUE;
    case DKMS_EVENT_STATUS_BUILD:
      put (self, &event->id, word_of_build (event));
      return TRUE;
    case DKMS_EVENT_STATUS_WEAK:
      put (self, &event->id, "weak");
      return TRUE;
    case DKMS_EVENT_STATUS_REMARK:
      if (rank_of (event->name) < G_N_ELEMENTS (words)) /* of a registered version */
        put (self, &event->id, words[rank_of (event->name)]);
      return TRUE;
    case DKMS_EVENT_STATUS_SOURCE_GONE:
      return TRUE; /* the row says it */
    default:
      return FALSE;
    }
}

/* ---- drawing ---- */

static const char *
word_at (const DkmsMatrix *self, const char *row, const Column *column)
{
  g_autofree char *key = key_of (row, column->name);
  const char *word = g_hash_table_lookup (self->cells, key);

  return word != NULL ? word : NOTHING;
}

static const char *
colour_of (const char *word)
{
  guint rank = rank_of (word);

  return rank <= rank_of ("interrupted") ? "31"
         : rank == rank_of ("stale")     ? "33"
         : rank <= rank_of ("weak")      ? "32"
                                         : "2";
}

static char *
heading_of (const Column *column)
{
  return g_strconcat (column->name, column->runs ? "*" : "", column->is_next ? ">" : "", NULL);
}

/* Returns: (transfer full): the label of a row */
static char *
label_of (const DkmsMatrix *self, const char *row)
{
  return g_hash_table_contains (self->broken, row) ? g_strconcat (row, " (broken)", NULL) : g_strdup (row);
}

static guint
width_of (const DkmsMatrix *self, const Column *column)
{
  g_autofree char *heading = heading_of (column);
  guint width = dkms_columns_count (heading);

  for (guint r = 0; r < self->rows->len; r++)
    width = MAX (width, (guint)strlen (word_at (self, self->rows->pdata[r], column)));
  return width;
}

/* Ends @line, whose last cell may have blanks behind it. */
static void
end_line (GString *line)
{
  while (line->len > 0 && line->str[line->len - 1] == ' ')
    g_string_truncate (line, line->len - 1);
  g_string_append_c (line, '\n');
}

static void
append_cell (GString *line, const char *word, guint width, gboolean colours)
{
  g_string_append_printf (line, "%*s", GAP, "");
  if (colours)
    g_string_append_printf (line, "\033[%sm%s\033[0m", colour_of (word), word);
  else
    g_string_append (line, word);
  g_string_append_printf (line, "%*s", (int)(width - strlen (word)), "");
}

/* How a picture is drawn. */
typedef struct {
  guint labels;        /* columns of the terminal for the labels of rows */
  const guint *widths; /* for each column of the matrix */
  gboolean colours;
} Layout;

/* Draws the columns from @begin to before @end. */
static void
draw_part (const DkmsMatrix *self, GString *out, const Layout *layout, guint begin, guint end)
{
  g_autoptr (GString) head = g_string_new (NULL);

  dkms_columns_append (head, "MODULE", layout->labels);
  for (guint c = begin; c < end; c++)
    {
      g_autofree char *heading = heading_of (self->columns->pdata[c]);
      g_string_append_printf (head, "%*s", GAP, "");
      dkms_columns_append (head, heading, layout->widths[c]);
    }
  end_line (head);
  g_string_append (out, head->str);
  for (guint r = 0; r < self->rows->len; r++)
    {
      g_autoptr (GString) line = g_string_new (NULL);
      g_autofree char *label = label_of (self, self->rows->pdata[r]);
      dkms_columns_append (line, label, layout->labels);
      for (guint c = begin; c < end; c++)
        append_cell (line, word_at (self, self->rows->pdata[r], self->columns->pdata[c]), layout->widths[c],
                     layout->colours);
      end_line (line);
      g_string_append (out, line->str);
    }
}

static int
compare_columns (gconstpointer a, gconstpointer b)
{
  const Column *first = *(const Column *const *)a, *second = *(const Column *const *)b;

  return dkms_version_compare_names (&first->name, &second->name);
}

char *
dkms_matrix_draw (const DkmsMatrix *self, guint width, gboolean colours)
{
  GString *out = g_string_new (NULL);
  g_autofree guint *widths = g_new0 (guint, self->columns->len + 1);
  guint labels = strlen ("MODULE");

  if (self->rows->len == 0)
    return g_string_free (out, FALSE);
  g_ptr_array_sort (self->columns, compare_columns);
  for (guint r = 0; r < self->rows->len; r++)
    {
      g_autofree char *label = label_of (self, self->rows->pdata[r]);
      labels = MAX (labels, dkms_columns_count (label));
    }
  for (guint c = 0; c < self->columns->len; c++)
    widths[c] = width_of (self, self->columns->pdata[c]);
  for (guint begin = 0, end; begin == 0 || begin < self->columns->len; begin = end)
    {
      guint used = labels;
      for (end = begin; end < self->columns->len && (end == begin || used + GAP + widths[end] <= width); end++)
        used += GAP + widths[end];
      if (begin > 0)
        g_string_append_c (out, '\n');
      draw_part (self, out, &(const Layout){ labels, widths, colours }, begin, end);
      if (end == begin)
        break; /* no kernels */
    }
  return g_string_free (out, FALSE);
}

gboolean
dkms_matrix_has_marks (const DkmsMatrix *self)
{
  for (guint i = 0; i < self->columns->len; i++)
    {
      const Column *column = self->columns->pdata[i];
      if (column->runs || column->is_next)
        return self->rows->len > 0;
    }
  return FALSE;
}
