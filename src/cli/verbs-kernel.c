/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Verbs for one kernel: autoinstall, match, and those that hooks of kernel packages call. */
#include "cli/verbs.h"

#include <string.h>

#include "base/error.h"
#include "cli/options.h"

static gboolean
has_template (const DkmsOptions *options, GError **error)
{
  return (options->templatekernel != NULL && *options->templatekernel != '\0')
         || DKMS_FAIL (error, NO_TEMPLATE, .name = "match");
}

static gboolean
has_two_kernels (const DkmsRequest *request, GError **error)
{
  const DkmsId *target = request->targets->pdata[0];

  return strcmp (request->template, target->kernel) != 0
         || DKMS_FAIL (error, SAME_TEMPLATE, .id = { .kernel = request->template });
}

const DkmsVerbInfo dkms_verb_autoinstall = {
  .name = "autoinstall",
  .goal = DKMS_GOAL_INSTALLED,
  .selection = DKMS_SELECT_LATEST,
  .arguments = "",
  .summary = "Install the latest version of every module for a kernel",
  .details
  = "Installs modules with AUTOINSTALL=yes in dkms.conf. Modules that BUILD_DEPENDS names are installed first. "
    "Builds run in parallel. If /etc/dkms/no-autoinstall exists, nothing is installed.",
  .example = "dkms autoinstall --all-kernels",
  .options
  = DKMS_TAKES_TARGET | DKMS_TAKES (ALL_KERNELS) | DKMS_TAKES (FORCE) | DKMS_TAKES (FORCE_VERSION) | DKMS_TAKES_INSTALL,
  .many_kernels = TRUE,
  .builds = TRUE,
  .needs_root = TRUE,
  .needs_writable_tree = TRUE,
  .needs_tree = TRUE,
};

const DkmsVerbInfo dkms_verb_prune = {
  .name = "prune",
  .goal = DKMS_GOAL_NOT_BUILT,
  .selection = DKMS_SELECT_ORPHANED,
  .arguments = "[<module>[/<version>]]",
  .summary = "Delete the builds for kernels that are not installed any more",
  .details = "'dkms status --long' marks these builds. The modules stay registered. With -k, only builds for these "
             "kernels are deleted.",
  .example = "dkms prune --dry-run",
  .positional = DKMS_WORD_MODULE,
  .options = DKMS_TAKES_MODULE | DKMS_TAKES (CHANGE),
  .many_kernels = TRUE,
  .filters = TRUE,
  .needs_root = TRUE,
  .needs_writable_tree = TRUE,
  .needs_tree = TRUE,
};

const DkmsVerbInfo dkms_verb_sign = {
  .name = "sign",
  .goal = DKMS_GOAL_SIGNED,
  .selection = DKMS_SELECT_EXISTING,
  .arguments = "[<module>[/<version>]]",
  .summary = "Sign builds and installed modules again, without building them",
  .details = "Signs the builds for the running kernel, for each kernel given with -k, or for all kernels with --all, "
             "with the keys that new builds use. Without a module, the builds of all modules are signed. Modules that "
             "these keys have signed stay as they are, unless --force is given.",
  .example = "dkms sign --all",
  .positional = DKMS_WORD_MODULE,
  .options = DKMS_TAKES_MODULE | DKMS_TAKES (ALL) | DKMS_TAKES (FORCE) | DKMS_TAKES (CHANGE),
  .takes_all = TRUE,
  .many_kernels = TRUE,
  .needs_root = TRUE,
  .needs_writable_tree = TRUE,
  .needs_tree = TRUE,
};

const DkmsVerbInfo dkms_verb_match = {
  .name = "match",
  .goal = DKMS_GOAL_INSTALLED,
  .selection = DKMS_SELECT_TEMPLATE,
  .arguments = "--templatekernel <kernel> [<module>]",
  .summary = "Install the modules of one kernel for another kernel",
  .details = "Installs, in the same version, what is installed for the kernel given with --templatekernel. The modules "
             "are installed for the running kernel, or for the kernel given with -k.",
  .example = "dkms match --templatekernel 6.1.0-56-amd64 -k 6.12.117+deb12-amd64",
  .positional = DKMS_WORD_MODULE,
  .options
  = DKMS_TAKES_MODULE | DKMS_TAKES (TEMPLATE) | DKMS_TAKES (FORCE) | DKMS_TAKES (FORCE_VERSION) | DKMS_TAKES_INSTALL,
  .builds = TRUE,
  .needs_root = TRUE,
  .needs_writable_tree = TRUE,
  .needs_tree = TRUE,
  .check_options = has_template,
  .check_request = has_two_kernels,
};

const DkmsVerbInfo dkms_verb_kernel_preinst = {
  .name = "kernel_preinst",
  .goal = DKMS_GOAL_NOT_BUILT,
  .selection = DKMS_SELECT_RETURNING,
  .arguments = "-k <kernel>",
  .summary = "Remove builds before a kernel is replaced",
  .details = "Called by the hooks of kernel packages. Removes only builds of modules with AUTOINSTALL=yes, which "
             "kernel_postinst builds again.",
  .example = "dkms kernel_preinst -k 6.12.117+deb12-amd64",
  .options = DKMS_TAKES_TARGET | DKMS_TAKES (CHANGE) | DKMS_TAKES (DEPMOD),
  .one_kernel = TRUE,
  .needs_root = TRUE,
  .needs_writable_tree = TRUE,
  .needs_tree = TRUE,
};

const DkmsVerbInfo dkms_verb_kernel_postinst = {
  .name = "kernel_postinst",
  .goal = DKMS_GOAL_INSTALLED,
  .selection = DKMS_SELECT_LATEST,
  .arguments = "-k <kernel>",
  .summary = "Run autoinstall after a kernel was installed",
  .details = "Called by the hooks of kernel packages.",
  .example = "dkms kernel_postinst -k 6.12.117+deb12-amd64",
  .options = DKMS_TAKES_TARGET | DKMS_TAKES_INSTALL,
  .one_kernel = TRUE,
  .builds = TRUE,
  .needs_root = TRUE,
  .needs_writable_tree = TRUE,
  .needs_tree = TRUE,
};

const DkmsVerbInfo dkms_verb_kernel_prerm = {
  .name = "kernel_prerm",
  .goal = DKMS_GOAL_NOT_BUILT,
  .selection = DKMS_SELECT_BUILT,
  .arguments = "-k <kernel>",
  .summary = "Remove all builds before a kernel is removed",
  .details = "Called by the hooks of kernel packages.",
  .example = "dkms kernel_prerm -k 6.1.0-56-amd64",
  .options = DKMS_TAKES_TARGET | DKMS_TAKES (CHANGE) | DKMS_TAKES (DEPMOD),
  .one_kernel = TRUE,
  .needs_root = TRUE,
  .needs_writable_tree = TRUE,
  .needs_tree = TRUE,
};
