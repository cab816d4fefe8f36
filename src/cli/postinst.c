/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The personality common.postinst: packages with modules run it after their installation (docs/interface/integration.md
 * §6). It decides what to do, and runs the code of the verbs. */
#define _GNU_SOURCE
#include "cli/postinst.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/proc.h"
#include "base/process.h"
#include "base/unread.h"
#include "cli/check.h"
#include "cli/cli.h"
#include "cli/exit-code.h"
#include "cli/options.h"
#include "cli/verbs.h"
#include "config.h"
#include "model/version.h"
#include "run/run.h"
#include "store/layout.h"
#include "store/scan.h"

typedef struct {
  DkmsSettings *settings;
  DkmsReport *report;
  DkmsListener *events; /* of the report */
  const char *root, *name, *version, *tarballs, *arch, *upgrade;
  gboolean all_kernels, go_on;
} Postinst;

/* ---- verbs ---- */

/* Runs `dkms VERB -m NAME -v VERSION [-k KERNEL]`. Returns: its exit status */
static int
run (Postinst *p, const char *verb, const char *kernel)
{
  g_autoptr (DkmsOptions) options = dkms_options_new ();

  dkms_options_set_module (options, p->name);
  dkms_options_set_version (options, p->version);
  options->all = kernel == NULL && strcmp (verb, "remove") == 0;
  if (kernel != NULL)
    dkms_options_add_kernel (options, kernel);
  if (kernel != NULL && *p->arch != '\0')
    g_ptr_array_add (options->arches, g_strdup (p->arch));
  return dkms_verb_run (p->settings, p->report, dkms_verb_find (verb), options);
}

/* Runs `dkms ldtarball ARCHIVE`. @archive: a file of the host. Returns: its exit status */
static int
load_archive (Postinst *p, const char *archive)
{
  g_autoptr (DkmsOptions) options = dkms_options_new ();

  options->archive = g_strdup (archive);
  return dkms_verb_run (p->settings, p->report, dkms_verb_find ("ldtarball"), options);
}

/* TRUE also for a module that cannot be read, because the following verb reports the reason. */
static gboolean
may_be_built (const Postinst *p, const char *kernel)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DkmsState) state
      = dkms_state_read (&p->settings->places, &(DkmsId){ .module = p->name, .version = p->version }, &error);
  const DkmsVersion *version
      = state != NULL ? dkms_state_find (state, &(DkmsId){ p->name, p->version, NULL, NULL }) : NULL;

  if (state == NULL)
    return TRUE;
  for (guint i = 0; version != NULL && i < version->builds->len; i++)
    {
      const DkmsBuild *build = version->builds->pdata[i];
      if (build->built && strcmp (build->kernel, kernel) == 0
          && (*p->arch == '\0' || strcmp (build->arch, p->arch) == 0))
        return TRUE;
    }
  return FALSE;
}

/* ---- kernels ---- */

/* Every kernel with a build link, oldest first. */
static GPtrArray *
kernels_with_headers (const Postinst *p)
{
  const DkmsSettings *s = p->settings;
  g_auto (DkmsFd) fd = dkms_root_openat (s->places.root, DKMS_MODULE_DIR, O_RDONLY | O_DIRECTORY, 0);
  g_autoptr (GPtrArray) names = fd >= 0 ? dkms_list_dir_at (fd, ".", NULL) : NULL;
  GPtrArray *found = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; names != NULL && i < names->len; i++)
    {
      g_autofree char *build = g_build_filename (names->pdata[i], "build", NULL);
      struct stat st;
      if (fstatat (fd, build, &st, AT_SYMLINK_NOFOLLOW) == 0)
        g_ptr_array_add (found, g_strdup (names->pdata[i]));
      else
        dkms_unread_note (fd, build, errno);
    }
  g_ptr_array_sort (found, dkms_version_compare_names);
  return found;
}

/* "6.1.0-56" for "6.1.0-56-amd64". */
static char *
version_and_abi (const char *release)
{
  g_auto (GStrv) parts = g_strsplit (release, "-", 3);

  return g_strdup_printf ("%s-%s", parts[0] != NULL ? parts[0] : "",
                          parts[0] != NULL && parts[1] != NULL ? parts[1] : "");
}

/* Returns the newest kernel with a configuration in /boot that is not older than @running; the later one of equal
 * kernels. */
static char *
newest_by_boot (const Postinst *p, const char *running)
{
  const DkmsRoot *root = p->settings->places.root;
  g_auto (DkmsFd) fd = dkms_root_openat (root, "/boot", O_RDONLY | O_DIRECTORY, 0);
  g_autoptr (GPtrArray) names = fd >= 0 ? dkms_list_dir_at (fd, ".", NULL) : NULL;
  g_autofree char *best = version_and_abi (running);
  char *newest = NULL;

  for (guint i = 0; names != NULL && i < names->len; i++)
    {
      const char *release = (const char *)names->pdata[i] + strlen ("config-");
      g_autofree char *version = NULL;

      if (!g_str_has_prefix (names->pdata[i], "config-"))
        continue;
      version = version_and_abi (release);
      if (dkms_version_sort (version, best) < 0)
        continue;
      g_free (newest);
      newest = g_strdup (release);
      g_free (best);
      best = g_steal_pointer (&version);
    }
  return newest;
}

static char *
newest_by_rpm (const Postinst *p)
{
  const char *argv[] = { "rpm", "-q", "--qf", "%{VERSION}-%{RELEASE}.%{ARCH}\\n", "--whatprovides", "kernel", NULL };
  DkmsCommand command = { .argv = argv, .root = p->settings->places.root, .null_stdin = TRUE };
  int status = 0;
  g_autofree char *text = dkms_process_capture (&command, NULL, &status, NULL);
  const char *last = text != NULL && status == 0 ? strrchr (g_strchomp (text), '\n') : NULL;

  if (text == NULL || status != 0)
    return NULL;
  return g_strdup (last != NULL ? last + 1 : text);
}

/* Returns the newest installed kernel. */
static char *
newest_kernel (const Postinst *p, const char *running)
{
  const DkmsRoot *root = p->settings->places.root;
  g_autofree char *newest = dkms_root_is_file (root, "/usr/bin/dpkg") ? newest_by_boot (p, running) : newest_by_rpm (p);
  g_autofree char *dir = g_build_filename (DKMS_MODULE_DIR, newest != NULL ? newest : "", NULL);

  return newest != NULL && *newest != '\0' && dkms_root_is_dir (root, dir) ? g_steal_pointer (&newest) : NULL;
}

static GPtrArray *
choose_kernels (const Postinst *p)
{
  g_autoptr (GPtrArray) all = kernels_with_headers (p);
  g_autofree char *running_dir = NULL;
  g_autofree char *newest = NULL;
  const char *running = dkms_running_release ();
  GPtrArray *chosen;

  if (p->all_kernels)
    return g_steal_pointer (&all);
  newest = newest_kernel (p, running);
  running_dir = g_build_filename (DKMS_MODULE_DIR, running, NULL);
  chosen = g_ptr_array_new_with_free_func (g_free);
  if (dkms_root_is_dir (p->settings->places.root, running_dir))
    {
      g_ptr_array_add (chosen, g_strdup (running));
      if (newest != NULL && strcmp (newest, running) != 0)
        g_ptr_array_add (chosen, g_steal_pointer (&newest));
      return chosen;
    }
  DKMS_EMIT (p->events, RUNNING_KERNEL_ABSENT, .id = { .kernel = running });
  if (newest == NULL || *p->upgrade == '\0')
    {
      g_ptr_array_unref (chosen);
      return g_steal_pointer (&all);
    }
  g_ptr_array_add (chosen, g_steal_pointer (&newest));
  return chosen;
}

static void
print_choice (const Postinst *p, const GPtrArray *kernels)
{
  g_autofree char *list = dkms_list_names ((const char *const *)kernels->pdata, kernels->len, kernels->len);

  DKMS_EMIT (p->events, KERNELS_CHOSEN, .text = list, .name = *p->arch != '\0' ? p->arch : NULL);
}

/* ---- the module ---- */

/* Registers the module again. Returns: 0, or the exit status to end with */
static int
load (Postinst *p)
{
  const DkmsSettings *s = p->settings;
  g_autofree char *version_dir = dkms_layout_version (&s->places, &(DkmsId){ p->name, p->version, NULL, NULL }, NULL);
  g_autofree char *source_name = g_strdup_printf ("%s-%s", p->name, p->version);
  g_autofree char *source = g_build_filename (s->places.source_tree, source_name, NULL);
  g_autofree char *tarball = g_strdup_printf ("%s/%s.dkms.tar.gz", p->tarballs, source_name);
  int status;

  if (dkms_root_is_dir (s->places.root, version_dir))
    {
      DKMS_EMIT (p->events, OLD_REGISTRATION_REMOVED, .id = { p->name, p->version, NULL, NULL });
      status = run (p, "remove", NULL);
      if (status != 0)
        return status;
    }
  if (*p->tarballs != '\0' && dkms_root_is_file (s->places.root, tarball))
    {
      g_autofree char *host = dkms_root_resolved (s->places.root, tarball);
      if (load_archive (p, host) == 0)
        return 0;
      DKMS_EMIT (p->events, READY_MADE_NOT_LOADED, .path = tarball);
      return 2;
    }
  if (!dkms_root_is_dir (s->places.root, source))
    return 0;
  DKMS_EMIT (p->events, REGISTERING, .id = { p->name, p->version, NULL, NULL });
  dkms_report_set_errors_only (p->report, TRUE); /* builds print further messages */
  status = run (p, "add", NULL);
  dkms_report_set_errors_only (p->report, FALSE);
  return status;
}

/* The value of AUTOINSTALL in the recipe and its overrides; 'no' means no. */
static gboolean
wants_autoinstall (Postinst *p)
{
  g_autoptr (DkmsRequest) request = dkms_request_new ();
  g_autoptr (DkmsWorld) world = dkms_world_new (p->settings, request, p->events);
  const DkmsRecipe *recipe = dkms_world_recipe (
      world, &(DkmsId){ p->name, p->version, dkms_running_release (), dkms_running_machine () }, NULL);

  return recipe != NULL && recipe->autoinstall;
}

/* Builds and installs for one kernel. Returns: 0, or the exit status of the failure */
static int
serve (Postinst *p, const char *kernel)
{
  const DkmsRoot *root = p->settings->places.root;
  g_autofree char *version_dir
      = dkms_layout_version (&p->settings->places, &(DkmsId){ p->name, p->version, NULL, NULL }, NULL);
  g_autofree char *include = g_build_filename (DKMS_MODULE_DIR, kernel, "build/include", NULL);
  g_auto (DkmsFd) fd = dkms_root_openat (root, version_dir, O_RDONLY | O_DIRECTORY, 0);
  int status;

  if (strstr (kernel, "BOOT") != NULL)
    return DKMS_EMIT (p->events, INSTALLATION_KERNEL, .id = { .kernel = kernel }), 0;
  gboolean built = may_be_built (p, kernel);
  if (!built && (fd < 0 || !dkms_is_link_at (fd, "source")))
    return DKMS_EMIT (p->events, NONE_READY_MADE, .id = { .kernel = kernel }), 0;
  if (!built && !dkms_root_is_dir (root, include))
    return DKMS_EMIT (p->events, HEADERS_ABSENT, .id = { .kernel = kernel }), 0;
  status = run (p, "install", kernel);
  return status == 77 ? 0 : status;
}

static int
serve_all (Postinst *p, const GPtrArray *kernels)
{
  g_autoptr (GString) failed = g_string_new (NULL);
  int result = 0;

  for (guint i = 0; i < kernels->len; i++)
    {
      int status = serve (p, kernels->pdata[i]);
      if (status == 0)
        continue;
      result = status;
      g_string_append_printf (failed, " %s", (const char *)kernels->pdata[i]);
      if (!p->go_on)
        break;
    }
  if (failed->len > 0)
    DKMS_EMIT (p->events, NOT_INSTALLED_FOR, .id = { p->name, p->version, NULL, NULL },
               .text = g_strchug (failed->str));
  return result;
}

static int
postinst (Postinst *p)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DkmsVars) values = NULL;
  g_autoptr (GPtrArray) kernels = NULL;
  int status;

  if (dkms_root_is_file (p->settings->places.root, "/etc/dkms/no-autoinstall"))
    return DKMS_EMIT (p->events, AUTOINSTALL_OFF, .path = "/etc/dkms/no-autoinstall"), 0;
  if (!dkms_settings_reread (p->settings, "autoinstall_all_kernels continue_on_error", NULL, &values, &error))
    {
      DKMS_EMIT (p->events, ERROR, .error = error);
      return dkms_exit_code (NULL, error);
    }
  p->all_kernels = values != NULL && *dkms_vars_get (values, "autoinstall_all_kernels", 0) != '\0';
  if (values != NULL && dkms_vars_count (values, "continue_on_error") > 0)
    p->go_on = strcmp (dkms_vars_get (values, "continue_on_error", 0), "true") == 0;

  status = load (p);
  if (status != 0)
    return status;
  if (!wants_autoinstall (p))
    return DKMS_EMIT (p->events, AUTOINSTALL_NOT_WANTED, .id = { p->name, p->version, NULL, NULL }), 0;
  kernels = choose_kernels (p);
  if (kernels->len == 0)
    {
      DKMS_EMIT (p->events, ALL_HEADERS_ABSENT, .id = { p->name, p->version, NULL, NULL });
      return 0;
    }
  if (kernels->len > 1) /* for one kernel, the build prints the same */
    print_choice (p, kernels);
  return serve_all (p, kernels);
}

int
dkms_postinst_main (int argc, char **argv)
{
  g_autoptr (DkmsReport) report = dkms_report_new ();
  Postinst p = { .report = report, .events = dkms_report_listener (report), .go_on = TRUE };
  g_autoptr (GError) error = NULL;
  g_autoptr (DkmsSettings) settings = NULL;
  DkmsRoot *root;
  int first = 1, status;

  (void)setvbuf (stdout, NULL, _IOLBF, 0); /* keeps our lines in order with those of dkms */
  (void)g_setenv ("DKMS_PLAIN", "1", TRUE);
  if (argc > 2 && strcmp (argv[1], "--root") == 0)
    {
      p.root = argv[2];
      first = 3;
    }
  const char *words[5];
  for (int i = 0; i < 5; i++)
    words[i] = first + i < argc ? argv[first + i] : "";
  p.name = words[0];
  p.version = words[1];
  p.tarballs = words[2];
  p.arch = words[3];
  p.upgrade = words[4];
  if (*p.name == '\0' || *p.version == '\0')
    {
      DKMS_FAIL (&error, POSTINST_ARGUMENTS);
      DKMS_EMIT (p.events, ERROR, .error = error);
      return dkms_exit_code (NULL, error);
    }
  root = dkms_proc_ensure (&error) ? dkms_root_open (p.root, &error) : NULL;
  settings = root != NULL ? dkms_settings_new (root, &error) : NULL;
  if (settings == NULL)
    {
      DKMS_EMIT (p.events, ERROR, .error = error);
      return dkms_exit_code (NULL, error);
    }
  p.settings = settings;
  dkms_settings_warn_once (&settings->places, p.events);
  if (settings->ignored != NULL)
    dkms_listener_hear (p.events, settings->ignored);
  status = postinst (&p);
  if (dkms_unread_check (&error))
    return status;
  DKMS_EMIT (p.events, ERROR, .error = error);
  return status != 0 ? status : dkms_exit_code (NULL, error);
}
