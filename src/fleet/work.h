/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A worker: builds the jobs of one root in a tree of its own, and writes their reports. */
#pragma once

#include "fleet/axes.h"
#include "fleet/job-report.h"

/* Builds that are made again, to compare them: instead of reports. */
typedef struct {
  gboolean reproducible;   /* whether the first build was */
  const char *build_place; /* (nullable): where it was, as tools name it, if it was not reproducible */
  /* Gets each job that has ended. @scratch: with the tree of the worker, in which its build is */
  void (*take) (gpointer data, const DkmsPlaces *scratch, const DkmsJobReport *report);
  gpointer data;
} DkmsFleetAgain;

/* What the jobs of all roots have in common. */
typedef struct {
  const DkmsRequest *request;
  DkmsListener *events;
  const char *shard;           /* "I/N" */
  int output;                  /* directory for reports (fleet/output.h) */
  guint bad;                   /* (inout): jobs that failed */
  const DkmsFleetAgain *again; /* (nullable): then output is not used, and jobs with a report are not skipped */
} DkmsFleetWork;

/**
 * dkms_fleet_work:
 * @jobs: (element-type DkmsFleetJob): jobs of @place
 *
 * Does the jobs that have no report yet with which they would be settled. Modules in BUILD_DEPENDS are built first,
 * without a report unless they are among @jobs. Nothing outside of the directory of the worker (fleet/slot.h) and
 * the output is changed.
 */
gboolean dkms_fleet_work (DkmsFleetWork *self, const DkmsFleetPlace *place, const GPtrArray *jobs,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;
