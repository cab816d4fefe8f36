/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The answer of doctor in the JSON document, made from its events. Private to report/.
 *
 *   {"findings": [{"id", "module", "version", "kernel", "path", "result", "text",
 *                  "repair": {"possible", "steps", "needs_yes", "undo"}, "fixed"}...],
 *    "attic": the last repair, "summary": {"ok", "warnings", "problems", "unknown"}} */
#pragma once

#include <jansson.h>

#include "model/event.h"

/* The members so far. All fields are zero at first. */
typedef struct {
  json_t *findings; /* (nullable) */
  char *attic;      /* (nullable) */
  guint warnings, problems;
  gboolean complete;
} DkmsDoctorAnswer;

/** Adds @event. Returns: whether it is a part of the answer, and so not of the list of events */
gboolean dkms_doctor_answer_hear (DkmsDoctorAnswer *self, const DkmsEvent *event);
/** Adds the answer, if there is one, to @document. */
void dkms_doctor_answer_finish (DkmsDoctorAnswer *self, json_t *document);
/** Frees the content of @self. */
void dkms_doctor_answer_clear (DkmsDoctorAnswer *self);
