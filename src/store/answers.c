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

/* ---- the key ---- */

static void
add_part (GChecksum *sum, const char *text)
{
  g_checksum_update (sum, (const guchar *)text, (gssize)strlen (text) + 1);
}

/* Returns: (transfer full) (nullable): the key of the command; NULL if the answer about a file is not to be remembered.
 * @newest: (out): when the last one of the files changed, in seconds since 1970 */
static char *
make_key (const char *const *argv, const GPtrArray *files, gint64 *newest)
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);

  *newest = 0;
  add_part (sum, DKMS_VERSION);
  for (; *argv != NULL; argv++)
    add_part (sum, *argv);
  add_part (sum, "");
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

/* ---- the store ---- */

/* FNV-1a. It notices damage, and is not meant to resist an author. */
static guint64
checksum (const void *data, gsize size)
{
  const guint8 *bytes = data;
  guint64 sum = 0xcbf29ce484222325;

  for (gsize i = 0; i < size; i++)
    sum = (sum ^ bytes[i]) * 0x100000001b3;
  return sum;
}

/* Returns: (transfer full): the first line of a file with @answer */
static char *
make_header (const char *key, const void *answer, gsize size)
{
  return g_strdup_printf ("dkms-answer %s %016" G_GINT64_MODIFIER "x %" G_GSIZE_FORMAT "\n", key,
                          checksum (answer, size), size);
}

/* Returns: (transfer full) (nullable) */
static GBytes *
recall (const DkmsPlaces *places, const char *name, const char *key)
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

/* ---- the helper ---- */

static GBytes *
run (const char *const *argv, const GPtrArray *files, GError **error)
{
  g_autofree char *helper = strchr (argv[0], '/') != NULL ? g_strdup (argv[0]) : dkms_process_helper (argv[0]);
  g_autoptr (GPtrArray) words = g_ptr_array_new ();
  DkmsCommand command = { .null_stdin = TRUE };
  gsize size = 0;
  int status = 0;

  g_ptr_array_add (words, helper);
  for (const char *const *word = argv + 1; *word != NULL; word++)
    g_ptr_array_add (words, (gpointer)*word);
  for (guint i = 0; i < files->len; i++)
    g_ptr_array_add (words, files->pdata[i]);
  g_ptr_array_add (words, NULL);
  command.argv = (const char *const *)words->pdata;
  g_autofree char *text = dkms_process_capture (&command, &size, &status, error);
  if (text == NULL)
    return NULL;
  if (status != 0)
    return DKMS_FAIL (error, HELPER_FAILED, .name = argv[0], .path = files->len == 1 ? files->pdata[0] : NULL,
                      .status = status),
           NULL;
  return g_bytes_new_take (g_steal_pointer (&text), size);
}

GBytes *
dkms_answers_ask_at (const DkmsPlaces *places, const char *name, const char *const *argv, const GPtrArray *files,
                     gint64 now, GError **error)
{
  gint64 newest, ignored;
  g_autofree char *key = make_key (argv, files, &newest);
  GBytes *answer = key != NULL ? recall (places, name, key) : NULL;
  gboolean open_to_all = TRUE, readable = TRUE;

  if (answer != NULL)
    return answer;
  answer = run (argv, files, error);
  if (answer == NULL || key == NULL || newest > now - RACY_SECONDS)
    return answer;
  for (guint i = 0; i < files->len; i++)
    {
      readable &= faccessat (AT_FDCWD, files->pdata[i], R_OK, AT_EACCESS) == 0;
      open_to_all &= is_public (files->pdata[i]);
    }
  g_autofree char *after = make_key (argv, files, &ignored);
  if (readable && g_strcmp0 (key, after) == 0)
    remember (places, name, key, answer, open_to_all ? 0644 : 0600);
  return answer;
}

GBytes *
dkms_answers_ask (const DkmsPlaces *places, const char *name, const char *const *argv, const GPtrArray *files,
                  GError **error)
{
  return dkms_answers_ask_at (places, name, argv, files, g_get_real_time () / G_USEC_PER_SEC, error);
}
