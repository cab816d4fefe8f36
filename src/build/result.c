/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The result of a build: takes files from the work area, in which code of a package may have created anything, to a
 * directory of dkms, signs and compresses the modules, adds files of POST_BUILD, and writes the record. */
#define _GNU_SOURCE
#include "build/result.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/copy.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/publish.h"
#include "base/unread.h"
#include "build/area.h"
#include "build/cached.h"
#include "build/compress.h"
#include "build/failure.h"
#include "build/loadable.h"
#include "build/log.h"
#include "build/sign.h"
#include "conf/recipe-place.h"
#include "install/job.h"
#include "store/attempts.h"
#include "store/layout.h"
#include "store/transaction.h"

char *
dkms_built_path (const DkmsOutput *output)
{
  return g_strconcat (output->built_location, output->built_name, ".ko", NULL);
}

/* Opens @path in the work area, without leaving it. Before Linux 5.6, no link is followed, because the kernel cannot
 * check that. */
static int
open_beneath (const DkmsWorkArea *area, const char *path, int flags)
{
  int fd = dkms_openat2 (area->fd, path, flags, 0, RESOLVE_BENEATH);

  return fd < 0 && errno == ENOSYS ? openat (area->fd, path, flags | O_NOFOLLOW) : fd;
}

static gboolean
fail_not_made (const DkmsJob *job, const char *path, GError **error)
{
  guint index = 0;

  for (guint i = 0; i < job->outputs->len; i++)
    {
      g_autofree char *expected = dkms_built_path (job->outputs->pdata[i]);
      if (strcmp (expected, path) == 0)
        index = i;
    }
  g_autofree char *place
      = dkms_recipe_place (&job->settings->places, job->recipe, &job->id, "BUILT_MODULE_NAME", index);
  return DKMS_FAIL (error, MODULE_NOT_MADE, .id = job->id, .path = path, .place = place);
}

/* Opens the file that make created at @path: a regular file in the work area, possibly reached through links. A link
 * may contain the full path of the work area, but must not lead out of it. */
static int
open_built (const DkmsWorkArea *area, const char *path, int flags, GError **error)
{
  g_autofree char *shown = g_build_filename (area->place, path, NULL);
  g_autofree char *text = NULL;
  g_autofree char *prefix = g_strconcat (area->tool_dir, "/", NULL);
  g_auto (DkmsFd) fd = open_beneath (area, path, flags);
  struct stat st;

  if (fd < 0 && errno == EXDEV && (text = dkms_read_link_at (area->fd, path)) != NULL
      && g_str_has_prefix (text, prefix))
    fd = open_beneath (area, text + strlen (prefix), flags);
  if (fd < 0 && errno == ENOENT)
    return fail_not_made (area->job, path, error), -1;
  if (fd < 0 && (errno == EXDEV || errno == ELOOP))
    return DKMS_FAIL (error, MODULE_LEADS_OUT, .id = area->job->id, .path = shown), -1;
  if (fd < 0 || fstat (fd, &st) < 0)
    return dkms_fail_errno (error, "read", shown), -1;
  if (!S_ISREG (st.st_mode))
    return DKMS_FAIL (error, MODULE_NOT_A_FILE, .id = area->job->id, .path = shown), -1;
  return dkms_fd_steal (&fd);
}

void
dkms_result_make_writable (const DkmsWorkArea *area, const DkmsOutput *output)
{
  g_autofree char *path = dkms_built_path (output);
  g_auto (DkmsFd) fd = open_built (area, path, DKMS_READ_FLAGS, NULL);
  struct stat st;

  if (fd >= 0 && fstat (fd, &st) == 0 && (st.st_mode & S_IWUSR) == 0 && fchmod (fd, (st.st_mode & 0777) | S_IWUSR) < 0)
    DKMS_EMIT (area->job->events, STAYS_READ_ONLY, .path = path, .number = errno);
}

gboolean
dkms_result_check (const DkmsWorkArea *area, GError **error)
{
  for (guint i = 0; i < area->job->outputs->len; i++)
    {
      const DkmsOutput *output = area->job->outputs->pdata[i];
      g_autofree char *path = dkms_built_path (output);
      g_auto (DkmsFd) fd = output->excluded ? -1 : open_built (area, path, DKMS_READ_FLAGS, error);

      if (fd < 0 && !output->excluded)
        return FALSE;
    }
  return TRUE;
}

/* ---- from the work area ---- */

/* Copies the content of the open file @fd to the new file @to. */
static gboolean
copy_open_file (int fd, int to_dir, const char *to, GError **error)
{
  g_autofree char *magic = g_strdup_printf ("/proc/self/fd/%d", fd);

  return dkms_copy_file_at (AT_FDCWD, magic, &(DkmsNewFile){ to_dir, to, 0644, FALSE }, error);
}

/* Copies the symbol versions that the build exports, if it created that file. */
static gboolean
collect_symvers (const DkmsWorkArea *area, GError **error)
{
  g_auto (DkmsFd) fd = open_beneath (area, "Module.symvers", DKMS_READ_FLAGS);
  struct stat st;

  /* A link that leads out of the work area does not belong to the build. */
  if (fd < 0 && (dkms_is_absent (errno) || errno == EXDEV))
    return TRUE;
  if (fd < 0 || fstat (fd, &st) < 0)
    return dkms_fail_errno (error, "read", "Module.symvers");
  return !S_ISREG (st.st_mode) || copy_open_file (fd, area->result_fd, "module/Module.symvers", error);
}

/* Path of the module of @output in the result, uncompressed. */
static char *
plain_path (const DkmsOutput *output)
{
  return g_strdup_printf ("module/%s.ko", output->dest_name);
}

/* Returns: (transfer full) (element-type utf8): paths of @modules in the result, inside the root */
static GPtrArray *
result_paths (const DkmsWorkArea *area, const GPtrArray *modules)
{
  GPtrArray *paths = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < modules->len; i++)
    {
      g_autofree char *plain = plain_path (modules->pdata[i]);
      g_ptr_array_add (paths, g_build_filename (area->job->work->path, "result", plain, NULL));
    }
  return paths;
}

/* Copies one module to the result, which the build cannot reach. */
static gboolean
collect (const DkmsWorkArea *area, const DkmsOutput *output, GError **error)
{
  g_autofree char *path = dkms_built_path (output);
  g_autofree char *plain = plain_path (output);
  g_auto (DkmsFd) built = open_built (area, path, DKMS_READ_FLAGS, error);

  return built >= 0 && copy_open_file (built, area->result_fd, plain, error);
}

/* POST_BUILD also finds the signature in the work area. */
static gboolean
put_signed_back (const DkmsWorkArea *area, const DkmsOutput *output, GError **error)
{
  g_autofree char *path = dkms_built_path (output);
  g_autofree char *plain = plain_path (output);
  g_auto (DkmsFd) fd = open_built (area, path, DKMS_READ_FLAGS, error);
  gsize size;
  g_autofree char *data = fd >= 0 ? dkms_read_at (area->result_fd, plain, G_MAXINT, &size, error) : NULL;
  struct stat st;

  if (data == NULL)
    return FALSE;
  if (fstat (fd, &st) < 0 || fchmod (fd, (st.st_mode | S_IWUSR) & 0777) < 0)
    return dkms_fail_errno (error, "open", path);
  g_auto (DkmsFd) target = open_built (area, path, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, error);
  return target >= 0 && dkms_write_all (target, data, size, path, error);
}

static gboolean
sign (const DkmsWorkArea *area, const GPtrArray *modules, GError **error)
{
  const DkmsJob *job = area->job;
  g_autoptr (GPtrArray) paths = result_paths (area, modules);
  g_autoptr (GPtrArray) shown = g_ptr_array_new_with_free_func (g_free);

  if (job->signer == NULL || !job->signer->ready)
    return TRUE;
  for (guint i = 0; i < modules->len; i++)
    {
      g_autofree char *path = dkms_built_path (modules->pdata[i]);
      g_ptr_array_add (shown, g_build_filename (area->place, path, NULL));
    }
  dkms_signer_sign (job->signer, &job->settings->places, job->events, paths, shown);
  for (guint i = 0; area->post_build && i < modules->len; i++)
    if (!put_signed_back (area, modules->pdata[i], error))
      return FALSE;
  return TRUE;
}

/* A tool for compression may leave the file that it compressed. */
static gboolean
delete_plain (const DkmsWorkArea *area, const DkmsOutput *output, GError **error)
{
  g_autofree char *plain = plain_path (output);
  g_autofree char *packed = g_strconcat (plain, area->suffix, NULL);

  return !dkms_is_file_at (area->result_fd, packed) || unlinkat (area->result_fd, plain, 0) == 0 || errno == ENOENT
         || dkms_fail_errno (error, "delete", plain);
}

static gboolean
compress (const DkmsWorkArea *area, const GPtrArray *modules, GError **error)
{
  g_autoptr (GPtrArray) paths = result_paths (area, modules);

  if (*area->suffix == '\0')
    return TRUE;
  dkms_compress (area->job, paths, area->suffix);
  for (guint i = 0; i < modules->len; i++)
    if (!delete_plain (area, modules->pdata[i], error))
      return FALSE;
  return TRUE;
}

gboolean
dkms_result_begin (DkmsWorkArea *area, GError **error)
{
  const DkmsJob *job = area->job;

  if (mkdirat (job->work->fd, "result", 0755) < 0
      || (area->result_fd = openat (job->work->fd, "result", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0
      || fchmod (area->result_fd, 0755) < 0 || mkdirat (area->result_fd, "log", 0755) < 0
      || mkdirat (area->result_fd, "module", 0755) < 0)
    return dkms_fail_errno (error, "create", "the result directory");
  return TRUE;
}

gboolean
dkms_result_seal (const DkmsWorkArea *area, GError **error)
{
  const GPtrArray *outputs = area->job->outputs;
  g_autoptr (GPtrArray) modules = g_ptr_array_new ();

  for (guint i = 0; i < outputs->len; i++)
    if (!((const DkmsOutput *)outputs->pdata[i])->excluded)
      g_ptr_array_add (modules, outputs->pdata[i]);
  return sign (area, modules, error) && compress (area, modules, error);
}

gboolean
dkms_result_collect (DkmsWorkArea *area, GError **error)
{
  const DkmsJob *job = area->job;

  if (!dkms_result_begin (area, error))
    return FALSE;
  if (!collect_symvers (area, error))
    return FALSE;
  for (guint i = 0; i < job->outputs->len; i++)
    {
      const DkmsOutput *output = job->outputs->pdata[i];

      if (!output->excluded && !collect (area, output, error))
        return FALSE;
    }
  dkms_cached_keep (area);
  return dkms_result_seal (area, error);
}

/* ---- while POST_BUILD runs ---- */

/* Without a sandbox, all processes see the same path: the result is moved there, and the existing build waits in the
 * scratch directory. A second call restores both. If the run is killed in between, the new build stays, although its
 * POST_BUILD did not end; the reference does the same. */
static gboolean
exchange (DkmsWorkArea *area, GError **error)
{
  const DkmsJob *job = area->job;
  g_autofree char *base = dkms_job_base (job, NULL);
  g_autofree char *parent = g_path_get_dirname (base);
  g_auto (DkmsFd) dir = dkms_root_open_dir (job->settings->places.root, parent, TRUE, error);
  const char *name = job->kernel->arch;
  int rc;

  if (dir < 0)
    return FALSE;
  if (dkms_is_dir_at (dir, name) && dkms_is_dir_at (job->work->fd, "result"))
    rc = renameat2 (job->work->fd, "result", dir, name, RENAME_EXCHANGE);
  else if (area->exchanged)
    rc = renameat2 (dir, name, job->work->fd, "result", RENAME_NOREPLACE);
  else
    rc = renameat2 (job->work->fd, "result", dir, name, RENAME_NOREPLACE);
  if (rc < 0)
    return dkms_fail_errno (error, "exchange", base);
  area->exchanged = !area->exchanged;
  if (!area->exchanged)
    {
      g_autofree char *above = g_path_get_dirname (parent);
      g_autofree char *kernel = g_path_get_basename (parent);
      g_auto (DkmsFd) version = dkms_root_openat (job->settings->places.root, above, O_RDONLY | O_DIRECTORY, 0);
      (void)unlinkat (version, kernel, AT_REMOVEDIR); /* if it was created here */
    }
  return TRUE;
}

gboolean
dkms_result_show (DkmsWorkArea *area, GError **error)
{
  const DkmsSettings *settings = area->job->settings;
  const DkmsOwner owner = { settings->policy.build_uid, settings->policy.build_gid };

  return area->view != NULL ? dkms_copy_tree_as_at (area->result_fd, ".", area->job->work->fd, "view", &owner, error)
                            : exchange (area, error);
}

/* Limits for files that POST_BUILD adds besides the modules. */
enum { MOST_EXTRAS = 64, MOST_EXTRA_BYTES = 64 << 20 };

typedef struct {
  const DkmsWorkArea *area;
  guint files;
  goffset bytes;
  gboolean altered; /* a module was changed */
} Extras;

/* Takes the regular file @name of the open directory @from, to which code of a package could write, if it differs from
 * the one in the directory @to. Other files are omitted. */
static gboolean
take_file (Extras *extras, int from, int to, const char *name, gboolean module, GError **error)
{
  DkmsListener *events = extras->area->job->events;
  g_auto (DkmsFd) fd = openat (from, name, DKMS_READ_FLAGS | O_NOFOLLOW);
  struct stat st;

  /* For a link the error is ELOOP, for a socket ENXIO. */
  if (fd >= 0 ? fstat (fd, &st) < 0 : !dkms_is_absent (errno) && errno != ENXIO)
    return dkms_fail_read (error, "read", from, name);
  if (fd < 0 || !S_ISREG (st.st_mode))
    {
      DKMS_EMIT (events, EXTRA_NOT_KEPT, .path = name);
      return TRUE;
    }
  if (dkms_files_equal_at (from, name, to, name))
    return TRUE;
  extras->altered |= module;
  if (!module && (++extras->files > MOST_EXTRAS || (extras->bytes += st.st_size) > MOST_EXTRA_BYTES))
    return DKMS_FAIL (error, TOO_MUCH_LEFT, .path = name, .step = "POST_BUILD", .number = MOST_EXTRAS,
                      .limit = MOST_EXTRA_BYTES >> 20);
  if (unlinkat (to, name, 0) < 0 && errno != ENOENT)
    return dkms_fail_errno (error, "replace", name);
  return copy_open_file (fd, to, name, error);
}

/* Takes the files of the directory @name, which both the view and the result contain. */
static gboolean
take_files (Extras *extras, int view, const char *name, GError **error)
{
  gboolean module = strcmp (name, "module") == 0;
  g_auto (DkmsFd) from = openat (view, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  g_auto (DkmsFd) to = openat (extras->area->result_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  g_autoptr (GPtrArray) names = from >= 0 && to >= 0 ? dkms_list_dir_at (from, ".", error) : NULL;
  g_autoptr (GPtrArray) ours = names != NULL && module ? dkms_list_dir_at (to, ".", error) : NULL;

  if (from < 0 || to < 0)
    return dkms_fail_errno (error, "open the result of POST_BUILD,", name);
  if (names == NULL || (module && ours == NULL))
    return FALSE;
  for (guint i = 0; module && i < ours->len; i++)
    if (faccessat (from, ours->pdata[i], F_OK, AT_SYMLINK_NOFOLLOW) < 0)
      {
        if (!dkms_is_absent (errno))
          return dkms_fail_read (error, "look at", from, ours->pdata[i]);
        if (unlinkat (to, ours->pdata[i], 0) < 0)
          return dkms_fail_errno (error, "delete", ours->pdata[i]);
        extras->altered = TRUE;
      }
  for (guint i = 0; i < names->len; i++)
    {
      const char *file = names->pdata[i];
      gboolean own = strcmp (name, ".") == 0 && (strcmp (file, "module") == 0 || strcmp (file, "log") == 0);
      if (!own && *file != '.' && !take_file (extras, from, to, file, module, error))
        return FALSE;
    }
  return TRUE;
}

gboolean
dkms_result_take (DkmsWorkArea *area, GError **error)
{
  static const char *const dirs[] = { ".", "module", "log" };
  Extras extras = { .area = area };
  g_auto (DkmsFd) view = -1;

  if (area->view == NULL)
    return exchange (area, error);
  view = openat (area->job->work->fd, "view", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  for (gsize i = 0; i < G_N_ELEMENTS (dirs); i++)
    if (!take_files (&extras, view, dirs[i], error))
      return FALSE;
  area->altered = extras.altered;
  return TRUE;
}

/* ---- the record, and the place ---- */

/* Records the module of @output in its final form. */
static gboolean
record_output (const DkmsWorkArea *area, const DkmsOutput *output, DkmsRecord *record, GError **error)
{
  const DkmsJob *job = area->job;
  g_autofree char *plain = plain_path (output);
  g_autofree char *packed = g_strconcat (plain, area->suffix, NULL);
  const char *file = dkms_is_file_at (area->result_fd, plain) ? plain : packed;
  const DkmsRecordModule *old = dkms_record_find (job->replaced, output->dest_name);
  struct stat st;

  if (!dkms_is_file_at (area->result_fd, file))
    return DKMS_FAIL (error, MODULE_DELETED, .id = job->id, .path = plain, .step = "POST_BUILD");
  DkmsRecordModule *module
      = dkms_record_add (record, output->dest_name, output->dest_location, file + strlen ("module/"));
  module->sha256 = dkms_sha256_at (area->result_fd, file, error);
  if (module->sha256 == NULL)
    return FALSE;
  if (fchmodat (area->result_fd, file, 0644, 0) < 0 || fstatat (area->result_fd, file, &st, 0) < 0)
    return dkms_fail_errno (error, "look at", file);
  module->built_sig = dkms_stat_signature (&st);
  module->owned_sig = old != NULL ? g_strdup (old->owned_sig) : NULL;
  return TRUE;
}

/* .dep_<name>, a line with the version (docs/interface/dkms-conf.md §10). */
static gboolean
record_seen (const DkmsJob *job, int result, GError **error)
{
  GHashTableIter iter;
  gpointer name, version;

  if (job->seen == NULL)
    return TRUE;
  g_hash_table_iter_init (&iter, job->seen);
  while (g_hash_table_iter_next (&iter, &name, &version))
    {
      g_autofree char *file = g_strconcat (".dep_", name, NULL);
      g_autofree char *text = g_strconcat (version, "\n", NULL);
      if (!dkms_write_new_at (result, file, text, strlen (text), 0644, error))
        return FALSE;
    }
  return TRUE;
}

/* Checks the finished modules. */
static gboolean
judge (DkmsWorkArea *area, DkmsRecord *record, GError **error)
{
  g_autofree char *dir = g_build_filename (area->job->work->path, "result", "module", NULL);

  if (dkms_loadable_judge_record (area->job, dir, record, error))
    return TRUE;
  if (area->job->attempt->cached != NULL)
    return FALSE; /* it is built instead */
  dkms_failure_note (area, "not-loadable", error != NULL ? *error : NULL);
  return FALSE;
}

static void
finish_attempt (const DkmsJob *job, double seconds)
{
  job->attempt->outcome = DKMS_OUTCOME_BUILT;
  job->attempt->seconds = seconds;
  if (job->signer != NULL && job->signer->ready)
    job->attempt->signer = dkms_signer_name (job->signer);
}

static gboolean
write_records (DkmsWorkArea *area, gint64 start, GError **error)
{
  g_autoptr (DkmsRecord) record = dkms_record_new ();

  for (guint i = 0; i < area->job->outputs->len; i++)
    {
      const DkmsOutput *output = area->job->outputs->pdata[i];
      if (!output->excluded && !record_output (area, output, record, error))
        return FALSE;
    }
  record->seconds = area->seconds > 0 ? area->seconds : dkms_clock_since (start);
  finish_attempt (area->job, record->seconds);
  if (!judge (area, record, error))
    return FALSE;
  return record_seen (area->job, area->result_fd, error)
         && dkms_record_write_recipe (area->job->recipe, area->result_fd, error)
         && dkms_attempts_write_build (area->job->attempt, area->result_fd, error)
         && dkms_record_write (record, area->result_fd, -1, error);
}

gboolean
dkms_result_publish (DkmsWorkArea *area, gint64 start, GError **error)
{
  const DkmsJob *job = area->job;
  g_autofree char *base = dkms_job_base (job, NULL);
  g_autofree char *made = g_build_filename (job->work->path, "result", NULL);
  g_autofree char *under_way = g_build_filename (job->work->path, "attempt.json", NULL);
  g_autoptr (DkmsTransaction) tx = dkms_transaction_new (&job->settings->places);
  g_autoptr (GError) failure = NULL;

  dkms_discard_tree_at (area->result_fd, "log/make.log"); /* a file that POST_BUILD created */
  if (!write_records (area, start, error) || !dkms_log_copy (area, area->result_fd, "log/make.log", error)
      || !dkms_flush_tree_at (job->work->fd, "result", error))
    return FALSE;
  /* A script of the package may have removed the version (store/loan.h). */
  g_autofree char *source = dkms_layout_source (&job->settings->places, &job->id, NULL);
  struct stat st;
  if (dkms_root_stat (job->settings->places.root, source, &st) < 0 && errno == ENOENT)
    return DKMS_FAIL (error, REMOVED_MEANWHILE, .id = job->id);
  dkms_transaction_move (tx, made, base);
  dkms_transaction_delete (tx, under_way);
  if (area->taken != NULL)
    dkms_transaction_discard (tx, area->taken);
  if (job->request->forecast) /* modules that depend on this one find it as if it was installed */
    {
      g_autofree char *link = dkms_layout_link (&job->settings->places, &job->id);
      g_autofree char *text = g_build_filename (job->id.version, job->id.kernel, job->id.arch, NULL);
      dkms_transaction_link (tx, text, link);
    }
  if (dkms_root_is_dir (job->settings->places.root, area->place))
    dkms_transaction_discard (tx, area->place);
  return dkms_transaction_commit (tx, job->events, &failure)
         || DKMS_FAIL (error, BUILD_NOT_KEPT, .id = job->id, .error = failure);
}
