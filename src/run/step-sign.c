/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The step that signs a build again. */
#include "run/step-sign.h"

#include "base/error.h"
#include "base/unread.h"
#include "build/resign.h"
#include "run/step-build.h"

/* Reads the configuration of a kernel without headers. Returns: (transfer full) (nullable) */
static char *
read_config (const DkmsRun *run, const DkmsKernel *kernel)
{
  guint mark = dkms_unread_mark ();
  char *text = dkms_kernel_read_installed_config (kernel, run->settings->places.root);

  dkms_unread_drop (mark); /* then the reason is that there is no configuration */
  return text;
}

gboolean
dkms_step_sign (DkmsRun *run, const DkmsStep *step, GError **error)
{
  g_auto (DkmsBuildState) now = { 0 };
  g_autofree char *found = NULL;
  g_autoptr (GError) why = NULL;
  const char *config = dkms_world_kernel (run->world, step->id).config;
  g_autofree char *processors = g_strdup_printf ("%u", g_get_num_processors ());

  if (!dkms_step_reread_build (run, step, &now, error))
    return FALSE;
  if (!now.built)
    return TRUE; /* another run deleted it during the wait */
  if (config == NULL)
    config = found = read_config (run, dkms_world_kernel (run->world, step->id).kernel);
  const DkmsSigner *signer = dkms_step_signer (run, step, config);
  if (!signer->ready && g_error_matches (signer->error, DKMS_ERROR, DKMS_ERROR_KERNEL_WITHOUT_SIGNATURES))
    return TRUE; /* it was reported once for this kernel */
  if (!signer->ready)
    return DKMS_FAIL (error, SIGN_IMPOSSIBLE, .id = *step->id, .error = signer->error);
  DkmsJob job = {
    .settings = run->settings,
    .request = run->request,
    .events = run->events,
    .id = *step->id,
    .kernel = dkms_world_kernel (run->world, step->id).kernel,
    .signer = signer,
    .work = run->work,
    .make_jobs = processors,
    .tokens = -1,
    .force = run->request->force,
  };
  if (!dkms_resign (&job, now.active, run->resigned, &why))
    return DKMS_FAIL (error, SIGN_IMPOSSIBLE, .id = *step->id, .error = why);
  return TRUE;
}
