/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes a copy of the tree, and takes results out of it. */
#define _GNU_SOURCE
#include "forecast/shadow.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/copy.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/unread.h"
#include "store/attempts.h"
#include "store/kept.h"
#include "store/layout.h"
#include "store/scan.h"

#define TREE "ahead/tree"

char *
dkms_shadow_path (const DkmsPlaces *places)
{
  return dkms_layout_own (places, TREE, NULL);
}

void
dkms_shadow_drop (const DkmsPlaces *places)
{
  g_autofree char *ahead = dkms_layout_own (places, "ahead", NULL);
  guint mark = dkms_unread_mark ();
  g_auto (DkmsFd) fd = dkms_root_openat (places->root, ahead, O_RDONLY | O_DIRECTORY, 0);

  if (fd >= 0)
    dkms_discard_tree_at (fd, "tree");
  dkms_unread_drop (mark); /* the next forecast deletes it first */
}

/* The source is a link, or a directory with only a dkms.conf. */
gboolean
dkms_shadow_copy (const DkmsPlaces *places, int to, const DkmsId *id, GError **error)
{
  g_autofree char *below = g_build_filename (id->module, id->version, NULL);
  g_autofree char *target = g_build_filename (below, "source", NULL);
  g_autofree char *dir = dkms_layout_version (places, id, NULL);
  g_auto (DkmsFd) from = dkms_root_open_dir (places->root, dir, FALSE, error);
  g_autofree char *link = from >= 0 ? dkms_read_link_at (from, "source") : NULL;

  if (from < 0 || !dkms_mkdirs_at (to, below, error))
    return FALSE;
  if (link == NULL)
    return !dkms_is_dir_at (from, "source") || dkms_copy_tree_at (from, "source", to, target, error);
  return symlinkat (link, to, target) == 0 || dkms_fail_errno (error, "create", target);
}

gboolean
dkms_shadow_make (const DkmsPlaces *places, const DkmsRequest *request, GError **error)
{
  g_autofree char *ahead = dkms_layout_own (places, "ahead", NULL), *own = dkms_layout_own (places, "", NULL);
  g_autoptr (DkmsState) state = dkms_state_read (places, &(DkmsId){ .module = NULL }, error);
  g_auto (DkmsFd) ahead_fd = state != NULL ? dkms_root_open_dir (places->root, ahead, TRUE, error) : -1;
  g_auto (DkmsFd) own_fd = ahead_fd >= 0 ? dkms_root_open_dir (places->root, own, FALSE, error) : -1;
  g_auto (DkmsFd) to = -1;

  if (own_fd < 0 || !dkms_remove_tree_at (ahead_fd, "tree", error)
      || !dkms_mkdirs_at (ahead_fd, "tree/.dkms/ahead", error))
    return FALSE;
  to = openat (ahead_fd, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (to < 0)
    return dkms_fail_errno (error, "open", ahead);
  for (guint i = 0; i < state->versions->len; i++)
    {
      const DkmsVersion *v = state->versions->pdata[i];
      gboolean other = request->version != NULL && *request->version != '\0'
                       && g_strcmp0 (request->module, v->module) == 0 && strcmp (request->version, v->version) != 0;
      const DkmsId id = { v->module, v->version, NULL, NULL };
      if (!other && !v->broken && !dkms_shadow_copy (places, to, &id, error))
        return FALSE;
    }
  /* With these the sources need not be read again. */
  return !dkms_is_file_at (own_fd, "digests")
         || dkms_copy_file_at (own_fd, "digests", &(DkmsNewFile){ to, ".dkms/digests", 0644, FALSE }, error);
}

/* ---- results ---- */

void
dkms_tried_clear (DkmsTried *self)
{
  dkms_attempt_free (self->attempt);
  dkms_record_free (self->record);
  g_free (self->identity);
  g_free (self->log);
}

/* Reads the newest attempt without a build. @dir: (out) (transfer full): its directory */
static DkmsAttempt *
read_failed (const DkmsPlaces *copy, const DkmsId *id, char **dir)
{
  g_autoptr (GPtrArray) files = dkms_attempts_list (copy, id);
  const DkmsAttemptFile *newest = files->len > 0 ? files->pdata[0] : NULL;

  if (newest == NULL || newest->record == NULL)
    return NULL;
  *dir = g_path_get_dirname (newest->record);
  return dkms_attempts_read (copy, newest);
}

void
dkms_tried_read (const DkmsPlaces *places, const DkmsId *id, DkmsTried *self)
{
  g_autofree char *dir = NULL;

  self->record = dkms_record_read (places, id);
  if (self->record != NULL)
    {
      self->attempt = dkms_attempts_read_build (places, id);
      self->log = dkms_layout_build (places, id, "log/make.log");
      return;
    }
  self->attempt = read_failed (places, id, &dir);
  if (dir != NULL)
    self->log = g_build_filename (dir, "make.log", NULL);
}

gboolean
dkms_shadow_keep (const DkmsPlaces *places, const DkmsId *id, const char *known, DkmsTried *self, GError **error)
{
  DkmsPlaces copy = *places;
  g_autofree char *tree = dkms_shadow_path (places);
  g_autofree char *dir = NULL;
  guint mark = dkms_unread_mark ();

  copy.dkms_tree = tree;
  self->record = id->version != NULL ? dkms_record_read (&copy, id) : NULL;
  if (self->record != NULL)
    {
      self->attempt = dkms_attempts_read_build (&copy, id);
      dir = dkms_layout_build (&copy, id, NULL);
    }
  else if (known != NULL)
    dkms_fd_drop (dkms_kept_open (places, known, &self->attempt));
  else
    self->attempt = read_failed (&copy, id, &dir);
  dkms_unread_drop (mark);
  if (self->attempt == NULL
      || (self->attempt->outcome != DKMS_OUTCOME_BUILT && self->attempt->outcome != DKMS_OUTCOME_FAILED))
    return TRUE;
  self->identity = dkms_kept_identity (self->attempt->inputs);
  if (self->identity == NULL || (dir != NULL && !dkms_kept_add (places, dir, self->identity, error)))
    return self->identity == NULL;
  g_autofree char *kept = dkms_kept_path (places, self->identity);
  self->log = g_build_filename (kept, self->record != NULL ? "log/make.log" : "make.log", NULL);
  return TRUE;
}
