/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every verb and every option, once. */
#include <stddef.h>
#include <string.h>

#include "cli/cli.h"

#define BIT(verb) (1u << DKMS_VERB_##verb)
#define INWARD (BIT (ADD) | BIT (BUILD) | BIT (INSTALL))
#define OUTWARD (BIT (UNINSTALL) | BIT (UNBUILD) | BIT (REMOVE))
#define KERNEL_HOOKS (BIT (KERNEL_PREINST) | BIT (KERNEL_POSTINST) | BIT (KERNEL_PRERM))
#define BUILDING (BIT (BUILD) | BIT (INSTALL) | BIT (AUTOINSTALL) | BIT (MATCH) | BIT (KERNEL_POSTINST))
#define CHANGING (INWARD | OUTWARD | BIT (AUTOINSTALL) | BIT (MATCH) | BIT (MKTARBALL) | BIT (LDTARBALL) | KERNEL_HOOKS)
#define OF_A_MODULE (INWARD | OUTWARD | BIT (STATUS) | BIT (MATCH) | BIT (MKTARBALL))
#define ALL (CHANGING | BIT (STATUS) | BIT (GENERATE_MOK))

#define SOURCE_ARGUMENTS "<module>/<version> | <directory> | <dkms.conf> | <archive>"

static const DkmsVerbInfo verbs[] = {
  { .name = "add",
    .verb = DKMS_VERB_ADD,
    .arguments = SOURCE_ARGUMENTS,
    .summary = "Register a module's source with the tree",
    .details = "The source is <source tree>/<module>-<version> with its dkms.conf; a directory, a dkms.conf or an "
               "archive elsewhere is copied there first. With --force it replaces another source that is registered. "
               "Nothing is compiled yet.",
    .positional = DKMS_WORD_SOURCE,
    .many_kernels = TRUE,
    .needs_writable_tree = TRUE },
  { .name = "build",
    .verb = DKMS_VERB_BUILD,
    .arguments = SOURCE_ARGUMENTS,
    .summary = "Compile a module for one or more kernels",
    .details = "For the running kernel unless -k names others. A source that is not registered yet is added first. "
               "With --force a present build is made anew, and stays in place until the new one is ready.",
    .positional = DKMS_WORD_SOURCE,
    .many_kernels = TRUE,
    .needs_writable_tree = TRUE },
  { .name = "install",
    .verb = DKMS_VERB_INSTALL,
    .arguments = SOURCE_ARGUMENTS,
    .summary = "Put a module in place, building it first if need be",
    .details = "A module of the same name that came with the kernel is kept aside and comes back on uninstall. An "
               "older version than the kernel's own is refused, unless --force is given.",
    .positional = DKMS_WORD_SOURCE,
    .many_kernels = TRUE,
    .needs_root = TRUE,
    .needs_writable_tree = TRUE },
  { .name = "uninstall",
    .verb = DKMS_VERB_UNINSTALL,
    .arguments = "<module>/<version>",
    .summary = "Take an installed module away, restore what it replaced",
    .details = "What was compiled stays in the tree, ready to be installed again.",
    .positional = DKMS_WORD_MODULE,
    .takes_all = TRUE,
    .many_kernels = TRUE,
    .needs_root = TRUE,
    .needs_writable_tree = TRUE },
  { .name = "unbuild",
    .verb = DKMS_VERB_UNBUILD,
    .arguments = "<module>/<version>",
    .summary = "Uninstall, and delete what was compiled",
    .details = "The module stays registered.",
    .positional = DKMS_WORD_MODULE,
    .takes_all = TRUE,
    .many_kernels = TRUE,
    .needs_writable_tree = TRUE },
  { .name = "remove",
    .verb = DKMS_VERB_REMOVE,
    .arguments = "<module>/<version>",
    .summary = "Unbuild, and unregister when nothing is left",
    .details = "With --all for every kernel. The source in the source tree is never deleted.",
    .positional = DKMS_WORD_MODULE,
    .takes_all = TRUE,
    .many_kernels = TRUE,
    .needs_writable_tree = TRUE },
  { .name = "autoinstall",
    .verb = DKMS_VERB_AUTOINSTALL,
    .arguments = "",
    .summary = "Install the latest version of every module for a kernel",
    .details = "Takes the modules whose dkms.conf says AUTOINSTALL=yes, in the order of their BUILD_DEPENDS, several "
               "at a time. The file /etc/dkms/no-autoinstall switches it off.",
    .many_kernels = TRUE,
    .needs_root = TRUE,
    .needs_writable_tree = TRUE },
  { .name = "status",
    .verb = DKMS_VERB_STATUS,
    .arguments = "[<module>[/<version>]]",
    .summary = "Show what is added, built and installed",
    .details = "-k and -a leave out other kernels and architectures.",
    .positional = DKMS_WORD_MODULE,
    .takes_all = TRUE,
    .many_kernels = TRUE },
  { .name = "match",
    .verb = DKMS_VERB_MATCH,
    .arguments = "--templatekernel <kernel> [<module>]",
    .summary = "Install for a kernel what is installed for another one",
    .details = "The kernel is the running one, unless -k names another.",
    .positional = DKMS_WORD_MODULE,
    .needs_root = TRUE,
    .needs_writable_tree = TRUE },
  { .name = "mktarball",
    .verb = DKMS_VERB_MKTARBALL,
    .arguments = "<module>/<version>",
    .summary = "Pack sources and builds into an archive",
    .details = "For the running kernel, the kernels of -k, or with --all everything that is built. --archive names the "
               "file; its suffix chooses the compression. Without it the archive goes to the module's directory in "
               "the tree.",
    .positional = DKMS_WORD_MODULE,
    .takes_all = TRUE,
    .many_kernels = TRUE },
  { .name = "ldtarball",
    .verb = DKMS_VERB_LDTARBALL,
    .arguments = "<archive>",
    .summary = "Load sources and builds from an archive",
    .details = "Builds that are there already are kept, unless --force is given.",
    .positional = DKMS_WORD_FILE,
    .takes_all = TRUE,
    .many_kernels = TRUE,
    .needs_writable_tree = TRUE },
  { .name = "generate_mok",
    .verb = DKMS_VERB_GENERATE_MOK,
    .arguments = "",
    .summary = "Make the key pair that modules are signed with",
    .details = "Builds do it by themselves when no key is there. A key that exists is never overwritten. Secure Boot "
               "trusts the certificate after 'mokutil --import' and a reboot.",
    .takes_all = TRUE,
    .many_kernels = TRUE },
  { .name = "kernel_preinst",
    .verb = DKMS_VERB_KERNEL_PREINST,
    .arguments = "-k <kernel>",
    .summary = "Take builds away before a kernel is replaced",
    .details = "For the hooks of kernel packages. Takes those that kernel_postinst makes again.",
    .needs_root = TRUE,
    .needs_writable_tree = TRUE },
  { .name = "kernel_postinst",
    .verb = DKMS_VERB_KERNEL_POSTINST,
    .arguments = "-k <kernel>",
    .summary = "Autoinstall for a kernel that was installed",
    .details = "For the hooks of kernel packages.",
    .needs_root = TRUE,
    .needs_writable_tree = TRUE },
  { .name = "kernel_prerm",
    .verb = DKMS_VERB_KERNEL_PRERM,
    .arguments = "-k <kernel>",
    .summary = "Take all builds away before a kernel is removed",
    .details = "For the hooks of kernel packages.",
    .needs_root = TRUE,
    .needs_writable_tree = TRUE },
  { 0 },
};

const DkmsVerbInfo *
dkms_verbs (void)
{
  return verbs;
}

const DkmsVerbInfo *
dkms_verb_find (const char *name)
{
  for (const DkmsVerbInfo *v = verbs; v->name != NULL; v++)
    if (strcmp (v->name, name) == 0)
      return v;
  return NULL;
}

const char *
dkms_verb_dropped (const char *name)
{
  static const char debian[] = "To package a driver for Debian, use the debhelper add-on of the package dh-dkms.";
  static const char archive[]
      = "To carry builds to other machines, use 'dkms mktarball --binaries-only' and 'dkms ldtarball'.";
  static const char rpm[] = "To package a driver as rpm, let its spec file install the source and call 'dkms install'.";
  static const char *const table[][2] = { { "mkdeb", debian }, { "mkdsc", debian }, { "mkbmdeb", archive },
                                          { "mkrpm", rpm },    { "mkkmp", rpm },    { "mkdriverdisk", archive } };

  for (gsize i = 0; i < G_N_ELEMENTS (table); i++)
    if (strcmp (name, table[i][0]) == 0)
      return table[i][1];
  return NULL;
}

/* ---- what options do ---- */

static void
take_flag (DkmsOptions *options, const DkmsOptionInfo *self, const char *value, DkmsUi *ui)
{
  G_STRUCT_MEMBER (gboolean, options, self->field) = TRUE;
}

static void
take_text (DkmsOptions *options, const DkmsOptionInfo *self, const char *value, DkmsUi *ui)
{
  char **field = G_STRUCT_MEMBER_P (options, self->field);

  g_free (*field);
  *field = g_strdup (value);
}

/* Made absolute before anything changes directory. */
static void
take_path (DkmsOptions *options, const DkmsOptionInfo *self, const char *value, DkmsUi *ui)
{
  g_autofree char *full = g_canonicalize_filename (value, NULL);

  take_text (options, self, full, ui);
}

static void
take_module (DkmsOptions *options, const DkmsOptionInfo *self, const char *value, DkmsUi *ui)
{
  dkms_options_set_module (options, value);
}

static void
take_version (DkmsOptions *options, const DkmsOptionInfo *self, const char *value, DkmsUi *ui)
{
  dkms_options_set_version (options, value);
}

static void
take_kernel (DkmsOptions *options, const DkmsOptionInfo *self, const char *value, DkmsUi *ui)
{
  dkms_options_add_kernel (options, value);
}

/* Collects the values of an option in a GPtrArray. */
static void
take_another (DkmsOptions *options, const DkmsOptionInfo *self, const char *value, DkmsUi *ui)
{
  g_ptr_array_add (G_STRUCT_MEMBER (GPtrArray *, options, self->field), g_strdup (value));
}

/* What g_debug() is told appears. */
static void
take_debug (DkmsOptions *options, const DkmsOptionInfo *self, const char *value, DkmsUi *ui)
{
  (void)g_setenv ("G_MESSAGES_DEBUG", "all", TRUE);
}

static void
take_obsolete (DkmsOptions *options, const DkmsOptionInfo *self, const char *value, DkmsUi *ui)
{
  dkms_ui_deprecated (ui, "%s has no effect any more.", self->name);
}

#define FIELD(name) offsetof (DkmsOptions, name)

static const DkmsOptionInfo options[] = {
  { "-m", "--module", "<module>[/<version>]", take_module, 0, DKMS_WORD_MODULE, OF_A_MODULE, "Module, and version" },
  { "-v", "--module-version", "<version>", take_version, 0, DKMS_WORD_VERSION, OF_A_MODULE, "Version" },
  { "-k", "--kernelver", "<kernel>[/<arch>]", take_kernel, 0, DKMS_WORD_KERNEL, ALL,
    "Kernel release; several where the verb can take them" },
  { "-a", "--arch", "<arch>", take_another, FIELD (arches), DKMS_WORD_ARCH, ALL & ~BIT (GENERATE_MOK), "Architecture" },
  { NULL, "--all", NULL, take_flag, FIELD (all), DKMS_WORD_NONE, OUTWARD | BIT (MKTARBALL),
    "Every kernel that the module is built for" },
  { NULL, "--all-kernels", NULL, take_flag, FIELD (all_kernels), DKMS_WORD_NONE, BIT (AUTOINSTALL),
    "Every kernel that has headers" },
  { NULL, "--force", NULL, take_flag, FIELD (force), DKMS_WORD_NONE,
    BIT (ADD) | BIT (BUILD) | BIT (INSTALL) | BIT (LDTARBALL) | BIT (MATCH) | BIT (AUTOINSTALL),
    "Skip version checks and replace existing sources and builds" },
  { NULL, "--force-version-override", NULL, take_flag, FIELD (force_version_override), DKMS_WORD_NONE,
    BIT (INSTALL) | BIT (AUTOINSTALL) | BIT (MATCH), "Install whatever version the kernel brings" },
  { NULL, "--templatekernel", "<kernel>", take_text, FIELD (templatekernel), DKMS_WORD_KERNEL, BIT (MATCH),
    "The kernel to imitate" },
  { NULL, "--archive", "<file>", take_text, FIELD (archive), DKMS_WORD_FILE,
    BIT (ADD) | BIT (MKTARBALL) | BIT (LDTARBALL), "Archive to load, or to make" },
  { NULL, "--source-only", NULL, take_flag, FIELD (source_only), DKMS_WORD_NONE, BIT (MKTARBALL), "Pack no builds" },
  { NULL, "--binaries-only", NULL, take_flag, FIELD (binaries_only), DKMS_WORD_NONE, BIT (MKTARBALL),
    "Pack no sources" },
  { "-c", NULL, "<file>", take_path, FIELD (conf_file), DKMS_WORD_FILE, INWARD | OUTWARD | BIT (MKTARBALL),
    "Use this dkms.conf in place of the module's own" },
  { NULL, "--directive", "<NAME>=<value>", take_another, FIELD (directives), DKMS_WORD_TEXT, CHANGING,
    "Override a directive of dkms.conf; may be repeated" },
  { NULL, "--config", "<file>", take_path, FIELD (config), DKMS_WORD_FILE, BUILDING | BIT (ADD),
    "Kernel configuration to consult" },
  { NULL, "--kernelsourcedir", "<directory>", take_path, FIELD (kernelsourcedir), DKMS_WORD_DIRECTORY,
    BUILDING | BIT (ADD), "Kernel build directory, for all kernels of this run" },
  { "-j", NULL, "<n>", take_text, FIELD (jobs), DKMS_WORD_TEXT, BUILDING,
    "Jobs at once, those of all builds together; 0: no limit" },
  { NULL, "--no-depmod", NULL, take_flag, FIELD (no_depmod), DKMS_WORD_NONE,
    BIT (INSTALL) | BIT (AUTOINSTALL) | BIT (MATCH) | OUTWARD | KERNEL_HOOKS, "Do not run depmod" },
  { NULL, "--symlink-modules", NULL, take_flag, FIELD (symlink_modules), DKMS_WORD_NONE,
    BIT (INSTALL) | BIT (AUTOINSTALL) | BIT (MATCH) | BIT (KERNEL_POSTINST), "Install links in place of copies" },
  { NULL, "--modprobe-on-install", NULL, take_flag, FIELD (modprobe_on_install), DKMS_WORD_NONE,
    BIT (INSTALL) | BIT (AUTOINSTALL) | BIT (MATCH) | BIT (KERNEL_POSTINST),
    "Load the modules for this machine's hardware afterwards" },
  { NULL, "--rpm_safe_upgrade", NULL, take_flag, FIELD (rpm_safe_upgrade), DKMS_WORD_NONE,
    BIT (ADD) | BIT (INSTALL) | BIT (REMOVE), "For scriptlets of rpm packages" },
  { NULL, "--dkmstree", "<directory>", take_path, FIELD (dkmstree), DKMS_WORD_DIRECTORY, ALL,
    "The tree (/var/lib/dkms)" },
  { NULL, "--sourcetree", "<directory>", take_path, FIELD (sourcetree), DKMS_WORD_DIRECTORY, ALL,
    "Sources of modules (/usr/src)" },
  { NULL, "--installtree", "<directory>", take_path, FIELD (installtree), DKMS_WORD_DIRECTORY, ALL,
    "Modules of kernels (/lib/modules)" },
  { NULL, "--root", "<directory>", take_text, FIELD (root), DKMS_WORD_DIRECTORY, ALL,
    "Work on the system in that directory" },
  { NULL, "--dry-run", NULL, take_flag, FIELD (dry_run), DKMS_WORD_NONE, CHANGING,
    "Show what would be done, change nothing" },
  { NULL, "--verbose", NULL, take_flag, FIELD (verbose), DKMS_WORD_NONE, CHANGING,
    "Show command lines, and what they print" },
  { "-q", "--quiet", NULL, take_flag, FIELD (quiet), DKMS_WORD_NONE, ALL, "No output at all, not even of errors" },
  { NULL, "--debug", NULL, take_debug, 0, DKMS_WORD_NONE, ALL, "Tell what goes on inside" },
  { "-V", "--version", NULL, take_flag, FIELD (version_asked), DKMS_WORD_NONE, ALL, "Print the version" },
  { "-h", "--help", NULL, take_flag, FIELD (help), DKMS_WORD_NONE, ALL, "Print help, on a verb when one is given" },
  { NULL, "--no-initrd", NULL, take_obsolete, 0, DKMS_WORD_NONE, 0, NULL },
  { NULL, "--no-clean-kernel", NULL, take_obsolete, 0, DKMS_WORD_NONE, 0, NULL },
  { NULL, "--no-prepare-kernel", NULL, take_obsolete, 0, DKMS_WORD_NONE, 0, NULL },
  { 0 },
};

const DkmsOptionInfo *
dkms_option_infos (void)
{
  return options;
}

const DkmsOptionInfo *
dkms_option_find (const char *word)
{
  for (const DkmsOptionInfo *o = options; o->take != NULL; o++)
    if (g_strcmp0 (word, o->letter) == 0 || g_strcmp0 (word, o->name) == 0)
      return o;
  return NULL;
}
