/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private keys, in PEM files or on tokens. Only dkms-sign opens them. */
#pragma once

#include <openssl/evp.h>

/** Loads the key @path, a PEM file or a pkcs11: URI. The passphrase or PIN is KBUILD_SIGN_PIN. Returns: (transfer full)
 * (nullable): NULL after a message */
EVP_PKEY *load_key (const char *path);
/** Call it before each use of a key. If a token does not answer within five minutes, the process ends with a message
 * and the status 1: the library of a token may wait forever, and dkms would keep its locks. */
void await_token (void);
