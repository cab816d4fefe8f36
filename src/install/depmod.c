/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "config.h"
#include "install/job.h"

char *
dkms_depmod_note (const DkmsSettings *settings, const char *release)
{
  return dkms_tree_path (settings, ".dkms", "depmod", release, NULL);
}

/* The last module of a removed kernel is gone: so are depmod's files and the directory. */
static void
clean_after_last (const DkmsSettings *settings, const char *dir)
{
  static const char *const files[] = { "alias", "dep", "devname", "softdep", "symbols", "weakdep" };
  g_auto (DkmsFd) fd = dkms_root_openat (settings->root, dir, O_RDONLY | O_DIRECTORY, 0);
  g_autofree char *name = g_path_get_basename (dir);
  g_auto (DkmsFd) parent = dkms_root_openat (settings->root, settings->install_tree, O_RDONLY | O_DIRECTORY, 0);
  g_autoptr (GPtrArray) names = NULL;
  struct stat st;

  if (fd < 0 || fstatat (fd, "modules.dep", &st, 0) < 0 || st.st_size != 0)
    return;
  names = dkms_list_dir_at (fd, ".", NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (files); i++)
    {
      g_autofree char *file = g_strconcat ("modules.", files[i], NULL);
      (void)unlinkat (fd, file, 0);
    }
  for (guint i = 0; names != NULL && i < names->len; i++)
    if (g_str_has_prefix (names->pdata[i], "modules.") && g_str_has_suffix (names->pdata[i], ".bin"))
      (void)unlinkat (fd, names->pdata[i], 0);
  if (parent >= 0)
    (void)unlinkat (parent, name, AT_REMOVEDIR);
}

/* depmod wants the directory above lib/modules; an install tree of another shape cannot be given to it. */
static char *
depmod_base (const DkmsSettings *settings)
{
  g_autofree char *shown = dkms_root_host_path (settings->root, settings->install_tree);

  if (g_str_has_suffix (shown, "/usr/lib/modules"))
    return g_strndup (shown, strlen (shown) - strlen ("/lib/modules"));
  if (g_str_has_suffix (shown, "/lib/modules"))
    return g_strndup (shown, strlen (shown) - strlen ("/lib/modules"));
  return NULL;
}

static void
run_depmod (const DkmsSettings *settings, DkmsUi *ui, const char *release, const char *base)
{
  g_autofree char *map_name = g_strconcat ("/boot/System.map-", release, NULL);
  g_autofree char *map = dkms_root_host_path (settings->root, map_name);
  gboolean other = *base != '\0' && strcmp (base, "/usr") != 0;
  const char *argv[10];
  guint n = 0;
  g_autoptr (GError) error = NULL;
  gint64 start = g_get_monotonic_time ();

  argv[n++] = "depmod";
  if (other)
    {
      argv[n++] = "-b";
      argv[n++] = base;
    }
  argv[n++] = "-a";
  argv[n++] = release;
  if (dkms_root_is_file (settings->root, map_name))
    {
      argv[n++] = "-F";
      argv[n++] = map;
    }
  argv[n] = NULL;

  g_autofree char *line = g_strjoinv (" ", (char **)argv);
  g_autofree char *what = g_strdup_printf ("Running depmod for %s", release);
  DkmsCommand command = { .argv = argv, .output_fd = settings->verbose ? -1 : -2, .null_stdin = TRUE };
  dkms_ui_step_begin (ui, what, line);
  int status = dkms_process_run (&command, &error);
  dkms_ui_step_end (ui, status, dkms_job_seconds (start));
  if (status != 0)
    dkms_ui_warn (ui, "'%s' failed%s%s; the modules are in place, run it by hand before the next boot.", line,
                  error != NULL ? ": " : "", error != NULL ? error->message : "");
}

void
dkms_depmod (const DkmsSettings *settings, DkmsUi *ui, const char *release, gboolean disabled)
{
  g_autofree char *dir = g_build_filename (settings->install_tree, release, NULL);
  g_autofree char *dep = g_build_filename (dir, "modules.dep", NULL);
  g_autofree char *note = dkms_depmod_note (settings, release);
  g_autofree char *notes = g_path_get_dirname (note);
  g_autofree char *base = depmod_base (settings);
  g_auto (DkmsFd) notes_fd = dkms_root_openat (settings->root, notes, O_RDONLY | O_DIRECTORY, 0);

  if (!disabled && base != NULL && dkms_root_is_file (settings->root, dep))
    {
      run_depmod (settings, ui, release, base);
      clean_after_last (settings, dir);
    }
  if (notes_fd >= 0)
    (void)unlinkat (notes_fd, release, 0);
}
