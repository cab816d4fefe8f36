/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Interprets the directives of a dkms.conf. */
#include "conf/recipe.h"

#include <string.h>

#include "base/error.h"
#include "conf/make-line.h"
#include "model/version.h"

#define RECORD_NAMES "BUILT_MODULE_NAME BUILT_MODULE_LOCATION DEST_MODULE_NAME DEST_MODULE_LOCATION"
#define EXCLUSIVE_NAMES                                                                                                \
  "BUILD_EXCLUSIVE_KERNEL BUILD_EXCLUSIVE_KERNEL_MIN BUILD_EXCLUSIVE_KERNEL_MAX BUILD_EXCLUSIVE_ARCH "                 \
  "BUILD_EXCLUSIVE_CONFIG"

const char dkms_recipe_names[] = "PACKAGE_NAME PACKAGE_VERSION " RECORD_NAMES
                                 " STRIP MAKE MAKE_MATCH PATCH PATCH_MATCH AUTOINSTALL NO_WEAK_MODULES "
                                 "BUILD_DEPENDS BUILD_DEPENDS_REBUILD " EXCLUSIVE_NAMES
                                 " PRE_BUILD POST_BUILD PRE_INSTALL POST_INSTALL POST_ADD POST_REMOVE OBSOLETE_BY";
const char dkms_recipe_deprecated_names[] = "CLEAN REMAKE_INITRD MODULES_CONF MODULES_CONF_OBSOLETES "
                                            "MODULES_CONF_ALIAS_TYPE MODULES_CONF_OBSOLETE_ONLY";

static const char *const script_names[DKMS_SCRIPT_LAST] = {
  [DKMS_SCRIPT_POST_ADD] = "POST_ADD",         [DKMS_SCRIPT_PRE_BUILD] = "PRE_BUILD",
  [DKMS_SCRIPT_POST_BUILD] = "POST_BUILD",     [DKMS_SCRIPT_PRE_INSTALL] = "PRE_INSTALL",
  [DKMS_SCRIPT_POST_INSTALL] = "POST_INSTALL", [DKMS_SCRIPT_POST_REMOVE] = "POST_REMOVE",
};

const char *
dkms_script_directive (DkmsScript script)
{
  return script_names[script];
}

/* ---- paths ---- */

/* Returns: (transfer full): @path, starting at "/", without empty parts, "." and "..". @leaves: (out): whether ".."
 * leads above "/", which is ignored */
static char *
normalise (const char *path, gboolean *leaves)
{
  g_auto (GStrv) parts = g_strsplit (path, "/", -1);
  g_autoptr (GPtrArray) kept = g_ptr_array_new ();
  g_autofree char *joined = NULL;

  *leaves = FALSE;
  for (char **part = parts; *part != NULL; part++)
    {
      if (**part == '\0' || strcmp (*part, ".") == 0)
        continue;
      if (strcmp (*part, "..") != 0)
        g_ptr_array_add (kept, *part);
      else if (kept->len > 0)
        g_ptr_array_set_size (kept, (gint)kept->len - 1);
      else
        *leaves = TRUE;
    }
  g_ptr_array_add (kept, NULL);
  joined = g_strjoinv ("/", (char **)kept->pdata);
  return g_strconcat ("/", joined, NULL);
}

static gboolean
climbs_out (const char *path)
{
  gboolean leaves;

  g_free (normalise (path, &leaves));
  return leaves;
}

/* The path of @location below the build directory. It may leave the directory and return. Returns: (transfer full)
 * (nullable): "" or a relative path that ends in a slash; NULL if it is outside */
static char *
below_build (const char *location)
{
  static const char build[] = "/build";
  g_autofree char *from_above = g_strconcat (build, "/", location, NULL);
  gboolean leaves;
  g_autofree char *path = normalise (from_above, &leaves);

  if (leaves || !g_str_has_prefix (path, build) || (path[strlen (build)] != '/' && path[strlen (build)] != '\0'))
    return NULL;
  return path[strlen (build)] == '\0' ? g_strdup ("") : g_strconcat (path + strlen ("/build/"), "/", NULL);
}

/* ---- problems ---- */

static void
problem_free (gpointer data)
{
  DkmsProblem *self = data;

  g_free (self->value);
  g_free (self);
}

static void
add_problem (DkmsRecipe *self, DkmsProblemKind kind, const char *directive, guint index, const char *value)
{
  DkmsProblem *problem = g_new0 (DkmsProblem, 1);

  problem->kind = kind;
  problem->strict = kind == DKMS_PROBLEM_LISTED_TWICE || kind == DKMS_PROBLEM_SAME_NAME;
  problem->directive = directive;
  problem->index = index;
  problem->value = g_strdup (value);
  g_ptr_array_add (self->problems, problem);
}

char *
dkms_problem_describe (const DkmsProblem *self)
{
  static const DkmsPhrase phrases[] = {
    [DKMS_PROBLEM_MISSING] = DKMS_PHRASE_MISSING,
    [DKMS_PROBLEM_NO_BUILT_NAME] = DKMS_PHRASE_NOT_IN_RECORD,
    [DKMS_PROBLEM_SUFFIX] = DKMS_PHRASE_SUFFIX,
    [DKMS_PROBLEM_NO_LOCATION] = DKMS_PHRASE_NOT_IN_RECORD,
    [DKMS_PROBLEM_PREFIX] = DKMS_PHRASE_PREFIX,
    [DKMS_PROBLEM_LEAVES_KERNEL] = DKMS_PHRASE_LEAVES_KERNEL,
    [DKMS_PROBLEM_CONTROL] = DKMS_PHRASE_CONTROL,
    [DKMS_PROBLEM_SLASH] = DKMS_PHRASE_SLASH,
    [DKMS_PROBLEM_LEAVES_BUILD] = DKMS_PHRASE_LEAVES_BUILD,
    [DKMS_PROBLEM_LISTED_TWICE] = DKMS_PHRASE_LISTED_TWICE,
    [DKMS_PROBLEM_SAME_NAME] = DKMS_PHRASE_SAME_NAME,
    [DKMS_PROBLEM_BOOLEAN] = DKMS_PHRASE_NOT_BOOLEAN,
  };
  g_autofree char *shown = g_strescape (self->value, "\"\\");
  g_autofree char *place = g_strdup_printf ("%s[%u]", self->directive, self->index);

  return dkms_phrase_with (phrases[self->kind],
                           &(const DkmsErrorInfo){ .name = self->directive,
                                                   .place = place,
                                                   .text = self->kind == DKMS_PROBLEM_CONTROL ? shown : self->value,
                                                   .number = self->index });
}

gboolean
dkms_recipe_is_valid (const DkmsRecipe *self, gboolean strict)
{
  for (guint i = 0; i < self->problems->len; i++)
    if (strict || !((const DkmsProblem *)self->problems->pdata[i])->strict)
      return FALSE;
  return TRUE;
}

static gboolean
has_suffix_of_modules (const char *name)
{
  return g_str_has_suffix (name, ".o") || g_str_has_suffix (name, ".ko");
}

static gboolean
has_control_character (const char *text)
{
  for (; *text != '\0'; text++)
    if (g_ascii_iscntrl (*text))
      return TRUE;
  return FALSE;
}

static void
check_module (DkmsRecipe *self, guint i)
{
  const DkmsRecipeModule *m = self->modules->pdata[i];
  g_autofree char *built_path = g_strconcat (m->built_location, "/", m->built_name, NULL);
  g_autofree char *below = below_build (built_path);

  if (*m->built_name == '\0')
    add_problem (self, DKMS_PROBLEM_NO_BUILT_NAME, "BUILT_MODULE_NAME", i, "");
  if (has_suffix_of_modules (m->built_name))
    add_problem (self, DKMS_PROBLEM_SUFFIX, "BUILT_MODULE_NAME", i, m->built_name);
  if (m->dest_name != m->built_name && has_suffix_of_modules (m->dest_name))
    add_problem (self, DKMS_PROBLEM_SUFFIX, "DEST_MODULE_NAME", i, m->dest_name);
  if (*m->dest_location == '\0')
    add_problem (self, DKMS_PROBLEM_NO_LOCATION, "DEST_MODULE_LOCATION", i, "");
  else if (!g_str_has_prefix (m->dest_location, "/kernel") && !g_str_has_prefix (m->dest_location, "/updates")
           && !g_str_has_prefix (m->dest_location, "/extra"))
    add_problem (self, DKMS_PROBLEM_PREFIX, "DEST_MODULE_LOCATION", i, m->dest_location);
  if (climbs_out (m->dest_location))
    add_problem (self, DKMS_PROBLEM_LEAVES_KERNEL, "DEST_MODULE_LOCATION", i, m->dest_location);
  if (has_control_character (m->dest_name))
    add_problem (self, DKMS_PROBLEM_CONTROL, "DEST_MODULE_NAME", i, m->dest_name);
  if (strchr (m->dest_name, '/') != NULL)
    add_problem (self, DKMS_PROBLEM_SLASH, "DEST_MODULE_NAME", i, m->dest_name);
  if (below == NULL)
    add_problem (self, DKMS_PROBLEM_LEAVES_BUILD, "BUILT_MODULE_LOCATION", i, m->built_location);
}

static void
check_duplicates (DkmsRecipe *self)
{
  g_autoptr (GHashTable) built = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GHashTable) dest = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; i < self->modules->len; i++)
    {
      const DkmsRecipeModule *m = self->modules->pdata[i];
      gboolean slash = *m->built_location == '\0' || g_str_has_suffix (m->built_location, "/");
      g_autofree char *path = g_strconcat (m->built_location, slash ? "" : "/", m->built_name, NULL);

      if (!g_hash_table_add (built, g_strdup (path)))
        add_problem (self, DKMS_PROBLEM_LISTED_TWICE, "BUILT_MODULE_NAME", i, path);
      if (!g_hash_table_add (dest, (gpointer)m->dest_name))
        add_problem (self, DKMS_PROBLEM_SAME_NAME, "DEST_MODULE_NAME", i, m->dest_name);
    }
}

static void
check_booleans (DkmsRecipe *self)
{
  static const char *const names[] = { "AUTOINSTALL", "BUILD_DEPENDS_REBUILD", "NO_WEAK_MODULES" };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      const char *value = dkms_vars_get (self->vars, names[i], 0);
      if (*value != '\0' && g_ascii_strcasecmp (value, "yes") != 0 && g_ascii_strcasecmp (value, "no") != 0)
        add_problem (self, DKMS_PROBLEM_BOOLEAN, names[i], 0, value);
    }
}

static void
find_problems (DkmsRecipe *self)
{
  if (*self->name == '\0')
    add_problem (self, DKMS_PROBLEM_MISSING, "PACKAGE_NAME", 0, "");
  if (*self->version == '\0')
    add_problem (self, DKMS_PROBLEM_MISSING, "PACKAGE_VERSION", 0, "");
  for (guint i = 0; i < self->modules->len; i++)
    check_module (self, i);
  check_duplicates (self);
  check_booleans (self);
}

/* ---- from variables ---- */

static gboolean
is_yes (const DkmsVars *vars, const char *name)
{
  return g_ascii_strcasecmp (dkms_vars_get (vars, name, 0), "yes") == 0;
}

static char **
split_depends (const DkmsVars *vars)
{
  GPtrArray *names = g_ptr_array_new ();

  for (guint i = 0; i < dkms_vars_count (vars, "BUILD_DEPENDS"); i++)
    {
      g_auto (GStrv) words = g_strsplit_set (dkms_vars_get (vars, "BUILD_DEPENDS", i), " \t\n", -1);
      for (char **word = words; *word != NULL; word++)
        if (**word != '\0')
          g_ptr_array_add (names, g_strdup (*word));
    }
  g_ptr_array_add (names, NULL);
  return (char **)g_ptr_array_free (names, FALSE);
}

static guint
count_most (const DkmsVars *vars, const char *names)
{
  g_auto (GStrv) family = g_strsplit (names, " ", -1);
  guint count = 0;

  for (char **name = family; *name != NULL; name++)
    count = MAX (count, dkms_vars_count (vars, *name));
  return count;
}

static gboolean
should_strip (const DkmsVars *vars, guint i)
{
  const char *own = dkms_vars_get (vars, "STRIP", i);
  const char *value = *own != '\0' ? own : dkms_vars_get (vars, "STRIP", 0);

  return *value != 'n' && *value != 'N';
}

static void
take_modules (DkmsRecipe *self)
{
  const DkmsVars *vars = self->vars;
  guint records = count_most (vars, RECORD_NAMES);

  for (guint i = 0; i < records; i++)
    {
      DkmsRecipeModule *m = g_new0 (DkmsRecipeModule, 1);
      const char *dest = dkms_vars_get (vars, "DEST_MODULE_NAME", i);

      m->built_name = dkms_vars_get (vars, "BUILT_MODULE_NAME", i);
      if (*m->built_name == '\0' && records == 1)
        m->built_name = self->name;
      m->built_location = dkms_vars_get (vars, "BUILT_MODULE_LOCATION", i);
      m->dest_name = *dest != '\0' ? dest : m->built_name;
      m->dest_location = dkms_vars_get (vars, "DEST_MODULE_LOCATION", i);
      m->strip = should_strip (vars, i);
      g_ptr_array_add (self->modules, m);
    }
}

static gboolean
matches_if_set (const DkmsVars *vars, const char *name, guint i)
{
  return *dkms_vars_get (vars, name, i) == '\0' || dkms_vars_match (vars, name, i);
}

static void
take_exclusive (DkmsRecipe *self)
{
  const DkmsVars *vars = self->vars;
  guint count = MAX (MAX (count_most (vars, EXCLUSIVE_NAMES), self->modules->len), 1);

  for (guint i = 0; i < count; i++)
    {
      DkmsExclusive *e = g_new0 (DkmsExclusive, 1);

      e->min = dkms_vars_get (vars, "BUILD_EXCLUSIVE_KERNEL_MIN", i);
      e->max = i == 0 && dkms_vars_count (vars, "BUILD_EXCLUSIVE_KERNEL_MAX") == 0
                   ? self->obsoleted
                   : dkms_vars_get (vars, "BUILD_EXCLUSIVE_KERNEL_MAX", i);
      e->config = dkms_vars_get (vars, "BUILD_EXCLUSIVE_CONFIG", i);
      e->kernel_matches = matches_if_set (vars, "BUILD_EXCLUSIVE_KERNEL", i);
      e->arch_matches = matches_if_set (vars, "BUILD_EXCLUSIVE_ARCH", i);
      g_ptr_array_add (self->exclusive, e);
    }
}

static void
take_choices (const DkmsVars *vars, const char *name, const char *condition, GPtrArray *choices)
{
  for (guint i = 0; i < dkms_vars_count (vars, name); i++)
    {
      DkmsRecipeChoice *c = g_new0 (DkmsRecipeChoice, 1);

      c->text = dkms_vars_get (vars, name, i);
      c->conditional = *dkms_vars_get (vars, condition, i) != '\0';
      c->matches = c->conditional && dkms_vars_match (vars, condition, i);
      g_ptr_array_add (choices, c);
    }
}

DkmsRecipe *
dkms_recipe_new (DkmsVars *vars)
{
  DkmsRecipe *self = g_new0 (DkmsRecipe, 1);

  self->vars = vars;
  self->path = vars->path;
  self->name = dkms_vars_get (vars, "PACKAGE_NAME", 0);
  self->version = dkms_vars_get (vars, "PACKAGE_VERSION", 0);
  self->obsoleted = dkms_vars_get (vars, "OBSOLETE_BY", 0);
  self->modules = g_ptr_array_new_with_free_func (g_free);
  self->exclusive = g_ptr_array_new_with_free_func (g_free);
  self->makes = g_ptr_array_new_with_free_func (g_free);
  self->patches = g_ptr_array_new_with_free_func (g_free);
  self->problems = g_ptr_array_new_with_free_func (problem_free);
  take_modules (self);
  take_exclusive (self);
  take_choices (vars, "MAKE", "MAKE_MATCH", self->makes);
  take_choices (vars, "PATCH", "PATCH_MATCH", self->patches);
  self->depends = split_depends (vars);
  for (guint i = 0; i < DKMS_SCRIPT_LAST; i++)
    self->scripts[i] = dkms_vars_get (vars, script_names[i], 0);
  self->autoinstall = is_yes (vars, "AUTOINSTALL");
  self->rebuilds_with_depends = is_yes (vars, "BUILD_DEPENDS_REBUILD");
  self->no_weak_modules = is_yes (vars, "NO_WEAK_MODULES");
  find_problems (self);
  return self;
}

void
dkms_recipe_free (DkmsRecipe *self)
{
  if (self == NULL)
    return;
  g_ptr_array_unref (self->modules);
  g_ptr_array_unref (self->exclusive);
  g_ptr_array_unref (self->makes);
  g_ptr_array_unref (self->patches);
  g_ptr_array_unref (self->problems);
  g_strfreev (self->depends);
  dkms_vars_free (self->vars);
  g_free (self);
}

DkmsRecipe *
dkms_recipe_from_json (const char *path, json_t *json, GError **error)
{
  DkmsVars *vars = dkms_vars_from_json (path, json);
  g_autoptr (DkmsRecipe) self = vars != NULL ? dkms_recipe_new (vars) : NULL;
  g_autofree char *problem = NULL;

  if (self != NULL && dkms_recipe_is_valid (self, FALSE))
    return g_steal_pointer (&self);
  for (guint i = 0; self != NULL && i < self->problems->len && problem == NULL; i++)
    if (!((const DkmsProblem *)self->problems->pdata[i])->strict)
      problem = dkms_problem_describe (self->problems->pdata[i]);
  if (problem == NULL)
    problem = DKMS_SAY (NO_VALUES, 0);
  DKMS_FAIL (error, BAD_RECIPE, .path = path, .text = problem);
  return NULL;
}

/* ---- for one kernel ---- */

/* Returns: (transfer full) (nullable): the first of @tokens that @config does not meet */
static char *
rejected_by (const char *tokens, const char *config)
{
  g_auto (GStrv) words = g_strsplit_set (tokens, " \t\n", -1);

  for (char **word = words; *word != NULL; word++)
    {
      gboolean not_wanted = **word == '!';
      if (**word != '\0' && dkms_kernel_config_has (config, *word + not_wanted) == not_wanted)
        return g_strdup (*word);
    }
  return NULL;
}

/* Returns: (nullable): the directive whose element @i excludes the kernel; @why: (out) (optional) (transfer full): the
 * condition that the kernel does not meet */
static const char *
excluded_by (const DkmsRecipe *self, guint i, const DkmsKernel *kernel, const char *config, char **why)
{
  const DkmsExclusive *e = self->exclusive->pdata[i];
  g_autofree char *option = *e->config != '\0' && config != NULL ? rejected_by (e->config, config) : NULL;
  const char *directive = NULL, *text = NULL;
  DkmsPhrase phrase = DKMS_PHRASE_NEEDS_RELEASE;

  if (!e->kernel_matches)
    directive = "BUILD_EXCLUSIVE_KERNEL", text = dkms_vars_get (self->vars, directive, i);
  else if (!e->arch_matches)
    directive = "BUILD_EXCLUSIVE_ARCH", phrase = DKMS_PHRASE_NEEDS_ARCH,
    text = dkms_vars_get (self->vars, directive, i);
  else if (*e->min != '\0' && dkms_version_compare (kernel->release, e->min) < 0)
    directive = "BUILD_EXCLUSIVE_KERNEL_MIN", phrase = DKMS_PHRASE_NEEDS_NEWER, text = e->min;
  else if (*e->max != '\0' && dkms_version_compare (kernel->release, e->max) > 0)
    directive = e->max == self->obsoleted ? "OBSOLETE_BY" : "BUILD_EXCLUSIVE_KERNEL_MAX",
    phrase = DKMS_PHRASE_NEEDS_OLDER, text = e->max;
  else if (option != NULL)
    directive = "BUILD_EXCLUSIVE_CONFIG",
    phrase = *option == '!' ? DKMS_PHRASE_NEEDS_NO_OPTION : DKMS_PHRASE_NEEDS_OPTION, text = option + (*option == '!');
  if (why != NULL)
    *why = directive != NULL ? dkms_phrase_with (phrase, &(const DkmsErrorInfo){ .text = text }) : NULL;
  return directive;
}

/* Element 0 applies to all modules, and is also that of the first one. */
const char *
dkms_recipe_excluded (const DkmsRecipe *self, const DkmsKernel *kernel, const char *config, char **why)
{
  return excluded_by (self, 0, kernel, config, why);
}

static void
output_free (gpointer data)
{
  DkmsOutput *self = data;

  g_free (self->built_location);
  g_free (self->dest_location);
  g_free (self->conf_location);
  g_free (self);
}

GPtrArray *
dkms_recipe_outputs (const DkmsRecipe *self, const DkmsKernel *kernel, const char *destination, const char *config)
{
  GPtrArray *outputs = g_ptr_array_new_with_free_func (output_free);
  gboolean global = excluded_by (self, 0, kernel, config, NULL) != NULL;

  for (guint i = 0; i < self->modules->len; i++)
    {
      const DkmsRecipeModule *m = self->modules->pdata[i];
      DkmsOutput *output = g_new0 (DkmsOutput, 1);
      gboolean leaves;

      output->built_name = m->built_name;
      output->built_location = below_build (m->built_location);
      if (output->built_location == NULL)
        output->built_location = g_strdup (""); /* only in an invalid recipe */
      output->dest_name = m->dest_name;
      output->conf_location = normalise (m->dest_location, &leaves);
      output->dest_location = g_strdup (destination != NULL ? destination : output->conf_location);
      output->strip = m->strip;
      output->excluded = global || excluded_by (self, i, kernel, config, NULL) != NULL;
      g_ptr_array_add (outputs, output);
    }
  return outputs;
}

/* Returns the last MAKE whose MAKE_MATCH matches, otherwise the first MAKE if it has no MAKE_MATCH, otherwise the
 * default command of the reference. */
char *
dkms_recipe_make (const DkmsRecipe *self, const DkmsKernel *kernel, const char *build_dir, gboolean llvm)
{
  const char *chosen = "";
  g_autofree char *standard = g_strdup_printf ("make -C %s M=%s", kernel->source_dir, build_dir);

  for (guint i = 0; i < self->makes->len; i++)
    {
      const DkmsRecipeChoice *make = self->makes->pdata[i];
      if ((i == 0 && !make->conditional) || (*make->text != '\0' && make->matches))
        chosen = make->text;
    }
  if (*chosen == '\0')
    chosen = standard;
  return llvm ? dkms_make_line_add_llvm (chosen) : g_strdup (chosen);
}

GPtrArray *
dkms_recipe_patches (const DkmsRecipe *self)
{
  GPtrArray *patches = g_ptr_array_new ();

  for (guint i = 0; i < self->patches->len; i++)
    {
      const DkmsRecipeChoice *patch = self->patches->pdata[i];
      if (*patch->text != '\0' && (!patch->conditional || patch->matches))
        g_ptr_array_add (patches, (gpointer)patch->text);
    }
  return patches;
}

/* ---- names that were never filled in ---- */

/* Whether @text contains a word between two characters @mark, as placeholders do. */
static gboolean
has_marked_word (const char *text, char mark)
{
  const char *start = strchr (text, mark), *end = start != NULL ? strchr (start + 1, mark) : NULL;

  if (end == NULL || end == start + 1)
    return FALSE;
  for (const char *at = start + 1; at < end; at++)
    if (!g_ascii_isalpha (*at) && *at != '_')
      return has_marked_word (end, mark);
  return TRUE;
}

DkmsEvent *
dkms_recipe_placeholder (const DkmsRecipe *self)
{
  const char *const names[][2] = { { "PACKAGE_NAME", self->name }, { "PACKAGE_VERSION", self->version } };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      const char *value = names[i][1];
      gboolean hash = strchr (value, '#') != NULL;

      if (hash || has_marked_word (value, '@') || has_marked_word (value, '%'))
        return dkms_event_copy (
            &(const DkmsEvent){ .kind = hash ? DKMS_EVENT_RECIPE_WITH_HASH : DKMS_EVENT_RECIPE_PLACEHOLDER,
                                .path = self->path,
                                .name = names[i][0],
                                .text = value });
    }
  return NULL;
}
