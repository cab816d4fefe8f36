/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every sentence that is said of an event, as templates (base/template.h). Which fields a kind has is written in
 * model/events.def. */
#include "report/words.h"

#include <string.h>

#include "base/error.h"
#include "base/template.h"

typedef struct {
  DkmsVoice voice;
  const char *text;
} Words;

#define SAYS(kind, voice, text) [DKMS_EVENT_##kind] = { DKMS_VOICE_##voice, text }

static const Words words[DKMS_EVENT_LAST] = {
  /* Of any room. */
  SAYS (ERROR, NOTE, "\nError! {error}.[\n{advice}]"),
  SAYS (ERROR_IGNORED, WARNING, "{error}."),
  SAYS (STEP_BEGUN, STEP_BEGUN, "{name}"),
  SAYS (STEP_ENDED, STEP_ENDED, ""),
  SAYS (LOG_GROWS, NONE, ""),
  SAYS (BLANK, LINE, ""),
  SAYS (EXCLUDED, WARNING, "{error}."),

  /* Of the scheduler. */
  SAYS (WORK_BEGUN, NONE, ""),
  SAYS (WORK_ENDED, NONE, ""),
  SAYS (PIECE_BEGUN, NONE, ""),
  SAYS (PIECE_BUSY, NONE, ""),
  SAYS (PIECE_DONE, NONE, "{name}"),
  SAYS (PIECE_DOUBTFUL, NONE, "{name}, but may not load"),
  SAYS (PIECE_FAILED, NONE, "{name}"),
  SAYS (WORKER_ENDED, NONE, ""),

  /* Of the command line and the settings. */
  SAYS (ARGUMENT_IGNORED, WARNING, "Ignoring the argument {name}."),
  SAYS (OPTION_WITHOUT_EFFECT, DEPRECATED, "{name} has no effect any more."),
  SAYS (SETTINGS_FILE_IGNORED, WARNING,
        "Nothing was taken from {path}, which ends its shell by exit or exec.\n"
        "It is sourced: replace exit by return."),
  SAYS (SETTING_OF_ROOT_IGNORED, WARNING,
        "{name} in {path} has no effect: what that system may do here is set in /etc/dkms/framework.conf of this "
        "machine."),
  SAYS (SETTING_UNKNOWN, WARNING, "{path} sets {name}, which is not a setting.[ Did you mean {text}?]"),
  SAYS (SIGN_TOOL_SET, WARNING,
        "{path} sets sign_tool, which has no effect any more. Use sign_file, mok_signing_key and mok_certificate."),
  SAYS (COMMAND_NOT_EXECUTABLE, WARNING, "{name} in {path} names {text}, which is not an executable file."),
  SAYS (COMMAND_ABSENT, WARNING, "{name} in {path} names {text}, which does not exist."),
  SAYS (ENVIRONMENT_ABSENT, WARNING,
        "build_environment in {path} names {text}, which is not a file; builds go without it."),
  SAYS (TREE_ABSENT, WARNING, "The tree {path} does not exist."),
  SAYS (KERNEL_ABSENT, WARNING, "Kernel {kernel} is not installed: {path} does not exist.[ Did you mean {text}?]"),
  SAYS (AUTOINSTALL_OFF, LINE, "Automatic installation is switched off by {path}."),

  /* Of recipes. */
  SAYS (RECIPES_UNCONFINED, WARNING, "Recipes are read without a sandbox here ({text})."),
  SAYS (RECIPE_PRINTED, NOTE, "{text}"),
  SAYS (RECIPE_PROBLEM, NOTE, "{path}: {text}"),
  SAYS (RECIPE_PLACEHOLDER, WARNING,
        "{name}=\"{text}\" in {path} is a placeholder that was not filled in.\n"
        "Use a release of the source, or let its own build system make dkms.conf first."),
  SAYS (RECIPE_WITH_HASH, WARNING,
        "{name}=\"{text}\" in {path} is a placeholder that was not filled in. Most versions of make cannot build in a "
        "directory with a '#' in its name.\n"
        "Use a release of the source, or let its own build system make dkms.conf first."),
  SAYS (RECIPE_LISTS_NOTHING, WARNING, "{path} lists no module to build."),
  SAYS (DIRECTIVE_DEPRECATED, DEPRECATED, "{name} is obsolete and has no effect ({path})."),
  SAYS (OBSOLETE_BY_USED, DEPRECATED, "OBSOLETE_BY ({path}); use BUILD_EXCLUSIVE_KERNEL_MAX."),
  SAYS (DIRECTIVE_UNKNOWN, WARNING, "{path} sets {name}, which is not a directive. Did you mean {text}?"),
  SAYS (DIRECTIVE_GIVEN, LINE, "Directive: {name}=\"{text}\""),
  SAYS (SOURCE_GONE_SKIPPED, NOTE, "\nError! {module}/{version} is broken: its source is gone; it is skipped."),
  SAYS (REBUILD_UNKNOWN, WARNING, "{error}. Whether {module} has to be built again is not known."),

  /* Of the tree. */
  SAYS (WAITING, NOTE, "Waiting for another run that works on {whom} (process {text})"),
  SAYS (CHANGE_FINISHED, NOTE, "Finished a change that an earlier run was interrupted in"),
  SAYS (JOURNAL_ASIDE, WARNING,
        "{path} is not a journal of dkms; it was moved to {place}.\n"
        "If a command was interrupted before, compare 'dkms status' with what you expect, and repeat it."),
  SAYS (REPLACED_LEFT, WARNING, "{error}. What is left of the replaced files is in {path}; delete it by hand."),
  SAYS (LEFT_OVER_STAYS, WARNING, "{error}. An earlier run left {path}; delete it by hand."),
  SAYS (LEFT_OVERS_UNREAD, WARNING, "{error}. Files that earlier runs may have left stay until the next command."),

  /* Of builds. */
  SAYS (BUILDING, LINE, "Building {module}/{version} for {kernel} ({arch})"),
  SAYS (REBUILDING, LINE, "Rebuilding {module}/{version} {reason}"),
  SAYS (BUILD_INCOMPLETE, LINE, "The build of {module}/{version} for {kernel} ({arch}) is incomplete."),
  SAYS (INSTALLED_COPY_STAYS, LINE, "The installed copy is left alone; 'dkms install --force' replaces it."),
  SAYS (BUILDS_UNCONFINED, WARNING, "Builds run without a sandbox here ({text})."),
  SAYS (DEPENDS_FORCED, WARNING,
        "{module}/{version} needs modules that are not installed: {text}; going on because of --force."),
  SAYS (ARCH_ALIAS, WARNING,
        "The architecture of kernel {kernel} is called {name}; what is built for \"{arch}\" is kept apart from it.\n"
        "Use -a {name}, or leave out -a."),
  SAYS (ENVIRONMENT_UNREADABLE, WARNING, "Could not read the build environment {path}; going on without it."),
  SAYS (PROCESSES_LEFT, WARNING, "{name} of {module}/{version} left {text} running; that was ended."),
  SAYS (STRIP_FAILED, WARNING,
        "Could not strip all modules of {module}/{version}[ ({error})]; they keep their debugging data."),
  SAYS (COMPRESS_FAILED, WARNING, "Could not compress {path}[: {error}]; it is installed uncompressed."),
  SAYS (EXTRA_NOT_KEPT, WARNING, "POST_BUILD left {path}, which is not a regular file and is not kept."),
  SAYS (STAYS_READ_ONLY, WARNING, "Cannot make {path} writable: {errno}."),
  SAYS (MAY_NOT_LOAD, WARNING, "{module}/{version} may not load in kernel {kernel}: {text}"),
  SAYS (LOG_NOT_COPIED, WARNING, "Could not keep a copy of make.log in {path}: {error}."),
  SAYS (FAILED_BUILD_NOT_KEPT, WARNING, "{error}; the files of the failed build were not kept."),

  /* Of signing. */
  SAYS (KEY_GENERATED, LINE, "Generating a new signing key and its certificate."),
  SAYS (CERTIFICATE_GENERATED, LINE, "Generating a certificate for the present key."),
  SAYS (CERTIFICATE_TO_ENROL, LINE,
        "Kernels under Secure Boot load what it signs once it is enrolled: sudo mokutil --import {path}"),
  SAYS (CERTIFICATE_ENROLLED, LINE, "Secure Boot: enabled, the certificate is enrolled"),
  SAYS (CERTIFICATE_OF_KERNEL, LINE, "Secure Boot: enabled, the certificate is that of the kernel"),
  SAYS (CERTIFICATE_NOT_ENROLLED, WARNING,
        "Secure Boot is enabled, and the certificate is not enrolled: the kernel does not load the modules. "
        "Run 'sudo mokutil --import {path}' and reboot."),
  SAYS (UNSIGNED_UNDER_SECURE_BOOT, WARNING, "Secure Boot is enabled: the kernel does not load unsigned modules."),
  SAYS (SECURE_BOOT_DISABLED, LINE, "Secure Boot: disabled"),
  SAYS (SIGNING_KEY, LINE, "Signing key: {path}"),
  SAYS (SIGNING_CERTIFICATE, LINE, "Certificate (MOK): {path}"),
  SAYS (SIGNING_TOOL, LINE, "Signing tool: {path}"),
  SAYS (NOT_SIGNING, LINE, "Modules will not be signed: {error}.[ {advice}]"),
  SAYS (SIGNING, LINE, "Signing {path}"),
  SAYS (SIGN_FAILED, WARNING, "Could not sign {path}, it stays unsigned: [{error}][{text}]"),
  SAYS (SIGNER_REMARK, WARNING, "{text}"),

  /* Of installation and removal. */
  SAYS (INSTALLING, LINE, "Installing {path}"),
  SAYS (ORIGINAL_ARCHIVED, LINE, "Archiving the original module {path}"),
  SAYS (ORIGINAL_RESTORED, LINE, "Restoring the original module {path}"),
  SAYS (ORIGINAL_STAYS, WARNING,
        "The original {path} came from {place}, which is not below {name}; it stays in the archive."),
  SAYS (ORIGINALS_DELETED, LINE, "Deleting the archived original modules of kernel {kernel}"),
  SAYS (DELETING, LINE, "Deleting {path}"),
  SAYS (NOTHING_TO_DELETE, LINE, "{name}.ko of this version was not found below {path}; nothing to delete for it."),
  SAYS (KERNEL_DIRECTORY_GONE, LINE, "The kernel directory {path} no longer exists; nothing to delete in it."),
  SAYS (OBSOLETE, NOTE,
        "{name}.ko is obsolete in kernel {kernel} (OBSOLETE_BY={text}); --force installs it all the same."),
  SAYS (NEWER_STAYS, NOTE,
        "\nError! {path} is newer than {name} of {module}/{version} and stays.\n"
        "To replace it: dkms install --force {module}/{version} -k {kernel}"),
  SAYS (SAME_STAYS, NOTE,
        "{path} is the same version as the one of {module}/{version} and stays; --force replaces it."),
  SAYS (VERSIONS_NOT_COMPARED, WARNING, "{error}; going on without comparing versions."),
  SAYS (SIGNATURE_NOT_RECORDED, WARNING, "{error}; 'dkms status' will compare file contents instead."),
  SAYS (FORCED_BY_LIST, LINE, "{module} is installed with force, as {path} asks."),
  SAYS (VERSION_FORCED_BY_LIST, LINE, "{module} is installed whatever its version, as {path} asks."),
  SAYS (UNINSTALLING, LINE, "Uninstalling {module}/{version} from {kernel} ({arch})"),
  SAYS (REMOVING, NOTE, "Removing {module}/{version} for {kernel} ({arch})"),
  SAYS (BUILD_DELETED, LINE, "Deleting the build of {module}/{version} for {kernel} ({arch})"),
  SAYS (REMOVED, LINE, "Removed {module}/{version} from the tree."),
  SAYS (REMOVED_BUT_SOURCE, LINE, "Removed {module}/{version} from the tree; its source stays in {path}"),
  SAYS (INSTALLED_AGAIN, WARNING, "A script of {module}/{version} installed it again for {kernel} ({arch}); it stays."),
  SAYS (SCRIPTS_WITHOUT_SOURCE, WARNING, "The source of {module}/{version} is gone; its scripts are not run."),
  SAYS (INSTALLED_ANYHOW, WARNING, "{error}. The modules are installed all the same."),
  SAYS (UNINSTALLED_ANYHOW, WARNING, "{error}. The modules are uninstalled all the same."),
  SAYS (STAYS_DURING_UPGRADE, WARNING,
        "{module}/{version} stays: the package is being upgraded, and the new one has just added it."),

  /* Of scripts and other programs. */
  SAYS (SCRIPT_RUNS, LINE, "Running the {name} script:"),
  SAYS (SCRIPT_PRINTED, LINE, "{text}"),
  SAYS (SCRIPT_ABSENT, WARNING,
        "{name} names the script {path}, which is missing or not executable; going on without it."),
  SAYS (SCRIPT_EXCEEDED, WARNING, "{name} of {module}/{version} exceeded a limit: {text}."),
  SAYS (SCRIPT_NOEXEC, WARNING, "{path} cannot be run, because its file system is mounted noexec."),
  SAYS (DEPMOD_FAILED, WARNING,
        "'{text}' failed[: {error}]; the modules are in place, the next dkms command tries again."),
  SAYS (DEPMOD_NOT_FLUSHED, WARNING, "Cannot flush the indexes of depmod in {path}: {errno}."),
  SAYS (DEPMOD_DEFERRED, WARNING, "{error}; the modules are in place, the next dkms command runs depmod for {kernel}."),
  SAYS (DEPMOD_ANYHOW, WARNING, "{error}; running depmod all the same."),
  SAYS (DEPMOD_AGAIN, WARNING, "{error}; the next dkms command runs depmod for {kernel} again."),
  SAYS (DEPMOD_UNKNOWN, WARNING, "{error}; whether depmod is due is not known, and the next dkms command looks again."),
  SAYS (POST_TRANSACTION_UNREAD, WARNING, "{error}; the post-transaction command was not run."),
  SAYS (POST_TRANSACTION_NO_LOG, WARNING, "Cannot write {path}: {errno}; the post-transaction command was not run."),

  /* Of archives. */
  SAYS (PACKING, LINE, "Packing {module}/{version} into {path}"),
  SAYS (BUILD_LOADED, LINE, "Loaded the build of {module}/{version} for {kernel} ({arch})"),
  SAYS (BUILD_STAYS, WARNING,
        "{module}/{version} for kernel {kernel} ({arch}) is built already and stays; --force replaces it."),
  SAYS (ARCHIVE_DIFFERS, WARNING, "{path} of the archive is not what its record says."),

  /* Of registration. */
  SAYS (ADDED, LINE, "Added {module}/{version}, source in {path}"),
  SAYS (SOURCE_REPLACED, LINE, "Replaced {module}/{version}, source in {path}"),
  SAYS (ADDED_AS, WARNING, "{path} says it is {name}/{text}; it is added as {module}/{version}."),
  SAYS (PACKAGE_OVERWRITTEN, WARNING,
        "{path} belongs to the package {name}; its files are replaced because of --force."),
  SAYS (SOURCE_EXISTS, WARNING, "{path} exists already: {text}."),
  SAYS (BUILDS_UNREAD, WARNING, "{error}. There may be builds of {module}/{version} from the earlier source."),
  SAYS (STALE_BUILDS, LINE, "Still built from the earlier source for: {text}"),
  SAYS (REGISTERED, LINE, "{module}/{version} is registered already, from the same source."),

  /* Of common.postinst. */
  SAYS (REGISTERING, LINE, "Registering {module}/{version}"),
  SAYS (OLD_REGISTRATION_REMOVED, LINE, "Removing the old registration of {module}/{version}"),
  SAYS (READY_MADE_NOT_LOADED, NOTE, "\nError! {path} could not be loaded.\nReinstall the package that it belongs to."),
  SAYS (NONE_READY_MADE, LINE, "There are only ready-made modules, and none for kernel {kernel}."),
  SAYS (RUNNING_KERNEL_ABSENT, LINE,
        "The running kernel {kernel} is not installed here; this looks like a chroot or an image."),
  SAYS (INSTALLATION_KERNEL, LINE, "Nothing is built for the installation kernel {kernel}."),
  SAYS (KERNELS_CHOSEN, LINE, "Building for {text}[, architecture {name}]"),
  SAYS (HEADERS_ABSENT, LINE, "The headers of kernel {kernel} are missing; nothing is built for it."),
  SAYS (ALL_HEADERS_ABSENT, WARNING, "no kernel headers are installed, so nothing is built for {module}/{version}."),
  SAYS (AUTOINSTALL_NOT_WANTED, LINE,
        "No dkms.conf of {module}/{version} asks for automatic installation; nothing is built."),
  SAYS (NOT_INSTALLED_FOR, NOTE,
        "\n{module}/{version} is not installed for: {text}\n"
        "The reasons are above; 'dkms status' shows what there is."),

  /* Of a plan. */
  SAYS (PLAN_STEP, LINE, "{name}[ {module}/{version}][ {kernel}][ {arch}][: {reason}]"),
  SAYS (PLAN_FAILS, LINE, "fail: {reason}"),
  SAYS (PLAN_DEFERS, LINE, "defer: {reason}"),
  SAYS (PLAN_EMPTY, LINE, "Nothing to do."),
  SAYS (REMARK, LINE, "{module}/{version} for {kernel} ({arch}): {reason}"),
  SAYS (DEFERRED, LINE, "Deferred: {reason}"),
  SAYS (HOPELESS, NOTE, "{reason}"),
  SAYS (CYCLE, WARNING, "{module}/{version} is to be rebuilt, but it and what it depends on wait for each other."),
  SAYS (AUTOINSTALL_DONE, LINE, "Autoinstall on {kernel} succeeded for: {text}"),
  SAYS (AUTOINSTALL_DOUBTFUL, WARNING,
        "Kernel {kernel} may not load what was installed for: {text}. See the warnings above."),
  SAYS (AUTOINSTALL_SKIPPED, LINE, "Autoinstall on {kernel} was skipped for: {text}"),
  SAYS (AUTOINSTALL_FAILED, LINE, "Autoinstall on {kernel} failed for: {text}"),
  SAYS (BUILD_EXPLAINED, LINE, "[  {text}\n]  {place}"),

  /* Reasons. */
  SAYS (ALREADY_BUILT, NONE, "already built"),
  SAYS (ALREADY_INSTALLED, NONE, "already installed"),
  SAYS (INSTALLED_FROM_EARLIER_SOURCE, NONE, "already installed, from an earlier source; --force replaces it"),
  SAYS (NOT_INSTALLED, NONE, "not installed"),
  SAYS (NOT_BUILT, NONE, "not built"),
  SAYS (DEPENDENCY_CHANGED, NONE, "because {name} changed from version {text} to {place}"),
  SAYS (INPUTS_CHANGED, NONE, "because of changes since its build: {text}"),
  SAYS (NEEDS_MISSING, NONE, "{module}/{version} needs modules that are not installed and will not be: {text}"),
  SAYS (NEEDS_UNKNOWN, NONE, "{module}/{version} waits for modules that are not in the tree: {text}"),
  SAYS (UNREADABLE, NONE, "{module}[/{version}]: {error}"),

  /* Answers of status. */
  SAYS (STATUS_ADDED, LINE, "{module}/{version}: added"),
  SAYS (STATUS_BROKEN, LINE, "{module}/{version}: broken"),
  SAYS (STATUS_SOURCE_GONE, NOTE,
        "\nError! The source of {module}/{version} is gone: {path} leads nowhere.\n"
        "Put the source directory back (reinstall its package), or run: dkms remove {module}/{version} --all"),
  SAYS (STATUS_BUILD, LINE, "{module}/{version}, {kernel}, {arch}: {name}[{remarks}][ (stale: {place})]"),
  SAYS (STATUS_MADE, NONE, "{place}"),
  SAYS (STATUS_WEAK, LINE, "{module}, {version}, {kernel}, {arch}: installed-weak from {place}"),
  SAYS (STATUS_RECIPE_UNREAD, NOTE, "{module}/{version}: {error}"),
  SAYS (
      STATUS_CHANGE_PENDING, NOTE,
      "A change was interrupted and is half done; the next dkms command that changes something finishes or undoes it."),
  SAYS (STATUS_HIDDEN, WARNING,
        "Cannot look at {text}. Differences between built and installed modules are not shown.\n"
        "Run 'dkms status' as root to see them."),

  /* Answers of explain. */
  SAYS (EXPLAIN_SENTENCE, LINE, "{text}"),
  SAYS (EXPLAIN_LINE, LINE, "  {text}"),
  SAYS (EXPLAIN_LOOKED, LINE, "  {text}"),
  SAYS (EXPLAIN_LOG_ENDS, LINE, "The log ends with:"),
  SAYS (EXPLAIN_NEXT, LINE, "What to do: {text}"),
  SAYS (EXPLAIN_ALSO, LINE, "Also in the log: {text} ({name})"),
  SAYS (EXPLAIN_CAUSE, LINE, "Cause: {name}"),
  SAYS (EXPLAIN_LOG, LINE, "Log: {text} (build of {place}[, {name}])"),
  SAYS (EXPLAIN_OTHER, LINE, "Another build that failed: {text}"),
  SAYS (EXPLAIN_SUCCEEDED, LINE, "The last build of {module}/{version} for kernel {kernel} ({place}) succeeded."),
  SAYS (EXPLAIN_NOTHING, LINE, "No log of a failed build[ of {module}] exists."),
  SAYS (ATTEMPT_LISTED, LINE, "{place}  {module}/{version}, {kernel}, {arch}: {name}[ ({text})][, {seconds} s]"),
  SAYS (ATTEMPTS_NONE, LINE, "No build[ of {module}] was tried."),
  SAYS (REPORT_TEXT, LINE, "{text}"),
  SAYS (REPORT_WRITTEN, LINE, "Wrote {path}"),
  SAYS (
      REPORT_ADVICE, NOTE,
      "Read the report before you send it: names, addresses and secrets are replaced as far as dkms recognises them."),
  SAYS (EXPLAIN_PAGE, LINE, "{name} ({text})"),
  SAYS (EXPLAIN_PAGE_TEXT, LINE, "{text}"),
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

/* Returns: (transfer full) (nullable): the field @name of an event; see also the table of words */
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
