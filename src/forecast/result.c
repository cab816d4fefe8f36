/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Collects the results of a forecast from events and from the copy of the tree. */
#include "forecast/result.h"

#include <string.h>

#include "base/error.h"
#include "base/root.h"
#include "check/causes.h"
#include "forecast/shadow.h"
#include "store/logs.h"

static void
result_free (gpointer data)
{
  DkmsForecastResult *self = data;

  dkms_id_free (self->id);
  g_clear_error (&self->error);
  g_free (self->needs);
  g_free (self->why);
  g_free (self->cause);
  g_free (self->identity);
  g_free (self->log);
  g_free (self);
}

GPtrArray *
dkms_results_new (void)
{
  return g_ptr_array_new_with_free_func (result_free);
}

/* ---- during the run ---- */

/* Returns: (transfer none) (nullable): the result for the module and kernel of @id; NULL if one of them is NULL */
static DkmsForecastResult *
result_of (GPtrArray *results, const DkmsId *id)
{
  if (id->module == NULL || id->kernel == NULL)
    return NULL;
  for (guint i = 0; i < results->len; i++)
    {
      DkmsForecastResult *result = results->pdata[i];
      if (strcmp (result->id->module, id->module) == 0 && strcmp (result->id->kernel, id->kernel) == 0)
        return result;
    }
  DkmsForecastResult *result = g_new0 (DkmsForecastResult, 1);
  result->id = dkms_id_copy (id);
  g_ptr_array_add (results, result);
  return result;
}

/* Takes notice of why a module cannot be planned. */
static void
take_reason (GPtrArray *results, const DkmsEvent *reason)
{
  DkmsForecastResult *result = reason != NULL ? result_of (results, &reason->id) : NULL;

  if (result == NULL)
    return;
  if (reason->error != NULL && result->error == NULL)
    result->error = g_error_copy (reason->error);
  else if (reason->text != NULL && result->needs == NULL)
    result->needs = g_strdup (reason->text);
}

static void
take_error (GPtrArray *results, const GError *error)
{
  const DkmsErrorInfo *info = dkms_error_info (error);
  DkmsForecastResult *result = error != NULL ? result_of (results, &info->id) : NULL;

  if (result != NULL && result->error == NULL)
    result->error = g_error_copy (error);
}

gboolean
dkms_results_show (const DkmsEvent *event)
{
  switch (event->kind)
    {
    case DKMS_EVENT_WORK_BEGUN:
    case DKMS_EVENT_WORK_ENDED:
    case DKMS_EVENT_WORK_PAUSED:
    case DKMS_EVENT_PIECE_BEGUN:
    case DKMS_EVENT_PIECE_BUSY:
    case DKMS_EVENT_LOG_GROWS:
    case DKMS_EVENT_TRANSLATED:
    case DKMS_EVENT_WAITING:
    case DKMS_EVENT_RECIPES_UNCONFINED:
    case DKMS_EVENT_RECIPE_SYNTAX:
    case DKMS_EVENT_RECIPE_PROBLEM:
    case DKMS_EVENT_BUILDS_UNCONFINED:
    case DKMS_EVENT_SOURCE_GONE_SKIPPED:
      return TRUE;
    default: /* the answer says the same */
      return FALSE;
    }
}

gboolean
dkms_results_hear (GPtrArray *results, const DkmsEvent *event)
{
  DkmsForecastResult *result;

  switch (event->kind)
    {
    case DKMS_EVENT_FORECAST_PLANNED:
      result = result_of (results, &event->id);
      if (result != NULL)
        result->planned = TRUE;
      return FALSE;
    case DKMS_EVENT_KEPT_TAKEN:
      result = result_of (results, &event->id);
      if (result != NULL)
        {
          result->known = TRUE;
          result->identity = g_strdup (event->name);
        }
      return FALSE;
    case DKMS_EVENT_ERROR:
    case DKMS_EVENT_EXCLUDED:
      take_error (results, event->error);
      return FALSE;
    case DKMS_EVENT_HOPELESS:
    case DKMS_EVENT_DEFERRED:
      take_reason (results, event->reason);
      return FALSE;
    default:
      return dkms_results_show (event);
    }
}

/* ---- after the run ---- */

/* Returns: (transfer full): the first line of @text */
static char *
first_line (const char *text)
{
  return g_strndup (text, strcspn (text, "\n"));
}

/* Explains why a build failed. */
static void
explain (DkmsForecastResult *self, const DkmsPlaces *places, const DkmsTried *tried)
{
  const DkmsErrorInfo *info = dkms_error_info (self->error);

  self->why = dkms_logs_sentence_of (places, self->log, self->id);
  if (self->why != NULL && g_str_has_suffix (self->why, "."))
    self->why[strlen (self->why) - 1] = '\0';
  if (self->why == NULL && tried->attempt != NULL && tried->attempt->first_error != NULL)
    self->why = first_line (tried->attempt->first_error);
  if (self->why == NULL && self->error != NULL)
    self->why = first_line (self->error->message);
  if (self->cause == NULL)
    self->cause
        = g_strdup (tried->attempt != NULL && tried->attempt->cause != NULL ? tried->attempt->cause : info->cause);
}

static const char *
word_of_error (const GError *error)
{
  return g_error_matches (error, DKMS_ERROR, DKMS_ERROR_EXCLUDED)                       ? "excluded"
         : g_error_matches (error, DKMS_ERROR, DKMS_ERROR_DEPENDS)                      ? "deferred"
         : g_error_matches (error, DKMS_ERROR, DKMS_ERROR_NOT_FORECAST_WITHOUT_SANDBOX) ? "skipped"
         : g_error_matches (error, DKMS_ERROR, DKMS_ERROR_NO_SANDBOX)                   ? "skipped"
         : g_error_matches (error, DKMS_ERROR, DKMS_ERROR_REMOVED_MEANWHILE)            ? "skipped"
                                                                                        : "fails";
}

/* A build that exists. */
static void
decide_built (DkmsForecastResult *self, const DkmsTried *tried)
{
  const GPtrArray *doubts = tried->record->doubts;

  self->word = doubts->len == 0 ? "builds" : "fails";
  self->seconds = tried->record->seconds;
  if (doubts->len == 0)
    return;
  g_autofree char *doubt = first_line (doubts->pdata[0]);
  self->why = DKMS_SAY (FORECAST_WILL_NOT_LOAD, .text = doubt);
  self->cause = g_strdup ("not-loadable");
}

static void
decide (DkmsForecastResult *self, const DkmsPlaces *places, const DkmsTried *tried, const DkmsTrouble *trouble)
{
  if (tried->record != NULL)
    decide_built (self, tried);
  else if (self->needs != NULL)
    {
      self->word = "deferred";
      self->why = DKMS_SAY (FORECAST_NEEDS, .text = self->needs);
    }
  else if (self->error != NULL)
    {
      self->word = word_of_error (self->error);
      if (strcmp (self->word, "fails") == 0)
        explain (self, places, tried);
      else
        self->why = first_line (self->error->message);
    }
  else if (trouble->error != NULL)
    {
      self->word = "unknown";
      self->why = first_line (trouble->error->message);
    }
  else if (trouble->late)
    {
      self->word = "unknown";
      self->why = DKMS_SAY (FORECAST_OUT_OF_TIME, 0);
    }
  else
    {
      self->word = "deferred";
      self->why = DKMS_SAY (FORECAST_BLOCKED, 0);
    }
}

static int
compare (gconstpointer a, gconstpointer b)
{
  return strcmp ((*(const DkmsForecastResult *const *)a)->id->module,
                 (*(const DkmsForecastResult *const *)b)->id->module);
}

gboolean
dkms_results_decide (GPtrArray *results, const DkmsPlaces *places, const DkmsTrouble *trouble, GError **error)
{
  g_ptr_array_sort (results, compare);
  for (guint i = 0; i < results->len; i++)
    {
      DkmsForecastResult *self = results->pdata[i];
      g_auto (DkmsTried) tried = { 0 };

      if (!dkms_shadow_keep (places, self->id, self->identity, &tried, error))
        return FALSE;
      if (tried.identity != NULL)
        {
          g_free (self->identity);
          self->identity = g_strdup (tried.identity);
        }
      self->log = g_strdup (tried.log);
      decide (self, places, &tried, trouble);
    }
  return TRUE;
}

/* ---- the answer ---- */

static int
width_of (const GPtrArray *results, const char *kernel)
{
  glong width = 0;

  for (guint i = 0; i < results->len; i++)
    {
      const DkmsForecastResult *self = results->pdata[i];
      if (strcmp (self->id->kernel, kernel) == 0)
        width = MAX (width, dkms_id_columns (self->id));
    }
  return (int)width;
}

static void
emit_line (const DkmsForecastResult *self, const DkmsSettings *settings, DkmsListener *events, int width)
{
  g_autofree char *log = self->log != NULL ? dkms_root_host_path (settings->places.root, self->log) : NULL;

  if (strcmp (self->word, "builds") == 0)
    DKMS_EMIT (events, FORECAST_BUILDS, .id = *self->id, .seconds = self->seconds, .number = width);
  else if (strcmp (self->word, "fails") == 0 && self->known && self->error != NULL)
    DKMS_EMIT (events, FORECAST_FAILS_AGAIN, .id = *self->id, .text = self->why, .place = log, .number = width);
  else if (strcmp (self->word, "fails") == 0)
    DKMS_EMIT (events, FORECAST_FAILS, .id = *self->id, .text = self->why, .place = log, .number = width);
  else if (strcmp (self->word, "excluded") == 0)
    DKMS_EMIT (events, FORECAST_EXCLUDED, .id = *self->id, .text = self->why, .number = width);
  else
    DKMS_EMIT (events, FORECAST_UNKNOWN, .id = *self->id, .text = self->why, .number = width);
}

void
dkms_results_emit (const GPtrArray *results, const DkmsSettings *settings, DkmsListener *events, const char *kernel)
{
  guint count = 0;

  for (guint i = 0; i < results->len; i++)
    {
      const DkmsForecastResult *self = results->pdata[i];
      const DkmsEvent cause = { .kind = DKMS_EVENT_FORECAST_CAUSE, .name = self->cause };
      g_autofree char *log = self->log != NULL ? dkms_root_host_path (settings->places.root, self->log) : NULL;

      if (strcmp (self->id->kernel, kernel) != 0)
        continue;
      count++;
      DKMS_EMIT (events, FORECAST_MODULE, .id = *self->id, .name = self->word, .text = self->why,
                 .place = self->identity, .path = log, .reason = self->cause != NULL ? &cause : NULL,
                 .number = self->known, .seconds = self->seconds);
      emit_line (self, settings, events, width_of (results, kernel));
    }
  if (count == 0)
    DKMS_EMIT (events, FORECAST_NONE, .id = { .kernel = kernel });
}
