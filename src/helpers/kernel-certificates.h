/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The certificates that a kernel trusts because its build contained them: system_certificate_list of
 * certs/system_certificates.S in Linux. */
#pragma once

#include <stddef.h>

/** Called for each certificate: @size bytes in DER form. */
typedef void (*KernelCertificateFunc) (const void *der, size_t size, void *user);

/**
 * kernel_certificates_find:
 * @bytes: of the unpacked kernel
 *
 * The image has no names of its data. The list is recognised by what follows it: its size in bytes, at the next
 * multiple of 8, and then the size of the part that belongs to the key of the build. Other certificates in the image,
 * such as the list of revoked ones, are followed by other numbers.
 *
 * Returns: the number of certificates
 */
unsigned kernel_certificates_find (const void *bytes, size_t size, KernelCertificateFunc func, void *user);
