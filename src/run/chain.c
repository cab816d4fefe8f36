/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chains of steps: their locks and results. */
#include "run/chain.h"

#include <string.h>

#include "base/language.h"
#include "run/step-install.h"

void
dkms_chain_free (gpointer data)
{
  DkmsChain *self = data;

  dkms_lock_release (self->build_lock);
  dkms_lock_release (self->module_lock);
  g_free (self->build_lock_name);
  g_free (self->module_lock_name);
  g_free (self);
}

static gboolean
needs_lock (const DkmsStep *step)
{
  return step->kind == DKMS_STEP_BUILD || dkms_step_installs (step) || step->kind == DKMS_STEP_UNINSTALL
         || step->kind == DKMS_STEP_UNBUILD || step->kind == DKMS_STEP_SIGN;
}

DkmsChain *
dkms_chain_for (GHashTable *chains, const DkmsStep *step)
{
  g_autofree char *title = dkms_id_format (step->id);
  /* Among steps with only a kernel, each kind is a chain. */
  g_autofree char *name
      = step->id->module != NULL ? g_strdup (title) : g_strdup_printf ("%d %s", (int)step->kind, title);
  DkmsChain *chain = g_hash_table_lookup (chains, name);

  if (chain == NULL)
    {
      chain = g_new0 (DkmsChain, 1);
      chain->id = *step->id;
      g_hash_table_insert (chains, g_steal_pointer (&name), chain);
    }
  if (needs_lock (step) && chain->build_lock_name == NULL)
    {
      chain->build_lock_name = dkms_lock_name_build (step->id);
      chain->module_lock_name = dkms_lock_name_module (step->id);
    }
  return chain;
}

static gboolean
try_lock (const DkmsRun *run, const DkmsChain *chain, const char *name, gboolean exclusive, DkmsLock **lock,
          GError **error)
{
  if (*lock != NULL || g_hash_table_contains (run->locks, name))
    return TRUE;
  /* The process that holds the lock is reported once. */
  *lock = dkms_lock_try (&run->settings->places, chain->waits ? NULL : run->events, name, exclusive, error);
  return *lock != NULL;
}

gboolean
dkms_chain_lock (DkmsChain *self, DkmsRun *run, GError **error)
{
  g_autoptr (GError) local = NULL;

  if (!try_lock (run, self, self->module_lock_name, FALSE, &self->module_lock, &local)
      || !try_lock (run, self, self->build_lock_name, TRUE, &self->build_lock, &local))
    {
      self->waits = local == NULL;
      if (local != NULL)
        g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  self->locked = TRUE;
  return TRUE;
}

double
dkms_chain_expect (DkmsChain *const *chain_of, const DkmsPlan *plan, const double *past)
{
  gboolean known = TRUE;
  double sum = 0;

  for (guint i = 0; i < plan->steps->len; i++)
    {
      chain_of[i]->expected += past[i];
      known &= past[i] > 0 || ((const DkmsStep *)plan->steps->pdata[i])->kind != DKMS_STEP_BUILD;
      sum += past[i];
    }
  return known ? sum : 0;
}

void
dkms_chain_end_piece (const DkmsChain *self, const DkmsRun *run, DkmsChain *const *chain_of)
{
  static const char *const words[] = { N_ ("added"),
                                       N_ ("built"),
                                       N_ ("installed"),
                                       N_ ("reinstalled"),
                                       N_ ("uninstalled"),
                                       N_ ("build deleted"),
                                       N_ ("unregistered"),
                                       N_ ("indexed"),
                                       N_ ("loaded"),
                                       N_ ("packed"),
                                       N_ ("signed"),
                                       N_ ("cleaned"),
                                       NULL };
  const DkmsPlan *plan = run->plan;
  DkmsEvent event = { .kind = DKMS_EVENT_PIECE_DONE, .id = self->id, .piece = self->piece };

  for (guint i = 0; self->worked && i < plan->steps->len; i++)
    {
      const DkmsStep *step = plan->steps->pdata[i];
      DkmsOutcome outcome = run->outcomes[i];

      if (chain_of[i] != self)
        continue;
      event.kind
          = outcome == OUTCOME_DONE || outcome == OUTCOME_SKIPPED ? DKMS_EVENT_PIECE_DONE : DKMS_EVENT_PIECE_FAILED;
      event.name = outcome == OUTCOME_DONE      ? words[MIN ((gsize)step->kind, G_N_ELEMENTS (words) - 1)]
                   : outcome == OUTCOME_SKIPPED ? N_ ("skipped")
                   : self->failed               ? N_ ("failed")
                                                : N_ ("not attempted");
      if (outcome != OUTCOME_DONE)
        break;
      if (dkms_step_is_doubtful (run, step))
        event.kind = DKMS_EVENT_PIECE_DOUBTFUL;
    }
  dkms_listener_hear (run->events, &event);
}
