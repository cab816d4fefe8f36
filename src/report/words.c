/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sentences of all events, as templates (base/template.h). model/events.def lists the fields of each kind. */
#include "report/words.h"

#include <string.h>

#include "base/error.h"
#include "base/template.h"

typedef struct {
  DkmsVoice voice;
  const char *text;
} Words;

#define WORDS(kind, voice, text) [DKMS_EVENT_##kind] = { DKMS_VOICE_##voice, text }

static const Words words[DKMS_EVENT_LAST] = {
  /* All rooms. */
  WORDS (ERROR, NOTE, "\nError! {error}.[\n{advice}]"),
  WORDS (ERROR_IGNORED, WARNING, "{error}."),
  WORDS (STEP_BEGUN, STEP_BEGUN, "{name}"),
  WORDS (STEP_ENDED, STEP_ENDED, ""),
  WORDS (LOG_GROWS, NONE, ""),
  WORDS (BLANK, LINE, ""),
  WORDS (EXCLUDED, WARNING, "{error}."),

  /* The scheduler. */
  WORDS (WORK_BEGUN, NONE, ""),
  WORDS (WORK_ENDED, NONE, ""),
  WORDS (PIECE_BEGUN, NONE, ""),
  WORDS (PIECE_BUSY, NONE, ""),
  WORDS (PIECE_DONE, NONE, "{name}"),
  WORDS (PIECE_DOUBTFUL, NONE, "{name}, but may not load"),
  WORDS (PIECE_FAILED, NONE, "{name}"),
  WORDS (WORKER_ENDED, NONE, ""),

  /* The command line and the settings. */
  WORDS (ARGUMENT_IGNORED, WARNING, "Ignoring the argument {name}."),
  WORDS (OPTION_WITHOUT_EFFECT, DEPRECATED, "{name} has no effect."),
  WORDS (SETTINGS_FILE_IGNORED, WARNING,
         "Ignoring {path}: it ends its shell by exit or exec.\n"
         "dkms sources the file. Replace exit by return."),
  WORDS (SETTING_OF_ROOT_IGNORED, WARNING,
         "{name} in {path} has no effect. For --root, /etc/dkms/framework.conf of this machine sets it."),
  WORDS (SETTING_UNKNOWN, WARNING, "{path} sets {name}, which is not a setting.[ Did you mean {text}?]"),
  WORDS (SIGN_TOOL_SET, WARNING,
         "{path} sets sign_tool, which no longer has an effect. Use sign_file, mok_signing_key and mok_certificate."),
  WORDS (COMMAND_NOT_EXECUTABLE, WARNING, "{name} in {path} names {text}, which is not an executable file."),
  WORDS (COMMAND_ABSENT, WARNING, "{name} in {path} names {text}, which does not exist."),
  WORDS (ENVIRONMENT_ABSENT, WARNING,
         "build_environment in {path} names {text}, which is not a file. Builds run without it."),
  WORDS (TREE_ABSENT, WARNING, "The tree {path} does not exist."),
  WORDS (KERNEL_ABSENT, WARNING, "Kernel {kernel} is not installed: {path} does not exist.[ Did you mean {text}?]"),
  WORDS (AUTOINSTALL_OFF, LINE, "{path} disables automatic installation."),

  /* Recipes. */
  WORDS (RECIPES_UNCONFINED, WARNING, "Evaluating recipes without a sandbox: {text}."),
  WORDS (RECIPE_PRINTED, NOTE, "{text}"),
  WORDS (RECIPE_PROBLEM, NOTE, "{path}: {text}"),
  WORDS (RECIPE_PLACEHOLDER, WARNING,
         "{name}=\"{text}\" in {path} is a placeholder that was not filled in.\n"
         "Use a release of the source, or create dkms.conf with its own build system first."),
  WORDS (RECIPE_WITH_HASH, WARNING,
         "{name}=\"{text}\" in {path} is a placeholder that was not filled in. Most versions of make cannot build in a "
         "directory with a '#' in its name.\n"
         "Use a release of the source, or create dkms.conf with its own build system first."),
  WORDS (RECIPE_LISTS_NOTHING, WARNING, "{path} does not list a module to build."),
  WORDS (DIRECTIVE_DEPRECATED, DEPRECATED, "{name} is obsolete and has no effect ({path})."),
  WORDS (OBSOLETE_BY_USED, DEPRECATED, "OBSOLETE_BY ({path}); use BUILD_EXCLUSIVE_KERNEL_MAX."),
  WORDS (DIRECTIVE_UNKNOWN, WARNING, "{path} sets {name}, which is not a directive. Did you mean {text}?"),
  WORDS (DIRECTIVE_GIVEN, LINE, "Directive: {name}=\"{text}\""),
  WORDS (SOURCE_GONE_SKIPPED, NOTE, "\nError! {module}/{version} is broken: its source does not exist. Skipping it."),
  WORDS (REBUILD_UNKNOWN, WARNING, "{error}. dkms does not know whether {module} must be rebuilt."),

  /* The tree. */
  WORDS (WAITING, NOTE, "Waiting for another dkms process working on {whom} (PID {text})"),
  WORDS (CHANGE_FINISHED, NOTE, "Completed the interrupted change of an earlier run"),
  WORDS (JOURNAL_ASIDE, WARNING,
         "{path} is not a journal of dkms. It was moved to {place}.\n"
         "If a command was interrupted before, check the output of 'dkms status', and repeat the command."),
  WORDS (REPLACED_LEFT, WARNING, "{error}. Delete the rest of the replaced files by hand: {path}"),
  WORDS (LEFT_OVER_STAYS, WARNING, "{error}. Delete this file or directory of an earlier run by hand: {path}"),
  WORDS (LEFT_OVERS_UNREAD, WARNING, "{error}. The next command tries again to delete scratch files of earlier runs."),

  /* Builds. */
  WORDS (BUILDING, LINE, "Building {module}/{version} for {kernel} ({arch})"),
  WORDS (REBUILDING, LINE, "Rebuilding {module}/{version} {reason}"),
  WORDS (BUILD_INCOMPLETE, LINE, "The build of {module}/{version} for {kernel} ({arch}) is incomplete."),
  WORDS (INSTALLED_COPY_STAYS, LINE, "The installed copy is kept. 'dkms install --force' replaces it."),
  WORDS (BUILDS_UNCONFINED, WARNING, "Building without a sandbox: {text}."),
  WORDS (DEPENDS_FORCED, WARNING,
         "{module}/{version} needs modules that are not installed: {text}. Continuing because of --force."),
  WORDS (ARCH_ALIAS, WARNING,
         "The architecture of kernel {kernel} is called {name}. dkms keeps builds for \"{arch}\" separately.\n"
         "Use -a {name}, or omit -a."),
  WORDS (ENVIRONMENT_UNREADABLE, WARNING, "Could not read the build environment {path}. Continuing without it."),
  WORDS (PROCESSES_LEFT, WARNING, "{name} of {module}/{version} left {text} running. They were killed."),
  WORDS (STRIP_FAILED, WARNING,
         "Could not strip all modules of {module}/{version}[ ({error})]. They keep their debugging data."),
  WORDS (COMPRESS_FAILED, WARNING, "Could not compress {path}[: {error}]. It is installed uncompressed."),
  WORDS (EXTRA_NOT_KEPT, WARNING, "Discarding {path}, which POST_BUILD left: it is not a regular file."),
  WORDS (STAYS_READ_ONLY, WARNING, "Cannot make {path} writable: {errno}."),
  WORDS (MAY_NOT_LOAD, WARNING, "{module}/{version} may not load in kernel {kernel}: {text}"),
  WORDS (LOG_NOT_COPIED, WARNING, "Could not keep a copy of make.log in {path}: {error}."),
  WORDS (FAILED_BUILD_NOT_KEPT, WARNING, "{error}. The files of the failed build were not kept."),

  /* Signing. */
  WORDS (KEY_GENERATED, LINE, "Generating a new signing key and its certificate."),
  WORDS (CERTIFICATE_GENERATED, LINE, "Generating a certificate for the existing key."),
  WORDS (CERTIFICATE_TO_ENROL, LINE,
         "Under Secure Boot, kernels load the signed modules after the certificate is enrolled: sudo mokutil --import "
         "{path}"),
  WORDS (CERTIFICATE_ENROLLED, LINE, "Secure Boot: enabled, the certificate is enrolled"),
  WORDS (CERTIFICATE_OF_KERNEL, LINE, "Secure Boot: enabled, the certificate is that of the kernel"),
  WORDS (CERTIFICATE_NOT_ENROLLED, WARNING,
         "Secure Boot is enabled, and the certificate is not enrolled: the kernel does not load the modules. "
         "Run 'sudo mokutil --import {path}' and reboot."),
  WORDS (UNSIGNED_UNDER_SECURE_BOOT, WARNING, "Secure Boot is enabled: the kernel does not load unsigned modules."),
  WORDS (SECURE_BOOT_DISABLED, LINE, "Secure Boot: disabled"),
  WORDS (SIGNING_KEY, LINE, "Signing key: {path}"),
  WORDS (SIGNING_CERTIFICATE, LINE, "Certificate (MOK): {path}"),
  WORDS (SIGNING_TOOL, LINE, "Signing tool: {path}"),
  WORDS (NOT_SIGNING, LINE, "Modules will not be signed: {error}.[ {advice}]"),
  WORDS (SIGNING, LINE, "Signing {path}"),
  WORDS (SIGN_FAILED, WARNING, "Could not sign {path}. It stays unsigned: [{error}][{text}]"),
  WORDS (SIGNER_REMARK, WARNING, "{text}"),

  /* Installation and removal. */
  WORDS (INSTALLING, LINE, "Installing {path}"),
  WORDS (ORIGINAL_ARCHIVED, LINE, "Archiving the original module {path}"),
  WORDS (ORIGINAL_RESTORED, LINE, "Restoring the original module {path}"),
  WORDS (ORIGINAL_STAYS, WARNING,
         "The original {path} came from {place}, which is not below {name}. It stays in the archive."),
  WORDS (ORIGINALS_DELETED, LINE, "Deleting the archived original modules of kernel {kernel}"),
  WORDS (DELETING, LINE, "Deleting {path}"),
  WORDS (NOTHING_TO_DELETE, LINE, "{name}.ko of this version was not found below {path}. Nothing to delete."),
  WORDS (KERNEL_DIRECTORY_GONE, LINE, "The kernel directory {path} no longer exists. Nothing to delete."),
  WORDS (OBSOLETE, NOTE,
         "{name}.ko is obsolete in kernel {kernel} (OBSOLETE_BY={text}). Use --force to install it nevertheless."),
  WORDS (NEWER_STAYS, NOTE,
         "\nError! {path} is newer than {name} of {module}/{version} and is kept.\n"
         "To replace it: dkms install --force {module}/{version} -k {kernel}"),
  WORDS (SAME_STAYS, NOTE, "{path} has the same version as {module}/{version} and is kept. Use --force to replace it."),
  WORDS (VERSIONS_NOT_COMPARED, WARNING, "{error}. Continuing without a comparison of versions."),
  WORDS (SIGNATURE_NOT_RECORDED, WARNING, "{error}. 'dkms status' will compare file contents instead."),
  WORDS (FORCED_BY_LIST, LINE, "{module} is installed with --force, because {path} lists it."),
  WORDS (VERSION_FORCED_BY_LIST, LINE, "{module} is installed regardless of its version, because {path} lists it."),
  WORDS (UNINSTALLING, LINE, "Uninstalling {module}/{version} from {kernel} ({arch})"),
  WORDS (REMOVING, NOTE, "Removing {module}/{version} for {kernel} ({arch})"),
  WORDS (BUILD_DELETED, LINE, "Deleting the build of {module}/{version} for {kernel} ({arch})"),
  WORDS (REMOVED, LINE, "Removed {module}/{version} from the tree."),
  WORDS (REMOVED_BUT_SOURCE, LINE, "Removed {module}/{version} from the tree; its source stays in {path}"),
  WORDS (INSTALLED_AGAIN, WARNING,
         "A script of {module}/{version} installed it again for {kernel} ({arch}). It is kept."),
  WORDS (SCRIPTS_WITHOUT_SOURCE, WARNING, "The source of {module}/{version} does not exist. Its scripts are not run."),
  WORDS (INSTALLED_ANYHOW, WARNING, "{error}. The modules are installed nevertheless."),
  WORDS (UNINSTALLED_ANYHOW, WARNING, "{error}. The modules are uninstalled nevertheless."),
  WORDS (STAYS_DURING_UPGRADE, WARNING,
         "{module}/{version} is kept: its package is being upgraded, and the new package has just registered it."),

  /* Scripts and other programs. */
  WORDS (SCRIPT_RUNS, LINE, "Running the {name} script:"),
  WORDS (SCRIPT_PRINTED, LINE, "{text}"),
  WORDS (SCRIPT_ABSENT, WARNING,
         "{name} names the script {path}, which is missing or not executable. Continuing without it."),
  WORDS (SCRIPT_EXCEEDED, WARNING, "{name} of {module}/{version} exceeded a limit: {text}."),
  WORDS (SCRIPT_NOEXEC, WARNING, "{path} cannot be run, because its file system is mounted noexec."),
  WORDS (DEPMOD_FAILED, WARNING,
         "'{text}' failed[: {error}]. The modules are in place. The next dkms command tries again."),
  WORDS (DEPMOD_NOT_FLUSHED, WARNING, "Cannot flush the indexes of depmod in {path}: {errno}."),
  WORDS (DEPMOD_DEFERRED, WARNING,
         "{error}. The modules are in place. The next dkms command runs depmod for {kernel}."),
  WORDS (DEPMOD_ANYHOW, WARNING, "{error}. Running depmod nevertheless."),
  WORDS (DEPMOD_AGAIN, WARNING, "{error}. The next dkms command runs depmod for {kernel} again."),
  WORDS (DEPMOD_UNKNOWN, WARNING,
         "{error}. dkms does not know whether depmod is due. The next dkms command checks again."),
  WORDS (POST_TRANSACTION_UNREAD, WARNING, "{error}. The post-transaction command was not run."),
  WORDS (POST_TRANSACTION_NO_LOG, WARNING, "Cannot write {path}: {errno}. The post-transaction command was not run."),

  /* Archives. */
  WORDS (PACKING, LINE, "Packing {module}/{version} into {path}"),
  WORDS (BUILD_LOADED, LINE, "Loaded the build of {module}/{version} for {kernel} ({arch})"),
  WORDS (BUILD_STAYS, WARNING,
         "{module}/{version} for kernel {kernel} ({arch}) is already built and is kept. Use --force to replace it."),
  WORDS (ARCHIVE_DIFFERS, WARNING, "{path} of the archive differs from its record."),

  /* Registration. */
  WORDS (ADDED, LINE, "Added {module}/{version}, source in {path}"),
  WORDS (SOURCE_REPLACED, LINE, "Replaced {module}/{version}, source in {path}"),
  WORDS (ADDED_AS, WARNING, "{path} names {name}/{text}. It is added as {module}/{version}."),
  WORDS (PACKAGE_OVERWRITTEN, WARNING,
         "{path} belongs to the package {name}. Its files are replaced because of --force."),
  WORDS (SOURCE_EXISTS, WARNING, "{path} already exists: {text}."),
  WORDS (BUILDS_UNREAD, WARNING, "{error}. There may be builds of {module}/{version} from the earlier source."),
  WORDS (STALE_BUILDS, LINE, "Still built from the earlier source for: {text}"),
  WORDS (REGISTERED, LINE, "{module}/{version} is already registered, from the same source."),

  /* common.postinst. */
  WORDS (REGISTERING, LINE, "Registering {module}/{version}"),
  WORDS (OLD_REGISTRATION_REMOVED, LINE, "Removing the old registration of {module}/{version}"),
  WORDS (READY_MADE_NOT_LOADED, NOTE,
         "\nError! {path} could not be loaded.\nReinstall the package that it belongs to."),
  WORDS (NONE_READY_MADE, LINE, "The package contains only ready-made modules, and none for kernel {kernel}."),
  WORDS (RUNNING_KERNEL_ABSENT, LINE,
         "The running kernel {kernel} is not installed here. This looks like a chroot or an image."),
  WORDS (INSTALLATION_KERNEL, LINE, "Nothing is built for the installation kernel {kernel}."),
  WORDS (KERNELS_CHOSEN, LINE, "Building for {text}[, architecture {name}]"),
  WORDS (HEADERS_ABSENT, LINE, "The headers of kernel {kernel} are missing. Nothing is built for it."),
  WORDS (ALL_HEADERS_ABSENT, WARNING, "no kernel headers are installed, so nothing is built for {module}/{version}."),
  WORDS (AUTOINSTALL_NOT_WANTED, LINE, "{module}/{version} does not set AUTOINSTALL in dkms.conf. Nothing is built."),
  WORDS (NOT_INSTALLED_FOR, NOTE,
         "\n{module}/{version} is not installed for: {text}\n"
         "See the reasons above. 'dkms status' shows the state."),

  /* Plans. */
  WORDS (PLAN_STEP, LINE, "{name}[ {module}/{version}][ {kernel}][ {arch}][: {reason}]"),
  WORDS (PLAN_FAILS, LINE, "fail: {reason}"),
  WORDS (PLAN_DEFERS, LINE, "defer: {reason}"),
  WORDS (PLAN_EMPTY, LINE, "Nothing to do."),
  WORDS (REMARK, LINE, "{module}/{version} for {kernel} ({arch}): {reason}"),
  WORDS (DEFERRED, LINE, "Deferred: {reason}"),
  WORDS (HOPELESS, NOTE, "{reason}"),
  WORDS (CYCLE, WARNING, "{module}/{version} cannot be rebuilt: it and its dependencies need each other."),
  WORDS (AUTOINSTALL_DONE, LINE, "Autoinstall on {kernel} succeeded for: {text}"),
  WORDS (AUTOINSTALL_DOUBTFUL, WARNING,
         "Kernel {kernel} may not load the installed modules of: {text}. See the warnings above."),
  WORDS (AUTOINSTALL_SKIPPED, LINE, "Autoinstall on {kernel} was skipped for: {text}"),
  WORDS (AUTOINSTALL_FAILED, LINE, "Autoinstall on {kernel} failed for: {text}"),
  WORDS (BUILD_EXPLAINED, LINE, "[  {text}\n]  {place}"),

  /* Reasons. */
  WORDS (ALREADY_BUILT, NONE, "already built"),
  WORDS (ALREADY_INSTALLED, NONE, "already installed"),
  WORDS (INSTALLED_FROM_EARLIER_SOURCE, NONE, "already installed, from an earlier source; --force replaces it"),
  WORDS (NOT_INSTALLED, NONE, "not installed"),
  WORDS (NOT_BUILT, NONE, "not built"),
  WORDS (DEPENDENCY_CHANGED, NONE, "because {name} changed from version {text} to {place}"),
  WORDS (INPUTS_CHANGED, NONE, "because of changes since its build: {text}"),
  WORDS (NEEDS_MISSING, NONE, "{module}/{version} needs modules that are not installed and will not be: {text}"),
  WORDS (NEEDS_UNKNOWN, NONE, "{module}/{version} needs modules that are not registered: {text}"),
  WORDS (UNREADABLE, NONE, "{module}[/{version}]: {error}"),

  /* status. */
  WORDS (STATUS_ADDED, LINE, "{module}/{version}: added"),
  WORDS (STATUS_BROKEN, LINE, "{module}/{version}: broken"),
  WORDS (STATUS_SOURCE_GONE, NOTE,
         "\nError! The source of {module}/{version} does not exist: the link {path} is dangling.\n"
         "Restore the source directory (reinstall its package), or run: dkms remove {module}/{version} --all"),
  WORDS (STATUS_BUILD, LINE, "{module}/{version}, {kernel}, {arch}: {name}[{remarks}][ (stale: {place})]"),
  WORDS (STATUS_MADE, NONE, "{place}"),
  WORDS (STATUS_WEAK, LINE, "{module}, {version}, {kernel}, {arch}: installed-weak from {place}"),
  WORDS (STATUS_RECIPE_UNREAD, NOTE, "{module}/{version}: {error}"),
  WORDS (STATUS_CHANGE_PENDING, NOTE,
         "A change was interrupted and is incomplete. The next dkms command that changes the tree completes or undoes "
         "it."),
  WORDS (STATUS_HIDDEN, WARNING,
         "Cannot access {text}. Differences between built and installed modules are not shown.\n"
         "Run 'dkms status' as root to see them."),

  /* explain, log and report. */
  WORDS (EXPLAIN_SENTENCE, LINE, "{text}"),
  WORDS (EXPLAIN_LINE, LINE, "  {text}"),
  WORDS (EXPLAIN_LOOKED, LINE, "  {text}"),
  WORDS (EXPLAIN_LOG_ENDS, LINE, "The log ends with:"),
  WORDS (EXPLAIN_NEXT, LINE, "What to do: {text}"),
  WORDS (EXPLAIN_ALSO, LINE, "Also in the log: {text} ({name})"),
  WORDS (EXPLAIN_CAUSE, LINE, "Cause: {name}"),
  WORDS (EXPLAIN_LOG, LINE, "Log: {text} (build of {place}[, {name}])"),
  WORDS (EXPLAIN_OTHER, LINE, "Another build that failed: {text}"),
  WORDS (EXPLAIN_SUCCEEDED, LINE, "The last build of {module}/{version} for kernel {kernel} ({place}) succeeded."),
  WORDS (EXPLAIN_NOTHING, LINE, "No log of a failed build[ of {module}] exists."),
  WORDS (ATTEMPT_LISTED, LINE, "{place}  {module}/{version}, {kernel}, {arch}: {name}[ ({text})][, {seconds} s]"),
  WORDS (ATTEMPTS_NONE, LINE, "No build[ of {module}] was tried."),
  WORDS (REPORT_TEXT, LINE, "{text}"),
  WORDS (REPORT_WRITTEN, LINE, "Wrote {path}"),
  WORDS (REPORT_ADVICE, NOTE,
         "Read the report before you send it. dkms replaces only the names, addresses and secrets that it recognises."),
  WORDS (EXPLAIN_PAGE, LINE, "{name} ({text})"),
  WORDS (EXPLAIN_PAGE_TEXT, LINE, "{text}"),
};

DkmsVoice
dkms_words_voice (DkmsEventKind kind)
{
  return words[kind].voice;
}

const char *
dkms_words_template (DkmsEventKind kind)
{
  return words[kind].text;
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
  };
  GString *out = g_string_new (NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (remarks); i++)
    if (strstr (tokens, remarks[i][0]) != NULL)
      g_string_append (out, remarks[i][1]);
  return g_string_free (out, FALSE);
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
    { "text", event->text },
    { "error", event->error != NULL ? event->error->message : NULL },
    { "advice", dkms_error_info (event->error)->advice },
    { "errno", event->number != 0 ? g_strerror (event->number) : NULL },
    { "whom", event->id.module != NULL ? event->id.module : "the tree" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (fields); i++)
    if (strcmp (fields[i].name, name) == 0)
      return g_strdup (fields[i].value);
  if (strcmp (name, "reason") == 0)
    return event->reason != NULL ? dkms_words_for (event->reason) : NULL;
  if (strcmp (name, "seconds") == 0)
    return event->seconds > 0 ? g_strdup_printf ("%.1f", event->seconds) : NULL;
  if (strcmp (name, "remarks") == 0)
    return event->text != NULL ? status_remarks (event->text) : NULL;
  g_assert_not_reached (); /* tests/unit/test-words.c fills in every sentence */
}

char *
dkms_words_for (const DkmsEvent *event)
{
  return dkms_template_fill (words[event->kind].text, "", field, event);
}
