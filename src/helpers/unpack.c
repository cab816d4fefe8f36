/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Decompresses files with the libraries of each format. */
#include "helpers/unpack.h"

#include <lzma.h>
#include <stdint.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

/* The decoders of xz, lzma and zstd are kept for the next part of a boot image or the next module, because most of them
 * ask for the same amount of memory. A decoder of xz or lzma with more than KEPT_MEMORY is freed. One of zstd never
 * needs much more than 128 MiB, of which it touches only what the data fill. */
enum { CHUNK = 1 << 16, KEPT_MEMORY = 16 << 20 };

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

bool
unpack_run_lzma (lzma_stream *stream, lzma_ret status, UnpackSink sink, void *user, size_t *rest)
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
  if (lzma_memusage (stream) > KEPT_MEMORY)
    lzma_end (stream);
  return good;
}

bool
unpack_xz (const void *in, size_t size, UnpackSink sink, void *user, size_t *rest)
{
  static lzma_stream stream = LZMA_STREAM_INIT;
  lzma_ret status = lzma_stream_decoder (&stream, UNPACK_MOST_MEMORY, 0);

  stream.next_in = in;
  stream.avail_in = size;
  return unpack_run_lzma (&stream, status, sink, user, rest);
}

/* ---- zstd ---- */

bool
unpack_zst (const void *in, size_t size, UnpackSink sink, void *user, size_t *rest)
{
  static char out[CHUNK];
  static ZSTD_DStream *stream;
  ZSTD_inBuffer source = { in, size, 0 };
  size_t left = 1;

  if (stream == NULL)
    stream = ZSTD_createDStream ();
  bool good = stream != NULL && !ZSTD_isError (ZSTD_DCtx_reset (stream, ZSTD_reset_session_only));
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
