/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dkms cache key of a directory, an archive or a version in the source tree: registers it in a tree of its own. */
#pragma once

#include "conf/settings.h"
#include "model/event.h"
#include "model/request.h"

typedef struct {
  DkmsSettings settings; /* those of the run, with that tree; borrowed */
  DkmsRequest request;   /* that of the run, about the module of the source; borrowed */
  char *place;           /* where the build would be if it was registered in the tree of the run, as tools name it */
  struct DkmsCacheGivenTree *tree;
} DkmsCacheGiven;

/**
 * dkms_cache_given_open:
 * @self: (out caller-allocates): all zero
 *
 * Other modules of the tree are seen there with their builds, because they are inputs of builds that need them. Nothing
 * outside of the directory of the worker (fleet/slot.h) is changed.
 */
gboolean dkms_cache_given_open (DkmsCacheGiven *self, const DkmsSettings *settings, DkmsListener *events,
                                const DkmsRequest *request, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void dkms_cache_given_clear (DkmsCacheGiven *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (DkmsCacheGiven, dkms_cache_given_clear)
