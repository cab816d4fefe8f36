/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Opens the build cache, and deletes entries of removed builds. */
#include "run/caching.h"

#include <unistd.h>

#include "base/error.h"
#include "base/unread.h"
#include "share/cache.h"
#include "store/attempts.h"

static const DkmsCacheDir *
open_cache (DkmsRun *run)
{
  guint mark = dkms_unread_mark ();
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) ignored = NULL;

  if (run->cache_asked)
    return run->cache;
  run->cache_asked = TRUE;
  run->cache = dkms_cache_dir_open (run->settings, FALSE, &error);
  /* A user who cannot create it works without a cache. */
  if (run->cache == NULL && error == NULL)
    run->cache = dkms_cache_dir_open (run->settings, TRUE, geteuid () == 0 ? &error : &ignored);
  if (error != NULL)
    DKMS_EMIT (run->events, CACHE_IGNORED, .error = error);
  dkms_unread_drop (mark); /* builds do not need it */
  return run->cache;
}

const DkmsCacheDir *
dkms_run_cache (DkmsRun *run, const DkmsId *id)
{
  if (run->request->no_cache || dkms_cache_excludes (run->settings, id->module))
    return NULL;
  return open_cache (run);
}

/* The size is found once, because a cache may have many files. */
void
dkms_run_close_cache (DkmsRun *run)
{
  const goffset most = (goffset)run->settings->policy.cache_size_mib << 20;
  guint mark = dkms_unread_mark ();
  g_autoptr (GError) error = NULL;

  if (run->cache != NULL && !dkms_cache_dir_prune (run->cache, most, NULL, &error))
    g_debug ("%s", error->message); /* the next run tries again */
  dkms_unread_drop (mark);
  g_clear_pointer (&run->cache, dkms_cache_dir_close);
}

void
dkms_run_forget_cached (DkmsRun *run, const DkmsId *id)
{
  const DkmsPlaces *places = &run->settings->places;
  const DkmsCacheDir *cache = *run->settings->policy.cache_dir != '\0' ? open_cache (run) : NULL;
  guint mark = dkms_unread_mark ();
  g_autoptr (GPtrArray) files = cache != NULL ? dkms_attempts_list (places, id) : NULL;

  for (guint i = 0; files != NULL && i < files->len; i++)
    {
      g_autoptr (DkmsAttempt) attempt = dkms_attempts_read (places, files->pdata[i]);
      g_autofree char *key
          = attempt != NULL && attempt->cache_inputs != NULL ? dkms_inputs_identity (attempt->cache_inputs) : NULL;
      g_autofree char *slot = key != NULL ? dkms_cache_slot (key, NULL) : NULL;
      if (slot != NULL)
        dkms_cache_dir_drop (cache, slot, NULL);
    }
  dkms_unread_drop (mark); /* entries that are not deleted now are deleted when they are old */
}
