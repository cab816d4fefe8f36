/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests the enrolment of a certificate. */
#define _GNU_SOURCE
#include "verify/enrol.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"

static void
emit_next (DkmsListener *events, char *text)
{
  DKMS_EMIT (events, SECURE_NEXT, .text = text);
  g_free (text);
}

/* Fails if this process, or this machine, cannot enrol a key. */
static gboolean
check_machine (const DkmsSettings *settings, const DkmsTrustReading *trust, const DkmsOwnKey *key, GError **error)
{
  if (!dkms_root_is_host (settings->places.root))
    return DKMS_FAIL (error, ENROL_ELSEWHERE, .path = settings->places.root->host_path);
  if (geteuid () != 0)
    return DKMS_FAIL (error, NEEDS_ROOT, .name = "secureboot", .text = "--enroll");
  if (key->own == NULL)
    return DKMS_FAIL (error, CERTIFICATE_ABSENT, .path = key->certificate);
  if (trust->firmware.efi != DKMS_YES)
    return DKMS_FAIL (error, ENROL_WITHOUT_EFI, .path = "/sys/firmware/efi");
  if (trust->shim == DKMS_NO)
    return DKMS_FAIL (error, ENROL_WITHOUT_SHIM, .path = key->certificate);
  return TRUE;
}

/* Runs mokutil on a memory file with the certificate in DER form, which it wants. */
static gboolean
run_mokutil (DkmsListener *events, const DkmsOwnKey *key, GError **error)
{
  gsize size;
  const void *data = g_bytes_get_data (key->own->der, &size);
  g_auto (DkmsFd) fd = memfd_create ("certificate", MFD_CLOEXEC);
  g_autofree char *path = g_strdup_printf ("/proc/self/fd/%d", fd);
  const char *const argv[] = { "mokutil", "--import", path, NULL };
  const DkmsCommand command = { .argv = argv, .output_fd = -1, .pass_fd = fd };

  if (fd < 0)
    return dkms_fail_errno (error, "create", "a memory file");
  if (!dkms_write_all (fd, data, size, "a memory file", error))
    return FALSE;
  if (isatty (STDIN_FILENO) != 1 || !dkms_listener_release_terminal (events))
    return DKMS_FAIL (error, ENROL_WITHOUT_TERMINAL, .path = key->certificate);
  int status = dkms_process_run (&command, error);
  return status == 0 || (status > 0 && DKMS_FAIL (error, ENROL_FAILED, .path = key->certificate, .status = status));
}

/* Returns: whether the firmware holds the request */
static gboolean
is_requested (const DkmsRoot *root, const DkmsCertificate *own)
{
  g_autoptr (DkmsFirmwareReading) firmware = dkms_firmware_read (root);
  const GPtrArray *parts = firmware->lists[DKMS_LIST_TO_ENROL].parts;
  gsize wanted;
  const void *der = g_bytes_get_data (own->der, &wanted);

  for (guint i = 0; i < parts->len; i++)
    {
      gsize size;
      const void *data = g_bytes_get_data (parts->pdata[i], &size);
      if (memmem (data, size, der, wanted) != NULL)
        return TRUE;
    }
  return FALSE;
}

static gboolean
is_enrolled (const DkmsCertificate *own)
{
  return dkms_certificate_is_on (own, DKMS_LIST_OWNER) || dkms_certificate_is_on (own, DKMS_LIST_FIRMWARE);
}

/* Returns: the first key whose certificate is not enrolled; the first one if all are */
static const DkmsOwnKey *
find_key (const DkmsTrustReading *trust)
{
  for (guint i = 0; i < trust->keys->len; i++)
    {
      const DkmsOwnKey *key = trust->keys->pdata[i];
      if (key->own == NULL || !is_enrolled (key->own))
        return key;
    }
  return trust->keys->pdata[0];
}

gboolean
dkms_enrol (const DkmsSettings *settings, DkmsListener *events, const DkmsTrustReading *trust, GError **error)
{
  const DkmsOwnKey *key = find_key (trust);
  const DkmsCertificate *own = key->own;

  if (!check_machine (settings, trust, key, error))
    return FALSE;
  if (is_enrolled (own))
    {
      g_autofree char *text = DKMS_SAY (IS_ENROLLED, .kind = 0);
      DKMS_EMIT (events, SECURE_ENROLMENT_IS, .text = text);
      return TRUE;
    }
  if (!dkms_certificate_is_on (own, DKMS_LIST_TO_ENROL))
    {
      DKMS_EMIT (events, SECURE_ENROLS, .path = key->certificate, .name = own->name, .text = own->sha256);
      if (!run_mokutil (events, key, error))
        return FALSE;
      if (!is_requested (settings->places.root, own))
        return DKMS_FAIL (error, ENROL_FAILED, .path = key->certificate);
    }
  emit_next (events, DKMS_SAY (CONFIRM_IN_STEPS, .kind = 0));
  return TRUE;
}
