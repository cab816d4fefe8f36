/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Functions for fuzz targets: a reader of their input, a temporary directory, and a canary beside it.
 *
 * A target is one file with LLVMFuzzerTestOneInput(). Findings end it with abort(). Sanitizers, g_assert and,
 * after fuzz_begin(), warnings of GLib do the same. tests/fuzz/run starts the targets. */
#pragma once

#include <glib.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/settings.h"
#include "model/event.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* The unread bytes of an input. */
typedef struct {
  const uint8_t *data;
  size_t size;
} FuzzInput;

/** Returns: the next byte, 0 at the end */
uint8_t fuzz_byte (FuzzInput *input);
/** Reads a length from 1 to 256, then as many bytes, or all remaining ones. Returns: (transfer none): those bytes */
const uint8_t *fuzz_piece (FuzzInput *input, size_t *size);
/** Returns: (transfer full): the bytes before @end, which is skipped, or all remaining ones; without NUL bytes */
char *fuzz_text (FuzzInput *input, char end);

/** Makes warnings of GLib fatal, and discards notes of the previous input (base/unread.h). Each target calls this
 * function first. */
void fuzz_begin (void);

/** Returns: (transfer none): the path of a temporary directory in $TMPDIR or /tmp, which is deleted at exit */
const char *fuzz_place (void);

/** Deletes <place>/@name, a file or a directory. */
void fuzz_delete (const char *name);
/** Writes <place>/@path, and creates its directories. */
void fuzz_write (const char *path, const void *data, size_t size);

/* Reports changes without reading each file. */
typedef struct FuzzWatch FuzzWatch;

/**
 * FuzzExpectFunc:
 * @path: the argument of fuzz_watch_add()
 * @name: the changed name in that directory; "" for @path itself
 *
 * Returns: whether this change is allowed
 */
typedef gboolean (*FuzzExpectFunc) (const char *path, const char *name);

FuzzWatch *fuzz_watch_new (void);
void fuzz_watch_free (FuzzWatch *self);
/** Watches <place>/@path: the names in a directory and the content of its files, or one file. Links are not followed.
 */
void fuzz_watch_add (FuzzWatch *self, const char *path);
/** Returns: whether a file was changed since the last call, except changes that @expects (nullable) accepts */
gboolean fuzz_watch_changed (FuzzWatch *self, FuzzExpectFunc expects);

/** Creates the directory <place>/canary with a file, a link and a directory, on the first call only. @except (static):
 * a name in <place> that inputs may change. */
void fuzz_canary_make (const char *except);
/** Aborts if any other file in the directory, or a file of the canary, was created, changed or deleted. */
void fuzz_canary_check (void);

/** Returns: (transfer none): settings for the root <place>/root, a Debian system with the tree /tree */
DkmsSettings *fuzz_settings (void);
/** Returns: (transfer none): a listener that discards all events */
DkmsListener *fuzz_listener (void);
