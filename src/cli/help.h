/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Help. */
#pragma once

#include "cli/verbs.h"

/** Prints help about @only, or about all verbs if it is NULL, on standard output. */
void dkms_help_print (const DkmsVerbInfo *only);
