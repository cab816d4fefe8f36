/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads entries of the build cache. An entry is an ActionResult (action-result.h) that contains the manifest build.json
 * (entry-manifest.h) and, if it comes from another machine, its signature build.json.minisig (minisign.h). A server may
 * have taken the contents of both out of the entry; then they are blobs, named by their digests. */
#pragma once

#include "helpers/entry-manifest.h"

#define ENTRY_MANIFEST "build.json"
#define ENTRY_SIGNATURE "build.json.minisig"

/* A file that the entry names. */
typedef struct {
  char hash[ENTRY_HEX + 1];
  uint64_t size; /* bytes */
} EntryPart;

/* What entry_read() finds beside the manifest. */
typedef struct {
  EntryPart absent[2];     /* parts that are neither in the entry nor among the blobs */
  size_t count;            /* of these */
  char bad[ENTRY_HEX + 1]; /* the damaged blob because of which the entry is refused; "": none */
  const char *signer;      /* (nullable): the one of the wish who has signed it */
} EntryFindings;

/* An entry, and where its blobs are. */
typedef struct {
  const unsigned char *bytes;
  size_t size;
  int blobs; /* a directory; -1: there is none */
} EntrySource;

/**
 * entry_read:
 * The signature is checked first: if @wish has signers, no manifest that is not signed
 * by one of them is parsed. Then the manifest is compared with @wish.
 *
 * @manifest: (out): filled in if the result is NULL; clear it in any case
 * @text: (out) (optional) (transfer full) (nullable): the bytes of the manifest and a NUL
 *
 * Returns: (transfer none) (nullable): why the entry cannot be used; "" if parts are absent
 */
const char *entry_read (const EntrySource *source, const EntryWish *wish, EntryManifest *manifest,
                        EntryFindings *findings, char **text);

/** Reads the entry of a claim of another machine than @by (entry-manifest.h) on @key. @expires: (out). Returns: as
 * entry_read() */
const char *entry_read_claim (const EntrySource *source, const char *key, const char *by, EntryFindings *findings,
                              int64_t *expires);

/* Is called for each file. @missing: it was not written, because its blob does not exist */
typedef void (*EntryFileFunc) (const EntryFile *file, bool missing);
/** Writes the files of @manifest below the directory @out, from @blobs. Returns: (transfer none) (nullable): why a file
 * cannot be used. @bad: (out): its blob then, or NULL */
const char *entry_unpack (const EntryManifest *manifest, int blobs, int out, EntryFileFunc written, const char **bad);

/** Returns: (transfer full) (nullable): the entry with the manifest @text and @signature (nullable), a text; NULL
 * without memory. @size: (out) */
unsigned char *entry_write (const EntryManifest *manifest, const char *text, const char *signature, size_t *size);
