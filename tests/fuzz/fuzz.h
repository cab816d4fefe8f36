/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the fuzz targets share: a reader of their input, a throw-away directory, and a canary beside it.
 *
 * A target is one file with LLVMFuzzerTestOneInput(). It fails by abort(), as does every sanitizer, every g_assert and,
 * after fuzz_begin(), every warning of GLib. tests/fuzz/run starts the targets. */
#pragma once

#include <glib.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/settings.h"
#include "model/event.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* Bytes that have not been read yet. */
typedef struct {
  const uint8_t *data;
  size_t size;
} FuzzInput;

/** Returns: the next byte, 0 at the end */
uint8_t fuzz_byte (FuzzInput *input);
/** Takes a length from 1 to 256, then as many bytes, or all that are left. Returns: (transfer none): those bytes */
const uint8_t *fuzz_piece (FuzzInput *input, size_t *size);
/** Returns: (transfer full): the bytes up to @end, which is skipped, or all that are left; without NUL bytes */
char *fuzz_text (FuzzInput *input, char end);

/** Makes warnings of GLib fatal, and forgets what the input before could not read (base/unread.h). To be called by
 * every target before anything else. */
void fuzz_begin (void);

/** Returns: (transfer none): the path of a throw-away directory in $TMPDIR, or /tmp, that is deleted at exit */
const char *fuzz_place (void);

/** Deletes <place>/@name, whatever is in it. */
void fuzz_delete (const char *name);
/** Writes <place>/@path, and makes its directories. */
void fuzz_write (const char *path, const void *data, size_t size);

/* Reports what changed, without a look at each file. */
typedef struct FuzzWatch FuzzWatch;

/**
 * FuzzExpectFunc:
 * @path: what was given to fuzz_watch_add()
 * @name: what changed in that directory; "" for @path itself
 *
 * Returns: whether this change does not count
 */
typedef gboolean (*FuzzExpectFunc) (const char *path, const char *name);

FuzzWatch *fuzz_watch_new (void);
void fuzz_watch_free (FuzzWatch *self);
/** Watches <place>/@path, a directory (its names and the content of its files) or a file; a link is not followed. */
void fuzz_watch_add (FuzzWatch *self, const char *path);
/** Returns: whether anything was changed since the last call, except what @expects (nullable) accepts */
gboolean fuzz_watch_changed (FuzzWatch *self, FuzzExpectFunc expects);

/** Makes the directory <place>/canary, with a file, a link and a directory in it; every call but the first does
 * nothing. @except (static): the name in the place that inputs may change. */
void fuzz_canary_make (const char *except);
/** Aborts if anything else in the place, or anything in the canary, was added, changed or deleted. */
void fuzz_canary_check (void);

/** Returns: (transfer none): settings of a Debian system with the root <place>/root and the tree /tree in it */
DkmsSettings *fuzz_settings (void);
/** Returns: (transfer none): a user interface that prints nothing */
DkmsListener *fuzz_listener (void);
