/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registers sources in the tree of the worker, builds, and reports. */
#define _GNU_SOURCE
#include "fleet/work.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/unread.h"
#include "fleet/outcome.h"
#include "fleet/output.h"
#include "fleet/slot.h"
#include "forecast/result.h"
#include "forecast/shadow.h"
#include "kernel/missing.h"
#include "run/run.h"
#include "store/layout.h"
#include "store/scan.h"
#include "world/inputs.h"

/* What is known about a job. */
typedef struct {
  const DkmsFleetJob *job;
  char *basis;
  GError *error;   /* (nullable): why it failed */
  char *why;       /* (nullable): why it was not tried */
  gboolean cached; /* the build was taken from the build cache */
  gboolean ended;
} Task;

/* Jobs that one run can do: one version of each module. */
typedef struct {
  DkmsFleetWork *work;
  const DkmsFleetPlace *place;
  DkmsSettings settings;  /* those of the place, with the tree of the worker */
  DkmsRequest request;    /* of the run */
  const DkmsId *kernel;   /* of one of the jobs */
  int tree;               /* descriptor of the tree */
  GHashTable *tasks;      /* "<module>\n<kernel>" -> Task */
  GHashTable *registered; /* module -> version, in the tree of the worker */
  GHashTable *bases;      /* "<module>\n<kernel>\n<arch>" -> basis */
  DkmsWorld *world;
  GError *error; /* (nullable): a report could not be written */
} Batch;

static void
task_free (gpointer data)
{
  Task *self = data;

  g_free (self->basis);
  g_clear_error (&self->error);
  g_free (self->why);
  g_free (self);
}

static char *
key_of (const DkmsId *id)
{
  return g_strconcat (id->module, "\n", id->kernel, NULL);
}

/* Returns: (nullable) */
static Task *
task_of (const Batch *self, const DkmsId *id)
{
  g_autofree char *key = id->module != NULL && id->kernel != NULL ? key_of (id) : NULL;

  return key != NULL ? g_hash_table_lookup (self->tasks, key) : NULL;
}

/* ---- reports ---- */

/* Emits the result, and counts it. @kind: MATRIX_JOB or MATRIX_KEPT */
static void
note (const Batch *self, const DkmsJobReport *report, DkmsEventKind kind)
{
  self->work->bad += !dkms_job_result_is_good (report->result);
  dkms_listener_hear (self->work->events, &(const DkmsEvent){ .kind = kind,
                                                              .id = *report->job->id,
                                                              .place = report->job->root,
                                                              .name = dkms_job_result_name (report->result),
                                                              .text = report->error,
                                                              .seconds = report->seconds });
}

static void
finish (Batch *self, Task *task)
{
  int log_fd = -1;
  g_autoptr (DkmsJobReport) report
      = dkms_outcome_read (&self->settings.places, task->job, task->error, self->work->request->exit_code, &log_fd);
  g_auto (DkmsFd) log = log_fd;

  task->ended = TRUE;
  if (task->cached && report->result == DKMS_JOB_BUILT)
    report->result = DKMS_JOB_CACHED;
  if (report->error != NULL && *report->error == '\0')
    g_clear_pointer (&report->error, g_free);
  if (report->error == NULL && report->result == DKMS_JOB_FAILED)
    report->error = g_strdup (task->why);
  if (report->key == NULL)
    report->key = g_strdup (task->basis);
  if (g_strcmp0 (report->key, task->basis) != 0)
    report->basis = g_strdup (task->basis);
  report->host = g_strdup (g_get_host_name ());
  report->shard = g_strdup (self->work->shard);
  if (self->work->again != NULL)
    self->work->again->take (self->work->again->data, &self->settings.places, report);
  else if (self->error == NULL && dkms_fleet_output_report (self->work->output, report, log, &self->error))
    note (self, report, DKMS_EVENT_MATRIX_JOB);
}

/* ---- events of the run ---- */

static void
take_error (const Batch *self, const GError *error)
{
  Task *task = error != NULL ? task_of (self, &dkms_error_info (error)->id) : NULL;

  if (task != NULL && task->error == NULL)
    task->error = g_error_copy (error);
}

/* Takes notice of why a job cannot be tried. */
static void
take_reason (const Batch *self, const DkmsEvent *reason)
{
  Task *task = reason != NULL ? task_of (self, &reason->id) : NULL;

  if (task == NULL)
    return;
  if (reason->error != NULL && task->error == NULL)
    task->error = g_error_copy (reason->error);
  else if (reason->text != NULL && task->why == NULL)
    task->why = DKMS_SAY (FORECAST_NEEDS, .text = reason->text);
}

/* A job has ended if it was built, or if its error is known. */
static void
take_end (Batch *self, const DkmsEvent *event)
{
  Task *task = task_of (self, &event->id);

  if (task != NULL && !task->ended && (event->kind != DKMS_EVENT_PIECE_FAILED || task->error != NULL))
    finish (self, task);
}

static void
hear (gpointer data, const DkmsEvent *event)
{
  Batch *self = data;
  DkmsListener *events = self->work->events;

  if (event->kind == DKMS_EVENT_ERROR || event->kind == DKMS_EVENT_EXCLUDED)
    take_error (self, event->error);
  else if (event->kind == DKMS_EVENT_HOPELESS || event->kind == DKMS_EVENT_DEFERRED)
    take_reason (self, event->reason);
  else if (event->kind == DKMS_EVENT_CACHE_TAKEN && task_of (self, &event->id) != NULL)
    task_of (self, &event->id)->cached = TRUE;
  if (dkms_results_show (event) || self->settings.policy.verbose)
    events->hear (events->data, event);
  if (event->kind == DKMS_EVENT_PIECE_DONE || event->kind == DKMS_EVENT_PIECE_DOUBTFUL
      || event->kind == DKMS_EVENT_PIECE_FAILED)
    take_end (self, event);
}

static void
tick (gpointer data)
{
  dkms_listener_tick (((const Batch *)data)->work->events);
}

static int
interval (gpointer data)
{
  return dkms_listener_interval (((const Batch *)data)->work->events);
}

/* ---- the tree ---- */

/* Registers the source in @request. @source_tree: where it is, or where its copy will be */
static gboolean
add (Batch *self, const DkmsRequest *given, char *source_tree, GError **error)
{
  DkmsListener events = { .hear = hear, .data = self };
  DkmsSettings settings = self->settings;

  settings.places.source_tree = source_tree;
  return dkms_slot_add (&settings, &events, given, self->kernel, error);
}

static gboolean
register_source (Batch *self, const DkmsFleetSource *source, GError **error)
{
  const DkmsPlaces *origin = &self->place->settings->places;
  const DkmsId id = { source->module, source->version, NULL, NULL };
  g_autofree char *registered = dkms_layout_version (origin, &id, NULL);
  gboolean of_host = source->given->source != NULL || source->given->archive != NULL;
  DkmsRequest named = *source->given;

  g_hash_table_insert (self->registered, source->module, source->version);
  if (of_host)
    return add (self, source->given, self->settings.places.source_tree, error);
  if (dkms_root_is_dir (origin->root, registered))
    return dkms_shadow_copy (origin, self->tree, &id, error);
  named.module = source->module;
  named.version = source->version;
  return add (self, &named, origin->source_tree, error);
}

/* Registers a module that another one needs, if it is known. */
static gboolean
register_needed (Batch *self, const char *module, GError **error)
{
  const DkmsPlaces *origin = &self->place->settings->places;
  const DkmsFleetSource *source = dkms_fleet_place_given (self->place, module);

  if (g_hash_table_contains (self->registered, module))
    return TRUE;
  if (source != NULL)
    return register_source (self, source, error);
  g_autoptr (DkmsState) state = dkms_state_read (origin, &(DkmsId){ .module = module }, error);
  const DkmsVersion *v = state != NULL ? dkms_state_latest (state, module) : NULL;
  if (v == NULL)
    return state != NULL;
  const DkmsId id = { g_intern_string (v->module), g_intern_string (v->version), NULL, NULL };
  g_hash_table_insert (self->registered, (gpointer)id.module, (gpointer)id.version);
  return dkms_shadow_copy (origin, self->tree, &id, error);
}

/* ---- inputs ---- */

/* Computes the basis of a build (fleet/job-report.h), and registers what it needs. Returns: (transfer none) (nullable):
 * NULL with an error */
static const char *
find_basis (Batch *self, const DkmsId *id, GError **error)
{
  g_autofree char *key = g_strjoin ("\n", id->module, id->kernel, id->arch, NULL);
  const char *known = g_hash_table_lookup (self->bases, key);
  g_autofree char *texts = NULL;

  if (known != NULL)
    return known;
  g_autoptr (DkmsInputs) inputs = dkms_world_inputs (self->world, id, NULL, &texts);
  char *identity = dkms_inputs_identity (inputs);
  g_hash_table_insert (self->bases, g_strdup (key), identity); /* also if modules need each other */
  const DkmsRecipe *recipe = dkms_world_recipe (self->world, id, NULL);
  if (recipe == NULL || recipe->depends == NULL || *recipe->depends == NULL)
    return identity;
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  g_auto (GStrv) depends = g_strdupv (recipe->depends);
  g_checksum_update (sum, (const guchar *)identity, -1);
  for (char **name = depends; *name != NULL; name++)
    {
      if (!register_needed (self, *name, error))
        return NULL;
      const DkmsId needed = { *name, g_hash_table_lookup (self->registered, *name), id->kernel, id->arch };
      const char *basis = needed.version != NULL ? find_basis (self, &needed, error) : "-";
      if (basis == NULL)
        return NULL;
      g_checksum_update (sum, (const guchar *)*name, (gssize)strlen (*name) + 1);
      g_checksum_update (sum, (const guchar *)basis, (gssize)strlen (basis) + 1);
    }
  char *basis = g_strdup (g_checksum_get_string (sum));
  g_hash_table_insert (self->bases, g_steal_pointer (&key), basis);
  return basis;
}

/* ---- one batch ---- */

/* Decides whether the job is to be tried. Jobs with a settling report, or without headers, end at once. */
static gboolean
consider (Batch *self, Task *task, GError **error)
{
  const DkmsFleetJob *job = task->job;
  const char *basis = find_basis (self, job->id, error);
  const DkmsKernel *kernel = dkms_world_kernel (self->world, job->id).kernel;

  if (basis == NULL)
    return FALSE;
  task->basis = g_strdup (basis);
  g_autoptr (DkmsJobReport) report
      = self->work->again == NULL ? dkms_fleet_output_find (self->work->output, job->text) : NULL;
  if (report != NULL && dkms_job_report_settles (report, basis))
    {
      task->ended = TRUE;
      note (self, report, DKMS_EVENT_MATRIX_KEPT);
      return TRUE;
    }
  if (!dkms_kernel_has_headers (kernel, self->settings.places.root))
    {
      (void)dkms_missing_headers (self->settings.policy.distro, self->settings.places.root, kernel, &task->error);
      finish (self, task);
      return TRUE;
    }
  g_hash_table_add (self->request.only, dkms_id_copy (job->id));
  if (!dkms_targets_contain (self->request.targets, job->id))
    dkms_targets_add (self->request.targets, job->id);
  return TRUE;
}

/* Registers the sources of @jobs, and decides which of them are to be tried. */
static gboolean
prepare (Batch *self, const GPtrArray *jobs, GError **error)
{
  for (guint i = 0; i < jobs->len; i++)
    {
      const DkmsFleetJob *job = jobs->pdata[i];
      Task *task = g_new0 (Task, 1);
      task->job = job;
      g_hash_table_insert (self->tasks, key_of (job->id), task);
      if (!g_hash_table_contains (self->registered, job->id->module)
          && !register_source (self, self->place->sources->pdata[job->source], error))
        return FALSE;
    }
  for (guint i = 0; i < jobs->len; i++)
    dkms_world_want (self->world, ((const DkmsFleetJob *)jobs->pdata[i])->id);
  if (!dkms_world_load (self->world, error))
    return FALSE;
  for (guint i = 0; i < jobs->len && self->error == NULL; i++)
    if (!consider (self, task_of (self, ((const DkmsFleetJob *)jobs->pdata[i])->id), error))
      return FALSE;
  return TRUE;
}

/* Reports the jobs that the run did not try. */
static void
finish_rest (Batch *self, const GPtrArray *jobs)
{
  for (guint i = 0; i < jobs->len; i++)
    {
      Task *task = task_of (self, ((const DkmsFleetJob *)jobs->pdata[i])->id);
      if (task->ended)
        continue;
      if (task->error == NULL && task->why == NULL)
        task->why = DKMS_SAY (FORECAST_BLOCKED, 0);
      finish (self, task);
    }
}

static gboolean
run_batch (Batch *self, const GPtrArray *jobs, GError **error)
{
  DkmsListener events = { .hear = hear, .tick = tick, .interval = interval, .data = self };
  g_autoptr (GError) local = NULL;
  int status = 0;

  if (!prepare (self, jobs, error))
    return FALSE;
  if (g_hash_table_size (self->request.only) > 0 && self->error == NULL
      && !dkms_run (&self->settings, &events, &self->request, self->work->request->exit_code, &status, &local)
      && !g_error_matches (local, DKMS_ERROR, DKMS_ERROR_AUTOINSTALL))
    return g_propagate_error (error, g_steal_pointer (&local)), FALSE;
  dkms_unread_drop (0); /* the reports show what could not be read */
  if (self->error == NULL)
    finish_rest (self, jobs);
  if (self->error != NULL)
    return g_propagate_error (error, g_steal_pointer (&self->error)), FALSE;
  return TRUE;
}

static gboolean
do_batch (DkmsFleetWork *work, const DkmsFleetPlace *place, DkmsSlot *slot, const GPtrArray *jobs, GError **error)
{
  g_autofree char *tree = dkms_slot_path (slot, "tree"), *sources = dkms_slot_path (slot, "sources");
  g_auto (DkmsFd) fd
      = dkms_slot_empty (slot, error) ? dkms_root_open_dir (place->settings->places.root, tree, TRUE, error) : -1;
  g_autoptr (GHashTable) tasks = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, task_free);
  g_autoptr (GHashTable) registered = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GHashTable) bases = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_autoptr (GHashTable) only = g_hash_table_new_full (dkms_id_hash, dkms_id_equal, (GDestroyNotify)dkms_id_free, NULL);
  g_autoptr (GPtrArray) targets = dkms_targets_new ();
  Batch self = { .work = work,
                 .place = place,
                 .settings = *place->settings,
                 .request = *work->request,
                 .kernel = ((const DkmsFleetJob *)jobs->pdata[0])->id,
                 .tree = fd,
                 .tasks = tasks,
                 .registered = registered,
                 .bases = bases };

  if (fd < 0)
    return FALSE;
  self.settings.places.dkms_tree = tree;
  self.settings.places.source_tree = sources;
  /* So builds of other workers, or an earlier build, can be compared. */
  self.settings.policy.reproducible = work->again == NULL || work->again->reproducible;
  self.request.build_place = work->again != NULL ? work->again->build_place : NULL;
  self.request.action = (char *)"build";
  self.request.forecast = TRUE;
  self.request.only = only;
  self.request.targets = targets;
  g_autoptr (DkmsWorld) world = dkms_world_new (&self.settings, &self.request, work->events);
  self.world = world;
  gboolean ok = run_batch (&self, jobs, error);
  g_clear_error (&self.error);
  return ok;
}

/* Takes the jobs that one run can do out of @left: one version of each module, and one architecture of each kernel. */
static GPtrArray *
take_batch (GPtrArray *left)
{
  g_autoptr (GHashTable) versions = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GHashTable) builds = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  GPtrArray *batch = g_ptr_array_new ();
  guint kept = 0;

  for (guint i = 0; i < left->len; i++)
    {
      DkmsFleetJob *job = left->pdata[i];
      const char *version = g_hash_table_lookup (versions, job->id->module);
      g_autofree char *key = key_of (job->id);
      if ((version != NULL && strcmp (version, job->id->version) != 0) || g_hash_table_contains (builds, key))
        {
          left->pdata[kept++] = job;
          continue;
        }
      g_hash_table_insert (versions, (gpointer)job->id->module, (gpointer)job->id->version);
      g_hash_table_add (builds, g_steal_pointer (&key));
      g_ptr_array_add (batch, job);
    }
  g_ptr_array_set_size (left, (int)kept);
  return batch;
}

gboolean
dkms_fleet_work (DkmsFleetWork *self, const DkmsFleetPlace *place, const GPtrArray *jobs, GError **error)
{
  g_autoptr (DkmsSlot) slot = jobs->len > 0 ? dkms_slot_take (&place->settings->places, error) : NULL;
  g_autoptr (GPtrArray) left = g_ptr_array_new ();

  if (slot == NULL)
    return jobs->len == 0;
  for (guint i = 0; i < jobs->len; i++)
    g_ptr_array_add (left, jobs->pdata[i]);
  while (left->len > 0)
    {
      g_autoptr (GPtrArray) batch = take_batch (left);
      if (!do_batch (self, place, slot, batch, error))
        return FALSE;
    }
  return TRUE;
}
