/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fills in the sentences of the table of causes, and makes some of them more precise. */
#include "check/explain.h"

#include <string.h>

#include "base/error.h"
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
  return self->facts->package (self->facts->distro, info->package, what);
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
      return package != NULL && facts->install != NULL ? facts->install (facts->distro, package)
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

/* Explains an error about a name that the headers do not contain. */
static void
explain_gone (const Subject *self, DkmsSeen there, DkmsExplanation *to)
{
  const DkmsCauseFacts *facts = self->facts;
  const char *name = self->cause->name;
  const DkmsId id = { (char *)facts->module, (char *)facts->version, (char *)facts->kernel, NULL };
  gboolean newer = facts->older != NULL && dkms_version_sort (facts->kernel, facts->older) > 0;

  if (there == DKMS_SEEN_YES)
    {
      to->looked = DKMS_SAY (IN_OLDER_HEADERS, .id = id, .name = name, .text = facts->older);
      g_free (to->sentence);
      to->sentence = newer ? DKMS_SAY (SOURCE_TOO_OLD, .id = id, .name = name)
                           : DKMS_SAY (SOURCE_TOO_NEW, .id = id, .name = name);
    }
  else if (there == DKMS_SEEN_NO)
    to->looked = DKMS_SAY (IN_NO_HEADERS, .id = id, .name = name, .text = facts->older);
  else
    to->looked = DKMS_SAY (NOT_IN_HEADERS, .id = id, .name = name);
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
    to->looked = DKMS_SAY (IN_OTHER_HEADER, .id.kernel = (char *)facts->kernel, .path = here_file);
}

/* ---- the log's line ---- */

/* Replaces every @from in @line by @to. @from: (nullable) */
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
