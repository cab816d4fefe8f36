/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a recipe sets a directive, for messages. */
#include "conf/recipe-place.h"

#include <fcntl.h>

#include "base/error.h"
#include "base/file.h"
#include "base/unread.h"
#include "conf/assigned.h"
#include "conf/overrides.h"

enum { MOST_BYTES = 1 << 20 };

char *
dkms_recipe_text (const DkmsRecipe *recipe)
{
  guint mark = dkms_unread_mark ();
  char *text = dkms_read_at (AT_FDCWD, recipe->path, MOST_BYTES, NULL, NULL);

  dkms_unread_drop (mark); /* the message then names no line */
  return text != NULL ? text : g_strdup ("");
}

char *
dkms_recipe_problem_text (const DkmsRecipe *recipe, const DkmsProblem *problem)
{
  char *sentence = dkms_problem_describe (problem);
  g_autofree char *text = dkms_recipe_text (recipe);
  g_autoptr (GPtrArray) names = dkms_assigned_names (text);

  if (*problem->value != '\0')
    return sentence;
  for (guint i = 0; i < names->len; i++)
    if (g_strcmp0 (dkms_directive_near (names->pdata[i]), problem->directive) == 0)
      {
        g_autofree char *without = sentence;
        return DKMS_SAY (MISSPELT_INSTEAD, .text = without, .name = names->pdata[i],
                         .number = dkms_assigned_line (text, names->pdata[i], -1));
      }
  return sentence;
}

char *
dkms_recipe_place (const DkmsPlaces *places, const DkmsRecipe *recipe, const DkmsId *id, const char *directive,
                   guint index)
{
  const DkmsId named = { recipe->name, recipe->version, id != NULL && id->kernel != NULL ? id->kernel : "",
                         id != NULL && id->arch != NULL ? id->arch : "" };
  guint mark = dkms_unread_mark ();
  g_autoptr (GPtrArray) overrides = dkms_overrides_list (places, &named);

  dkms_unread_drop (mark);
  for (guint i = overrides->len; i-- > 0;)
    {
      g_autofree char *shown = dkms_root_host_path (places->root, overrides->pdata[i]);
      g_autofree char *text = dkms_root_read (places->root, overrides->pdata[i], MOST_BYTES, NULL, NULL);
      guint line = text != NULL ? dkms_assigned_line (text, directive, (int)index) : 0;

      if (line > 0)
        return dkms_file_and_line (shown, line);
    }
  g_autofree char *text = dkms_recipe_text (recipe);
  return dkms_file_and_line (recipe->path, dkms_assigned_line (text, directive, (int)index));
}
