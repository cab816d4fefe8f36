/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads EFI variables in /sys: files with four bytes of attributes before the value. */
#define _GNU_SOURCE
#include "build/secure-boot.h"

#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "base/file.h"

#define VARIABLES "/sys/firmware/efi/efivars/"
#define SHIM "-605dab50-e046-4300-abb6-3dd810dd8b23"
enum { ATTRIBUTES = 4, LARGEST_FILE = 4 << 20 };

static GBytes *
read_file (const char *path)
{
  g_auto (DkmsFd) fd = open (path, DKMS_READ_FLAGS);
  g_autoptr (GError) error = NULL; /* without it, a failure would be noted, and would end the command */
  gsize size = 0;
  char *content = fd >= 0 ? dkms_read_fd (fd, path, LARGEST_FILE, &size, &error) : NULL;

  return content != NULL ? g_bytes_new_take (content, size) : NULL;
}

/* Returns: the value of a variable of one byte; -1 if it does not exist */
static int
read_flag (const char *path)
{
  g_autoptr (GBytes) bytes = read_file (path);
  gsize size = 0;
  const guint8 *data = bytes != NULL ? g_bytes_get_data (bytes, &size) : NULL;

  return size == ATTRIBUTES + 1 ? data[ATTRIBUTES] : -1;
}

DkmsSecureBoot
dkms_secure_boot_read (void)
{
  int enabled = read_flag (VARIABLES "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c");

  if (enabled < 0)
    return DKMS_SECURE_BOOT_UNKNOWN;
  return enabled == 1 && read_flag (VARIABLES "MokSBStateRT" SHIM) != 1 ? DKMS_SECURE_BOOT_ENABLED
                                                                        : DKMS_SECURE_BOOT_DISABLED;
}

/* Returns: (transfer full): the certificate in DER form, as in EFI variables; empty if there is none */
static GBytes *
read_certificate (const char *path)
{
  static const char begin[] = "-----BEGIN CERTIFICATE-----";
  g_autoptr (GBytes) bytes = read_file (path);
  gsize size = 0;
  const char *data = bytes != NULL ? g_bytes_get_data (bytes, &size) : NULL;
  const char *text = data != NULL ? memmem (data, size, begin, strlen (begin)) : NULL;

  if (text == NULL)
    return bytes != NULL ? g_steal_pointer (&bytes) : g_bytes_new (NULL, 0);
  text += strlen (begin);
  g_autofree char *base64 = g_strndup (text, strcspn (text, "-")); /* dkms_read_fd() ends it with NUL */
  guchar *der = g_base64_decode (base64, &size);
  return g_bytes_new_take (der, size);
}

gboolean
dkms_secure_boot_trusts (const char *certificate)
{
  static const char *const lists[]
      = { VARIABLES "MokListRT" SHIM, VARIABLES "db-d719b2cb-3d3a-4596-a3bc-dad00e67656f" };
  g_autoptr (GBytes) der = read_certificate (certificate);
  gsize length = 0;
  const void *wanted = g_bytes_get_data (der, &length);

  for (gsize i = 0; length > 0 && i < G_N_ELEMENTS (lists); i++)
    {
      g_autoptr (GBytes) list = read_file (lists[i]);
      gsize size = 0;
      const void *data = list != NULL ? g_bytes_get_data (list, &size) : NULL;
      if (data != NULL && memmem (data, size, wanted, length) != NULL)
        return TRUE;
    }
  return FALSE;
}

/* ---- systems of other machines ---- */

/* Files in /proc have no size. */
static char *
read_proc (const char *path)
{
  char *text = NULL;

  return g_file_get_contents (path, &text, NULL, NULL) ? text : NULL;
}

gboolean
dkms_secure_boot_in_chroot (const DkmsRoot *root)
{
  const char *preload = g_getenv ("LD_PRELOAD");
  g_autofree char *first = NULL;
  g_autofree char *mine = NULL;
  struct stat a, b;

  if (!dkms_root_is_host (root))
    return TRUE;
  if (g_strcmp0 (g_getenv ("FAKECHROOT"), "true") == 0 && g_getenv ("FAKECHROOT_BASE") != NULL && preload != NULL
      && strstr (preload, "libfakechroot.so") != NULL)
    return TRUE;
  first = read_proc ("/proc/1/mountinfo");
  mine = read_proc ("/proc/self/mountinfo");
  if (first != NULL && mine != NULL && strcmp (first, mine) != 0)
    return TRUE;
  return geteuid () == 0 && stat ("/proc/1/root/.", &a) == 0 && stat ("/", &b) == 0
         && (a.st_dev != b.st_dev || a.st_ino != b.st_ino);
}

DkmsSecureBoot
dkms_secure_boot_of (const DkmsRoot *root)
{
  return dkms_secure_boot_in_chroot (root) ? DKMS_SECURE_BOOT_UNKNOWN : dkms_secure_boot_read ();
}
