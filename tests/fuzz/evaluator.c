/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Input: what the dkms.conf of a package writes to the descriptor of the answers of bash, in pieces as read(2) returns
 * them. A recipe can open that descriptor and write anything. Findings: a crash; an answer for another package or for
 * an answered query; a query with both values and an error; a signal to another process group than that of the query.
 */
#define _GNU_SOURCE
#include <signal.h>

/* The input contains process IDs. */
#define kill(pid, signal) fuzz_kill (pid, signal)
static int fuzz_kill (pid_t pid, int signal);
#include "../../src/conf/answer.c"
#undef kill

#include "fuzz.h"

static int
fuzz_kill (pid_t pid, int signal)
{
  g_assert (signal == SIGKILL && pid != 0 && pid != -1 && pid != 1);
  return 0;
}

static DkmsQuery *
add (GPtrArray *queries, const char *file)
{
  DkmsQuery *query = dkms_query_new ();

  g_ptr_array_add (query->files, g_strdup (file));
  g_ptr_array_add (query->files, g_strdup ("/etc/dkms/m.conf"));
  query->shown = g_strdup (file);
  query->texts = g_ptr_array_new_with_free_func ((GDestroyNotify)g_bytes_unref);
  g_ptr_array_add (queries, query);
  return query;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  DkmsSettings settings = *fuzz_settings ();
  g_autoptr (GPtrArray) queries = g_ptr_array_new_with_free_func ((GDestroyNotify)dkms_query_free);
  FuzzInput input = { data, size };
  DkmsAnswer *answer = dkms_answer_new ();
  gboolean more = TRUE;
  const DkmsQuery *other;

  fuzz_begin ();
  settings.policy.recipe_timeout = 1;
  answer->policy = &settings.policy;
  answer->root = settings.places.root;
  answer->queries = queries;
  answer->pid = 4242;
  answer->confined = fuzz_byte (&input) % 2;
  (void)add (queries, "/m/dkms.conf");
  (void)add (queries, "/m/dkms.conf");
  other = add (queries, "/other/dkms.conf");
  answer->first = queries->pdata[0];
  answer->end = G_MAXINT64;
  while (more && input.size > 0)
    {
      size_t n;
      const uint8_t *piece = fuzz_piece (&input, &n);

      if (n == 256) /* the query takes too long */
        (void)dkms_answer_pass_time (answer, 2 * G_USEC_PER_SEC);
      if (n == 255) /* the whole bash takes too long */
        {
          answer->end = answer->clock;
          (void)dkms_answer_pass_time (answer, 1);
          answer->end = G_MAXINT64;
        }
      g_byte_array_append (answer->buffer, piece, (guint)n);
      more = dkms_answer_take (answer);
      g_assert (other->vars == NULL && other->error == NULL);
    }
  dkms_answer_end_query (answer, 1);
  for (guint q = 0; q < queries->len; q++)
    {
      const DkmsQuery *query = queries->pdata[q];
      g_assert (query->vars == NULL || query->error == NULL);
    }
  dkms_answer_free (answer);
  return 0;
}
