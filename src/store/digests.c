/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Digests, and the file that remembers them. */
#define _GNU_SOURCE
#include "store/digests.h"

#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/publish.h"
#include "base/unread.h"
#include "base/walk.h"
#include "store/layout.h"
#include "store/work.h"

enum { MOST_BYTES = 4 << 20, MANY = 2000, RACY_SECONDS = 2 };

typedef struct {
  char *signature, *value;
  gboolean used; /* used in this run */
} Memory;

struct DkmsDigests {
  const DkmsPlaces *places;
  gint64 now;
  GHashTable *known; /* key -> Memory; NULL: the file was not read yet */
  gboolean learned;
};

static void
memory_free (gpointer data)
{
  Memory *self = data;

  g_free (self->signature);
  g_free (self->value);
  g_free (self);
}

DkmsDigests *
dkms_digests_new (const DkmsPlaces *places, gint64 now)
{
  DkmsDigests *self = g_new0 (DkmsDigests, 1);

  self->places = places;
  self->now = now;
  return self;
}

void
dkms_digests_free (DkmsDigests *self)
{
  if (self == NULL)
    return;
  g_clear_pointer (&self->known, g_hash_table_unref);
  g_free (self);
}

/* ---- the memory ---- */

static void
load (DkmsDigests *self)
{
  g_autofree char *path = dkms_layout_own (self->places, "digests", NULL);
  g_autofree char *text = NULL;
  g_autoptr (GError) ignored = NULL; /* values that cannot be read are computed again */
  g_auto (GStrv) lines = NULL;

  if (self->known != NULL)
    return;
  self->known = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, memory_free);
  text = dkms_root_read (self->places->root, path, MOST_BYTES, NULL, &ignored);
  lines = g_strsplit (text != NULL ? text : "", "\n", -1);
  for (char **line = lines; *line != NULL; line++)
    {
      g_auto (GStrv) parts = g_strsplit (*line, "\t", 3);
      if (g_strv_length (parts) != 3)
        continue;
      Memory *memory = g_new0 (Memory, 1);
      memory->value = g_strdup (parts[0]);
      memory->signature = g_strdup (parts[1]);
      g_hash_table_replace (self->known, g_strdup (parts[2]), memory);
    }
}

static const char *
recall (DkmsDigests *self, const char *key, const char *signature)
{
  load (self);
  Memory *memory = g_hash_table_lookup (self->known, key);

  if (memory == NULL || strcmp (memory->signature, signature) != 0)
    return NULL;
  memory->used = TRUE;
  return memory->value;
}

/* Whether the file could change again without a change of @st. */
static gboolean
is_racy (const DkmsDigests *self, const struct stat *st)
{
  return MAX (st->st_mtim.tv_sec, st->st_ctim.tv_sec) > self->now - RACY_SECONDS;
}

static void
remember (DkmsDigests *self, const char *key, const char *signature, const char *value)
{
  if (strpbrk (key, "\n\t") != NULL || strpbrk (value, "\n\t") != NULL)
    return;
  Memory *memory = g_new0 (Memory, 1);
  memory->signature = g_strdup (signature);
  memory->value = g_strdup (value);
  memory->used = TRUE;
  g_hash_table_replace (self->known, g_strdup (key), memory);
  self->learned = TRUE;
}

void
dkms_digests_save (DkmsDigests *self)
{
  g_autofree char *path = dkms_layout_own (self->places, "", NULL);
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GError) ignored = NULL;
  GHashTableIter iter;
  gpointer key, value;

  if (!self->learned)
    return;
  self->learned = FALSE;
  g_hash_table_iter_init (&iter, self->known);
  while (g_hash_table_iter_next (&iter, &key, &value))
    {
      const Memory *memory = value;
      if (memory->used || g_hash_table_size (self->known) < MANY)
        g_string_append_printf (text, "%s\t%s\t%s\n", memory->value, memory->signature, (const char *)key);
    }
  g_autoptr (DkmsWork) work = dkms_work_new (self->places, &ignored);
  g_auto (DkmsFd) dir = work != NULL ? dkms_root_open_dir (self->places->root, path, FALSE, NULL) : -1;
  if (dir >= 0 && !dkms_replace_via_at (work->fd, dir, "digests", text->str, 0644, &ignored))
    g_debug ("%s", ignored->message);
}

/* ---- one file ---- */

char *
dkms_digests_value (DkmsDigests *self, const char *key, int fd, char *(*compute) (int fd, gpointer data), gpointer data)
{
  struct stat st;

  if (fd < 0)
    return g_strdup ("-");
  if (fstat (fd, &st) < 0 || !S_ISREG (st.st_mode))
    return NULL;
  g_autofree char *signature = dkms_stat_signature (&st);
  const char *known = recall (self, key, signature);
  if (known != NULL)
    return g_strdup (known);
  char *value = compute (fd, data);
  if (value != NULL && !is_racy (self, &st))
    remember (self, key, signature, value);
  return value;
}

static char *
compute_digest (int fd, gpointer data)
{
  g_autoptr (GError) ignored = NULL;

  (void)data;
  return dkms_sha256_fd (fd, "", &ignored);
}

char *
dkms_digests_file (DkmsDigests *self, const char *path, int fd)
{
  g_autofree char *key = g_strconcat ("file ", path, NULL);

  return dkms_digests_value (self, key, fd, compute_digest, NULL);
}

/* ---- a tree ---- */

typedef struct {
  const DkmsDigests *digests;
  GChecksum *sum;
  const char *without; /* (nullable) */
  gboolean contents;   /* whether to read the files, or only their status */
  gboolean racy;
  GString *empty;    /* the directory that was entered last, if no entry of it was visited yet */
  const char *root;  /* (nullable): the directory, and */
  GHashTable *links; /* (nullable): the targets of links in it that are outside */
} TreeWalk;

static gboolean
is_ignored (const TreeWalk *self, const char *path)
{
  static const char *const kept[] = { ".git", ".svn", ".hg", ".bzr", "CVS", NULL };

  if (g_strcmp0 (self->without, path) == 0)
    return TRUE;
  for (const char *at = path; at != NULL; at = strchr (at, '/') != NULL ? strchr (at, '/') + 1 : NULL)
    {
      gsize length = strcspn (at, "/");
      if (length > 0 && at[length - 1] == '~')
        return TRUE;
      for (const char *const *name = kept; *name != NULL; name++)
        if (strlen (*name) == length && strncmp (at, *name, length) == 0)
          return TRUE;
    }
  return FALSE;
}

/* Each part ends in NUL, so that different lists have different bytes. */
static void
add_part (const TreeWalk *self, const char *text)
{
  g_checksum_update (self->sum, (const guchar *)text, (gssize)strlen (text) + 1);
}

/* Notes the target of the link @path if it is outside of the tree. */
static void
add_link (const TreeWalk *self, const char *path, const char *target)
{
  g_autofree char *link = g_build_filename (self->root, path, NULL);
  g_autofree char *dir = g_path_get_dirname (link);
  g_autofree char *full = g_canonicalize_filename (target, dir);

  if (!dkms_path_is_in (full, self->root))
    g_hash_table_add (self->links, g_steal_pointer (&full));
}

/* Files that are neither regular nor links have no content to compare. */
static gboolean
add_content (const TreeWalk *self, const DkmsWalkEntry *entry, const char *path, GError **error)
{
  g_autofree char *content = NULL;

  errno = EINVAL;
  if (S_ISREG (entry->st->st_mode))
    {
      g_auto (DkmsFd) fd = openat (entry->dir_fd, entry->name, DKMS_READ_FLAGS | O_NOFOLLOW);
      add_part (self, (entry->st->st_mode & 0111) != 0 ? "fx" : "f-");
      content = fd >= 0 ? dkms_sha256_fd (fd, "", NULL) : NULL;
    }
  else if (S_ISLNK (entry->st->st_mode))
    {
      add_part (self, "l");
      content = dkms_read_link_at (entry->dir_fd, entry->name);
      if (self->links != NULL && content != NULL)
        add_link (self, path, content);
    }
  if (content == NULL)
    return dkms_fail_errno (error, "read", path);
  add_part (self, path);
  add_part (self, content);
  return TRUE;
}

static gboolean
visit (const DkmsWalkEntry *entry, gpointer data, GError **error)
{
  TreeWalk *self = data;
  const char *path = g_str_has_prefix (entry->path, "./") ? entry->path + 2 : entry->path;

  if (is_ignored (self, path))
    return TRUE;
  if (entry->event == DKMS_WALK_LEAVE)
    {
      if (strcmp (self->empty->str, path) == 0)
        {
          add_part (self, "d");
          add_part (self, path);
        }
      g_string_truncate (self->empty, 0);
      return TRUE;
    }
  g_string_assign (self->empty, entry->event == DKMS_WALK_ENTER ? path : "");
  if (!self->contents)
    {
      g_autofree char *signature = dkms_stat_signature (entry->st);
      g_autofree char *mode = g_strdup_printf ("%o", (guint)entry->st->st_mode);
      self->racy |= is_racy (self->digests, entry->st);
      add_part (self, path);
      add_part (self, mode);
      add_part (self, signature);
      return TRUE;
    }
  return entry->event == DKMS_WALK_ENTER || add_content (self, entry, path, error);
}

/* Returns: (transfer full) (nullable) */
static char *
walk (TreeWalk *self, int fd)
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  g_autoptr (GString) empty = g_string_new (NULL);
  guint mark = dkms_unread_mark ();
  g_autoptr (GError) ignored = NULL;
  char *digest;

  self->sum = sum;
  self->empty = empty;
  digest = dkms_walk_at (fd, ".", visit, self, &ignored) ? g_strdup (g_checksum_get_string (sum)) : NULL;
  dkms_unread_drop (mark); /* an unreadable file has no digest */
  return digest;
}

/* Returns: (transfer full): @digest, and the keys of @links in byte order, each after a space */
static char *
join_links (const char *digest, GHashTable *links)
{
  g_autoptr (GPtrArray) paths = g_ptr_array_new ();
  GString *text = g_string_new (digest);
  GHashTableIter iter;
  gpointer path;

  g_hash_table_iter_init (&iter, links);
  while (g_hash_table_iter_next (&iter, &path, NULL))
    g_ptr_array_add (paths, path);
  g_ptr_array_sort (paths, dkms_compare_names);
  for (guint i = 0; i < paths->len; i++)
    {
      g_autofree char *word = g_uri_escape_string (paths->pdata[i], "/", FALSE);
      g_string_append_printf (text, " %s", word);
    }
  return g_string_free (text, FALSE);
}

/* Returns: (transfer full) (nullable): the digest of a tree and, with @read->links, the links in it. @key: under which
 * it is remembered */
static char *
tree_value (DkmsDigests *self, const char *key, int fd, TreeWalk *read)
{
  TreeWalk look = { .digests = self, .without = read->without };
  g_autofree char *signature = walk (&look, fd);
  const char *known = signature != NULL ? recall (self, key, signature) : NULL;

  if (known != NULL || signature == NULL)
    return g_strdup (known);
  g_autofree char *digest = walk (read, fd);
  char *value = digest == NULL ? NULL : read->links != NULL ? join_links (digest, read->links) : g_strdup (digest);
  if (value != NULL && !look.racy)
    remember (self, key, signature, value);
  return value;
}

char *
dkms_digests_tree (DkmsDigests *self, const char *path, int fd, const char *without)
{
  TreeWalk read = { .digests = self, .without = without, .contents = TRUE };
  g_autofree char *key = g_strconcat ("tree ", path, NULL);

  return fd < 0 ? g_strdup ("-") : tree_value (self, key, fd, &read);
}

char *
dkms_digests_tree_links (DkmsDigests *self, const char *path, int fd, GPtrArray *links)
{
  g_autoptr (GHashTable) found = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  TreeWalk read = { .digests = self, .contents = TRUE, .root = path, .links = found };
  g_autofree char *key = g_strconcat ("links ", path, NULL);
  g_autofree char *value = fd < 0 ? g_strdup ("-") : tree_value (self, key, fd, &read);
  g_auto (GStrv) words = value != NULL ? g_strsplit (value, " ", -1) : NULL;

  for (char **word = words; word != NULL && *word != NULL; word++)
    if (word > words)
      g_ptr_array_add (links, g_uri_unescape_string (*word, NULL));
  return words != NULL ? g_strdup (words[0]) : NULL;
}
