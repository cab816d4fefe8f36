/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The plans of kernel_preinst, kernel_prerm and prune. */
#include "plan/clear.h"

#include <string.h>

#include "base/error.h"

/* Plans the removal of the build or of the remains of @v for @target. */
static void
drop (const DkmsPlanner *p, const DkmsVersion *v, const DkmsId *target, const DkmsBuild *build)
{
  const DkmsId id = { v->module, v->version, target->kernel, target->arch };
  guint need = build->active ? dkms_plan_push (p->plan, DKMS_STEP_UNINSTALL, &id, DKMS_NO_STEP) : DKMS_NO_STEP;

  dkms_plan_push (p->plan, DKMS_STEP_UNBUILD, &id, need);
}

/* Returns: (nullable): the build of @v for @target, or its remains */
static const DkmsBuild *
build_or_remains (const DkmsVersion *v, const DkmsId *target)
{
  const DkmsBuild *build = dkms_version_find (v, target);

  return build != NULL ? build : dkms_version_find_remains (v, target);
}

gboolean
dkms_plan_prune (const DkmsPlanner *p, GError **error)
{
  const char *version = p->facts->version;
  gboolean known = p->facts->module == NULL || *p->facts->module == '\0';

  for (guint i = 0; i < p->facts->state->versions->len; i++)
    {
      const DkmsVersion *v = p->facts->state->versions->pdata[i];

      if (version != NULL && *version != '\0' && strcmp (version, v->version) != 0)
        continue;
      known = TRUE;
      for (guint t = 0; t < p->facts->targets->len; t++)
        {
          const DkmsBuild *build = build_or_remains (v, p->facts->targets->pdata[t]);
          if (build != NULL)
            drop (p, v, p->facts->targets->pdata[t], build);
        }
    }
  return known || DKMS_FAIL (error, NOT_ADDED, .id = { p->facts->module, version, NULL, NULL });
}

void
dkms_plan_clear (const DkmsPlanner *p)
{
  const DkmsId *target = p->facts->targets->pdata[0];
  gboolean returning = p->request->selection == DKMS_SELECT_RETURNING;

  for (guint i = 0; i < p->facts->state->versions->len; i++)
    {
      const DkmsVersion *v = p->facts->state->versions->pdata[i];
      const DkmsBuild *build = build_or_remains (v, target);

      if (build == NULL)
        continue;
      const DkmsVersionFacts *facts = dkms_version_facts (v, target);
      if (returning && facts->conf_error != NULL)
        g_ptr_array_add (p->plan->failed,
                         DKMS_EVENT_NEW (UNREADABLE, .id = { v->module, v->version, target->kernel, NULL },
                                         .error = facts->conf_error));
      if (returning && !facts->autoinstall)
        continue;
      drop (p, v, target, build);
    }
}

void
dkms_plan_clean (DkmsPlan *plan, const DkmsId *target)
{
  guint count = plan->steps->len;
  guint id = dkms_plan_push (plan, DKMS_STEP_CLEAN, &(DkmsId){ .kernel = target->kernel }, DKMS_NO_STEP);
  DkmsStep *step = plan->steps->pdata[id];

  for (guint i = 0; i < count; i++)
    g_array_append_val (step->needs, i);
}
