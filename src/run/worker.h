/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A piece of work in a forked process: it inherits all data, sends its events to this process as JSON lines
 * (model/event-json.h), and is killed when this process ends. Private to run/. */
#pragma once

#include "model/event.h"

typedef struct {
  GPid pid;           /* also the number of its process group */
  int lines;          /* its events; for poll(2) */
  GByteArray *buffer; /* an incomplete line */
  gboolean ended, ok;
  GError *error;
} DkmsWorker;

/** The work. Runs in the child, with a listener that sends events to the parent. */
typedef gboolean (*DkmsWorkFunc) (gpointer data, DkmsListener *events, GError **error);

/** Starts @work. Returns: (transfer full) (nullable) */
DkmsWorker *dkms_worker_start (DkmsWorkFunc work, gpointer data, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Passes the received events to @events. Returns: FALSE if the worker has ended; then call dkms_worker_finish() */
gboolean dkms_worker_listen (DkmsWorker *self, DkmsListener *events);
/** Reaps the worker. Returns: the result of the work; a worker that was killed is a failure */
gboolean dkms_worker_finish (DkmsWorker *self, GError **error);
/** Sends @signal to the process group of the worker. */
void dkms_worker_kill (const DkmsWorker *self, int signal);
void dkms_worker_free (DkmsWorker *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsWorker, dkms_worker_free)
