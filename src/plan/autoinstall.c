/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The plan of autoinstall for one kernel. */
#include "plan/autoinstall.h"

#include <string.h>

#include "model/version.h"

typedef struct {
  const DkmsVersion *version;
  guint step; /* its install step; DKMS_NO_STEP until planned */
} Candidate;

static Candidate *
find_candidate (GArray *queue, const char *module)
{
  for (guint i = 0; i < queue->len; i++)
    if (strcmp (g_array_index (queue, Candidate, i).version->module, module) == 0)
      return &g_array_index (queue, Candidate, i);
  return NULL;
}

/* Adds the name of a module, and those of the modules that it depends on. */
static void
add_needed (GHashTable *names, const DkmsState *state, const DkmsId *target, const char *module)
{
  const DkmsVersion *v = dkms_state_latest (state, module);

  if (v == NULL || !g_hash_table_add (names, v->module))
    return;
  for (char **name = dkms_version_facts (v, target)->depends; name != NULL && *name != NULL; name++)
    add_needed (names, state, target, *name);
}

/* The modules that a forecast of one module is about. Returns: (transfer full) (nullable): NULL: all modules with
 * AUTOINSTALL */
static GHashTable *
find_needed (const DkmsPlanner *p, const DkmsId *target)
{
  const DkmsRequest *request = p->request;
  GHashTable *names;

  if (!request->forecast || request->module == NULL || *request->module == '\0')
    return NULL;
  names = g_hash_table_new (g_str_hash, g_str_equal);
  add_needed (names, p->facts->state, target, request->module);
  return names;
}

/* Fills the queue with the listed versions, and with the latest versions of modules that they depend on. */
static void
collect_listed (const DkmsPlanner *p, const DkmsId *target, GArray *queue)
{
  const DkmsState *state = p->facts->state;
  GHashTable *only = p->request->only;
  g_autoptr (GHashTable) needed = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GHashTable) listed = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; i < state->versions->len; i++)
    {
      const DkmsVersion *v = state->versions->pdata[i];
      const DkmsId id = dkms_version_id (v, target);
      if (!g_hash_table_contains (only, &id))
        continue;
      g_hash_table_add (listed, v->module);
      for (char **name = dkms_version_facts (v, target)->depends; name != NULL && *name != NULL; name++)
        add_needed (needed, state, target, *name);
    }
  for (guint i = 0; i < state->versions->len; i++)
    {
      const DkmsVersion *v = state->versions->pdata[i];
      const DkmsId id = dkms_version_id (v, target);
      const DkmsVersionFacts *facts = dkms_version_facts (v, target);
      const Candidate candidate = { v, DKMS_NO_STEP };
      gboolean wanted = g_hash_table_contains (listed, v->module)
                            ? g_hash_table_contains (only, &id)
                            : g_hash_table_contains (needed, v->module) && v == dkms_state_latest (state, v->module);

      if (wanted && facts->conf_error != NULL)
        g_ptr_array_add (p->plan->failed, DKMS_EVENT_NEW (UNREADABLE, .id = id, .error = facts->conf_error));
      else if (wanted)
        g_array_append_val (queue, candidate);
    }
}

/* Fills the queue with the latest version of every module with AUTOINSTALL that is not installed, and @there with the
 * names of installed modules. */
static void
collect (const DkmsPlanner *p, const DkmsId *target, GArray *queue, GHashTable *there)
{
  DkmsPlan *plan = p->plan;
  const DkmsState *state = p->facts->state;
  g_autoptr (GHashTable) needed = find_needed (p, target);
  const char *last = "";

  for (guint i = 0; i < state->versions->len; i++)
    {
      const DkmsVersion *v = dkms_state_latest (state, ((DkmsVersion *)state->versions->pdata[i])->module);
      const DkmsBuild *build;
      Candidate candidate = { v, DKMS_NO_STEP };

      if (v == NULL || strcmp (v->module, last) == 0)
        continue;
      const DkmsId id = { v->module, v->version, target->kernel, target->arch };
      last = v->module;
      if (needed != NULL && !g_hash_table_contains (needed, v->module))
        continue;
      build = dkms_version_find (v, target);
      const DkmsVersionFacts *facts = dkms_version_facts (v, target);
      gboolean sound = facts->weak || dkms_build_is_sound (build);
      gboolean rebuilt = sound && build != NULL && build->rebuild && facts->autoinstall && facts->conf_error == NULL;
      if (sound && !rebuilt)
        {
          g_hash_table_add (there, v->module);
          g_ptr_array_add (plan->installed, DKMS_EVENT_NEW (ALREADY_INSTALLED, .id = id));
        }
      else if (facts->conf_error != NULL)
        g_ptr_array_add (plan->failed, DKMS_EVENT_NEW (UNREADABLE, .id = id, .error = facts->conf_error));
      else if (facts->autoinstall || needed != NULL)
        g_array_append_val (queue, candidate);
    }
}

/* The data of a plan for autoinstall. */
typedef struct {
  const DkmsState *state;
  const DkmsId *target;
  GArray *queue;     /* element-type Candidate */
  GHashTable *there; /* modules that need no steps */
} Selection;

/* The dependencies of a candidate. */
typedef struct {
  GArray *waits_for; /* steps */
  GString *known;    /* names of dependencies that are registered, but neither installed nor planned, */
  GString *unknown;  /* and of those that are not registered */
} Needs;

/* Whether all dependencies of @c are installed or planned before step @limit. */
static gboolean
ready (const Selection *self, const Candidate *c, guint limit, const Needs *needs)
{
  gboolean all = TRUE;

  for (char **name = dkms_version_facts (c->version, self->target)->depends; name != NULL && *name != NULL; name++)
    {
      const Candidate *other = find_candidate (self->queue, *name);

      if (g_hash_table_contains (self->there, *name))
        continue;
      if (other != NULL && other->step != DKMS_NO_STEP && other->step < limit)
        {
          g_array_append_val (needs->waits_for, other->step);
          continue;
        }
      all = FALSE;
      g_string_append_printf (dkms_state_latest (self->state, *name) != NULL ? needs->known : needs->unknown, " %s",
                              *name);
    }
  return all;
}

void
dkms_plan_autoinstall (const DkmsPlanner *p, const DkmsId *target)
{
  DkmsPlan *plan = p->plan;
  const DkmsState *state = p->facts->state;
  g_autoptr (GHashTable) there = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GArray) queue = g_array_new (FALSE, FALSE, sizeof (Candidate));
  const Selection selection = { state, target, queue, there };
  gboolean progress = TRUE;

  if (p->request->only != NULL)
    collect_listed (p, target, queue);
  else
    collect (p, target, queue, there);
  while (progress)
    {
      guint round = plan->steps->len; /* steps of this round count only in the next one */

      progress = FALSE;
      for (guint i = 0; i < queue->len; i++)
        {
          Candidate *c = &g_array_index (queue, Candidate, i);
          g_autoptr (GArray) waits_for = g_array_new (FALSE, FALSE, sizeof (guint));
          g_autoptr (GString) known = g_string_new (NULL);
          g_autoptr (GString) unknown = g_string_new (NULL);
          const Needs needs = { waits_for, known, unknown };

          if (c->step != DKMS_NO_STEP || !ready (&selection, c, round, &needs))
            continue;
          guint first = p->request->forecast ? dkms_plan_push_build (plan, c->version, target, &c->step)
                                             : dkms_plan_push_install (plan, c->version, target, &c->step);
          g_array_append_vals (((DkmsStep *)plan->steps->pdata[first])->after, waits_for->data, waits_for->len);
          progress = TRUE;
        }
    }
  for (guint i = 0; i < queue->len; i++)
    {
      const Candidate *c = &g_array_index (queue, Candidate, i);
      g_autoptr (GArray) waits_for = g_array_new (FALSE, FALSE, sizeof (guint));
      g_autoptr (GString) known = g_string_new (NULL);
      g_autoptr (GString) unknown = g_string_new (NULL);
      const Needs needs = { waits_for, known, unknown };

      if (c->step != DKMS_NO_STEP)
        continue;
      (void)ready (&selection, c, DKMS_NO_STEP, &needs);
      const DkmsId id = { c->version->module, c->version->version, target->kernel, NULL };
      if (known->len > 0)
        g_ptr_array_add (plan->failed, DKMS_EVENT_NEW (NEEDS_MISSING, .id = id, .text = g_strchug (known->str)));
      else
        g_ptr_array_add (plan->deferred, DKMS_EVENT_NEW (NEEDS_UNKNOWN, .id = id, .text = g_strchug (unknown->str)));
    }
}
