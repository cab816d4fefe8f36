/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compressing modules as the kernel's own are. */
#pragma once

#include "install/job.h"

/** Compresses @path (inside the root) in place as @suffix says; a failure is a warning and leaves it plain. */
void dkms_compress (const DkmsJob *job, const char *path, const char *suffix);
