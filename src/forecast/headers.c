/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unpacks the headers of a kernel beside the tree. */
#define _GNU_SOURCE
#include "forecast/headers.h"

#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/publish.h"
#include "base/unread.h"
#include "base/walk.h"
#include "build/loadable.h"
#include "share/tarball.h"
#include "store/layout.h"

void
dkms_ahead_headers_free (DkmsAheadHeaders *self)
{
  if (self == NULL)
    return;
  g_free (self->release);
  g_free (self->arch);
  g_free (self->root);
  g_ptr_array_unref (self->roots);
  g_free (self->build);
  g_free (self);
}

static gboolean
has (const char *dir, const char *below)
{
  g_autofree char *path = g_build_filename (dir, below, NULL);

  return access (path, F_OK) == 0;
}

/* Whether modules can be built in @dir, as in the build directory of a kernel. */
static gboolean
is_build_dir (const char *dir)
{
  return has (dir, "Makefile") && has (dir, "include");
}

/* Whether @dir contains the files of packages at their paths. */
static gboolean
is_system (const char *dir)
{
  return has (dir, "usr") || has (dir, "lib/modules");
}

/* The release that the directory of headers @dir says; NULL if it says none. */
static char *
release_of (const char *dir)
{
  g_autofree char *path = g_build_filename (dir, "include/generated/utsrelease.h", NULL);
  g_autofree char *text = dkms_is_file_at (AT_FDCWD, path) ? dkms_read_at (AT_FDCWD, path, 65536, NULL, NULL) : NULL;

  return text != NULL ? dkms_release_of_header (text) : NULL;
}

/* Takes the directory @path that the caller named. */
static gboolean
take_dir (DkmsAheadHeaders *self, const char *path, GError **error)
{
  g_autofree char *release = release_of (path);

  if (is_build_dir (path))
    {
      if (release != NULL && strcmp (release, self->release) != 0)
        return DKMS_FAIL (error, HEADERS_OF_ANOTHER, .path = path, .id = { .kernel = self->release }, .text = release);
      g_free (self->build);
      self->build = g_strdup (path);
    }
  else if (is_system (path))
    g_ptr_array_add (self->roots, g_strdup (path));
  else
    return DKMS_FAIL (error, HEADERS_OF_ANOTHER, .path = path, .id = { .kernel = self->release });
  return TRUE;
}

/* Returns: (nullable): the path inside the root of the directory @path of the host; NULL if it is outside */
static const char *
inside (const DkmsRoot *root, const char *path)
{
  gsize n = strlen (root->host_path);

  return strncmp (path, root->host_path, n) == 0 && path[n] == '/' ? path + n : NULL;
}

/* Makes the build directory of the kernel appear at its place in root/, which is open as @fd. Links out of it are often
 * relative, so it stays where it is if builds see it there. */
static gboolean
place_build (const DkmsPlaces *places, DkmsAheadHeaders *self, int fd, GError **error)
{
  g_autofree char *kernel = g_strconcat ("root", places->install_tree, "/", self->release, NULL);
  g_autofree char *build = g_build_filename (kernel, "build", NULL);
  const char *path = inside (places->root, self->build);

  if (path == NULL)
    return dkms_mkdirs_at (fd, build, error);
  if (!dkms_mkdirs_at (fd, kernel, error))
    return FALSE;
  if (symlinkat (path, fd, build) < 0)
    return dkms_fail_errno (error, "create", build);
  g_clear_pointer (&self->build, g_free);
  return TRUE;
}

/* Creates the empty directory root/ for the files of packages. */
static gboolean
make_root (const DkmsPlaces *places, DkmsAheadHeaders *self, const char *dir, GError **error)
{
  g_auto (DkmsFd) fd = dkms_root_open_dir (places->root, dir, TRUE, error);

  return fd >= 0 && dkms_remove_tree_at (fd, "root", error) && dkms_mkdirs_at (fd, "root", error)
         && (self->build == NULL || place_build (places, self, fd, error));
}

static void
init (DkmsAheadHeaders *self, const DkmsPlaces *places, const DkmsId *id)
{
  g_autofree char *dir = dkms_layout_own (places, "ahead/kernels", id->kernel);
  g_autofree char *root = g_build_filename (dir, "root", NULL);

  self->release = g_strdup (id->kernel);
  self->arch = g_strdup (id->arch);
  self->root = dkms_root_host_path (places->root, root);
  self->roots = g_ptr_array_new_with_free_func (g_free);
}

/* Whether a directory above @path in the directory @fd is a link, which may lead anywhere. */
static gboolean
leads_out (int fd, const char *path)
{
  for (const char *slash = strchr (path, '/'); slash != NULL; slash = strchr (slash + 1, '/'))
    {
      g_autofree char *above = g_strndup (path, (gsize)(slash - path));
      if (dkms_is_link_at (fd, above))
        return TRUE;
    }
  return FALSE;
}

/* Makes the build directory of a kernel of SUSE appear in root/ in the directory @dir, if its packages have no link to
 * it: /usr/src/linux-<version>-obj/<machine>/<flavour>. */
static gboolean
link_objects (const DkmsPlaces *places, const DkmsAheadHeaders *self, const char *dir, GError **error)
{
  const char *flavour = strrchr (self->release, '-');
  g_autofree char *objects
      = g_strdup_printf ("usr/src/linux-%.*s-obj", flavour != NULL ? (int)(flavour - self->release) : 0, self->release);
  g_autofree char *build = g_strconcat (places->install_tree + 1, "/", self->release, "/build", NULL);
  g_autofree char *merged = g_strconcat ("usr/lib/modules/", self->release, "/build", NULL);
  g_auto (DkmsFd) fd = dkms_root_open_dir (places->root, dir, TRUE, error);
  g_auto (DkmsFd) root = fd >= 0 ? openat (fd, "root", O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
  g_autoptr (GPtrArray) machines = NULL;

  if (fd < 0 || root < 0)
    return fd < 0 ? FALSE : dkms_fail_errno (error, "open", dir);
  if (flavour == NULL || leads_out (root, build) || leads_out (root, merged) || leads_out (root, objects)
      || !dkms_is_dir_at (root, objects) || dkms_is_link_at (root, build) || dkms_is_link_at (root, merged)
      || dkms_is_dir_at (root, build) || dkms_is_dir_at (root, merged))
    return TRUE;
  machines = dkms_list_dir_at (root, objects, error);
  for (guint i = 0; machines != NULL && i < machines->len; i++)
    {
      g_autofree char *there = g_strdup_printf ("%s/%s/%s", objects, (const char *)machines->pdata[i], flavour + 1);
      g_autofree char *target = g_strconcat ("/", there, NULL);
      g_autofree char *kernel = g_path_get_dirname (build);
      if (dkms_is_dir_at (root, there))
        return dkms_mkdirs_at (root, kernel, error)
               && (symlinkat (target, root, build) == 0 || dkms_fail_errno (error, "create", build));
    }
  return machines != NULL;
}

DkmsAheadHeaders *
dkms_ahead_headers_unpack (const DkmsSettings *settings, const DkmsId *id, const GPtrArray *paths, GError **error)
{
  const DkmsPlaces *places = &settings->places;
  g_autoptr (DkmsAheadHeaders) self = g_new0 (DkmsAheadHeaders, 1);
  g_autofree char *dir = dkms_layout_own (places, "ahead/kernels", id->kernel);

  init (self, places, id);
  for (guint i = 0; i < paths->len; i++)
    {
      const char *path = paths->pdata[i];
      if (access (path, R_OK) < 0)
        return dkms_fail_errno (error, "read", path), NULL;
      if (dkms_is_dir_at (AT_FDCWD, path) && !take_dir (self, path, error))
        return NULL;
    }
  if (!make_root (places, self, dir, error))
    return NULL;
  for (guint i = 0; i < paths->len; i++)
    if (!dkms_is_dir_at (AT_FDCWD, paths->pdata[i])
        && !dkms_tarball_unpack_package (settings, paths->pdata[i], self->root, error))
      return NULL;
  if (!link_objects (places, self, dir, error))
    return NULL;
  return g_steal_pointer (&self);
}

/* ---- packages of a package manager ---- */

#define CONTENTS "contents"
#define PACKAGES "packages"

/* Returns: (transfer full): names and versions of the packages, a line each */
static char *
describe (const DkmsKernelOffer *offer)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < offer->headers->len; i++)
    {
      const DkmsPackageOffer *package = offer->headers->pdata[i];
      g_string_append_printf (text, "%s %s\n", package->name, package->version != NULL ? package->version : "");
    }
  return g_string_free (text, FALSE);
}

/* Whether root/ in the directory @fd contains exactly the packages in @contents. */
static gboolean
is_unpacked (int fd, const char *contents)
{
  guint mark = dkms_unread_mark ();
  g_autofree char *text = dkms_is_file_at (fd, CONTENTS) ? dkms_read_at (fd, CONTENTS, 1 << 16, NULL, NULL) : NULL;

  dkms_unread_drop (mark);
  return g_strcmp0 (text, contents) == 0 && dkms_is_dir_at (fd, "root");
}

typedef struct {
  const char *dir;
  GPtrArray *paths;
  goffset size;
} Fetched;

/* pacman puts signatures beside packages. It has checked them. */
static gboolean
take_file (const DkmsWalkEntry *entry, gpointer data, GError **error G_GNUC_UNUSED)
{
  Fetched *self = data;

  if (entry->event != DKMS_WALK_FILE || !S_ISREG (entry->st->st_mode) || g_str_has_suffix (entry->name, ".sig"))
    return TRUE;
  self->size += entry->st->st_size;
  g_ptr_array_add (self->paths, g_build_filename (self->dir, entry->path, NULL));
  return TRUE;
}

/* Lists the files that were fetched to @dir, or to PACKAGES in the directory @fd. */
static GPtrArray *
list_files (int fd, const char *dir, goffset *size, GError **error)
{
  g_autofree char *above = g_path_get_dirname (dir);
  Fetched fetched = { .dir = above, .paths = g_ptr_array_new_with_free_func (g_free) };

  if (!dkms_walk_at (fd, PACKAGES, take_file, &fetched, error))
    g_clear_pointer (&fetched.paths, g_ptr_array_unref);
  *size = fetched.size;
  return fetched.paths;
}

DkmsAheadHeaders *
dkms_ahead_headers_fetch (const DkmsSettings *settings, const DkmsSource *source, DkmsKernelOffer *offer,
                          const char *arch, GError **error)
{
  const DkmsPlaces *places = &settings->places;
  const DkmsId id = { .kernel = offer->release, .arch = arch };
  g_autofree char *dir = dkms_layout_own (places, "ahead/kernels", offer->release);
  g_autofree char *packages = g_build_filename (dir, PACKAGES, NULL);
  g_autofree char *host = dkms_root_host_path (places->root, packages);
  g_autofree char *contents = describe (offer);
  g_auto (DkmsFd) fd = dkms_root_open_dir (places->root, dir, TRUE, error);
  g_autoptr (DkmsAheadHeaders) self = NULL;
  g_autoptr (GError) local = NULL;

  if (fd < 0)
    return NULL;
  if (is_unpacked (fd, contents))
    {
      self = g_new0 (DkmsAheadHeaders, 1);
      init (self, places, &id);
      return g_steal_pointer (&self);
    }
  if (!dkms_remove_tree_at (fd, CONTENTS, error) || !dkms_remove_tree_at (fd, PACKAGES, error)
      || !dkms_mkdirs_at (fd, PACKAGES, error))
    return NULL;
  if (source->manager->fetch (offer, source->own, host, &local))
    {
      g_autoptr (GPtrArray) paths = list_files (fd, host, &offer->size, error);
      self = paths != NULL ? dkms_ahead_headers_unpack (settings, &id, paths, error) : NULL;
    }
  else
    offer->why = g_strdup (local->message);
  dkms_discard_tree_at (fd, PACKAGES);
  if (self == NULL || !dkms_publish_at (fd, CONTENTS, contents, strlen (contents), 0644, error))
    return NULL;
  return g_steal_pointer (&self);
}
