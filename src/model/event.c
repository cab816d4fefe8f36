/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names and copies of events, and their delivery to listeners. */
#include "model/event.h"

#include <string.h>

/* ---- names ---- */

static const char *const identifiers[] = {
#define DKMS_EVENT(kind) [DKMS_EVENT_##kind] = #kind,
#include "model/events.def"
#undef DKMS_EVENT
};

static char **
make_names (void)
{
  char **names = g_new0 (char *, DKMS_EVENT_LAST + 1);

  for (gsize i = 0; i < DKMS_EVENT_LAST; i++)
    names[i] = g_strdelimit (g_ascii_strdown (identifiers[i], -1), "_", '-');
  return names;
}

static const char *const *
all_names (void)
{
  static char **names;

  if (names == NULL)
    names = make_names ();
  return (const char *const *)names;
}

const char *
dkms_event_name (DkmsEventKind kind)
{
  return all_names ()[kind];
}

gboolean
dkms_event_from_name (const char *name, DkmsEventKind *kind)
{
  const char *const *names = all_names ();

  for (gsize i = 0; i < DKMS_EVENT_LAST; i++)
    if (strcmp (names[i], name) == 0)
      return *kind = (DkmsEventKind)i, TRUE;
  return FALSE;
}

/* ---- copies ---- */

gboolean
dkms_event_is_line_of_verify (DkmsEventKind kind)
{
  return kind == DKMS_EVENT_BLANK || (kind >= DKMS_EVENT_VERIFY_NEXT && kind <= DKMS_EVENT_VERIFY_RECORDED);
}

DkmsEvent *
dkms_event_copy (const DkmsEvent *self)
{
  DkmsEvent *copy = g_memdup2 (self, sizeof *self);

  copy->id = (DkmsId){ g_strdup (self->id.module), g_strdup (self->id.version), g_strdup (self->id.kernel),
                       g_strdup (self->id.arch) };
  copy->path = g_strdup (self->path);
  copy->place = g_strdup (self->place);
  copy->name = g_strdup (self->name);
  copy->text = g_strdup (self->text);
  copy->error = self->error != NULL ? g_error_copy (self->error) : NULL;
  copy->reason = self->reason != NULL ? dkms_event_copy (self->reason) : NULL;
  return copy;
}

void
dkms_event_free (DkmsEvent *self)
{
  if (self == NULL)
    return;
  dkms_id_clear (&self->id);
  g_free ((char *)self->path);
  g_free ((char *)self->place);
  g_free ((char *)self->name);
  g_free ((char *)self->text);
  if (self->error != NULL)
    g_error_free ((GError *)self->error);
  dkms_event_free ((DkmsEvent *)self->reason);
  g_free (self);
}

static void
free_event (gpointer event)
{
  dkms_event_free (event);
}

GPtrArray *
dkms_events_new (void)
{
  return g_ptr_array_new_with_free_func (free_event);
}

/* ---- listeners ---- */

void
dkms_listener_hear (DkmsListener *self, const DkmsEvent *event)
{
  DkmsEvent heard = *event;

  if (self->piece != 0)
    heard.piece = self->piece;
  self->incomplete |= event->kind == DKMS_EVENT_INSTALLED_ANYHOW || event->kind == DKMS_EVENT_UNINSTALLED_ANYHOW;
  self->hear (self->data, &heard);
}

gboolean
dkms_listener_release_terminal (DkmsListener *self)
{
  return self->release_terminal != NULL && self->release_terminal (self->data, self->piece);
}

void
dkms_listener_tick (DkmsListener *self)
{
  if (self->tick != NULL)
    self->tick (self->data);
}

int
dkms_listener_interval (DkmsListener *self)
{
  return self->interval != NULL ? self->interval (self->data) : -1;
}

static void
keep (gpointer data, const DkmsEvent *event)
{
  g_ptr_array_add (data, dkms_event_copy (event));
}

DkmsListener
dkms_listener_keeping (GPtrArray *events)
{
  return (DkmsListener){ .hear = keep, .data = events };
}

void
dkms_listener_hear_all (DkmsListener *self, const GPtrArray *events)
{
  for (guint i = 0; i < events->len; i++)
    dkms_listener_hear (self, events->pdata[i]);
}
