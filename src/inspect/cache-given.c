/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Adds the source to the tree of a slot, and links to the other modules. */
#define _GNU_SOURCE
#include "inspect/cache-given.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/copy.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "fleet/slot.h"
#include "forecast/result.h"
#include "store/layout.h"
#include "store/scan.h"

struct DkmsCacheGivenTree {
  DkmsSlot *slot;
  char *path, *sources;
  char *module, *version;
};

void
dkms_cache_given_clear (DkmsCacheGiven *self)
{
  if (self->tree != NULL)
    {
      dkms_slot_release (self->tree->slot);
      g_free (self->tree->path);
      g_free (self->tree->sources);
      g_free (self->tree->module);
      g_free (self->tree->version);
      g_free (self->tree);
    }
  g_free (self->place);
}

static void
hear (gpointer data, const DkmsEvent *event)
{
  DkmsListener *events = data;

  if (dkms_results_show (event))
    events->hear (events->data, event);
}

static gboolean
add (DkmsCacheGiven *self, DkmsListener *events, GError **error)
{
  DkmsListener filter = { .hear = hear, .data = events };
  const DkmsId kernel = { .kernel = dkms_running_release (), .arch = dkms_running_machine () };

  return dkms_slot_add (&self->settings, &filter, &self->request, &kernel, error);
}

/* Finds the module that was added, which is the only one of the tree. */
static gboolean
identify (DkmsCacheGiven *self, GError **error)
{
  g_autoptr (DkmsState) state = dkms_state_read (&self->settings.places, &(DkmsId){ .module = NULL }, error);
  const char *given = self->request.source != NULL    ? self->request.source
                      : self->request.archive != NULL ? self->request.archive
                                                      : self->request.module;

  if (state == NULL)
    return FALSE;
  if (state->versions->len != 1)
    return DKMS_FAIL (error, DIRECTORY_WITHOUT_CONF, .path = given);
  const DkmsVersion *v = state->versions->pdata[0];
  self->request.module = self->tree->module = g_strdup (v->module);
  self->request.version = self->tree->version = g_strdup (v->version);
  return TRUE;
}

/* Shows the other modules of the tree of @places, and what is known about digests of files. */
static gboolean
link_others (const DkmsCacheGiven *self, const DkmsPlaces *places, int fd, GError **error)
{
  g_autofree char *own = dkms_layout_own (places, "", NULL);
  g_autoptr (DkmsState) state = dkms_state_read (places, &(DkmsId){ .module = NULL }, error);
  const char *last = self->tree->module;

  for (guint i = 0; state != NULL && i < state->versions->len; i++)
    {
      const DkmsVersion *v = state->versions->pdata[i];
      g_autofree char *path = g_build_filename (places->dkms_tree, v->module, NULL);
      if (strcmp (v->module, self->tree->module) == 0 || strcmp (v->module, last) == 0)
        continue;
      last = v->module;
      if (symlinkat (path, fd, v->module) < 0)
        return dkms_fail_errno (error, "create", v->module);
    }
  g_auto (DkmsFd) from = state != NULL ? dkms_root_openat (places->root, own, O_RDONLY | O_DIRECTORY, 0) : -1;
  if (from < 0 || !dkms_is_file_at (from, "digests"))
    return state != NULL;
  return dkms_copy_file_at (from, "digests", &(DkmsNewFile){ fd, ".dkms/digests", 0644, FALSE }, error);
}

gboolean
dkms_cache_given_open (DkmsCacheGiven *self, const DkmsSettings *settings, DkmsListener *events,
                       const DkmsRequest *request, GError **error)
{
  const DkmsPlaces *places = &settings->places;

  self->settings = *settings;
  self->request = *request;
  self->tree = g_new0 (struct DkmsCacheGivenTree, 1);
  self->tree->slot = dkms_slot_take (places, error);
  if (self->tree->slot == NULL)
    return FALSE;
  self->settings.places.dkms_tree = self->tree->path = dkms_slot_path (self->tree->slot, "tree");
  self->tree->sources = dkms_slot_path (self->tree->slot, "sources");
  if (request->source != NULL || request->archive != NULL)
    self->settings.places.source_tree = self->tree->sources;
  g_auto (DkmsFd) fd = dkms_slot_empty (self->tree->slot, error)
                           ? dkms_root_open_dir (places->root, self->tree->path, TRUE, error)
                           : -1;
  if (fd < 0 || !add (self, events, error) || !identify (self, error) || !link_others (self, places, fd, error))
    return FALSE;
  const DkmsId id = { self->tree->module, self->tree->version, NULL, NULL };
  g_autofree char *build = dkms_layout_version (places, &id, "build");
  self->place = dkms_root_tool_path (places->root, build);
  self->request.source = self->request.archive = NULL;
  return TRUE;
}
