/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stores, lists and reads the records of attempts. */
#define _GNU_SOURCE
#include "store/attempts.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/copy.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/publish.h"
#include "base/unread.h"
#include "model/event-json.h"
#include "store/layout.h"
#include "store/register.h"
#include "store/scan.h"

enum { KEPT = 3, MOST_BYTES = 1 << 20, TRIES = 100 };

#define RECORD "attempt.json"
#define OF_BUILD ".attempt.json"
#define LOG "make.log"
#define FAILED "failed"

/* ---- listing ---- */

static void
attempt_file_free (gpointer data)
{
  DkmsAttemptFile *self = data;

  dkms_id_free (self->id);
  g_free (self->log);
  g_free (self->record);
  g_free (self);
}

static gint64
time_of (const struct stat *st)
{
  /* The log in an archive has the time of its build. Its change time is the time when it was loaded. */
  return (gint64)st->st_ctim.tv_sec * G_USEC_PER_SEC + st->st_ctim.tv_nsec / 1000;
}

/* Returns: (transfer full) (nullable): @path (transfer full) if it is a regular file */
static char *
if_file (const DkmsPlaces *places, char *path, gint64 *time)
{
  struct stat st;

  if (dkms_root_stat (places->root, path, &st) < 0 || !S_ISREG (st.st_mode))
    {
      g_free (path);
      return NULL;
    }
  *time = MAX (*time, time_of (&st));
  return path;
}

/* Adds the attempt with the files @log and @record (transfer full, nullable), if one of them exists. */
static DkmsAttemptFile *
add (const DkmsPlaces *places, GPtrArray *files, const DkmsId *id, char *log, char *record)
{
  gint64 time = 0;
  char *found_log = if_file (places, log, &time), *found_record = if_file (places, record, &time);

  if (found_log == NULL && found_record == NULL)
    return NULL;
  DkmsAttemptFile *file = g_new0 (DkmsAttemptFile, 1);
  file->id = dkms_id_copy (id);
  file->log = found_log;
  file->record = found_record;
  file->time = time;
  file->outcome = DKMS_OUTCOME_BUILT;
  g_ptr_array_add (files, file);
  return file;
}

/* The names in the directory @path, or only @wanted (nullable). */
static GPtrArray *
list (const DkmsPlaces *places, const char *path, const char *wanted)
{
  g_auto (DkmsFd) fd = dkms_root_openat (places->root, path, O_RDONLY | O_DIRECTORY, 0);
  GPtrArray *names = fd >= 0 ? dkms_list_dir_at (fd, ".", NULL) : NULL;

  if (names == NULL)
    names = g_ptr_array_new_with_free_func (g_free);
  for (guint i = names->len; wanted != NULL && i-- > 0;)
    if (strcmp (names->pdata[i], wanted) != 0)
      g_ptr_array_remove_index (names, i);
  return names;
}

/* Returns: the number in @name; 0 if it is not a number */
static guint64
number_of (const char *name)
{
  guint64 number = 0;

  return g_ascii_string_to_unsigned (name, 10, 1, G_MAXINT32, &number, NULL) ? number : 0;
}

/* Adds all attempts of one build, in the directory @dir. */
static void
add_numbers (const DkmsPlaces *places, GPtrArray *files, const char *dir, const DkmsId *id)
{
  g_autoptr (GPtrArray) names = list (places, dir, NULL);

  for (guint i = 0; i < names->len; i++)
    {
      const char *name = names->pdata[i];
      DkmsAttemptFile *file = NULL;

      if (strcmp (name, LOG) == 0)
        file = add (places, files, id, g_build_filename (dir, LOG, NULL), g_strdup (""));
      else if (number_of (name) > 0)
        file = add (places, files, id, g_build_filename (dir, name, LOG, NULL),
                    g_build_filename (dir, name, RECORD, NULL));
      if (file == NULL)
        continue;
      file->outcome = DKMS_OUTCOME_FAILED;
      g_autoptr (DkmsAttempt) attempt = dkms_attempts_read (places, file);
      if (attempt == NULL)
        continue;
      file->outcome = attempt->outcome;
      if (attempt->begun > 0)
        file->time = attempt->begun;
    }
}

/* Adds the attempts below .dkms/logs, in <m>/<v>/<k>/<a>. @parts: the names of the path so far. */
static void
add_failed (const DkmsPlaces *places, GPtrArray *files, const char *dir, const DkmsId *filter,
            const char *const parts[4], guint depth)
{
  const char *const wanted[] = { filter->module, filter->version, filter->kernel, filter->arch };

  if (depth == G_N_ELEMENTS (wanted))
    {
      const DkmsId id = { parts[0], parts[1], parts[2], parts[3] };
      add_numbers (places, files, dir, &id);
      return;
    }
  g_autoptr (GPtrArray) names = list (places, dir, wanted[depth]);
  for (guint i = 0; i < names->len; i++)
    {
      g_autofree char *below = g_build_filename (dir, names->pdata[i], NULL);
      const char *with[4] = { parts[0], parts[1], parts[2], parts[3] };
      with[depth] = names->pdata[i];
      add_failed (places, files, below, filter, with, depth + 1);
    }
}

static void
add_built (const DkmsPlaces *places, GPtrArray *files, const DkmsId *filter)
{
  g_autoptr (DkmsState) state = dkms_state_read_most (places, filter, NULL);

  for (guint i = 0; state != NULL && i < state->versions->len; i++)
    {
      const DkmsVersion *v = state->versions->pdata[i];
      for (guint k = 0; k < v->builds->len; k++)
        {
          const DkmsId id = dkms_build_id (v, v->builds->pdata[k]);
          if (dkms_id_passes (&id, filter))
            (void)add (places, files, &id, dkms_layout_build (places, &id, "log/" LOG),
                       dkms_layout_build (places, &id, OF_BUILD));
        }
    }
}

static int
compare (gconstpointer a, gconstpointer b)
{
  const DkmsAttemptFile *x = *(const DkmsAttemptFile *const *)a, *y = *(const DkmsAttemptFile *const *)b;

  return x->time != y->time ? (x->time < y->time ? 1 : -1) : g_strcmp0 (y->log, x->log);
}

GPtrArray *
dkms_attempts_list (const DkmsPlaces *places, const DkmsId *filter)
{
  static const char *const none[4];
  GPtrArray *files = g_ptr_array_new_with_free_func (attempt_file_free);
  g_autofree char *dir = dkms_layout_own (places, "logs", NULL);

  add_failed (places, files, dir, filter, none, 0);
  add_built (places, files, filter);
  g_ptr_array_sort (files, compare);
  return files;
}

/* ---- reading ---- */

DkmsAttempt *
dkms_attempts_read (const DkmsPlaces *places, const DkmsAttemptFile *file)
{
  gsize size = 0;
  g_autofree char *text
      = file->record != NULL ? dkms_root_read (places->root, file->record, MOST_BYTES, &size, NULL) : NULL;

  return text != NULL ? dkms_attempt_from_text (text, size, NULL) : NULL;
}

DkmsAttempt *
dkms_attempts_read_build (const DkmsPlaces *places, const DkmsId *id)
{
  g_autofree char *path = dkms_layout_build (places, id, OF_BUILD);

  return dkms_attempts_read (places, &(DkmsAttemptFile){ .record = path });
}

char *
dkms_attempts_signed_by (const DkmsPlaces *places, const DkmsId *id, const char *signer)
{
  g_autofree char *path = dkms_layout_build (places, id, OF_BUILD);
  gsize size = 0;
  g_autofree char *text = dkms_root_read (places->root, path, MOST_BYTES, &size, NULL);
  json_t *object = text != NULL ? json_loadb (text, size, 0, NULL) : NULL;

  /* Members that this version does not know stay. */
  if (!json_is_object (object))
    return json_decref (object), NULL;
  (void)json_object_del (object, "signer");
  (void)json_object_del (object, "signer_bytes");
  dkms_json_set_text (object, "signer", signer);
  return dkms_json_to_text (object, JSON_COMPACT);
}

char *
dkms_attempts_failed_log (const DkmsPlaces *places, const DkmsId *id, gint64 since)
{
  g_autofree char *dir = dkms_layout_logs (places, id);
  g_autoptr (GPtrArray) names = list (places, dir, NULL);
  guint64 newest = 0;
  struct stat st;

  for (guint i = 0; i < names->len; i++)
    newest = MAX (newest, number_of (names->pdata[i]));
  if (newest == 0)
    return NULL;
  g_autofree char *number = g_strdup_printf ("%" G_GUINT64_FORMAT, newest);
  g_autofree char *path = g_build_filename (dir, number, LOG, NULL);
  return dkms_root_stat (places->root, path, &st) == 0 && st.st_mtime >= since ? g_steal_pointer (&path) : NULL;
}

/* ---- keeping ---- */

static gboolean
write_record (const DkmsAttempt *self, int dir_fd, const char *name, GError **error)
{
  g_autofree char *text = dkms_attempt_to_text (self);

  return dkms_write_new_at (dir_fd, name, text, strlen (text), 0644, error);
}

gboolean
dkms_attempts_begin (const DkmsAttempt *self, int work_fd, GError **error)
{
  return write_record (self, work_fd, RECORD, error);
}

gboolean
dkms_attempts_write_build (const DkmsAttempt *self, int result_fd, GError **error)
{
  return write_record (self, result_fd, OF_BUILD, error);
}

/* Opens the directory with the attempts of @id. Returns: -1 without an error if the version is not registered, or -1
 * with an error */
static int
open_kept (const DkmsPlaces *places, const DkmsId *id, GError **error)
{
  g_autofree char *version = dkms_layout_version (places, id, NULL);
  g_autofree char *dir = dkms_layout_logs (places, id);

  return dkms_root_is_dir (places->root, version) ? dkms_root_open_dir (places->root, dir, TRUE, error) : -1;
}

/* Returns: the highest number in @dir_fd, 0 without any number */
static guint64
newest_number (int dir_fd)
{
  g_autoptr (GPtrArray) names = dkms_list_dir_at (dir_fd, ".", NULL);
  guint64 newest = 0;

  for (guint i = 0; names != NULL && i < names->len; i++)
    newest = MAX (newest, number_of (names->pdata[i]));
  return newest;
}

/* Deletes the oldest attempts. A log of older versions of dkms is the oldest. */
static void
prune (int dir_fd)
{
  for (;;)
    {
      g_autoptr (GPtrArray) names = dkms_list_dir_at (dir_fd, ".", NULL);
      guint64 oldest = G_MAXUINT64;
      guint count = 0;

      for (guint i = 0; names != NULL && i < names->len; i++)
        {
          guint64 number = number_of (names->pdata[i]);
          if (number == 0 && strcmp (names->pdata[i], LOG) != 0)
            continue;
          oldest = MIN (oldest, number);
          count++;
        }
      if (count <= KEPT)
        return;
      g_autofree char *name = oldest > 0 ? g_strdup_printf ("%" G_GUINT64_FORMAT, oldest) : g_strdup (LOG);
      g_autoptr (GError) ignored = NULL;
      if (!dkms_remove_tree_at (dir_fd, name, &ignored))
        return;
    }
}

/* Renames the complete directory failed/ of a scratch directory to its number. Returns: (transfer full) (nullable): the
 * path of the log; NULL if the version is not registered, or with an error */
static char *
publish (const DkmsPlaces *places, const DkmsId *id, int work_fd, GError **error)
{
  g_auto (DkmsFd) dir_fd = open_kept (places, id, error);
  g_autofree char *dir = dkms_layout_logs (places, id);
  g_autofree char *name = NULL;

  if (dir_fd < 0)
    return NULL;
  for (guint i = 0; i < TRIES; i++)
    {
      g_free (name);
      name = g_strdup_printf ("%" G_GUINT64_FORMAT, newest_number (dir_fd) + 1);
      if (renameat2 (work_fd, FAILED, dir_fd, name, RENAME_NOREPLACE) == 0
          || (errno == EINVAL && renameat (work_fd, FAILED, dir_fd, name) == 0))
        break;
      if (errno != EEXIST && errno != ENOTEMPTY)
        return dkms_fail_errno (error, "keep", dir), NULL;
    }
  if (fsync (dir_fd) < 0)
    return dkms_fail_errno (error, "keep", dir), NULL;
  prune (dir_fd);
  return g_build_filename (dir, name, LOG, NULL);
}

/* Creates failed/ with the record @self and the log @log_fd (-1: none). */
static gboolean
make_failed (const DkmsAttempt *self, int work_fd, int log_fd, GError **error)
{
  g_autofree char *magic = g_strdup_printf ("/proc/self/fd/%d", log_fd);
  g_auto (DkmsFd) fd = -1;

  if (!dkms_remove_tree_at (work_fd, FAILED, error))
    return FALSE;
  if (mkdirat (work_fd, FAILED, 0755) < 0
      || (fd = openat (work_fd, FAILED, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)) < 0 || fchmod (fd, 0755) < 0)
    return dkms_fail_errno (error, "create", "the directory of a failed build");
  return (log_fd < 0 || dkms_copy_file_at (AT_FDCWD, magic, &(DkmsNewFile){ fd, LOG, 0644, TRUE }, error))
         && write_record (self, fd, RECORD, error)
         && (fsync (fd) == 0 || dkms_fail_errno (error, "write", "the directory of a failed build"));
}

char *
dkms_attempts_fail (const DkmsPlaces *places, const DkmsAttempt *self, int work_fd, int log_fd, GError **error)
{
  char *path;

  if (!make_failed (self, work_fd, log_fd, error))
    return NULL;
  /* From now on a sweep would keep failed/. */
  if (unlinkat (work_fd, RECORD, 0) < 0 && errno != ENOENT)
    return dkms_fail_errno (error, "delete", RECORD), NULL;
  path = publish (places, self->id, work_fd, error);
  return path;
}

/* Whether both attempts were refused for the same reason. */
static gboolean
is_same_refusal (const DkmsAttempt *a, const DkmsAttempt *b)
{
  return a->outcome == b->outcome
         && g_strcmp0 (a->error != NULL ? a->error->message : NULL, b->error != NULL ? b->error->message : NULL) == 0;
}

gboolean
dkms_attempts_refuse (const DkmsPlaces *places, const DkmsAttempt *self, GError **error)
{
  g_autoptr (GPtrArray) files = g_ptr_array_new_with_free_func (attempt_file_free);
  g_autofree char *dir = dkms_layout_logs (places, self->id);
  g_autoptr (DkmsAttempt) last = NULL;
  GError *local = NULL;

  add_numbers (places, files, dir, self->id);
  g_ptr_array_sort (files, compare);
  const DkmsAttemptFile *newest = files->len > 0 ? files->pdata[0] : NULL;
  if (newest != NULL && newest->log == NULL && (last = dkms_attempts_read (places, newest)) != NULL
      && is_same_refusal (last, self))
    return TRUE;
  g_auto (DkmsFd) dir_fd = open_kept (places, self->id, &local);
  if (dir_fd < 0)
    return local == NULL || (g_propagate_error (error, local), FALSE);
  /* A reader that sees the number before its files exist ignores it. */
  g_autofree char *name = g_strdup_printf ("%" G_GUINT64_FORMAT, newest_number (dir_fd) + 1);
  if (mkdirat (dir_fd, name, 0755) < 0)
    return dkms_fail_errno (error, "create", dir);
  g_auto (DkmsFd) fd = openat (dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0)
    return dkms_fail_errno (error, "open", dir);
  if (!write_record (self, fd, RECORD, error))
    return FALSE;
  prune (dir_fd);
  return TRUE;
}

/* Returns: (transfer full) (nullable): the record @name in @dir_fd, if its names are valid in the tree */
static DkmsAttempt *
read_sound (int dir_fd, const char *name)
{
  gsize size = 0;
  g_autofree char *text = dkms_read_at (dir_fd, name, MOST_BYTES, &size, NULL);
  g_autoptr (DkmsAttempt) self = text != NULL ? dkms_attempt_from_text (text, size, NULL) : NULL;
  const char *const *part;
  const char *parts[5];

  if (self == NULL)
    return NULL;
  memcpy (parts, (const char *[]){ self->id->module, self->id->version, self->id->kernel, self->id->arch, NULL },
          sizeof parts);
  for (part = parts; *part != NULL; part++)
    if (!dkms_tree_check_name (DKMS_ERROR_BAD_NAME, "name", *part, NULL))
      return NULL;
  return g_steal_pointer (&self);
}

gboolean
dkms_attempts_sweep (const DkmsPlaces *places, int work_fd, GError **error)
{
  g_autoptr (DkmsAttempt) under_way = read_sound (work_fd, RECORD);
  g_autoptr (DkmsAttempt) failed = NULL;
  g_autofree char *path = NULL;
  GError *local = NULL;

  if (under_way == NULL)
    failed = read_sound (work_fd, FAILED "/" RECORD);
  else
    {
      /* The build may have replaced its log by anything. */
      g_auto (DkmsFd) log = openat (work_fd, "build/" LOG, DKMS_READ_FLAGS | O_NOFOLLOW);
      struct stat st;
      gboolean has_log = log >= 0 && fstat (log, &st) == 0 && S_ISREG (st.st_mode);

      under_way->outcome = DKMS_OUTCOME_INTERRUPTED;
      if (!make_failed (under_way, work_fd, has_log ? log : -1, error))
        return FALSE;
      if (unlinkat (work_fd, RECORD, 0) < 0)
        return dkms_fail_errno (error, "delete", RECORD);
      failed = g_steal_pointer (&under_way);
    }
  if (failed != NULL)
    path = publish (places, failed->id, work_fd, &local);
  return local == NULL || (g_propagate_error (error, local), FALSE);
}
