/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The verb status, which compares builds with installed files. */
#define _GNU_SOURCE
#include "inspect/status.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/near.h"
#include "base/unread.h"
#include "inspect/examine.h"
#include "inspect/picture.h"
#include "store/attempts.h"
#include "store/layout.h"
#include "store/reading.h"
#include "store/register.h"
#include "store/scan.h"
#include "store/weak.h"
#include "world/inputs.h"
#include "world/naming.h"

/* Number of attempts to read the whole tree before its modules are read one by one. */
enum { WHOLE_TRIES = 3 };

typedef struct {
  const DkmsSettings *settings;
  DkmsListener *events; /* collects events, so that they are printed in order */
  DkmsWorld *world;
  DkmsExaminer *examiner;
  gboolean detailed; /* status --long */
} Status;

/* Returns: (nullable): the remarks of a line, besides the state; @gone: the kernel is not installed */
static const char *
remarks_of (const DkmsBuild *b, DkmsFinding finding, gboolean gone)
{
  static const char *const remarks[][4]
      = { { NULL, "originals", "gone", "originals gone" },
          { "missing", "originals missing", "missing gone", "originals missing gone" },
          { "differs", "originals differs", "differs gone", "originals differs gone" } };

  return remarks[finding][(b->originals ? 1 : 0) + (gone ? 2 : 0)];
}

/* Emits the line of a build. With --long it includes the time of the build, and the inputs that have changed. */
static void
print_build (const Status *self, const DkmsVersion *v, const DkmsBuild *b, DkmsFinding finding)
{
  const DkmsId id = dkms_build_id (v, b);
  const DkmsPlaces *places = &self->settings->places;
  g_autoptr (DkmsAttempt) made = self->detailed ? dkms_attempts_read_build (places, &id) : NULL;
  guint changes = dkms_world_changes (self->world, &id, made) | (self->detailed && b->stale ? DKMS_STALE_SOURCE : 0);
  gboolean gone = self->detailed && dkms_kernel_is_gone (places->root, places->install_tree, id.kernel);
  g_autofree char *words = changes != 0 ? dkms_staleness_words (changes) : NULL;
  g_autofree char *when = made != NULL ? dkms_attempt_time (made) : NULL;
  const DkmsEvent how = { .kind = DKMS_EVENT_STATUS_MADE,
                          .place = when,
                          .path = made != NULL ? made->signer : NULL,
                          .seconds = made != NULL ? made->seconds : 0 };

  DKMS_EMIT (self->events, STATUS_BUILD, .id = id, .name = dkms_build_word (b), .text = remarks_of (b, finding, gone),
             .place = words, .reason = made != NULL ? &how : NULL);
}

/* Returns: (transfer full): the directory that the link of a broken version names, or should name */
static char *
missing_source (const DkmsPlaces *places, const DkmsId *version)
{
  g_autofree char *link = dkms_layout_version (places, version, "source");
  char *target = dkms_root_read_link (places->root, link);

  return target != NULL ? target : dkms_layout_unpacked (places, version);
}

static void
print_version (const Status *self, const DkmsVersion *v, const DkmsId *filter)
{
  const DkmsId version = { v->module, v->version, NULL, NULL };
  gboolean any = FALSE;

  if (v->broken)
    {
      g_autofree char *source = missing_source (&self->settings->places, &version);
      DKMS_EMIT (self->events, STATUS_BROKEN, .id = version);
      DKMS_EMIT (self->events, STATUS_SOURCE_GONE, .id = version, .path = source);
      return;
    }
  for (guint i = 0; i < v->builds->len; i++)
    {
      const DkmsBuild *b = v->builds->pdata[i];
      const DkmsId id = dkms_build_id (v, b);

      if (!dkms_id_passes (&id, filter))
        continue;
      any = TRUE;
      /* Before the line, because it may emit events of its own. */
      DkmsFinding finding = dkms_examine (self->examiner, v, b);
      print_build (self, v, b, finding);
    }
  if (!any)
    DKMS_EMIT (self->events, STATUS_ADDED, .id = version);
}

/* Reads the other records of builds that are printed, and announces the recipes of those without a record, so that they
 * are read together. */
static void
read_records (const Status *self, const DkmsState *state, const DkmsRequest *request)
{
  for (guint i = 0; i < state->versions->len; i++)
    {
      const DkmsVersion *v = state->versions->pdata[i];
      for (guint k = 0; !v->broken && k < v->builds->len; k++)
        {
          DkmsBuild *b = v->builds->pdata[k];
          const DkmsId id = dkms_build_id (v, b);
          if (!dkms_targets_pass (request->targets, &id) || g_hash_table_contains (self->examiner->records, b))
            continue;
          DkmsRecord *record = dkms_record_read (&self->settings->places, &id);
          if (record != NULL)
            g_hash_table_insert (self->examiner->records, b, record);
          else
            dkms_world_want (self->world, &id);
        }
    }
}

/* Prints the kernels for which modules of another kernel are used; their lines come last. */
static void
print_weak (const Status *self, const DkmsState *state, const DkmsId *filter)
{
  const DkmsSettings *s = self->settings;
  g_auto (DkmsFd) fd = -1;
  g_autoptr (GPtrArray) kernels = NULL;

  if (!dkms_policy_uses_weak (&s->policy))
    return;
  fd = dkms_root_openat (s->places.root, s->places.install_tree, O_RDONLY | O_DIRECTORY, 0);
  kernels = fd >= 0 ? dkms_list_dir_at (fd, ".", NULL) : NULL;
  for (guint i = 0; i < state->versions->len; i++)
    {
      const DkmsVersion *v = state->versions->pdata[i];
      for (guint b = 0; !v->broken && b < v->builds->len; b++)
        {
          const DkmsBuild *build = v->builds->pdata[b];
          for (guint k = 0; build->active && kernels != NULL && k < kernels->len; k++)
            {
              const DkmsId weak = { v->module, v->version, kernels->pdata[k], build->arch };
              if (dkms_id_passes (&weak, filter) && dkms_weak_serves (&s->places, v, build, weak.kernel))
                DKMS_EMIT (self->events, STATUS_WEAK, .id = weak, .place = build->kernel);
            }
        }
    }
}

/* Whether @pattern (nullable: any) matches @name; shell patterns such as 'foo*' are allowed. */
static gboolean
matches (const char *pattern, const char *name)
{
  return pattern == NULL || *pattern == '\0' || fnmatch (pattern, name, FNM_PERIOD) == 0;
}

static gboolean
is_name (const char *word)
{
  return word != NULL && *word != '\0' && strpbrk (word, "*?[\\") == NULL
         && dkms_tree_check_name (DKMS_ERROR_BAD_NAME, "", word, NULL);
}

/* Only a valid name is looked up; a pattern is compared with the existing names. */
static gboolean
names_one (const DkmsRequest *request)
{
  return is_name (request->module) && (request->version == NULL || is_name (request->version));
}

/* Reads one module, or all that the request selects. @only: (nullable): the one */
static DkmsState *
read_selected (const DkmsPlaces *places, const DkmsRequest *request, const char *only, GHashTable *records,
               GError **error)
{
  const DkmsScanExtras extras = { request->targets, records, request->detailed };
  const DkmsId one = { .module = request->module, .version = request->version };
  DkmsState *state;

  if (names_one (request))
    return dkms_state_read_with (places, &one, &extras, error);
  state = dkms_state_read_with (places, &(DkmsId){ .module = only }, &extras, error);
  for (guint i = state != NULL ? state->versions->len : 0; i-- > 0;)
    {
      const DkmsVersion *v = state->versions->pdata[i];
      if (!matches (request->module, v->module) || !matches (request->version, v->version))
        g_ptr_array_remove_index (state->versions, i);
    }
  return state;
}

/* A missing line must not be mistaken for a missing module. @state: (nullable) */
static gboolean
report_unread (DkmsListener *events, const DkmsState *state, GError **error)
{
  g_autoptr (GError) other = NULL;
  guint count = state != NULL ? state->unread->len : 0;

  for (guint i = 0; i < count; i++)
    DKMS_EMIT (events, ERROR, .error = ((const DkmsUnread *)state->unread->pdata[i])->error);
  if (!dkms_unread_check (&other) && count == 0)
    return g_propagate_error (error, g_steal_pointer (&other)), FALSE;
  if (other != NULL)
    DKMS_EMIT (events, ERROR, .error = other);
  return count == 0 || DKMS_FAIL (error, STATUS_INCOMPLETE);
}

/* The events to print: for each target of the request the lines of versions, then those of kernels that use modules of
 * another one; see place_of(). Events from reading recipes are printed first. */
typedef struct {
  GPtrArray *first; /* element-type DkmsEvent: notes */
  GPtrArray *lists; /* element-type GPtrArray of DkmsEvent: lines */
  gboolean pending;
  /* The data behind the events; freed after printing, which saves time. (nullable) */
  DkmsState *state; /* its `unread` is reported at the end */
  DkmsWorld *world;
  DkmsExaminer examiner;
} Answer;

static void
answer_init (Answer *self, const DkmsRequest *request)
{
  self->first = dkms_events_new ();
  self->lists = g_ptr_array_new_with_free_func ((GDestroyNotify)g_ptr_array_unref);
  for (guint t = 0; t < MAX (request->targets->len, 1); t++)
    for (int i = 0; i < 2; i++)
      g_ptr_array_add (self->lists, dkms_events_new ());
}

static void
answer_clear (Answer *self)
{
  g_ptr_array_unref (self->first);
  g_ptr_array_unref (self->lists);
  dkms_examiner_clear (&self->examiner);
  g_clear_pointer (&self->world, dkms_world_free);
  g_clear_pointer (&self->state, dkms_state_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Answer, answer_clear)

static GPtrArray *
place_of (const Answer *self, guint target, gboolean weak)
{
  return self->lists->pdata[2 * target + (weak ? 1 : 0)];
}

/* The arguments of dkms_status(). */
typedef struct {
  const DkmsSettings *settings;
  DkmsListener *events;
  const DkmsRequest *request;
} Question;

/* Reads @only, or all, and adds the events about it. A commit may happen at the same time. */
static gboolean
read_once (const DkmsSettings *settings, const DkmsRequest *request, const char *only, Answer *answer, GError **error)
{
  const DkmsId everything = { NULL, NULL };
  DkmsListener keeping = dkms_listener_keeping (answer->first); /* the world emits events only while it reads */

  answer->world = dkms_world_new (settings, request, &keeping);
  dkms_examiner_init (&answer->examiner, settings, &keeping, answer->world);
  const Status self = { settings, &keeping, answer->world, &answer->examiner, request->detailed };
  DkmsState *state = answer->state = read_selected (&settings->places, request, only, self.examiner->records, error);
  if (state == NULL)
    return FALSE;
  read_records (&self, state, request);
  for (guint t = 0; t < MAX (request->targets->len, 1); t++)
    {
      const DkmsId *filter = request->targets->len > 0 ? request->targets->pdata[t] : &everything;
      keeping = dkms_listener_keeping (place_of (answer, t, FALSE));
      for (guint i = 0; i < state->versions->len; i++)
        print_version (&self, state->versions->pdata[i], filter);
      keeping = dkms_listener_keeping (place_of (answer, t, TRUE));
      print_weak (&self, state, filter);
    }
  return TRUE;
}

static void
append_copies (GPtrArray *to, const GPtrArray *from)
{
  for (guint i = 0; i < from->len; i++)
    g_ptr_array_add (to, dkms_event_copy (from->pdata[i]));
}

/* Reads until no commit happened in between, at most @tries times (0: without limit), and adds the events to @whole.
 * Returns: 1: done; 0: not done; -1 with an error */
static int
read_steadily (const Question *question, const char *only, guint tries, Answer *whole, GError **error)
{
  for (guint i = 0; tries == 0 || i < tries; i++)
    {
      g_auto (Answer) answer = { 0 };
      g_autoptr (GError) local = NULL;
      guint mark = dkms_unread_mark ();
      DkmsReading reading;

      answer_init (&answer, question->request);
      dkms_reading_begin (&reading, &question->settings->places, question->events);
      gboolean ok = read_once (question->settings, question->request, only, &answer, &local);
      if (!dkms_reading_end (&reading))
        {
          dkms_unread_drop (mark);
          continue;
        }
      if (!ok)
        return g_propagate_error (error, g_steal_pointer (&local)), -1;
      answer.pending = reading.pending;
      if (only == NULL)
        {
          Answer empty = *whole;
          *whole = answer;
          answer = empty;
          return 1;
        }
      whole->pending |= answer.pending;
      if (whole->examiner.hidden == NULL)
        whole->examiner.hidden = g_steal_pointer (&answer.examiner.hidden);
      append_copies (whole->first, answer.first);
      for (guint l = 0; l < answer.lists->len; l++)
        append_copies (whole->lists->pdata[l], answer.lists->pdata[l]);
      if (whole->state == NULL)
        whole->state = g_steal_pointer (&answer.state);
      else
        g_ptr_array_extend_and_steal (whole->state->unread, g_ptr_array_ref (answer.state->unread));
      return 1;
    }
  return 0;
}

/* If one commit follows another, each module is read on its own. Its lines are consistent, but different modules may be
 * from different times. */
static gboolean
read_by_module (const Question *question, Answer *whole, GError **error)
{
  const DkmsPlaces *places = &question->settings->places;
  g_auto (DkmsFd) fd = dkms_root_openat (places->root, places->dkms_tree, O_RDONLY | O_DIRECTORY, 0);
  g_autoptr (GPtrArray) names = fd >= 0 ? dkms_list_dir_at (fd, ".", error) : NULL;

  for (guint i = 0; names != NULL && i < names->len; i++)
    if (*(const char *)names->pdata[i] != '.' && matches (question->request->module, names->pdata[i])
        && read_steadily (question, names->pdata[i], 0, whole, error) < 0)
      return FALSE;
  return names != NULL || (fd < 0 && dkms_fail_errno (error, "read the tree", places->dkms_tree));
}

/* Names the module that was probably meant. Programs ask for modules that are not registered, so without a similar name
 * only a person gets an answer. */
static void
hint_at_module (const Question *question)
{
  const DkmsPlaces *places = &question->settings->places;
  g_autofree char *dir = dkms_layout_module (places, &(DkmsId){ .module = question->request->module });
  g_autofree char *module = g_strdup (question->request->module), *version = NULL, *meant = NULL;

  if (dkms_root_is_dir (places->root, dir))
    return;
  g_auto (DkmsFd) fd = dkms_root_openat (places->root, places->dkms_tree, O_RDONLY | O_DIRECTORY, 0);
  g_autoptr (GPtrArray) names = fd >= 0 ? dkms_list_dir_at (fd, ".", NULL) : NULL;
  for (guint i = names != NULL ? names->len : 0; i-- > 0;)
    if (strchr (names->pdata[i], '.') == names->pdata[i] || !dkms_is_dir_at (fd, names->pdata[i]))
      g_ptr_array_remove_index (names, i);
  dkms_name_complete (places, &module, &version);
  meant = version != NULL ? g_strjoin ("/", module, version, NULL)
                          : g_strdup (names != NULL ? dkms_nearest_in (module, names) : NULL);
  if (meant != NULL || isatty (STDOUT_FILENO))
    DKMS_EMIT (question->events, STATUS_UNKNOWN, .id = { .module = question->request->module }, .text = meant);
}

gboolean
dkms_status (const DkmsSettings *settings, DkmsListener *events, const DkmsRequest *request, GError **error)
{
  const Question question = { settings, events, request };
  g_auto (Answer) answer = { 0 };

  answer_init (&answer, request);
  int done = read_steadily (&question, NULL, names_one (request) ? 0 : WHOLE_TRIES, &answer, error);
  if (done < 0 || (done == 0 && !read_by_module (&question, &answer, error)))
    return FALSE;
  if (answer.pending)
    DKMS_EMIT (events, STATUS_CHANGE_PENDING);
  dkms_listener_hear_all (events, answer.first);
  for (guint i = 0; i < answer.lists->len; i++)
    dkms_listener_hear_all (events, answer.lists->pdata[i]);
  if (request->matrix)
    dkms_picture_emit (settings, events, request, answer.state);
  if (names_one (request))
    hint_at_module (&question);
  if (answer.examiner.hidden != NULL)
    DKMS_EMIT (events, STATUS_HIDDEN, .text = answer.examiner.hidden);
  return report_unread (events, answer.state, error);
}
