/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether a kernel will load what was built for it.
 *
 * Modules are measured against the build directory of their kernel, if a kernel's build made it: it holds
 * include/generated/utsrelease.h, include/config/kernel.release or Module.symvers. Nothing can be said about modules
 * for any other directory, such as a stand-in of a test, and nothing is.
 *
 * What a kernel certainly refuses is an error: a file that is not a module, one for another architecture, and one that
 * was built for another release (its vermagic) where the kernel does not check symbol by symbol instead, that is
 * without CONFIG_MODVERSIONS. What it probably refuses is a doubt: headers of another release, a missing
 * Module.symvers, symbols that nothing exports, and symbols with other checksums than the kernel's. */
#pragma once

#include "install/job.h"

/**
 * dkms_loadable_judge:
 * @dir: directory of the modules, inside the root
 * @files: (element-type utf8): their names there; they may be compressed
 * @doubts: (element-type utf8): gets the doubts, each a sentence, and in its next line what to do
 *
 * The files are read by a helper that has no rights.
 *
 * Returns: FALSE with an error when a module will certainly not load or, if the administrator wants so
 *   (strict_symbols), probably not
 */
gboolean dkms_loadable_judge (const DkmsJob *job, const char *dir, const GPtrArray *files, GPtrArray *doubts,
                              GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** As dkms_loadable_judge(), of the modules that @record names: fills its checked and doubts, and warns about them. */
gboolean dkms_loadable_judge_record (const DkmsJob *job, const char *dir, DkmsRecord *record,
                                     GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Warns about the doubts of @record, made by an earlier run, or fails as dkms_loadable_judge() does. */
gboolean dkms_loadable_recall (const DkmsJob *job, const DkmsRecord *record, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* ---- the pieces, for tests ---- */

/* What dkms-modinfo --facts says of one file. */
typedef struct {
  guint class, data, type, machine; /* of the ELF header; 0: it is not an ELF file */
  gboolean versioned;               /* it has checksums of the symbols that it needs */
  gboolean ended;                   /* the helper came to the end of the file */
  char *error;                      /* (nullable): why it is not a module */
  char *vermagic;                   /* (nullable) */
  GHashTable *needs;                /* symbol -> checksum, or NULL */
  GHashTable *exports;              /* symbols, as a set */
} DkmsModuleFacts;

void dkms_module_facts_free (DkmsModuleFacts *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsModuleFacts, dkms_module_facts_free)

/** Returns: (transfer full) (element-type DkmsModuleFacts): one for each of @count files, in order */
GPtrArray *dkms_module_facts_parse (const char *text, gsize size, guint count);
/**
 * dkms_symvers_take:
 * @text: of a Module.symvers
 * @wanted: symbol -> checksum, or NULL
 *
 * Takes the symbols in @text out of @wanted. Those with another checksum go to @differing (nullable, takes borrowed
 * keys of a caller's table that outlives it).
 */
void dkms_symvers_take (const char *text, GHashTable *wanted, GHashTable *differing);
/** As dkms_symvers_take(), for the text of modules.symbols. */
void dkms_symbol_index_take (const char *text, GHashTable *wanted);
/** Returns: (transfer full) (nullable): the release in the text of utsrelease.h */
char *dkms_release_of_header (const char *text);
