/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks the builds and installed files of the modules that a kernel should have. */
#define _GNU_SOURCE
#include "verify/tree-checks.h"

#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/unread.h"
#include "install/job.h"
#include "store/attempts.h"
#include "store/health.h"
#include "store/layout.h"
#include "store/logs.h"
#include "store/weak.h"
#include "verify/lookup.h"
#include "verify/readable.h"
#include "world/inputs.h"

/* ---- which modules ---- */

static DkmsId
id_for (const DkmsVersion *v, const DkmsVerifiedKernel *kernel)
{
  return (DkmsId){ v->module, v->version, kernel->release, kernel->arch };
}

/* Returns: (nullable): the build of @v that is used for the kernel: its own, or one of another kernel through
 * weak-updates */
static const DkmsBuild *
used_build (const DkmsTreeChecks *self, const DkmsVersion *v, const DkmsVerifiedKernel *kernel)
{
  const DkmsId id = id_for (v, kernel);
  const DkmsBuild *own = dkms_version_find (v, &id);

  for (guint i = 0; own == NULL && dkms_policy_uses_weak (&self->settings->policy) && i < v->builds->len; i++)
    {
      const DkmsBuild *build = v->builds->pdata[i];
      if (build->active && dkms_weak_serves (&self->settings->places, v, build, kernel->release))
        return build;
    }
  return own;
}

static gboolean
is_active_for (const DkmsVersion *v, const char *release, const char *arch)
{
  const DkmsBuild *build = dkms_version_find (v, &(DkmsId){ .kernel = release, .arch = arch });

  return build != NULL && build->active;
}

static gboolean
is_active_anywhere (const DkmsVersion *v)
{
  for (guint i = 0; i < v->builds->len; i++)
    if (((const DkmsBuild *)v->builds->pdata[i])->active)
      return TRUE;
  return FALSE;
}

/* Returns: (transfer none) (nullable): the recipe of @v for the kernel; that of the build needs no evaluation
 * @recorded: (out) (transfer full) (nullable): owns it, if it is that of the build */
static const DkmsRecipe *
recipe_of (const DkmsTreeChecks *self, const DkmsVersion *v, const DkmsVerifiedKernel *kernel, DkmsRecipe **recorded)
{
  const DkmsId id = id_for (v, kernel);

  *recorded = dkms_version_find (v, &id) != NULL ? dkms_record_recipe (&self->settings->places, &id) : NULL;
  return *recorded != NULL || v->broken ? *recorded : dkms_world_recipe (self->world, &id, NULL);
}

/* Whether @v is the version that autoinstall would install. */
static gboolean
is_candidate (const DkmsTreeChecks *self, const DkmsVersion *v, const DkmsVerifiedKernel *kernel)
{
  g_autoptr (DkmsRecipe) recorded = NULL;
  const DkmsRecipe *recipe;

  if (dkms_state_latest (self->state, v->module) != v)
    return FALSE;
  recipe = recipe_of (self, v, kernel, &recorded);
  return recipe != NULL && recipe->autoinstall;
}

static gboolean
is_named (const DkmsTreeChecks *self, const DkmsVersion *v)
{
  const DkmsRequest *request = self->request;

  return request->version != NULL ? strcmp (request->version, v->version) == 0
                                  : request->module != NULL && dkms_state_latest (self->state, v->module) == v;
}

static gboolean
is_expected (const DkmsTreeChecks *self, const DkmsVersion *v, const DkmsVerifiedKernel *kernel)
{
  if (self->request->version != NULL)
    return is_named (self, v);
  return is_active_for (v, kernel->release, kernel->arch)
         || is_active_for (v, dkms_running_release (), dkms_running_machine ()) || (v->broken && is_active_anywhere (v))
         || is_named (self, v) || is_candidate (self, v, kernel);
}

/* Another version of the module that is installed for the kernel is enough. */
static gboolean
is_replaced (const DkmsTreeChecks *self, const DkmsVersion *v, const DkmsVerifiedKernel *kernel)
{
  const DkmsId id = id_for (v, kernel);
  const DkmsVersion *installed = dkms_state_installed (self->state, &id);

  return self->request->version == NULL && installed != NULL && installed != v;
}

/* Announces the recipes that is_candidate() needs, so that they are read together. */
static gboolean
read_recipes (const DkmsTreeChecks *self, const DkmsVerifiedKernel *kernel, GError **error)
{
  for (guint i = 0; i < self->state->versions->len; i++)
    {
      const DkmsVersion *v = self->state->versions->pdata[i];
      const DkmsId id = id_for (v, kernel);
      if (!v->broken && dkms_state_latest (self->state, v->module) == v && dkms_version_find (v, &id) == NULL)
        dkms_world_want (self->world, &id);
    }
  return dkms_world_load (self->world, error);
}

/* ---- registered, built, fresh ---- */

/* Adds why there is no build. */
static void
explain_absence (const DkmsTreeChecks *self, const DkmsVersion *v, const DkmsVerifiedKernel *kernel,
                 DkmsVerifiedModule *to)
{
  const DkmsPlaces *places = &self->settings->places;
  const DkmsId id = *to->id;
  g_autoptr (DkmsRecipe) recorded = NULL;
  const DkmsRecipe *recipe = recipe_of (self, v, kernel, &recorded);
  DkmsKernelFacts facts = dkms_world_kernel (self->world, &id);
  g_autofree char *why = NULL, *sentence = NULL;
  g_autoptr (GPtrArray) attempts = NULL;
  g_autoptr (DkmsAttempt) last = NULL;

  if (recipe != NULL && dkms_recipe_excluded (recipe, facts.kernel, facts.config, &why) != NULL)
    {
      DKMS_FIND (to->findings, EXCLUDED, NOTE, CERTAIN, .id = id, .text = why);
      to->verdict = DKMS_VERDICT_EXCLUDED;
      return;
    }
  attempts = dkms_attempts_list (places, &id);
  last = attempts->len > 0 ? dkms_attempts_read (places, attempts->pdata[0]) : NULL;
  if (attempts->len == 0)
    {
      DKMS_FIND (to->findings, NEVER_TRIED, PROBLEM, CERTAIN, .id = id);
      return;
    }
  sentence = dkms_logs_sentence (places, &id);
  if (sentence != NULL)
    g_strdelimit (sentence, "\n", ' ');
  DKMS_FIND (to->findings, BUILD_FAILED, PROBLEM, CERTAIN, .id = id,
             .text = sentence != NULL                      ? sentence
                     : last != NULL && last->error != NULL ? last->error->message
                                                           : dkms_attempt_outcome_name (DKMS_OUTCOME_FAILED));
}

/* Other inputs than those of the headers cannot keep a module from loading. */
static void
check_fresh (const DkmsTreeChecks *self, const DkmsBuild *build, DkmsVerifiedModule *to)
{
  const DkmsId id = { to->id->module, to->id->version, build->kernel, build->arch };
  g_autoptr (DkmsAttempt) made = dkms_attempts_read_build (&self->settings->places, &id);
  guint changes = dkms_world_changes (self->world, &id, made);
  guint serious = DKMS_STALE_HEADERS | DKMS_STALE_SOURCE | DKMS_STALE_DEPENDS;
  const char *btf = made != NULL && made->inputs != NULL ? dkms_inputs_get (made->inputs, "btf") : NULL;

  if (btf != NULL && strcmp (btf, "-") != 0)
    to->btf = g_strdup (btf);
  if (changes == 0)
    return;
  g_autofree char *words = dkms_staleness_words (changes);
  dkms_check_findings_add (to->findings, DKMS_CODE_INPUTS_CHANGED,
                           (changes & serious) != 0 ? DKMS_RESULT_WARNING : DKMS_RESULT_NOTE, DKMS_CONFIDENCE_CERTAIN,
                           &(const DkmsErrorInfo){ .id = *to->id, .text = words });
}

/* ---- installed ---- */

/* Whether the installed file at @path has the content of the built one. */
static gboolean
is_as_built (const DkmsPlaces *places, const DkmsId *build, const DkmsRecordModule *module, const char *path)
{
  g_autofree char *below = g_build_filename ("module", module->file, NULL);
  g_autofree char *built = dkms_layout_build (places, build, below);
  g_autofree char *a = dkms_root_resolved (places->root, built), *b = dkms_root_resolved (places->root, path);

  return a == NULL || b == NULL || dkms_files_equal_at (AT_FDCWD, a, AT_FDCWD, b);
}

/* Checks the file that should be installed at the path of @file. @module: (nullable). Returns: whether it can be judged
 */
static gboolean
check_installed (const DkmsTreeChecks *self, const DkmsId *build, const DkmsRecordModule *module,
                 const DkmsVerifiedModule *to, DkmsVerifiedFile *file)
{
  const DkmsPlaces *places = &self->settings->places;
  g_autofree char *shown = dkms_root_host_path (places->root, file->path);
  struct stat st;
  guint mark = dkms_unread_mark ();
  gboolean there = dkms_root_stat (places->root, file->path, &st) == 0, absent = !there && dkms_is_absent (errno);
  gboolean differs = there && module != NULL && module->file != NULL
                     && !dkms_stat_has_signature (&st, module->installed_sig)
                     && !is_as_built (places, build, module, file->path);

  if (absent)
    {
      file->answer = DKMS_ANSWER_ABSENT;
      DKMS_FIND (file->findings, FILE_MISSING, PROBLEM, CERTAIN, .id = *to->id, .path = shown, .name = file->name);
    }
  else if (!there || (differs && dkms_unread_mark () > mark)) /* or the files could not be compared */
    DKMS_FIND (file->findings, NEEDS_ROOT, UNKNOWN, UNKNOWN, .id = *to->id, .path = shown, .name = file->name);
  else if (differs)
    DKMS_FIND (file->findings, FILE_DIFFERS, PROBLEM, CERTAIN, .id = *to->id, .path = shown, .name = file->name);
  dkms_unread_drop (mark);
  file->indexed = there && module != NULL && dkms_stat_has_signature (&st, module->indexed_sig);
  return there;
}

/* The files of a build with a record. */
static void
list_recorded (const DkmsTreeChecks *self, const DkmsBuild *build, const DkmsRecord *record, DkmsVerifiedModule *to)
{
  const DkmsId of = { to->id->module, to->id->version, build->kernel, build->arch };
  gboolean weak = strcmp (build->kernel, to->id->kernel) != 0;

  for (guint i = 0; i < record->modules->len; i++)
    {
      const DkmsRecordModule *module = record->modules->pdata[i];
      DkmsVerifiedFile *file = dkms_verified_file_new (module->dest_name);

      g_ptr_array_add (to->files, file);
      if (module->file == NULL)
        {
          file->answer = DKMS_ANSWER_ABSENT;
          DKMS_FIND (file->findings, INCOMPLETE, PROBLEM, CERTAIN, .id = *to->id, .name = file->name);
          continue;
        }
      if (weak) /* the look-up finds the link */
        continue;
      file->path = dkms_layout_installed (&self->settings->places, to->id->kernel, module->dest_location, module->file);
      file->there = check_installed (self, &of, module, to, file);
    }
}

/* The files of a build of dkms 3, which has no record, by the recipe. */
static void
list_by_recipe (const DkmsTreeChecks *self, const DkmsVersion *v, const DkmsBuild *build, DkmsVerifiedModule *to)
{
  const DkmsPlaces *places = &self->settings->places;
  const DkmsId of = { v->module, v->version, build->kernel, build->arch };
  const DkmsRecipe *recipe = v->broken ? NULL : dkms_world_recipe (self->world, &of, NULL);
  DkmsKernelFacts facts = dkms_world_kernel (self->world, &of);
  g_autofree char *destination = dkms_policy_destination (&self->settings->policy);
  g_autoptr (GPtrArray) outputs
      = recipe != NULL ? dkms_recipe_outputs (recipe, facts.kernel, destination, facts.config) : NULL;

  for (guint i = 0; outputs != NULL && i < outputs->len; i++)
    {
      const DkmsOutput *output = outputs->pdata[i];
      const char *locations[] = { output->dest_location, output->conf_location };
      DkmsVerifiedFile *file;

      if (output->excluded)
        continue;
      file = dkms_verified_file_new (output->dest_name);
      g_ptr_array_add (to->files, file);
      for (gsize l = 0; l < G_N_ELEMENTS (locations) && file->path == NULL; l++)
        {
          g_autofree char *dir = g_strconcat (places->install_tree, "/", build->kernel, locations[l], NULL);
          g_autofree char *found = dkms_job_find (places->root, dir, output->dest_name);
          if (found != NULL)
            file->path = g_build_filename (dir, found, NULL);
        }
      if (file->path == NULL)
        {
          g_autofree char *name
              = g_strconcat (output->dest_name, ".ko", dkms_kernel_compression (facts.kernel, places->root), NULL);
          file->path = dkms_layout_installed (places, build->kernel, output->dest_location, name);
        }
      file->there = check_installed (self, &of, NULL, to, file);
    }
}

static void
check_build (const DkmsTreeChecks *self, const DkmsVersion *v, const DkmsBuild *build, DkmsVerifiedModule *to)
{
  const DkmsId of = { v->module, v->version, build->kernel, build->arch };
  g_autoptr (DkmsRecord) record = NULL;

  if (!build->active)
    {
      DKMS_FIND (to->findings, NOT_INSTALLED, PROBLEM, CERTAIN, .id = *to->id);
      return;
    }
  record = dkms_record_read (&self->settings->places, &of);
  if (record != NULL)
    list_recorded (self, build, record, to);
  else
    list_by_recipe (self, v, build, to);
  check_fresh (self, build, to);
}

static void
check_version (const DkmsTreeChecks *self, const DkmsVersion *v, DkmsVerifiedKernel *kernel)
{
  const DkmsId id = id_for (v, kernel);
  const DkmsBuild *build = used_build (self, v, kernel);
  DkmsVerifiedModule *to = dkms_verified_module_new (&id);

  g_ptr_array_add (kernel->modules, to);
  if (v->broken)
    {
      g_autofree char *link = dkms_layout_version (&self->settings->places, &id, "source");
      g_autofree char *shown = dkms_root_host_path (self->settings->places.root, link);
      dkms_check_findings_add (to->findings, DKMS_CODE_SOURCE_GONE,
                               build != NULL ? DKMS_RESULT_WARNING : DKMS_RESULT_PROBLEM, DKMS_CONFIDENCE_CERTAIN,
                               &(const DkmsErrorInfo){ .id = id, .path = shown });
    }
  if (build != NULL)
    check_build (self, v, build, to);
  else if (!v->broken) /* reported */
    explain_absence (self, v, kernel, to);
}

gboolean
dkms_tree_checks_expect (const DkmsTreeChecks *self, DkmsVerifiedKernel *kernel, GError **error)
{
  if (!read_recipes (self, kernel, error))
    return FALSE;
  for (guint i = 0; i < self->state->versions->len; i++)
    {
      const DkmsVersion *v = self->state->versions->pdata[i];
      if (is_expected (self, v, kernel) && !is_replaced (self, v, kernel))
        check_version (self, v, kernel);
    }
  return TRUE;
}

/* ---- readable ---- */

/* depmod ignores files that modprobe cannot decompress, so this is checked before the index is. @readable: made when a
 * file is compressed */
static void
check_readable (const DkmsTreeChecks *self, const DkmsId *id, DkmsReadable **readable, DkmsVerifiedFile *file)
{
  const DkmsRoot *root = self->settings->places.root;

  if (!file->there || g_str_has_suffix (file->path, ".ko"))
    return;
  if (*readable == NULL)
    {
      DkmsKernelFacts facts = dkms_world_kernel (self->world, id);
      g_autofree char *installed = facts.config == NULL ? dkms_kernel_read_installed_config (facts.kernel, root) : NULL;
      *readable = dkms_readable_new (root, facts.config != NULL ? facts.config : installed);
    }
  if (dkms_readable_check (*readable, file->path) != DKMS_NO)
    return;
  if (file->answer == DKMS_ANSWER_UNKNOWN)
    file->answer = DKMS_ANSWER_HIDDEN;
  DKMS_FIND (file->findings, SUFFIX_UNREADABLE, PROBLEM, CERTAIN, .id = *id, .name = file->name, .path = file->path);
}

/* ---- index, chosen ---- */

static gboolean
is_same_file (const DkmsPlaces *places, const char *a, const char *b)
{
  struct stat x, y;

  return strcmp (a, b) == 0
         || (dkms_root_stat (places->root, a, &x) == 0 && dkms_root_stat (places->root, b, &y) == 0
             && x.st_dev == y.st_dev && x.st_ino == y.st_ino);
}

/* Takes a file that modprobe finds: for a link in weak-updates, only the index says where it is. */
static void
take_found (const DkmsPlaces *places, const DkmsId *id, const DkmsModuleLookup *found, DkmsVerifiedFile *file)
{
  const char *path = found->paths->pdata[0];
  g_autofree char *shown = dkms_root_host_path (places->root, path);
  struct stat st;

  if (file->path == NULL)
    {
      file->path = g_strdup (path);
      file->there = dkms_root_stat (places->root, path, &st) == 0;
      if (!file->there)
        DKMS_FIND (file->findings, WEAK_DANGLING, PROBLEM, CERTAIN, .id = *id, .name = file->name, .path = shown);
    }
  g_ptr_array_add (found->depends, NULL);
  file->depends = g_strdupv ((char **)found->depends->pdata);
  g_ptr_array_set_size (found->depends, (int)found->depends->len - 1);
}

static void
check_chosen (const DkmsPlaces *places, const DkmsId *id, const DkmsModuleLookup *found, DkmsVerifiedFile *file)
{
  if (found->builtin)
    {
      file->answer = DKMS_ANSWER_HIDDEN;
      DKMS_FIND (file->findings, BUILT_IN, PROBLEM, CERTAIN, .id = *id, .name = file->name);
    }
  else if (found->paths->len == 0)
    {
      if (file->answer == DKMS_ANSWER_UNKNOWN)
        file->answer = DKMS_ANSWER_HIDDEN;
      if (file->path == NULL || file->there)
        DKMS_FIND (file->findings, NOT_INDEXED, PROBLEM, CERTAIN, .id = *id, .name = file->name);
    }
  else if (file->path != NULL && !is_same_file (places, found->paths->pdata[0], file->path))
    {
      g_autofree char *taken = dkms_root_host_path (places->root, found->paths->pdata[0]);
      file->answer = DKMS_ANSWER_HIDDEN;
      DKMS_FIND (file->findings, SHADOWED, PROBLEM, CERTAIN, .id = *id, .name = file->name, .path = taken);
    }
  else
    take_found (places, id, found, file);
}

/* Files that changed after depmod ran may have other dependencies, unless only their signatures changed. */
static void
check_age (const DkmsPlaces *places, const DkmsId *id, DkmsVerifiedFile *file)
{
  struct stat st;

  if (file->there && !file->indexed && dkms_root_stat (places->root, file->path, &st) == 0
      && dkms_index_age (places, id->kernel, &st, NULL) == DKMS_INDEX_OLDER)
    DKMS_FIND (file->findings, DEPMOD_DUE, WARNING, CERTAIN, .id = *id, .name = file->name);
}

/* An index that does not exist is a problem; one that cannot be read is unknown. */
static void
find_no_index (const DkmsId *id, const GError *error, DkmsVerifiedFile *file)
{
  gboolean absent = dkms_is_absent ((int)dkms_error_info (error)->number);

  dkms_check_findings_add (file->findings, DKMS_CODE_INDEX_UNREADABLE,
                           absent ? DKMS_RESULT_PROBLEM : DKMS_RESULT_UNKNOWN,
                           absent ? DKMS_CONFIDENCE_CERTAIN : DKMS_CONFIDENCE_UNKNOWN,
                           &(const DkmsErrorInfo){ .id = *id, .name = file->name, .text = error->message });
}

void
dkms_tree_checks_look_up (const DkmsTreeChecks *self, DkmsVerifiedKernel *kernel)
{
  const DkmsPlaces *places = &self->settings->places;
  g_autoptr (GPtrArray) names = g_ptr_array_new (), files = g_ptr_array_new (), ids = g_ptr_array_new ();
  g_autoptr (GPtrArray) found = NULL;
  g_autoptr (DkmsReadable) readable = NULL;
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < kernel->modules->len; i++)
    {
      const DkmsVerifiedModule *module = kernel->modules->pdata[i];
      for (guint f = 0; f < module->files->len; f++)
        {
          DkmsVerifiedFile *file = module->files->pdata[f];
          g_ptr_array_add (names, file->name);
          g_ptr_array_add (files, file);
          g_ptr_array_add (ids, module->id);
        }
    }
  if (names->len == 0)
    return;
  for (guint i = 0; i < files->len; i++)
    check_readable (self, ids->pdata[i], &readable, files->pdata[i]);
  found = dkms_lookup_remembered (places, kernel->release, "modules", names, &error);
  for (guint i = 0; i < files->len; i++)
    if (found == NULL)
      find_no_index (ids->pdata[i], error, files->pdata[i]);
    else
      {
        check_chosen (places, ids->pdata[i], found->pdata[i], files->pdata[i]);
        check_age (places, ids->pdata[i], files->pdata[i]);
      }
}
