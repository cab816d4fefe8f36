/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Prints the words for completions of shells. */
#define _GNU_SOURCE
#include "cli/complete.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/language.h"
#include "check/causes.h"
#include "check/fault.h"
#include "check/finding.h"
#include "cli/option-table.h"
#include "cli/options.h"
#include "cli/verbs.h"
#include "kernel/kernel.h"
#include "report/report.h"
#include "report/table.h"
#include "store/scan.h"

typedef struct {
  DkmsSettings *settings;
  DkmsState *state;     /* (nullable): NULL until it is needed */
  DkmsOptions *options; /* the finished words */
  const DkmsVerbInfo *verb;
  const char *prefix; /* the beginning of each answer: "--option=", or nothing */
  const char *begun;  /* the begun word after it */
  GHashTable *printed;
} Completion;

static void
offer (const Completion *self, const char *word, const char *description)
{
  if (g_str_has_prefix (word, self->begun) && g_hash_table_add (self->printed, g_strdup (word)))
    printf ("%s%s\t%s\n", self->prefix, word, _ (description));
}

static gboolean
has_goal (const Completion *self, DkmsGoal goal)
{
  return self->verb != NULL && self->verb->goal == goal;
}

static gboolean
imitates (const Completion *self)
{
  return self->verb != NULL && self->verb->selection == DKMS_SELECT_TEMPLATE;
}

static guint
count_installed (const DkmsVersion *version)
{
  guint count = 0;

  for (guint i = 0; i < version->builds->len; i++)
    count += ((DkmsBuild *)version->builds->pdata[i])->active;
  return count;
}

/* Omits words that the verb cannot work with. */
static gboolean
serves_verb (const Completion *self, const DkmsVersion *version)
{
  if (has_goal (self, DKMS_GOAL_NOT_INSTALLED))
    return count_installed (version) > 0;
  return !has_goal (self, DKMS_GOAL_NOT_BUILT) || version->builds->len > 0;
}

static void
offer_version (const Completion *self, const DkmsVersion *version, gboolean whole)
{
  g_autofree char *both = g_strdup_printf ("%s/%s", version->module, version->version);
  guint installed = count_installed (version);

  g_autofree char *text = version->broken            ? g_strdup (N_ ("broken"))
                          : installed > 1            ? DKMS_SAY (INSTALLED_FOR, .number = installed)
                          : installed == 1           ? DKMS_SAY (INSTALLED_FOR_ONE, 0)
                          : version->builds->len > 0 ? g_strdup (N_ ("built"))
                                                     : g_strdup (N_ ("added"));
  offer (self, whole ? both : version->version, text);
}

/* <source_tree>/<module>-<version>. A version starts at a dash with a digit after it. */
static void
offer_sources (const Completion *self, gboolean whole)
{
  const DkmsSettings *s = self->settings;
  g_auto (DkmsFd) fd = dkms_root_openat (s->places.root, s->places.source_tree, O_RDONLY | O_DIRECTORY, 0);
  g_autoptr (GPtrArray) names = fd >= 0 ? dkms_list_dir_at (fd, ".", NULL) : NULL;

  for (guint i = 0; names != NULL && i < names->len; i++)
    {
      char *name = names->pdata[i], *dash = strchr (name, '-');
      g_autofree char *conf = g_build_filename (name, "dkms.conf", NULL);
      while (dash != NULL && !g_ascii_isdigit (dash[1]))
        dash = strchr (dash + 1, '-');
      if (dash == NULL || !dkms_is_file_at (fd, conf))
        continue;
      *dash = '\0';
      if (dkms_state_find (self->state, &(DkmsId){ name, dash + 1, NULL, NULL }) != NULL)
        continue;
      g_autofree char *both = g_strdup_printf ("%s/%s", name, dash + 1);
      if (whole)
        offer (self, both, N_ ("source, not added"));
      else if (g_strcmp0 (name, self->options->module) == 0)
        offer (self, dash + 1, N_ ("source, not added"));
    }
}

/* @whole: <module>/<version> of all modules; otherwise the versions of the given module. */
static void
offer_modules (const Completion *self, gboolean whole)
{
  for (guint i = 0; !has_goal (self, DKMS_GOAL_REGISTERED) && i < self->state->versions->len; i++)
    {
      const DkmsVersion *version = self->state->versions->pdata[i];
      if (!whole && g_strcmp0 (version->module, self->options->module) != 0)
        continue;
      if (whole && imitates (self))
        offer (self, version->module, N_ ("module"));
      else if (serves_verb (self, version))
        offer_version (self, version, whole);
    }
  if (self->verb != NULL && dkms_verb_takes_source (self->verb, self->options->action))
    offer_sources (self, whole);
}

/* Offers kernels with builds. */
static void
offer_built_kernels (const Completion *self)
{
  for (guint i = 0; i < self->state->versions->len; i++)
    {
      const DkmsVersion *version = self->state->versions->pdata[i];
      if ((self->options->module != NULL && strcmp (version->module, self->options->module) != 0)
          || (self->options->version != NULL && strcmp (version->version, self->options->version) != 0))
        continue;
      for (guint k = 0; k < version->builds->len; k++)
        {
          const DkmsBuild *build = version->builds->pdata[k];
          offer (self, build->kernel, build->active ? N_ ("installed") : N_ ("built"));
        }
    }
}

/* Whether the verb (nullable) works on existing builds. */
static gboolean
takes_builds (const DkmsVerbInfo *verb)
{
  return verb != NULL && !verb->adds && !verb->builds && !verb->explains
         && (verb->one_kernel || (verb->options & DKMS_TAKES (MODULE)) != 0);
}

static void
offer_kernels (const Completion *self)
{
  const DkmsSettings *s = self->settings;

  if (takes_builds (self->verb))
    {
      offer_built_kernels (self);
      return;
    }
  g_autoptr (GPtrArray) names = dkms_kernel_list (s->places.root, s->places.install_tree, !imitates (self));
  for (guint i = 0; i < names->len; i++)
    offer (self, names->pdata[i],
           strcmp (dkms_running_release (), names->pdata[i]) == 0 ? N_ ("running") : N_ ("kernel"));
}

static void
offer_causes (const Completion *self)
{
  for (const DkmsCauseInfo *info = dkms_cause_infos (); info->id != NULL; info++)
    offer (self, info->id, dkms_cause_class_name (info->class));
  for (guint code = 0; code < DKMS_CODE_LAST; code++)
    offer (self, dkms_code_name ((DkmsCode)code), N_ ("finding"));
}

/* Offers the begun list of columns with each column that it lacks. */
static void
offer_columns (const Completion *self)
{
  const char *comma = strrchr (self->begun, ',');
  g_autofree char *given = g_strndup (self->begun, comma != NULL ? (gsize)(comma + 1 - self->begun) : 0);
  g_auto (GStrv) used = g_strsplit (given, ",", -1);
  const char *name;

  for (guint i = 0; (name = dkms_table_column (i)) != NULL; i++)
    {
      g_autofree char *list = g_strconcat (given, name, NULL);
      if (!g_strv_contains ((const char *const *)used, name))
        offer (self, list, N_ ("column"));
    }
}

/* Offers the begun list of faults with each fault that it lacks. */
static void
offer_faults (const Completion *self)
{
  const char *comma = strrchr (self->begun, ',');
  g_autofree char *given = g_strndup (self->begun, comma != NULL ? (gsize)(comma + 1 - self->begun) : 0);
  g_auto (GStrv) used = g_strsplit (given, ",", -1);

  for (guint i = 0; i < DKMS_FAULT_LAST; i++)
    {
      const char *name = dkms_fault_name ((DkmsFault)i);
      g_autofree char *list = g_strconcat (given, name, NULL);
      if (!g_strv_contains ((const char *const *)used, name))
        offer (self, list, N_ ("fault"));
    }
}

/* The tree is read here and not earlier, because verbs and options are offered without it. */
static void
offer_kind (Completion *self, DkmsWordKind kind)
{
  const guint of_the_tree = 1u << DKMS_WORD_SOURCE | 1u << DKMS_WORD_MODULE | 1u << DKMS_WORD_CAUSE
                            | 1u << DKMS_WORD_VERSION | 1u << DKMS_WORD_KERNEL;
  g_autoptr (DkmsState) state
      = (of_the_tree & 1u << kind) != 0 ? dkms_state_read_most (&self->settings->places, NULL, NULL) : NULL;

  if (state == NULL)
    state = dkms_state_new ();
  self->state = state;

  switch (kind)
    {
    case DKMS_WORD_SOURCE:
      offer_modules (self, TRUE);
      printf (":files\n");
      break;
    case DKMS_WORD_MODULE:
      offer_modules (self, TRUE);
      break;
    case DKMS_WORD_CAUSE:
      offer_modules (self, TRUE);
      offer_causes (self);
      break;
    case DKMS_WORD_VERSION:
      offer_modules (self, FALSE);
      break;
    case DKMS_WORD_KERNEL:
      offer_kernels (self);
      break;
    case DKMS_WORD_ARCH:
      offer (self, dkms_running_machine (), N_ ("this machine"));
      break;
    case DKMS_WORD_FAULT:
      offer_faults (self);
      break;
    case DKMS_WORD_COLUMN:
      offer_columns (self);
      break;
    case DKMS_WORD_FILE:
      printf (":files\n");
      break;
    case DKMS_WORD_DIRECTORY:
      printf (":directories\n");
      break;
    case DKMS_WORD_NONE:
    case DKMS_WORD_TEXT:
      break;
    }
}

static void
offer_options (const Completion *self)
{
  for (const DkmsOptionInfo *o = dkms_option_infos (); o->take != NULL; o++)
    if (dkms_option_serves (o, self->verb))
      {
        if (o->name != NULL)
          offer (self, o->name, o->summary);
        if (o->letter != NULL)
          offer (self, o->letter, o->summary);
      }
}

static void
offer_words (Completion *self, const DkmsOptionInfo *awaiting)
{
  const DkmsOptions *o = self->options;

  if (awaiting != NULL)
    offer_kind (self, awaiting->kind);
  else if (*self->begun == '-')
    offer_options (self);
  else if (self->verb == NULL)
    {
      /* Verbs for hooks of kernel packages are omitted. */
      for (const DkmsVerbInfo *const *v = dkms_verbs (); *v != NULL; v++)
        if (!(*v)->one_kernel)
          offer (self, (*v)->name, (*v)->summary);
    }
  else if (o->action != NULL && g_strcmp0 (o->action, self->verb->file_action) == 0)
    offer_kind (self, o->output == NULL ? DKMS_WORD_FILE : DKMS_WORD_NONE);
  else if (o->module == NULL && o->source == NULL && o->archive == NULL)
    {
      for (const char *const *action = self->verb->actions; action != NULL && o->action == NULL && *action != NULL;
           action++)
        offer (self, *action, N_ ("action"));
      offer_kind (self, self->verb->positional);
    }
}

/* Returns the finished words as an argv, without options that have an immediate effect. */
static GPtrArray *
finished_words (int argc, char **argv, const DkmsOptionInfo **awaiting)
{
  GPtrArray *words = g_ptr_array_new ();

  *awaiting = NULL;
  g_ptr_array_add (words, (char *)"dkms");
  for (int i = 0; i + 1 < argc; i++)
    {
      const DkmsOptionInfo *option = dkms_option_find (argv[i]);
      if (option == NULL || option->value != NULL)
        g_ptr_array_add (words, argv[i]);
      if (option == NULL || option->value == NULL)
        continue;
      if (i + 2 < argc)
        g_ptr_array_add (words, argv[++i]);
      else
        {
          g_ptr_array_set_size (words, (int)words->len - 1);
          *awaiting = option;
        }
    }
  return words;
}

int
dkms_complete_main (int argc, char **argv)
{
  g_autoptr (DkmsReport) report = dkms_report_new ();
  const char *last = argc > 0 ? argv[argc - 1] : "";
  const char *equals = g_str_has_prefix (last, "--") ? strchr (last, '=') : NULL;
  g_autofree char *prefix = g_strndup (last, equals != NULL ? (gsize)(equals + 1 - last) : 0);
  g_autofree char *name = g_strndup (last, equals != NULL ? (gsize)(equals - last) : 0);
  const DkmsOptionInfo *awaiting, *option = dkms_option_find (name);
  g_autoptr (GPtrArray) words = finished_words (argc, argv, &awaiting);
  g_autoptr (DkmsOptions) options
      = dkms_options_parse ((int)words->len, (char **)words->pdata, dkms_report_listener (report), NULL);
  DkmsRoot *root = options != NULL ? dkms_root_open (options->root, NULL) : NULL;
  g_autoptr (DkmsSettings) settings = root != NULL ? dkms_settings_new (root, NULL) : NULL;
  g_autoptr (GHashTable) printed = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  if (settings == NULL)
    return 0;
  dkms_options_apply (options, settings);
  Completion self = { .settings = settings,
                      .options = options,
                      .verb = options->verb != NULL ? dkms_verb_find (options->verb) : NULL,
                      .prefix = prefix,
                      .begun = equals != NULL ? equals + 1 : last,
                      .printed = printed };
  if (equals == NULL || (option != NULL && option->value != NULL))
    offer_words (&self, equals != NULL ? option : awaiting);
  return fflush (stdout) != 0;
}
