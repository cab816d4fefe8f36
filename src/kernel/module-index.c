/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs dkms-modinfo lookup. */
#include "kernel/module-index.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/pairs.h"
#include "base/process.h"

static void
lookup_free (gpointer data)
{
  DkmsModuleLookup *self = data;

  g_ptr_array_unref (self->modules);
  g_ptr_array_unref (self->paths);
  g_ptr_array_unref (self->depends);
  g_free (self);
}

static DkmsModuleLookup *
lookup_new (void)
{
  DkmsModuleLookup *self = g_new0 (DkmsModuleLookup, 1);

  self->modules = g_ptr_array_new_with_free_func (g_free);
  self->paths = g_ptr_array_new_with_free_func (g_free);
  self->depends = g_ptr_array_new_with_free_func (g_free);
  return self;
}

/* An index contains paths below the directory, and absolute ones for files elsewhere. Returns: (transfer full): the
 * path inside the root */
static char *
inside (const char *path, const char *prefix, const char *dir)
{
  gsize length = strlen (prefix);

  if (strncmp (path, prefix, length) != 0 || path[length] != '/')
    return g_strdup (path);
  return g_strconcat (dir, path + length, NULL);
}

/* @value: "ERRNO FILE" */
static gboolean
fail_unread (const char *value, const char *dir, GError **error)
{
  const char *blank = strchr (value, ' ');
  g_autofree char *path = g_build_filename (dir, blank != NULL ? blank + 1 : "", NULL);

  return DKMS_FAIL (error, IO, .text = "read", .path = path, .number = atoi (value));
}

GPtrArray *
dkms_module_lookup_parse (GBytes *output, const char *prefix, const char *dir, guint count, GError **error)
{
  g_autoptr (GPtrArray) all = g_ptr_array_new_with_free_func (lookup_free);
  DkmsModuleLookup *item = NULL;
  const char *end, *at = dkms_pairs_begin (output, &end), *key, *value;
  guint ended = 0;

  while (dkms_pairs_next (&at, end, &key, &value))
    {
      if (strcmp (key, "unread") == 0)
        return fail_unread (value, dir, error), NULL;
      if (item == NULL)
        g_ptr_array_add (all, item = lookup_new ());
      if (strcmp (key, "builtin") == 0)
        item->builtin = TRUE;
      else if (strcmp (key, "module") == 0)
        g_ptr_array_add (item->modules, g_strdup (value));
      else if (strcmp (key, "path") == 0)
        g_ptr_array_add (item->paths, inside (value, prefix, dir));
      else if (strcmp (key, "depends") == 0)
        g_ptr_array_add (item->depends, inside (value, prefix, dir));
      else if (strcmp (key, "end") == 0)
        {
          item = NULL;
          ended++;
        }
    }
  if (ended == count && all->len == count)
    return g_steal_pointer (&all);
  return DKMS_FAIL (error, HELPER_FAILED, .name = "dkms-modinfo", .path = dir), NULL;
}

GPtrArray *
dkms_module_lookup (const DkmsRoot *root, const char *dir, const GPtrArray *names, GError **error)
{
  g_autofree char *helper = dkms_process_helper ("dkms-modinfo");
  g_autofree char *resolved = dkms_root_resolved (root, dir);
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  DkmsCommand command = { .null_stdin = TRUE };
  gsize size = 0;
  int status = 0;

  g_ptr_array_add (argv, helper);
  g_ptr_array_add (argv, (gpointer) "lookup");
  g_ptr_array_add (argv, resolved);
  for (guint i = 0; i < names->len; i++)
    g_ptr_array_add (argv, names->pdata[i]);
  g_ptr_array_add (argv, NULL);
  command.argv = (const char *const *)argv->pdata;
  char *text = dkms_process_capture (&command, &size, &status, error);
  if (text == NULL)
    return NULL;
  g_autoptr (GBytes) output = g_bytes_new_take (text, size);
  if (status != 0)
    return DKMS_FAIL (error, HELPER_FAILED, .name = "dkms-modinfo", .path = dir, .status = status), NULL;
  return dkms_module_lookup_parse (output, resolved, dir, names->len, error);
}
