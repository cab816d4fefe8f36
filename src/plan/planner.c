/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Appends steps and remarks to a plan. */
#include "plan/planner.h"

#include "model/inputs.h"

guint
dkms_plan_push (DkmsPlan *plan, DkmsStepKind kind, const DkmsId *id, guint need)
{
  DkmsStep *step = g_new0 (DkmsStep, 1);

  step->kind = kind;
  step->id = dkms_id_copy (id);
  step->needs = g_array_new (FALSE, FALSE, sizeof (guint));
  step->after = g_array_new (FALSE, FALSE, sizeof (guint));
  if (need != DKMS_NO_STEP)
    g_array_append_val (step->needs, need);
  g_ptr_array_add (plan->steps, step);
  return plan->steps->len - 1;
}

guint
dkms_plan_push_remark (DkmsPlan *plan, const DkmsId *id, guint need, DkmsEventKind why)
{
  guint number = dkms_plan_push (plan, DKMS_STEP_REMARK, id, need);

  ((DkmsStep *)plan->steps->pdata[number])->reason = dkms_event_copy (&(const DkmsEvent){ .kind = why, .id = *id });
  return number;
}

guint
dkms_plan_push_build (DkmsPlan *plan, const DkmsVersion *v, const DkmsId *target, guint *last)
{
  *last = dkms_plan_push (plan, DKMS_STEP_BUILD, &(DkmsId){ v->module, v->version, target->kernel, target->arch },
                          DKMS_NO_STEP);
  return *last;
}

guint
dkms_plan_push_install (DkmsPlan *plan, const DkmsVersion *v, const DkmsId *target, guint *last)
{
  const DkmsBuild *build = dkms_version_find (v, target);
  const DkmsBuild *remains = dkms_version_find_remains (v, target);
  guint first = DKMS_NO_STEP;

  if (!dkms_build_is_usable (build))
    {
      first = dkms_plan_push (plan, DKMS_STEP_BUILD, &(DkmsId){ v->module, v->version, target->kernel, target->arch },
                              DKMS_NO_STEP);
      DkmsStep *step = plan->steps->pdata[first];
      step->replaces = build != NULL && build->built;
      if (build != NULL && build->rebuild)
        {
          g_autofree char *changes = dkms_staleness_words (build->changes);
          step->reason = DKMS_EVENT_NEW (INPUTS_CHANGED, .id = *step->id, .text = changes);
        }
    }
  *last = dkms_plan_push (plan, DKMS_STEP_INSTALL, &(DkmsId){ v->module, v->version, target->kernel, target->arch },
                          first);
  /* A remaining link makes a new build look installed as soon as it is published. */
  ((DkmsStep *)plan->steps->pdata[*last])->replaces
      = (build != NULL && build->active) || (remains != NULL && remains->active);
  return first != DKMS_NO_STEP ? first : *last;
}
