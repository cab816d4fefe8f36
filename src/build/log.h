/* SPDX-License-Identifier: GPL-2.0-or-later */
/* make.log, and its sections. */
#pragma once

#include "build/area.h"

/** Copies the log that dkms wrote, which may have lost its name. */
gboolean dkms_log_copy (const DkmsWorkArea *area, int dir, const char *name, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Begins make.log with its two header lines. */
gboolean dkms_log_begin (DkmsWorkArea *area, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** Adds a line that no command printed: why the sandbox killed one, or why the result is rejected. */
void dkms_log_note (const DkmsWorkArea *area, const char *who, const char *text);
/** Runs a program and returns its exit status, or -1 with an error. */
typedef int (*DkmsRunFunc) (gpointer data, GError **error);

/* One section of a log (docs/interface/build-install.md §5). */
typedef struct {
  const char *title;
  const char *command_line;
  DkmsRunFunc run; /* called with @data; programs that it runs write to the log */
  gpointer data;
} DkmsSection;

/** Runs @section, which is also a step of the events. Returns: its exit status, -1 with an error */
int dkms_log_section (DkmsListener *events, int log_fd, const DkmsSection *section,
                      GError **error) G_GNUC_WARN_UNUSED_RESULT;
