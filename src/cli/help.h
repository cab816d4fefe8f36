/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Usage and help. */
#pragma once

#include "cli/verbs.h"

/** Prints one line, how @only (nullable: any verb) is used, on standard output. */
void dkms_help_usage (const DkmsVerbInfo *only);
/** Prints help about @only, or about all verbs when it is NULL, on standard output. */
void dkms_help_print (const DkmsVerbInfo *only);
