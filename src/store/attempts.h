/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The records of attempts (model/attempt.h) and their logs, on disk:
 *
 *   <m>/<v>/<k>/<a>/.attempt.json, log/make.log          the attempt that created the build
 *   .dkms/logs/<m>/<v>/<k>/<a>/<n>/attempt.json, make.log     an attempt without a build. The highest number is the
 *                                                        newest; three are kept. make.log is missing if the build
 *                                                        was not started
 *   .dkms/logs/<m>/<v>/<k>/<a>/make.log                  of older versions of dkms: the last failed build
 *   .dkms/work/<id>/attempt.json                         an attempt that is running
 *   .dkms/work/<id>/failed/                              a failed attempt that is about to become a number
 *
 * A running attempt in an unused scratch directory was interrupted. */
#pragma once

#include "conf/places.h"
#include "model/attempt.h"

/* An attempt on disk. */
typedef struct {
  DkmsId *id;
  char *log;                  /* (nullable): make.log, inside the root */
  char *record;               /* (nullable): its record, inside the root */
  DkmsAttemptOutcome outcome; /* DKMS_OUTCOME_FAILED also for an attempt without a build and a record */
  gint64 time; /* its start or, without a record, the time when its log was stored; microseconds since 1970 */
} DkmsAttemptFile;

/**
 * dkms_attempts_list:
 * @filter: each part that is not NULL must match
 *
 * Returns: (transfer full) (element-type DkmsAttemptFile): newest first
 */
GPtrArray *dkms_attempts_list (const DkmsPlaces *places, const DkmsId *filter);
/** Returns: (transfer full) (nullable): its record; NULL if it does not exist or cannot be read */
DkmsAttempt *dkms_attempts_read (const DkmsPlaces *places, const DkmsAttemptFile *file);
/** Returns: (transfer full) (nullable): the attempt that created the build of @id; NULL without a record
 */
DkmsAttempt *dkms_attempts_read_build (const DkmsPlaces *places, const DkmsId *id);
/** Returns: (transfer full) (nullable): the record of the attempt that created the build of @id, as text, with another
 * signer; NULL without a record */
char *dkms_attempts_signed_by (const DkmsPlaces *places, const DkmsId *id, const char *signer);
/** Returns: (transfer full) (nullable): the log (inside the root) of the newest attempt without a build, if it is not
 * older than @since (seconds since 1970) */
char *dkms_attempts_failed_log (const DkmsPlaces *places, const DkmsId *id, gint64 since);

/** Writes @self to the scratch directory @work_fd, as an attempt that is running. */
gboolean dkms_attempts_begin (const DkmsAttempt *self, int work_fd, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Writes @self, which created a build, to @result_fd, the future directory of that build. The caller deletes
 * attempt.json in its scratch directory in the transaction that publishes the build. */
gboolean dkms_attempts_write_build (const DkmsAttempt *self, int result_fd, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * dkms_attempts_fail:
 * Stores @self, which has failed, and deletes the record of the running attempt.
 *
 * @work_fd: its scratch directory
 * @log_fd: its log; -1: no log exists
 *
 * Returns: (transfer full) (nullable): the path of the log, inside the root; NULL with an error if it could not be
 * stored
 */
char *dkms_attempts_fail (const DkmsPlaces *places, const DkmsAttempt *self, int work_fd, int log_fd, GError **error);
/** Stores @self, whose build was not started, unless the newest stored attempt has the same reason. */
gboolean dkms_attempts_refuse (const DkmsPlaces *places, const DkmsAttempt *self,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Stores the running attempt in the unused scratch directory @work_fd as interrupted. Succeeds if there is none. */
gboolean dkms_attempts_sweep (const DkmsPlaces *places, int work_fd, GError **error) G_GNUC_WARN_UNUSED_RESULT;
