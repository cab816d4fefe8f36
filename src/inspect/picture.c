/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Gathers what a picture of the machine shows besides the builds. */
#include "inspect/picture.h"

#include <string.h>

#include "base/unread.h"
#include "kernel/kernel.h"
#include "machine/next-boot.h"
#include "store/attempts.h"
#include "verify/last-verdict.h"

static void
emit_kernels (const DkmsPlaces *places, DkmsListener *events, const DkmsRequest *request)
{
  g_autoptr (GPtrArray) names = dkms_kernel_list (places->root, places->install_tree, FALSE);
  g_autoptr (DkmsNextBoot) boot = dkms_next_boot_find (places->root, places->install_tree);
  gboolean is_here = dkms_root_is_host (places->root);

  for (guint i = 0; i < names->len; i++)
    {
      const DkmsId id = { .kernel = names->pdata[i] };
      gboolean runs = is_here && strcmp (id.kernel, dkms_running_release ()) == 0;
      gboolean is_next = g_strcmp0 (id.kernel, boot->release) == 0;
      if (dkms_targets_pass (request->targets, &id)
          && !dkms_kernel_is_gone (places->root, places->install_tree, id.kernel))
        DKMS_EMIT (events, STATUS_KERNEL, .id = id, .number = (runs ? 1 : 0) + (is_next ? 2 : 0));
    }
}

/* Emits the outcome of the newest attempt for each version without a build for a kernel that is there. */
static void
emit_attempts (const DkmsPlaces *places, DkmsListener *events, const DkmsRequest *request, const DkmsState *state)
{
  g_autoptr (GPtrArray) attempts = dkms_attempts_list (places, &(const DkmsId){ NULL, NULL, NULL, NULL });
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (guint i = 0; i < attempts->len; i++)
    {
      const DkmsAttemptFile *file = attempts->pdata[i];
      const DkmsVersion *v = dkms_state_find (state, file->id);
      if (file->id->kernel == NULL || v == NULL || !dkms_targets_pass (request->targets, file->id)
          || dkms_version_find (v, file->id) != NULL
          || dkms_kernel_is_gone (places->root, places->install_tree, file->id->kernel))
        continue;
      char *key = g_strjoin ("/", file->id->module, file->id->version, file->id->kernel, file->id->arch, NULL);
      if (g_hash_table_add (seen, key)) /* the list begins with the newest */
        DKMS_EMIT (events, STATUS_REMARK, .id = *file->id, .name = dkms_attempt_outcome_name (file->outcome));
    }
}

/* Emits the problems that the last check of the next boot has found, unless something has changed since. */
static void
emit_problems (const DkmsPlaces *places, DkmsListener *events, const DkmsRequest *request, const DkmsState *state)
{
  g_autoptr (DkmsLastVerdict) last = dkms_last_verdict_read (places, NULL);
  g_autofree char *stamp = last != NULL ? dkms_verdict_stamp (places) : NULL;

  for (guint i = 0; last != NULL && strcmp (stamp, last->stamp) == 0 && i < last->events->len; i++)
    {
      const DkmsEvent *event = last->events->pdata[i];
      if (event->kind == DKMS_EVENT_VERIFY_PROBLEM && dkms_state_find (state, &event->id) != NULL
          && dkms_targets_pass (request->targets, &event->id))
        DKMS_EMIT (events, STATUS_REMARK, .id = event->id, .name = "problem");
    }
}

void
dkms_picture_emit (const DkmsSettings *settings, DkmsListener *events, const DkmsRequest *request,
                   const DkmsState *state)
{
  guint mark = dkms_unread_mark ();

  emit_kernels (&settings->places, events, request);
  emit_attempts (&settings->places, events, request, state);
  emit_problems (&settings->places, events, request, state);
  dkms_unread_drop (mark);
}
