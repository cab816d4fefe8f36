/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What remains of a build that failed, and what is said of it. */
#pragma once

#include "base/error.h"
#include "build/area.h"

/* A step of a build that failed. */
typedef struct {
  DkmsError kind; /* DKMS_ERROR_MAKE_FAILED, PATCH_FAILED or SCRIPT_FAILED */
  int status;
  const char *step;   /* the directive whose step it is, such as "PRE_BUILD" */
  const char *who;    /* the program that exited with @status */
  const char *patch;  /* (nullable): its name, if one does not apply */
  const char *script; /* (nullable): its path as tools name it, if it is a script of the package's or administrator's */
} DkmsStepFailure;

/** Fails with the first error of the log, its cause, and what to do about it. Always returns FALSE. */
gboolean dkms_step_failed (DkmsWorkArea *area, const DkmsStepFailure *step, GError **error);

/** A build failed with @error (nullable) after its steps: adds the cause, which is "not-made" or "not-loadable", to its
 * log and to @error, and tells the crash reporter. */
void dkms_failure_note (DkmsWorkArea *area, const char *cause, GError *error);
/** The end of every build that failed with @error: what is left becomes <m>/<v>/build, where people look for it, the
 * attempt with its log is kept, and @error names the log, if it says why. @start: of the build, as of
 * g_get_monotonic_time() */
void dkms_failure_end (DkmsWorkArea *area, gint64 start, GError *error);
