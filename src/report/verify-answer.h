/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The answer of verify in the JSON document, made from its events. Private to report/.
 *
 *   {"kernels": [{"release", "arch", "next_boot", "verdict",
 *                 "boot": {"loader", "entry", "confidence", "image", "initrds": [...], "cmdline"},
 *                 "policy": {"secure_boot", "enforced", "lockdown", "trusted": [{"subject", "identifier", "source"}]},
 *                 "modules": [{"module", "version", "verdict", "findings": [...],
 *                              "files": [{"name", "path", "answer", "errno", "taint", "findings": [...]}]}]}],
 *    "summary": {"ok", "warnings", "problems", "unknown", "excluded"},
 *    "last": {"time", "changed"}} */
#pragma once

#include <jansson.h>

#include "model/event.h"

typedef struct {
  json_t *kernels; /* (nullable): array */
  json_t *last;    /* (nullable): of the last verdict */
  guint counts[5]; /* modules with each DkmsVerdict, in the order of their names */
} DkmsVerifyAnswer;

/** Returns: whether @event belongs to the answer, and was added */
gboolean dkms_verify_answer_hear (DkmsVerifyAnswer *self, const DkmsEvent *event);
/** Adds the members of the answer to @document. */
void dkms_verify_answer_finish (DkmsVerifyAnswer *self, json_t *document);
void dkms_verify_answer_clear (DkmsVerifyAnswer *self);
