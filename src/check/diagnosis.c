/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The reason of a failed build, as a value. */
#include "check/diagnosis.h"

#include <string.h>

static void
cause_free (gpointer data)
{
  DkmsCause *self = data;

  g_free (self->line);
  g_free (self->name);
  g_free (self->file);
  g_free (self);
}

DkmsCause *
dkms_cause_new (const char *id, const char *line, const char *name)
{
  DkmsCause *self = g_new0 (DkmsCause, 1);
  g_auto (GStrv) parts = line != NULL ? g_strsplit (line, ":", 3) : NULL;

  self->info = dkms_cause_find (id);
  self->line = g_strdup (line);
  self->name = g_strdup (name);
  if (parts != NULL && g_strv_length (parts) == 3 && strpbrk (parts[0], " '\"") == NULL && g_ascii_isdigit (*parts[1])
      && strspn (parts[1], "0123456789") == strlen (parts[1]))
    {
      self->file = g_strdup (parts[0]);
      self->line_number = (guint)g_ascii_strtoull (parts[1], NULL, 10);
    }
  return self;
}

DkmsDiagnosis *
dkms_diagnosis_new (void)
{
  DkmsDiagnosis *self = g_new0 (DkmsDiagnosis, 1);

  self->causes = g_ptr_array_new_with_free_func (cause_free);
  return self;
}

void
dkms_diagnosis_free (DkmsDiagnosis *self)
{
  if (self == NULL)
    return;
  g_ptr_array_unref (self->causes);
  g_free (self->first_error);
  g_free (self->tail);
  g_free (self->section);
  g_free (self->kernel_compiler);
  g_free (self);
}

void
dkms_diagnosis_add (DkmsDiagnosis *self, const char *id, const char *name)
{
  const DkmsCause *best = dkms_diagnosis_cause (self);

  if (best != NULL && strcmp (best->info->id, "unknown") == 0)
    g_ptr_array_remove_index (self->causes, 0);
  g_ptr_array_insert (self->causes, 0, dkms_cause_new (id, NULL, name));
}

const DkmsCause *
dkms_diagnosis_cause (const DkmsDiagnosis *self)
{
  return self->causes->len > 0 ? self->causes->pdata[0] : NULL;
}
