/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers of kernels to `dkms secureboot --test`, remembered in .dkms/facts of the tree. */
#pragma once

#include "check/probe.h"
#include "conf/places.h"
#include "machine/firmware.h"
#include "verify/kernel-facts.h"

/** Returns: (transfer full) (nullable): what an answer depends on: the build of the kernel, the lists of the firmware,
 * and the @certificates (their SHA-256); NULL if the build of the kernel is not known */
char *dkms_probe_key (const DkmsKernelReading *kernel, const DkmsFirmwareReading *firmware, const char *certificates);
/** @key: (nullable). Returns: whether that kernel has answered */
gboolean dkms_probe_recall (const DkmsPlaces *places, const char *release, const char *key, DkmsProbe *probe);
void dkms_probe_remember (const DkmsPlaces *places, const char *release, const char *key, const DkmsProbe *probe);
