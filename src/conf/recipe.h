/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One dkms.conf as evaluated for one kernel: what its directives mean, as values with types, and what is wrong with
 * them. Made from variables once, constant afterwards. */
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

/* A module that is made, as it is written (docs/interface/dkms-conf.md §4). */
typedef struct {
  const char *built_name;     /* "" if it is missing */
  const char *built_location; /* "" for the build directory itself */
  const char *dest_name;      /* the built name, unless another one is given */
  const char *dest_location;
  gboolean strip;
} DkmsRecipeModule;

/* For which kernels, of BUILD_EXCLUSIVE_*[i]; "" where there is no condition. */
typedef struct {
  const char *min, *max;
  const char *config; /* blank separated options, those with "!" unwanted */
  gboolean kernel_matches, arch_matches;
} DkmsExclusive;

/* A MAKE or PATCH, and whether its MAKE_MATCH or PATCH_MATCH takes it for this kernel. */
typedef struct {
  const char *text;
  gboolean conditional, matches;
} DkmsRecipeChoice;

/* What can be wrong with a directive. */
typedef enum {
  DKMS_PROBLEM_MISSING,       /* PACKAGE_NAME or PACKAGE_VERSION */
  DKMS_PROBLEM_NO_BUILT_NAME, /* of a record */
  DKMS_PROBLEM_SUFFIX,        /* the name of a module ends in .ko or .o */
  DKMS_PROBLEM_NO_LOCATION,   /* of a record: DEST_MODULE_LOCATION is missing */
  DKMS_PROBLEM_PREFIX,        /* DEST_MODULE_LOCATION begins with another directory than those that are allowed */
  DKMS_PROBLEM_LEAVES_KERNEL, /* DEST_MODULE_LOCATION leads out of the kernel's module directory */
  DKMS_PROBLEM_CONTROL,       /* DEST_MODULE_NAME holds a control character */
  DKMS_PROBLEM_SLASH,         /* DEST_MODULE_NAME holds a slash */
  DKMS_PROBLEM_LEAVES_BUILD,  /* BUILT_MODULE_LOCATION leads out of the build directory */
  DKMS_PROBLEM_LISTED_TWICE,  /* two records have the same built module */
  DKMS_PROBLEM_SAME_NAME,     /* two records would be installed under one name */
  DKMS_PROBLEM_BOOLEAN        /* neither yes nor no */
} DkmsProblemKind;

typedef struct {
  DkmsProblemKind kind;
  gboolean strict;       /* it matters to add, build and install only (docs/interface/dkms-conf.md §6) */
  const char *directive; /* a literal */
  guint index;
  char *value; /* as it is written */
} DkmsProblem;

typedef struct {
  DkmsVars *vars;   /* what it was made from; all texts here are in it */
  const char *path; /* the dkms.conf, as people name it */
  const char *name, *version;
  GPtrArray *modules;   /* element-type DkmsRecipeModule */
  GPtrArray *exclusive; /* element-type DkmsExclusive: at least one; the first is for the whole package, too */
  GPtrArray *makes;     /* element-type DkmsRecipeChoice */
  GPtrArray *patches;   /* element-type DkmsRecipeChoice */
  char **depends;       /* names in BUILD_DEPENDS */
  const char
      *obsoleted; /* OBSOLETE_BY: the release in which the kernel has the module itself; "" if that is not said */
  const char *scripts[DKMS_SCRIPT_LAST]; /* with their arguments; "" where there is none */
  gboolean autoinstall, rebuilds_with_depends, no_weak_modules;
  GPtrArray *problems; /* element-type DkmsProblem, in the order of docs/interface/dkms-conf.md §6 */
} DkmsRecipe;

/* One module file that a recipe makes for a kernel. */
typedef struct {
  const char *built_name;
  char *built_location; /* below the build directory; "" or ends in a slash */
  const char *dest_name;
  char *dest_location; /* effective: after the distribution's override */
  char *conf_location; /* as the recipe says; like dest_location without "." and "..", and never outside of "/" */
  gboolean strip;
  gboolean excluded; /* BUILD_EXCLUSIVE_* rejects it for this kernel */
} DkmsOutput;

/** Blank separated names of the directives that are read, and of those that only cause a notice. */
extern const char dkms_recipe_names[];
extern const char dkms_recipe_deprecated_names[];

/** Returns: (transfer full): what @vars (transfer full) say */
DkmsRecipe *dkms_recipe_new (DkmsVars *vars);
void dkms_recipe_free (DkmsRecipe *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsRecipe, dkms_recipe_free)

/**
 * dkms_recipe_from_json:
 * @path: what is read, as people name it
 * @json: (nullable): what dkms_vars_to_json() wrote
 *
 * Returns: (transfer full) (nullable): a valid recipe; NULL, with DKMS_ERROR_BAD_RECIPE and what is wrong with it, if
 *   @json is something else
 */
DkmsRecipe *dkms_recipe_from_json (const char *path, json_t *json, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** Returns: the directive that names a script */
const char *dkms_script_directive (DkmsScript script);

/** Returns: whether there is no problem; @strict: not even one that matters to add, build and install only */
gboolean dkms_recipe_is_valid (const DkmsRecipe *self, gboolean strict);
/** Returns: (transfer full): a sentence, without full stop */
char *dkms_problem_describe (const DkmsProblem *self);

/**
 * dkms_recipe_misspelt:
 * @path: the dkms.conf, as it is shown
 * @text: its content
 *
 * Returns: (transfer full) (element-type DkmsEvent): one for each variable that @text sets, does not use, and that
 * looks like a directive with a typing error
 */
GPtrArray *dkms_recipe_misspelt (const char *path, const char *text);
/** Returns: (transfer full) (nullable): about a name or version that was never filled in */
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
/** Returns: whether exclusivity rejects everything (77) */
gboolean dkms_recipe_excluded (const DkmsRecipe *self, const DkmsKernel *kernel, const char *config);
/** Returns: (transfer full): the make command line, without injected arguments (conf/make-line.h) */
char *dkms_recipe_make (const DkmsRecipe *self, const DkmsKernel *kernel, const char *build_dir, gboolean llvm);
/** Returns: (transfer container): the patches to apply, in order */
GPtrArray *dkms_recipe_patches (const DkmsRecipe *self);
