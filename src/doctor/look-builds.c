/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds faults of finished builds, and of what is installed from them. */
#define _GNU_SOURCE
#include "doctor/look-builds.h"

#include <fcntl.h>
#include <jansson.h>
#include <string.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/unread.h"
#include "build/keys.h"
#include "build/secure-boot.h"
#include "store/attempts.h"
#include "store/health.h"
#include "store/layout.h"
#include "store/record.h"
#include "verify/lookup.h"
#include "verify/trust.h"
#include "world/inputs.h"

/* What is gathered over all builds. */
typedef struct {
  DkmsLook *look;
  GHashTable *indexes; /* kernel -> DkmsIndex (nullable) */
  GHashTable *old;     /* set of kernels with a finding about their index */
  GPtrArray *paths;    /* (element-type utf8): module files of builds, paths of the host */
  GPtrArray *ids;      /* (element-type DkmsId): the build of each */
  GPtrArray *ill;      /* (element-type DkmsId): builds that will be made again */
} Gathered;

static gboolean
is_ill (const Gathered *self, const DkmsId *id)
{
  return g_ptr_array_find_with_equal_func (self->ill, id, dkms_id_equal, NULL);
}

static void
call_ill (const Gathered *self, const DkmsId *id)
{
  g_ptr_array_add (self->ill, dkms_id_copy (id));
}

/* ---- records ---- */

/* Why a record that exists is not used: it is newer, or cannot be read. Returns: FALSE if there is none */
static gboolean
look_at_unread_record (const Gathered *self, const DkmsVersion *v, const DkmsId *id)
{
  const DkmsPlaces *places = &self->look->settings->places;
  g_autofree char *path = dkms_layout_build (places, id, ".record.json");
  g_autofree char *text = NULL;
  struct stat st;
  guint mark = dkms_unread_mark ();
  json_t *object;
  json_int_t format;

  if (dkms_root_stat (places->root, path, &st) < 0 || st.st_size == 0)
    {
      if (dkms_unread_mark () == mark && !v->broken) /* an unread one is reported by itself */
        DKMS_FOUND (self->look, RECORD_NONE, .id = *id, .path = path);
      return FALSE;
    }
  text = dkms_root_read (places->root, path, 16 << 20, NULL, NULL);
  if (text == NULL && dkms_unread_mark () > mark)
    return TRUE;
  object = text != NULL ? json_loads (text, 0, NULL) : NULL;
  format = json_integer_value (json_object_get (object, "format"));
  if (format > 1)
    DKMS_FOUND (self->look, RECORD_NEWER, .id = *id, .path = path);
  else
    DKMS_FOUND (self->look, RECORD_BAD, .id = *id, .path = path);
  json_decref (object);
  return TRUE;
}

/* Whether the built file has the recorded content. Its stat signature shows it without reading it. */
static gboolean
is_as_recorded (const DkmsPlaces *places, const char *path, const DkmsRecordModule *module)
{
  g_autofree char *resolved = dkms_root_resolved (places->root, path);
  g_autofree char *sha256 = NULL;
  struct stat st;

  if (module->sha256 == NULL || dkms_root_stat (places->root, path, &st) < 0
      || dkms_stat_has_signature (&st, module->built_sig))
    return TRUE;
  sha256 = dkms_sha256_at (AT_FDCWD, resolved, NULL);
  return sha256 == NULL || strcmp (sha256, module->sha256) == 0;
}

/* Compares the built files with the record. Returns: whether they agree */
static gboolean
look_at_record (const Gathered *self, const DkmsId *id, const DkmsRecord *record)
{
  const DkmsPlaces *places = &self->look->settings->places;

  for (guint i = 0; i < record->modules->len; i++)
    {
      const DkmsRecordModule *module = record->modules->pdata[i];
      g_autofree char *below = g_build_filename ("module", module->file != NULL ? module->file : "", NULL);
      g_autofree char *path = dkms_layout_build (places, id, below);
      struct stat st;

      if (module->file == NULL)
        continue;
      gboolean there = dkms_root_stat (places->root, path, &st) == 0;
      if (!there && !dkms_is_absent (errno))
        return FALSE;
      if (!there || st.st_size == 0)
        {
          DKMS_FOUND (self->look, RECORD_LACKS, .id = *id, .path = path, .name = module->file);
          call_ill (self, id);
          return FALSE;
        }
      if (!is_as_recorded (places, path, module))
        {
          DKMS_FOUND (self->look, RECORD_WRONG, .id = *id, .path = path);
          return FALSE;
        }
    }
  return TRUE;
}

/* ---- installed files ---- */

static const DkmsIndex *
index_of (const Gathered *self, const char *kernel)
{
  const DkmsIndex *index = g_hash_table_lookup (self->indexes, kernel);

  if (index == NULL && !g_hash_table_contains (self->indexes, kernel))
    {
      index = dkms_index_read (&self->look->settings->places, kernel);
      g_hash_table_insert (self->indexes, g_strdup (kernel), (gpointer)index);
    }
  return index;
}

/* Whether the installation of the build was recorded after its record, by a program that does not write records. */
static gboolean
is_link_newer (const DkmsPlaces *places, const DkmsId *id)
{
  g_autofree char *link = dkms_layout_link (places, id), *record = dkms_layout_build (places, id, ".record.json");
  g_autofree char *name = NULL;
  g_auto (DkmsFd) dir = dkms_root_open_parent (places->root, link, FALSE, &name, NULL);
  struct stat a, b;

  return dir >= 0 && fstatat (dir, name, &a, AT_SYMLINK_NOFOLLOW) == 0 && dkms_root_stat (places->root, record, &b) == 0
         && dkms_stat_is_newer (&a, &b);
}

/* Finds that the index of the kernel does not fit the installed file @path, once for each kernel. */
static void
look_at_index (const Gathered *self, const DkmsBuild *build, const char *path, const struct stat *st,
               const char *indexed_sig)
{
  const DkmsPlaces *places = &self->look->settings->places;
  const DkmsId kernel = { .kernel = build->kernel };

  if (g_hash_table_contains (self->old, build->kernel))
    return;
  if (build->unindexed)
    DKMS_FOUND (self->look, INDEX_LACKS, .id = kernel, .path = path);
  else if (dkms_index_age (places, build->kernel, st, indexed_sig) == DKMS_INDEX_OLDER)
    DKMS_FOUND (self->look, INDEX_OLD, .id = kernel, .path = path);
  else
    return;
  g_hash_table_add (self->old, build->kernel);
}

/* Looks at one installed file. Returns: whether the build must be installed again, or another finding was added */
static gboolean
look_at_installed (const Gathered *self, const DkmsBuild *build, const DkmsId *id, const DkmsRecordModule *module)
{
  const DkmsPlaces *places = &self->look->settings->places;
  g_autofree char *path
      = dkms_layout_installed (places, id->kernel, module->dest_location, module->file != NULL ? module->file : "");
  g_autofree char *below = g_build_filename ("module", module->file != NULL ? module->file : "", NULL);
  g_autofree char *built = dkms_layout_build (places, id, below);
  struct stat st;

  if (module->file == NULL)
    return FALSE;
  if (dkms_root_stat (places->root, path, &st) < 0)
    {
      if (!dkms_is_absent (errno) || !build->gone)
        return FALSE;
      DKMS_FOUND (self->look, FILE_LOST, .id = *id, .path = path);
      return TRUE;
    }
  look_at_index (self, build, path, &st, module->indexed_sig);
  /* Without a signature, dkms did not install it: the kernel has its own module of the same or a newer version. */
  if ((module->owned_sig == NULL && module->installed_sig == NULL)
      || dkms_stat_has_signature (&st, module->installed_sig) || dkms_stat_has_signature (&st, module->owned_sig))
    return FALSE;
  guint mark = dkms_unread_mark ();
  gboolean equal = dkms_look_equal (places, built, path);
  if (dkms_unread_mark () > mark)
    return TRUE;
  if (!equal)
    {
      g_autofree char *owner = dkms_distro_package (self->look->settings->policy.distro, places->root, path);
      DKMS_FOUND (self->look, FILE_CHANGED, .id = *id, .path = path, .place = built, .name = owner);
      return TRUE;
    }
  if (!is_link_newer (places, id))
    return FALSE;
  DKMS_FOUND (self->look, FORK_MIX, .id = *id, .path = path);
  return TRUE;
}

static void
look_at_installation (const Gathered *self, DkmsVersion *v, DkmsBuild *build, const DkmsRecord *record)
{
  const DkmsPlaces *places = &self->look->settings->places;
  const DkmsId id = dkms_build_id (v, build);
  g_autofree char *destination = dkms_policy_destination (&self->look->settings->policy);

  dkms_build_examine (places, destination, v, build, index_of (self, build->kernel));
  for (guint i = 0; record != NULL && i < record->modules->len; i++)
    if (look_at_installed (self, build, &id, record->modules->pdata[i]))
      return;
  if (record == NULL && build->gone)
    {
      g_autofree char *dir = g_build_filename (places->install_tree, build->kernel, NULL);
      DKMS_FOUND (self->look, FILE_LOST, .id = id, .path = dir);
    }
}

/* Finds a build that is installed, although no link says so. */
static void
look_for_absent_link (const Gathered *self, const DkmsId *id, const DkmsRecord *record)
{
  const DkmsPlaces *places = &self->look->settings->places;
  g_autofree char *link = dkms_layout_link (places, id);

  for (guint i = 0; !dkms_look_exists (places, link) && i < record->modules->len; i++)
    {
      const DkmsRecordModule *module = record->modules->pdata[i];
      g_autofree char *below = g_build_filename ("module", module->file != NULL ? module->file : "", NULL);
      g_autofree char *built = dkms_layout_build (places, id, below);
      g_autofree char *path = dkms_layout_installed (places, id->kernel, module->dest_location, module->file);

      if (module->file == NULL || !dkms_root_is_file (places->root, path) || !dkms_look_equal (places, built, path))
        continue;
      DKMS_FOUND (self->look, LINK_ABSENT, .id = *id, .path = path, .place = link);
      return;
    }
}

/* ---- inputs ---- */

static void
look_for_changes (const Gathered *self, const DkmsVersion *v, const DkmsBuild *build)
{
  const DkmsPlaces *places = &self->look->settings->places;
  const guint serious = DKMS_STALE_HEADERS | DKMS_STALE_SOURCE | DKMS_STALE_DEPENDS;
  const DkmsId id = dkms_build_id (v, build);
  g_autoptr (DkmsAttempt) made = v->broken ? NULL : dkms_attempts_read_build (places, &id);
  guint changes = dkms_world_changes (self->look->world, &id, made) | (build->stale ? DKMS_STALE_SOURCE : 0);
  g_autofree char *words = dkms_staleness_words (changes & serious);

  if ((changes & serious) == 0 || v->broken)
    return;
  DKMS_FOUND (self->look, STALE, .id = id, .text = words);
  call_ill (self, &id);
}

/* ---- module files ---- */

static void
gather_files (const Gathered *self, const DkmsId *id)
{
  const DkmsPlaces *places = &self->look->settings->places;
  g_autofree char *dir = dkms_layout_build (places, id, "module");
  g_autoptr (GPtrArray) names = dkms_look_list (places, dir);

  for (guint i = 0; i < names->len; i++)
    {
      g_autofree char *path = g_build_filename (dir, names->pdata[i], NULL);
      if (!dkms_look_is_module_name (names->pdata[i], NULL) || !dkms_root_is_file (places->root, path))
        continue;
      g_ptr_array_add (self->paths, dkms_root_resolved (places->root, path));
      g_ptr_array_add (self->ids, dkms_id_copy (id));
    }
}

static void
look_at_vermagic (const Gathered *self)
{
  const DkmsPlaces *places = &self->look->settings->places;
  g_autoptr (GPtrArray) files
      = self->paths->len > 0 ? dkms_module_files_remembered (places, "doctor", self->paths, NULL) : NULL;

  for (guint i = 0; files != NULL && i < files->len; i++)
    {
      const DkmsModuleFile *file = files->pdata[i];
      const DkmsId *id = self->ids->pdata[i];
      g_autofree char *name = g_path_get_basename (self->paths->pdata[i]);
      g_autofree char *release
          = file->vermagic != NULL ? g_strndup (file->vermagic, strcspn (file->vermagic, " ")) : NULL;

      if (release == NULL || strcmp (release, id->kernel) == 0 || is_ill (self, id))
        continue;
      DKMS_FOUND (self->look, WRONG_KERNEL, .id = *id, .name = name, .text = release);
      call_ill (self, id);
    }
}

/* ---- signatures ---- */

/* Adds the files of installed builds for @kernel that will not be made again. */
static void
signed_files (const Gathered *self, const char *kernel, GPtrArray *paths, GPtrArray *ids)
{
  for (guint i = 0; i < self->paths->len; i++)
    {
      const DkmsId *id = self->ids->pdata[i];
      const DkmsVersion *v = dkms_state_find (self->look->state, id);
      const DkmsBuild *build = v != NULL ? dkms_version_find (v, id) : NULL;

      if (build == NULL || !build->active || strcmp (id->kernel, kernel) != 0 || is_ill (self, id))
        continue;
      g_ptr_array_add (paths, self->paths->pdata[i]);
      g_ptr_array_add (ids, (gpointer)id);
    }
}

/* Whether a build would sign modules for the kernel, with a key that exists. */
static gboolean
has_key (const DkmsSettings *settings, const DkmsKernelFacts *facts)
{
  const DkmsRoot *root = settings->places.root;
  g_auto (DkmsSigningValues) values = { 0 };
  g_autofree char *hash = dkms_kernel_config_value (facts->config, "CONFIG_MODULE_SIG_HASH");
  g_autoptr (GPtrArray) pairs = NULL;

  if (hash == NULL || *hash == '\0' || !dkms_signing_values_read (settings, facts->kernel->release, &values, NULL)
      || g_strcmp0 (values.try_sign, "false") == 0
      || (g_strcmp0 (values.try_sign, "true") != 0 && dkms_secure_boot_in_chroot (root)))
    return FALSE;
  pairs = dkms_keys_choose (settings, facts->kernel, facts->config, &values, NULL);
  return pairs != NULL && dkms_root_is_file (root, ((const DkmsKeyPair *)pairs->pdata[0])->certificate);
}

static void
look_at_signatures_for (const Gathered *self, const DkmsId *kernel)
{
  const DkmsSettings *settings = self->look->settings;
  DkmsKernelFacts facts = dkms_world_kernel (self->look->world, kernel);
  g_autoptr (GPtrArray) paths = g_ptr_array_new (), ids = g_ptr_array_new (), signatures = NULL;
  g_autoptr (DkmsKernelReading) reading = NULL;
  g_autoptr (DkmsTrustReading) trust = NULL;
  g_autofree char *last = NULL;

  signed_files (self, kernel->kernel, paths, ids);
  if (paths->len == 0 || !has_key (settings, &facts))
    return;
  reading = dkms_kernel_reading_new (settings, kernel->kernel, NULL);
  trust = dkms_trust_reading_new (settings, reading, NULL);
  signatures = dkms_trust_reading_signatures (trust, settings, paths, NULL);
  for (guint i = 0; signatures != NULL && i < signatures->len; i++)
    {
      const DkmsFileSignature *signature = signatures->pdata[i];
      const DkmsCertificate *signer = signature->certificates->len > 0 ? signature->certificates->pdata[0] : NULL;
      g_autofree char *name = g_path_get_basename (paths->pdata[i]), *build = dkms_id_format (ids->pdata[i]);

      if (signature->error != NULL || ((const DkmsOwnKey *)trust->keys->pdata[0])->own == NULL
          || g_strcmp0 (last, build) == 0 || dkms_file_signature_is_own (signature))
        continue;
      if (signature->facts.is_signed)
        DKMS_FOUND (self->look, KEY_CHANGED, .id = *(const DkmsId *)ids->pdata[i], .name = name,
                    .text = signer != NULL ? signer->name : NULL);
      else
        DKMS_FOUND (self->look, UNSIGNED, .id = *(const DkmsId *)ids->pdata[i], .name = name);
      g_free (last); /* one finding for each build */
      last = g_steal_pointer (&build);
    }
}

static void
look_at_signatures (const Gathered *self)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; i < self->ids->len; i++)
    {
      const DkmsId *id = self->ids->pdata[i];
      if (g_hash_table_add (seen, (gpointer)id->kernel))
        look_at_signatures_for (self, &(DkmsId){ .kernel = id->kernel, .arch = id->arch });
    }
}

/* ---- all builds ---- */

static void
look_at_build (const Gathered *self, DkmsVersion *v, DkmsBuild *build)
{
  const DkmsPlaces *places = &self->look->settings->places;
  const DkmsId id = dkms_build_id (v, build);
  g_autoptr (DkmsRecord) record = dkms_record_read (places, &id);

  if (record == NULL && look_at_unread_record (self, v, &id))
    return;
  if (record != NULL && !look_at_record (self, &id, record))
    return;
  if (build->active)
    look_at_installation (self, v, build, record);
  else if (record != NULL)
    look_for_absent_link (self, &id, record);
  look_for_changes (self, v, build);
  gather_files (self, &id);
}

void
dkms_look_at_builds (DkmsLook *look)
{
  g_autoptr (GHashTable) indexes
      = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)dkms_index_free);
  g_autoptr (GHashTable) old = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GPtrArray) paths = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) ids = g_ptr_array_new_with_free_func ((GDestroyNotify)dkms_id_free);
  g_autoptr (GPtrArray) ill = g_ptr_array_new_with_free_func ((GDestroyNotify)dkms_id_free);
  const Gathered self = { look, indexes, old, paths, ids, ill };

  for (guint i = 0; i < look->state->versions->len; i++)
    {
      DkmsVersion *v = look->state->versions->pdata[i];

      for (guint b = 0; !g_hash_table_contains (look->busy, v->module) && b < v->builds->len; b++)
        {
          DkmsBuild *build = v->builds->pdata[b];
          DkmsLookPart part = dkms_look_begin (look);

          if (!g_hash_table_contains (look->gone, build->kernel))
            look_at_build (&self, v, build);
          dkms_look_end (look, part);
        }
    }
  look_at_vermagic (&self);
  look_at_signatures (&self);
}
