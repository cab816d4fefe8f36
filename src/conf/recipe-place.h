/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a recipe sets a directive, for messages. */
#pragma once

#include "conf/places.h"
#include "conf/recipe.h"

/**
 * dkms_recipe_place:
 * @recipe: a recipe, evaluated for the kernel and architecture in @id (either may be NULL)
 * @directive: a directive, and @index of its element
 *
 * Returns: (transfer full): "FILE:LINE" of the assignment that counts: in a file of the administrator for this module,
 * or in the dkms.conf; the path of the dkms.conf if no line assigns to it
 */
char *dkms_recipe_place (const DkmsPlaces *places, const DkmsRecipe *recipe, const DkmsId *id, const char *directive,
                         guint index);
/** Returns: (transfer full): the sentence of @problem, without full stop; a line that sets a similar name is named if
 * the directive is missing */
char *dkms_recipe_problem_text (const DkmsRecipe *recipe, const DkmsProblem *problem);
/** Returns: (transfer full): the text of the dkms.conf of @recipe, "" if it cannot be read */
char *dkms_recipe_text (const DkmsRecipe *recipe);
