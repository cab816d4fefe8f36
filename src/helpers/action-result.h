/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The message ActionResult of the Remote Execution API, version 2 (build/bazel/remote/execution/v2/
 * remote_execution.proto), in the encoding of Protocol Buffers: the form in which caches over HTTP store what belongs
 * to an address. Of its fields, these are used:
 *
 *   2 output_files, each: 1 path, 2 digest (1 hash, in hexadecimal, 2 size_bytes), 5 contents
 *   4 exit_code
 *   9 execution_metadata: 1 worker
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ACTION_HASH = 64 }; /* characters of a SHA-256 in hexadecimal */

/* An output file. */
typedef struct {
  const char *path;
  char hash[ACTION_HASH + 1];
  uint64_t size;                 /* bytes of the file */
  const unsigned char *contents; /* (nullable): @size bytes; NULL: they are stored at the address @hash */
} ActionFile;

/** Returns: (transfer full) (nullable): the message about @count @files; NULL without memory. @size: (out) */
unsigned char *action_result_write (const ActionFile *files, size_t count, int exit_code, size_t *size);

/**
 * action_result_find:
 * Looks for the output file @path in the message of @size bytes, which another party has made. Unknown fields are
 * skipped.
 *
 * @file: (out): its path is @path; contents points into @bytes
 *
 * Returns: false if the message is damaged, or contains no such file, or two of them
 */
bool action_result_find (const void *bytes, size_t size, const char *path, ActionFile *file);
