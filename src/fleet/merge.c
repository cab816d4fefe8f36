/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads reports that other machines wrote. */
#define _GNU_SOURCE
#include "fleet/merge.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/unread.h"

/* The most bytes of a list, and the most files that are read. */
enum { LONGEST_LIST = 64 << 20, MOST_FILES = 1000000 };

DkmsMerged *
dkms_merged_new (void)
{
  DkmsMerged *self = g_new0 (DkmsMerged, 1);

  self->jobs = dkms_fleet_jobs_new ();
  self->reports = g_ptr_array_new_with_free_func ((GDestroyNotify)dkms_job_report_free);
  self->others = g_ptr_array_new_with_free_func ((GDestroyNotify)dkms_job_report_free);
  self->missing = g_ptr_array_new ();
  self->unreadable = g_ptr_array_new_with_free_func (g_free);
  self->pairs = g_ptr_array_new_with_free_func (g_free);
  return self;
}

void
dkms_merged_free (DkmsMerged *self)
{
  if (self == NULL)
    return;
  g_ptr_array_unref (self->pairs);
  g_ptr_array_unref (self->missing); /* its texts belong to the jobs */
  g_ptr_array_unref (self->jobs);
  g_ptr_array_unref (self->reports);
  g_ptr_array_unref (self->others);
  g_ptr_array_unref (self->unreadable);
  g_free (self);
}

void
dkms_merged_add (DkmsMerged *self, DkmsJobReport *report)
{
  g_ptr_array_add (self->reports, report);
}

/* ---- which report counts ---- */

/* By id, the one that counts first. Times of other machines may be wrong, so they only decide about reports of one job.
 */
static int
compare (gconstpointer a, gconstpointer b)
{
  const DkmsJobReport *x = *(const DkmsJobReport *const *)a, *y = *(const DkmsJobReport *const *)b;
  int order = strcmp (x->job->text, y->job->text);

  if (order == 0)
    order = -g_strcmp0 (x->start, y->start);
  if (order == 0)
    order = dkms_job_result_is_good (y->result) - dkms_job_result_is_good (x->result);
  return order != 0 ? order : (int)x->result - (int)y->result;
}

static int
compare_id (gconstpointer id, gconstpointer report)
{
  return strcmp (id, (*(const DkmsJobReport *const *)report)->job->text);
}

const DkmsJobReport *
dkms_merged_find (const DkmsMerged *self, const char *id)
{
  gpointer *found = self->reports->len > 0
                        ? bsearch (id, self->reports->pdata, self->reports->len, sizeof (gpointer), compare_id)
                        : NULL;

  return found != NULL ? *found : NULL;
}

/* Moves the reports that do not count to `others`. */
static void
select_reports (DkmsMerged *self)
{
  guint kept = 0;

  for (guint i = 0; i < self->reports->len; i++)
    {
      DkmsJobReport *report = self->reports->pdata[i];
      const DkmsJobReport *last = kept > 0 ? self->reports->pdata[kept - 1] : NULL;
      gboolean again = last != NULL && strcmp (last->job->text, report->job->text) == 0;
      if (again || (self->listed && dkms_fleet_jobs_find (self->jobs, report->job->text) == NULL))
        g_ptr_array_add (self->others, report);
      else
        self->reports->pdata[kept++] = report;
    }
  for (guint i = kept; i < self->reports->len; i++)
    self->reports->pdata[i] = NULL;
  g_ptr_array_set_size (self->reports, (int)kept);
}

/* Compares @report with the first build of the same inputs in @seen. */
static void
compare_payload (DkmsMerged *self, GHashTable *seen, const DkmsJobReport *report)
{
  g_autofree char *payload = dkms_job_report_payload (report);
  const DkmsJobReport *first;

  if (payload == NULL || report->key == NULL)
    return;
  first = g_hash_table_lookup (seen, report->key);
  g_autofree char *other = first != NULL ? dkms_job_report_payload (first) : NULL;
  if (first == NULL)
    g_hash_table_insert (seen, report->key, (gpointer)report);
  else if (strcmp (payload, other) != 0)
    {
      DkmsFleetPair *pair = g_new0 (DkmsFleetPair, 1);
      *pair = (DkmsFleetPair){ first, report };
      g_ptr_array_add (self->pairs, pair);
    }
}

void
dkms_merged_finish (DkmsMerged *self)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);

  dkms_fleet_jobs_sort (self->jobs);
  g_ptr_array_sort (self->reports, compare);
  select_reports (self);
  for (guint i = 0; i < self->reports->len; i++)
    compare_payload (self, seen, self->reports->pdata[i]);
  for (guint i = 0; i < self->others->len; i++)
    compare_payload (self, seen, self->others->pdata[i]);
  for (guint i = 0; self->listed && i < self->jobs->len; i++)
    {
      const DkmsFleetJob *job = self->jobs->pdata[i];
      if (dkms_merged_find (self, job->text) == NULL)
        g_ptr_array_add (self->missing, job->text);
    }
  for (guint i = 0; !self->listed && i < self->reports->len; i++)
    g_ptr_array_add (self->jobs, dkms_fleet_job_parse (((const DkmsJobReport *)self->reports->pdata[i])->job->text));
}

void
dkms_merged_count (const DkmsMerged *self, guint *good, guint *failed, guint *missing)
{
  *good = 0;
  for (guint i = 0; i < self->reports->len; i++)
    *good += dkms_job_result_is_good (((const DkmsJobReport *)self->reports->pdata[i])->result);
  *failed = self->reports->len - *good;
  *missing = self->missing->len;
}

/* ---- files ---- */

/* Reads a list or a report. @shown: its name for people */
static void
read_file (DkmsMerged *self, int dir, const char *name, const char *shown)
{
  gboolean list = strcmp (name, DKMS_FLEET_LIST) == 0;
  gsize size = 0;
  g_autofree char *text = dkms_read_at (dir, name, list ? (gsize)LONGEST_LIST : DKMS_JOB_REPORT_LIMIT, &size, NULL);
  DkmsJobReport *report = text != NULL && !list ? dkms_job_report_from_text (text, size) : NULL;

  if (report != NULL)
    dkms_merged_add (self, report);
  else if (list && text != NULL && dkms_fleet_jobs_from_text (self->jobs, text, size))
    self->listed = TRUE;
  else
    g_ptr_array_add (self->unreadable, g_utf8_make_valid (shown, -1));
}

/* @above: (nullable): name of the directory @fd, NULL for the first one */
static gboolean
read_dir (DkmsMerged *self, int fd, const char *above, GError **error)
{
  g_autoptr (GPtrArray) entries = dkms_list_entries (fd, error);

  for (guint i = 0; entries != NULL && i < entries->len; i++)
    {
      const DkmsEntry *entry = entries->pdata[i];
      g_autofree char *shown = above != NULL ? g_build_filename (above, entry->name, NULL) : g_strdup (entry->name);
      gboolean dir
          = entry->type == DT_DIR
            || (entry->type == DT_UNKNOWN && !dkms_is_link_at (fd, entry->name) && dkms_is_dir_at (fd, entry->name));

      if (*entry->name == '.' || self->reports->len + self->unreadable->len > MOST_FILES)
        continue; /* unfinished, or too much */
      if (dir && above == NULL)
        {
          g_auto (DkmsFd) below = openat (fd, entry->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
          if (below < 0)
            return dkms_fail_errno (error, "open", shown);
          if (!read_dir (self, below, shown, error))
            return FALSE;
        }
      else if (!dir && g_str_has_suffix (entry->name, ".json"))
        read_file (self, fd, entry->name, shown);
    }
  return entries != NULL;
}

DkmsMerged *
dkms_fleet_merge (const char *path, GError **error)
{
  g_auto (DkmsFd) fd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  g_autoptr (DkmsMerged) self = dkms_merged_new ();
  guint mark = dkms_unread_mark ();

  if (fd < 0)
    return dkms_fail_errno (error, "open", path), NULL;
  if (!read_dir (self, fd, NULL, error))
    return NULL;
  dkms_unread_drop (mark); /* unreadable files are named */
  dkms_merged_finish (self);
  return g_steal_pointer (&self);
}
