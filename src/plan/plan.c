/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A plan as a value: its steps, and the steps that depend on all others. */
#include "plan/plan.h"

#include <string.h>

#include "base/error.h"
#include "plan/autoinstall.h"
#include "plan/clear.h"
#include "plan/dependents.h"
#include "plan/match.h"
#include "plan/one.h"
#include "plan/planner.h"
#include "plan/sign.h"
#include "store/register.h"

static void
step_free (gpointer data)
{
  DkmsStep *self = data;

  dkms_id_free (self->id);
  dkms_event_free (self->reason);
  g_array_unref (self->needs);
  g_array_unref (self->after);
  g_free (self);
}

static DkmsPlan *
plan_new (void)
{
  DkmsPlan *self = g_new0 (DkmsPlan, 1);

  self->steps = g_ptr_array_new_with_free_func (step_free);
  self->installed = dkms_events_new ();
  self->deferred = dkms_events_new ();
  self->failed = dkms_events_new ();
  self->cycles = dkms_events_new ();
  return self;
}

void
dkms_plan_free (DkmsPlan *self)
{
  if (self == NULL)
    return;
  g_ptr_array_unref (self->steps);
  g_ptr_array_unref (self->installed);
  g_ptr_array_unref (self->deferred);
  g_ptr_array_unref (self->failed);
  g_ptr_array_unref (self->cycles);
  g_free (self);
}

guint
dkms_plan_count_builds (const DkmsPlan *self)
{
  guint count = 0;

  for (guint i = 0; i < self->steps->len; i++)
    count += ((const DkmsStep *)self->steps->pdata[i])->kind == DKMS_STEP_BUILD;
  return count;
}

gboolean
dkms_step_installs (const DkmsStep *step)
{
  return step->kind == DKMS_STEP_INSTALL || step->kind == DKMS_STEP_REINSTALL;
}

const char *
dkms_step_word (const DkmsStep *step)
{
  static const char *const words[] = { "add",    "build", "install", "reinstall", "uninstall", "unbuild", "unregister",
                                       "depmod", "load",  "pack",    "sign",      "clean",     "note" };

  return step->replaces && step->kind == DKMS_STEP_BUILD ? "rebuild"
         : step->replaces && step->kind == DKMS_STEP_ADD ? "replace the source of"
                                                         : words[step->kind];
}

/* Returns the depmod step of a kernel. */
static DkmsStep *
depmod_for (DkmsPlan *plan, GHashTable *ids, const char *kernel)
{
  guint id = GPOINTER_TO_UINT (g_hash_table_lookup (ids, kernel));

  if (id > 0)
    return plan->steps->pdata[id - 1];
  id = dkms_plan_push (plan, DKMS_STEP_DEPMOD, &(DkmsId){ .kernel = kernel }, DKMS_NO_STEP);
  g_hash_table_insert (ids, g_strdup (kernel), GUINT_TO_POINTER (id + 1));
  return plan->steps->pdata[id];
}

/* Adds one depmod after all changes for each kernel whose modules change, and for each target whose index lacks
 * modules. */
static void
push_depmods (DkmsPlan *plan, const DkmsFacts *facts)
{
  guint count = plan->steps->len;
  g_autoptr (GHashTable) ids = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (guint i = 0; i < count; i++)
    {
      const DkmsStep *step = plan->steps->pdata[i];

      if (!dkms_step_installs (step) && step->kind != DKMS_STEP_UNINSTALL)
        continue;
      g_array_append_val (depmod_for (plan, ids, step->id->kernel)->needs, i);
    }
  for (guint t = 0; t < facts->targets->len; t++)
    for (guint i = 0; i < facts->state->versions->len; i++)
      {
        const DkmsId *target = facts->targets->pdata[t];
        const DkmsBuild *build = dkms_version_find (facts->state->versions->pdata[i], target);

        if (build != NULL && build->unindexed)
          depmod_for (plan, ids, target->kernel)->due = TRUE;
      }
}

void
dkms_plan_cut_builds (DkmsPlan *self)
{
  guint first = 0, kept;

  while (first < self->steps->len && ((const DkmsStep *)self->steps->pdata[first])->kind != DKMS_STEP_BUILD)
    first++;
  kept = first;
  for (guint i = first; i < self->steps->len; i++)
    {
      DkmsStep *step = self->steps->pdata[i];

      for (guint n = step->needs->len; n-- > 0;)
        if (g_array_index (step->needs, guint, n) >= first)
          g_array_remove_index (step->needs, n);
      if (step->kind != DKMS_STEP_DEPMOD || (step->needs->len == 0 && !step->due))
        continue;
      /* No step refers to a depmod, so it can be moved. */
      self->steps->pdata[i] = self->steps->pdata[kept];
      self->steps->pdata[kept++] = step;
    }
  g_ptr_array_set_size (self->steps, (int)kept);
}

/* Whether the names of all targets are usable: <m>/<v>/source/<arch>, for example, would be a directory of the user. */
static gboolean
check_kernels (const DkmsFacts *facts, GError **error)
{
  for (guint i = 0; i < facts->targets->len; i++)
    if (!dkms_tree_check_kernel (((const DkmsId *)facts->targets->pdata[i])->kernel, error))
      return FALSE;
  return TRUE;
}

/* In a request for many modules, a module that cannot be read counts as failed, once for each kernel. */
static void
remark_unread (const DkmsPlanner *p)
{
  const GPtrArray *unread = p->facts->state->unread;

  for (guint t = 0; t < p->facts->targets->len; t++)
    {
      g_autoptr (GHashTable) modules = g_hash_table_new (g_str_hash, g_str_equal);

      for (guint i = 0; i < unread->len; i++)
        {
          const DkmsUnread *u = unread->pdata[i];
          const DkmsId id = { .module = u->module, .kernel = ((const DkmsId *)p->facts->targets->pdata[t])->kernel };
          if (g_hash_table_add (modules, u->module))
            g_ptr_array_add (p->plan->failed, DKMS_EVENT_NEW (UNREADABLE, .id = id, .error = u->error));
        }
    }
}

static gboolean
plan_selection (const DkmsPlanner *p, GError **error)
{
  switch (p->request->selection)
    {
    case DKMS_SELECT_ONE:
      return dkms_plan_one (p, error);
    case DKMS_SELECT_TEMPLATE:
      return dkms_plan_match (p, error);
    case DKMS_SELECT_LATEST:
      for (guint i = 0; i < p->facts->targets->len; i++)
        dkms_plan_autoinstall (p, p->facts->targets->pdata[i]);
      return TRUE;
    case DKMS_SELECT_ORPHANED:
      return dkms_plan_prune (p, error);
    case DKMS_SELECT_EXISTING:
      return dkms_plan_sign (p, error);
    case DKMS_SELECT_BUILT:
    case DKMS_SELECT_RETURNING:
    default:
      dkms_plan_clear (p);
      return TRUE;
    }
}

DkmsPlan *
dkms_plan_make (const DkmsRequest *request, const DkmsFacts *facts, GError **error)
{
  g_autoptr (DkmsPlan) plan = plan_new ();
  const DkmsPlanner p = { plan, request, facts };
  gboolean builds = request->goal == DKMS_GOAL_BUILT || request->goal == DKMS_GOAL_INSTALLED;

  if ((builds && !check_kernels (facts, error)) || !plan_selection (&p, error))
    return NULL;
  if (request->goal == DKMS_GOAL_INSTALLED && !request->force)
    for (guint i = 0; i < facts->targets->len; i++)
      dkms_plan_dependents (plan, facts->state, facts->targets->pdata[i]);
  push_depmods (plan, facts);
  if (dkms_request_clears_kernel (request))
    dkms_plan_clean (plan, facts->targets->pdata[0]);
  if (dkms_request_is_about_many (request))
    remark_unread (&p);
  return g_steal_pointer (&plan);
}
