/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The dkms command: from its arguments to a request, and from the result to an exit status. */
#define _GNU_SOURCE
#include "cli/cli.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "base/template.h"
#include "base/unread.h"
#include "cli/check.h"
#include "cli/complete.h"
#include "cli/exit-code.h"
#include "cli/help.h"
#include "cli/option-table.h"
#include "cli/options.h"
#include "cli/verbs.h"
#include "config.h"
#include "kernel/missing.h"
#include "model/version.h"
#include "report/table.h"
#include "run/adopt.h"
#include "run/run.h"
#include "store/register.h"

/* @verb: (nullable): NULL if it is unknown */
static int
fail_with (DkmsListener *events, const DkmsVerbInfo *verb, const GError *error)
{
  if (!g_error_matches (error, DKMS_ERROR, DKMS_ERROR_MONITORED)) /* its answer is one line */
    DKMS_EMIT (events, ERROR, .error = error);
  dkms_unread_drop (0); /* another verb may follow */
  return dkms_exit_code (verb != NULL ? verb->name : NULL, error);
}

/* Ends a verb whose purpose is its output. Returns: @status, or another one if the output could not be written */
static int
end_answer (DkmsReport *report, int status)
{
  g_autoptr (GError) error = NULL;

  return status != 0 || dkms_report_flush (&error) ? status : fail_with (dkms_report_listener (report), NULL, error);
}

/* The value of --root, which is needed before the command line is parsed. */
static const char *
root_argument (int argc, char **argv)
{
  const char *root = NULL, *value;

  for (int i = 1; i < argc && strcmp (argv[i], "--") != 0; i++)
    if (dkms_option_is (argv[i], "--root", &value))
      root = value != NULL || i + 1 == argc ? value : argv[i + 1];
  return root;
}

/* Whether --json requests a document. This is needed before the command line is parsed, so that the document contains
 * any error.
 * @pretty: (out) */
static gboolean
json_argument (int argc, char **argv, gboolean *pretty)
{
  const char *style = "off", *value;

  for (int i = 1; i < argc && strcmp (argv[i], "--") != 0; i++)
    if (dkms_option_is (argv[i], "--json", &value))
      style = value != NULL ? value : isatty (STDOUT_FILENO) ? "pretty" : "short";
  *pretty = strcmp (style, "pretty") == 0;
  return strcmp (style, "off") != 0;
}

/* "foo 1.0" could mean a version or another module. */
static gboolean
fail_two_words (const DkmsOptions *options, GError **error)
{
  const DkmsId both = { .module = options->module, .version = options->ignored->pdata[0] };
  g_autofree char *advice = DKMS_SAY (WRITE_VERSION, .id = both);

  return DKMS_FAIL (error, NO_VERSION, .id = { .module = options->module }, .advice = advice);
}

/* Whether the words name something that is there. */
static gboolean
check_subject (const DkmsOptions *options, GError **error)
{
  if (options->unreadable != NULL)
    return dkms_fail_with (error, &(DkmsErrorInfo){ .kind = geteuid () == 0 ? DKMS_ERROR_SOURCE_HIDDEN_FROM_ROOT
                                                                            : DKMS_ERROR_SOURCE_UNREADABLE,
                                                    .path = options->unreadable,
                                                    .number = options->unreadable_errno });
  if (options->bare_dir != NULL)
    return DKMS_FAIL (error, DIRECTORY_WITHOUT_CONF, .path = options->bare_dir);
  if (options->missing != NULL)
    return DKMS_FAIL (error, FILE_ABSENT, .path = options->missing);
  return TRUE;
}

/* Sanity checks of docs/interface/cli.md §1, step 8, in this order, and those of the verb. */
static gboolean
check_combination (const DkmsOptions *options, const DkmsVerbInfo *verb, GError **error)
{
  static const char *const styles[] = { "", "pretty", "short", "off", NULL };

  if (options->json != NULL && !g_strv_contains (styles, options->json))
    return DKMS_FAIL (error, BAD_JSON_STYLE, .text = options->json);
  if (options->binaries_only && options->source_only)
    return DKMS_FAIL (error, TARBALL_KINDS);
  if (options->metrics != NULL && options->last)
    return DKMS_FAIL (error, METRICS_OF_LAST);
  if (options->arches->len > 1 && options->arches->len != options->kernels->len)
    return DKMS_FAIL (error, ARCH_COUNT, .number = options->arches->len, .limit = options->kernels->len);
  if (options->all && options->kernels->len > 0)
    return DKMS_FAIL (error, KERNEL_WITH_ALL);
  if (options->all && options->arches->len > 0)
    return DKMS_FAIL (error, ARCH_WITH_ALL);
  if (options->all && !verb->takes_all)
    return DKMS_FAIL (error, NO_ALL, .name = verb->name);
  if (options->all_kernels && (verb->options & DKMS_TAKES (ALL_KERNELS)) == 0)
    return DKMS_FAIL (error, NO_ALL_KERNELS, .name = verb->name);
  if (options->all_kernels && options->kernels->len > 0)
    return DKMS_FAIL (error, KERNEL_WITH_ALL_KERNELS);
  if (verb->one_kernel && options->kernels->len != 1)
    return DKMS_FAIL (error, ONE_KERNEL, .name = verb->name);
  if (options->kernels->len > 1 && !verb->many_kernels)
    return DKMS_FAIL (error, MANY_KERNELS, .name = verb->name);
  if ((options->source != NULL || (options->archive != NULL && !verb->writes_archive))
      && (options->module != NULL || options->version != NULL))
    return DKMS_FAIL (error, TWO_SUBJECTS, .path = options->source);
  if (options->ignored->len > 0 && options->module != NULL && options->version == NULL && !verb->filters
      && verb->selection == DKMS_SELECT_ONE)
    return fail_two_words (options, error);
  for (guint i = 0; i < options->sources->len; i++)
    if (!check_subject (options->sources->pdata[i], error))
      return FALSE;
  return check_subject (options, error) && (verb->check_options == NULL || verb->check_options (options, error));
}

static gboolean
check_privileges (const DkmsPlaces *places, const DkmsVerbInfo *verb, const DkmsOptions *options, GError **error)
{
  if (options->dry_run)
    return TRUE;
  /* In a root of their own, users need only write permission, which is checked at each change. */
  if (verb->needs_root && geteuid () != 0 && dkms_root_is_host (places->root))
    return DKMS_FAIL (error, NEEDS_ROOT, .name = verb->name);
  if (verb->needs_root_to_force && options->force && geteuid () != 0 && dkms_root_is_host (places->root))
    return DKMS_FAIL (error, NEEDS_ROOT, .name = verb->name, .text = "--force");
  return !verb->needs_writable_tree || dkms_tree_check_writable (places, error);
}

/* ---- targets ---- */

static gboolean
check_target (const DkmsPlaces *places, const char *kernel, const char *arch, GError **error)
{
  g_autofree char *path = g_strconcat ("/", arch, NULL);

  if (*kernel == '\0' && strchr (arch, '/') != NULL)
    {
      g_autofree char *near = dkms_kernel_near (places->root, places->install_tree, path);
      return DKMS_FAIL (error, KERNEL_IS_PATH, .path = path, .near = near);
    }
  if (*kernel == '\0' || *arch == '\0')
    return DKMS_FAIL (error, EMPTY_VALUE);
  return dkms_tree_check_name (DKMS_ERROR_BAD_TARGET, "kernel release", kernel, error)
         && dkms_tree_check_name (DKMS_ERROR_BAD_TARGET, "architecture", arch, error);
}

/* Checks the names in a filter of a verb that changes the tree. @kernel, @arch: (nullable) */
static gboolean
check_filter (const char *kernel, const char *arch, GError **error)
{
  return (kernel == NULL || dkms_tree_check_name (DKMS_ERROR_BAD_TARGET, "kernel release", kernel, error))
         && (arch == NULL || dkms_tree_check_name (DKMS_ERROR_BAD_TARGET, "architecture", arch, error));
}

/* Adds every kernel with headers. */
static gboolean
add_all_kernels (const DkmsSettings *settings, DkmsOptions *options, GError **error)
{
  g_autoptr (GPtrArray) names = dkms_kernel_list (settings->places.root, settings->places.install_tree, TRUE);

  for (guint i = 0; i < names->len; i++)
    dkms_options_add_kernel (options, names->pdata[i]);
  return options->kernels->len > 0
         || dkms_missing_all_headers (settings->policy.distro, settings->places.root, settings->places.install_tree,
                                      error);
}

/* With --root, the default is a kernel of that system: the newest, or for autoinstall all with headers. */
static gboolean
add_kernel_of_root (const DkmsSettings *settings, DkmsOptions *options, const DkmsVerbInfo *verb, GError **error)
{
  const DkmsPlaces *places = &settings->places;
  g_autofree char *running = g_build_filename (places->install_tree, dkms_running_release (), NULL);
  g_autofree char *shown = dkms_root_host_path (places->root, places->install_tree);
  g_autoptr (GPtrArray) names = NULL;

  if (dkms_root_is_dir (places->root, running))
    return TRUE;
  if ((verb->options & DKMS_TAKES (ALL_KERNELS)) != 0)
    return add_all_kernels (settings, options, error);
  names = dkms_kernel_list (places->root, places->install_tree, TRUE);
  if (names->len == 0)
    {
      g_ptr_array_unref (names);
      names = dkms_kernel_list (places->root, places->install_tree, FALSE);
    }
  g_ptr_array_sort (names, dkms_version_compare_names);
  if (names->len > 0)
    dkms_options_add_kernel (options, names->pdata[names->len - 1]);
  return names->len > 0 || !verb->builds || DKMS_FAIL (error, NO_KERNEL_IN_ROOT, .path = shown);
}

/* Combines kernels and arches (docs/interface/cli.md §5; the arch in k/a belongs to its kernel). */
static gboolean
fill_targets (DkmsRequest *request, const DkmsVerbInfo *verb, const DkmsSettings *settings, DkmsOptions *options,
              GError **error)
{
  g_autofree char *usual = NULL; /* the arch of the first kernel is used for all kernels without one */

  if (request->all)
    return TRUE; /* run/ knows the builds */
  if (options->all_kernels && !verb->filters && !add_all_kernels (settings, options, error))
    return FALSE;
  if (options->kernels->len == 0 && !verb->filters && !dkms_root_is_host (settings->places.root)
      && !add_kernel_of_root (settings, options, verb, error))
    return FALSE;
  for (guint i = 0; i < MAX (options->kernels->len, 1); i++)
    {
      const DkmsId *given = i < options->kernels->len ? options->kernels->pdata[i] : NULL;
      const char *kernel = given != NULL ? given->kernel : verb->filters ? NULL : dkms_running_release ();
      const char *arch = given != NULL && given->arch != NULL ? given->arch
                         : options->arches->len > 1           ? options->arches->pdata[i]
                         : options->arches->len == 1          ? options->arches->pdata[0]
                                                              : NULL;

      if (!verb->filters && arch == NULL && usual == NULL)
        {
          const DkmsId *first = options->kernels->len > 0 ? options->kernels->pdata[0] : NULL;
          g_autofree char *dir = g_build_filename (settings->places.install_tree,
                                                   first != NULL ? first->kernel : dkms_running_release (), NULL);
          usual = dkms_distro_arch (settings->policy.distro, settings->places.root, dir, dkms_running_machine ());
        }
      if (arch == NULL)
        arch = usual;
      if (verb->filters ? verb->answer == NULL && !check_filter (kernel, arch, error)
                        : !check_target (&settings->places, kernel, arch, error))
        return FALSE;
      if (verb->filters || !dkms_targets_contain (request->targets, &(DkmsId){ .kernel = kernel, .arch = arch }))
        dkms_targets_add (request->targets, &(DkmsId){ .kernel = kernel, .arch = arch });
    }
  return TRUE;
}

static gboolean
check_names (const DkmsRequest *request, const DkmsVerbInfo *verb, GError **error)
{
  gboolean module = request->module != NULL && *request->module != '\0',
           version = request->version != NULL && *request->version != '\0';

  return (verb->filters && verb->answer != NULL) /* an unknown name selects nothing */
         || ((!module || dkms_tree_check_name (DKMS_ERROR_BAD_NAME, "module name", request->module, error))
             && (!version || dkms_tree_check_name (DKMS_ERROR_BAD_NAME, "module version", request->version, error)));
}

/* Takes the options of matrix. */
static void
take_matrix (DkmsRequest *request, DkmsOptions *options)
{
  const char *const trees[][2] = { { "--dkmstree", options->dkmstree },
                                   { "--sourcetree", options->sourcetree },
                                   { "--installtree", options->installtree } };

  request->format = g_steal_pointer (&options->format);
  request->shards = g_steal_pointer (&options->shards);
  request->shard = g_steal_pointer (&options->shard);
  request->durations = g_steal_pointer (&options->durations);
  request->merge = g_steal_pointer (&options->merge);
  request->job = g_steal_pointer (&options->job);
  g_ptr_array_extend_and_steal (request->roots, g_steal_pointer (&options->roots));
  options->roots = g_ptr_array_new_with_free_func (g_free);
  for (gsize i = 0; i < G_N_ELEMENTS (trees); i++)
    if (trees[i][1] != NULL)
      {
        g_ptr_array_add (request->trees, g_strdup (trees[i][0]));
        g_ptr_array_add (request->trees, g_strdup (trees[i][1]));
      }
  for (guint i = 0; i < options->sources->len; i++)
    {
      DkmsOptions *one = options->sources->pdata[i];
      DkmsRequest *source = dkms_request_new ();
      source->goal = DKMS_GOAL_REGISTERED;
      source->selection = DKMS_SELECT_ONE;
      source->module = g_steal_pointer (&one->module);
      source->version = g_steal_pointer (&one->version);
      source->source = g_steal_pointer (&one->source);
      source->archive = g_steal_pointer (&one->archive);
      source->action = g_strdup ("add");
      g_ptr_array_add (request->sources, source);
    }
}

static DkmsRequest *
make_request (const DkmsVerbInfo *verb, const DkmsSettings *settings, DkmsOptions *options, GError **error)
{
  g_autoptr (DkmsRequest) request = dkms_request_new ();

  request->goal = verb->goal;
  request->selection = verb->selection;
  request->module = g_steal_pointer (&options->module);
  request->version = g_steal_pointer (&options->version);
  request->source = g_steal_pointer (&options->source);
  request->archive = g_steal_pointer (&options->archive);
  request->output = g_steal_pointer (&options->output);
  request->template = g_steal_pointer (&options->templatekernel);
  request->action = g_strdup (verb->name);
  request->part = g_steal_pointer (&options->action);
  request->limit_mib = options->max_size != NULL ? (gint64)g_ascii_strtoull (options->max_size, NULL, 10) : -1;
  request->kernel_source = g_steal_pointer (&options->kernelsourcedir);
  request->kernel_config = g_steal_pointer (&options->config);
  request->conf_file = g_steal_pointer (&options->conf_file);
  g_ptr_array_extend_and_steal (request->directives, g_steal_pointer (&options->directives));
  options->directives = g_ptr_array_new_with_free_func (g_free);
  if (request->template != NULL) /* k/a is accepted: the arch is that of the target */
    request->template[strcspn (request->template, "/")] = '\0';
  request->exit_code = dkms_exit_code;
  take_matrix (request, options);
  request->hook = g_steal_pointer (&options->hook);
  g_ptr_array_extend_and_steal (request->headers, g_steal_pointer (&options->headers));
  options->headers = g_ptr_array_new_with_free_func (g_free);
  request->source_only = options->source_only;
  request->binaries_only = options->binaries_only;
  request->rpm_safe_upgrade = options->rpm_safe_upgrade;
  request->all = options->all && (verb->options & DKMS_TAKES (ALL)) != 0;
  request->usual_kernel = options->kernels->len == 0 && !options->all;
  request->force = options->force;
  request->force_version_override = options->force_version_override;
  request->no_depmod = options->no_depmod;
  request->no_cache = options->no_cache;
  request->dry_run = options->dry_run;
  request->detailed = options->detailed;
  request->enroll = options->enroll;
  request->test = options->test;
  request->repair = g_steal_pointer (&options->repair);
  request->undo = g_steal_pointer (&options->undo);
  request->yes = options->yes;
  request->every_kernel = options->all_kernels && verb->filters;
  request->matrix = options->matrix;
  request->strict = options->strict;
  request->quiet_if_ok = options->quiet_if_ok;
  request->last = options->last;
  request->after_upgrade = options->after_upgrade;
  request->metrics = g_steal_pointer (&options->metrics);
  request->monitor = options->monitor;
  if (!check_names (request, verb, error) || !fill_targets (request, verb, settings, options, error)
      || (verb->check_request != NULL && !verb->check_request (request, error)))
    return NULL;
  return g_steal_pointer (&request);
}

/* An rpm package contains its own module: rpm installs it, and autoinstall builds it (docs/interface/build-install.md
 * §15). */
static gboolean
install_rpm (const DkmsPlaces *places, const DkmsVerbInfo *verb, DkmsRequest *request, GError **error)
{
  g_autofree char *path = request->archive != NULL ? g_canonicalize_filename (request->archive, NULL) : NULL;
  const char *argv[] = { "rpm", "-Uvh", path, NULL };
  DkmsCommand command = { .argv = argv, .root = places->root, .output_fd = -1, .null_stdin = TRUE };
  g_autoptr (GError) local = NULL;
  int status;

  if (path == NULL || !g_str_has_suffix (path, ".rpm") || verb->writes_archive)
    return TRUE;
  status = dkms_process_run (&command, &local);
  if (status < 0)
    return DKMS_FAIL (error, RPM_NOT_STARTED, .error = local);
  if (status > 0)
    return DKMS_FAIL (error, RPM_FAILED, .path = path, .status = status);
  g_clear_pointer (&request->archive, g_free);
  request->goal = DKMS_GOAL_INSTALLED;
  request->selection = DKMS_SELECT_LATEST;
  g_ptr_array_set_size (request->targets, 1);
  return TRUE;
}

/* On a terminal, `status --long` prints a table. Elsewhere, and without --long, its lines are those of dkms 3. */
static void
choose_table (const DkmsOptions *options, const DkmsVerbInfo *verb, DkmsReport *report, DkmsRequest *request)
{
  gboolean for_people = options->detailed && isatty (STDOUT_FILENO);

  if (options->matrix)
    {
      request->detailed = TRUE; /* with what has changed */
      dkms_report_begin_matrix (report);
      return;
    }
  if ((verb->options & DKMS_TAKES (LONG)) == 0
      || !(options->table || options->raw || options->columns != NULL || for_people))
    return;
  request->detailed |= dkms_table_is_detailed (options->columns);
  dkms_report_begin_table (report, options->columns, options->raw);
}

/* The log is that of this machine, so it contains only changes of its own tree, and answers that nobody asked for. */
static gboolean
is_logged (const DkmsSettings *settings, const DkmsVerbInfo *verb, const DkmsOptions *options,
           const DkmsRequest *request)
{
  gboolean reads = verb->answer != NULL || request->dry_run;

  return (!reads || request->quiet_if_ok || request->after_upgrade) && geteuid () == 0
         && dkms_root_is_host (settings->places.root) && options->dkmstree == NULL
         && g_getenv (DKMS_WALL_VARIABLE) == NULL;
}

int
dkms_verb_run (DkmsSettings *settings, DkmsReport *report, const DkmsVerbInfo *verb, DkmsOptions *options)
{
  DkmsListener *events = dkms_report_listener (report);
  g_autoptr (GError) error = NULL;
  g_autoptr (DkmsRequest) request = NULL;
  int status = 0;

  /* Settings that cannot be read may require a sandbox, or disable autoinstall. */
  if (!dkms_unread_check (&error))
    return fail_with (events, verb, error);
  dkms_options_apply (options, settings);
  dkms_report_set_verbose (report, settings->policy.verbose);
  if (!check_combination (options, verb, &error) || !dkms_options_check (options, settings, verb, events, &error)
      || (request = make_request (verb, settings, options, &error)) == NULL
      || !check_privileges (&settings->places, verb, options, &error))
    return fail_with (events, verb, error);
  dkms_options_warn (options, settings, verb, events);
  if (verb->answer != NULL && !dkms_verb_takes_source (verb, request->part)
      && !dkms_request_name_source (settings, events, request, &error))
    return fail_with (events, verb, error);
  if (verb->answer != NULL)
    {
      choose_table (options, verb, report, request);
      if (is_logged (settings, verb, options, request))
        dkms_report_begin_log (report, verb->name);
      gboolean ok = verb->answer (settings, events, request, &error);
      ok = dkms_report_end_table (report, ok ? &error : NULL) && ok;
      return ok && dkms_unread_check (&error) ? end_answer (report, 0) : fail_with (events, verb, error);
    }
  if (!request->dry_run && !install_rpm (&settings->places, verb, request, &error))
    return fail_with (events, verb, error);
  gboolean off = request->selection == DKMS_SELECT_LATEST
                 && dkms_root_is_file (settings->places.root, "/etc/dkms/no-autoinstall");
  if (!dkms_unread_check (&error))
    return fail_with (events, verb, error);
  if (off)
    {
      DKMS_EMIT (events, AUTOINSTALL_OFF, .path = "/etc/dkms/no-autoinstall");
      return 0;
    }
  if (is_logged (settings, verb, options, request))
    dkms_report_begin_log (report, verb->name);
  if (!dkms_run (settings, events, request, dkms_exit_code, &status, &error))
    return fail_with (events, verb, error);
  return request->dry_run ? end_answer (report, status) : status;
}

/* "dkms help" and "dkms help <verb>", where help is not the name of a module. */
static gboolean
asks_for_help (const DkmsOptions *options)
{
  const GPtrArray *words = options->words;

  return words->len > 0 && strcmp (words->pdata[0], "help") == 0 && words->len == (options->verb != NULL ? 2 : 1);
}

/* Runs the command, without the document. @verb: (out): that of the command line */
static int
run_command (DkmsReport *report, int argc, char **argv, const DkmsVerbInfo **verb)
{
  DkmsListener *events = dkms_report_listener (report);
  g_autoptr (GError) error = NULL;
  g_autoptr (DkmsOptions) options = NULL;
  g_autoptr (DkmsSettings) settings = NULL;
  DkmsRoot *root;

  root = dkms_root_open (root_argument (argc, argv), &error);
  settings = root != NULL ? dkms_settings_new (root, &error) : NULL;
  if (settings == NULL)
    return fail_with (events, NULL, error);
  guint mark = dkms_unread_mark ();
  options = dkms_options_parse (argc, argv, events, &error);
  dkms_unread_drop (mark); /* a word that is not a readable file is a name, or is reported as unreadable */
  if (options == NULL)
    return fail_with (events, NULL, error);
  *verb = options->verb != NULL ? dkms_verb_find (options->verb) : NULL;
  if (options->version_asked || options->help || asks_for_help (options))
    {
      dkms_report_drop_document (report); /* help and version are texts */
      if (options->version_asked)
        (void)printf ("%s\n", DKMS_VERSION);
      else
        dkms_help_print (*verb);
      return end_answer (report, 0);
    }
  if (!dkms_report_keep_output (report, &error))
    return fail_with (events, NULL, error);
  if (*verb == NULL)
    {
      (void)dkms_fail_verb (options, &error);
      return fail_with (events, NULL, error);
    }
  if ((*verb)->many_sources && !dkms_options_take_sources (options, &error))
    return fail_with (events, *verb, error);
  for (guint i = 0; i < options->ignored->len; i++)
    DKMS_EMIT (events, ARGUMENT_IGNORED, .name = options->ignored->pdata[i]);
  if (settings->ignored != NULL)
    dkms_listener_hear (events, settings->ignored);
  return dkms_verb_run (settings, report, *verb, options);
}

/* `dkms --adopt`, for the scripts of packages that replace dkms 3. */
static int
adopt (DkmsReport *report, int argc, char **argv)
{
  DkmsListener *events = dkms_report_listener (report);
  g_autoptr (GError) error = NULL;
  DkmsRoot *root = dkms_root_open (root_argument (argc, argv), &error);
  g_autoptr (DkmsSettings) settings = root != NULL ? dkms_settings_new (root, &error) : NULL;

  if (settings == NULL)
    return fail_with (events, NULL, error);
  if (!dkms_root_is_dir (settings->places.root, settings->places.dkms_tree))
    return 0;
  if (!dkms_tree_check_trusted (&settings->places, &error))
    return fail_with (events, NULL, error);
  dkms_adopt (settings, TRUE);
  return 0;
}

static gboolean
is_verb (const char *word)
{
  return dkms_verb_find (word) != NULL;
}

int
dkms_cli_main (int argc, char **argv)
{
  g_autoptr (DkmsReport) report = dkms_report_new ();
  const char *root = root_argument (argc, argv);
  const DkmsVerbInfo *verb = NULL;
  g_autofree char *whole_root = root != NULL ? g_canonicalize_filename (root, NULL) : NULL;
  gboolean pretty, json = json_argument (argc, argv, &pretty);

  if (whole_root != NULL && strcmp (whole_root, "/") != 0)
    dkms_template_set_root (whole_root, is_verb);
  g_set_prgname ("dkms");
  if (argc > 1 && strcmp (argv[1], "--complete") == 0)
    return dkms_complete_main (argc - 2, argv + 2);
  if (argc > 1 && strcmp (argv[1], "--adopt") == 0)
    return adopt (report, argc, argv);
  if (json)
    dkms_report_begin_document (report, pretty);
  int status = run_command (report, argc, argv, &verb);
  return dkms_report_end_document (report, verb != NULL ? verb->name : NULL, root != NULL ? root : "/", status);
}
