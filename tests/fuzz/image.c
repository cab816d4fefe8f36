/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Input: a boot image or a unified kernel image, as dkms-facts reads it. Findings: a crash; a file outside of the
 * image; a path without an end; what identifies a module lies outside of the module. */
#include <string.h>

#include "fuzz.h"
#include "helpers/boot-image.h"
#include "helpers/module-identity.h"
#include "helpers/pe-image.h"

static void
note (const char *path, const unsigned char *bytes, size_t size, void *user)
{
  unsigned *sum = user;
  ModuleIdentity identity;

  g_assert (strlen (path) < 4096);
  for (size_t i = 0; i < size; i++) /* reads all of it */
    *sum += bytes[i];
  module_identity_read (bytes, size, &identity);
  for (size_t i = 0; i < identity.build_id_size; i++)
    *sum += identity.build_id[i];
  *sum += identity.srcversion != NULL ? (unsigned)strlen (identity.srcversion) : 0;
  *sum += identity.vermagic != NULL ? (unsigned)strlen (identity.vermagic) : 0;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree uint8_t *exact = NULL;
  unsigned sum = 0;

  fuzz_begin ();
  exact = g_memdup2 (data, size); /* so that a byte too far is noticed */
  note ("", exact, size, &sum);
  if (pe_image_is (exact, size))
    {
      size_t at, length;
      (void)pe_image_section (exact, size, ".uname", &at, &length);
      if (pe_image_section (exact, size, ".initrd", &at, &length))
        {
          g_assert_cmpuint (at, <=, size);
          g_assert_cmpuint (length, <=, size - at);
          (void)boot_image_read (exact + at, length, 2, note, &sum);
        }
    }
  else
    (void)boot_image_read (exact, size, 2, note, &sum);
  return 0;
}
