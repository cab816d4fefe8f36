/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The types of a kernel (BTF), against which the build makes those of modules; see Documentation/bpf/btf.rst of the
 * kernel. */
#pragma once

#include <glib.h>

/**
 * dkms_btf_digest:
 * @fd: a vmlinux, of which only the section .BTF is read; no number in the file is trusted
 *
 * Returns: (transfer full) (nullable): the SHA-256 of the section in hexadecimal; "-" if the file has none or is no ELF
 *   file; NULL if it cannot be read
 */
char *dkms_btf_digest (int fd);
