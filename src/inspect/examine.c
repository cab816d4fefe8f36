/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compares builds with installed files. */
#define _GNU_SOURCE
#include "inspect/examine.h"

#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/unread.h"
#include "install/job.h"
#include "store/layout.h"

/* Number of directories of installed modules that are open at the same time. */
enum { MAX_DIRS = 64 };

/* Whether a file may exist but cannot be read because of @number, an errno. Its line then reports no differences. A
 * file that the user may not access is reported once. Every other reason is an error, which was noted (base/unread.h).
 */
static gboolean
is_hidden (DkmsExaminer *self, const char *path, int number)
{
  if (dkms_is_absent (number))
    return FALSE;
  if (self->hidden == NULL && (number == EACCES || number == EPERM) && geteuid () != 0)
    self->hidden = g_strdup_printf ("%s: %s", path, g_strerror (number));
  return TRUE;
}

static gboolean
is_unreadable (DkmsExaminer *self, const char *path)
{
  g_auto (DkmsFd) fd = dkms_root_openat (self->settings->places.root, path, DKMS_READ_FLAGS, 0);

  return fd < 0 && is_hidden (self, path, errno);
}

static DkmsFinding
compare_content (DkmsExaminer *self, const char *built, const char *installed)
{
  g_autofree char *x = dkms_root_resolved (self->settings->places.root, built);
  g_autofree char *y = dkms_root_resolved (self->settings->places.root, installed);

  if (dkms_files_equal_at (AT_FDCWD, x, AT_FDCWD, y) || is_unreadable (self, built) || is_unreadable (self, installed))
    return DKMS_FINDING_NONE;
  return DKMS_FINDING_DIFFERS;
}

/* Returns a directory of installed modules, which stays open, because resolving the whole path of each module would
 * take longer than all other work. Returns: (transfer none): -1 if it cannot be opened, which is not noted: the path of
 * a module in it will report the reason */
static int
open_installed (DkmsExaminer *self, const char *kernel, const char *location)
{
  const DkmsPlaces *places = &self->settings->places;
  g_autofree char *key = g_strconcat (kernel, location, NULL);
  gpointer known = g_hash_table_lookup (self->dirs, key);
  guint mark = dkms_unread_mark ();

  if (known != NULL)
    return GPOINTER_TO_INT (known);
  g_autofree char *path = g_strjoin ("/", places->install_tree, key, NULL);
  int fd = dkms_root_openat (places->root, path, O_PATH | O_DIRECTORY, 0);
  dkms_unread_drop (mark);
  if (fd < 0 || g_hash_table_size (self->dirs) >= MAX_DIRS)
    g_hash_table_remove_all (self->dirs); /* others may need the descriptors */
  if (fd >= 0)
    g_hash_table_insert (self->dirs, g_steal_pointer (&key), GINT_TO_POINTER (fd));
  return fd;
}

/* Whether both files have the recorded signatures, which proves that their contents are unchanged. */
static gboolean
is_as_recorded (DkmsExaminer *self, const DkmsBuild *b, const DkmsRecordModule *module)
{
  int dir = module->unchanged && b->active ? open_installed (self, b->kernel, module->dest_location) : -1;
  struct stat st;

  return module->unchanged
         && (!b->active
             || (dir >= 0 && fstatat (dir, module->file, &st, AT_SYMLINK_NOFOLLOW) == 0
                 && dkms_stat_has_signature (&st, module->installed_sig)));
}

/* A stat signature that equals the recorded one proves that the content is unchanged; otherwise the files are compared.
 */
static DkmsFinding
examine_recorded (DkmsExaminer *self, const DkmsVersion *v, const DkmsBuild *b, const DkmsRecordModule *module)
{
  const DkmsPlaces *places = &self->settings->places;
  const DkmsId id = dkms_build_id (v, b);
  struct stat built_st, installed_st;

  if (module->file == NULL)
    return DKMS_FINDING_MISSING;
  if (is_as_recorded (self, b, module))
    return DKMS_FINDING_NONE;
  g_autofree char *below = g_build_filename ("module", module->file, NULL);
  g_autofree char *built = dkms_layout_build (places, &id, below);
  g_autofree char *installed = dkms_layout_installed (places, b->kernel, module->dest_location, module->file);
  if (dkms_root_stat (places->root, built, &built_st) < 0)
    return is_hidden (self, built, errno) ? DKMS_FINDING_NONE : DKMS_FINDING_MISSING;
  if (!b->active)
    return DKMS_FINDING_NONE;
  if (dkms_root_stat (places->root, installed, &installed_st) < 0)
    return is_hidden (self, installed, errno) ? DKMS_FINDING_NONE : DKMS_FINDING_DIFFERS;
  if (dkms_stat_has_signature (&built_st, module->built_sig)
      && dkms_stat_has_signature (&installed_st, module->installed_sig))
    return DKMS_FINDING_NONE;
  return compare_content (self, built, installed);
}

/* A build of the reference has no record: its recipe lists its files. */
static DkmsFinding
examine_output (DkmsExaminer *self, const DkmsVersion *v, const DkmsBuild *b, const DkmsOutput *output)
{
  const DkmsSettings *s = self->settings;
  const char *places[] = { output->dest_location, output->conf_location };
  const DkmsId id = dkms_build_id (v, b);
  g_autofree char *dir = dkms_layout_build (&s->places, &id, "module");
  g_autofree char *file = dkms_job_find (s->places.root, dir, output->dest_name);
  g_autofree char *built = file != NULL ? g_build_filename (dir, file, NULL) : NULL;

  if (built == NULL)
    return is_unreadable (self, dir) ? DKMS_FINDING_NONE : DKMS_FINDING_MISSING;
  for (gsize i = 0; b->active && i < G_N_ELEMENTS (places); i++)
    {
      g_autofree char *place = g_strconcat (s->places.install_tree, "/", b->kernel, places[i], NULL);
      g_autofree char *found = dkms_job_find (s->places.root, place, output->dest_name);
      g_autofree char *path = found != NULL ? g_build_filename (place, found, NULL) : NULL;
      if (path != NULL ? compare_content (self, built, path) == DKMS_FINDING_NONE : is_unreadable (self, place))
        return DKMS_FINDING_NONE;
    }
  return b->active ? DKMS_FINDING_DIFFERS : DKMS_FINDING_NONE;
}

DkmsFinding
dkms_examine (DkmsExaminer *self, const DkmsVersion *v, const DkmsBuild *b)
{
  const DkmsRecord *record = g_hash_table_lookup (self->records, b);
  g_autoptr (GError) error = NULL;
  DkmsFinding finding = DKMS_FINDING_NONE;

  if (record != NULL)
    {
      for (guint i = 0; finding == DKMS_FINDING_NONE && i < record->modules->len; i++)
        finding = examine_recorded (self, v, b, record->modules->pdata[i]);
      return finding;
    }
  const DkmsId id = dkms_build_id (v, b);
  const DkmsRecipe *recipe = dkms_world_recipe (self->world, &id, &error);
  if (recipe == NULL)
    {
      DKMS_EMIT (self->events, STATUS_RECIPE_UNREAD, .id = id, .error = error);
      return DKMS_FINDING_NONE;
    }
  DkmsKernelFacts facts = dkms_world_kernel (self->world, &(DkmsId){ .kernel = b->kernel, .arch = b->arch });
  g_autofree char *place = dkms_policy_destination (&self->settings->policy);
  g_autoptr (GPtrArray) outputs = dkms_recipe_outputs (recipe, facts.kernel, place, facts.config);
  for (guint i = 0; finding == DKMS_FINDING_NONE && i < outputs->len; i++)
    {
      const DkmsOutput *output = outputs->pdata[i];
      if (!output->excluded)
        finding = examine_output (self, v, b, output);
    }
  return finding;
}

static void
close_dir (gpointer fd)
{
  (void)close (GPOINTER_TO_INT (fd));
}

void
dkms_examiner_init (DkmsExaminer *self, const DkmsSettings *settings, DkmsListener *events, DkmsWorld *world)
{
  *self = (DkmsExaminer){ .settings = settings, .events = events, .world = world };
  self->records = g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify)dkms_record_free);
  self->dirs = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, close_dir);
}

void
dkms_examiner_clear (DkmsExaminer *self)
{
  g_clear_pointer (&self->records, g_hash_table_unref);
  g_clear_pointer (&self->dirs, g_hash_table_unref);
  g_clear_pointer (&self->hidden, g_free);
}
