/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Converts arguments to an exit status. */
#pragma once

#include "cli/options.h"
#include "cli/verbs.h"
#include "report/report.h"

/**
 * dkms_verb_run:
 * Runs `dkms VERB OPTIONS`. @options: its content may be moved; use it for one call only.
 *
 * Returns: its exit status
 */
int dkms_verb_run (DkmsSettings *settings, DkmsReport *report, const DkmsVerbInfo *verb, DkmsOptions *options);

/** Runs the dkms command. Returns: its exit status */
int dkms_cli_main (int argc, char **argv);
