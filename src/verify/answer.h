/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What verify answers: events about kernels, modules and files, and an exit status. */
#pragma once

#include "model/event.h"
#include "model/request.h"
#include "verify/verification.h"

/* Modules by verdict, in all kernels of an answer. */
typedef struct {
  guint expected; /* without those that their recipes exclude */
  guint problems, warnings, unknown;
  const char *next; /* (nullable): release of the kernel that boots next, if it is one of the answer */
} DkmsCounts;

typedef struct {
  DkmsListener *events;
  const GPtrArray *kernels; /* element-type DkmsVerifiedKernel, concluded */
  gboolean verbose;         /* with each file and each finding */
  gboolean silent;          /* without lines for people */
} DkmsAnswering;

/** @kernels: element-type DkmsVerifiedKernel */
DkmsCounts dkms_verified_count (const GPtrArray *kernels);
/** Emits the events about all kernels. */
void dkms_answering_emit (const DkmsAnswering *self);

/** Returns: whether the exit status will be 0 */
gboolean dkms_counts_are_well (const DkmsCounts *self, const DkmsRequest *request);
/** Ends an answer. Returns: FALSE with the error that stands for the exit status, unless all is well */
gboolean dkms_counts_conclude (const DkmsCounts *self, const DkmsRequest *request, DkmsListener *events,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;
