/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Queries that need only the state of the tree. */
#include "model/state.h"

#include <string.h>

#include "model/version.h"

static void
build_free (gpointer data)
{
  DkmsBuild *self = data;

  g_free (self->kernel);
  g_free (self->arch);
  g_clear_pointer (&self->seen, g_hash_table_unref);
  g_free (self);
}

static void
version_facts_free (gpointer data)
{
  DkmsVersionFacts *self = data;

  g_strfreev (self->depends);
  g_clear_error (&self->conf_error);
  g_free (self);
}

static void
version_free (gpointer data)
{
  DkmsVersion *self = data;

  g_free (self->module);
  g_free (self->version);
  g_ptr_array_unref (self->builds);
  g_ptr_array_unref (self->remains);
  g_hash_table_unref (self->facts);
  g_free (self);
}

static void
unread_free (gpointer data)
{
  DkmsUnread *self = data;

  g_free (self->module);
  g_clear_error (&self->error);
  g_free (self);
}

DkmsState *
dkms_state_new (void)
{
  DkmsState *self = g_new0 (DkmsState, 1);

  self->versions = g_ptr_array_new_with_free_func (version_free);
  self->unread = g_ptr_array_new_with_free_func (unread_free);
  return self;
}

void
dkms_state_free (DkmsState *self)
{
  if (self == NULL)
    return;
  g_ptr_array_unref (self->versions);
  g_ptr_array_unref (self->unread);
  g_free (self);
}

void
dkms_state_give_up (DkmsState *self, const char *module, GError *error)
{
  DkmsUnread *unread = g_new0 (DkmsUnread, 1);

  unread->module = g_strdup (module);
  unread->error = error;
  g_ptr_array_add (self->unread, unread);
}

void
dkms_state_drop_unread (DkmsState *self)
{
  for (guint u = 0; u < self->unread->len; u++)
    for (guint i = self->versions->len; i-- > 0;)
      if (strcmp (((const DkmsVersion *)self->versions->pdata[i])->module,
                  ((const DkmsUnread *)self->unread->pdata[u])->module)
          == 0)
        g_ptr_array_remove_index (self->versions, i);
}

DkmsVersion *
dkms_state_add (DkmsState *self, const DkmsId *id)
{
  DkmsVersion *added = g_new0 (DkmsVersion, 1);

  added->module = g_strdup (id->module);
  added->version = g_strdup (id->version);
  added->builds = g_ptr_array_new_with_free_func (build_free);
  added->remains = g_ptr_array_new_with_free_func (build_free);
  added->facts = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, version_facts_free);
  g_ptr_array_add (self->versions, added);
  return added;
}

static DkmsBuild *
add_to (GPtrArray *list, const DkmsId *kernel)
{
  DkmsBuild *build = g_new0 (DkmsBuild, 1);

  build->kernel = g_strdup (kernel->kernel);
  build->arch = g_strdup (kernel->arch);
  g_ptr_array_add (list, build);
  return build;
}

DkmsBuild *
dkms_version_add_build (DkmsVersion *self, const DkmsId *kernel)
{
  return add_to (self->builds, kernel);
}

DkmsBuild *
dkms_version_add_remains (DkmsVersion *self, const DkmsId *kernel)
{
  return add_to (self->remains, kernel);
}

DkmsVersionFacts *
dkms_version_facts (const DkmsVersion *self, const DkmsId *kernel)
{
  g_autofree char *key = g_strconcat (kernel->kernel, "/", kernel->arch, NULL);
  DkmsVersionFacts *facts = g_hash_table_lookup (self->facts, key);

  if (facts == NULL)
    {
      facts = g_new0 (DkmsVersionFacts, 1);
      g_hash_table_insert (self->facts, g_steal_pointer (&key), facts);
    }
  return facts;
}

DkmsVersion *
dkms_state_find (const DkmsState *self, const DkmsId *id)
{
  for (guint i = 0; i < self->versions->len; i++)
    {
      DkmsVersion *v = self->versions->pdata[i];
      if (g_strcmp0 (v->module, id->module) == 0 && g_strcmp0 (v->version, id->version) == 0)
        return v;
    }
  return NULL;
}

gboolean
dkms_state_has (const DkmsState *self, const DkmsId *id)
{
  gboolean any = id->version == NULL || *id->version == '\0';

  for (guint i = 0; i < self->versions->len; i++)
    {
      const DkmsVersion *v = self->versions->pdata[i];
      if (strcmp (v->module, id->module) == 0 && (any || strcmp (v->version, id->version) == 0))
        return TRUE;
    }
  return FALSE;
}

DkmsId
dkms_version_id (const DkmsVersion *self, const DkmsId *kernel)
{
  return (DkmsId){ self->module, self->version, kernel->kernel, kernel->arch };
}

DkmsId
dkms_build_id (const DkmsVersion *self, const DkmsBuild *build)
{
  return (DkmsId){ self->module, self->version, build->kernel, build->arch };
}

static DkmsBuild *
find_in (const GPtrArray *list, const DkmsId *kernel)
{
  for (guint i = 0; i < list->len; i++)
    {
      DkmsBuild *b = list->pdata[i];
      if (strcmp (b->kernel, kernel->kernel) == 0 && strcmp (b->arch, kernel->arch) == 0)
        return b;
    }
  return NULL;
}

DkmsBuild *
dkms_version_find (const DkmsVersion *self, const DkmsId *kernel)
{
  return find_in (self->builds, kernel);
}

DkmsBuild *
dkms_version_find_remains (const DkmsVersion *self, const DkmsId *kernel)
{
  return find_in (self->remains, kernel);
}

DkmsVersion *
dkms_state_installed (const DkmsState *self, const DkmsId *id)
{
  for (guint i = 0; i < self->versions->len; i++)
    {
      DkmsVersion *v = self->versions->pdata[i];
      const DkmsBuild *b = strcmp (v->module, id->module) == 0 ? dkms_version_find (v, id) : NULL;
      if (b != NULL && b->built && b->active)
        return v;
    }
  return NULL;
}

DkmsVersion *
dkms_state_latest (const DkmsState *self, const char *module)
{
  DkmsVersion *latest = NULL;

  for (guint i = 0; i < self->versions->len; i++)
    {
      DkmsVersion *v = self->versions->pdata[i];
      if (strcmp (v->module, module) == 0 && !v->broken
          && (latest == NULL || dkms_version_compare (v->version, latest->version) > 0))
        latest = v;
    }
  return latest;
}

const char *
dkms_build_word (const DkmsBuild *self)
{
  return self->active ? "installed" : "built";
}

gboolean
dkms_build_is_usable (const DkmsBuild *self)
{
  return self != NULL && self->built && !self->incomplete && !self->stale && !self->rebuild;
}

gboolean
dkms_build_is_sound (const DkmsBuild *self)
{
  return self != NULL && self->built && self->active && !self->gone;
}
