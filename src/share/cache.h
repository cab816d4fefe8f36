/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The build cache: builds that this machine or another one has made from the same inputs. What is stored is one whole
 * build: its modules, unsigned and uncompressed, Module.symvers, files of POST_BUILD, and make.log. The machine that
 * takes it signs and compresses the modules with its own key, in the format of its own kernel.
 *
 * The unprivileged helper dkms-entry reads and writes the formats. */
#pragma once

#include "model/inputs.h"
#include "share/cache-dir.h"
#include "store/work.h"

/* One build, as the cache knows it. All pointers are borrowed. */
typedef struct {
  const DkmsSettings *settings;
  const DkmsId *id;
  const DkmsInputs *inputs;  /* all that its key depends on (world/cache-key.h) */
  const GPtrArray *modules;  /* element-type utf8: names of the modules that it makes, without .ko */
  const DkmsWork *work;      /* scratch directory of the build */
  const DkmsCacheDir *local; /* the cache of this machine */
} DkmsCacheQuery;

/* What is known about a build in the cache. */
typedef struct {
  gboolean failed;  /* it is known that the build fails, */
  char *error;      /* (nullable) with this first error */
  gint64 time;      /* when it began, in seconds since 1970 */
  double seconds;   /* how long it took */
  char *builder;    /* the machine; may be empty */
  GPtrArray *files; /* element-type utf8: "module/NAME.ko", "module/Module.symvers", "extra/NAME", "log/make.log" */
} DkmsCached;

void dkms_cached_free (DkmsCached *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsCached, dkms_cached_free)

/**
 * dkms_cache_find:
 * @fd: (out): the directory with the files of the build; it is deleted with the scratch directory
 * @found: (out) (transfer full) (nullable): NULL if the cache does not have the build
 *
 * The digests of all files have been compared. An entry that cannot be used is deleted.
 *
 * Returns: FALSE with the reason why an entry cannot be used; the caller builds then, too
 */
gboolean dkms_cache_find (const DkmsCacheQuery *query, int *fd, DkmsCached **found,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** Stores the build @made, whose files are in the directory @fd. */
gboolean dkms_cache_add (const DkmsCacheQuery *query, const DkmsCached *made, int fd,
                         GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** Returns: whether the administrator has excluded @module from the cache (cache_exclude) */
gboolean dkms_cache_excludes (const DkmsSettings *settings, const char *module);
