/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A request as a value. */
#include "model/request.h"

#include <string.h>

GPtrArray *
dkms_targets_new (void)
{
  return g_ptr_array_new_with_free_func ((GDestroyNotify)dkms_id_free);
}

void
dkms_targets_add (GPtrArray *targets, const DkmsId *kernel)
{
  g_ptr_array_add (targets, dkms_id_copy (&(DkmsId){ .kernel = kernel->kernel, .arch = kernel->arch }));
}

gboolean
dkms_targets_contain (const GPtrArray *targets, const DkmsId *kernel)
{
  for (guint i = 0; i < targets->len; i++)
    {
      const DkmsId *target = targets->pdata[i];
      if (strcmp (target->kernel, kernel->kernel) == 0 && strcmp (target->arch, kernel->arch) == 0)
        return TRUE;
    }
  return FALSE;
}

gboolean
dkms_targets_pass (const GPtrArray *targets, const DkmsId *id)
{
  for (guint i = 0; i < targets->len; i++)
    if (dkms_id_passes (id, targets->pdata[i]))
      return TRUE;
  return targets->len == 0;
}

DkmsRequest *
dkms_request_new (void)
{
  DkmsRequest *self = g_new0 (DkmsRequest, 1);

  self->targets = dkms_targets_new ();
  self->directives = g_ptr_array_new_with_free_func (g_free);
  self->headers = g_ptr_array_new_with_free_func (g_free);
  self->sources = g_ptr_array_new_with_free_func ((GDestroyNotify)dkms_request_free);
  self->roots = g_ptr_array_new_with_free_func (g_free);
  self->trees = g_ptr_array_new_with_free_func (g_free);
  return self;
}

void
dkms_request_free (DkmsRequest *self)
{
  if (self == NULL)
    return;
  g_free (self->module);
  g_free (self->version);
  g_free (self->source);
  g_free (self->archive);
  g_free (self->output);
  g_free (self->metrics);
  g_free (self->template);
  g_free (self->action);
  g_free (self->part);
  g_free (self->kernel_source);
  g_free (self->kernel_config);
  g_free (self->conf_file);
  g_free (self->hook);
  g_free (self->repair);
  g_free (self->undo);
  g_free (self->format);
  g_free (self->shards);
  g_free (self->shard);
  g_free (self->durations);
  g_free (self->merge);
  g_free (self->job);
  g_clear_pointer (&self->only, g_hash_table_unref);
  g_ptr_array_unref (self->sources);
  g_ptr_array_unref (self->roots);
  g_ptr_array_unref (self->trees);
  g_ptr_array_unref (self->directives);
  g_ptr_array_unref (self->headers);
  g_ptr_array_unref (self->targets);
  g_free (self);
}

const char *
dkms_request_word (const DkmsRequest *self)
{
  return self->module != NULL && *self->module != '\0' ? self->module : self->archive;
}

gboolean
dkms_request_clears_kernel (const DkmsRequest *self)
{
  return self->selection == DKMS_SELECT_BUILT || self->selection == DKMS_SELECT_RETURNING;
}

gboolean
dkms_request_is_about_many (const DkmsRequest *self)
{
  return self->selection != DKMS_SELECT_ONE;
}
