/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The manifest of an entry of the build cache, build.json: which build the entry contains, and its files. It is an
 * object in JSON of at most 256 KiB:
 *
 *   format       1
 *   key          identity of the inputs (model/inputs.h)
 *   result       "built", or "failed": then there is one file, the log
 *   module, version, kernel, arch
 *   inputs       the document of the inputs, whose SHA-256 is the key
 *   time         when the build began, in seconds since 1970
 *   seconds      how long it took
 *   dkms         version of the program
 *   builder      name of the machine, chosen by its administrator; may be empty
 *   exit, error  of a failed build: its exit status, and the first error
 *   files        path, size and sha256 of each file; payload, for modules: the digest of what is loaded (see
 *                entry_payload()); blob and blob_size: SHA-256 and size of its compressed form, one zstd frame
 *
 * The paths are module/NAME.ko, module/Module.symvers, extra/NAME (left by POST_BUILD) and log/make.log. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ENTRY_HEX = 64, ENTRY_MOST_MANIFEST = 256 << 10, ENTRY_MOST_EXTRAS = 64, ENTRY_MOST_EXTRA_BYTES = 64 << 20 };

typedef struct {
  char *path;
  uint64_t size, blob_size; /* bytes */
  char sha256[ENTRY_HEX + 1], blob[ENTRY_HEX + 1];
  char payload[ENTRY_HEX + 1]; /* "": it is not a module */
} EntryFile;

typedef struct {
  char *key, *result, *module, *version, *kernel, *arch, *inputs, *dkms, *builder;
  char *error; /* (nullable) */
  int exit;
  int64_t time;
  double seconds;
  EntryFile *files;
  size_t count;
} EntryManifest;

/* Returns: (nullable): the text @name, which @data has */
typedef const char *(*EntryTextFunc) (const void *data, const char *name);
/** Sets the texts that each manifest has, in @self, which has none. Returns: false if one is missing, or without memory
 */
bool entry_manifest_take (EntryManifest *self, EntryTextFunc text, const void *data);

/** Frees the content of @self. */
void entry_manifest_clear (EntryManifest *self);

/** Returns: (transfer full) (nullable): @self in JSON, ended by a NUL; NULL without memory, or if a text is not UTF-8
 */
char *entry_manifest_write (const EntryManifest *self);

/**
 * entry_manifest_read:
 * Reads @size bytes of another party, and checks all that does not depend on the wishes of the reader: that the key is
 * the digest of the inputs, and that they are about the same module, version, kernel and architecture.
 *
 * @self: (out): filled in if the result is NULL; clear it in any case
 *
 * Returns: (transfer none) (nullable): what is wrong
 */
const char *entry_manifest_read (EntryManifest *self, const char *bytes, size_t size);

/**
 * entry_claim_write:
 * A claim says that a machine is making the build with @key. It is a manifest with format, key, the result "building",
 * "expires", seconds since 1970, and "by", a text by which the machine knows its own claim after an interrupted build.
 * Nobody signs it, so it can do no more than delay others.
 *
 * Returns: (transfer full) (nullable): the claim in JSON, ended by a NUL; NULL without memory
 */
char *entry_claim_write (const char *key, const char *by, int64_t expires);
/** Reads a claim. @by: of this machine; @expires: (out). Returns: (transfer none) (nullable): why it is not a claim of
 * another machine on @key */
const char *entry_claim_read (const char *bytes, size_t size, const char *key, const char *by, int64_t *expires);

/* What a reader wants. */
typedef struct {
  const char *key, *module, *version, *kernel, *arch;
  const char **outputs; /* names of the modules, without .ko */
  size_t count;
  uint64_t most;        /* bytes of one file */
  const char **signers; /* public keys (minisign.h), one of which must have signed it */
  size_t signer_count;  /* 0: the entry is one of this machine, and not signed */
  const char **denied;  /* keys of entries, and digests of files, payloads and blobs */
  size_t denied_count;
} EntryWish;

/** Returns: (transfer none) (nullable): why @self, which entry_manifest_read() has read, is not what @wish wants */
const char *entry_manifest_refuse (const EntryManifest *self, const EntryWish *wish);
