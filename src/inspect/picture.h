/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What `status --matrix` shows besides the builds: kernels, attempts without a build, and the last verdict about the
 * next boot. */
#pragma once

#include "conf/settings.h"
#include "model/event.h"
#include "model/request.h"
#include "model/state.h"

/** Emits STATUS_KERNEL for each installed kernel that @request selects, and STATUS_REMARK for each version of @state
 * and kernel without a build that was tried, or with a problem. What cannot be read is left out. */
void dkms_picture_emit (const DkmsSettings *settings, DkmsListener *events, const DkmsRequest *request,
                        const DkmsState *state);
