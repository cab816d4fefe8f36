/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the rooms below tell, and how a person reads it. Rooms hand events to a DkmsUi; only ui/
 * writes to stdout and stderr. Streams and shapes: docs/interface/cli.md §8.
 *
 * Several builds tell at once. What a worker process tells travels as frames to its parent (dkms_ui_event_read()),
 * and the parent's board (ui/board.h) keeps what belongs together together. */
#pragma once

#include <glib.h>

typedef enum {
  DKMS_VOICE_LINE,       /* stdout */
  DKMS_VOICE_WARN,       /* stderr */
  DKMS_VOICE_DEPRECATED, /* stderr */
  DKMS_VOICE_NOTE,       /* stderr, as it is */
  DKMS_VOICE_STEP_BEGIN, /* text: what; more: (nullable) the command */
  DKMS_VOICE_STEP_END,   /* number: exit status */
  DKMS_VOICE_FOLLOW,     /* text: path of a log that grows from now on */
  DKMS_VOICE_RESULT      /* of a worker: text: (nullable) error message; see run/worker.h */
} DkmsVoice;

typedef struct {
  DkmsVoice voice;
  const char *text; /* (nullable) */
  const char *more; /* (nullable) */
  const char *path; /* (nullable) */
  int number, code;
  double seconds;
  gboolean coloured; /* text has escape sequences of our own; it is not sent to other processes */
} DkmsUiEvent;

typedef struct DkmsChannel DkmsChannel;

typedef struct {
  gboolean verbose;        /* print command lines instead of descriptions */
  gboolean errors_only;    /* nothing else is said */
  gboolean in_step;        /* a step line has been begun and not ended */
  int frames;              /* > 0: in a worker: events go there as frames */
  DkmsChannel *channel;    /* (nullable): what is told belongs to this channel */
  struct DkmsBoard *board; /* (nullable): what shows live lines, which make way for what is printed */
  gboolean guarded;        /* signals that end a run are blocked: printing must not wait for a reader without end */
  GArray *kept;            /* (nullable) (element-type DkmsUiKept): what is told is kept there */
} DkmsUi;

/* A line, warning or note that is not printed yet. */
typedef struct {
  DkmsVoice voice;
  char *text;
} DkmsUiKept;
/** Returns: (transfer full): for DkmsUi.kept; its texts are freed with it */
GArray *dkms_ui_kept_new (void);
/** Tells what was kept in @kept, while nothing is kept. */
void dkms_ui_tell_kept (DkmsUi *self, const GArray *kept);

/** One line on stdout. */
void dkms_ui_line (DkmsUi *self, const char *format, ...) G_GNUC_PRINTF (2, 3);
/** One warning on stderr. */
void dkms_ui_warn (DkmsUi *self, const char *format, ...) G_GNUC_PRINTF (2, 3);
/** One deprecation notice on stderr. */
void dkms_ui_deprecated (DkmsUi *self, const char *format, ...) G_GNUC_PRINTF (2, 3);
/** One line on stderr that is neither error nor warning (validation lines, refusals). */
void dkms_ui_note (DkmsUi *self, const char *format, ...) G_GNUC_PRINTF (2, 3);
/** A finished error report on stderr: an empty line, the sentence, and the advice when there is one. */
void dkms_ui_error (DkmsUi *self, const GError *error);

/**
 * dkms_ui_step_begin:
 * @what: description of a piece of work that takes time
 * @command: (nullable): the command line, shown instead in verbose mode
 */
void dkms_ui_step_begin (DkmsUi *self, const char *what, const char *command);
/** Ends the step begun last. @status is an exit status; 0 is success. @seconds is how long it took. */
void dkms_ui_step_end (DkmsUi *self, int status, double seconds);
/** Tells where the log of the work under way is, a path of the machine. */
void dkms_ui_follow (DkmsUi *self, const char *log);

/**
 * dkms_ui_give_way:
 * To be called before a program is run that writes to the terminal itself.
 *
 * Returns: whether it may; otherwise it is not its turn, and its output must be told as lines
 */
gboolean dkms_ui_give_way (DkmsUi *self);

/** Tells an event: to the parent, to the channel, or at once to the terminal. */
void dkms_ui_tell (DkmsUi *self, const DkmsUiEvent *event);
/** Writes an event to stdout or stderr, whoever it belongs to. */
void dkms_ui_print (DkmsUi *self, const DkmsUiEvent *event);

/**
 * dkms_ui_flush_answer:
 * Writes what is buffered for the standard output. For verbs whose output is what they are run for: a part must not
 * pass for the whole. A reader that went away, as `head` does, has seen what it wanted: that is no failure.
 */
gboolean dkms_ui_flush_answer (GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * dkms_ui_event_read:
 * @buffer: bytes of frames; what was read is taken out
 * @event: (out): its texts are in @storage
 * @storage: (out) (transfer full): free it after use
 *
 * Bytes that cannot be a frame are dropped with all that follow them: their sender is faulty.
 *
 * Returns: whether @buffer held a whole frame
 */
gboolean dkms_ui_event_read (GByteArray *buffer, DkmsUiEvent *event, char **storage);
