/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What dkms-sandbox reports about a confined command (docs/helpers.md). */
#pragma once

#include <glib.h>

/* The findings about a confined command, besides its exit status. */
typedef struct {
  char *failure;    /* (nullable): why the sandbox could not be created; the command did not run */
  gboolean missing; /* the reason is that the system denies a permission or lacks a feature of the kernel */
  char *ended;      /* (nullable): why the command was killed, as a clause with the subject "it" */
  char *left;       /* (nullable): processes that it left running, which were killed */
} DkmsFindings;

/** Reads the report that the sandbox wrote to @report, a memory file. */
void dkms_findings_read (DkmsFindings *self, int report);
void dkms_findings_clear (DkmsFindings *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (DkmsFindings, dkms_findings_clear)
