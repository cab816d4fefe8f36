/* SPDX-License-Identifier: GPL-2.0-or-later */
/* After modules were signed again: which boot images contain them with their old signatures. */
#pragma once

#include "conf/settings.h"
#include "model/event.h"

/** @paths: (element-type utf8): installed modules inside the root. Emits IMAGE_OUTDATED for each kernel whose boot
 * images contain some of them with another signature. Images that cannot be read are not reported: verify does that */
void dkms_image_advice (const DkmsSettings *settings, DkmsListener *events, const GPtrArray *paths);
