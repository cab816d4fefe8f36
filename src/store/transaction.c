/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Collects, prepares and makes changes, completely or not at all. */
#define _GNU_SOURCE
#include "store/transaction.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/unread.h"
#include "model/event-json.h"
#include "store/changes.h"
#include "store/journal.h"
#include "store/lock.h"
#include "store/reading.h"
#include "store/recovery.h"
#include "store/register.h"
#include "store/stage.h"

struct DkmsTransaction {
  const DkmsPlaces *places;
  guint32 id;
  GArray *stages; /* element-type DkmsStage */
  json_t *ops;
  char *unwritable; /* (nullable): a path that the journal cannot contain, because it is not UTF-8 */
};

DkmsTransaction *
dkms_transaction_new (const DkmsPlaces *places)
{
  DkmsTransaction *self = g_new0 (DkmsTransaction, 1);

  self->places = places;
  self->id = g_random_int ();
  self->stages = g_array_new (FALSE, FALSE, sizeof (DkmsStage));
  g_array_set_clear_func (self->stages, dkms_stage_clear);
  self->ops = json_array ();
  return self;
}

void
dkms_transaction_free (DkmsTransaction *self)
{
  if (self == NULL)
    return;
  g_array_unref (self->stages);
  json_decref (self->ops);
  g_free (self->unwritable);
  g_free (self);
}

static void
add_op (DkmsTransaction *self, const char *op, const char *a, const char *b, const char *c)
{
  const char *const paths[] = { a, b, c };
  gboolean valid = TRUE;

  for (gsize i = 0; i < G_N_ELEMENTS (paths); i++)
    if (!g_utf8_validate (paths[i], -1, NULL))
      {
        valid = FALSE;
        if (self->unwritable == NULL)
          self->unwritable = g_strdup (paths[i]);
      }
  if (valid)
    dkms_json_append (self->ops, json_pack ("[ssss]", op, a, b, c));
}

/* Returns a temporary name next to @path that no other run uses. */
static char *
beside (const DkmsTransaction *self, const char *path, const char *kind, gsize number)
{
  g_autofree char *dir = g_path_get_dirname (path);

  return g_strdup_printf ("%s/.dkms-%08x-%s%" G_GSIZE_FORMAT, dir, self->id, kind, number);
}

/* Returns: (transfer none): name of the temporary file that will become @target */
static const char *
add_stage (DkmsTransaction *self, DkmsStageKind kind, const char *from, const char *target, mode_t mode)
{
  DkmsStage stage = { kind, g_strdup (from), beside (self, target, "", self->stages->len), mode };

  g_array_append_val (self->stages, stage);
  if (kind != DKMS_STAGE_MOVE)
    add_op (self, "rename", stage.temp, target, "");
  return stage.temp;
}

void
dkms_transaction_copy (DkmsTransaction *self, const char *source, const char *target, mode_t mode)
{
  (void)add_stage (self, DKMS_STAGE_COPY, source, target, mode);
}

void
dkms_transaction_preserve (DkmsTransaction *self, const char *source, const char *target)
{
  (void)add_stage (self, DKMS_STAGE_PRESERVE, source, target, 0);
}

void
dkms_transaction_link (DkmsTransaction *self, const char *text, const char *target)
{
  (void)add_stage (self, DKMS_STAGE_LINK, text, target, 0);
}

void
dkms_transaction_write (DkmsTransaction *self, const char *text, const char *target)
{
  (void)add_stage (self, DKMS_STAGE_TEXT, text, target, 0644);
}

void
dkms_transaction_move (DkmsTransaction *self, const char *from, const char *to)
{
  g_autofree char *trash = beside (self, to, "old", json_array_size (self->ops));

  /* It is first moved next to its final name, so that the journalled changes do not depend on its origin. */
  add_op (self, "move", add_stage (self, DKMS_STAGE_MOVE, from, to, 0), to, trash);
  add_op (self, "sweep", trash, "", "");
}

void
dkms_transaction_keep (DkmsTransaction *self, const char *from, const char *to)
{
  g_autofree char *trash = beside (self, to, "old", json_array_size (self->ops));

  add_op (self, "move", from, to, trash);
  add_op (self, "sweep", trash, "", "");
}

void
dkms_transaction_retain (DkmsTransaction *self, const char *to)
{
  gsize last = json_array_size (self->ops) - 1;
  json_t *op = json_array_get (self->ops, last);

  if (strcmp (json_string_value (json_array_get (op, 0)), "sweep") == 0)
    {
      (void)json_array_remove (self->ops, last);
      op = json_array_get (self->ops, --last);
    }
  /* A rename cannot replace a directory by a file. Repeated after a crash, it must not take what it has created. */
  g_autofree char *target = g_strdup (json_string_value (json_array_get (op, 2)));
  g_autofree char *trash = beside (self, target, "old", last),
                  *spare = to != NULL ? beside (self, to, "old", last + 1) : NULL;
  json_array_set_new (op, 0, json_string ("move"));
  json_array_set_new (op, 3, json_string (trash));
  if (to != NULL)
    add_op (self, "move", trash, to, spare);
  add_op (self, "sweep", to != NULL ? spare : trash, "", "");
}

void
dkms_transaction_discard (DkmsTransaction *self, const char *path)
{
  g_autofree char *trash = beside (self, path, "old", json_array_size (self->ops));

  add_op (self, "discard", path, trash, "");
  add_op (self, "sweep", trash, "", "");
}

void
dkms_transaction_delete (DkmsTransaction *self, const char *path)
{
  add_op (self, "delete", path, "", "");
}

void
dkms_transaction_prune (DkmsTransaction *self, const char *dir, const char *stop)
{
  add_op (self, "prune", dir, stop, "");
}

/* After a failure in stage 1 or 2. If it cannot be undone now, the journal is kept, and the next run undoes it. */
static void
back_out (DkmsTransaction *self, DkmsListener *events, int journal, const char *name, json_t *plan)
{
  guint mark = dkms_unread_mark ();

  if (dkms_changes_undo (self->places, events, plan, NULL))
    (void)dkms_journal_drop (journal, name, NULL);
  dkms_unread_drop (mark);
}

/* Stages 1 and 2. After a failure nothing has changed. */
/* Users know the tree, and not the journal in it. */
static gboolean
write_journal (const DkmsPlaces *places, int journal, const char *name, json_t *object, GError **error)
{
  g_autoptr (GError) local = NULL;
  g_autofree char *shown = dkms_root_host_path (places->root, places->dkms_tree);

  return dkms_journal_write (journal, name, object, &local)
         || DKMS_FAIL (error, TREE_NOT_WRITABLE, .path = shown, .number = dkms_error_info (local)->number);
}

static gboolean
prepare (DkmsTransaction *self, DkmsListener *events, int journal, const char *name, GError **error)
{
  const DkmsRoot *root = self->places->root;
  json_t *dirs = dkms_stage_missing_dirs (root, self->ops), *temps, *plan, *ops;
  gboolean ok;

  /* The changes were planned from the files that were read. */
  if (!dkms_unread_check (error))
    return json_decref (dirs), FALSE;
  temps = json_array ();
  for (guint i = 0; i < self->stages->len; i++)
    json_array_append_new (temps, json_string (g_array_index (self->stages, DkmsStage, i).temp));
  plan = json_pack ("{s:i,s:o,s:o}", "format", DKMS_JOURNAL_FORMAT, "temps", temps, "dirs", dirs);
  ops = json_pack ("{s:i,s:O}", "format", DKMS_JOURNAL_FORMAT, "ops", self->ops);
  ok = write_journal (self->places, journal, name, plan, error) && dkms_stage_make_dirs (root, dirs, error);
  for (guint i = 0; ok && i < self->stages->len; i++)
    ok = dkms_stage_write (root, &g_array_index (self->stages, DkmsStage, i), error);
  if (!ok)
    back_out (self, events, journal, name, plan);
  else if (!write_journal (self->places, journal, name, ops, error))
    {
      /* Either journal may exist now. The one with the changes must be deleted before their temporary files. */
      ok = FALSE;
      if (dkms_journal_drop (journal, name, NULL))
        (void)dkms_changes_undo (self->places, events, plan, NULL);
    }
  json_decref (plan);
  json_decref (ops);
  return ok;
}

gboolean
dkms_transaction_commit (DkmsTransaction *self, DkmsListener *events, GError **error)
{
  g_autoptr (DkmsLock) lock = dkms_lock_take (self->places, events, "lock", TRUE, error);
  g_auto (DkmsFd) journal = lock != NULL ? dkms_journal_open (self->places, TRUE, error) : -1;
  g_auto (DkmsFd) sequence = journal >= 0 ? dkms_sequence_open (self->places, error) : -1;
  g_autofree char *name = g_strdup_printf ("%08x.json", self->id);

  if (self->unwritable != NULL)
    {
      g_autofree char *shown = dkms_root_host_path (self->places->root, self->unwritable);
      return DKMS_FAIL (error, PATH_NOT_UTF8, .path = shown);
    }
  if (sequence < 0 || !dkms_tree_check_trusted (self->places, error) || !dkms_changes_check (self->ops, error)
      || !dkms_journal_recover_locked (self->places, events, journal, sequence, error)
      || !prepare (self, events, journal, name, error))
    return FALSE;
  /* This is the point of no return: after a failure the journal is kept, and the next run completes the changes. */
  return dkms_changes_apply (self->places, events, self->ops, sequence, error)
         && dkms_journal_drop (journal, name, error);
}
