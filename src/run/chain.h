/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The chain of a step consists of all steps of the plan for one module and kernel. Its locks are acquired when its
 * first step starts, and released after its last one. */
#pragma once

#include "run/steps.h"
#include "store/lock.h"

typedef struct {
  char *build_lock_name, *module_lock_name; /* (nullable): NULL if no lock is needed */
  DkmsLock *build_lock, *module_lock;
  DkmsId id;       /* the module and kernel; belongs to a step */
  guint piece;     /* its number in events; 0 until its first step starts */
  guint left;      /* number of undecided steps */
  double expected; /* seconds that its builds took before; 0: unknown */
  gboolean locked, waits, worked, failed;
} DkmsChain;

/** Frees a DkmsChain, and releases its locks. */
void dkms_chain_free (gpointer data);
/** Returns: (transfer none): the chain of @step in @chains (name -> DkmsChain), a new one for its first step */
DkmsChain *dkms_chain_for (GHashTable *chains, const DkmsStep *step);
/** Acquires both locks without waiting. Returns: FALSE with an error, or if another run holds one; then it sets `waits`
 */
gboolean dkms_chain_lock (DkmsChain *self, DkmsRun *run, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Notes how long the builds of each chain took before. @chain_of, @past: by step. Returns: the seconds of all
 * together; 0 if one is unknown */
double dkms_chain_expect (DkmsChain *const *chain_of, const DkmsPlan *plan, const double *past);
/** Emits the result of the chain. @chain_of: by step */
void dkms_chain_end_piece (const DkmsChain *self, const DkmsRun *run, DkmsChain *const *chain_of);
