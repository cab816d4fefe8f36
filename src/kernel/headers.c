/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds the header directories of a kernel, and searches them. */
#define _GNU_SOURCE
#include "kernel/headers.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/unread.h"
#include "base/walk.h"

enum { MOST_SECONDS = 10, MOST_BYTES = 512 << 20, LARGEST = 16 << 20 };

typedef struct {
  int dir_fd;
  const char *word;
  gsize length; /* of @word */
  char *buffer; /* LARGEST bytes; the kernel allocates only used pages */
  gint64 deadline;
  gsize bytes;
  char *file;          /* (nullable): the header that contains the word */
  gboolean incomplete; /* some file was not read */
} Search;

static gboolean
is_of_word (char c)
{
  return g_ascii_isalnum (c) || c == '_';
}

static gboolean
contains (const Search *self, gsize size)
{
  const char *end = self->buffer + size;

  for (const char *at = self->buffer; (at = memmem (at, (gsize)(end - at), self->word, self->length)) != NULL; at++)
    if ((at == self->buffer || !is_of_word (at[-1])) && (at + self->length == end || !is_of_word (at[self->length])))
      return TRUE;
  return FALSE;
}

/* Returns: bytes read into the buffer, 0 if the file cannot be read */
static gsize
read_file (Search *self, const char *path)
{
  g_auto (DkmsFd) fd = openat (self->dir_fd, path, DKMS_READ_FLAGS | O_NOFOLLOW);
  gsize have = 0;

  while (fd >= 0 && have < LARGEST)
    {
      ssize_t n = read (fd, self->buffer + have, LARGEST - have);
      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        self->incomplete = TRUE;
      if (n <= 0)
        break;
      have += (gsize)n;
    }
  self->incomplete |= fd < 0 || have == LARGEST;
  return have;
}

static gboolean
visit (const char *path, const char *name, unsigned char type, gpointer data)
{
  Search *self = data;

  if (type != DT_REG || !g_str_has_suffix (name, ".h"))
    return TRUE;
  gsize size = read_file (self, path);
  self->bytes += size;
  if (contains (self, size))
    self->file = g_strdup (path);
  if (self->file != NULL)
    return FALSE;
  self->incomplete |= self->bytes > MOST_BYTES || g_get_monotonic_time () > self->deadline;
  return self->bytes <= MOST_BYTES && g_get_monotonic_time () <= self->deadline;
}

/* Opens a directory that tools name @path. */
static int
open_dir (const DkmsRoot *root, const char *path)
{
  enum { FLAGS = O_RDONLY | O_DIRECTORY | O_CLOEXEC };

  return root->has_shell ? dkms_root_openat (root, path, FLAGS, 0) : open (path, FLAGS);
}

/* Returns: (transfer full): the directories that may contain headers: the build directory; the target of `source` next
 * to it; and the directory whose makefile is included by that of the build directory, as in Debian */
static GPtrArray *
find_dirs (const DkmsKernel *kernel, const DkmsRoot *root)
{
  GPtrArray *dirs = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *source = g_build_filename (kernel->dir, "source", NULL);
  g_autofree char *makefile = dkms_kernel_read_built (kernel, root, "Makefile");
  g_autoptr (GMatchInfo) match = NULL;
  g_autoptr (GRegex) include
      = g_regex_new ("^(?:include +|.*-C +)(/[^\\s$]+?)(?:/Makefile)?\\s*$", G_REGEX_RAW | G_REGEX_MULTILINE, 0, NULL);

  g_ptr_array_add (dirs, g_strdup (kernel->source_dir));
  g_ptr_array_add (dirs, dkms_root_tool_path (root, source));
  if (makefile != NULL && include != NULL && g_regex_match (include, makefile, 0, &match))
    g_ptr_array_add (dirs, g_match_info_fetch (match, 1));
  return dirs;
}

/* The directories of @dir that the compiler searches: include/ and those of architectures. */
static void
search_dir (Search *self, const DkmsRoot *root, const char *dir)
{
  g_autofree char *arch_dir = g_build_filename (dir, "arch", NULL);
  g_auto (DkmsFd) arch_fd = open_dir (root, arch_dir);
  g_autoptr (GPtrArray) arches = arch_fd >= 0 ? dkms_list_dir_at (arch_fd, ".", NULL) : NULL;

  for (guint i = 0; i <= (arches != NULL ? arches->len : 0) && self->file == NULL; i++)
    {
      g_autofree char *below
          = i == 0 ? g_strdup ("include") : g_build_filename ("arch", arches->pdata[i - 1], "include", NULL);
      g_autofree char *path = g_build_filename (dir, below, NULL);
      g_auto (DkmsFd) fd = open_dir (root, path);

      if (fd < 0)
        {
          self->incomplete |= !dkms_is_absent (errno);
          continue;
        }
      self->dir_fd = fd;
      dkms_each_file_at (fd, visit, self);
      if (self->file != NULL)
        {
          g_autofree char *found = self->file;
          self->file = g_build_filename (below, found, NULL);
        }
    }
}

/* Whether these are the headers that all modules include, and not only generated ones. */
static gboolean
has_common_headers (const DkmsRoot *root, const char *dir)
{
  g_autofree char *path = g_build_filename (dir, "include/linux", NULL);
  g_auto (DkmsFd) fd = open_dir (root, path);

  return fd >= 0 && dkms_is_file_at (fd, "module.h");
}

DkmsSeen
dkms_headers_find_word (const DkmsKernel *kernel, const DkmsRoot *root, const char *word, char **file)
{
  guint mark = dkms_unread_mark ();
  g_autoptr (GPtrArray) dirs = find_dirs (kernel, root);
  g_autofree char *buffer = g_malloc (LARGEST);
  Search search = { .word = word,
                    .length = strlen (word),
                    .buffer = buffer,
                    .deadline = g_get_monotonic_time () + MOST_SECONDS * G_USEC_PER_SEC };
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  gboolean common = FALSE;

  for (guint i = 0; i < dirs->len && search.file == NULL; i++)
    {
      g_auto (DkmsFd) fd = open_dir (root, dirs->pdata[i]);
      struct stat st;
      if (fd < 0 || fstat (fd, &st) < 0)
        continue;
      if (!g_hash_table_add (seen, g_strdup_printf ("%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino)))
        continue;
      common |= has_common_headers (root, dirs->pdata[i]);
      search_dir (&search, root, dirs->pdata[i]);
    }
  search.incomplete |= !dkms_unread_since (mark, TRUE, NULL);
  *file = search.file;
  if (search.file != NULL)
    return DKMS_SEEN_YES;
  return common && !search.incomplete ? DKMS_SEEN_NO : DKMS_SEEN_UNKNOWN;
}
