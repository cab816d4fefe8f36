/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The plan of sign. */
#include "plan/sign.h"

#include <string.h>

#include "base/error.h"

static gboolean
is_given (const char *name)
{
  return name != NULL && *name != '\0';
}

/* Whether the request is about @v. */
static gboolean
is_selected (const DkmsPlanner *p, const DkmsVersion *v)
{
  return (!is_given (p->facts->module) || strcmp (v->module, p->facts->module) == 0)
         && (!is_given (p->facts->version) || strcmp (v->version, p->facts->version) == 0);
}

/* Returns: the number of builds for @target */
static guint
push_target (const DkmsPlanner *p, const DkmsId *target)
{
  guint count = 0;

  for (guint i = 0; i < p->facts->state->versions->len; i++)
    {
      const DkmsVersion *v = p->facts->state->versions->pdata[i];

      if (!is_selected (p, v) || dkms_version_find (v, target) == NULL)
        continue;
      const DkmsId id = dkms_version_id (v, target);
      dkms_plan_push (p->plan, DKMS_STEP_SIGN, &id, DKMS_NO_STEP);
      count++;
    }
  return count;
}

gboolean
dkms_plan_sign (const DkmsPlanner *p, GError **error)
{
  const DkmsFacts *facts = p->facts;
  const DkmsId named = { .module = facts->module, .version = is_given (facts->version) ? facts->version : NULL };
  gboolean known = !is_given (facts->module);

  for (guint i = 0; i < facts->state->versions->len; i++)
    known |= is_selected (p, facts->state->versions->pdata[i]);
  if (!known)
    return DKMS_FAIL (error, NOT_ADDED, .id = named);
  for (guint t = 0; t < facts->targets->len; t++)
    {
      const DkmsId *target = facts->targets->pdata[t];
      if (push_target (p, target) == 0 && is_given (facts->module))
        return DKMS_FAIL (error, SIGN_NOT_BUILT, .id = { named.module, named.version, target->kernel, target->arch });
    }
  return p->plan->steps->len > 0 || !is_given (facts->module) || DKMS_FAIL (error, SIGN_NOT_BUILT, .id = named);
}
