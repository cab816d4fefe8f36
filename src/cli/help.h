/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Usage and help. */
#pragma once

#include "cli/verbs.h"

/** Prints one line with the usage of @only (nullable: any verb) on standard output. */
void dkms_help_usage (const DkmsVerbInfo *only);
/** Prints help about @only, or about all verbs if it is NULL, on standard output. */
void dkms_help_print (const DkmsVerbInfo *only);
