/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Builds and failures that 'dkms forecast' keeps for the day when the kernel is installed:
 *
 *   .dkms/ahead/builds/<identity>/     a build, as in <m>/<v>/<k>/<a>, with unsigned and uncompressed modules; or
 *                                      attempt.json and make.log of a build that failed
 *
 * <identity> is that of the inputs (model/inputs.h). A directory gets this name when it is complete and flushed. All of
 * it can be deleted at any time. It is deleted when a build takes it over, after 30 days, and if all kept files
 * together exceed a limit. */
#pragma once

#include "conf/places.h"
#include "model/attempt.h"

/* The name of the lock (store/lock.h) of all these files. Its directory is private, and those of the files are not: the
 * user as whom pacman downloads must get there. */
#define DKMS_KEPT_LOCK "ahead/locks/forecast"

/** Returns: (transfer full) (nullable): the identity of @inputs (nullable); NULL if an input that decides about the
 * result is not known */
char *dkms_kept_identity (const DkmsInputs *inputs);
/** Returns: (transfer full): the directory for @identity, inside the root */
char *dkms_kept_path (const DkmsPlaces *places, const char *identity);
/**
 * dkms_kept_open:
 * @attempt: (out) (transfer full) (nullable): its record
 *
 * Returns: a descriptor of the directory for @identity; -1: nothing is kept, or it does not belong to @identity
 */
int dkms_kept_open (const DkmsPlaces *places, const char *identity, DkmsAttempt **attempt);
/** Moves the directory @from, inside the root and complete, to the one for @identity, which is replaced. */
gboolean dkms_kept_add (const DkmsPlaces *places, const char *from, const char *identity,
                        GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** Returns: whether the same inputs would give the same result: a build, or a failure that the source, the kernel or
 * the recipe explain. Missing tools and a full disk are not inputs. */
gboolean dkms_kept_is_final (const DkmsAttempt *attempt);

/** Deletes what is older than 30 days, and headers of kernels that have been installed. Does nothing while a forecast
 * runs. */
void dkms_kept_sweep (const DkmsPlaces *places);
/** Deletes the oldest files until all together are not larger than @limit_mib. The caller holds DKMS_KEPT_LOCK. */
void dkms_kept_limit (const DkmsPlaces *places, guint limit_mib);
