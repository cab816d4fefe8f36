/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One query to bash about configuration files (conf/evaluate.h): the files, their variables, and the result. */
#pragma once

#include "base/root.h"
#include "conf/vars.h"

typedef struct {
  GPtrArray *assign; /* "name=value": variables the files can see */
  GPtrArray *files;  /* paths as tools name them, in order; the first file must exist */
  char *dir;         /* (nullable): directory for the evaluation, as tools name it; NULL: "/" */
  char *shown;       /* the first file, as messages name it */
  GPtrArray *texts;  /* (nullable GBytes) per file: the text that bash gets instead of the path; owned by query.c */
  DkmsVars *vars;    /* (out): the values; NULL if the evaluation failed */
  GError *error;     /* (out): the error if it failed */
  gboolean ended;    /* (out): it failed because a file ended its shell by exit or exec */
} DkmsQuery;

DkmsQuery *dkms_query_new (void);
void dkms_query_free (DkmsQuery *self);

/** Returns: whether there are values or an error */
gboolean dkms_query_is_answered (const DkmsQuery *self);
/** Returns: whether both are about the same package. The code of a package may affect only queries about that package;
 * therefore each package gets its own bash and sandbox */
gboolean dkms_query_same_package (const DkmsQuery *a, const DkmsQuery *b);

/** Reads all files. If one is not a text file, `error` is set. If a text contains a byte order mark or CR before LF,
 * bash gets a corrected copy. If all files are plain (conf/plain.h), sets `vars`, so that bash is not needed. @names,
 * @deprecated: (nullable): as there */
void dkms_query_read_files (DkmsQuery *self, const DkmsRoot *root, const char *names, const char *deprecated);
/**
 * dkms_query_give_text:
 * @i: number of the file, as bash reported it
 *
 * Bash could not read that file by its path, because the file belongs to another user or is not visible. It gets the
 * text instead. This is refused for a query that has started or has a result, even if its recipe sends such a message.
 *
 * Returns: whether the query must be repeated; if not, `error` may be set
 */
gboolean dkms_query_give_text (DkmsQuery *self, const DkmsRoot *root, guint64 i);
/**
 * dkms_query_add_words:
 * @id: the number of the query in messages of driver.bash
 * @argv: (element-type utf8): words for driver.bash are appended
 * @given: (element-type int): descriptors that bash must inherit are appended; the caller closes them
 */
gboolean dkms_query_add_words (const DkmsQuery *self, guint id, GPtrArray *argv, GArray *given,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;
