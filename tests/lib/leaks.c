/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A part of our programs when they are built with AddressSanitizer: no search for leaks in those that run behind the wall
 * of --root, because it needs ptrace(2), which they lack. */
#include <stdlib.h>

int __lsan_is_turned_off (void);

int
__lsan_is_turned_off (void)
{
  return getenv ("DKMS_CONFINED_TO") != NULL;
}
