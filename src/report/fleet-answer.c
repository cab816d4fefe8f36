/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Collects the events of matrix in JSON. */
#include "report/fleet-answer.h"

#include <string.h>

#include "model/event-json.h"

/* Returns: (transfer none): the array in @field, created if necessary */
static json_t *
array_in (json_t **field)
{
  if (*field == NULL)
    *field = json_array ();
  return *field;
}

/* A report is JSON already. */
static void
add_report (DkmsFleetAnswer *self, const char *text)
{
  json_t *report = json_loads (text, 0, NULL);

  if (report != NULL)
    dkms_json_append (array_in (&self->jobs), report);
}

static void
add_job (DkmsFleetAnswer *self, const DkmsEvent *event)
{
  json_t *job = json_object ();

  if (event->kind == DKMS_EVENT_MATRIX_LISTED)
    dkms_json_set_text (job, "id", event->name);
  dkms_json_set_text (job, "module", event->id.module);
  dkms_json_set_text (job, "version", event->id.version);
  dkms_json_set_text (job, "kernel", event->id.kernel);
  dkms_json_set_text (job, "arch", event->id.arch);
  dkms_json_set_text (job, "root", event->place);
  if (event->kind == DKMS_EVENT_MATRIX_LISTED)
    {
      dkms_json_append (array_in (&self->jobs), job);
      return;
    }
  dkms_json_set_text (job, "result", event->name);
  if (event->seconds > 0)
    dkms_json_set (job, "seconds", json_real (event->seconds));
  dkms_json_set_text (job, "error", event->text);
  dkms_json_set (job, "kept", json_boolean (event->kind == DKMS_EVENT_MATRIX_KEPT));
  dkms_json_append (array_in (&self->jobs), job);
}

static void
add_pair (DkmsFleetAnswer *self, const DkmsEvent *event)
{
  json_t *pair = json_array ();

  dkms_json_append_text (pair, event->name);
  dkms_json_append_text (pair, event->place);
  dkms_json_append (array_in (&self->differing), pair);
}

gboolean
dkms_fleet_answer_hear (DkmsFleetAnswer *self, const DkmsEvent *event)
{
  switch (event->kind)
    {
    case DKMS_EVENT_MATRIX_JOB:
    case DKMS_EVENT_MATRIX_KEPT:
    case DKMS_EVENT_MATRIX_LISTED:
      add_job (self, event);
      return TRUE;
    case DKMS_EVENT_MATRIX_REPORT:
      add_report (self, event->text);
      return TRUE;
    case DKMS_EVENT_MATRIX_MISSING:
      dkms_json_append_text (array_in (&self->missing), event->name);
      return TRUE;
    case DKMS_EVENT_MATRIX_UNREADABLE:
      dkms_json_append_text (array_in (&self->unreadable), event->name);
      return TRUE;
    case DKMS_EVENT_MATRIX_DIFFERS:
      add_pair (self, event);
      return TRUE;
    default: /* the lines for people say the same */
      return event->kind == DKMS_EVENT_MATRIX_TEXT;
    }
}

void
dkms_fleet_answer_finish (const DkmsFleetAnswer *self, const char *verb, json_t *document)
{
  const struct {
    const char *name;
    json_t *value;
  } members[] = { { "jobs", self->jobs },
                  { "missing", self->missing },
                  { "unreadable", self->unreadable },
                  { "differing", self->differing } };

  for (gsize i = 0; i < G_N_ELEMENTS (members) && g_strcmp0 (verb, "matrix") == 0; i++)
    dkms_json_set (document, members[i].name,
                   members[i].value != NULL ? json_incref (members[i].value) : json_array ());
}

void
dkms_fleet_answer_clear (DkmsFleetAnswer *self)
{
  g_clear_pointer (&self->jobs, json_decref);
  g_clear_pointer (&self->missing, json_decref);
  g_clear_pointer (&self->unreadable, json_decref);
  g_clear_pointer (&self->differing, json_decref);
}
