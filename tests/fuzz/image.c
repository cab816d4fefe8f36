/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Input: a boot image, as dkms-facts reads it. Findings: a crash; a file outside of the image; a path without an end.
 */
#include <string.h>

#include "fuzz.h"
#include "helpers/boot-image.h"

static void
note (const char *path, const unsigned char *bytes, size_t size, void *user)
{
  unsigned *sum = user;

  g_assert (strlen (path) < 4096);
  for (size_t i = 0; i < size; i++) /* reads all of it */
    *sum += bytes[i];
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree uint8_t *exact = NULL;
  unsigned sum = 0;

  fuzz_begin ();
  exact = g_memdup2 (data, size); /* so that a byte too far is noticed */
  (void)boot_image_read (exact, size, 2, note, &sum);
  return 0;
}
