/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Modules that must be rebuilt because one of their dependencies changed. */
#include "plan/dependents.h"

#include <string.h>

#include "plan/planner.h"

/* The version of @module that will be installed for @target after the plan; @step: (out): the step that installs it. */
static const char *
version_in_the_end (const DkmsPlan *plan, const DkmsState *state, const char *module, const DkmsId *target, guint *step)
{
  const DkmsVersion *now = dkms_state_installed (state, &(DkmsId){ module, NULL, target->kernel, target->arch });

  *step = DKMS_NO_STEP;
  for (guint i = plan->steps->len; i-- > 0;)
    {
      const DkmsStep *s = plan->steps->pdata[i];
      if (dkms_step_installs (s) && strcmp (s->id->module, module) == 0 && strcmp (s->id->kernel, target->kernel) == 0
          && strcmp (s->id->arch, target->arch) == 0)
        {
          *step = i;
          return s->id->version;
        }
    }
  return now != NULL ? now->version : NULL;
}

typedef struct {
  const DkmsVersion *version;
  const DkmsBuild *build;
  const char *module, *seen,
      *now; /* the dependency, the version that the build used, and the version that will be installed */
} Dependent;

static gboolean
is_planned (const DkmsPlan *plan, const char *module, const DkmsId *target)
{
  for (guint i = 0; i < plan->steps->len; i++)
    {
      const DkmsStep *s = plan->steps->pdata[i];
      if ((dkms_step_installs (s) || s->kind == DKMS_STEP_BUILD) && strcmp (s->id->module, module) == 0
          && strcmp (s->id->kernel, target->kernel) == 0 && strcmp (s->id->arch, target->arch) == 0)
        return TRUE;
    }
  return FALSE;
}

/* Returns the builds that used another version of a dependency than the one that will be installed, of modules without
 * steps of their own. */
static GArray *
find_outdated (const DkmsPlan *plan, const DkmsState *state, const DkmsId *target)
{
  GArray *found = g_array_new (FALSE, FALSE, sizeof (Dependent));

  for (guint i = 0; i < state->versions->len; i++)
    {
      const DkmsVersion *v = state->versions->pdata[i];
      const DkmsBuild *build = v->broken ? NULL : dkms_version_find (v, target);
      GHashTableIter iter;
      gpointer name, seen;

      if (build == NULL || build->seen == NULL || is_planned (plan, v->module, target))
        continue;
      g_hash_table_iter_init (&iter, build->seen);
      while (g_hash_table_iter_next (&iter, &name, &seen))
        {
          guint step;
          const char *version = version_in_the_end (plan, state, name, target, &step);
          if (version == NULL || strcmp (version, seen) == 0)
            continue;
          const Dependent d = { v, build, name, seen, version };
          g_array_append_val (found, d);
          break;
        }
    }
  return found;
}

static gboolean
waits_for_another (const Dependent *d, const GArray *outdated)
{
  for (guint i = 0; i < outdated->len; i++)
    {
      const DkmsVersion *other = g_array_index (outdated, Dependent, i).version;
      if (g_hash_table_contains (d->build->seen, other->module))
        return TRUE; /* a cycle that contains the module itself, which cannot be ordered either */
    }
  return FALSE;
}

static void
push_dependent (DkmsPlan *plan, const DkmsState *state, const Dependent *d, const DkmsId *target)
{
  guint build = dkms_plan_push (plan, DKMS_STEP_BUILD,
                                &(DkmsId){ d->version->module, d->version->version, target->kernel, target->arch },
                                DKMS_NO_STEP);
  DkmsStep *step = plan->steps->pdata[build];
  GHashTableIter iter;
  gpointer name;

  step->replaces = TRUE;
  step->dependent = TRUE;
  step->reason
      = DKMS_EVENT_NEW (DEPENDENCY_CHANGED, .id = *step->id, .name = d->module, .text = d->seen, .place = d->now);
  g_hash_table_iter_init (&iter, d->build->seen);
  while (g_hash_table_iter_next (&iter, &name, NULL))
    {
      guint changed;
      (void)version_in_the_end (plan, state, name, target, &changed);
      if (changed != DKMS_NO_STEP)
        g_array_append_val (step->needs, changed);
    }
  if (d->build->active)
    {
      guint last
          = dkms_plan_push (plan, DKMS_STEP_REINSTALL,
                            &(DkmsId){ d->version->module, d->version->version, target->kernel, target->arch }, build);
      ((DkmsStep *)plan->steps->pdata[last])->dependent = TRUE;
    }
}

/* Plans each outdated build once, after its dependencies. A build that is not installed is not installed afterwards
 * either. */
void
dkms_plan_dependents (DkmsPlan *plan, const DkmsState *state, const DkmsId *target)
{
  g_autoptr (GArray) outdated = find_outdated (plan, state, target);
  gboolean progress = TRUE;

  while (progress)
    {
      progress = FALSE;
      for (guint i = 0; i < outdated->len && !progress; i++)
        {
          const Dependent *d = &g_array_index (outdated, Dependent, i);
          if (waits_for_another (d, outdated))
            continue;
          push_dependent (plan, state, d, target);
          g_array_remove_index (outdated, i);
          progress = TRUE;
        }
    }
  for (guint i = 0; i < outdated->len; i++)
    {
      const DkmsVersion *v = g_array_index (outdated, Dependent, i).version;
      g_ptr_array_add (plan->cycles,
                       DKMS_EVENT_NEW (CYCLE, .id = { v->module, v->version, target->kernel, target->arch }));
    }
}
