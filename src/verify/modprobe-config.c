/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads the files of modprobe.d. */
#include "verify/modprobe-config.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/unread.h"

enum { LARGEST_FILE = 1 << 20 };

/* Adds the files in @dir to @files, names -> paths, unless a file of that name is there. */
static void
list (const DkmsRoot *root, const char *dir, GTree *files)
{
  g_auto (DkmsFd) fd = dkms_root_openat (root, dir, O_RDONLY | O_DIRECTORY, 0);
  g_autoptr (GPtrArray) names = fd >= 0 ? dkms_list_dir_at (fd, ".", NULL) : NULL;

  for (guint i = 0; names != NULL && i < names->len; i++)
    if (g_str_has_suffix (names->pdata[i], ".conf") && g_tree_lookup (files, names->pdata[i]) == NULL)
      g_tree_insert (files, g_strdup (names->pdata[i]), g_build_filename (dir, names->pdata[i], NULL));
}

typedef struct {
  const DkmsRoot *root;
  GPtrArray *lines;
} Reading;

static gboolean
read_file (gpointer name, gpointer value, gpointer data)
{
  const Reading *reading = data;
  const char *path = value;
  g_autofree char *text = NULL;

  (void)name;
  if (dkms_root_is_file (reading->root, path)) /* a link to /dev/null hides other files */
    text = dkms_root_read (reading->root, path, LARGEST_FILE, NULL, NULL);
  if (text != NULL)
    dkms_modprobe_lines_parse (reading->lines, path, text);
  return FALSE;
}

static int
compare (gconstpointer a, gconstpointer b, gpointer data)
{
  (void)data;
  return g_strcmp0 (a, b);
}

GPtrArray *
dkms_modprobe_config_read (const DkmsRoot *root, char **refused)
{
  static const char *const dirs[]
      = { "/etc/modprobe.d", "/run/modprobe.d", "/usr/local/lib/modprobe.d", "/usr/lib/modprobe.d", "/lib/modprobe.d" };
  g_autoptr (GTree) files = g_tree_new_full (compare, NULL, g_free, g_free);
  Reading reading = { root, dkms_modprobe_lines_new () };
  g_autoptr (GError) error = NULL;
  guint mark = dkms_unread_mark ();

  for (gsize i = 0; i < G_N_ELEMENTS (dirs); i++)
    list (root, dirs[i], files);
  g_tree_foreach (files, read_file, &reading);
  *refused = NULL;
  if (!dkms_unread_since (mark, TRUE, &error))
    *refused = g_strdup (dkms_error_info (error)->path);
  return reading.lines;
}
