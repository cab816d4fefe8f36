/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes a build from one that a forecast kept. */
#define _GNU_SOURCE
#include "build/take-over.h"

#include <fcntl.h>
#include <string.h>

#include "base/clock.h"
#include "base/copy.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/unread.h"
#include "build/area.h"
#include "build/result.h"
#include "store/kept.h"
#include "store/layout.h"

/* Copies the module of @output, if it is the one that was recorded. */
static gboolean
copy_module (const DkmsWorkArea *area, int kept, const DkmsRecord *record, const DkmsOutput *output, GError **error)
{
  const DkmsRecordModule *module = dkms_record_find (record, output->dest_name);
  g_autofree char *plain = g_strdup_printf ("module/%s.ko", output->dest_name);
  g_autofree char *digest = module != NULL ? dkms_sha256_at (kept, plain, error) : NULL;

  if (module == NULL || (digest != NULL && g_strcmp0 (digest, module->sha256) != 0))
    return DKMS_FAIL (error, MODULE_NOT_MADE, .id = area->job->id, .path = plain);
  return digest != NULL
         && dkms_copy_file_at (kept, plain, &(DkmsNewFile){ area->result_fd, plain, 0644, FALSE }, error);
}

static gboolean
copy_all (DkmsWorkArea *area, int kept, const DkmsRecord *record, GError **error)
{
  static const char symvers[] = "module/Module.symvers";
  const GPtrArray *outputs = area->job->outputs;

  if (!dkms_result_begin (area, error))
    return FALSE;
  for (guint i = 0; i < outputs->len; i++)
    {
      const DkmsOutput *output = outputs->pdata[i];
      if (!output->excluded && !copy_module (area, kept, record, output, error))
        return FALSE;
    }
  return !dkms_is_file_at (kept, symvers)
         || dkms_copy_file_at (kept, symvers, &(DkmsNewFile){ area->result_fd, symvers, 0644, FALSE }, error);
}

/* Makes the build of @job from the one in the directory @kept. */
static gboolean
make (const DkmsJob *job, int kept, const DkmsAttempt *attempt, const char *identity, GError **error)
{
  gint64 start = dkms_clock_now ();
  g_autofree char *path = dkms_kept_path (&job->settings->places, identity);
  g_autoptr (DkmsRecord) record = dkms_record_read_at (kept);
  g_auto (DkmsWorkArea) area = { .job = job, .fd = -1, .log_fd = -1, .result_fd = -1 };

  if (record == NULL)
    return dkms_fail_errno (error, "read", path);
  dkms_area_adopt (&area, record->seconds);
  area.taken = job->request->forecast ? NULL : path;
  area.log_fd = openat (kept, "log/make.log", DKMS_READ_FLAGS | O_NOFOLLOW);
  if (area.log_fd < 0)
    return dkms_fail_errno (error, "read", path);
  g_free (job->attempt->make);
  job->attempt->make = g_strdup (attempt->make);
  if (!copy_all (&area, kept, record, error))
    return FALSE;
  DKMS_EMIT (job->events, KEPT_TAKEN, .id = job->id, .name = identity);
  if (!dkms_result_seal (&area, error))
    return FALSE;
  dkms_attempt_add_step (job->attempt, "Taking over the build of a forecast", 0, dkms_clock_since (start));
  return dkms_result_publish (&area, start, error);
}

gboolean
dkms_take_over (const DkmsJob *job, gboolean *done, GError **error)
{
  g_autofree char *identity = dkms_kept_identity (job->attempt->inputs);
  g_autoptr (DkmsAttempt) attempt = NULL;
  g_autoptr (GError) local = NULL;
  guint mark = dkms_unread_mark ();

  *done = FALSE;
  /* POST_BUILD would have to run again, on a work area that no longer exists. */
  if (identity == NULL || job->force || *job->recipe->scripts[DKMS_SCRIPT_POST_BUILD] != '\0')
    return TRUE;
  g_auto (DkmsFd) kept = dkms_kept_open (&job->settings->places, identity, &attempt);
  if (kept < 0 || !dkms_kept_is_final (attempt) || attempt->reproducible != job->attempt->reproducible)
    return TRUE;
  if (attempt->outcome == DKMS_OUTCOME_FAILED && job->request->forecast)
    {
      DKMS_EMIT (job->events, KEPT_TAKEN, .id = job->id, .name = identity);
      return g_propagate_error (error, g_error_copy (attempt->error)), FALSE;
    }
  if (attempt->outcome != DKMS_OUTCOME_BUILT)
    return TRUE;
  *done = make (job, kept, attempt, identity, &local);
  if (!*done)
    {
      g_debug ("%s", local->message); /* it is built instead */
      dkms_discard_tree_at (job->work->fd, "result");
      dkms_unread_drop (mark);
    }
  return TRUE;
}
