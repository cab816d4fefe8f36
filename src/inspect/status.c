/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The verb status, which compares builds with what is installed. */
#define _GNU_SOURCE
#include "inspect/status.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/unread.h"
#include "install/job.h"
#include "store/transaction.h"

typedef struct {
  const DkmsSettings *settings;
  DkmsUi *ui;
  DkmsWorld *world;
  GHashTable *records; /* DkmsBuild -> DkmsRecord, for those that have one */
  char **hidden;       /* (nullable): the first file that the user may not look at, and why */
} Status;

typedef enum { FINDING_NONE, FINDING_MISSING, FINDING_DIFFERS } Finding;

/* Whether a file may be there and cannot be looked at, for which @number, an errno, is the reason. Its line does not
 * report any differences then. What a user may not look at is reported once; every other reason is an error, which was
 * noted (base/unread.h). */
static gboolean
is_hidden (const Status *self, const char *path, int number)
{
  if (dkms_is_absent (number))
    return FALSE;
  if (*self->hidden == NULL && (number == EACCES || number == EPERM) && geteuid () != 0)
    *self->hidden = g_strdup_printf ("%s: %s", path, g_strerror (number));
  return TRUE;
}

static gboolean
is_unreadable (const Status *self, const char *path)
{
  g_auto (DkmsFd) fd = dkms_root_openat (self->settings->root, path, DKMS_READ_FLAGS, 0);

  return fd < 0 && is_hidden (self, path, errno);
}

static Finding
compare_content (const Status *self, const char *built, const char *installed)
{
  g_autofree char *x = dkms_root_resolved (self->settings->root, built);
  g_autofree char *y = dkms_root_resolved (self->settings->root, installed);

  if (dkms_files_equal_at (AT_FDCWD, x, AT_FDCWD, y) || is_unreadable (self, built) || is_unreadable (self, installed))
    return FINDING_NONE;
  return FINDING_DIFFERS;
}

/* A stat that equals the recorded one proves the content unchanged; otherwise the files are compared. */
static Finding
examine_recorded (const Status *self, const DkmsVersion *v, const DkmsBuild *b, const DkmsRecordModule *module)
{
  const DkmsSettings *s = self->settings;
  g_autofree char *built = dkms_tree_path (s, v->module, v->version, b->kernel, b->arch, "module", module->file, NULL);
  g_autofree char *installed
      = g_strconcat (s->install_tree, "/", b->kernel, module->dest_location, "/", module->file, NULL);
  struct stat built_st, installed_st;

  if (module->file == NULL)
    return FINDING_MISSING;
  if (dkms_root_stat (s->root, built, &built_st) < 0)
    return is_hidden (self, built, errno) ? FINDING_NONE : FINDING_MISSING;
  if (!b->active)
    return FINDING_NONE;
  if (dkms_root_stat (s->root, installed, &installed_st) < 0)
    return is_hidden (self, installed, errno) ? FINDING_NONE : FINDING_DIFFERS;
  if (module->installed_sig != NULL)
    {
      g_autofree char *a = dkms_stat_signature (&built_st);
      g_autofree char *c = dkms_stat_signature (&installed_st);
      if (g_strcmp0 (a, module->built_sig) == 0 && strcmp (c, module->installed_sig) == 0)
        return FINDING_NONE;
    }
  return compare_content (self, built, installed);
}

/* A build of the reference has no record: its recipe says what to look for. */
static Finding
examine_output (const Status *self, const DkmsVersion *v, const DkmsBuild *b, const DkmsOutput *output,
                const char *suffix)
{
  const DkmsSettings *s = self->settings;
  const char *places[] = { output->dest_location, output->conf_location };
  g_autofree char *dir = dkms_tree_path (s, v->module, v->version, b->kernel, b->arch, "module", NULL);
  g_autofree char *file = dkms_job_find (s->root, dir, output->dest_name, suffix);
  g_autofree char *built = file != NULL ? g_build_filename (dir, file, NULL) : NULL;

  if (built == NULL)
    return is_unreadable (self, dir) ? FINDING_NONE : FINDING_MISSING;
  for (gsize i = 0; b->active && i < G_N_ELEMENTS (places); i++)
    {
      g_autofree char *place = g_strconcat (s->install_tree, "/", b->kernel, places[i], NULL);
      g_autofree char *found = dkms_job_find (s->root, place, output->dest_name, suffix);
      g_autofree char *path = found != NULL ? g_build_filename (place, found, NULL) : NULL;
      if (path != NULL ? compare_content (self, built, path) == FINDING_NONE : is_unreadable (self, place))
        return FINDING_NONE;
    }
  return b->active ? FINDING_DIFFERS : FINDING_NONE;
}

static Finding
examine (const Status *self, const DkmsVersion *v, const DkmsBuild *b)
{
  const DkmsRecord *record = g_hash_table_lookup (self->records, b);
  g_autoptr (GError) error = NULL;
  Finding finding = FINDING_NONE;

  if (record != NULL)
    {
      for (guint i = 0; finding == FINDING_NONE && i < record->modules->len; i++)
        finding = examine_recorded (self, v, b, record->modules->pdata[i]);
      return finding;
    }
  const DkmsRecipe *recipe = dkms_world_recipe (self->world, v->module, v->version, b->kernel, b->arch, &error);
  if (recipe == NULL)
    {
      dkms_ui_note (self->ui, "%s/%s: %s", v->module, v->version, error->message);
      return FINDING_NONE;
    }
  DkmsKernelFacts facts = dkms_world_kernel (self->world, b->kernel, b->arch);
  const char *suffix = dkms_kernel_compression (facts.kernel, self->settings->root);
  g_autofree char *place = dkms_settings_destination (self->settings);
  g_autoptr (GPtrArray) outputs = dkms_recipe_outputs (recipe, facts.kernel, place, facts.config);
  for (guint i = 0; finding == FINDING_NONE && i < outputs->len; i++)
    {
      const DkmsOutput *output = outputs->pdata[i];
      if (!output->excluded)
        finding = examine_output (self, v, b, output, suffix);
    }
  return finding;
}

static gboolean
passes (const DkmsTarget *filter, const DkmsBuild *b)
{
  return (filter->kernel == NULL || strcmp (filter->kernel, b->kernel) == 0)
         && (filter->arch == NULL || strcmp (filter->arch, b->arch) == 0);
}

static void
print_version (const Status *self, const DkmsVersion *v, const DkmsTarget *filter)
{
  static const char *const words[] = { "", " (Built modules are missing in the kernel modules folder)",
                                       " (Differences between built and installed modules)" };
  gboolean any = FALSE;

  if (v->broken)
    {
      dkms_ui_line (self->ui, "%s/%s: broken", v->module, v->version);
      dkms_ui_note (self->ui,
                    "\nError! The source of %s/%s is gone: %s/%s/%s/source leads nowhere.\n"
                    "Put the source directory back (reinstall its package), or run: dkms remove %s/%s --all",
                    v->module, v->version, self->settings->dkms_tree, v->module, v->version, v->module, v->version);
      return;
    }
  for (guint i = 0; i < v->builds->len; i++)
    {
      const DkmsBuild *b = v->builds->pdata[i];

      if (!passes (filter, b))
        continue;
      any = TRUE;
      Finding finding = examine (self, v, b); /* before the line: what it may report is not to stand inside it */
      dkms_ui_line (self->ui, "%s/%s, %s, %s: %s%s%s", v->module, v->version, b->kernel, b->arch,
                    b->active ? "installed" : "built", b->originals ? " (Original modules exist)" : "", words[finding]);
    }
  if (!any)
    dkms_ui_line (self->ui, "%s/%s: added", v->module, v->version);
}

static gboolean
is_asked_for (const DkmsRequest *request, const DkmsBuild *b)
{
  gboolean asked = request->targets->len == 0;

  for (guint t = 0; t < request->targets->len && !asked; t++)
    asked = passes (request->targets->pdata[t], b);
  return asked;
}

/* Reads the records of all builds that lines will be about, and announces the recipes of those without, so that one
 * bash reads them. */
static void
read_records (const Status *self, const DkmsState *state, const DkmsRequest *request)
{
  for (guint i = 0; i < state->versions->len; i++)
    {
      const DkmsVersion *v = state->versions->pdata[i];
      for (guint k = 0; !v->broken && k < v->builds->len; k++)
        {
          DkmsBuild *b = v->builds->pdata[k];
          if (!is_asked_for (request, b))
            continue;
          DkmsRecord *record = dkms_record_read (self->settings, v->module, v->version, b->kernel, b->arch);
          if (record != NULL)
            g_hash_table_insert (self->records, b, record);
          else
            dkms_world_want (self->world, v->module, v->version, b->kernel, b->arch);
        }
    }
}

/* Kernels that are served by what is installed for another one; their lines come last. */
static void
print_weak (const Status *self, const DkmsState *state, const DkmsTarget *filter)
{
  const DkmsSettings *s = self->settings;
  g_auto (DkmsFd) fd = -1;
  g_autoptr (GPtrArray) kernels = NULL;

  if (s->distro->weak == DKMS_WEAK_NONE || s->no_weak_modules)
    return;
  fd = dkms_root_openat (s->root, s->install_tree, O_RDONLY | O_DIRECTORY, 0);
  kernels = fd >= 0 ? dkms_list_dir_at (fd, ".", NULL) : NULL;
  for (guint i = 0; i < state->versions->len; i++)
    {
      const DkmsVersion *v = state->versions->pdata[i];
      for (guint b = 0; !v->broken && b < v->builds->len; b++)
        {
          const DkmsBuild *build = v->builds->pdata[b];
          for (guint k = 0; build->active && kernels != NULL && k < kernels->len; k++)
            {
              const DkmsBuild weak = { .kernel = kernels->pdata[k], .arch = build->arch };
              if (passes (filter, &weak) && dkms_weak_serves (s, v, build, weak.kernel))
                dkms_ui_line (self->ui, "%s, %s, %s, %s: installed-weak from %s", v->module, v->version, weak.kernel,
                              weak.arch, build->kernel);
            }
        }
    }
}

/* Whether @pattern (nullable: any) means @name; shell patterns are allowed, as in 'foo*'. */
static gboolean
matches (const char *pattern, const char *name)
{
  return pattern == NULL || *pattern == '\0' || fnmatch (pattern, name, FNM_PERIOD) == 0;
}

static gboolean
is_name (const char *word)
{
  return word != NULL && *word != '\0' && strpbrk (word, "*?[\\") == NULL && dkms_tree_check_name ("", word, NULL);
}

static DkmsState *
read_selected (const DkmsSettings *settings, const DkmsRequest *request, GError **error)
{
  DkmsState *state;

  /* Only a name that can be one is looked up; what can be none is compared with those that are there. */
  if (is_name (request->module) && (request->version == NULL || is_name (request->version)))
    return dkms_state_read_most (settings, request->module, request->version, error);
  state = dkms_state_read_most (settings, NULL, NULL, error);
  for (guint i = state != NULL ? state->versions->len : 0; i-- > 0;)
    {
      const DkmsVersion *v = state->versions->pdata[i];
      if (!matches (request->module, v->module) || !matches (request->version, v->version))
        g_ptr_array_remove_index (state->versions, i);
    }
  return state;
}

/* A line that is missing must not pass for a module that is. */
static gboolean
report_unread (DkmsUi *ui, const DkmsState *state, GError **error)
{
  g_autoptr (GError) other = NULL;
  gboolean complete = state->unread->len == 0;

  for (guint i = 0; i < state->unread->len; i++)
    dkms_ui_error (ui, ((const DkmsUnread *)state->unread->pdata[i])->error);
  if (!dkms_unread_check (&other) && complete)
    return g_propagate_error (error, g_steal_pointer (&other)), FALSE;
  if (other != NULL)
    dkms_ui_error (ui, other);
  return complete
         || dkms_fail (error, DKMS_ERROR_IO, NULL, "Repair what the errors above name, and run it again.",
                       "The status is incomplete: some modules could not be read");
}

gboolean
dkms_status (const DkmsSettings *settings, DkmsUi *ui, const DkmsRequest *request, GError **error)
{
  g_autoptr (DkmsLock) lock = dkms_lock_take (settings, ui, "lock", FALSE, error);
  g_autoptr (DkmsState) state = lock != NULL ? read_selected (settings, request, error) : NULL;
  g_autoptr (DkmsWorld) world = dkms_world_new (settings, ui);
  g_autoptr (GHashTable) records = g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify)dkms_record_free);
  g_autofree char *hidden = NULL;
  Status self = { settings, ui, world, records, &hidden };
  const DkmsTarget everything = { NULL, NULL };

  if (state == NULL)
    return FALSE;
  if (dkms_transaction_pending (settings))
    dkms_ui_note (ui,
                  "A change was interrupted and is half done; the next dkms command that changes something finishes "
                  "or undoes it.");
  read_records (&self, state, request);
  for (guint t = 0; t < MAX (request->targets->len, 1); t++)
    {
      const DkmsTarget *filter = request->targets->len > 0 ? request->targets->pdata[t] : &everything;
      for (guint i = 0; i < state->versions->len; i++)
        print_version (&self, state->versions->pdata[i], filter);
      print_weak (&self, state, filter);
    }
  if (hidden != NULL)
    dkms_ui_warn (ui, "Cannot look at %s. Differences between built and installed modules are not shown.%s", hidden,
                  geteuid () != 0 ? "\nRun 'dkms status' as root to see them." : "");
  return report_unread (ui, state, error);
}
