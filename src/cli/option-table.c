/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of options, in the order of the help. */
#include "cli/option-table.h"

#include <stddef.h>
#include <string.h>

#include "cli/options.h"
#include "config.h"

/* ---- what options do ---- */

static void
take_flag (DkmsOptions *options, const DkmsOptionInfo *self, const char *value, DkmsListener *events)
{
  G_STRUCT_MEMBER (gboolean, options, self->field) = TRUE;
}

static void
take_text (DkmsOptions *options, const DkmsOptionInfo *self, const char *value, DkmsListener *events)
{
  char **field = G_STRUCT_MEMBER_P (options, self->field);

  g_free (*field);
  *field = g_strdup (value);
}

/* The path is made absolute before the program changes its directory. */
static void
take_path (DkmsOptions *options, const DkmsOptionInfo *self, const char *value, DkmsListener *events)
{
  g_autofree char *full = g_canonicalize_filename (value, NULL);

  take_text (options, self, full, events);
}

/* Of several roots, the last one is that of the settings. */
static void
take_root (DkmsOptions *options, const DkmsOptionInfo *self, const char *value, DkmsListener *events)
{
  take_text (options, self, value, events);
  g_ptr_array_add (options->roots, g_canonicalize_filename (value, NULL));
}

static void
take_module (DkmsOptions *options, const DkmsOptionInfo *self, const char *value, DkmsListener *events)
{
  dkms_options_set_module (options, value);
}

static void
take_version (DkmsOptions *options, const DkmsOptionInfo *self, const char *value, DkmsListener *events)
{
  dkms_options_set_version (options, value);
}

static void
take_kernel (DkmsOptions *options, const DkmsOptionInfo *self, const char *value, DkmsListener *events)
{
  dkms_options_add_kernel (options, value);
}

/* Collects the values of an option in a GPtrArray. */
static void
take_another (DkmsOptions *options, const DkmsOptionInfo *self, const char *value, DkmsListener *events)
{
  g_ptr_array_add (G_STRUCT_MEMBER (GPtrArray *, options, self->field), g_strdup (value));
}

/* Further words, up to the next option, are values, too. */
static void
take_headers (DkmsOptions *options, const DkmsOptionInfo *self, const char *value, DkmsListener *events)
{
  dkms_options_add_headers (options, value);
  options->more_headers = TRUE;
}

/* Prints the messages of g_debug(), which GLib otherwise drops, on stderr like all diagnostics. */
static void
take_debug (DkmsOptions *options, const DkmsOptionInfo *self, const char *value, DkmsListener *events)
{
  (void)g_setenv ("G_MESSAGES_DEBUG", "all", TRUE);
  g_log_writer_default_set_use_stderr (TRUE);
}

static void
take_obsolete (DkmsOptions *options, const DkmsOptionInfo *self, const char *value, DkmsListener *events)
{
  DKMS_EMIT (events, OPTION_WITHOUT_EFFECT, .name = self->name);
}

/* An option whose value may be omitted. */
static void
take_optional (DkmsOptions *options, const DkmsOptionInfo *self, const char *value, DkmsListener *events)
{
  take_text (options, self, value != NULL ? value : "", events);
}

#define FIELD(name) offsetof (DkmsOptions, name)

static const DkmsOptionInfo options[] = {
  { "-m", "--module", "<module>[/<version>]", take_module, 0, DKMS_WORD_MODULE, DKMS_OPTION_MODULE,
    "Name of the module, with or without its version", .group = "Selecting modules and kernels" },
  { "-v", "--module-version", "<version>", take_version, 0, DKMS_WORD_VERSION, DKMS_OPTION_MODULE,
    "Version of the module" },
  { "-k", "--kernelver", "<kernel>[/<arch>]", take_kernel, 0, DKMS_WORD_KERNEL, DKMS_OPTION_KERNEL,
    "Kernel release; may be repeated if the verb works on several kernels", .usual = "the running kernel" },
  { "-a", "--arch", "<arch>", take_another, FIELD (arches), DKMS_WORD_ARCH, DKMS_OPTION_ARCH,
    "Architecture, as 'uname -m' prints it" },
  { NULL, "--all", NULL, take_flag, FIELD (all), DKMS_WORD_NONE, DKMS_OPTION_ALL,
    "All kernels that the module is built for" },
  { NULL, "--all-kernels", NULL, take_flag, FIELD (all_kernels), DKMS_WORD_NONE, DKMS_OPTION_ALL_KERNELS,
    "All kernels that have headers" },
  { NULL, "--templatekernel", "<kernel>", take_text, FIELD (templatekernel), DKMS_WORD_KERNEL, DKMS_OPTION_TEMPLATE,
    "Kernel whose modules are installed for the other kernels" },
  { NULL, "--force", NULL, take_flag, FIELD (force), DKMS_WORD_NONE, DKMS_OPTION_FORCE,
    "Replace existing files; ignore version checks and missing dependencies",
    .group = "Changing how modules are built and installed" },
  { NULL, "--force-version-override", NULL, take_flag, FIELD (force_version_override), DKMS_WORD_NONE,
    DKMS_OPTION_FORCE_VERSION, "Install even if the kernel's own module has the same or a newer version" },
  { "-c", NULL, "<file>", take_path, FIELD (conf_file), DKMS_WORD_FILE, DKMS_OPTION_CONF,
    "Use this file instead of the module's own dkms.conf" },
  { NULL, "--directive", "<NAME>=<value>", take_another, FIELD (directives), DKMS_WORD_TEXT, DKMS_OPTION_CHANGE,
    "Override one directive of dkms.conf; may be repeated" },
  { NULL, "--config", "<file>", take_path, FIELD (config), DKMS_WORD_FILE, DKMS_OPTION_HEADERS,
    "Use this file instead of the kernel's own configuration" },
  { NULL, "--kernelsourcedir", "<directory>", take_path, FIELD (kernelsourcedir), DKMS_WORD_DIRECTORY,
    DKMS_OPTION_HEADERS, "Use this directory instead of each kernel's own headers" },
  { NULL, "--headers", "<path>...", take_headers, 0, DKMS_WORD_FILE, DKMS_OPTION_GIVEN_HEADERS,
    "Packages or directories with the headers of the kernel" },
  { NULL, "--hook", "<who>", take_text, FIELD (hook), DKMS_WORD_TEXT, DKMS_OPTION_GIVEN_HEADERS,
    "For hooks of package managers and the timer: the setting forecast decides; attended, unattended or timer" },
  { "-j", NULL, "<n>", take_text, FIELD (jobs), DKMS_WORD_TEXT, DKMS_OPTION_JOBS,
    "Maximum number of jobs of all builds together; 0: no limit", .usual = "the number of processors" },
  { NULL, "--no-cache", NULL, take_flag, FIELD (no_cache), DKMS_WORD_NONE, DKMS_OPTION_CACHE,
    "Neither take builds from the build cache nor store them there" },
  { NULL, "--max-size", "<MiB>", take_text, FIELD (max_size), DKMS_WORD_TEXT, DKMS_OPTION_SIZE,
    "Size of the build cache after it was pruned; 0: nothing is left", .usual = "cache_size_mib" },
  { NULL, "--no-depmod", NULL, take_flag, FIELD (no_depmod), DKMS_WORD_NONE, DKMS_OPTION_DEPMOD, "Do not run depmod" },
  { NULL, "--symlink-modules", NULL, take_flag, FIELD (symlink_modules), DKMS_WORD_NONE, DKMS_OPTION_PLACE,
    "Install symbolic links into the tree instead of copies" },
  { NULL, "--modprobe-on-install", NULL, take_flag, FIELD (modprobe_on_install), DKMS_WORD_NONE, DKMS_OPTION_PLACE,
    "Load modules for this machine's hardware after an installation for the running kernel" },
  { NULL, "--rpm_safe_upgrade", NULL, take_flag, FIELD (rpm_safe_upgrade), DKMS_WORD_NONE, DKMS_OPTION_RPM,
    "For scriptlets of rpm packages: keep the modules of the new package when the old package is removed" },
  { NULL, "--archive", "<file>", take_text, FIELD (archive), DKMS_WORD_FILE, DKMS_OPTION_ARCHIVE,
    "Archive to read or to write", .group = "Archives" },
  { NULL, "--source-only", NULL, take_flag, FIELD (source_only), DKMS_WORD_NONE, DKMS_OPTION_PACK,
    "Pack the source without builds" },
  { NULL, "--binaries-only", NULL, take_flag, FIELD (binaries_only), DKMS_WORD_NONE, DKMS_OPTION_PACK,
    "Pack the builds without the source" },
  { NULL, "--dkmstree", "<directory>", take_path, FIELD (dkmstree), DKMS_WORD_DIRECTORY, DKMS_OPTION_ALWAYS,
    "Directory of registered and built modules", .usual = "/var/lib/dkms", .group = "Using other directories" },
  { NULL, "--sourcetree", "<directory>", take_path, FIELD (sourcetree), DKMS_WORD_DIRECTORY, DKMS_OPTION_ALWAYS,
    "Directory of the sources of modules", .usual = "/usr/src" },
  { NULL, "--installtree", "<directory>", take_path, FIELD (installtree), DKMS_WORD_DIRECTORY, DKMS_OPTION_ALWAYS,
    "Directory of the modules of kernels", .usual = DKMS_MODULE_DIR },
  { NULL, "--root", "<directory>", take_root, FIELD (root), DKMS_WORD_DIRECTORY, DKMS_OPTION_ALWAYS,
    "Work on the system in this directory", .usual = "/" },
  { NULL, "--dry-run", NULL, take_flag, FIELD (dry_run), DKMS_WORD_NONE, DKMS_OPTION_CHANGE,
    "Print the planned steps and change nothing", .group = "Changing the output" },
  { NULL, "--long", NULL, take_flag, FIELD (detailed), DKMS_WORD_NONE, DKMS_OPTION_LONG,
    "Also print which inputs of each build have changed since the build; on a terminal, print a table" },
  { "-t", "--table", NULL, take_flag, FIELD (table), DKMS_WORD_NONE, DKMS_OPTION_LONG,
    "Print a table, with what to do about each build" },
  { NULL, "--matrix", NULL, take_flag, FIELD (matrix), DKMS_WORD_NONE, DKMS_OPTION_LONG,
    "Print a picture of the machine: modules by kernels, with one word for each pair" },
  { NULL, "--columns", "<name>[,<name>...]", take_text, FIELD (columns), DKMS_WORD_COLUMN, DKMS_OPTION_LONG,
    "Print a table with these columns" },
  { NULL, "--raw", NULL, take_flag, FIELD (raw), DKMS_WORD_NONE, DKMS_OPTION_LONG,
    "Print a table for programs: columns are separated by one blank" },
  { NULL, "--list", NULL, take_flag, FIELD (detailed), DKMS_WORD_NONE, DKMS_OPTION_LIST,
    "List the builds that were tried, newest first, instead of printing a log" },
  { NULL, "--strict", NULL, take_flag, FIELD (strict), DKMS_WORD_NONE, DKMS_OPTION_VERIFY,
    "Exit with status 30 for warnings, too" },
  { NULL, "--quiet-if-ok", NULL, take_flag, FIELD (quiet_if_ok), DKMS_WORD_NONE, DKMS_OPTION_VERIFY,
    "Print nothing if nothing is wrong" },
  { NULL, "--last", NULL, take_flag, FIELD (last), DKMS_WORD_NONE, DKMS_OPTION_VERIFY,
    "Print the last verdict about the next boot, without checks" },
  { NULL, "--after-upgrade", NULL, take_flag, FIELD (after_upgrade), DKMS_WORD_NONE, DKMS_OPTION_VERIFY,
    "Print nothing, unless something has changed since the last verdict and modules will not be there" },
  { NULL, "--metrics", "<file>", take_path, FIELD (metrics), DKMS_WORD_FILE, DKMS_OPTION_VERIFY,
    "Also write metrics for Prometheus to this file" },
  { NULL, "--monitor", NULL, take_flag, FIELD (monitor), DKMS_WORD_NONE, DKMS_OPTION_VERIFY,
    "Print one line, and exit with 0, 1, 2 or 3, as monitoring programs expect" },
  { NULL, "--enroll", NULL, take_flag, FIELD (enroll), DKMS_WORD_NONE, DKMS_OPTION_ENROLL,
    "Request the enrolment of the certificate, which the next boot asks to confirm" },
  { NULL, "--test", NULL, take_flag, FIELD (test), DKMS_WORD_NONE, DKMS_OPTION_ENROLL,
    "Ask the running kernel whether it accepts the signatures, without loading a module" },
  { NULL, "--fix", "<fault>[,<fault>...]", take_optional, FIELD (repair), DKMS_WORD_FAULT, DKMS_OPTION_REPAIR,
    "Repair what was found, or only these faults", TRUE },
  { NULL, "--yes", NULL, take_flag, FIELD (yes), DKMS_WORD_NONE, DKMS_OPTION_REPAIR,
    "With --fix: repair without questions, except what needs an answer for each file" },
  { NULL, "--undo", "<repair>", take_optional, FIELD (undo), DKMS_WORD_TEXT, DKMS_OPTION_REPAIR,
    "Take back the last repair, or this one", TRUE },
  { "-o", "--output", "<path>", take_path, FIELD (output), DKMS_WORD_FILE, DKMS_OPTION_OUTPUT,
    "File for the report, instead of the standard output; of matrix, the directory for reports and logs" },
  { NULL, "--format", "<format>", take_text, FIELD (format), DKMS_WORD_TEXT, DKMS_OPTION_MATRIX,
    "List jobs as text, lines, json or github; with --merge, text, markdown or junit", .usual = "text" },
  { NULL, "--shards", "<n>", take_text, FIELD (shards), DKMS_WORD_TEXT, DKMS_OPTION_MATRIX,
    "List in which of n shards each job is" },
  { NULL, "--shard", "<i>/<n>", take_text, FIELD (shard), DKMS_WORD_TEXT, DKMS_OPTION_MATRIX,
    "Build the jobs of shard i of n; auto: the numbers are in environment variables" },
  { NULL, "--durations", "<file>", take_path, FIELD (durations), DKMS_WORD_FILE, DKMS_OPTION_MATRIX,
    "Distribute jobs by their durations in this merged report" },
  { NULL, "--job", "<id>", take_text, FIELD (job), DKMS_WORD_TEXT, DKMS_OPTION_MATRIX, "Build only this job" },
  { NULL, "--merge", "<directory>", take_path, FIELD (merge), DKMS_WORD_DIRECTORY, DKMS_OPTION_MATRIX,
    "Print a table of the reports in this directory" },
  { NULL, "--json", "pretty|short|off", take_optional, FIELD (json), DKMS_WORD_TEXT, DKMS_OPTION_ALWAYS,
    "Print one JSON document in place of text", TRUE },
  { NULL, "--verbose", NULL, take_flag, FIELD (verbose), DKMS_WORD_NONE, DKMS_OPTION_CHANGE,
    "Print the commands that are run, and their output" },
  { "-q", "--quiet", NULL, take_flag, FIELD (quiet), DKMS_WORD_NONE, DKMS_OPTION_ALWAYS,
    "Print nothing, not even errors" },
  { NULL, "--debug", NULL, take_debug, 0, DKMS_WORD_NONE, DKMS_OPTION_ALWAYS,
    "Print debugging messages on standard error" },
  { "-V", "--version", NULL, take_flag, FIELD (version_asked), DKMS_WORD_NONE, DKMS_OPTION_ALWAYS,
    "Print the version" },
  { "-h", "--help", NULL, take_flag, FIELD (help), DKMS_WORD_NONE, DKMS_OPTION_ALWAYS,
    "Print help, or the help of a verb" },
  { NULL, "--no-initrd", NULL, take_obsolete, 0, DKMS_WORD_NONE, DKMS_OPTION_ALWAYS, NULL },
  { NULL, "--no-clean-kernel", NULL, take_obsolete, 0, DKMS_WORD_NONE, DKMS_OPTION_ALWAYS, NULL },
  { NULL, "--no-prepare-kernel", NULL, take_obsolete, 0, DKMS_WORD_NONE, DKMS_OPTION_ALWAYS, NULL },
  { 0 },
};

const DkmsOptionInfo *
dkms_option_infos (void)
{
  return options;
}

GPtrArray *
dkms_option_completions (const char *word)
{
  GPtrArray *found = g_ptr_array_new ();

  for (const DkmsOptionInfo *o = options; o->take != NULL; o++)
    if (o->name != NULL && strlen (word) > strlen ("--") && g_str_has_prefix (o->name, word))
      g_ptr_array_add (found, (gpointer)o);
  return found;
}

const DkmsOptionInfo *
dkms_option_find (const char *word)
{
  for (const DkmsOptionInfo *o = options; o->take != NULL; o++)
    if (g_strcmp0 (word, o->letter) == 0 || g_strcmp0 (word, o->name) == 0)
      return o;
  g_autoptr (GPtrArray) longer = dkms_option_completions (word);
  return longer->len == 1 ? longer->pdata[0] : NULL;
}

gboolean
dkms_option_is (const char *argument, const char *name, const char **value)
{
  const char *equals = strchr (argument, '=');
  g_autofree char *word = equals != NULL ? g_strndup (argument, (gsize)(equals - argument)) : g_strdup (argument);
  const DkmsOptionInfo *option = g_str_has_prefix (word, "--") ? dkms_option_find (word) : NULL;

  *value = equals != NULL ? equals + 1 : NULL;
  return option != NULL && g_strcmp0 (option->name, name) == 0;
}

gboolean
dkms_option_serves (const DkmsOptionInfo *option, const DkmsVerbInfo *verb)
{
  return option->summary != NULL && (verb == NULL || (verb->options & 1u << option->id) != 0);
}
