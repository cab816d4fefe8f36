/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Archives of sources and builds: creates, checks and loads them. */
#define _GNU_SOURCE
#include "share/tarball.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>

#include "base/copy.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "base/publish.h"
#include "base/walk.h"
#include "model/state.h"
#include "store/layout.h"
#include "store/record.h"
#include "store/register.h"
#include "store/transaction.h"

enum { LIST_LIMIT = 200 }; /* maximum length of the list of kernels in a file name */

static gboolean
run_helper (const char *const *argv, const char *about, DkmsError kind, GError **error)
{
  g_autofree char *helper = dkms_process_helper ("dkms-archive");
  g_autoptr (GPtrArray) words = g_ptr_array_new ();
  int status = 0;

  g_ptr_array_add (words, helper);
  for (; *argv != NULL; argv++)
    g_ptr_array_add (words, (gpointer)*argv);
  g_ptr_array_add (words, NULL);

  DkmsCommand command = { .argv = (const char *const *)words->pdata, .null_stdin = TRUE };
  g_autofree char *output = dkms_process_transcript (&command, &status, error);
  if (output == NULL)
    return FALSE;
  if (status == 0)
    return TRUE;
  dkms_recall_helper (g_strchomp (output));
  return dkms_fail_with (error, &(const DkmsErrorInfo){ .kind = kind, .path = about, .text = output });
}

/* ---- open ---- */

static gboolean
make_dir (const DkmsPlaces *places, const char *path, GError **error)
{
  g_autofree char *dir = g_path_get_dirname (path);
  g_autofree char *name = g_path_get_basename (path);
  g_auto (DkmsFd) fd = dkms_root_open_dir (places->root, dir, TRUE, error);

  return fd >= 0 && (mkdirat (fd, name, 0700) == 0 || dkms_fail_errno (error, "create the directory", path));
}

/* The first directory below @dir with a dkms.conf, nearest first. */
static char *
find_conf (const char *dir, int depth)
{
  g_autofree char *conf = g_build_filename (dir, "dkms.conf", NULL);
  g_autoptr (GPtrArray) names = NULL;

  if (dkms_is_file_at (AT_FDCWD, conf))
    return g_strdup (dir);
  names = depth < 8 ? dkms_list_dir_at (AT_FDCWD, dir, NULL) : NULL;
  for (guint i = 0; names != NULL && i < names->len; i++)
    {
      g_autofree char *below = g_build_filename (dir, names->pdata[i], NULL);
      char *found = !dkms_is_link_at (AT_FDCWD, below) && dkms_is_dir_at (AT_FDCWD, below)
                        ? find_conf (below, depth + 1)
                        : NULL;
      if (found != NULL)
        return found;
    }
  return NULL;
}

/* Refuses a link that leads out of the tree. Its text is not sufficient to decide, because it may lead through other
 * links. */
static gboolean
check_link (const DkmsWalkEntry *entry, gpointer data, GError **error)
{
  const DkmsTarball *self = data;
  g_auto (DkmsFd) fd = -1;

  if (entry->event != DKMS_WALK_FILE || !S_ISLNK (entry->st->st_mode))
    return TRUE;
  fd = dkms_openat2 (self->tree_fd, entry->path + strlen ("./"), O_PATH, 0, RESOLVE_BENEATH);
  if (fd >= 0 || errno == ENOENT || errno == ENOTDIR)
    return TRUE;
  if (errno != EXDEV && errno != ELOOP)
    return DKMS_FAIL (error, ARCHIVE_LINK_BAD, .path = entry->path + strlen ("./"), .number = errno);
  return DKMS_FAIL (error, ARCHIVE_LINK_LEADS_OUT, .path = entry->path + strlen ("./"));
}

static gboolean
check_links (DkmsTarball *self, GError **error)
{
  g_return_val_if_fail (self->tree != NULL, FALSE);
  self->tree_fd = open (self->tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (self->tree_fd < 0)
    return dkms_fail_errno (error, "open", self->tree);
  return dkms_walk_at (self->tree_fd, ".", check_link, self, error);
}

static gboolean
recognise (DkmsTarball *self, const char *dir, const char *path, GError **error)
{
  static const char *const places[] = { "dkms_source_tree", "dkms_binaries_only" };
  g_autofree char *main_tree = g_build_filename (dir, "dkms_main_tree", NULL);

  self->ours = dkms_is_dir_at (AT_FDCWD, main_tree);
  if (!self->ours)
    {
      self->tree = find_conf (dir, 0);
      return self->tree != NULL || DKMS_FAIL (error, ARCHIVE_WITHOUT_CONF, .path = path);
    }
  for (gsize i = 0; i < G_N_ELEMENTS (places); i++)
    {
      g_autofree char *tree = g_build_filename (dir, places[i], NULL);
      g_autofree char *conf = g_build_filename (tree, "dkms.conf", NULL);
      if (!dkms_is_file_at (AT_FDCWD, conf))
        continue;
      self->tree = g_steal_pointer (&tree);
      self->stub = i == 1;
      return TRUE;
    }
  return DKMS_FAIL (error, ARCHIVE_INCOMPLETE, .path = path);
}

DkmsTarball *
dkms_tarball_open (const DkmsSettings *settings, const char *path, GError **error)
{
  g_autoptr (DkmsTarball) self = g_new0 (DkmsTarball, 1);
  g_autofree char *full = g_canonicalize_filename (path, NULL);
  g_autofree char *limit = g_strdup_printf ("%" G_GUINT64_FORMAT, (guint64)settings->policy.tarball_limit_mib << 20);
  g_autofree char *dir = NULL;

  self->places = &settings->places;
  self->tree_fd = -1;
  if (!dkms_is_file_at (AT_FDCWD, full))
    return DKMS_FAIL (error, ARCHIVE_ABSENT, .path = path), NULL;
  self->work = dkms_work_new (&settings->places, error);
  if (self->work == NULL)
    return NULL;
  self->staging = dkms_work_beside (self->work, settings->places.tmp_location);
  if (!make_dir (&settings->places, self->staging, error))
    return NULL;
  dir = dkms_root_resolved (settings->places.root, self->staging);
  const char *argv[] = { "extract", full, dir, limit, NULL };
  if (!run_helper (argv, path, DKMS_ERROR_ARCHIVE_UNREADABLE, error) || !recognise (self, dir, path, error)
      || !check_links (self, error))
    return NULL;
  return g_steal_pointer (&self);
}

gboolean
dkms_tarball_unpack_package (const DkmsSettings *settings, const char *path, const char *dir, GError **error)
{
  g_autofree char *full = g_canonicalize_filename (path, NULL);
  g_autofree char *limit = g_strdup_printf ("%" G_GUINT64_FORMAT, (guint64)settings->policy.tarball_limit_mib << 20);
  const char *argv[] = { "package", full, dir, limit, NULL };

  return run_helper (argv, path, DKMS_ERROR_ARCHIVE_UNREADABLE, error);
}

void
dkms_tarball_close (DkmsTarball *self)
{
  if (self == NULL)
    return;
  if (self->tree_fd >= 0)
    (void)close (self->tree_fd);
  dkms_work_free (self->work);
  g_free (self->staging);
  g_free (self->tree);
  g_free (self);
}

/* ---- load ---- */

/* The data of a load: files are prepared in the scratch directory of the archive, and published by one transaction. */
typedef struct {
  const DkmsTarball *tarball;
  DkmsListener *events;
  const DkmsId *id;
  DkmsTransaction *tx;
  gboolean force;
  gboolean there; /* the version is registered; otherwise it is prepared completely in "version" */
} Load;

/* The sources are copied to <source_tree>/<m>-<v>. Different existing ones are replaced only with --force. */
static gboolean
load_sources (const Load *load, GError **error)
{
  const DkmsTarball *self = load->tarball;
  g_autofree char *target = dkms_layout_unpacked (self->places, load->id);
  g_autofree char *host = dkms_root_resolved (self->places->root, target);

  if (dkms_root_is_dir (self->places->root, target) && !load->force)
    {
      if (dkms_trees_equal_at (AT_FDCWD, self->tree, AT_FDCWD, host))
        return TRUE;
      return DKMS_FAIL (error, ARCHIVE_SOURCE_DIFFERS, .id = *load->id, .path = target);
    }
  const DkmsTreeImport source = { .dir = self->tree, .overwrite = load->force };
  return dkms_tree_stage_source (self->places, load->tx, self->work, &source, load->id, error);
}

/* A version without sources has its dkms.conf in a directory instead of the link. */
static gboolean
load_stub (const Load *load, GError **error)
{
  const DkmsTarball *self = load->tarball;
  g_autofree char *sources = dkms_layout_unpacked (self->places, load->id);
  g_autofree char *target = dkms_layout_source (self->places, load->id, NULL);
  g_autofree char *staged = g_build_filename (self->work->path, "version/source", NULL);
  g_autofree char *conf = g_build_filename (self->tree, "dkms.conf", NULL);
  g_autofree char *text = NULL;
  gsize size = 0;

  if (dkms_root_is_dir (self->places->root, sources))
    return TRUE;
  text = dkms_read_at (AT_FDCWD, conf, 1 << 20, &size, error);
  if (text == NULL)
    return FALSE;
  if (!dkms_mkdirs_at (self->work->fd, "version/source", error)
      || !dkms_write_new_at (self->work->fd, "version/source/dkms.conf", text, size, 0644, error))
    return FALSE;
  if (load->there)
    dkms_transaction_move (load->tx, staged, target);
  return TRUE;
}

/* A build that dkms created contains only regular files. */
static gboolean
check_build (const DkmsWalkEntry *entry, gpointer data, GError **error)
{
  return entry->event != DKMS_WALK_FILE || S_ISREG (entry->st->st_mode)
         || DKMS_FAIL (error, ARCHIVE_NOT_A_FILE, .path = entry->path);
}

/* The recipe of a build decides which files are deleted, and which scripts run, when the build is removed. */
static gboolean
check_recipe (int build_fd, const char *shown, GError **error)
{
  gsize size = 0;
  g_autofree char *text = dkms_is_file_at (build_fd, ".recipe.json")
                              ? dkms_read_at (build_fd, ".recipe.json", 1 << 20, &size, NULL)
                              : NULL;
  json_t *object = text != NULL ? json_loadb (text, size, 0, NULL) : NULL;
  g_autoptr (GError) problem = NULL;
  g_autoptr (DkmsRecipe) recipe = dkms_recipe_from_json (shown, object, &problem);

  json_decref (object);
  return recipe != NULL || !dkms_is_file_at (build_fd, ".recipe.json")
         || DKMS_FAIL (error, ARCHIVE_BAD_RECIPE, .path = shown, .error = problem);
}

/* Takes over the record of another machine. The names of files in it are checked; its stat signatures are not valid
 * here. */
static gboolean
adopt_record (const Load *load, int build_fd, const char *shown, GError **error)
{
  g_autoptr (DkmsRecord) record = dkms_record_read_at (build_fd);
  gboolean good = record != NULL;

  if (record == NULL && dkms_is_file_at (build_fd, ".record.json"))
    return DKMS_FAIL (error, ARCHIVE_BAD_RECORD, .path = shown);
  if (good) /* its modules are checked when they are installed here */
    {
      record->checked = FALSE;
      g_ptr_array_set_size (record->doubts, 0);
    }
  for (guint i = 0; good && i < record->modules->len; i++)
    {
      DkmsRecordModule *module = record->modules->pdata[i];
      g_autofree char *file = g_build_filename ("module", module->file, NULL);
      g_autofree char *sum = dkms_sha256_at (build_fd, file, NULL);
      struct stat st;

      good = sum != NULL && g_strcmp0 (sum, module->sha256) == 0 && fstatat (build_fd, file, &st, 0) == 0;
      g_clear_pointer (&module->installed_sig, g_free);
      g_clear_pointer (&module->owned_sig, g_free);
      g_clear_pointer (&module->indexed_sig, g_free);
      g_free (module->built_sig);
      module->built_sig = good ? dkms_stat_signature (&st) : NULL;
      g_autofree char *path = g_build_filename (shown, file, NULL);
      if (!good)
        DKMS_EMIT (load->events, ARCHIVE_DIFFERS, .path = path);
    }
  if (good)
    return dkms_record_write (record, build_fd, -1, error);
  (void)unlinkat (build_fd, ".record.json", 0);
  return TRUE;
}

/* Prepares one build. */
static gboolean
load_build (const Load *load, int main_fd, const DkmsId *id, GError **error)
{
  const DkmsTarball *self = load->tarball;
  g_autofree char *target = dkms_layout_build (self->places, id, NULL);
  g_autofree char *from = g_build_filename (id->kernel, id->arch, NULL);
  g_autofree char *to = g_build_filename (load->there ? "builds" : "version", id->kernel, id->arch, NULL);
  g_autofree char *parent = g_path_get_dirname (to);
  g_autofree char *staged = g_build_filename (self->work->path, to, NULL);
  g_auto (DkmsFd) fd = -1;

  if (dkms_root_is_dir (self->places->root, target) && !load->force)
    {
      DKMS_EMIT (load->events, BUILD_STAYS, .id = *id);
      return TRUE;
    }
  if (!dkms_mkdirs_at (self->work->fd, parent, error) || !dkms_copy_tree_at (main_fd, from, self->work->fd, to, error))
    return FALSE;
  fd = openat (self->work->fd, to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return dkms_fail_errno (error, "open", staged);
  if (!dkms_walk_at (fd, ".", check_build, NULL, error) || !check_recipe (fd, target, error)
      || !adopt_record (load, fd, target, error) || !dkms_flush_tree_at (self->work->fd, to, error))
    return FALSE;
  if (load->there)
    dkms_transaction_move (load->tx, staged, target);
  DKMS_EMIT (load->events, BUILD_LOADED, .id = *id);
  return TRUE;
}

static gboolean
load_builds (const Load *load, GError **error)
{
  g_autofree char *path = g_build_filename (load->tarball->staging, "dkms_main_tree", NULL);
  g_auto (DkmsFd) fd = dkms_root_open_dir (load->tarball->places->root, path, FALSE, error);
  g_autoptr (GPtrArray) kernels = fd >= 0 ? dkms_list_dir_at (fd, ".", error) : NULL;

  for (guint k = 0; kernels != NULL && k < kernels->len; k++)
    {
      const char *kernel = kernels->pdata[k];
      g_autoptr (GPtrArray) arches = dkms_is_dir_at (fd, kernel) ? dkms_list_dir_at (fd, kernel, error) : NULL;

      for (guint a = 0; arches != NULL && a < arches->len; a++)
        {
          g_autofree char *build = g_build_filename (kernel, arches->pdata[a], NULL);
          g_autofree char *modules = g_build_filename (build, "module", NULL);
          if (dkms_is_dir_at (fd, modules)
              && (!dkms_tree_check_name (DKMS_ERROR_BAD_BUILD, "kernel release", kernel, error)
                  || !dkms_tree_check_kernel (kernel, error)
                  || !dkms_tree_check_name (DKMS_ERROR_BAD_BUILD, "architecture", arches->pdata[a], error)
                  || !load_build (load, fd, &(DkmsId){ load->id->module, load->id->version, kernel, arches->pdata[a] },
                                  error)))
            return FALSE;
        }
    }
  return kernels != NULL;
}

gboolean
dkms_tarball_load (const DkmsTarball *self, DkmsListener *events, const DkmsId *id, gboolean force, GError **error)
{
  g_autoptr (DkmsTransaction) tx = dkms_transaction_new (self->places);
  g_autofree char *dir = dkms_layout_version (self->places, id, NULL);
  const Load load = { self, events, id, tx, force, dkms_root_is_dir (self->places->root, dir) };

  return (self->stub ? load_stub (&load, error) : load_sources (&load, error)) && load_builds (&load, error)
         && dkms_tree_stage_version (self->places, tx, self->work, id, self->stub, error)
         && dkms_transaction_commit (tx, events, error);
}

/* ---- make ---- */

static char *
default_name (const DkmsId *id, DkmsTarballKind kind, const GPtrArray *builds)
{
  g_autoptr (GString) list = g_string_new (NULL);

  for (guint i = 0; i < builds->len; i++)
    {
      const DkmsBuild *build = builds->pdata[i];
      g_string_append_printf (list, "%skernel%s-%s", i > 0 ? "-" : "", build->kernel, build->arch);
    }
  if (list->len >= LIST_LIMIT)
    g_string_assign (list, "manykernels");
  if (kind == DKMS_TARBALL_SOURCE_ONLY)
    g_string_assign (list, "source-only");
  return g_strdup_printf ("%s-%s-%s.dkms.tar.gz", id->module, id->version, list->str);
}

static gboolean
goes_into_tree (const char *archive)
{
  return archive == NULL || strchr (archive, '/') == NULL;
}

/* Returns the path of the archive on the host, and creates its directory. */
static char *
place_of (const DkmsPlaces *places, const DkmsId *id, const char *archive, const char *name, GError **error)
{
  g_autoptr (GError) local = NULL;
  g_autofree char *dir = NULL;

  if (!goes_into_tree (archive))
    {
      g_autofree char *full = g_canonicalize_filename (archive, NULL);
      g_autoptr (DkmsRoot) host = dkms_root_open (NULL, error);
      dir = g_path_get_dirname (full);
      g_auto (DkmsFd) fd = host != NULL ? dkms_root_open_dir (host, dir, TRUE, &local) : -1;
      if (fd >= 0 && faccessat (fd, ".", W_OK, AT_EACCESS) == 0)
        return g_steal_pointer (&full);
    }
  else
    {
      dir = dkms_layout_version (places, id, "tarball");
      g_auto (DkmsFd) fd = dkms_root_open_dir (places->root, dir, TRUE, &local);
      if (fd >= 0 && faccessat (fd, ".", W_OK, AT_EACCESS) == 0)
        {
          g_autofree char *host_dir = dkms_root_resolved (places->root, dir);
          return g_build_filename (host_dir, name, NULL);
        }
    }
  return DKMS_FAIL (error, NO_DESTINATION, .path = dir, .error = local), NULL;
}

/* ---- content: pairs of a member and its source, as arguments of dkms-archive ---- */

static void
pack (GPtrArray *pairs, char *member, char *source)
{
  g_ptr_array_add (pairs, member);
  g_ptr_array_add (pairs, source);
}

static void
pack_dir (GPtrArray *pairs, const char *member)
{
  pack (pairs, g_strdup (member), g_strdup ("+"));
}

static void
pack_builds (const DkmsPlaces *places, GPtrArray *pairs, const char *dir, const GPtrArray *builds)
{
  g_autoptr (GHashTable) kernels = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; i < builds->len; i++)
    {
      const DkmsBuild *build = builds->pdata[i];
      g_autofree char *path = g_build_filename (dir, build->kernel, build->arch, NULL);

      if (g_hash_table_add (kernels, build->kernel))
        pack (pairs, g_strconcat ("./dkms_main_tree/", build->kernel, NULL), g_strdup ("+"));
      pack (pairs, g_strjoin ("/", "./dkms_main_tree", build->kernel, build->arch, NULL),
            dkms_root_resolved (places->root, path));
    }
}

static void
pack_stub (const DkmsPlaces *places, GPtrArray *pairs, const DkmsPacking *what, const char *source)
{
  g_autofree char *own = g_build_filename (source, "dkms.conf", NULL);

  pack_dir (pairs, "./dkms_binaries_only");
  pack (pairs, g_strdup ("./dkms_binaries_only/PACKAGE_NAME"), g_strdup_printf ("=%s\n", what->id->module));
  pack (pairs, g_strdup ("./dkms_binaries_only/PACKAGE_VERSION"), g_strdup_printf ("=%s\n", what->id->version));
  pack (pairs, g_strdup ("./dkms_binaries_only/dkms.conf"),
        what->conf_file != NULL ? g_canonicalize_filename (what->conf_file, NULL)
                                : dkms_root_resolved (places->root, own));
}

gboolean
dkms_tarball_make (const DkmsPlaces *places, DkmsListener *events, const DkmsPacking *what, GError **error)
{
  const DkmsId *id = what->id;
  g_autofree char *given = what->archive != NULL ? g_path_get_basename (what->archive) : NULL;
  g_autofree char *name = given != NULL ? g_steal_pointer (&given) : default_name (id, what->kind, what->builds);
  g_autofree char *path = place_of (places, id, what->archive, name, error);
  g_autofree char *dir = dkms_layout_version (places, id, NULL);
  g_autofree char *source = g_build_filename (dir, "source", NULL);
  g_autoptr (GPtrArray) words = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (DkmsWork) work = NULL;
  g_autofree char *scratch = NULL;

  if (path == NULL)
    return FALSE;
  if (goes_into_tree (what->archive))
    {
      work = dkms_work_new (places, error);
      if (work == NULL)
        return FALSE;
      scratch = dkms_root_resolved (places->root, work->path);
    }
  g_ptr_array_add (words, g_strdup ("create"));
  g_ptr_array_add (words, g_strdup (path));
  g_ptr_array_add (words, scratch != NULL ? g_build_filename (scratch, "archive", NULL)
                                          : g_strdup_printf ("%s.tmp%d", path, (int)getpid ()));
  pack_dir (words, ".");
  pack_dir (words, "./dkms_main_tree");
  if (what->kind != DKMS_TARBALL_SOURCE_ONLY)
    pack_builds (places, words, dir, what->builds);
  if (what->kind == DKMS_TARBALL_BINARIES_ONLY)
    pack_stub (places, words, what, source);
  else
    pack (words, g_strdup ("./dkms_source_tree"), dkms_root_resolved (places->root, source));
  g_ptr_array_add (words, NULL);
  DKMS_EMIT (events, PACKING, .id = *id, .path = path);
  return run_helper ((const char *const *)words->pdata, path, DKMS_ERROR_NOT_PACKED, error);
}
