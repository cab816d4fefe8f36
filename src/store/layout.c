/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Paths of the tree. */
#include "store/layout.h"

#include <string.h>

char *
dkms_layout_module (const DkmsPlaces *places, const DkmsId *id)
{
  return g_build_filename (places->dkms_tree, id->module, NULL);
}

char *
dkms_layout_version (const DkmsPlaces *places, const DkmsId *id, const char *name)
{
  return g_build_filename (places->dkms_tree, id->module, id->version, name, NULL);
}

char *
dkms_layout_source (const DkmsPlaces *places, const DkmsId *id, const char *name)
{
  return g_build_filename (places->dkms_tree, id->module, id->version, "source", name, NULL);
}

char *
dkms_layout_unpacked (const DkmsPlaces *places, const DkmsId *id)
{
  return g_strdup_printf ("%s/%s-%s", places->source_tree, id->module, id->version);
}

char *
dkms_layout_build (const DkmsPlaces *places, const DkmsId *id, const char *name)
{
  return g_strjoin ("/", places->dkms_tree, id->module, id->version, id->kernel, id->arch, name, NULL);
}

char *
dkms_layout_installed (const DkmsPlaces *places, const char *kernel, const char *location, const char *file)
{
  return g_strconcat (places->install_tree, "/", kernel, location, "/", file, NULL);
}

char *
dkms_layout_kernel_of (const DkmsPlaces *places, const char *path)
{
  const char *below = g_str_has_prefix (path, places->install_tree) ? path + strlen (places->install_tree) : "";

  return *below == '/' && below[1] != '\0' ? g_strndup (below + 1, strcspn (below + 1, "/")) : NULL;
}

char *
dkms_layout_link (const DkmsPlaces *places, const DkmsId *id)
{
  g_autofree char *name = g_strdup_printf ("kernel-%s-%s", id->kernel, id->arch);

  return g_build_filename (places->dkms_tree, id->module, name, NULL);
}

char *
dkms_layout_originals (const DkmsPlaces *places, const DkmsId *id)
{
  return g_build_filename (places->dkms_tree, id->module, "original_module", id->kernel, id->arch, NULL);
}

char *
dkms_layout_logs (const DkmsPlaces *places, const DkmsId *id)
{
  return g_build_filename (places->dkms_tree, ".dkms", "logs", id->module, id->version, id->kernel, id->arch, NULL);
}

char *
dkms_layout_own (const DkmsPlaces *places, const char *name, const char *in)
{
  return g_build_filename (places->dkms_tree, ".dkms", name, in, NULL);
}

char *
dkms_layout_post_log (const DkmsPlaces *places)
{
  return g_build_filename (places->dkms_tree, "post_transaction.log", NULL);
}
