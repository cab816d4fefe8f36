/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Identifiers as values: copies, comparison, and their form for people. */
#include "base/id.h"

DkmsId *
dkms_id_copy (const DkmsId *self)
{
  DkmsId *copy = g_new0 (DkmsId, 1);

  copy->module = g_strdup (self->module);
  copy->version = g_strdup (self->version);
  copy->kernel = g_strdup (self->kernel);
  copy->arch = g_strdup (self->arch);
  return copy;
}

void
dkms_id_clear (DkmsId *self)
{
  g_free ((char *)self->module);
  g_free ((char *)self->version);
  g_free ((char *)self->kernel);
  g_free ((char *)self->arch);
}

void
dkms_id_free (DkmsId *self)
{
  if (self == NULL)
    return;
  dkms_id_clear (self);
  g_free (self);
}

guint
dkms_id_hash (gconstpointer data)
{
  const DkmsId *self = data;
  const char *const parts[] = { self->module, self->version, self->kernel, self->arch };
  guint hash = 0;

  for (gsize i = 0; i < G_N_ELEMENTS (parts); i++)
    hash = hash * 31 + (parts[i] != NULL ? g_str_hash (parts[i]) : 0);
  return hash;
}

gboolean
dkms_id_equal (gconstpointer a, gconstpointer b)
{
  const DkmsId *x = a, *y = b;

  return g_strcmp0 (x->module, y->module) == 0 && g_strcmp0 (x->version, y->version) == 0
         && g_strcmp0 (x->kernel, y->kernel) == 0 && g_strcmp0 (x->arch, y->arch) == 0;
}

static gboolean
part_passes (const char *part, const char *filter)
{
  return filter == NULL || g_strcmp0 (part, filter) == 0;
}

gboolean
dkms_id_passes (const DkmsId *self, const DkmsId *filter)
{
  return part_passes (self->module, filter->module) && part_passes (self->version, filter->version)
         && part_passes (self->kernel, filter->kernel) && part_passes (self->arch, filter->arch);
}

glong
dkms_id_columns (const DkmsId *self)
{
  return g_utf8_strlen (self->module, -1) + 1 + (self->version != NULL ? g_utf8_strlen (self->version, -1) : 0);
}

const char *const dkms_module_suffixes[] = { "", ".gz", ".xz", ".zst", NULL };

const char *
dkms_module_suffix (const char *file)
{
  gsize length = strlen (file);

  for (const char *const *suffix = dkms_module_suffixes; *suffix != NULL; suffix++)
    {
      gsize end = strlen (*suffix), start = end + strlen (".ko");
      if (length >= start && strcmp (file + length - end, *suffix) == 0
          && strncmp (file + length - start, ".ko", 3) == 0)
        return file + length - end;
    }
  return NULL;
}

char *
dkms_id_format (const DkmsId *self)
{
  if (self->module == NULL || self->version == NULL)
    return g_strdup (self->module != NULL ? self->module : self->kernel);
  if (self->kernel == NULL)
    return g_strdup_printf ("%s/%s", self->module, self->version);
  return g_strdup_printf ("%s/%s, %s, %s", self->module, self->version, self->kernel, self->arch);
}
