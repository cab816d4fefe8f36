/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads the tree. */
#define _GNU_SOURCE
#include "store/scan.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/unread.h"
#include "model/request.h"
#include "store/layout.h"
#include "store/record.h"
#include "store/register.h"

/* A module whose versions are read. */
typedef struct {
  const DkmsPlaces *places;
  DkmsState *state;
  const char *name;
  int fd;
  GHashTable *links;            /* set of names: its kernel-<k>-<a> */
  gboolean originals;           /* it has original_module/ */
  const DkmsScanExtras *extras; /* (nullable) */
} Module;

/* Whether kernel-<k>-<a> points to this build: links of dkms and of the reference contain its literal path. */
static gboolean
is_active (const Module *module, const DkmsVersion *v, const DkmsId *kernel)
{
  g_autofree char *link = g_strconcat ("kernel-", kernel->kernel, "-", kernel->arch, NULL);
  g_autofree char *text = g_hash_table_contains (module->links, link) ? dkms_read_link_at (module->fd, link) : NULL;
  g_autofree char *expected = text != NULL ? g_strjoin ("/", v->version, kernel->kernel, kernel->arch, NULL) : NULL;
  struct stat a, b;

  if (text == NULL)
    return FALSE;
  if (strcmp (text, expected) == 0)
    return TRUE;
  if (*text == '/')
    return FALSE;
  if (fstatat (module->fd, link, &a, 0) == 0 && fstatat (module->fd, expected, &b, 0) == 0)
    return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
  dkms_unread_note (module->fd, link, errno);
  return FALSE;
}

/* Opens the directory @name of @parent, which is the directory @path of the tree. The administrator may have replaced
 * it by a link; links are followed inside the root. Returns: a descriptor that the caller owns, -1 if it is not a
 * directory, or cannot be read, which is noted */
static int
open_dir (const DkmsPlaces *places, int parent, const char *path, const char *name)
{
  int fd = openat (parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

  if (fd < 0 && !dkms_is_absent (errno))
    dkms_unread_note (parent, name, errno);
  else if (fd < 0 && dkms_is_link_at (parent, name))
    {
      g_autofree char *link = g_build_filename (path, name, NULL);
      fd = dkms_root_openat (places->root, link, O_RDONLY | O_DIRECTORY, 0);
    }
  return fd;
}

/* Whether a directory <k>/<a> without module/ was a build, and not a directory of somebody else. */
static gboolean
was_build (int kernel_fd, const char *arch)
{
  g_autofree char *record = g_build_filename (arch, ".record.json", NULL);
  g_autofree char *log = g_build_filename (arch, "log", NULL);

  return dkms_is_file_at (kernel_fd, record) || dkms_is_dir_at (kernel_fd, log);
}

/* Whether original_module/<k>/<a> exists. */
static gboolean
has_originals (const Module *module, const DkmsId *kernel)
{
  g_autofree char *path
      = module->originals ? g_strjoin ("/", "original_module", kernel->kernel, kernel->arch, NULL) : NULL;

  return path != NULL && dkms_is_dir_at (module->fd, path);
}

/* Reads the record of a build, whose directory is not a link, if it is needed. Failures are ignored. */
static DkmsRecord *
look_at_record (const Module *module, const DkmsVersion *v, int kernel_fd, const DkmsId *kernel, gboolean *seen)
{
  const DkmsScanExtras *extras = module->extras;
  const DkmsId id = dkms_version_id (v, kernel);

  *seen = FALSE;
  return extras != NULL && !v->broken && dkms_targets_pass (extras->targets, &id)
             ? dkms_record_look (kernel_fd, kernel->arch, seen)
             : NULL;
}

/* @kernel_fd: the directory <k>; @type: of @kernel->arch in it */
static void
read_build (const Module *module, DkmsVersion *v, int kernel_fd, guint8 type, const DkmsId *kernel)
{
  g_autofree char *result = g_strconcat (kernel->arch, "/module", NULL);
  g_autofree char *stale = g_strconcat (kernel->arch, "/" DKMS_STALE, NULL);
  gboolean seen = FALSE;
  g_autoptr (DkmsRecord) record = type == DT_DIR ? look_at_record (module, v, kernel_fd, kernel, &seen) : NULL;
  gboolean built = seen || dkms_is_dir_at (kernel_fd, result);
  DkmsBuild *build;

  if (!built && !was_build (kernel_fd, kernel->arch))
    return;
  build = built ? dkms_version_add_build (v, kernel) : dkms_version_add_remains (v, kernel);
  build->built = built;
  build->stale = (module->extras == NULL || module->extras->stale) && dkms_is_file_at (kernel_fd, stale);
  build->active = is_active (module, v, kernel);
  build->originals = has_originals (module, kernel);
  if (built && record != NULL)
    g_hash_table_insert (module->extras->records, build, g_steal_pointer (&record));
}

/* @path: of the directory of the version, open as @version_fd */
static void
read_builds (const Module *module, DkmsVersion *v, int version_fd, const char *path)
{
  g_autoptr (GPtrArray) kernels = dkms_list_entries (version_fd, NULL);

  for (guint k = 0; kernels != NULL && k < kernels->len; k++)
    {
      const DkmsEntry *kernel = kernels->pdata[k];
      g_auto (DkmsFd) fd = dkms_tree_is_kernel_name (kernel->name)
                               ? open_dir (module->places, version_fd, path, kernel->name)
                               : -1; /* -1: not a directory */
      g_autoptr (GPtrArray) arches = fd >= 0 ? dkms_list_entries (fd, NULL) : NULL;

      for (guint a = 0; arches != NULL && a < arches->len; a++)
        {
          const DkmsEntry *arch = arches->pdata[a];
          const DkmsId id = { .kernel = kernel->name, .arch = arch->name };
          if (*arch->name != '.')
            read_build (module, v, fd, arch->type, &id);
        }
    }
}

static void
read_version (const Module *module, const char *version)
{
  const DkmsPlaces *places = module->places;
  const DkmsId id = { .module = module->name, .version = version };
  g_autofree char *path = dkms_layout_version (places, &id, NULL);
  g_autofree char *above = dkms_layout_module (places, &id);
  g_auto (DkmsFd) fd = open_dir (places, module->fd, above, version);
  g_autofree char *source = g_build_filename (path, "source", NULL);
  DkmsVersion *v;

  if (fd < 0)
    return; /* not a directory, or deleted meanwhile */
  v = dkms_state_add (module->state, &id);
  if (dkms_is_link_at (fd, "source"))
    v->broken
        = dkms_root_is_host (places->root) ? !dkms_is_dir_at (fd, "source") : !dkms_root_is_dir (places->root, source);
  else
    v->broken = !dkms_is_file_at (fd, "source/dkms.conf"); /* a stub with its own dkms.conf counts as added, Q-44 */
  read_builds (module, v, fd, path);
}

/* Removes the records of the versions from @first on, which are given up. */
static void
forget_records (const Module *module, guint first)
{
  for (guint i = first; module->extras != NULL && i < module->state->versions->len; i++)
    {
      const DkmsVersion *v = module->state->versions->pdata[i];
      for (guint b = 0; b < v->builds->len; b++)
        g_hash_table_remove (module->extras->records, v->builds->pdata[b]);
    }
}

/* Adds that version, unless a part of it could not be read. */
static void
add_version (const Module *module, const char *version)
{
  guint mark = dkms_unread_mark (), count = module->state->versions->len;
  GError *error = NULL;

  read_version (module, version);
  if (dkms_unread_since (mark, TRUE, &error))
    return;
  forget_records (module, count);
  g_ptr_array_set_size (module->state->versions, (int)count);
  dkms_state_give_up (module->state, module->name, error);
}

/* Whether @name is kernel-<k>-<a>, a link in the directory of the module (docs/interface/tree.md §5). */
static gboolean
is_kernel_link_name (const char *name)
{
  return g_str_has_prefix (name, "kernel-") && strchr (name + strlen ("kernel-"), '-') != NULL;
}

/* A link kernel-<k>-<a> without its build shows that this version was installed there. */
static void
read_dangling_link (const Module *module, const char *name)
{
  g_autofree char *text = dkms_read_link_at (module->fd, name);
  g_auto (GStrv) parts = g_strsplit (text != NULL ? text : "", "/", -1);
  const DkmsId id = { .module = module->name, .version = parts[0] };
  DkmsVersion *v = g_strv_length (parts) == 3 ? dkms_state_find (module->state, &id) : NULL;
  const DkmsId kernel = { .kernel = v != NULL ? parts[1] : NULL, .arch = v != NULL ? parts[2] : NULL };
  g_autofree char *expected = v != NULL ? g_strdup_printf ("kernel-%s-%s", kernel.kernel, kernel.arch) : NULL;

  if (v != NULL && strcmp (name, expected) == 0 && dkms_tree_is_kernel_name (kernel.kernel)
      && dkms_version_find (v, &kernel) == NULL && dkms_version_find_remains (v, &kernel) == NULL)
    dkms_version_add_remains (v, &kernel)->active = TRUE;
}

static void
read_module (const DkmsPlaces *places, DkmsState *state, int tree_fd, const DkmsId *which, const DkmsScanExtras *extras)
{
  g_auto (DkmsFd) fd = open_dir (places, tree_fd, places->dkms_tree, which->module);
  g_autoptr (GPtrArray) entries = fd >= 0 ? dkms_list_entries (fd, NULL) : NULL;
  g_autoptr (GHashTable) links = g_hash_table_new (g_str_hash, g_str_equal);
  Module module = { places, state, which->module, fd, links, FALSE, extras };
  guint first = state->versions->len, active = 0;

  for (guint i = 0; entries != NULL && i < entries->len; i++)
    {
      DkmsEntry *entry = entries->pdata[i];
      if (is_kernel_link_name (entry->name))
        g_hash_table_add (links, entry->name);
      module.originals |= strcmp (entry->name, "original_module") == 0;
    }
  for (guint i = 0; entries != NULL && i < entries->len; i++)
    {
      const char *name = ((const DkmsEntry *)entries->pdata[i])->name;
      if (!g_hash_table_contains (links, name)
          && (which->version != NULL ? strcmp (name, which->version) == 0
                                     : *name != '.' && strcmp (name, "original_module") != 0))
        add_version (&module, name);
    }
  for (guint i = first; i < state->versions->len; i++)
    {
      const DkmsVersion *v = state->versions->pdata[i];
      for (guint b = 0; b < v->builds->len; b++)
        active += ((const DkmsBuild *)v->builds->pdata[b])->active;
    }
  /* If every link points to a build, as usual, links need not be read again. */
  for (guint i = 0; entries != NULL && g_hash_table_size (links) > active && i < entries->len; i++)
    {
      const char *name = ((const DkmsEntry *)entries->pdata[i])->name;
      if (g_hash_table_contains (links, name))
        read_dangling_link (&module, name);
    }
}

static void
add_module (const DkmsPlaces *places, DkmsState *state, int tree_fd, const DkmsId *which, const DkmsScanExtras *extras)
{
  guint mark = dkms_unread_mark ();
  GError *error = NULL;

  read_module (places, state, tree_fd, which, extras);
  if (!dkms_unread_since (mark, TRUE, &error))
    dkms_state_give_up (state, which->module, error);
}

DkmsState *
dkms_state_read (const DkmsPlaces *places, const DkmsId *which, GError **error)
{
  g_autoptr (DkmsState) state = dkms_state_read_most (places, which, error);

  if (state == NULL || state->unread->len == 0)
    return g_steal_pointer (&state);
  DkmsUnread *first = state->unread->pdata[0];
  g_propagate_error (error, g_steal_pointer (&first->error));
  return NULL;
}

DkmsState *
dkms_state_read_most (const DkmsPlaces *places, const DkmsId *which, GError **error)
{
  return dkms_state_read_with (places, which, NULL, error);
}

DkmsState *
dkms_state_read_with (const DkmsPlaces *places, const DkmsId *which, const DkmsScanExtras *extras, GError **error)
{
  guint mark = dkms_unread_mark ();
  g_autoptr (DkmsState) state = dkms_state_new ();
  g_auto (DkmsFd) fd = dkms_root_openat (places->root, places->dkms_tree, O_RDONLY | O_DIRECTORY, 0);
  g_autoptr (GPtrArray) modules = NULL;

  if (fd < 0 && errno == ENOENT)
    return g_steal_pointer (&state);
  if (fd < 0)
    {
      if (error != NULL)
        dkms_unread_drop (mark);
      return dkms_fail_errno (error, "read the tree", places->dkms_tree), NULL;
    }
  if (which != NULL && which->module != NULL)
    return add_module (places, state, fd, which, extras), g_steal_pointer (&state);

  modules = dkms_list_dir_at (fd, ".", error);
  for (guint i = 0; modules != NULL && i < modules->len; i++)
    if (*(const char *)modules->pdata[i] != '.')
      add_module (places, state, fd, &(DkmsId){ .module = modules->pdata[i] }, extras);
  return modules != NULL ? g_steal_pointer (&state) : NULL;
}

void
dkms_state_read_seen (const DkmsPlaces *places, DkmsState *state, const DkmsId *kernel)
{
  for (guint i = 0; i < state->versions->len; i++)
    {
      guint mark = dkms_unread_mark ();
      const DkmsVersion *v = state->versions->pdata[i];
      const DkmsId id = dkms_version_id (v, kernel);
      DkmsBuild *build = dkms_version_find (v, kernel);
      g_autofree char *base = dkms_layout_build (places, &id, NULL);
      g_auto (DkmsFd) fd = build != NULL ? dkms_root_openat (places->root, base, O_RDONLY | O_DIRECTORY, 0) : -1;
      g_autoptr (GPtrArray) names = fd >= 0 ? dkms_list_dir_at (fd, ".", NULL) : NULL;
      GError *error = NULL;

      for (guint n = 0; names != NULL && n < names->len; n++)
        {
          const char *name = names->pdata[n];
          g_autofree char *text = g_str_has_prefix (name, ".dep_") ? dkms_read_at (fd, name, 4096, NULL, NULL) : NULL;
          if (text == NULL)
            continue;
          if (build->seen == NULL)
            build->seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
          g_hash_table_insert (build->seen, g_strdup (name + strlen (".dep_")), g_strstrip (g_steal_pointer (&text)));
        }
      if (!dkms_unread_since (mark, TRUE, &error))
        dkms_state_give_up (state, v->module, error);
    }
}
