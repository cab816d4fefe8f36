/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An attempt to build, and its form in JSON. */
#include "model/attempt.h"

#include <string.h>

#include "base/language.h"
#include "model/event-json.h"

enum { FORMAT = 1 };

static void
step_free (gpointer data)
{
  DkmsAttemptStep *self = data;

  g_free (self->name);
  g_free (self);
}

DkmsAttempt *
dkms_attempt_new (const DkmsId *id, const char *dkms, gint64 begun)
{
  DkmsAttempt *self = g_new0 (DkmsAttempt, 1);

  self->id = dkms_id_copy (id);
  self->dkms = g_strdup (dkms);
  self->begun = begun;
  self->steps = g_ptr_array_new_with_free_func (step_free);
  return self;
}

void
dkms_attempt_free (DkmsAttempt *self)
{
  if (self == NULL)
    return;
  dkms_id_free (self->id);
  g_free (self->dkms);
  dkms_inputs_free (self->inputs);
  g_free (self->texts);
  g_free (self->make);
  g_ptr_array_unref (self->steps);
  g_clear_error (&self->error);
  g_free (self->first_error);
  g_free (self->cause);
  g_free (self->cause_name);
  g_free (self->cause_file);
  g_free (self->signer);
  dkms_inputs_free (self->cache_inputs);
  g_free (self->cached);
  g_free (self->cache_signer);
  g_free (self);
}

void
dkms_attempt_add_step (DkmsAttempt *self, const char *name, int status, double seconds)
{
  DkmsAttemptStep *step = g_new0 (DkmsAttemptStep, 1);

  step->name = g_strdup (name);
  step->status = status;
  step->seconds = seconds;
  g_ptr_array_add (self->steps, step);
}

/* ---- as JSON ---- */

static const char *const outcomes[]
    = { N_ ("running"), N_ ("built"), N_ ("failed"), N_ ("interrupted"), N_ ("excluded") };
static const char *const sandboxes[] = { "confined", "unconfined" };

const char *
dkms_attempt_outcome_name (DkmsAttemptOutcome outcome)
{
  return outcomes[outcome];
}

/* Returns: (nullable): the one of @words that equals @word (nullable) */
static const char *const *
find_word (const char *word, const char *const *words, gsize count)
{
  for (gsize i = 0; word != NULL && i < count; i++)
    if (strcmp (words[i], word) == 0)
      return &words[i];
  return NULL;
}

char *
dkms_attempt_time (const DkmsAttempt *self)
{
  g_autoptr (GDateTime) seconds = g_date_time_new_from_unix_utc (self->begun / G_USEC_PER_SEC);
  g_autoptr (GDateTime) exact = seconds != NULL ? g_date_time_add (seconds, self->begun % G_USEC_PER_SEC) : NULL;

  return exact != NULL ? g_date_time_format (exact, "%Y-%m-%dT%H:%M:%S.%fZ") : NULL;
}

/* Returns: 0 if @text is not a time in the format of attempts */
static gint64
time_from_text (const char *text)
{
  g_autoptr (GDateTime) time = text != NULL ? g_date_time_new_from_iso8601 (text, NULL) : NULL;

  return time != NULL && g_date_time_get_year (time) >= 1970
             ? g_date_time_to_unix (time) * G_USEC_PER_SEC + g_date_time_get_microsecond (time)
             : 0;
}

static json_t *
steps_to_json (const DkmsAttempt *self)
{
  json_t *list = json_array ();

  for (guint i = 0; i < self->steps->len; i++)
    {
      const DkmsAttemptStep *step = self->steps->pdata[i];
      json_t *object = json_object ();

      dkms_json_set_text (object, "name", step->name);
      dkms_json_set (object, "status", json_integer (step->status));
      dkms_json_set (object, "seconds", json_real (step->seconds));
      json_array_append_new (list, object);
    }
  return list;
}

static json_t *
cause_to_json (const DkmsAttempt *self)
{
  json_t *object = json_object ();

  dkms_json_set_text (object, "id", self->cause);
  dkms_json_set_text (object, "name", self->cause_name);
  dkms_json_set_text (object, "file", self->cause_file);
  if (self->cause_line > 0)
    dkms_json_set (object, "line", json_integer (self->cause_line));
  return object;
}

json_t *
dkms_attempt_to_json (const DkmsAttempt *self)
{
  json_t *object = json_object ();
  g_autofree char *time = dkms_attempt_time (self);

  dkms_json_set (object, "format", json_integer (FORMAT));
  dkms_json_set_text (object, "dkms", self->dkms);
  dkms_json_set_text (object, "module", self->id->module);
  dkms_json_set_text (object, "version", self->id->version);
  dkms_json_set_text (object, "kernel", self->id->kernel);
  dkms_json_set_text (object, "arch", self->id->arch);
  dkms_json_set_text (object, "time", time);
  dkms_json_set (object, "seconds", json_real (self->seconds));
  dkms_json_set_text (object, "outcome", outcomes[self->outcome]);
  if (self->inputs != NULL)
    {
      g_autofree char *identity = dkms_inputs_identity (self->inputs);
      dkms_json_set (object, "inputs", dkms_inputs_to_json (self->inputs));
      dkms_json_set_text (object, "identity", identity);
    }
  dkms_json_set_text (object, "texts", self->texts);
  dkms_json_set_text (object, "make", self->make);
  dkms_json_set_text (object, "sandbox", self->sandbox);
  if (self->reproducible)
    dkms_json_set (object, "reproducible", json_true ());
  dkms_json_set (object, "steps", steps_to_json (self));
  if (self->error != NULL)
    dkms_json_set (object, "error", dkms_json_error (self->error));
  dkms_json_set_text (object, "first_error", self->first_error);
  if (self->cause != NULL)
    dkms_json_set (object, "cause", cause_to_json (self));
  dkms_json_set_text (object, "signer", self->signer);
  if (self->cache_inputs != NULL)
    dkms_json_set (object, "cache_inputs", dkms_inputs_to_json (self->cache_inputs));
  dkms_json_set_text (object, "cached", self->cached);
  dkms_json_set_text (object, "cache_signer", self->cache_signer);
  return object;
}

char *
dkms_attempt_to_text (const DkmsAttempt *self)
{
  return dkms_json_to_text (dkms_attempt_to_json (self), JSON_COMPACT);
}

/* ---- back ---- */

static int
small_integer (const json_t *value)
{
  return (int)CLAMP (json_integer_value (value), 0, G_MAXINT);
}

static void
read_steps (DkmsAttempt *self, const json_t *list)
{
  size_t i;
  json_t *step;

  json_array_foreach (list, i, step)
    {
      g_autofree char *name = dkms_json_get_text (step, "name");
      if (name != NULL)
        dkms_attempt_add_step (self, name, small_integer (json_object_get (step, "status")),
                               json_number_value (json_object_get (step, "seconds")));
    }
}

static void
read_cause (DkmsAttempt *self, const json_t *cause)
{
  self->cause = dkms_json_get_text (cause, "id");
  self->cause_name = dkms_json_get_text (cause, "name");
  self->cause_file = dkms_json_get_text (cause, "file");
  self->cause_line = (guint)small_integer (json_object_get (cause, "line"));
}

/* Returns: (nullable): an attempt with the members that every attempt has */
static DkmsAttempt *
read_head (const json_t *object)
{
  g_autofree char *module = dkms_json_get_text (object, "module"), *version = dkms_json_get_text (object, "version");
  g_autofree char *kernel = dkms_json_get_text (object, "kernel"), *arch = dkms_json_get_text (object, "arch");
  g_autofree char *dkms = dkms_json_get_text (object, "dkms");
  const char *time = json_string_value (json_object_get (object, "time"));
  const char *const *outcome
      = find_word (json_string_value (json_object_get (object, "outcome")), outcomes, G_N_ELEMENTS (outcomes));

  if (module == NULL || version == NULL || kernel == NULL || arch == NULL || outcome == NULL)
    return NULL;
  DkmsAttempt *self = dkms_attempt_new (&(DkmsId){ module, version, kernel, arch }, dkms, time_from_text (time));
  self->outcome = (DkmsAttemptOutcome)(outcome - outcomes);
  return self;
}

static DkmsAttempt *
attempt_from_json (const json_t *object)
{
  const json_t *error = json_object_get (object, "error");
  const char *const *sandbox
      = find_word (json_string_value (json_object_get (object, "sandbox")), sandboxes, G_N_ELEMENTS (sandboxes));
  DkmsAttempt *self = read_head (object);

  if (self == NULL)
    return NULL;
  self->seconds = json_number_value (json_object_get (object, "seconds"));
  self->inputs = dkms_inputs_from_json (json_object_get (object, "inputs"));
  self->texts = dkms_json_get_text (object, "texts");
  self->make = dkms_json_get_text (object, "make");
  self->sandbox = sandbox != NULL ? *sandbox : NULL;
  self->reproducible = json_is_true (json_object_get (object, "reproducible"));
  read_steps (self, json_object_get (object, "steps"));
  self->error = json_is_object (error) ? dkms_json_to_error (error) : NULL;
  self->first_error = dkms_json_get_text (object, "first_error");
  read_cause (self, json_object_get (object, "cause"));
  self->signer = dkms_json_get_text (object, "signer");
  self->cache_inputs = dkms_inputs_from_json (json_object_get (object, "cache_inputs"));
  self->cached = dkms_json_get_text (object, "cached");
  self->cache_signer = dkms_json_get_text (object, "cache_signer");
  return self;
}

DkmsAttempt *
dkms_attempt_from_text (const char *text, gsize size, gboolean *newer)
{
  json_t *object = json_loadb (text, size, 0, NULL);
  json_int_t format = json_integer_value (json_object_get (object, "format"));
  DkmsAttempt *self = format == FORMAT ? attempt_from_json (object) : NULL;

  if (newer != NULL)
    *newer = format > FORMAT;
  json_decref (object);
  return self;
}
