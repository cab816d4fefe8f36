/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parses the command line. */
#define _GNU_SOURCE
#include "cli/options.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/near.h"
#include "base/proc.h"
#include "cli/option-table.h"

void
dkms_options_free (DkmsOptions *self)
{
  if (self == NULL)
    return;
  char *texts[] = { self->verb,      self->module,     self->version,        self->source,   self->archive,
                    self->missing,   self->output,     self->unreadable,     self->bare_dir, self->root,
                    self->dkmstree,  self->sourcetree, self->installtree,    self->config,   self->kernelsourcedir,
                    self->conf_file, self->jobs,       self->templatekernel, self->json,     self->hook,
                    self->columns,   self->metrics,    self->repair,         self->undo,     self->format,
                    self->action,    self->max_size,   self->shards,         self->shard,    self->durations,
                    self->merge,     self->job };
  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    g_free (texts[i]);
  g_ptr_array_unref (self->kernels);
  g_ptr_array_unref (self->arches);
  g_ptr_array_unref (self->directives);
  g_ptr_array_unref (self->headers);
  g_ptr_array_unref (self->words);
  g_ptr_array_unref (self->ignored);
  g_ptr_array_unref (self->roots);
  g_ptr_array_unref (self->sources);
  g_free (self);
}

static void
set_text (char **field, const char *value)
{
  g_free (*field);
  *field = g_strdup (value);
}

void
dkms_options_set_version (DkmsOptions *self, const char *value)
{
  set_text (&self->version, value);
  for (gsize n = strlen (value); n > 0 && value[n - 1] == '/'; n--)
    self->version[n - 1] = '\0';
}

void
dkms_options_set_module (DkmsOptions *self, const char *value)
{
  const char *slash = strchr (value, '/');

  g_free (self->module);
  self->module = slash != NULL ? g_strndup (value, (gsize)(slash - value)) : g_strdup (value);
  if (slash != NULL)
    dkms_options_set_version (self, slash + 1);
}

void
dkms_options_add_kernel (DkmsOptions *self, const char *value)
{
  const char *slash = strchr (value, '/');
  g_autofree char *release = slash != NULL ? g_strndup (value, (gsize)(slash - value)) : g_strdup (value);

  dkms_targets_add (self->kernels, &(DkmsId){ .kernel = release, .arch = slash != NULL ? slash + 1 : NULL });
}

void
dkms_options_add_headers (DkmsOptions *self, const char *path)
{
  g_ptr_array_add (self->headers, g_canonicalize_filename (path, NULL));
}

/* Removes blanks around a value, and everything after the first newline, as specified. */
static char *
tidy (const char *value)
{
  char *text = g_strndup (value, strcspn (value, "\n"));

  return g_strstrip (text);
}

/* Whether @word is certainly not the name of a module. */
static gboolean
is_path (const char *word)
{
  return *word == '/' || strcmp (word, ".") == 0 || strcmp (word, "..") == 0 || g_str_has_prefix (word, "./")
         || g_str_has_prefix (word, "../");
}

/* Whether @word is a directory and not a module: a path, or a single name with a slash at its end. */
static gboolean
is_bare_directory (const char *word)
{
  const char *slash = strchr (word, '/');

  return (is_path (word) || (slash != NULL && slash[1] == '\0')) && dkms_is_dir_at (AT_FDCWD, word);
}

/* Whether @word is an action of the verb before it, such as "prune" after "cache". */
static gboolean
is_action (const DkmsOptions *self, const char *word)
{
  const DkmsVerbInfo *verb = self->verb != NULL && self->action == NULL ? dkms_verb_find (self->verb) : NULL;

  return verb != NULL && verb->actions != NULL && self->module == NULL && g_strv_contains (verb->actions, word);
}

/* Whether the next word is the file of an action, such as "generate_key". */
static gboolean
awaits_file (const DkmsOptions *self)
{
  const DkmsVerbInfo *verb = self->verb != NULL ? dkms_verb_find (self->verb) : NULL;

  return verb != NULL && self->action != NULL && self->output == NULL
         && g_strcmp0 (self->action, verb->file_action) == 0;
}

static gboolean
take_positional (DkmsOptions *self, const char *word, GError **error)
{
  g_autofree char *conf = g_build_filename (word, "dkms.conf", NULL);

  if (*word == '\0')
    return TRUE; /* scripts write "$variable" for an empty variable */
  g_ptr_array_add (self->words, g_strdup (word));
  if (awaits_file (self))
    self->output = g_canonicalize_filename (word, NULL);
  else if (is_action (self, word))
    self->action = g_strdup (word);
  else if (dkms_verb_find (word) != NULL)
    {
      if (self->verb != NULL)
        return DKMS_FAIL (error, TWO_VERBS, .name = self->verb, .text = word);
      self->verb = g_strdup (word);
    }
  else if (g_str_has_suffix (word, "dkms.conf") && dkms_is_file_at (AT_FDCWD, word))
    {
      g_autofree char *prefix = g_strndup (word, strlen (word) - strlen ("dkms.conf"));
      g_autofree char *dir = g_strconcat (prefix, "./", NULL);
      g_free (self->source);
      self->source = g_canonicalize_filename (dir, NULL);
    }
  else if (dkms_is_file_at (AT_FDCWD, conf))
    {
      g_free (self->source);
      self->source = g_canonicalize_filename (word, NULL);
    }
  else if (dkms_is_file_at (AT_FDCWD, word))
    set_text (&self->archive, word);
  else if (is_path (word) && access (conf, F_OK) != 0 && errno != ENOENT && errno != ENOTDIR)
    {
      self->unreadable_errno = errno;
      set_text (&self->unreadable, word);
    }
  else if (is_path (word) && access (word, F_OK) != 0)
    set_text (&self->missing, word);
  else if (is_bare_directory (word))
    set_text (&self->bare_dir, word);
  else if (self->module == NULL || *self->module == '\0')
    dkms_options_set_module (self, word);
  else
    g_ptr_array_add (self->ignored, g_strdup (word));
  return TRUE;
}

/* Discards all following output, including errors, as specified for --quiet. */
static void
be_quiet (void)
{
  int fd = dkms_null_open ();

  if (fd < 0)
    return;
  (void)dup2 (fd, 1);
  (void)dup2 (fd, 2);
  (void)close (fd);
}

gboolean
dkms_fail_verb (const DkmsOptions *self, GError **error)
{
  const char *first = self->words->len > 0 ? self->words->pdata[0] : NULL;
  DkmsPhrase instead;
  g_autoptr (GPtrArray) names = g_ptr_array_new ();

  if (first == NULL)
    return DKMS_FAIL (error, NO_VERB);
  if (strcmp (first, "help") == 0 && self->words->len > 1)
    first = self->words->pdata[1];
  if (dkms_verb_dropped (first, &instead))
    {
      g_autofree char *advice = dkms_phrase_with (instead, &(const DkmsErrorInfo){ 0 });
      return DKMS_FAIL (error, VERB_DROPPED, .name = first, .advice = advice);
    }
  if (strchr (first, '/') != NULL || self->source != NULL || self->archive != NULL)
    return DKMS_FAIL (error, NO_VERB, .name = first);
  for (const DkmsVerbInfo *const *v = dkms_verbs (); *v != NULL; v++)
    g_ptr_array_add (names, (gpointer)(*v)->name);
  return DKMS_FAIL (error, UNKNOWN_VERB, .name = first, .near = dkms_nearest_in (first, names));
}

/* Returns: (transfer full) (nullable): "-k 6.1" for -k6.1 and -k=6.1 */
static char *
split_letter (const char *given)
{
  g_autofree char *letter = g_strndup (given, 2);
  const DkmsOptionInfo *option = given[1] != '-' && given[1] != '\0' ? dkms_option_find (letter) : NULL;

  return option != NULL && option->value != NULL ? g_strdup_printf ("%s %s", letter, given + 2 + (given[2] == '='))
                                                 : NULL;
}

/* @word: without its value */
static gboolean
fail_option (const DkmsOptions *self, const char *word, const char *given, GError **error)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  g_autoptr (GPtrArray) longer = dkms_option_completions (word);
  g_autofree char *split = split_letter (given);
  const char *near;

  if (longer->len > 1 && dkms_option_find (word) == NULL)
    {
      g_autoptr (GString) list = g_string_new (NULL);
      for (guint i = 0; i < longer->len; i++)
        g_string_append_printf (list, "%s%s", i > 0 ? ", " : "", ((const DkmsOptionInfo *)longer->pdata[i])->name);
      return DKMS_FAIL (error, AMBIGUOUS_OPTION, .name = word, .text = list->str);
    }
  for (const DkmsOptionInfo *o = dkms_option_infos (); o->take != NULL; o++)
    if (o->name != NULL && o->summary != NULL)
      g_ptr_array_add (names, (gpointer)o->name);
  near = g_str_has_prefix (word, "--") ? dkms_nearest_in (word, names) : split;
  return DKMS_FAIL (error, UNKNOWN_OPTION, .name = given, .near = near, .text = self->verb);
}

/* Handles the option @argv[*at], and its value from the next word if it contains none. Returns: FALSE with an error */
static gboolean
take_option (DkmsOptions *self, int argc, char **argv, int *at, DkmsListener *events, GError **error)
{
  const char *given = argv[*at], *equals = g_str_has_prefix (given, "--") ? strchr (given, '=') : NULL;
  g_autofree char *word = equals != NULL ? g_strndup (given, (gsize)(equals - given)) : g_strdup (given);
  const DkmsOptionInfo *option = dkms_option_find (word);
  g_autofree char *value = NULL;

  if (g_str_has_prefix (word, "-j") && g_ascii_isdigit (word[2]))
    {
      set_text (&self->jobs, word + 2);
      return TRUE;
    }
  if (option == NULL || (equals != NULL && option->value == NULL))
    {
      DkmsPhrase instead;
      if (self->verb == NULL && self->words->len > 0 && dkms_verb_dropped (self->words->pdata[0], &instead))
        return dkms_fail_verb (self, error); /* the unknown option belonged to that verb */
      return fail_option (self, word, given, error);
    }
  if (option->optional)
    {
      option->take (self, option, equals != NULL ? equals + 1 : NULL, events);
      return TRUE;
    }
  if (option->value != NULL && equals == NULL && *at + 1 == argc)
    return DKMS_FAIL (error, OPTION_WITHOUT_VALUE, .name = word, .text = option->value);
  if (option->value != NULL)
    value = tidy (equals != NULL ? equals + 1 : argv[++*at]);
  option->take (self, option, value, events);
  return TRUE;
}

DkmsOptions *
dkms_options_new (void)
{
  DkmsOptions *self = g_new0 (DkmsOptions, 1);

  self->kernels = dkms_targets_new ();
  self->arches = g_ptr_array_new_with_free_func (g_free);
  self->directives = g_ptr_array_new_with_free_func (g_free);
  self->headers = g_ptr_array_new_with_free_func (g_free);
  self->words = g_ptr_array_new_with_free_func (g_free);
  self->ignored = g_ptr_array_new_with_free_func (g_free);
  self->roots = g_ptr_array_new_with_free_func (g_free);
  self->sources = g_ptr_array_new_with_free_func ((GDestroyNotify)dkms_options_free);
  return self;
}

DkmsOptions *
dkms_options_parse (int argc, char **argv, DkmsListener *events, GError **error)
{
  g_autoptr (DkmsOptions) self = dkms_options_new ();
  gboolean ended = FALSE; /* by "--": all further arguments are words */

  for (int i = 1; i < argc; i++)
    if (!ended && strcmp (argv[i], "--") == 0)
      ended = TRUE;
    else if (!ended && self->more_headers && *argv[i] != '-'
             && (self->verb != NULL || dkms_verb_find (argv[i]) == NULL))
      dkms_options_add_headers (self, argv[i]);
    else if (ended || *argv[i] != '-')
      {
        if (!take_positional (self, argv[i], error))
          return NULL;
      }
    else
      {
        self->more_headers = FALSE;
        if (!take_option (self, argc, argv, &i, events, error))
          return NULL;
        if (self->version_asked || self->help)
          return g_steal_pointer (&self); /* at once, without looking at further arguments */
        if (self->quiet)
          be_quiet ();
      }
  return g_steal_pointer (&self);
}

gboolean
dkms_options_take_sources (DkmsOptions *self, GError **error)
{
  char **alone[] = { &self->module,  &self->version,    &self->source,  &self->archive,
                     &self->missing, &self->unreadable, &self->bare_dir };
  gboolean verb = FALSE;

  for (gsize i = 0; i < G_N_ELEMENTS (alone); i++)
    g_clear_pointer (alone[i], g_free);
  g_ptr_array_set_size (self->ignored, 0);
  for (guint i = 0; i < self->words->len; i++)
    {
      const char *word = self->words->pdata[i];
      if (!verb && strcmp (word, self->verb) == 0)
        {
          verb = TRUE;
          continue;
        }
      DkmsOptions *one = dkms_options_new ();
      g_ptr_array_add (self->sources, one);
      if (!take_positional (one, word, error))
        return FALSE;
    }
  return TRUE;
}

void
dkms_options_apply (const DkmsOptions *self, DkmsSettings *settings)
{
  if (self->dkmstree != NULL)
    dkms_places_set (&settings->places, &settings->places.dkms_tree, self->dkmstree);
  if (self->sourcetree != NULL)
    dkms_places_set (&settings->places, &settings->places.source_tree, self->sourcetree);
  if (self->installtree != NULL)
    dkms_places_set (&settings->places, &settings->places.install_tree, self->installtree);
  settings->policy.verbose |= self->verbose;
  settings->policy.modprobe_on_install |= self->modprobe_on_install;
  settings->policy.symlink_modules |= self->symlink_modules;
}
