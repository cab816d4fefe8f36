/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The answer of matrix in the JSON document, made from its events. Private to report/.
 *
 *   {"jobs": [report...], "missing": [id...], "unreadable": [name...], "differing": [[id, id]...]}    merged reports
 *   {"jobs": [{"module", "version", "kernel", "arch", "root", "result", "seconds", "error", "kept"}]}      of a worker
 *   {"jobs": [{"id", "module", "version", "kernel", "arch", "root"}]}      a list */
#pragma once

#include <jansson.h>

#include "model/event.h"

typedef struct {
  json_t *jobs, *missing, *unreadable, *differing; /* (nullable): arrays */
} DkmsFleetAnswer;

/** Returns: whether @event belongs to the answer, and was added */
gboolean dkms_fleet_answer_hear (DkmsFleetAnswer *self, const DkmsEvent *event);
/** Adds the members of the answer to @document. @verb: (nullable): of the command line */
void dkms_fleet_answer_finish (const DkmsFleetAnswer *self, const char *verb, json_t *document);
void dkms_fleet_answer_clear (DkmsFleetAnswer *self);
