/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One question to bash about configuration files (conf/evaluate.h): which files, what they can see, and the answer. */
#pragma once

#include "base/root.h"
#include "conf/vars.h"

typedef struct {
  GPtrArray *assign; /* "name=value": variables the files can see */
  GPtrArray *files;  /* paths as tools name them, in order; the first one is required */
  char *dir;         /* (nullable): where evaluation starts, as tools name it; otherwise "/" */
  char *shown;       /* the first file as people name it */
  GPtrArray *texts;  /* (nullable GBytes) per file: what bash is given instead of the path; owned by query.c */
  DkmsVars *vars;    /* (out): the values; NULL when evaluation failed */
  GError *error;     /* (out): why it failed */
  gboolean ended;    /* (out): it failed because a file ended its shell, by exit or exec */
} DkmsQuery;

DkmsQuery *dkms_query_new (void);
void dkms_query_free (DkmsQuery *self);

/** Returns: whether there are values or an error */
gboolean dkms_query_is_answered (const DkmsQuery *self);
/** Returns: whether both are about the same package, whose code may answer for it, but for nobody else: others are
 * asked in a bash and a sandbox of their own */
gboolean dkms_query_same_package (const DkmsQuery *a, const DkmsQuery *b);

/** Reads all files, and refuses what is not text. On failure `error` is set. Where bash would stumble over a text
 * (a byte order mark, CR before LF) it will be given another one. If @plain_names (nullable) are to be taken over from
 * files that are plain (conf/plain.h), and all of them are, sets `vars`, so that bash need not be asked. */
void dkms_query_read_files (DkmsQuery *self, const DkmsRoot *root, const char *plain_names);
/**
 * dkms_query_give_text:
 * @i: number of the file, as bash reported it
 *
 * Bash could not read that file by its path: it belongs to somebody else, or lies where nothing is seen. It will be
 * given the text. A query that has begun or has an answer is past that, whatever its recipe says.
 *
 * Returns: whether bash is to be asked again; otherwise `error` may be set
 */
gboolean dkms_query_give_text (DkmsQuery *self, const DkmsRoot *root, guint64 i);
/**
 * dkms_query_add_words:
 * @id: the number under which driver.bash answers
 * @argv: (element-type utf8): words for driver.bash are appended
 * @given: (element-type int): descriptors that bash must inherit are appended; the caller closes them
 */
gboolean dkms_query_add_words (const DkmsQuery *self, guint id, GPtrArray *argv, GArray *given,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;
