/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What modprobe loads for a name, by the indexes that depmod wrote for a kernel. The configuration of modprobe is not
 * read.
 *
 * For each name, pairs "key NUL value NUL" are printed:
 *
 *   builtin    1: the kernel contains it, so modprobe loads nothing
 *   module     name of a module that is found, or that exports the symbol
 *   path       its file, as the index names it, below the directory
 *   depends    path of a module that the last module needs, directly or indirectly
 *   absent     1: nothing is found
 *   end        the last pair of each name
 *
 * If an index cannot be read, the only pair is unread: "ERRNO FILE". */
#pragma once

/** Prints what is found for @names, which NULL or "--" ends; words after "--" are files that the answer depends on. A
 * name is that of a module, an alias, or "symbol:NAME" for an exported symbol. @directory: of the kernel's modules.
 * Drops the rights of this process. Returns: an exit status */
int module_lookup_print (const char *directory, char **names);
