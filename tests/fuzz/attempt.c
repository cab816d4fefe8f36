/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Input: the text of an attempt.json, from the tree or from an archive of another machine; or, if it begins like an ELF
 * file, a vmlinux in which the types are searched. Findings: a crash; an attempt that differs after it was written and
 * read again; inputs that differ from themselves. */
#define _GNU_SOURCE
#include "model/attempt.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "kernel/btf.h"

static void
read_types (const uint8_t *data, size_t size)
{
  static int fd = -1;
  g_autofree char *digest = NULL;

  if (fd < 0)
    fd = memfd_create ("vmlinux", MFD_CLOEXEC);
  g_assert (fd >= 0 && ftruncate (fd, (off_t)size) == 0 && pwrite (fd, data, size, 0) == (ssize_t)size);
  digest = dkms_btf_digest (fd);
  g_assert (digest != NULL && (strcmp (digest, "-") == 0 || strlen (digest) == 64));
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (DkmsAttempt) attempt = NULL;

  fuzz_begin ();
  if (size > 0 && data[0] == 0x7f)
    {
      read_types (data, size);
      return 0;
    }
  attempt = dkms_attempt_from_text ((const char *)data, size, NULL);
  if (attempt == NULL)
    return 0;
  g_autofree char *text = dkms_attempt_to_text (attempt);
  g_autoptr (DkmsAttempt) again = dkms_attempt_from_text (text, strlen (text), NULL);
  g_assert (again != NULL);
  g_autofree char *second = dkms_attempt_to_text (again);
  g_assert_cmpstr (text, ==, second);
  if (attempt->inputs != NULL)
    {
      g_autofree char *identity = dkms_inputs_identity (attempt->inputs), *other = dkms_inputs_identity (again->inputs);
      g_assert_cmpstr (identity, ==, other);
      g_assert_cmpuint (dkms_inputs_compare (attempt->inputs, again->inputs), ==, 0);
    }
  return 0;
}
