/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Verbs that change no module: status, generate_mok. */
#include "cli/verbs.h"

#include "build/sign.h"
#include "inspect/status.h"
#include "report/table.h"
#include "run/run.h"

static gboolean
generate_mok (const DkmsSettings *settings, DkmsListener *events, const DkmsRequest *request, GError **error)
{
  const DkmsId *target = request->targets->len > 0 ? request->targets->pdata[0] : NULL;
  g_autoptr (DkmsWorld) world = dkms_world_new (settings, request, events);
  DkmsKernelFacts facts
      = dkms_world_kernel (world, &(DkmsId){ .kernel = target != NULL ? target->kernel : dkms_running_release (),
                                             .arch = target != NULL ? target->arch : dkms_running_machine () });
  return dkms_signer_generate (settings, events, facts.kernel, facts.config, request->force, error);
}

static gboolean
has_columns (const DkmsOptions *options, GError **error)
{
  return options->columns == NULL || dkms_table_check (options->columns, error);
}

const DkmsVerbInfo dkms_verb_status = {
  .name = "status",
  .goal = DKMS_GOAL_REPORT,
  .arguments = "[<module>[/<version>]]",
  .summary = "List modules that are added, built or installed",
  .details = "With -k or -a, only these kernels or architectures are listed.",
  .example = "dkms status -k 6.12.117+deb12-amd64",
  .positional = DKMS_WORD_MODULE,
  .options = DKMS_TAKES_MODULE | DKMS_TAKES (LONG),
  .takes_all = TRUE,
  .many_kernels = TRUE,
  .filters = TRUE,
  .check_options = has_columns,
  .answer = dkms_status,
};

const DkmsVerbInfo dkms_verb_generate_mok = {
  .name = "generate_mok",
  .goal = DKMS_GOAL_REPORT,
  .arguments = "",
  .summary = "Create the key and the certificate for signing modules",
  .details
  = "Builds create missing keys by themselves. An existing key or certificate is never overwritten. With --force, a "
    "certificate without its key is renamed, and a new pair is created. For Secure Boot, enrol the certificate: run "
    "'dkms secureboot --enroll' and reboot.",
  .example = "dkms generate_mok",
  .options = DKMS_TAKES (ALWAYS) | DKMS_TAKES (KERNEL) | DKMS_TAKES (FORCE),
  .takes_all = TRUE,
  .many_kernels = TRUE,
  .answer = generate_mok,
};
