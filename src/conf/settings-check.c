/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds assignments in framework.conf and dkms.conf that are probably mistakes. */
#define _GNU_SOURCE
#include "conf/settings-check.h"

#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/near.h"
#include "conf/recipe.h"
#include "conf/settings.h"

/* ---- lines that assign ---- */

/* Returns: the length of the name that @line assigns to (the variable or one element), 0 if @line is not an assignment;
 * @name: (out): its beginning */
static gsize
assigned_name (const char *line, const char **name)
{
  gsize n = 0;

  line += strspn (line, " \t");
  if (g_str_has_prefix (line, "export "))
    line += strcspn (line, " ") + strspn (line + strcspn (line, " "), " \t");
  *name = line;
  if (g_ascii_isalpha (*line) || *line == '_')
    while (g_ascii_isalnum (line[n]) || line[n] == '_')
      n++;
  line += n;
  if (n > 0 && *line == '[')
    line += strcspn (line, "]\n") + (strchr (line, ']') != NULL);
  return g_str_has_prefix (line, "=") || g_str_has_prefix (line, "+=") ? n : 0;
}

/* Returns: (transfer full): the names that @text assigns to, each once */
static GPtrArray *
assigned_names (const char *text)
{
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  for (char **line = lines; *line != NULL; line++)
    {
      const char *at;
      gsize n = assigned_name (*line, &at);
      g_autofree char *name = g_strndup (at, n);

      if (n > 0 && !g_ptr_array_find_with_equal_func (names, name, g_str_equal, NULL))
        g_ptr_array_add (names, g_steal_pointer (&name));
    }
  return names;
}

/* Returns: (transfer full): the content of @path, "" if it cannot be read */
static char *
read_text (const DkmsPlaces *places, const char *path)
{
  char *text = dkms_root_read (places->root, path, 1 << 20, NULL, NULL);

  return text != NULL ? text : g_strdup ("");
}

char *
dkms_settings_place (const DkmsPlaces *places, const char *name)
{
  g_autoptr (GPtrArray) files = dkms_settings_files (places);

  for (guint i = files->len; i-- > 0;)
    {
      g_autofree char *text = read_text (places, files->pdata[i]);
      g_autoptr (GPtrArray) names = assigned_names (text);
      if (g_ptr_array_find_with_equal_func (names, name, g_str_equal, NULL))
        return dkms_root_host_path (places->root, files->pdata[i]);
    }
  return g_getenv (name) != NULL ? g_strdup ("the environment") : NULL;
}

gboolean
dkms_settings_fail (const DkmsPlaces *places, const DkmsErrorInfo *wrong, GError **error)
{
  g_autofree char *place = dkms_settings_place (places, wrong->name);
  DkmsErrorInfo info = *wrong;

  info.path = place;
  info.place = place != NULL ? place : "framework.conf";
  return dkms_fail_with (error, &info);
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
judge (const char *file, const char *name, const char *const *known)
{
  const char *near;
  gboolean lower = TRUE;

  if (g_strv_contains (known, name) || g_str_has_prefix (name, "DKMS_DIRECTIVE"))
    return NULL;
  if (strcmp (name, "sign_tool") == 0)
    return DKMS_EVENT_NEW (SIGN_TOOL_SET, .path = file);
  near = dkms_nearest (name, known);
  for (const char *c = name; *c != '\0'; c++)
    lower &= !g_ascii_isupper (*c); /* variables such as PATH and LC_ALL are for programs */
  return near != NULL || lower ? DKMS_EVENT_NEW (SETTING_UNKNOWN, .path = file, .name = name, .text = near) : NULL;
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
      g_autoptr (GPtrArray) names = assigned_names (text);

      for (guint n = 0; n < names->len; n++)
        {
          DkmsEvent *remark
              = is_used (all->str, names->pdata[n]) ? NULL : judge (shown, names->pdata[n], (const char *const *)known);
          if (remark != NULL)
            g_ptr_array_add (remarks, remark);
        }
    }
  return remarks;
}

GPtrArray *
dkms_recipe_misspelt (const char *path, const char *text)
{
  GPtrArray *remarks = dkms_events_new ();
  g_autoptr (GPtrArray) names = assigned_names (text);
  g_autofree char *all = g_strjoin (" ", dkms_recipe_names, dkms_recipe_deprecated_names, NULL);
  g_auto (GStrv) known = g_strsplit (all, " ", -1);

  for (guint i = 0; i < names->len; i++)
    {
      const char *name = names->pdata[i];
      g_autofree char *upper = g_ascii_strup (name, -1);
      const char *near;

      /* Variables in lower case are the author's own. */
      if (strcmp (name, upper) != 0 || g_strv_contains ((const char *const *)known, name) || is_used (text, name))
        continue;
      near = dkms_nearest (name, (const char *const *)known);
      if (near != NULL)
        g_ptr_array_add (remarks, DKMS_EVENT_NEW (DIRECTIVE_UNKNOWN, .path = path, .name = name, .text = near));
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

      for (char **line = lines; *line != NULL; line++)
        {
          const char *at;
          if (assigned_name (*line, &at) != strlen (name) || strncmp (at, name, strlen (name)) != 0)
            continue;
          at += strlen (name) + 1;
          at += *at == '"' || *at == '\'';
          g_autofree char *program = g_strndup (at, strcspn (at, " \t"));
          computed |= strpbrk (program, "$`") != NULL;
        }
    }
  return computed;
}

DkmsEvent *
dkms_settings_bad_command (const DkmsPlaces *places, const char *name, const char *command)
{
  g_autofree char *program = g_strndup (command, strcspn (command, " \t\n"));
  g_autofree char *place = NULL;
  struct stat st;
  gboolean there;

  if (*program != '/' || strpbrk (program, "$`'\"\\*?[;|&<>(){}") != NULL || is_computed (places, name))
    return NULL; /* only the shell can expand it */
  there = dkms_root_stat (places->root, program, &st) == 0;
  if (there && S_ISREG (st.st_mode) && (st.st_mode & 0111) != 0)
    return NULL;
  place = dkms_settings_place (places, name);
  return dkms_event_copy (
      &(const DkmsEvent){ .kind = there ? DKMS_EVENT_COMMAND_NOT_EXECUTABLE : DKMS_EVENT_COMMAND_ABSENT,
                          .path = place != NULL ? place : "framework.conf",
                          .name = name,
                          .text = program });
}
