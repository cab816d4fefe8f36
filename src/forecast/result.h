/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What became of the builds of a forecast. Private to forecast/. */
#pragma once

#include "conf/settings.h"
#include "model/event.h"

/* What became of one build. */
typedef struct {
  DkmsId *id;
  gboolean planned; /* it was to be built */
  gboolean known;   /* an earlier forecast had tried it with the same inputs */
  GError *error;    /* (nullable): why it failed or was not tried */
  char *needs;      /* (nullable): modules that it needs and that are missing */
  /* dkms_results_decide() sets these: */
  const char *word; /* builds, fails, excluded, deferred, skipped or unknown */
  char *why;        /* (nullable) */
  char *cause;      /* (nullable): id of the cause (check/causes.h) */
  char *identity;   /* (nullable): of the kept build */
  char *log;        /* (nullable): its log, inside the root */
  double seconds;
} DkmsForecastResult;

/** Returns: (transfer full): a list of DkmsForecastResult */
GPtrArray *dkms_results_new (void);
/** Returns: whether users should see @event, of a run beside the tree */
gboolean dkms_results_show (const DkmsEvent *event);
/** Takes notice of an event of the run. Returns: whether users should see it, too */
gboolean dkms_results_hear (GPtrArray *results, const DkmsEvent *event);
/* Why builds of a run have no result of their own. */
typedef struct {
  gboolean late; /* the time was over before all builds were */
  GError *error; /* (nullable): of the machine, such as a full disk */
} DkmsTrouble;

/**
 * dkms_results_decide:
 * Reads the results from the copy of the tree, which the run has left, and keeps them.
 */
gboolean dkms_results_decide (GPtrArray *results, const DkmsPlaces *places, const DkmsTrouble *trouble,
                              GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Emits the results for @kernel. */
void dkms_results_emit (const GPtrArray *results, const DkmsSettings *settings, DkmsListener *events,
                        const char *kernel);
