/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The answer of one bash that evaluates the queries about one package (conf/driver.bash describes its messages). A
 * recipe can write to the same descriptor, so nothing in an answer is trusted. */
#pragma once

#include "base/root.h"
#include "conf/policy.h"
#include "conf/query.h"

typedef struct {
  const DkmsPolicy *policy;
  const DkmsRoot *root;
  GPtrArray *queries;     /* (element-type DkmsQuery): those of all packages */
  const DkmsQuery *first; /* the first query for this bash */
  guint number;           /* its number in @queries */
  GPid pid;               /* bash, or its sandbox */
  gboolean confined;      /* it runs in a sandbox */
  int fd;                 /* the pipe on which it answers */
  gint64 end;             /* when it is ended, in microseconds on @clock */

  /* Set here. */
  DkmsQuery *current; /* (nullable): the query that is being evaluated */
  GPid current_pid;   /* the process group of that query; not meaningful in a sandbox */
  gint64 deadline;    /* of that query, on @clock; 0: none */
  gint64 clock;       /* the time that was passed to dkms_answer_pass_time() */
  GByteArray *buffer; /* the part of the answer that was not yet taken */
  gsize bytes;        /* of the answer */
  guint handed;       /* number of files that bash could not read, and whose text it will get */
  gboolean done;      /* all values of the current query were returned */
  gboolean timed_out; /* the current query took too long */
  gboolean is_over;   /* there is nothing more to read */
  char *ended;        /* (nullable): which limit was exceeded */
} DkmsAnswer;

/** Returns: (transfer full): an answer without descriptor, process and queries */
DkmsAnswer *dkms_answer_new (void);
/** Closes the pipe. The process must have ended. */
void dkms_answer_free (DkmsAnswer *self);

/** Returns: whether @query is about the package of this bash */
gboolean dkms_answer_is_for (const DkmsAnswer *self, const DkmsQuery *query);

/** Reads a part of the answer from the pipe, which must be readable, and gives their values to the queries. */
void dkms_answer_read (DkmsAnswer *self);

/** Takes all complete messages out of the buffer. Returns: FALSE at the end of the answer */
gboolean dkms_answer_take (DkmsAnswer *self) G_GNUC_WARN_UNUSED_RESULT;

/**
 * dkms_answer_pass_time:
 * @passed: microseconds since the last call in which bash could run
 *
 * Kills what takes too long, also if it continues to write.
 *
 * Returns: whether something was killed
 */
gboolean dkms_answer_pass_time (DkmsAnswer *self, gint64 passed);

/**
 * dkms_answer_end_query:
 * @status: the exit status of the query, or of bash
 *
 * The current query gets an error unless all its values were returned.
 */
void dkms_answer_end_query (DkmsAnswer *self, int status);
