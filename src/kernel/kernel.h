/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One kernel that modules are built for: its headers and its configuration. */
#pragma once

#include "base/id.h"
#include "base/root.h"

typedef struct {
  char *release;    /* as `uname -r` prints it */
  char *arch;       /* as `uname -m` prints it */
  char *dir;        /* <install_tree>/<release>, inside the root */
  char *source_dir; /* kernel build directory as tools name it */
  char *config;     /* configuration file as tools name it */
} DkmsKernel;

/**
 * dkms_running_release:
 * As `uname -r` prints it. If PATH contains another uname before that of the system, it is run: image builders install
 * one that prints the kernel of the image.
 *
 * Returns: (transfer none)
 */
const char *dkms_running_release (void);
/** As dkms_running_release(), for `uname -m`. */
const char *dkms_running_machine (void);

/**
 * dkms_kernel_new:
 * @source_dir: (nullable): value of --kernelsourcedir, inside the root
 * @config: (nullable): value of --config, inside the root
 *
 * In a root that is not the host's, headers without a build link are found in /usr/src/linux-headers-<release> and
 * /usr/src/kernels/<release>. A root without a shell uses tools of the host. If it has no headers for the release, the
 * build link and these places of the host are used.
 *
 * Returns: (transfer full)
 */
DkmsKernel *dkms_kernel_new (const DkmsRoot *root, const char *install_tree, const DkmsId *id, const char *source_dir,
                             const char *config);
void dkms_kernel_free (DkmsKernel *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsKernel, dkms_kernel_free)

/** Returns: (transfer full): the path with which dkms can open @tool_path, a path as tools name it */
char *dkms_kernel_openable (const DkmsRoot *root, const char *tool_path);
/** Opens the file @tool_path, a path as tools name it, for reading. Returns: a descriptor that the caller owns, or -1
 * with errno */
int dkms_kernel_open_file (const DkmsRoot *root, const char *tool_path);
/** Returns: (transfer full) (nullable): @tool_path, a path as tools name it, with all links resolved; NULL if it does
 * not exist */
char *dkms_kernel_real_path (const DkmsRoot *root, const char *tool_path);
/** Returns: (transfer full) (nullable): the first line that the program @path, as tools of this root name it, prints
 * with
 * @option; NULL if it fails. For a root without a shell, it is a program of the host */
char *dkms_kernel_ask_tool (const DkmsRoot *root, const char *path, const char *option);
/** Returns: (transfer full) (nullable): the file of @program, a name or an absolute path, as tools of this root find it
 * with the PATH @path (nullable: /usr/bin:/bin); NULL: none */
char *dkms_kernel_find_tool (const DkmsRoot *root, const char *path, const char *program);
/** Returns: whether the build directory has `include` */
gboolean dkms_kernel_has_headers (const DkmsKernel *self, const DkmsRoot *root);
/** Returns: (transfer full): releases in @install_tree, by byte order; with @headers only those with headers */
GPtrArray *dkms_kernel_list (const DkmsRoot *root, const char *install_tree, gboolean headers);
/** Returns: whether the kernel @release is not installed: its directory does not exist, or contains nothing that its
 * package, its headers or its build have left */
gboolean dkms_kernel_is_gone (const DkmsRoot *root, const char *install_tree, const char *release);
/**
 * dkms_kernel_near:
 * @word: a wrong release, or the name of a kernel image, a package or a directory that contains a release
 *
 * Returns: (transfer full) (nullable): the release in @install_tree that the user probably meant
 */
char *dkms_kernel_near (const DkmsRoot *root, const char *install_tree, const char *word);
/** Returns: (transfer full) (nullable): text of the configuration that the package of the kernel installs, in /boot or
 * beside its modules; NULL if it does not exist or cannot be read, which is noted (base/unread.h) */
char *dkms_kernel_read_installed_config (const DkmsKernel *self, const DkmsRoot *root);
/** Returns: (transfer full) (nullable): text of the configuration file, NULL if it does not exist */
char *dkms_kernel_read_config (const DkmsKernel *self, const DkmsRoot *root);
/** Returns: (transfer full) (nullable): text of the file @name of the build directory, NULL if it does not exist */
char *dkms_kernel_read_built (const DkmsKernel *self, const DkmsRoot *root, const char *name);
/** Returns: whether a line of @config starts with @name=y or @name=m */
gboolean dkms_kernel_config_has (const char *config, const char *name);
/** Returns: (transfer full) (nullable): the value of @name in @config (may be NULL), without quotes */
char *dkms_kernel_config_value (const char *config, const char *name);
/** Returns: "", ".gz", ".xz" or ".zst": the compression of the kernel's own modules (docs/interface/build-install.md
 * §1) */
const char *dkms_kernel_compression (const DkmsKernel *self, const DkmsRoot *root);
/** Returns: whether custom and default make commands get LLVM=1 (docs/interface/dkms-conf.md §8) */
gboolean dkms_kernel_is_llvm (const DkmsKernel *self, const DkmsRoot *root, const char *config);
/** Returns: (transfer full): @env with CC, KERNEL_CC, LD, KERNEL_LD as docs/interface/build-install.md §3 chooses,
 * among the programs in its PATH */
char **dkms_kernel_compiler_env (const DkmsKernel *self, const DkmsRoot *root, const char *config, char **env);
