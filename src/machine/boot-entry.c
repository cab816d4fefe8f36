/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Creates and frees entries of boot menus. */
#include "machine/boot-entry.h"

DkmsBootEntry *
dkms_boot_entry_new (char *title)
{
  DkmsBootEntry *self = g_new0 (DkmsBootEntry, 1);

  self->title = title;
  self->initrds = g_ptr_array_new_with_free_func (g_free);
  return self;
}

void
dkms_boot_entry_free (DkmsBootEntry *self)
{
  if (self == NULL)
    return;
  g_free (self->title);
  g_free (self->id);
  g_free (self->kernel);
  g_free (self->cmdline);
  g_ptr_array_unref (self->initrds);
  g_clear_pointer (&self->entries, g_ptr_array_unref);
  g_free (self);
}

GPtrArray *
dkms_boot_entries_new (void)
{
  return g_ptr_array_new_with_free_func ((GDestroyNotify)dkms_boot_entry_free);
}
