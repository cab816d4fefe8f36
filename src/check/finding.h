/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the checks of verify find about a module: values with sentences, made from one table (findings.def). The names
 * of checks and findings are stable: programs read them, and `dkms explain <finding>` describes them. */
#pragma once

#include "base/error.h"

/* What a statement about the machine rests on. */
typedef enum {
  DKMS_CONFIDENCE_UNKNOWN,
  DKMS_CONFIDENCE_LIKELY, /* a rule of a distribution, or of this program */
  DKMS_CONFIDENCE_CERTAIN /* read from the thing itself */
} DkmsConfidence;

/* The checks, in the order of evaluation. */
typedef enum {
  DKMS_CHECK_REGISTERED,
  DKMS_CHECK_BUILT,
  DKMS_CHECK_FRESH,
  DKMS_CHECK_INSTALLED,
  DKMS_CHECK_INDEX,
  DKMS_CHECK_CHOSEN,
  DKMS_CHECK_READABLE,
  DKMS_CHECK_FORMAT,
  DKMS_CHECK_VERMAGIC,
  DKMS_CHECK_SYMBOLS,
  DKMS_CHECK_EXPORTS,
  DKMS_CHECK_BTF,
  DKMS_CHECK_SIGNATURE,
  DKMS_CHECK_BOOT_IMAGE,
  DKMS_CHECK_ALLOWED,
  DKMS_CHECK_RIVALS,
  DKMS_CHECK_DEPENDENCIES,
  DKMS_CHECK_LAST
} DkmsCheck;

/* How bad a finding is, from good to bad. */
typedef enum {
  DKMS_RESULT_NOTE,    /* worth knowing; the module loads */
  DKMS_RESULT_WARNING, /* the module loads, but something is not as it should be */
  DKMS_RESULT_UNKNOWN, /* something that decides could not be determined */
  DKMS_RESULT_PROBLEM  /* the module will not be there after the next boot */
} DkmsResult;

typedef enum {
#define DKMS_FINDING_CODE(code, id, check, sentence, advice) DKMS_CODE_##code,
#include "check/findings.def"
#undef DKMS_FINDING_CODE
  DKMS_CODE_LAST
} DkmsCode;

typedef struct {
  DkmsCode code;
  DkmsResult result;
  DkmsConfidence confidence;
  char *file;   /* (nullable): name of the module file that it is about */
  char *text;   /* the sentence, in English, without full stop */
  char *advice; /* (nullable): a command, or a sentence with full stop */
} DkmsCheckFinding;

/** Returns: (transfer full) (element-type DkmsCheckFinding): an empty list that owns its findings */
GPtrArray *dkms_check_findings_new (void);

/**
 * dkms_check_findings_add:
 * @findings: a list of dkms_check_findings_new()
 * @info: the fields of the sentence and of the advice; `name` is the module file, and `advice` replaces the advice of
 *   the table
 *
 * Adds a finding. A finding with the same code about the same file is added once.
 */
void dkms_check_findings_add (GPtrArray *findings, DkmsCode code, DkmsResult result, DkmsConfidence confidence,
                              const DkmsErrorInfo *info);
/** The same, in one call: DKMS_FIND (findings, UNSIGNED, PROBLEM, CERTAIN, .name = file). */
#define DKMS_FIND(findings, code, result, confidence, ...)                                                             \
  dkms_check_findings_add ((findings), DKMS_CODE_##code, DKMS_RESULT_##result, DKMS_CONFIDENCE_##confidence,           \
                           &(const DkmsErrorInfo){ __VA_ARGS__ })

/** Returns: (transfer none) (nullable): the worst finding of @findings, the first of several; NULL if it is empty */
const DkmsCheckFinding *dkms_check_findings_worst (const GPtrArray *findings);

/** Returns: (transfer none): the name of a finding, such as "key-unknown" */
const char *dkms_code_name (DkmsCode code);
/** Returns: whether @name is the name of a finding; @code: (out) */
gboolean dkms_code_from_name (const char *name, DkmsCode *code);
/** Returns: (transfer full): the sentence of a finding, without full stop, with placeholders in capitals
 * @advice: (out) (transfer full) (nullable): its advice */
char *dkms_code_describe (DkmsCode code, char **advice);
/** Returns: the check that makes the finding */
DkmsCheck dkms_code_check (DkmsCode code);
/** Returns: (transfer none): the name of a check, such as "boot-image" */
const char *dkms_check_name (DkmsCheck check);
/** Returns: (transfer none): "note", "warning", "unknown" or "problem" */
const char *dkms_result_name (DkmsResult result);
/** Returns: (transfer none): "certain", "likely" or "unknown" */
const char *dkms_confidence_name (DkmsConfidence confidence);
