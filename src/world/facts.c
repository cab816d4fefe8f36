/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads all facts for a request: the tree, damage in it, and the recipes that its plan depends on. */
#define _GNU_SOURCE
#include "world/facts.h"

#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/near.h"
#include "base/unread.h"
#include "model/version.h"
#include "store/attempts.h"
#include "store/health.h"
#include "store/layout.h"
#include "store/register.h"
#include "store/scan.h"
#include "store/weak.h"
#include "world/inputs.h"
#include "world/naming.h"

typedef struct {
  DkmsFacts *facts;
  DkmsWorld *world;
  const DkmsRequest *request;
  const DkmsSettings *settings;
  DkmsListener *events;
} Gathering;

DkmsFacts *
dkms_facts_new (const DkmsRequest *request)
{
  DkmsFacts *self = g_new0 (DkmsFacts, 1);

  self->module = g_strdup (request->module);
  self->version = g_strdup (request->version);
  self->source = g_strdup (request->source);
  self->targets = dkms_targets_new ();
  /* The targets of prune are filters. Its facts find the kernels. */
  for (guint i = 0; i < request->targets->len && request->selection != DKMS_SELECT_ORPHANED; i++)
    {
      const DkmsId *target = request->targets->pdata[i];
      dkms_targets_add (self->targets, target);
    }
  return self;
}

void
dkms_facts_free (DkmsFacts *self)
{
  if (self == NULL)
    return;
  g_free (self->module);
  g_free (self->version);
  g_free (self->source);
  g_free (self->differs);
  g_free (self->near);
  dkms_state_free (self->state);
  g_ptr_array_unref (self->targets);
  g_strfreev (self->depends);
  g_free (self);
}

gboolean
dkms_facts_name_one (const DkmsFacts *self, const DkmsRequest *request)
{
  return !dkms_request_is_about_many (request) && self->module != NULL && *self->module != '\0';
}

/* ---- a source that is given ---- */

gboolean
dkms_facts_identify (DkmsFacts *self, DkmsWorld *world, gboolean strict, GError **error)
{
  const DkmsSettings *settings = dkms_world_settings (world);
  const DkmsId *target = self->targets->len > 0 ? self->targets->pdata[0] : NULL;
  g_autoptr (DkmsRecipe) recipe = NULL;

  if (self->source == NULL)
    return TRUE;
  if (stat (self->source, &self->source_seen) < 0)
    self->source_seen = (struct stat){ 0 }; /* then the recipe does not exist either, which is the better message */
  if (!dkms_world_read_given (world, self->source, target != NULL ? dkms_world_kernel (world, target).kernel : NULL,
                              &recipe, error)
      || !dkms_world_check (world, recipe, strict, error))
    return FALSE;
  g_free (self->module);
  g_free (self->version);
  self->module = g_strdup (recipe->name);
  self->version = g_strdup (recipe->version);
  g_strfreev (self->depends);
  self->depends = g_strdupv (recipe->depends);
  if (!dkms_tree_check_name (DKMS_ERROR_BAD_PACKAGE, "PACKAGE_NAME", self->module, error)
      || !dkms_tree_check_name (DKMS_ERROR_BAD_PACKAGE, "PACKAGE_VERSION", self->version, error))
    return FALSE;
  /* A source that may replace a registered one is checked as strictly as at registration, before it replaces it. */
  g_autofree char *registered
      = dkms_layout_version (&settings->places, &(DkmsId){ self->module, self->version, NULL, NULL }, NULL);
  return strict || !dkms_root_is_dir (settings->places.root, registered)
         || dkms_world_check (world, recipe, TRUE, error);
}

void
dkms_facts_complete (DkmsFacts *self, const DkmsPlaces *places, const DkmsRequest *request)
{
  gboolean registers = request->goal == DKMS_GOAL_REGISTERED || request->goal == DKMS_GOAL_LOADED;

  if (dkms_facts_name_one (self, request) && !registers && (self->version == NULL || *self->version == '\0'))
    {
      g_free (self->version);
      dkms_name_complete (places, &self->module, &self->version);
    }
}

void
dkms_facts_compare_source (DkmsFacts *self, const DkmsPlaces *places)
{
  if (self->source != NULL)
    self->source_state = dkms_source_compare (places, self->source,
                                              &(DkmsId){ self->module, self->version, NULL, NULL }, &self->differs);
}

/* ---- damage ---- */

/* Gives up the module of @v, which could not be read completely. Work on the others continues. */
static void
give_up_unread (const Gathering *g, const DkmsVersion *v)
{
  GError *error = NULL;

  if (!dkms_unread_check (&error))
    dkms_state_give_up (g->facts->state, v->module, error);
}

/* Whether modules of the current recipe of @v are missing in @build. A recipe that cannot be read is an
 * error of the step that needs it. */
static gboolean
lacks_output (const Gathering *g, const DkmsVersion *v, const DkmsBuild *build)
{
  const DkmsId id = dkms_build_id (v, build);
  const DkmsRecipe *recipe = dkms_world_recipe (g->world, &id, NULL);
  DkmsKernelFacts kernel = dkms_world_kernel (g->world, &(DkmsId){ .kernel = build->kernel, .arch = build->arch });
  g_autoptr (GPtrArray) outputs
      = recipe != NULL ? dkms_recipe_outputs (recipe, kernel.kernel, NULL, kernel.config) : NULL;

  return outputs != NULL && dkms_build_lacks_output (&g->settings->places, v, build, outputs);
}

/* Examines the builds for all targets: of every module, or of the one in the request. */
static gboolean
examine_builds (const Gathering *g, GError **error)
{
  const DkmsFacts *facts = g->facts;
  gboolean one = dkms_facts_name_one (facts, g->request);
  g_autofree char *place = dkms_policy_destination (&g->settings->policy);

  for (guint t = 0; t < facts->targets->len; t++)
    {
      const DkmsId *target = facts->targets->pdata[t];
      g_autoptr (DkmsIndex) index = dkms_index_read (&g->settings->places, target->kernel);

      if (!dkms_unread_check (error))
        return FALSE;
      for (guint i = 0; i < facts->state->versions->len; i++)
        {
          const DkmsVersion *v = facts->state->versions->pdata[i];
          DkmsBuild *build = dkms_version_find (v, target);

          if (build == NULL || v->broken
              || (one && (strcmp (v->module, facts->module) != 0 || g_strcmp0 (v->version, facts->version) != 0)))
            continue;
          dkms_build_examine (&g->settings->places, place, v, build, index);
          /* for DKMS_SELECT_LATEST this is checked after the recipes were read */
          if (!build->incomplete && g->request->selection != DKMS_SELECT_LATEST
              && (g->request->selection == DKMS_SELECT_TEMPLATE
                  || dkms_build_needs_recipe (&g->settings->places, v, build)))
            build->incomplete = lacks_output (g, v, build);
          give_up_unread (g, v);
        }
    }
  return TRUE;
}

/* ---- recipes ---- */

static void
find_weak (const Gathering *g, const DkmsId *target)
{
  gboolean used = dkms_policy_uses_weak (&g->settings->policy);

  for (guint i = 0; i < g->facts->state->versions->len; i++)
    {
      const DkmsVersion *v = g->facts->state->versions->pdata[i];
      DkmsVersionFacts *facts = dkms_version_facts (v, target);

      for (guint b = 0; used && b < v->builds->len && !facts->weak; b++)
        facts->weak = ((DkmsBuild *)v->builds->pdata[b])->active
                      && dkms_weak_serves (&g->settings->places, v, v->builds->pdata[b], target->kernel);
      give_up_unread (g, v);
    }
}

/* Compares the recorded inputs of the build of @v with those of now. A build without a record counts as unchanged. */
static void
look_for_changes (const Gathering *g, const DkmsVersion *v, const DkmsId *target)
{
  guint counts = dkms_policy_rebuilds_after (&g->settings->policy);
  DkmsBuild *build = dkms_version_find (v, target);
  const DkmsId id = dkms_version_id (v, target);
  g_autoptr (DkmsAttempt) made = NULL;

  if (counts == 0 || !dkms_build_is_sound (build) || v->broken || dkms_state_latest (g->facts->state, v->module) != v)
    return;
  made = dkms_attempts_read_build (&g->settings->places, &id);
  build->changes = dkms_world_changes (g->world, &id, made);
  build->rebuild = (build->changes & counts) != 0;
}

/* Whether the plan depends on the recipe of @v. */
static gboolean
is_candidate (const Gathering *g, const DkmsVersion *v, const DkmsId *target)
{
  const DkmsBuild *build = dkms_version_find (v, target);

  if (g->request->selection == DKMS_SELECT_RETURNING)
    return build != NULL || dkms_version_find_remains (v, target) != NULL;
  return dkms_state_latest (g->facts->state, v->module) == v && !dkms_version_facts (v, target)->weak
         && (!dkms_build_is_sound (build) || build->rebuild);
}

static void
read_version_facts (const Gathering *g, const DkmsVersion *v, const DkmsId *target)
{
  DkmsVersionFacts *facts = dkms_version_facts (v, target);
  const DkmsId id = dkms_version_id (v, target);
  const DkmsRecipe *recipe = dkms_world_valid_recipe (g->world, &id, FALSE, &facts->conf_error);
  DkmsBuild *build = dkms_version_find (v, target);

  facts->autoinstall = recipe != NULL && recipe->autoinstall;
  facts->depends = recipe != NULL ? g_strdupv (recipe->depends) : NULL;
  if (build != NULL && recipe != NULL && !build->incomplete)
    build->incomplete = lacks_output (g, v, build);
}

/* Reads the recipes that the plan depends on, for all kernels together. */
static gboolean
read_candidates (const Gathering *g, GError **error)
{
  const DkmsFacts *facts = g->facts;

  for (guint t = 0; g->request->selection == DKMS_SELECT_LATEST && t < facts->targets->len; t++)
    {
      find_weak (g, facts->targets->pdata[t]);
      for (guint i = 0; i < facts->state->versions->len; i++)
        look_for_changes (g, facts->state->versions->pdata[i], facts->targets->pdata[t]);
    }
  for (int pass = 0; pass < 2; pass++)
    {
      for (guint t = 0; t < facts->targets->len; t++)
        for (guint i = 0; i < facts->state->versions->len; i++)
          {
            const DkmsId *target = facts->targets->pdata[t];
            const DkmsVersion *v = facts->state->versions->pdata[i];
            const DkmsId id = dkms_version_id (v, target);

            if (!is_candidate (g, v, target))
              continue;
            if (pass == 0)
              dkms_world_want (g->world, &id);
            else
              read_version_facts (g, v, target);
            give_up_unread (g, v);
          }
      if (!dkms_world_load (g->world, error) || !dkms_unread_check (error))
        return FALSE;
    }
  return TRUE;
}

/* ---- the tree ---- */

/* Built before installed ones, each in the order of `sort -V` (docs/interface/cli.md §5). */
static int
compare_builds (gconstpointer a, gconstpointer b)
{
  const DkmsBuild *x = *(const DkmsBuild *const *)a, *y = *(const DkmsBuild *const *)b;
  int order = dkms_version_sort (x->kernel, y->kernel);

  if (x->active != y->active)
    return x->active - y->active;
  return order != 0 ? order : dkms_version_sort (x->arch, y->arch);
}

/* Finds the targets of --all: every kernel and arch that the version is built for. */
static void
find_targets (DkmsFacts *self)
{
  const DkmsVersion *version = self->module != NULL && self->version != NULL
                                   ? dkms_state_find (self->state, &(DkmsId){ self->module, self->version, NULL, NULL })
                                   : NULL;
  g_autoptr (GPtrArray) builds = g_ptr_array_new ();

  g_ptr_array_set_size (self->targets, 0);
  for (guint i = 0; version != NULL && i < version->builds->len; i++)
    g_ptr_array_add (builds, version->builds->pdata[i]);
  g_ptr_array_sort (builds, compare_builds);
  for (guint i = 0; version != NULL && i < version->remains->len; i++)
    g_ptr_array_add (builds, version->remains->pdata[i]);
  for (guint i = 0; i < builds->len; i++)
    {
      const DkmsBuild *build = builds->pdata[i];
      dkms_targets_add (self->targets, &(DkmsId){ .kernel = build->kernel, .arch = build->arch });
    }
}

/* Finds the targets of prune: the kernels that are not installed, of builds that pass the filters of the request. */
static gboolean
find_orphans (const Gathering *g, GError **error)
{
  const DkmsPlaces *places = &g->settings->places;
  DkmsFacts *facts = g->facts;
  g_autoptr (GPtrArray) kernels = dkms_kernel_list (places->root, places->install_tree, FALSE);
  g_autofree char *shown = dkms_root_host_path (places->root, places->install_tree);

  /* A directory that is not mounted must not cost all builds. */
  if (kernels->len == 0 && ((const DkmsId *)g->request->targets->pdata[0])->kernel == NULL)
    return DKMS_FAIL (error, NOTHING_TO_COMPARE, .path = shown);
  g_ptr_array_set_size (facts->targets, 0);
  for (guint i = 0; i < facts->state->versions->len; i++)
    {
      const DkmsVersion *v = facts->state->versions->pdata[i];
      const GPtrArray *const lists[] = { v->builds, v->remains };

      for (gsize l = 0; l < G_N_ELEMENTS (lists); l++)
        for (guint b = 0; b < lists[l]->len; b++)
          {
            const DkmsId id = dkms_build_id (v, lists[l]->pdata[b]);

            if (dkms_targets_pass (g->request->targets, &id) && !dkms_targets_contain (facts->targets, &id)
                && dkms_kernel_is_gone (places->root, places->install_tree, id.kernel))
              dkms_targets_add (facts->targets, &id);
          }
    }
  return TRUE;
}

/* Finds the targets of sign --all: the installed kernels of the builds that the request selects. */
static void
find_built (const Gathering *g)
{
  const DkmsPlaces *places = &g->settings->places;
  DkmsFacts *facts = g->facts;
  const char *version = facts->version != NULL && *facts->version != '\0' ? facts->version : NULL;

  g_ptr_array_set_size (facts->targets, 0);
  for (guint i = 0; i < facts->state->versions->len; i++)
    {
      const DkmsVersion *v = facts->state->versions->pdata[i];

      for (guint b = 0; b < v->builds->len; b++)
        {
          const DkmsId id = dkms_build_id (v, v->builds->pdata[b]);

          if ((version == NULL || strcmp (version, v->version) == 0) && !dkms_targets_contain (facts->targets, &id)
              && !dkms_kernel_is_gone (places->root, places->install_tree, id.kernel))
            dkms_targets_add (facts->targets, &id);
        }
    }
}

/* Requests for many modules skip broken ones, and report them. */
static void
report_broken (const Gathering *g)
{
  for (guint i = 0; i < g->facts->state->versions->len; i++)
    {
      const DkmsVersion *v = g->facts->state->versions->pdata[i];
      if (v->broken)
        DKMS_EMIT (g->events, SOURCE_GONE_SKIPPED, .id = { v->module, v->version, NULL, NULL });
    }
}

/* Requests for all modules omit modules that cannot be read. Every other request fails if one of its modules cannot be
 * read. */
static gboolean
leave_out_unread (const Gathering *g, gboolean about_all, GError **error)
{
  DkmsState *state = g->facts->state;

  for (guint i = 0; i < state->unread->len; i++)
    {
      DkmsUnread *unread = state->unread->pdata[i];

      if (about_all)
        continue;
      if (g->request->selection == DKMS_SELECT_TEMPLATE || g_strcmp0 (unread->module, g->facts->module) == 0)
        return g_propagate_error (error, g_steal_pointer (&unread->error)), FALSE;
      DKMS_EMIT (g->events, REBUILD_UNKNOWN, .id = { .module = unread->module }, .error = unread->error);
    }
  dkms_state_drop_unread (state);
  return TRUE;
}

/* Whether the plan may rebuild modules that depend on those that change. */
static gboolean
asks_for_dependents (const DkmsRequest *request)
{
  return request->goal == DKMS_GOAL_INSTALLED && !request->force;
}

/* Returns: (transfer full) (nullable): the nearest registered version of a module; if only one is registered, that one
 */
static char *
near_version (const DkmsState *state, const char *module, const char *version)
{
  g_autoptr (GPtrArray) versions = g_ptr_array_new ();
  const char *near;

  for (guint i = 0; i < state->versions->len; i++)
    {
      const DkmsVersion *v = state->versions->pdata[i];
      if (strcmp (v->module, module) == 0)
        g_ptr_array_add (versions, v->version);
    }
  near = dkms_nearest_in (version, versions);
  if (near == NULL && versions->len == 1)
    near = versions->pdata[0];
  return near != NULL ? g_strjoin ("/", module, near, NULL) : NULL;
}

/* Whether the request names a version that is not registered, and will not be registered either. */
static gboolean
is_unknown (const DkmsFacts *self, const DkmsPlaces *places, const DkmsRequest *request)
{
  const DkmsId named = { self->module, self->version, NULL, NULL };
  gboolean registers = request->goal == DKMS_GOAL_REGISTERED || request->goal == DKMS_GOAL_BUILT
                       || request->goal == DKMS_GOAL_INSTALLED;

  if (!dkms_facts_name_one (self, request) || self->version == NULL || self->source != NULL
      || dkms_state_find (self->state, &named) != NULL)
    return FALSE;
  g_autofree char *source = dkms_layout_unpacked (places, &named);
  return !registers || !dkms_root_is_dir (places->root, source);
}

/* Whether the request names a module that is not registered, without a version. */
static gboolean
lacks_version (const DkmsFacts *self, const DkmsRequest *request)
{
  return dkms_facts_name_one (self, request) && (self->version == NULL || *self->version == '\0')
         && self->source == NULL && self->state->versions->len == 0;
}

/* Finds the registered version that is nearest to an unknown module and version. Files that cannot be read are ignored.
 */
static char *
find_near (const DkmsPlaces *places, const DkmsId *id)
{
  guint mark = dkms_unread_mark ();
  g_autoptr (DkmsState) state = dkms_state_read_most (places, NULL, NULL);
  g_autoptr (GPtrArray) modules = g_ptr_array_new ();
  const char *near;

  dkms_unread_drop (mark);
  for (guint i = 0; state != NULL && i < state->versions->len; i++)
    g_ptr_array_add (modules, ((DkmsVersion *)state->versions->pdata[i])->module);
  near = dkms_nearest_in (id->module, modules);
  return state != NULL && near != NULL ? near_version (state, near, id->version) : NULL;
}

gboolean
dkms_facts_read (DkmsFacts *self, DkmsWorld *world, const DkmsRequest *request, GError **error)
{
  const Gathering g = { self, world, request, dkms_world_settings (world), dkms_world_events (world) };
  gboolean template = request->selection == DKMS_SELECT_TEMPLATE, latest = request->selection == DKMS_SELECT_LATEST;
  gboolean orphaned = request->selection == DKMS_SELECT_ORPHANED;
  gboolean existing = request->selection == DKMS_SELECT_EXISTING;
  gboolean about_all = dkms_request_is_about_many (request) && !template && !orphaned && !existing;
  gboolean dependents = asks_for_dependents (request);
  const char *named = self->module != NULL && *self->module != '\0' ? self->module : NULL;
  const char *module = about_all || (dependents && !template)  ? NULL
                       : template                              ? self->module
                       : named != NULL || orphaned || existing ? named
                                                               : "";

  g_clear_pointer (&self->state, dkms_state_free);
  self->state = (dependents || about_all) && !template
                    ? dkms_state_read_most (&g.settings->places, &(DkmsId){ .module = module }, error)
                    : dkms_state_read (&g.settings->places, &(DkmsId){ .module = module }, error);
  if (self->state == NULL)
    return FALSE;
  g_clear_pointer (&self->near, g_free);
  if (lacks_version (self, request))
    {
      self->near = dkms_name_sources (&g.settings->places, self->module);
      if (self->near == NULL)
        self->near = find_near (&g.settings->places, &(DkmsId){ .module = self->module, .version = "" });
    }
  else if (is_unknown (self, &g.settings->places, request))
    self->near = find_near (&g.settings->places, &(DkmsId){ .module = self->module, .version = self->version });
  if (request->template != NULL)
    {
      g_autofree char *dir = g_build_filename (g.settings->places.install_tree, request->template, NULL);
      self->template_exists = dkms_root_is_dir (g.settings->places.root, dir);
      if (!self->template_exists)
        self->near = dkms_kernel_near (g.settings->places.root, g.settings->places.install_tree, request->template);
    }
  if (request->all && existing)
    find_built (&g);
  else if (request->all)
    find_targets (self);
  if (orphaned && !find_orphans (&g, error))
    return FALSE;
  if (latest || template)
    report_broken (&g);
  for (guint i = 0; dependents && i < self->targets->len; i++)
    {
      const DkmsId *target = self->targets->pdata[i];
      dkms_state_read_seen (&g.settings->places, self->state, target);
    }
  if (!dkms_unread_check (error))
    return FALSE;
  if ((request->goal == DKMS_GOAL_BUILT || request->goal == DKMS_GOAL_INSTALLED) && !examine_builds (&g, error))
    return FALSE;
  if ((latest || request->selection == DKMS_SELECT_RETURNING) && !read_candidates (&g, error))
    return FALSE;
  return leave_out_unread (&g, about_all, error);
}
