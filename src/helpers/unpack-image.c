/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Decompresses with the libraries of each format. The format of LZ4 is simple, and needs none. */
#include "helpers/unpack-image.h"

#include <bzlib.h>
#include <lzo/lzo1x.h>
#include <stdint.h>
#include <string.h>

enum {
  CHUNK = 1 << 16,
  LARGEST_BZ2_INPUT = 1 << 30,
  LARGEST_LZ4_BLOCK = 8 << 20,
  LARGEST_LZO_BLOCK = 256 << 10,
  LZ4_MAGIC = 0x184c2102
};

bool
unpack_lzma (const void *in, size_t size, UnpackSink sink, void *user, size_t *rest)
{
  static lzma_stream stream = LZMA_STREAM_INIT;
  lzma_ret status = lzma_alone_decoder (&stream, UNPACK_MOST_MEMORY);

  stream.next_in = in;
  stream.avail_in = size;
  return unpack_run_lzma (&stream, status, sink, user, rest);
}

/* ---- bzip2 ---- */

/* According to the manual of bzip2, a stream needs 100 kB and four bytes for each byte of a block of up to 900 kB. */
enum { BZ2_MOST_MEMORY = 4 << 20, BZ2_ALIGN = 64 };

static size_t bz2_used;

/* Gives parts of a static buffer: most streams would otherwise cost a new mapping of several megabytes. */
static void *
bz2_allocate (void *unused, int count, int size)
{
  static _Alignas(BZ2_ALIGN) uint8_t memory[BZ2_MOST_MEMORY];
  size_t wanted = ((size_t)count * (size_t)size + BZ2_ALIGN - 1) / BZ2_ALIGN * BZ2_ALIGN;
  void *part = memory + bz2_used;

  (void)unused;
  if (count < 0 || size < 0 || wanted > sizeof memory - bz2_used)
    return NULL;
  bz2_used += wanted;
  return part;
}

/* The next stream takes all parts again. */
static void
bz2_keep (void *unused, void *part)
{
  (void)unused;
  (void)part;
}

bool
unpack_bz2 (const void *in, size_t size, UnpackSink sink, void *user, size_t *rest)
{
  static char out[CHUNK];
  bz_stream stream = { .next_in = (char *)(size_t)in, .bzalloc = bz2_allocate, .bzfree = bz2_keep };
  size_t left = size; /* of it, what the stream does not have yet */
  bz2_used = 0;
  int status = BZ2_bzDecompressInit (&stream, 0, 0);
  bool good = status == BZ_OK;

  while (good && status != BZ_STREAM_END)
    {
      if (stream.avail_in == 0)
        {
          stream.avail_in = left < LARGEST_BZ2_INPUT ? (unsigned)left : LARGEST_BZ2_INPUT;
          left -= stream.avail_in;
        }
      stream.next_out = out;
      stream.avail_out = sizeof out;
      status = BZ2_bzDecompress (&stream);
      good = (status == BZ_OK || status == BZ_STREAM_END) && sink (user, out, sizeof out - stream.avail_out)
             && (stream.avail_out < sizeof out || stream.avail_in + left > 0 || status == BZ_STREAM_END);
    }
  if (rest != NULL)
    *rest = stream.avail_in + left;
  (void)BZ2_bzDecompressEnd (&stream);
  return good;
}

/* ---- LZ4 ---- */

static uint32_t
number (const uint8_t *bytes)
{
  return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

/* Reads the bytes that follow a length of 15. Returns: false if they are cut off */
static bool
read_length (const uint8_t **in, const uint8_t *end, size_t *length)
{
  uint8_t more = 255;

  if (*length != 15)
    return true;
  while (more == 255)
    {
      if (*in == end)
        return false;
      more = *(*in)++;
      *length += more;
    }
  return true;
}

/* Decompresses a block into @out. Returns: its size; -1 if it is damaged or larger than LARGEST_LZ4_BLOCK */
static long
unpack_lz4_block (const uint8_t *in, size_t size, uint8_t *out)
{
  const uint8_t *end = in + size;
  size_t done = 0;

  while (in < end)
    {
      size_t literals = *in >> 4, match = *in & 15;

      in++;
      if (!read_length (&in, end, &literals) || literals > (size_t)(end - in) || literals > LARGEST_LZ4_BLOCK - done)
        return -1;
      memcpy (out + done, in, literals);
      in += literals;
      done += literals;
      if (in == end) /* the last sequence has no match */
        return (long)done;
      if (end - in < 2)
        return -1;
      size_t distance = in[0] | (size_t)in[1] << 8;
      in += 2;
      if (!read_length (&in, end, &match) || distance == 0 || distance > done
          || (match += 4) > LARGEST_LZ4_BLOCK - done)
        return -1;
      for (; match > 0; match--, done++) /* both may overlap */
        out[done] = out[done - distance];
    }
  return -1;
}

bool
unpack_lz4 (const void *in, size_t size, UnpackSink sink, void *user, size_t *rest)
{
  static uint8_t out[LARGEST_LZ4_BLOCK];
  const uint8_t *at = in, *end = at + size;
  bool good = true;

  while (good && end - at >= 4 && number (at) != 0)
    {
      uint32_t length = number (at);

      if (length != LZ4_MAGIC && length > (size_t)(end - at) - 4)
        break; /* something else follows, or the block is cut off */
      at += 4;
      if (length == LZ4_MAGIC)
        continue;
      long block = unpack_lz4_block (at, length, out);
      good = block >= 0 && sink (user, out, (size_t)block);
      at += length;
    }
  if (rest != NULL)
    *rest = (size_t)(end - at);
  return good;
}

/* ---- lzop ---- */

static const uint8_t lzop_magic[9] = { 0x89, 'L', 'Z', 'O', 0, '\r', '\n', 0x1a, '\n' };

/* Flags in the header. Each checksum that is present has four bytes. */
enum {
  LZOP_ADLER = 1 << 0,
  LZOP_ADLER_PACKED = 1 << 1,
  LZOP_EXTRA = 1 << 6,
  LZOP_CRC = 1 << 8,
  LZOP_CRC_PACKED = 1 << 9,
  LZOP_FILTER = 1 << 11
};
enum { LZOP_VERSION_WITH_LEVEL = 0x940, CHECKSUM = 4 };

typedef struct {
  const uint8_t *at, *end;
} Input;

static bool
skip (Input *in, size_t count)
{
  bool good = count <= (size_t)(in->end - in->at);

  in->at += good ? count : 0;
  return good;
}

/* Reads a number of @count bytes, the highest first. */
static bool
read_number (Input *in, unsigned count, uint32_t *value)
{
  const uint8_t *at = in->at;

  *value = 0;
  if (!skip (in, count))
    return false;
  for (unsigned i = 0; i < count; i++)
    *value = *value << 8 | at[i];
  return true;
}

static bool
read_lzop_header (Input *in, uint32_t *flags)
{
  uint32_t version, name, extra = 0;
  bool levels, good = skip (in, sizeof lzop_magic) && read_number (in, 2, &version);

  levels = good && version >= LZOP_VERSION_WITH_LEVEL;
  /* The version of the library, the version that is needed, the method, and the level. */
  good = good && skip (in, levels ? 2 + 2 + 1 + 1 : 2 + 1) && read_number (in, 4, flags);
  /* The filter, the mode, and the time of the file; its name, and the checksum of the header. */
  return good && skip (in, (*flags & LZOP_FILTER ? 4 : 0) + 4 + (levels ? 8 : 4)) && read_number (in, 1, &name)
         && skip (in, name + CHECKSUM)
         && (!(*flags & LZOP_EXTRA) || (read_number (in, 4, &extra) && skip (in, extra) && skip (in, CHECKSUM)));
}

/* Reads the block of @size bytes that begins with its compressed size. */
static bool
unpack_lzop_block (Input *in, uint32_t flags, uint32_t size, UnpackSink sink, void *user)
{
  static uint8_t out[LARGEST_LZO_BLOCK];
  uint32_t packed;
  lzo_uint done = size;

  if (!read_number (in, 4, &packed) || size > sizeof out || packed > size)
    return false;
  uint32_t checksums = flags & (LZOP_ADLER | LZOP_CRC);
  if (packed < size)
    checksums |= flags & (LZOP_ADLER_PACKED | LZOP_CRC_PACKED);
  if (!skip (in, (size_t)__builtin_popcount (checksums) * CHECKSUM))
    return false;
  const uint8_t *block = in->at;
  if (!skip (in, packed))
    return false;
  if (packed == size)
    return sink (user, block, size);
  return lzo1x_decompress_safe (block, packed, out, &done, NULL) == LZO_E_OK && done == size && sink (user, out, size);
}

bool
unpack_lzop (const void *in, size_t size, UnpackSink sink, void *user, size_t *rest)
{
  Input input = { in, (const uint8_t *)in + size };
  uint32_t flags = 0, block = 1;
  bool good = lzo_init () == LZO_E_OK && read_lzop_header (&input, &flags);

  while (good && block != 0)
    good = read_number (&input, 4, &block) && (block == 0 || unpack_lzop_block (&input, flags, block, sink, user));
  if (rest != NULL)
    *rest = (size_t)(input.end - input.at);
  return good;
}

UnpackFunc
unpack_find_any (const void *bytes, size_t size)
{
  static const unsigned char lzma[] = { 0x5d, 0, 0 };

  if (size >= 4 && number (bytes) == LZ4_MAGIC)
    return unpack_lz4;
  if (size >= 13 && memcmp (bytes, lzma, sizeof lzma) == 0) /* its header has 13 bytes */
    return unpack_lzma;
  if (size >= 4 && memcmp (bytes, "BZh", 3) == 0)
    return unpack_bz2;
  if (size >= sizeof lzop_magic && memcmp (bytes, lzop_magic, sizeof lzop_magic) == 0)
    return unpack_lzop;
  return unpack_find (bytes, size);
}
