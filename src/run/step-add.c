/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The step that registers a source. */
#define _GNU_SOURCE
#include "run/step-add.h"

#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/near.h"
#include "base/unread.h"
#include "conf/recipe-place.h"
#include "conf/settings-check.h"
#include "install/job.h"
#include "install/script.h"
#include "run/steps.h"
#include "store/layout.h"
#include "store/register.h"
#include "store/scan.h"

/* The source tree belongs to root, unless a user who may write to it created or named it. */
gboolean
dkms_step_check_may_import (const DkmsRun *run, GError **error)
{
  const DkmsSettings *s = run->settings;
  g_autofree char *shown = dkms_root_host_path (s->places.root, s->places.source_tree);
  g_autofree char *parent = g_path_get_dirname (shown);
  const char *place = dkms_is_dir_at (AT_FDCWD, shown) ? shown : parent;

  if (geteuid () == 0 || !dkms_root_is_host (s->places.root) || faccessat (AT_FDCWD, place, W_OK, AT_EACCESS) == 0)
    return TRUE;
  return DKMS_FAIL (error, SOURCE_NOT_COPIED, .path = shown, .number = errno);
}

/* Files of a package are only overwritten on request, and with a warning. */
static gboolean
check_owner (const DkmsRun *run, const DkmsStep *step, const char *source, GError **error)
{
  const DkmsSettings *s = run->settings;
  g_autofree char *conf = g_build_filename (source, "dkms.conf", NULL);
  g_autofree char *shown = dkms_root_host_path (s->places.root, source);
  g_autofree char *package = dkms_distro_package (s->policy.distro, s->places.root, conf);

  if (package != NULL && !run->request->force)
    return DKMS_FAIL (error, SOURCE_OF_PACKAGE, .id = *step->id, .path = shown, .name = package,
                      .text = run->facts->differs);
  if (package != NULL)
    DKMS_EMIT (run->events, PACKAGE_OVERWRITTEN, .path = shown, .name = package);
  else if (!step->replaces)
    DKMS_EMIT (run->events, SOURCE_EXISTS, .path = shown, .text = run->facts->differs);
  return TRUE;
}

/* Copies the given source to the source tree, unless an equal one is there. */
static gboolean
import_source (const DkmsRun *run, const DkmsStep *step, const char *source, GError **error)
{
  const DkmsTreeImport import = { run->facts->source, &run->facts->source_seen, run->request->force };

  if (run->facts->source_state == DKMS_SOURCE_SAME)
    return TRUE;
  return dkms_step_check_may_import (run, error)
         && (run->facts->source_state != DKMS_SOURCE_OTHER || check_owner (run, step, source, error))
         && dkms_tree_import (&run->settings->places, run->events, &import, step->id, step->replaces, error);
}

/* Reports after a replacement which builds are stale. */
static void
report_stale (const DkmsRun *run, const DkmsStep *step)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DkmsState) state = dkms_state_read (&run->settings->places, step->id, &error);
  const DkmsVersion *v = state != NULL ? dkms_state_find (state, step->id) : NULL;
  g_autoptr (GString) kernels = g_string_new (NULL);

  for (guint i = 0; v != NULL && i < v->builds->len; i++)
    {
      const DkmsBuild *build = v->builds->pdata[i];
      gboolean follows
          = run->request->goal != DKMS_GOAL_REGISTERED
            && dkms_targets_contain (run->facts->targets, &(DkmsId){ .kernel = build->kernel, .arch = build->arch });
      if (build->stale && !follows)
        g_string_append_printf (kernels, " %s", build->kernel);
    }
  if (error != NULL)
    DKMS_EMIT (run->events, BUILDS_UNREAD, .id = *step->id, .error = error);
  if (kernels->len > 0)
    DKMS_EMIT (run->events, STALE_BUILDS, .id = *step->id, .text = g_strchug (kernels->str));
}

/* Only when a module is added, because its dkms.conf can still be corrected then. */
static void
warn_misspelt (const DkmsRun *run, const char *source)
{
  g_autofree char *path = g_strconcat (source, "/dkms.conf", NULL);
  g_autofree char *shown = dkms_root_host_path (run->settings->places.root, path);
  g_autofree char *text = dkms_root_read (run->settings->places.root, path, 1 << 20, NULL, NULL);
  g_autoptr (GPtrArray) remarks = text != NULL ? dkms_recipe_misspelt (shown, text) : NULL;

  for (guint i = 0; remarks != NULL && i < remarks->len; i++)
    dkms_listener_hear (run->events, remarks->pdata[i]);
}

/* @shown: the expected path of the source */
static gboolean
fail_no_source (const DkmsRun *run, const DkmsStep *step, const char *shown, GError **error)
{
  const DkmsPlaces *places = &run->settings->places;
  guint mark = dkms_unread_mark ();
  g_auto (DkmsFd) fd = dkms_root_openat (places->root, places->source_tree, O_RDONLY | O_DIRECTORY, 0);
  g_autoptr (GPtrArray) names = fd >= 0 ? dkms_list_dir_at (fd, ".", NULL) : NULL;
  g_autofree char *name = g_path_get_basename (shown);
  const char *near = run->facts->near; /* in the tree; otherwise in the source tree */

  dkms_unread_drop (mark); /* files that cannot be read are ignored */
  if (near == NULL && names != NULL)
    near = dkms_nearest_in (name, names);
  if (g_strcmp0 (near, name) == 0) /* it is not a directory */
    near = NULL;
  g_autofree char *advice = dkms_settings_absent (places, "source_tree", places->source_tree);
  return DKMS_FAIL (error, NO_SOURCE, .id = *step->id, .path = shown, .near = near, .advice = advice);
}

gboolean
dkms_step_add (DkmsRun *run, const DkmsStep *step, GError **error)
{
  const DkmsSettings *s = run->settings;
  const DkmsId *target = run->facts->targets->pdata[0];
  g_autofree char *source = dkms_layout_unpacked (&s->places, step->id);
  g_autofree char *shown = dkms_root_host_path (s->places.root, source);
  const DkmsRecipe *recipe;
  int status;

  if (run->facts->source != NULL && !run->facts->loads && !import_source (run, step, source, error))
    return FALSE;
  g_autofree char *stub = dkms_layout_source (&s->places, step->id, "dkms.conf");
  if (!dkms_root_is_dir (s->places.root, source) && !dkms_root_is_file (s->places.root, stub))
    return fail_no_source (run, step, shown, error);
  dkms_step_want_recipes (run);
  const DkmsId id = { step->id->module, step->id->version, target->kernel, target->arch };
  recipe = dkms_world_valid_recipe (run->world, &id, TRUE, error);
  if (recipe == NULL)
    return FALSE;
  if (g_strcmp0 (recipe->name, step->id->module) != 0 || g_strcmp0 (recipe->version, step->id->version) != 0)
    {
      gboolean name = g_strcmp0 (recipe->name, step->id->module) != 0;
      g_autofree char *place
          = dkms_recipe_place (&s->places, recipe, NULL, name ? "PACKAGE_NAME" : "PACKAGE_VERSION", 0);
      DKMS_EMIT (run->events, ADDED_AS, .id = *step->id, .path = recipe->path, .place = place, .name = recipe->name,
                 .text = recipe->version);
    }
  warn_misspelt (run, source);
  /* An archive of binaries has only a dkms.conf, which lies in the tree. */
  g_autofree char *in_tree = dkms_layout_source (&s->places, step->id, NULL);
  const char *from = dkms_root_is_dir (s->places.root, source) ? source : in_tree;
  if (!dkms_tree_register (&s->places, run->events, step->id, error))
    return FALSE;
  if (step->replaces)
    DKMS_EMIT (run->events, SOURCE_REPLACED, .id = *step->id, .path = source);
  else
    DKMS_EMIT (run->events, ADDED, .id = *step->id, .path = from);
  if (step->replaces)
    report_stale (run, step);

  DkmsJob job = { .settings = s,
                  .request = run->request,
                  .events = run->events,
                  .id = *step->id,
                  .recipe = recipe,
                  .work = run->work,
                  .lends_all = TRUE, /* all other steps of the plan come later */
                  .kernel = dkms_world_kernel (run->world, target).kernel };
  status = dkms_script_run (&job, DKMS_SCRIPT_POST_ADD);
  if (status != 0 && run->request->goal == DKMS_GOAL_REGISTERED)
    return DKMS_FAIL (error, POST_ADD_FAILED, .id = *step->id, .status = status);
  return TRUE;
}
