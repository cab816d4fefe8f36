/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The settings mok_signing_key and mok_certificate, which may be lists. */
#pragma once

#include <glib.h>

/** Returns: whether @key is the URI of a key on a token */
gboolean dkms_key_is_token (const char *key);
/** Splits @list at each ';' before a path or a token. The URIs of tokens contain other semicolons. Returns: (transfer
 * full) (element-type utf8): at least one entry */
GPtrArray *dkms_key_list_split (const char *list);
