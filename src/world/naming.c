/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which version of a module a user means who did not write <module>/<version>. */
#include "world/naming.h"

#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/unread.h"
#include "store/layout.h"
#include "store/register.h"
#include "store/scan.h"

static const char separators[] = "-,@:";

/* Returns: (transfer full) (nullable): the only registered version of @module */
static char *
only_version (const DkmsPlaces *places, const char *module)
{
  g_autoptr (DkmsState) state = dkms_state_read_most (places, &(DkmsId){ .module = module }, NULL);

  return state != NULL && state->versions->len == 1 && state->unread->len == 0
             ? g_strdup (((const DkmsVersion *)state->versions->pdata[0])->version)
             : NULL;
}

static gboolean
is_registered (const DkmsPlaces *places, const DkmsId *id)
{
  g_autofree char *path = dkms_layout_version (places, id, NULL);

  return dkms_tree_check_name (DKMS_ERROR_BAD_NAME, "module version", id->version, NULL)
         && dkms_root_is_dir (places->root, path);
}

void
dkms_name_complete (const DkmsPlaces *places, char **module, char **version)
{
  guint mark = dkms_unread_mark ();
  g_autofree char *dir = dkms_layout_module (places, &(DkmsId){ .module = *module });

  *version = NULL;
  if (dkms_root_is_dir (places->root, dir))
    *version = only_version (places, *module);
  else
    for (const char *at = strpbrk (*module, separators); at != NULL && *version == NULL;
         at = strpbrk (at + 1, separators))
      {
        g_autofree char *name = g_strndup (*module, (gsize)(at - *module));

        if (*name == '\0' || at[1] == '\0' || !is_registered (places, &(DkmsId){ .module = name, .version = at + 1 }))
          continue;
        *version = g_strdup (at + 1);
        g_free (*module);
        *module = g_steal_pointer (&name);
        break;
      }
  dkms_unread_drop (mark); /* what cannot be read is reported when the tree is read */
}

char *
dkms_name_sources (const DkmsPlaces *places, const char *module)
{
  guint mark = dkms_unread_mark ();
  g_autofree char *prefix = g_strconcat (module, "-", NULL);
  g_auto (DkmsFd) fd = dkms_root_openat (places->root, places->source_tree, O_RDONLY | O_DIRECTORY, 0);
  g_autoptr (GPtrArray) names = fd >= 0 ? dkms_list_dir_at (fd, ".", NULL) : NULL;
  char *found = NULL;

  for (guint i = 0; names != NULL && i < names->len; i++)
    {
      const char *name = names->pdata[i];
      g_autofree char *conf = g_build_filename (places->source_tree, name, "dkms.conf", NULL);

      if (g_str_has_prefix (name, prefix) && name[strlen (prefix)] != '\0' && dkms_root_is_file (places->root, conf))
        dkms_add_choice (&found, module, name + strlen (prefix));
    }
  dkms_unread_drop (mark); /* this is only a hint */
  return found;
}
