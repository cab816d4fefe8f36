/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The output of helpers: pairs "key NUL value NUL". */
#pragma once

#include <stddef.h>

void facts_put (const char *key, const char *value);
/** Prints @size characters as a value, without blanks and line ends behind them; nothing if they contain a NUL. */
void facts_put_text (const char *key, const void *text, size_t size);
/** Prints the SHA-256 of @bytes and, behind a blank, @path (nullable). */
void facts_put_digest (const char *key, const void *bytes, size_t size, const char *path);
