/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads the configuration of the programs that make boot images, the index of modules, and /sys.
 *
 * Sources: initramfs-tools 0.142 (mkinitramfs, hook-functions), dracut 059 (dracut.sh), mkinitcpio.conf(5), booster(1),
 * and mkinitfs 3.11. */
#define _GNU_SOURCE
#include "verify/image-wishes.h"

#include <fnmatch.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/unread.h"
#include "check/boot-image.h"
#include "check/modprobe-line.h"
#include "check/shell-list.h"

enum { LARGEST_FILE = 1 << 20, LARGEST_INDEX = 64 << 20, MOST_DEPTH = 8 };

GHashTable *
dkms_image_wishes_new (void)
{
  return g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
}

/* @name: of a module, with '-' or '_', or of its file */
static void
wish (GHashTable *to, const char *name, const char *by)
{
  g_autofree char *plain = dkms_module_name_of (name);

  if (*plain != '\0' && !g_hash_table_contains (to, plain))
    g_hash_table_insert (to, g_steal_pointer (&plain), g_strdup (by));
}

static char *
read_text (const DkmsRoot *root, const char *path)
{
  return dkms_root_is_file (root, path) ? dkms_root_read (root, path, LARGEST_FILE, NULL, NULL) : NULL;
}

static GPtrArray *
list_names (const DkmsRoot *root, const char *dir)
{
  g_auto (DkmsFd) fd = dkms_root_openat (root, dir, O_RDONLY | O_DIRECTORY, 0);
  GPtrArray *names = fd >= 0 ? dkms_list_dir_at (fd, ".", NULL) : NULL;

  return names != NULL ? names : g_ptr_array_new_with_free_func (g_free);
}

/* ---- the index ---- */

struct DkmsModuleIndex {
  GPtrArray *paths;    /* (element-type utf8): of modules, below the directory of the kernel */
  GHashTable *needs;   /* (element-type utf8 GStrv): names -> paths of the modules that they need */
  GPtrArray *softdeps; /* (element-type DkmsModprobeLine) */
};

DkmsModuleIndex *
dkms_module_index_read (const DkmsPlaces *places, const char *release)
{
  DkmsModuleIndex *self = g_new0 (DkmsModuleIndex, 1);
  g_autofree char *dir = g_build_filename (places->install_tree, release, NULL);
  g_autofree char *dep = g_build_filename (dir, "modules.dep", NULL);
  g_autofree char *softdep = g_build_filename (dir, "modules.softdep", NULL);
  g_autofree char *text
      = dkms_root_is_file (places->root, dep) ? dkms_root_read (places->root, dep, LARGEST_INDEX, NULL, NULL) : NULL;
  g_autofree char *softdeps = read_text (places->root, softdep);
  g_auto (GStrv) lines = g_strsplit (text != NULL ? text : "", "\n", -1);

  self->paths = g_ptr_array_new_with_free_func (g_free);
  self->needs = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_strfreev);
  self->softdeps = dkms_modprobe_lines_new ();
  if (softdeps != NULL)
    dkms_modprobe_lines_parse (self->softdeps, softdep, softdeps);
  for (char **line = lines; *line != NULL; line++)
    {
      char *colon = strchr (*line, ':');
      if (colon == NULL)
        continue;
      *colon = '\0';
      g_ptr_array_add (self->paths, g_strdup (*line));
      if (strspn (colon + 1, " ") < strlen (colon + 1))
        g_hash_table_replace (self->needs, dkms_module_name_of (*line), g_strsplit (g_strstrip (colon + 1), " ", -1));
    }
  return self;
}

void
dkms_module_index_free (DkmsModuleIndex *self)
{
  if (self == NULL)
    return;
  g_ptr_array_unref (self->paths);
  g_hash_table_unref (self->needs);
  g_ptr_array_unref (self->softdeps);
  g_free (self);
}

void
dkms_image_wishes_needed (GHashTable *to, const DkmsModuleIndex *index, const GPtrArray *names)
{
  g_autoptr (GHashTable) known = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; i < names->len; i++)
    {
      char **needs = g_hash_table_lookup (index->needs, names->pdata[i]);
      g_hash_table_add (known, names->pdata[i]);
      for (; needs != NULL && *needs != NULL; needs++)
        wish (to, *needs, names->pdata[i]);
    }
  for (guint i = 0; i < index->softdeps->len; i++)
    {
      const DkmsModprobeLine *line = index->softdeps->pdata[i];
      g_auto (GStrv) others = dkms_softdep_names (line->rest);
      for (char **other = others; g_hash_table_contains (known, line->name) && *other != NULL; other++)
        wish (to, *other, line->name);
    }
}

/* ---- configuration ---- */

/* Lines "MODULE [OPTIONS]". */
static void
read_module_list (GHashTable *to, const DkmsRoot *root, const char *path)
{
  g_autofree char *text = read_text (root, path);
  g_auto (GStrv) lines = g_strsplit (text != NULL ? text : "", "\n", -1);

  for (char **line = lines; *line != NULL; line++)
    {
      const char *word = *line + strspn (*line, " \t");
      g_autofree char *name = g_strndup (word, strcspn (word, " \t\r"));
      if (*name != '#' && *name != '\0')
        wish (to, name, path);
    }
}

static void
of_initramfs_tools (GHashTable *to, const DkmsRoot *root)
{
  static const char dir[] = "/usr/share/initramfs-tools/modules.d";
  g_autoptr (GPtrArray) names = list_names (root, dir);

  read_module_list (to, root, "/etc/initramfs-tools/modules");
  for (guint i = 0; i < names->len; i++)
    {
      g_autofree char *path = g_build_filename (dir, names->pdata[i], NULL);
      read_module_list (to, root, path);
    }
}

/* Returns: (transfer full): @first, and the files with @suffix in @dirs, ended by NULL, in the order of their names. A
 * file hides those of the same name in later directories */
static GPtrArray *
drop_ins (const DkmsRoot *root, const char *first, const char *const *dirs, const char *suffix)
{
  GPtrArray *paths = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GHashTable) known = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_autoptr (GPtrArray) all = g_ptr_array_new ();

  g_ptr_array_add (paths, g_strdup (first));
  for (; *dirs != NULL; dirs++)
    {
      g_autoptr (GPtrArray) names = list_names (root, *dirs);
      for (guint i = 0; i < names->len; i++)
        if (g_str_has_suffix (names->pdata[i], suffix) && !g_hash_table_contains (known, names->pdata[i]))
          {
            char *name = g_strdup (names->pdata[i]);
            g_hash_table_insert (known, name, g_build_filename (*dirs, name, NULL));
            g_ptr_array_add (all, name);
          }
    }
  g_ptr_array_sort (all, dkms_compare_names);
  for (guint i = 0; i < all->len; i++)
    g_ptr_array_add (paths, g_strdup (g_hash_table_lookup (known, all->pdata[i])));
  return paths;
}

/* Adds the words of the variable @name in @files, the later of which may replace those of the earlier ones. */
static void
read_variable (GHashTable *to, const DkmsRoot *root, const GPtrArray *files, const char *name)
{
  g_autoptr (GPtrArray) words = g_ptr_array_new_with_free_func (g_free);
  const char *last = NULL;

  for (guint i = 0; i < files->len; i++)
    {
      g_autofree char *text = read_text (root, files->pdata[i]);
      guint before = words->len;
      if (text != NULL)
        dkms_shell_list_read (text, name, words);
      if (words->len != before)
        last = files->pdata[i];
    }
  for (guint i = 0; i < words->len; i++)
    {
      char *word = words->pdata[i];
      if (g_str_has_suffix (word, "?")) /* mkinitcpio: if it exists */
        word[strlen (word) - 1] = '\0';
      wish (to, word, last != NULL ? last : files->pdata[0]);
    }
}

static void
of_dracut (GHashTable *to, const DkmsRoot *root)
{
  static const char *const dirs[] = { "/etc/dracut.conf.d", "/usr/lib/dracut/dracut.conf.d", NULL };
  g_autoptr (GPtrArray) files = drop_ins (root, "/etc/dracut.conf", dirs, ".conf");

  read_variable (to, root, files, "add_drivers");
  read_variable (to, root, files, "force_drivers");
}

static GPtrArray *
mkinitcpio_files (const DkmsRoot *root)
{
  static const char *const dirs[] = { "/etc/mkinitcpio.conf.d", NULL };

  return drop_ins (root, "/etc/mkinitcpio.conf", dirs, ".conf");
}

/* Lines "modules: NAME,PATH,-NAME" and "modules_force_load: NAME". */
static void
of_booster (GHashTable *to, const DkmsRoot *root)
{
  static const char *const keys[] = { "modules:", "modules_force_load:" };
  static const char path[] = "/etc/booster.yaml";
  g_autofree char *text = read_text (root, path);
  g_auto (GStrv) lines = g_strsplit (text != NULL ? text : "", "\n", -1);

  for (char **line = lines; *line != NULL; line++)
    for (gsize i = 0; i < G_N_ELEMENTS (keys); i++)
      {
        g_auto (GStrv) words
            = g_str_has_prefix (*line, keys[i]) ? g_strsplit (*line + strlen (keys[i]), ",", -1) : NULL;
        for (char **word = words; word != NULL && *word != NULL; word++)
          if (*g_strstrip (*word) != '-' && strchr (*word, '*') == NULL && !g_str_has_suffix (*word, "/"))
            wish (to, *word, path);
      }
}

/* Returns: (transfer full): the enabled features of mkinitfs */
static GPtrArray *
mkinitfs_features (const DkmsRoot *root)
{
  GPtrArray *features = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *text = read_text (root, "/etc/mkinitfs/mkinitfs.conf");

  if (text != NULL)
    dkms_shell_list_read (text, "features", features);
  return features;
}

/* Lines with globs of paths below the directory of the kernel. */
static void
of_mkinitfs (GHashTable *to, const DkmsRoot *root, const DkmsModuleIndex *index)
{
  g_autoptr (GPtrArray) features = mkinitfs_features (root);

  for (guint i = 0; i < features->len; i++)
    {
      g_autofree char *path = g_strdup_printf ("/etc/mkinitfs/features.d/%s.modules", (char *)features->pdata[i]);
      g_autofree char *text = strchr (features->pdata[i], '/') == NULL ? read_text (root, path) : NULL;
      g_auto (GStrv) lines = g_strsplit (text != NULL ? text : "", "\n", -1);

      for (char **line = lines; *line != NULL; line++)
        {
          gsize length = strlen (g_strstrip (*line));
          for (guint k = 0; length > 0 && **line != '#' && k < index->paths->len; k++)
            {
              const char *module = index->paths->pdata[k];
              if (fnmatch (*line, module, FNM_PATHNAME) == 0
                  || (strncmp (module, *line, length) == 0 && module[length] == '/'))
                wish (to, module, path);
            }
        }
    }
}

void
dkms_image_wishes_configured (GHashTable *to, const DkmsRoot *root, DkmsImageTool tool, const DkmsModuleIndex *index)
{
  g_autoptr (GPtrArray) files = NULL;

  switch (tool)
    {
    case DKMS_IMAGE_TOOL_INITRAMFS_TOOLS:
      of_initramfs_tools (to, root);
      break;
    case DKMS_IMAGE_TOOL_DRACUT:
      of_dracut (to, root);
      break;
    case DKMS_IMAGE_TOOL_MKINITCPIO:
      files = mkinitcpio_files (root);
      read_variable (to, root, files, "MODULES");
      break;
    case DKMS_IMAGE_TOOL_BOOSTER:
      of_booster (to, root);
      break;
    case DKMS_IMAGE_TOOL_MKINITFS:
      of_mkinitfs (to, root, index);
      break;
    default:
      break;
    }
}

void
dkms_image_wishes_hooks (GHashTable *to, const DkmsRoot *root, DkmsImageTool tool)
{
  static const char *const dirs[] = { "/etc/initramfs-tools/hooks", "/usr/share/initramfs-tools/hooks" };

  for (gsize i = 0; tool == DKMS_IMAGE_TOOL_INITRAMFS_TOOLS && i < G_N_ELEMENTS (dirs); i++)
    {
      g_autoptr (GPtrArray) names = list_names (root, dirs[i]);
      for (guint k = 0; k < names->len; k++)
        {
          g_autofree char *path = g_build_filename (dirs[i], names->pdata[k], NULL);
          wish (to, names->pdata[k], path);
        }
    }
  if (tool == DKMS_IMAGE_TOOL_MKINITCPIO)
    {
      g_autoptr (GPtrArray) files = mkinitcpio_files (root);
      read_variable (to, root, files, "HOOKS");
    }
  if (tool == DKMS_IMAGE_TOOL_MKINITFS)
    {
      g_autoptr (GPtrArray) features = mkinitfs_features (root);
      for (guint i = 0; i < features->len; i++)
        wish (to, features->pdata[i], "/etc/mkinitfs/mkinitfs.conf");
    }
}

/* ---- places ---- */

gboolean
dkms_image_wishes_place (const DkmsRoot *root, DkmsImageTool tool, const char *place)
{
  /* What MODULES=most copies; "!": not this part of it. */
  static const char *const parts[] = { "drivers/ata",
                                       "drivers/block",
                                       "drivers/bus",
                                       "drivers/clk",
                                       "drivers/gpio",
                                       "drivers/hid",
                                       "drivers/i2c/busses",
                                       "drivers/i2c/muxes",
                                       "drivers/ide",
                                       "drivers/input/keyboard",
                                       "drivers/mfd",
                                       "drivers/mmc",
                                       "drivers/net",
                                       "!drivers/net/appletalk",
                                       "!drivers/net/arcnet",
                                       "!drivers/net/bonding",
                                       "!drivers/net/can",
                                       "!drivers/net/hamradio",
                                       "!drivers/net/hippi",
                                       "!drivers/net/irda",
                                       "!drivers/net/ethernet/pcmcia",
                                       "!drivers/net/team",
                                       "!drivers/net/wan",
                                       "!drivers/net/wimax",
                                       "!drivers/net/wireless",
                                       "drivers/nvme",
                                       "drivers/pci/controller",
                                       "drivers/phy",
                                       "drivers/pinctrl",
                                       "drivers/regulator",
                                       "drivers/reset",
                                       "drivers/rtc",
                                       "drivers/scsi",
                                       "drivers/spi",
                                       "drivers/ufs",
                                       "drivers/usb/c67x00",
                                       "drivers/usb/chipidea",
                                       "drivers/usb/dwc2",
                                       "drivers/usb/dwc3",
                                       "drivers/usb/host",
                                       "drivers/usb/isp1760",
                                       "drivers/usb/musb",
                                       "drivers/usb/phy",
                                       "drivers/usb/renesas_usbhs",
                                       "drivers/usb/storage",
                                       "drivers/usb/typec/tcpm" };
  static const char *const dirs[] = { "/etc/initramfs-tools/conf.d", "/usr/share/initramfs-tools/conf.d", NULL };
  static const char top[] = "kernel/";
  gboolean found = FALSE;

  if (tool != DKMS_IMAGE_TOOL_INITRAMFS_TOOLS || !g_str_has_prefix (place, top))
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (parts); i++)
    {
      const char *part = parts[i] + (*parts[i] == '!'), *below = place + strlen (top);
      gsize length = strlen (part);
      if (strncmp (below, part, length) == 0 && (below[length] == '/' || below[length] == '\0'))
        found = *parts[i] != '!';
    }
  if (!found)
    return FALSE;
  g_autoptr (GPtrArray) files = drop_ins (root, "/etc/initramfs-tools/initramfs.conf", dirs, "");
  g_autoptr (GPtrArray) words = g_ptr_array_new_with_free_func (g_free);
  for (guint i = 0; i < files->len; i++)
    {
      g_autofree char *text = read_text (root, files->pdata[i]);
      if (text != NULL)
        dkms_shell_list_read (text, "MODULES", words);
    }
  return words->len == 0 || strcmp (words->pdata[0], "most") == 0;
}

char *
dkms_image_wishes_moved (const DkmsPlaces *places, const char *release, const char *name)
{
  static const char *const suffixes[] = { "", ".xz", ".zst", ".gz" };
  g_autofree char *dir = g_build_filename (places->install_tree, release, NULL);
  g_autofree char *order = g_build_filename (dir, "modules.order", NULL);
  g_autofree char *text = read_text (places->root, order);
  g_auto (GStrv) lines = g_strsplit (text != NULL ? text : "", "\n", -1);

  for (char **line = lines; *line != NULL; line++)
    {
      const char *base = strrchr (*line, '/');
      if (base == NULL)
        continue;
      g_autofree char *found = dkms_module_name_of (*line);
      if (!dkms_module_names_equal (found, name))
        continue;
      for (gsize i = 0; i < G_N_ELEMENTS (suffixes); i++)
        {
          g_autofree char *path = g_strconcat (dir, "/", *line, suffixes[i], NULL);
          if (dkms_root_is_file (places->root, path))
            return NULL;
        }
      return g_strndup (*line, (gsize)(base - *line));
    }
  return NULL;
}

/* ---- the root file system ---- */

/* Adds the drivers of the device @path (in /sys), of those that it is part of, and of those that it consists of. */
static void
add_drivers (GHashTable *to, const DkmsRoot *root, const char *path, guint depth)
{
  g_autofree char *at = dkms_root_canonical (root, path);

  while (depth > 0 && at != NULL && strlen (at) > strlen ("/sys/devices/"))
    {
      g_autofree char *link = g_build_filename (at, "driver/module", NULL);
      g_autofree char *module = dkms_root_canonical (root, link);
      g_autofree char *parts = g_build_filename (at, "slaves", NULL);
      g_autoptr (GPtrArray) names = list_names (root, parts);

      if (module != NULL)
        wish (to, module, "/");
      for (guint i = 0; i < names->len; i++)
        {
          g_autofree char *part = g_build_filename (parts, names->pdata[i], NULL);
          add_drivers (to, root, part, depth - 1);
        }
      char *parent = g_path_get_dirname (at);
      g_free (at);
      at = parent;
    }
}

void
dkms_image_wishes_root (GHashTable *to, const DkmsRoot *root)
{
  guint mark = dkms_unread_mark ();
  g_autofree char *text = dkms_root_read (root, "/proc/self/mountinfo", LARGEST_FILE, NULL, NULL);
  g_auto (GStrv) lines = g_strsplit (text != NULL ? text : "", "\n", -1);

  /* "ID PARENT MAJOR:MINOR ROOT PLACE OPTIONS ... - TYPE SOURCE OPTIONS"; the last one at a place counts */
  for (guint i = g_strv_length (lines); i > 0; i--)
    {
      g_auto (GStrv) words = g_strsplit (lines[i - 1], " ", 6);
      const char *rest = g_strv_length (words) == 6 ? strstr (words[5], " - ") : NULL;
      struct stat st;

      if (rest == NULL || strcmp (words[4], "/") != 0)
        continue;
      g_auto (GStrv) source = g_strsplit (rest + 3, " ", 3);
      if (source[0] == NULL || source[1] == NULL)
        break;
      g_autofree char *device = g_strconcat ("/sys/dev/block/", words[2], NULL);
      if (g_str_has_prefix (words[2], "0:") && dkms_root_stat (root, source[1], &st) == 0 && S_ISBLK (st.st_mode))
        {
          g_free (device);
          device = g_strdup_printf ("/sys/dev/block/%u:%u", major (st.st_rdev), minor (st.st_rdev));
        }
      wish (to, source[0], "/");
      add_drivers (to, root, device, MOST_DEPTH);
      break;
    }
  dkms_unread_drop (mark); /* what cannot be read is no reason to expect a module */
}
