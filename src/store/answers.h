/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers of helpers about files, remembered by the stat signatures of the files (.dkms/facts of the tree). The
 * directory may be deleted at any time. A user who cannot write it asks the helpers again, with the same results. */
#pragma once

#include "conf/places.h"

/**
 * dkms_answers_ask:
 * @name: a file name for the answer, such as "kernel-6.1.0-56-amd64"
 * @argv: the helper, and its words before the files; ended by NULL. The name of the helper is that of
 *   dkms_process_helper()
 * @files: (element-type utf8): paths of the host, which are the last words of the command
 *
 * Runs the helper, unless it has answered before and neither the words, nor a file, nor the version of dkms has
 * changed.
 *
 * Returns: (transfer full) (nullable): what it printed; NULL with an error if it cannot run or failed
 */
GBytes *dkms_answers_ask (const DkmsPlaces *places, const char *name, const char *const *argv, const GPtrArray *files,
                          GError **error);
