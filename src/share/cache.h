/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The build cache: builds that this machine or another one has made from the same inputs. What is stored is one whole
 * build: its modules, unsigned and uncompressed, Module.symvers, files of POST_BUILD, and make.log. The machine that
 * takes it signs and compresses the modules with its own key, in the format of its own kernel.
 *
 * The unprivileged helper dkms-entry reads and writes the formats. */
#pragma once

#include "model/event.h"
#include "model/inputs.h"
#include "share/cache-dir.h"
#include "share/trust.h"
#include "store/work.h"

/* Where builds are looked for, and stored. */
typedef struct DkmsCaches {
  DkmsCacheDir *local;       /* (nullable): the directory of this machine */
  DkmsTrust *trust;          /* (nullable): whose builds of other machines can be taken */
  struct DkmsRemote *remote; /* (nullable): the server (share/remote.h); it is set aside if it does not answer */
} DkmsCaches;

/* One build, as the cache knows it. All pointers are borrowed. */
typedef struct {
  const DkmsSettings *settings;
  const DkmsId *id;
  const DkmsInputs *inputs; /* all that its key depends on (world/cache-key.h) */
  const GPtrArray *modules; /* element-type utf8: names of the modules that it makes, without .ko */
  const DkmsWork *work;     /* scratch directory of the build */
  const DkmsCaches *caches;
  DkmsListener *events; /* hears which entries cannot be used */
  double expected;      /* seconds that the build will take; 0: unknown */
} DkmsCacheQuery;

/* What is known about a build in the cache. */
typedef struct {
  gboolean failed;  /* it is known that the build fails, */
  char *error;      /* (nullable) with this first error */
  gint64 time;      /* when it began, in seconds since 1970 */
  double seconds;   /* how long it took */
  char *builder;    /* the machine; may be empty */
  char *signer;     /* (nullable): the id of the key that signed it; NULL: this machine made it */
  gboolean fetched; /* it comes from the server */
  GPtrArray *files; /* element-type utf8: "module/NAME.ko", "module/Module.symvers", "extra/NAME", "log/make.log" */
} DkmsCached;

void dkms_cached_free (DkmsCached *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsCached, dkms_cached_free)

/**
 * dkms_cache_find:
 * @fd: (out): the directory with the files of the build; it is deleted with the scratch directory
 * @found: (out) (transfer full) (nullable): NULL if the cache does not have the build
 *
 * Looks for a build of this machine, then for builds of the trusted signers in the local directory, then on the server.
 * A build of the server is copied to the local directory. The digests of all files have been compared. An entry that
 * cannot be used is reported, and deleted from the local directory. If another machine is making the build, waits for
 * it (share/claim.h).
 *
 * Returns: FALSE with an error if the scratch directory or a helper cannot be used; the caller builds then, too
 */
gboolean dkms_cache_find (const DkmsCacheQuery *query, int *fd, DkmsCached **found,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** Stores the build @made, whose files are in the directory @fd, in the local directory and on the server. */
gboolean dkms_cache_add (const DkmsCacheQuery *query, const DkmsCached *made, int fd,
                         GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * dkms_cache_push:
 * @query: with a local directory and a server
 * @sent: (out): FALSE if the local directory does not have a build of this machine
 *
 * Sends a build that this machine has made to the server.
 */
gboolean dkms_cache_push (const DkmsCacheQuery *query, gboolean *sent, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** Returns: whether the administrator has excluded @module from the cache (cache_exclude) */
gboolean dkms_cache_excludes (const DkmsSettings *settings, const char *module);
