/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The chain of a step is all that the plan does for one module and kernel. Its locks are acquired when its first step
 * starts and released after its last one. */
#pragma once

#include "run/steps.h"
#include "store/lock.h"

typedef struct {
  char *build_lock_name, *module_lock_name; /* (nullable): needs none */
  DkmsLock *build_lock, *module_lock;
  DkmsId id;   /* what it works on; belongs to a step */
  guint piece; /* its number for those who listen; 0 until its first step starts */
  guint left;  /* steps that are not decided */
  gboolean locked, waits, worked, failed;
} DkmsChain;

/** Frees a DkmsChain, and releases its locks. */
void dkms_chain_free (gpointer data);
/** Returns: (transfer none): the chain of @step in @chains (name -> DkmsChain), a new one if it is the first of it */
DkmsChain *dkms_chain_for (GHashTable *chains, const DkmsStep *step);
/** Acquires both locks without waiting. Returns: FALSE when another run works on it, which then `waits` says, or with
 * an error */
gboolean dkms_chain_lock (DkmsChain *self, DkmsRun *run, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Emits what came of the chain. @chain_of: by step */
void dkms_chain_end_piece (const DkmsChain *self, const DkmsRun *run, DkmsChain *const *chain_of);
