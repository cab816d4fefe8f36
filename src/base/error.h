/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One error domain. The places that fail name a kind and give fields; errors.def has the sentence and the advice of
 * each kind. The message of the GError is filled in when the error is made. */
#pragma once

#include "base/id.h"

/* What went wrong. cli/exit-code.c alone knows which exit status each kind has (docs/interface/cli.md §9). */
typedef enum {
#define DKMS_ERROR_KIND(kind, sentence, advice) DKMS_ERROR_##kind,
#include "base/errors.def"
#undef DKMS_ERROR_KIND
  DKMS_ERROR_LAST
} DkmsError;

/* Advice that the kind of the error alone does not decide. */
typedef enum {
#define DKMS_ADVICE(name, advice) DKMS_ADVICE_##name,
#include "base/errors.def"
#undef DKMS_ADVICE
  DKMS_ADVICE_LAST
} DkmsAdvice;

GQuark dkms_error_quark (void);
#define DKMS_ERROR (dkms_error_quark ())

/* What is known about an error; errors.def says which fields a kind needs. All of it belongs to the caller. */
typedef struct {
  DkmsError kind;
  DkmsId id;           /* what it is about; any part may be NULL */
  const char *path;    /* (nullable): the file or directory that it happened to; else that of @error */
  const char *place;   /* (nullable): another one */
  const char *name;    /* (nullable): of a program, an option, a file in a directory */
  const char *text;    /* (nullable): what somebody else wrote, why, or a list of names */
  const char *near;    /* (nullable): what was probably meant */
  const char *step;    /* (nullable): step of a build, such as "PRE_BUILD" */
  const char *log;     /* (nullable): where its log is kept */
  const char *cause;   /* (nullable): stable name of the cause of a failed build (check/causes.h) */
  const char *advice;  /* (nullable): what the user can do next, instead of what the table says; else that of @error */
  const GError *error; /* (nullable): the error that is the cause */
  gint64 number;       /* a number, or an errno */
  gint64 limit;        /* another number */
  int status;          /* exit status of a program */
} DkmsErrorInfo;

/** Makes an error. Always returns FALSE, so that a failing step is one statement. @error: (nullable): where to put it
 */
gboolean dkms_fail_with (GError **error, const DkmsErrorInfo *info);
/** The same, in one call: DKMS_FAIL (error, NOT_ADDED, .id = id). */
#define DKMS_FAIL(error, error_kind, ...)                                                                              \
  dkms_fail_with ((error), &(const DkmsErrorInfo){ .kind = DKMS_ERROR_##error_kind, __VA_ARGS__ })

/** Fails for a system call that set errno; the sentence is "Cannot <doing> <path>: <errno in words>". Leaves errno
 * alone.
 */
gboolean dkms_fail_errno (GError **error, const char *doing, const char *path);

/* Until all rooms name a kind of errors.def. */
gboolean dkms_fail (GError **error, DkmsError code, const char *path, const char *advice, const char *format, ...)
    G_GNUC_PRINTF (5, 6);
void dkms_error_set_code (GError *error, DkmsError code);

/** Returns: (transfer full): an error that another process made with @message. Of @info the kind, id, path, step, log,
 * cause, advice and status count. */
GError *dkms_error_new_made (const DkmsErrorInfo *info, const char *message);

/** Returns: (transfer none): what is known about @error (nullable): kind, id, path, step, log, cause, advice and
 * status; all other fields are absent, and all of them if @error is of another domain */
const DkmsErrorInfo *dkms_error_info (const GError *error);

/** Returns: (transfer full): an advice with the fields of @info */
char *dkms_advice_with (DkmsAdvice advice, const DkmsErrorInfo *info);
#define DKMS_ADVISE(name, ...) dkms_advice_with (DKMS_ADVICE_##name, &(const DkmsErrorInfo){ __VA_ARGS__ })
/** Adds a line to the advice of @error (nullable). */
void dkms_error_add_advice (GError *error, const char *line);
/** Sets where the log of a failed build is kept. */
void dkms_error_set_log (GError *error, const char *log);

/** Returns: (transfer full): the name of @kind in JSON, such as "not-added" */
char *dkms_error_name (DkmsError kind);
/** Returns: the kind of that name; DKMS_ERROR_IO if there is none */
DkmsError dkms_error_from_name (const char *name);
/** Returns: (transfer none): the sentence of @kind as a template; @advice: (out): its advice, "" if it has none */
const char *dkms_error_template (DkmsError kind, const char **advice);
