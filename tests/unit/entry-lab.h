/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A machine that builds a module and signs the entry of the build, and one that takes it. */
#pragma once

#include <glib.h>
#include <openssl/evp.h>

#include "helpers/entry-blob.h"
#include "helpers/entry-read.h"
#include "helpers/minisign.h"

enum { LAB_MOST = 1 << 16, LAB_FILES = 4 };

typedef struct {
  char *dir;
  int fd, source, blobs, out;                                        /* directories */
  EVP_PKEY *private, *other;                                         /* the key that is trusted, and another one */
  char key[MINISIGN_KEY_TEXT + 1], other_key[MINISIGN_KEY_TEXT + 1]; /* their public keys */
  char build[ENTRY_HEX + 1];                                         /* digest of the inputs */
  EntryManifest manifest;
  EntryFile files[LAB_FILES]; /* two modules, a file of POST_BUILD, the log */
  guint written, missing;     /* files of the last lab_take() */
} Lab;

extern const char *lab_outputs[2]; /* the names of the modules */

/** For g_test_add(). */
void lab_set_up (Lab *lab, gconstpointer data);
void lab_tear_down (Lab *lab, gconstpointer data);

void lab_put (int dir, const char *name, const void *bytes, gsize size);
/** Returns: (transfer full) (nullable): the content of a file */
char *lab_get (int dir, const char *name, gsize *size);

/** Returns: what the machine that takes the build wants. @signers: @count public keys, which it trusts */
EntryWish lab_wish (const Lab *lab, const char **signers, size_t count);
/** Returns: (transfer full): an entry with the manifest @text, signed with @key under the id of @name */
unsigned char *lab_seal (const Lab *lab, const char *text, EVP_PKEY *key, const char *name, size_t *size);
/** Returns: (transfer full): an entry with the manifest of @lab, with @from replaced by @to if they are not NULL */
unsigned char *lab_entry (const Lab *lab, const char *from, const char *to, size_t *size);

/** Reads the entry and writes its files. @wish: (nullable): NULL: what was built, signed with the trusted key. Returns:
 * why it is refused; NULL: all files were written; "": some are absent */
const char *lab_take (Lab *lab, const void *bytes, gsize size, const EntryWish *wish);
/** As lab_take(), of the manifest with @from replaced by @to. */
const char *lab_take_changed (Lab *lab, const char *from, const char *to);
/** Asserts that the written files are those of the build. */
void lab_assert_files (const Lab *lab);
