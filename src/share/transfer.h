/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files of a web server: the helper dkms-transfer, which talks to it without privileges. Nothing that it has read can
 * be trusted. */
#pragma once

#include "conf/settings.h"

typedef enum {
  DKMS_TRANSFER_GOOD,
  DKMS_TRANSFER_ABSENT, /* the server does not have the file */
  DKMS_TRANSFER_DENIED, /* the server wants other credentials */
  DKMS_TRANSFER_WRONG,  /* the file cannot be used, as it has another size */
  DKMS_TRANSFER_AWAY    /* the server does not answer as it should, or not in time */
} DkmsTransferResult;

typedef struct {
  DkmsTransferResult result;
  char *text; /* (nullable): what is wrong */
  int status; /* of HTTP; 0: the server has not answered */
  gint64 now; /* the time of the server in seconds since 1970; without it, that of this machine */
} DkmsTransferAnswer;

void dkms_transfer_answer_clear (DkmsTransferAnswer *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (DkmsTransferAnswer, dkms_transfer_answer_clear)

/** Checks that nobody else can read the files with the password and the key for the server, and the key that signs
 * builds. */
gboolean dkms_transfer_check (const DkmsSettings *settings, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* A connection to the server of cache_url. */
typedef struct DkmsTransfer DkmsTransfer;

/** @dir: the directory of the files, which the helper can write. Returns: (transfer full) (nullable) */
DkmsTransfer *dkms_transfer_start (const DkmsSettings *settings, int dir, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Ends the connection. Afterwards the helper no longer runs, and cannot change a file. */
void dkms_transfer_end (DkmsTransfer *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsTransfer, dkms_transfer_end)

typedef struct {
  const char *verb; /* "get", "head" or "put" */
  const char *path; /* below the address of the server */
  const char *file; /* get, put: name in the directory */
  goffset most;     /* get: bytes; put: bytes of the file, for the time limit */
  goffset size;     /* get: bytes that it must have; 0: any number up to @most */
} DkmsTransferRequest;

/** Transfers one file. @answer: (out caller-allocates): all zero. Returns: FALSE with an error if the helper failed */
gboolean dkms_transfer_ask (DkmsTransfer *self, const DkmsTransferRequest *request, DkmsTransferAnswer *answer,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;
