/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The records of attempts (model/attempt.h) and their logs, on disk:
 *
 *   <m>/<v>/<k>/<a>/.attempt.json, log/make.log          the attempt that made the build
 *   .dkms/logs/<m>/<v>/<k>/<a>/<n>/attempt.json, make.log     one that made none. The highest number is the newest;
 * three are kept. Without make.log it was not even begun .dkms/logs/<m>/<v>/<k>/<a>/make.log                  what
 * older versions kept: of the last build that failed .dkms/work/<id>/attempt.json                         one that is
 * under way .dkms/work/<id>/failed/                              one that failed, about to become a number
 *
 * What is under way in a scratch directory that nobody uses any more was interrupted. */
#pragma once

#include "conf/places.h"
#include "model/attempt.h"

/* An attempt that is kept. */
typedef struct {
  DkmsId *id;
  char *log;                  /* (nullable): make.log, inside the root */
  char *record;               /* (nullable): its record, inside the root */
  DkmsAttemptOutcome outcome; /* DKMS_OUTCOME_FAILED, too, where no record says more about one that made no build */
  gint64 time; /* when it began or, where no record says that, when its log got its place; microseconds since 1970 */
} DkmsAttemptFile;

/**
 * dkms_attempts_list:
 * @filter: whose attempts; its parts may be NULL, and then any will do
 *
 * Returns: (transfer full) (element-type DkmsAttemptFile): newest first
 */
GPtrArray *dkms_attempts_list (const DkmsPlaces *places, const DkmsId *filter);
/** Returns: (transfer full) (nullable): its record; NULL if it has none that can be read */
DkmsAttempt *dkms_attempts_read (const DkmsPlaces *places, const DkmsAttemptFile *file);
/** Returns: (transfer full) (nullable): the attempt that made the build of @id; NULL if no record says how it was made
 */
DkmsAttempt *dkms_attempts_read_build (const DkmsPlaces *places, const DkmsId *id);
/** Returns: (transfer full) (nullable): the newest attempt that made no build, with a log (inside the root) that is not
 * older than @since (seconds since 1970) */
char *dkms_attempts_failed_log (const DkmsPlaces *places, const DkmsId *id, gint64 since);

/** Writes @self into the scratch directory @work_fd: it is under way now. */
gboolean dkms_attempts_begin (const DkmsAttempt *self, int work_fd, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Writes @self, which made a build, into @result_fd, which will be the directory of that build. The caller deletes
 * attempt.json in its scratch together with the change that puts the build in its place. */
gboolean dkms_attempts_write_build (const DkmsAttempt *self, int result_fd, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * dkms_attempts_fail:
 * Keeps @self, which has failed, and forgets that it is under way.
 *
 * @work_fd: its scratch directory
 * @log_fd: its log; -1: there is none
 *
 * Returns: (transfer full) (nullable): the path of the log, inside the root; NULL with an error if it could not be kept
 */
char *dkms_attempts_fail (const DkmsPlaces *places, const DkmsAttempt *self, int work_fd, int log_fd, GError **error);
/** Keeps @self, which was not begun, unless the newest one that is kept says the same. */
gboolean dkms_attempts_refuse (const DkmsPlaces *places, const DkmsAttempt *self,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Keeps what is under way in the scratch directory @work_fd, which nobody uses any more, as interrupted. Nothing to
 * keep is success. */
gboolean dkms_attempts_sweep (const DkmsPlaces *places, int work_fd, GError **error) G_GNUC_WARN_UNUSED_RESULT;
