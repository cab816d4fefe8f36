/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks the helper to make and read entries. */
#define _GNU_SOURCE
#include "share/cache.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/pairs.h"
#include "base/process.h"
#include "base/unread.h"
#include "config.h"

enum { NOBODY = 65534 };

void
dkms_cached_free (DkmsCached *self)
{
  if (self == NULL)
    return;
  g_free (self->error);
  g_free (self->builder);
  if (self->files != NULL)
    g_ptr_array_unref (self->files);
  g_free (self);
}

gboolean
dkms_cache_excludes (const DkmsSettings *settings, const char *module)
{
  g_auto (GStrv) globs = g_strsplit_set (settings->policy.cache_exclude, " \t", -1);

  for (char **glob = globs; *glob != NULL; glob++)
    if (**glob != '\0' && g_pattern_match_simple (*glob, module))
      return TRUE;
  return FALSE;
}

/* ---- the helper ---- */

static void
add_pair (GByteArray *request, const char *key, const char *value)
{
  g_byte_array_append (request, (const guint8 *)key, (guint)strlen (key) + 1);
  g_byte_array_append (request, (const guint8 *)value, (guint)strlen (value) + 1);
}

/* Returns: (transfer full): what both requests begin with */
static GByteArray *
begin_request (const DkmsCacheQuery *query, const char *key)
{
  GByteArray *request = g_byte_array_new ();

  add_pair (request, "key", key);
  add_pair (request, "module", query->id->module);
  add_pair (request, "version", query->id->version);
  add_pair (request, "kernel", query->id->kernel);
  add_pair (request, "arch", query->id->arch);
  return request;
}

/* Returns: a descriptor at the beginning of the bytes of @request; -1 with an error */
static int
open_request (const GByteArray *request, GError **error)
{
  g_auto (DkmsFd) fd = memfd_create ("request", MFD_CLOEXEC);

  if (fd < 0)
    return (void)dkms_fail_errno (error, "create", "a memory file"), -1;
  if (!dkms_write_all (fd, request->data, request->len, "a memory file", error))
    return -1;
  if (lseek (fd, 0, SEEK_SET) < 0)
    return (void)dkms_fail_errno (error, "rewind", "a memory file"), -1;
  return dkms_fd_steal (&fd);
}

/* Runs dkms-entry with the word @verb and @fds, ended by -1. Returns: (transfer full) (nullable): the pairs that it
 * printed */
static GBytes *
ask (const char *verb, const int *fds, const GByteArray *request, GError **error)
{
  g_autofree char *helper = dkms_process_helper ("dkms-entry");
  g_autoptr (GPtrArray) argv = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GArray) keep = g_array_new (FALSE, FALSE, sizeof (int));
  g_auto (DkmsFd) input = open_request (request, error);
  gsize size = 0;
  int status = 0;

  if (input < 0)
    return NULL;
  g_ptr_array_add (argv, g_strdup (helper));
  g_ptr_array_add (argv, g_strdup (verb));
  for (const int *fd = fds; *fd >= 0; fd++)
    {
      g_ptr_array_add (argv, g_strdup_printf ("/proc/self/fd/%d", *fd));
      g_array_append_val (keep, *fd);
    }
  g_ptr_array_add (argv, NULL);
  const DkmsCommand command
      = { .argv = (const char *const *)argv->pdata, .input_fd = input, .keep = keep, .output_fd = -1 };
  g_autofree char *text = dkms_process_capture (&command, &size, &status, error);
  if (text == NULL)
    return NULL;
  if (status != 0 || size < sizeof "end" + 1 || memcmp (text + size - sizeof "end" - 1, "end\0", sizeof "end" + 1) != 0)
    return (void)DKMS_FAIL (error, HELPER_FAILED, .name = "dkms-entry", .status = status), NULL;
  return g_bytes_new_take (g_steal_pointer (&text), size);
}

/* Creates the directory @name of the scratch directory, in which the helper can write. Returns: a descriptor, or -1 */
static int
make_dir (const DkmsWork *work, const char *name, GError **error)
{
  dkms_discard_tree_at (work->fd, name);
  if (mkdirat (work->fd, name, 0700) < 0
      || (geteuid () == 0 && fchownat (work->fd, name, NOBODY, NOBODY, AT_SYMLINK_NOFOLLOW) < 0))
    return (void)dkms_fail_errno (error, "create", name), -1;
  int fd = openat (work->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0)
    (void)dkms_fail_errno (error, "open", name);
  return fd;
}

/* ---- finding ---- */

/* The answer of the helper about an entry. */
typedef struct {
  DkmsCached *found;
  GPtrArray *blobs;    /* element-type utf8 */
  char *refused, *bad; /* (nullable) */
  gboolean missing;
} Answer;

static void
answer_clear (Answer *self)
{
  g_clear_pointer (&self->found, dkms_cached_free);
  g_clear_pointer (&self->blobs, g_ptr_array_unref);
  g_clear_pointer (&self->refused, g_free);
  g_clear_pointer (&self->bad, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Answer, answer_clear)

static void
take_pair (Answer *self, const char *key, const char *value)
{
  DkmsCached *found = self->found;

  if (strcmp (key, "result") == 0)
    found->failed = strcmp (value, "failed") == 0;
  else if (strcmp (key, "time") == 0)
    found->time = g_ascii_strtoll (value, NULL, 10);
  else if (strcmp (key, "seconds") == 0)
    found->seconds = g_ascii_strtod (value, NULL);
  else if (strcmp (key, "builder") == 0)
    dkms_replace_text (&found->builder, value);
  else if (strcmp (key, "error") == 0)
    dkms_replace_text (&found->error, value);
  else if (strcmp (key, "file") == 0)
    g_ptr_array_add (found->files, g_strdup (value));
  else if (strcmp (key, "blob") == 0)
    g_ptr_array_add (self->blobs, g_strdup (value));
  else if (strcmp (key, "refused") == 0)
    dkms_replace_text (&self->refused, value);
  else if (strcmp (key, "bad") == 0)
    dkms_replace_text (&self->bad, value);
  else if (strcmp (key, "missing") == 0)
    self->missing = TRUE;
}

static void
take_answer (Answer *self, GBytes *output)
{
  const char *end, *at = dkms_pairs_begin (output, &end), *key, *value;

  self->found = g_new0 (DkmsCached, 1);
  self->found->files = g_ptr_array_new_with_free_func (g_free);
  self->blobs = g_ptr_array_new_with_free_func (g_free);
  while (dkms_pairs_next (&at, end, &key, &value))
    take_pair (self, key, value);
}

gboolean
dkms_cache_find (const DkmsCacheQuery *query, int *fd, DkmsCached **found, GError **error)
{
  g_autofree char *key = dkms_inputs_identity (query->inputs);
  g_autofree char *slot = dkms_cache_slot (key, NULL);
  g_autofree char *most
      = g_strdup_printf ("%" G_GUINT64_FORMAT, (guint64)query->settings->policy.cache_object_mib << 20);
  g_auto (DkmsFd) entry = dkms_cache_dir_open_entry (query->local, slot);
  g_auto (Answer) answer = { 0 };

  *found = NULL;
  *fd = -1;
  if (entry < 0)
    return dkms_is_absent (errno) || dkms_fail_errno (error, "read", slot);
  g_auto (DkmsFd) out = make_dir (query->work, "cached", error);
  g_autoptr (GByteArray) request = begin_request (query, key);
  for (guint i = 0; i < query->modules->len; i++)
    add_pair (request, "output", query->modules->pdata[i]);
  add_pair (request, "most", most);
  const int fds[] = { entry, dkms_cache_dir_blobs (query->local), out, -1 };
  g_autoptr (GBytes) output = out >= 0 ? ask ("unpack", fds, request, error) : NULL;
  if (output == NULL)
    return FALSE;
  take_answer (&answer, output);
  if (answer.refused != NULL)
    {
      dkms_cache_dir_drop (query->local, slot, answer.bad);
      return DKMS_FAIL (error, CACHE_ENTRY_REFUSED, .id = *query->id, .text = answer.refused);
    }
  if (answer.missing)
    return TRUE; /* a blob was deleted because it was old */
  dkms_cache_dir_touch (query->local, slot, answer.blobs);
  *found = g_steal_pointer (&answer.found);
  *fd = dkms_fd_steal (&out);
  return TRUE;
}

/* ---- adding ---- */

static GByteArray *
pack_request (const DkmsCacheQuery *query, const char *key, const DkmsCached *made)
{
  GByteArray *request = begin_request (query, key);
  g_autofree char *inputs = dkms_inputs_document (query->inputs);
  g_autofree char *time = g_strdup_printf ("%" G_GINT64_FORMAT, made->time);
  g_autofree char *seconds = g_strdup_printf ("%.3f", made->seconds);
  g_autofree char *error = made->error != NULL ? g_utf8_make_valid (made->error, -1) : NULL;

  add_pair (request, "result", made->failed ? "failed" : "built");
  add_pair (request, "inputs", inputs);
  add_pair (request, "time", time);
  add_pair (request, "seconds", seconds);
  add_pair (request, "dkms", DKMS_VERSION);
  add_pair (request, "builder", made->builder != NULL ? made->builder : "");
  if (made->failed)
    {
      add_pair (request, "exit", "1");
      add_pair (request, "error", error != NULL ? error : "");
    }
  for (guint i = 0; i < made->files->len; i++)
    add_pair (request, "file", made->files->pdata[i]);
  return request;
}

gboolean
dkms_cache_add (const DkmsCacheQuery *query, const DkmsCached *made, int fd, GError **error)
{
  g_autofree char *key = dkms_inputs_identity (query->inputs);
  g_autofree char *slot = dkms_cache_slot (key, NULL);
  g_auto (DkmsFd) out = make_dir (query->work, "entry", error);
  g_autoptr (GByteArray) request = pack_request (query, key, made);
  const int fds[] = { fd, out, -1 };
  g_autoptr (GBytes) output = out >= 0 ? ask ("pack", fds, request, error) : NULL;
  g_auto (Answer) answer = { 0 };

  if (output == NULL)
    return FALSE;
  take_answer (&answer, output);
  return dkms_cache_dir_add (query->local, out, answer.blobs, slot, error);
}
