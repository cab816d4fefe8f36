/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads efivarfs. */
#include "machine/efi.h"

#include "base/unread.h"

#define FIRMWARE "/sys/firmware/efi"
enum { ATTRIBUTES = 4, LARGEST = 4 << 20 };

gboolean
dkms_efi_is_there (const DkmsRoot *root)
{
  return dkms_root_is_dir (root, FIRMWARE);
}

GBytes *
dkms_efi_read (const DkmsRoot *root, const char *name, const char *vendor)
{
  g_autofree char *path = g_strdup_printf (FIRMWARE "/efivars/%s-%s", name, vendor);
  guint mark = dkms_unread_mark ();
  gsize size = 0;
  char *content = dkms_root_read (root, path, LARGEST, &size, NULL);

  dkms_unread_drop (mark); /* a variable that cannot be read is as unknown as an absent one */
  g_autoptr (GBytes) whole = content != NULL ? g_bytes_new_take (content, size) : NULL;
  return whole != NULL && size >= ATTRIBUTES ? g_bytes_new_from_bytes (whole, ATTRIBUTES, size - ATTRIBUTES) : NULL;
}

char *
dkms_efi_read_text (const DkmsRoot *root, const char *name, const char *vendor)
{
  g_autoptr (GBytes) bytes = dkms_efi_read (root, name, vendor);
  gsize size = 0;
  const guint8 *data = bytes != NULL ? g_bytes_get_data (bytes, &size) : NULL;
  g_autofree gunichar2 *text = g_new0 (gunichar2, size / 2 + 1);

  if (data == NULL)
    return NULL;
  for (gsize i = 0; i < size / 2; i++)
    text[i] = (gunichar2)(data[2 * i] | data[2 * i + 1] << 8); /* UTF-16, little endian */
  return g_utf16_to_utf8 (text, -1, NULL, NULL, NULL);
}
