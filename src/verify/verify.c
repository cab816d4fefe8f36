/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks all checks about the kernels of a request. */
#include "verify/verify.h"

#include <string.h>

#include "base/clock.h"
#include "base/unread.h"
#include "model/version.h"
#include "store/register.h"
#include "store/scan.h"
#include "verify/allowed.h"
#include "verify/answer.h"
#include "verify/file-checks.h"
#include "verify/last-verdict.h"
#include "verify/metrics.h"
#include "verify/tree-checks.h"

typedef struct {
  const DkmsSettings *settings;
  DkmsListener *events;
  const DkmsRequest *request;
  DkmsWorld *world;
  DkmsState *state;
  GPtrArray *kernels; /* element-type DkmsVerifiedKernel */
} Verify;

static void
verify_clear (Verify *self)
{
  g_clear_pointer (&self->kernels, g_ptr_array_unref);
  g_clear_pointer (&self->state, dkms_state_free);
  g_clear_pointer (&self->world, dkms_world_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Verify, verify_clear)

/* ---- which kernels ---- */

static DkmsVerifiedKernel *
add_kernel (Verify *self, const char *release, const char *arch)
{
  const DkmsPlaces *places = &self->settings->places;
  g_autofree char *dir = g_build_filename (places->install_tree, release, NULL);
  g_autofree char *usual
      = arch == NULL ? dkms_distro_arch (self->settings->policy.distro, places->root, dir, dkms_running_machine ())
                     : NULL;
  DkmsVerifiedKernel *kernel
      = dkms_verified_kernel_new (&(DkmsId){ .kernel = release, .arch = arch != NULL ? arch : usual });

  g_ptr_array_add (self->kernels, kernel);
  return kernel;
}

static gboolean
add_named (Verify *self, GError **error)
{
  const DkmsPlaces *places = &self->settings->places;

  for (guint i = 0; i < self->request->targets->len; i++)
    {
      const DkmsId *target = self->request->targets->pdata[i];
      if (target->kernel == NULL)
        continue;
      if (!dkms_tree_check_name (DKMS_ERROR_BAD_TARGET, "kernel release", target->kernel, error))
        return FALSE;
      if (dkms_kernel_is_gone (places->root, places->install_tree, target->kernel))
        {
          g_autofree char *near = dkms_kernel_near (places->root, places->install_tree, target->kernel);
          g_autofree char *dir = g_build_filename (places->install_tree, target->kernel, NULL);
          g_autofree char *shown = dkms_root_host_path (places->root, dir);
          return DKMS_FAIL (error, KERNEL_NOT_INSTALLED, .id = { .kernel = target->kernel }, .path = shown,
                            .near = near);
        }
      add_kernel (self, target->kernel, target->arch);
    }
  return TRUE;
}

static void
add_all (Verify *self)
{
  const DkmsPlaces *places = &self->settings->places;
  g_autoptr (GPtrArray) names = dkms_kernel_list (places->root, places->install_tree, FALSE);

  for (guint i = 0; i < names->len; i++)
    if (!dkms_kernel_is_gone (places->root, places->install_tree, names->pdata[i]))
      add_kernel (self, names->pdata[i], NULL);
}

/* Without a boot menu and a kernel image, as in a container, the newest kernel with modules is as good a guess. */
static char *
newest_kernel (const DkmsPlaces *places)
{
  g_autoptr (GPtrArray) names = dkms_kernel_list (places->root, places->install_tree, FALSE);

  g_ptr_array_sort (names, dkms_version_compare_names);
  for (guint i = names->len; i-- > 0;)
    if (!dkms_kernel_is_gone (places->root, places->install_tree, names->pdata[i]))
      return g_strdup (names->pdata[i]);
  return NULL;
}

/* Finds the kernel that boots next, and which of the kernels it is. */
static gboolean
find_next (Verify *self, GError **error)
{
  const DkmsPlaces *places = &self->settings->places;
  DkmsNextBoot *boot = dkms_next_boot_find (places->root, places->install_tree);
  g_autofree char *shown = dkms_root_host_path (places->root, places->install_tree);

  if (boot->release == NULL && boot->loader == DKMS_LOADER_UNKNOWN)
    boot->release = newest_kernel (places);
  if (self->kernels->len == 0 && !self->request->every_kernel)
    {
      const char *named = boot->named;
      if (boot->release == NULL || dkms_kernel_is_gone (places->root, places->install_tree, boot->release))
        {
          (void)DKMS_FAIL (error, NEXT_WITHOUT_MODULES, .id = { .kernel = boot->release }, .path = shown, .name = named,
                           .text = boot->unread);
          dkms_next_boot_free (boot);
          return FALSE;
        }
      add_kernel (self, boot->release, NULL);
    }
  for (guint i = 0; i < self->kernels->len; i++)
    {
      DkmsVerifiedKernel *kernel = self->kernels->pdata[i];
      if (g_strcmp0 (kernel->release, boot->release) == 0 && kernel->boot == NULL)
        {
          kernel->boot = boot;
          return TRUE;
        }
    }
  dkms_next_boot_free (boot);
  return TRUE;
}

/* ---- what surrounds the files ---- */

/* Names of the modules that @file needs, by the files that modprobe loads before it. */
static char **
names_of (char **paths)
{
  GPtrArray *names = g_ptr_array_new ();

  for (char **path = paths; path != NULL && *path != NULL; path++)
    g_ptr_array_add (names, dkms_module_name_of (*path));
  g_ptr_array_add (names, NULL);
  return (char **)g_ptr_array_free (names, FALSE);
}

static void
check_surroundings (const Verify *self, const DkmsVerifiedKernel *kernel, const DkmsVerifiedModule *module,
                    DkmsAllowed *allowed, DkmsVerifiedFile *file)
{
  const DkmsBuild *build = NULL;
  const DkmsVersion *v = dkms_state_find (self->state, module->id);
  g_auto (GStrv) needs = names_of (file->depends);
  const DkmsFileSignature *signature = file->signature;
  const DkmsImageQuestion question
      = { .name = file->name,
          .path = file->path,
          .sha256 = file->module != NULL ? file->module->sha256 : NULL,
          .needs = (const char *const *)needs,
          .digests = signature != NULL && signature->digest != NULL
                         ? dkms_digest_modules_find (kernel->trust->digests, &kernel->trust->options, signature->digest)
                         : NULL,
          .enforced = kernel->trust->policy.enforces == DKMS_YES,
          .replaced = v != NULL && (build = dkms_version_find (v, module->id)) != NULL && build->originals };

  if (!file->there)
    return;
  dkms_boot_images_check (kernel->images, self->settings, &question, file->findings);
  dkms_allowed_check (allowed, file->name, file->findings);
  dkms_rivals_check (allowed, file->name, file->findings);
}

static gboolean
verify_kernel (Verify *self, DkmsVerifiedKernel *kernel, GError **error)
{
  const DkmsTreeChecks checks = { self->settings, self->world, self->state, self->request };
  const DkmsNextBoot *boot = kernel->boot;
  g_autoptr (DkmsAllowed) allowed = NULL;

  if (!dkms_tree_checks_expect (&checks, kernel, error))
    return FALSE;
  dkms_tree_checks_look_up (&checks, kernel);
  dkms_file_checks_judge (self->settings, kernel, boot != NULL ? boot->kernel : NULL,
                          boot != NULL ? boot->cmdline : NULL);
  allowed = dkms_allowed_new (self->settings, kernel->release, boot != NULL ? boot->cmdline : NULL);
  kernel->images = dkms_boot_images_read (self->settings, kernel->release,
                                          boot != NULL && boot->initrds->len > 0 ? boot->initrds : NULL);
  for (guint i = 0; i < kernel->modules->len; i++)
    {
      const DkmsVerifiedModule *module = kernel->modules->pdata[i];
      for (guint f = 0; f < module->files->len; f++)
        check_surroundings (self, kernel, module, allowed, module->files->pdata[f]);
    }
  dkms_verified_kernel_conclude (kernel);
  return TRUE;
}

/* Makes all checks of the request. */
static gboolean
check (Verify *self, GError **error)
{
  const DkmsRequest *request = self->request;
  const DkmsId which = { dkms_request_word (request), NULL, NULL, NULL };

  if (request->every_kernel)
    add_all (self);
  else if (!add_named (self, error))
    return FALSE;
  if (!find_next (self, error))
    return FALSE;
  self->world = dkms_world_new (self->settings, request, self->events);
  self->state = dkms_state_read (&self->settings->places, &which, error);
  if (self->state == NULL)
    return FALSE;
  const DkmsId named = { which.module, request->version, NULL, NULL };
  if (named.module != NULL && !dkms_state_has (self->state, &named))
    return DKMS_FAIL (error, NOT_ADDED, .id = named);
  for (guint i = 0; i < self->kernels->len; i++)
    if (!verify_kernel (self, self->kernels->pdata[i], error))
      return FALSE;
  dkms_digests_save (dkms_world_digests (self->world));
  return TRUE;
}

/* ---- the last verdict ---- */

/* Stores the answer about the kernel that boots next. @stamp: of the time before the checks */
static void
remember (const Verify *self, const char *stamp)
{
  g_autoptr (GPtrArray) next = g_ptr_array_new (), events = dkms_events_new ();
  g_autofree char *time = dkms_time_text (g_get_real_time () / G_USEC_PER_SEC);
  DkmsListener keeping = dkms_listener_keeping (events);

  for (guint i = 0; i < self->kernels->len; i++)
    if (((const DkmsVerifiedKernel *)self->kernels->pdata[i])->boot != NULL)
      g_ptr_array_add (next, self->kernels->pdata[i]);
  if (next->len == 0)
    return;
  dkms_answering_emit (&(const DkmsAnswering){ &keeping, next, FALSE, FALSE });
  DkmsCounts counts = dkms_verified_count (next);
  dkms_last_verdict_write (
      &self->settings->places,
      &(const DkmsLastVerdict){
          .time = time, .stamp = (char *)stamp, .kernel = (char *)counts.next, .counts = counts, .events = events });
}

/* Answers with the stored verdict. */
static gboolean
repeat (const DkmsSettings *settings, DkmsListener *events, const DkmsRequest *request, GError **error)
{
  g_autoptr (GError) local = NULL;
  g_autoptr (DkmsLastVerdict) last = dkms_last_verdict_read (&settings->places, &local);

  if (last == NULL && local == NULL)
    return DKMS_FAIL (error, NO_VERDICT, );
  if (last == NULL)
    return g_propagate_error (error, g_steal_pointer (&local)), FALSE;
  g_autofree char *stamp = dkms_verdict_stamp (&settings->places);
  gboolean silent = request->monitor || (request->quiet_if_ok && dkms_counts_are_well (&last->counts, request));
  for (guint i = 0; i < last->events->len; i++)
    if (!silent || !dkms_event_is_line_of_verify (((const DkmsEvent *)last->events->pdata[i])->kind))
      dkms_listener_hear (events, last->events->pdata[i]);
  const DkmsEventKind kind = strcmp (stamp, last->stamp) == 0 ? DKMS_EVENT_VERIFY_CHECKED : DKMS_EVENT_VERIFY_OUTDATED;
  if (!silent)
    dkms_listener_hear (events, &(const DkmsEvent){ .kind = kind, .text = last->time });
  return dkms_counts_conclude (&last->counts, request, events, error);
}

/* ---- the answer ---- */

/* For a command that nobody started by hand, the log of the system says what is wrong. */
static void
record (const Verify *self)
{
  for (guint i = 0; i < self->kernels->len; i++)
    {
      const DkmsVerifiedKernel *kernel = self->kernels->pdata[i];
      for (guint m = 0; m < kernel->modules->len; m++)
        {
          const DkmsVerifiedModule *module = kernel->modules->pdata[m];
          const DkmsCheckFinding *worst = dkms_verified_module_worst (module);
          if (module->verdict == DKMS_VERDICT_PROBLEM && worst != NULL)
            DKMS_EMIT (self->events, VERIFY_RECORDED, .id = *module->id, .name = dkms_code_name (worst->code),
                       .text = worst->text, .place = worst->advice);
        }
    }
}

static gboolean
answer (const Verify *self, GError **error)
{
  const DkmsRequest *request = self->request;
  const DkmsCounts counts = dkms_verified_count (self->kernels);
  gboolean is_well = request->after_upgrade ? counts.problems == 0 : dkms_counts_are_well (&counts, request);
  gboolean unattended = request->quiet_if_ok || request->after_upgrade;

  dkms_answering_emit (&(const DkmsAnswering){ .events = self->events,
                                               .kernels = self->kernels,
                                               .verbose = self->settings->policy.verbose,
                                               .silent = request->monitor || (unattended && is_well) });
  if (unattended)
    record (self);
  if (request->metrics != NULL && !dkms_metrics_write (request->metrics, self->kernels, error))
    return FALSE;
  return request->after_upgrade || dkms_counts_conclude (&counts, request, self->events, error);
}

/* Returns: whether nothing has changed since the last verdict */
static gboolean
is_unchanged (const DkmsPlaces *places, const char *stamp)
{
  g_autoptr (DkmsLastVerdict) last = dkms_last_verdict_read (places, NULL);

  return last != NULL && strcmp (last->stamp, stamp) == 0;
}

gboolean
dkms_verify (const DkmsSettings *settings, DkmsListener *events, const DkmsRequest *request, GError **error)
{
  g_auto (Verify) self = { .settings = settings, .events = events, .request = request };
  g_autoptr (GError) local = NULL;

  if (request->last)
    return repeat (settings, events, request, error);
  /* Of before the checks. The verdict about one module is not stored. */
  g_autofree char *stamp = dkms_request_word (request) == NULL ? dkms_verdict_stamp (&settings->places) : NULL;
  if (request->after_upgrade && stamp != NULL && is_unchanged (&settings->places, stamp))
    return TRUE;
  self.kernels = g_ptr_array_new_with_free_func ((GDestroyNotify)dkms_verified_kernel_free);
  if (!check (&self, &local))
    {
      /* In a container or an image under construction nothing boots next. */
      if (request->after_upgrade && dkms_error_info (local)->kind == DKMS_ERROR_NEXT_WITHOUT_MODULES)
        return TRUE;
      return g_propagate_error (error, g_steal_pointer (&local)), FALSE;
    }
  if (stamp != NULL)
    remember (&self, stamp);
  return answer (&self, error);
}
