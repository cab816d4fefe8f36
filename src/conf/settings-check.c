/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds assignments in framework.conf and dkms.conf that are probably mistakes. */
#define _GNU_SOURCE
#include "conf/settings-check.h"

#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/language.h"
#include "base/near.h"
#include "conf/assigned.h"
#include "conf/recipe.h"
#include "conf/settings.h"

/* ---- where a setting is made ---- */

/* Returns: (transfer full): the content of @path, "" if it cannot be read */
static char *
read_text (const DkmsPlaces *places, const char *path)
{
  char *text = dkms_root_read (places->root, path, 1 << 20, NULL, NULL);

  return text != NULL ? text : g_strdup ("");
}

char *
dkms_settings_place (const DkmsPlaces *places, const char *name, char **file)
{
  g_autoptr (GPtrArray) files = dkms_settings_files (places);

  *file = NULL;
  for (guint i = files->len; i-- > 0;)
    {
      g_autofree char *text = read_text (places, files->pdata[i]);
      guint line = dkms_assigned_line (text, name, 0);

      if (line == 0)
        continue;
      *file = dkms_root_host_path (places->root, files->pdata[i]);
      return dkms_file_and_line (*file, line);
    }
  return g_strdup (g_getenv (name) != NULL ? N_ ("the environment") : "framework.conf");
}

gboolean
dkms_settings_fail (const DkmsPlaces *places, const DkmsErrorInfo *wrong, GError **error)
{
  g_autofree char *file = NULL;
  g_autofree char *place = dkms_settings_place (places, wrong->name, &file);
  DkmsErrorInfo info = *wrong;

  info.path = file;
  info.place = place;
  return dkms_fail_with (error, &info);
}

gboolean
dkms_settings_number (const DkmsPlaces *places, const DkmsVars *values, const DkmsNumberSetting *setting,
                      GError **error)
{
  const char *text = dkms_vars_get (values, setting->name, 0);
  guint64 number;

  if (*text == '\0')
    return TRUE;
  if (!g_ascii_string_to_unsigned (text, 10, setting->least, setting->most, &number, NULL))
    return dkms_settings_fail (places,
                               &(DkmsErrorInfo){ .kind = DKMS_ERROR_SETTING_NOT_NUMBER,
                                                 .name = setting->name,
                                                 .text = text,
                                                 .number = setting->least,
                                                 .limit = setting->most },
                               error);
  *setting->field = (guint)number;
  return TRUE;
}

char *
dkms_settings_absent (const DkmsPlaces *places, const char *name, const char *directory)
{
  g_autofree char *file = NULL;
  g_autofree char *place = dkms_settings_place (places, name, &file);

  return file == NULL || dkms_root_is_dir (places->root, directory)
             ? NULL
             : DKMS_SAY (CORRECT_SETTING, .name = name, .place = place);
}

/* ---- unknown keys ---- */

/* Whether a file uses the variable, so that the assignment has a purpose. */
static gboolean
is_used (const char *text, const char *name)
{
  static const char *const forms[] = { "$", "${", "export " };
  gboolean used = FALSE;

  for (gsize i = 0; i < G_N_ELEMENTS (forms); i++)
    {
      g_autofree char *form = g_strconcat (forms[i], name, NULL);
      used |= strstr (text, form) != NULL;
    }
  return used;
}

/* Returns: (transfer full) (nullable): an event about the variable; NULL if it may be correct */
static DkmsEvent *
judge (const char *file, const char *text, const char *name, const char *const *known)
{
  g_autofree char *place = dkms_file_and_line (file, dkms_assigned_line (text, name, -1));

  const char *near;
  gboolean lower = TRUE;

  if (g_strv_contains (known, name) || g_str_has_prefix (name, "DKMS_DIRECTIVE"))
    return NULL;
  if (strcmp (name, "sign_tool") == 0)
    return DKMS_EVENT_NEW (SIGN_TOOL_SET, .path = file, .place = place);
  near = dkms_nearest (name, known);
  for (const char *c = name; *c != '\0'; c++)
    lower &= !g_ascii_isupper (*c); /* variables such as PATH and LC_ALL are for programs */
  return near != NULL || lower
             ? DKMS_EVENT_NEW (SETTING_UNKNOWN, .path = file, .place = place, .name = name, .text = near)
             : NULL;
}

GPtrArray *
dkms_settings_unknown (const DkmsPlaces *places)
{
  GPtrArray *remarks = dkms_events_new ();
  g_autoptr (GPtrArray) files = dkms_settings_files (places);
  g_auto (GStrv) known = dkms_settings_known ();
  g_autoptr (GString) all = g_string_new (NULL);

  for (guint i = 0; i < files->len; i++)
    {
      g_autofree char *text = read_text (places, files->pdata[i]);
      g_string_append_printf (all, "%s\n", text);
    }
  for (guint i = 0; i < files->len; i++)
    {
      g_autofree char *text = read_text (places, files->pdata[i]);
      g_autofree char *shown = dkms_root_host_path (places->root, files->pdata[i]);
      g_autoptr (GPtrArray) names = dkms_assigned_names (text);

      for (guint n = 0; n < names->len; n++)
        {
          DkmsEvent *remark = is_used (all->str, names->pdata[n])
                                  ? NULL
                                  : judge (shown, text, names->pdata[n], (const char *const *)known);
          if (remark != NULL)
            g_ptr_array_add (remarks, remark);
        }
    }
  return remarks;
}

const char *
dkms_directive_near (const char *name)
{
  static char **known;
  g_autofree char *upper = g_ascii_strup (name, -1);

  if (known == NULL)
    {
      g_autofree char *all = g_strjoin (" ", dkms_recipe_names, dkms_recipe_deprecated_names, NULL);
      known = g_strsplit (all, " ", -1);
    }
  /* Variables in lower case are the author's own. */
  return strcmp (name, upper) != 0 || g_strv_contains ((const char *const *)known, name)
             ? NULL
             : dkms_nearest (name, (const char *const *)known);
}

GPtrArray *
dkms_recipe_misspelt (const char *path, const char *text)
{
  GPtrArray *remarks = dkms_events_new ();
  g_autoptr (GPtrArray) names = dkms_assigned_names (text);

  for (guint i = 0; i < names->len; i++)
    {
      const char *name = names->pdata[i], *near = is_used (text, name) ? NULL : dkms_directive_near (name);
      g_autofree char *place = dkms_file_and_line (path, dkms_assigned_line (text, name, -1));

      if (near != NULL)
        g_ptr_array_add (remarks,
                         DKMS_EVENT_NEW (DIRECTIVE_UNKNOWN, .path = path, .place = place, .name = name, .text = near));
    }
  return remarks;
}

/* ---- values that name files ---- */

/* Whether the program in the setting depends on the shell, as in "/etc/dkms/after-$kernelver". */
static gboolean
is_computed (const DkmsPlaces *places, const char *name)
{
  g_autoptr (GPtrArray) files = dkms_settings_files (places);
  gboolean computed = FALSE;

  for (guint i = 0; i < files->len; i++)
    {
      g_autofree char *text = read_text (places, files->pdata[i]);
      g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
      guint line = dkms_assigned_line (text, name, 0);
      if (line == 0)
        continue;
      const char *at = strchr (lines[line - 1], '=') + 1;
      at += *at == '"' || *at == '\'';
      g_autofree char *program = g_strndup (at, strcspn (at, " \t"));
      computed |= strpbrk (program, "$`") != NULL;
    }
  return computed;
}

DkmsEvent *
dkms_settings_bad_command (const DkmsPlaces *places, const char *name, const char *command)
{
  g_autofree char *program = g_strndup (command, strcspn (command, " \t\n"));
  g_autofree char *place = NULL, *file = NULL;
  struct stat st;
  gboolean there;

  if (*program != '/' || strpbrk (program, "$`'\"\\*?[;|&<>(){}") != NULL || is_computed (places, name))
    return NULL; /* only the shell can expand it */
  there = dkms_root_stat (places->root, program, &st) == 0;
  if (there && S_ISREG (st.st_mode) && (st.st_mode & 0111) != 0)
    return NULL;
  place = dkms_settings_place (places, name, &file);
  return dkms_event_copy (
      &(const DkmsEvent){ .kind = there ? DKMS_EVENT_COMMAND_NOT_EXECUTABLE : DKMS_EVENT_COMMAND_ABSENT,
                          .path = file,
                          .place = place,
                          .name = name,
                          .text = program });
}
