/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs helpers, and remembers what they printed.
 *
 * A file in .dkms/facts begins with one line "dkms-answer KEY SUM SIZE"; the answer follows. KEY is the SHA-256 of the
 * version of dkms, the words of the command, and the stat signatures of the files. SUM is a checksum of the answer,
 * because the file is not flushed: after a power cut it may contain anything. */
#define _GNU_SOURCE
#include "store/answers.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "base/publish.h"
#include "base/unread.h"
#include "config.h"
#include "store/layout.h"
#include "store/work.h"

enum { MOST_BYTES = 17 << 20, RACY_SECONDS = 2, MOST_HEADER = 128 };

/* What a helper is asked. */
typedef struct {
  const char *const *argv;
  const GPtrArray *inputs; /* (nullable) (element-type GBytes) */
  const GPtrArray *files;
} Question;

/* ---- the key ---- */

static void
add_part (GChecksum *sum, const char *text)
{
  g_checksum_update (sum, (const guchar *)text, (gssize)strlen (text) + 1);
}

/* Returns: (transfer full) (nullable): the key of the command; NULL if the answer about a file is not to be remembered.
 * @newest: (out): when the last one of the files changed, in seconds since 1970 */
static char *
make_key (const Question *question, gint64 *newest)
{
  const GPtrArray *inputs = question->inputs, *files = question->files;
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);

  *newest = 0;
  add_part (sum, DKMS_VERSION);
  for (const char *const *word = question->argv; *word != NULL; word++)
    add_part (sum, *word);
  add_part (sum, "");
  for (guint i = 0; inputs != NULL && i < inputs->len; i++)
    {
      g_autofree char *digest = g_compute_checksum_for_bytes (G_CHECKSUM_SHA256, inputs->pdata[i]);
      add_part (sum, digest);
    }
  for (guint i = 0; i < files->len; i++)
    {
      struct stat st;

      if (stat (files->pdata[i], &st) < 0 || !S_ISREG (st.st_mode))
        return NULL;
      g_autofree char *signature = dkms_stat_signature (&st);
      add_part (sum, files->pdata[i]);
      add_part (sum, signature);
      *newest = MAX (*newest, MAX (st.st_mtim.tv_sec, st.st_ctim.tv_sec));
    }
  return g_strdup (g_checksum_get_string (sum));
}

char *
dkms_answers_key (const GPtrArray *files)
{
  static const char *const no_words[] = { NULL };
  const Question question = { no_words, NULL, files };
  gint64 newest;
  char *key = make_key (&question, &newest);

  if (key != NULL && newest > g_get_real_time () / G_USEC_PER_SEC - RACY_SECONDS)
    g_clear_pointer (&key, g_free);
  return key;
}

/* ---- the store ---- */

/* As FNV-1a, but in steps of 8 bytes, because all answers of a run are checked. It notices damage, and is not meant to
 * resist an author. */
static guint64
checksum (const void *data, gsize size)
{
  const guint8 *bytes = data;
  guint64 sum = 0xcbf29ce484222325, word;

  for (gsize i = 0; i < size; i += sizeof word)
    {
      word = 0;
      memcpy (&word, bytes + i, MIN (sizeof word, size - i));
      sum = (sum ^ word) * 0x100000001b3;
      sum ^= sum >> 32;
    }
  return sum;
}

/* Returns: (transfer full): the first line of a file with @answer */
static char *
make_header (const char *key, const void *answer, gsize size)
{
  return g_strdup_printf ("dkms-answer %s %016" G_GINT64_MODIFIER "x %" G_GSIZE_FORMAT "\n", key,
                          checksum (answer, size), size);
}

GBytes *
dkms_answers_recall (const DkmsPlaces *places, const char *name, const char *key)
{
  g_autofree char *path = dkms_layout_own (places, "facts", name);
  g_autoptr (GError) ignored = NULL; /* an answer that cannot be read is asked for again */
  guint mark = dkms_unread_mark ();
  gsize size = 0;
  g_autofree char *text = dkms_root_read (places->root, path, MOST_BYTES, &size, &ignored);
  const char *end = text != NULL ? memchr (text, '\n', MIN (size, MOST_HEADER)) : NULL;

  dkms_unread_drop (mark);
  if (end == NULL)
    return NULL;
  gsize length = (gsize)(end + 1 - text);
  g_autofree char *header = make_header (key, end + 1, size - length);
  if (strlen (header) != length || memcmp (text, header, length) != 0)
    return NULL;
  memmove (text, text + length, size - length + 1); /* with the NUL behind it */
  return g_bytes_new_take (g_steal_pointer (&text), size - length);
}

/* Whether any user can read the file @path. Access control lists can only be narrower. */
static gboolean
is_public (const char *path)
{
  g_autofree char *at = realpath (path, NULL);
  struct stat st;

  if (at == NULL || stat (at, &st) < 0 || (st.st_mode & S_IROTH) == 0)
    return FALSE;
  for (char *slash = strrchr (at, '/'); slash != NULL && slash > at; slash = strrchr (at, '/'))
    {
      *slash = '\0';
      if (stat (at, &st) < 0 || (st.st_mode & S_IXOTH) == 0)
        return FALSE;
    }
  return TRUE;
}

static void
remember (const DkmsPlaces *places, const char *name, const char *key, GBytes *answer, mode_t mode)
{
  g_autofree char *path = dkms_layout_own (places, "facts", NULL);
  g_autoptr (GError) ignored = NULL; /* the helper will be asked again */
  guint mark = dkms_unread_mark ();
  gsize size;
  const void *data = g_bytes_get_data (answer, &size);
  g_autofree char *header = make_header (key, data, size);
  g_autoptr (GByteArray) content = g_byte_array_sized_new ((guint)(size + strlen (header)));

  if (!dkms_root_is_dir (places->root, places->dkms_tree) || size > MOST_BYTES - MOST_HEADER)
    return;
  g_byte_array_append (content, (const guint8 *)header, (guint)strlen (header));
  g_byte_array_append (content, data, (guint)size);
  g_autoptr (GBytes) bytes = g_byte_array_free_to_bytes (g_steal_pointer (&content));
  g_autoptr (DkmsWork) work = dkms_work_new (places, &ignored);
  g_auto (DkmsFd) dir = work != NULL ? dkms_root_open_dir (places->root, path, TRUE, &ignored) : -1;
  if (dir >= 0 && !dkms_replace_bytes_at (work->fd, dir, name, bytes, mode, &ignored))
    g_debug ("%s", ignored->message);
  dkms_unread_drop (mark);
}

void
dkms_answers_remember (const DkmsPlaces *places, const char *name, const char *key, GBytes *answer)
{
  remember (places, name, key, answer, 0644);
}

/* ---- the helper ---- */

/* Adds a memory file with @content to the words of a command, and its descriptor to @fds. */
static gboolean
add_input (GPtrArray *words, GArray *fds, GBytes *content, GError **error)
{
  gsize size;
  const void *data = g_bytes_get_data (content, &size);
  int fd = memfd_create ("input", MFD_CLOEXEC);

  if (fd < 0)
    return dkms_fail_errno (error, "create", "a memory file");
  g_array_append_val (fds, fd);
  g_ptr_array_add (words, g_strdup_printf ("/proc/self/fd/%d", fd));
  return dkms_write_all (fd, data, size, "a memory file", error);
}

static void
close_one (gpointer fd)
{
  (void)close (*(int *)fd);
}

static GBytes *
run (const Question *question, GError **error)
{
  const char *const *argv = question->argv;
  const GPtrArray *inputs = question->inputs, *files = question->files;
  g_autofree char *helper = strchr (argv[0], '/') != NULL ? g_strdup (argv[0]) : dkms_process_helper (argv[0]);
  g_autoptr (GPtrArray) words = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GArray) fds = g_array_new (FALSE, FALSE, sizeof (int));
  gsize size = 0;
  int status = 0;

  g_array_set_clear_func (fds, close_one);
  g_ptr_array_add (words, g_steal_pointer (&helper));
  for (const char *const *word = argv + 1; *word != NULL; word++)
    g_ptr_array_add (words, g_strdup (*word));
  for (guint i = 0; inputs != NULL && i < inputs->len; i++)
    if (!add_input (words, fds, inputs->pdata[i], error))
      return NULL;
  for (guint i = 0; i < files->len; i++)
    g_ptr_array_add (words, g_strdup (files->pdata[i]));
  g_ptr_array_add (words, NULL);
  DkmsCommand command = { .argv = (const char *const *)words->pdata, .keep = fds, .null_stdin = TRUE };
  g_autofree char *text = dkms_process_capture (&command, &size, &status, error);
  if (text == NULL)
    return NULL;
  if (status != 0)
    return DKMS_FAIL (error, HELPER_FAILED, .name = argv[0], .path = files->len == 1 ? files->pdata[0] : NULL,
                      .status = status),
           NULL;
  return g_bytes_new_take (g_steal_pointer (&text), size);
}

static GBytes *
ask (const DkmsPlaces *places, const char *name, const Question *question, gint64 now, GError **error)
{
  gint64 newest, ignored;
  g_autofree char *key = make_key (question, &newest);
  GBytes *answer = key != NULL ? dkms_answers_recall (places, name, key) : NULL;
  gboolean open_to_all = TRUE, readable = TRUE;

  if (answer != NULL)
    return answer;
  answer = run (question, error);
  if (answer == NULL || key == NULL || newest > now - RACY_SECONDS)
    return answer;
  for (guint i = 0; i < question->files->len; i++)
    {
      readable &= faccessat (AT_FDCWD, question->files->pdata[i], R_OK, AT_EACCESS) == 0;
      open_to_all &= is_public (question->files->pdata[i]);
    }
  g_autofree char *after = make_key (question, &ignored);
  if (readable && g_strcmp0 (key, after) == 0)
    remember (places, name, key, answer, open_to_all ? 0644 : 0600);
  return answer;
}

GBytes *
dkms_answers_ask_at (const DkmsPlaces *places, const char *name, const char *const *argv, const GPtrArray *files,
                     gint64 now, GError **error)
{
  return ask (places, name, &(const Question){ argv, NULL, files }, now, error);
}

GBytes *
dkms_answers_ask (const DkmsPlaces *places, const char *name, const char *const *argv, const GPtrArray *files,
                  GError **error)
{
  return dkms_answers_ask_at (places, name, argv, files, g_get_real_time () / G_USEC_PER_SEC, error);
}

GBytes *
dkms_answers_ask_with (const DkmsPlaces *places, const char *name, const char *const *argv, const GPtrArray *inputs,
                       const GPtrArray *files, GError **error)
{
  return ask (places, name, &(const Question){ argv, inputs, files }, g_get_real_time () / G_USEC_PER_SEC, error);
}
