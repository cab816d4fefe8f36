/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes all bytes, as base/file.h does for dkms itself. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/** Writes @n bytes to @fd, with several calls if necessary. Returns: false with errno */
bool write_all (int fd, const void *bytes, size_t n);
