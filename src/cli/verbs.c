/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of verbs, in the order of the help. */
#include "cli/verbs.h"

#include <string.h>

static const DkmsVerbInfo *const verbs[] = {
  &dkms_verb_add,
  &dkms_verb_build,
  &dkms_verb_install,
  &dkms_verb_uninstall,
  &dkms_verb_unbuild,
  &dkms_verb_remove,
  &dkms_verb_autoinstall,
  &dkms_verb_prune,
  &dkms_verb_sign,
  &dkms_verb_status,
  &dkms_verb_explain,
  &dkms_verb_log,
  &dkms_verb_report,
  &dkms_verb_verify,
  &dkms_verb_doctor,
  &dkms_verb_secureboot,
  &dkms_verb_forecast,
  &dkms_verb_matrix,
  &dkms_verb_cache,
  &dkms_verb_match,
  &dkms_verb_mktarball,
  &dkms_verb_ldtarball,
  &dkms_verb_generate_mok,
  &dkms_verb_kernel_preinst,
  &dkms_verb_kernel_postinst,
  &dkms_verb_kernel_prerm,
  NULL,
};

const DkmsVerbInfo *const *
dkms_verbs (void)
{
  return verbs;
}

const DkmsVerbInfo *
dkms_verb_find (const char *name)
{
  for (gsize i = 0; verbs[i] != NULL; i++)
    if (strcmp (verbs[i]->name, name) == 0)
      return verbs[i];
  return NULL;
}

gboolean
dkms_verb_dropped (const char *name, DkmsPhrase *instead)
{
  static const struct {
    const char *name;
    DkmsPhrase instead;
  } dropped[] = {
    { "mkdeb", DKMS_PHRASE_USE_DH_DKMS },   { "mkdsc", DKMS_PHRASE_USE_DH_DKMS },
    { "mkbmdeb", DKMS_PHRASE_USE_ARCHIVE }, { "mkrpm", DKMS_PHRASE_USE_SPEC },
    { "mkkmp", DKMS_PHRASE_USE_SPEC },      { "mkdriverdisk", DKMS_PHRASE_USE_ARCHIVE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (dropped); i++)
    if (strcmp (name, dropped[i].name) == 0)
      return *instead = dropped[i].instead, TRUE;
  return FALSE;
}

gboolean
dkms_verb_takes_source (const DkmsVerbInfo *self, const char *action)
{
  return self->positional == DKMS_WORD_SOURCE
         || (self->source_action != NULL && g_strcmp0 (action, self->source_action) == 0);
}
