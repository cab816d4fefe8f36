/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An event that happened, as a value. The rooms of the program emit events without sentences. A listener converts them
 * to lines or a live board (report/), to JSON lines (model/event-json.h), or collects them. */
#pragma once

#include "base/id.h"

typedef enum {
#define DKMS_EVENT(kind) DKMS_EVENT_##kind,
#include "model/events.def"
#undef DKMS_EVENT
  DKMS_EVENT_LAST
} DkmsEventKind;

/* The kind determines the fields of an event, see model/events.def. Its strings belong to another value, unless
 * dkms_event_copy() made the event. Paths are paths of the host, unless the kind specifies otherwise. */
typedef struct DkmsEvent DkmsEvent;
struct DkmsEvent {
  DkmsEventKind kind;
  guint piece;             /* number of the piece of work that the event belongs to; 0: none. The listener sets it */
  DkmsId id;               /* the subject; any part may be NULL */
  const char *path;        /* (nullable): a file or directory */
  const char *place;       /* (nullable): another path */
  const char *name;        /* (nullable): of a directive, a module file, a step */
  const char *text;        /* (nullable): text or output of other programs, or a list of names */
  int number;              /* an exit status, an errno, a count */
  double seconds;          /* duration */
  const GError *error;     /* (nullable): the error that is reported */
  const DkmsEvent *reason; /* (nullable): the reason */
};

/** Returns: (transfer none): the name of @kind in JSON, such as "build-deleted" */
const char *dkms_event_name (DkmsEventKind kind);
/** Returns: whether @name is a kind; @kind: (out) */
gboolean dkms_event_from_name (const char *name, DkmsEventKind *kind);

/** Returns: whether an event of @kind is a line of verify for people, which repeats the answer for programs */
gboolean dkms_event_is_line_of_verify (DkmsEventKind kind);

/** Returns: (transfer full): a copy of @self that owns its strings, error and reason */
DkmsEvent *dkms_event_copy (const DkmsEvent *self);
/** Makes an event that owns its content: DKMS_EVENT_NEW (NOT_BUILT, .id = id). Returns: (transfer full) */
#define DKMS_EVENT_NEW(event_kind, ...)                                                                                \
  dkms_event_copy (&(const DkmsEvent){ .kind = DKMS_EVENT_##event_kind, __VA_ARGS__ })
/** Frees an event of dkms_event_copy(). @self: (nullable) */
void dkms_event_free (DkmsEvent *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsEvent, dkms_event_free)
/** Returns: (transfer full): an empty list that owns its events */
GPtrArray *dkms_events_new (void);

/* The receiver of events. It is copied by value: a worker process replaces the listener that it inherited. */
typedef struct {
  void (*hear) (gpointer data, const DkmsEvent *event);
  /* (nullable): releases the terminal for a program that writes to it. Returns: whether the program may; NULL: no */
  gboolean (*release_terminal) (gpointer data, guint piece);
  /* (nullable): updates the display; called every @interval milliseconds while the scheduler waits */
  void (*tick) (gpointer data);
  /* (nullable): Returns: milliseconds until the next tick; -1 if no update is due */
  int (*interval) (gpointer data);
  gpointer data;
  guint piece;         /* the piece of work of the next events */
  gboolean remote;     /* in a worker process, which must not write to the terminal */
  gboolean incomplete; /* an event reported that a part of a change was left out: the command must not exit with 0 */
} DkmsListener;

/** Passes @event to @self. */
void dkms_listener_hear (DkmsListener *self, const DkmsEvent *event);
/** Returns: whether a program that is started now may write to the terminal. If not, its output is emitted as an event
 */
gboolean dkms_listener_release_terminal (DkmsListener *self);
/** Updates the display. */
void dkms_listener_tick (DkmsListener *self);
/** Returns: milliseconds until dkms_listener_tick() is due; -1 if it is not */
int dkms_listener_interval (DkmsListener *self);

/** Returns: a listener that appends copies to @events, a list of dkms_events_new() */
DkmsListener dkms_listener_keeping (GPtrArray *events);
/** Passes all of @events to @self. */
void dkms_listener_hear_all (DkmsListener *self, const GPtrArray *events);

/** Emits an event: DKMS_EMIT (listener, INSTALLING, .path = target). */
#define DKMS_EMIT(listener, event_kind, ...)                                                                           \
  dkms_listener_hear ((listener), &(const DkmsEvent){ .kind = DKMS_EVENT_##event_kind, __VA_ARGS__ })
