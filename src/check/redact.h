/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Removes personal data and secrets from a text. The code reads no files. */
#pragma once

#include <glib.h>

/* Names of this machine and its users. */
typedef struct {
  const char *const *users; /* (nullable): names of users, NULL at the end; "root" is not replaced */
  const char *host;         /* (nullable): name of the host, with or without domain */
} DkmsRedaction;

/**
 * dkms_redact:
 * @text: need not be UTF-8
 *
 * Replaces, each by a word in angle brackets: names of users and of the host, home directories, e-mail addresses, MAC,
 * IPv4 and IPv6 addresses, UUIDs, serial numbers, private keys in PEM, values of variables and headers with names of
 * secrets, passwords in URLs, tokens of known services, and long words that look random. Checksums in hexadecimal,
 * kernel releases and addresses of loopback interfaces are kept.
 *
 * Returns: (transfer full): the result, in UTF-8
 */
char *dkms_redact (const char *text, const DkmsRedaction *names);
