/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Opens the build cache, and deletes entries of removed builds. */
#include "run/caching.h"

#include <unistd.h>

#include "base/error.h"
#include "base/unread.h"
#include "share/remote.h"
#include "store/attempts.h"

static DkmsCacheDir *
open_local (const DkmsRun *run)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) ignored = NULL;
  DkmsCacheDir *local = dkms_cache_dir_open (run->settings, FALSE, &error);

  /* A user who cannot create it works without a cache. */
  if (local == NULL && error == NULL)
    local = dkms_cache_dir_open (run->settings, TRUE, geteuid () == 0 ? &error : &ignored);
  if (error != NULL)
    DKMS_EMIT (run->events, CACHE_IGNORED, .error = error);
  return local;
}

/* Opens the build cache. What cannot be used is reported once. */
static DkmsCaches *
open_caches (DkmsRun *run)
{
  const DkmsPolicy *policy = &run->settings->policy;
  DkmsCaches *self = &run->caches;
  guint mark = dkms_unread_mark ();
  g_autoptr (GError) error = NULL;

  if (run->cache_asked)
    return self;
  run->cache_asked = TRUE;
  self->local = open_local (run);
  if (self->local != NULL || *policy->remote.url != '\0')
    self->trust = dkms_trust_read (run->settings, &error);
  if (error == NULL)
    self->remote = dkms_remote_open (run->settings, self->trust, policy->remote.write, &error);
  if (error != NULL)
    DKMS_EMIT (run->events, CACHE_IGNORED, .error = error);
  dkms_unread_drop (mark); /* builds do not need it */
  return self;
}

const DkmsCaches *
dkms_run_caches (DkmsRun *run, const DkmsId *id)
{
  if (run->request->no_cache || dkms_cache_excludes (run->settings, id->module))
    return NULL;
  const DkmsCaches *self = open_caches (run);
  return self->local != NULL || self->remote != NULL ? self : NULL;
}

gboolean
dkms_run_hear_of_cache (DkmsRun *run, const DkmsEvent *event)
{
  DkmsRemote *remote = run->caches.remote;

  if (remote == NULL || (event->kind != DKMS_EVENT_CACHE_AWAY && event->kind != DKMS_EVENT_CACHE_DENIED))
    return TRUE;
  gboolean first = !remote->away;
  remote->away = TRUE;
  return first;
}

/* The size is found once, because a cache may have many files. */
void
dkms_run_close_cache (DkmsRun *run)
{
  const goffset most = (goffset)run->settings->policy.cache_size_mib << 20;
  guint mark = dkms_unread_mark ();
  g_autoptr (GError) error = NULL;

  if (run->caches.local != NULL && !dkms_cache_dir_prune (run->caches.local, most, NULL, &error))
    g_debug ("%s", error->message); /* the next run tries again */
  dkms_unread_drop (mark);
  g_clear_pointer (&run->caches.local, dkms_cache_dir_close);
  g_clear_pointer (&run->caches.trust, dkms_trust_free);
  g_clear_pointer (&run->caches.remote, dkms_remote_close);
}

/* Deletes the entries with @key: that of this machine, and those of other machines. */
static void
forget (const DkmsCaches *caches, const char *key)
{
  const GPtrArray *signers = caches->trust != NULL ? caches->trust->signers : NULL;
  g_autofree char *own = dkms_cache_slot (key, NULL);

  dkms_cache_dir_drop (caches->local, own, NULL);
  for (guint i = 0; signers != NULL && i < signers->len; i++)
    {
      g_autofree char *slot = dkms_cache_slot (key, ((const DkmsCacheSigner *)signers->pdata[i])->id);
      dkms_cache_dir_drop (caches->local, slot, NULL);
    }
}

void
dkms_run_forget_cached (DkmsRun *run, const DkmsId *id)
{
  const DkmsPlaces *places = &run->settings->places;
  const DkmsCaches *caches = *run->settings->policy.cache_dir != '\0' ? open_caches (run) : NULL;
  guint mark = dkms_unread_mark ();
  g_autoptr (GPtrArray) files = caches != NULL && caches->local != NULL ? dkms_attempts_list (places, id) : NULL;

  for (guint i = 0; files != NULL && i < files->len; i++)
    {
      g_autoptr (DkmsAttempt) attempt = dkms_attempts_read (places, files->pdata[i]);
      g_autofree char *key
          = attempt != NULL && attempt->cache_inputs != NULL ? dkms_inputs_identity (attempt->cache_inputs) : NULL;
      if (key != NULL)
        forget (caches, key);
    }
  dkms_unread_drop (mark); /* entries that are not deleted now are deleted when they are old */
}
