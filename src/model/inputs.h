/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The inputs of a build. Their document has one line "NAME VALUE" for each input, sorted by the bytes of the names.
 * %, line feed and carriage return in a value are %25, %0A and %0D. The SHA-256 of the document is the identity of the
 * build: two builds of the same identity have the same result. Staleness, forecasts and caches use only these inputs.
 *
 *   format               dkms-inputs-1; raised with each change of the meaning of a line
 *   module, version, kernel, arch
 *   source               digest of the source tree, without dkms.conf and files of version control
 *   admin                digest of the administrator's files about the module in /etc/dkms, without comments
 *   make, prebuild, postbuild, patch.NNN, output.NAME    values of the recipe for this kernel
 *   depends              BUILD_DEPENDS
 *   depend.MODULE        version and digest of the exports of a module in BUILD_DEPENDS, if it is installed
 *   symvers, config, release    digests of Module.symvers, of the configuration and of utsrelease.h
 *   btf                  digest of the vmlinux that BTF is made from
 *   compiler             its command, and the first line that its --version prints
 *   environment          digest of the variables that the caller and build_environment pass to the build
 *
 * A digest is the SHA-256 in hexadecimal, or "-" for an absent file. An unknown input is omitted, and is not compared.
 */
#pragma once

#include <jansson.h>

#include "base/id.h"

typedef struct DkmsInputs DkmsInputs;

/** Returns: (transfer full): the inputs format, module, version, kernel and arch */
DkmsInputs *dkms_inputs_new (const DkmsId *id);
void dkms_inputs_free (DkmsInputs *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsInputs, dkms_inputs_free)

/** @value: (nullable): NULL if unknown */
void dkms_inputs_set (DkmsInputs *self, const char *name, const char *value);
/** Returns: (transfer none) (nullable) */
const char *dkms_inputs_get (const DkmsInputs *self, const char *name);

/** Copies all inputs of @from. */
void dkms_inputs_copy (DkmsInputs *self, const DkmsInputs *from);
/** Copies from @from the values of the recipe and the names of the modules that it depends on. */
void dkms_inputs_copy_recipe (DkmsInputs *self, const DkmsInputs *from);

/** Returns: whether all inputs that decide about the result are known, so that builds of equal inputs are equal */
gboolean dkms_inputs_are_complete (const DkmsInputs *self);
/** Returns: (transfer full): the names of the inputs that differ, or are in one of both only, sorted; NULL-terminated
 */
char **dkms_inputs_differences (const DkmsInputs *a, const DkmsInputs *b);

/** Returns: (transfer full): the document */
char *dkms_inputs_document (const DkmsInputs *self);
/** Returns: (transfer full): the inputs in a document that dkms_inputs_document() made */
DkmsInputs *dkms_inputs_from_document (const char *text);
/** Returns: (transfer full): the SHA-256 of the document in hexadecimal */
char *dkms_inputs_identity (const DkmsInputs *self);

/** Returns: (transfer full): an object with a member for each input */
json_t *dkms_inputs_to_json (const DkmsInputs *self);
/** Returns: (transfer full) (nullable): the inputs in @json (nullable); NULL if dkms_inputs_to_json() did not make it
 */
DkmsInputs *dkms_inputs_from_json (const json_t *json);

/* The kinds of changes since a build, as a set of bits. */
typedef enum {
  DKMS_STALE_HEADERS = 1 << 0,     /* symvers, config or btf */
  DKMS_STALE_SOURCE = 1 << 1,      /* source, admin, or values of the recipe */
  DKMS_STALE_DEPENDS = 1 << 2,     /* exports of modules in BUILD_DEPENDS */
  DKMS_STALE_COMPILER = 1 << 3,    /* another command, or another major version */
  DKMS_STALE_ENVIRONMENT = 1 << 4, /* variables that the caller passes */
} DkmsStaleness;

/**
 * dkms_inputs_compare:
 * @made: (nullable): the inputs of the build
 * @now: the inputs of a build that would start now
 *
 * Inputs that are unknown in one of them, and documents of another format, count as equal. So do headers that are
 * absent now, because a build would be impossible.
 *
 * Returns: the union of the differences; 0: none
 */
guint dkms_inputs_compare (const DkmsInputs *made, const DkmsInputs *now);
/** Returns: (transfer full): the words of a set, such as "headers, source" */
char *dkms_staleness_words (guint staleness);
