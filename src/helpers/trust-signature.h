/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The signature of a module file: a CMS message, 12 bytes that describe it, and a line of text at the end of the file
 * (include/linux/module_signature.h and scripts/sign-file.c of Linux; RFC 5652). */
#pragma once

#include <openssl/cms.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct {
  bool is_signed;       /* the file ends with the line */
  bool other_type;      /* it is no CMS message, but a form of kernels before 4.4 */
  int error;            /* errno with which kernels refuse a signature of this form; 0: none */
  size_t content;       /* bytes of the module that are signed */
  CMS_ContentInfo *cms; /* (nullable): NULL unless the form is good */
} TrustSignature;

/** Reads the signature at the end of @bytes. Free it with trust_signature_clear(). */
void trust_signature_read (const unsigned char *bytes, size_t size, TrustSignature *to);
void trust_signature_clear (TrustSignature *self);

/** Cuts all signatures at the end of @bytes off, also those that kernels refuse. @count: (out): their number. Returns:
 * the size of the rest; 0 if the length of a signature is wrong */
size_t trust_signature_cut (const unsigned char *bytes, size_t size, unsigned *count);

/** Writes the kind of the key in @certificate: "rsa BITS", "ec CURVE", or another name. */
void trust_key_text (X509 *certificate, char *text, size_t size);

/* One signer of a message. The texts are static. */
typedef struct {
  const char *digest; /* short name in OpenSSL, such as "SHA256" */
  bool is_pss;        /* RSA-PSS, which kernels do not know */
  int certificate;    /* index of the certificate of its key among the given ones; -1: none of them */
  bool matches;       /* its signature fits the content */
  bool refuted;       /* its certificate is in the message, and shows that the signature does not fit */
  char key[80];       /* trust_key_text() of that certificate; "" if it is not in the message */
} TrustSigner;

/**
 * trust_signature_check:
 * @bytes: the file of the signature
 * @certificates: (element-type X509): those whose keys are looked for, by issuer and serial number or by key
 * identifier. A certificate in the message that one of them has issued stands for it
 * @signer: the number of the signer, from 0
 *
 * Returns: false if there is no such signer
 */
bool trust_signature_check (const TrustSignature *self, const unsigned char *bytes, STACK_OF (X509) * certificates,
                            int signer, TrustSigner *to);
