/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Input: a kernel image, as dkms-facts reads it: a bzImage, or an unpacked kernel; or a
 * Module.symvers. Findings: a crash; a read outside of
 * the file; symbols of an image with a bad table. */
#include <string.h>

#include "fuzz.h"
#include "helpers/kernel-certificates.h"
#include "helpers/kernel-image.h"
#include "helpers/kernel-symvers.h"

static void
note (const KernelExport *symbol, void *user)
{
  unsigned *count = user;

  g_assert (*symbol->name != '\0' && strlen (symbol->name) < 2048 && strlen (symbol->name_space) < 2048);
  (*count)++;
}

static void
read_all (const void *der, size_t size, void *user)
{
  guint8 *sum = user;

  for (size_t i = 0; i < size; i++)
    *sum ^= ((const guint8 *)der)[i];
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
  guint8 sum = 0;
  (void)kernel_certificates_find (exact, size, read_all, &sum);
  const char *version = kernel_image_version (exact, size);
  g_assert (version == NULL || strlen (version) < 512);
  count = 0;
  why = kernel_symvers_read ((const char *)exact, size, note, &count);
  g_assert ((why == NULL) == (count > 0));
  return 0;
}
