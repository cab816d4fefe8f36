/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Linked to programs that are built with AddressSanitizer. Disables the search for leaks in programs behind the wall of
 * --root, because the search needs ptrace(2), which is not allowed there. */
#include <stdlib.h>

int __lsan_is_turned_off (void);

int
__lsan_is_turned_off (void)
{
  return getenv ("DKMS_CONFINED_TO") != NULL;
}
