/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The exit status of each kind of error. */
#pragma once

#include <glib.h>

/** Returns: the exit status of docs/interface/cli.md §9 for an error of the verb named @verb (nullable) */
int dkms_exit_code (const char *verb, const GError *error);
