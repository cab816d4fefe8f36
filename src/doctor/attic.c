/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keeps what repairs take away. */
#define _GNU_SOURCE
#include "doctor/attic.h"

#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/unread.h"
#include "doctor/digest.h"
#include "doctor/look.h"
#include "doctor/undo.h"
#include "install/depmod.h"
#include "model/event-json.h"
#include "store/layout.h"
#include "store/lock.h"
#include "store/transaction.h"
#include "store/work.h"

enum { KEEP_S = 90 * 24 * 60 * 60 };

struct DkmsAttic {
  const DkmsPlaces *places;
  DkmsListener *events;
  DkmsLock *lock;
  char *last; /* (nullable) */
};

typedef enum { CHANGE_TAKE, CHANGE_LINK, CHANGE_TEXT, CHANGE_COPY, CHANGE_DIR, CHANGE_MODE } ChangeKind;

typedef struct {
  ChangeKind kind;
  char *path;
  char *value; /* (nullable): text of a link or a file, source of a copy or move, stop of a take */
  mode_t before, after;
} Change;

struct DkmsAtticRepair {
  DkmsAttic *attic;
  char *fault, *subject;
  GArray *changes; /* element-type Change */
};

static void
change_clear (gpointer data)
{
  Change *self = data;

  g_free (self->path);
  g_free (self->value);
}

/* ---- the attic ---- */

/* Deletes directories whose manifest is older than 90 days. One without a manifest was never completed. */
static gboolean
drop_old (const DkmsAttic *self, GError **error)
{
  const DkmsPlaces *places = self->places;
  g_autofree char *dir = dkms_layout_own (places, "attic", NULL);
  g_autoptr (GPtrArray) names = dkms_look_list (places, dir);
  g_autoptr (DkmsTransaction) tx = dkms_transaction_new (places);
  gint64 limit = g_get_real_time () / G_USEC_PER_SEC - KEEP_S;
  gboolean any = FALSE;

  for (guint i = 0; i < names->len; i++)
    {
      g_autofree char *path = g_build_filename (dir, names->pdata[i], NULL);
      json_t *manifest = dkms_manifest_read (places, names->pdata[i], NULL);
      gint64 time = json_integer_value (json_object_get (manifest, "time"));

      if (manifest != NULL && time > 0 && time < limit)
        {
          dkms_transaction_discard (tx, path);
          any = TRUE;
        }
      json_decref (manifest);
    }
  return !any || dkms_transaction_commit (tx, self->events, error);
}

DkmsAttic *
dkms_attic_open (const DkmsPlaces *places, DkmsListener *events, GError **error)
{
  g_autoptr (DkmsAttic) self = g_new0 (DkmsAttic, 1);

  self->places = places;
  self->events = events;
  self->lock = dkms_attic_lock (places, events, error);
  return self->lock != NULL ? g_steal_pointer (&self) : NULL;
}

void
dkms_attic_free (DkmsAttic *self)
{
  if (self == NULL)
    return;
  dkms_lock_release (self->lock);
  g_free (self->last);
  g_free (self);
}

const char *
dkms_attic_last (const DkmsAttic *self)
{
  return self->last;
}

/* ---- a repair ---- */

DkmsAtticRepair *
dkms_attic_repair_new (DkmsAttic *attic, const DkmsFaultFinding *finding)
{
  DkmsAtticRepair *self = g_new0 (DkmsAtticRepair, 1);

  self->attic = attic;
  self->fault = g_strdup (dkms_fault_name (finding->fault));
  self->subject = dkms_fault_finding_subject (finding, attic->places->root->host_path);
  self->changes = g_array_new (FALSE, TRUE, sizeof (Change));
  g_array_set_clear_func (self->changes, change_clear);
  return self;
}

void
dkms_attic_repair_free (DkmsAtticRepair *self)
{
  if (self == NULL)
    return;
  g_array_unref (self->changes);
  g_free (self->fault);
  g_free (self->subject);
  g_free (self);
}

static void
add (DkmsAtticRepair *self, ChangeKind kind, const char *path, const char *value)
{
  Change change = { .kind = kind, .path = g_strdup (path), .value = g_strdup (value) };

  g_array_append_val (self->changes, change);
}

void
dkms_attic_take (DkmsAtticRepair *self, const char *path, const char *stop)
{
  add (self, CHANGE_TAKE, path, stop);
}

void
dkms_attic_put_link (DkmsAtticRepair *self, const char *text, const char *path)
{
  add (self, CHANGE_LINK, path, text);
}

void
dkms_attic_put_text (DkmsAtticRepair *self, const char *text, const char *path)
{
  add (self, CHANGE_TEXT, path, text);
}

void
dkms_attic_put_copy (DkmsAtticRepair *self, const char *source, const char *path)
{
  add (self, CHANGE_COPY, path, source);
}

void
dkms_attic_put_dir (DkmsAtticRepair *self, const char *prepared, const char *path)
{
  add (self, CHANGE_DIR, path, prepared);
}

gboolean
dkms_attic_change_mode (DkmsAtticRepair *self, const char *path, mode_t mode, GError **error)
{
  const DkmsRoot *root = self->attic->places->root;
  g_auto (DkmsFd) fd = dkms_root_openat (root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
  Change change = { .kind = CHANGE_MODE, .after = mode };
  struct stat st;

  if (fd < 0 || fstat (fd, &st) < 0 || fchmod (fd, mode) < 0 || fsync (fd) < 0)
    return dkms_fail_errno (error, "change the permissions of", path);
  change.path = g_strdup (path);
  change.before = st.st_mode & 07777;
  g_array_append_val (self->changes, change);
  return TRUE;
}

/* ---- the transaction ---- */

/* What is needed while the changes are translated. */
typedef struct {
  const DkmsPlaces *places;
  DkmsTransaction *tx;
  const char *dir; /* of the repair in the attic */
  json_t *entries;
  guint count;
} Making;

/* Adds the change that creates something. */
static void
put (Making *self, const Change *change)
{
  switch (change->kind)
    {
    case CHANGE_LINK:
      dkms_transaction_link (self->tx, change->value, change->path);
      break;
    case CHANGE_TEXT:
      dkms_transaction_write (self->tx, change->value, change->path);
      break;
    case CHANGE_COPY:
      dkms_transaction_preserve (self->tx, change->value, change->path);
      break;
    case CHANGE_DIR:
      dkms_transaction_move (self->tx, change->value, change->path);
      break;
    default:
      break;
    }
}

/* Describes what is at the path of @change in @entry, and adds the change to the transaction. */
static gboolean
take (Making *self, const Change *change, json_t *entry, GError **error)
{
  const char *path = change->path;
  g_autofree char *digest = NULL, *name = g_strdup_printf ("%u", self->count), *to = NULL, *mode = NULL, *owner = NULL;
  g_autofree char *last = NULL, *text = NULL;
  g_autoptr (GError) local = NULL;
  g_auto (DkmsFd) parent = dkms_root_open_parent (self->places->root, path, FALSE, &last, NULL);
  struct stat st;

  if (parent < 0 || fstatat (parent, last, &st, AT_SYMLINK_NOFOLLOW) < 0)
    {
      if (!dkms_is_absent (errno))
        return dkms_fail_errno (error, "look at", path);
      dkms_json_set (entry, "to", json_null ());
      put (self, change);
      return TRUE;
    }
  digest = dkms_digest_of (self->places->root, path, &local);
  if (digest == NULL)
    return g_propagate_error (error, g_steal_pointer (&local)), FALSE;
  self->count++;
  to = g_build_filename (self->dir, name, NULL);
  mode = g_strdup_printf ("%o", st.st_mode);
  owner = g_strdup_printf ("%u:%u", st.st_uid, st.st_gid);
  dkms_json_set_text (entry, "to", name);
  dkms_json_set_text (entry, "mode", mode);
  dkms_json_set_text (entry, "owner", owner);
  dkms_json_set_text (entry, "digest", digest);
  if (dkms_attic_is_near (self->places, parent))
    {
      put (self, change);
      if (change->kind == CHANGE_TAKE)
        dkms_transaction_keep (self->tx, path, to);
      else
        dkms_transaction_retain (self->tx, to);
      return TRUE;
    }
  /* The directory of a kernel can be on another file system, and mounts can be anywhere. */
  if (S_ISDIR (st.st_mode))
    return DKMS_FAIL (error, ATTIC_ELSEWHERE, .path = path, .place = self->dir);
  if (S_ISLNK (st.st_mode) && (text = dkms_read_link_at (parent, last)) != NULL)
    dkms_transaction_link (self->tx, text, to);
  else
    dkms_transaction_preserve (self->tx, path, to);
  put (self, change); /* it replaces the file */
  if (change->kind == CHANGE_TAKE)
    dkms_transaction_delete (self->tx, path);
  return TRUE;
}

/* Returns: (transfer full) (nullable): the digest of what @change leaves at its path; NULL for nothing, or with an
 * error */
static char *
digest_after (const Making *self, const Change *change, GError **error)
{
  g_autofree char *sha256 = NULL;

  switch (change->kind)
    {
    case CHANGE_LINK:
      sha256 = g_compute_checksum_for_string (G_CHECKSUM_SHA256, change->value, -1);
      return g_strconcat ("link:", sha256, NULL);
    case CHANGE_TEXT:
      sha256 = g_compute_checksum_for_string (G_CHECKSUM_SHA256, change->value, -1);
      return g_strconcat ("file:", sha256, NULL);
    case CHANGE_COPY:
    case CHANGE_DIR:
      return dkms_digest_of (self->places->root, change->value, error);
    default:
      return NULL;
    }
}

static gboolean
make (Making *self, const Change *change, GError **error)
{
  json_t *entry = json_object ();
  g_autofree char *now = NULL;
  g_autoptr (GError) local = NULL;

  dkms_json_append (self->entries, entry);
  dkms_json_set_text (entry, "from", change->path);
  if (change->kind == CHANGE_MODE)
    {
      dkms_json_set (entry, "modes", json_pack ("[ii]", (int)change->before, (int)change->after));
      return TRUE;
    }
  now = digest_after (self, change, &local);
  if (local != NULL)
    return g_propagate_error (error, g_steal_pointer (&local)), FALSE;
  dkms_json_set (entry, "now", now != NULL ? json_string (now) : json_null ());
  if (!take (self, change, entry, error))
    return FALSE;
  if (change->kind == CHANGE_TAKE && change->value != NULL)
    {
      g_autofree char *dir = g_path_get_dirname (change->path);
      dkms_transaction_prune (self->tx, dir, change->value);
    }
  return TRUE;
}

/* Returns: (transfer full): the name of a new directory: <date>-<n> */
static char *
new_name (const DkmsPlaces *places)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autofree char *date = g_date_time_format (now, "%Y%m%d");

  for (guint n = 1;; n++)
    {
      g_autofree char *name = g_strdup_printf ("%s-%u", date, n);
      g_autofree char *path = dkms_layout_own (places, "attic", name);
      if (!dkms_look_exists (places, path))
        return g_steal_pointer (&name);
    }
}

gboolean
dkms_attic_commit (DkmsAtticRepair *self, const DkmsSettings *settings, GError **error)
{
  DkmsAttic *attic = self->attic;
  const DkmsPlaces *places = attic->places;
  g_autofree char *name = new_name (places), *dir = dkms_layout_own (places, "attic", name);
  g_autofree char *path = g_build_filename (dir, "manifest.json", NULL), *text = NULL;
  g_autoptr (DkmsTransaction) tx = dkms_transaction_new (places);
  g_autoptr (GPtrArray) touched = g_ptr_array_new_with_free_func (g_free);
  json_t *manifest = json_object (), *entries = json_array ();
  Making making = { places, tx, dir, entries, 0 };
  gboolean ok = drop_old (attic, error);

  dkms_json_set (manifest, "format", json_integer (DKMS_MANIFEST_FORMAT));
  dkms_json_set (manifest, "time", json_integer (g_get_real_time () / G_USEC_PER_SEC));
  dkms_json_set_text (manifest, "fault", self->fault);
  dkms_json_set_text (manifest, "subject", self->subject);
  dkms_json_set (manifest, "entries", entries);
  for (guint i = 0; ok && i < self->changes->len; i++)
    {
      const Change *change = &g_array_index (self->changes, Change, i);
      ok = make (&making, change, error);
      g_ptr_array_add (touched, g_strdup (change->path));
    }
  text = dkms_json_to_text (manifest, JSON_INDENT (2));
  dkms_transaction_write (tx, text, path);
  ok = ok && dkms_attic_finish (settings, attic->events, tx, touched, error);
  if (ok)
    {
      g_free (attic->last);
      attic->last = g_steal_pointer (&name);
      DKMS_EMIT (attic->events, DOCTOR_KEPT, .name = attic->last);
    }
  return ok;
}
