/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Verbs for one module: add, build, install, and their opposites. */
#include "cli/verbs.h"

#define SOURCE_ARGUMENTS "<module>/<version> | <directory> | <dkms.conf> | <archive>"

const DkmsVerbInfo dkms_verb_add = {
  .name = "add",
  .goal = DKMS_GOAL_REGISTERED,
  .arguments = SOURCE_ARGUMENTS,
  .summary = "Register the source of a module",
  .details = "The source is the directory <source tree>/<module>-<version>, which holds a dkms.conf. A directory, "
             "dkms.conf or archive elsewhere is copied there first. If another source is registered as the same "
             "version, --force replaces it. Nothing is built.",
  .example = "dkms add ./my-driver",
  .positional = DKMS_WORD_SOURCE,
  .options = DKMS_TAKES_MODULE | DKMS_TAKES (FORCE) | DKMS_TAKES (ARCHIVE) | DKMS_TAKES (CONF) | DKMS_TAKES (CHANGE)
             | DKMS_TAKES (HEADERS) | DKMS_TAKES (RPM),
  .many_kernels = TRUE,
  .adds = TRUE,
  .needs_writable_tree = TRUE,
  .needs_tree = TRUE,
};

const DkmsVerbInfo dkms_verb_build = {
  .name = "build",
  .goal = DKMS_GOAL_BUILT,
  .arguments = SOURCE_ARGUMENTS,
  .summary = "Build a module for one or more kernels",
  .details
  = "Builds for the running kernel, or for each kernel given with -k. A source that is not registered is added "
    "first. With --force an existing build is replaced; it is kept until the new build is complete.",
  .example = "dkms build my-driver/1.0 -k 6.1.0-56-amd64 -k 6.12.117+deb12-amd64",
  .positional = DKMS_WORD_SOURCE,
  .options = DKMS_TAKES_MODULE | DKMS_TAKES (FORCE) | DKMS_TAKES (CONF) | DKMS_TAKES_BUILD,
  .many_kernels = TRUE,
  .adds = TRUE,
  .builds = TRUE,
  .needs_writable_tree = TRUE,
  .needs_tree = TRUE,
};

const DkmsVerbInfo dkms_verb_install = {
  .name = "install",
  .goal = DKMS_GOAL_INSTALLED,
  .arguments = SOURCE_ARGUMENTS,
  .summary = "Install a module, building it first if necessary",
  .details = "If the kernel has a module of the same name, that module is archived, and 'dkms uninstall' restores it. "
             "If the kernel's module has the same or a newer version, it is kept, unless --force or "
             "--force-version-override is given.",
  .example = "dkms install ./my-driver",
  .positional = DKMS_WORD_SOURCE,
  .options = DKMS_TAKES_MODULE | DKMS_TAKES (FORCE) | DKMS_TAKES (FORCE_VERSION) | DKMS_TAKES (CONF)
             | DKMS_TAKES_INSTALL | DKMS_TAKES (RPM),
  .many_kernels = TRUE,
  .adds = TRUE,
  .builds = TRUE,
  .needs_root = TRUE,
  .needs_writable_tree = TRUE,
  .needs_tree = TRUE,
};

const DkmsVerbInfo dkms_verb_uninstall = {
  .name = "uninstall",
  .goal = DKMS_GOAL_NOT_INSTALLED,
  .arguments = "<module>/<version>",
  .summary = "Uninstall a module and restore the module that it replaced",
  .details = "The build is kept, and can be installed again.",
  .example = "dkms uninstall my-driver/1.0 -k 6.1.0-56-amd64",
  .positional = DKMS_WORD_MODULE,
  .options = DKMS_TAKES_MODULE | DKMS_TAKES (ALL) | DKMS_TAKES (CONF) | DKMS_TAKES (CHANGE) | DKMS_TAKES (DEPMOD),
  .takes_all = TRUE,
  .many_kernels = TRUE,
  .needs_root = TRUE,
  .needs_writable_tree = TRUE,
  .needs_tree = TRUE,
};

const DkmsVerbInfo dkms_verb_unbuild = {
  .name = "unbuild",
  .goal = DKMS_GOAL_NOT_BUILT,
  .arguments = "<module>/<version>",
  .summary = "Uninstall a module and delete its build",
  .details = "The module stays registered.",
  .example = "dkms unbuild my-driver/1.0 --all",
  .positional = DKMS_WORD_MODULE,
  .options = DKMS_TAKES_MODULE | DKMS_TAKES (ALL) | DKMS_TAKES (CONF) | DKMS_TAKES (CHANGE) | DKMS_TAKES (DEPMOD),
  .takes_all = TRUE,
  .many_kernels = TRUE,
  .needs_writable_tree = TRUE,
  .needs_tree = TRUE,
};

const DkmsVerbInfo dkms_verb_remove = {
  .name = "remove",
  .goal = DKMS_GOAL_GONE,
  .arguments = "<module>/<version>",
  .summary = "Uninstall, delete the build, and unregister",
  .details = "Works on the running kernel, on each kernel given with -k, or on all kernels with --all. The module is "
             "unregistered when no build of it is left. The source in the source tree is kept.",
  .example = "dkms remove my-driver/1.0 --all",
  .positional = DKMS_WORD_MODULE,
  .options = DKMS_TAKES_MODULE | DKMS_TAKES (ALL) | DKMS_TAKES (CONF) | DKMS_TAKES (CHANGE) | DKMS_TAKES (DEPMOD)
             | DKMS_TAKES (RPM),
  .takes_all = TRUE,
  .many_kernels = TRUE,
  .needs_writable_tree = TRUE,
  .needs_tree = TRUE,
};
