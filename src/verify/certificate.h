/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Certificates in files and lists, as the helper dkms-trust reads them. */
#pragma once

#include "check/finding.h"
#include "check/policy.h"
#include "conf/places.h"
#include "machine/firmware.h"

/* A certificate that the kernel may know, or that dkms can name. */
typedef struct {
  char *sha256, *subject;
  char *name;       /* to be shown: the common name, or the subject if it has none */
  char *identifier; /* (nullable): its key identifier, in hexadecimal */
  char *issuer;     /* (nullable): what names it in signatures: a digest of its issuer and serial number */
  char *key;        /* such as "RSA 2048" or "EC P-256" */
  GBytes *der;
  gboolean known; /* the kernel may know it: @source and @trust are meaningful */
  DkmsKeySource source;
  DkmsTrust trust;
  DkmsConfidence confidence; /* of @trust */
  guint lists;               /* 1 << DkmsKeyList of each list of the firmware that contains it */
  gboolean own;              /* it is the certificate in the settings */
  gint64 begins, ends;       /* of its validity, in seconds since 1970 */
  DkmsCertificateFacts facts;
} DkmsCertificate;

void dkms_certificate_free (DkmsCertificate *self);
/** Returns: whether the list @list of the firmware contains @self */
gboolean dkms_certificate_is_on (const DkmsCertificate *self, DkmsKeyList list);
/** Takes "rsa 2048", "ec prime256v1", or the name of another kind of key. */
void dkms_certificate_take_key (DkmsCertificate *self, const char *value);

/* What one file or list contains. */
typedef struct {
  GPtrArray *certificates; /* (element-type DkmsCertificate) */
  GPtrArray *hashes;       /* (element-type utf8): SHA-256 of files, in hexadecimal */
  char *error;             /* (nullable): why the rest of it cannot be read */
} DkmsCertificateList;

/**
 * dkms_certificates_read:
 * @name: for dkms_answers_ask_with()
 * @inputs: (element-type GBytes): contents in PEM or DER form, or of EFI signature lists
 *
 * Returns: (transfer full) (element-type DkmsCertificateList) (nullable): for each of @inputs; NULL with an error if
 *   the helper cannot run
 */
GPtrArray *dkms_certificates_read (const DkmsPlaces *places, const char *name, const GPtrArray *inputs, GError **error);

/** Returns: (transfer full): an EFI signature list with @certificates (element-type GBytes), DER */
GBytes *dkms_certificates_join (const GPtrArray *certificates);
