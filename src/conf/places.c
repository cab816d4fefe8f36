/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The root and the directories of a run. */
#include "conf/places.h"

void
dkms_places_set (DkmsPlaces *self, char **field, const char *path)
{
  g_autofree char *full = g_canonicalize_filename (path, NULL);
  char *canonical = dkms_root_canonical (self->root, full);

  g_free (*field);
  *field = canonical != NULL ? canonical : g_steal_pointer (&full);
}

void
dkms_places_clear (DkmsPlaces *self)
{
  g_free (self->dkms_tree);
  g_free (self->source_tree);
  g_free (self->install_tree);
  g_free (self->tmp_location);
  dkms_root_free (self->root);
}
