/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Builds what is built once more with the machinery of a matrix, and compares. */
#include "inspect/cache-verify.h"

#include <string.h>

#include "base/error.h"
#include "base/unread.h"
#include "fleet/outcome.h"
#include "fleet/work.h"
#include "share/payload.h"
#include "store/attempts.h"
#include "store/layout.h"
#include "store/scan.h"
#include "world/inputs.h"

typedef struct {
  const DkmsSettings *settings;
  DkmsListener *events;
  const DkmsRequest *request;
  guint all, differing, unknown; /* builds */
} Verification;

/* One build of the tree. */
typedef struct {
  Verification *of;
  const DkmsId *id;
  gboolean equal, unknown;
} Comparison;

/* The digests of the modules of a build. */
typedef struct {
  DkmsRecord *record;
  GPtrArray *modules;  /* element-type DkmsRecordModule */
  GPtrArray *payloads; /* (nullable) element-type DkmsPayload: in the same order */
} Digests;

static void
digests_clear (Digests *self)
{
  g_clear_pointer (&self->record, dkms_record_free);
  g_clear_pointer (&self->modules, g_ptr_array_unref);
  g_clear_pointer (&self->payloads, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Digests, digests_clear)

static gboolean
read_digests (Digests *self, const DkmsPlaces *places, const DkmsId *id, GError **error)
{
  self->modules = g_ptr_array_new ();
  self->record = dkms_record_read (places, id);
  if (self->record == NULL)
    return DKMS_FAIL (error, NEVER_BUILT, .id = *id);
  g_autoptr (GArray) fds = dkms_outcome_open (places, id, self->record, self->modules);
  self->payloads = dkms_payloads_read (fds, error);
  return self->payloads != NULL;
}

/* Returns: (nullable): the digests of the module @name */
static const DkmsPayload *
find_payload (const Digests *self, const char *name)
{
  for (guint i = 0; i < self->modules->len; i++)
    if (strcmp (((const DkmsRecordModule *)self->modules->pdata[i])->dest_name, name) == 0)
      return self->payloads->pdata[i];
  return NULL;
}

/* Compares the module @name. */
static void
compare_module (Comparison *self, const char *name, const Digests *first, const Digests *second)
{
  const DkmsPayload *a = find_payload (first, name), *b = find_payload (second, name);
  DkmsListener *events = self->of->events;
  DkmsPayloadOrder order = a != NULL && b != NULL ? dkms_payload_compare (a, b) : DKMS_PAYLOAD_UNKNOWN;

  switch (order)
    {
    case DKMS_PAYLOAD_EQUAL:
      break;
    case DKMS_PAYLOAD_TYPES_DIFFER:
      DKMS_EMIT (events, CACHE_TYPES_DIFFER, .id = *self->id, .name = name);
      break;
    case DKMS_PAYLOAD_FILE_DIFFERS:
      DKMS_EMIT (events, CACHE_FILE_DIFFERS, .id = *self->id, .name = name);
      self->equal = FALSE;
      break;
    case DKMS_PAYLOAD_DIFFERS:
      DKMS_EMIT (events, CACHE_PAYLOAD_DIFFERS, .id = *self->id, .name = name);
      self->equal = FALSE;
      break;
    default:
      self->unknown = TRUE;
    }
}

/* Takes the build that was made again. */
static void
compare (gpointer data, const DkmsPlaces *scratch, const DkmsJobReport *report)
{
  Comparison *self = data;
  g_auto (Digests) first = { NULL }, second = { NULL };
  g_autoptr (GError) error = NULL;
  guint mark = dkms_unread_mark ();

  self->unknown = TRUE;
  if (report->result != DKMS_JOB_BUILT)
    {
      DKMS_EMIT (self->of->events, CACHE_NOT_COMPARED, .id = *self->id, .text = report->error);
      return;
    }
  if (read_digests (&first, &self->of->settings->places, self->id, &error)
      && read_digests (&second, scratch, self->id, &error))
    {
      self->unknown = FALSE;
      for (guint i = 0; i < first.record->modules->len; i++)
        {
          const DkmsRecordModule *module = first.record->modules->pdata[i];
          if (module->file != NULL)
            compare_module (self, module->dest_name, &first, &second);
        }
    }
  dkms_unread_drop (mark);
  if (self->unknown)
    DKMS_EMIT (self->of->events, CACHE_NOT_COMPARED, .id = *self->id, .text = error != NULL ? error->message : NULL);
  else if (self->equal)
    DKMS_EMIT (self->of->events, CACHE_VERIFIED, .id = *self->id);
}

/* Names the inputs that have changed since the build. Then it may differ. */
static void
name_changes (const Verification *self, const DkmsId *id, const DkmsAttempt *made)
{
  g_autoptr (DkmsWorld) world = dkms_world_new (self->settings, self->request, self->events);
  g_autofree char *texts = NULL;
  g_autoptr (DkmsInputs) now
      = made != NULL && made->inputs != NULL ? dkms_world_inputs (world, id, NULL, &texts) : NULL;
  g_auto (GStrv) names = now != NULL ? dkms_inputs_differences (made->inputs, now) : NULL;
  g_autofree char *list = names != NULL ? g_strjoinv (", ", names) : NULL;

  if (list != NULL && *list != '\0')
    DKMS_EMIT (self->events, CACHE_INPUTS_CHANGED, .id = *id, .text = list);
}

/* Builds @id again. Modules in BUILD_DEPENDS are built first. */
static gboolean
verify_build (Verification *self, const DkmsId *id, GError **error)
{
  const DkmsPlaces *places = &self->settings->places;
  g_autoptr (DkmsAttempt) made = dkms_attempts_read_build (places, id);
  g_autofree char *build = dkms_layout_version (places, id, "build");
  g_autofree char *place = dkms_root_tool_path (places->root, build);
  g_autoptr (DkmsFleetJob) job = dkms_fleet_job_new (id, DKMS_FLEET_HOST);
  g_autoptr (GPtrArray) jobs = g_ptr_array_new (), sources = g_ptr_array_new (), kernels = dkms_targets_new ();
  gboolean reproducible = made != NULL && made->reproducible;
  Comparison comparison = { self, id, TRUE, TRUE };
  const DkmsFleetAgain again = { reproducible, reproducible ? NULL : place, compare, &comparison };
  DkmsRequest given = *self->request, request = *self->request;
  DkmsFleetSource source = { &given, (char *)id->module, (char *)id->version, NULL };
  const DkmsFleetPlace fleet_place
      = { NULL, (char *)DKMS_FLEET_HOST, (DkmsSettings *)self->settings, kernels, sources };

  given.module = source.module;
  given.version = source.version;
  request.goal = DKMS_GOAL_BUILT;
  request.selection = DKMS_SELECT_LATEST;
  request.module = request.version = NULL;
  request.no_cache = TRUE;
  DkmsFleetWork work = { .request = &request, .events = self->events, .output = -1, .again = &again };
  dkms_targets_add (kernels, id);
  g_ptr_array_add (sources, &source);
  g_ptr_array_add (jobs, job);
  self->all++;
  DKMS_EMIT (self->events, CACHE_VERIFYING, .id = *id);
  if (!dkms_fleet_work (&work, &fleet_place, jobs, error))
    return FALSE;
  self->unknown += comparison.unknown;
  self->differing += !comparison.unknown && !comparison.equal;
  if (comparison.unknown || !comparison.equal)
    name_changes (self, id, made);
  return TRUE;
}

gboolean
dkms_cache_verify (const DkmsSettings *settings, DkmsListener *events, const DkmsRequest *request, GError **error)
{
  const DkmsId filter = { .module = request->module, .version = request->version };
  g_autoptr (DkmsState) state = dkms_state_read (&settings->places, &filter, error);
  Verification self = { .settings = settings, .events = events, .request = request };

  if (state == NULL)
    return FALSE;
  if (state->versions->len == 0 && filter.module != NULL)
    return DKMS_FAIL (error, NOT_ADDED, .id = filter);
  for (guint i = 0; i < state->versions->len; i++)
    {
      const DkmsVersion *v = state->versions->pdata[i];
      for (guint k = 0; !v->broken && k < v->builds->len; k++)
        {
          const DkmsId id = dkms_build_id (v, v->builds->pdata[k]);
          if (dkms_targets_pass (request->targets, &id) && !verify_build (&self, &id, error))
            return FALSE;
        }
    }
  if (self.differing > 0)
    return DKMS_FAIL (error, BUILDS_DIFFER, .number = self.differing, .limit = self.all);
  return self.unknown == 0 || DKMS_FAIL (error, BUILDS_NOT_COMPARED, .number = self.unknown, .limit = self.all);
}
