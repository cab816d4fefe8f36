/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a build is made from. As a document it is one line "NAME VALUE" for each input, sorted by the bytes of the
 * names;
 * %, line feed and carriage return in a value are %25, %0A and %0D. The SHA-256 of the document is the identity of the
 * build: two builds of the same identity have the same result. Staleness, forecasts and caches use it, and nothing
 * else.
 *
 *   format               dkms-inputs-1; raised with each change of the meaning of a line
 *   module, version, kernel, arch
 *   source               digest of the source tree, without dkms.conf and what version control keeps
 *   admin                digest of the administrator's files about the module in /etc/dkms, comments left out
 *   make, prebuild, postbuild, patch.NNN, output.NAME    what the recipe says for this kernel
 *   depends              BUILD_DEPENDS
 *   depend.MODULE        version and digest of the exports of a module in BUILD_DEPENDS, if it is installed
 *   symvers, config, release, btf    digests of Module.symvers, of the configuration, of utsrelease.h and of the
 * vmlinux that BTF is made from compiler             its command, and the first line that its --version prints
 *   environment          digest of what the caller and build_environment pass to the build
 *
 * A digest is the SHA-256 in hexadecimal, or "-" of what is not there. An input that could not be found out is left
 * out, and then nothing follows from the comparison. */
#pragma once

#include <jansson.h>

#include "base/id.h"

typedef struct DkmsInputs DkmsInputs;

/** Returns: (transfer full): the inputs format, module, version, kernel and arch */
DkmsInputs *dkms_inputs_new (const DkmsId *id);
void dkms_inputs_free (DkmsInputs *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsInputs, dkms_inputs_free)

/** @value: (nullable): could not be found out */
void dkms_inputs_set (DkmsInputs *self, const char *name, const char *value);
/** Returns: (transfer none) (nullable) */
const char *dkms_inputs_get (const DkmsInputs *self, const char *name);

/** Sets what the recipe says, and which modules it depends on, as in @from. */
void dkms_inputs_copy_recipe (DkmsInputs *self, const DkmsInputs *from);

/** Returns: (transfer full): the document */
char *dkms_inputs_document (const DkmsInputs *self);
/** Returns: (transfer full): the SHA-256 of the document in hexadecimal */
char *dkms_inputs_identity (const DkmsInputs *self);

/** Returns: (transfer full): an object with a member for each input */
json_t *dkms_inputs_to_json (const DkmsInputs *self);
/** Returns: (transfer full) (nullable): what dkms_inputs_to_json() made; NULL if @json (nullable) is something else */
DkmsInputs *dkms_inputs_from_json (const json_t *json);

/* What has changed since a build, as a set of bits. */
typedef enum {
  DKMS_STALE_HEADERS = 1 << 0,     /* symvers, config or btf */
  DKMS_STALE_SOURCE = 1 << 1,      /* source, admin, or what the recipe says */
  DKMS_STALE_DEPENDS = 1 << 2,     /* exports of modules in BUILD_DEPENDS */
  DKMS_STALE_COMPILER = 1 << 3,    /* another command, or another major version */
  DKMS_STALE_ENVIRONMENT = 1 << 4, /* what the caller passes */
} DkmsStaleness;

/**
 * dkms_inputs_compare:
 * @made: (nullable): the inputs of the build
 * @now: those that it would have now
 *
 * Inputs that either does not know, and documents of another format, do not differ. Nor do headers that are not there
 * now: nothing could be built from them.
 *
 * Returns: the union of what differs; 0: nothing
 */
guint dkms_inputs_compare (const DkmsInputs *made, const DkmsInputs *now);
/** Returns: (transfer full): the words of a set, such as "headers, source" */
char *dkms_staleness_words (guint staleness);
