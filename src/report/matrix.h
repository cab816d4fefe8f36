/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The answer of status as a picture of the machine: modules by kernels, with one word for each pair. Private to
 * report/. */
#pragma once

#include "model/event.h"

typedef struct DkmsMatrix DkmsMatrix;

/** Returns: (transfer full): a picture of nothing */
DkmsMatrix *dkms_matrix_new (void);
/** @self: (nullable) */
void dkms_matrix_free (DkmsMatrix *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsMatrix, dkms_matrix_free)

/** Takes the answers of status. Returns: whether @event is one */
gboolean dkms_matrix_hear (DkmsMatrix *self, const DkmsEvent *event);

/**
 * dkms_matrix_draw:
 * @width: columns of the terminal. If there are too many kernels, the picture has several parts, one below the other
 * @colours: words have colours
 *
 * Returns: (transfer full): the picture, lines with their ends; "" if there is nothing to show
 */
char *dkms_matrix_draw (const DkmsMatrix *self, guint width, gboolean colours);
/** Returns: whether the picture marks the kernel that runs or boots next, so that it needs a legend */
gboolean dkms_matrix_has_marks (const DkmsMatrix *self);
