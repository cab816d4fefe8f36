/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is done to one module: add, build, install, and back. */
#include "cli/cli.h"

#define SOURCE_ARGUMENTS "<module>/<version> | <directory> | <dkms.conf> | <archive>"

const DkmsVerbInfo dkms_verb_add = {
  .name = "add",
  .goal = DKMS_GOAL_REGISTERED,
  .arguments = SOURCE_ARGUMENTS,
  .summary = "Register a module's source with the tree",
  .details = "The source is <source tree>/<module>-<version> with its dkms.conf; a directory, a dkms.conf or an "
             "archive elsewhere is copied there first. With --force it replaces another source that is registered. "
             "Nothing is compiled yet.",
  .positional = DKMS_WORD_SOURCE,
  .options = DKMS_TAKES_MODULE | DKMS_TAKES (FORCE) | DKMS_TAKES (ARCHIVE) | DKMS_TAKES (CONF) | DKMS_TAKES (CHANGE)
             | DKMS_TAKES (HEADERS) | DKMS_TAKES (RPM),
  .many_kernels = TRUE,
  .adds = TRUE,
  .needs_writable_tree = TRUE,
  .bad_name = DKMS_ERROR_NO_SOURCE,
  .no_tree = DKMS_ERROR_NO_PRIVILEGE,
  .no_file = DKMS_ERROR_NO_IDENTITY,
};

const DkmsVerbInfo dkms_verb_build = {
  .name = "build",
  .goal = DKMS_GOAL_BUILT,
  .arguments = SOURCE_ARGUMENTS,
  .summary = "Compile a module for one or more kernels",
  .details = "For the running kernel unless -k names others. A source that is not registered yet is added first. "
             "With --force a present build is made anew, and stays in place until the new one is ready.",
  .positional = DKMS_WORD_SOURCE,
  .options = DKMS_TAKES_MODULE | DKMS_TAKES (FORCE) | DKMS_TAKES (CONF) | DKMS_TAKES_BUILD,
  .many_kernels = TRUE,
  .adds = TRUE,
  .builds = TRUE,
  .needs_writable_tree = TRUE,
  .bad_name = DKMS_ERROR_NO_SOURCE,
  .no_tree = DKMS_ERROR_NO_PRIVILEGE,
  .no_file = DKMS_ERROR_NO_IDENTITY,
};

const DkmsVerbInfo dkms_verb_install = {
  .name = "install",
  .goal = DKMS_GOAL_INSTALLED,
  .arguments = SOURCE_ARGUMENTS,
  .summary = "Put a module in place, building it first if need be",
  .details = "A module of the same name that came with the kernel is kept aside and comes back on uninstall. An "
             "older version than the kernel's own is refused, unless --force is given.",
  .positional = DKMS_WORD_SOURCE,
  .options = DKMS_TAKES_MODULE | DKMS_TAKES (FORCE) | DKMS_TAKES (FORCE_VERSION) | DKMS_TAKES (CONF)
             | DKMS_TAKES_INSTALL | DKMS_TAKES (RPM),
  .many_kernels = TRUE,
  .adds = TRUE,
  .builds = TRUE,
  .needs_root = TRUE,
  .needs_writable_tree = TRUE,
  .bad_name = DKMS_ERROR_NO_SOURCE,
  .no_tree = DKMS_ERROR_NO_PRIVILEGE,
  .no_file = DKMS_ERROR_NO_IDENTITY,
};

const DkmsVerbInfo dkms_verb_uninstall = {
  .name = "uninstall",
  .goal = DKMS_GOAL_NOT_INSTALLED,
  .arguments = "<module>/<version>",
  .summary = "Take an installed module away, restore what it replaced",
  .details = "What was compiled stays in the tree, ready to be installed again.",
  .positional = DKMS_WORD_MODULE,
  .options = DKMS_TAKES_MODULE | DKMS_TAKES (ALL) | DKMS_TAKES (CONF) | DKMS_TAKES (CHANGE) | DKMS_TAKES (DEPMOD),
  .takes_all = TRUE,
  .many_kernels = TRUE,
  .needs_root = TRUE,
  .needs_writable_tree = TRUE,
  .bad_name = DKMS_ERROR_NOT_ADDED,
  .no_tree = DKMS_ERROR_NOT_ADDED,
  .no_file = DKMS_ERROR_NO_IDENTITY,
};

const DkmsVerbInfo dkms_verb_unbuild = {
  .name = "unbuild",
  .goal = DKMS_GOAL_NOT_BUILT,
  .arguments = "<module>/<version>",
  .summary = "Uninstall, and delete what was compiled",
  .details = "The module stays registered.",
  .positional = DKMS_WORD_MODULE,
  .options = DKMS_TAKES_MODULE | DKMS_TAKES (ALL) | DKMS_TAKES (CONF) | DKMS_TAKES (CHANGE) | DKMS_TAKES (DEPMOD),
  .takes_all = TRUE,
  .many_kernels = TRUE,
  .needs_writable_tree = TRUE,
  .bad_name = DKMS_ERROR_NOT_ADDED,
  .no_tree = DKMS_ERROR_NOT_ADDED,
  .no_file = DKMS_ERROR_NO_IDENTITY,
};

const DkmsVerbInfo dkms_verb_remove = {
  .name = "remove",
  .goal = DKMS_GOAL_GONE,
  .arguments = "<module>/<version>",
  .summary = "Unbuild, and unregister when nothing is left",
  .details = "With --all for every kernel. The source in the source tree is never deleted.",
  .positional = DKMS_WORD_MODULE,
  .options = DKMS_TAKES_MODULE | DKMS_TAKES (ALL) | DKMS_TAKES (CONF) | DKMS_TAKES (CHANGE) | DKMS_TAKES (DEPMOD)
             | DKMS_TAKES (RPM),
  .takes_all = TRUE,
  .many_kernels = TRUE,
  .needs_writable_tree = TRUE,
  .bad_name = DKMS_ERROR_NOT_ADDED,
  .no_tree = DKMS_ERROR_NOT_ADDED,
  .no_file = DKMS_ERROR_NO_IDENTITY,
};
