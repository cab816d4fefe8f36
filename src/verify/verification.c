/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes, concludes and frees answers of verify. */
#include "verify/verification.h"

void
dkms_verified_file_free (DkmsVerifiedFile *self)
{
  g_free (self->name);
  g_free (self->path);
  g_ptr_array_unref (self->findings);
  g_clear_pointer (&self->module, dkms_module_file_free);
  g_clear_pointer (&self->signature, dkms_file_signature_free);
  g_strfreev (self->depends);
  g_free (self);
}

DkmsVerifiedFile *
dkms_verified_file_new (const char *name)
{
  DkmsVerifiedFile *self = g_new0 (DkmsVerifiedFile, 1);

  self->name = g_strdup (name);
  self->answer = DKMS_ANSWER_UNKNOWN;
  self->findings = dkms_check_findings_new ();
  return self;
}

static void
module_free (gpointer data)
{
  DkmsVerifiedModule *self = data;

  dkms_id_free (self->id);
  g_free (self->btf);
  g_ptr_array_unref (self->files);
  g_ptr_array_unref (self->findings);
  g_free (self);
}

DkmsVerifiedModule *
dkms_verified_module_new (const DkmsId *id)
{
  DkmsVerifiedModule *self = g_new0 (DkmsVerifiedModule, 1);

  self->id = dkms_id_copy (id);
  self->files = g_ptr_array_new_with_free_func ((GDestroyNotify)dkms_verified_file_free);
  self->findings = dkms_check_findings_new ();
  return self;
}

DkmsVerifiedKernel *
dkms_verified_kernel_new (const DkmsId *kernel)
{
  DkmsVerifiedKernel *self = g_new0 (DkmsVerifiedKernel, 1);

  self->release = g_strdup (kernel->kernel);
  self->arch = g_strdup (kernel->arch);
  self->modules = g_ptr_array_new_with_free_func (module_free);
  return self;
}

void
dkms_verified_kernel_free (DkmsVerifiedKernel *self)
{
  if (self == NULL)
    return;
  g_free (self->release);
  g_free (self->arch);
  dkms_next_boot_free (self->boot);
  g_ptr_array_unref (self->modules); /* before the certificates that they borrow */
  dkms_trust_reading_free (self->trust);
  dkms_kernel_reading_free (self->kernel);
  dkms_boot_images_free (self->images);
  g_free (self);
}

/* ---- conclusions ---- */

static const DkmsCheckFinding *
worse (const DkmsCheckFinding *a, const DkmsCheckFinding *b)
{
  return a == NULL || (b != NULL && b->result > a->result) ? b : a;
}

const DkmsCheckFinding *
dkms_verified_module_worst (const DkmsVerifiedModule *self)
{
  const DkmsCheckFinding *worst = dkms_check_findings_worst (self->findings);

  for (guint i = 0; i < self->files->len; i++)
    worst = worse (worst, dkms_check_findings_worst (((const DkmsVerifiedFile *)self->files->pdata[i])->findings));
  return worst;
}

static DkmsVerdict
verdict_of_finding (const DkmsCheckFinding *finding)
{
  static const DkmsVerdict verdicts[] = { [DKMS_RESULT_NOTE] = DKMS_VERDICT_LOADS,
                                          [DKMS_RESULT_WARNING] = DKMS_VERDICT_WARNING,
                                          [DKMS_RESULT_UNKNOWN] = DKMS_VERDICT_UNKNOWN,
                                          [DKMS_RESULT_PROBLEM] = DKMS_VERDICT_PROBLEM };

  return finding != NULL ? verdicts[finding->result] : DKMS_VERDICT_LOADS;
}

static DkmsVerdict
verdict_of_answer (DkmsAnswer answer)
{
  return answer == DKMS_ANSWER_LOADS     ? DKMS_VERDICT_LOADS
         : answer == DKMS_ANSWER_UNKNOWN ? DKMS_VERDICT_UNKNOWN
                                         : DKMS_VERDICT_PROBLEM;
}

/* A module loads only if every file of it does, and nothing worse was found. */
static void
conclude (DkmsVerifiedModule *self)
{
  if (self->verdict == DKMS_VERDICT_EXCLUDED && self->files->len == 0 && self->findings->len > 0
      && dkms_check_findings_worst (self->findings)->result == DKMS_RESULT_NOTE)
    return;
  self->verdict = verdict_of_finding (dkms_verified_module_worst (self));
  for (guint i = 0; i < self->files->len; i++)
    self->verdict = MAX (self->verdict, verdict_of_answer (((const DkmsVerifiedFile *)self->files->pdata[i])->answer));
}

void
dkms_verified_kernel_conclude (DkmsVerifiedKernel *self)
{
  self->verdict = DKMS_VERDICT_LOADS;
  for (guint i = 0; i < self->modules->len; i++)
    {
      DkmsVerifiedModule *module = self->modules->pdata[i];
      conclude (module);
      self->verdict = MAX (self->verdict, module->verdict);
    }
}

const char *
dkms_answer_name (DkmsAnswer answer)
{
  static const char *const names[] = { "loads", "refused", "absent", "hidden", "unknown" };

  return names[answer];
}

const char *
dkms_verdict_name (DkmsVerdict verdict)
{
  static const char *const names[] = { "excluded", "loads", "warning", "unknown", "problem" };

  return names[verdict];
}
