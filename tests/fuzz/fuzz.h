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

/** Makes warnings of GLib fatal. To be called by every target before anything else; every call but the first does
 * nothing. */
void fuzz_begin (void);

/** Returns: (transfer none): the path of a throw-away directory in $TMPDIR, or /tmp, that is deleted at exit */
const char *fuzz_place (void);

/** Deletes <place>/@name, whatever is in it. */
void fuzz_delete (const char *name);
/** Writes <place>/@path, and makes its directories. */
void fuzz_write (const char *path, const void *data, size_t size);

/** Makes the directory <place>/canary, with a file, a link and a directory in it; every
 * call but the first does nothing. */
void fuzz_canary_make (void);
/** Aborts if anything in the canary or directly in the place was added, changed or deleted; <place>/@except may change.
 */
void fuzz_canary_check (const char *except);

/** Returns: (transfer none): settings of a Debian system with the root <place>/root and the tree /tree in it */
DkmsSettings *fuzz_settings (void);
/** Returns: (transfer none): a user interface that prints nothing */
DkmsListener *fuzz_listener (void);
