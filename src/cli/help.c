/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Usage and help, wrapped to the width of a terminal. */
#include "cli/help.h"

#include <stdio.h>
#include <string.h>

#include "base/language.h"
#include "cli/option-table.h"
#include "cli/verbs.h"

enum { WIDTH = 79, VERB_COLUMN = 18, OPTION_COLUMN = 33 };

/* Prints @text in the columns from @indent on, starting in column @at. Ends the line. */
static void
print_wrapped (const char *text, int indent, int at)
{
  g_auto (GStrv) words = g_strsplit (text, " ", -1);

  if (at > indent)
    {
      printf ("\n");
      at = 0;
    }
  for (gsize i = 0; words[i] != NULL; i++)
    {
      int length = (int)g_utf8_strlen (words[i], -1);
      if (at > indent && at + 1 + length > WIDTH)
        {
          printf ("\n");
          at = 0;
        }
      printf ("%*s%s", at > indent ? 1 : indent - at, "", words[i]);
      at = at > indent ? at + 1 + length : indent + length;
    }
  printf ("\n");
}

static void
print_option (const DkmsOptionInfo *option)
{
  g_autofree char *names
      = g_strdup_printf ("  %2s%s %s%s%s%s", option->letter != NULL ? option->letter : "",
                         option->letter != NULL && option->name != NULL ? ","
                         : option->name != NULL                         ? " "
                                                                        : "",
                         option->name != NULL ? option->name : "",
                         option->optional                                ? "[="
                         : option->name != NULL && option->value != NULL ? " "
                                                                         : "",
                         option->value != NULL ? _ (option->value) : "", option->optional ? "]" : "");
  int at = (int)g_utf8_strlen (names, -1);

  printf ("%s", names);
  g_autofree char *text = option->usual != NULL
                              ? g_strdup_printf ("%s (%s: %s)", _ (option->summary), _ ("default"), _ (option->usual))
                              : g_strdup (_ (option->summary));

  print_wrapped (text, OPTION_COLUMN, at >= OPTION_COLUMN ? OPTION_COLUMN + 1 : at);
}

/* Prints the options that have an effect on @verb (nullable: any), with the headings of their groups. */
static void
print_options (const DkmsVerbInfo *verb)
{
  const char *group = NULL, *printed = NULL;

  for (const DkmsOptionInfo *o = dkms_option_infos (); o->take != NULL; o++)
    {
      group = o->group != NULL ? o->group : group;
      if (!dkms_option_serves (o, verb))
        continue;
      if (g_strcmp0 (group, printed) != 0)
        printf ("\n%s:\n", _ (group));
      printed = group;
      print_option (o);
    }
}

static void
print_usage (const DkmsVerbInfo *only)
{
  g_autofree char *usage = only != NULL
                               ? g_strdup_printf ("dkms %s %s %s", only->name, _ ("[<option>...]"),
                                                  *only->arguments != '\0' ? _ (only->arguments) : "")
                               : g_strdup (_ ("dkms <verb> [<option>...] [<module>/<version> | <file> | <directory>]"));
  const char *label = _ ("Usage: ");
  int width = (int)g_utf8_strlen (label, -1);

  printf ("%s", label);
  print_wrapped (g_strchomp (usage), width, width);
}

void
dkms_help_print (const DkmsVerbInfo *only)
{
  if (only != NULL)
    {
      g_autofree char *text = g_strdup_printf ("%s. %s", _ (only->summary), _ (only->details));

      print_usage (only);
      printf ("\n");
      print_wrapped (text, 0, 0);
      print_options (only);
      printf ("\n%s:\n  %s\n", _ ("Example"), only->example);
    }
  else
    {
      print_usage (NULL);
      printf ("\n%s\n", _ ("Verbs:"));
      for (const DkmsVerbInfo *const *v = dkms_verbs (); *v != NULL; v++)
        print_wrapped (_ ((*v)->summary), VERB_COLUMN, printf ("  %s", (*v)->name));
      print_options (NULL);
      printf ("\n%s\n",
              _ ("'dkms <verb> --help' describes a verb and lists its options.\nManual pages: dkms(8), dkms.conf(5), "
                 "dkms-framework.conf(5)."));
    }
  fflush (stdout);
}
