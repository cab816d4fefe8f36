/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Claims: a machine that begins a build says so on the server of the build cache, and machines that need the same build
 * wait for it instead of making it as well. They are used if cache_wait is set, builds are sent to the server, and the
 * builds of one signer are enough. Anybody who can write to the server can make a claim, and delay others with it for
 * cache_wait seconds, but no longer. */
#pragma once

#include "share/remote.h"

/* The wait for one build. Set @query and @fetch, and leave the others zero. */
typedef struct {
  const DkmsCacheQuery *query;
  DkmsFetch *fetch;
  guint rounds; /* waits so far */
  gint64 begun; /* when the first one began, by the clock of dkms_clock_now() */
} DkmsClaim;

/**
 * dkms_claim_wait:
 * Waits for some seconds if another machine has a claim on the build: 2, 4, 8, and then 10 each time, a quarter more or
 * less, so that a fleet does not ask at once. Otherwise, or after cache_wait seconds, claims the build for this
 * machine.
 *
 * Returns: whether it has waited, so that the build should be looked for again; FALSE: this machine has to make it
 */
gboolean dkms_claim_wait (DkmsClaim *self) G_GNUC_WARN_UNUSED_RESULT;

/** Ends the claim of this machine on a build that nobody will find on the server. */
void dkms_claim_end (const DkmsCacheQuery *query);
