/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers of helpers about files, remembered by the stat signatures of the files (.dkms/facts of the tree). The
 * directory may be deleted at any time. A user who cannot write it asks the helpers again, with the same results. An
 * answer about a file that other users cannot read is stored in a file that they cannot read either. */
#pragma once

#include "conf/places.h"

/**
 * dkms_answers_ask:
 * @name: a file name for the answer, such as "kernel-6.1.0-56-amd64"
 * @argv: the helper, and its words before the files; ended by NULL. The helper is a name for dkms_process_helper(), or
 *   a path
 * @files: (element-type utf8): paths of the host, which are the last words of the command
 *
 * Runs the helper, unless it has answered before and neither the words, nor a file, nor the version of dkms has
 * changed. Nothing is remembered about a file that changed less than two seconds before, that this process cannot read,
 * or that is not a regular file.
 *
 * Returns: (transfer full) (nullable): what it printed, with a NUL behind its bytes; NULL with an error if it cannot
 * run or failed
 */
GBytes *dkms_answers_ask (const DkmsPlaces *places, const char *name, const char *const *argv, const GPtrArray *files,
                          GError **error);
/** As dkms_answers_ask(), at another time than now. @now: seconds since 1970 */
GBytes *dkms_answers_ask_at (const DkmsPlaces *places, const char *name, const char *const *argv,
                             const GPtrArray *files, gint64 now, GError **error);
/**
 * dkms_answers_ask_with:
 * @inputs: (element-type GBytes): contents of files that the caller has read. The helper finds each in a memory file,
 *   whose path is a word before those of @files
 *
 * As dkms_answers_ask(); the answer depends on the contents of the inputs.
 */
GBytes *dkms_answers_ask_with (const DkmsPlaces *places, const char *name, const char *const *argv,
                               const GPtrArray *inputs, const GPtrArray *files, GError **error);
/** Returns: (transfer full) (nullable): a key for dkms_answers_remember(), of an answer that depends on @files (paths
 * of the host) and the version of dkms; NULL if one of them changed less than two seconds before, or is not a regular
 * file */
char *dkms_answers_key (const GPtrArray *files);
/** Returns: (transfer full) (nullable): the bytes that dkms_answers_remember() stored with the same @name and @key,
 * with a NUL behind them */
GBytes *dkms_answers_recall (const DkmsPlaces *places, const char *name, const char *key);
/** Stores an answer that does not depend on files, for all users. @key: a word that names all it depends on */
void dkms_answers_remember (const DkmsPlaces *places, const char *name, const char *key, GBytes *answer);
