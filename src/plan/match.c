/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The plan of match. */
#include "plan/match.h"

#include <string.h>

#include "base/error.h"

static gboolean
has_builds (const DkmsState *state, const char *kernel)
{
  for (guint i = 0; i < state->versions->len; i++)
    {
      const DkmsVersion *v = state->versions->pdata[i];
      for (guint b = 0; b < v->builds->len; b++)
        if (strcmp (((const DkmsBuild *)v->builds->pdata[b])->kernel, kernel) == 0)
          return TRUE;
    }
  return FALSE;
}

gboolean
dkms_plan_match (const DkmsPlanner *p, GError **error)
{
  const DkmsId *target = p->facts->targets->pdata[0];

  if (p->facts->module != NULL && p->facts->state->versions->len == 0)
    return DKMS_FAIL (error, NOT_ADDED, .id = { .module = p->facts->module });
  if (!p->facts->template_exists && !has_builds (p->facts->state, p->request->template))
    return DKMS_FAIL (error, TEMPLATE_UNKNOWN, .id = { .kernel = p->request->template }, .near = p->facts->near);
  for (guint i = 0; i < p->facts->state->versions->len; i++)
    {
      const DkmsVersion *v = p->facts->state->versions->pdata[i];
      const DkmsBuild *model = dkms_version_find (v, &(DkmsId){ .kernel = p->request->template, .arch = target->arch });
      const DkmsBuild *build = dkms_version_find (v, target);
      guint last;

      if (v->broken || model == NULL || !model->active)
        continue;
      if (dkms_build_is_sound (build))
        dkms_plan_push_remark (p->plan, &(DkmsId){ v->module, v->version, target->kernel, target->arch }, DKMS_NO_STEP,
                               DKMS_EVENT_ALREADY_INSTALLED);
      else
        (void)dkms_plan_push_install (p->plan, v, target, &last);
    }
  return TRUE;
}
