/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds the build and its log, examines headers and packages, and prints the explanation of check/explain.h. */
#define _GNU_SOURCE
#include "inspect/explain.h"

#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/language.h"
#include "base/near.h"
#include "base/unread.h"
#include "check/explain.h"
#include "check/fault.h"
#include "check/finding.h"
#include "check/line.h"
#include "kernel/headers.h"
#include "model/version.h"
#include "store/attempts.h"
#include "store/layout.h"
#include "store/logs.h"
#include "store/register.h"
#include "store/scan.h"

/* ---- which build ---- */

/* Returns the attempts that the request selects, newest first. */
static GPtrArray *
find_attempts (const DkmsSettings *settings, const DkmsRequest *request, GError **error)
{
  const DkmsId filter = { dkms_request_word (request), request->version, NULL, NULL };
  guint mark = dkms_unread_mark ();
  g_autoptr (GPtrArray) attempts = dkms_attempts_list (&settings->places, &filter);

  if (!dkms_unread_since (mark, TRUE, error)) /* a log that cannot be read is not missing */
    return NULL;
  for (guint i = attempts->len; i-- > 0;)
    if (!dkms_targets_pass (request->targets, ((const DkmsAttemptFile *)attempts->pdata[i])->id))
      g_ptr_array_remove_index (attempts, i);
  return g_steal_pointer (&attempts);
}

/* Returns: (transfer container): the newest of @attempts for each build, in the same order */
static GPtrArray *
keep_newest (const GPtrArray *attempts)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (dkms_id_hash, dkms_id_equal);
  GPtrArray *newest = g_ptr_array_new ();

  for (guint i = 0; i < attempts->len; i++)
    if (g_hash_table_add (seen, ((const DkmsAttemptFile *)attempts->pdata[i])->id))
      g_ptr_array_add (newest, attempts->pdata[i]);
  return newest;
}

/* An invalid name cannot be registered, and must not become a part of a path. */
static gboolean
check_names (const DkmsRequest *request, GError **error)
{
  const char *word = dkms_request_word (request);

  return (word == NULL || dkms_tree_check_name (DKMS_ERROR_BAD_NAME, "module name", word, error))
         && (request->version == NULL
             || dkms_tree_check_name (DKMS_ERROR_BAD_NAME, "module version", request->version, error));
}

gboolean
dkms_explain_fail_unknown (const DkmsPlaces *places, const DkmsRequest *request, gboolean causes, GError **error)
{
  const char *word = dkms_request_word (request);
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  g_autoptr (DkmsState) all = dkms_state_read_most (places, NULL, NULL);

  for (guint i = 0; all != NULL && i < all->versions->len; i++)
    g_ptr_array_add (names, ((const DkmsVersion *)all->versions->pdata[i])->module);
  for (const DkmsCauseInfo *info = dkms_cause_infos (); causes && info->id != NULL; info++)
    g_ptr_array_add (names, (gpointer)info->id);
  for (guint number = 0; causes && number < DKMS_CODE_LAST; number++)
    g_ptr_array_add (names, (gpointer)dkms_code_name ((DkmsCode)number));
  return DKMS_FAIL (error, NOT_KNOWN, .id = { word, request->version, NULL, NULL },
                    .text = causes ? N_ ("cause") : NULL, .near = dkms_nearest_in (word, names));
}

/* Fails if the module is neither registered nor in the logs. */
static gboolean
check_known (const DkmsSettings *settings, const DkmsRequest *request, const DkmsState *state,
             const GPtrArray *attempts, gboolean causes, GError **error)
{
  return dkms_request_word (request) == NULL || attempts->len > 0 || state->versions->len > 0
         || dkms_explain_fail_unknown (&settings->places, request, causes, error);
}

/* ---- facts ---- */

typedef struct {
  const DkmsSettings *settings;
  const char *arch;
} Machine;

static DkmsSeen
find_word (gpointer data, const char *release, const char *word, char **file)
{
  const Machine *machine = data;
  const DkmsSettings *s = machine->settings;
  g_autoptr (DkmsKernel) kernel = dkms_kernel_new (s->places.root, s->places.install_tree,
                                                   &(DkmsId){ .kernel = release, .arch = machine->arch }, NULL, NULL);

  return dkms_headers_find_word (kernel, s->places.root, word, file);
}

/* Returns: (transfer full) (nullable): the newest other kernel for which this version is built */
static char *
find_older (const DkmsState *state, const DkmsId *id)
{
  const DkmsVersion *v = dkms_state_find (state, id);
  const char *best = NULL;

  for (guint i = 0; v != NULL && i < v->builds->len; i++)
    {
      const DkmsBuild *build = v->builds->pdata[i];
      if (build->built && strcmp (build->kernel, id->kernel) != 0
          && (best == NULL || dkms_version_sort (build->kernel, best) > 0))
        best = build->kernel;
    }
  return g_strdup (best);
}

/* ---- printing ---- */

static void
print_others (DkmsListener *events, const DkmsDiagnosis *diagnosis, const DkmsCauseFacts *facts)
{
  for (guint i = 1; i < diagnosis->causes->len; i++)
    {
      const DkmsCause *cause = diagnosis->causes->pdata[i];
      g_autofree char *line = cause->line != NULL ? dkms_cause_shorten (cause->line, facts) : NULL;
      if (line != NULL)
        DKMS_EMIT (events, EXPLAIN_ALSO, .name = cause->info->id, .text = line);
    }
}

/* If a log contains no error, prints its end. */
static void
print_tail (DkmsListener *events, const DkmsDiagnosis *diagnosis)
{
  g_auto (GStrv) lines
      = diagnosis->first_error == NULL && diagnosis->tail != NULL ? g_strsplit (diagnosis->tail, "\n", -1) : NULL;

  if (lines != NULL)
    DKMS_EMIT (events, EXPLAIN_LOG_ENDS);
  for (char **line = lines; line != NULL && *line != NULL; line++)
    DKMS_EMIT (events, EXPLAIN_LINE, .text = *line);
}

static void
print_explanation (DkmsListener *events, const DkmsId *id, const DkmsCause *cause, const DkmsExplanation *shown)
{
  DKMS_EMIT (events, EXPLAIN_SENTENCE, .id = *id, .name = cause->info->id, .text = shown->sentence);
  if (shown->line != NULL)
    DKMS_EMIT (events, EXPLAIN_LINE, .text = shown->line);
  if (shown->looked != NULL)
    DKMS_EMIT (events, EXPLAIN_LOOKED, .text = shown->looked);
}

static char *
time_in_words (gint64 time)
{
  g_autoptr (GDateTime) when = g_date_time_new_from_unix_local (time / G_USEC_PER_SEC);

  return when != NULL ? g_date_time_format (when, "%Y-%m-%d %H:%M") : g_strdup ("");
}

/* The attempt that is explained, and its data. */
typedef struct {
  const DkmsAttemptFile *file;
  const DkmsAttempt *record; /* (nullable) */
  guint number, of;          /* its number among the stored attempts of this build; the oldest is 1 */
} Explained;

static void
print_log (const DkmsSettings *settings, DkmsListener *events, const Explained *self)
{
  const DkmsAttemptFile *file = self->file;
  g_autofree char *command = dkms_logs_command ("log", file->id);
  g_autofree char *when = time_in_words (file->time);
  g_autofree char *path = file->log != NULL ? dkms_root_host_path (settings->places.root, file->log) : NULL;
  g_autofree char *place = self->of > 1 ? DKMS_SAY (NUMBER_OF, .number = self->number, .limit = self->of) : NULL;

  if (path != NULL)
    DKMS_EMIT (events, EXPLAIN_LOG, .id = *file->id, .text = command, .place = when, .name = place, .path = path,
               .seconds = self->record != NULL ? self->record->seconds : 0);
}

static gboolean
explain_build (const DkmsSettings *settings, DkmsListener *events, const Explained *self, const DkmsState *state,
               DkmsDiagnosis *diagnosis, GError **error)
{
  const DkmsId *id = self->file->id;
  Machine machine = { settings, id->arch };
  g_autoptr (DkmsKernel) kernel
      = dkms_kernel_new (settings->places.root, settings->places.install_tree, id, NULL, NULL);
  g_autofree char *area = dkms_layout_version (&settings->places, id, "build");
  g_autofree char *tool_area = dkms_root_tool_path (settings->places.root, area);
  g_autofree char *older = find_older (state, id);
  const DkmsCauseFacts facts = { .module = id->module,
                                 .version = id->version,
                                 .kernel = id->kernel,
                                 .older = older,
                                 .area = tool_area,
                                 .headers = kernel->source_dir,
                                 .package = dkms_distro_name_package,
                                 .install = dkms_distro_name_install,
                                 .distro = settings->policy.distro,
                                 .find_word = find_word,
                                 .data = &machine };
  const DkmsCause *cause = dkms_diagnosis_cause (diagnosis);
  g_autoptr (DkmsExplanation) shown = dkms_cause_explain (cause, diagnosis, &facts);

  print_explanation (events, id, cause, shown);
  print_tail (events, diagnosis);
  DKMS_EMIT (events, EXPLAIN_NEXT, .text = shown->next, .name = shown->package);
  print_others (events, diagnosis, &facts);
  DKMS_EMIT (events, EXPLAIN_CAUSE, .name = cause->info->id);
  print_log (settings, events, self);
  return strcmp (cause->info->id, "unknown") != 0
         || DKMS_FAIL (error, UNDETERMINED, .id = *id, .path = self->file->log, .log = self->file->log,
                       .cause = cause->info->id);
}

/* Explains a build that was not started. It has no log; its record contains the reason. */
static gboolean
explain_refusal (DkmsListener *events, const Explained *self)
{
  const GError *why = self->record->error;
  const char *advice = dkms_error_info (why)->advice;

  dkms_error_recall (why);
  DKMS_EMIT (events, EXPLAIN_SENTENCE, .id = *self->file->id, .name = self->record->cause,
             .text = why != NULL ? why->message : "");
  if (advice != NULL)
    DKMS_EMIT (events, EXPLAIN_NEXT, .text = advice);
  if (self->record->cause != NULL)
    DKMS_EMIT (events, EXPLAIN_CAUSE, .name = self->record->cause);
  return TRUE;
}

static void
print_other_builds (const DkmsSettings *settings, DkmsListener *events, const GPtrArray *failed)
{
  for (guint i = 1; i < failed->len; i++)
    {
      const DkmsAttemptFile *log = failed->pdata[i];
      g_autofree char *command = dkms_logs_command ("explain", log->id);
      DKMS_EMIT (events, EXPLAIN_OTHER, .id = *log->id, .text = command);
    }
}

/* Prints the description of a cause, with placeholders in capitals for values from a log. */
static void
print_page (const DkmsSettings *settings, DkmsListener *events, const DkmsCauseInfo *info)
{
  const DkmsCause cause = { .info = info, .name = (char *)"NAME" };
  const DkmsDiagnosis diagnosis = { .kernel_compiler = (char *)"COMPILER" };
  const DkmsCauseFacts facts = { .module = "MODULE",
                                 .version = "VERSION",
                                 .kernel = "KERNEL",
                                 .older = "OTHER-KERNEL",
                                 .package = dkms_distro_name_package,
                                 .install = dkms_distro_name_install,
                                 .distro = settings->policy.distro };
  g_autoptr (DkmsExplanation) shown = dkms_cause_explain (&cause, &diagnosis, &facts);

  DKMS_EMIT (events, EXPLAIN_PAGE, .name = info->id, .text = dkms_cause_class_name (info->class));
  DKMS_EMIT (events, EXPLAIN_PAGE_TEXT, .text = shown->sentence);
  if (info->page != NULL)
    DKMS_EMIT (events, EXPLAIN_PAGE_TEXT, .text = info->page);
  DKMS_EMIT (events, EXPLAIN_NEXT, .text = shown->next, .name = shown->package);
}

/* The same of a finding of verify. */
static void
print_finding (DkmsListener *events, DkmsCode code)
{
  g_autofree char *advice = NULL, *sentence = dkms_code_describe (code, &advice);

  DKMS_EMIT (events, EXPLAIN_FINDING, .name = dkms_code_name (code), .text = dkms_check_name (dkms_code_check (code)));
  DKMS_EMIT (events, EXPLAIN_PAGE_TEXT, .text = sentence);
  if (advice != NULL)
    DKMS_EMIT (events, EXPLAIN_NEXT, .text = advice);
}

/* The same of a fault that doctor finds, with all its forms. */
static void
print_fault (DkmsListener *events, const char *name)
{
  DKMS_EMIT (events, EXPLAIN_FAULT, .name = name);
  for (guint i = 0; i < DKMS_FAULT_LAST; i++)
    {
      g_autofree char *would = NULL, *sentence = dkms_fault_describe ((DkmsFault)i, &would);

      if (strcmp (dkms_fault_name ((DkmsFault)i), name) != 0)
        continue;
      DKMS_EMIT (events, EXPLAIN_PAGE_TEXT, .text = sentence);
      DKMS_EMIT (events, EXPLAIN_NEXT, .text = would);
    }
}

/* ---- the verbs ---- */

static gboolean
explain_log (const DkmsSettings *settings, DkmsListener *events, const Explained *self, const DkmsState *state,
             GError **error)
{
  g_auto (DkmsFd) fd = dkms_logs_open (&settings->places, self->file->log, error);
  g_autoptr (DkmsDiagnosis) diagnosis = fd >= 0 ? dkms_logs_diagnose (fd, self->file->id->kernel) : NULL;

  if (diagnosis == NULL)
    return FALSE;
  if (self->record != NULL && self->record->outcome == DKMS_OUTCOME_INTERRUPTED)
    dkms_diagnosis_add (diagnosis, "interrupted", NULL);
  else if (dkms_diagnosis_cause (diagnosis) == NULL) /* its commands succeeded, but the build did not */
    dkms_diagnosis_add (diagnosis, "not-made", NULL);
  return explain_build (settings, events, self, state, diagnosis, error);
}

/* @attempts: all selected attempts, newest first */
static gboolean
explain_attempt (const DkmsSettings *settings, DkmsListener *events, const DkmsAttemptFile *file,
                 const GPtrArray *attempts, const DkmsState *state, GError **error)
{
  g_autoptr (DkmsAttempt) record = dkms_attempts_read (&settings->places, file);
  Explained self = { .file = file, .record = record };

  for (guint i = attempts->len; i-- > 0;)
    {
      self.of += dkms_id_equal (((const DkmsAttemptFile *)attempts->pdata[i])->id, file->id);
      if (attempts->pdata[i] == file)
        self.number = self.of;
    }
  if (file->log != NULL)
    return explain_log (settings, events, &self, state, error);
  return record != NULL ? explain_refusal (events, &self)
                        : DKMS_FAIL (error, RECORD_NOT_UNDERSTOOD, .id = *file->id, .path = file->record);
}

/* Prints that no log contains a failure. @attempts: those that succeeded */
static void
print_success (DkmsListener *events, const DkmsRequest *request, const GPtrArray *attempts)
{
  const char *word = dkms_request_word (request);

  for (guint i = 0; word != NULL && i < attempts->len; i++)
    {
      const DkmsAttemptFile *log = attempts->pdata[i];
      g_autofree char *when = time_in_words (log->time);
      DKMS_EMIT (events, EXPLAIN_SUCCEEDED, .id = *log->id, .place = when);
    }
  if (word == NULL || attempts->len == 0)
    DKMS_EMIT (events, EXPLAIN_NOTHING, .id = { .module = word });
}

/* A build that could not start leaves no log. Returns: whether the headers of a kernel in the request are missing */
static gboolean
explain_headers (const DkmsSettings *settings, DkmsListener *events, const DkmsRequest *request)
{
  gboolean missing = FALSE;

  for (guint i = 0; dkms_request_word (request) != NULL && i < request->targets->len; i++)
    {
      const DkmsId *target = request->targets->pdata[i];
      g_autoptr (DkmsKernel) kernel
          = target->kernel != NULL ? dkms_kernel_new (settings->places.root, settings->places.install_tree,
                                                      &(DkmsId){ .kernel = target->kernel, .arch = "" }, NULL, NULL)
                                   : NULL;
      const DkmsCause cause = { .info = dkms_cause_find ("no-headers") };
      const DkmsCauseFacts facts = { .module = dkms_request_word (request),
                                     .version = "",
                                     .kernel = target->kernel,
                                     .package = dkms_distro_name_package,
                                     .install = dkms_distro_name_install,
                                     .distro = settings->policy.distro };
      if (kernel == NULL || dkms_kernel_has_headers (kernel, settings->places.root))
        continue;
      g_autoptr (DkmsExplanation) shown = dkms_cause_explain (&cause, NULL, &facts);
      DKMS_EMIT (events, EXPLAIN_SENTENCE, .id = { .module = dkms_request_word (request), .kernel = target->kernel },
                 .name = cause.info->id, .text = shown->sentence);
      DKMS_EMIT (events, EXPLAIN_NEXT, .text = shown->next, .name = shown->package);
      DKMS_EMIT (events, EXPLAIN_CAUSE, .name = cause.info->id);
      missing = TRUE;
    }
  return missing;
}

/* Reads the data for both verbs. @attempts, @state: (out) (transfer full) */
static gboolean
read_attempts (const DkmsSettings *settings, const DkmsRequest *request, GPtrArray **attempts, DkmsState **state,
               GError **error)
{
  const DkmsId named = { .module = dkms_request_word (request), .version = request->version };

  return check_names (request, error) && (*state = dkms_state_read_most (&settings->places, &named, error)) != NULL
         && (*attempts = find_attempts (settings, request, error)) != NULL;
}

/* That a kernel is excluded is reported only if the user names the module. */
static gboolean
is_failure (const DkmsAttemptFile *file, const DkmsRequest *request)
{
  return file->outcome != DKMS_OUTCOME_BUILT
         && (file->outcome != DKMS_OUTCOME_EXCLUDED || dkms_request_word (request) != NULL);
}

gboolean
dkms_explain (const DkmsSettings *settings, DkmsListener *events, const DkmsRequest *request, GError **error)
{
  const char *word = dkms_request_word (request);
  g_autoptr (DkmsState) state = NULL;
  g_autoptr (GPtrArray) attempts = NULL;
  g_autoptr (GPtrArray) newest = NULL;
  g_autoptr (GPtrArray) failed = g_ptr_array_new ();
  const DkmsCauseInfo *info = word != NULL && request->version == NULL ? dkms_cause_find (word) : NULL;
  DkmsCode code;
  DkmsFault fault;
  gboolean described = FALSE;

  if (!read_attempts (settings, request, &attempts, &state, error))
    return FALSE;
  if (info != NULL && attempts->len == 0 && state->versions->len == 0)
    return print_page (settings, events, info), TRUE;
  if (word != NULL && request->version == NULL && attempts->len == 0 && state->versions->len == 0
      && dkms_code_from_name (word, &code))
    print_finding (events, code), described = TRUE;
  if (word != NULL && request->version == NULL && attempts->len == 0 && state->versions->len == 0
      && dkms_fault_from_name (word, &fault))
    print_fault (events, word), described = TRUE;
  if (described)
    return TRUE;
  if (!check_known (settings, request, state, attempts, TRUE, error))
    return FALSE;
  newest = keep_newest (attempts);
  for (guint i = 0; i < newest->len; i++)
    if (is_failure (newest->pdata[i], request))
      g_ptr_array_add (failed, newest->pdata[i]);
  if (failed->len == 0)
    {
      if (newest->len > 0 || !explain_headers (settings, events, request))
        print_success (events, request, newest);
      return TRUE;
    }
  gboolean known = explain_attempt (settings, events, failed->pdata[0], attempts, state, error);
  print_other_builds (settings, events, failed);
  return known;
}

int
dkms_explain_open_log (const DkmsSettings *settings, const DkmsRequest *request, GError **error)
{
  g_autoptr (DkmsState) state = NULL;
  g_autoptr (GPtrArray) attempts = NULL;

  if (!read_attempts (settings, request, &attempts, &state, error)
      || !check_known (settings, request, state, attempts, FALSE, error))
    return -1;
  for (guint i = 0; i < attempts->len; i++)
    if (((const DkmsAttemptFile *)attempts->pdata[i])->log != NULL)
      return dkms_logs_open (&settings->places, ((const DkmsAttemptFile *)attempts->pdata[i])->log, error);
  return DKMS_FAIL (error, NO_LOG, .id = { .module = dkms_request_word (request) },
                    .text = request->targets->len > 0 ? N_ ("that kernel") : NULL),
         -1;
}

gboolean
dkms_explain_list (const DkmsSettings *settings, DkmsListener *events, const DkmsRequest *request, GError **error)
{
  g_autoptr (DkmsState) state = NULL;
  g_autoptr (GPtrArray) attempts = NULL;

  if (!read_attempts (settings, request, &attempts, &state, error)
      || !check_known (settings, request, state, attempts, FALSE, error))
    return FALSE;
  for (guint i = 0; i < attempts->len; i++)
    {
      const DkmsAttemptFile *file = attempts->pdata[i];
      g_autoptr (DkmsAttempt) record = dkms_attempts_read (&settings->places, file);
      g_autofree char *when = time_in_words (file->time);
      g_autofree char *path = file->log != NULL ? dkms_root_host_path (settings->places.root, file->log) : NULL;
      DKMS_EMIT (events, ATTEMPT_LISTED, .id = *file->id, .place = when,
                 .name = dkms_attempt_outcome_name (file->outcome), .text = record != NULL ? record->cause : NULL,
                 .path = path, .seconds = record != NULL ? record->seconds : 0);
    }
  if (attempts->len == 0)
    DKMS_EMIT (events, ATTEMPTS_NONE, .id = { .module = dkms_request_word (request) });
  return TRUE;
}
