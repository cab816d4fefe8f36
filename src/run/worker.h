/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A piece of work in a process of its own, forked from ours: it knows all we know, the events that it emits reach us as
 * JSON lines (model/event-json.h), and it dies with us. Private to run/. */
#pragma once

#include "model/event.h"

typedef struct {
  GPid pid;           /* also its process group */
  int lines;          /* what it tells; for poll(2) */
  GByteArray *buffer; /* of a line that is not whole yet */
  gboolean ended, ok;
  GError *error;
} DkmsWorker;

/** The work. Runs in the child, with a listener that tells the parent. */
typedef gboolean (*DkmsWorkFunc) (gpointer data, DkmsListener *events, GError **error);

/** Starts @work. Returns: (transfer full) (nullable) */
DkmsWorker *dkms_worker_start (DkmsWorkFunc work, gpointer data, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Tells @events what has arrived. Returns: FALSE when the worker is through; then dkms_worker_finish() it */
gboolean dkms_worker_listen (DkmsWorker *self, DkmsListener *events);
/** Reaps the worker. Returns: what the work returned; a worker that died is a failure */
gboolean dkms_worker_finish (DkmsWorker *self, GError **error);
/** Sends @signal to the worker's whole process group. */
void dkms_worker_kill (const DkmsWorker *self, int signal);
void dkms_worker_free (DkmsWorker *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsWorker, dkms_worker_free)
