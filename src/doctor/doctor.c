/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The verb doctor, from the search for faults to the exit status. */
#define _GNU_SOURCE
#include "doctor/doctor.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/unread.h"
#include "doctor/attic.h"
#include "doctor/look-builds.h"
#include "doctor/look-files.h"
#include "doctor/look-kernels.h"
#include "doctor/look-machine.h"
#include "doctor/look-tree.h"
#include "doctor/repair.h"
#include "store/lock.h"
#include "store/reading.h"
#include "store/recovery.h"
#include "store/register.h"
#include "store/scan.h"

enum { ATTEMPTS = 3, WIDEST_SUBJECT = 44 };

/* One call of the verb. */
typedef struct {
  const DkmsSettings *settings;
  DkmsListener *events;
  const DkmsRequest *request;
  DkmsAttic *attic;    /* (nullable): of a call that repairs */
  GPtrArray *findings; /* (element-type DkmsFaultFinding): of the last search */
  GPtrArray *fixed;    /* (element-type DkmsFaultFinding): those that were repaired */
  GHashTable *tried;   /* set of "name subject path": faults whose repair was tried or declined */
  gboolean all;        /* the user answered that all are to be repaired */
  GPtrArray *busy;     /* (element-type utf8): modules that a running dkms works on */
  GError *unread;      /* (nullable): why a module could not be read */
} Doctor;

/* ---- the search ---- */

/* Whether a process changes the module, or builds of it. */
static gboolean
is_busy (const DkmsPlaces *places, const DkmsVersion *v)
{
  g_autofree char *module = dkms_lock_name_module (&(DkmsId){ .module = v->module });

  if (dkms_look_is_locked (places, module))
    return TRUE;
  for (guint i = 0; i < v->builds->len + v->remains->len; i++)
    {
      const DkmsId id
          = dkms_build_id (v, i < v->builds->len ? v->builds->pdata[i] : v->remains->pdata[i - v->builds->len]);
      g_autofree char *name = dkms_lock_name_build (&id);
      if (dkms_look_is_locked (places, name))
        return TRUE;
    }
  return FALSE;
}

static void
find_busy (DkmsLook *look, GPtrArray *names)
{
  for (guint i = 0; i < look->state->versions->len; i++)
    {
      const DkmsVersion *v = look->state->versions->pdata[i];
      if (is_busy (&look->settings->places, v) && g_hash_table_add (look->busy, g_strdup (v->module)))
        g_ptr_array_add (names, g_strdup (v->module));
    }
  for (guint i = 0; i < look->state->unread->len; i++) /* reported as unread */
    g_hash_table_add (look->busy, g_strdup (((const DkmsUnread *)look->state->unread->pdata[i])->module));
}

static gboolean
names_kernel (const DkmsRequest *request)
{
  for (guint i = 0; i < request->targets->len; i++)
    if (((const DkmsId *)request->targets->pdata[i])->kernel != NULL)
      return TRUE;
  return FALSE;
}

static gboolean
passes (const DkmsRequest *request, const DkmsFaultFinding *finding)
{
  return (request->module == NULL || g_strcmp0 (request->module, finding->id.module) == 0)
         && (request->version == NULL || g_strcmp0 (request->version, finding->id.version) == 0)
         && (!names_kernel (request)
             || (finding->id.kernel != NULL && dkms_targets_pass (request->targets, &finding->id)));
}

static int
compare (gconstpointer a, gconstpointer b)
{
  const DkmsFaultFinding *x = *(const DkmsFaultFinding *const *)a, *y = *(const DkmsFaultFinding *const *)b;
  int order = (int)x->fault - (int)y->fault;

  if (order == 0)
    order = g_strcmp0 (x->id.module, y->id.module);
  if (order == 0)
    order = g_strcmp0 (x->id.version, y->id.version);
  if (order == 0)
    order = g_strcmp0 (x->id.kernel, y->id.kernel);
  return order != 0 ? order : g_strcmp0 (x->path, y->path);
}

/* @busy: (element-type utf8): modules that a running dkms works on are added */
static void
look_at_all (DkmsLook *look, GPtrArray *busy)
{
  if (dkms_look_for_changes (look))
    return;
  find_busy (look, busy);
  dkms_look_for_gone_kernels (look);
  dkms_look_at_tree (look);
  dkms_look_at_builds (look);
  dkms_look_at_files (look);
  dkms_look_at_headers (look);
  dkms_look_at_machine (look);
  dkms_look_at_recipes (look);
}

/* Searches once. */
static gboolean
look_once (Doctor *self, GError **error)
{
  g_autoptr (GPtrArray) remarks = dkms_events_new ();
  DkmsListener silent = dkms_listener_keeping (remarks); /* recipes are not the subject */
  g_autoptr (DkmsRequest) query = dkms_request_new ();
  g_autoptr (DkmsWorld) world = dkms_world_new (self->settings, query, &silent);
  g_autoptr (DkmsState) state = dkms_state_read_most (&self->settings->places, NULL, error);
  g_autoptr (GHashTable) busy = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GHashTable) gone = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  GPtrArray *findings;

  if (state == NULL)
    return FALSE;
  g_clear_pointer (&self->findings, g_ptr_array_unref);
  self->findings = findings = dkms_fault_findings_new ();
  DkmsLook look = { self->settings, self->events, world, state, busy, gone, findings };
  g_ptr_array_set_size (self->busy, 0);
  look_at_all (&look, self->busy);
  g_clear_error (&self->unread);
  if (state->unread->len > 0)
    self->unread = g_error_copy (((const DkmsUnread *)state->unread->pdata[0])->error);
  for (guint i = findings->len; i-- > 0;)
    if (!passes (self->request, findings->pdata[i]))
      g_ptr_array_remove_index (findings, i);
  g_ptr_array_sort (findings, compare);
  return TRUE;
}

/* Searches again if the tree changed during the search. */
static gboolean
look (Doctor *self, GError **error)
{
  gboolean ok = FALSE;

  for (int i = 0; i < ATTEMPTS; i++)
    {
      DkmsReading reading;

      dkms_unread_drop (0);
      dkms_reading_begin (&reading, &self->settings->places, self->events);
      ok = look_once (self, error);
      if (dkms_reading_end (&reading) || !ok)
        break;
    }
  return ok;
}

/* ---- the answer ---- */

static const char *
prefix (const Doctor *self)
{
  return self->settings->places.root->host_path;
}

/* Returns: the data of a finding for report/doctor-answer.c */
static int
flags_of (const DkmsFaultFinding *finding)
{
  DkmsRepair repair = dkms_fault_repair (finding->fault);

  return (dkms_fault_is_problem (finding->fault) ? 1 : 0) + (repair != DKMS_REPAIR_TELL ? 2 : 0)
         + (dkms_fault_needs_yes (finding->fault) ? 4 : 0)
         + (repair == DKMS_REPAIR_MOVE || repair == DKMS_REPAIR_MODE ? 8 : 0) + (finding->fixed ? 16 : 0);
}

static void
emit_data (const Doctor *self, const GPtrArray *findings)
{
  for (guint i = 0; i < findings->len; i++)
    {
      const DkmsFaultFinding *finding = findings->pdata[i];
      g_autofree char *path = finding->path != NULL ? g_strconcat (prefix (self), finding->path, NULL) : NULL;
      DKMS_EMIT (self->events, DOCTOR_FINDING, .id = finding->id, .name = dkms_fault_name (finding->fault),
                 .path = path, .text = finding->sentence, .place = finding->would, .number = flags_of (finding));
    }
}

static char *
padded (const char *text, glong width)
{
  glong length = g_utf8_strlen (text, -1);

  return g_strdup_printf ("%s%*s", text, (int)MAX (0, width - length), "");
}

/* Returns: columns of the names, and of the subjects */
static void
measure (const Doctor *self, glong *names, glong *subjects)
{
  *names = *subjects = 0;
  for (guint i = 0; i < self->findings->len; i++)
    {
      const DkmsFaultFinding *finding = self->findings->pdata[i];
      g_autofree char *subject = dkms_fault_finding_subject (finding, prefix (self));
      *names = MAX (*names, g_utf8_strlen (dkms_fault_name (finding->fault), -1));
      *subjects = MAX (*subjects, MIN (WIDEST_SUBJECT, g_utf8_strlen (subject, -1)));
    }
}

static void
print_finding (const Doctor *self, const DkmsFaultFinding *finding, glong names, glong subjects)
{
  g_autofree char *subject = dkms_fault_finding_subject (finding, prefix (self));
  g_autofree char *name = padded (dkms_fault_name (finding->fault), names), *label = padded (subject, subjects),
                  *indent = padded ("", names);
  DkmsRepair repair = dkms_fault_repair (finding->fault);

  DKMS_EMIT (self->events, DOCTOR_LINE, .name = name, .place = label, .text = finding->sentence);
  if (repair == DKMS_REPAIR_TELL)
    DKMS_EMIT (self->events, DOCTOR_TODO, .name = indent, .text = finding->would);
  else if (dkms_fault_needs_yes (finding->fault))
    DKMS_EMIT (self->events, DOCTOR_WOULD_IF, .name = indent, .text = finding->would);
  else if (repair == DKMS_REPAIR_RUN)
    DKMS_EMIT (self->events, DOCTOR_WOULD_FOR_GOOD, .name = indent, .text = finding->would);
  else
    DKMS_EMIT (self->events, DOCTOR_WOULD, .name = indent, .text = finding->would);
}

static void
print_findings (const Doctor *self)
{
  glong names, subjects;

  measure (self, &names, &subjects);
  for (guint i = 0; i < self->findings->len; i++)
    print_finding (self, self->findings->pdata[i], names, subjects);
}

/* ---- repairs ---- */

/* Returns: (transfer full): what identifies a fault in later searches */
static char *
key_of (const Doctor *self, const DkmsFaultFinding *finding)
{
  g_autofree char *subject = dkms_fault_finding_subject (finding, prefix (self));

  return g_strjoin (" ", dkms_fault_name (finding->fault), subject, finding->path != NULL ? finding->path : "", NULL);
}

static char
read_answer (void)
{
  char line[64] = "";

  return fgets (line, sizeof line, stdin) != NULL ? line[strspn (line, " \t")] : '\0';
}

/* Whether @finding is to be repaired. On a terminal the user is asked, unless the command line answers. */
static gboolean
is_wanted (Doctor *self, const DkmsFaultFinding *finding)
{
  const char *words = self->request->repair;
  gboolean precisely = FALSE, careful = dkms_fault_needs_yes (finding->fault);
  gboolean named = *words != '\0' && dkms_fault_finding_is_selected (finding, prefix (self), words, &precisely);
  char answer;

  if (*words != '\0' && !named)
    return FALSE;
  if (precisely || (!careful && (named || self->request->yes || self->all)))
    return TRUE;
  if (!isatty (STDIN_FILENO) || !isatty (STDOUT_FILENO) || self->request->yes)
    return FALSE;
  g_autofree char *subject = dkms_fault_finding_subject (finding, prefix (self));
  g_autofree char *shown = finding->path != NULL ? g_strconcat (prefix (self), finding->path, NULL) : NULL;
  if (careful)
    DKMS_EMIT (self->events, DOCTOR_ASK_ONE, .name = dkms_fault_name (finding->fault),
               .path = shown != NULL ? shown : subject, .text = finding->would);
  else
    DKMS_EMIT (self->events, DOCTOR_ASK, .name = dkms_fault_name (finding->fault), .path = subject,
               .text = finding->would);
  answer = read_answer ();
  self->all |= !careful && answer == 'a';
  return answer == 'y' || answer == 'Y' || (!careful && answer == 'a');
}

/* Repairs @finding, if it is wanted and was not tried. Returns: whether something may have changed */
static gboolean
repair (Doctor *self, DkmsFaultFinding *finding)
{
  g_autofree char *key = key_of (self, finding), *subject = dkms_fault_finding_subject (finding, prefix (self));
  g_autoptr (GError) error = NULL;

  if (dkms_fault_repair (finding->fault) == DKMS_REPAIR_TELL || !g_hash_table_add (self->tried, g_steal_pointer (&key))
      || !is_wanted (self, finding))
    return FALSE;
  guint mark = dkms_unread_mark ();
  if (dkms_repair (self->settings, self->events, self->attic, finding, &error))
    {
      finding->fixed = TRUE;
      DKMS_EMIT (self->events, DOCTOR_FIXED, .name = dkms_fault_name (finding->fault), .place = subject);
      return TRUE;
    }
  dkms_unread_drop (mark);
  DKMS_EMIT (self->events, DOCTOR_NOT_FIXED, .name = dkms_fault_name (finding->fault), .place = subject,
             .error = error);
  return TRUE;
}

/* Repairs one fault after the other, and searches again after each, because a repair can end several faults. */
static gboolean
repair_all (Doctor *self, GError **error)
{
  for (guint i = 0; i < self->findings->len;)
    {
      DkmsFaultFinding *finding = self->findings->pdata[i];

      if (!repair (self, finding))
        {
          i++;
          continue;
        }
      if (finding->fixed)
        g_ptr_array_add (self->fixed, g_ptr_array_steal_index (self->findings, i));
      if (!look (self, error))
        return FALSE;
      i = 0;
    }
  return TRUE;
}

/* A tree that other users may change must be closed before anything in it is trusted. */
static gboolean
check_rights (const Doctor *self, const char *what, GError **error)
{
  if (geteuid () != 0 && dkms_root_is_host (self->settings->places.root))
    return DKMS_FAIL (error, NEEDS_ROOT, .name = "doctor", .text = what);
  return TRUE;
}

static gboolean
fix (Doctor *self, GError **error)
{
  g_autofree char *unknown = *self->request->repair != '\0' ? dkms_fault_unknown_word (self->request->repair) : NULL;

  if (unknown != NULL)
    return DKMS_FAIL (error, FAULT_UNKNOWN, .name = unknown);
  if (!check_rights (self, "--fix", error))
    return FALSE;
  /* The tree is examined only after interrupted changes, which every run that changes the tree completes, if it can
   * trust them. */
  if (*self->request->repair != '\0' && dkms_tree_check_trusted (&self->settings->places, NULL)
      && !dkms_journal_try_recover (&self->settings->places, self->events, error))
    return FALSE;
  if (!look (self, error))
    return FALSE;
  if (self->findings->len == 0)
    return TRUE;
  print_findings (self);
  self->attic = dkms_attic_open (&self->settings->places, self->events, error);
  return self->attic != NULL && repair_all (self, error);
}

/* ---- the verb ---- */

static guint
count_problems (const Doctor *self)
{
  guint count = 0;

  for (guint i = 0; i < self->findings->len; i++)
    count += dkms_fault_is_problem (((const DkmsFaultFinding *)self->findings->pdata[i])->fault);
  return count;
}

static gboolean
conclude (const Doctor *self, GError **error)
{
  guint problems = count_problems (self);
  g_autoptr (GError) unread = NULL;
  gboolean known = dkms_unread_since (0, TRUE, &unread);

  emit_data (self, self->fixed);
  emit_data (self, self->findings);
  if (self->attic != NULL && dkms_attic_last (self->attic) != NULL)
    DKMS_EMIT (self->events, DOCTOR_ATTIC, .name = dkms_attic_last (self->attic));
  DKMS_EMIT (self->events, DOCTOR_DATA, .number = (int)problems);
  for (guint i = 0; i < self->busy->len; i++)
    DKMS_EMIT (self->events, DOCTOR_BUSY, .id = { .module = self->busy->pdata[i] });
  if (problems > 0)
    return self->request->repair != NULL ? DKMS_FAIL (error, FAULTS_LEFT, .number = problems)
                                         : DKMS_FAIL (error, FAULTS_FOUND, .number = problems);
  if (!known || self->unread != NULL)
    return DKMS_FAIL (error, FAULTS_UNKNOWN, .error = unread != NULL ? unread : self->unread);
  if (self->busy->len > 0)
    return DKMS_FAIL (error, FAULTS_BUSY, .number = self->busy->len);
  DKMS_EMIT (self->events, DOCTOR_SOUND, .number = (int)self->findings->len);
  return TRUE;
}

gboolean
dkms_doctor (const DkmsSettings *settings, DkmsListener *events, const DkmsRequest *request, GError **error)
{
  g_autoptr (GPtrArray) fixed = dkms_fault_findings_new ();
  g_autoptr (GHashTable) tried = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GPtrArray) busy = g_ptr_array_new_with_free_func (g_free);
  Doctor self
      = { .settings = settings, .events = events, .request = request, .fixed = fixed, .tried = tried, .busy = busy };
  gboolean ok;

  if (request->undo != NULL)
    return check_rights (&self, "--undo", error) && dkms_attic_undo (settings, events, request->undo, error);
  ok = request->repair != NULL ? fix (&self, error) : look (&self, error);
  if (ok && request->repair == NULL)
    print_findings (&self);
  if (ok)
    ok = conclude (&self, error);
  g_clear_pointer (&self.findings, g_ptr_array_unref);
  g_clear_error (&self.unread);
  dkms_attic_free (self.attic);
  return ok;
}
