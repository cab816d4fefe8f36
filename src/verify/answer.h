/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What verify answers: events about kernels, modules and files, and an exit status. */
#pragma once

#include "model/event.h"
#include "model/request.h"
#include "verify/verification.h"

typedef struct {
  const DkmsRequest *request;
  DkmsListener *events;
  const GPtrArray *kernels; /* element-type DkmsVerifiedKernel, concluded */
  gboolean verbose;         /* with each file and each finding */
  gboolean silent;          /* without lines for people */
} DkmsAnswering;

/** Returns: whether the exit status will be 0 */
gboolean dkms_answering_is_well (const DkmsAnswering *self);
/** Emits the events about all kernels. */
void dkms_answering_emit (const DkmsAnswering *self);
/** Ends the answer. Returns: FALSE with the error that stands for the exit status, unless all is well */
gboolean dkms_answering_conclude (const DkmsAnswering *self, GError **error);
