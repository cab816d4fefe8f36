/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Signs finished builds again. Modules are prepared in the scratch directory, in files <number>/<name>.ko. */
#define _GNU_SOURCE
#include "build/resign.h"

#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/pairs.h"
#include "base/process.h"
#include "base/unread.h"
#include "build/compress.h"
#include "build/sign.h"
#include "install/install.h"
#include "store/attempts.h"
#include "store/health.h"
#include "store/layout.h"
#include "store/transaction.h"

#define SCRATCH "sign"

/* A module of the build. */
typedef struct {
  char *file;               /* name in module/ */
  char *suffix;             /* behind .ko */
  char *built;              /* path of that file, inside the root */
  char *installed;          /* (nullable): path of the installed file that belongs to it */
  char *plain;              /* path of the uncompressed copy */
  DkmsRecordModule *record; /* (nullable) */
  gboolean is_indexed;      /* the index of modules describes the installed file: depmod ran after its last change */
  gboolean is_current;      /* all keys have signed it, and nobody else */
  char *error;              /* (nullable): why its signature cannot be removed */
} Module;

static void
module_free (gpointer data)
{
  Module *self = data;

  g_free (self->file);
  g_free (self->suffix);
  g_free (self->built);
  g_free (self->installed);
  g_free (self->plain);
  g_free (self->error);
  g_free (self);
}

/* ---- the files of the build ---- */

static void
add_module (const DkmsJob *job, GPtrArray *modules, const char *file, DkmsRecordModule *record)
{
  Module *self = g_new0 (Module, 1);
  const char *suffix = dkms_module_suffix (file);
  g_autofree char *dir = dkms_job_base (job, "module");
  g_autofree char *number = g_strdup_printf ("%u", modules->len);
  g_autofree char *name = g_strndup (file, strlen (file) - strlen (suffix));

  self->file = g_strdup (file);
  self->suffix = g_strdup (suffix);
  self->built = g_build_filename (dir, file, NULL);
  self->plain = g_build_filename (job->work->path, SCRATCH, number, name, NULL);
  self->record = record;
  g_ptr_array_add (modules, self);
}

/* Returns: (transfer full) (element-type Module) (nullable): those of the record, otherwise those in module/ */
static GPtrArray *
find_modules (const DkmsJob *job, const DkmsRecord *record, GError **error)
{
  g_autoptr (GPtrArray) modules = g_ptr_array_new_with_free_func (module_free);
  g_autofree char *dir = dkms_job_base (job, "module");
  g_auto (DkmsFd) fd = dkms_root_open_dir (job->settings->places.root, dir, FALSE, error);
  g_autoptr (GPtrArray) names = fd >= 0 ? dkms_list_dir_at (fd, ".", error) : NULL;

  if (names == NULL)
    return NULL;
  for (guint i = 0; record == NULL && i < names->len; i++)
    if (dkms_module_suffix (names->pdata[i]) != NULL)
      add_module (job, modules, names->pdata[i], NULL);
  for (guint i = 0; record != NULL && i < record->modules->len; i++)
    {
      DkmsRecordModule *module = record->modules->pdata[i];

      if (module->file == NULL || dkms_module_suffix (module->file) == NULL)
        continue;
      if (!dkms_is_file_at (fd, module->file))
        return DKMS_FAIL (error, BUILT_MISSING, .id = job->id, .path = dir, .name = module->dest_name), NULL;
      add_module (job, modules, module->file, module);
    }
  return g_steal_pointer (&modules);
}

/* A file that is not the recorded one may be damaged. Its content must not get a valid signature by accident. */
static gboolean
check_unchanged (const DkmsJob *job, const Module *module, GError **error)
{
  const DkmsRoot *root = job->settings->places.root;
  g_autofree char *shown = dkms_root_host_path (root, module->built);
  g_autofree char *path = dkms_root_resolved (root, module->built);
  g_autofree char *digest = NULL;
  struct stat st;

  if (job->force || module->record == NULL || module->record->sha256 == NULL)
    return TRUE;
  if (dkms_root_stat (root, module->built, &st) < 0)
    return dkms_fail_errno (error, "look at", shown);
  if (dkms_stat_has_signature (&st, module->record->built_sig))
    return TRUE;
  digest = dkms_sha256_at (AT_FDCWD, path, error);
  if (digest == NULL)
    return FALSE;
  return strcmp (digest, module->record->sha256) == 0 || DKMS_FAIL (error, SIGN_CHANGED, .id = job->id, .path = shown);
}

/* ---- the installed files ---- */

/* Whether the file at @path, which must not be a link, is the file of @module: by the recorded stat signatures of both,
 * otherwise by its content. @present: (out): whether there is a file */
static gboolean
is_ours (const DkmsRoot *root, const Module *module, const char *path, gboolean *present)
{
  g_auto (DkmsFd) fd = dkms_root_openat (root, path, DKMS_READ_FLAGS | O_NOFOLLOW, 0);
  g_autofree char *built = dkms_root_resolved (root, module->built);
  struct stat st, built_st;

  /* A link into the tree (symlink_modules) names the file of the build, which is replaced in any case. */
  *present = fd >= 0 && fstat (fd, &st) == 0 && S_ISREG (st.st_mode);
  if (!*present)
    return FALSE;
  if (module->record != NULL && dkms_stat_has_signature (&st, module->record->installed_sig)
      && dkms_root_stat (root, module->built, &built_st) == 0
      && dkms_stat_has_signature (&built_st, module->record->built_sig))
    return TRUE;
  g_autofree char *there = dkms_root_resolved (root, path);
  return dkms_files_equal_at (AT_FDCWD, built, AT_FDCWD, there);
}

/* Whether the index of the kernel describes the installed file of @module. A new signature changes nothing in it. */
static gboolean
is_indexed (const DkmsJob *job, const Module *module)
{
  const DkmsPlaces *places = &job->settings->places;
  struct stat file;

  return dkms_root_stat (places->root, module->installed, &file) == 0
         && dkms_index_age (places, job->id.kernel, &file, module->record->indexed_sig) == DKMS_INDEX_CURRENT;
}

static void
find_recorded (const DkmsJob *job, Module *module)
{
  g_autofree char *path = g_strconcat (job->kernel->dir, module->record->dest_location, "/", module->file, NULL);
  gboolean present;

  if (is_ours (job->settings->places.root, module, path, &present))
    {
      module->installed = g_steal_pointer (&path);
      module->is_indexed = is_indexed (job, module);
    }
  else if (present && module->record->owned_sig != NULL)
    DKMS_EMIT (job->events, INSTALLED_NOT_SIGNED, .path = path);
}

/* Finds the installed files of a build without a record: files with the same name and content. */
static void
find_unrecorded (const DkmsJob *job, const GPtrArray *modules)
{
  g_autoptr (DkmsRecipe) recipe = dkms_recipe_of_files (&job->settings->places, &job->id, job->kernel);

  for (guint i = 0; i < recipe->modules->len; i++)
    for (guint m = 0; m < modules->len; m++)
      {
        const DkmsRecipeModule *of_recipe = recipe->modules->pdata[i];
        Module *module = modules->pdata[m];
        g_autofree char *path = g_strconcat (job->kernel->dir, of_recipe->dest_location, "/", module->file, NULL);
        gboolean present;

        if (module->installed == NULL && is_ours (job->settings->places.root, module, path, &present))
          module->installed = g_steal_pointer (&path);
      }
}

/* ---- signatures ---- */

/* What the helper prints about one module. */
typedef struct {
  Module *module;
  guint signers, ours, cut;
} Findings;

/* @value: "DIGEST plain|pss NUMBER matches|differs" */
static void
take_signer (const DkmsSigner *signer, const char *value, Findings *found)
{
  g_auto (GStrv) words = g_strsplit (value, " ", -1);

  found->signers++;
  found->ours += g_strv_length (words) == 4 && g_ascii_strcasecmp (words[0], signer->hash) == 0
                 && strcmp (words[1], "plain") == 0 && strcmp (words[2], "-") != 0 && strcmp (words[3], "matches") == 0;
}

/* Takes the pairs that dkms-trust prints about @count of @modules. Returns: whether it printed all */
static gboolean
take_output (const DkmsSigner *signer, const char *text, gsize size, Module *const *modules, guint count)
{
  const char *at = text, *end = text + size, *key, *value;
  Findings found = { 0 };
  guint done = 0;

  while (done < count && dkms_pairs_next (&at, end, &key, &value))
    {
      found.module = modules[done];
      if (strcmp (key, "signer") == 0)
        take_signer (signer, value, &found);
      else if (strcmp (key, "cut") == 0)
        found.cut = (guint)g_ascii_strtoull (value, NULL, 10);
      else if (strcmp (key, "error") == 0)
        found.module->error = g_strdup (value);
      else if (strcmp (key, "end") == 0)
        {
          found.module->is_current
              = found.cut == 1 && found.ours == signer->pairs->len && found.signers == signer->pairs->len;
          found = (Findings){ 0 };
          done++;
        }
    }
  return done == count;
}

/* Writes copies of @count of @modules without signatures. */
static gboolean
cut_some (const DkmsJob *job, Module *const *modules, guint count, GError **error)
{
  const DkmsRoot *root = job->settings->places.root;
  g_autoptr (GPtrArray) argv = g_ptr_array_new_with_free_func (g_free);
  DkmsCommand command = { .null_stdin = TRUE };
  gsize size = 0;
  int status = 0;

  g_ptr_array_add (argv, dkms_process_helper ("dkms-trust"));
  g_ptr_array_add (argv, g_strdup ("cut"));
  for (guint i = 0; i < job->signer->pairs->len; i++)
    {
      if (i > 0)
        g_ptr_array_add (argv, g_strdup ("+"));
      g_ptr_array_add (argv,
                       dkms_root_resolved (root, ((const DkmsKeyPair *)job->signer->pairs->pdata[i])->certificate));
    }
  for (guint i = 0; i < count; i++)
    {
      const Module *module = modules[i];
      g_autofree char *dir = g_path_get_dirname (module->plain);
      g_auto (DkmsFd) fd = dkms_root_open_dir (root, dir, TRUE, error);

      if (fd < 0)
        return FALSE;
      g_ptr_array_add (argv, dkms_root_resolved (root, module->built));
      g_ptr_array_add (argv, dkms_root_resolved (root, module->plain));
    }
  g_ptr_array_add (argv, NULL);
  command.argv = (const char *const *)argv->pdata;
  g_autofree char *text = dkms_process_capture (&command, &size, &status, error);
  if (text == NULL)
    return FALSE;
  if (!take_output (job->signer, text, size, modules, count))
    return DKMS_FAIL (error, HELPER_FAILED, .name = "dkms-trust", .status = status);
  for (guint i = 0; i < count; i++)
    if (modules[i]->error != NULL)
      return DKMS_FAIL (error, SIGN_NOT_READ, .id = job->id, .path = modules[i]->built, .text = modules[i]->error);
  return TRUE;
}

/* The helper opens all its files at once. */
static gboolean
cut_signatures (const DkmsJob *job, const GPtrArray *modules, GError **error)
{
  enum { AT_ONCE = 100 };

  for (guint i = 0; i < modules->len; i += AT_ONCE)
    if (!cut_some (job, (Module *const *)modules->pdata + i, MIN (AT_ONCE, modules->len - i), error))
      return FALSE;
  return TRUE;
}

/* Compresses the copies of @modules that have @suffix. */
static gboolean
compress (const DkmsJob *job, const GPtrArray *modules, const char *suffix, GError **error)
{
  g_autoptr (GPtrArray) paths = g_ptr_array_new ();

  for (guint i = 0; i < modules->len; i++)
    {
      const Module *module = modules->pdata[i];
      if (strcmp (module->suffix, suffix) == 0)
        g_ptr_array_add (paths, module->plain);
    }
  if (paths->len > 0)
    dkms_compress (job, paths, suffix);
  for (guint i = 0; i < paths->len; i++)
    {
      g_autofree char *packed = g_strconcat (paths->pdata[i], suffix, NULL);
      if (!dkms_root_is_file (job->settings->places.root, packed))
        return DKMS_FAIL (error, SIGN_NOT_COMPRESSED, .id = job->id, .path = paths->pdata[i]);
    }
  return TRUE;
}

static gboolean
sign (const DkmsJob *job, const GPtrArray *modules, GError **error)
{
  static const char *const suffixes[] = { ".gz", ".xz", ".zst" };
  g_autoptr (GPtrArray) paths = g_ptr_array_new ();

  for (guint i = 0; i < modules->len; i++)
    g_ptr_array_add (paths, ((const Module *)modules->pdata[i])->plain);
  if (!dkms_signer_sign_all (job->signer, &job->settings->places, job->events, paths, error))
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (suffixes); i++)
    if (!compress (job, modules, suffixes[i], error))
      return FALSE;
  return TRUE;
}

/* ---- the change ---- */

static void
set_text (char **field, char *text)
{
  g_free (*field);
  *field = text;
}

/* Adds the new files of @module to the transaction, and notes them in its record. Stat signatures are known only
 * after the transaction; until then, contents are compared. */
static gboolean
add_changes (const DkmsJob *job, DkmsTransaction *tx, const Module *module, GError **error)
{
  g_autofree char *made = g_strconcat (module->plain, module->suffix, NULL);
  g_autofree char *path = dkms_root_resolved (job->settings->places.root, made);

  dkms_transaction_copy (tx, made, module->built, 0644);
  if (module->installed != NULL)
    dkms_transaction_copy (tx, made, module->installed, 0644);
  if (module->record == NULL)
    return TRUE;
  set_text (&module->record->sha256, dkms_sha256_at (AT_FDCWD, path, error));
  g_clear_pointer (&module->record->built_sig, g_free);
  g_clear_pointer (&module->record->installed_sig, g_free);
  return module->record->sha256 != NULL;
}

static char *
signature_of (const DkmsRoot *root, const char *path)
{
  struct stat st;

  return dkms_root_stat (root, path, &st) == 0 ? dkms_stat_signature (&st) : NULL;
}

/* Records the stat signatures of the new files. Without them, status compares contents. */
static void
note_signatures (const DkmsJob *job, const GPtrArray *modules, const DkmsRecord *record, gboolean active)
{
  const DkmsRoot *root = job->settings->places.root;
  g_autofree char *base = dkms_job_base (job, NULL);
  g_auto (DkmsFd) fd = dkms_root_openat (root, base, O_RDONLY | O_DIRECTORY, 0);
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < modules->len; i++)
    {
      const Module *module = modules->pdata[i];
      DkmsRecordModule *of_record = module->record;
      g_autofree char *path = g_strconcat (job->kernel->dir, of_record->dest_location, "/", module->file, NULL);
      g_autofree char *built = dkms_root_canonical (root, module->built);
      g_autofree char *there = active ? dkms_root_canonical (root, path) : NULL;

      set_text (&of_record->built_sig, signature_of (root, module->built));
      if (module->installed == NULL && g_strcmp0 (built, there) != 0)
        continue;
      set_text (&of_record->installed_sig, signature_of (root, path));
      set_text (&of_record->owned_sig, g_strdup (of_record->installed_sig));
      set_text (&of_record->indexed_sig, module->is_indexed ? g_strdup (of_record->installed_sig) : NULL);
    }
  if (fd < 0 || !dkms_record_write (record, fd, job->work->fd, &error))
    DKMS_EMIT (job->events, SIGNATURE_NOT_RECORDED, .error = error);
}

static gboolean
commit (const DkmsJob *job, const GPtrArray *modules, const DkmsRecord *record, GError **error)
{
  const DkmsPlaces *places = &job->settings->places;
  g_autoptr (DkmsTransaction) tx = dkms_transaction_new (places);
  g_autofree char *record_path = dkms_job_base (job, ".record.json");
  g_autofree char *attempt_path = dkms_job_base (job, ".attempt.json");
  g_autofree char *signer = dkms_signer_name (job->signer);
  g_autofree char *attempt = dkms_attempts_signed_by (places, &job->id, signer);
  g_autofree char *text = NULL;

  for (guint i = 0; i < modules->len; i++)
    if (!add_changes (job, tx, modules->pdata[i], error))
      return FALSE;
  if (record != NULL)
    {
      text = dkms_record_to_text (record);
      dkms_transaction_write (tx, text, record_path);
    }
  if (attempt != NULL)
    dkms_transaction_write (tx, attempt, attempt_path);
  return dkms_transaction_commit (tx, job->events, error);
}

static gboolean
resign (const DkmsJob *job, gboolean active, GPtrArray *installed, GError **error)
{
  g_autoptr (DkmsRecord) record = dkms_record_read (&job->settings->places, &job->id);
  g_autoptr (GPtrArray) modules = find_modules (job, record, error);

  if (modules == NULL || !dkms_unread_check (error))
    return FALSE;
  for (guint i = 0; i < modules->len; i++)
    if (!check_unchanged (job, modules->pdata[i], error))
      return FALSE;
  if (!cut_signatures (job, modules, error))
    return FALSE;
  for (guint i = modules->len; i-- > 0;)
    if (((const Module *)modules->pdata[i])->is_current && !job->force)
      g_ptr_array_remove_index (modules, i);
  if (modules->len == 0)
    {
      g_autoptr (DkmsEvent) reason = DKMS_EVENT_NEW (ALREADY_SIGNED, .id = job->id);
      DKMS_EMIT (job->events, REMARK, .id = job->id, .reason = reason);
      return TRUE;
    }
  for (guint i = 0; active && record != NULL && i < modules->len; i++)
    find_recorded (job, modules->pdata[i]);
  if (active && record == NULL)
    find_unrecorded (job, modules);
  if (!sign (job, modules, error) || !commit (job, modules, record, error))
    return FALSE;
  if (record != NULL)
    note_signatures (job, modules, record, active);
  for (guint i = 0; i < modules->len; i++)
    if (((const Module *)modules->pdata[i])->installed != NULL)
      g_ptr_array_add (installed, g_strdup (((const Module *)modules->pdata[i])->installed));
  DKMS_EMIT (job->events, SIGNED_AGAIN, .id = job->id);
  return TRUE;
}

gboolean
dkms_resign (const DkmsJob *job, gboolean active, GPtrArray *installed, GError **error)
{
  gboolean ok = resign (job, active, installed, error);

  dkms_discard_tree_at (job->work->fd, SCRATCH);
  return ok;
}
