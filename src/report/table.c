/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Collects the answers of status, and has dkms-table (libsmartcols) print them. */
#define _GNU_SOURCE
#include "report/table.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/language.h"
#include "base/near.h"
#include "base/process.h"
#include "base/template.h"
#include "report/screen.h"

typedef enum {
  MODULE,
  VERSION,
  KERNEL,
  ARCH,
  STATE,
  NOTES,
  AGE,
  BUILT,
  SECONDS,
  STALE,
  SIGNER,
  REMEDY,
  COLUMNS
} Column;

static const struct {
  const char *name;
  const char *flags; /* of dkms-table */
  gboolean usual;    /* shown without --columns */
  gboolean detailed; /* known with --long only */
} columns[COLUMNS] = {
  [MODULE] = { "module", "", TRUE, FALSE },    [VERSION] = { "version", "", TRUE, FALSE },
  [KERNEL] = { "kernel", "", TRUE, FALSE },    [ARCH] = { "arch", "", TRUE, FALSE },
  [STATE] = { "state", "c", TRUE, FALSE },     [NOTES] = { "notes", "c", TRUE, FALSE },
  [AGE] = { "age", "r", TRUE, TRUE },          [BUILT] = { "built", "", FALSE, TRUE },
  [SECONDS] = { "seconds", "r", FALSE, TRUE }, [STALE] = { "stale", "c", TRUE, TRUE },
  [SIGNER] = { "signer", "t", TRUE, TRUE },    [REMEDY] = { "remedy", "", TRUE, TRUE },
};

struct DkmsTable {
  GPtrArray *rows; /* element-type DkmsEvent */
  char *columns;
  gboolean raw;
};

DkmsTable *
dkms_table_new (const char *names, gboolean raw)
{
  DkmsTable *self = g_new0 (DkmsTable, 1);

  self->rows = dkms_events_new ();
  self->columns = g_strdup (names);
  self->raw = raw;
  return self;
}

void
dkms_table_free (DkmsTable *self)
{
  if (self == NULL)
    return;
  g_ptr_array_unref (self->rows);
  g_free (self->columns);
  g_free (self);
}

/* ---- columns ---- */

/* Returns: COLUMNS if @name is not a column */
static Column
column_of (const char *name)
{
  Column c = 0;

  while (c < COLUMNS && g_ascii_strcasecmp (columns[c].name, name) != 0)
    c++;
  return c;
}

gboolean
dkms_table_check (const char *names, GError **error)
{
  g_auto (GStrv) list = *names != '\0' ? g_strsplit (names, ",", -1) : g_strsplit (",", ",", -1);
  const char *known[COLUMNS + 1] = { NULL };

  for (Column c = 0; c < COLUMNS; c++)
    known[c] = columns[c].name;
  for (char **name = list; *name != NULL; name++)
    if (column_of (*name) == COLUMNS)
      {
        g_autofree char *all = g_strjoinv (", ", (char **)known);
        return DKMS_FAIL (error, BAD_COLUMN, .name = *name, .text = all, .near = dkms_nearest (*name, known));
      }
  return TRUE;
}

/* Returns: (transfer full) (element-type int): the columns that are printed */
static GArray *
choose (const char *names)
{
  GArray *chosen = g_array_new (FALSE, FALSE, sizeof (Column));
  g_auto (GStrv) list = g_strsplit (names != NULL ? names : "", ",", -1);

  for (char **name = list; *name != NULL; name++)
    {
      Column c = column_of (*name);
      if (c < COLUMNS)
        g_array_append_val (chosen, c);
    }
  for (Column c = 0; names == NULL && c < COLUMNS; c++)
    if (columns[c].usual)
      g_array_append_val (chosen, c);
  return chosen;
}

const char *
dkms_table_column (guint n)
{
  return n < COLUMNS ? columns[n].name : NULL;
}

gboolean
dkms_table_is_detailed (const char *names)
{
  g_autoptr (GArray) chosen = choose (names);

  for (guint i = 0; i < chosen->len; i++)
    if (columns[g_array_index (chosen, Column, i)].detailed)
      return TRUE;
  return FALSE;
}

/* ---- rows ---- */

gboolean
dkms_table_hear (DkmsTable *self, const DkmsEvent *event)
{
  switch (event->kind)
    {
    case DKMS_EVENT_STATUS_ADDED:
    case DKMS_EVENT_STATUS_BROKEN:
    case DKMS_EVENT_STATUS_BUILD:
    case DKMS_EVENT_STATUS_WEAK:
      g_ptr_array_add (self->rows, dkms_event_copy (event));
      return TRUE;
    case DKMS_EVENT_STATUS_SOURCE_GONE:
      return TRUE; /* the row of the version has the remedy */
    default:
      return FALSE;
    }
}

static gboolean
is_build (const DkmsEvent *row)
{
  return row->kind == DKMS_EVENT_STATUS_BUILD;
}

static const char *
state_of (const DkmsEvent *row)
{
  return is_build (row)                          ? row->name
         : row->kind == DKMS_EVENT_STATUS_WEAK   ? "installed-weak"
         : row->kind == DKMS_EVENT_STATUS_BROKEN ? "broken"
                                                 : "added";
}

static gboolean
is_installed (const DkmsEvent *row)
{
  return g_str_has_prefix (state_of (row), "installed");
}

static gboolean
has_remark (const DkmsEvent *row, const char *remark)
{
  return is_build (row) && row->text != NULL && strstr (row->text, remark) != NULL;
}

static gboolean
is_stale (const DkmsEvent *row)
{
  return is_build (row) && row->place != NULL;
}

/* Whether a remedy is necessary, not only possible. */
static gboolean
is_wrong (const DkmsEvent *row)
{
  return row->kind == DKMS_EVENT_STATUS_BROKEN || has_remark (row, "missing") || has_remark (row, "differs")
         || has_remark (row, "gone");
}

static char *
notes_of (const DkmsEvent *row)
{
  if (row->kind == DKMS_EVENT_STATUS_WEAK)
    return g_strdup_printf ("from %s", row->place);
  g_auto (GStrv) words = g_strsplit (is_build (row) && row->text != NULL ? row->text : "", " ", -1);
  return g_strjoinv (", ", words);
}

/* Returns: (transfer full) (nullable): @time (nullable), a text of RFC 3339, without parts of seconds */
static char *
time_of (const char *time)
{
  return time != NULL ? g_strdup_printf ("%.*sZ", (int)strcspn (time, ".Z"), time) : NULL;
}

/* Returns: (transfer full): the time since @time, a text of RFC 3339 */
static char *
age_of (const char *time)
{
  g_autoptr (GDateTime) begin = time != NULL ? g_date_time_new_from_iso8601 (time, NULL) : NULL;
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  const struct {
    gint64 least, unit;
    const char *name;
  } units[] = { { 2 * G_TIME_SPAN_DAY, G_TIME_SPAN_DAY, "d" },
                { 2 * G_TIME_SPAN_HOUR, G_TIME_SPAN_HOUR, "h" },
                { 0, G_TIME_SPAN_MINUTE, "min" } };
  gint64 span = begin != NULL ? MAX (g_date_time_difference (now, begin), 0) : -1;

  for (gsize i = 0; span >= 0 && i < G_N_ELEMENTS (units); i++)
    if (span >= units[i].least)
      return g_strdup_printf ("%" G_GINT64_FORMAT "%s", span / units[i].unit, units[i].name);
  return g_strdup ("");
}

/* Returns: (transfer full): the command that mends or completes @row; "" if nothing is to be done */
static char *
remedy_of (const DkmsEvent *row)
{
  const char *dkms = dkms_template_program ();
  const char *force = is_wrong (row) ? "--force " : "";
  struct utsname uts;

  if (has_remark (row, "gone"))
    return g_strdup_printf ("%s prune -k %s", dkms, row->id.kernel);
  if (row->kind == DKMS_EVENT_STATUS_BROKEN)
    return g_strdup_printf ("%s remove %s/%s --all", dkms, row->id.module, row->id.version);
  if (!is_build (row) || (!is_wrong (row) && !is_stale (row) && is_installed (row)))
    return g_strdup ("");
  gboolean foreign = uname (&uts) < 0 || strcmp (uts.machine, row->id.arch) != 0;
  g_autofree char *build = g_strdup_printf ("%s/%s -k %s%s%s", row->id.module, row->id.version, row->id.kernel,
                                            foreign ? "/" : "", foreign ? row->id.arch : "");
  if (is_stale (row) || has_remark (row, "missing"))
    return g_strdup_printf ("%s build --force %s && %s install --force %s", dkms, build, dkms, build);
  return g_strdup_printf ("%s install %s%s", dkms, force, build);
}

/* Returns: (transfer full): the text of a cell */
static char *
cell (const DkmsEvent *row, Column column)
{
  const DkmsEvent *made = is_build (row) ? row->reason : NULL;

  switch (column)
    {
    case MODULE:
      return g_strdup (row->id.module);
    case VERSION:
      return g_strdup (row->id.version);
    case KERNEL:
      return g_strdup (row->id.kernel);
    case ARCH:
      return g_strdup (row->id.arch);
    case STATE:
      return g_strdup (state_of (row));
    case NOTES:
      return notes_of (row);
    case AGE:
      return age_of (made != NULL ? made->place : NULL);
    case BUILT:
      return time_of (made != NULL ? made->place : NULL);
    case SECONDS:
      return made != NULL ? g_strdup_printf ("%.1f", made->seconds) : NULL;
    case STALE:
      return g_strdup (is_build (row) ? row->place : NULL);
    case SIGNER:
      return g_strdup (made != NULL ? made->path : NULL);
    case REMEDY:
      return remedy_of (row);
    case COLUMNS:
      break;
    }
  g_assert_not_reached ();
}

static const char *
colour_of (const DkmsEvent *row)
{
  return is_wrong (row) ? "red" : is_stale (row) ? "yellow" : is_installed (row) ? "green" : "";
}

/* ---- the summary ---- */

static char *
number (gconstpointer subject, const char *name)
{
  const DkmsTable *self = subject;
  g_autoptr (GHashTable) names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  guint builds = 0, installed = 0, stale = 0, wrong = 0;

  for (guint i = 0; i < self->rows->len; i++)
    {
      const DkmsEvent *row = self->rows->pdata[i];
      const char *key = strcmp (name, "kernels") == 0 ? row->id.kernel : row->id.module;
      if (key != NULL)
        (void)g_hash_table_add (names, g_strdup (key));
      builds += is_build (row);
      installed += is_installed (row);
      stale += is_stale (row);
      wrong += is_wrong (row);
    }
  guint value = strcmp (name, "builds") == 0      ? builds
                : strcmp (name, "installed") == 0 ? installed
                : strcmp (name, "stale") == 0     ? stale
                : strcmp (name, "wrong") == 0     ? wrong
                                                  : g_hash_table_size (names);
  gboolean optional = strcmp (name, "stale") == 0 || strcmp (name, "wrong") == 0;
  return optional && value == 0 ? NULL : g_strdup_printf ("%u", value);
}

/* ---- printing ---- */

/* Removes from @chosen the columns without any text. */
static void
drop_empty (const DkmsTable *self, GArray *chosen)
{
  for (guint i = chosen->len; i-- > 0;)
    {
      gboolean empty = TRUE;
      for (guint r = 0; empty && r < self->rows->len; r++)
        {
          g_autofree char *text = cell (self->rows->pdata[r], g_array_index (chosen, Column, i));
          empty = text == NULL || *text == '\0';
        }
      if (empty)
        g_array_remove_index (chosen, i);
    }
}

/* Returns: (transfer full): the rows, as dkms-table reads them */
static GString *
input_of (const DkmsTable *self, const GArray *chosen)
{
  GString *input = g_string_new (NULL);

  for (guint r = 0; r < self->rows->len; r++)
    {
      const DkmsEvent *row = self->rows->pdata[r];
      g_string_append_len (input, colour_of (row), (gssize)strlen (colour_of (row)) + 1);
      for (guint i = 0; i < chosen->len; i++)
        {
          g_autofree char *text = cell (row, g_array_index (chosen, Column, i));
          g_string_append (input, text != NULL ? text : "");
          g_string_append_c (input, '\0');
        }
    }
  return input;
}

static gboolean
run_helper (const DkmsTable *self, const GArray *chosen, GError **error)
{
  g_autoptr (GPtrArray) argv = g_ptr_array_new_with_free_func (g_free);
  g_auto (DkmsFd) rows = memfd_create ("rows", MFD_CLOEXEC);
  g_autoptr (GString) input = input_of (self, chosen);
  int status;

  g_ptr_array_add (argv, dkms_process_helper ("dkms-table"));
  if (self->raw)
    g_ptr_array_add (argv, g_strdup ("--raw"));
  else if (dkms_screen_has_colours (STDOUT_FILENO))
    g_ptr_array_add (argv, g_strdup ("--colours"));
  for (guint i = 0; i < chosen->len; i++)
    {
      Column c = g_array_index (chosen, Column, i);
      g_autofree char *heading = g_ascii_strup (columns[c].name, -1);
      g_ptr_array_add (argv, g_strdup_printf ("%s:%s", heading, columns[c].flags));
    }
  g_ptr_array_add (argv, NULL);
  if (rows < 0 || !dkms_write_all (rows, input->str, input->len, "a memory file", error)
      || lseek (rows, 0, SEEK_SET) < 0)
    return rows < 0 ? dkms_fail_errno (error, "create", "a memory file") : FALSE;
  status = dkms_process_run (
      &(DkmsCommand){ .argv = (const char *const *)argv->pdata, .output_fd = -1, .input_fd = rows }, error);
  return status == 0 || (status > 0 && DKMS_FAIL (error, OUTPUT_FAILED));
}

gboolean
dkms_table_print (const DkmsTable *self, GError **error)
{
  g_autoptr (GArray) chosen = choose (self->columns);

  if (self->columns == NULL && !self->raw)
    drop_empty (self, chosen);
  if (self->rows->len > 0 && !run_helper (self, chosen, error))
    return FALSE;
  if (self->raw)
    return TRUE;
  g_autofree char *summary = dkms_template_fill (
      _ ("Modules: {modules}, kernels: {kernels}, builds: {builds}, installed: {installed}[, stale: {stale}][, wrong: "
         "{wrong}]"),
      "", number, self);
  (void)printf ("%s%s\n", self->rows->len > 0 ? "\n" : "", summary);
  return TRUE;
}
