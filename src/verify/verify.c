/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks all checks about the kernels of a request, and emits their answers. */
#include "verify/verify.h"

#include <string.h>

#include "base/unread.h"
#include "model/version.h"
#include "store/register.h"
#include "store/scan.h"
#include "verify/allowed.h"
#include "verify/file-checks.h"
#include "verify/tree-checks.h"
#include "verify/verification.h"

typedef struct {
  const DkmsSettings *settings;
  DkmsListener *events;
  const DkmsRequest *request;
  DkmsWorld *world;
  DkmsState *state;
  GPtrArray *kernels; /* element-type DkmsVerifiedKernel */
  gboolean silent;    /* no lines are printed */
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
  const DkmsImageQuestion question
      = { .name = file->name,
          .path = file->path,
          .sha256 = file->module != NULL ? file->module->sha256 : NULL,
          .needs = (const char *const *)needs,
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

/* ---- the answer ---- */

static const char *
loader_name (DkmsLoader loader)
{
  static const char *const names[] = { "unknown", "grub", "systemd-boot", "extlinux" };

  return names[loader];
}

/* Returns: (nullable): the name of a loader that is known */
static const char *
loader_title (DkmsLoader loader)
{
  static const char *const titles[] = { NULL, "GRUB", "systemd-boot", "extlinux" };

  return titles[loader];
}

static void
emit_boot (const Verify *self, const DkmsVerifiedKernel *kernel)
{
  const DkmsNextBoot *boot = kernel->boot;
  const DkmsId id = { .kernel = kernel->release, .arch = kernel->arch };

  DKMS_EMIT (self->events, VERIFY_KERNEL, .id = id, .name = dkms_verdict_name (kernel->verdict),
             .number = boot != NULL);
  if (boot != NULL)
    {
      DKMS_EMIT (self->events, VERIFY_BOOT, .id = id, .name = loader_name (boot->loader), .text = boot->entry,
                 .path = boot->kernel, .place = boot->cmdline, .number = (int)boot->confidence);
      for (guint i = 0; i < boot->initrds->len; i++)
        DKMS_EMIT (self->events, VERIFY_INITRD, .id = id, .path = boot->initrds->pdata[i]);
    }
  if (self->silent)
    return;
  if (boot == NULL)
    DKMS_EMIT (self->events, VERIFY_OTHER, .id = id);
  else if (boot->loader == DKMS_LOADER_UNKNOWN)
    DKMS_EMIT (self->events, VERIFY_GUESSED, .id = id, .path = boot->unread);
  else
    DKMS_EMIT (self->events, VERIFY_NEXT, .id = id, .name = loader_title (boot->loader), .text = boot->entry);
}

static void
emit_policy (const Verify *self, const DkmsVerifiedKernel *kernel)
{
  static const char *const sources[] = { "built-in", "mok", "firmware" };
  const DkmsTrustReading *trust = kernel->trust;
  const DkmsId id = { .kernel = kernel->release, .arch = kernel->arch };

  if (trust == NULL)
    return;
  DKMS_EMIT (self->events, VERIFY_POLICY, .id = id, .name = dkms_known_name (trust->firmware.secure_boot),
             .text = dkms_known_name (trust->policy.enforces), .place = dkms_known_name (trust->policy.locked));
  for (guint i = 0; i < trust->certificates->len; i++)
    {
      const DkmsCertificate *certificate = trust->certificates->pdata[i];
      if (certificate->known && certificate->trust == DKMS_TRUST_TRUSTED)
        DKMS_EMIT (self->events, VERIFY_TRUSTED, .id = id, .text = certificate->subject,
                   .name = certificate->identifier, .place = sources[certificate->source]);
    }
}

static void
emit_finding (const Verify *self, const DkmsId *id, const DkmsCheckFinding *finding)
{
  DKMS_EMIT (self->events, VERIFY_FINDING, .id = *id, .name = dkms_code_name (finding->code), .path = finding->file,
             .text = finding->text, .place = finding->advice,
             .number = (int)(4 * finding->confidence + finding->result));
}

static void
emit_file (const Verify *self, const DkmsVerifiedModule *module, const DkmsVerifiedFile *file)
{
  g_autofree char *taint = *file->taint != '\0' ? g_strdup (file->taint) : NULL;

  DKMS_EMIT (self->events, VERIFY_FILE, .id = *module->id, .name = file->name, .path = file->path,
             .text = dkms_answer_name (file->answer), .place = taint, .number = file->code);
  for (guint i = 0; i < file->findings->len; i++)
    emit_finding (self, module->id, file->findings->pdata[i]);
}

static void
emit_line (const Verify *self, const DkmsVerifiedModule *module, int width)
{
  const DkmsCheckFinding *worst = dkms_verified_module_worst (module);
  const DkmsEventKind kinds[] = { [DKMS_VERDICT_EXCLUDED] = DKMS_EVENT_VERIFY_EXCLUDED,
                                  [DKMS_VERDICT_LOADS] = DKMS_EVENT_VERIFY_LOADS,
                                  [DKMS_VERDICT_WARNING] = DKMS_EVENT_VERIFY_WARNING,
                                  [DKMS_VERDICT_UNKNOWN] = DKMS_EVENT_VERIFY_UNKNOWN,
                                  [DKMS_VERDICT_PROBLEM] = DKMS_EVENT_VERIFY_PROBLEM };
  gboolean says = worst != NULL && (worst->result != DKMS_RESULT_NOTE || module->verdict == DKMS_VERDICT_EXCLUDED);

  dkms_listener_hear (self->events, &(const DkmsEvent){ .kind = kinds[module->verdict],
                                                        .id = *module->id,
                                                        .text = says ? worst->text : NULL,
                                                        .place = says ? worst->advice : NULL,
                                                        .number = width });
}

static void
print_findings (const Verify *self, const GPtrArray *findings)
{
  for (guint i = 0; i < findings->len; i++)
    {
      const DkmsCheckFinding *finding = findings->pdata[i];
      DKMS_EMIT (self->events, VERIFY_DETAIL_FINDING, .name = dkms_code_name (finding->code), .text = finding->text);
    }
}

/* Prints each file with its findings, for --verbose. */
static void
emit_details (const Verify *self, const DkmsVerifiedModule *module)
{
  print_findings (self, module->findings);
  for (guint i = 0; i < module->files->len; i++)
    {
      const DkmsVerifiedFile *file = module->files->pdata[i];
      DKMS_EMIT (self->events, VERIFY_DETAIL, .name = file->name, .text = dkms_answer_name (file->answer),
                 .path = file->path);
      print_findings (self, file->findings);
    }
}

static void
emit_module (const Verify *self, const DkmsVerifiedModule *module, int width)
{
  DKMS_EMIT (self->events, VERIFY_MODULE, .id = *module->id, .name = dkms_verdict_name (module->verdict));
  for (guint i = 0; i < module->findings->len; i++)
    emit_finding (self, module->id, module->findings->pdata[i]);
  for (guint i = 0; i < module->files->len; i++)
    emit_file (self, module, module->files->pdata[i]);
  if (!self->silent)
    emit_line (self, module, width);
  if (!self->silent && self->settings->policy.verbose)
    emit_details (self, module);
}

static int
label_width (const DkmsVerifiedKernel *kernel)
{
  glong width = 0;

  for (guint i = 0; i < kernel->modules->len; i++)
    {
      const DkmsId *id = ((const DkmsVerifiedModule *)kernel->modules->pdata[i])->id;
      width = MAX (width, g_utf8_strlen (id->module, -1) + 1 + g_utf8_strlen (id->version, -1));
    }
  return (int)width;
}

static guint
count (const DkmsVerifiedKernel *kernel, DkmsVerdict verdict)
{
  guint n = 0;

  for (guint i = 0; i < kernel->modules->len; i++)
    n += ((const DkmsVerifiedModule *)kernel->modules->pdata[i])->verdict == verdict;
  return n;
}

/* Modules for this kernel, without those that its recipe excludes. */
static guint
count_expected (const DkmsVerifiedKernel *kernel)
{
  return kernel->modules->len - count (kernel, DKMS_VERDICT_EXCLUDED);
}

static void
emit_kernel (const Verify *self, const DkmsVerifiedKernel *kernel)
{
  const DkmsId id = { .kernel = kernel->release, .arch = kernel->arch };
  guint expected = count_expected (kernel);
  gboolean all_well = kernel->verdict <= DKMS_VERDICT_LOADS && !self->settings->policy.verbose;
  Verify quiet = *self;

  quiet.silent |= all_well; /* one line is enough */
  emit_boot (&quiet, kernel);
  emit_policy (self, kernel);
  for (guint i = 0; i < kernel->modules->len; i++)
    emit_module (&quiet, kernel->modules->pdata[i], label_width (kernel));
  if (self->silent || !all_well)
    return;
  const DkmsEventKind kind = expected == 0   ? DKMS_EVENT_VERIFY_NONE
                             : expected == 1 ? DKMS_EVENT_VERIFY_ONE_LOADS
                                             : DKMS_EVENT_VERIFY_ALL_LOAD;
  g_autofree char *number = g_strdup_printf ("%u", expected);
  dkms_listener_hear (self->events,
                      &(const DkmsEvent){ .kind = kind,
                                          .id = id,
                                          .text = number,
                                          .name = kernel->boot != NULL ? loader_title (kernel->boot->loader) : NULL });
}

/* Returns: the sum of count() of all kernels */
static guint
count_all (const Verify *self, DkmsVerdict verdict)
{
  guint n = 0;

  for (guint i = 0; i < self->kernels->len; i++)
    n += count (self->kernels->pdata[i], verdict);
  return n;
}

/* Whether the exit status will be 0. */
static gboolean
is_well (const Verify *self)
{
  return count_all (self, DKMS_VERDICT_PROBLEM) + count_all (self, DKMS_VERDICT_UNKNOWN) == 0
         && !(self->request->strict && count_all (self, DKMS_VERDICT_WARNING) > 0);
}

static gboolean
conclude (const Verify *self, GError **error)
{
  guint problems = count_all (self, DKMS_VERDICT_PROBLEM), unknown = count_all (self, DKMS_VERDICT_UNKNOWN),
        warnings = count_all (self, DKMS_VERDICT_WARNING), expected = 0;
  const char *next = NULL;

  for (guint i = 0; i < self->kernels->len; i++)
    {
      const DkmsVerifiedKernel *kernel = self->kernels->pdata[i];
      expected += count_expected (kernel);
      next = kernel->boot != NULL ? kernel->release : next;
    }
  if (self->request->monitor)
    {
      g_autofree char *text = g_strdup_printf ("modules=%u;;;0 problems=%u;;1 warnings=%u unknown=%u", expected,
                                               problems, warnings, unknown);
      const char *word = problems > 0 ? "CRITICAL" : warnings > 0 ? "WARNING" : unknown > 0 ? "UNKNOWN" : "OK";
      int status = problems > 0 ? 2 : warnings > 0 ? 1 : unknown > 0 ? 3 : 0;
      DKMS_EMIT (self->events, VERIFY_MONITOR, .name = word, .text = text, .number = (int)problems);
      return status == 0 || DKMS_FAIL (error, MONITORED, .status = status);
    }
  if (problems > 0 || (self->request->strict && warnings > 0))
    return DKMS_FAIL (error, WILL_NOT_LOAD, .number = (gint64)(problems > 0 ? problems : warnings), .limit = expected,
                      .id = { .kernel = next });
  return unknown == 0
         || DKMS_FAIL (error, LOADING_UNKNOWN, .number = unknown, .limit = expected, .id = { .kernel = next });
}

/* Returns: (nullable): a version that the request names */
static const DkmsVersion *
find_named (const Verify *self)
{
  for (guint i = 0; i < self->state->versions->len; i++)
    {
      const DkmsVersion *v = self->state->versions->pdata[i];
      if (self->request->version == NULL || strcmp (self->request->version, v->version) == 0)
        return v;
    }
  return NULL;
}

gboolean
dkms_verify (const DkmsSettings *settings, DkmsListener *events, const DkmsRequest *request, GError **error)
{
  g_auto (Verify) self = { .settings = settings, .events = events, .request = request };
  const DkmsId which = { dkms_request_word (request), NULL, NULL, NULL };

  self.kernels = g_ptr_array_new_with_free_func ((GDestroyNotify)dkms_verified_kernel_free);
  if (request->every_kernel)
    add_all (&self);
  else if (!add_named (&self, error))
    return FALSE;
  if (!find_next (&self, error))
    return FALSE;
  self.world = dkms_world_new (settings, request, events);
  self.state = dkms_state_read (&settings->places, &which, error);
  if (self.state == NULL)
    return FALSE;
  if (which.module != NULL && find_named (&self) == NULL)
    return DKMS_FAIL (error, NOT_ADDED, .id = { which.module, request->version, NULL, NULL });
  for (guint i = 0; i < self.kernels->len; i++)
    if (!verify_kernel (&self, self.kernels->pdata[i], error))
      return FALSE;
  self.silent = request->monitor || (request->quiet_if_ok && is_well (&self));
  for (guint i = 0; i < self.kernels->len; i++)
    {
      if (i > 0 && !self.silent)
        DKMS_EMIT (events, BLANK);
      emit_kernel (&self, self.kernels->pdata[i]);
    }
  dkms_digests_save (dkms_world_digests (self.world));
  return conclude (&self, error);
}
