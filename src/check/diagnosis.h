/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Why a build failed, as a value: what the scan of a log found (check/log-scan.h), and what is added to it. */
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

/** Returns: (transfer full): a diagnosis without causes */
DkmsDiagnosis *dkms_diagnosis_new (void);
void dkms_diagnosis_free (DkmsDiagnosis *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsDiagnosis, dkms_diagnosis_free)

/** Puts a cause that something else than the log shows, such as "not-made", before all others. @name: (nullable) */
void dkms_diagnosis_add (DkmsDiagnosis *self, const char *id, const char *name);
/** Returns: (transfer none) (nullable): the best cause; NULL if nothing failed */
const DkmsCause *dkms_diagnosis_cause (const DkmsDiagnosis *self);

/** Returns: (transfer full): the cause of that name. @line: (nullable): a message of a compiler names a file; @name:
 * (nullable) */
DkmsCause *dkms_cause_new (const char *id, const char *line, const char *name);
