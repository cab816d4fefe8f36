/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Waits for builds of other machines, and claims builds. */
#include "share/claim.h"

#include "base/clock.h"
#include "base/process.h"

/* UNKNOWN: how long a claim counts if the duration of the build is not known */
enum { FIRST_SECONDS = 2, MOST_SECONDS = 10, LEAST_CLAIM = 30, UNKNOWN_CLAIM = 600, TICK = 100000 };

static gboolean
uses_claims (const DkmsCacheQuery *query)
{
  const DkmsRemote *remote = query->caches->remote;
  const DkmsTrust *trust = query->caches->trust;

  return remote != NULL && remote->writes && !remote->away && remote->settings->policy.remote.wait > 0 && trust != NULL
         && trust->signers->len > 0 && trust->require <= 1;
}

/* Returns: whether @seconds have passed, and no signal has arrived */
static gboolean
rest (double seconds)
{
  gint64 start = dkms_clock_now ();

  while (!dkms_process_is_interrupted ())
    {
      if (dkms_clock_since (start) >= seconds)
        return TRUE;
      g_usleep (TICK);
    }
  return FALSE;
}

/* Returns: seconds until the server is asked again */
static double
pause_of (guint round)
{
  guint seconds = MIN (FIRST_SECONDS << MIN (round, 3), MOST_SECONDS);

  return seconds * g_random_double_range (0.75, 1.25);
}

static gboolean
claim (const DkmsClaim *self, GError **error)
{
  double expected = 2 * self->query->expected;

  if (expected <= 0)
    expected = UNKNOWN_CLAIM;
  return dkms_fetch_place_claim (self->fetch, (guint)CLAMP (expected, LEAST_CLAIM, G_MAXINT), error);
}

gboolean
dkms_claim_wait (DkmsClaim *self)
{
  const DkmsCacheQuery *query = self->query;
  g_autoptr (GError) error = NULL;
  gint64 left = 0;

  if (!uses_claims (query))
    return FALSE;
  const guint most = query->settings->policy.remote.wait;
  double remaining = self->rounds > 0 ? most - dkms_clock_since (self->begun) : most;
  if (remaining > 0 && !dkms_fetch_claim (self->fetch, &left, &error))
    g_debug ("%s", error->message); /* what is no claim is replaced */
  g_clear_error (&error);
  if (left > 0)
    {
      if (self->rounds == 0)
        {
          self->begun = dkms_clock_now ();
          DKMS_EMIT (query->events, CACHE_WAITING, .id = *query->id, .number = (int)most);
        }
      double seconds = pause_of (self->rounds++);
      return rest (MIN (MIN (seconds, remaining), (double)left));
    }
  if (!query->caches->remote->away && !claim (self, &error))
    g_debug ("%s", error->message); /* the build does not depend on it */
  return FALSE;
}

void
dkms_claim_end (const DkmsCacheQuery *query)
{
  g_autoptr (DkmsFetch) fetch = NULL;
  g_autoptr (GError) error = NULL;

  if (!uses_claims (query) || dkms_process_is_interrupted ())
    return;
  fetch = dkms_fetch_new (query);
  if (!dkms_fetch_place_claim (fetch, 0, &error))
    g_debug ("%s", error->message); /* it expires */
}
