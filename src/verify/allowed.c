/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compares a module with lines of modprobe.d, parameters of the kernel, and the devices in /sys. */
#define _GNU_SOURCE
#include "verify/allowed.h"

#include <fnmatch.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/unread.h"
#include "check/boot-image.h"
#include "check/policy.h"
#include "kernel/module-index.h"
#include "verify/modprobe-config.h"

enum { LARGEST_ALIASES = 64 << 20, LARGEST_MODALIAS = 4096, NAMES_SHOWN = 3 };

/* Parameters of the kernel's command line that forbid modules. */
static const struct {
  const char *name;
  DkmsResult result;
} parameters[] = { { "module_blacklist", DKMS_RESULT_PROBLEM }, /* of the kernel */
                   { "modprobe.blacklist", DKMS_RESULT_WARNING },
                   { "rd.driver.blacklist", DKMS_RESULT_WARNING } }; /* of dracut: in the boot image only */

typedef struct {
  const char *pattern, *module;
} Alias;

struct DkmsAllowed {
  const DkmsSettings *settings;
  char *dir;                                   /* of the kernel's modules */
  GPtrArray *lines;                            /* (element-type DkmsModprobeLine) */
  char *refused;                               /* (nullable): what this user may not read */
  char **forbidden[G_N_ELEMENTS (parameters)]; /* (nullable): names in each parameter */
  char *alias_text;                            /* (nullable): modules.alias */
  GArray *aliases;                             /* (nullable) (element-type Alias): lines of it; NULL: not read yet */
  GPtrArray *devices;                          /* (element-type utf8): their modaliases */
};

DkmsAllowed *
dkms_allowed_new (const DkmsSettings *settings, const char *release, const char *cmdline)
{
  DkmsAllowed *self = g_new0 (DkmsAllowed, 1);

  self->settings = settings;
  self->dir = g_build_filename (settings->places.install_tree, release, NULL);
  self->lines = dkms_modprobe_config_read (settings->places.root, &self->refused);
  for (gsize i = 0; cmdline != NULL && i < G_N_ELEMENTS (parameters); i++)
    self->forbidden[i] = dkms_cmdline_list (cmdline, parameters[i].name);
  return self;
}

void
dkms_allowed_free (DkmsAllowed *self)
{
  if (self == NULL)
    return;
  g_free (self->dir);
  g_ptr_array_unref (self->lines);
  g_free (self->refused);
  for (gsize i = 0; i < G_N_ELEMENTS (parameters); i++)
    g_strfreev (self->forbidden[i]);
  g_free (self->alias_text);
  g_clear_pointer (&self->aliases, g_array_unref);
  g_clear_pointer (&self->devices, g_ptr_array_unref);
  g_free (self);
}

/* ---- configuration ---- */

static gboolean
has_name (char **names, const char *name)
{
  for (; names != NULL && *names != NULL; names++)
    if (dkms_module_names_equal (*names, name))
      return TRUE;
  return FALSE;
}

/* Whether the command of a line "install" loads nothing. */
static gboolean
loads_nothing (const char *command)
{
  static const char *const words[] = { "true", "false", ":", NULL };
  g_autofree char *word = g_strndup (command, strcspn (command, " "));
  g_autofree char *name = g_path_get_basename (word);

  return *word == '\0' || g_strv_contains (words, name);
}

/* Whether modprobe.d gives @name another meaning. */
static gboolean
is_alias (const DkmsAllowed *self, const char *name)
{
  for (guint i = 0; i < self->lines->len; i++)
    {
      const DkmsModprobeLine *line = self->lines->pdata[i];
      if (strcmp (line->command, "alias") == 0 && fnmatch (line->name, name, 0) == 0)
        return TRUE;
    }
  return FALSE;
}

/* Reports modules that @line, a softdep, names and that do not exist. */
static void
check_softdep (const DkmsAllowed *self, const char *name, const DkmsModprobeLine *line, GPtrArray *findings)
{
  g_auto (GStrv) words = dkms_softdep_names (line->rest);
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  g_autoptr (GPtrArray) absent = g_ptr_array_new ();
  g_autoptr (GError) ignored = NULL; /* without an index, nothing is known; the check "index" reports that */

  for (char **word = words; *word != NULL; word++)
    g_ptr_array_add (names, *word);
  g_autoptr (GPtrArray) found
      = names->len > 0 ? dkms_module_lookup (self->settings->places.root, self->dir, names, &ignored) : NULL;
  for (guint i = 0; found != NULL && i < found->len; i++)
    {
      const DkmsModuleLookup *lookup = found->pdata[i];
      if (!lookup->builtin && lookup->modules->len == 0 && !is_alias (self, names->pdata[i]))
        g_ptr_array_add (absent, names->pdata[i]);
    }
  if (absent->len == 0)
    return;
  g_autofree char *text = dkms_list_names ((const char *const *)absent->pdata, absent->len, NAMES_SHOWN);
  DKMS_FIND (findings, SOFTDEP_ABSENT, WARNING, CERTAIN, .name = name, .path = line->path, .text = text);
}

void
dkms_allowed_check (DkmsAllowed *self, const char *name, GPtrArray *findings)
{
  if (self->refused != NULL)
    DKMS_FIND (findings, MODPROBE_UNREAD, UNKNOWN, UNKNOWN, .name = name, .path = self->refused);
  for (guint i = 0; i < self->lines->len; i++)
    {
      const DkmsModprobeLine *line = self->lines->pdata[i];

      if (!dkms_module_names_equal (line->name, name))
        continue;
      if (strcmp (line->command, "blacklist") == 0)
        DKMS_FIND (findings, BLACKLISTED, WARNING, CERTAIN, .name = name, .path = line->path);
      else if (strcmp (line->command, "softdep") == 0)
        check_softdep (self, name, line, findings);
      else if (strcmp (line->command, "install") == 0)
        dkms_check_findings_add (findings, DKMS_CODE_INSTALL_OVERRIDE,
                                 loads_nothing (line->rest) ? DKMS_RESULT_PROBLEM : DKMS_RESULT_WARNING,
                                 DKMS_CONFIDENCE_CERTAIN,
                                 &(const DkmsErrorInfo){ .name = name, .path = line->path, .text = line->rest });
    }
  for (gsize i = 0; i < G_N_ELEMENTS (parameters); i++)
    if (has_name (self->forbidden[i], name))
      dkms_check_findings_add (findings, DKMS_CODE_CMDLINE_BLACKLIST, parameters[i].result, DKMS_CONFIDENCE_CERTAIN,
                               &(const DkmsErrorInfo){ .name = name, .text = parameters[i].name });
}

/* ---- rivals ---- */

/* Reads modules.alias: lines "alias PATTERN MODULE". */
static void
read_aliases (DkmsAllowed *self)
{
  g_autofree char *path = g_build_filename (self->dir, "modules.alias", NULL);
  char *at;

  self->aliases = g_array_new (FALSE, FALSE, sizeof (Alias));
  self->alias_text = dkms_root_read (self->settings->places.root, path, LARGEST_ALIASES, NULL, NULL);
  for (at = self->alias_text; at != NULL && *at != '\0';)
    {
      char *end = strchrnul (at, '\n'), *last;
      gboolean more = *end != '\0';

      *end = '\0';
      last = strrchr (at, ' ');
      if (g_str_has_prefix (at, "alias ") && last > at + strlen ("alias "))
        {
          const Alias alias = { at + strlen ("alias "), last + 1 };
          *last = '\0';
          g_array_append_val (self->aliases, alias);
        }
      at = end + more;
    }
}

/* Reads the names of devices by which modules are found: /sys/bus/BUS/devices/DEVICE/modalias. */
static void
read_devices (DkmsAllowed *self)
{
  static const char top[] = "/sys/bus";
  const DkmsRoot *root = self->settings->places.root;
  g_auto (DkmsFd) fd = dkms_root_openat (root, top, O_RDONLY | O_DIRECTORY, 0);
  g_autoptr (GPtrArray) buses = fd >= 0 ? dkms_list_dir_at (fd, ".", NULL) : NULL;

  self->devices = g_ptr_array_new_with_free_func (g_free);
  for (guint i = 0; buses != NULL && i < buses->len; i++)
    {
      g_autofree char *dir = g_build_filename (top, buses->pdata[i], "devices", NULL);
      g_auto (DkmsFd) bus = dkms_root_openat (root, dir, O_RDONLY | O_DIRECTORY, 0);
      g_autoptr (GPtrArray) devices = bus >= 0 ? dkms_list_dir_at (bus, ".", NULL) : NULL;

      for (guint k = 0; devices != NULL && k < devices->len; k++)
        {
          g_autofree char *path = g_build_filename (dir, devices->pdata[k], "modalias", NULL);
          g_autoptr (GError) ignored = NULL; /* it is absent, or the device is gone */
          char *text = dkms_root_read (root, path, LARGEST_MODALIAS, NULL, &ignored);
          if (text != NULL)
            g_ptr_array_add (self->devices, g_strchomp (text));
        }
    }
}

/* Whether @pattern is for a class of devices: its driver leaves devices to other drivers. */
static gboolean
is_for_class (const char *pattern)
{
  static const char *const starts[] = { "pci:v*", "usb:v*", "hid:b*", "input:" };

  for (gsize i = 0; i < G_N_ELEMENTS (starts); i++)
    if (g_str_has_prefix (pattern, starts[i]))
      return TRUE;
  return g_str_has_prefix (pattern, "hid:") && strstr (pattern, "v*p*") != NULL;
}

static gboolean
drives (const Alias *alias, const char *device)
{
  gsize length = strcspn (alias->pattern, "*?["); /* most patterns differ before */

  return strncmp (alias->pattern, device, length) == 0 && fnmatch (alias->pattern, device, 0) == 0
         && !is_for_class (alias->pattern);
}

/* Whether the module @name is never loaded for a device. */
static gboolean
is_forbidden (const DkmsAllowed *self, const char *name)
{
  for (guint i = 0; i < self->lines->len; i++)
    {
      const DkmsModprobeLine *line = self->lines->pdata[i];
      if (dkms_module_names_equal (line->name, name)
          && (strcmp (line->command, "blacklist") == 0
              || (strcmp (line->command, "install") == 0 && loads_nothing (line->rest))))
        return TRUE;
    }
  return has_name (self->forbidden[0], name) || has_name (self->forbidden[1], name);
}

/* Returns: (transfer full) (element-type Alias): the patterns of the module @name */
static GPtrArray *
patterns_of (const DkmsAllowed *self, const char *name)
{
  GPtrArray *found = g_ptr_array_new ();

  for (guint i = 0; i < self->aliases->len; i++)
    if (dkms_module_names_equal (g_array_index (self->aliases, Alias, i).module, name))
      g_ptr_array_add (found, &g_array_index (self->aliases, Alias, i));
  return found;
}

static gboolean
is_driven (const GPtrArray *patterns, const char *device)
{
  for (guint i = 0; i < patterns->len; i++)
    if (drives (patterns->pdata[i], device))
      return TRUE;
  return FALSE;
}

GPtrArray *
dkms_allowed_rivals (DkmsAllowed *self, const char *name)
{
  GPtrArray *rivals = g_ptr_array_new_with_free_func (g_free);
  guint mark = dkms_unread_mark ();

  if (self->aliases == NULL)
    {
      read_aliases (self);
      read_devices (self);
      dkms_unread_drop (mark); /* a rival that is not known makes no difference to the verdict */
    }
  g_autoptr (GPtrArray) patterns = patterns_of (self, name);
  for (guint i = 0; i < self->devices->len; i++)
    if (is_driven (patterns, self->devices->pdata[i]))
      for (guint k = 0; k < self->aliases->len; k++)
        {
          const Alias *alias = &g_array_index (self->aliases, Alias, k);
          if (!dkms_module_names_equal (alias->module, name) && drives (alias, self->devices->pdata[i])
              && !is_forbidden (self, alias->module)
              && !g_ptr_array_find_with_equal_func (rivals, alias->module, g_str_equal, NULL))
            g_ptr_array_add (rivals, g_strdup (alias->module));
        }
  return rivals;
}

void
dkms_rivals_check (DkmsAllowed *self, const char *name, GPtrArray *findings)
{
  if (!dkms_root_is_host (self->settings->places.root))
    return;
  g_autoptr (GPtrArray) rivals = dkms_allowed_rivals (self, name);
  if (rivals->len == 0)
    return;
  g_autofree char *text = dkms_list_names ((const char *const *)rivals->pdata, rivals->len, NAMES_SHOWN);
  DKMS_FIND (findings, RIVAL, WARNING, LIKELY, .name = name, .text = text);
}
