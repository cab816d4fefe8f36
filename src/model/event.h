/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Something that happened, as a value. The rooms of the program emit events and write no sentences; a listener makes of
 * them what is wanted: lines or a live board (report/), JSON lines (model/event-json.h), or a list for later.
 */
#pragma once

#include "base/id.h"

typedef enum {
#define DKMS_EVENT(kind) DKMS_EVENT_##kind,
#include "model/events.def"
#undef DKMS_EVENT
  DKMS_EVENT_LAST
} DkmsEventKind;

/* Which fields an event has depends on its kind: see model/events.def. All of it belongs to somebody else, unless
 * dkms_event_copy() made it. Paths are paths of the machine, unless the kind says otherwise. */
typedef struct DkmsEvent DkmsEvent;
struct DkmsEvent {
  DkmsEventKind kind;
  guint piece;             /* number of the piece of work that it belongs to; 0: none. The listener sets it */
  DkmsId id;               /* what it is about; any part may be NULL */
  const char *path;        /* (nullable): a file or directory */
  const char *place;       /* (nullable): another one */
  const char *name;        /* (nullable): of a directive, a module file, a step */
  const char *text;        /* (nullable): what somebody else wrote or printed, or a list of names */
  int number;              /* an exit status, an errno, a count */
  double seconds;          /* how long it took */
  const GError *error;     /* (nullable): what went wrong */
  const DkmsEvent *reason; /* (nullable): why */
};

/** Returns: (transfer none): the name of @kind in JSON, such as "build-deleted" */
const char *dkms_event_name (DkmsEventKind kind);
/** Returns: whether @name is a kind; @kind: (out) */
gboolean dkms_event_from_name (const char *name, DkmsEventKind *kind);

/** Returns: (transfer full): @self with strings, error and reason of its own */
DkmsEvent *dkms_event_copy (const DkmsEvent *self);
/** Makes an event that owns what it holds: DKMS_EVENT_NEW (NOT_BUILT, .id = id). Returns: (transfer full) */
#define DKMS_EVENT_NEW(event_kind, ...)                                                                                \
  dkms_event_copy (&(const DkmsEvent){ .kind = DKMS_EVENT_##event_kind, __VA_ARGS__ })
/** Frees what dkms_event_copy() made; NULL is fine. */
void dkms_event_free (DkmsEvent *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsEvent, dkms_event_free)
/** Returns: (transfer full): an empty list that owns its events */
GPtrArray *dkms_events_new (void);

/* Who is told. It is copied by value: a worker process puts its own in the place of the one that it inherited. */
typedef struct {
  void (*hear) (gpointer data, const DkmsEvent *event);
  /* (nullable): makes way for a program that writes to the terminal itself. Returns: whether it may; NULL: it may not
   */
  gboolean (*give_way) (gpointer data, guint piece);
  /* (nullable): shows the present state; called every @interval milliseconds while the scheduler waits */
  void (*tick) (gpointer data);
  /* (nullable): Returns: milliseconds until the next tick is due; -1 if nothing has to be shown */
  int (*interval) (gpointer data);
  gpointer data;
  guint piece;     /* what is told now is about this piece of work */
  gboolean remote; /* in a worker process: the terminal is not ours */
} DkmsListener;

/** Tells @self what happened. */
void dkms_listener_hear (DkmsListener *self, const DkmsEvent *event);
/** Returns: whether a program that is run now may write to the terminal; otherwise its output is told as an event */
gboolean dkms_listener_give_way (DkmsListener *self);
/** Shows the present state. */
void dkms_listener_tick (DkmsListener *self);
/** Returns: milliseconds until dkms_listener_tick() is due; -1 if it is not */
int dkms_listener_interval (DkmsListener *self);

/** Returns: a listener that appends copies to @events, a list of dkms_events_new() */
DkmsListener dkms_listener_keeping (GPtrArray *events);
/** Tells @self all of @events. */
void dkms_listener_hear_all (DkmsListener *self, const GPtrArray *events);

/** Emits an event: DKMS_EMIT (listener, INSTALLING, .path = target). */
#define DKMS_EMIT(listener, event_kind, ...)                                                                           \
  dkms_listener_hear ((listener), &(const DkmsEvent){ .kind = DKMS_EVENT_##event_kind, __VA_ARGS__ })
