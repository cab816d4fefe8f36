/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The chain of a step is all that the plan does for one module and kernel. Its locks are acquired when its first step
 * starts and released after its last one. */
#pragma once

#include "run/steps.h"
#include "store/lock.h"
#include "ui/board.h"

typedef struct {
  char *build_lock_name, *module_lock_name; /* (nullable): needs none */
  DkmsLock *build_lock, *module_lock;
  DkmsChannel *channel; /* (nullable): until its first step starts */
  char *title;
  guint left; /* steps that are not decided */
  gboolean locked, waits, worked, failed;
} DkmsChain;

/** Frees a DkmsChain, and releases its locks. */
void dkms_chain_free (gpointer data);
/** Returns: (transfer none): the chain of @step in @chains (name -> DkmsChain), a new one if it is the first of it */
DkmsChain *dkms_chain_for (GHashTable *chains, const DkmsStep *step);
/** Acquires both locks without waiting. Returns: FALSE when another run works on it, which then `waits` says, or with
 * an error */
gboolean dkms_chain_lock (DkmsChain *self, DkmsRun *run, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * dkms_chain_result:
 * @chain_of: by step
 * @good: (out): whether no step failed or was not attempted
 *
 * Returns: (transfer full) (nullable): what came of the chain, in a word or two
 */
char *dkms_chain_result (const DkmsChain *self, const DkmsRun *run, DkmsChain *const *chain_of, gboolean *good);
