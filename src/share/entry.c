/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks the helper to make and read entries. */
#define _GNU_SOURCE
#include "share/entry.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/pairs.h"
#include "base/process.h"
#include "share/trust.h"

enum { NOBODY = 65534 };

/* ---- requests ---- */

GByteArray *
dkms_entry_request (const DkmsCacheQuery *query, const char *key)
{
  GByteArray *request = g_byte_array_new ();

  dkms_pairs_add (request, "key", key);
  dkms_pairs_add (request, "module", query->id->module);
  dkms_pairs_add (request, "version", query->id->version);
  dkms_pairs_add (request, "kernel", query->id->kernel);
  dkms_pairs_add (request, "arch", query->id->arch);
  return request;
}

void
dkms_entry_request_wish (GByteArray *request, const DkmsCacheQuery *query, const char *signer)
{
  const GPtrArray *denied = query->caches->trust != NULL ? query->caches->trust->denied : NULL;
  g_autofree char *most
      = g_strdup_printf ("%" G_GUINT64_FORMAT, (guint64)query->settings->policy.cache_object_mib << 20);

  for (guint i = 0; i < query->modules->len; i++)
    dkms_pairs_add (request, "output", query->modules->pdata[i]);
  dkms_pairs_add (request, "most", most);
  if (signer != NULL)
    dkms_pairs_add (request, "signer", signer);
  for (guint i = 0; denied != NULL && i < denied->len; i++)
    dkms_pairs_add (request, "deny", denied->pdata[i]);
}

/* Returns: a descriptor at the beginning of the bytes of @request; -1 with an error */
static int
open_request (const GByteArray *request, GError **error)
{
  g_auto (DkmsFd) fd = memfd_create ("request", MFD_CLOEXEC);

  if (fd < 0)
    return (void)dkms_fail_errno (error, "create", "a memory file"), -1;
  if (request != NULL && !dkms_write_all (fd, request->data, request->len, "a memory file", error))
    return -1;
  if (lseek (fd, 0, SEEK_SET) < 0)
    return (void)dkms_fail_errno (error, "rewind", "a memory file"), -1;
  return dkms_fd_steal (&fd);
}

/* ---- answers ---- */

static void
blob_free (gpointer data)
{
  DkmsEntryBlob *self = data;

  g_free (self->name);
  g_free (self);
}

void
dkms_entry_answer_clear (DkmsEntryAnswer *self)
{
  g_clear_pointer (&self->found, dkms_cached_free);
  g_clear_pointer (&self->blobs, g_ptr_array_unref);
  if (self->payloads != NULL)
    g_string_free (g_steal_pointer (&self->payloads), TRUE);
  g_clear_pointer (&self->refused, g_free);
  g_clear_pointer (&self->bad, g_free);
}

/* Whether a name that the helper has read can be the name of a file. */
static gboolean
is_digest (const char *name)
{
  return strlen (name) == 64 && strspn (name, "0123456789abcdef") == 64;
}

static void
add_blob (DkmsEntryAnswer *self, const char *name, gboolean manifest)
{
  DkmsEntryBlob *blob = g_new0 (DkmsEntryBlob, 1);

  blob->name = g_strdup (is_digest (name) ? name : "");
  blob->manifest = manifest;
  g_ptr_array_add (self->blobs, blob);
}

static void
take_pair (DkmsEntryAnswer *self, const char *key, const char *value)
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
  else if (strcmp (key, "payload") == 0)
    g_string_append_printf (self->payloads, "%s\n", value);
  else if (strcmp (key, "blob") == 0 || strcmp (key, "fetch") == 0)
    add_blob (self, value, *key == 'f');
  else if (strcmp (key, "size") == 0 && self->blobs->len > 0)
    ((DkmsEntryBlob *)self->blobs->pdata[self->blobs->len - 1])->size = g_ascii_strtoll (value, NULL, 10);
  else if (strcmp (key, "refused") == 0)
    dkms_replace_text (&self->refused, value);
  else if (strcmp (key, "bad") == 0)
    dkms_replace_text (&self->bad, value);
  else if (strcmp (key, "expires") == 0)
    self->expires = g_ascii_strtoll (value, NULL, 10);
  else if (strcmp (key, "missing") == 0)
    self->missing = TRUE;
}

static void
take_answer (DkmsEntryAnswer *self, GBytes *output)
{
  const char *end, *at = dkms_pairs_begin (output, &end), *key, *value;

  self->found = g_new0 (DkmsCached, 1);
  self->found->files = g_ptr_array_new_with_free_func (g_free);
  self->blobs = g_ptr_array_new_with_free_func (blob_free);
  self->payloads = g_string_new (NULL);
  while (dkms_pairs_next (&at, end, &key, &value))
    take_pair (self, key, value);
}

gboolean
dkms_entry_ask (const char *verb, const int *fds, const GByteArray *request, DkmsEntryAnswer *answer, GError **error)
{
  g_autofree char *helper = dkms_process_helper ("dkms-entry");
  g_autoptr (GPtrArray) argv = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GArray) keep = g_array_new (FALSE, FALSE, sizeof (int));
  g_auto (DkmsFd) input = open_request (request, error);
  gsize size = 0;
  int status = 0;

  if (input < 0)
    return FALSE;
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
    return FALSE;
  if (status != 0 || size < sizeof "end" + 1 || memcmp (text + size - sizeof "end" - 1, "end\0", sizeof "end" + 1) != 0)
    return DKMS_FAIL (error, HELPER_FAILED, .name = "dkms-entry", .status = status);
  g_autoptr (GBytes) output = g_bytes_new_take (g_steal_pointer (&text), size);
  take_answer (answer, output);
  return TRUE;
}

/* ---- directories ---- */

int
dkms_entry_make_dir (const DkmsWork *work, const char *name, GError **error)
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

GPtrArray *
dkms_entry_blob_names (const DkmsEntryAnswer *answer)
{
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < answer->blobs->len; i++)
    g_ptr_array_add (names, g_strdup (((const DkmsEntryBlob *)answer->blobs->pdata[i])->name));
  return names;
}
