/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The settings of framework.conf about the build cache on a server (share/remote.h). */
#pragma once

#include "conf/places.h"
#include "conf/vars.h"

typedef struct {
  char *url;                         /* "", or the address of the cache, without a slash at its end */
  char *signing_key;                 /* "", a file, or the URI of a key on a token: signs the builds that are sent */
  char *builder;                     /* "", or the name of this machine in its builds */
  char *netrc;                       /* "", or a file with passwords for servers */
  char *tls_ca, *tls_cert, *tls_key; /* "", or files */
  guint timeout;                     /* seconds for one file, and one more for each MiB */
  guint wait;                        /* seconds for the build of another machine; 0: claims are not used */
  gboolean write;                    /* builds are sent */
} DkmsRemotePolicy;

/** Sets the defaults. */
void dkms_remote_policy_init (DkmsRemotePolicy *self);
/** Frees the content of @self. */
void dkms_remote_policy_clear (DkmsRemotePolicy *self);
/**
 * dkms_remote_policy_limit:
 * @url: cache_url of this machine
 *
 * For the settings of another root: its files must not make this machine send requests to any server but its own, and
 * must not sign with a token of this machine.
 *
 * Returns: (transfer none) (nullable): the name of the setting that has no effect now
 */
const char *dkms_remote_policy_limit (DkmsRemotePolicy *self, const char *url);
/** Takes the values of framework.conf. */
gboolean dkms_remote_policy_take (DkmsRemotePolicy *self, const DkmsPlaces *places, const DkmsVars *values,
                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;
