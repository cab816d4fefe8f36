/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Variables of configuration files, as bash evaluated them: each is a string or an array of strings. conf/evaluate.h
 * reads them. Recipes (conf/recipe.h) and settings (conf/settings.h) are made from them. */
#pragma once

#include <glib.h>
#include <jansson.h>

#include "model/event.h"

typedef struct {
  char *path;            /* the first file, as messages name it */
  GHashTable *values;    /* name -> GPtrArray of strings, NULL for an unset index; "=" and the name of a directive
                            with regular expressions -> "1" for an index whose expression matches, otherwise "0" */
  GPtrArray *deprecated; /* element-type DkmsEvent: DIRECTIVE_DEPRECATED */
} DkmsVars;

DkmsVars *dkms_vars_new (const char *path);
void dkms_vars_free (DkmsVars *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsVars, dkms_vars_free)

void dkms_vars_set (DkmsVars *self, const char *name, guint index, const char *value);
/** As dkms_vars_set(), with each run of blanks, tabs and line ends in @value replaced by one blank. */
void dkms_vars_set_folded (DkmsVars *self, const char *name, guint index, const char *value);
void dkms_vars_add_deprecated (DkmsVars *self, const char *file, const char *name, const char *value);
/** Returns: (transfer none): the element, "" if it is unset */
const char *dkms_vars_get (const DkmsVars *self, const char *name, guint index);
/** Returns: 1 + the highest index set */
guint dkms_vars_count (const DkmsVars *self, const char *name);

/**
 * dkms_vars_match:
 * Returns: whether the regular expression in element @index of @name matches the kernel of the evaluation, in which
 * bash tried it (driver.bash). Records of older versions contain only elements that match
 */
gboolean dkms_vars_match (const DkmsVars *self, const char *name, guint index);
/** Records whether element @i of @name matches @kernel or @arch, if @name has regular expressions. An invalid
 * expression matches nothing, as in bash. Only for trusted expressions, because others could use all memory. */
void dkms_vars_try_match (DkmsVars *self, const char *name, guint i, const char *kernel, const char *arch);

/** Returns: (transfer full): all values, for the build record */
json_t *dkms_vars_to_json (const DkmsVars *self);
/** Returns: (transfer full) (nullable): the variables in @json; NULL if dkms_vars_to_json() did not write it */
DkmsVars *dkms_vars_from_json (const char *path, json_t *json);
