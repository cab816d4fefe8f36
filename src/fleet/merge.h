/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The reports of all workers, put together. */
#pragma once

#include "fleet/job-report.h"

/* Two builds with the same inputs, but with other modules. */
typedef struct {
  const DkmsJobReport *a, *b;
} DkmsFleetPair;

typedef struct {
  GPtrArray *jobs;    /* element-type DkmsFleetJob: the list, sorted; without a list, the jobs of the reports */
  GPtrArray *reports; /* element-type DkmsJobReport: one of each job that has any, sorted by id */
  GPtrArray *others;  /* element-type DkmsJobReport: older ones of the same jobs, and those of jobs not in the list */
  GPtrArray *missing; /* element-type utf8: ids of the listed jobs without a report */
  GPtrArray *unreadable; /* element-type utf8: names of files that are not reports */
  GPtrArray *pairs;      /* element-type DkmsFleetPair: builds that are not reproducible */
  gboolean listed;       /* there is a list */
} DkmsMerged;

/** Returns: (transfer full): nothing */
DkmsMerged *dkms_merged_new (void);
void dkms_merged_free (DkmsMerged *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsMerged, dkms_merged_free)

/** Reads the reports and lists in the directory @path of the host, and in its subdirectories. Returns: (transfer full)
 * (nullable) */
DkmsMerged *dkms_fleet_merge (const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** Adds @report (transfer full). */
void dkms_merged_add (DkmsMerged *self, DkmsJobReport *report);
/** Sorts the reports, decides which one of a job counts (the latest, or of the same time a good one), and compares
 * payloads. */
void dkms_merged_finish (DkmsMerged *self);

/** Returns: (transfer none) (nullable): the report of the job @id */
const DkmsJobReport *dkms_merged_find (const DkmsMerged *self, const char *id);
/** Counts the listed jobs. @good, @failed, @missing: (out) */
void dkms_merged_count (const DkmsMerged *self, guint *good, guint *failed, guint *missing);
