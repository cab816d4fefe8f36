/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The plans of kernel_preinst and kernel_prerm. */
#include "plan/clear.h"

void
dkms_plan_clear (const DkmsPlanner *p)
{
  const DkmsId *target = p->facts->targets->pdata[0];
  gboolean returning = p->request->selection == DKMS_SELECT_RETURNING;

  for (guint i = 0; i < p->facts->state->versions->len; i++)
    {
      const DkmsVersion *v = p->facts->state->versions->pdata[i];
      const DkmsBuild *build = dkms_version_find (v, target);
      guint need = DKMS_NO_STEP;

      if (build == NULL)
        build = dkms_version_find_remains (v, target);
      if (build == NULL)
        continue;
      const DkmsVersionFacts *facts = dkms_version_facts (v, target);
      if (returning && facts->conf_error != NULL)
        g_ptr_array_add (p->plan->failed,
                         DKMS_EVENT_NEW (UNREADABLE, .id = { v->module, v->version, target->kernel, NULL },
                                         .error = facts->conf_error));
      if (returning && !facts->autoinstall)
        continue;
      if (build->active)
        need = dkms_plan_push (p->plan, DKMS_STEP_UNINSTALL,
                               &(DkmsId){ v->module, v->version, target->kernel, target->arch }, DKMS_NO_STEP);
      dkms_plan_push (p->plan, DKMS_STEP_UNBUILD, &(DkmsId){ v->module, v->version, target->kernel, target->arch },
                      need);
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
