/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The order of steps: when a step can start, and which one is first. */
#include "run/order.h"

#include "run/step-build.h"

DkmsOutcome
dkms_order_verdict (const DkmsRun *run, const DkmsStep *step)
{
  gboolean any = FALSE, in_any_case = step->kind == DKMS_STEP_DEPMOD || step->kind == DKMS_STEP_CLEAN;

  for (guint i = 0; i < step->needs->len; i++)
    {
      DkmsOutcome outcome = run->outcomes[g_array_index (step->needs, guint, i)];
      if (outcome <= OUTCOME_RUNNING)
        return OUTCOME_WAITING;
      any |= outcome == OUTCOME_DONE;
      if (outcome != OUTCOME_DONE && !in_any_case)
        return outcome == OUTCOME_SKIPPED ? OUTCOME_SKIPPED : OUTCOME_BLOCKED;
    }
  for (guint i = 0; i < step->after->len; i++)
    {
      DkmsOutcome outcome = run->outcomes[g_array_index (step->after, guint, i)];
      if (outcome <= OUTCOME_RUNNING)
        return OUTCOME_WAITING;
      if (outcome != OUTCOME_DONE && outcome != OUTCOME_SKIPPED)
        return OUTCOME_BLOCKED;
    }
  return step->kind == DKMS_STEP_DEPMOD && !any && !step->due ? OUTCOME_BLOCKED : OUTCOME_RUNNING;
}

void
dkms_order_take_code (DkmsRun *run, guint id)
{
  const DkmsStep *step = run->plan->steps->pdata[id];

  for (guint i = 0; i < step->needs->len; i++)
    run->codes[id] = run->codes[g_array_index (step->needs, guint, i)];
}

static int
compare_ways (gconstpointer a, gconstpointer b, gpointer data)
{
  const double *way = data;
  guint x = *(const guint *)a, y = *(const guint *)b;

  if (way[x] != way[y])
    return way[x] > way[y] ? -1 : 1;
  return x < y ? -1 : x > y;
}

void
dkms_order_measure (DkmsRun *run, double *way, guint *by_way, double *past)
{
  guint count = run->plan->steps->len, builds = dkms_plan_count_builds (run->plan);

  for (guint i = count; i-- > 0;) /* a step refers only to earlier ones */
    {
      const DkmsStep *step = run->plan->steps->pdata[i];
      const GArray *lists[] = { step->needs, step->after };

      if (step->kind == DKMS_STEP_BUILD)
        past[i] = dkms_step_duration (run, step);
      if (builds > 1 && step->kind == DKMS_STEP_BUILD)
        way[i] += past[i] > 0 ? past[i] : dkms_step_estimate (run, step);
      for (gsize l = 0; l < G_N_ELEMENTS (lists); l++)
        for (guint n = 0; n < lists[l]->len; n++)
          {
            guint need = g_array_index (lists[l], guint, n);
            way[need] = MAX (way[need], way[i]);
          }
      by_way[i] = i;
    }
  g_qsort_with_data (by_way, (int)count, sizeof *by_way, compare_ways, way);
}
