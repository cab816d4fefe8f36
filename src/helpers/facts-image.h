/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of dkms-facts that read boot images, unified kernel images and modules. Each prints pairs (facts-out.h),
 * which the comment at the top of dkms-facts.c lists, and returns (transfer none) (nullable): why @fd cannot be read.
 */
#pragma once

const char *facts_image (int fd);
const char *facts_unified (int fd);
const char *facts_module (int fd, const char *path);
