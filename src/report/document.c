/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Collects events in one JSON document. */
#include "report/document.h"

#include <string.h>
#include <sys/utsname.h>

#include "base/clock.h"
#include "config.h"
#include "model/event-json.h"
#include "model/inputs.h"
#include "report/doctor-answer.h"
#include "report/fleet-answer.h"
#include "report/forecast-answer.h"
#include "report/secureboot-answer.h"
#include "report/sentences.h"
#include "report/verify-answer.h"

struct DkmsDocument {
  json_t *events;     /* array */
  json_t *modules;    /* (nullable): array; for status */
  GHashTable *placed; /* "module/version" -> its object in @modules, borrowed */
  GHashTable *cached; /* "module/version/kernel/arch" -> what the build cache did for it */
  DkmsVerifyAnswer verify;
  DkmsSecurebootAnswer secureboot;
  DkmsForecastAnswer forecast;
  DkmsFleetAnswer fleet;
  DkmsDoctorAnswer doctor;
  GError *error; /* (nullable): the last reported error */
};

DkmsDocument *
dkms_document_new (void)
{
  DkmsDocument *self = g_new0 (DkmsDocument, 1);

  self->events = json_array ();
  self->placed = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->cached = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  return self;
}

void
dkms_document_free (DkmsDocument *self)
{
  if (self == NULL)
    return;
  json_decref (self->events);
  json_decref (self->modules);
  dkms_verify_answer_clear (&self->verify);
  dkms_secureboot_answer_clear (&self->secureboot);
  dkms_forecast_answer_clear (&self->forecast);
  dkms_fleet_answer_clear (&self->fleet);
  dkms_doctor_answer_clear (&self->doctor);
  g_hash_table_unref (self->placed);
  g_hash_table_unref (self->cached);
  g_clear_error (&self->error);
  g_free (self);
}

/* ---- answers of status ---- */

/* Returns: (transfer none): the module version that @event is about, in the order of its first line */
static json_t *
module_of (DkmsDocument *self, const DkmsEvent *event)
{
  g_autofree char *key = g_strjoin ("/", event->id.module, event->id.version, NULL);
  json_t *module = g_hash_table_lookup (self->placed, key);

  if (module != NULL)
    return module;
  module = json_object ();
  dkms_json_set_text (module, "module", event->id.module);
  dkms_json_set_text (module, "version", event->id.version);
  dkms_json_set (module, "state", json_string ("added"));
  dkms_json_set (module, "builds", json_array ());
  if (self->modules == NULL)
    self->modules = json_array ();
  dkms_json_append (self->modules, module);
  g_hash_table_insert (self->placed, g_steal_pointer (&key), module);
  return module;
}

static gboolean
has_remark (const DkmsEvent *event, const char *remark)
{
  return event->text != NULL && strstr (event->text, remark) != NULL;
}

/* Adds the data of `status --long`. */
static void
add_details (json_t *build, const DkmsEvent *event)
{
  g_auto (GStrv) changes = g_strsplit (event->place != NULL ? event->place : "", ", ", -1);
  json_t *list;

  if (event->place == NULL && event->reason == NULL)
    return;
  dkms_json_set (build, "stale", list = json_array ());
  for (char **change = changes; *change != NULL; change++)
    dkms_json_append_text (list, *change);
  if (event->reason == NULL)
    return;
  dkms_json_set_text (build, "built_at", event->reason->place);
  dkms_json_set (build, "seconds", json_real (event->reason->seconds));
  dkms_json_set_text (build, "signer", event->reason->path);
}

static void
add_build (DkmsDocument *self, const DkmsEvent *event)
{
  json_t *module = module_of (self, event), *build = json_object ();
  const char *before = json_string_value (json_object_get (module, "state"));
  gboolean weak = event->kind == DKMS_EVENT_STATUS_WEAK;
  const char *state = weak ? "installed-weak" : event->name;

  dkms_json_set_text (build, "kernel", event->id.kernel);
  dkms_json_set_text (build, "arch", event->id.arch);
  dkms_json_set (build, "state", json_string (state));
  if (weak)
    dkms_json_set_text (build, "from", event->place);
  else
    {
      dkms_json_set (build, "originals", json_boolean (has_remark (event, "originals")));
      dkms_json_set (build, "missing", json_boolean (has_remark (event, "missing")));
      dkms_json_set (build, "differs", json_boolean (has_remark (event, "differs")));
      if (has_remark (event, "gone"))
        dkms_json_set (build, "gone", json_true ());
      add_details (build, event);
    }
  dkms_json_append (json_object_get (module, "builds"), build);
  /* The state of a version is the highest state of its builds. */
  if (strcmp (state, "built") != 0)
    dkms_json_set (module, "state", json_string ("installed"));
  else if (strcmp (before, "added") == 0)
    dkms_json_set (module, "state", json_string ("built"));
}

/* ---- any command ---- */

static char *
build_of (const DkmsEvent *event)
{
  const DkmsId *id = &event->id;

  return g_strjoin ("/", id->module, id->version, id->kernel, id->arch, NULL);
}

/* Returns: (transfer full): @event; a key of the cache with its inputs as an object, and the result of a build with
 * what the cache did for it */
static json_t *
content (const DkmsDocument *self, const DkmsEvent *event)
{
  json_t *object = dkms_event_to_json (event);

  if (event->kind == DKMS_EVENT_CACHE_KEY && event->text != NULL)
    {
      g_autoptr (DkmsInputs) inputs = dkms_inputs_from_document (event->text);
      dkms_json_set (object, "inputs", dkms_inputs_to_json (inputs));
    }
  if (event->kind >= DKMS_EVENT_PIECE_DONE && event->kind <= DKMS_EVENT_PIECE_FAILED)
    {
      g_autofree char *build = build_of (event);
      dkms_json_set_text (object, "cache", g_hash_table_lookup (self->cached, build));
    }
  return object;
}

/* Whether @event describes what happened, and not only how to display it. */
static gboolean
is_content (const DkmsEvent *event)
{
  switch (event->kind)
    {
    case DKMS_EVENT_PIECE_DONE:
    case DKMS_EVENT_PIECE_DOUBTFUL:
    case DKMS_EVENT_PIECE_FAILED:
      return event->name != NULL;
    case DKMS_EVENT_BLANK:
      return FALSE;
    default:
      return dkms_sentence_voice (event->kind) != DKMS_VOICE_NONE;
    }
}

void
dkms_document_hear (DkmsDocument *self, const DkmsEvent *event)
{
  switch (event->kind)
    {
    case DKMS_EVENT_STATUS_ADDED:
      (void)module_of (self, event);
      return;
    case DKMS_EVENT_STATUS_BROKEN:
      dkms_json_set (module_of (self, event), "state", json_string ("broken"));
      return;
    case DKMS_EVENT_STATUS_BUILD:
    case DKMS_EVENT_STATUS_WEAK:
      add_build (self, event);
      return;
    case DKMS_EVENT_CACHE_RESULT:
      (void)g_hash_table_replace (self->cached, build_of (event), g_strdup (event->name));
      return;
    case DKMS_EVENT_ERROR:
      g_clear_error (&self->error);
      self->error = g_error_copy (event->error);
      break;
    default:
      if (dkms_verify_answer_hear (&self->verify, event))
        return;
      break;
    }
  if (dkms_secureboot_answer_hear (&self->secureboot, event) || dkms_forecast_answer_hear (&self->forecast, event)
      || dkms_fleet_answer_hear (&self->fleet, event) || dkms_doctor_answer_hear (&self->doctor, event))
    return;
  if (is_content (event))
    dkms_json_append (self->events, content (self, event));
}

char *
dkms_document_finish (DkmsDocument *self, const char *verb, const char *root, int status, gboolean pretty)
{
  json_t *document = json_object (), *about = json_object ();
  g_autofree char *time = dkms_time_text (g_get_real_time () / G_USEC_PER_SEC);
  struct utsname uts;

  dkms_json_set (about, "format", json_integer (1));
  dkms_json_set_text (about, "version", &DKMS_VERSION[strlen ("dkms-")]);
  dkms_json_set_text (about, "verb", verb);
  dkms_json_set_text (about, "time", time);
  dkms_json_set_text (about, "root", root);
  if (uname (&uts) == 0)
    dkms_json_set_text (about, "machine", uts.machine);
  dkms_json_set (document, "dkms", about);
  dkms_json_set (document, "status", json_integer (status));
  if (self->modules != NULL || g_strcmp0 (verb, "status") == 0)
    dkms_json_set (document, "modules", self->modules != NULL ? json_incref (self->modules) : json_array ());
  dkms_verify_answer_finish (&self->verify, document);
  dkms_secureboot_answer_finish (&self->secureboot, document);
  dkms_forecast_answer_finish (&self->forecast, verb, document);
  dkms_fleet_answer_finish (&self->fleet, verb, document);
  dkms_doctor_answer_finish (&self->doctor, document);
  dkms_json_set (document, "events", json_incref (self->events));
  if (status != 0 && self->error != NULL)
    dkms_json_set (document, "error", dkms_json_error (self->error));
  return dkms_json_to_text (document, pretty ? JSON_INDENT (2) : JSON_COMPACT);
}
