/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The logs of builds that are kept: of each module, version, kernel and architecture the last build that failed, and
 * the one whose result is there. */
#pragma once

#include "base/id.h"
#include "check/log-scan.h"
#include "conf/places.h"

typedef struct {
  DkmsId *id;
  char *path; /* inside the root */
  gboolean failed;
  gint64 time; /* when it got its place, in microseconds since 1970 */
} DkmsLogFile;

/**
 * dkms_logs_list:
 * @filter: whose logs; its parts may be NULL, and then any will do
 *
 * Returns: (transfer full) (element-type DkmsLogFile): newest first
 */
GPtrArray *dkms_logs_list (const DkmsPlaces *places, const DkmsId *filter);

/** Returns: (transfer full): why the build failed whose log is open as @fd, and which was for @kernel (nullable); the
 * position of @fd stays */
DkmsDiagnosis *dkms_logs_diagnose (int fd, const char *kernel);
/** Opens a log. Returns: a descriptor that the caller owns, or -1 with an error */
int dkms_logs_open (const DkmsPlaces *places, const DkmsLogFile *log, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Returns: (transfer full): the command line `dkms @verb` for the build of @id, where @verb is "explain" or "log" */
char *dkms_logs_command (const DkmsPlaces *places, const char *verb, const DkmsId *id);
/** Returns: (transfer full) (nullable): why the build of @id failed, as its kept log shows it, for a summary; NULL if
 * no cause is known */
char *dkms_logs_sentence (const DkmsPlaces *places, const DkmsId *id);
