/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loads new modules for present hardware. */
#define _GNU_SOURCE
#include "install/modprobe.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"

/* Collects the content of every `modalias` file below an open directory of /sys. */
static void
collect_aliases (int parent, const char *name, GHashTable *aliases)
{
  int fd = openat (parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR *dir = fd >= 0 ? fdopendir (fd) : NULL;
  const struct dirent *entry;

  if (dir == NULL)
    {
      if (fd >= 0)
        (void)close (fd);
      return;
    }
  while ((entry = readdir (dir)) != NULL)
    {
      if (entry->d_type == DT_DIR && strcmp (entry->d_name, ".") != 0 && strcmp (entry->d_name, "..") != 0)
        collect_aliases (fd, entry->d_name, aliases);
      else if (strcmp (entry->d_name, "modalias") == 0)
        {
          g_auto (DkmsFd) file = openat (fd, entry->d_name, O_RDONLY | O_CLOEXEC);
          char text[4096];
          ssize_t n = file >= 0 ? read (file, text, sizeof text - 1) : -1;
          if (n > 0)
            {
              text[n] = '\0';
              g_hash_table_add (aliases, g_strdup (g_strchomp (text)));
            }
        }
    }
  (void)closedir (dir);
}

void
dkms_modprobe (const DkmsSettings *settings)
{
  static const char loader[] = "/lib/systemd/system/systemd-modules-load.service";
  const char *restart[] = { "systemctl", "restart", "systemd-modules-load.service", NULL };
  DkmsCommand reload = { .argv = restart, .output_fd = -2, .null_stdin = TRUE };
  g_autoptr (GHashTable) aliases = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  const char *const first[] = { "modprobe", "-a", "-b", "-q" };
  GHashTableIter iter;
  gpointer alias;

  /* Modules can only be loaded into the kernel of this machine. */
  if (!settings->policy.modprobe_on_install || !dkms_root_is_host (settings->places.root))
    return;
  collect_aliases (AT_FDCWD, "/sys/devices", aliases);
  for (gsize i = 0; i < G_N_ELEMENTS (first); i++)
    g_ptr_array_add (argv, (gpointer)first[i]);
  g_hash_table_iter_init (&iter, aliases);
  while (g_hash_table_iter_next (&iter, &alias, NULL))
    if (*(const char *)alias != '\0')
      g_ptr_array_add (argv, alias);
  g_ptr_array_add (argv, NULL);
  if (argv->len > G_N_ELEMENTS (first) + 1)
    {
      DkmsCommand load = { .argv = (const char *const *)argv->pdata, .output_fd = -2, .null_stdin = TRUE };
      dkms_process_try (&load); /* it is not a failure if many aliases have no module */
    }
  if (dkms_is_file_at (AT_FDCWD, loader))
    dkms_process_try (&reload);
}
