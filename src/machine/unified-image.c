/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks the helper for the texts in unified kernel images, and makes entries from them. */
#include "machine/unified-image.h"

#include <string.h>

#include "base/pairs.h"
#include "base/process.h"

void
dkms_unified_image_free (DkmsUnifiedImage *self)
{
  if (self == NULL)
    return;
  g_free (self->release);
  g_free (self->cmdline);
  g_free (self->os_release);
  g_free (self);
}

DkmsUnifiedImage *
dkms_unified_image_read (const DkmsRoot *root, const char *path)
{
  g_autoptr (DkmsUnifiedImage) self = g_new0 (DkmsUnifiedImage, 1);
  g_autofree char *helper = dkms_process_helper ("dkms-facts");
  g_autofree char *file = dkms_root_resolved (root, path);
  const char *const argv[] = { helper, "unified", file, NULL }, *at, *end, *key, *value;
  gboolean good = TRUE;
  gsize size = 0;
  int status = 0;
  g_autofree char *text
      = dkms_process_capture (&(const DkmsCommand){ .argv = argv, .null_stdin = TRUE }, &size, &status, NULL);

  if (text == NULL || status != 0)
    return NULL;
  at = text;
  end = text + size;
  while (dkms_pairs_next (&at, end, &key, &value))
    {
      const struct {
        const char *key;
        char **field;
      } fields[] = { { "uname", &self->release }, { "cmdline", &self->cmdline }, { "osrel", &self->os_release } };

      for (gsize i = 0; i < G_N_ELEMENTS (fields); i++)
        if (strcmp (key, fields[i].key) == 0 && *fields[i].field == NULL)
          *fields[i].field = g_strdup (value);
      good &= strcmp (key, "error") != 0;
    }
  return good && at == end ? g_steal_pointer (&self) : NULL; /* or the last pair is incomplete */
}

/* Returns: (transfer full) (nullable): the value of the first of @names that os-release @text has */
static char *
value_of (const char *text, const char *const *names)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  for (; *names != NULL; names++)
    for (char **line = lines; *line != NULL; line++)
      {
        gsize length = strlen (*names);
        if (strncmp (*line, *names, length) != 0 || (*line)[length] != '=' || (*line)[length + 1] == '\0')
          continue;
        g_autofree char *value = g_shell_unquote (*line + length + 1, NULL);
        return value != NULL ? g_steal_pointer (&value) : g_strdup (*line + length + 1);
      }
  return NULL;
}

DkmsBlsEntry *
dkms_unified_image_entry (const DkmsUnifiedImage *self, const char *name, const char *path)
{
  /* The order of systemd-boot. */
  static const char *const titles[] = { "PRETTY_NAME", "IMAGE_ID", "NAME", "ID", NULL };
  static const char *const versions[] = { "IMAGE_VERSION", "VERSION", "VERSION_ID", "BUILD_ID", NULL };
  static const char *const keys[] = { "IMAGE_ID", "ID", NULL };
  const char *text = self->os_release != NULL ? self->os_release : "";
  DkmsBlsEntry *entry = dkms_bls_parse (name, "", NULL);
  char *title = value_of (text, titles);

  if (title != NULL)
    {
      g_free (entry->entry->title);
      entry->entry->title = title;
    }
  entry->version = value_of (text, versions);
  entry->sort_key = value_of (text, keys);
  entry->entry->kernel = g_strdup (path);
  entry->entry->cmdline = g_strdup (self->cmdline != NULL ? self->cmdline : "");
  g_ptr_array_add (entry->entry->initrds, g_strdup (path));
  return entry;
}
