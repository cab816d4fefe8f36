/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads the log of a build and finds out why it failed. Pure: bytes in, a diagnosis out. A log may be of any size: it
 * comes in pieces, and what is kept of it is a few lines.
 *
 * What failed is what ran last: only the last section of a log counts (docs/interface/build-install.md §5). */
#pragma once

#include "check/causes.h"

/* A cause that the log shows. */
typedef struct {
  const DkmsCauseInfo *info;
  char *line;        /* (nullable): the line that shows it; nothing in it controls a terminal */
  char *name;        /* (nullable): what the line is about: an identifier, a program, a file, an option */
  char *file;        /* (nullable): where a compiler found it */
  guint line_number; /* in @file; 0: not known */
} DkmsCause;

typedef struct {
  GPtrArray *causes; /* element-type DkmsCause: the best one, then others, four at most. "unknown" if nothing fits; none
                        at all if the build succeeded */
  char *first_error; /* (nullable): the line that says why the build failed: the first message of a compiler, linker,
                        modpost, make or another tool that is no mere consequence */
  char *tail;        /* (nullable): up to five of the last lines, for when there is no first error */
  char *section;     /* (nullable): the title of the last section, such as "Building module(s)" */
  int status;        /* exit status of its command; -1: the log ends before it */
  const char *downloader; /* (nullable): a command anywhere in the log that fetches something over the network */
  char *kernel_compiler;  /* (nullable): the compiler that built the kernel, if the log names it */
} DkmsDiagnosis;

typedef struct DkmsLogScan DkmsLogScan;

/**
 * dkms_log_scan_new:
 * @kernel: (nullable): release of the kernel that the build was for
 *
 * Returns: (transfer full): end it with dkms_log_scan_end()
 */
DkmsLogScan *dkms_log_scan_new (const char *kernel);
/** Reads the next @size bytes of the log. */
void dkms_log_scan_feed (DkmsLogScan *self, const char *data, gsize size);
/** Ends the scan. Returns: (transfer full): what it found */
DkmsDiagnosis *dkms_log_scan_end (DkmsLogScan *self);
/** Returns: (transfer full): the diagnosis of a log that is in memory, as dkms_log_scan_new() */
DkmsDiagnosis *dkms_log_diagnose (const char *log, const char *kernel);
void dkms_diagnosis_free (DkmsDiagnosis *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsDiagnosis, dkms_diagnosis_free)

/** Puts a cause that something else than the log shows, such as "not-made", before all others. @name: (nullable) */
void dkms_diagnosis_add (DkmsDiagnosis *self, const char *id, const char *name);
/** Returns: (transfer none) (nullable): the best cause; NULL if nothing failed */
const DkmsCause *dkms_diagnosis_cause (const DkmsDiagnosis *self);
/** Returns: what confinement may have to do with @line, by the best of the rules that apply to it */
DkmsTopic dkms_line_topic (const char *line);
