/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looks for builds in the local directory and on the server, and stores them there. */
#define _GNU_SOURCE
#include "share/cache.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/copy.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/pairs.h"
#include "base/unread.h"
#include "config.h"
#include "share/claim.h"

void
dkms_cached_free (DkmsCached *self)
{
  if (self == NULL)
    return;
  g_free (self->error);
  g_free (self->builder);
  g_free (self->signer);
  if (self->files != NULL)
    g_ptr_array_unref (self->files);
  g_free (self);
}

gboolean
dkms_cache_excludes (const DkmsSettings *settings, const char *module)
{
  g_auto (GStrv) globs = g_strsplit_set (settings->policy.cache_exclude, " \t", -1);

  for (char **glob = globs; *glob != NULL; glob++)
    if (**glob != '\0' && g_pattern_match_simple (*glob, module))
      return TRUE;
  return FALSE;
}

/* ---- finding ---- */

/* A build that an entry contains. */
typedef struct {
  DkmsEntryAnswer answer;
  int fd; /* the directory with its files */
} Candidate;

static void
candidate_free (gpointer data)
{
  Candidate *self = data;

  dkms_entry_answer_clear (&self->answer);
  if (self->fd >= 0)
    (void)close (self->fd);
  g_free (self);
}

/* Where an entry is. */
typedef struct {
  int entry, blobs;   /* the file, and the directory of the blobs */
  const char *signer; /* (nullable): the key that must have signed it */
  guint number;       /* of the directory for its files */
} Source;

/* Unpacks an entry. Returns: (transfer full) (nullable): NULL without an error if a blob does not exist; NULL with
 * CACHE_ENTRY_REFUSED if it cannot be used. @bad: (out) (transfer full) (nullable): the blob that is the reason */
static Candidate *
unpack (const DkmsCacheQuery *query, const Source *source, char **bad, GError **error)
{
  g_autofree char *key = dkms_inputs_identity (query->inputs);
  g_autofree char *name = g_strdup_printf ("cached-%u", source->number);
  g_autoptr (GByteArray) request = dkms_entry_request (query, key);
  Candidate *self = g_new0 (Candidate, 1);

  *bad = NULL;
  self->fd = dkms_entry_make_dir (query->work, name, error);
  dkms_entry_request_wish (request, query, source->signer);
  const int fds[] = { source->entry, source->blobs, self->fd, -1 };
  if (self->fd < 0 || !dkms_entry_ask ("unpack", fds, request, &self->answer, error))
    return candidate_free (self), NULL;
  if (self->answer.refused != NULL)
    {
      *bad = g_steal_pointer (&self->answer.bad);
      (void)DKMS_FAIL (error, CACHE_ENTRY_REFUSED, .id = *query->id, .text = self->answer.refused);
    }
  if (self->answer.refused != NULL || self->answer.missing)
    return candidate_free (self), NULL; /* a blob is missing if it was deleted because it was old */
  return self;
}

/* Looks for the entry of @signer (nullable: of this machine) in the local directory. */
static Candidate *
find_local (const DkmsCacheQuery *query, const DkmsCacheSigner *signer, guint number, GError **error)
{
  g_autofree char *key = dkms_inputs_identity (query->inputs);
  g_autofree char *slot = dkms_cache_slot (key, signer != NULL ? signer->id : NULL);
  g_auto (DkmsFd) entry = dkms_cache_dir_open_entry (query->caches->local, slot);
  const Source source
      = { entry, dkms_cache_dir_blobs (query->caches->local), signer != NULL ? signer->key : NULL, number };
  g_autofree char *bad = NULL;
  g_autoptr (GError) local = NULL;

  if (entry < 0)
    return dkms_is_absent (errno) ? NULL : ((void)dkms_fail_errno (error, "read", slot), NULL);
  Candidate *found = unpack (query, &source, &bad, &local);
  if (g_error_matches (local, DKMS_ERROR, DKMS_ERROR_CACHE_ENTRY_REFUSED))
    dkms_cache_dir_drop (query->caches->local, slot, bad);
  if (local != NULL)
    g_propagate_error (error, g_steal_pointer (&local));
  g_autoptr (GPtrArray) blobs = found != NULL ? dkms_entry_blob_names (&found->answer) : NULL;
  if (found != NULL)
    dkms_cache_dir_touch (query->caches->local, slot, blobs);
  return found;
}

/* Looks for the entry of @signer on the server, and keeps it in the local directory. */
static Candidate *
find_remote (const DkmsCacheQuery *query, DkmsFetch *fetch, const DkmsCacheSigner *signer, guint number, GError **error)
{
  g_autofree char *key = dkms_inputs_identity (query->inputs);
  g_autofree char *slot = dkms_cache_slot (key, signer->id);
  g_autofree char *bad = NULL;
  g_autoptr (GPtrArray) blobs = NULL;
  g_autoptr (GError) ignored = NULL;
  int dir = dkms_fetch_entry (fetch, slot, signer->key, &blobs, error);
  g_auto (DkmsFd) entry = dir >= 0 ? openat (dir, "entry", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) : -1;
  const Source source = { entry, dir, signer->key, number };
  Candidate *found = entry >= 0 ? unpack (query, &source, &bad, error) : NULL;

  if (found == NULL)
    return NULL;
  found->answer.found->fetched = TRUE;
  if (query->caches->local != NULL && !dkms_cache_dir_add (query->caches->local, dir, blobs, slot, &ignored))
    g_debug ("%s", ignored->message); /* it is read again next time */
  return found;
}

/* What different signers must agree on. */
static gboolean
agree (const Candidate *a, const Candidate *b)
{
  return a->answer.found->failed == b->answer.found->failed
         && strcmp (a->answer.payloads->str, b->answer.payloads->str) == 0;
}

/* The search for builds of other machines. */
typedef struct {
  const DkmsCacheQuery *query;
  DkmsFetch *fetch;
  Candidate **candidates; /* by signer; NULL: none */
  gboolean *refused;      /* by signer: what the server has cannot be used */
  guint number;           /* of directories */
} Search;

/* Returns: (nullable): the first candidate that enough signers agree on */
static Candidate *
choose (const Search *self)
{
  const GPtrArray *signers = self->query->caches->trust->signers;

  for (guint i = 0; i < signers->len; i++)
    {
      guint count = 0;
      for (guint k = 0; self->candidates[i] != NULL && k < signers->len; k++)
        count += self->candidates[k] != NULL && agree (self->candidates[i], self->candidates[k]);
      if (count >= MAX (self->query->caches->trust->require, 1))
        return self->candidates[i];
    }
  return NULL;
}

/* Looks for the build of one signer. An entry that cannot be used is reported, and the search goes on. */
static void
try_signer (Search *self, guint index, gboolean remote)
{
  const DkmsCacheQuery *query = self->query;
  const DkmsCacheSigner *signer = query->caches->trust->signers->pdata[index];
  g_autoptr (GError) error = NULL;

  if (self->candidates[index] != NULL || self->refused[index]
      || !dkms_cache_signer_may_build (signer, query->id->module))
    return;
  Candidate *found = remote ? find_remote (query, self->fetch, signer, self->number++, &error)
                            : find_local (query, signer, self->number++, &error);
  if (found != NULL)
    dkms_replace_text (&found->answer.found->signer, signer->id);
  if (error != NULL)
    DKMS_EMIT (query->events, CACHE_IGNORED, .error = error);
  self->refused[index] = remote && error != NULL;
  self->candidates[index] = found;
}

/* @remote: looks on the server; else in the local directory */
static Candidate *
search_for (Search *self, gboolean remote)
{
  const DkmsCaches *caches = self->query->caches;
  Candidate *chosen = NULL;

  for (guint i = 0; chosen == NULL && i < caches->trust->signers->len; i++)
    {
      if (remote ? caches->remote == NULL || caches->remote->away : caches->local == NULL)
        break;
      try_signer (self, i, remote);
      chosen = choose (self);
    }
  return chosen;
}

/* Reports that signers made different modules from the same inputs. */
static void
report_differences (const Search *self)
{
  const GPtrArray *signers = self->query->caches->trust->signers;
  const Candidate *first = NULL;
  g_autoptr (GString) names = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  gboolean differ = FALSE;

  for (guint i = 0; i < signers->len; i++)
    if (self->candidates[i] != NULL)
      {
        first = first != NULL ? first : self->candidates[i];
        differ |= !agree (first, self->candidates[i]);
        g_string_append_printf (names, "%s%s", names->len > 0 ? ", " : "",
                                ((const DkmsCacheSigner *)signers->pdata[i])->id);
      }
  if (!differ)
    return;
  (void)DKMS_FAIL (&error, CACHE_SIGNERS_DIFFER, .id = *self->query->id, .text = names->str);
  DKMS_EMIT (self->query->events, CACHE_IGNORED, .error = error);
}

static void
give (Candidate *candidate, int *fd, DkmsCached **found)
{
  *found = g_steal_pointer (&candidate->answer.found);
  *fd = dkms_fd_steal (&candidate->fd);
}

static void
find_signed (const DkmsCacheQuery *query, int *fd, DkmsCached **found)
{
  const guint count = query->caches->trust->signers->len;
  g_autoptr (DkmsFetch) fetch = dkms_fetch_new (query);
  g_autofree Candidate **candidates = g_new0 (Candidate *, count + 1);
  g_autofree gboolean *refused = g_new0 (gboolean, count + 1);
  Search self = { query, fetch, candidates, refused, 1 };
  DkmsClaim claim = { .query = query, .fetch = fetch };
  Candidate *chosen = search_for (&self, FALSE);

  do
    chosen = chosen != NULL ? chosen : search_for (&self, TRUE);
  while (chosen == NULL && dkms_claim_wait (&claim));
  if (chosen != NULL)
    give (chosen, fd, found);
  else
    report_differences (&self);
  for (guint i = 0; i < count; i++)
    g_clear_pointer (&candidates[i], candidate_free);
}

gboolean
dkms_cache_find (const DkmsCacheQuery *query, int *fd, DkmsCached **found, GError **error)
{
  g_autoptr (GError) local = NULL;
  Candidate *own = query->caches->local != NULL ? find_local (query, NULL, 0, &local) : NULL;

  *found = NULL;
  *fd = -1;
  if (own != NULL)
    {
      give (own, fd, found);
      candidate_free (own);
      return TRUE;
    }
  if (local != NULL && !g_error_matches (local, DKMS_ERROR, DKMS_ERROR_CACHE_ENTRY_REFUSED))
    return g_propagate_error (error, g_steal_pointer (&local)), FALSE;
  if (local != NULL)
    DKMS_EMIT (query->events, CACHE_IGNORED, .error = local);
  if (query->caches->trust != NULL)
    find_signed (query, fd, found);
  return TRUE;
}

/* ---- adding ---- */

static GByteArray *
pack_request (const DkmsCacheQuery *query, const char *key, const DkmsCached *made)
{
  GByteArray *request = dkms_entry_request (query, key);
  g_autofree char *inputs = dkms_inputs_document (query->inputs);
  g_autofree char *time = g_strdup_printf ("%" G_GINT64_FORMAT, made->time);
  g_autofree char *seconds = g_strdup_printf ("%.3f", made->seconds);
  g_autofree char *error = made->error != NULL ? g_utf8_make_valid (made->error, -1) : NULL;

  dkms_pairs_add (request, "result", made->failed ? "failed" : "built");
  dkms_pairs_add (request, "inputs", inputs);
  dkms_pairs_add (request, "time", time);
  dkms_pairs_add (request, "seconds", seconds);
  dkms_pairs_add (request, "dkms", DKMS_VERSION);
  dkms_pairs_add (request, "builder", query->settings->policy.remote.builder);
  if (made->failed)
    {
      dkms_pairs_add (request, "exit", "1");
      dkms_pairs_add (request, "error", error != NULL ? error : "");
    }
  for (guint i = 0; i < made->files->len; i++)
    dkms_pairs_add (request, "file", made->files->pdata[i]);
  return request;
}

gboolean
dkms_cache_add (const DkmsCacheQuery *query, const DkmsCached *made, int fd, GError **error)
{
  g_autofree char *key = dkms_inputs_identity (query->inputs);
  g_autofree char *slot = dkms_cache_slot (key, NULL);
  g_auto (DkmsFd) out = dkms_entry_make_dir (query->work, "entry", error);
  g_autoptr (GByteArray) request = pack_request (query, key, made);
  const int fds[] = { fd, out, -1 };
  g_auto (DkmsEntryAnswer) answer = { 0 };

  if (out < 0 || !dkms_entry_ask ("pack", fds, request, &answer, error))
    return FALSE;
  g_autoptr (GPtrArray) blobs = dkms_entry_blob_names (&answer);
  if (query->caches->local != NULL && !dkms_cache_dir_add (query->caches->local, out, blobs, slot, error))
    return FALSE;
  return query->caches->remote == NULL || !query->caches->remote->writes || query->caches->remote->away
         || dkms_remote_send (query, key, out, answer.blobs, error);
}

/* Copies the blobs of the entry to the directory @out. */
static gboolean
copy_blobs (const DkmsCacheQuery *query, const DkmsEntryAnswer *answer, int out, GError **error)
{
  g_autoptr (GPtrArray) names = dkms_entry_blob_names (answer);

  for (guint i = 0; i < names->len; i++)
    if (!dkms_copy_plain_at (dkms_cache_dir_blobs (query->caches->local), names->pdata[i],
                             &(DkmsNewFile){ out, names->pdata[i], 0644, FALSE }, error))
      return FALSE;
  return TRUE;
}

gboolean
dkms_cache_push (const DkmsCacheQuery *query, gboolean *sent, GError **error)
{
  g_autofree char *key = dkms_inputs_identity (query->inputs);
  g_autofree char *slot = dkms_cache_slot (key, NULL);
  g_auto (DkmsFd) entry = dkms_cache_dir_open_entry (query->caches->local, slot);
  g_auto (DkmsEntryAnswer) answer = { 0 };

  *sent = FALSE;
  if (entry < 0)
    return dkms_is_absent (errno) || dkms_fail_errno (error, "read", slot);
  g_auto (DkmsFd) out = dkms_entry_make_dir (query->work, "entry", error);
  g_autoptr (GByteArray) request = dkms_entry_request (query, key);
  dkms_entry_request_wish (request, query, NULL);
  const int fds[] = { entry, dkms_cache_dir_blobs (query->caches->local), out, -1 };
  if (out < 0 || !dkms_entry_ask ("list", fds, request, &answer, error))
    return FALSE;
  if (answer.refused != NULL)
    return DKMS_FAIL (error, CACHE_ENTRY_REFUSED, .id = *query->id, .text = answer.refused);
  *sent = copy_blobs (query, &answer, out, error) && dkms_remote_send (query, key, out, answer.blobs, error);
  return *sent;
}
