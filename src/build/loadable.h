/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether a kernel will load the modules that were built for it.
 *
 * Modules are compared with the build directory of their kernel, if a build of a kernel created it: it contains
 * include/generated/utsrelease.h, include/config/kernel.release or Module.symvers. With any other directory, such as a
 * stand-in of a test, nothing is checked.
 *
 * It is an error if the kernel will certainly not load a file: it is not a module, it is for another architecture, or
 * it was built for another release (its vermagic) and the kernel, without CONFIG_MODVERSIONS, does not compare symbols
 * instead. It is a doubt if the kernel will probably not load a file: the headers have another release, Module.symvers
 * is missing, no module exports a symbol, or a symbol has another checksum than in the kernel. */
#pragma once

#include "install/job.h"

/**
 * dkms_loadable_judge:
 * @dir: directory of the modules, inside the root
 * @files: (element-type utf8): their names there; they may be compressed
 * @doubts: (element-type utf8): gets the doubts, each a sentence, and the advice in its next line
 *
 * An unprivileged helper reads the files.
 *
 * Returns: FALSE with an error if a module will certainly not load or, with strict_symbols, probably not
 */
gboolean dkms_loadable_judge (const DkmsJob *job, const char *dir, const GPtrArray *files, GPtrArray *doubts,
                              GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** As dkms_loadable_judge(), for the modules in @record: sets its checked and doubts, and warns about doubts. */
gboolean dkms_loadable_judge_record (const DkmsJob *job, const char *dir, DkmsRecord *record,
                                     GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Warns about the doubts in @record, found by an earlier run, or fails as dkms_loadable_judge() does. */
gboolean dkms_loadable_recall (const DkmsJob *job, const DkmsRecord *record, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* ---- the pieces, for tests ---- */

/**
 * dkms_symvers_take:
 * @text: of a Module.symvers
 * @wanted: symbol -> checksum, or NULL
 *
 * Removes the symbols in @text from @wanted. Those with another checksum are added to @differing (nullable), which
 * borrows the keys of @wanted.
 */
void dkms_symvers_take (const char *text, GHashTable *wanted, GHashTable *differing);
/** As dkms_symvers_take(), for the text of modules.symbols. */
void dkms_symbol_index_take (const char *text, GHashTable *wanted);
/** Returns: (transfer full) (nullable): the release in the text of utsrelease.h */
char *dkms_release_of_header (const char *text);
