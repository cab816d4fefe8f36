/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The build cache on a server, cache_url in framework.conf: files over HTTP, as for Bazel's caches.
 *
 *   <url>/ac/<slot>       an entry (dkms_cache_slot())
 *   <url>/cas/<sha256>    a blob
 *
 * A server that does not answer is set aside for the rest of the run: it costs one time-out, and builds go on here.
 * Nothing that it has sent is parsed in this process. */
#pragma once

#include "model/event.h"
#include "share/entry.h"
#include "share/trust.h"

typedef struct DkmsRemote {
  const DkmsSettings *settings;
  char *name;      /* of the server, for messages */
  gboolean writes; /* builds are sent */
  gboolean away;   /* it was set aside */
} DkmsRemote;

/**
 * dkms_remote_open:
 * @trust: (nullable): whose builds can be taken; without a signer, nothing is read
 * @writes: whether builds are sent
 *
 * Returns: (transfer full) (nullable): NULL without an error if cache_url is not set, or nothing would be read or sent
 */
DkmsRemote *dkms_remote_open (const DkmsSettings *settings, const DkmsTrust *trust, gboolean writes,
                              GError **error) G_GNUC_WARN_UNUSED_RESULT;
void dkms_remote_close (DkmsRemote *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsRemote, dkms_remote_close)

/* The search for one build. */
typedef struct DkmsFetch DkmsFetch;

DkmsFetch *dkms_fetch_new (const DkmsCacheQuery *query);
void dkms_fetch_free (DkmsFetch *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsFetch, dkms_fetch_free)

/**
 * dkms_fetch_entry:
 * @slot: the address of the entry
 * @signer: the key that must have signed it
 * @blobs: (out): (transfer full) (element-type utf8) (nullable): the files that the entry needs; NULL if the server
 * does not have all of them
 *
 * Reads the entry, asks the helper which files it needs, and reads them. A server that cannot be used is set aside,
 * which is reported.
 *
 * Returns: a directory with the file "entry" and the blobs, owned by @self, which no other process changes; -1 if the
 * server does not have the entry; -1 with an error that says why it cannot be used
 */
int dkms_fetch_entry (DkmsFetch *self, const char *slot, const char *signer, GPtrArray **blobs, GError **error);

/**
 * dkms_fetch_claim:
 * @left: (out): seconds until the claim of another machine expires; 0: there is none
 *
 * Asks whether another machine is making the build. A server that cannot be used is set aside, which is reported.
 */
gboolean dkms_fetch_claim (DkmsFetch *self, gint64 *left, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Claims the build for @seconds from now, after dkms_fetch_claim() has asked; 0: ends the claim. */
gboolean dkms_fetch_place_claim (DkmsFetch *self, guint seconds, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * dkms_remote_send:
 * @dir: a directory with the manifest "build.json" and the blobs, as from dkms-entry
 * @blobs: (element-type DkmsEntryBlob)
 *
 * Signs the manifest, and sends the blobs, and then the entry.
 */
gboolean dkms_remote_send (const DkmsCacheQuery *query, const char *key, int dir, const GPtrArray *blobs,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** Asks the server whether it has some entry. Returns: (transfer full) (nullable): why it cannot be used */
char *dkms_remote_probe (const DkmsSettings *settings);
