/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Emits the answer of verify, and concludes with its exit status. */
#include "verify/answer.h"

#include "base/error.h"

/* Returns: (nullable): the name of a loader that is known */
static const char *
loader_title (DkmsLoader loader)
{
  static const char *const titles[] = { NULL, "GRUB", "systemd-boot", "extlinux" };

  return titles[loader];
}

static void
emit_boot (const DkmsAnswering *self, const DkmsVerifiedKernel *kernel)
{
  const DkmsNextBoot *boot = kernel->boot;
  const DkmsId id = { .kernel = kernel->release, .arch = kernel->arch };

  DKMS_EMIT (self->events, VERIFY_KERNEL, .id = id, .name = dkms_verdict_name (kernel->verdict),
             .number = boot != NULL);
  if (boot != NULL)
    {
      DKMS_EMIT (self->events, VERIFY_BOOT, .id = id, .name = dkms_loader_name (boot->loader), .text = boot->entry,
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
emit_policy (const DkmsAnswering *self, const DkmsVerifiedKernel *kernel)
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
emit_finding (const DkmsAnswering *self, const DkmsId *id, const DkmsCheckFinding *finding)
{
  DKMS_EMIT (self->events, VERIFY_FINDING, .id = *id, .name = dkms_code_name (finding->code), .path = finding->file,
             .text = finding->text, .place = finding->advice,
             .number = (int)(4 * finding->confidence + finding->result));
}

static void
emit_file (const DkmsAnswering *self, const DkmsVerifiedModule *module, const DkmsVerifiedFile *file)
{
  g_autofree char *taint = *file->taint != '\0' ? g_strdup (file->taint) : NULL;

  DKMS_EMIT (self->events, VERIFY_FILE, .id = *module->id, .name = file->name, .path = file->path,
             .text = dkms_answer_name (file->answer), .place = taint, .number = file->code);
  for (guint i = 0; i < file->findings->len; i++)
    emit_finding (self, module->id, file->findings->pdata[i]);
}

static void
emit_line (const DkmsAnswering *self, const DkmsVerifiedModule *module, int width)
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
print_findings (const DkmsAnswering *self, const GPtrArray *findings)
{
  for (guint i = 0; i < findings->len; i++)
    {
      const DkmsCheckFinding *finding = findings->pdata[i];
      DKMS_EMIT (self->events, VERIFY_DETAIL_FINDING, .name = dkms_code_name (finding->code), .text = finding->text);
    }
}

/* Prints each file with its findings, for --verbose. */
static void
emit_details (const DkmsAnswering *self, const DkmsVerifiedModule *module)
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
emit_module (const DkmsAnswering *self, const DkmsVerifiedModule *module, int width)
{
  DKMS_EMIT (self->events, VERIFY_MODULE, .id = *module->id, .name = dkms_verdict_name (module->verdict));
  for (guint i = 0; i < module->findings->len; i++)
    emit_finding (self, module->id, module->findings->pdata[i]);
  for (guint i = 0; i < module->files->len; i++)
    emit_file (self, module, module->files->pdata[i]);
  if (!self->silent)
    emit_line (self, module, width);
  if (!self->silent && self->verbose)
    emit_details (self, module);
}

static int
label_width (const DkmsVerifiedKernel *kernel)
{
  glong width = 0;

  for (guint i = 0; i < kernel->modules->len; i++)
    width = MAX (width, dkms_id_columns (((const DkmsVerifiedModule *)kernel->modules->pdata[i])->id));
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
emit_kernel (const DkmsAnswering *self, const DkmsVerifiedKernel *kernel)
{
  const DkmsId id = { .kernel = kernel->release, .arch = kernel->arch };
  guint expected = count_expected (kernel);
  gboolean all_well = kernel->verdict <= DKMS_VERDICT_LOADS && !self->verbose;
  DkmsAnswering quiet = *self;

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

void
dkms_answering_emit (const DkmsAnswering *self)
{
  for (guint i = 0; i < self->kernels->len; i++)
    {
      if (i > 0 && !self->silent)
        DKMS_EMIT (self->events, BLANK);
      emit_kernel (self, self->kernels->pdata[i]);
    }
}

DkmsCounts
dkms_verified_count (const GPtrArray *kernels)
{
  DkmsCounts counts = { 0 };

  for (guint i = 0; i < kernels->len; i++)
    {
      const DkmsVerifiedKernel *kernel = kernels->pdata[i];
      counts.expected += count_expected (kernel);
      counts.problems += count (kernel, DKMS_VERDICT_PROBLEM);
      counts.warnings += count (kernel, DKMS_VERDICT_WARNING);
      counts.unknown += count (kernel, DKMS_VERDICT_UNKNOWN);
      if (kernel->boot != NULL)
        counts.next = kernel->release;
    }
  return counts;
}

gboolean
dkms_counts_are_well (const DkmsCounts *self, const DkmsRequest *request)
{
  return self->problems + self->unknown == 0 && !(request->strict && self->warnings > 0);
}

static gboolean
conclude_monitor (const DkmsCounts *self, DkmsListener *events, GError **error)
{
  g_autofree char *text = g_strdup_printf ("modules=%u;;;0 problems=%u;;1 warnings=%u unknown=%u", self->expected,
                                           self->problems, self->warnings, self->unknown);
  const char *word = self->problems > 0   ? "CRITICAL"
                     : self->warnings > 0 ? "WARNING"
                     : self->unknown > 0  ? "UNKNOWN"
                                          : "OK";
  int status = self->problems > 0 ? 2 : self->warnings > 0 ? 1 : self->unknown > 0 ? 3 : 0;

  DKMS_EMIT (events, VERIFY_MONITOR, .name = word, .text = text, .number = (int)self->problems);
  return status == 0 || DKMS_FAIL (error, MONITORED, .status = status);
}

gboolean
dkms_counts_conclude (const DkmsCounts *self, const DkmsRequest *request, DkmsListener *events, GError **error)
{
  if (request->monitor)
    return conclude_monitor (self, events, error);
  if (self->problems > 0 || (request->strict && self->warnings > 0))
    return DKMS_FAIL (error, WILL_NOT_LOAD, .number = (gint64)(self->problems > 0 ? self->problems : self->warnings),
                      .limit = self->expected, .id = { .kernel = self->next });
  return self->unknown == 0
         || DKMS_FAIL (error, LOADING_UNKNOWN, .number = self->unknown, .limit = self->expected,
                       .id = { .kernel = self->next });
}
