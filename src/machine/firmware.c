/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads the variables of the firmware and of shim. */
#include "machine/firmware.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/pairs.h"
#include "base/unread.h"
#include "machine/efi.h"

#define DIRECTORY "/sys/firmware"
#define VARIABLES DIRECTORY "/efi/efivars/"
#define COPIES DIRECTORY "/efi/mok-variables/"
#define SHIM "605dab50-e046-4300-abb6-3dd810dd8b23"
#define IMAGE_SECURITY "d719b2cb-3d3a-4596-a3bc-dad00e67656f"
enum { ATTRIBUTES = 4, NON_VOLATILE = 1, LARGEST = 4 << 20, MOST_PARTS = 64 };

static const struct {
  const char *name, *vendor;
} variables[] = { [DKMS_LIST_OWNER] = { "MokListRT", SHIM },         [DKMS_LIST_FIRMWARE] = { "db", IMAGE_SECURITY },
                  [DKMS_LIST_FORBIDDEN] = { "dbx", IMAGE_SECURITY }, [DKMS_LIST_REVOKED] = { "MokListXRT", SHIM },
                  [DKMS_LIST_TO_ENROL] = { "MokNew", SHIM },         [DKMS_LIST_TO_DELETE] = { "MokDel", SHIM } };
G_STATIC_ASSERT (G_N_ELEMENTS (variables) == DKMS_LIST_LAST);

const char *
dkms_key_list_name (DkmsKeyList list)
{
  return variables[list].name;
}

/* ---- files ---- */

/* Reads a file. Returns: whether it exists; @content: (out) (nullable): NULL if it cannot be read */
static gboolean
read_file (const DkmsRoot *root, const char *path, GBytes **content)
{
  g_autoptr (GError) error = NULL;
  gsize size = 0;
  char *text = dkms_root_read (root, path, LARGEST, &size, &error);

  *content = text != NULL ? g_bytes_new_take (text, size) : NULL;
  return text != NULL || error->code != DKMS_ERROR_IO || !dkms_is_absent (dkms_error_info (error)->number);
}

/* Reads a variable with its attributes, as read_file(). */
static gboolean
read_variable (const DkmsRoot *root, const char *name, const char *vendor, GBytes **content)
{
  g_autofree char *path = g_strdup_printf (VARIABLES "%s-%s", name, vendor);

  return read_file (root, path, content);
}

/* Returns: the value of a variable of one byte; DKMS_DONT_KNOW if it cannot be read or has another size.
 * @usual: the answer if it does not exist. @attributes: (out) (optional): its first attributes */
static DkmsKnown
read_flag (const DkmsRoot *root, const char *name, const char *vendor, DkmsKnown usual, guint *attributes)
{
  g_autoptr (GBytes) content = NULL;
  gboolean exists = read_variable (root, name, vendor, &content);
  gsize size = 0;
  const guint8 *data = content != NULL ? g_bytes_get_data (content, &size) : NULL;

  if (attributes != NULL)
    *attributes = size > 0 ? data[0] : 0;
  if (!exists)
    return usual;
  return size != ATTRIBUTES + 1 ? DKMS_DONT_KNOW : data[ATTRIBUTES] == 1 ? DKMS_YES : DKMS_NO;
}

/* ---- lists ---- */

/* Adds the value of a variable, without @skipped bytes at its beginning. Returns: whether the variable exists */
static gboolean
add_part (DkmsKeyListReading *to, const DkmsRoot *root, const char *path, gsize skipped)
{
  g_autoptr (GBytes) content = NULL;
  gsize size;

  if (!read_file (root, path, &content))
    return FALSE;
  size = content != NULL ? g_bytes_get_size (content) : 0;
  if (size < skipped || content == NULL)
    {
      g_free (to->unread);
      to->unread = g_strdup (path);
    }
  else if (size > skipped)
    g_ptr_array_add (to->parts, g_bytes_new_from_bytes (content, skipped, size - skipped));
  return TRUE;
}

/* A list that is too large for one variable continues in others: MokListRT, MokListRT1, MokListRT2. */
static void
read_list (const DkmsRoot *root, DkmsKeyList list, DkmsKeyListReading *to)
{
  const char *name = variables[list].name;
  g_autofree char *copy = g_strconcat (COPIES, name, NULL);

  if (add_part (to, root, copy, 0) && to->unread == NULL)
    return;
  g_autofree char *denied = g_steal_pointer (&to->unread);
  for (guint i = 0; i < MOST_PARTS; i++)
    {
      g_autofree char *number = i > 0 ? g_strdup_printf ("%u", i) : g_strdup ("");
      g_autofree char *path = g_strconcat (VARIABLES, name, number, "-", variables[list].vendor, NULL);

      if (!add_part (to, root, path, ATTRIBUTES))
        break;
      g_clear_pointer (&denied, g_free); /* the variables replace a copy that cannot be read */
    }
  if (to->unread == NULL)
    to->unread = g_steal_pointer (&denied);
}

/* ---- the machine ---- */

static DkmsFirmwareReading *
reading_new (void)
{
  DkmsFirmwareReading *self = g_new0 (DkmsFirmwareReading, 1);

  for (guint i = 0; i < DKMS_LIST_LAST; i++)
    self->lists[i].parts = g_ptr_array_new_with_free_func ((GDestroyNotify)g_bytes_unref);
  return self;
}

/* Returns: whether the machine was booted by EFI firmware. Containers see an empty /sys/firmware */
static DkmsKnown
has_efi (const DkmsRoot *root)
{
  guint mark = dkms_unread_mark ();
  g_auto (DkmsFd) fd = dkms_root_openat (root, DIRECTORY, O_RDONLY | O_DIRECTORY, 0);
  g_autoptr (GPtrArray) entries = fd >= 0 ? dkms_list_dir_at (fd, ".", NULL) : NULL;
  gboolean efi = fd >= 0 && dkms_is_dir_at (fd, "efi");
  gboolean failed = dkms_unread_mark () > mark;

  dkms_unread_drop (mark);
  if (efi)
    return DKMS_YES;
  return failed || entries == NULL || entries->len == 0 ? DKMS_DONT_KNOW : DKMS_NO;
}

/* Returns: whether Secure Boot is on: SecureBoot is 1 and SetupMode is 0 */
static DkmsKnown
has_secure_boot (const DkmsRoot *root)
{
  DkmsKnown enabled = read_flag (root, "SecureBoot", DKMS_EFI_GLOBAL, DKMS_DONT_KNOW, NULL),
            setup = read_flag (root, "SetupMode", DKMS_EFI_GLOBAL, DKMS_NO, NULL);

  if (enabled == DKMS_NO || setup == DKMS_YES)
    return DKMS_NO;
  return enabled == DKMS_YES && setup == DKMS_NO ? DKMS_YES : DKMS_DONT_KNOW;
}

/* Returns: whether shim passed on its lists. @state: (out): its unchecked and distrusted. Kernels ignore a permanent
 * MokSBStateRT, which any program of the system could have written */
static DkmsKnown
has_shim (const DkmsRoot *root, const DkmsFirmwareReading *self, DkmsFirmware *state)
{
  guint attributes = 0;
  DkmsKnown flag = read_flag (root, "MokSBStateRT", SHIM, DKMS_NO, &attributes);
  const DkmsKeyListReading *owner = &self->lists[DKMS_LIST_OWNER];
  g_autoptr (GBytes) level = NULL;

  state->unchecked = flag == DKMS_YES && (attributes & NON_VOLATILE) == 0;
  state->distrusted = !dkms_root_is_file (root, COPIES "MokListTrustedRT");
  if (owner->parts->len > 0 || owner->unread != NULL || flag != DKMS_NO
      || read_variable (root, "SbatLevelRT", SHIM, &level))
    return DKMS_YES;
  return DKMS_NO;
}

/* Whether the kernel shows variables. Without the file system for them, their directory is empty. */
static gboolean
shows_variables (const DkmsRoot *root)
{
  g_auto (DkmsFd) fd = dkms_root_openat (root, VARIABLES, O_RDONLY | O_DIRECTORY, 0);
  g_autoptr (GPtrArray) names = fd >= 0 ? dkms_list_dir_at (fd, ".", NULL) : NULL;

  return (names != NULL && names->len > 0) || dkms_root_is_dir (root, COPIES);
}

DkmsFirmwareReading *
dkms_firmware_read (const DkmsRoot *root)
{
  DkmsFirmwareReading *self = reading_new ();
  guint mark = dkms_unread_mark ();

  self->state.efi = has_efi (root);
  self->state.secure_boot = self->state.efi == DKMS_YES ? has_secure_boot (root) : DKMS_DONT_KNOW;
  self->shim = self->state.efi == DKMS_NO ? DKMS_NO : DKMS_DONT_KNOW;
  if (self->state.efi == DKMS_YES)
    {
      for (guint i = 0; i < DKMS_LIST_LAST; i++)
        read_list (root, (DkmsKeyList)i, &self->lists[i]);
      self->shim = has_shim (root, self, &self->state);
      if (!shows_variables (root))
        {
          self->shim = DKMS_DONT_KNOW;
          dkms_replace_text (&self->lists[DKMS_LIST_OWNER].unread, VARIABLES);
          dkms_replace_text (&self->lists[DKMS_LIST_FIRMWARE].unread, VARIABLES);
        }
    }
  dkms_unread_drop (mark); /* each list says whether it could be read */
  return self;
}

void
dkms_firmware_reading_free (DkmsFirmwareReading *self)
{
  if (self == NULL)
    return;
  for (guint i = 0; i < DKMS_LIST_LAST; i++)
    {
      g_ptr_array_unref (self->lists[i].parts);
      g_free (self->lists[i].unread);
    }
  g_free (self);
}
