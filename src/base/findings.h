/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What dkms-sandbox reports about a confined command (docs/helpers.md). */
#pragma once

#include <glib.h>

/* What came of a confined command, besides its exit status. */
typedef struct {
  char *failure;    /* (nullable): why the sandbox could not be made; then the command did not run */
  gboolean missing; /* because this machine has none to give: permission, or a feature of the kernel, is not there */
  char *ended;      /* (nullable): why the command was ended before its time, a clause about "it" */
  char *left;       /* (nullable): what it left running, which was ended */
} DkmsFindings;

/** Reads what the sandbox wrote to @report, a memory file. */
void dkms_findings_read (DkmsFindings *self, int report);
void dkms_findings_clear (DkmsFindings *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (DkmsFindings, dkms_findings_clear)
