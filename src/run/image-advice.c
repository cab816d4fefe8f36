/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compares modules that were signed again with their copies in boot images. */
#include "run/image-advice.h"

#include <string.h>

#include "base/error.h"
#include "store/layout.h"
#include "verify/boot-image.h"

enum { NAMES_SHOWN = 4 };

static void
advise (const DkmsSettings *settings, DkmsListener *events, const char *release, const GPtrArray *paths)
{
  g_autoptr (DkmsBootImages) images = dkms_boot_images_read (settings, release, NULL);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  const char *outdated = NULL;

  if (images->paths->len == 0 || images->unread != NULL)
    return;
  for (guint i = 0; i < paths->len; i++)
    {
      g_autofree char *of = dkms_layout_kernel_of (&settings->places, paths->pdata[i]);
      g_autofree char *name = dkms_module_name_of (paths->pdata[i]);
      const DkmsImageQuestion question = { .name = name, .path = paths->pdata[i] };
      const char *image = g_strcmp0 (of, release) == 0 ? dkms_boot_images_other (images, settings, &question) : NULL;
      if (image == NULL)
        continue;
      outdated = image;
      g_ptr_array_add (names, g_steal_pointer (&name));
    }
  if (names->len == 0)
    return;
  g_autofree char *list = dkms_list_names ((const char *const *)names->pdata, names->len, NAMES_SHOWN);
  g_autofree char *command = dkms_boot_images_command (images);
  DKMS_EMIT (events, IMAGE_OUTDATED, .id = { .kernel = release }, .path = outdated, .name = list, .text = command);
}

void
dkms_image_advice (const DkmsSettings *settings, DkmsListener *events, const GPtrArray *paths)
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (guint i = 0; i < paths->len; i++)
    {
      char *release = dkms_layout_kernel_of (&settings->places, paths->pdata[i]);
      if (release != NULL && g_hash_table_add (seen, release))
        advise (settings, events, release, paths);
    }
}
