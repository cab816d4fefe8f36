/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes records for builds of other programs. */
#define _GNU_SOURCE
#include "run/adopt.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/publish.h"
#include "base/unread.h"
#include "install/job.h"
#include "model/event-json.h"
#include "store/layout.h"
#include "store/scan.h"
#include "world/world.h"

#define MARK "adopted"

typedef struct {
  const DkmsSettings *settings;
  DkmsWorld *world;
  const DkmsWork *work; /* a scratch directory */
} Adoption;

/* Finds the directory where a module of the build is installed: that of dkms 3 on this distribution, or that of the
 * recipe. Returns: (transfer none): one of the two */
static const char *
find_location (const Adoption *self, const DkmsId *id, const DkmsOutput *output, const char *file)
{
  const DkmsPlaces *places = &self->settings->places;
  g_autofree char *usual = dkms_layout_installed (places, id->kernel, output->dest_location, file);
  g_autofree char *other = g_strconcat (places->install_tree, "/", id->kernel, output->conf_location, "/", file, NULL);

  return !dkms_root_is_file (places->root, usual) && dkms_root_is_file (places->root, other) ? output->conf_location
                                                                                             : output->dest_location;
}

/* Records the module of @output. Returns: FALSE if its file does not exist or cannot be read */
static gboolean
record_module (const Adoption *self, const DkmsId *id, int build_fd, const DkmsOutput *output, DkmsRecord *record)
{
  const DkmsPlaces *places = &self->settings->places;
  g_autofree char *dir = dkms_layout_build (places, id, "module");
  g_autofree char *file = dkms_job_find (places->root, dir, output->dest_name);
  g_autofree char *below = file != NULL ? g_build_filename ("module", file, NULL) : NULL;
  struct stat built, installed;

  if (below == NULL || fstatat (build_fd, below, &built, 0) < 0 || !S_ISREG (built.st_mode))
    return FALSE;
  const char *location = find_location (self, id, output, file);
  g_autofree char *path = g_strconcat (places->install_tree, "/", id->kernel, location, "/", file, NULL);
  g_autofree char *resolved = dkms_root_resolved (places->root, path);
  DkmsRecordModule *module = dkms_record_add (record, output->dest_name, location, file);
  module->sha256 = dkms_sha256_at (build_fd, below, NULL);
  module->built_sig = dkms_stat_signature (&built);
  if (dkms_root_stat (places->root, path, &installed) == 0 && dkms_files_equal_at (build_fd, below, AT_FDCWD, resolved))
    module->installed_sig = dkms_stat_signature (&installed);
  return module->sha256 != NULL;
}

static void
adopt_build (const Adoption *self, const DkmsId *id)
{
  const DkmsPlaces *places = &self->settings->places;
  const DkmsRecipe *recipe = dkms_world_recipe (self->world, id, NULL);
  DkmsKernelFacts facts = dkms_world_kernel (self->world, id);
  g_autofree char *base = dkms_layout_build (places, id, NULL);
  g_autofree char *place = dkms_policy_destination (&self->settings->policy);
  g_auto (DkmsFd) fd = dkms_root_openat (places->root, base, O_RDONLY | O_DIRECTORY, 0);
  g_autoptr (DkmsRecord) record = dkms_record_new ();
  g_autoptr (GError) ignored = NULL;

  if (recipe == NULL || fd < 0 || !dkms_recipe_is_valid (recipe, FALSE))
    return;
  g_autoptr (GPtrArray) outputs = dkms_recipe_outputs (recipe, facts.kernel, place, facts.config);
  for (guint i = 0; i < outputs->len; i++)
    {
      const DkmsOutput *output = outputs->pdata[i];
      if (!output->excluded && !record_module (self, id, fd, output, record))
        return;
    }
  if (record->modules->len == 0)
    return;
  /* The record is written to the directory that was examined, even if another run replaces that directory at the same
   * time. */
  g_autofree char *recipe_text = dkms_json_to_text (dkms_vars_to_json (recipe->vars), JSON_COMPACT);
  g_autofree char *record_text = dkms_record_to_text (record);
  if (!dkms_replace_via_at (self->work->fd, fd, ".recipe.json", recipe_text, 0644, &ignored)
      || !dkms_replace_via_at (self->work->fd, fd, ".record.json", record_text, 0644, &ignored))
    g_debug ("%s", ignored->message);
}

/* An empty record is the result of a power cut. */
static gboolean
has_record (const DkmsPlaces *places, const DkmsId *id)
{
  g_autofree char *path = dkms_layout_build (places, id, ".record.json");
  struct stat st;

  return dkms_root_stat (places->root, path, &st) == 0 && st.st_size > 0;
}

/* Returns: (transfer full) (element-type DkmsId): builds without a record */
static GPtrArray *
find_foreign (const DkmsPlaces *places, const DkmsState *state)
{
  GPtrArray *foreign = g_ptr_array_new_with_free_func ((GDestroyNotify)dkms_id_free);

  for (guint i = 0; i < state->versions->len; i++)
    {
      const DkmsVersion *v = state->versions->pdata[i];

      for (guint k = 0; !v->broken && k < v->builds->len; k++)
        {
          const DkmsId id = dkms_build_id (v, v->builds->pdata[k]);
          if (!has_record (places, &id))
            g_ptr_array_add (foreign, dkms_id_copy (&id));
        }
    }
  return foreign;
}

/* Returns: FALSE if the recipes cannot be evaluated, or nothing can be written */
static gboolean
adopt_all (const DkmsSettings *settings, const GPtrArray *foreign)
{
  g_autoptr (DkmsRequest) request = dkms_request_new ();
  g_autoptr (GPtrArray) remarks = dkms_events_new ();
  DkmsListener silent = dkms_listener_keeping (remarks);
  g_autoptr (DkmsWorld) world = dkms_world_new (settings, request, &silent);
  g_autoptr (DkmsWork) work = dkms_work_new (&settings->places, NULL);
  const Adoption self = { settings, world, work };

  if (work == NULL)
    return FALSE;
  /* All are announced first, so that one bash per package evaluates its recipes. */
  for (guint i = 0; i < foreign->len; i++)
    dkms_world_want (world, foreign->pdata[i]);
  if (!dkms_world_load (world, NULL))
    return FALSE;
  for (guint i = 0; i < foreign->len; i++)
    adopt_build (&self, foreign->pdata[i]);
  return TRUE;
}

gboolean
dkms_adopt_builds (const DkmsSettings *settings, const DkmsState *state)
{
  guint unread = dkms_unread_mark ();
  g_autoptr (GPtrArray) foreign = find_foreign (&settings->places, state);
  gboolean able = foreign->len == 0 || adopt_all (settings, foreign);

  dkms_unread_drop (unread); /* builds that cannot be read are adopted later */
  return able;
}

/* The records must be on disk before the mark. */
static void
leave_mark (const DkmsPlaces *places)
{
  g_autofree char *path = dkms_layout_own (places, "", NULL);
  g_auto (DkmsFd) dir = dkms_root_open_dir (places->root, path, FALSE, NULL);
  g_auto (DkmsFd) mark
      = dir >= 0 && syncfs (dir) == 0 ? openat (dir, MARK, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644) : -1;

  if (mark < 0)
    g_debug ("%s/%s: %s", path, MARK, g_strerror (errno)); /* then it is repeated later */
}

void
dkms_adopt (const DkmsSettings *settings, gboolean again)
{
  const DkmsPlaces *places = &settings->places;
  g_autofree char *mark = dkms_layout_own (places, MARK, NULL);
  guint unread = dkms_unread_mark ();
  gboolean marked = dkms_root_is_file (places->root, mark);
  g_autoptr (DkmsState) state = marked && !again ? NULL : dkms_state_read_most (places, NULL, NULL);

  dkms_unread_drop (unread);
  if (state == NULL)
    return;
  if (dkms_adopt_builds (settings, state) && !marked)
    leave_mark (places);
}
