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
#include "../../src/conf/evaluate.c"
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
  g_autoptr (GByteArray) buffer = g_byte_array_new ();
  FuzzInput input = { data, size };
  Session session = { .settings = &settings, .queries = queries, .pid = 4242, .printed = -1 };
  gboolean more = TRUE;
  const DkmsQuery *other;

  fuzz_begin ();
  settings.policy.recipe_timeout = 1;
  session.confined = fuzz_byte (&input) % 2;
  (void)add (queries, "/m/dkms.conf");
  (void)add (queries, "/m/dkms.conf");
  other = add (queries, "/other/dkms.conf");
  session.first = queries->pdata[0];
  session.end = G_MAXINT64;
  while (more && input.size > 0)
    {
      size_t n;
      const uint8_t *piece = fuzz_piece (&input, &n);

      if (n == 256) /* too many rounds */
        end_late (&session);
      g_byte_array_append (buffer, piece, (guint)n);
      more = take_messages (&settings, &session, buffer);
      g_assert (other->vars == NULL && other->error == NULL);
    }
  finish_query (&settings.policy, &session, 1);
  for (guint q = 0; q < queries->len; q++)
    {
      const DkmsQuery *query = queries->pdata[q];
      g_assert (query->vars == NULL || query->error == NULL);
    }
  return 0;
}
