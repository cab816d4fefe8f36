/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Searches for boot images at the places of Debian, Fedora, SUSE, Arch, Alpine, systemd's kernel-install and dracut. */
#include "verify/image-place.h"

#include <string.h>

#include "base/fd.h"
#include "base/file.h"
#include "machine/unified-image.h"
#include "verify/kernel-places.h"

enum { LARGEST_TEXT = 64 << 10 };

/* Mount points of the EFI system partition, and of the boot partition. */
static const char *const boots[] = { "/boot", "/efi", "/boot/efi" };

DkmsImageTool
dkms_image_tool_find (const DkmsRoot *root)
{
  static const struct {
    DkmsImageTool tool;
    const char *path, *with; /* (nullable): another file of the same package */
  } tools[] = { { DKMS_IMAGE_TOOL_INITRAMFS_TOOLS, "/usr/sbin/update-initramfs", "/usr/sbin/mkinitramfs" },
                { DKMS_IMAGE_TOOL_DRACUT, "/usr/bin/dracut", NULL },
                { DKMS_IMAGE_TOOL_DRACUT, "/usr/sbin/dracut", NULL },
                { DKMS_IMAGE_TOOL_BOOSTER, "/usr/bin/booster", NULL },
                { DKMS_IMAGE_TOOL_MKINITCPIO, "/usr/bin/mkinitcpio", NULL },
                { DKMS_IMAGE_TOOL_MKINITFS, "/sbin/mkinitfs", NULL } };

  for (gsize i = 0; i < G_N_ELEMENTS (tools); i++)
    if (dkms_root_is_file (root, tools[i].path) && (tools[i].with == NULL || dkms_root_is_file (root, tools[i].with)))
      return tools[i].tool;
  return DKMS_IMAGE_TOOL_NONE;
}

/* Adds @path (transfer full) if it is a file. Returns: whether it is */
static gboolean
add (const DkmsRoot *root, char *path, GPtrArray *to)
{
  gboolean is_file = dkms_root_is_file (root, path);

  if (is_file)
    g_ptr_array_add (to, path);
  else
    g_free (path);
  return is_file;
}

/* Returns: (transfer full) (nullable): the value of @name in the preset @text, of mkinitcpio: a literal path */
static char *
preset_value (const char *text, const char *name)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  gsize length = strlen (name);
  char *found = NULL;

  for (char **line = lines; *line != NULL; line++)
    if (strncmp (*line, name, length) == 0 && (*line)[length] == '=')
      {
        g_autofree char *value = g_shell_unquote (g_strchomp (*line + length + 1), NULL);
        if (value == NULL || *value != '/' || strchr (value, '$') != NULL)
          continue;
        g_free (found);
        found = g_steal_pointer (&value);
      }
  return found;
}

/* Arch: the name of the kernel's package is in its directory. */
static gboolean
add_of_package (const DkmsRoot *root, const char *package, DkmsImageTool tool, GPtrArray *to)
{
  static const char *const names[] = { "default_image", "default_uki", "default_efi_image" };
  g_autofree char *path = g_strdup_printf ("/etc/mkinitcpio.d/%s.preset", package);
  g_autofree char *preset = tool == DKMS_IMAGE_TOOL_MKINITCPIO && dkms_root_is_file (root, path)
                                ? dkms_root_read (root, path, LARGEST_TEXT, NULL, NULL)
                                : NULL;

  for (gsize i = 0; preset != NULL && i < G_N_ELEMENTS (names); i++)
    {
      char *value = preset_value (preset, names[i]);
      if (value != NULL && add (root, value, to))
        return TRUE;
    }
  return (tool == DKMS_IMAGE_TOOL_BOOSTER && add (root, g_strdup_printf ("/boot/booster-%s.img", package), to))
         || add (root, g_strdup_printf ("/boot/initramfs-%s.img", package), to)
         || add (root, g_strdup_printf ("/boot/booster-%s.img", package), to);
}

/* kernel-install: BOOT/TOKEN/RELEASE/initrd, and others beginning with that name. */
static gboolean
add_of_token (const DkmsRoot *root, const char *token, const char *release, GPtrArray *to)
{
  for (gsize i = 0; token != NULL && i < G_N_ELEMENTS (boots); i++)
    {
      g_autofree char *path = g_strdup_printf ("%s/%s/%s", boots[i], token, release);
      g_auto (DkmsFd) fd = dkms_root_openat (root, path, O_RDONLY | O_DIRECTORY, 0);
      g_autoptr (GPtrArray) names = fd >= 0 ? dkms_list_dir_at (fd, ".", NULL) : NULL;

      for (guint k = 0; names != NULL && k < names->len; k++)
        if (g_str_has_prefix (names->pdata[k], "initrd"))
          (void)add (root, g_build_filename (path, names->pdata[k], NULL), to);
      if (to->len > 0)
        return TRUE;
    }
  return FALSE;
}

static gboolean
add_unified (const DkmsRoot *root, const char *release, GPtrArray *to)
{
  for (gsize i = 0; i < G_N_ELEMENTS (boots); i++)
    {
      g_autofree char *dir = g_build_filename (boots[i], "EFI/Linux", NULL);
      g_auto (DkmsFd) fd = dkms_root_openat (root, dir, O_RDONLY | O_DIRECTORY, 0);
      g_autoptr (GPtrArray) names = fd >= 0 ? dkms_list_dir_at (fd, ".", NULL) : NULL;

      for (guint k = 0; names != NULL && k < names->len; k++)
        {
          g_autofree char *path = g_build_filename (dir, names->pdata[k], NULL);
          g_autoptr (DkmsUnifiedImage) image
              = g_str_has_suffix (path, ".efi") ? dkms_unified_image_read (root, path) : NULL;
          if (image != NULL && g_strcmp0 (image->release, release) == 0)
            return add (root, g_steal_pointer (&path), to);
        }
    }
  return FALSE;
}

GPtrArray *
dkms_image_places (const DkmsPlaces *places, const char *release, DkmsImageTool tool)
{
  static const char *const forms[] = { "/boot/initrd.img-%s", "/boot/initramfs-%s.img", "/boot/initrd-%s" };
  const DkmsRoot *root = places->root;
  GPtrArray *found = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *dir = g_build_filename (places->install_tree, release, NULL);
  g_autofree char *package_file = g_build_filename (dir, "pkgbase", NULL);
  g_autofree char *package = dkms_read_name (root, package_file);
  g_autofree char *token = dkms_read_name (root, "/etc/kernel/entry-token");
  g_autofree char *machine = dkms_read_name (root, "/etc/machine-id");
  const char *dash = strrchr (release, '-');

  for (gsize i = 0; i < G_N_ELEMENTS (forms); i++)
    {
      const char *at = strstr (forms[i], "%s");
      if (add (root, g_strdup_printf ("%.*s%s%s", (int)(at - forms[i]), forms[i], release, at + 2), found))
        return found;
    }
  if (package != NULL && add_of_package (root, package, tool, found))
    return found;
  if (tool == DKMS_IMAGE_TOOL_MKINITFS && dash != NULL
      && add (root, g_strconcat ("/boot/initramfs", dash, NULL), found)) /* Alpine: the flavour of the kernel */
    return found;
  if (add_of_token (root, token, release, found) || add_of_token (root, machine, release, found)
      || add_unified (root, release, found))
    return found;
  (void)add (root, g_build_filename (dir, "initrd", NULL), found);
  return found;
}

char *
dkms_image_kernel_install (const DkmsPlaces *places, const char *release)
{
  static const char *const files[] = { "/etc/kernel/install.conf", "/usr/lib/kernel/install.conf" };
  const DkmsRoot *root = places->root;
  g_autofree char *text = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (files) && text == NULL; i++)
    if (dkms_root_is_file (root, files[i]))
      text = dkms_root_read (root, files[i], LARGEST_TEXT, NULL, NULL);
  g_auto (GStrv) lines = g_strsplit (text != NULL ? text : "", "\n", -1);
  if (!g_strv_contains ((const char *const *)lines, "layout=uki")
      || !dkms_root_is_file (root, "/usr/bin/kernel-install"))
    return NULL;
  char *own = g_build_filename (places->install_tree, release, "vmlinuz", NULL);
  if (dkms_root_is_file (root, own))
    return own;
  g_free (own);
  char *path = g_strconcat ("/boot/vmlinuz-", release, NULL);
  return dkms_root_is_file (root, path) ? path : (g_free (path), NULL);
}
