/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Converts events to JSON and back. */
#include "model/event-json.h"

#include <string.h>

#include "base/error.h"

/* Reasons have no reasons. Deeper nesting from a faulty sender is ignored. */
enum { MOST_DEPTH = 2 };

void
dkms_json_set (json_t *object, const char *key, json_t *value)
{
  if (json_object_set_new (object, key, value) < 0)
    g_error ("Out of memory"); /* as GLib does; all values here are valid */
}

void
dkms_json_append (json_t *array, json_t *value)
{
  if (json_array_append_new (array, value) < 0)
    g_error ("Out of memory");
}

void
dkms_json_append_text (json_t *array, const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);

  dkms_json_append (array, json_string (valid));
}

void
dkms_json_set_text (json_t *object, const char *key, const char *text)
{
  if (text == NULL)
    return;
  if (g_utf8_validate (text, -1, NULL))
    {
      dkms_json_set (object, key, json_string (text));
      return;
    }
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  g_autofree char *bytes = g_base64_encode ((const guchar *)text, strlen (text));
  g_autofree char *other = g_strconcat (key, "_bytes", NULL);
  dkms_json_set (object, key, json_string (valid));
  dkms_json_set (object, other, json_string (bytes));
}

char *
dkms_json_get_text (const json_t *object, const char *key)
{
  g_autofree char *other = g_strconcat (key, "_bytes", NULL);
  const char *bytes = json_string_value (json_object_get (object, other));
  gsize length;

  if (bytes == NULL || *bytes == '\0')
    return g_strdup (json_string_value (json_object_get (object, key)));
  g_autofree guchar *text = g_base64_decode (bytes, &length);
  return g_strndup ((const char *)text, length);
}

static void
set_id (json_t *object, const DkmsId *id)
{
  dkms_json_set_text (object, "module", id->module);
  dkms_json_set_text (object, "version", id->version);
  dkms_json_set_text (object, "kernel", id->kernel);
  dkms_json_set_text (object, "arch", id->arch);
}

json_t *
dkms_json_error (const GError *error)
{
  const DkmsErrorInfo *info = dkms_error_info (error);
  g_autofree char *kind = dkms_error_name (info->kind);
  json_t *object = json_object ();

  dkms_json_set_text (object, "kind", kind);
  dkms_json_set_text (object, "message", error->message);
  set_id (object, &info->id);
  dkms_json_set_text (object, "path", info->path);
  dkms_json_set_text (object, "step", info->step);
  dkms_json_set_text (object, "log", info->log);
  dkms_json_set_text (object, "cause", info->cause);
  dkms_json_set_text (object, "advice", info->advice);
  if (info->status != 0)
    dkms_json_set (object, "status", json_integer (info->status));
  return object;
}

json_t *
dkms_event_to_json (const DkmsEvent *self)
{
  json_t *object = json_object ();

  dkms_json_set_text (object, "event", dkms_event_name (self->kind));
  set_id (object, &self->id);
  dkms_json_set_text (object, "path", self->path);
  dkms_json_set_text (object, "place", self->place);
  dkms_json_set_text (object, "name", self->name);
  dkms_json_set_text (object, "text", self->text);
  if (self->number != 0)
    dkms_json_set (object, "number", json_integer (self->number));
  if (self->seconds != 0)
    dkms_json_set (object, "seconds", json_real (self->seconds));
  if (self->error != NULL)
    dkms_json_set (object, "error", dkms_json_error (self->error));
  if (self->reason != NULL)
    dkms_json_set (object, "reason", dkms_event_to_json (self->reason));
  return object;
}

char *
dkms_json_to_text (json_t *value, size_t flags)
{
  char *dumped = json_dumps (value, flags);

  json_decref (value);
  if (dumped == NULL)
    g_error ("Out of memory");
  char *text = g_strconcat (dumped, "\n", NULL);
  free (dumped);
  return text;
}

char *
dkms_event_to_line (const DkmsEvent *self)
{
  return dkms_json_to_text (dkms_event_to_json (self), JSON_COMPACT);
}

/* ---- back ---- */

/* Returns: an identifier that owns its strings */
static DkmsId
id_from (const json_t *object)
{
  return (DkmsId){ dkms_json_get_text (object, "module"), dkms_json_get_text (object, "version"),
                   dkms_json_get_text (object, "kernel"), dkms_json_get_text (object, "arch") };
}

GError *
dkms_json_to_error (const json_t *object)
{
  g_autofree char *kind = dkms_json_get_text (object, "kind");
  g_autofree char *message = dkms_json_get_text (object, "message");
  g_autofree char *path = dkms_json_get_text (object, "path");
  g_autofree char *step = dkms_json_get_text (object, "step");
  g_autofree char *log = dkms_json_get_text (object, "log");
  g_autofree char *cause = dkms_json_get_text (object, "cause");
  g_autofree char *advice = dkms_json_get_text (object, "advice");
  DkmsId id = id_from (object);
  json_int_t status = json_integer_value (json_object_get (object, "status"));
  const DkmsErrorInfo info = { .kind = kind != NULL ? dkms_error_from_name (kind) : DKMS_ERROR_IO,
                               .id = id,
                               .path = path,
                               .step = step,
                               .log = log,
                               .cause = cause,
                               .advice = advice,
                               .status = status > 0 && status <= 255 ? (int)status : 0 };

  GError *error = dkms_error_new_made (&info, message != NULL ? message : "");
  dkms_id_clear (&id);
  return error;
}

static DkmsEvent *
event_from (const json_t *object, guint depth)
{
  const char *name = json_string_value (json_object_get (object, "event"));
  const json_t *error = json_object_get (object, "error"), *reason = json_object_get (object, "reason");
  json_int_t number = json_integer_value (json_object_get (object, "number"));
  DkmsEventKind kind;

  if (name == NULL || !dkms_event_from_name (name, &kind))
    return NULL;
  DkmsEvent *self = g_new0 (DkmsEvent, 1);
  self->kind = kind;
  self->id = id_from (object);
  self->path = dkms_json_get_text (object, "path");
  self->place = dkms_json_get_text (object, "place");
  self->name = dkms_json_get_text (object, "name");
  self->text = dkms_json_get_text (object, "text");
  self->number = (int)CLAMP (number, G_MININT, G_MAXINT);
  self->seconds = json_number_value (json_object_get (object, "seconds"));
  if (json_is_object (error))
    self->error = dkms_json_to_error (error);
  if (json_is_object (reason) && depth < MOST_DEPTH)
    self->reason = event_from (reason, depth + 1);
  return self;
}

DkmsEvent *
dkms_event_from_line (const char *line, gsize length)
{
  json_t *object = json_loadb (line, length, 0, NULL);
  DkmsEvent *self = json_is_object (object) ? event_from (object, 0) : NULL;

  json_decref (object);
  return self;
}
