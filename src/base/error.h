/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One error domain: a kind for code, a sentence for people, the object it happened to, the next step. */
#pragma once

#include <glib.h>

/* What went wrong. cli/exit-code.c alone knows which exit status each kind has (docs/interface/cli.md §9). */
typedef enum {
  DKMS_ERROR_IO,                /* a system call failed */
  DKMS_ERROR_USAGE,             /* the command line makes no sense */
  DKMS_ERROR_OPTION,            /* unknown option, or an option without its value */
  DKMS_ERROR_BAD_NAME,          /* a module, version or kernel name that cannot be a path component */
  DKMS_ERROR_NO_IDENTITY,       /* module or version missing */
  DKMS_ERROR_NO_PRIVILEGE,      /* root, or write permission, is needed */
  DKMS_ERROR_ARCH_COUNT,        /* number of arches fits not the number of kernels */
  DKMS_ERROR_KERNEL_WITH_ALL,   /* -k together with --all */
  DKMS_ERROR_ARCH_WITH_ALL,     /* -a together with --all */
  DKMS_ERROR_NO_SOURCE,         /* add: the source directory is missing */
  DKMS_ERROR_NOT_ADDED,         /* the module is not in the tree */
  DKMS_ERROR_ALREADY_ADDED,     /* add: it is in the tree */
  DKMS_ERROR_STALE_BUILD_DIR,   /* <k>/<a> exists without being a build */
  DKMS_ERROR_TWO_ACTIONS,       /* more than one action word */
  DKMS_ERROR_NO_OS_RELEASE,     /* neither os-release file exists */
  DKMS_ERROR_NO_CONF,           /* dkms.conf not readable */
  DKMS_ERROR_MANY_KERNELS,      /* the action takes exactly one kernel */
  DKMS_ERROR_BROKEN,            /* the source link leads nowhere */
  DKMS_ERROR_NO_ALL,            /* the action does not take --all */
  DKMS_ERROR_PATCH_NAME,        /* patch missing, or its name leaves patches/ */
  DKMS_ERROR_PATCH_FAILED,      /* patch does not apply */
  DKMS_ERROR_NO_KERNEL,         /* install: no such kernel directory */
  DKMS_ERROR_BUILT_MISSING,     /* install: a built module file is not there */
  DKMS_ERROR_COPY_FAILED,       /* install: could not copy the module file */
  DKMS_ERROR_NOTHING_INSTALLED, /* every module was refused */
  DKMS_ERROR_INCOMPLETE,        /* make succeeded and an expected module is absent */
  DKMS_ERROR_BAD_CONF,          /* dkms.conf invalid */
  DKMS_ERROR_EMPTY_SOURCE,      /* fewer than two entries in the source tree */
  DKMS_ERROR_TARBALL_KINDS,     /* --binaries-only with --source-only */
  DKMS_ERROR_NO_CONF_IN_TREE,   /* a source tree argument without dkms.conf */
  DKMS_ERROR_BAD_ARCHIVE,       /* an archive that is none, is unsafe, or has no dkms.conf */
  DKMS_ERROR_ARCHIVE_ADDED,     /* what an archive holds is in the tree, or other sources are in its place */
  DKMS_ERROR_NO_DESTINATION,    /* mktarball: the directory for the archive cannot be written */
  DKMS_ERROR_PACK_FAILED,       /* mktarball: nothing to pack, or packing failed */
  DKMS_ERROR_RPM,               /* rpm could not install the package that was given as archive */
  DKMS_ERROR_MAKE_FAILED,       /* make failed */
  DKMS_ERROR_AUTOINSTALL,       /* autoinstall: at least one module failed */
  DKMS_ERROR_NO_ARCH,           /* arch unknown */
  DKMS_ERROR_CLEARING,          /* kernel_preinst, kernel_prerm: at least one module could not be removed */
  DKMS_ERROR_DEPENDS,           /* BUILD_DEPENDS not installed */
  DKMS_ERROR_EMPTY_VALUE,       /* empty kernel or arch */
  DKMS_ERROR_NO_HEADERS,        /* kernel headers missing */
  DKMS_ERROR_EXCLUDED,          /* BUILD_EXCLUSIVE_* rejects every record: skipped, not failed */
  DKMS_ERROR_PRE_INSTALL,       /* PRE_INSTALL failed */
  DKMS_ERROR_SCRIPT,            /* another script failed; see dkms_error_get_status() */
  DKMS_ERROR_NO_TEMPLATE,       /* match without --templatekernel */
  DKMS_ERROR_SAME_TEMPLATE,     /* match of a kernel with itself */
  DKMS_ERROR_SANDBOX,           /* sandbox=strict, and it cannot be had */
  DKMS_ERROR_INTERRUPTED,       /* a signal ended the run; see dkms_error_get_status() */
  DKMS_ERROR_UNDETERMINED,      /* what was asked could not be found out */
  DKMS_ERROR_LAST
} DkmsError;

GQuark dkms_error_quark (void);
#define DKMS_ERROR (dkms_error_quark ())

/**
 * dkms_fail:
 * @error: where to put it, or NULL
 * @code: the kind
 * @path: (nullable): the file or directory it happened to
 * @advice: (nullable): what the user can do next, one sentence
 * @format: what failed, one sentence without full stop
 *
 * Always returns FALSE, so that a failing step is one statement.
 */
gboolean dkms_fail (GError **error, DkmsError code, const char *path, const char *advice, const char *format, ...)
    G_GNUC_PRINTF (5, 6);

/** As dkms_fail(), for a failed system call; the sentence is "cannot <doing> <path>: <errno in words>". Leaves errno
 * alone. */
gboolean dkms_fail_errno (GError **error, const char *doing, const char *path);

/** As dkms_fail() with DKMS_ERROR_SCRIPT; @status is the exit status that becomes ours. */
gboolean dkms_fail_script (GError **error, int status, const char *path, const char *advice, const char *format, ...)
    G_GNUC_PRINTF (5, 6);

/** As dkms_fail(), with everything given: for an error that another process reported. */
gboolean dkms_fail_full (GError **error, DkmsError code, int status, const char *path, const char *advice,
                         const char *message);

/** Returns: (transfer none): the name of the kind in JSON, such as "not-added"; "io" for foreign domains */
const char *dkms_error_name (const GError *error);
/** Returns: the kind of that name; DKMS_ERROR_IO if there is none */
DkmsError dkms_error_from_name (const char *name);

/** Gives @error another kind and keeps everything else. */
void dkms_error_set_code (GError *error, DkmsError code);
/** Adds a line to the advice of @error (nullable). */
void dkms_error_add_advice (GError *error, const char *line);

/** Returns: (transfer none) (nullable): what it happened to; NULL for foreign domains */
const char *dkms_error_get_path (const GError *error);
/** Returns: (transfer none) (nullable): what to do next */
const char *dkms_error_get_advice (const GError *error);
/** Returns: the exit status of a failed script, 0 if there was none */
int dkms_error_get_status (const GError *error);
