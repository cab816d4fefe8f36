/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The answer of forecast in the JSON document, made from its events. Private to report/.
 *
 *   {"candidates": [{"release", "arch", "headers", "packages": [{"name", "version", "origin"}],
 *                    "modules": [{"module", "version", "result", "seconds", "why", "cause", "kept", "log", "known"}]}]}
 */
#pragma once

#include <jansson.h>

#include "model/event.h"

typedef struct {
  json_t *candidates; /* (nullable): array */
} DkmsForecastAnswer;

/** Returns: whether @event belongs to the answer, and was added */
gboolean dkms_forecast_answer_hear (DkmsForecastAnswer *self, const DkmsEvent *event);
/** Adds the members of the answer to @document. @verb: (nullable): of the command line */
void dkms_forecast_answer_finish (const DkmsForecastAnswer *self, const char *verb, json_t *document);
void dkms_forecast_answer_clear (DkmsForecastAnswer *self);
