/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests to the unprivileged helper dkms-entry, which reads and writes entries of the build cache. Private to share/.
 */
#pragma once

#include "share/cache.h"

/* A file that an entry needs, in the form in which a cache stores it. */
typedef struct {
  char *name;        /* its SHA-256 */
  goffset size;      /* bytes */
  gboolean manifest; /* the entry lacks a part of itself, which this file contains */
} DkmsEntryBlob;

/* What the helper has answered. */
typedef struct {
  DkmsCached *found;
  GPtrArray *blobs;    /* element-type DkmsEntryBlob */
  GString *payloads;   /* digests of what is loaded of the modules */
  char *refused, *bad; /* (nullable): why the entry cannot be used, and which blob is the reason */
  gboolean missing;    /* a blob does not exist */
  gint64 expires;      /* of a claim, in seconds since 1970; 0: it is not one */
} DkmsEntryAnswer;

void dkms_entry_answer_clear (DkmsEntryAnswer *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (DkmsEntryAnswer, dkms_entry_answer_clear)

/** Returns: (transfer full): what each request begins with. @key: of the build */
GByteArray *dkms_entry_request (const DkmsCacheQuery *query, const char *key);
/** Adds what an entry must have: the modules, the signature of @signer (nullable: this machine made it, unsigned), and
 * nothing that the administrator refuses. */
void dkms_entry_request_wish (GByteArray *request, const DkmsCacheQuery *query, const char *signer);

/**
 * dkms_entry_ask:
 * @verb: of the helper
 * @fds: descriptors of its arguments, ended by -1
 * @request: (nullable): pairs
 * @answer: (out caller-allocates): all zero
 */
gboolean dkms_entry_ask (const char *verb, const int *fds, const GByteArray *request, DkmsEntryAnswer *answer,
                         GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** Creates the directory @name of the scratch directory, in which the helpers can write. Returns: a descriptor, or -1
 */
int dkms_entry_make_dir (const DkmsWork *work, const char *name, GError **error);

/** Returns: (transfer full) (element-type utf8): the names of the blobs in @answer */
GPtrArray *dkms_entry_blob_names (const DkmsEntryAnswer *answer);
