/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Takes out of a text what its reader need not know: who and where the user is, and every secret. Pure. */
#pragma once

#include <glib.h>

/* What this machine is called. */
typedef struct {
  const char *const *users; /* (nullable): names of users, NULL at the end; "root" is no secret */
  const char *host;         /* (nullable): its name, with or without domain */
} DkmsRedaction;

/**
 * dkms_redact:
 * @text: need not be UTF-8
 *
 * Replaces, each by a word in angle brackets: names of users and of the host, home directories, e-mail addresses, MAC,
 * IPv4 and IPv6 addresses, UUIDs, serial numbers, private keys in PEM, values of variables and headers whose names
 * speak of a secret, passwords in URLs, tokens of known services, and long words that look random. Checksums in
 * hexadecimal, kernel releases and addresses of loopback interfaces stay.
 *
 * Returns: (transfer full): what is left, in UTF-8
 */
char *dkms_redact (const char *text, const DkmsRedaction *names);
