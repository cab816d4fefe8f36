/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Decompresses files with the libraries of each format. The format of LZ4 is simple, and needs none. */
#include "helpers/unpack.h"

#include <lzma.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

enum { CHUNK = 1 << 16, MOST_XZ_MEMORY = 512 << 20 };
enum { LARGEST_LZ4_BLOCK = 8 << 20, LZ4_MAGIC = 0x184c2102 };

bool
unpack_gz (const void *in, size_t size, UnpackSink sink, void *user, size_t *rest)
{
  static char out[CHUNK];
  z_stream stream = { .next_in = (Bytef *)(size_t)in, .avail_in = (uInt)size };
  int status = inflateInit2 (&stream, MAX_WBITS + 16);
  bool good = status == Z_OK;

  while (good && status != Z_STREAM_END)
    {
      stream.next_out = (Bytef *)out;
      stream.avail_out = sizeof out;
      status = inflate (&stream, Z_NO_FLUSH);
      good = (status == Z_OK || status == Z_STREAM_END) && sink (user, out, sizeof out - stream.avail_out);
    }
  if (rest != NULL)
    *rest = stream.avail_in;
  (void)inflateEnd (&stream);
  return good;
}

/* Decompresses with the decoder @stream, of which @status is the state. */
static bool
run_lzma (lzma_stream *stream, lzma_ret status, UnpackSink sink, void *user, size_t *rest)
{
  static uint8_t out[CHUNK];
  bool good = status == LZMA_OK;

  while (good && status != LZMA_STREAM_END)
    {
      stream->next_out = out;
      stream->avail_out = sizeof out;
      status = lzma_code (stream, LZMA_FINISH);
      good = (status == LZMA_OK || status == LZMA_STREAM_END) && sink (user, out, sizeof out - stream->avail_out);
    }
  if (rest != NULL)
    *rest = stream->avail_in;
  lzma_end (stream);
  return good;
}

bool
unpack_xz (const void *in, size_t size, UnpackSink sink, void *user, size_t *rest)
{
  lzma_stream stream = LZMA_STREAM_INIT;
  lzma_ret status = lzma_stream_decoder (&stream, MOST_XZ_MEMORY, 0);

  stream.next_in = in;
  stream.avail_in = size;
  return run_lzma (&stream, status, sink, user, rest);
}

bool
unpack_lzma (const void *in, size_t size, UnpackSink sink, void *user, size_t *rest)
{
  lzma_stream stream = LZMA_STREAM_INIT;
  lzma_ret status = lzma_alone_decoder (&stream, MOST_XZ_MEMORY);

  stream.next_in = in;
  stream.avail_in = size;
  return run_lzma (&stream, status, sink, user, rest);
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
  const uint8_t *at = in, *end = at + size;
  uint8_t *out = malloc (LARGEST_LZ4_BLOCK);
  bool good = out != NULL;

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
  free (out);
  if (rest != NULL)
    *rest = (size_t)(end - at);
  return good;
}

/* ---- zstd ---- */

bool
unpack_zst (const void *in, size_t size, UnpackSink sink, void *user, size_t *rest)
{
  static char out[CHUNK];
  ZSTD_DStream *stream = ZSTD_createDStream ();
  ZSTD_inBuffer source = { in, size, 0 };
  size_t left = 1;
  bool good = stream != NULL;

  while (good && left != 0)
    {
      ZSTD_outBuffer room = { out, sizeof out, 0 };
      size_t before = source.pos;
      left = ZSTD_decompressStream (stream, &room, &source);
      good = !ZSTD_isError (left) && sink (user, out, room.pos)
             && (room.pos > 0 || source.pos > before || left == 0); /* otherwise it is incomplete */
    }
  if (rest != NULL)
    *rest = source.size - source.pos;
  (void)ZSTD_freeDStream (stream);
  return good;
}

bool
unpack_zst_has_size (const void *in, size_t size)
{
  unsigned long long content = ZSTD_getFrameContentSize (in, size);

  return content != ZSTD_CONTENTSIZE_UNKNOWN && content != ZSTD_CONTENTSIZE_ERROR;
}

UnpackFunc
unpack_find (const void *bytes, size_t size)
{
  static const char xz[6] = { '\xfd', '7', 'z', 'X', 'Z', '\0' };

  if (size >= 2 && memcmp (bytes, "\x1f\x8b", 2) == 0)
    return unpack_gz;
  if (size >= sizeof xz && memcmp (bytes, xz, sizeof xz) == 0)
    return unpack_xz;
  if (size >= 4 && memcmp (bytes, "\x28\xb5\x2f\xfd", 4) == 0)
    return unpack_zst;
  return NULL;
}

UnpackFunc
unpack_find_any (const void *bytes, size_t size)
{
  static const unsigned char lzma[] = { 0x5d, 0, 0 };

  if (size >= 4 && number (bytes) == LZ4_MAGIC)
    return unpack_lz4;
  if (size >= 13 && memcmp (bytes, lzma, sizeof lzma) == 0) /* its header has 13 bytes */
    return unpack_lzma;
  return unpack_find (bytes, size);
}
