/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Builds of dkms 3 have no record, so that every status evaluates their recipes. Adopting them means to look at them
 * once and to write the record. What they were made from stays unknown, so they are never stale.
 *
 * It happens at the beginning of the first run that may write, of every autoinstall, and when the package is installed.
 * The file .dkms/adopted says that it has happened. */
#pragma once

#include "conf/settings.h"

/** Adopts all builds without a record that are complete and whose recipe can be read; all others stay as they are.
 * @again: look again although it has happened before */
void dkms_adopt (const DkmsSettings *settings, gboolean again);
