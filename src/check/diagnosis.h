/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The reason of a failed build, as a value: the result of the scan of a log (check/log-scan.h), and additions to it. */
#pragma once

#include "check/causes.h"

/* A cause that the log shows. */
typedef struct {
  const DkmsCauseInfo *info;
  char *line;        /* (nullable): the line that shows it, without control characters */
  char *name;        /* (nullable): the subject of the line: an identifier, a program, a file, an option */
  char *file;        /* (nullable): the source file that a compiler names */
  guint line_number; /* in @file; 0: unknown */
} DkmsCause;

typedef struct {
  GPtrArray *causes; /* element-type DkmsCause: the best one first, at most four others. "unknown" if no rule applies;
                        empty if the build succeeded */
  char *first_error; /* (nullable): the first error of a compiler, linker, modpost, make or another tool that is not a
                        consequence of another error */
  char *tail;        /* (nullable): up to five of the last lines; used without a first error */
  char *section;     /* (nullable): the title of the last section, such as "Building module(s)" */
  int status;        /* exit status of its command; -1: the log ends earlier */
  const char *downloader; /* (nullable): a command in the log that downloads files */
  char *kernel_compiler;  /* (nullable): the compiler that built the kernel, if the log names it */
} DkmsDiagnosis;

/** Returns: (transfer full): a diagnosis without causes */
DkmsDiagnosis *dkms_diagnosis_new (void);
void dkms_diagnosis_free (DkmsDiagnosis *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsDiagnosis, dkms_diagnosis_free)

/** Inserts a cause that the log does not show, such as "not-made", before all others. @name: (nullable) */
void dkms_diagnosis_add (DkmsDiagnosis *self, const char *id, const char *name);
/** Returns: (transfer none) (nullable): the best cause; NULL if the build succeeded */
const DkmsCause *dkms_diagnosis_cause (const DkmsDiagnosis *self);

/** Returns: (transfer full): the cause of that name. @line: (nullable): a message, which may name a source file; @name:
 * (nullable) */
DkmsCause *dkms_cause_new (const char *id, const char *line, const char *name);
