/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds sources, roots and kernels, and multiplies them. */
#include "fleet/axes.h"

#include <string.h>

#include "base/error.h"
#include "base/unread.h"
#include "kernel/kernel.h"
#include "kernel/missing.h"
#include "share/tarball.h"
#include "store/layout.h"
#include "store/register.h"
#include "store/scan.h"
#include "world/facts.h"

static void
source_free (gpointer data)
{
  DkmsFleetSource *self = data;

  g_free (self->module);
  g_free (self->version);
  g_strfreev (self->depends);
  g_free (self);
}

static void
place_free (gpointer data)
{
  DkmsFleetPlace *self = data;

  g_free (self->path);
  g_free (self->name);
  dkms_settings_free (self->settings);
  g_ptr_array_unref (self->sources);
  g_ptr_array_unref (self->kernels);
  g_free (self);
}

void
dkms_fleet_axes_free (DkmsFleetAxes *self)
{
  if (self == NULL)
    return;
  g_ptr_array_unref (self->places);
  g_ptr_array_unref (self->jobs);
  g_free (self);
}

/* ---- roots ---- */

/* Directories that the command line names are the same in every root. */
static void
set_trees (DkmsPlaces *places, const DkmsRequest *request)
{
  for (guint i = 0; i + 1 < request->trees->len; i += 2)
    {
      const char *option = request->trees->pdata[i], *path = request->trees->pdata[i + 1];
      char **field = strcmp (option, "--dkmstree") == 0     ? &places->dkms_tree
                     : strcmp (option, "--sourcetree") == 0 ? &places->source_tree
                                                            : &places->install_tree;
      dkms_places_set (places, field, path);
    }
}

/* @path: (nullable) */
static gboolean
add_place (DkmsFleetAxes *self, const DkmsSettings *settings, const DkmsRequest *request, const char *path,
           GError **error)
{
  g_autofree char *name = path != NULL ? g_path_get_basename (path) : g_strdup (DKMS_FLEET_HOST);
  DkmsRoot *root;

  for (guint i = 0; i < self->places->len; i++)
    {
      const DkmsFleetPlace *other = self->places->pdata[i];
      if (g_strcmp0 (other->path, path) == 0)
        return TRUE;
      if (strcmp (other->name, name) == 0)
        return DKMS_FAIL (error, ROOTS_OF_ONE_NAME, .path = path, .place = other->path, .name = name);
    }
  if (!dkms_fleet_is_root_name (name))
    return DKMS_FAIL (error, BAD_ROOT_NAME, .path = path);
  root = dkms_root_open (path, error);
  DkmsSettings *own = root != NULL ? dkms_settings_new (root, error) : NULL;
  if (own == NULL)
    return FALSE;
  set_trees (&own->places, request);
  g_free (own->policy.jobs);
  own->policy.jobs = g_strdup (settings->policy.jobs);
  own->policy.verbose |= settings->policy.verbose;
  DkmsFleetPlace *place = g_new0 (DkmsFleetPlace, 1);
  place->path = g_strdup (path);
  place->name = g_steal_pointer (&name);
  place->settings = own;
  place->kernels = dkms_targets_new ();
  place->sources = g_ptr_array_new_with_free_func (source_free);
  g_ptr_array_add (self->places, place);
  return dkms_unread_check (error);
}

/* ---- sources ---- */

/* Reads the recipe of a directory or an archive. */
static gboolean
identify_given (DkmsFleetSource *self, const DkmsFleetPlace *place, DkmsListener *events, GError **error)
{
  const DkmsSettings *settings = place->settings;
  DkmsRequest request = *self->given;
  request.targets = place->kernels;
  g_autoptr (DkmsWorld) world = dkms_world_new (settings, &request, events);
  g_autoptr (DkmsFacts) facts = dkms_facts_new (&request);
  DkmsTarball *tarball = NULL;
  gboolean ok;

  if (self->given->archive != NULL)
    {
      tarball = dkms_tarball_open (settings, self->given->archive, error);
      if (tarball == NULL)
        return FALSE;
      g_free (facts->source);
      facts->source = g_strdup (tarball->tree);
      facts->loads = tarball->ours;
    }
  ok = dkms_facts_identify (facts, world, facts->loads, error);
  dkms_tarball_close (tarball);
  if (!ok)
    return FALSE;
  self->module = g_strdup (facts->module);
  self->version = g_strdup (facts->version);
  self->depends = g_strdupv (facts->depends);
  return TRUE;
}

/* Finds a module that is registered, or whose source is in the source tree. */
static gboolean
identify_named (DkmsFleetSource *self, const DkmsSettings *settings, GError **error)
{
  const DkmsPlaces *places = &settings->places;
  DkmsRequest request = *self->given;
  g_autoptr (DkmsFacts) facts = NULL;

  request.goal = DKMS_GOAL_BUILT;
  facts = dkms_facts_new (&request);
  dkms_facts_complete (facts, places, &request);
  const DkmsId id = { facts->module, facts->version, NULL, NULL };
  if (id.version == NULL || *id.version == '\0')
    return DKMS_FAIL (error, NO_VERSION, .id = { .module = id.module });
  g_autoptr (DkmsState) state = dkms_state_read (places, &(DkmsId){ .module = id.module }, error);
  if (state == NULL)
    return FALSE;
  g_autofree char *unpacked = dkms_layout_unpacked (places, &id);
  if (!dkms_state_has (state, &id) && !dkms_root_is_dir (places->root, unpacked))
    return DKMS_FAIL (error, NOT_ADDED, .id = id);
  self->module = g_strdup (id.module);
  self->version = g_strdup (id.version);
  return TRUE;
}

/* @same: (nullable): the same source in another root */
static gboolean
add_source (DkmsFleetPlace *place, const DkmsRequest *given, const DkmsFleetSource *same, DkmsListener *events,
            GError **error)
{
  DkmsFleetSource *source = g_new0 (DkmsFleetSource, 1);
  gboolean of_host = given->source != NULL || given->archive != NULL;

  source->given = given;
  g_ptr_array_add (place->sources, source);
  if (!of_host)
    return identify_named (source, place->settings, error);
  if (same == NULL)
    return identify_given (source, place, events, error);
  source->module = g_strdup (same->module);
  source->version = g_strdup (same->version);
  source->depends = g_strdupv (same->depends);
  return TRUE;
}

const DkmsFleetSource *
dkms_fleet_place_given (const DkmsFleetPlace *place, const char *module)
{
  for (guint i = 0; i < place->sources->len; i++)
    {
      const DkmsFleetSource *source = place->sources->pdata[i];
      if ((source->given->source != NULL || source->given->archive != NULL) && strcmp (source->module, module) == 0)
        return source;
    }
  return NULL;
}

/* ---- kernels ---- */

/* Finds the kernels of @place that the request names, or those with headers. */
static gboolean
add_kernels (const DkmsFleetPlace *place, const DkmsRequest *request, GError **error)
{
  const DkmsPlaces *places = &place->settings->places;
  const GPtrArray *targets = request->targets;
  const DkmsId *first = targets->len > 0 ? targets->pdata[0] : NULL;
  g_autoptr (GPtrArray) names = NULL;
  g_autofree char *usual = NULL; /* the architecture of the first kernel is that of all kernels without one */

  if (first == NULL || first->kernel == NULL)
    {
      names = dkms_kernel_list (places->root, places->install_tree, TRUE);
      if (names->len == 0)
        return dkms_missing_all_headers (place->settings->policy.distro, places->root, places->install_tree, error);
    }
  for (guint i = 0; i < (names != NULL ? names->len : targets->len); i++)
    {
      const DkmsId *target = names == NULL ? targets->pdata[i] : first;
      const char *release = names != NULL ? names->pdata[i] : target->kernel;
      const char *arch = target != NULL ? target->arch : NULL;

      if (arch == NULL && usual == NULL)
        {
          g_autofree char *dir = g_build_filename (places->install_tree, release, NULL);
          usual = dkms_distro_arch (place->settings->policy.distro, places->root, dir, dkms_running_machine ());
        }
      const DkmsId kernel = { .kernel = release, .arch = arch != NULL ? arch : usual };
      if (!dkms_tree_check_name (DKMS_ERROR_BAD_TARGET, "kernel release", kernel.kernel, error)
          || !dkms_tree_check_name (DKMS_ERROR_BAD_TARGET, "architecture", kernel.arch, error)
          || !dkms_tree_check_kernel (kernel.kernel, error))
        return FALSE;
      dkms_targets_add (place->kernels, &kernel);
    }
  return TRUE;
}

/* ---- jobs ---- */

static void
add_jobs (DkmsFleetAxes *self, guint number)
{
  const DkmsFleetPlace *place = self->places->pdata[number];

  for (guint s = 0; s < place->sources->len; s++)
    for (guint k = 0; k < place->kernels->len; k++)
      {
        const DkmsFleetSource *source = place->sources->pdata[s];
        const DkmsId *kernel = place->kernels->pdata[k];
        const DkmsId id = { source->module, source->version, kernel->kernel, kernel->arch };
        DkmsFleetJob *job = dkms_fleet_job_new (&id, place->name);
        job->source = s;
        job->place = number;
        g_ptr_array_add (self->jobs, job);
      }
}

DkmsFleetAxes *
dkms_fleet_axes_new (const DkmsSettings *settings, DkmsListener *events, const DkmsRequest *request, GError **error)
{
  g_autoptr (DkmsFleetAxes) self = g_new0 (DkmsFleetAxes, 1);

  self->places = g_ptr_array_new_with_free_func (place_free);
  self->jobs = dkms_fleet_jobs_new ();
  if (request->roots->len == 0 && !add_place (self, settings, request, NULL, error))
    return NULL;
  for (guint i = 0; i < request->roots->len; i++)
    if (!add_place (self, settings, request,
                    strcmp (request->roots->pdata[i], "/") == 0 ? NULL : request->roots->pdata[i], error))
      return NULL;
  for (guint p = 0; p < self->places->len; p++)
    {
      DkmsFleetPlace *place = self->places->pdata[p];
      const DkmsFleetPlace *before = p > 0 ? self->places->pdata[0] : NULL;
      if (!add_kernels (place, request, error))
        return NULL;
      for (guint s = 0; s < request->sources->len; s++)
        if (!add_source (place, request->sources->pdata[s], before != NULL ? before->sources->pdata[s] : NULL, events,
                         error))
          return NULL;
      add_jobs (self, p);
    }
  dkms_fleet_jobs_sort (self->jobs);
  return dkms_unread_check (error) ? g_steal_pointer (&self) : NULL;
}

/* ---- commands ---- */

static void
add_word (GPtrArray *argv, const char *word)
{
  g_ptr_array_add (argv, g_strdup (word));
}

/* Adds @source, and the given sources of the modules that it depends on. */
static void
add_with_depends (const DkmsFleetPlace *place, const DkmsFleetSource *source, GPtrArray *found)
{
  if (g_ptr_array_find (found, source, NULL))
    return;
  g_ptr_array_add (found, (gpointer)source);
  for (char **name = source->depends; name != NULL && *name != NULL; name++)
    {
      const DkmsFleetSource *other = dkms_fleet_place_given (place, *name);
      if (other != NULL)
        add_with_depends (place, other, found);
    }
}

static void
add_sources (GPtrArray *argv, const DkmsFleetPlace *place, const DkmsFleetSource *source)
{
  g_autoptr (GPtrArray) found = g_ptr_array_new ();

  add_with_depends (place, source, found);
  for (guint i = 0; i < found->len; i++)
    {
      const DkmsFleetSource *one = found->pdata[i];
      if (one->given->source != NULL)
        add_word (argv, one->given->source);
      else if (one->given->archive != NULL)
        g_ptr_array_add (argv, g_canonicalize_filename (one->given->archive, NULL));
      else
        g_ptr_array_add (argv, dkms_id_format (&(DkmsId){ .module = one->module, .version = one->version }));
    }
}

void
dkms_fleet_axes_command (const DkmsFleetAxes *self, const DkmsRequest *request, const char *output)
{
  for (guint i = 0; i < self->jobs->len; i++)
    {
      DkmsFleetJob *job = self->jobs->pdata[i];
      const DkmsFleetPlace *place = self->places->pdata[job->place];
      GPtrArray *argv = g_ptr_array_new_with_free_func (g_free);

      add_word (argv, "dkms");
      add_word (argv, "matrix");
      add_word (argv, "--job");
      add_word (argv, job->text);
      add_word (argv, "--output");
      add_word (argv, output);
      if (place->path != NULL)
        {
          add_word (argv, "--root");
          add_word (argv, place->path);
        }
      for (guint t = 0; t < request->trees->len; t++)
        add_word (argv, request->trees->pdata[t]);
      add_word (argv, "--");
      add_sources (argv, place, place->sources->pdata[job->source]);
      job->argv = argv;
    }
}
