/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The verb forecast: whether modules will build for kernels that are not installed. */
#pragma once

#include "conf/settings.h"
#include "model/event.h"
#include "model/request.h"

/**
 * dkms_forecast:
 * Builds the registered modules beside the tree, for the kernel and the headers in @request, or for all kernels that
 * the package manager offers, and emits what became of them (model/events.def). Builds are kept (store/kept.h). Nothing
 * but .dkms/ahead is changed.
 *
 * Returns: FALSE with an error if a module does not build, if headers cannot be had, or if that is not known
 */
gboolean dkms_forecast (const DkmsSettings *settings, DkmsListener *events, const DkmsRequest *request, GError **error);
