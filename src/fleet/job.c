/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ids, names of files, and lists of jobs. */
#include "fleet/job.h"

#include <stdlib.h>
#include <string.h>

#include "model/event-json.h"

/* An id that could be the name of a file everywhere is much shorter. */
enum { LONGEST_ID = 1024 };

DkmsFleetJob *
dkms_fleet_job_new (const DkmsId *id, const char *root)
{
  DkmsFleetJob *self = g_new0 (DkmsFleetJob, 1);

  self->id = dkms_id_copy (id);
  self->root = g_strdup (root);
  self->text = g_strdup_printf ("%s/%s/%s/%s@%s", id->module, id->version, id->kernel, id->arch, root);
  return self;
}

/* Whether @name is a part of a path, printable and in UTF-8. */
static gboolean
is_part (const char *name)
{
  if (*name == '\0' || *name == '.' || strchr (name, '/') != NULL || !g_utf8_validate (name, -1, NULL))
    return FALSE;
  for (const char *at = name; *at != '\0'; at = g_utf8_next_char (at))
    if (!g_unichar_isprint (g_utf8_get_char (at)))
      return FALSE;
  return TRUE;
}

gboolean
dkms_fleet_is_root_name (const char *name)
{
  return is_part (name) && strchr (name, '@') == NULL;
}

DkmsFleetJob *
dkms_fleet_job_parse (const char *text)
{
  const char *at = strrchr (text, '@');

  if (at == NULL || strlen (text) > LONGEST_ID || !dkms_fleet_is_root_name (at + 1))
    return NULL;
  g_autofree char *build = g_strndup (text, (gsize)(at - text));
  g_auto (GStrv) parts = g_strsplit (build, "/", -1);
  if (g_strv_length (parts) != 4)
    return NULL;
  for (char **part = parts; *part != NULL; part++)
    if (!is_part (*part))
      return NULL;
  return dkms_fleet_job_new (&(DkmsId){ parts[0], parts[1], parts[2], parts[3] }, at + 1);
}

void
dkms_fleet_job_free (DkmsFleetJob *self)
{
  if (self == NULL)
    return;
  dkms_id_free (self->id);
  g_free (self->text);
  g_free (self->root);
  g_clear_pointer (&self->argv, g_ptr_array_unref);
  g_free (self);
}

char *
dkms_fleet_file_name (const char *id, const char *suffix)
{
  GString *name = g_string_new (NULL);

  for (const char *at = id; *at != '\0'; at++)
    if (strchr ("%/@", *at) != NULL)
      g_string_append_printf (name, "%%%02X", (guchar)*at);
    else
      g_string_append_c (name, *at);
  return g_string_free (g_string_append (name, suffix), FALSE);
}

/* ---- lists ---- */

GPtrArray *
dkms_fleet_jobs_new (void)
{
  return g_ptr_array_new_with_free_func ((GDestroyNotify)dkms_fleet_job_free);
}

static int
compare (gconstpointer a, gconstpointer b)
{
  const DkmsFleetJob *x = *(const DkmsFleetJob *const *)a, *y = *(const DkmsFleetJob *const *)b;
  int order = strcmp (x->text, y->text);

  return order != 0 ? order : (x->source > y->source) - (x->source < y->source);
}

void
dkms_fleet_jobs_sort (GPtrArray *jobs)
{
  guint kept = 0;

  g_ptr_array_sort (jobs, compare);
  for (guint i = 0; i < jobs->len; i++)
    if (kept > 0
        && strcmp (((const DkmsFleetJob *)jobs->pdata[kept - 1])->text, ((const DkmsFleetJob *)jobs->pdata[i])->text)
               == 0)
      dkms_fleet_job_free (jobs->pdata[i]);
    else
      jobs->pdata[kept++] = jobs->pdata[i];
  for (guint i = kept; i < jobs->len; i++)
    jobs->pdata[i] = NULL; /* freed, or moved */
  g_ptr_array_set_size (jobs, (int)kept);
}

static int
compare_id (gconstpointer id, gconstpointer job)
{
  return strcmp (id, (*(const DkmsFleetJob *const *)job)->text);
}

DkmsFleetJob *
dkms_fleet_jobs_find (const GPtrArray *jobs, const char *id)
{
  gpointer *found = jobs->len > 0 ? bsearch (id, jobs->pdata, jobs->len, sizeof (gpointer), compare_id) : NULL;

  return found != NULL ? *found : NULL;
}

void
dkms_fleet_job_set_members (const DkmsFleetJob *self, json_t *object)
{
  dkms_json_set_text (object, "id", self->text);
  dkms_json_set_text (object, "module", self->id->module);
  dkms_json_set_text (object, "version", self->id->version);
  dkms_json_set_text (object, "kernel", self->id->kernel);
  dkms_json_set_text (object, "arch", self->id->arch);
  dkms_json_set_text (object, "root", self->root);
}

char *
dkms_fleet_jobs_to_text (const GPtrArray *jobs, const guint *shards, guint count, gboolean commands)
{
  json_t *list = json_object (), *array = json_array ();

  dkms_json_set (list, "format", json_integer (1));
  dkms_json_set (list, "jobs", array);
  for (guint i = 0; i < jobs->len; i++)
    {
      const DkmsFleetJob *job = jobs->pdata[i];
      json_t *one = json_object (), *argv;

      dkms_json_append (array, one);
      dkms_fleet_job_set_members (job, one);
      if (shards != NULL)
        {
          g_autofree char *shard = g_strdup_printf ("%u/%u", shards[i] + 1, count);
          dkms_json_set_text (one, "shard", shard);
        }
      if (!commands || job->argv == NULL)
        continue;
      argv = json_array ();
      dkms_json_set (one, "argv", argv);
      for (guint a = 0; a < job->argv->len; a++)
        dkms_json_append_text (argv, job->argv->pdata[a]);
    }
  return dkms_json_to_text (list, JSON_COMPACT);
}

gboolean
dkms_fleet_jobs_from_text (GPtrArray *jobs, const char *text, gsize size)
{
  json_t *list = json_loadb (text, size, JSON_REJECT_DUPLICATES, NULL);
  const json_t *array = json_object_get (list, "jobs");
  gboolean ok = json_integer_value (json_object_get (list, "format")) == 1 && json_is_array (array);

  for (gsize i = 0; ok && i < json_array_size (array); i++)
    {
      const char *id = json_string_value (json_object_get (json_array_get (array, i), "id"));
      DkmsFleetJob *job = id != NULL ? dkms_fleet_job_parse (id) : NULL;
      ok = job != NULL;
      if (ok)
        g_ptr_array_add (jobs, job);
    }
  json_decref (list);
  return ok;
}
