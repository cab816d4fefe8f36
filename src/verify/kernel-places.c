/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Searches the usual places of distributions for the files of a kernel. */
#define _GNU_SOURCE
#include "verify/kernel-places.h"

#include <fcntl.h>
#include <string.h>

#include "base/file.h"

enum { MOST_TEXT = 4 << 20, MOST_LINES = 100, ENOUGH = 5 };

static const char *const compressions[] = { "", ".xz", ".zst", ".gz" };

static void
place_free (gpointer data)
{
  DkmsKernelPlace *self = data;

  g_free (self->path);
  g_free (self);
}

/* @path: (transfer full) */
static void
add_place (GPtrArray *places, char *path, gboolean must_match)
{
  DkmsKernelPlace *place = g_new0 (DkmsKernelPlace, 1);

  place->path = path;
  place->must_match = must_match;
  g_ptr_array_add (places, place);
}

char *
dkms_read_name (const DkmsRoot *root, const char *path)
{
  enum { LARGEST = 4096 };
  g_autofree char *text = dkms_root_is_file (root, path) ? dkms_root_read (root, path, LARGEST, NULL, NULL) : NULL;

  if (text == NULL)
    return NULL;
  text[strcspn (text, "\n")] = '\0';
  return *g_strstrip (text) != '\0' && strchr (text, '/') == NULL ? g_steal_pointer (&text) : NULL;
}

GPtrArray *
dkms_kernel_images (const DkmsRoot *root, const DkmsKernel *kernel)
{
  static const char *const names[] = { "/boot/vmlinuz-", "/boot/vmlinux-", "/boot/kernel-", "/boot/Image-" };
  static const char *const boots[] = { "/efi", "/boot", "/boot/efi" }; /* systemd's kernel-install */
  GPtrArray *places = g_ptr_array_new_with_free_func (place_free);
  const char *release = kernel->release, *flavour = strrchr (release, '-');
  g_autofree char *base_path = g_build_filename (kernel->dir, "pkgbase", NULL),
                  *base = dkms_read_name (root, base_path), *machine = dkms_read_name (root, "/etc/machine-id");

  add_place (places, g_strconcat (names[0], release, NULL), FALSE);
  add_place (places, g_build_filename (kernel->dir, "vmlinuz", NULL), FALSE);
  for (gsize i = 1; i < G_N_ELEMENTS (names); i++)
    add_place (places, g_strconcat (names[i], release, NULL), FALSE);
  add_place (places, g_strdup_printf ("/boot/kernel-genkernel-%s-%s", kernel->arch, release), FALSE);
  for (gsize i = 0; machine != NULL && i < G_N_ELEMENTS (boots); i++)
    add_place (places, g_build_filename (boots[i], machine, release, "linux", NULL), FALSE);
  if (base != NULL) /* Arch */
    add_place (places, g_strconcat (names[0], base, NULL), TRUE);
  if (flavour != NULL && flavour[1] != '\0') /* Alpine */
    add_place (places, g_strconcat (names[0], flavour + 1, NULL), TRUE);
  return places;
}

/* Adds the file @path inside the root, if it exists with one of the suffixes of compressed files. */
static void
add_existing (GPtrArray *paths, const DkmsRoot *root, const char *path)
{
  for (gsize i = 0; i < G_N_ELEMENTS (compressions); i++)
    {
      g_autofree char *whole = g_strconcat (path, compressions[i], NULL);
      if (dkms_root_is_file (root, whole))
        g_ptr_array_add (paths, g_steal_pointer (&whole));
    }
}

GPtrArray *
dkms_kernel_symvers (const DkmsRoot *root, const DkmsKernel *kernel, gboolean headers)
{
  g_autofree char *built = g_build_filename (kernel->source_dir, "Module.symvers", NULL),
                  *openable = dkms_kernel_openable (root, built),
                  *own = g_build_filename (kernel->dir, "symvers", NULL),
                  *boot = g_strconcat ("/boot/symvers-", kernel->release, NULL);
  g_autoptr (GPtrArray) inside = g_ptr_array_new_with_free_func (g_free);
  GPtrArray *paths = g_ptr_array_new_with_free_func (g_free);

  if (dkms_is_file_at (AT_FDCWD, openable))
    g_ptr_array_add (paths, g_steal_pointer (&openable));
  if (headers)
    return paths;
  add_existing (inside, root, own);
  add_existing (inside, root, boot);
  for (guint i = 0; i < inside->len; i++)
    g_ptr_array_add (paths, dkms_root_resolved (root, inside->pdata[i]));
  return paths;
}

/* Adds modules that the lines of the file @list name first, below the directory of the kernel. */
static void
add_listed (GPtrArray *paths, const DkmsRoot *root, const DkmsKernel *kernel, const char *list)
{
  g_autofree char *path = g_build_filename (kernel->dir, list, NULL);
  g_autoptr (GError) ignored = NULL; /* there is another list */
  g_autofree char *text = dkms_root_read (root, path, MOST_TEXT, NULL, &ignored);
  const char *line = text != NULL ? text : "";

  for (guint i = 0; *line != '\0' && i < MOST_LINES && paths->len < ENOUGH; i++)
    {
      g_autofree char *name = g_strndup (line, strcspn (line, ":\n"));
      g_autofree char *whole = g_build_filename (kernel->dir, name, NULL);

      if (g_str_has_prefix (name, "kernel/"))
        add_existing (paths, root, whole);
      line += strcspn (line, "\n");
      line += *line == '\n';
    }
}

GPtrArray *
dkms_kernel_own_modules (const DkmsRoot *root, const DkmsKernel *kernel)
{
  GPtrArray *paths = g_ptr_array_new_with_free_func (g_free);

  add_listed (paths, root, kernel, "modules.order");
  if (paths->len == 0)
    add_listed (paths, root, kernel, "modules.dep");
  return paths;
}
