/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "cli/cli.h"

static void
target_free (gpointer data)
{
  DkmsTarget *self = data;

  g_free (self->kernel);
  g_free (self->arch);
  g_free (self);
}

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

/* <m> or <m>/<v>, split at the first slash. */
static void
set_module (DkmsOptions *self, const char *value)
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

/* Sets a flag. Returns: whether @word is one */
static gboolean
take_flag (DkmsOptions *self, const char *word, DkmsUi *ui)
{
  const struct {
    const char *word;
    gboolean *flag;
  } flags[] = {
    { "--all", &self->all },
    { "--all-kernels", &self->all_kernels },
    { "--force", &self->force },
    { "--force-version-override", &self->force_version_override },
    { "--no-depmod", &self->no_depmod },
    { "--dry-run", &self->dry_run },
    { "--verbose", &self->verbose },
    { "--symlink-modules", &self->symlink_modules },
    { "--binaries-only", &self->binaries_only },
    { "--source-only", &self->source_only },
    { "--rpm_safe_upgrade", &self->rpm_safe_upgrade },
    { "--modprobe-on-install", &self->modprobe_on_install },
    { "-q", &self->quiet },
    { "--quiet", &self->quiet },
    { "-V", &self->version_asked },
    { "--version", &self->version_asked },
    { "-h", &self->help },
    { "--help", &self->help },
  };
  static const char *const obsolete[] = { "--no-initrd", "--no-clean-kernel", "--no-prepare-kernel", NULL };

  for (gsize i = 0; i < G_N_ELEMENTS (flags); i++)
    if (strcmp (word, flags[i].word) == 0)
      {
        *flags[i].flag = TRUE;
        return TRUE;
      }
  if (g_strv_contains (obsolete, word))
    {
      dkms_ui_deprecated (ui, "%s has no effect any more.", word);
      return TRUE;
    }
  if (strcmp (word, "--debug") != 0)
    return FALSE;
  (void)g_setenv ("G_MESSAGES_DEBUG", "all", TRUE); /* what g_debug() is told appears */
  return TRUE;
}

/* Stores a value. Returns: whether @word is an option that takes one */
static gboolean
takes_value (const char *word)
{
  static const char *const words[] = { "-m",
                                       "--module",
                                       "-v",
                                       "--module-version",
                                       "-k",
                                       "--kernelver",
                                       "-a",
                                       "--arch",
                                       "-c",
                                       "--config",
                                       "--kernelsourcedir",
                                       "--templatekernel",
                                       "--archive",
                                       "--directive",
                                       "--dkmstree",
                                       "--sourcetree",
                                       "--installtree",
                                       "--root",
                                       "-j",
                                       NULL };

  return g_strv_contains (words, word);
}

static void
take_value (DkmsOptions *self, const char *word, const char *value)
{
  const struct {
    const char *word;
    char **field;
  } texts[] = {
    { "-v", &self->version },  { "--module-version", &self->version },
    { "-j", &self->jobs },     { "--templatekernel", &self->templatekernel },
    { "--root", &self->root }, { "--archive", &self->archive },
  };
  const struct {
    const char *word;
    char **field;
  } paths[] = {
    { "-c", &self->conf_file },
    { "--config", &self->config },
    { "--kernelsourcedir", &self->kernelsourcedir },
    { "--dkmstree", &self->dkmstree },
    { "--sourcetree", &self->sourcetree },
    { "--installtree", &self->installtree },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    if (strcmp (word, texts[i].word) == 0)
      set_text (texts[i].field, value);
  for (gsize i = 0; i < G_N_ELEMENTS (paths); i++)
    if (strcmp (word, paths[i].word) == 0)
      {
        g_autofree char *full = g_canonicalize_filename (value, NULL); /* before anything changes directory */
        set_text (paths[i].field, full);
      }
  if (strcmp (word, "-m") == 0 || strcmp (word, "--module") == 0)
    set_module (self, value);
  else if (strcmp (word, "-k") == 0 || strcmp (word, "--kernelver") == 0)
    dkms_options_add_kernel (self, value);
  else if (strcmp (word, "-a") == 0 || strcmp (word, "--arch") == 0)
    g_ptr_array_add (self->arches, g_strdup (value));
  else if (strcmp (word, "--directive") == 0)
    g_ptr_array_add (self->directives, g_strdup (value));
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
    set_module (self, word);
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

  self->kernels = g_ptr_array_new_with_free_func (target_free);
  self->arches = g_ptr_array_new_with_free_func (g_free);
  self->directives = g_ptr_array_new_with_free_func (g_free);
  for (int i = 1; i < argc; i++)
    {
      const char *equals = g_str_has_prefix (argv[i], "--") ? strchr (argv[i], '=') : NULL;
      g_autofree char *word = equals != NULL ? g_strndup (argv[i], (gsize)(equals - argv[i])) : g_strdup (argv[i]);
      g_autofree char *value = NULL;

      if (equals == NULL && take_flag (self, word, ui))
        {
          if (self->version_asked || self->help)
            return g_steal_pointer (&self); /* at once, whatever follows */
          if (self->quiet)
            be_quiet ();
          continue;
        }
      if (g_str_has_prefix (word, "-j") && g_ascii_isdigit (word[2]))
        {
          set_text (&self->jobs, word + 2);
          continue;
        }
      if (takes_value (word))
        {
          if (equals == NULL && i + 1 == argc)
            return dkms_fail (error, DKMS_ERROR_OPTION, NULL, "See 'dkms --help'.", "The option %s needs a value",
                              word),
                   NULL;
          value = tidy (equals != NULL ? equals + 1 : argv[++i]);
          take_value (self, word, value);
          continue;
        }
      if (*argv[i] == '-')
        return dkms_fail (error, DKMS_ERROR_OPTION, NULL, "See 'dkms --help'.", "Unknown option %s", argv[i]), NULL;
      if (!take_positional (self, argv[i], ui, error))
        return NULL;
    }
  return g_steal_pointer (&self);
}
