/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds options of a kernel's configuration. */
#include "base/kconfig.h"

#include <string.h>

const char *
dkms_kconfig_find (const char *config, const char *name)
{
  size_t n = strlen (name);

  if (n == 0) /* such as "!" alone in BUILD_EXCLUSIVE_CONFIG; it would be found at each place for ever */
    return NULL;
  for (const char *at = config != NULL ? strstr (config, name) : NULL; at != NULL; at = strstr (at + n, name))
    if ((at == config || at[-1] == '\n') && at[n] == '=')
      return at + n + 1;
  return NULL;
}
