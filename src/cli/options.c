/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "cli/cli.h"

void
dkms_options_free (DkmsOptions *self)
{
  if (self == NULL)
    return;
  char *texts[] = { self->verb,
                    self->module,
                    self->version,
                    self->source,
                    self->archive,
                    self->missing,
                    self->bare_dir,
                    self->root,
                    self->dkmstree,
                    self->sourcetree,
                    self->installtree,
                    self->config,
                    self->kernelsourcedir,
                    self->conf_file,
                    self->jobs,
                    self->templatekernel };
  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    g_free (texts[i]);
  g_ptr_array_unref (self->kernels);
  g_ptr_array_unref (self->arches);
  g_ptr_array_unref (self->directives);
  g_free (self);
}

static void
set_text (char **field, const char *value)
{
  g_free (*field);
  *field = g_strdup (value);
}

void
dkms_options_set_module (DkmsOptions *self, const char *value)
{
  const char *slash = strchr (value, '/');

  g_free (self->module);
  self->module = slash != NULL ? g_strndup (value, (gsize)(slash - value)) : g_strdup (value);
  if (slash != NULL)
    set_text (&self->version, slash + 1);
}

void
dkms_options_add_kernel (DkmsOptions *self, const char *value)
{
  const char *slash = strchr (value, '/');
  DkmsTarget *target = g_new0 (DkmsTarget, 1);

  target->kernel = slash != NULL ? g_strndup (value, (gsize)(slash - value)) : g_strdup (value);
  target->arch = slash != NULL ? g_strdup (slash + 1) : NULL;
  g_ptr_array_add (self->kernels, target);
}

/* Blanks around a value and all after a first newline are dropped, as specified. */
static char *
tidy (const char *value)
{
  char *text = g_strndup (value, strcspn (value, "\n"));

  return g_strstrip (text);
}

/* What nobody would call a module. */
static gboolean
is_path (const char *word)
{
  return *word == '/' || strcmp (word, ".") == 0 || strcmp (word, "..") == 0 || g_str_has_prefix (word, "./")
         || g_str_has_prefix (word, "../");
}

static gboolean
take_positional (DkmsOptions *self, const char *word, DkmsUi *ui, GError **error)
{
  g_autofree char *conf = g_build_filename (word, "dkms.conf", NULL);

  if (dkms_verb_find (word) != NULL)
    {
      if (self->verb != NULL)
        return dkms_fail (error, DKMS_ERROR_TWO_ACTIONS, NULL, "A module of that name is given with -m.",
                          "Two verbs given: %s and %s", self->verb, word);
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
  else if (*word == '/' && access (word, F_OK) != 0)
    set_text (&self->missing, word);
  else if (is_path (word) && dkms_is_dir_at (AT_FDCWD, word))
    set_text (&self->bare_dir, word);
  else if (self->module == NULL)
    dkms_options_set_module (self, word);
  else
    dkms_ui_warn (ui, "Ignoring the argument %s.", word);
  return TRUE;
}

/* Everything from here on goes nowhere, errors included: that is what --quiet means. */
static void
be_quiet (void)
{
  int fd = open ("/dev/null", O_WRONLY | O_CLOEXEC);

  if (fd < 0)
    return;
  (void)dup2 (fd, 1);
  (void)dup2 (fd, 2);
  (void)close (fd);
}

DkmsOptions *
dkms_options_parse (int argc, char **argv, DkmsUi *ui, GError **error)
{
  g_autoptr (DkmsOptions) self = g_new0 (DkmsOptions, 1);

  self->kernels = g_ptr_array_new_with_free_func (dkms_target_free);
  self->arches = g_ptr_array_new_with_free_func (g_free);
  self->directives = g_ptr_array_new_with_free_func (g_free);
  for (int i = 1; i < argc; i++)
    {
      const char *equals = g_str_has_prefix (argv[i], "--") ? strchr (argv[i], '=') : NULL;
      g_autofree char *word = equals != NULL ? g_strndup (argv[i], (gsize)(equals - argv[i])) : g_strdup (argv[i]);
      const DkmsOptionInfo *option = dkms_option_find (word);

      if (g_str_has_prefix (word, "-j") && g_ascii_isdigit (word[2]))
        {
          set_text (&self->jobs, word + 2);
          continue;
        }
      if (*word == '-' && (option == NULL || (equals != NULL && option->value == NULL)))
        return dkms_fail (error, DKMS_ERROR_OPTION, NULL, "See 'dkms --help'.", "Unknown option %s", argv[i]), NULL;
      if (option == NULL)
        {
          if (!take_positional (self, argv[i], ui, error))
            return NULL;
          continue;
        }
      if (option->value != NULL && equals == NULL && i + 1 == argc)
        return dkms_fail (error, DKMS_ERROR_OPTION, NULL, "See 'dkms --help'.", "The option %s needs a value", word),
               NULL;
      g_autofree char *value = option->value == NULL ? NULL : tidy (equals != NULL ? equals + 1 : argv[++i]);
      option->take (self, option, value, ui);
      if (self->version_asked || self->help)
        return g_steal_pointer (&self); /* at once, whatever follows */
      if (self->quiet)
        be_quiet ();
    }
  return g_steal_pointer (&self);
}

void
dkms_options_apply (DkmsOptions *self, DkmsSettings *settings)
{
  if (self->dkmstree != NULL)
    dkms_settings_set_path (settings, &settings->dkms_tree, self->dkmstree);
  if (self->sourcetree != NULL)
    dkms_settings_set_path (settings, &settings->source_tree, self->sourcetree);
  if (self->installtree != NULL)
    dkms_settings_set_path (settings, &settings->install_tree, self->installtree);
  settings->kernelsourcedir = g_strdup (self->kernelsourcedir);
  settings->config = g_strdup (self->config);
  settings->conf_file = g_strdup (self->conf_file);
  if (self->jobs != NULL)
    {
      g_free (settings->jobs);
      settings->jobs = g_strdup (strcmp (self->jobs, "0") == 0 ? "" : self->jobs);
    }
  settings->verbose |= self->verbose;
  settings->modprobe_on_install |= self->modprobe_on_install;
  settings->symlink_modules |= self->symlink_modules;
  settings->force = self->force;
  settings->action = g_strdup (self->verb);
  g_ptr_array_extend_and_steal (settings->directives, g_steal_pointer (&self->directives));
  self->directives = g_ptr_array_new ();
}
