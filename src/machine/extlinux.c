/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads extlinux.conf. */
#include "machine/extlinux.h"

#include <string.h>

/* Returns: the value in @line if its first word is @key in any case; NULL if it is not */
static const char *
value_of (const char *line, const char *key)
{
  gsize length = strlen (key);

  if (g_ascii_strncasecmp (line, key, length) != 0 || (line[length] != ' ' && line[length] != '\t'))
    return NULL;
  line += length;
  return line + strspn (line, " \t");
}

/* Takes initrd=FILE[,FILE...] out of the command line of @entry, as syslinux does. */
static void
add_initrds (DkmsBootEntry *entry, const char *files)
{
  g_auto (GStrv) names = g_strsplit (files, ",", -1);

  for (char **name = names; *name != NULL; name++)
    if (**name != '\0')
      g_ptr_array_add (entry->initrds, g_strdup (*name));
}

static void
take_line (DkmsBootEntry *entry, const char *line)
{
  const char *value;

  if ((value = value_of (line, "menu label")) != NULL)
    {
      g_free (entry->title);
      entry->title = g_strdup (value);
    }
  if ((value = value_of (line, "kernel")) != NULL || (value = value_of (line, "linux")) != NULL)
    {
      g_free (entry->kernel);
      entry->kernel = g_strdup (value);
    }
  if ((value = value_of (line, "initrd")) != NULL)
    add_initrds (entry, value);
  if ((value = value_of (line, "append")) != NULL)
    {
      g_auto (GStrv) words = g_strsplit (value, " ", -1);
      g_free (entry->cmdline);
      entry->cmdline = g_strdup (value);
      for (char **word = words; *word != NULL; word++)
        if (g_str_has_prefix (*word, "initrd="))
          add_initrds (entry, *word + strlen ("initrd="));
    }
}

GPtrArray *
dkms_extlinux_parse (const char *text, const DkmsBootEntry **chosen)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  GPtrArray *entries = dkms_boot_entries_new ();
  g_autofree char *label = NULL;
  DkmsBootEntry *entry = NULL;
  const char *value;

  for (char **line = lines; *line != NULL; line++)
    {
      g_strstrip (*line);
      if ((value = value_of (*line, "default")) != NULL && entry == NULL)
        {
          g_free (label);
          label = g_strdup (value);
        }
      if ((value = value_of (*line, "label")) != NULL)
        {
          entry = dkms_boot_entry_new (g_strdup (value));
          entry->id = g_strdup (value);
          g_ptr_array_add (entries, entry);
        }
      else if (entry != NULL)
        take_line (entry, *line);
    }
  *chosen = entries->len > 0 && label == NULL ? entries->pdata[0] : NULL;
  for (guint i = 0; i < entries->len && label != NULL; i++)
    if (strcmp (((const DkmsBootEntry *)entries->pdata[i])->id, label) == 0)
      *chosen = entries->pdata[i];
  return entries;
}
