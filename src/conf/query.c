/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One query about configuration files: its files, and its arguments for driver.bash. */
#define _GNU_SOURCE
#include "conf/query.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "base/error.h"
#include "base/file.h"
#include "conf/plain.h"

#define LIMIT_FILE ((gsize)1 << 20)

DkmsQuery *
dkms_query_new (void)
{
  DkmsQuery *self = g_new0 (DkmsQuery, 1);

  self->assign = g_ptr_array_new_with_free_func (g_free);
  self->files = g_ptr_array_new_with_free_func (g_free);
  return self;
}

void
dkms_query_free (DkmsQuery *self)
{
  g_ptr_array_unref (self->assign);
  g_ptr_array_unref (self->files);
  g_free (self->dir);
  g_free (self->shown);
  if (self->texts != NULL)
    g_ptr_array_unref (self->texts);
  dkms_vars_free (self->vars);
  g_clear_error (&self->error);
  g_free (self);
}

gboolean
dkms_query_is_answered (const DkmsQuery *self)
{
  return self->error != NULL || self->vars != NULL;
}

gboolean
dkms_query_same_package (const DkmsQuery *a, const DkmsQuery *b)
{
  return a->files->len > 0 && b->files->len > 0 && strcmp (a->files->pdata[0], b->files->pdata[0]) == 0;
}

/* Removes a byte order mark and CR before LF, which bash does not accept. Returns: whether @text was changed */
static gboolean
mend (GString *text)
{
  static const char mark[] = "\xef\xbb\xbf";
  gsize before = text->len, out = 0;

  if (g_str_has_prefix (text->str, mark))
    g_string_erase (text, 0, (gssize)strlen (mark));
  for (gsize in = 0; in < text->len; in++)
    if (text->str[in] != '\r' || (in + 1 < text->len && text->str[in + 1] != '\n'))
      text->str[out++] = text->str[in];
  g_string_truncate (text, out);
  return text->len != before;
}

/* Passes the text of file @i to bash instead of its path. The code of the file gets the path in another variable. */
static void
hand_over (DkmsQuery *query, guint i, GString *text)
{
  if (query->texts->len <= i)
    g_ptr_array_set_size (query->texts, (gint)i + 1);
  g_string_replace (text, "BASH_SOURCE", "__dkms_source", 0);
  query->texts->pdata[i] = g_bytes_new (text->str, text->len);
}

/* Reads file @i. Fails if it is not a text file. */
static GString *
read_file (const DkmsRoot *root, const DkmsQuery *query, guint i, GError **error)
{
  const char *path = query->files->pdata[i], *shown = i == 0 && query->shown != NULL ? query->shown : path;
  g_autoptr (GError) local = NULL;
  gsize size = 0;
  g_autofree char *text = root->has_shell ? dkms_root_read (root, path, LIMIT_FILE, &size, &local)
                                          : dkms_read_at (AT_FDCWD, path, LIMIT_FILE, &size, &local);

  if (text == NULL)
    return DKMS_FAIL (error, NO_CONF, .path = shown, .error = local), NULL;
  if (memchr (text, '\0', size) != NULL)
    return DKMS_FAIL (error, CONF_NOT_TEXT, .path = shown), NULL;
  return g_string_new_len (text, (gssize)size);
}

static void
free_string (gpointer string)
{
  g_string_free (string, TRUE);
}

void
dkms_query_read_files (DkmsQuery *self, const DkmsRoot *root, const char *names, const char *deprecated)
{
  g_autoptr (GPtrArray) all = g_ptr_array_new_with_free_func (free_string);

  self->texts = g_ptr_array_new_with_free_func ((GDestroyNotify)g_bytes_unref);
  for (guint i = 0; i < self->files->len; i++)
    {
      GString *text = read_file (root, self, i, &self->error);

      if (text == NULL)
        return;
      g_ptr_array_add (all, text);
    }
  /* Bash then sees another BASH_SOURCE, which plain files name only in comments. */
  for (guint i = 0; i < all->len; i++)
    if (mend (all->pdata[i]))
      hand_over (self, i, all->pdata[i]);
  self->vars = dkms_plain_evaluate (self, all, names, deprecated);
}

gboolean
dkms_query_give_text (DkmsQuery *self, const DkmsRoot *root, guint64 i)
{
  GString *text;

  if (dkms_query_is_answered (self) || i >= self->files->len || (i < self->texts->len && self->texts->pdata[i] != NULL))
    return FALSE;
  text = read_file (root, self, (guint)i, &self->error);
  if (text == NULL)
    return FALSE;
  (void)mend (text);
  hand_over (self, (guint)i, text);
  g_string_free (text, TRUE);
  return TRUE;
}

/* The option for file @i: "" for its path, otherwise the number of a descriptor with its text, which goes to @given. */
static char *
descriptor_of (const DkmsQuery *query, guint i, GArray *given, GError **error)
{
  GBytes *bytes = i < query->texts->len ? query->texts->pdata[i] : NULL;
  gsize size = 0;
  const char *text = bytes != NULL ? g_bytes_get_data (bytes, &size) : NULL;
  int fd;

  if (bytes == NULL)
    return g_strdup ("");
  fd = memfd_create ("dkms.conf", MFD_CLOEXEC);
  if (fd < 0)
    return dkms_fail_errno (error, "create", "a memory file"), NULL;
  g_array_append_val (given, fd);
  if (!dkms_write_all (fd, text, size, "a memory file", error))
    return NULL;
  if (lseek (fd, 0, SEEK_SET) < 0)
    return dkms_fail_errno (error, "read", "a memory file"), NULL;
  return g_strdup_printf ("%d", fd);
}

gboolean
dkms_query_add_words (const DkmsQuery *self, guint id, GPtrArray *argv, GArray *given, GError **error)
{
  g_ptr_array_add (argv, g_strdup_printf ("%u", id));
  g_ptr_array_add (argv, g_strdup (self->dir != NULL ? self->dir : "/"));
  g_ptr_array_add (argv, g_strdup_printf ("%u", self->assign->len));
  for (guint i = 0; i < self->assign->len; i++)
    g_ptr_array_add (argv, g_strdup (self->assign->pdata[i]));
  g_ptr_array_add (argv, g_strdup_printf ("%u", self->files->len * 2));
  for (guint i = 0; i < self->files->len; i++)
    {
      g_ptr_array_add (argv, g_strdup (self->files->pdata[i]));
      g_ptr_array_add (argv, descriptor_of (self, i, given, error));
      if (argv->pdata[argv->len - 1] == NULL)
        return FALSE;
    }
  return TRUE;
}
