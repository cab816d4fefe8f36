/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Logs of builds: diagnosis, and the commands that show them. */
#pragma once

#include "base/id.h"
#include "check/log-scan.h"
#include "conf/places.h"

/** Returns: (transfer full): the diagnosis of the log @fd of a build for @kernel (nullable); the position of @fd is
 * unchanged */
DkmsDiagnosis *dkms_logs_diagnose (int fd, const char *kernel);
/** Opens the log @path (inside the root). Returns: a descriptor that the caller owns, or -1 with an error */
int dkms_logs_open (const DkmsPlaces *places, const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Returns: (transfer full): the command line `dkms @verb` for the build of @id, where @verb is "explain" or "log" */
char *dkms_logs_command (const char *verb, const DkmsId *id);
/** Returns: (transfer full) (nullable): the cause of the failed build of @id in the log of its newest attempt, for a
 * summary; NULL if it is unknown */
char *dkms_logs_sentence (const DkmsPlaces *places, const DkmsId *id);
/** As dkms_logs_sentence(), for the log @path (nullable), inside the root. */
char *dkms_logs_sentence_of (const DkmsPlaces *places, const char *path, const DkmsId *id);
