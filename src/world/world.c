/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The facts about kernels and recipes of a run. */
#define _GNU_SOURCE
#include "world/world.h"

#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "conf/evaluate.h"
#include "conf/overrides.h"
#include "conf/recipe-place.h"
#include "store/layout.h"

struct DkmsWorld {
  const DkmsSettings *settings;
  const DkmsRequest *request;
  DkmsListener *events;
  GHashTable *kernels;  /* "release/arch" -> Known */
  GHashTable *recipes;  /* DkmsId -> Reading */
  GPtrArray *wanted;    /* element-type Reading (borrowed): recipes that are not read yet */
  GHashTable *reported; /* recipes whose deprecated directives were reported */
  gboolean warned;      /* a warning was printed that recipes are unconfined */
  gboolean confined;    /* recipes were evaluated in a sandbox */
  DkmsDigests *digests;
  GHashTable *named; /* "m/v", "k/a": the subjects of messages that are printed once */
};

typedef struct {
  DkmsKernel *kernel;
  char *config;
  char *symvers;
  gboolean symvers_read;
  DkmsInputs *inputs;       /* (nullable) */
  DkmsInputs *cache_inputs; /* (nullable) */
} Known;

/* A recipe that was requested. */
typedef struct {
  DkmsQuery *query;
  DkmsRecipe *recipe; /* (nullable): NULL until it is read, or if that failed; then the query has the error */
} Reading;

static void
reading_free (gpointer data)
{
  Reading *self = data;

  dkms_query_free (self->query);
  dkms_recipe_free (self->recipe);
  g_free (self);
}

static void
known_free (gpointer data)
{
  Known *self = data;

  dkms_kernel_free (self->kernel);
  g_free (self->config);
  g_free (self->symvers);
  g_clear_pointer (&self->inputs, dkms_inputs_free);
  g_clear_pointer (&self->cache_inputs, dkms_inputs_free);
  g_free (self);
}

DkmsWorld *
dkms_world_new (const DkmsSettings *settings, const DkmsRequest *request, DkmsListener *events)
{
  DkmsWorld *self = g_new0 (DkmsWorld, 1);

  self->settings = settings;
  self->request = request;
  self->events = events;
  self->kernels = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, known_free);
  self->recipes = g_hash_table_new_full (dkms_id_hash, dkms_id_equal, (GDestroyNotify)dkms_id_free, reading_free);
  self->wanted = g_ptr_array_new ();
  self->digests = dkms_digests_new (&settings->places, g_get_real_time () / G_USEC_PER_SEC);
  self->reported = g_hash_table_new (g_direct_hash, g_direct_equal);
  self->named = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  return self;
}

void
dkms_world_free (DkmsWorld *self)
{
  if (self == NULL)
    return;
  g_hash_table_unref (self->kernels);
  g_hash_table_unref (self->recipes);
  g_ptr_array_unref (self->wanted);
  dkms_digests_free (self->digests);
  g_hash_table_unref (self->reported);
  g_hash_table_unref (self->named);
  g_free (self);
}

static Known *
know (DkmsWorld *self, const DkmsId *kernel)
{
  const DkmsSettings *s = self->settings;
  g_autofree char *key = g_strconcat (kernel->kernel, "/", kernel->arch, NULL);
  Known *known = g_hash_table_lookup (self->kernels, key);

  if (known == NULL)
    {
      known = g_new0 (Known, 1);
      known->kernel = dkms_kernel_new (s->places.root, s->places.install_tree, kernel, self->request->kernel_source,
                                       self->request->kernel_config);
      known->config = dkms_kernel_read_config (known->kernel, s->places.root);
      g_hash_table_insert (self->kernels, g_steal_pointer (&key), known);
    }
  return known;
}

DkmsKernelFacts
dkms_world_kernel (DkmsWorld *self, const DkmsId *kernel)
{
  const Known *known = know (self, kernel);

  return (DkmsKernelFacts){ known->kernel, known->config };
}

const char *
dkms_world_symvers (DkmsWorld *self, const DkmsId *kernel)
{
  Known *known = know (self, kernel);

  if (!known->symvers_read)
    known->symvers = dkms_kernel_read_built (known->kernel, self->settings->places.root, "Module.symvers");
  known->symvers_read = TRUE;
  return known->symvers;
}

DkmsInputs **
dkms_world_kernel_inputs (DkmsWorld *self, const DkmsId *kernel)
{
  return &know (self, kernel)->inputs;
}

DkmsInputs **
dkms_world_kernel_cache_inputs (DkmsWorld *self, const DkmsId *kernel)
{
  return &know (self, kernel)->cache_inputs;
}

/* The variables that a recipe can see (docs/interface/dkms-conf.md §2), and the one of override_dest_module_location().
 */
static void
add_variables (DkmsWorld *self, DkmsQuery *query, const DkmsId *id, const DkmsKernel *kernel)
{
  const DkmsSettings *s = self->settings;
  const char *const table[][2] = {
    { "kernelver", kernel->release },
    { "arch", kernel->arch },
    { "kernel_source_dir", kernel->source_dir },
    { "kernel_config", kernel->config },
    { "module", id->module },
    { "module_version", id->version },
    { "tmp_location", s->places.tmp_location },
    { "running_distribution", s->policy.distro->id },
    { "parallel_jobs", s->policy.jobs },
    { "verbose", s->policy.verbose ? "1" : "" },
    { "force", self->request->force ? "1" : "" },
    { "action", self->request->action != NULL ? self->request->action : "" },
    { "symlink_modules", s->policy.symlink_modules ? "1" : "" },
    { "addon_modules_dir", s->policy.addon_modules_dir },
  };
  const char *const trees[][2] = { { "dkms_tree", s->places.dkms_tree },
                                   { "source_tree", s->places.source_tree },
                                   { "install_tree", s->places.install_tree } };

  g_autofree char *place = dkms_policy_destination (&s->policy);

  g_ptr_array_add (query->assign, g_strconcat ("__dkms_destination=", place != NULL ? place : "", NULL));
  for (gsize i = 0; i < G_N_ELEMENTS (table); i++)
    g_ptr_array_add (query->assign, g_strconcat (table[i][0], "=", table[i][1], NULL));
  for (gsize i = 0; i < G_N_ELEMENTS (trees); i++)
    {
      g_autofree char *path = dkms_root_tool_path (s->places.root, trees[i][1]);
      g_ptr_array_add (query->assign, g_strconcat (trees[i][0], "=", path, NULL));
    }
  g_ptr_array_add (query->assign, g_strconcat ("current_kernel=", dkms_running_release (), NULL));
  g_ptr_array_add (query->assign, g_strdup ("current_os=Linux"));
}

static void
add_overrides (const DkmsPlaces *places, DkmsQuery *query, const DkmsId *id)
{
  g_autoptr (GPtrArray) paths = dkms_overrides_list (places, id);

  for (guint i = 0; i < paths->len; i++)
    g_ptr_array_add (query->files, dkms_root_tool_path (places->root, paths->pdata[i]));
}

/* Whether a file of the administrator for a module mentions the sandbox. Usually none does, and no shell is needed. */
static gboolean
any_mentions (const DkmsPlaces *places, const GPtrArray *files, const char *word)
{
  for (guint i = 0; i < files->len; i++)
    {
      g_autofree char *text = places->root->has_shell
                                  ? dkms_root_read (places->root, files->pdata[i], 1 << 20, NULL, NULL)
                                  : dkms_read_at (AT_FDCWD, files->pdata[i], 1 << 20, NULL, NULL);
      if (text != NULL && strstr (text, word) != NULL)
        return TRUE;
    }
  return FALSE;
}

/* Reads the mode in the files for the module in the root of @settings. @mode is unchanged if they do not set it. */
static gboolean
read_mode (DkmsWorld *self, const DkmsSettings *settings, const DkmsId *id, DkmsSandboxMode *mode, GError **error)
{
  g_autoptr (GPtrArray) queries = g_ptr_array_new_with_free_func ((GDestroyNotify)dkms_query_free);
  DkmsQuery *query = dkms_query_new ();
  const char *word;

  g_ptr_array_add (queries, query);
  add_overrides (&settings->places, query, id);
  if (query->files->len == 0 || !any_mentions (&settings->places, query->files, "sandbox"))
    return TRUE;
  query->shown = g_strdup (query->files->pdata[0]);
  add_variables (self, query, id, dkms_world_kernel (self, id).kernel);
  if (!dkms_evaluate (&(DkmsEvaluation){ .settings = settings, .names = "sandbox" }, queries, NULL, error))
    return FALSE;
  if (query->error != NULL)
    return g_propagate_error (error, g_steal_pointer (&query->error)), FALSE;
  word = dkms_vars_get (query->vars, "sandbox", 0);
  if (*word == '\0' || dkms_sandbox_mode_parse (word, mode))
    return TRUE;
  return DKMS_FAIL (error, SETTING_NOT_MODE, .name = "sandbox", .text = word, .path = query->shown,
                    .place = query->shown);
}

gboolean
dkms_world_sandbox (DkmsWorld *self, const DkmsId *id, DkmsSandboxMode *mode, GError **error)
{
  const DkmsSettings *s = self->settings;
  g_autoptr (DkmsRoot) machine = NULL;
  DkmsSettings here = *s;
  DkmsSandboxMode of_root = DKMS_SANDBOX_OFF;

  *mode = s->policy.sandbox;
  if (dkms_root_is_host (s->places.root))
    return read_mode (self, s, id, mode, error);
  /* As with framework.conf, files of the machine decide, and files in the root can only make it stricter. */
  machine = dkms_root_open (NULL, error);
  if (machine == NULL)
    return FALSE;
  here.places.root = machine;
  if (!read_mode (self, &here, id, mode, error) || !read_mode (self, s, id, &of_root, error))
    return FALSE;
  if (*mode == DKMS_SANDBOX_AUTO && s->policy.sandbox != DKMS_SANDBOX_AUTO)
    *mode = DKMS_SANDBOX_STRICT; /* see settings.h */
  *mode = dkms_sandbox_mode_stricter (*mode, of_root);
  return TRUE;
}

gboolean
dkms_world_has_sandbox (const DkmsWorld *self)
{
  return self->confined;
}

/* The directory of the dkms.conf: the registered source, or the directory from which it would be registered. */
static char *
conf_dir (const DkmsPlaces *places, const DkmsId *id)
{
  g_autofree char *link = dkms_layout_source (places, id, NULL);

  return dkms_root_is_dir (places->root, link) ? g_steal_pointer (&link) : dkms_layout_unpacked (places, id);
}

void
dkms_world_want (DkmsWorld *self, const DkmsId *id)
{
  const DkmsSettings *s = self->settings;
  g_autofree char *dir = conf_dir (&s->places, id);
  g_autofree char *path = g_build_filename (dir, "dkms.conf", NULL);
  DkmsQuery *query;
  Reading *reading;

  if (g_hash_table_contains (self->recipes, id))
    return;
  query = dkms_query_new ();
  query->dir = dkms_root_tool_path (s->places.root, dir);
  if (self->request->conf_file != NULL)
    {
      query->shown = g_strdup (self->request->conf_file);
      g_ptr_array_add (query->files, g_strdup (self->request->conf_file));
    }
  else
    {
      query->shown = dkms_root_resolved (s->places.root, path); /* users know the source, not the link in the tree */
      g_ptr_array_add (query->files, dkms_root_tool_path (s->places.root, path));
    }
  add_variables (self, query, id, dkms_world_kernel (self, id).kernel);
  add_overrides (&s->places, query, id);
  reading = g_new0 (Reading, 1);
  reading->query = query;
  g_ptr_array_add (self->wanted, reading);
  g_hash_table_insert (self->recipes, dkms_id_copy (id), reading);
}

/* Returns: (transfer none): the value of a variable that the files of @query see, "" if it is unset */
static const char *
variable (const DkmsQuery *query, const char *name)
{
  gsize n = strlen (name);

  for (guint i = 0; i < query->assign->len; i++)
    {
      const char *pair = query->assign->pdata[i];
      if (strncmp (pair, name, n) == 0 && pair[n] == '=')
        return pair + n + 1;
    }
  return "";
}

/* Applies --directive NAME=value or NAME[i]=value: literal, after all files, reported once per recipe. */
static void
apply_directives (const DkmsRequest *request, DkmsListener *events, const DkmsQuery *query)
{
  DkmsVars *vars = query->vars;
  g_auto (GStrv) known = g_strsplit (dkms_recipe_names, " ", -1);

  for (guint i = 0; i < request->directives->len; i++)
    {
      g_auto (GStrv) pair = g_strsplit (request->directives->pdata[i], "=", 2);
      guint64 element = 0;
      char *bracket = strchr (pair[0], '[');

      if (pair[1] == NULL)
        continue;
      DKMS_EMIT (events, DIRECTIVE_GIVEN, .name = pair[0], .text = pair[1]);
      if (bracket != NULL && g_str_has_suffix (bracket, "]"))
        {
          bracket[strlen (bracket) - 1] = '\0';
          if (!g_ascii_string_to_unsigned (bracket + 1, 10, 0, 9999, &element, NULL))
            continue;
          *bracket = '\0';
        }
      if (!g_strv_contains ((const char *const *)known, pair[0]))
        continue;
      dkms_vars_set (vars, pair[0], (guint)element, pair[1]);
      /* Bash has not tried this expression. It comes from the caller of dkms, who may let dkms use all memory. */
      dkms_vars_try_match (vars, pair[0], (guint)element, variable (query, "kernelver"), variable (query, "arch"));
    }
}

/* Warns about the syntax errors among the messages of bash, each of which is "FILE: line N: ...". */
static void
warn_of_syntax (DkmsWorld *self, const char *printed)
{
  static const char *const errors[] = { "syntax error near ", "syntax error: ", "unexpected EOF while looking for " };
  g_auto (GStrv) lines = g_strsplit (printed, "\n", -1);

  for (char **line = lines; *line != NULL; line++)
    {
      char *number = strstr (*line, ": line "), *text = number != NULL ? strstr (number + 2, ": ") : NULL;

      for (gsize i = 0; text != NULL && i < G_N_ELEMENTS (errors); i++)
        if (g_str_has_prefix (text + 2, errors[i]))
          {
            *number = *text = '\0';
            g_autofree char *place = g_strconcat (*line, ":", number + strlen (": line "), NULL);
            DKMS_EMIT (self->events, RECIPE_SYNTAX, .place = place);
            break;
          }
    }
}

static void
print_remarks (DkmsWorld *self, const DkmsRemarks *remarks)
{
  if (remarks->unconfined != NULL && !self->warned)
    DKMS_EMIT (self->events, RECIPES_UNCONFINED, .text = remarks->unconfined);
  self->warned |= remarks->unconfined != NULL;
  self->confined |= remarks->confined;
  if (remarks->printed != NULL)
    {
      DKMS_EMIT (self->events, RECIPE_PRINTED, .text = remarks->printed);
      warn_of_syntax (self, remarks->printed);
    }
}

/* The headers that recipes may read, for the kernels of the recipes. Returns: (transfer container) */
static GPtrArray *
header_dirs (DkmsWorld *self)
{
  GPtrArray *dirs = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer known;

  g_hash_table_iter_init (&iter, self->kernels);
  while (g_hash_table_iter_next (&iter, NULL, &known))
    g_ptr_array_add (dirs, ((const Known *)known)->kernel->source_dir);
  return dirs;
}

/* The keys that recipes must not read. Returns: (transfer full) (nullable) */
static GPtrArray *
signing_keys (DkmsWorld *self, GError **error)
{
  g_autoptr (GPtrArray) releases = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer known;

  g_hash_table_iter_init (&iter, self->kernels);
  while (g_hash_table_iter_next (&iter, NULL, &known))
    g_ptr_array_add (releases, ((const Known *)known)->kernel->release);
  return dkms_settings_key_files (self->settings, releases, error);
}

gboolean
dkms_world_load (DkmsWorld *self, GError **error)
{
  if (self->wanted->len == 0)
    return TRUE;
  g_auto (DkmsRemarks) remarks = { 0 };
  g_autoptr (GPtrArray) kernels = header_dirs (self);
  g_autoptr (GPtrArray) keys = signing_keys (self, error);
  if (keys == NULL)
    return FALSE;
  g_autoptr (GPtrArray) queries = g_ptr_array_new ();
  for (guint i = 0; i < self->wanted->len; i++)
    g_ptr_array_add (queries, ((const Reading *)self->wanted->pdata[i])->query);
  const DkmsConfinement confinement = { .settings = self->settings,
                                        .conf_file = self->request->conf_file,
                                        .kernel_config = self->request->kernel_config,
                                        .keys = keys,
                                        .kernels = kernels };
  const DkmsEvaluation how = { self->settings, &confinement, dkms_recipe_names, dkms_recipe_deprecated_names };
  if (!dkms_evaluate (&how, queries, &remarks, error))
    return FALSE;
  print_remarks (self, &remarks);
  for (guint i = 0; i < self->wanted->len; i++)
    {
      Reading *reading = self->wanted->pdata[i];

      if (reading->query->vars == NULL)
        continue;
      apply_directives (self->request, self->events, reading->query);
      reading->recipe = dkms_recipe_new (g_steal_pointer (&reading->query->vars));
    }
  g_ptr_array_set_size (self->wanted, 0);
  return TRUE;
}

const DkmsRecipe *
dkms_world_recipe (DkmsWorld *self, const DkmsId *id, GError **error)
{
  const Reading *reading;

  dkms_world_want (self, id);
  if (!dkms_world_load (self, error))
    return NULL;
  reading = g_hash_table_lookup (self->recipes, id);
  if (reading->recipe == NULL && reading->query->error != NULL)
    g_propagate_error (error, g_error_copy (reading->query->error));
  return reading->recipe;
}

/* Emits @remark about a directive of @recipe, with the line that sets it. */
static void
remark_on (DkmsWorld *self, const DkmsRecipe *recipe, const DkmsEvent *remark)
{
  g_autofree char *place = dkms_recipe_place (&self->settings->places, recipe, NULL, remark->name, 0);
  DkmsEvent placed = *remark;

  placed.place = place;
  dkms_listener_hear (self->events, &placed);
}

static void
report_deprecated_once (DkmsWorld *self, const DkmsRecipe *recipe)
{
  g_autoptr (DkmsEvent) placeholder = NULL;

  if (!g_hash_table_add (self->reported, (gpointer)recipe))
    return;
  placeholder = dkms_recipe_placeholder (recipe);
  if (placeholder != NULL)
    remark_on (self, recipe, placeholder);
  for (guint i = 0; i < recipe->vars->deprecated->len; i++)
    remark_on (self, recipe, recipe->vars->deprecated->pdata[i]);
  if (*recipe->obsoleted != '\0')
    remark_on (self, recipe,
               &(const DkmsEvent){ .kind = DKMS_EVENT_OBSOLETE_BY_USED, .path = recipe->path, .name = "OBSOLETE_BY" });
  if (recipe->modules->len == 0)
    DKMS_EMIT (self->events, RECIPE_LISTS_NOTHING, .path = recipe->path);
}

gboolean
dkms_world_is_first (DkmsWorld *self, const char *name, const char *of)
{
  return g_hash_table_add (self->named, g_strjoin ("/", name, of, NULL));
}

static void
report_problem (DkmsWorld *self, const DkmsRecipe *recipe, const DkmsProblem *problem)
{
  g_autofree char *text = dkms_recipe_problem_text (recipe, problem);
  g_autofree char *place
      = dkms_recipe_place (&self->settings->places, recipe, NULL, problem->directive, problem->index);

  DKMS_EMIT (self->events, RECIPE_PROBLEM, .path = recipe->path, .place = place, .text = text);
}

gboolean
dkms_world_check (DkmsWorld *self, const DkmsRecipe *recipe, gboolean strict, GError **error)
{
  for (guint i = 0; i < recipe->problems->len; i++)
    if (strict || !((const DkmsProblem *)recipe->problems->pdata[i])->strict)
      report_problem (self, recipe, recipe->problems->pdata[i]);
  if (!dkms_recipe_is_valid (recipe, strict))
    return DKMS_FAIL (error, BAD_CONF, .id = { recipe->name, recipe->version, NULL, NULL }, .path = recipe->path);
  return TRUE;
}

const DkmsRecipe *
dkms_world_valid_recipe (DkmsWorld *self, const DkmsId *id, gboolean strict, GError **error)
{
  const DkmsRecipe *recipe = dkms_world_recipe (self, id, error);

  if (recipe == NULL)
    return NULL;
  if (strict)
    report_deprecated_once (self, recipe);
  return dkms_world_check (self, recipe, strict, error) ? recipe : NULL;
}

gboolean
dkms_world_read_given (DkmsWorld *self, const char *dir, const DkmsKernel *kernel, DkmsRecipe **recipe, GError **error)
{
  g_autoptr (DkmsRoot) host = dkms_root_open (NULL, error);
  g_auto (DkmsRemarks) remarks = { 0 };
  g_autoptr (GPtrArray) queries = g_ptr_array_new_with_free_func ((GDestroyNotify)dkms_query_free);
  DkmsSettings here = *self->settings;
  DkmsQuery *query = dkms_query_new ();
  const char *conf = self->request->conf_file;
  g_autofree char *path = conf != NULL ? g_strdup (conf) : g_build_filename (dir, "dkms.conf", NULL);

  g_ptr_array_add (queries, query);
  if (host == NULL)
    return FALSE;
  here.places.root = host;
  query->shown = g_strdup (path);
  query->dir = g_strdup (dir);
  g_ptr_array_add (query->files, g_strdup (path));
  if (kernel != NULL)
    add_variables (self, query, &(DkmsId){ "", "", NULL, NULL }, kernel);
  g_autoptr (GPtrArray) kernels = header_dirs (self);
  g_autoptr (GPtrArray) keys = signing_keys (self, error);
  if (keys == NULL)
    return FALSE;
  const DkmsConfinement confinement = { .settings = &here,
                                        .conf_file = self->request->conf_file,
                                        .kernel_config = self->request->kernel_config,
                                        .keys = keys,
                                        .kernels = kernels };
  const DkmsEvaluation how = { &here, &confinement, dkms_recipe_names, NULL };
  if (!dkms_evaluate (&how, queries, &remarks, error))
    return FALSE;
  print_remarks (self, &remarks);
  if (query->error != NULL)
    return g_propagate_error (error, g_steal_pointer (&query->error)), FALSE;
  apply_directives (self->request, self->events, query);
  *recipe = dkms_recipe_new (g_steal_pointer (&query->vars));
  return TRUE;
}

DkmsDigests *
dkms_world_digests (const DkmsWorld *self)
{
  return self->digests;
}

const DkmsSettings *
dkms_world_settings (const DkmsWorld *self)
{
  return self->settings;
}

const DkmsRequest *
dkms_world_request (const DkmsWorld *self)
{
  return self->request;
}

DkmsListener *
dkms_world_events (const DkmsWorld *self)
{
  return self->events;
}
