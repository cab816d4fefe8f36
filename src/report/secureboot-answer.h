/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The answer of secureboot in the JSON document. Private to report/. */
#pragma once

#include <jansson.h>

#include "model/event.h"

/* The object so far. All fields are NULL at first. */
typedef struct {
  json_t *secureboot; /* (nullable) */
  char *hash;         /* (nullable): digest of the signatures of the last kernel */
} DkmsSecurebootAnswer;

/** Adds @event. Returns: whether it is a part of the answer, and so not of the list of events */
gboolean dkms_secureboot_answer_hear (DkmsSecurebootAnswer *self, const DkmsEvent *event);
/** Adds the answer, if there is one, to @document. */
void dkms_secureboot_answer_finish (DkmsSecurebootAnswer *self, json_t *document);
/** Frees the content of @self. */
void dkms_secureboot_answer_clear (DkmsSecurebootAnswer *self);
