/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reports of jobs as JSON. */
#include "fleet/job-report.h"

#include <string.h>

#include "model/event-json.h"

enum { MOST_FILES = 4096, LONGEST_TEXT = 4096 };

static const char *const names[DKMS_JOB_LAST] = { "built", "cached", "failed", "excluded", "no-headers", "error" };

const char *
dkms_job_result_name (DkmsJobResult result)
{
  return names[result];
}

gboolean
dkms_job_result_is_good (DkmsJobResult result)
{
  return result == DKMS_JOB_BUILT || result == DKMS_JOB_CACHED || result == DKMS_JOB_EXCLUDED;
}

static void
file_free (gpointer data)
{
  DkmsJobFile *self = data;

  g_free (self->path);
  g_free (self->sha256);
  g_free (self->payload);
  g_free (self);
}

DkmsJobReport *
dkms_job_report_new (const char *id, DkmsJobResult result)
{
  DkmsFleetJob *job = dkms_fleet_job_parse (id);
  DkmsJobReport *self = job != NULL ? g_new0 (DkmsJobReport, 1) : NULL;

  if (self == NULL)
    return NULL;
  self->job = job;
  self->result = result;
  self->files = g_ptr_array_new_with_free_func (file_free);
  return self;
}

void
dkms_job_report_free (DkmsJobReport *self)
{
  if (self == NULL)
    return;
  dkms_fleet_job_free (self->job);
  g_ptr_array_unref (self->files);
  g_free (self->error);
  g_free (self->key);
  g_free (self->basis);
  g_free (self->host);
  g_free (self->start);
  g_free (self->shard);
  g_free (self);
}

static int
compare (gconstpointer a, gconstpointer b)
{
  return strcmp ((*(const DkmsJobFile *const *)a)->path, (*(const DkmsJobFile *const *)b)->path);
}

/* Adds a file; the caller sorts. */
static void
add_file (DkmsJobReport *self, const char *path, gint64 size, const char *sha256, const char *payload)
{
  DkmsJobFile *file = g_new0 (DkmsJobFile, 1);

  file->path = g_strdup (path);
  file->size = size;
  file->sha256 = g_strdup (sha256);
  file->payload = g_strdup (payload);
  g_ptr_array_add (self->files, file);
}

void
dkms_job_report_add_file (DkmsJobReport *self, const char *path, gint64 size, const char *sha256, const char *payload)
{
  add_file (self, path, size, sha256, payload);
  g_ptr_array_sort (self->files, compare);
}

gboolean
dkms_job_report_settles (const DkmsJobReport *self, const char *basis)
{
  const char *made = self->basis != NULL ? self->basis : self->key;

  return dkms_job_result_is_good (self->result) && made != NULL && strcmp (made, basis) == 0;
}

char *
dkms_job_report_payload (const DkmsJobReport *self)
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);

  for (guint i = 0; i < self->files->len; i++)
    {
      const DkmsJobFile *file = self->files->pdata[i];
      if (file->payload == NULL)
        return NULL;
      g_checksum_update (sum, (const guchar *)file->path, (gssize)strlen (file->path) + 1);
      g_checksum_update (sum, (const guchar *)file->payload, (gssize)strlen (file->payload) + 1);
    }
  return self->files->len > 0 ? g_strdup (g_checksum_get_string (sum)) : NULL;
}

/* ---- writing ---- */

char *
dkms_job_report_to_text (const DkmsJobReport *self)
{
  json_t *report = json_object (), *files = json_array ();

  dkms_json_set (report, "format", json_integer (1));
  dkms_fleet_job_set_members (self->job, report);
  dkms_json_set_text (report, "result", names[self->result]);
  dkms_json_set (report, "exit", json_integer (self->exit_code));
  dkms_json_set (report, "seconds", json_real (self->seconds));
  dkms_json_set_text (report, "error", self->error);
  dkms_json_set_text (report, "key", self->key);
  dkms_json_set_text (report, "basis", self->basis);
  dkms_json_set (report, "files", files);
  for (guint i = 0; i < self->files->len; i++)
    {
      const DkmsJobFile *file = self->files->pdata[i];
      json_t *one = json_object ();
      dkms_json_set_text (one, "path", file->path);
      dkms_json_set (one, "size", json_integer (file->size));
      dkms_json_set_text (one, "sha256", file->sha256);
      dkms_json_set_text (one, "payload", file->payload);
      dkms_json_append (files, one);
    }
  dkms_json_set_text (report, "host", self->host);
  dkms_json_set_text (report, "start", self->start);
  dkms_json_set_text (report, "shard", self->shard);
  return dkms_json_to_text (report, JSON_COMPACT);
}

/* ---- reading ---- */

/* Takes the text @name, which may be absent. Returns: whether it is a text that is not too long */
static gboolean
take_text (const json_t *object, const char *name, char **text)
{
  const json_t *value = json_object_get (object, name);

  if (value == NULL)
    return TRUE;
  if (!json_is_string (value) || json_string_length (value) > LONGEST_TEXT)
    return FALSE;
  g_free (*text);
  *text = g_strdup (json_string_value (value));
  return TRUE;
}

/* Takes a digest, which may be absent. */
static gboolean
take_digest (const json_t *object, const char *name, char **digest)
{
  return take_text (object, name, digest)
         && (*digest == NULL || (strlen (*digest) == 64 && strspn (*digest, "0123456789abcdef") == 64));
}

static gboolean
take_file (DkmsJobReport *self, const json_t *object)
{
  g_autofree char *path = NULL, *sha256 = NULL, *payload = NULL;
  const json_t *size = json_object_get (object, "size");

  if (!take_text (object, "path", &path) || !take_digest (object, "sha256", &sha256)
      || !take_digest (object, "payload", &payload) || path == NULL || sha256 == NULL || !json_is_integer (size)
      || json_integer_value (size) < 0)
    return FALSE;
  add_file (self, path, json_integer_value (size), sha256, payload);
  return TRUE;
}

static gboolean
take_files (DkmsJobReport *self, const json_t *files)
{
  if (json_array_size (files) > MOST_FILES)
    return FALSE;
  for (gsize i = 0; i < json_array_size (files); i++)
    if (!take_file (self, json_array_get (files, i)))
      return FALSE;
  g_ptr_array_sort (self->files, compare);
  return TRUE;
}

/* Whether @object says the same about its subject as its id. */
static gboolean
is_about (const json_t *object, const DkmsFleetJob *job)
{
  const char *const members[][2] = { { "module", job->id->module },
                                     { "version", job->id->version },
                                     { "kernel", job->id->kernel },
                                     { "arch", job->id->arch },
                                     { "root", job->root } };

  for (gsize i = 0; i < G_N_ELEMENTS (members); i++)
    if (g_strcmp0 (json_string_value (json_object_get (object, members[i][0])), members[i][1]) != 0)
      return FALSE;
  return TRUE;
}

static gboolean
take_numbers (DkmsJobReport *self, const json_t *object)
{
  const json_t *code = json_object_get (object, "exit"), *seconds = json_object_get (object, "seconds");

  if (!json_is_integer (code) || json_integer_value (code) < 0 || json_integer_value (code) > 255
      || (seconds != NULL && !json_is_number (seconds)) || !(json_number_value (seconds) >= 0)
      || json_number_value (seconds) > 1e9)
    return FALSE;
  self->exit_code = (int)json_integer_value (code);
  self->seconds = json_number_value (seconds);
  return TRUE;
}

static DkmsJobReport *
from_json (const json_t *object)
{
  const char *id = json_string_value (json_object_get (object, "id")),
             *result = json_string_value (json_object_get (object, "result"));
  DkmsJobResult number = DKMS_JOB_BUILT;

  if (json_integer_value (json_object_get (object, "format")) != 1 || id == NULL || result == NULL)
    return NULL;
  while (number < DKMS_JOB_LAST && strcmp (names[number], result) != 0)
    number++;
  g_autoptr (DkmsJobReport) self = number < DKMS_JOB_LAST ? dkms_job_report_new (id, number) : NULL;
  if (self == NULL || !is_about (object, self->job) || !take_numbers (self, object)
      || !take_text (object, "error", &self->error) || !take_digest (object, "key", &self->key)
      || !take_digest (object, "basis", &self->basis) || !take_text (object, "host", &self->host)
      || !take_text (object, "start", &self->start) || !take_text (object, "shard", &self->shard)
      || !take_files (self, json_object_get (object, "files")))
    return NULL;
  return g_steal_pointer (&self);
}

DkmsJobReport *
dkms_job_report_from_text (const char *text, gsize size)
{
  json_t *object = size <= DKMS_JOB_REPORT_LIMIT ? json_loadb (text, size, JSON_REJECT_DUPLICATES, NULL) : NULL;
  DkmsJobReport *self = object != NULL ? from_json (object) : NULL;

  json_decref (object);
  return self;
}
