/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Collects the events of verify in JSON. */
#include "report/verify-answer.h"

#include <string.h>

#include "check/finding.h"
#include "check/load.h"
#include "model/event-json.h"

/* Returns: (transfer none): the last element of the member @name of @object, an array */
static json_t *
last_of (const json_t *array)
{
  return json_array_get (array, json_array_size (array) - 1);
}

static json_t *
last_kernel (const DkmsVerifyAnswer *self)
{
  return last_of (self->kernels);
}

static json_t *
last_module (const DkmsVerifyAnswer *self)
{
  return last_of (json_object_get (last_kernel (self), "modules"));
}

/* ---- kernels ---- */

static void
add_kernel (DkmsVerifyAnswer *self, const DkmsEvent *event)
{
  json_t *kernel = json_object ();

  if (self->kernels == NULL)
    self->kernels = json_array ();
  dkms_json_set_text (kernel, "release", event->id.kernel);
  dkms_json_set_text (kernel, "arch", event->id.arch);
  dkms_json_set (kernel, "next_boot", json_boolean (event->number != 0));
  dkms_json_set_text (kernel, "verdict", event->name);
  dkms_json_set (kernel, "modules", json_array ());
  dkms_json_append (self->kernels, kernel);
}

static void
add_boot (const DkmsVerifyAnswer *self, const DkmsEvent *event)
{
  json_t *boot = json_object ();

  dkms_json_set_text (boot, "loader", event->name);
  dkms_json_set_text (boot, "entry", event->text);
  dkms_json_set_text (boot, "confidence", dkms_confidence_name ((DkmsConfidence)event->number));
  dkms_json_set_text (boot, "image", event->path);
  dkms_json_set (boot, "initrds", json_array ());
  dkms_json_set_text (boot, "cmdline", event->place);
  dkms_json_set (last_kernel (self), "boot", boot);
}

static void
add_initrd (const DkmsVerifyAnswer *self, const DkmsEvent *event)
{
  dkms_json_append_text (json_object_get (json_object_get (last_kernel (self), "boot"), "initrds"), event->path);
}

/* Returns: (transfer full): true, false, or null for "unknown" */
static json_t *
known (const char *word)
{
  return strcmp (word, "yes") == 0 ? json_true () : strcmp (word, "no") == 0 ? json_false () : json_null ();
}

static void
add_policy (const DkmsVerifyAnswer *self, const DkmsEvent *event)
{
  json_t *policy = json_object ();

  dkms_json_set (policy, "secure_boot", known (event->name));
  dkms_json_set (policy, "enforced", known (event->text));
  dkms_json_set (policy, "lockdown", known (event->place));
  dkms_json_set (policy, "trusted", json_array ());
  dkms_json_set (last_kernel (self), "policy", policy);
}

static void
add_trusted (const DkmsVerifyAnswer *self, const DkmsEvent *event)
{
  json_t *key = json_object ();

  dkms_json_set_text (key, "subject", event->text);
  dkms_json_set_text (key, "identifier", event->name);
  dkms_json_set_text (key, "source", event->place);
  dkms_json_append (json_object_get (json_object_get (last_kernel (self), "policy"), "trusted"), key);
}

/* ---- modules ---- */

static void
add_module (DkmsVerifyAnswer *self, const DkmsEvent *event)
{
  static const char *const names[] = { "excluded", "loads", "warning", "unknown", "problem" };
  json_t *module = json_object ();

  dkms_json_set_text (module, "module", event->id.module);
  dkms_json_set_text (module, "version", event->id.version);
  dkms_json_set_text (module, "verdict", event->name);
  dkms_json_set (module, "findings", json_array ());
  dkms_json_set (module, "files", json_array ());
  dkms_json_append (json_object_get (last_kernel (self), "modules"), module);
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    self->counts[i] += strcmp (names[i], event->name) == 0;
}

static void
add_file (const DkmsVerifyAnswer *self, const DkmsEvent *event)
{
  json_t *file = json_object ();
  gboolean loads = strcmp (event->text, "loads") == 0;

  dkms_json_set_text (file, "name", event->name);
  dkms_json_set_text (file, "path", event->path);
  dkms_json_set_text (file, "answer", event->text);
  if (event->number != 0)
    dkms_json_set_text (file, "errno", dkms_load_errno_name (event->number));
  if (loads)
    dkms_json_set_text (file, "taint", event->place != NULL ? event->place : "");
  dkms_json_set (file, "findings", json_array ());
  dkms_json_append (json_object_get (last_module (self), "files"), file);
}

static void
add_finding (const DkmsVerifyAnswer *self, const DkmsEvent *event)
{
  json_t *module = last_module (self), *files = json_object_get (module, "files"), *finding = json_object ();
  DkmsCode code;

  if (dkms_code_from_name (event->name, &code))
    dkms_json_set_text (finding, "check", dkms_check_name (dkms_code_check (code)));
  dkms_json_set_text (finding, "result", dkms_result_name ((DkmsResult)(event->number % 4)));
  dkms_json_set_text (finding, "code", event->name);
  dkms_json_set_text (finding, "confidence", dkms_confidence_name ((DkmsConfidence)(event->number / 4)));
  dkms_json_set_text (finding, "text", event->text);
  dkms_json_set_text (finding, "advice", event->place);
  dkms_json_append (json_object_get (json_array_size (files) > 0 ? last_of (files) : module, "findings"), finding);
}

static void
add_last (DkmsVerifyAnswer *self, const DkmsEvent *event)
{
  if (self->last == NULL)
    self->last = json_object ();
  dkms_json_set_text (self->last, "time", event->text);
  dkms_json_set (self->last, "changed", json_boolean (event->kind == DKMS_EVENT_VERIFY_OUTDATED));
}

gboolean
dkms_verify_answer_hear (DkmsVerifyAnswer *self, const DkmsEvent *event)
{
  switch (event->kind)
    {
    case DKMS_EVENT_VERIFY_KERNEL:
      add_kernel (self, event);
      return TRUE;
    case DKMS_EVENT_VERIFY_BOOT:
      add_boot (self, event);
      return TRUE;
    case DKMS_EVENT_VERIFY_INITRD:
      add_initrd (self, event);
      return TRUE;
    case DKMS_EVENT_VERIFY_POLICY:
      add_policy (self, event);
      return TRUE;
    case DKMS_EVENT_VERIFY_TRUSTED:
      add_trusted (self, event);
      return TRUE;
    case DKMS_EVENT_VERIFY_MODULE:
      add_module (self, event);
      return TRUE;
    case DKMS_EVENT_VERIFY_FILE:
      add_file (self, event);
      return TRUE;
    case DKMS_EVENT_VERIFY_FINDING:
      add_finding (self, event);
      return TRUE;
    case DKMS_EVENT_VERIFY_CHECKED:
    case DKMS_EVENT_VERIFY_OUTDATED:
      add_last (self, event);
      return TRUE;
    default: /* the lines of the text say the same */
      return event->kind != DKMS_EVENT_BLANK && dkms_event_is_line_of_verify (event->kind);
    }
}

void
dkms_verify_answer_finish (DkmsVerifyAnswer *self, json_t *document)
{
  json_t *summary;

  if (self->kernels == NULL)
    return;
  summary = json_object ();
  dkms_json_set (document, "kernels", json_incref (self->kernels));
  dkms_json_set (summary, "ok", json_integer (self->counts[1]));
  dkms_json_set (summary, "warnings", json_integer (self->counts[2]));
  dkms_json_set (summary, "problems", json_integer (self->counts[4]));
  dkms_json_set (summary, "unknown", json_integer (self->counts[3]));
  dkms_json_set (summary, "excluded", json_integer (self->counts[0]));
  dkms_json_set (document, "summary", summary);
  if (self->last != NULL)
    dkms_json_set (document, "last", json_incref (self->last));
}

void
dkms_verify_answer_clear (DkmsVerifyAnswer *self)
{
  g_clear_pointer (&self->kernels, json_decref);
  g_clear_pointer (&self->last, json_decref);
}
