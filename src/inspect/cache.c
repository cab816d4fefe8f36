/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The actions of the verb cache. */
#include "inspect/cache.h"

#include <string.h>

#include "base/error.h"
#include "base/language.h"
#include "base/unread.h"
#include "inspect/cache-given.h"
#include "inspect/cache-verify.h"
#include "kernel/missing.h"
#include "share/remote.h"
#include "store/attempts.h"
#include "store/layout.h"
#include "store/record.h"
#include "store/register.h"
#include "store/scan.h"
#include "world/cache-key.h"
#include "world/inputs.h"

const char *const dkms_cache_actions[]
    = { "status", "why", "key", "verify", "prune", "push", DKMS_CACHE_GENERATE_KEY, NULL };

typedef struct {
  const DkmsSettings *settings;
  DkmsListener *events;
  const DkmsRequest *request;
  DkmsWorld *world;
  const char *place; /* (nullable): of the build, if it would not be in this tree */
} Question;

/* ---- status and prune ---- */

/* Opens the cache, or reports that there is none. @cache: (out) (transfer full) (nullable) */
static gboolean
open_cache (const Question *self, DkmsCacheDir **cache, GError **error)
{
  const char *path = self->settings->policy.cache_dir;
  GError *local = NULL;

  *cache = dkms_cache_dir_open (self->settings, FALSE, &local);
  if (local != NULL)
    return g_propagate_error (error, local), FALSE;
  if (*path == '\0' && *self->settings->policy.remote.url == '\0')
    DKMS_EMIT (self->events, CACHE_OFF);
  else if (*cache == NULL && *path != '\0')
    DKMS_EMIT (self->events, CACHE_IS, .path = path, .text = "0.0");
  return TRUE;
}

static void
count_taken (const Question *self)
{
  g_autoptr (GPtrArray) files = dkms_attempts_list (&self->settings->places, &(DkmsId){ 0 });
  guint taken = 0, all = 0;

  for (guint i = 0; i < files->len; i++)
    {
      const DkmsAttemptFile *file = files->pdata[i];
      g_autoptr (DkmsAttempt) attempt
          = file->outcome == DKMS_OUTCOME_BUILT ? dkms_attempts_read (&self->settings->places, file) : NULL;
      all += attempt != NULL;
      taken += attempt != NULL && attempt->cached != NULL;
    }
  g_autofree char *text = g_strdup_printf ("%u", all);
  DKMS_EMIT (self->events, CACHE_TAKEN_HERE, .number = (int)taken, .text = text);
}

static void
show_server (const Question *self)
{
  const char *url = self->settings->policy.remote.url;
  g_autofree char *text = *url != '\0' ? dkms_remote_probe (self->settings) : NULL;

  if (*url != '\0')
    DKMS_EMIT (self->events, CACHE_SERVER, .path = url, .text = text != NULL ? text : N_ ("it answers"));
}

static gboolean
show_status (const Question *self, GError **error)
{
  g_autoptr (DkmsCacheDir) cache = NULL;
  DkmsCacheSize size;

  show_server (self);

  if (!open_cache (self, &cache, error))
    return FALSE;
  if (cache == NULL && *self->settings->policy.remote.url != '\0')
    count_taken (self);
  if (cache == NULL)
    return TRUE;
  if (!dkms_cache_dir_measure (cache, &size, error))
    return FALSE;
  g_autofree char *mib = g_strdup_printf ("%.1f", (double)size.bytes / (1 << 20));
  g_autofree char *limit = g_strdup_printf ("%u", self->settings->policy.cache_size_mib);
  DKMS_EMIT (self->events, CACHE_IS, .path = self->settings->policy.cache_dir, .number = (int)size.entries, .text = mib,
             .name = limit);
  count_taken (self);
  return TRUE;
}

static gboolean
prune (const Question *self, GError **error)
{
  g_autoptr (DkmsCacheDir) cache = NULL;
  gint64 mib = self->request->limit_mib >= 0 ? self->request->limit_mib : self->settings->policy.cache_size_mib;
  guint deleted = 0;

  if (!open_cache (self, &cache, error))
    return FALSE;
  if (cache == NULL)
    return TRUE;
  if (!dkms_cache_dir_prune (cache, (goffset)mib << 20, &deleted, error))
    return FALSE;
  DKMS_EMIT (self->events, CACHE_PRUNED, .number = (int)deleted);
  return TRUE;
}

/* ---- keys ---- */

/* Returns: (transfer full) (nullable): all inputs that the build of @id would have now; NULL if one cannot be known */
static DkmsInputs *
inputs_now (const Question *self, const DkmsId *id)
{
  g_autofree char *texts = NULL;
  g_autoptr (DkmsInputs) inputs = dkms_world_inputs (self->world, id, NULL, &texts);

  DkmsInputs *all = dkms_world_cache_inputs (self->world, id, inputs);
  if (all != NULL && self->place != NULL && dkms_inputs_get (all, "env.place") != NULL)
    dkms_inputs_set (all, "env.place", self->place);
  return all;
}

/* Calls @visit for the builds that the request selects, or, with @possible, for each kernel with headers. */
static void
each (const Question *self, const DkmsState *state, gboolean possible, void (*visit) (const Question *, const DkmsId *))
{
  const DkmsPlaces *places = &self->settings->places;
  g_autoptr (GPtrArray) kernels = dkms_kernel_list (places->root, places->install_tree, TRUE);

  for (guint i = 0; i < state->versions->len; i++)
    {
      const DkmsVersion *v = state->versions->pdata[i];
      guint count = v->broken ? 0 : possible ? kernels->len : v->builds->len;
      for (guint k = 0; k < count; k++)
        {
          const DkmsId id = possible ? (DkmsId){ v->module, v->version, kernels->pdata[k], dkms_running_machine () }
                                     : dkms_build_id (v, v->builds->pdata[k]);
          if (dkms_targets_pass (self->request->targets, &id))
            visit (self, &id);
        }
    }
}

static void
announce (const Question *self, const DkmsId *id)
{
  dkms_world_want (self->world, id);
}

static void
show_key (const Question *self, const DkmsId *id)
{
  g_autoptr (DkmsInputs) inputs = inputs_now (self, id);
  g_autofree char *key = inputs != NULL ? dkms_inputs_identity (inputs) : NULL;
  g_autofree char *document = inputs != NULL ? dkms_inputs_document (inputs) : NULL;

  if (inputs == NULL)
    DKMS_EMIT (self->events, CACHE_NO_KEY, .id = *id);
  else
    DKMS_EMIT (self->events, CACHE_KEY, .id = *id, .name = key, .text = document);
}

static void
show_why (const Question *self, const DkmsId *id)
{
  g_autoptr (DkmsAttempt) made = dkms_attempts_read_build (&self->settings->places, id);
  g_autoptr (DkmsInputs) now = made != NULL && made->cache_inputs != NULL ? inputs_now (self, id) : NULL;

  if (made == NULL || made->cache_inputs == NULL)
    DKMS_EMIT (self->events, CACHE_NOT_USED, .id = *id);
  else if (now == NULL)
    DKMS_EMIT (self->events, CACHE_NO_KEY, .id = *id);
  else
    {
      g_auto (GStrv) names = dkms_inputs_differences (made->cache_inputs, now);
      g_autofree char *list = g_strjoinv (", ", names);
      if (*list != '\0')
        DKMS_EMIT (self->events, CACHE_WHY, .id = *id, .text = list);
      else
        DKMS_EMIT (self->events, CACHE_SAME, .id = *id);
    }
}

/* Returns: (transfer full) (nullable): the versions that the request selects */
static DkmsState *
read_state (const Question *self, GError **error)
{
  const DkmsId filter = { .module = self->request->module, .version = self->request->version };
  g_autoptr (DkmsState) state = dkms_state_read (&self->settings->places, &filter, error);

  if (state != NULL && state->versions->len == 0 && filter.module != NULL)
    return (void)DKMS_FAIL (error, NOT_ADDED, .id = filter), NULL;
  return g_steal_pointer (&state);
}

/* Whether builds for the kernels that the request names, or for any kernel, are possible. */
static gboolean
check_kernels (const Question *self, GError **error)
{
  const DkmsSettings *s = self->settings;
  const DkmsPlaces *places = &s->places;
  g_autoptr (GPtrArray) kernels = dkms_kernel_list (places->root, places->install_tree, TRUE);

  for (guint i = 0; i < self->request->targets->len; i++)
    {
      const DkmsId *target = self->request->targets->pdata[i];
      if (target->kernel == NULL || g_ptr_array_find_with_equal_func (kernels, target->kernel, g_str_equal, NULL))
        continue;
      g_autoptr (DkmsKernel) kernel = dkms_kernel_new (places->root, places->install_tree, target, NULL, NULL);
      return dkms_missing_headers (s->policy.distro, places->root, kernel, error);
    }
  return kernels->len > 0 || dkms_missing_all_headers (s->policy.distro, places->root, places->install_tree, error);
}

static gboolean
show_each (const Question *self, gboolean possible, void (*visit) (const Question *, const DkmsId *), GError **error)
{
  g_autoptr (DkmsState) state = read_state (self, error);

  if (state == NULL || (possible && !check_kernels (self, error)))
    return FALSE;
  each (self, state, possible, announce);
  if (!dkms_world_load (self->world, error))
    return FALSE;
  each (self, state, possible, visit);
  return TRUE;
}

/* Whether the request is about a source that is not registered, in the source tree or elsewhere. */
static gboolean
is_given (const Question *self)
{
  const DkmsPlaces *places = &self->settings->places;
  const DkmsRequest *request = self->request;
  const DkmsId id = { request->module, request->version, NULL, NULL };

  if (request->source != NULL || request->archive != NULL)
    return TRUE;
  if (id.module == NULL || *id.module == '\0' || id.version == NULL || *id.version == '\0')
    return FALSE;
  g_autofree char *registered = dkms_layout_version (places, &id, NULL);
  g_autofree char *unpacked = dkms_layout_unpacked (places, &id);
  return !dkms_root_is_dir (places->root, registered) && dkms_root_is_dir (places->root, unpacked);
}

static gboolean
show_keys (const Question *self, GError **error)
{
  g_auto (DkmsCacheGiven) given = { .place = NULL };

  if (!is_given (self))
    return show_each (self, TRUE, show_key, error);
  if (!dkms_cache_given_open (&given, self->settings, self->events, self->request, error))
    return FALSE;
  g_autoptr (DkmsWorld) world = dkms_world_new (&given.settings, &given.request, self->events);
  const Question question = { &given.settings, self->events, &given.request, world, given.place };
  return show_each (&question, TRUE, show_key, error);
}

static gboolean
generate_key (const Question *self, GError **error)
{
  const char *path = self->request->output;
  g_autofree char *key = dkms_trust_generate (path, error);

  if (key == NULL)
    return FALSE;
  DKMS_EMIT (self->events, CACHE_SIGNING_KEY, .path = path);
  DKMS_EMIT (self->events, CACHE_TRUST_LINE, .text = key);
  return TRUE;
}

/* ---- push ---- */

/* What push needs besides the question. */
typedef struct {
  const Question *question;
  DkmsCaches caches;
  DkmsWork *work;
} Push;

static void
push_clear (Push *self)
{
  g_clear_pointer (&self->caches.local, dkms_cache_dir_close);
  g_clear_pointer (&self->caches.remote, dkms_remote_close);
  g_clear_pointer (&self->work, dkms_work_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Push, push_clear)

static gboolean
push_one (const Push *self, const DkmsId *id, GError **error)
{
  const Question *question = self->question;
  const DkmsPlaces *places = &question->settings->places;
  g_autoptr (DkmsAttempt) made = dkms_attempts_read_build (places, id);
  g_autoptr (DkmsRecord) record = made != NULL && made->cache_inputs != NULL ? dkms_record_read (places, id) : NULL;
  g_autoptr (GPtrArray) modules = g_ptr_array_new ();
  gboolean sent = FALSE;

  for (guint i = 0; record != NULL && i < record->modules->len; i++)
    g_ptr_array_add (modules, ((const DkmsRecordModule *)record->modules->pdata[i])->dest_name);
  const DkmsCacheQuery query = { .settings = question->settings,
                                 .id = id,
                                 .inputs = made != NULL ? made->cache_inputs : NULL,
                                 .modules = modules,
                                 .work = self->work,
                                 .caches = &self->caches,
                                 .events = question->events };
  if (record != NULL && !dkms_cache_push (&query, &sent, error))
    return FALSE;
  if (sent)
    DKMS_EMIT (question->events, CACHE_SENT, .id = *id, .name = self->caches.remote->name);
  else
    DKMS_EMIT (question->events, CACHE_NOT_HERE, .id = *id);
  return TRUE;
}

static gboolean
push_all (const Push *self, const DkmsState *state, GError **error)
{
  for (guint i = 0; i < state->versions->len; i++)
    {
      const DkmsVersion *v = state->versions->pdata[i];
      for (guint k = 0; !v->broken && k < v->builds->len; k++)
        {
          const DkmsId id = dkms_build_id (v, v->builds->pdata[k]);
          if (dkms_targets_pass (self->question->request->targets, &id) && !push_one (self, &id, error))
            return FALSE;
        }
    }
  return TRUE;
}

static gboolean
push (const Question *self, GError **error)
{
  const DkmsSettings *settings = self->settings;
  g_auto (Push) push = { .question = self };
  g_autoptr (DkmsState) state = read_state (self, error);
  GError *local = NULL;

  if (state == NULL)
    return FALSE;
  if (*settings->policy.remote.url == '\0' || *settings->policy.cache_dir == '\0')
    return DKMS_FAIL (error, CACHE_NO_SERVER, .name = *settings->policy.remote.url == '\0' ? "cache_url" : "cache_dir");
  push.caches.remote = dkms_remote_open (settings, NULL, TRUE, &local);
  if (local == NULL)
    push.caches.local = dkms_cache_dir_open (settings, FALSE, &local);
  if (local == NULL)
    push.work = dkms_work_new (&settings->places, &local);
  if (local != NULL)
    return g_propagate_error (error, local), FALSE;
  return push.caches.local == NULL || push_all (&push, state, error);
}

gboolean
dkms_cache_answer (const DkmsSettings *settings, DkmsListener *events, const DkmsRequest *request, GError **error)
{
  if (g_strcmp0 (request->part, "verify") == 0)
    return dkms_cache_verify (settings, events, request, error);
  g_autoptr (DkmsWorld) world = dkms_world_new (settings, request, events);
  const Question self = { settings, events, request, world, NULL };
  const char *part = request->part;

  if (g_strcmp0 (part, DKMS_CACHE_GENERATE_KEY) == 0)
    return generate_key (&self, error);
  if (g_strcmp0 (part, "why") == 0)
    return show_each (&self, FALSE, show_why, error);
  if (g_strcmp0 (part, DKMS_CACHE_KEY) == 0)
    return show_keys (&self, error);
  if (g_strcmp0 (part, "push") == 0)
    return push (&self, error);
  return g_strcmp0 (part, "prune") == 0 ? prune (&self, error) : show_status (&self, error);
}
