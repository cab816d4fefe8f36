/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Collects the events of forecast in JSON. */
#include "report/forecast-answer.h"

#include <string.h>

#include "model/event-json.h"

/* Returns: (transfer none): the last kernel */
static json_t *
last (const DkmsForecastAnswer *self)
{
  return json_array_get (self->candidates, json_array_size (self->candidates) - 1);
}

static void
add_kernel (DkmsForecastAnswer *self, const DkmsEvent *event)
{
  json_t *kernel = json_object ();

  if (self->candidates == NULL)
    self->candidates = json_array ();
  dkms_json_set_text (kernel, "release", event->id.kernel);
  dkms_json_set_text (kernel, "arch", event->id.arch);
  dkms_json_set_text (kernel, "headers", event->name);
  dkms_json_set (kernel, "packages", json_array ());
  dkms_json_set (kernel, "modules", json_array ());
  dkms_json_append (self->candidates, kernel);
}

static void
add_package (const DkmsForecastAnswer *self, const DkmsEvent *event)
{
  json_t *package = json_object ();

  dkms_json_set_text (package, "name", event->name);
  dkms_json_set_text (package, "version", event->text);
  dkms_json_set_text (package, "origin", event->place);
  dkms_json_append (json_object_get (last (self), "packages"), package);
}

static void
add_module (const DkmsForecastAnswer *self, const DkmsEvent *event)
{
  json_t *module = json_object ();

  dkms_json_set_text (module, "module", event->id.module);
  dkms_json_set_text (module, "version", event->id.version);
  dkms_json_set_text (module, "result", event->name);
  if (event->seconds > 0)
    dkms_json_set (module, "seconds", json_real (event->seconds));
  dkms_json_set_text (module, "why", event->text);
  if (event->reason != NULL)
    dkms_json_set_text (module, "cause", event->reason->name);
  dkms_json_set_text (module, "kept", event->place);
  dkms_json_set_text (module, "log", event->path);
  dkms_json_set (module, "known", json_boolean (event->number != 0));
  dkms_json_append (json_object_get (last (self), "modules"), module);
}

gboolean
dkms_forecast_answer_hear (DkmsForecastAnswer *self, const DkmsEvent *event)
{
  switch (event->kind)
    {
    case DKMS_EVENT_FORECAST_KERNEL:
      add_kernel (self, event);
      return TRUE;
    case DKMS_EVENT_FORECAST_PACKAGE:
      add_package (self, event);
      return TRUE;
    case DKMS_EVENT_FORECAST_MODULE:
      add_module (self, event);
      return TRUE;
    default: /* the lines of the text say the same */
      return event->kind >= DKMS_EVENT_FORECAST_OFFER && event->kind <= DKMS_EVENT_FORECAST_NOTHING;
    }
}

void
dkms_forecast_answer_finish (const DkmsForecastAnswer *self, const char *verb, json_t *document)
{
  if (self->candidates != NULL || g_strcmp0 (verb, "forecast") == 0)
    dkms_json_set (document, "candidates", self->candidates != NULL ? json_incref (self->candidates) : json_array ());
}

void
dkms_forecast_answer_clear (DkmsForecastAnswer *self)
{
  g_clear_pointer (&self->candidates, json_decref);
}
