/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks boot loaders in turn. */
#define _GNU_SOURCE
#include "machine/next-boot.h"

#include <string.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/unread.h"
#include "kernel/kernel.h"
#include "machine/bls.h"
#include "machine/efi.h"
#include "machine/extlinux.h"
#include "machine/grub.h"
#include "machine/unified-image.h"
#include "model/version.h"

enum { LARGEST_MENU = 1 << 20, VERSION_AT = 0x20e, MAGIC_AT = 0x202, HEAD = 64 << 10, MOST_RELEASE = 128 };

/* ---- files ---- */

/* Returns: (transfer full) (nullable): the text of @path. If it exists and cannot be read, it is the answer's
 * @unread */
static char *
read_menu (const DkmsRoot *root, const char *path, DkmsNextBoot *to)
{
  guint mark = dkms_unread_mark ();
  gboolean exists = dkms_root_is_file (root, path);
  char *text = exists ? dkms_root_read (root, path, LARGEST_MENU, NULL, NULL) : NULL;
  gboolean failed = dkms_unread_mark () > mark;

  dkms_unread_drop (mark);
  if (text == NULL && (exists || failed) && to->unread == NULL)
    to->unread = g_strdup (path);
  return text;
}

/* Returns: (transfer full) (nullable): the file that a menu calls @named, inside the root. Menus leave out the mount
 * point of the boot partition, or name the directory of a subvolume */
static char *
find_file (const DkmsRoot *root, const char *base, const char *named)
{
  const char *boot = strstr (named, "/boot/");
  const char *const bases[] = { base, "", "/boot", "/efi", "/boot/efi" };
  guint mark = dkms_unread_mark ();
  char *found = NULL;

  if (*named == '(') /* a device in GRUB's notation */
    named = strchrnul (named, ')') + (strchr (named, ')') != NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (bases) && found == NULL; i++)
    {
      g_autofree char *path = g_strconcat (bases[i], *named == '/' ? "" : "/", named, NULL);
      if (dkms_root_is_file (root, path))
        found = g_steal_pointer (&path);
    }
  if (found == NULL && boot != NULL && dkms_root_is_file (root, boot))
    found = g_strdup (boot);
  dkms_unread_drop (mark);
  return found;
}

/* Returns: (transfer full) (nullable): the release in the name of a kernel image */
static char *
release_in_name (const char *path)
{
  static const char *const prefixes[] = { "vmlinuz-", "vmlinux-", "kernel-", "Image-", "bzImage-" };
  g_autofree char *name = g_path_get_basename (path);

  for (gsize i = 0; i < G_N_ELEMENTS (prefixes); i++)
    if (g_str_has_prefix (name, prefixes[i]) && name[strlen (prefixes[i])] != '\0')
      return g_strdup (name + strlen (prefixes[i]));
  return NULL;
}

char *
dkms_image_release (const DkmsRoot *root, const char *path)
{
  g_auto (DkmsFd) fd = dkms_root_openat (root, path, DKMS_READ_FLAGS, 0);
  g_autofree guint8 *head = g_malloc0 (HEAD);
  gsize size = 0;
  ssize_t n;

  while (fd >= 0 && size < HEAD && (n = read (fd, head + size, HEAD - size)) > 0)
    size += (gsize)n;
  if (size > VERSION_AT + 2 && memcmp (head + MAGIC_AT, "HdrS", 4) == 0)
    {
      gsize at = (gsize)(head[VERSION_AT] | head[VERSION_AT + 1] << 8) + 0x200, length = 0;
      while (at + length < size && length < MOST_RELEASE && g_ascii_isgraph (head[at + length]))
        length++;
      if (length > 0 && length < MOST_RELEASE && at + length < size)
        return g_strndup ((const char *)head + at, length);
    }
  else if (size > 2 && memcmp (head, "MZ", 2) == 0)
    {
      g_autoptr (DkmsUnifiedImage) image = dkms_unified_image_read (root, path);
      if (image != NULL && image->release != NULL)
        return g_steal_pointer (&image->release);
    }
  return release_in_name (path);
}

/* ---- answers ---- */

/* What a boot loader says beside the entry. */
typedef struct {
  DkmsLoader loader;
  const char *base;    /* the directory that paths are relative to */
  const char *version; /* (nullable): the release, if the entry names it */
  gboolean certain;
} Answer;

/* Answers with @entry. */
static void
answer (const DkmsRoot *root, DkmsNextBoot *to, const DkmsBootEntry *entry, const Answer *with)
{
  guint mark = dkms_unread_mark ();

  to->loader = with->loader;
  to->confidence = with->certain ? DKMS_CONFIDENCE_CERTAIN : DKMS_CONFIDENCE_LIKELY;
  to->entry = g_strdup (entry->title);
  if (entry->kernel == NULL)
    return;
  to->named = g_strdup (entry->kernel);
  to->cmdline = g_strdup (entry->cmdline);
  to->kernel = find_file (root, with->base, entry->kernel);
  to->release = to->kernel != NULL ? dkms_image_release (root, to->kernel) : release_in_name (entry->kernel);
  if (to->release == NULL)
    to->release = g_strdup (with->version);
  for (guint i = 0; i < entry->initrds->len; i++)
    {
      char *path = find_file (root, with->base, entry->initrds->pdata[i]);
      if (path != NULL)
        g_ptr_array_add (to->initrds, path);
      else
        to->initrds_gone++;
    }
  dkms_unread_drop (mark);
}

/* ---- files of the Boot Loader Specification ---- */

/* Returns: (transfer full) (nullable): the names in @dir. If it cannot be read, it is the @unread of @answer */
static GPtrArray *
list_names (const DkmsRoot *root, const char *dir, DkmsNextBoot *answer)
{
  guint mark = dkms_unread_mark ();
  g_auto (DkmsFd) fd = dkms_root_openat (root, dir, O_RDONLY | O_DIRECTORY, 0);
  GPtrArray *names = fd >= 0 ? dkms_list_dir_at (fd, ".", NULL) : NULL;

  if (dkms_unread_mark () > mark && answer->unread == NULL)
    answer->unread = g_strdup (dir);
  dkms_unread_drop (mark);
  return names;
}

/* Adds the entries in @dir to @to. @variables: (nullable) */
static void
list_bls (const DkmsRoot *root, const char *dir, GHashTable *variables, GPtrArray *to, DkmsNextBoot *answer)
{
  g_autoptr (GPtrArray) names = list_names (root, dir, answer);

  for (guint i = 0; names != NULL && i < names->len; i++)
    {
      g_autofree char *path = g_build_filename (dir, names->pdata[i], NULL);
      g_autofree char *text = g_str_has_suffix (path, ".conf") ? read_menu (root, path, answer) : NULL;
      if (text != NULL)
        g_ptr_array_add (to, dkms_bls_parse (names->pdata[i], text, variables));
    }
}

/* Adds entries for the unified kernel images below @base to @to. */
static void
list_unified (const DkmsRoot *root, const char *base, GPtrArray *to, DkmsNextBoot *answer)
{
  static const char below[] = "/EFI/Linux";
  g_autofree char *dir = g_strconcat (base, below, NULL);
  g_autoptr (GPtrArray) names = list_names (root, dir, answer);

  for (guint i = 0; names != NULL && i < names->len; i++)
    {
      g_autofree char *path = g_build_filename (dir, names->pdata[i], NULL);
      g_autofree char *named = g_build_filename (below, names->pdata[i], NULL);
      g_autoptr (DkmsUnifiedImage) image
          = g_str_has_suffix (path, ".efi") ? dkms_unified_image_read (root, path) : NULL;
      if (image != NULL)
        g_ptr_array_add (to, dkms_unified_image_entry (image, names->pdata[i], named));
    }
}

/* @known: it booted the machine */
static gboolean
ask_systemd_boot (const DkmsRoot *root, DkmsNextBoot *to, gboolean known)
{
  static const char *const bases[] = { "/boot", "/efi", "/boot/efi" };
  g_autoptr (GPtrArray) entries = g_ptr_array_new_with_free_func ((GDestroyNotify)dkms_bls_entry_free);
  const char *base = NULL;
  g_autofree char *conf = NULL;
  g_autofree char *pattern = dkms_efi_read_text (root, "LoaderEntryOneShot", DKMS_EFI_LOADER);

  for (gsize i = 0; i < G_N_ELEMENTS (bases) && entries->len == 0; i++)
    {
      g_autofree char *dir = g_strconcat (bases[i], "/loader/entries", NULL);
      base = bases[i];
      list_bls (root, dir, NULL, entries, to);
      list_unified (root, base, entries, to);
    }
  for (gsize i = 0; i < G_N_ELEMENTS (bases) && conf == NULL; i++)
    {
      g_autofree char *path = g_strconcat (bases[i], "/loader/loader.conf", NULL);
      conf = read_menu (root, path, to);
      if (conf != NULL)
        to->menu = g_strdup (path);
    }
  if (entries->len == 0)
    {
      g_clear_pointer (&to->menu, g_free);
      return FALSE;
    }
  dkms_bls_sort (entries);
  if (pattern == NULL)
    pattern = dkms_efi_read_text (root, "LoaderEntryDefault", DKMS_EFI_LOADER);
  if (pattern == NULL && conf != NULL)
    pattern = dkms_bls_default (conf);
  if (g_strcmp0 (pattern, "@saved") == 0)
    {
      g_free (pattern);
      pattern = dkms_efi_read_text (root, "LoaderEntryLastBooted", DKMS_EFI_LOADER);
    }
  const DkmsBlsEntry *entry = pattern != NULL ? dkms_bls_find (entries, pattern) : NULL;
  gboolean certain = pattern == NULL || entry != NULL;
  if (entry == NULL)
    entry = entries->pdata[0];
  answer (root, to, entry->entry, &(const Answer){ DKMS_LOADER_SYSTEMD_BOOT, base, entry->version, certain && known });
  return TRUE;
}

/* ---- GRUB ---- */

/* Puts the entries of the Boot Loader Specification where the menu lists them. */
static void
add_bls (const DkmsRoot *root, DkmsGrubMenu *menu, GHashTable *environment, DkmsNextBoot *to)
{
  g_autoptr (GPtrArray) entries = g_ptr_array_new_with_free_func ((GDestroyNotify)dkms_bls_entry_free);

  list_bls (root, "/boot/loader/entries", environment, entries, to);
  dkms_bls_sort_for_grub (entries);
  for (guint i = 0; i < entries->len; i++)
    {
      DkmsBlsEntry *entry = entries->pdata[i];
      g_autofree char *id = g_steal_pointer (&entry->entry->id);
      entry->entry->id = g_strndup (id, strlen (id) - (g_str_has_suffix (id, ".conf") ? strlen (".conf") : 0));
      g_ptr_array_insert (menu->entries, (int)(menu->bls_at + i), g_steal_pointer (&entry->entry));
    }
}

static gboolean
ask_grub (const DkmsRoot *root, DkmsNextBoot *to)
{
  static const char *const directories[] = { "/boot/grub", "/boot/grub2" };
  gboolean efi = dkms_efi_is_there (root);

  for (gsize i = 0; i < G_N_ELEMENTS (directories); i++)
    {
      g_autofree char *path = g_strconcat (directories[i], "/grub.cfg", NULL);
      g_autofree char *block = g_strconcat (directories[i], "/grubenv", NULL);
      g_autofree char *text = read_menu (root, path, to);
      g_autofree char *variables = text != NULL ? read_menu (root, block, to) : NULL;
      g_autoptr (GHashTable) environment = variables != NULL ? dkms_grub_environment (variables) : NULL;
      g_autoptr (DkmsGrubMenu) menu = text != NULL ? dkms_grub_parse (text, environment, efi) : NULL;
      gboolean certain = TRUE;

      if (menu != NULL && menu->has_bls)
        add_bls (root, menu, environment, to);
      const DkmsBootEntry *entry = menu != NULL ? dkms_grub_choose (menu, &certain) : NULL;
      if (entry == NULL)
        continue;
      to->menu = g_strdup (path);
      answer (root, to, entry,
              &(const Answer){ DKMS_LOADER_GRUB, "/boot", NULL, certain && to->unread == NULL && !menu->has_bls });
      return TRUE;
    }
  return FALSE;
}

/* ---- others ---- */

static gboolean
ask_extlinux (const DkmsRoot *root, DkmsNextBoot *to)
{
  static const char *const paths[] = { "/boot/extlinux/extlinux.conf", "/boot/extlinux.conf" };

  for (gsize i = 0; i < G_N_ELEMENTS (paths); i++)
    {
      g_autofree char *text = read_menu (root, paths[i], to);
      const DkmsBootEntry *chosen = NULL;
      g_autoptr (GPtrArray) entries = text != NULL ? dkms_extlinux_parse (text, &chosen) : NULL;
      g_autofree char *base = g_path_get_dirname (paths[i]);

      if (entries == NULL || chosen == NULL)
        continue;
      to->menu = g_strdup (paths[i]);
      answer (root, to, chosen, &(const Answer){ DKMS_LOADER_EXTLINUX, base, NULL, FALSE });
      return TRUE;
    }
  return FALSE;
}

/* Takes the newest kernel that has an image in /boot and modules. */
static void
take_newest (const DkmsRoot *root, const char *install_tree, DkmsNextBoot *to)
{
  g_autoptr (GPtrArray) releases = dkms_kernel_list (root, install_tree, FALSE);

  g_ptr_array_sort (releases, dkms_version_compare_names);
  for (guint i = releases->len; i > 0 && to->release == NULL; i--)
    {
      const char *release = releases->pdata[i - 1];
      g_autofree char *image = g_strconcat ("/boot/vmlinuz-", release, NULL);
      g_autofree char *initrd = g_strconcat ("/boot/initrd.img-", release, NULL);

      if (!dkms_root_is_file (root, image))
        continue;
      to->release = g_strdup (release);
      to->kernel = g_steal_pointer (&image);
      to->named = g_strdup (to->kernel);
      if (dkms_root_is_file (root, initrd))
        g_ptr_array_add (to->initrds, g_steal_pointer (&initrd));
    }
}

static gboolean
is_one (const DkmsRoot *root, const char *path)
{
  g_autofree char *text = dkms_root_read (root, path, 16, NULL, NULL);

  return text != NULL && *text == '1';
}

DkmsNextBoot *
dkms_next_boot_find (const DkmsRoot *root, const char *install_tree)
{
  DkmsNextBoot *self = g_new0 (DkmsNextBoot, 1);
  guint mark = dkms_unread_mark ();
  g_autofree char *loader = dkms_efi_read_text (root, "LoaderInfo", DKMS_EFI_LOADER);
  g_autoptr (GBytes) boot_next = dkms_efi_read (root, "BootNext", DKMS_EFI_GLOBAL);

  self->initrds = g_ptr_array_new_with_free_func (g_free);
  self->kexec = is_one (root, "/sys/kernel/kexec_loaded");
  self->boot_next = boot_next != NULL;
  if (!(loader != NULL && g_str_has_prefix (loader, "systemd-boot") && ask_systemd_boot (root, self, TRUE))
      && !ask_grub (root, self) && !ask_systemd_boot (root, self, FALSE) && !ask_extlinux (root, self))
    take_newest (root, install_tree, self);
  dkms_unread_drop (mark);
  return self;
}

const char *
dkms_loader_name (DkmsLoader loader)
{
  static const char *const names[] = { "unknown", "grub", "systemd-boot", "extlinux" };

  return names[loader];
}

void
dkms_next_boot_free (DkmsNextBoot *self)
{
  if (self == NULL)
    return;
  g_free (self->menu);
  g_free (self->entry);
  g_free (self->release);
  g_free (self->kernel);
  g_free (self->named);
  g_ptr_array_unref (self->initrds);
  g_free (self->cmdline);
  g_free (self->unread);
  g_free (self);
}
