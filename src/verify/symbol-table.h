/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The symbols that a kernel and its modules export. */
#pragma once

#include "check/load.h"
#include "kernel/module-file.h"

typedef struct DkmsSymbolTable DkmsSymbolTable;

DkmsSymbolTable *dkms_symbol_table_new (void);
void dkms_symbol_table_free (DkmsSymbolTable *self);

/** Adds the symbols in the output @answer (transfer full) of dkms-facts. Returns: how many it contains */
guint dkms_symbol_table_add (DkmsSymbolTable *self, GBytes *answer);
/** Adds the exports of @file. Symbols that the table has stay. */
void dkms_symbol_table_add_module (DkmsSymbolTable *self, const DkmsModuleFile *file);
/** Adds one symbol of the kernel. */
void dkms_symbol_table_add_crc (DkmsSymbolTable *self, const char *name, guint32 crc);
/** Adds a symbol of which nothing is known. */
void dkms_symbol_table_add_unknown (DkmsSymbolTable *self, const char *name);
/** Sets what is found for a name that is not in the table: DKMS_NO, or at first DKMS_DONT_KNOW. */
void dkms_symbol_table_set_absent (DkmsSymbolTable *self, DkmsKnown absent);

/** Returns: what is known about @name; its texts belong to the table */
DkmsSymbol dkms_symbol_table_find (const DkmsSymbolTable *self, const char *name);
/** Returns: whether the table and the output @answer (transfer full) of dkms-facts contain a symbol with different CRCs
 */
gboolean dkms_symbol_table_differs (const DkmsSymbolTable *self, GBytes *answer);
