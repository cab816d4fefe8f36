/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The values of a dkms.conf for one kernel, with their types, and the problems in them. A recipe is made from variables
 * once, and is constant afterwards. */
#pragma once

#include "conf/vars.h"
#include "kernel/kernel.h"

/* Scripts of a package (docs/interface/dkms-conf.md §11). */
typedef enum {
  DKMS_SCRIPT_POST_ADD,
  DKMS_SCRIPT_PRE_BUILD,
  DKMS_SCRIPT_POST_BUILD,
  DKMS_SCRIPT_PRE_INSTALL,
  DKMS_SCRIPT_POST_INSTALL,
  DKMS_SCRIPT_POST_REMOVE,
  DKMS_SCRIPT_LAST
} DkmsScript;

/* A module that the recipe lists, as written (docs/interface/dkms-conf.md §4). */
typedef struct {
  const char *built_name;     /* "" if it is missing */
  const char *built_location; /* "" for the build directory itself */
  const char *dest_name;      /* by default the built name */
  const char *dest_location;
  gboolean strip;
} DkmsRecipeModule;

/* The condition for kernels in BUILD_EXCLUSIVE_*[i]; "" means no condition. */
typedef struct {
  const char *min, *max;
  const char *config; /* options separated by blanks; "!" means that the option must be unset */
  gboolean kernel_matches, arch_matches;
} DkmsExclusive;

/* A MAKE or PATCH, and whether its MAKE_MATCH or PATCH_MATCH matches this kernel. */
typedef struct {
  const char *text;
  gboolean conditional, matches;
} DkmsRecipeChoice;

/* Problems of a directive. */
typedef enum {
  DKMS_PROBLEM_MISSING,       /* PACKAGE_NAME or PACKAGE_VERSION */
  DKMS_PROBLEM_NO_BUILT_NAME, /* of a record */
  DKMS_PROBLEM_SUFFIX,        /* the name of a module ends in .ko or .o */
  DKMS_PROBLEM_NO_LOCATION,   /* of a record: DEST_MODULE_LOCATION is missing */
  DKMS_PROBLEM_PREFIX,        /* DEST_MODULE_LOCATION does not begin with an allowed directory */
  DKMS_PROBLEM_LEAVES_KERNEL, /* DEST_MODULE_LOCATION leads out of the kernel's module directory */
  DKMS_PROBLEM_CONTROL,       /* DEST_MODULE_NAME contains a control character */
  DKMS_PROBLEM_SLASH,         /* DEST_MODULE_NAME contains a slash */
  DKMS_PROBLEM_LEAVES_BUILD,  /* BUILT_MODULE_LOCATION leads out of the build directory */
  DKMS_PROBLEM_LISTED_TWICE,  /* two records have the same built module */
  DKMS_PROBLEM_SAME_NAME,     /* two records would be installed under one name */
  DKMS_PROBLEM_BOOLEAN        /* neither yes nor no */
} DkmsProblemKind;

typedef struct {
  DkmsProblemKind kind;
  gboolean strict;       /* checked by add, build and install only (docs/interface/dkms-conf.md §6) */
  const char *directive; /* a literal */
  guint index;
  char *value; /* as written in the file */
} DkmsProblem;

typedef struct {
  DkmsVars *vars;   /* the variables of the recipe, which own all texts here */
  const char *path; /* the dkms.conf, as messages name it */
  const char *name, *version;
  GPtrArray *modules;    /* element-type DkmsRecipeModule */
  GPtrArray *exclusive;  /* element-type DkmsExclusive: at least one; the first also applies to the whole package */
  GPtrArray *makes;      /* element-type DkmsRecipeChoice */
  GPtrArray *patches;    /* element-type DkmsRecipeChoice */
  char **depends;        /* names in BUILD_DEPENDS */
  const char *obsoleted; /* OBSOLETE_BY: the release whose kernel contains the module; "" if unset */
  const char *scripts[DKMS_SCRIPT_LAST]; /* with their arguments; "" if unset */
  gboolean autoinstall, rebuilds_with_depends, no_weak_modules;
  GPtrArray *problems; /* element-type DkmsProblem, in the order of docs/interface/dkms-conf.md §6 */
} DkmsRecipe;

/* One module file that a recipe builds for a kernel. */
typedef struct {
  const char *built_name;
  char *built_location; /* below the build directory; "" or with a slash at its end */
  const char *dest_name;
  char *dest_location; /* the destination, after the override of the distribution */
  char *conf_location; /* the destination in the recipe; like dest_location without "." and "..", and below "/" */
  gboolean strip;
  gboolean excluded; /* BUILD_EXCLUSIVE_* rejects it for this kernel */
} DkmsOutput;

/** Names of the directives that are read, and of deprecated ones, separated by blanks. */
extern const char dkms_recipe_names[];
extern const char dkms_recipe_deprecated_names[];

/** Returns: (transfer full): the recipe in @vars (transfer full) */
DkmsRecipe *dkms_recipe_new (DkmsVars *vars);
void dkms_recipe_free (DkmsRecipe *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsRecipe, dkms_recipe_free)

/**
 * dkms_recipe_from_json:
 * @path: the file, as messages name it
 * @json: (nullable): output of dkms_vars_to_json()
 *
 * Returns: (transfer full) (nullable): a valid recipe; NULL with DKMS_ERROR_BAD_RECIPE if @json is not a valid recipe
 */
DkmsRecipe *dkms_recipe_from_json (const char *path, json_t *json, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** Returns: the directive that names a script */
const char *dkms_script_directive (DkmsScript script);

/** Returns: whether the recipe is free of problems; @strict: whether to include those that only add, build and install
 * check */
gboolean dkms_recipe_is_valid (const DkmsRecipe *self, gboolean strict);
/** Returns: (transfer full): the sentence of the problem, without full stop */
char *dkms_problem_describe (const DkmsProblem *self);

/**
 * dkms_recipe_misspelt:
 * @path: the dkms.conf, as messages name it
 * @text: its content
 *
 * Returns: (transfer full) (element-type DkmsEvent): one for each variable that @text sets but does not use, and whose
 * name is similar to a directive
 */
GPtrArray *dkms_recipe_misspelt (const char *path, const char *text);
/** Returns: (nullable): the directive that is nearest to @name; NULL if @name is a directive, in lower case, or near to
 * none */
const char *dkms_directive_near (const char *name);
/** Returns: (transfer full) (nullable): an event if the name or version is a placeholder */
DkmsEvent *dkms_recipe_placeholder (const DkmsRecipe *self);

/**
 * dkms_recipe_outputs:
 * @destination: (nullable): the distribution's override, such as "/updates/dkms"
 * @config: (nullable): text of the kernel configuration
 *
 * Returns: (transfer full) (element-type DkmsOutput): one per record, valid as long as the recipe
 */
GPtrArray *dkms_recipe_outputs (const DkmsRecipe *self, const DkmsKernel *kernel, const char *destination,
                                const char *config);
/**
 * dkms_recipe_excluded:
 * @why: (out) (optional) (transfer full): the condition that the kernel does not meet, a clause without full stop
 *
 * Returns: (nullable): the directive whose element 0 excludes the whole package (77)
 */
const char *dkms_recipe_excluded (const DkmsRecipe *self, const DkmsKernel *kernel, const char *config, char **why);
/** Returns: (transfer full): the make command line, without injected arguments (conf/make-line.h) */
char *dkms_recipe_make (const DkmsRecipe *self, const DkmsKernel *kernel, const char *build_dir, gboolean llvm);
/** Returns: (transfer container): the patches to apply, in order */
GPtrArray *dkms_recipe_patches (const DkmsRecipe *self);
