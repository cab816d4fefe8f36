/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The last verdict of verify about the next boot (.dkms/verdict.json of the tree): what was said, when, and whether
 * anything that it depends on has changed since. Messages at login and before a restart read it, because they must not
 * wait for checks. The file may be deleted at any time.
 *
 * Format: a JSON object with the members format (1), time (RFC 3339, UTC), stamp, kernel, expected, problems,
 * warnings, unknown, and events: the events of the answer (model/event-json.h). */
#pragma once

#include "conf/places.h"
#include "model/event.h"
#include "verify/answer.h"

typedef struct {
  char *time;        /* when the checks were made, RFC 3339 in UTC */
  char *stamp;       /* dkms_verdict_stamp() of that time */
  char *kernel;      /* (nullable): release of the kernel that boots next */
  DkmsCounts counts; /* @next is @kernel */
  GPtrArray *events; /* element-type DkmsEvent: the answer as it is printed without --verbose */
} DkmsLastVerdict;

void dkms_last_verdict_free (DkmsLastVerdict *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsLastVerdict, dkms_last_verdict_free)

/**
 * dkms_verdict_stamp:
 * A digest of the stat signatures of what a verdict depends on: the tree, the indexes and headers of kernels, boot
 * menus, kernel and boot images, the configuration of modprobe. No file is read.
 *
 * Returns: (transfer full)
 */
char *dkms_verdict_stamp (const DkmsPlaces *places);

/** Stores @self. A tree that cannot be written, or that dkms has never written, is left alone. */
void dkms_last_verdict_write (const DkmsPlaces *places, const DkmsLastVerdict *self);

/** Returns: (transfer full) (nullable): the stored verdict; NULL without an error if there is none, with an error if it
 * cannot be read, is damaged or is of a newer version */
DkmsLastVerdict *dkms_last_verdict_read (const DkmsPlaces *places, GError **error) G_GNUC_WARN_UNUSED_RESULT;
