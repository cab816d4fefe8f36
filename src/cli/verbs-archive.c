/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Archives: mktarball, ldtarball. */
#include "cli/cli.h"

static gboolean
names_archive (const DkmsOptions *options, GError **error)
{
  if (options->archive != NULL || options->source != NULL)
    return TRUE;
  return options->module == NULL
             ? dkms_fail (error, DKMS_ERROR_NO_SOURCE, NULL, "Name it, as in: dkms ldtarball ./my-driver.tar.gz",
                          "No archive is named")
             : dkms_fail (error, DKMS_ERROR_NO_SOURCE, options->module, "Check the spelling.", "There is no archive %s",
                          options->module);
}

const DkmsVerbInfo dkms_verb_mktarball = {
  .name = "mktarball",
  .goal = DKMS_GOAL_PACKED,
  .arguments = "<module>/<version>",
  .summary = "Pack sources and builds into an archive",
  .details = "For the running kernel, the kernels of -k, or with --all everything that is built. --archive names the "
             "file; its suffix chooses the compression. Without it the archive goes to the module's directory in "
             "the tree.",
  .positional = DKMS_WORD_MODULE,
  .options = DKMS_TAKES_MODULE | DKMS_TAKES (ALL) | DKMS_TAKES (ARCHIVE) | DKMS_TAKES (PACK) | DKMS_TAKES (CONF)
             | DKMS_TAKES (CHANGE),
  .takes_all = TRUE,
  .many_kernels = TRUE,
  .writes_archive = TRUE,
  .bad_name = DKMS_ERROR_NOT_ADDED,
  .no_tree = DKMS_ERROR_NOT_ADDED,
  .no_file = DKMS_ERROR_NO_IDENTITY,
};

const DkmsVerbInfo dkms_verb_ldtarball = {
  .name = "ldtarball",
  .goal = DKMS_GOAL_LOADED,
  .arguments = "<archive>",
  .summary = "Load sources and builds from an archive",
  .details = "Builds that are there already are kept, unless --force is given.",
  .positional = DKMS_WORD_FILE,
  .options = DKMS_TAKES_TARGET | DKMS_TAKES (FORCE) | DKMS_TAKES (ARCHIVE) | DKMS_TAKES (CHANGE),
  .takes_all = TRUE,
  .many_kernels = TRUE,
  .adds = TRUE,
  .needs_root_to_force = TRUE,
  .needs_writable_tree = TRUE,
  .bad_name = DKMS_ERROR_NOT_ADDED,
  .no_tree = DKMS_ERROR_NO_PRIVILEGE,
  .no_file = DKMS_ERROR_NO_SOURCE,
  .check_options = names_archive,
};
