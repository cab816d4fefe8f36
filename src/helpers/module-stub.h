/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reduces a module file to a stub: an ELF file with the parts that depmod reads, from which depmod writes the same
 * indexes. docs/helpers.md describes what depmod reads, and how this was checked.
 *
 * A stub has these sections: .modinfo, __version_ext_*, __ksymtab_strings and __kcrctab* with their content; __ksymtab*
 * without content, because the symbols in them name the kind of an export; __versions with the entries of symbols that
 * the symbol table does not name; .symtab with the undefined symbols and those of exports (__crc_*, __ksymtab_*,
 * __kstrtabns_*) in the order of the module; .strtab with their names.
 *
 * The file can come from another party: every number in it is checked, and a stub is at most 128 bytes larger than the
 * file. */
#pragma once

#include <stddef.h>

/** Creates the stub of the uncompressed module @bytes. @stub: (out) (transfer full): free with free(); @stub_size: its
 * bytes. Returns: (transfer none) (nullable): why there is no stub: the file is not a module, or has a layout in which
 * depmod could find something else than in the stub; NULL after success */
const char *module_stub_make (const void *bytes, size_t size, void **stub, size_t *stub_size);
