/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Takes builds from the build cache, and stores them there. */
#define _GNU_SOURCE
#include "build/cached.h"

#include <fcntl.h>
#include <string.h>

#include "base/clock.h"
#include "base/copy.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "base/unread.h"
#include "build/failure.h"
#include "build/result.h"
#include "share/claim.h"
#include "store/kept.h"
#include "store/layout.h"

enum { SECONDS_OF_DAY = 24 * 60 * 60, MOST_LOG = 64 << 20 };

#define KEPT "plain" /* directory of the scratch directory with the files that are stored */
#define LOG "log/make.log"

/* Returns: (transfer full) (element-type utf8): names of the modules that @job makes */
static GPtrArray *
module_names (const DkmsJob *job)
{
  GPtrArray *names = g_ptr_array_new ();

  for (guint i = 0; i < job->outputs->len; i++)
    {
      const DkmsOutput *output = job->outputs->pdata[i];
      if (!output->excluded)
        g_ptr_array_add (names, (gpointer)output->dest_name);
    }
  return names;
}

static DkmsCacheQuery
query_of (const DkmsJob *job, const GPtrArray *modules)
{
  return (DkmsCacheQuery){ .settings = job->settings,
                           .id = &job->id,
                           .inputs = job->attempt->cache_inputs,
                           .modules = modules,
                           .work = job->work,
                           .caches = job->caches,
                           .events = job->events,
                           .expected = job->expected };
}

static gboolean
has_key (const DkmsJob *job)
{
  return job->caches != NULL && job->confined && job->attempt->cache_inputs != NULL;
}

/* ---- taking ---- */

/* Copies the file @path of the cached build, "DIRECTORY/NAME", to the result. The log is not part of it yet. */
static gboolean
take_file (const DkmsWorkArea *area, int cached, const char *path, GError **error)
{
  g_autofree char *dir = g_path_get_dirname (path);
  g_autofree char *name = g_path_get_basename (path);
  g_auto (DkmsFd) from = openat (cached, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

  if (strcmp (path, LOG) == 0)
    return TRUE;
  if (from < 0)
    return dkms_fail_errno (error, "open", dir);
  const DkmsNewFile to = { area->result_fd, strcmp (dir, "extra") == 0 ? name : path, 0644, FALSE };
  return dkms_copy_plain_at (from, name, &to, error);
}

/* Returns: (transfer full): a line of the log that names the origin of @found */
static char *
describe (const DkmsJob *job, const DkmsCached *found)
{
  g_autofree char *date = dkms_date_of (found->time);
  g_autofree char *builder = dkms_process_printable (found->builder != NULL ? found->builder : "");
  g_autofree char *machine = *builder != '\0' ? g_strdup_printf (" (%s)", builder) : g_strdup ("");
  g_autofree char *signer
      = found->signer != NULL ? g_strdup_printf (", signed by %s%s", found->signer, machine) : g_strdup ("");

  g_strdelimit (signer, "\n\t", ' ');
  return g_strdup_printf ("# from %s%s, built %s\n",
                          found->fetched ? job->settings->policy.remote.url : "the build cache of this machine", signer,
                          date);
}

/* Opens the log of the cached build in the scratch directory, after a line that names its origin. */
static gboolean
take_log (DkmsWorkArea *area, int cached, const DkmsCached *found, GError **error)
{
  const int work = area->job->work->fd;
  g_autofree char *first = describe (area->job, found);
  g_auto (DkmsFd) dir = openat (cached, "log", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  gsize size = 0;
  g_autofree char *text = dir >= 0 ? dkms_read_at (dir, "make.log", MOST_LOG, &size, error) : NULL;

  if (dir < 0)
    return dkms_fail_errno (error, "open", LOG);
  if (text == NULL)
    return FALSE;
  area->log_fd = openat (work, "cached.log", O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (area->log_fd < 0)
    return dkms_fail_errno (error, "create", "cached.log");
  return dkms_write_all (area->log_fd, first, strlen (first), "cached.log", error)
         && dkms_write_all (area->log_fd, text, size, "cached.log", error);
}

/* Makes the build of @job from the files in @cached. */
static gboolean
make (const DkmsJob *job, int cached, const DkmsCached *found, GError **error)
{
  gint64 start = dkms_clock_now ();
  g_auto (DkmsWorkArea) area = { .job = job, .fd = -1, .log_fd = -1, .result_fd = -1 };

  dkms_area_adopt (&area, found->seconds);
  if (!dkms_result_begin (&area, error))
    return FALSE;
  for (guint i = 0; i < found->files->len; i++)
    if (!take_file (&area, cached, found->files->pdata[i], error))
      return FALSE;
  if (!take_log (&area, cached, found, error))
    return FALSE;
  DKMS_EMIT (job->events, CACHE_TAKEN, .id = job->id);
  if (!dkms_result_seal (&area, error))
    return FALSE;
  job->attempt->cached = g_strdup (found->fetched ? job->settings->policy.remote.url : "local");
  job->attempt->cache_signer = g_strdup (found->signer);
  dkms_attempt_add_step (job->attempt, "Taking the modules from the build cache", 0, dkms_clock_since (start));
  return dkms_result_publish (&area, start, error);
}

/* Fails as the cached build did, with its log at the usual place. */
static gboolean
fail_known (const DkmsJob *job, int cached, const DkmsCached *found, GError **error)
{
  g_autofree char *date = dkms_date_of (found->time);
  g_autofree char *text = found->error != NULL && *found->error != '\0' ? g_strdup (found->error) : NULL;
  g_auto (DkmsWorkArea) area = { .job = job, .fd = -1, .log_fd = -1, .result_fd = -1, .log_matters = TRUE };
  g_autoptr (GError) failure = NULL;
  g_autoptr (GError) ignored = NULL;

  dkms_area_adopt (&area, found->seconds);
  area.dir = g_build_filename (job->work->path, "build", NULL);
  if (mkdirat (job->work->fd, "build", 0755) == 0)
    area.fd = openat (job->work->fd, "build", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (area.fd < 0 || !take_log (&area, cached, found, &ignored)
      || renameat (job->work->fd, "cached.log", area.fd, "make.log") < 0)
    area.log_matters = FALSE;
  (void)DKMS_FAIL (&failure, KNOWN_TO_FAIL, .id = job->id, .name = date, .text = text);
  dkms_failure_end (&area, dkms_clock_now (), failure);
  return g_propagate_error (error, g_steal_pointer (&failure)), FALSE;
}

/* Undoes make(), after which the build begins. The modules do not fit this kernel, although their key is that of the
 * build. */
static void
undo (const DkmsJob *job, guint steps, GError *failure, GError **error)
{
  DkmsAttempt *attempt = job->attempt;

  dkms_discard_tree_at (job->work->fd, "result");
  (void)unlinkat (job->work->fd, "cached.log", 0);
  g_ptr_array_set_size (attempt->steps, (int)steps);
  g_clear_pointer (&attempt->cached, g_free);
  g_clear_pointer (&attempt->cache_signer, g_free);
  g_clear_pointer (&attempt->signer, g_free);
  attempt->outcome = DKMS_OUTCOME_RUNNING;
  attempt->seconds = 0;
  (void)DKMS_FAIL (error, CACHE_ENTRY_REFUSED, .id = job->id, .text = failure->message);
}

static gboolean
counts (const DkmsJob *job, const DkmsCached *found)
{
  gint64 now = g_get_real_time () / G_USEC_PER_SEC;

  return !found->failed || now - found->time < (gint64)job->settings->policy.cache_negative * SECONDS_OF_DAY;
}

/* @result: what the cache did; without a cache, there is none */
static void
say_result (const DkmsJob *job, const char *result)
{
  const DkmsPolicy *policy = &job->settings->policy;

  if (*policy->cache_dir != '\0' || *policy->remote.url != '\0')
    DKMS_EMIT (job->events, CACHE_RESULT, .id = job->id, .name = result);
}

static gboolean
is_away (const DkmsJob *job)
{
  return job->caches->remote != NULL && job->caches->remote->away;
}

gboolean
dkms_cached_take (const DkmsJob *job, gboolean *done, GError **error)
{
  guint mark = dkms_unread_mark ();
  g_autoptr (DkmsCached) found = NULL;
  g_autoptr (GError) local = NULL;
  g_auto (DkmsFd) cached = -1;

  *done = FALSE;
  if (!has_key (job) || job->force)
    return say_result (job, "bypassed"), TRUE;
  g_autoptr (GPtrArray) modules = module_names (job);
  const DkmsCacheQuery query = query_of (job, modules);
  if (dkms_cache_find (&query, &cached, &found, &local) && found != NULL && counts (job, found))
    {
      if (found->failed)
        return say_result (job, "negative"), fail_known (job, cached, found, error);
      const guint steps = job->attempt->steps->len;
      g_autoptr (GError) failure = NULL;
      *done = make (job, cached, found, &failure);
      if (!*done)
        undo (job, steps, failure, &local);
    }
  say_result (job, *done ? "hit" : is_away (job) ? "away" : "miss");
  if (!*done)
    dkms_unread_drop (mark);
  if (local != NULL)
    DKMS_EMIT (job->events, CACHE_IGNORED, .error = local);
  return TRUE;
}

/* ---- storing ---- */

/* Copies what is in the result, which dkms has written. */
static gboolean
keep (const DkmsWorkArea *area, GError **error)
{
  static const char *const dirs[] = { KEPT, KEPT "/module", KEPT "/extra", KEPT "/log" };
  static const char symvers[] = "module/Module.symvers";
  const DkmsJob *job = area->job;
  g_autoptr (GPtrArray) modules = module_names (job);

  for (gsize i = 0; i < G_N_ELEMENTS (dirs); i++)
    if (mkdirat (job->work->fd, dirs[i], 0755) < 0)
      return dkms_fail_errno (error, "create", dirs[i]);
  for (guint i = 0; i < modules->len; i++)
    {
      g_autofree char *path = g_strdup_printf ("module/%s.ko", (const char *)modules->pdata[i]);
      g_autofree char *to = g_build_filename (KEPT, path, NULL);
      if (!dkms_copy_plain_at (area->result_fd, path, &(DkmsNewFile){ job->work->fd, to, 0644, FALSE }, error))
        return FALSE;
    }
  return !dkms_is_file_at (area->result_fd, symvers)
         || dkms_copy_plain_at (area->result_fd, symvers,
                                &(DkmsNewFile){ job->work->fd, KEPT "/module/Module.symvers", 0644, FALSE }, error);
}

void
dkms_cached_keep (DkmsWorkArea *area)
{
  guint mark = dkms_unread_mark ();
  g_autoptr (GError) error = NULL;

  if (!has_key (area->job))
    return;
  area->kept = keep (area, &error);
  if (error != NULL)
    g_debug ("%s", error->message);
  dkms_unread_drop (mark);
}

/* Adds the files that POST_BUILD left beside the modules, and the log. */
static gboolean
add_rest (const DkmsWorkArea *area, int kept, GError **error)
{
  const DkmsJob *job = area->job;
  g_autofree char *base = dkms_job_base (job, NULL);
  g_auto (DkmsFd) from = dkms_root_open_dir (job->settings->places.root, base, FALSE, error);
  g_autoptr (GPtrArray) names = from >= 0 ? dkms_list_dir_at (from, ".", error) : NULL;

  for (guint i = 0; names != NULL && i < names->len; i++)
    {
      const char *name = names->pdata[i];
      g_autofree char *to = g_build_filename ("extra", name, NULL);
      if (*name != '.' && !dkms_is_dir_at (from, name)
          && !dkms_copy_plain_at (from, name, &(DkmsNewFile){ kept, to, 0644, FALSE }, error))
        return FALSE;
    }
  return names != NULL;
}

/* Lists the files in @kept, as the cache names them. */
static gboolean
list_files (int kept, GPtrArray *files, GError **error)
{
  static const char *const dirs[] = { "module", "extra", "log" };

  for (gsize i = 0; i < G_N_ELEMENTS (dirs); i++)
    {
      g_autoptr (GPtrArray) names = dkms_list_dir_at (kept, dirs[i], error);
      if (names == NULL)
        return FALSE;
      for (guint j = 0; j < names->len; j++)
        g_ptr_array_add (files, g_build_filename (dirs[i], names->pdata[j], NULL));
    }
  return TRUE;
}

/* Stores the files in @kept with the log. */
static gboolean
store (const DkmsWorkArea *area, int kept, DkmsCached *made, GError **error)
{
  const DkmsJob *job = area->job;
  g_autofree char *log = g_strdup_printf ("/proc/self/fd/%d", area->log_fd);
  g_autoptr (GPtrArray) modules = module_names (job);
  const DkmsCacheQuery query = query_of (job, modules);

  made->time = job->attempt->begun / G_USEC_PER_SEC;
  made->seconds = job->attempt->seconds;
  made->files = g_ptr_array_new_with_free_func (g_free);
  return dkms_copy_file_at (AT_FDCWD, log, &(DkmsNewFile){ kept, LOG, 0644, FALSE }, error)
         && list_files (kept, made->files, error) && dkms_cache_add (&query, made, kept, error);
}

/* Ends the claim on a build that is not stored. Those who wait for it begin to build. */
static void
end_claim (const DkmsJob *job)
{
  g_autoptr (GPtrArray) modules = module_names (job);
  const DkmsCacheQuery query = query_of (job, modules);

  if (!job->force)
    dkms_claim_end (&query);
}

/* Returns: whether the build was stored */
static gboolean
store_build (const DkmsWorkArea *area, GError **error)
{
  g_autoptr (DkmsCached) made = g_new0 (DkmsCached, 1);

  /* Modules that POST_BUILD has changed are signed and compressed already. */
  if (!area->kept || area->altered)
    return FALSE;
  g_auto (DkmsFd) kept = openat (area->job->work->fd, KEPT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (kept < 0)
    return dkms_fail_errno (error, "open", KEPT);
  return add_rest (area, kept, error) && store (area, kept, made, error);
}

/* Returns: whether the failure was stored */
static gboolean
store_failure (const DkmsWorkArea *area, GError **error)
{
  static const char *const dirs[] = { "log", "module", "extra" };
  const DkmsJob *job = area->job;
  g_autoptr (DkmsCached) made = g_new0 (DkmsCached, 1);

  if (job->settings->policy.cache_negative == 0 || area->log_fd < 0 || area->ended != NULL
      || !dkms_kept_is_final (job->attempt))
    return FALSE;
  made->failed = TRUE;
  made->error = g_strdup (job->attempt->first_error != NULL ? job->attempt->first_error : job->attempt->error->message);
  dkms_discard_tree_at (job->work->fd, KEPT);
  g_auto (DkmsFd) kept = -1;
  if (mkdirat (job->work->fd, KEPT, 0755) == 0)
    kept = openat (job->work->fd, KEPT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (kept < 0)
    return dkms_fail_errno (error, "create", KEPT);
  for (gsize i = 0; i < G_N_ELEMENTS (dirs); i++)
    if (mkdirat (kept, dirs[i], 0755) < 0)
      return dkms_fail_errno (error, "create", dirs[i]);
  return store (area, kept, made, error);
}

void
dkms_cached_store (DkmsWorkArea *area, gboolean built)
{
  guint mark = dkms_unread_mark ();
  g_autoptr (GError) error = NULL;

  if (has_key (area->job) && !(built ? store_build (area, &error) : store_failure (area, &error)))
    end_claim (area->job);
  if (error != NULL)
    g_debug ("The result is not stored in the build cache: %s", error->message);
  dkms_unread_drop (mark);
}
