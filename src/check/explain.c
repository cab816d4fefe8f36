/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fills the sentences of the table of causes, and refines some of them. */
#include "check/explain.h"

#include <string.h>

#include "base/template.h"
#include "check/line.h"
#include "model/version.h"

typedef struct {
  const DkmsCause *cause;
  const DkmsDiagnosis *diagnosis; /* (nullable) */
  const DkmsCauseFacts *facts;
} Subject;

/* Returns: (transfer full) (nullable): the package for the cause, if its name is known */
static char *
name_package (const Subject *self)
{
  const DkmsCauseInfo *info = self->cause->info;
  const char *what = self->cause->name;

  if (info->package == DKMS_PACKAGE_NONE)
    return NULL;
  if (info->package == DKMS_PACKAGE_HEADERS || info->package == DKMS_PACKAGE_KBUILD)
    what = self->facts->kernel;
  else if (info->package == DKMS_PACKAGE_COMPILER && strcmp (info->id, "no-compiler") != 0)
    what = self->diagnosis != NULL ? self->diagnosis->kernel_compiler : NULL;
  if (self->facts->package == NULL || (info->package == DKMS_PACKAGE_COMPILER && what == NULL))
    return NULL;
  return self->facts->package (self->facts->data, info->package, what);
}

/* Returns: (transfer full) (nullable): the value of the field @name */
static char *
value_of (gconstpointer subject, const char *name)
{
  const Subject *self = subject;
  const DkmsCauseFacts *facts = self->facts;

  if (strcmp (name, "package") == 0)
    {
      g_autofree char *package = name_package (self);
      return package != NULL && facts->install != NULL ? facts->install (facts->data, package)
                                                       : g_steal_pointer (&package);
    }
  if (strcmp (name, "id") == 0)
    return g_strdup_printf ("%s/%s", facts->module, facts->version);
  return g_strdup (strcmp (name, "module") == 0   ? facts->module
                   : strcmp (name, "kernel") == 0 ? facts->kernel
                   : strcmp (name, "older") == 0  ? facts->older
                                                  : self->cause->name);
}

static char *
fill (const Subject *self, const char *text)
{
  return dkms_template_fill (text, "?", value_of, self);
}

/* ---- looking ---- */

static gboolean
is_name_of_code (const DkmsCause *cause)
{
  return cause->name != NULL && g_str_has_prefix (cause->info->id, "api-")
         && strcmp (cause->info->id, "api-added") != 0;
}

/* The driver names something that the headers do not contain. */
static void
explain_gone (const Subject *self, DkmsSeen there, DkmsExplanation *to)
{
  const DkmsCauseFacts *facts = self->facts;
  const char *name = self->cause->name;
  gboolean newer = facts->older != NULL && dkms_version_sort (facts->kernel, facts->older) > 0;

  if (there == DKMS_SEEN_YES)
    {
      to->looked = g_strdup_printf ("'%s' is in the headers of %s, for which %s/%s is built, and not in those of %s.",
                                    name, facts->older, facts->module, facts->version, facts->kernel);
      g_free (to->sentence);
      to->sentence = newer ? g_strdup_printf ("%s/%s is too old for kernel %s: '%s' is gone.", facts->module,
                                              facts->version, facts->kernel, name)
                           : g_strdup_printf ("%s/%s needs a newer kernel than %s, which has no '%s'.", facts->module,
                                              facts->version, facts->kernel, name);
    }
  else if (there == DKMS_SEEN_NO)
    to->looked = g_strdup_printf ("'%s' is neither in the headers of %s nor in those of %s, for which %s/%s is built.",
                                  name, facts->kernel, facts->older, facts->module, facts->version);
  else
    to->looked = g_strdup_printf ("'%s' is not in the headers of %s.", name, facts->kernel);
}

static void
look (const Subject *self, DkmsExplanation *to)
{
  const DkmsCauseFacts *facts = self->facts;
  const DkmsCause *cause = self->cause;
  g_autofree char *here_file = NULL;
  g_autofree char *there_file = NULL;
  DkmsSeen here, there;

  if (facts->find_word == NULL || !is_name_of_code (cause))
    return;
  here = facts->find_word (facts->data, facts->kernel, cause->name, &here_file);
  if (here == DKMS_SEEN_NO)
    {
      there = facts->older != NULL ? facts->find_word (facts->data, facts->older, cause->name, &there_file)
                                   : DKMS_SEEN_UNKNOWN;
      explain_gone (self, there, to);
    }
  else if (here == DKMS_SEEN_YES && strcmp (cause->info->id, "api-removed") == 0)
    to->looked = g_strdup_printf ("The headers of %s mention it in %s, which the source may not include.",
                                  facts->kernel, here_file);
}

/* ---- the log's line ---- */

/* Takes every @from out of @line in favour of @to. @from: (nullable) */
static char *
replace (char *line, const char *from, const char *to)
{
  g_auto (GStrv) parts = from != NULL && *from != '\0' ? g_strsplit (line, from, -1) : NULL;

  if (parts == NULL)
    return line;
  g_free (line);
  return g_strjoinv (to, parts);
}

char *
dkms_cause_shorten (const char *line, const DkmsCauseFacts *facts)
{
  char *text = dkms_line_plain_quotes (line);
  g_autofree char *below = facts->area != NULL ? g_strconcat (facts->area, "/", NULL) : NULL;

  text = replace (text, below, "");
  text = replace (text, facts->area, ".");
  return replace (text, facts->headers, "<kernel>");
}

DkmsExplanation *
dkms_cause_explain (const DkmsCause *cause, const DkmsDiagnosis *diagnosis, const DkmsCauseFacts *facts)
{
  const Subject subject = { cause, diagnosis, facts };
  DkmsExplanation *self = g_new0 (DkmsExplanation, 1);

  self->sentence = fill (&subject, cause->info->sentence);
  self->next = fill (&subject, cause->info->next);
  self->line = cause->line != NULL ? dkms_cause_shorten (cause->line, facts) : NULL;
  self->package = name_package (&subject);
  look (&subject, self);
  return self;
}

void
dkms_explanation_free (DkmsExplanation *self)
{
  if (self == NULL)
    return;
  g_free (self->sentence);
  g_free (self->line);
  g_free (self->looked);
  g_free (self->next);
  g_free (self->package);
  g_free (self);
}
