/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds kernels that are gone, and faults of headers. */
#define _GNU_SOURCE
#include "doctor/look-kernels.h"

#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/unread.h"
#include "base/walk.h"
#include "build/loadable.h"
#include "store/layout.h"
#include "store/record.h"

/* ---- kernels that are gone ---- */

/* Whether another sign than its modules shows that the kernel is installed. */
static gboolean
is_used (const DkmsPlaces *places, const char *kernel)
{
  static const char *const images[] = { "/boot/vmlinuz-", "/boot/vmlinux-", "/boot/kernel-", "/boot/Image-" };
  gboolean used = dkms_root_is_host (places->root) && strcmp (kernel, dkms_running_release ()) == 0;

  for (gsize i = 0; !used && i < G_N_ELEMENTS (images); i++)
    {
      g_autofree char *image = g_strconcat (images[i], kernel, NULL);
      used = dkms_root_is_file (places->root, image);
    }
  return used;
}

/* Returns: the number of builds for @kernel */
static guint
count_builds (const DkmsLook *self, const char *kernel)
{
  guint count = 0;

  for (guint i = 0; i < self->state->versions->len; i++)
    {
      const DkmsVersion *v = self->state->versions->pdata[i];
      for (guint b = 0; b < v->builds->len; b++)
        count += strcmp (((const DkmsBuild *)v->builds->pdata[b])->kernel, kernel) == 0;
    }
  return count;
}

static gboolean
is_busy (const DkmsLook *self, const char *kernel)
{
  for (guint i = 0; i < self->state->versions->len; i++)
    {
      const DkmsVersion *v = self->state->versions->pdata[i];
      for (guint b = 0; b < v->builds->len; b++)
        if (strcmp (((const DkmsBuild *)v->builds->pdata[b])->kernel, kernel) == 0
            && g_hash_table_contains (self->busy, v->module))
          return TRUE;
    }
  return FALSE;
}

/* The files in the directory of a kernel. */
typedef struct {
  const DkmsLook *look;
  const char *kernel;
  gboolean others; /* some are neither of dkms nor of depmod */
  guint files;
} Husk;

/* Whether a build for the kernel recorded that it installed @path, below the directory of the kernel. */
static gboolean
is_recorded (const Husk *self, const char *path)
{
  const DkmsPlaces *places = &self->look->settings->places;

  for (guint i = 0; i < self->look->state->versions->len; i++)
    {
      const DkmsVersion *v = self->look->state->versions->pdata[i];
      for (guint b = 0; b < v->builds->len; b++)
        {
          const DkmsBuild *build = v->builds->pdata[b];
          const DkmsId id = dkms_build_id (v, build);
          g_autoptr (DkmsRecord) record
              = build->active && strcmp (build->kernel, self->kernel) == 0 ? dkms_record_read (places, &id) : NULL;

          for (guint m = 0; record != NULL && m < record->modules->len; m++)
            {
              const DkmsRecordModule *module = record->modules->pdata[m];
              g_autofree char *file
                  = module->file != NULL ? g_strconcat (module->dest_location, "/", module->file, NULL) : NULL;
              if (file != NULL && strcmp (file + strspn (file, "/"), path) == 0)
                return TRUE;
            }
        }
    }
  return FALSE;
}

static gboolean
take_file (const char *path, const char *name, unsigned char type, gpointer data)
{
  Husk *self = data;

  self->files++;
  self->others |= !(strchr (path, '/') == NULL && g_str_has_prefix (name, "modules.")) && !is_recorded (self, path);
  return !self->others;
}

static void
look_at_kernel (DkmsLook *self, const char *kernel)
{
  const DkmsPlaces *places = &self->settings->places;
  g_autofree char *dir = g_build_filename (places->install_tree, kernel, NULL);
  g_auto (DkmsFd) fd = dkms_root_openat (places->root, dir, O_RDONLY | O_DIRECTORY, 0);
  guint builds = count_builds (self, kernel);
  Husk husk = { .look = self, .kernel = kernel };

  if (fd >= 0)
    dkms_each_file_at (fd, take_file, &husk);
  if (builds == 0 && (fd < 0 || husk.others))
    return;
  g_hash_table_add (self->gone, g_strdup (kernel));
  if (is_busy (self, kernel))
    return;
  if (fd >= 0 && !husk.others)
    DKMS_FOUND (self, KERNEL_HUSK, .id = { .kernel = kernel }, .path = dir);
  else
    DKMS_FOUND (self, KERNEL_GONE, .id = { .kernel = kernel }, .number = builds);
}

void
dkms_look_for_gone_kernels (DkmsLook *self)
{
  const DkmsPlaces *places = &self->settings->places;
  g_autoptr (GPtrArray) names = dkms_look_list (places, places->install_tree);
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  gboolean any = FALSE;

  for (guint i = 0; i < names->len; i++)
    any |= !dkms_kernel_is_gone (places->root, places->install_tree, names->pdata[i]);
  if (!any) /* the file system with the modules of kernels may not be mounted */
    return;
  for (guint i = 0; i < self->state->versions->len; i++)
    {
      const DkmsVersion *v = self->state->versions->pdata[i];
      for (guint b = 0; b < v->builds->len; b++)
        g_ptr_array_add (names, g_strdup (((const DkmsBuild *)v->builds->pdata[b])->kernel));
    }
  g_ptr_array_sort (names, dkms_compare_names);
  for (guint i = 0; i < names->len; i++)
    {
      DkmsLookPart part = dkms_look_begin (self);

      if (g_hash_table_add (seen, names->pdata[i])
          && dkms_kernel_is_gone (places->root, places->install_tree, names->pdata[i])
          && !is_used (places, names->pdata[i]))
        look_at_kernel (self, names->pdata[i]);
      dkms_look_end (self, part);
    }
}

/* ---- headers ---- */

/* Returns: (transfer full) (nullable): the text of a file of the headers */
static char *
read_header (const DkmsPlaces *places, const char *build, const char *name)
{
  g_autofree char *path = g_build_filename (build, name, NULL);

  return dkms_root_is_file (places->root, path) ? dkms_root_read (places->root, path, 4096, NULL, NULL) : NULL;
}

/* Returns: (transfer full) (nullable): the release of the headers in @build, inside the root. In Debian 12, the other
 * file contains the version of Linux */
static char *
release_of (const DkmsPlaces *places, const char *build)
{
  g_autofree char *header = read_header (places, build, "include/generated/utsrelease.h");
  char *release = header != NULL ? dkms_release_of_header (header) : NULL, *text;

  if (release != NULL)
    return release;
  text = read_header (places, build, "include/config/kernel.release");
  return text != NULL ? g_strstrip (text) : NULL;
}

static void
look_at_headers_of (DkmsLook *self, const char *kernel)
{
  static const char *const parts[] = { "Makefile", "scripts/mod/modpost" };
  const DkmsPlaces *places = &self->settings->places;
  g_autofree char *dir = g_build_filename (places->install_tree, kernel, NULL);
  g_autofree char *build = g_build_filename (dir, "build", NULL), *scripts = g_build_filename (build, "scripts", NULL);
  const DkmsId id = { .kernel = kernel };
  g_autofree char *package = NULL, *release = NULL;

  if (!dkms_look_exists (places, build))
    return; /* not installed, as on most machines that build nothing for this kernel */
  package = dkms_distro_headers_package (self->settings->policy.distro, places->root, dir, kernel);
  if (!dkms_root_is_dir (places->root, build))
    {
      /* A root without tools uses headers of the host, to which its links lead. */
      g_autofree char *text = dkms_root_read_link (places->root, build);
      if (text != NULL && (dkms_root_is_host (places->root) || !g_file_test (text, G_FILE_TEST_IS_DIR)))
        DKMS_FOUND (self, HEADERS_DANGLING, .id = id, .path = build, .name = package);
      return;
    }
  for (gsize i = 0; i < G_N_ELEMENTS (parts); i++)
    {
      g_autofree char *part = g_build_filename (build, parts[i], NULL);
      struct stat st;
      if ((i == 1 && !dkms_look_exists (places, scripts)) || dkms_root_stat (places->root, part, &st) == 0
          || !dkms_is_absent (errno))
        continue;
      DKMS_FOUND (self, HEADERS_INCOMPLETE, .id = id, .path = part, .name = package);
      return;
    }
  release = release_of (places, build);
  if (release != NULL && strcmp (release, kernel) != 0)
    DKMS_FOUND (self, HEADERS_OTHER, .id = id, .path = build, .text = release, .name = package);
}

/* An upgrade of an Arch Linux kernel deletes the modules of the running one. */
static void
look_at_running (DkmsLook *self, const GPtrArray *names)
{
  const DkmsPlaces *places = &self->settings->places;
  const char *running = dkms_running_release ();
  gboolean others = FALSE;

  if (!dkms_root_is_host (places->root)
      || g_ptr_array_find_with_equal_func ((GPtrArray *)names, running, g_str_equal, NULL))
    return;
  for (guint i = 0; i < names->len; i++)
    {
      g_autofree char *base = g_build_filename (places->install_tree, names->pdata[i], "pkgbase", NULL);
      others |= dkms_root_is_file (places->root, base);
    }
  if (others)
    DKMS_FOUND (self, KERNEL_RENAMED, .id = { .kernel = running });
}

void
dkms_look_at_headers (DkmsLook *self)
{
  const DkmsPlaces *places = &self->settings->places;
  g_autoptr (GPtrArray) names = dkms_look_list (places, places->install_tree);

  look_at_running (self, names);
  for (guint i = 0; i < names->len; i++)
    {
      DkmsLookPart part = dkms_look_begin (self);

      if (!g_hash_table_contains (self->gone, names->pdata[i]))
        look_at_headers_of (self, names->pdata[i]);
      dkms_look_end (self, part);
    }
}
