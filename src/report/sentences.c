/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sentences of all events, as templates (base/template.h). model/events.def lists the fields of each kind. */
#include "report/sentences.h"

#include <string.h>

#include "base/error.h"
#include "base/language.h"
#include "base/template.h"

typedef struct {
  DkmsVoice voice;
  const char *text;
} Sentence;

#define SENTENCE(kind, voice, text) [DKMS_EVENT_##kind] = { DKMS_VOICE_##voice, text }
/* A line that programs read. It is not translated. */
#define EXACT(kind, text) SENTENCE (kind, EXACT, text)

static const Sentence sentences[DKMS_EVENT_LAST] = {
  /* All rooms. */
  SENTENCE (ERROR, NOTE, "\nError! {error}.[\n{advice}]"),
  SENTENCE (ERROR_IGNORED, WARNING, "{error}."),
  SENTENCE (STEP_BEGUN, STEP_BEGUN, "{title}"),
  SENTENCE (STEP_ENDED, STEP_ENDED, ""),
  SENTENCE (LOG_GROWS, NONE, ""),
  SENTENCE (BLANK, LINE, ""),
  SENTENCE (EXCLUDED, WARNING, "{error}."),
  SENTENCE (TRANSLATED, NONE, ""),

  /* The scheduler. */
  SENTENCE (WORK_BEGUN, NONE, ""),
  SENTENCE (WORK_ENDED, NONE, ""),
  SENTENCE (WORK_PAUSED, NONE, ""),
  SENTENCE (PIECE_BEGUN, NONE, ""),
  SENTENCE (PIECE_BUSY, NONE, ""),
  SENTENCE (PIECE_DONE, NONE, "{title}"),
  SENTENCE (PIECE_DOUBTFUL, NONE, "{title}, but may not load"),
  SENTENCE (PIECE_FAILED, NONE, "{title}"),
  EXACT (LOGGED, "{module}/{version}[ for kernel {kernel} ({arch})]: {name}"),
  SENTENCE (WORKER_ENDED, NONE, ""),

  /* The command line and the settings. */
  SENTENCE (ARGUMENT_IGNORED, WARNING, "Ignoring the argument {name}."),
  SENTENCE (OPTION_WITHOUT_EFFECT, DEPRECATED, "{name} has no effect."),
  SENTENCE (SETTINGS_FILE_IGNORED, WARNING,
            "Ignoring {path}: it ends its shell by exit or exec.\n"
            "dkms sources the file. Replace exit by return."),
  SENTENCE (SETTING_OF_ROOT_IGNORED, WARNING,
            "{name} in {path} has no effect. For --root, /etc/dkms/framework.conf of this machine sets it."),
  SENTENCE (SETTING_UNKNOWN, WARNING, "{place} sets {name}, which is not a setting.[ Did you mean {text}?]"),
  SENTENCE (
      SIGN_TOOL_SET, WARNING,
      "{place} sets sign_tool, which no longer has an effect. Use sign_file, mok_signing_key and mok_certificate."),
  SENTENCE (COMMAND_NOT_EXECUTABLE, WARNING, "{name} in {place} names {text}, which is not an executable file."),
  SENTENCE (COMMAND_ABSENT, WARNING, "{name} in {place} names {text}, which does not exist."),
  SENTENCE (ENVIRONMENT_ABSENT, WARNING,
            "build_environment in {place} names {text}, which is not a file. Builds run without it."),
  SENTENCE (TREE_ABSENT, WARNING, "The tree {path} does not exist."),
  SENTENCE (KERNEL_ABSENT, WARNING, "Kernel {kernel} is not installed: {path} does not exist.[ Did you mean {text}?]"),
  SENTENCE (AUTOINSTALL_OFF, LINE, "{path} disables automatic installation."),

  /* Recipes. */
  SENTENCE (RECIPES_UNCONFINED, WARNING, "Evaluating recipes without a sandbox: {text}."),
  SENTENCE (RECIPE_PRINTED, NOTE, "{text}"),
  SENTENCE (RECIPE_SYNTAX, WARNING,
            "{place} contains a syntax error. Its directives from there on have no effect. Correct that line."),
  SENTENCE (RECIPE_PROBLEM, NOTE, "{place}: {text}"),
  SENTENCE (RECIPE_PLACEHOLDER, WARNING,
            "{name}=\"{text}\" in {place} is a placeholder that was not filled in.\n"
            "Use a release of the source, or create dkms.conf with its own build system first."),
  SENTENCE (
      RECIPE_WITH_HASH, WARNING,
      "{name}=\"{text}\" in {place} is a placeholder that was not filled in. Most versions of make cannot build in a "
      "directory with a '#' in its name.\n"
      "Use a release of the source, or create dkms.conf with its own build system first."),
  SENTENCE (RECIPE_LISTS_NOTHING, WARNING, "{path} does not list a module to build."),
  SENTENCE (DIRECTIVE_DEPRECATED, DEPRECATED, "{name} is obsolete and has no effect ({place})."),
  SENTENCE (OBSOLETE_BY_USED, DEPRECATED, "OBSOLETE_BY ({place}); use BUILD_EXCLUSIVE_KERNEL_MAX."),
  SENTENCE (DIRECTIVE_UNKNOWN, WARNING, "{place} sets {name}, which is not a directive. Did you mean {text}?"),
  EXACT (DIRECTIVE_GIVEN, "Directive: {name}=\"{text}\""),
  SENTENCE (SOURCE_GONE_SKIPPED, NOTE,
            "\nError! {module}/{version} is broken: its source does not exist. Skipping it."),
  SENTENCE (REBUILD_UNKNOWN, WARNING, "{error}. dkms does not know whether {module} must be rebuilt."),

  /* The tree. */
  SENTENCE (WAITING, NOTE, "Waiting for another dkms process working on {whom} (PID {text})"),
  SENTENCE (CHANGE_FINISHED, NOTE, "Completed the interrupted change of an earlier run"),
  SENTENCE (JOURNAL_ASIDE, WARNING,
            "{path} is not a journal of dkms. It was moved to {place}.\n"
            "If a command was interrupted before, check the output of 'dkms status', and repeat the command."),
  SENTENCE (REPLACED_LEFT, WARNING, "{error}. Delete the rest of the replaced files by hand: {path}"),
  SENTENCE (LEFT_OVER_STAYS, WARNING, "{error}. Delete this file or directory of an earlier run by hand: {path}"),
  SENTENCE (LEFT_OVERS_UNREAD, WARNING,
            "{error}. The next command tries again to delete scratch files of earlier runs."),

  /* Builds. */
  SENTENCE (BUILDING, LINE, "Building {module}/{version} for {kernel} ({arch})"),
  SENTENCE (REBUILDING, LINE, "Rebuilding {module}/{version} {reason}"),
  SENTENCE (BUILD_INCOMPLETE, LINE, "The build of {module}/{version} for {kernel} ({arch}) is incomplete."),
  SENTENCE (INSTALLED_COPY_STAYS, LINE, "The installed copy is kept. 'dkms install --force' replaces it."),
  SENTENCE (BUILDS_UNCONFINED, WARNING, "Building without a sandbox: {text}."),
  SENTENCE (DEPENDS_FORCED, WARNING,
            "{module}/{version} needs modules that are not installed: {text}. Continuing because of --force."),
  SENTENCE (ARCH_ALIAS, WARNING,
            "The architecture of kernel {kernel} is called {name}. dkms keeps builds for \"{arch}\" separately.\n"
            "Use -a {name}, or omit -a."),
  SENTENCE (ENVIRONMENT_UNREADABLE, WARNING, "Could not read the build environment {path}. Continuing without it."),
  SENTENCE (PROCESSES_LEFT, WARNING, "{title} of {module}/{version} left {text} running. They were killed."),
  SENTENCE (STRIP_FAILED, WARNING,
            "Could not strip all modules of {module}/{version}[ ({error})]. They keep their debugging data."),
  SENTENCE (COMPRESS_FAILED, WARNING, "Could not compress {path}[: {error}]. It is installed uncompressed."),
  SENTENCE (EXTRA_NOT_KEPT, WARNING, "Discarding {path}, which POST_BUILD left: it is not a regular file."),
  SENTENCE (STAYS_READ_ONLY, WARNING, "Cannot make {path} writable: {errno}."),
  SENTENCE (MAY_NOT_LOAD, WARNING, "{module}/{version} may not load in kernel {kernel}: {text}"),
  SENTENCE (LOG_NOT_COPIED, WARNING, "Could not keep a copy of make.log in {path}: {error}."),
  SENTENCE (FAILED_BUILD_NOT_KEPT, WARNING, "{error}. The files of the failed build were not kept."),
  SENTENCE (CACHE_TAKEN, LINE, "Taking the modules of {module}/{version} from the build cache."),
  SENTENCE (CACHE_RESULT, NONE, "{name}"),
  SENTENCE (CACHE_WAITING, LINE,
            "Another machine is building {module}/{version} for {kernel} ({arch}). Waiting for its result, at most "
            "{number} s."),
  SENTENCE (CACHE_OFF, LINE, "Builds are not cached: cache_dir in /etc/dkms/framework.conf is not set."),
  SENTENCE (CACHE_IS, LINE, "Directory  {path}\nBuilds     {number}, {text} MiB[ of {name} MiB]"),
  SENTENCE (CACHE_TAKEN_HERE, LINE, "This tree  {number} of {text} builds were taken from the cache"),
  SENTENCE (CACHE_PRUNED, LINE, "Deleted {number} files of the build cache."),
  EXACT (CACHE_KEY, "{name}  {module}/{version}, {kernel}, {arch}"),
  SENTENCE (CACHE_NO_KEY, LINE, "{module}/{version}, {kernel}, {arch}: not cached, because an input cannot be read"),
  SENTENCE (CACHE_NOT_USED, LINE, "{module}/{version}, {kernel}, {arch}: built without the cache"),
  SENTENCE (CACHE_WHY, LINE, "{module}/{version}, {kernel}, {arch}: changed: {text}"),
  SENTENCE (CACHE_VERIFYING, LINE, "Building {module}/{version} for {kernel} ({arch}) again"),
  SENTENCE (CACHE_VERIFIED, LINE, "{module}/{version}, {kernel}, {arch}: equal"),
  SENTENCE (
      CACHE_TYPES_DIFFER, LINE,
      "{module}/{version}, {kernel}, {arch}: {name}: only the type information (.BTF) differs, which does not count"),
  SENTENCE (CACHE_FILE_DIFFERS, LINE,
            "{module}/{version}, {kernel}, {arch}: {name}: the file differs, but the kernel loads the same"),
  SENTENCE (CACHE_PAYLOAD_DIFFERS, LINE, "{module}/{version}, {kernel}, {arch}: {name}: what the kernel loads differs"),
  SENTENCE (CACHE_NOT_COMPARED, LINE, "{module}/{version}, {kernel}, {arch}: not compared[: {text}]"),
  SENTENCE (CACHE_INPUTS_CHANGED, LINE,
            "{module}/{version}, {kernel}, {arch}: inputs that have changed since it was built: {text}"),
  SENTENCE (CACHE_SAME, LINE, "{module}/{version}, {kernel}, {arch}: nothing has changed"),
  SENTENCE (CACHE_SIGNING_KEY, LINE,
            "The key is in {path}, and its public key in {path}.pub.\n"
            "Machines that take builds signed with it need this line in /etc/dkms/cache-trust:"),
  EXACT (CACHE_TRUST_LINE, "trust {text}"),
  SENTENCE (CACHE_IGNORED, WARNING, "{error}"),
  SENTENCE (CACHE_AWAY, LINE, "The build cache {name} does not answer[ ({text})]; building here."),
  SENTENCE (CACHE_DENIED, WARNING,
            "The build cache {name} does not accept the credentials of this machine ({text}); building here."),
  SENTENCE (CACHE_SERVER, LINE, "Server     {path}[: {text}]"),
  SENTENCE (CACHE_SENT, LINE, "{module}/{version}, {kernel}, {arch}: sent to {name}"),
  SENTENCE (CACHE_NOT_HERE, LINE, "{module}/{version}, {kernel}, {arch}: not in the local build cache"),
  SENTENCE (KEPT_TAKEN, LINE, "Taking over the build that 'dkms forecast' made of {module}/{version}."),

  /* Signing. */
  SENTENCE (KEY_GENERATED, LINE, "Generating a new signing key and its certificate."),
  SENTENCE (CERTIFICATE_GENERATED, LINE, "Generating a certificate for the existing key."),
  SENTENCE (CERTIFICATE_KEPT, LINE, "The certificate {path} is kept as {place}."),
  SENTENCE (CERTIFICATE_TO_ENROL, LINE,
            "Under Secure Boot, kernels load the signed modules after the certificate is enrolled: sudo {text}"),
  SENTENCE (CERTIFICATE_ENROLLED, LINE, "Secure Boot: enabled, the certificate is enrolled"),
  SENTENCE (CERTIFICATE_OF_KERNEL, LINE, "Secure Boot: enabled, the certificate is that of the kernel"),
  SENTENCE (CERTIFICATE_NOT_ENROLLED, WARNING,
            "Secure Boot is enabled, and the certificate is not enrolled: the kernel does not load the modules. "
            "Run 'sudo dkms secureboot --enroll' and reboot."),
  SENTENCE (UNSIGNED_UNDER_SECURE_BOOT, WARNING, "Secure Boot is enabled: the kernel does not load unsigned modules."),
  SENTENCE (SECURE_BOOT_DISABLED, LINE, "Secure Boot: disabled"),
  SENTENCE (SIGNING_KEY, LINE, "Signing key: {path}"),
  SENTENCE (SIGNING_CERTIFICATE, LINE, "Certificate (MOK): {path}"),
  SENTENCE (SIGNING_TOOL, LINE, "Signing tool: {path}"),
  SENTENCE (NOT_SIGNING, LINE, "Modules will not be signed: {error}.[ {advice}]"),
  SENTENCE (SIGNING, LINE, "Signing {path}"),
  SENTENCE (SIGN_FAILED, WARNING, "Could not sign {path}. It stays unsigned: [{error}][{text}]"),
  SENTENCE (SIGNED_AGAIN, LINE, "Signed {module}/{version} for {kernel} ({arch})"),
  SENTENCE (
      IMAGE_OUTDATED, WARNING,
      "The boot image {path} still contains {name} with another signature.[ To make the image again, run '{text}'.]"),
  SENTENCE (INSTALLED_NOT_SIGNED, WARNING,
            "{path} is not the module that dkms installed. It stays as it is, and is not signed."),
  SENTENCE (SIGNER_REMARK, WARNING, "{text}"),

  /* Installation and removal. */
  SENTENCE (INSTALLING, LINE, "Installing {path}"),
  SENTENCE (ORIGINAL_ARCHIVED, LINE, "Archiving the original module {path}"),
  SENTENCE (ORIGINAL_RESTORED, LINE, "Restoring the original module {path}"),
  SENTENCE (ORIGINAL_STAYS, WARNING,
            "The original {path} came from {place}, which is not below {name}. It stays in the archive."),
  SENTENCE (ORIGINALS_DELETED, LINE, "Deleting the archived original modules of kernel {kernel}"),
  SENTENCE (DELETING, LINE, "Deleting {path}"),
  SENTENCE (NOTHING_TO_DELETE, LINE, "{name}.ko of this version was not found below {path}. Nothing to delete."),
  SENTENCE (KERNEL_DIRECTORY_GONE, LINE, "The kernel directory {path} no longer exists. Nothing to delete."),
  SENTENCE (OBSOLETE, NOTE,
            "{name}.ko is obsolete in kernel {kernel} (OBSOLETE_BY={text}). Use --force to install it nevertheless."),
  SENTENCE (NEWER_STAYS, NOTE,
            "\nError! {path} is newer than {name} of {module}/{version} and is kept[: version {text}, not {place}].\n"
            "To replace it: dkms install --force {module}/{version} -k {kernel}"),
  SENTENCE (
      SAME_STAYS, NOTE,
      "{path} has the same version[ ({text})] as {name} of {module}/{version} and is kept. Use --force to replace "
      "it."),
  SENTENCE (VERSIONS_NOT_COMPARED, WARNING, "{error}. Continuing without a comparison of versions."),
  SENTENCE (SIGNATURE_NOT_RECORDED, WARNING, "{error}. 'dkms status' will compare file contents instead."),
  SENTENCE (FORCED_BY_LIST, LINE, "{module} is installed with --force, because {path} lists it."),
  SENTENCE (VERSION_FORCED_BY_LIST, LINE, "{module} is installed regardless of its version, because {path} lists it."),
  SENTENCE (UNINSTALLING, LINE, "Uninstalling {module}/{version} from {kernel} ({arch})"),
  SENTENCE (REMOVING, NOTE, "Removing {module}/{version} for {kernel} ({arch})"),
  SENTENCE (BUILD_DELETED, LINE, "Deleting the build of {module}/{version} for {kernel} ({arch})"),
  SENTENCE (REMOVED, LINE, "Removed {module}/{version} from the tree."),
  SENTENCE (REMOVED_BUT_SOURCE, LINE, "Removed {module}/{version} from the tree; its source stays in {path}"),
  SENTENCE (INSTALLED_AGAIN, WARNING,
            "A script of {module}/{version} installed it again for {kernel} ({arch}). It is kept."),
  SENTENCE (SCRIPTS_WITHOUT_SOURCE, WARNING,
            "The source of {module}/{version} does not exist. Its scripts are not run."),
  SENTENCE (INSTALLED_ANYHOW, NOTE, "\nError! {error}. The modules are installed nevertheless."),
  SENTENCE (UNINSTALLED_ANYHOW, NOTE, "\nError! {error}. The modules are uninstalled nevertheless."),
  SENTENCE (STAYS_DURING_UPGRADE, WARNING,
            "{module}/{version} is kept: its package is being upgraded, and the new package has just registered it."),

  /* Scripts and other programs. */
  SENTENCE (SCRIPT_RUNS, LINE, "Running the {name} script:"),
  SENTENCE (SCRIPT_PRINTED, LINE, "{text}"),
  SENTENCE (SCRIPT_ABSENT, WARNING,
            "{name} ({place}) names the script {path}, which does not exist. Continuing without it."),
  SENTENCE (SCRIPT_NOT_EXECUTABLE, WARNING,
            "{name} ({place}) names the script {path}, which is not executable. Continuing without it."),
  SENTENCE (SCRIPT_EXCEEDED, WARNING, "{name} of {module}/{version} exceeded a limit: {text}."),
  SENTENCE (SCRIPT_NOEXEC, WARNING, "{path} cannot be run, because its file system is mounted noexec."),
  SENTENCE (DEPMOD_FAILED, WARNING,
            "'{text}' failed[: {error}]. The modules are in place. The next dkms command tries again."),
  SENTENCE (DEPMOD_NOT_FLUSHED, WARNING, "Cannot flush the indexes of depmod in {path}: {errno}."),
  SENTENCE (DEPMOD_DEFERRED, WARNING,
            "{error}. The modules are in place. The next dkms command runs depmod for {kernel}."),
  SENTENCE (DEPMOD_ANYHOW, WARNING, "{error}. Running depmod nevertheless."),
  SENTENCE (DEPMOD_AGAIN, WARNING, "{error}. The next dkms command runs depmod for {kernel} again."),
  SENTENCE (DEPMOD_WITHOUT_STUBS, LINE, "Running depmod without stubs: {error}"),
  SENTENCE (DEPMOD_UNKNOWN, WARNING,
            "{error}. dkms does not know whether depmod is due. The next dkms command checks again."),
  SENTENCE (POST_TRANSACTION_UNREAD, WARNING, "{error}. The post-transaction command was not run."),
  SENTENCE (POST_TRANSACTION_NO_LOG, WARNING,
            "Cannot write {path}: {errno}. The post-transaction command was not run."),

  /* Archives. */
  SENTENCE (PACKING, LINE, "Packing {module}/{version} into {path}"),
  SENTENCE (BUILD_LOADED, LINE, "Loaded the build of {module}/{version} for {kernel} ({arch})"),
  SENTENCE (BUILD_STAYS, WARNING,
            "{module}/{version} for kernel {kernel} ({arch}) is already built and is kept. Use --force to replace it."),
  SENTENCE (ARCHIVE_DIFFERS, WARNING, "{path} of the archive differs from its record."),

  /* Registration. */
  SENTENCE (ADDED, LINE, "Added {module}/{version}, source in {path}"),
  SENTENCE (SOURCE_REPLACED, LINE, "Replaced {module}/{version}, source in {path}"),
  SENTENCE (ADDED_AS, WARNING, "{place} names {name}/{text}. It is added as {module}/{version}."),
  SENTENCE (PACKAGE_OVERWRITTEN, WARNING,
            "{path} belongs to the package {name}. Its files are replaced because of --force."),
  SENTENCE (SOURCE_EXISTS, WARNING, "{path} already exists: {text}."),
  SENTENCE (BUILDS_UNREAD, WARNING, "{error}. There may be builds of {module}/{version} from the earlier source."),
  SENTENCE (STALE_BUILDS, LINE, "Still built from the earlier source for: {text}"),
  SENTENCE (REGISTERED, LINE, "{module}/{version} is already registered, from the same source."),

  /* common.postinst. */
  SENTENCE (REGISTERING, LINE, "Registering {module}/{version}"),
  SENTENCE (OLD_REGISTRATION_REMOVED, LINE, "Removing the old registration of {module}/{version}"),
  SENTENCE (READY_MADE_NOT_LOADED, NOTE,
            "\nError! {path} could not be loaded.\nReinstall the package that it belongs to."),
  SENTENCE (NONE_READY_MADE, LINE, "The package contains only ready-made modules, and none for kernel {kernel}."),
  SENTENCE (RUNNING_KERNEL_ABSENT, LINE,
            "The running kernel {kernel} is not installed here. This looks like a chroot or an image."),
  SENTENCE (INSTALLATION_KERNEL, LINE, "Nothing is built for the installation kernel {kernel}."),
  SENTENCE (KERNELS_CHOSEN, LINE, "Building for {text}[, architecture {name}]"),
  SENTENCE (HEADERS_ABSENT, LINE, "The headers of kernel {kernel} are missing. Nothing is built for it."),
  SENTENCE (ALL_HEADERS_ABSENT, WARNING,
            "no kernel headers are installed, so nothing is built for {module}/{version}."),
  SENTENCE (AUTOINSTALL_NOT_WANTED, LINE,
            "{module}/{version} does not set AUTOINSTALL in dkms.conf. Nothing is built."),
  SENTENCE (NOT_INSTALLED_FOR, NOTE,
            "\n{module}/{version} is not installed for: {text}\n"
            "See the reasons above. 'dkms status' shows the state."),

  /* Plans. */
  SENTENCE (PLAN_STEP, LINE, "{name}[ {module}/{version}][ {kernel}][ {arch}][: {reason}]"),
  SENTENCE (PLAN_FAILS, LINE, "fail: {reason}"),
  SENTENCE (PLAN_DEFERS, LINE, "defer: {reason}"),
  SENTENCE (PLAN_EMPTY, LINE, "Nothing to do."),
  SENTENCE (REMARK, LINE, "{module}/{version} for {kernel} ({arch}): {reason}"),
  SENTENCE (DEFERRED, LINE, "Deferred: {reason}"),
  SENTENCE (SIGN_EMPTY, LINE, "No build is selected."),
  SENTENCE (PRUNE_EMPTY, LINE, "No build is for a kernel that is not installed."),
  SENTENCE (HOPELESS, NOTE, "{reason}"),
  SENTENCE (CYCLE, WARNING, "{module}/{version} cannot be rebuilt: it and its dependencies need each other."),
  SENTENCE (AUTOINSTALL_DONE, LINE, "Autoinstall on {kernel} succeeded for: {text}"),
  SENTENCE (AUTOINSTALL_DOUBTFUL, WARNING,
            "Kernel {kernel} may not load the installed modules of: {text}. 'dkms verify -k {kernel}' explains why."),
  SENTENCE (AUTOINSTALL_SKIPPED, LINE, "Autoinstall on {kernel} was skipped for: {text}"),
  SENTENCE (AUTOINSTALL_FAILED, LINE, "Autoinstall on {kernel} failed for: {text}"),
  SENTENCE (BUILD_EXPLAINED, LINE, "[  {text}\n]  {place}"),

  /* Reasons. */
  SENTENCE (ALREADY_BUILT, NONE, "already built"),
  SENTENCE (ALREADY_SIGNED, NONE, "already signed"),
  SENTENCE (ALREADY_INSTALLED, NONE, "already installed"),
  SENTENCE (INSTALLED_FROM_EARLIER_SOURCE, NONE, "already installed, from an earlier source; --force replaces it"),
  SENTENCE (NOT_INSTALLED, NONE, "not installed"),
  SENTENCE (NOT_BUILT, NONE, "not built"),
  SENTENCE (DEPENDENCY_CHANGED, NONE, "because {name} changed from version {text} to {place}"),
  SENTENCE (INPUTS_CHANGED, NONE, "because of changes since its build: {text}"),
  SENTENCE (NEEDS_MISSING, NONE, "{module}/{version} needs modules that are not installed and will not be: {text}"),
  SENTENCE (NEEDS_UNKNOWN, NONE, "{module}/{version} needs modules that are not registered: {text}"),
  SENTENCE (UNREADABLE, NONE, "{module}[/{version}]: {error}"),

  /* status. */
  EXACT (STATUS_ADDED, "{module}/{version}: added"),
  EXACT (STATUS_BROKEN, "{module}/{version}: broken"),
  SENTENCE (STATUS_SOURCE_GONE, NOTE,
            "\nError! The source of {module}/{version}, {path}, does not exist.\n"
            "Restore that directory (reinstall its package), or run: dkms remove {module}/{version} --all"),
  EXACT (STATUS_BUILD, "{module}/{version}, {kernel}, {arch}: {name}[{remarks}][ (stale: {place})]"),
  SENTENCE (STATUS_MADE, NONE, "{place}"),
  EXACT (STATUS_WEAK, "{module}, {version}, {kernel}, {arch}: installed-weak from {place}"),
  SENTENCE (STATUS_KERNEL, NONE, ""),
  SENTENCE (STATUS_REMARK, NONE, ""),
  SENTENCE (STATUS_LEGEND, LINE, "* runs now, > boots next"),
  SENTENCE (STATUS_RECIPE_UNREAD, NOTE, "{module}/{version}: {error}"),
  SENTENCE (
      STATUS_CHANGE_PENDING, NOTE,
      "A change was interrupted and is incomplete. The next dkms command that changes the tree completes or undoes "
      "it."),
  SENTENCE (STATUS_UNKNOWN, WARNING, "{module} is not registered.[ Did you mean {text}?]"),
  SENTENCE (STATUS_HIDDEN, WARNING,
            "Cannot access {text}. Differences between built and installed modules are not shown.\n"
            "Run 'dkms status' as root to see them."),

  /* explain, log and report. */
  SENTENCE (EXPLAIN_SENTENCE, LINE, "{text}"),
  SENTENCE (EXPLAIN_LINE, LINE, "  {text}"),
  SENTENCE (EXPLAIN_LOOKED, LINE, "  {text}"),
  SENTENCE (EXPLAIN_LOG_ENDS, LINE, "The log ends with:"),
  SENTENCE (EXPLAIN_NEXT, LINE, "What to do: {text}"),
  SENTENCE (EXPLAIN_ALSO, LINE, "Also in the log: {text} ({name})"),
  SENTENCE (EXPLAIN_CAUSE, LINE, "Cause: {name}"),
  SENTENCE (EXPLAIN_LOG, LINE, "Log: {text} (build of {place}[, {title}])"),
  SENTENCE (EXPLAIN_OTHER, LINE, "Another build that failed: {text}"),
  SENTENCE (EXPLAIN_SUCCEEDED, LINE, "The last build of {module}/{version} for kernel {kernel} ({place}) succeeded."),
  SENTENCE (EXPLAIN_NOTHING, LINE, "No log of a failed build[ of {module}] exists."),
  SENTENCE (ATTEMPT_LISTED, LINE, "{place}  {module}/{version}, {kernel}, {arch}: {title}[ ({cause})][, {seconds} s]"),
  SENTENCE (ATTEMPTS_NONE, LINE, "No build[ of {module}] was tried."),
  SENTENCE (REPORT_TEXT, LINE, "{text}"),
  SENTENCE (REPORT_WRITTEN, LINE, "Wrote {path}"),
  SENTENCE (
      REPORT_ADVICE, NOTE,
      "Read the report before you send it. dkms replaces only the names, addresses and secrets that it recognises."),
  SENTENCE (EXPLAIN_PAGE, LINE, "{name} ({text})"),
  SENTENCE (EXPLAIN_PAGE_TEXT, LINE, "{text}"),
  SENTENCE (EXPLAIN_FAULT, LINE, "{name}: a fault that 'dkms doctor' finds"),
  SENTENCE (EXPLAIN_FINDING, LINE, "{name}: a finding of 'dkms verify', check {cause}"),

  /* verify. */
  SENTENCE (VERIFY_KERNEL, NONE, ""),
  SENTENCE (VERIFY_BOOT, NONE, ""),
  SENTENCE (VERIFY_INITRD, NONE, ""),
  SENTENCE (VERIFY_POLICY, NONE, ""),
  SENTENCE (VERIFY_TRUSTED, NONE, ""),
  SENTENCE (VERIFY_MODULE, NONE, ""),
  SENTENCE (VERIFY_FILE, NONE, ""),
  SENTENCE (VERIFY_FINDING, NONE, ""),
  SENTENCE (VERIFY_NEXT, LINE, "Next boot: {kernel} ({name}[, {text}])\n"),
  SENTENCE (VERIFY_GUESSED, LINE,
            "Next boot: probably {kernel}, the newest kernel[: the boot menu {path} could not be read]\n"),
  SENTENCE (VERIFY_OTHER, LINE, "Kernel {kernel}:\n"),
  SENTENCE (VERIFY_EXCLUDED, LINE, "{label}  {text}"),
  SENTENCE (VERIFY_LOADS, LINE, "{label}  loads"),
  SENTENCE (VERIFY_WARNING, LINE, "{label}  loads, warning: {text}[\n{indent}{place}]"),
  SENTENCE (VERIFY_UNKNOWN, LINE, "{label}  unknown: {text}[\n{indent}{place}]"),
  SENTENCE (VERIFY_PROBLEM, LINE, "{label}  PROBLEM: {text}[\n{indent}{place}]"),
  SENTENCE (VERIFY_DETAIL, LINE, "  {name}: {answer}[ ({path})]"),
  SENTENCE (VERIFY_DETAIL_FINDING, LINE, "    {text} ({name})"),
  SENTENCE (VERIFY_NONE, LINE, "No module is expected in {kernel}[, which boots next ({name})]."),
  SENTENCE (VERIFY_ONE_LOADS, LINE, "The module loads in {kernel}[, which boots next ({name})]."),
  SENTENCE (VERIFY_ALL_LOAD, LINE, "{text} modules load in {kernel}[, which boots next ({name})]."),
  SENTENCE (VERIFY_CHECKED, LINE, "Checked at {text}."),
  SENTENCE (VERIFY_OUTDATED, LINE, "Checked at {text}. Something has changed since; 'dkms verify' checks again."),
  SENTENCE (VERIFY_RECORDED, NONE, "{module}/{version} will not be there after a boot of {kernel}: {text}"),
  EXACT (VERIFY_MONITOR, "DKMS {name} - {problems} modules will not load | {text}"),

  /* secureboot. */
  SENTENCE (SECURE_STATE, NONE, ""),
  SENTENCE (SECURE_KERNEL, NONE, ""),
  SENTENCE (SECURE_DIGEST, NONE, ""),
  SENTENCE (SECURE_KEY, NONE, ""),
  SENTENCE (SECURE_CERTIFICATE, NONE, ""),
  SENTENCE (SECURE_FILE, NONE, ""),
  SENTENCE (SECURE_TEST, NONE, ""),
  SENTENCE (SECURE_BOOT_IS, LINE, "Secure Boot     {text}"),
  SENTENCE (SECURE_KERNEL_IS, LINE, "Kernel          {kernel} {text}"),
  SENTENCE (SECURE_KEY_IS, LINE, "Key             {path}, {text}"),
  SENTENCE (SECURE_ENROLMENT_IS, LINE, "Enrolment       {text}"),
  SENTENCE (SECURE_TEST_IS, LINE, "Test            {text}"),
  SENTENCE (SECURE_MODULES_ARE, LINE, "Modules         {text}"),
  SENTENCE (SECURE_ENROLS, LINE,
            "Enrolling       {path}, \"{name}\"\nSHA-256         {text}\nInvent a password. The next boot asks for it "
            "before it enrols the certificate."),
  SENTENCE (SECURE_WARNING, WARNING, "{text}."),
  SENTENCE (SECURE_NEXT, LINE, "What to do: {text}"),

  /* forecast. */
  SENTENCE (FORECAST_PLANNED, NONE, ""),
  SENTENCE (FORECAST_KERNEL, NONE, ""),
  SENTENCE (FORECAST_PACKAGE, NONE, ""),
  SENTENCE (FORECAST_MODULE, NONE, ""),
  SENTENCE (FORECAST_CAUSE, NONE, ""),
  SENTENCE (FORECAST_OFFER, LINE, "Offered: {kernel} ({text}[, {place}]).[ The headers were fetched ({name}).]"),
  SENTENCE (FORECAST_GIVEN, LINE, "Kernel {kernel}, with the given headers:"),
  SENTENCE (FORECAST_MISSING, LINE, "Offered: {kernel} ({text}). Its headers are missing.[ {place}]"),
  SENTENCE (FORECAST_BUILDS, LINE, "{label}  builds[ ({seconds} s)]"),
  SENTENCE (FORECAST_FAILS, LINE, "{label}  FAILS: {text}[\n{indent}Log: {place}]"),
  SENTENCE (FORECAST_FAILS_AGAIN, LINE,
            "{label}  FAILS: {text}[\n{indent}Log: {place}]\n{indent}It failed before with the same inputs. --force "
            "tries again."),
  SENTENCE (FORECAST_EXCLUDED, LINE, "{label}  excluded: {text}"),
  SENTENCE (FORECAST_UNKNOWN, LINE, "{label}  unknown: {text}"),
  SENTENCE (FORECAST_NONE, LINE, "No module would be built for {kernel}."),
  SENTENCE (FORECAST_NOTHING, LINE, "Nothing newer is offered."),
  SENTENCE (FORECAST_HOLD, LINE, "To keep the present kernel until {text} can be built: {place}"),
  SENTENCE (FORECAST_TRIES, LINE, "Trying whether the modules of dkms build for {kernel}..."),
  SENTENCE (FORECAST_WARNS, WARNING, "{error}."),

  /* matrix. */
  SENTENCE (MATRIX_JOB, LINE, "{module}/{version}/{kernel}/{arch}@{place}: {name}[ ({seconds} s)][: {text}]"),
  SENTENCE (MATRIX_KEPT, LINE, "{module}/{version}/{kernel}/{arch}@{place}: {name} by an earlier run"),
  SENTENCE (MATRIX_LISTED, NONE, ""),
  EXACT (MATRIX_TEXT, "{text}"),
  SENTENCE (MATRIX_REPORT, NONE, ""),
  SENTENCE (MATRIX_MISSING, NONE, ""),
  SENTENCE (MATRIX_UNREADABLE, NONE, ""),
  SENTENCE (MATRIX_DIFFERS, NONE, ""),
  /* Answers of doctor. */
  SENTENCE (DOCTOR_FINDING, NONE, ""),
  SENTENCE (DOCTOR_ATTIC, NONE, ""),
  SENTENCE (DOCTOR_DATA, NONE, ""),
  SENTENCE (DOCTOR_LINE, LINE, "{name}  {place}  {text}"),
  SENTENCE (DOCTOR_WOULD, LINE, "{name}  would: {text}"),
  SENTENCE (DOCTOR_WOULD_IF, LINE, "{name}  would, if you consent: {text}"),
  SENTENCE (DOCTOR_WOULD_FOR_GOOD, LINE, "{name}  would (cannot be undone): {text}"),
  SENTENCE (DOCTOR_TODO, LINE, "{name}  to do: {text}"),
  SENTENCE (DOCTOR_ASK, LINE, "\n{name}, {path}: {text}? (y/N/a)"),
  SENTENCE (DOCTOR_ASK_ONE, LINE, "\n{name}, {path}: {text}? (y/N)"),
  SENTENCE (DOCTOR_FIXED, LINE, "Repaired: {name}, {place}."),
  SENTENCE (DOCTOR_NOT_FIXED, WARNING, "{name}, {place} was not repaired: {error}."),
  SENTENCE (DOCTOR_KEPT, LINE, "'dkms doctor --undo={name}' takes it back."),
  SENTENCE (DOCTOR_UNDONE, LINE, "Repair {name} was taken back: {text}, {place}."),
  SENTENCE (DOCTOR_BUSY, WARNING, "{module} was not examined, because a running dkms works on it."),
  SENTENCE (DOCTOR_SOUND, LINE, "No problem was found[; warnings: {warnings}]."),
};

DkmsVoice
dkms_sentence_voice (DkmsEventKind kind)
{
  return sentences[kind].voice;
}

const char *
dkms_sentence_template (DkmsEventKind kind)
{
  return sentences[kind].text;
}

/* ---- filling in ---- */

/* Returns: (transfer full): the remarks of a line of status (docs/interface/tree.md §6) */
static char *
status_remarks (const char *tokens)
{
  static const char *const remarks[][2] = {
    { "originals", " (Original modules exist)" },
    { "missing", " (Built modules are missing in the kernel modules folder)" },
    { "differs", " (Differences between built and installed modules)" },
    { "gone", " (The kernel is not installed)" },
  };
  GString *out = g_string_new (NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (remarks); i++)
    if (strstr (tokens, remarks[i][0]) != NULL)
      g_string_append (out, remarks[i][1]);
  return g_string_free (out, FALSE);
}

/* Returns: (transfer full): "module/version", filled up to the width of all labels */
static char *
label (const DkmsEvent *event)
{
  g_autofree char *text = g_strjoin ("/", event->id.module, event->id.version, NULL);
  int blanks = event->number - (int)g_utf8_strlen (text, -1);

  return g_strdup_printf ("%s%*s", text, MAX (blanks, 0), "");
}

/* Returns: (transfer full) (nullable): the field @name of an event; see also the table above */
static char *
field (gconstpointer subject, const char *name)
{
  const DkmsEvent *event = subject;
  const struct {
    const char *name, *value;
  } fields[] = {
    { "module", event->id.module },
    { "version", event->id.version },
    { "kernel", event->id.kernel },
    { "arch", event->id.arch },
    { "path", event->path },
    { "place", event->place },
    { "name", event->name },
    { "title", event->name }, /* if it consists of words */
    { "text", event->text },
    { "cause", event->text }, /* if it is a name */
    { "answer", event->text },
    { "error", event->error != NULL ? event->error->message : NULL },
    { "advice", dkms_error_info (event->error)->advice },
    { "errno", event->number != 0 ? g_strerror (event->number) : NULL },
    { "whom", event->id.module != NULL ? event->id.module : N_ ("the tree") },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (fields); i++)
    if (strcmp (fields[i].name, name) == 0)
      return g_strdup (fields[i].value);
  if (strcmp (name, "reason") == 0)
    return event->reason != NULL ? dkms_sentence_for (event->reason) : NULL;
  if (strcmp (name, "seconds") == 0)
    return event->seconds > 0 ? g_strdup_printf ("%.1f", event->seconds) : NULL;
  if (strcmp (name, "remarks") == 0)
    return event->text != NULL ? status_remarks (event->text) : NULL;
  if (strcmp (name, "problems") == 0 || strcmp (name, "number") == 0)
    return g_strdup_printf ("%d", event->number);
  if (strcmp (name, "warnings") == 0)
    return event->number > 0 ? g_strdup_printf ("%d", event->number) : NULL;
  if (strcmp (name, "label") == 0)
    return label (event);
  if (strcmp (name, "indent") == 0)
    return g_strnfill ((gsize)MAX (event->number, 0) + 2, ' ');
  g_assert_not_reached (); /* tests/unit/test-sentences.c fills in every sentence */
}

char *
dkms_sentence_shown (const DkmsEvent *event)
{
  g_autofree char *english = dkms_sentence_for (event);
  gboolean exact = dkms_sentence_voice (event->kind) == DKMS_VOICE_EXACT;

  return exact ? g_steal_pointer (&english) : g_strdup (_ (english));
}

char *
dkms_sentence_for (const DkmsEvent *event)
{
  return dkms_template_fill (sentences[event->kind].text, "", field, event);
}
