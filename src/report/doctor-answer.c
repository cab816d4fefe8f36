/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Collects the findings of doctor in JSON. */
#include "report/doctor-answer.h"

#include "model/event-json.h"

static void
set_or_null (json_t *object, const char *name, const char *value)
{
  if (value != NULL)
    dkms_json_set_text (object, name, value);
  else
    dkms_json_set (object, name, json_null ());
}

static void
add_finding (DkmsDoctorAnswer *self, const DkmsEvent *event)
{
  json_t *finding = json_object (), *repair = json_object (), *steps = json_array ();
  gboolean problem = (event->number & 1) != 0, fixed = (event->number & 16) != 0;

  if (self->findings == NULL)
    self->findings = json_array ();
  self->problems += problem && !fixed;
  self->warnings += !problem && !fixed;
  dkms_json_set_text (finding, "id", event->name);
  set_or_null (finding, "module", event->id.module);
  set_or_null (finding, "version", event->id.version);
  set_or_null (finding, "kernel", event->id.kernel);
  dkms_json_set_text (finding, "path", event->path);
  dkms_json_set_text (finding, "result", problem ? "problem" : "warning");
  dkms_json_set_text (finding, "text", event->text);
  dkms_json_set (repair, "possible", json_boolean ((event->number & 2) != 0));
  dkms_json_append_text (steps, event->place);
  dkms_json_set (repair, "steps", steps);
  dkms_json_set (repair, "needs_yes", json_boolean ((event->number & 4) != 0));
  dkms_json_set (repair, "undo", json_boolean ((event->number & 8) != 0));
  dkms_json_set (finding, "repair", repair);
  dkms_json_set (finding, "fixed", json_boolean (fixed));
  dkms_json_append (self->findings, finding);
}

gboolean
dkms_doctor_answer_hear (DkmsDoctorAnswer *self, const DkmsEvent *event)
{
  switch (event->kind)
    {
    case DKMS_EVENT_DOCTOR_FINDING:
      add_finding (self, event);
      return TRUE;
    case DKMS_EVENT_DOCTOR_ATTIC:
      g_free (self->attic);
      self->attic = g_strdup (event->name);
      return TRUE;
    case DKMS_EVENT_DOCTOR_DATA:
      self->complete = TRUE;
      return TRUE;
    default: /* the lines of the text say the same */
      return event->kind >= DKMS_EVENT_DOCTOR_LINE && event->kind <= DKMS_EVENT_DOCTOR_ASK_ONE;
    }
}

void
dkms_doctor_answer_finish (DkmsDoctorAnswer *self, json_t *document)
{
  json_t *summary;

  if (!self->complete)
    return;
  summary = json_object ();
  dkms_json_set (document, "findings", self->findings != NULL ? json_incref (self->findings) : json_array ());
  dkms_json_set_text (document, "attic", self->attic);
  dkms_json_set (summary, "ok", json_integer (self->warnings + self->problems == 0));
  dkms_json_set (summary, "warnings", json_integer (self->warnings));
  dkms_json_set (summary, "problems", json_integer (self->problems));
  dkms_json_set (summary, "unknown", json_integer (0));
  dkms_json_set (document, "summary", summary);
}

void
dkms_doctor_answer_clear (DkmsDoctorAnswer *self)
{
  g_clear_pointer (&self->findings, json_decref);
  g_clear_pointer (&self->attic, g_free);
}
