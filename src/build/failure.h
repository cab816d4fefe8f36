/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keeps the files of a failed build, and reports the failure. */
#pragma once

#include "base/error.h"
#include "build/area.h"

/* The failed step of a build. */
typedef struct {
  DkmsError kind; /* DKMS_ERROR_MAKE_FAILED, PATCH_FAILED or SCRIPT_FAILED */
  int status;
  const char *step;   /* the directive of the step, such as "PRE_BUILD" */
  const char *who;    /* the program that exited with @status */
  const char *patch;  /* (nullable): the name of the patch, if one does not apply */
  const char *script; /* (nullable): the path of the script as tools name it, if it belongs to the package or the
                         administrator */
} DkmsStepFailure;

/** Fails with the first error of the log, its cause, and advice. Always returns FALSE. */
gboolean dkms_step_failed (DkmsWorkArea *area, const DkmsStepFailure *step, GError **error);

/** A build failed with @error (nullable) after its steps: adds the cause "not-made" or "not-loadable" to the log and to
 * @error, and notifies the crash reporter. */
void dkms_failure_note (DkmsWorkArea *area, const char *cause, GError *error);
/** Ends a build that failed with @error: the work area becomes <m>/<v>/build, where users look for it, the attempt with
 * its log is stored, and @error names the log if it shows the reason. @start: start of the build, from
 * dkms_clock_now() */
void dkms_failure_end (DkmsWorkArea *area, gint64 start, GError *error);
