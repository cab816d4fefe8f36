/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The edge: argv in, exit status out. */
#pragma once

#include "cli/options.h"
#include "cli/verbs.h"
#include "report/report.h"

/**
 * dkms_verb_run:
 * Does what `dkms VERB OPTIONS` does. @options: what they hold may be taken over; they are for one call.
 *
 * Returns: its exit status
 */
int dkms_verb_run (DkmsSettings *settings, DkmsReport *report, const DkmsVerbInfo *verb, DkmsOptions *options);

/** Runs the dkms command. Returns: its exit status */
int dkms_cli_main (int argc, char **argv);
