/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes tables of results. */
#include "fleet/render.h"

#include <string.h>

#include "base/file.h"
#include "model/version.h"

/* The rows and columns of a table. */
typedef struct {
  const DkmsMerged *merged;
  GPtrArray *rows;    /* element-type utf8: m/v */
  GPtrArray *columns; /* element-type utf8: kernel, with architecture and root if there are several */
  GPtrArray *cells;   /* element-type utf8: rows x columns; NULL: no such job */
  guint kernels;
  gboolean arches, roots; /* there are several */
} Table;

/* Returns: (transfer full): @text in UTF-8, without characters that control a terminal */
static char *
clean (const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  GString *result = g_string_new (NULL);

  for (const char *at = valid; *at != '\0'; at = g_utf8_next_char (at))
    {
      gunichar c = g_utf8_get_char (at);
      if (g_unichar_isprint (c))
        g_string_append_unichar (result, c);
      else
        g_string_append (result, g_unichar_isspace (c) ? " " : "\xef\xbf\xbd");
    }
  return g_string_free (result, FALSE);
}

/* Returns: (transfer full): the name of the row of @job */
static char *
row_of (const DkmsFleetJob *job)
{
  return dkms_id_format (&(DkmsId){ .module = job->id->module, .version = job->id->version });
}

/* Returns: (transfer full): the name of the column of @job */
static char *
column_of (const Table *self, const DkmsFleetJob *job)
{
  return g_strconcat (job->id->kernel, self->arches ? "/" : "", self->arches ? job->id->arch : "",
                      self->roots ? "@" : "", self->roots ? job->root : "", NULL);
}

/* Returns: (transfer full): the names of @set, sorted */
static GPtrArray *
sorted (GHashTable *set, GCompareFunc order)
{
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
  GHashTableIter iter;
  gpointer name;

  g_hash_table_iter_init (&iter, set);
  while (g_hash_table_iter_next (&iter, &name, NULL))
    g_ptr_array_add (names, g_strdup (name));
  g_ptr_array_sort (names, order);
  return names;
}

/* Returns: a table from the names to their numbers */
static GHashTable *
number (const GPtrArray *names)
{
  GHashTable *numbers = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; i < names->len; i++)
    g_hash_table_insert (numbers, names->pdata[i], GUINT_TO_POINTER (i));
  return numbers;
}

static const char *
word_of (const DkmsJobReport *report)
{
  return report == NULL                          ? "missing"
         : report->result == DKMS_JOB_NO_HEADERS ? "no headers"
         : report->result == DKMS_JOB_ERROR      ? "ERROR"
         : report->result != DKMS_JOB_FAILED     ? dkms_job_result_name (report->result)
         : report->seconds > 0                   ? "FAILED" /* it was tried */
                                                 : "failed";
}

/* The time of a build is a part of its cell. */
static gboolean
has_time (const DkmsJobReport *report)
{
  return report != NULL && report->seconds > 0
         && (report->result == DKMS_JOB_BUILT || report->result == DKMS_JOB_FAILED || report->result == DKMS_JOB_ERROR);
}

static char *
cell_of (const DkmsJobReport *report)
{
  return has_time (report) ? g_strdup_printf ("%-6s%4.0f s", word_of (report), report->seconds)
                           : g_strdup (word_of (report));
}

static void
table_clear (Table *self)
{
  g_ptr_array_unref (self->rows);
  g_ptr_array_unref (self->columns);
  g_ptr_array_unref (self->cells);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Table, table_clear)

/* Decides which parts of ids the columns need. */
static void
look_at_parts (Table *self)
{
  g_autoptr (GHashTable) kernels = g_hash_table_new (g_str_hash, g_str_equal);
  const GPtrArray *jobs = self->merged->jobs;
  const DkmsFleetJob *first = jobs->len > 0 ? jobs->pdata[0] : NULL;

  for (guint i = 0; i < jobs->len; i++)
    {
      const DkmsFleetJob *job = jobs->pdata[i];
      self->arches |= strcmp (job->id->arch, first->id->arch) != 0;
      self->roots |= strcmp (job->root, first->root) != 0;
      g_hash_table_add (kernels, (gpointer)job->id->kernel);
    }
  self->kernels = g_hash_table_size (kernels);
}

static Table
make_table (const DkmsMerged *merged)
{
  Table self = { .merged = merged };
  g_autoptr (GHashTable) rows = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GHashTable) columns = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  look_at_parts (&self);
  for (guint i = 0; i < merged->jobs->len; i++)
    {
      g_hash_table_add (rows, row_of (merged->jobs->pdata[i]));
      g_hash_table_add (columns, column_of (&self, merged->jobs->pdata[i]));
    }
  self.rows = sorted (rows, dkms_compare_names);
  self.columns = sorted (columns, dkms_version_compare_names);
  self.cells = g_ptr_array_new_with_free_func (g_free);
  g_ptr_array_set_size (self.cells, (int)(self.rows->len * self.columns->len));
  g_autoptr (GHashTable) row_numbers = number (self.rows);
  g_autoptr (GHashTable) column_numbers = number (self.columns);
  for (guint i = 0; i < merged->jobs->len; i++)
    {
      const DkmsFleetJob *job = merged->jobs->pdata[i];
      g_autofree char *row = row_of (job), *column = column_of (&self, job);
      guint at = GPOINTER_TO_UINT (g_hash_table_lookup (row_numbers, row)) * self.columns->len
                 + GPOINTER_TO_UINT (g_hash_table_lookup (column_numbers, column));
      self.cells->pdata[at] = cell_of (dkms_merged_find (merged, job->text));
    }
  return self;
}

static const char *
cell_at (const Table *self, guint row, guint column)
{
  const char *cell = self->cells->pdata[row * self->columns->len + column];

  return cell != NULL ? cell : "-";
}

/* ---- the lines below the table ---- */

static char *
summary (const Table *self)
{
  guint good, failed, missing;

  dkms_merged_count (self->merged, &good, &failed, &missing);
  return g_strdup_printf ("%u module%s, %u kernel%s: %u good, %u failed, %u missing", self->rows->len,
                          self->rows->len == 1 ? "" : "s", self->kernels, self->kernels == 1 ? "" : "s", good, failed,
                          missing);
}

/* Returns: (transfer full): m/v, kernel */
static char *
label_of (const Table *self, const DkmsFleetJob *job)
{
  g_autofree char *row = row_of (job), *column = column_of (self, job);

  return g_strconcat (row, ", ", column, NULL);
}

/* Returns: (transfer full): lines about failures, missing reports and builds that differ */
static GPtrArray *
remarks (const Table *self)
{
  const DkmsMerged *merged = self->merged;
  GPtrArray *lines = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < merged->reports->len; i++)
    {
      const DkmsJobReport *report = merged->reports->pdata[i];
      if (dkms_job_result_is_good (report->result) || report->error == NULL)
        continue;
      g_autofree char *label = label_of (self, report->job), *text = clean (report->error);
      g_ptr_array_add (lines, g_strconcat (label, ": ", text, NULL));
    }
  for (guint i = 0; i < merged->missing->len; i++)
    g_ptr_array_add (lines, g_strconcat ("missing: ", merged->missing->pdata[i], NULL));
  for (guint i = 0; i < merged->unreadable->len; i++)
    {
      g_autofree char *name = clean (merged->unreadable->pdata[i]);
      g_ptr_array_add (lines, g_strconcat ("not a report: ", name, NULL));
    }
  for (guint i = 0; i < merged->pairs->len; i++)
    {
      const DkmsFleetPair *pair = merged->pairs->pdata[i];
      g_autofree char *a = clean (pair->a->host != NULL ? pair->a->host : "?"),
                      *b = clean (pair->b->host != NULL ? pair->b->host : "?");
      g_ptr_array_add (lines, g_strconcat ("not reproducible: ", pair->a->job->text, " (", a, ") and ",
                                           pair->b->job->text, " (", b, ")", NULL));
    }
  return lines;
}

/* ---- text ---- */

/* Returns: the width of each column */
static gsize *
measure (const Table *self)
{
  gsize *widths = g_new0 (gsize, self->columns->len + 1);

  for (guint c = 0; c < self->columns->len; c++)
    {
      widths[c] = strlen (self->columns->pdata[c]);
      for (guint r = 0; r < self->rows->len; r++)
        widths[c] = MAX (widths[c], strlen (cell_at (self, r, c)));
    }
  return widths;
}

/* Appends @cell, padded unless it is the last one. */
static void
append_cell (GString *text, const char *cell, gsize width, gboolean last)
{
  if (last)
    g_string_append (text, cell);
  else
    g_string_append_printf (text, "%-*s", (int)width, cell);
}

char *
dkms_fleet_render_text (const DkmsMerged *merged)
{
  g_auto (Table) self = make_table (merged);
  g_autofree gsize *widths = measure (&self);
  g_autoptr (GPtrArray) lines = remarks (&self);
  g_autofree char *end = summary (&self);
  GString *text = g_string_new (NULL);
  gsize first = 0;

  for (guint r = 0; r < self.rows->len; r++)
    first = MAX (first, strlen (self.rows->pdata[r]));
  append_cell (text, "", first + 4, self.columns->len == 0);
  for (guint c = 0; c < self.columns->len; c++)
    append_cell (text, self.columns->pdata[c], widths[c] + 3, c + 1 == self.columns->len);
  g_string_append_c (text, '\n');
  for (guint r = 0; r < self.rows->len; r++)
    {
      append_cell (text, self.rows->pdata[r], first + 4, FALSE);
      for (guint c = 0; c < self.columns->len; c++)
        append_cell (text, cell_at (&self, r, c), widths[c] + 3, c + 1 == self.columns->len);
      g_string_append_c (text, '\n');
    }
  for (guint i = 0; i < lines->len; i++)
    g_string_append_printf (text, "  %s\n", (const char *)lines->pdata[i]);
  return g_string_free (g_string_append (text, end), FALSE);
}

/* ---- Markdown ---- */

/* Appends @text, with a backslash before each character that could have a meaning. */
static void
append_escaped (GString *result, const char *text)
{
  for (const char *at = text; *at != '\0'; at++)
    {
      if (strchr ("\\`*_{}[]()<>#+!|~&@", *at) != NULL)
        g_string_append_c (result, '\\');
      g_string_append_c (result, *at);
    }
}

static void
append_markdown_cell (GString *result, const char *text)
{
  g_string_append (result, " ");
  append_escaped (result, text);
  g_string_append (result, " |");
}

char *
dkms_fleet_render_markdown (const DkmsMerged *merged)
{
  g_auto (Table) self = make_table (merged);
  g_autoptr (GPtrArray) lines = remarks (&self);
  g_autofree char *end = summary (&self);
  GString *text = g_string_new ("| |");

  for (guint c = 0; c < self.columns->len; c++)
    append_markdown_cell (text, self.columns->pdata[c]);
  g_string_append (text, "\n|---|");
  for (guint c = 0; c < self.columns->len; c++)
    g_string_append (text, "---|");
  g_string_append_c (text, '\n');
  for (guint r = 0; r < self.rows->len; r++)
    {
      g_string_append_c (text, '|');
      append_markdown_cell (text, self.rows->pdata[r]);
      for (guint c = 0; c < self.columns->len; c++)
        append_markdown_cell (text, cell_at (&self, r, c));
      g_string_append_c (text, '\n');
    }
  g_string_append_c (text, '\n');
  for (guint i = 0; i < lines->len; i++)
    {
      g_string_append (text, "- ");
      append_escaped (text, lines->pdata[i]);
      g_string_append_c (text, '\n');
    }
  g_string_append (text, lines->len > 0 ? "\n" : "");
  return g_string_free (g_string_append (text, end), FALSE);
}

/* ---- JUnit ---- */

static void
append_xml (GString *result, const char *format, const char *text)
{
  g_autofree char *plain = clean (text);
  g_autofree char *escaped = g_markup_escape_text (plain, -1);

  for (const char *at = format; *at != '\0'; at++)
    if (*at == '%')
      g_string_append (result, escaped);
    else
      g_string_append_c (result, *at);
}

static void
append_case (GString *text, const DkmsFleetJob *job, const DkmsJobReport *report)
{
  g_autofree char *row = row_of (job), *rest = g_strdup_printf ("%s/%s@%s", job->id->kernel, job->id->arch, job->root);
  char seconds[G_ASCII_DTOSTR_BUF_SIZE];
  const char *why = report != NULL && report->error != NULL ? report->error : word_of (report);

  append_xml (text, "  <testcase classname=\"%\"", row);
  append_xml (text, " name=\"%\"", rest);
  append_xml (text, " time=\"%\"",
              g_ascii_formatd (seconds, sizeof seconds, "%.3f", report != NULL ? report->seconds : 0));
  if (report == NULL || report->result == DKMS_JOB_ERROR)
    append_xml (text, "><error message=\"%\"/></testcase>\n", why);
  else if (report->result == DKMS_JOB_EXCLUDED)
    append_xml (text, "><skipped message=\"%\"/></testcase>\n", why);
  else if (!dkms_job_result_is_good (report->result))
    append_xml (text, "><failure message=\"%\"/></testcase>\n", why);
  else
    g_string_append (text, "/>\n");
}

char *
dkms_fleet_render_junit (const DkmsMerged *merged)
{
  GString *text = g_string_new ("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
  guint good, failed, missing, errors = 0, skipped = 0;

  dkms_merged_count (merged, &good, &failed, &missing);
  for (guint i = 0; i < merged->reports->len; i++)
    {
      const DkmsJobReport *report = merged->reports->pdata[i];
      errors += report->result == DKMS_JOB_ERROR;
      skipped += report->result == DKMS_JOB_EXCLUDED;
    }
  g_string_append_printf (
      text, "<testsuite name=\"dkms matrix\" tests=\"%u\" failures=\"%u\" errors=\"%u\" skipped=\"%u\">\n",
      merged->jobs->len, failed - errors, errors + missing, skipped);
  for (guint i = 0; i < merged->jobs->len; i++)
    {
      const DkmsFleetJob *job = merged->jobs->pdata[i];
      append_case (text, job, dkms_merged_find (merged, job->text));
    }
  return g_string_free (g_string_append (text, "</testsuite>"), FALSE);
}
