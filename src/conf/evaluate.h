/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks one bash process for the values that configuration files assign (spec/dkms-conf.md §2). */
#pragma once

#include "conf/recipe.h"
#include "conf/sandbox.h"

typedef struct {
  GPtrArray *assign;  /* "name=value": variables the files can see */
  GPtrArray *files;   /* paths as tools name them, in order; the first one is required */
  char *shown;        /* the first file as people name it */
  DkmsRecipe *recipe; /* (out): the values; NULL when evaluation failed */
  GError *error;      /* (out): why it failed */
} DkmsQuery;

DkmsQuery *dkms_query_new (void);
void dkms_query_free (DkmsQuery *self);

/**
 * dkms_evaluate:
 * @confinement: (nullable): how the files are confined, as far as settings->sandbox wants it; NULL for those of the
 *   admin, which are trusted
 * @queries: (element-type DkmsQuery): answered in place
 * @names: blank separated variables to take over
 * @deprecated: blank separated variables to notice
 *
 * A query that hangs, exits or is no text gets its own error and disturbs no other one.
 *
 * Returns: FALSE only when bash itself could not be run
 */
gboolean dkms_evaluate (const DkmsSettings *settings, const DkmsConfinement *confinement, GPtrArray *queries,
                        const char *names, const char *deprecated, GError **error) G_GNUC_WARN_UNUSED_RESULT;
