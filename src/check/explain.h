/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The explanation of a cause for the user: a sentence, the line of the log, the result of a search in the headers, and
 * advice. This code reads no files; functions in DkmsCauseFacts search for it. */
#pragma once

#include "check/log-scan.h"

typedef enum {
  DKMS_SEEN_UNKNOWN, /* unknown, or the search took too long */
  DKMS_SEEN_NO,
  DKMS_SEEN_YES
} DkmsSeen;

/* The facts about the build. */
typedef struct {
  const char *module, *version, *kernel;
  const char *older;   /* (nullable): the newest other kernel for which this version is built */
  const char *area;    /* (nullable): directory of the build, as tools name it; removed from lines */
  const char *headers; /* (nullable): directory of the kernel's headers, as tools name it; shown as <kernel> */
  /** (nullable): Returns: (transfer full): the name of the package with @what: a kernel, a command, a header
   */
  char *(*package) (gpointer distro, DkmsPackage package, const char *what);
  /** (nullable): Returns: (transfer full): the command that installs @packages */
  char *(*install) (gpointer distro, const char *packages);
  /** (nullable): Returns: whether @word is in the headers of @kernel; @file: (out) (transfer full) (nullable): the
   * header */
  DkmsSeen (*find_word) (gpointer data, const char *kernel, const char *word, char **file);
  gpointer distro; /* for package and install */
  gpointer data;   /* for find_word */
} DkmsCauseFacts;

typedef struct {
  char *sentence;
  char *line;    /* (nullable): of the log */
  char *looked;  /* (nullable): a sentence about the headers */
  char *next;    /* the advice */
  char *package; /* (nullable): the package that @next names */
} DkmsExplanation;

/** Returns: (transfer full): the explanation of @cause, one of the causes in @diagnosis (nullable) */
DkmsExplanation *dkms_cause_explain (const DkmsCause *cause, const DkmsDiagnosis *diagnosis,
                                     const DkmsCauseFacts *facts);
void dkms_explanation_free (DkmsExplanation *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsExplanation, dkms_explanation_free)

/** Returns: (transfer full): @line of a log with short paths and plain quotation marks */
char *dkms_cause_shorten (const char *line, const DkmsCauseFacts *facts);
