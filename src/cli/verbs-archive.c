/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Verbs for archives: mktarball, ldtarball. */
#include "cli/verbs.h"

#include "base/error.h"
#include "cli/options.h"

static gboolean
names_archive (const DkmsOptions *options, GError **error)
{
  if (options->archive != NULL || options->source != NULL)
    return TRUE;
  return options->module == NULL ? DKMS_FAIL (error, NO_ARCHIVE_NAMED)
                                 : DKMS_FAIL (error, ARCHIVE_ABSENT, .path = options->module);
}

const DkmsVerbInfo dkms_verb_mktarball = {
  .name = "mktarball",
  .goal = DKMS_GOAL_PACKED,
  .arguments = "<module>/<version>",
  .summary = "Pack a module's source and builds into an archive",
  .details = "Packs the builds for the running kernel, for each kernel given with -k, or for all kernels with --all. "
             "--archive names the file; its suffix selects the compression. By default the archive is written to "
             "<tree>/<module>/<version>/tarball.",
  .example = "dkms mktarball my-driver/1.0 -k 6.1.0-56-amd64 --archive ./my-driver.tar.gz",
  .positional = DKMS_WORD_MODULE,
  .options = DKMS_TAKES_MODULE | DKMS_TAKES (ALL) | DKMS_TAKES (ARCHIVE) | DKMS_TAKES (PACK) | DKMS_TAKES (CONF)
             | DKMS_TAKES (CHANGE),
  .takes_all = TRUE,
  .many_kernels = TRUE,
  .writes_archive = TRUE,
  .needs_tree = TRUE,
};

const DkmsVerbInfo dkms_verb_ldtarball = {
  .name = "ldtarball",
  .goal = DKMS_GOAL_LOADED,
  .arguments = "<archive>",
  .summary = "Load a module's source and builds from an archive",
  .details = "Fails if the module is registered already; --force replaces its source and builds. Nothing is installed.",
  .example = "dkms ldtarball ./my-driver.tar.gz",
  .positional = DKMS_WORD_FILE,
  .options = DKMS_TAKES_TARGET | DKMS_TAKES (FORCE) | DKMS_TAKES (ARCHIVE) | DKMS_TAKES (CHANGE),
  .takes_all = TRUE,
  .many_kernels = TRUE,
  .adds = TRUE,
  .needs_root_to_force = TRUE,
  .needs_writable_tree = TRUE,
  .needs_tree = TRUE,
  .check_options = names_archive,
};
