/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a person is shown about a cause: a sentence, the line of the log, what a look at the headers found, what to do.
 * Pure: whoever calls it looks, through the functions in DkmsCauseFacts. */
#pragma once

#include "check/log-scan.h"

typedef enum {
  DKMS_SEEN_UNKNOWN, /* could not be found out, or not in time */
  DKMS_SEEN_NO,
  DKMS_SEEN_YES
} DkmsSeen;

/* What is known about the build. */
typedef struct {
  const char *module, *version, *kernel;
  const char *older;   /* (nullable): the newest other kernel for which this version is built */
  const char *area;    /* (nullable): directory of the build, as tools name it; left out of lines */
  const char *headers; /* (nullable): directory of the kernel's headers, as tools name it; shown as <kernel> */
  /** (nullable): Returns: (transfer full): the package that distributions call for @what: a kernel, a command, a header
   */
  char *(*package) (gpointer data, DkmsPackage package, const char *what);
  /** (nullable): Returns: (transfer full): the names @packages with the command that installs them */
  char *(*install) (gpointer data, const char *packages);
  /** (nullable): Returns: whether @word is in the headers of @kernel; @file: (out) (transfer full) (nullable): where */
  DkmsSeen (*find_word) (gpointer data, const char *kernel, const char *word, char **file);
  gpointer data; /* for these functions */
} DkmsCauseFacts;

typedef struct {
  char *sentence;
  char *line;    /* (nullable): of the log */
  char *looked;  /* (nullable): a sentence about the headers */
  char *next;    /* what to do */
  char *package; /* (nullable): that @next names */
} DkmsExplanation;

/** Returns: (transfer full): what to show about @cause, which is one of @diagnosis (nullable) */
DkmsExplanation *dkms_cause_explain (const DkmsCause *cause, const DkmsDiagnosis *diagnosis,
                                     const DkmsCauseFacts *facts);
void dkms_explanation_free (DkmsExplanation *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsExplanation, dkms_explanation_free)

/** Returns: (transfer full): @line of a log with short paths and plain quotation marks */
char *dkms_cause_shorten (const char *line, const DkmsCauseFacts *facts);
