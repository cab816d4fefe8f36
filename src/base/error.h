/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One error domain. The places that fail name a kind and give fields; errors.def has the sentence and the advice of
 * each kind. The message of the GError is filled in when the error is made. */
#pragma once

#include "base/id.h"

/* Kinds of errors. Only cli/exit-code.c defines the exit status of each kind (docs/interface/cli.md §9). */
typedef enum {
#define DKMS_ERROR_KIND(kind, sentence, advice) DKMS_ERROR_##kind,
#include "base/errors.def"
#undef DKMS_ERROR_KIND
  DKMS_ERROR_LAST
} DkmsError;

/* Other sentences: advice that does not depend on the kind of an error alone, doubts, and problems of recipes. */
typedef enum {
#define DKMS_PHRASE(name, text) DKMS_PHRASE_##name,
#include "base/errors.def"
#undef DKMS_PHRASE
  DKMS_PHRASE_LAST
} DkmsPhrase;

GQuark dkms_error_quark (void);
#define DKMS_ERROR (dkms_error_quark ())

/* The fields of an error; errors.def shows which of them a kind needs. All strings belong to the caller. */
typedef struct {
  DkmsError kind;
  DkmsId id;           /* the subject; any part may be NULL */
  const char *path;    /* (nullable): the file or directory that the error is about; by default that of @error */
  const char *place;   /* (nullable): another path */
  const char *name;    /* (nullable): of a program, an option, a file in a directory */
  const char *text;    /* (nullable): output of a program, a reason, or a list of names */
  const char *near;    /* (nullable): the known word that is nearest to the given one */
  const char *step;    /* (nullable): step of a build, such as "PRE_BUILD" */
  const char *log;     /* (nullable): where its log is kept */
  const char *cause;   /* (nullable): stable name of the cause of a failed build (check/causes.h) */
  const char *advice;  /* (nullable): advice for the user, instead of that in the table; by default that of @error */
  const GError *error; /* (nullable): the error that is the cause */
  gint64 number;       /* a number, or an errno */
  gint64 limit;        /* another number */
  int status;          /* exit status of a program */
} DkmsErrorInfo;

/** Creates an error. Always returns FALSE, so that a failing step is one statement. @error: (nullable): the place for
 * it */
gboolean dkms_fail_with (GError **error, const DkmsErrorInfo *info);
/** The same, in one call: DKMS_FAIL (error, NOT_ADDED, .id = id). */
#define DKMS_FAIL(error, error_kind, ...)                                                                              \
  dkms_fail_with ((error), &(const DkmsErrorInfo){ .kind = DKMS_ERROR_##error_kind, __VA_ARGS__ })

/** Creates an error from errno. The sentence is "Cannot <doing> <path>: <errno in words>". errno is unchanged
 * afterwards.
 */
gboolean dkms_fail_errno (GError **error, const char *doing, const char *path);

/** Returns: (transfer full): an error that another process created, with its @message. Of @info the kind, id, path,
 * step, log, cause, advice and status are used. */
GError *dkms_error_new_made (const DkmsErrorInfo *info, const char *message);

/** Returns: (transfer none): the fields of @error (nullable): kind, id, path, step, log, cause, advice, number and
 * status; all other fields are absent, and all of them if @error is of another domain */
const DkmsErrorInfo *dkms_error_info (const GError *error);

/** Returns: (transfer full): a sentence of another table, @text, with the fields of @info */
char *dkms_sentence_with (const char *text, const DkmsErrorInfo *info);
/** Returns: (transfer full): @phrase with the fields of @info */
char *dkms_phrase_with (DkmsPhrase phrase, const DkmsErrorInfo *info);
/** The same, in one call: DKMS_SAY (LOG_KEPT, .log = log). */
#define DKMS_SAY(name, ...) dkms_phrase_with (DKMS_PHRASE_##name, &(const DkmsErrorInfo){ __VA_ARGS__ })
/**
 * dkms_list_names:
 * @names: @count names
 * @most: the number of names that are shown at most
 *
 * Returns: (transfer full): "a", "a and b", "a, b and c" or "a, b and 7 more"
 */
char *dkms_list_names (const char *const *names, guint count, guint most);

/** Adds a version to @text: (inout) (nullable) (transfer full), a text such as "a/1 or a/2". */
void dkms_add_choice (char **text, const char *module, const char *version);

/** Remembers the translation of @text, which a helper printed: a sentence of helpers.def, or "<subject>: <reason>". */
void dkms_recall_helper (const char *text);

/** Remembers the translation of @error (nullable), which was recorded in English by an earlier process. */
void dkms_error_recall (const GError *error);

/** Adds a line to the advice of @error (nullable). */
void dkms_error_add_advice (GError *error, const char *line);
/** Sets the cause of a failed build and where its log is kept; NULL leaves the field unchanged. @error: (nullable) */
void dkms_error_set_failure (GError *error, const char *cause, const char *log);

/** Returns: (transfer full): the name of @kind in JSON, such as "not-added" */
char *dkms_error_name (DkmsError kind);
/** Returns: the kind of that name; DKMS_ERROR_IO if there is none */
DkmsError dkms_error_from_name (const char *name);
/** Returns: (transfer none): the sentence of @kind as a template; @advice: (out): its advice, "" if it has none */
const char *dkms_error_template (DkmsError kind, const char **advice);
