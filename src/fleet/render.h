/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of merged reports as text for people, in Markdown, and as JUnit's XML. Without disk, clock and output.
 * Reports come from other machines: characters that would control a terminal, or end a cell or an element, are
 * replaced.
 */
#pragma once

#include "fleet/merge.h"

/** Returns: (transfer full): the table, the errors and the counts, without the last line end */
char *dkms_fleet_render_text (const DkmsMerged *merged);
/** As dkms_fleet_render_text(), in Markdown. */
char *dkms_fleet_render_markdown (const DkmsMerged *merged);
/** Returns: (transfer full): a document of JUnit, which CI systems show */
char *dkms_fleet_render_junit (const DkmsMerged *merged);
