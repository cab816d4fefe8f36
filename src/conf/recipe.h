/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One dkms.conf as evaluated for one kernel: values by directive and index, and what they mean. */
#pragma once

#include <glib.h>
#include <jansson.h>

#include "kernel/kernel.h"

typedef struct {
  char *path;            /* the dkms.conf, as people name it */
  GHashTable *values;    /* directive -> GPtrArray of strings, NULL where an index is unset; "=" and the name of a
                            directive with regular expressions -> "1" where that of the index matches, else "0" */
  GPtrArray *deprecated; /* one finished sentence each */
} DkmsRecipe;

/* One module file that a recipe makes (docs/interface/dkms-conf.md §4). */
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

DkmsRecipe *dkms_recipe_new (const char *path);
void dkms_recipe_free (DkmsRecipe *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsRecipe, dkms_recipe_free)

void dkms_recipe_set (DkmsRecipe *self, const char *name, guint index, const char *value);
/** As dkms_recipe_set(), with every run of blanks, tabs and line ends in @value made one blank. */
void dkms_recipe_set_folded (DkmsRecipe *self, const char *name, guint index, const char *value);
/** Notes whether element @i of @name matches @kernel or @arch, if @name has regular expressions. An invalid one matches
 *  nothing, as in bash. Only for expressions that are trusted: a bad one takes all memory. */
void dkms_recipe_try_match (DkmsRecipe *self, const char *name, guint i, const char *kernel, const char *arch);
void dkms_recipe_add_deprecated (DkmsRecipe *self, const char *file, const char *name, const char *value);
/** Returns: (transfer none): the element, "" when it is unset */
const char *dkms_recipe_get (const DkmsRecipe *self, const char *name, guint index);
/** Returns: 1 + the highest index set */
guint dkms_recipe_count (const DkmsRecipe *self, const char *name);
/** Returns: whether a yes/no directive says yes */
gboolean dkms_recipe_yes (const DkmsRecipe *self, const char *name);
/** Returns: (transfer full): names in BUILD_DEPENDS, split at blanks */
char **dkms_recipe_depends (const DkmsRecipe *self);

/**
 * dkms_recipe_check:
 * @strict: with the checks for add, build and install (docs/interface/dkms-conf.md §6)
 *
 * Returns: (transfer full): one sentence per problem, in the spec's order; empty when valid
 */
GPtrArray *dkms_recipe_check (const DkmsRecipe *self, gboolean strict);

/**
 * dkms_recipe_misspelt:
 * @path: the dkms.conf, as it is shown
 * @text: its content
 *
 * Returns: (transfer full) (element-type utf8): a sentence about each variable that @text sets, does not use, and that
 *          looks like a directive with a typing error
 */
GPtrArray *dkms_recipe_misspelt (const char *path, const char *text);
/** Returns: (transfer full) (nullable): a sentence and an advice about a name or version that was never filled in */
char *dkms_recipe_placeholder (const DkmsRecipe *self);

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
/** Returns: (transfer full): the make command line, without injected arguments (docs/interface/dkms-conf.md §8) */
char *dkms_recipe_make (const DkmsRecipe *self, const DkmsKernel *kernel, const char *build_dir, gboolean llvm);
/** Returns: (transfer full): @make with -j@jobs (NULL: a jobserver gives the jobs, and -j would end that) and
 *  KERNELRELEASE injected where the rule says so */
char *dkms_recipe_inject (const char *make, const char *jobs, const char *release);
/** Returns: (transfer container): the patches to apply, in order */
GPtrArray *dkms_recipe_patches (const DkmsRecipe *self);

/** Returns: (transfer full): all values, for the build record */
json_t *dkms_recipe_to_json (const DkmsRecipe *self);
/** Returns: (transfer full) (nullable): what dkms_recipe_to_json() wrote; NULL if it is something else */
DkmsRecipe *dkms_recipe_from_json (const char *path, json_t *json);
