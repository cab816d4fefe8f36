/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What became of a build in the tree of a worker. Private to fleet/. */
#pragma once

#include "conf/places.h"
#include "fleet/job-report.h"
#include "store/record.h"

/** Opens the module files of the build @id. @modules: the DkmsRecordModule of each is added to it. Returns: (transfer
 * full) (element-type int): descriptors, which are closed with it */
GArray *dkms_outcome_open (const DkmsPlaces *places, const DkmsId *id, const DkmsRecord *record, GPtrArray *modules);

/** Returns: whether @error is the fault of the machine, so that another try may succeed */
gboolean dkms_outcome_is_of_machine (const GError *error);

/**
 * dkms_outcome_read:
 * @error: (nullable): of the run
 * @exit_code: the exit status of an error
 * @log_fd: (out): its log, -1: none; the caller closes it
 *
 * Returns: (transfer full): the report of @job, without key, basis, host and shard
 */
DkmsJobReport *dkms_outcome_read (const DkmsPlaces *places, const DkmsFleetJob *job, const GError *error,
                                  int (*exit_code) (const char *verb, const GError *), int *log_fd);
