/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Decompresses a module, cuts its signatures off, and digests the rest. */
#define _GNU_SOURCE
#include "helpers/module-digest.h"

#include <sys/mman.h>
#include <unistd.h>

#include "helpers/entry-blob.h"
#include "helpers/facts-out.h"
#include "helpers/memory-file.h"
#include "helpers/trust-signature.h"

static void
put_digests (const unsigned char *bytes, size_t size)
{
  char digest[ENTRY_HEX + 1];
  unsigned signatures;
  size_t rest = trust_signature_cut (bytes, size, &signatures);

  if (rest == 0)
    {
      facts_put ("refused", "its signature is damaged");
      return;
    }
  entry_digest (bytes, rest, digest);
  facts_put ("content", digest);
  if (!entry_payload (bytes, rest, digest))
    return; /* it is not a module */
  facts_put ("payload", digest);
  if (entry_payload_without (bytes, rest, ".BTF", digest))
    facts_put ("typeless", digest);
}

static void
unmap (const unsigned char *bytes, size_t size)
{
  if (bytes != NULL)
    (void)munmap ((void *)bytes, size);
}

void
module_digest_put (int fd)
{
  size_t packed = 0, size = 0, behind = 0;
  const unsigned char *bytes = memory_file_map (fd, &packed), *plain = NULL;
  UnpackFunc unpack = bytes != NULL ? unpack_find (bytes, packed) : NULL;
  int unpacked = unpack != NULL ? memory_file_unpack (unpack, bytes, packed, &behind) : -1;

  if (unpacked >= 0)
    plain = memory_file_map (unpacked, &size);
  if (bytes != NULL && unpack == NULL)
    put_digests (bytes, packed);
  else if (plain != NULL && behind == 0)
    put_digests (plain, size);
  else
    facts_put ("refused", "it is empty, or cannot be read or decompressed");
  unmap (plain, size);
  unmap (bytes, packed);
  if (unpacked >= 0)
    (void)close (unpacked);
}
