/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes the stubs for depmod (install/depmod-stubs.h) in worker processes while builds run, for kernels that have none.
 * A worker starts when a slot of the job server is free. Without a job server, when make has all slots of a single
 * build, one process uses the time that the processors are idle, and takes the slots when the build has ended. Private
 * to run/. */
#pragma once

#include <poll.h>

#include "run/steps.h"

typedef struct DkmsPreparation DkmsPreparation;

/** Returns: (transfer full): a preparation of the depmod steps of the plan of @run, which must outlive it */
DkmsPreparation *dkms_preparation_new (DkmsRun *run);
/** Kills the workers. */
void dkms_preparation_free (DkmsPreparation *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsPreparation, dkms_preparation_free)

/** Starts the workers for which there are slots. Call it while builds run, after all builds that could start. */
void dkms_preparation_start (DkmsPreparation *self);
/** Returns: whether a worker makes stubs for @kernel; then depmod has to wait */
gboolean dkms_preparation_is_running (const DkmsPreparation *self, const char *kernel);
/** Kills the worker for @kernel, if there is one, because depmod will not run. */
void dkms_preparation_stop (DkmsPreparation *self, const char *kernel);
/** Gives the slots of the builds to the workers. Call it when no build runs. */
void dkms_preparation_take_all (DkmsPreparation *self);

/** Returns: the number of workers */
guint dkms_preparation_count (const DkmsPreparation *self);
/** Fills in one entry of @fds for each worker. */
void dkms_preparation_poll (const DkmsPreparation *self, struct pollfd *fds);
/** Ends the workers that have finished. */
void dkms_preparation_listen (DkmsPreparation *self);
