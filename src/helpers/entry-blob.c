/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compresses and decompresses blobs piece by piece, and computes digests. */
#define _GNU_SOURCE
#include "helpers/entry-blob.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "helpers/elf-image.h"
#include "helpers/memory-file.h"
#include "helpers/unpack.h"
#include "helpers/write-all.h"

enum { LEVEL = 3, CHUNK = 1 << 16 };

/* ---- digests ---- */

static void
to_hex (const unsigned char *bytes, size_t size, char *text)
{
  static const char digits[] = "0123456789abcdef";

  for (size_t i = 0; i < size; i++)
    {
      text[2 * i] = digits[bytes[i] >> 4];
      text[2 * i + 1] = digits[bytes[i] & 15];
    }
  text[2 * size] = '\0';
}

/* Returns: (transfer full): a digest to which bytes can be added */
static EVP_MD_CTX *
begin_digest (void)
{
  EVP_MD_CTX *sum = EVP_MD_CTX_new ();

  if (sum == NULL || EVP_DigestInit_ex (sum, EVP_sha256 (), NULL) != 1)
    abort (); /* there is no memory */
  return sum;
}

static void
add (EVP_MD_CTX *sum, const void *bytes, size_t size)
{
  if (size > 0 && EVP_DigestUpdate (sum, bytes, size) != 1)
    abort ();
}

/* @sum: (transfer full) */
static void
end_digest (EVP_MD_CTX *sum, char digest[ENTRY_HEX + 1])
{
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned length = 0;

  if (EVP_DigestFinal_ex (sum, bytes, &length) != 1 || length != ENTRY_HEX / 2)
    abort ();
  to_hex (bytes, length, digest);
  EVP_MD_CTX_free (sum);
}

void
entry_digest (const void *bytes, size_t size, char digest[ENTRY_HEX + 1])
{
  EVP_MD_CTX *sum = begin_digest ();

  add (sum, bytes, size);
  end_digest (sum, digest);
}

/* What of a module is digested. */
typedef struct {
  const ElfImage *image;
  const ElfSection *names; /* the section with names of sections */
  const char *omitted;     /* (nullable): name of a section that is not */
  EVP_MD_CTX *sum;
} Payload;

/* Adds the section @index, if it is loaded. */
static bool
add_section (const Payload *self, uint64_t table, unsigned index)
{
  const ElfImage *image = self->image;
  EVP_MD_CTX *sum = self->sum;
  ElfSection section;
  size_t flags = (size_t)(table + (uint64_t)index * elf_header_size (image)) + 8;
  char number[24];

  if (!elf_read_section (image, table, index, &section))
    return false;
  if ((elf_number (image, flags, image->wide ? 8 : 4) & SHF_ALLOC) == 0)
    return true;
  const char *name = elf_text_at (image, self->names, section.name);
  if (name == NULL || (section.type != SHT_NOBITS && !elf_lies_inside (image, section.offset, section.size)))
    return false;
  if (strcmp (name, ".note.gnu.build-id") == 0 || (self->omitted != NULL && strcmp (name, self->omitted) == 0))
    return true;
  add (sum, name, strlen (name) + 1);
  (void)snprintf (number, sizeof number, "%llu", (unsigned long long)section.size);
  add (sum, number, strlen (number) + 1);
  if (section.type != SHT_NOBITS)
    add (sum, image->bytes + section.offset, (size_t)section.size);
  return true;
}

bool
entry_payload (const void *bytes, size_t size, char digest[ENTRY_HEX + 1])
{
  return entry_payload_without (bytes, size, NULL, digest);
}

bool
entry_payload_without (const void *bytes, size_t size, const char *omitted, char digest[ENTRY_HEX + 1])
{
  ElfImage image;
  ElfSection names;

  if (elf_image_open (&image, bytes, size) != NULL)
    return false;
  unsigned word = image.wide ? 8 : 4, counts = image.wide ? 60 : 48;
  uint64_t table = elf_number (&image, image.wide ? 40 : 32, word);
  unsigned count = (unsigned)elf_number (&image, counts, 2), last = (unsigned)elf_number (&image, counts + 2, 2);

  if (!elf_read_section (&image, table, last, &names))
    return false;
  const Payload payload = { &image, &names, omitted, begin_digest () };
  bool good = true;
  for (unsigned i = 0; good && i < count; i++)
    good = add_section (&payload, table, i);
  end_digest (payload.sum, digest);
  return good;
}

/* ---- compression ---- */

/* Compresses @size @bytes to @fd. */
static bool
compress (const void *bytes, size_t size, int fd, EntryFile *file)
{
  static char out[CHUNK];
  ZSTD_CCtx *stream = ZSTD_createCCtx ();
  ZSTD_inBuffer source = { bytes, size, 0 };
  EVP_MD_CTX *sum = begin_digest ();
  bool good = stream != NULL && !ZSTD_isError (ZSTD_CCtx_setParameter (stream, ZSTD_c_compressionLevel, LEVEL))
              && !ZSTD_isError (ZSTD_CCtx_setParameter (stream, ZSTD_c_checksumFlag, 1))
              && !ZSTD_isError (ZSTD_CCtx_setPledgedSrcSize (stream, size));
  size_t left = 1;

  file->blob_size = 0;
  while (good && left > 0)
    {
      ZSTD_outBuffer room = { out, sizeof out, 0 };
      left = ZSTD_compressStream2 (stream, &room, &source, ZSTD_e_end);
      good = !ZSTD_isError (left) && write_all (fd, out, room.pos);
      add (sum, out, room.pos);
      file->blob_size += room.pos;
    }
  end_digest (sum, file->blob);
  (void)ZSTD_freeCCtx (stream);
  return good;
}

const char *
entry_blob_pack (int from, const char *path, int to, EntryFile *file)
{
  static const char temporary[] = "blob";
  struct stat st;
  size_t size = 0;
  int in = openat (from, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

  if (in < 0 || fstat (in, &st) < 0)
    return "it cannot be read";
  const unsigned char *bytes = memory_file_map (in, &size);
  (void)close (in);
  if (bytes == NULL && st.st_size > 0)
    return errno = 0, "it cannot be read";
  file->size = size;
  entry_digest (bytes, size, file->sha256);
  if (strncmp (file->path, "module/", 7) == 0 && strcmp (file->path, "module/Module.symvers") != 0
      && !entry_payload (bytes, size, file->payload))
    return errno = 0, "it is not a module";
  int out = openat (to, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (out < 0)
    return "its blob cannot be written";
  bool good = compress (bytes, size, out, file);
  good = close (out) == 0 && good;
  if (bytes != NULL)
    (void)munmap ((void *)(size_t)bytes, size);
  return good && renameat (to, temporary, to, file->blob) == 0 ? NULL : "its blob cannot be written";
}

/* ---- decompression ---- */

typedef struct {
  int fd;
  EVP_MD_CTX *sum;
  uint64_t left; /* bytes that may follow */
} Target;

static bool
take (void *user, const void *bytes, size_t size)
{
  Target *target = user;

  if (size > target->left || !write_all (target->fd, bytes, size))
    return false;
  target->left -= size;
  add (target->sum, bytes, size);
  return true;
}

/* Decompresses the blob to @fd. */
static const char *
decompress (const void *bytes, size_t size, int fd, const EntryFile *file)
{
  Target target = { fd, begin_digest (), file->size };
  char digest[ENTRY_HEX + 1];
  size_t rest = 0;
  bool good = unpack_zst (bytes, size, take, &target, &rest);

  end_digest (target.sum, digest);
  if (!good || rest != 0 || target.left != 0)
    return "a blob is damaged, or has another size";
  return strcmp (digest, file->sha256) == 0 ? NULL : "a file has another digest";
}

/* Compares the payload of the module in @fd, which was just written. */
static const char *
compare_payload (int fd, const EntryFile *file)
{
  char payload[ENTRY_HEX + 1];
  size_t size = 0;
  const unsigned char *bytes = file->payload[0] != '\0' ? memory_file_map (fd, &size) : NULL;

  if (file->payload[0] == '\0')
    return NULL;
  bool equal = bytes != NULL && entry_payload (bytes, size, payload) && strcmp (payload, file->payload) == 0;
  if (bytes != NULL)
    (void)munmap ((void *)(size_t)bytes, size);
  return equal ? NULL : "a module has another payload";
}

static const char *
unpack_mapped (const void *bytes, size_t size, int to, const EntryFile *file)
{
  char digest[ENTRY_HEX + 1];

  entry_digest (bytes, size, digest);
  if (size != file->blob_size || strcmp (digest, file->blob) != 0)
    return "a blob has another digest";
  int fd = openat (to, file->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (fd < 0)
    return "a file cannot be written";
  const char *reason = decompress (bytes, size, fd, file);
  if (reason == NULL)
    reason = compare_payload (fd, file);
  return close (fd) == 0 ? reason : "a file cannot be written";
}

const char *
entry_blob_unpack (int from, int to, const EntryFile *file)
{
  size_t size = 0;
  int fd = openat (from, file->blob, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

  if (fd < 0)
    return errno == ENOENT ? "" : "a blob cannot be read";
  const unsigned char *bytes = memory_file_map (fd, &size);
  (void)close (fd);
  if (bytes == NULL)
    return "a blob is empty, or cannot be read";
  const char *reason = unpack_mapped (bytes, size, to, file);
  (void)munmap ((void *)(size_t)bytes, size);
  return reason;
}
