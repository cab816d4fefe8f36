/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sentence of each event. */
#pragma once

#include "model/event.h"

/* How an event is shown as text (docs/interface/cli.md §8). */
typedef enum {
  DKMS_VOICE_NONE,       /* not at all */
  DKMS_VOICE_LINE,       /* stdout */
  DKMS_VOICE_EXACT,      /* stdout, in English */
  DKMS_VOICE_WARNING,    /* stderr, after "Warning: " */
  DKMS_VOICE_DEPRECATED, /* stderr, after "Deprecated: " */
  DKMS_VOICE_NOTE,       /* stderr, as it is */
  DKMS_VOICE_STEP_BEGUN, /* stdout, without its line end */
  DKMS_VOICE_STEP_ENDED  /* stdout, after the above */
} DkmsVoice;

/** Returns: how @kind is shown */
DkmsVoice dkms_sentence_voice (DkmsEventKind kind);
/** Returns: (transfer none): the sentence of @kind (base/template.h) */
const char *dkms_sentence_template (DkmsEventKind kind);
/** Returns: (transfer full): @event as an English sentence, without line end */
char *dkms_sentence_for (const DkmsEvent *event);
/** Returns: (transfer full): @event as a sentence in the language of the user, without line end */
char *dkms_sentence_shown (const DkmsEvent *event);
