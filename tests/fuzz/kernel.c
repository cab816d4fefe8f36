/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Input: a kernel image, as dkms-facts reads it: a bzImage, or an unpacked kernel. Findings: a crash; a read outside of
 * the file; symbols of an image with a bad table. */
#include <string.h>

#include "fuzz.h"
#include "helpers/kernel-image.h"

static void
note (const KernelExport *symbol, void *user)
{
  unsigned *count = user;

  g_assert (*symbol->name != '\0' && strlen (symbol->name) < 1024 && strlen (symbol->name_space) < 1024);
  (*count)++;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree uint8_t *exact = NULL;
  size_t at = 0, length = 0;
  unsigned count = 0;

  fuzz_begin ();
  exact = g_memdup2 (data, size); /* so that a byte too far is noticed */
  if (kernel_image_payload (exact, size, &at, &length))
    g_assert (length > 0 && at < size && length <= size - at);
  const char *why = kernel_image_exports (exact, size, note, &count);
  g_assert ((why == NULL) == (count > 0));
  if (kernel_image_btf (exact, size, &at, &length))
    g_assert (at <= size && length <= size - at);
  const char *vermagic = kernel_image_vermagic (exact, size, "6.1.0-1-test");
  g_assert (vermagic == NULL || strlen (vermagic) < 256);
  return 0;
}
