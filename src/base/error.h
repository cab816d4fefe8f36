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

/* What is said besides: advice that the kind of an error alone does not decide, and problems of recipes. */
typedef enum {
#define DKMS_PHRASE(name, text) DKMS_PHRASE_##name,
#include "base/errors.def"
#undef DKMS_PHRASE
  DKMS_PHRASE_LAST
} DkmsPhrase;

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

/** Returns: (transfer full): an error that another process made with @message. Of @info the kind, id, path, step, log,
 * cause, advice and status count. */
GError *dkms_error_new_made (const DkmsErrorInfo *info, const char *message);

/** Returns: (transfer none): what is known about @error (nullable): kind, id, path, step, log, cause, advice and
 * status; all other fields are absent, and all of them if @error is of another domain */
const DkmsErrorInfo *dkms_error_info (const GError *error);

/** Returns: (transfer full): @phrase with the fields of @info */
char *dkms_phrase_with (DkmsPhrase phrase, const DkmsErrorInfo *info);
/** The same, in one call: DKMS_SAY (LOG_KEPT, .log = log). */
#define DKMS_SAY(name, ...) dkms_phrase_with (DKMS_PHRASE_##name, &(const DkmsErrorInfo){ __VA_ARGS__ })
/** Adds a line to the advice of @error (nullable). */
void dkms_error_add_advice (GError *error, const char *line);
/** Sets the cause of a failed build and where its log is kept; what is NULL stays as it is. @error: (nullable) */
void dkms_error_set_failure (GError *error, const char *cause, const char *log);

/** Returns: (transfer full): the name of @kind in JSON, such as "not-added" */
char *dkms_error_name (DkmsError kind);
/** Returns: the kind of that name; DKMS_ERROR_IO if there is none */
DkmsError dkms_error_from_name (const char *name);
/** Returns: (transfer none): the sentence of @kind as a template; @advice: (out): its advice, "" if it has none */
const char *dkms_error_template (DkmsError kind, const char **advice);
