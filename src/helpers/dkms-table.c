/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dkms-table [--raw] [--colours] COLUMN...: prints a table. A COLUMN is its heading, with these flags after a colon:
 * r (align to the right), t (may be truncated), c (its cells have the colour of the row).
 *
 * The standard input contains rows. A row is the name of a colour (red, green, yellow, or empty), and one text for each
 * column. Each is ended by a NUL. The table fits the terminal if its columns can be truncated. With --raw, columns are
 * separated by one blank, and blanks and control characters in cells are written as \xNN. A separate program, so that
 * the library does not delay the start of dkms. */
#define _GNU_SOURCE
#include <errno.h>
#include <libsmartcols/libsmartcols.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int
fail (const char *what)
{
  fprintf (stderr, "dkms-table: cannot %s: %s\n", what, strerror (errno));
  return 1;
}

/* Returns: the sequence of the colour @name; NULL: none */
static const char *
colour_of (const char *name)
{
  static const char *const colours[][2] = { { "red", "\033[31m" }, { "green", "\033[32m" }, { "yellow", "\033[33m" } };

  for (size_t i = 0; i < sizeof colours / sizeof *colours; i++)
    if (strcmp (name, colours[i][0]) == 0)
      return colours[i][1];
  return NULL;
}

static int
add_columns (struct libscols_table *table, char **words, int count)
{
  for (int i = 0; i < count; i++)
    {
      char *flags = strrchr (words[i], ':');
      int known = 0;

      if (flags != NULL)
        *flags++ = '\0';
      if (flags != NULL && strchr (flags, 'r') != NULL)
        known |= SCOLS_FL_RIGHT;
      if (flags != NULL && strchr (flags, 't') != NULL)
        known |= SCOLS_FL_TRUNC;
      if (scols_table_new_column (table, words[i], 0, known) == NULL)
        return 0;
    }
  return 1;
}

/* Reads one row. Returns: 1; 0 at the end of the input; -1 with errno */
static int
add_row (struct libscols_table *table, int count, const char *coloured)
{
  char *text = NULL;
  size_t size = 0;
  const char *colour;
  struct libscols_line *line;
  int good = getdelim (&text, &size, '\0', stdin) > 0;

  if (!good)
    return free (text), ferror (stdin) ? -1 : 0;
  colour = colour_of (text);
  line = scols_table_new_line (table, NULL);
  good = line != NULL;
  for (int i = 0; good && i < count; i++)
    {
      good = getdelim (&text, &size, '\0', stdin) > 0 && scols_line_set_data (line, (size_t)i, text) == 0;
      if (good && colour != NULL && coloured[i])
        good = scols_cell_set_color (scols_line_get_cell (line, (size_t)i), colour) == 0;
    }
  free (text);
  return good ? 1 : -1;
}

int
main (int argc, char **argv)
{
  struct libscols_table *table;
  char *coloured;
  int at = 1, more = 1, raw = 0, colours = 0;

  (void)setlocale (LC_CTYPE, "");
  for (; at < argc && argv[at][0] == '-'; at++)
    {
      raw |= strcmp (argv[at], "--raw") == 0;
      colours |= strcmp (argv[at], "--colours") == 0;
    }
  if (at == argc)
    return fprintf (stderr, "usage: dkms-table [--raw] [--colours] COLUMN...\n"), 2;
  table = scols_new_table ();
  coloured = calloc ((size_t)(argc - at), 1);
  if (table == NULL || coloured == NULL)
    return fail ("make a table");
  for (int i = at; i < argc; i++)
    {
      const char *flags = strrchr (argv[i], ':');
      coloured[i - at] = flags != NULL && strchr (flags, 'c') != NULL;
    }
  (void)scols_table_enable_raw (table, raw);
  (void)scols_table_enable_colors (table, colours);
  if (!add_columns (table, argv + at, argc - at))
    return fail ("make a table");
  while ((more = add_row (table, argc - at, coloured)) > 0)
    ;
  if (more < 0)
    return fail ("read the rows");
  if (scols_print_table (table) != 0 || fflush (stdout) != 0)
    return errno == EPIPE ? 0 : fail ("write the table");
  scols_unref_table (table);
  free (coloured);
  return 0;
}
