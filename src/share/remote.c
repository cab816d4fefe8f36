/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads entries of the build cache from a server, and sends them there. */
#define _GNU_SOURCE
#include "share/remote.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/copy.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/language.h"
#include "base/pairs.h"
#include "base/process.h"
#include "conf/key-list.h"
#include "share/transfer.h"

#define ENTRY "entry"
#define MANIFEST "build.json"
#define SIGNATURE MANIFEST ".minisig"
#define SIGNED "signed"   /* directory of the scratch directory with the manifest that is signed */
#define FETCHED "fetched" /* directory of the scratch directory with files of the server */

enum { MOST_ENTRY = 1 << 20, BLOB_OVERHEAD = 1 << 16, MOST_ID = 1 << 8 };

/* Returns: (transfer full): the host and the port in @url */
static char *
host_of (const char *url)
{
  const char *host = strstr (url, "://");

  host = host != NULL ? host + 3 : url;
  return g_strndup (host, strcspn (host, "/"));
}

DkmsRemote *
dkms_remote_open (const DkmsSettings *settings, const DkmsTrust *trust, gboolean writes, GError **error)
{
  const DkmsRemotePolicy *policy = &settings->policy.remote;
  g_autofree char *helper = dkms_process_helper ("dkms-transfer");
  gboolean reads = trust != NULL && trust->signers->len > 0;
  DkmsRemote *self;

  if (*policy->url == '\0' || (!reads && !writes))
    return NULL;
  if (access (helper, X_OK) < 0)
    return (void)DKMS_FAIL (error, CACHE_NO_HTTP, .name = policy->url, .path = helper), NULL;
  if (writes && *policy->signing_key == '\0')
    return (void)DKMS_FAIL (error, CACHE_WITHOUT_KEY, .name = policy->url), NULL;
  if (!dkms_transfer_check (settings, error))
    return NULL;
  self = g_new0 (DkmsRemote, 1);
  self->settings = settings;
  self->name = host_of (policy->url);
  self->writes = writes;
  return self;
}

void
dkms_remote_close (DkmsRemote *self)
{
  if (self == NULL)
    return;
  g_free (self->name);
  g_free (self);
}

/* Does not ask the server again in this run. Runs of several builds hear the event, too. */
static void
set_aside (const DkmsCacheQuery *query, const DkmsTransferAnswer *answer)
{
  query->caches->remote->away = TRUE;
  if (answer->result == DKMS_TRANSFER_DENIED)
    DKMS_EMIT (query->events, CACHE_DENIED, .name = query->caches->remote->name, .text = answer->text);
  else
    DKMS_EMIT (query->events, CACHE_AWAY, .name = query->caches->remote->name, .text = answer->text);
}

/* ---- reading ---- */

struct DkmsFetch {
  const DkmsCacheQuery *query;
  DkmsTransfer *connection;
  DkmsFd dir;
  gint64 now; /* the time of the server, when it last answered, in seconds since 1970 */
};

DkmsFetch *
dkms_fetch_new (const DkmsCacheQuery *query)
{
  DkmsFetch *self = g_new0 (DkmsFetch, 1);

  self->query = query;
  self->dir = -1;
  return self;
}

void
dkms_fetch_free (DkmsFetch *self)
{
  if (self == NULL)
    return;
  g_clear_pointer (&self->connection, dkms_transfer_end);
  if (self->dir >= 0)
    (void)close (self->dir);
  g_free (self);
}

static gboolean
connect_server (DkmsFetch *self, GError **error)
{
  const DkmsCacheQuery *query = self->query;

  if (self->dir < 0)
    self->dir = dkms_entry_make_dir (query->work, FETCHED, error);
  if (self->dir >= 0 && self->connection == NULL)
    self->connection = dkms_transfer_start (query->settings, self->dir, error);
  return self->connection != NULL;
}

/* Reads one file. @got: (out): whether the server has sent it. Returns: FALSE with an error if it cannot be used */
static gboolean
get (DkmsFetch *self, const DkmsTransferRequest *request, gboolean *got, GError **error)
{
  const DkmsCacheQuery *query = self->query;
  g_auto (DkmsTransferAnswer) answer = { 0 };

  *got = FALSE;
  if (!connect_server (self, error) || !dkms_transfer_ask (self->connection, request, &answer, error))
    return FALSE;
  *got = answer.result == DKMS_TRANSFER_GOOD;
  self->now = answer.now;
  if (answer.result == DKMS_TRANSFER_WRONG)
    return DKMS_FAIL (error, CACHE_FILE_REFUSED, .id = *query->id, .name = query->caches->remote->name,
                      .path = request->path, .text = answer.text);
  if (answer.result == DKMS_TRANSFER_AWAY || answer.result == DKMS_TRANSFER_DENIED)
    set_aside (query, &answer);
  return TRUE;
}

/* Whether the blob was read for another signer. */
static gboolean
has_blob (const DkmsFetch *self, const DkmsEntryBlob *blob)
{
  struct stat st;

  return fstatat (self->dir, blob->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG (st.st_mode)
         && st.st_size == blob->size;
}

/* Reads the files that @answer lists. @got: (out): whether the server has sent all of them */
static gboolean
get_blobs (DkmsFetch *self, const DkmsEntryAnswer *answer, gboolean *got, GError **error)
{
  const goffset most = ((goffset)self->query->settings->policy.cache_object_mib << 20) + BLOB_OVERHEAD;

  *got = TRUE;
  for (guint i = 0; *got && i < answer->blobs->len; i++)
    {
      const DkmsEntryBlob *blob = answer->blobs->pdata[i];
      g_autofree char *path = g_strconcat ("cas/", blob->name, NULL);
      if (*blob->name == '\0' || blob->size <= 0 || blob->size > most)
        return DKMS_FAIL (error, CACHE_ENTRY_REFUSED, .id = *self->query->id,
                          .text = N_ ("the size of a file is wrong"));
      if (!has_blob (self, blob)
          && !get (self, &(DkmsTransferRequest){ "get", path, blob->name, blob->size, blob->size }, got, error))
        return FALSE;
    }
  return TRUE;
}

static void
add_names (GPtrArray *names, const DkmsEntryAnswer *answer)
{
  for (guint i = 0; i < answer->blobs->len; i++)
    g_ptr_array_add (names, g_strdup (((const DkmsEntryBlob *)answer->blobs->pdata[i])->name));
}

/* Asks dkms-entry about the entry in the directory. Returns: FALSE with an error; also if the entry is refused */
static gboolean
ask_entry (const DkmsFetch *self, const char *verb, const GByteArray *request, DkmsEntryAnswer *answer, GError **error)
{
  const DkmsCacheQuery *query = self->query;
  g_auto (DkmsFd) entry = openat (self->dir, ENTRY, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  const int fds[] = { entry, self->dir, -1 };

  if (entry < 0)
    return (void)dkms_fail_errno (error, "open", ENTRY), FALSE;
  return dkms_entry_ask (verb, fds, request, answer, error)
         && (answer->refused == NULL
             || DKMS_FAIL (error, CACHE_ENTRY_REFUSED, .id = *query->id, .name = query->caches->remote->name,
                           .text = answer->refused));
}

/* Reads what the entry in the directory needs. A server may have taken the manifest out of the entry: then it is a file
 * of its own, and lists the others. @got: (out): as above */
static gboolean
complete (DkmsFetch *self, const GByteArray *request, GPtrArray *names, gboolean *got, GError **error)
{
  *got = FALSE;
  for (guint round = 0; round < 2; round++)
    {
      g_auto (DkmsEntryAnswer) answer = { 0 };
      if (!ask_entry (self, "list", request, &answer, error) || !get_blobs (self, &answer, got, error))
        return FALSE;
      add_names (names, &answer);
      if (!*got || answer.blobs->len == 0 || !((const DkmsEntryBlob *)answer.blobs->pdata[0])->manifest)
        return TRUE;
    }
  *got = FALSE;
  return TRUE;
}

int
dkms_fetch_entry (DkmsFetch *self, const char *slot, const char *signer, GPtrArray **blobs, GError **error)
{
  const DkmsCacheQuery *query = self->query;
  g_autofree char *path = g_strconcat ("ac/", slot, NULL);
  g_autofree char *key = dkms_inputs_identity (query->inputs);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GByteArray) request = dkms_entry_request (query, key);
  gboolean got = FALSE;

  *blobs = NULL;
  dkms_entry_request_wish (request, query, signer);
  if (!get (self, &(DkmsTransferRequest){ "get", path, ENTRY, MOST_ENTRY, 0 }, &got, error) || !got
      || !complete (self, request, names, &got, error) || !got)
    return -1;
  /* What is checked next must not change. */
  g_clear_pointer (&self->connection, dkms_transfer_end);
  *blobs = g_steal_pointer (&names);
  return self->dir;
}

/* Adds a text by which this machine knows its own claim on the build @key, and nobody the machine. */
static void
add_self (GByteArray *request, const DkmsCacheQuery *query, const char *key)
{
  g_autofree char *id = dkms_root_read (query->settings->places.root, "/etc/machine-id", MOST_ID, NULL, NULL);
  g_autofree char *text = g_strconcat ("dkms-claim-1\n", key, "\n", id != NULL ? id : g_get_host_name (), "\n", NULL);
  g_autofree char *by = g_compute_checksum_for_string (G_CHECKSUM_SHA256, text, -1);

  dkms_pairs_add (request, "by", by);
}

/* Returns: (transfer full): the path of the claim on the build @key */
static char *
claim_path (const char *key)
{
  g_autofree char *slot = dkms_cache_slot (key, DKMS_CACHE_CLAIM);

  return g_strconcat ("ac/", slot, NULL);
}

gboolean
dkms_fetch_claim (DkmsFetch *self, gint64 *left, GError **error)
{
  g_autofree char *key = dkms_inputs_identity (self->query->inputs);
  g_autofree char *path = claim_path (key);
  g_autoptr (GByteArray) request = dkms_entry_request (self->query, key);
  gboolean got = FALSE;
  gint64 expires = 0;

  *left = 0;
  add_self (request, self->query, key);
  if (!get (self, &(DkmsTransferRequest){ "get", path, ENTRY, MOST_ENTRY, 0 }, &got, error))
    return FALSE;
  for (guint round = 0; got && expires == 0 && round < 2; round++)
    {
      g_auto (DkmsEntryAnswer) answer = { 0 };
      if (!ask_entry (self, "claimed", request, &answer, error) || !get_blobs (self, &answer, &got, error))
        return FALSE;
      expires = answer.expires;
    }
  *left = MAX (expires - self->now, 0);
  return TRUE;
}

/* ---- sending ---- */

/* Runs dkms-sign. @path: of the manifest, inside the root. Returns: (transfer full) (nullable): the id of the key */
static char *
run_signer (const DkmsSettings *settings, const char *path, GError **error)
{
  const DkmsRoot *root = settings->places.root;
  const char *key = settings->policy.remote.signing_key;
  gboolean token = dkms_key_is_token (key);
  g_autofree char *helper = dkms_process_helper ("dkms-sign");
  g_autofree char *key_path = token ? g_strdup (key) : dkms_root_resolved (root, key);
  g_autofree char *manifest = dkms_root_resolved (root, path);
  const char *const argv[] = { helper, "manifest", key_path, manifest, NULL };
  const DkmsCommand command = { .argv = argv, .root = token ? NULL : root, .of_machine = TRUE, .null_stdin = TRUE };
  int status = 0;
  g_autofree char *output = dkms_process_transcript (&command, &status, error);

  if (output == NULL)
    return NULL;
  dkms_recall_helper (g_strchomp (output));
  /* The output may contain a warning, too, and is then not an id. */
  if (status != 0 || strlen (output) != 16 || strspn (output, "0123456789ABCDEF") != 16)
    return (void)DKMS_FAIL (error, SIGN_PROGRAM_FAILED, .text = output, .status = status), NULL;
  return g_steal_pointer (&output);
}

/* Signs the manifest in the directory @dir of the helpers, in a directory that only this process can write. Returns:
 * (transfer full) (nullable): the id of the key */
static char *
sign (const DkmsCacheQuery *query, int dir, GError **error)
{
  const DkmsWork *work = query->work;
  g_autofree char *path = g_build_filename (work->path, SIGNED, MANIFEST, NULL);

  dkms_discard_tree_at (work->fd, SIGNED);
  if (mkdirat (work->fd, SIGNED, 0700) < 0)
    return (void)dkms_fail_errno (error, "create", SIGNED), NULL;
  if (!dkms_copy_plain_at (dir, MANIFEST, &(DkmsNewFile){ work->fd, SIGNED "/" MANIFEST, 0600, FALSE }, error))
    return NULL;
  g_autofree char *signer = run_signer (query->settings, path, error);
  return signer != NULL
                 && dkms_copy_plain_at (work->fd, SIGNED "/" SIGNATURE, &(DkmsNewFile){ dir, SIGNATURE, 0644, FALSE },
                                        error)
             ? g_steal_pointer (&signer)
             : NULL;
}

/* A connection for sending, and what the server has answered. */
typedef struct {
  const DkmsCacheQuery *query;
  DkmsTransfer *connection;
} Sender;

/* Returns: FALSE with an error if the server does not take the file */
static gboolean
put (const Sender *self, const char *path, const char *file, goffset size, GError **error)
{
  const DkmsCacheQuery *query = self->query;
  g_auto (DkmsTransferAnswer) answer = { 0 };

  if (!dkms_transfer_ask (self->connection, &(DkmsTransferRequest){ "put", path, file, size, 0 }, &answer, error))
    return FALSE;
  if (answer.result == DKMS_TRANSFER_GOOD)
    return TRUE;
  if (answer.result == DKMS_TRANSFER_AWAY && answer.status == 0)
    set_aside (query, &answer);
  return DKMS_FAIL (error, CACHE_NOT_SENT, .id = *query->id, .name = query->caches->remote->name, .path = path,
                    .text = answer.text);
}

/* Sends the file, unless the server has it. */
static gboolean
put_blob (const Sender *self, int dir, const char *file, const char *digest, GError **error)
{
  g_autofree char *path = g_strconcat ("cas/", digest, NULL);
  g_auto (DkmsTransferAnswer) answer = { 0 };
  struct stat st;

  if (fstatat (dir, file, &st, AT_SYMLINK_NOFOLLOW) < 0)
    return dkms_fail_errno (error, "read", file);
  if (!dkms_transfer_ask (self->connection, &(DkmsTransferRequest){ "head", path, NULL, 0, 0 }, &answer, error))
    return FALSE;
  if (answer.result == DKMS_TRANSFER_AWAY && answer.status == 0)
    {
      set_aside (self->query, &answer);
      return DKMS_FAIL (error, CACHE_NOT_SENT, .id = *self->query->id, .name = self->query->caches->remote->name,
                        .path = path, .text = answer.text);
    }
  return answer.result == DKMS_TRANSFER_GOOD || put (self, path, file, st.st_size, error);
}

/* Sends the parts of the entry in the directory @dir, and then the entry. Some servers take the content of the parts
 * out of it. */
static gboolean
put_entry (const Sender *self, int dir, const char *path, GError **error)
{
  static const char *const parts[] = { MANIFEST, SIGNATURE };
  struct stat st;

  for (gsize i = 0; i < G_N_ELEMENTS (parts) && dkms_is_file_at (dir, parts[i]); i++)
    {
      g_autofree char *digest = dkms_sha256_at (dir, parts[i], error);
      if (digest == NULL || !put_blob (self, dir, parts[i], digest, error))
        return FALSE;
    }
  if (fstatat (dir, ENTRY, &st, AT_SYMLINK_NOFOLLOW) < 0)
    return dkms_fail_errno (error, "read", ENTRY);
  return put (self, path, ENTRY, st.st_size, error);
}

static gboolean
put_all (const Sender *self, int dir, const GPtrArray *blobs, const char *slot, GError **error)
{
  g_autofree char *path = g_strconcat ("ac/", slot, NULL);

  for (guint i = 0; i < blobs->len; i++)
    {
      const char *name = ((const DkmsEntryBlob *)blobs->pdata[i])->name;
      if (!put_blob (self, dir, name, name, error))
        return FALSE;
    }
  return put_entry (self, dir, path, error);
}

gboolean
dkms_remote_send (const DkmsCacheQuery *query, const char *key, int dir, const GPtrArray *blobs, GError **error)
{
  const int fds[] = { dir, -1 };
  g_auto (DkmsEntryAnswer) answer = { 0 };
  g_autofree char *signer = sign (query, dir, error);

  if (signer == NULL || !dkms_entry_ask ("seal", fds, NULL, &answer, error))
    return FALSE;
  g_autofree char *slot = dkms_cache_slot (key, signer);
  g_autoptr (DkmsTransfer) connection = dkms_transfer_start (query->settings, dir, error);
  return connection != NULL && put_all (&(Sender){ query, connection }, dir, blobs, slot, error);
}

gboolean
dkms_fetch_place_claim (DkmsFetch *self, guint seconds, GError **error)
{
  const DkmsCacheQuery *query = self->query;
  g_autofree char *key = dkms_inputs_identity (query->inputs);
  g_autofree char *path = claim_path (key);
  g_autofree char *expires = g_strdup_printf ("%" G_GINT64_FORMAT, seconds > 0 ? self->now + seconds : 0);
  g_autoptr (GByteArray) request = dkms_entry_request (query, key);
  g_auto (DkmsEntryAnswer) answer = { 0 };

  dkms_pairs_add (request, "expires", expires);
  add_self (request, query, key);
  if (!connect_server (self, error))
    return FALSE;
  const int fds[] = { self->dir, -1 };
  return dkms_entry_ask ("claim", fds, request, &answer, error)
         && put_entry (&(Sender){ query, self->connection }, self->dir, path, error);
}

/* ---- the question whether it answers ---- */

char *
dkms_remote_probe (const DkmsSettings *settings)
{
  g_autofree char *slot = dkms_cache_slot ("", NULL);
  g_autofree char *path = g_strconcat ("ac/", slot, NULL);
  const DkmsTransferRequest request = { "head", path, NULL, 0, 0 };
  g_auto (DkmsTransferAnswer) answer = { 0 };
  g_autoptr (GError) error = NULL;
  g_auto (DkmsFd) dir = open ("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* no file is read or written */
  g_autoptr (DkmsTransfer) connection
      = dir >= 0 && dkms_transfer_check (settings, &error) ? dkms_transfer_start (settings, dir, &error) : NULL;

  if (connection == NULL || !dkms_transfer_ask (connection, &request, &answer, &error))
    return g_strdup (error != NULL ? error->message : g_strerror (errno));
  return answer.result == DKMS_TRANSFER_GOOD || answer.result == DKMS_TRANSFER_ABSENT ? NULL
                                                                                      : g_steal_pointer (&answer.text);
}
