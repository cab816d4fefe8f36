/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events as JSON, one line each. Worker processes send them to their parent, and `--json` prints them:
 *
 *   {"event":"installing","module":"foo","version":"1.0","kernel":"6.1.0-56-amd64","arch":"x86_64","path":"/lib/..."}
 *
 * Members without a value are omitted. "reason" contains another event; "error" has the members kind,
 * message, path, advice and status (base/error.h). If a text is not UTF-8, invalid bytes are replaced by U+FFFD, and a
 * second member, such as "path_bytes", contains the original text in base64. */
#pragma once

#include <jansson.h>

#include "model/event.h"

/** Returns: (transfer full): @self as an object */
json_t *dkms_event_to_json (const DkmsEvent *self);
/** Returns: (transfer full): @self as one line, line end included */
char *dkms_event_to_line (const DkmsEvent *self);

/**
 * dkms_event_from_line:
 * @line: @length bytes of any content, without the line end
 *
 * Unknown members, and members of a wrong type, are ignored.
 *
 * Returns: (transfer full) (nullable): NULL if it is not an event
 */
DkmsEvent *dkms_event_from_line (const char *line, gsize length);

/** Adds the valid @value (transfer full) as @key to @object. */
void dkms_json_set (json_t *object, const char *key, json_t *value);
/** Adds the valid @value (transfer full) to the end of @array. */
void dkms_json_append (json_t *array, json_t *value);
/** Adds @text to the end of @array; invalid bytes are replaced by U+FFFD. */
void dkms_json_append_text (json_t *array, const char *text);
/** Adds @text (nullable: nothing is added) as @key to @object, and as "@key_bytes" if it is not UTF-8. */
void dkms_json_set_text (json_t *object, const char *key, const char *text);
/** Returns: (transfer full) (nullable): the text that dkms_json_set_text() added, byte for byte */
char *dkms_json_get_text (const json_t *object, const char *key);
/** Returns: (transfer full): @value (transfer full) as text with a line end. @flags: of json_dumps() */
char *dkms_json_to_text (json_t *value, size_t flags);
/** Returns: (transfer full): @error as an object */
json_t *dkms_json_error (const GError *error);
/** Returns: (transfer full): the error from which dkms_json_error() made @object */
GError *dkms_json_to_error (const json_t *object);
