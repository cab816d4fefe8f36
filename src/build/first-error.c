/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which lines of a make.log say why a build failed: a table of marks. Builds run with English messages
 * (dkms_process_speak_english()). A new mark is a line here and one in tests/unit/test-first-error.c, with the output
 * of the real tool. */
#include <string.h>

#include "build/build.h"

enum { NETWORK_ROW = 2 };
enum { LONGEST_LINE = 400, TAIL_LINES = 5, TAIL_WINDOW = 15, MORE_LINES = 3 };

/* Best evidence first: a line of an earlier row wins over any line of a later one. A mark that begins with ^ is at the
 * beginning of its line, blanks not counted. */
typedef struct {
  gboolean skip_warnings; /* warnings that look the same are common */
  const char *marks[40];
} Row;

static const Row rows[] = {
  /* what the machine ran out of */
  { FALSE,
    { "No space left on device", "Disk quota exceeded", "Segmentation fault", "internal compiler error",
      "Cannot allocate memory", "fatal error: Killed signal", "terminated by signal 9", NULL } },
  /* compilers, linkers, the kernel's own build system */
  { FALSE,
    { ": fatal error:", ": error:", ": Error:", "^error[E", "ERROR: modpost:", "FATAL: modpost:", "^ERROR: \"",
      "^ERROR: Kernel configuration", "undefined reference to", "multiple definition of", "ld: cannot find",
      "^fixdep:", "^CMake Error", NULL } },
  /* a program that wants the network; the marks are in cause.c */
  { FALSE, { NULL } },
  /* patches */
  { FALSE,
    { " FAILED at ", "can't find file to patch", "patch: ****", "eversed (or previously applied) patch detected",
      NULL } },
  /* make itself, which often says more than the program that it looked for something with */
  { FALSE, { ".  Stop.", "^Killed", NULL } },
  /* programs and shells */
  { TRUE,
    { ": command not found", ": not found", "No such file", "ermission denied", "Read-only file system",
      "Operation not permitted", "Address family not supported", "Authentication failure", "cannot execute",
      "Exec format error", "required file not found", "Text file busy", "Too many open files", "Is a directory",
      "Not a directory", "File exists", "syntax error", NULL } },
  /* anything else that complains */
  { TRUE,
    { "Error:", "error:", "ERROR", "atal:", "FATAL", "annot ", "an't ", "ouldn't ", "nable to ", "ailed", "AILED",
      "nvalid ", "nrecognized ", "not supported", "borted", NULL } },
};

/* Lines that follow from an error. */
static const char *const consequences[]
    = { "collect2: error: ld returned",
        "error: linker command failed",
        "compilation terminated.",
        "ninja: build stopped",
        "error: could not compile",
        "tar: Error is not recoverable",
        "(ignored)",
        ": *** [", /* make about a command: "make[1]: *** [Makefile:3: x] Error 1" */
        NULL };

/* ---- lines ---- */

/* Without what colours it on a terminal, without what a progress meter overwrote, and of a sensible length. */
static char *
clean_line (const char *line, gsize size)
{
  g_autoptr (GString) out = g_string_new (NULL);

  for (gsize i = 0; i < size; i++)
    {
      guchar c = (guchar)line[i];

      if (c == '\033' && i + 1 < size && line[i + 1] == '[') /* up to its final byte (ECMA-48) */
        for (i += 2; i < size && ((guchar)line[i] < 0x40 || (guchar)line[i] > 0x7e);)
          i++;
      else if (c == '\r' && i + 1 < size)
        g_string_truncate (out, 0);
      else if (c == '\t')
        g_string_append_c (out, ' ');
      else if (c >= ' ' && c != 0x7f)
        g_string_append_c (out, (char)c);
    }
  g_autofree char *valid = g_utf8_make_valid (out->str, (gssize)out->len);
  g_strstrip (valid);
  if (g_utf8_strlen (valid, -1) <= LONGEST_LINE)
    return g_steal_pointer (&valid);
  g_autofree char *beginning = g_utf8_substring (valid, 0, LONGEST_LINE);
  return g_strconcat (beginning, "...", NULL);
}

/* What failed is what ran last. */
static const char *
last_section (const char *log)
{
  static const char mark[] = "\n# command:";
  const char *start = g_strrstr (log, mark);
  const char *end_of_line = start != NULL ? strchr (start + 1, '\n') : NULL;

  return start == NULL ? log : end_of_line != NULL ? end_of_line + 1 : start + strlen (start);
}

/* Returns: (transfer full): the line at @at, clean; @next: (out): where the next one begins, NULL after the last */
static char *
take_line (const char *at, const char **next)
{
  gsize size = strcspn (at, "\n");

  *next = at[size] == '\n' && at[size + 1] != '\0' ? at + size + 1 : NULL;
  return clean_line (at, size);
}

static gboolean
has_mark (const char *line, const char *mark)
{
  return *mark == '^' ? g_str_has_prefix (line, mark + 1) : strstr (line, mark) != NULL;
}

static gboolean
is_consequence (const char *line)
{
  for (const char *const *mark = consequences; *mark != NULL; mark++)
    if (strstr (line, *mark) != NULL)
      return TRUE;
  return g_str_has_prefix (line, "# ");
}

static gboolean
has_mark_of (const char *line, const Row *row)
{
  if (row == &rows[NETWORK_ROW])
    return dkms_cause_of (line) == DKMS_CAUSE_NETWORK;
  if (row->skip_warnings && strstr (line, "arning:") != NULL)
    return FALSE;
  for (const char *const *mark = row->marks; *mark != NULL; mark++)
    if (has_mark (line, *mark))
      return TRUE;
  return FALSE;
}

/* Returns: the first row that @line belongs to, or @most */
static gsize
row_of (const char *line, gsize most)
{
  gsize row = 0;

  if (most == 0 || is_consequence (line))
    return most;
  while (row < most && !has_mark_of (line, &rows[row]))
    row++;
  return row;
}

/* ---- what belongs to a line ---- */

/* The message of configure stands on the lines after its "error:"; the file of a hunk before it. */
static char *
complete (char *line, const char *next, const char *file)
{
  g_autofree char *first = line;
  g_autoptr (GString) out = g_string_new (first);

  for (int i = 0; g_str_has_suffix (first, "error:") && next != NULL && i < MORE_LINES; i++)
    {
      g_autofree char *more = take_line (next, &next);
      const char *words = more + strspn (more, "* ");
      if (*words != '\0')
        g_string_append_printf (out, " %s", words);
    }
  if (file != NULL && g_str_has_prefix (first, "Hunk #"))
    {
      g_string_prepend (out, ": ");
      g_string_prepend (out, file);
    }
  return g_strdup (out->str);
}

char *
dkms_first_error (const char *log)
{
  const char *best_next = NULL;
  g_autofree char *best = NULL;
  g_autofree char *file = NULL;      /* that is patched */
  g_autofree char *best_file = NULL; /* that was when the best line was found */
  gsize best_row = G_N_ELEMENTS (rows);

  for (const char *at = last_section (log), *next; at != NULL && best_row > 0; at = next)
    {
      g_autofree char *line = take_line (at, &next);
      gsize row = row_of (line, best_row);

      if (g_str_has_prefix (line, "patching file "))
        {
          g_free (file);
          file = g_strdup (line + strlen ("patching file "));
        }
      if (row == best_row)
        continue;
      best_row = row;
      best_next = next;
      g_free (best);
      best = g_steal_pointer (&line);
      g_free (best_file);
      best_file = g_strdup (file);
    }
  return best != NULL ? complete (g_steal_pointer (&best), best_next, best_file) : NULL;
}

/* ---- when there is none ---- */

static gboolean
is_noise (const char *line)
{
  return *line == '\0' || *line == '#' || strspn (line, "-") == strlen (line)
         || strstr (line, ": Entering directory") != NULL || strstr (line, ": Leaving directory") != NULL;
}

char *
dkms_log_tail (const char *log)
{
  const char *lines[TAIL_WINDOW];
  guint count = 0;
  g_autoptr (GPtrArray) tail = g_ptr_array_new_with_free_func (g_free);

  for (const char *at = last_section (log), *end; *at != '\0'; at = *end == '\n' ? end + 1 : end)
    {
      end = at + strcspn (at, "\n");
      if (end > at)
        lines[count++ % TAIL_WINDOW] = at;
    }
  for (guint seen = 0; seen < MIN (count, TAIL_WINDOW) && tail->len < TAIL_LINES; seen++)
    {
      const char *next;
      g_autofree char *line = take_line (lines[(count - 1 - seen) % TAIL_WINDOW], &next);

      if (!is_noise (line))
        g_ptr_array_insert (tail, 0, g_steal_pointer (&line));
    }
  if (tail->len == 0)
    return NULL;
  g_ptr_array_add (tail, NULL);
  return g_strjoinv ("\n", (char **)tail->pdata);
}
