/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The scan of a log: first literal marks, for all rules in one pass; then the rules with a mark in the line. */
#define _GNU_SOURCE
#include "check/log-scan.h"

#include <stdlib.h>
#include <string.h>

#include "check/line.h"
#include "check/marks.h"

/* Longer lines are cut: commands of compilers are long, but messages are shorter. An expression that fails for more
 * lines than the limit is not tried again, which limits the time for a log full of such lines. */
enum {
  LONGEST_LINE = 16384,
  LONGEST_KEPT = 1200,
  TAIL_LINES = 5,
  TAIL_WINDOW = 15,
  MORE_LINES = 3,
  MOST_TRIES = 20000
};
enum { MOST_RULES = 128, MOST_CAUSES = 4 };
/* Numbers of marks that do not belong to a rule. */
enum { MARK_COLOUR = MOST_RULES, MARK_DOWNLOAD, MARK_COUNT };
G_STATIC_ASSERT ((int)MARK_COUNT <= (int)DKMS_MARKS_MOST);

/* The first line to which a rule applied. */
typedef struct {
  char *line;
  char *name; /* (nullable) */
  guint tries;
} Hit;

typedef struct {
  char text[LONGEST_KEPT];
  guint16 size;
} Kept;

struct DkmsLogScan {
  const DkmsRule *rules;
  guint count;
  const DkmsMarks *marks;
  char *kernel;      /* (nullable) */
  GByteArray *begun; /* an incomplete line */
  gboolean returned; /* it ends with a carriage return: the next bytes overwrite it, unless they are a line feed */
  /* of the section: */
  Hit hits[MOST_RULES];
  DkmsMarkSet done; /* rules that are not tried again */
  guint saw;        /* DKMS_RULE_SAW_... */
  Kept last[TAIL_WINDOW];
  guint lines; /* number of non-empty lines */
  char *section, *kernel_compiler;
  int status;
  char *patched;     /* (nullable): the file that patch works on */
  char *continued;   /* (nullable): a line whose message continues on the next lines ... */
  GString *addition; /* ... which are collected here */
  guint more;        /* number of lines that are still expected */
  /* of the whole log: */
  const char *downloader;
};

/* ---- what all scans share ---- */

static const char *const downloads[] = { "wget ", "curl ", "git ", "svn ",    "rsync ", "pip ", "pip3 ",   "apt-get ",
                                         "apt ",  "dnf ",  "yum ", "aria2c ", "cargo ", "npm ", "go get ", "hg " };

static const DkmsMarks *
all_marks (void)
{
  static DkmsMarks *marks;
  guint count;
  const DkmsRule *rules = dkms_cause_rules (&count);

  if (marks != NULL)
    return marks;
  marks = dkms_marks_new ();
  for (guint i = 0; i < count; i++)
    for (const char *const *mark = rules[i].marks; *mark != NULL; mark++)
      dkms_marks_add (marks, **mark == '^' ? *mark + 1 : *mark, i);
  dkms_marks_add (marks, "\033", MARK_COLOUR);
  for (gsize i = 0; i < G_N_ELEMENTS (downloads); i++)
    dkms_marks_add (marks, downloads[i], MARK_DOWNLOAD);
  dkms_marks_finish (marks);
  return marks;
}

/* Returns: (transfer none): the expression, compiled at its first use; a log needs few of them */
static const GRegex *
expression_of (const DkmsRule *rule, guint number)
{
  static GRegex *compiled[MOST_RULES];
  g_autoptr (GError) error = NULL;

  if (compiled[number] == NULL)
    compiled[number] = g_regex_new (rule->regex, G_REGEX_RAW | G_REGEX_DUPNAMES, 0, &error);
  if (compiled[number] == NULL) /* test-causes compiles all expressions */
    g_error ("rule %u: %s", number, error != NULL ? error->message : "");
  return compiled[number];
}

/* ---- one line ---- */

/* Whether @line is a consequence of an earlier error. */
static gboolean
is_consequence (const char *line)
{
  static const char *const marks[]
      = { "collect2: error: ld returned",
          "error: linker command failed",
          "compilation terminated.",
          "ninja: build stopped",
          "error: could not compile",
          "tar: Error is not recoverable",
          "(ignored)",
          ": *** [", /* a message of make about a command: "make[1]: *** [Makefile:3: x] Error 1" */
          "may have been intended to silence earlier diagnostics",
          NULL };

  for (const char *const *mark = marks; *mark != NULL; mark++)
    if (strstr (line, *mark) != NULL)
      return TRUE;
  return g_str_has_prefix (line, "# ");
}

static gboolean
has_mark (const DkmsRule *rule, const char *line)
{
  for (const char *const *mark = rule->marks; *mark != NULL; mark++)
    if (**mark == '^' ? g_str_has_prefix (line, *mark + 1) : strstr (line, *mark) != NULL)
      return TRUE;
  return FALSE;
}

/* Whether a rule applies to @line, whose form for expressions is @plain. @name: (out) (transfer full) (nullable)
 */
static gboolean
applies (const DkmsRule *rule, guint number, const char *line, const char *plain, const char *kernel, char **name)
{
  g_autoptr (GMatchInfo) match = NULL;
  gboolean yes;

  *name = NULL;
  if (!has_mark (rule, line) || ((rule->flags & DKMS_RULE_NO_WARNING) != 0 && strstr (line, "arning:") != NULL))
    return FALSE;
  if (rule->regex == NULL)
    return TRUE;
  yes = g_regex_match (expression_of (rule, number), plain, 0, &match);
  g_autofree char *bytes
      = yes ? g_match_info_fetch_named (match, "name") : NULL; /* may begin in the middle of a character */
  *name = bytes != NULL ? g_utf8_make_valid (bytes, -1) : NULL;
  if (*name != NULL && **name == '\0')
    g_clear_pointer (name, g_free);
  return yes && ((rule->flags & DKMS_RULE_OTHER_KERNEL) == 0 || (kernel != NULL && g_strcmp0 (*name, kernel) != 0));
}

DkmsTopic
dkms_line_topic (const char *line)
{
  g_autofree char *plain = dkms_line_plain_quotes (line);
  guint count;
  const DkmsRule *rules = dkms_cause_rules (&count);

  for (guint i = 0; i < count; i++)
    {
      g_autofree char *name = NULL;
      if (rules[i].cause != NULL && (rules[i].flags & DKMS_RULE_CONTEXT) == 0
          && applies (&rules[i], i, line, plain, NULL, &name))
        {
          DkmsTopic topic = dkms_cause_find (rules[i].cause)->topic;
          if (topic != DKMS_TOPIC_NONE)
            return topic;
        }
    }
  return DKMS_TOPIC_NONE;
}

/* The name of the file is in an earlier line than the hunk. */
static char *
complete (const DkmsLogScan *self, const char *line)
{
  return self->patched != NULL && g_str_has_prefix (line, "Hunk #") ? g_strconcat (self->patched, ": ", line, NULL)
                                                                    : g_strdup (line);
}

static void
keep_hit (DkmsLogScan *self, guint number, const char *line, char *name)
{
  const DkmsRule *rule = &self->rules[number];
  Hit *hit = &self->hits[number];

  dkms_mark_set_add (&self->done, number);
  self->saw |= rule->flags & DKMS_RULE_SAW;
  if ((rule->flags & DKMS_RULE_SAW_KERNEL_COMPILER) != 0)
    {
      g_free (self->kernel_compiler);
      self->kernel_compiler = name;
      return;
    }
  hit->line = complete (self, line);
  hit->name = name;
  if (rule->cause != NULL && strcmp (rule->cause, "patch") == 0 && name == NULL)
    hit->name = g_strdup (self->patched);
  if (self->continued == NULL && g_str_has_suffix (line, "error:")) /* as configure prints them */
    {
      self->continued = g_strdup (line);
      self->more = MORE_LINES;
      g_string_truncate (self->addition, 0);
    }
}

/* @found: the rules with a mark in the line */
static void
try_rules (DkmsLogScan *self, const char *line, const DkmsMarkSet *found)
{
  gboolean follows = is_consequence (line);
  g_autofree char *plain = dkms_line_plain_quotes (line);

  for (guint i = 0; i < self->count; i++)
    {
      const DkmsRule *rule = &self->rules[i];
      char *name = NULL;

      if (!dkms_mark_set_has (found, i) || dkms_mark_set_has (&self->done, i)
          || (follows && (rule->flags & DKMS_RULE_LINE) == 0))
        continue;
      if (applies (rule, i, line, plain, self->kernel, &name))
        keep_hit (self, i, line, name);
      else
        {
          g_free (name);
          if (++self->hits[i].tries == MOST_TRIES)
            dkms_mark_set_add (&self->done, i);
        }
    }
}

static gboolean
has_news (const DkmsLogScan *self, const DkmsMarkSet *found)
{
  guint64 news = 0;

  for (gsize i = 0; i < MOST_RULES / 64; i++)
    news |= found->words[i] & ~self->done.words[i];
  return news != 0;
}

static void
look_for_download (DkmsLogScan *self, const char *line, gsize size)
{
  g_autofree char *text = g_strndup (line, size);

  self->downloader = dkms_downloader_in (text);
}

/* Searches @line without escape sequences, which may be in the middle of a mark. */
static gboolean
search_plain (const DkmsLogScan *self, const char *line, gsize size, DkmsMarkSet *found)
{
  char plain[LONGEST_LINE];
  gsize length = dkms_line_drop_colours (line, size, plain);

  return dkms_marks_search (self->marks, plain, length, found);
}

static void
look_at (DkmsLogScan *self, const char *line, gsize size)
{
  DkmsMarkSet found;
  g_autofree char *clean = NULL;

  if (!dkms_marks_search (self->marks, line, size, &found)
      || (dkms_mark_set_has (&found, MARK_COLOUR) && !search_plain (self, line, size, &found)))
    return;
  if (self->downloader == NULL && dkms_mark_set_has (&found, MARK_DOWNLOAD))
    look_for_download (self, line, size);
  if (!has_news (self, &found))
    return;
  clean = dkms_line_clean (line, size);
  try_rules (self, clean, &found);
}

/* ---- sections ---- */

static void
forget_section (DkmsLogScan *self)
{
  for (guint i = 0; i < MOST_RULES; i++)
    {
      g_clear_pointer (&self->hits[i].line, g_free);
      g_clear_pointer (&self->hits[i].name, g_free);
      self->hits[i].tries = 0;
    }
  self->done = (DkmsMarkSet){ 0 };
  self->saw = 0;
  self->lines = 0;
  self->status = -1;
  self->more = 0;
  g_clear_pointer (&self->continued, g_free);
  g_clear_pointer (&self->patched, g_free);
  g_clear_pointer (&self->section, g_free);
  g_clear_pointer (&self->kernel_compiler, g_free);
}

static char *
kept_line (const DkmsLogScan *self, guint back)
{
  const Kept *kept = &self->last[(self->lines - 1 - back) % TAIL_WINDOW];

  return dkms_line_clean (kept->text, kept->size);
}

/* After the last command, dkms itself may reject the result. */
static gboolean
is_refusal (const char *line, gsize size)
{
  static const char mark[] = "dkms: not-";

  return size > strlen (mark) && memcmp (line, mark, strlen (mark)) == 0;
}

/* Lines that dkms writes begin with #. */
static void
take_mark (DkmsLogScan *self, const char *line, gsize size)
{
  static const char command[] = "# command:", status[] = "# exit code: ";

  if (size >= strlen (command) && memcmp (line, command, strlen (command)) == 0)
    {
      char *title = self->lines > 0 ? kept_line (self, 0) : NULL;
      forget_section (self);
      self->section = title;
    }
  else if (size > strlen (status) && memcmp (line, status, strlen (status)) == 0)
    {
      char number[12] = "";
      memcpy (number, line + strlen (status), MIN (size - strlen (status), sizeof number - 1));
      self->status = atoi (number);
    }
}

static void
continue_line (DkmsLogScan *self, const char *line, gsize size)
{
  g_autofree char *clean = dkms_line_clean (line, size);
  const char *words = clean + strspn (clean, "* ");

  self->more--;
  if (*words != '\0')
    g_string_append_printf (self->addition, " %s", words);
}

static void
take_line (DkmsLogScan *self, const char *line, gsize size)
{
  static const char patching[] = "patching file ";
  const char *overwritten;

  while (size > 0 && line[size - 1] == '\r')
    size--;
  overwritten = memrchr (line, '\r', size); /* a progress meter uses it */
  if (overwritten != NULL)
    {
      size -= (gsize)(overwritten + 1 - line);
      line = overwritten + 1;
    }
  size = MIN (size, LONGEST_LINE);
  if (self->more > 0)
    continue_line (self, line, size);
  if (size == 0)
    return;
  if (*line == '#')
    take_mark (self, line, size);
  else if (*line == 'p' && size > strlen (patching) && memcmp (line, patching, strlen (patching)) == 0)
    {
      g_free (self->patched);
      self->patched = dkms_line_clean (line + strlen (patching), size - strlen (patching));
    }
  else if (self->status == 0 && is_refusal (line, size))
    self->status = -1;
  look_at (self, line, size);
  if (*line == '#' && self->lines == 0)
    return; /* the first line of the section */
  Kept *kept = &self->last[self->lines++ % TAIL_WINDOW];
  kept->size = (guint16)MIN (size, LONGEST_KEPT);
  memcpy (kept->text, line, kept->size);
}

/* ---- pieces ---- */

DkmsLogScan *
dkms_log_scan_new (const char *kernel)
{
  DkmsLogScan *self = g_new0 (DkmsLogScan, 1);

  self->rules = dkms_cause_rules (&self->count);
  self->marks = all_marks ();
  self->kernel = g_strdup (kernel);
  self->begun = g_byte_array_new ();
  self->addition = g_string_new (NULL);
  self->status = -1;
  return self;
}

/* Keeps a part of a line whose end has not been read. A long line is cut as in take_line(). */
static void
begin_line (DkmsLogScan *self, const char *data, gsize size)
{
  gsize length = size;

  while (length > 0 && data[length - 1] == '\r')
    length--;
  const char *overwritten = length > 0 ? memrchr (data, '\r', length) : NULL;
  const char *from = overwritten != NULL ? overwritten + 1 : data;
  if (overwritten != NULL || (length > 0 && self->returned))
    g_byte_array_set_size (self->begun, 0);
  if (length > 0)
    self->returned = FALSE;
  self->returned |= length < size;
  if (self->begun->len < LONGEST_LINE)
    g_byte_array_append (self->begun, (const guint8 *)from,
                         (guint)MIN ((gsize)(data + length - from), LONGEST_LINE - self->begun->len));
}

void
dkms_log_scan_feed (DkmsLogScan *self, const char *data, gsize size)
{
  const char *at = data, *end = data + size;

  while (at < end)
    {
      const char *newline = memchr (at, '\n', (gsize)(end - at));
      if (newline == NULL)
        {
          begin_line (self, at, (gsize)(end - at));
          return;
        }
      if (self->begun->len == 0)
        take_line (self, at, (gsize)(newline - at));
      else
        {
          begin_line (self, at, (gsize)(newline - at));
          take_line (self, (const char *)self->begun->data, self->begun->len);
          g_byte_array_set_size (self->begun, 0);
        }
      self->returned = FALSE;
      at = newline + 1;
    }
}

/* ---- the end ---- */

static gboolean
is_noise (const char *line)
{
  return *line == '\0' || *line == '#' || strspn (line, "-") == strlen (line)
         || strstr (line, ": Entering directory") != NULL || strstr (line, ": Leaving directory") != NULL;
}

static char *
make_tail (const DkmsLogScan *self)
{
  g_autoptr (GPtrArray) tail = g_ptr_array_new_with_free_func (g_free);

  for (guint back = 0; back < MIN (self->lines, TAIL_WINDOW) && tail->len < TAIL_LINES; back++)
    {
      g_autofree char *line = kept_line (self, back);
      if (!is_noise (line))
        g_ptr_array_insert (tail, 0, g_steal_pointer (&line));
    }
  if (tail->len == 0)
    return NULL;
  g_ptr_array_add (tail, NULL);
  return g_strjoinv ("\n", (char **)tail->pdata);
}

static gboolean
counts (const DkmsLogScan *self, guint number)
{
  const DkmsRule *rule = &self->rules[number];

  return self->hits[number].line != NULL && (rule->flags & DKMS_RULE_SAW) == 0
         && (rule->needs == 0 || (rule->needs & self->saw) != 0);
}

static gboolean
is_listed (const GPtrArray *causes, const char *id, const char *line)
{
  for (guint i = 0; i < causes->len; i++)
    {
      const DkmsCause *cause = causes->pdata[i];
      if (strcmp (cause->info->id, id) == 0 || g_strcmp0 (cause->line, line) == 0)
        return TRUE;
    }
  return FALSE;
}

/* Returns: (nullable): the cause that a rule of a lower rank than @number finds in the line of that rule */
static const DkmsRule *
find_cause_of_line (const DkmsLogScan *self, guint number, guint *found)
{
  for (guint i = number + 1; i < self->count; i++)
    if (counts (self, i) && self->rules[i].cause != NULL && strcmp (self->hits[i].line, self->hits[number].line) == 0)
      return *found = i, &self->rules[i];
  return NULL;
}

static void
complete_hits (DkmsLogScan *self)
{
  for (guint i = 0; i < self->count && self->continued != NULL; i++)
    if (g_strcmp0 (self->hits[i].line, self->continued) == 0)
      {
        g_free (self->hits[i].line);
        self->hits[i].line = g_strconcat (self->continued, self->addition->str, NULL);
      }
}

static void
choose_causes (const DkmsLogScan *self, DkmsDiagnosis *to)
{
  for (guint i = 0; i < self->count && to->causes->len < MOST_CAUSES; i++)
    {
      const DkmsRule *rule = &self->rules[i];
      guint at = i;

      if (!counts (self, i))
        continue;
      if (to->first_error == NULL && (rule->flags & DKMS_RULE_CONTEXT) == 0)
        to->first_error = g_strdup (self->hits[i].line);
      if (rule->cause == NULL && to->causes->len == 0)
        {
          rule = find_cause_of_line (self, i, &at);
          if (rule == NULL)
            g_ptr_array_add (to->causes, dkms_cause_new ("unknown", self->hits[i].line, NULL));
        }
      else if (to->causes->len > 0 && (rule->flags & DKMS_RULE_WEAK) != 0)
        continue;
      if (rule != NULL && rule->cause != NULL && !is_listed (to->causes, rule->cause, self->hits[at].line))
        g_ptr_array_add (to->causes, dkms_cause_new (rule->cause, self->hits[at].line, self->hits[at].name));
    }
  if (to->causes->len == 0)
    g_ptr_array_add (to->causes, dkms_cause_new ("unknown", NULL, NULL));
}

/* The title of the section names a failed patch or script even if no line does. */
static void
choose_by_section (DkmsDiagnosis *to)
{
  static const char patch[] = "Applying patch ", script[] = "Running the ";
  const DkmsCause *best = to->causes->pdata[0];
  const char *title = to->section != NULL ? to->section : "";
  gboolean unknown = strcmp (best->info->id, "unknown") == 0;

  if (g_str_has_prefix (title, patch))
    {
      g_ptr_array_remove_index (to->causes, 0);
      g_ptr_array_insert (to->causes, 0, dkms_cause_new ("patch", to->first_error, title + strlen (patch)));
    }
  else if (unknown && g_str_has_prefix (title, script))
    {
      g_ptr_array_remove_index (to->causes, 0);
      g_ptr_array_insert (to->causes, 0, dkms_cause_new ("script", to->first_error, NULL));
    }
}

DkmsDiagnosis *
dkms_log_scan_end (DkmsLogScan *self)
{
  DkmsDiagnosis *result = dkms_diagnosis_new ();

  if (self->begun->len > 0)
    take_line (self, (const char *)self->begun->data, self->begun->len);
  result->status = self->status;
  result->downloader = self->downloader;
  result->tail = make_tail (self);
  result->section = g_steal_pointer (&self->section);
  result->kernel_compiler = g_steal_pointer (&self->kernel_compiler);
  if (self->status != 0)
    {
      complete_hits (self);
      choose_causes (self, result);
      choose_by_section (result);
    }
  forget_section (self);
  g_byte_array_unref (self->begun);
  g_string_free (self->addition, TRUE);
  g_free (self->kernel);
  g_free (self);
  return result;
}

DkmsDiagnosis *
dkms_log_diagnose (const char *log, const char *kernel)
{
  DkmsLogScan *scan = dkms_log_scan_new (kernel);

  dkms_log_scan_feed (scan, log, strlen (log));
  return dkms_log_scan_end (scan);
}
