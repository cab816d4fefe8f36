/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Certificates in files: PEM, DER, or EFI signature lists (UEFI Specification, "Signature Database"). */
#pragma once

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>

typedef enum {
  TRUST_CERTIFICATE, /* DER */
  TRUST_HASH,        /* SHA-256 of a file: 32 bytes */
  TRUST_TBS_HASH     /* SHA-256 of what a certificate signs: 32 bytes */
} TrustKind;

/** Called for each entry, in the order of the file. */
typedef void (*TrustListFunc) (TrustKind kind, const unsigned char *bytes, size_t size, void *user);

/** Reads a file, whose format its first bytes show. Returns: (transfer none) (nullable): why it cannot be read further;
 * the entries before were passed to @func */
const char *trust_list_read (const unsigned char *bytes, size_t size, TrustListFunc func, void *user);
