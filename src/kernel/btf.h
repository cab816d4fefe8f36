/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The types of a kernel (BTF), which the types of its modules refer to; see Documentation/bpf/btf.rst of the kernel. */
#pragma once

#include <glib.h>

/**
 * dkms_btf_digest:
 * @fd: a vmlinux, of which only the section .BTF is read; all numbers in the file are checked
 *
 * Returns: (transfer full) (nullable): the SHA-256 of the section in hexadecimal; "-" if the file has no such section
 * or is not an ELF file; NULL if it cannot be read
 */
char *dkms_btf_digest (int fd);
