/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The verb cache: what the build cache contains, and why a build is not taken from it. */
#pragma once

#include "conf/settings.h"
#include "model/event.h"
#include "model/request.h"

/** The actions of the verb, in `part` of the request, NULL-terminated:
 *
 *   status    its directory and size, and how many builds of the tree were taken from it
 *   why       for each build, the inputs that have changed since, so that it would not be taken now
 *   key       the key of the build that a command would make now, for each kernel; its inputs in JSON
 *   verify    builds again, and compares the modules (inspect/cache-verify.h)
 *   prune     deletes what was not used for the longest time until the cache has `limit_mib`, or cache_size_mib
 *   push      sends the builds of this machine in its directory to the server
 *   generate_key    creates a key that signs builds, the file `output` */
#define DKMS_CACHE_GENERATE_KEY "generate_key"
#define DKMS_CACHE_KEY "key" /* also takes a source that is not registered */
extern const char *const dkms_cache_actions[];

/** Does the action of the request. */
gboolean dkms_cache_answer (const DkmsSettings *settings, DkmsListener *events, const DkmsRequest *request,
                            GError **error);
