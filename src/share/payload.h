/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Digests of modules, by which builds of the same inputs are compared: without compression and signatures, which belong
 * to the machine. The unprivileged helper dkms-entry reads the modules. */
#pragma once

#include <glib.h>

typedef struct {
  char *content;  /* (nullable): SHA-256 of the file; NULL if it cannot be read */
  char *payload;  /* (nullable): digest of what is loaded: its sections, without the id of the build; NULL: no module */
  char *typeless; /* (nullable): the same without type information */
} DkmsPayload;

/** Returns: (transfer full) (nullable) (element-type DkmsPayload): about each of the files @fds (element-type int) */
GPtrArray *dkms_payloads_read (const GArray *fds, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* How two modules differ. */
typedef enum {
  DKMS_PAYLOAD_EQUAL,
  DKMS_PAYLOAD_TYPES_DIFFER, /* only type information, which tools may write in any order */
  DKMS_PAYLOAD_FILE_DIFFERS, /* only what is not loaded, or the id of the build */
  DKMS_PAYLOAD_DIFFERS,
  DKMS_PAYLOAD_UNKNOWN /* one cannot be read */
} DkmsPayloadOrder;

DkmsPayloadOrder dkms_payload_compare (const DkmsPayload *a, const DkmsPayload *b);
