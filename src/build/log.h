/* SPDX-License-Identifier: GPL-2.0-or-later */
/* make.log, and what is run as a section of it. */
#pragma once

#include "build/area.h"

/** Copies what dkms wrote to the log, which need not be what has its name by now. */
gboolean dkms_log_copy (const DkmsWorkArea *area, int dir, const char *name, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Begins make.log with its two header lines. */
gboolean dkms_log_begin (DkmsWorkArea *area, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** Adds a line to the log about what no command printed: why the sandbox ended one, or why the result is refused. */
void dkms_log_note (const DkmsWorkArea *area, const char *who, const char *text);
/** Runs something and returns its exit status, or -1 with an error. */
typedef int (*DkmsRunFunc) (gpointer data, GError **error);

/* One section of a log (docs/interface/build-install.md §5). */
typedef struct {
  const char *title;
  const char *command_line;
  DkmsRunFunc run; /* called with @data; what it runs writes to the log */
  gpointer data;
} DkmsSection;

/** Runs @section, which is a step that the listener hears of. Returns: its exit status, -1 with an error */
int dkms_log_section (DkmsListener *events, int log_fd, const DkmsSection *section,
                      GError **error) G_GNUC_WARN_UNUSED_RESULT;
