/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Secure Boot and the lists of keys that the EFI firmware and shim keep on this machine. */
#pragma once

#include "base/root.h"
#include "check/policy.h"

/* The lists, by their variables. */
typedef enum {
  DKMS_LIST_OWNER,     /* MokListRT: machine owner keys */
  DKMS_LIST_FIRMWARE,  /* db */
  DKMS_LIST_FORBIDDEN, /* dbx: certificates and hashes that the firmware forbids */
  DKMS_LIST_REVOKED,   /* MokListXRT: those that the machine owner forbids */
  DKMS_LIST_TO_ENROL,  /* MokNew: keys that MokManager will ask to enrol */
  DKMS_LIST_TO_DELETE, /* MokDel: keys that MokManager will ask to delete */
  DKMS_LIST_LAST
} DkmsKeyList;

/* EFI signature lists, as one or several variables contain them. */
typedef struct {
  GPtrArray *parts; /* (element-type GBytes): their values; empty if the list does not exist */
  char *unread;     /* (nullable): path of a variable that exists and cannot be read */
} DkmsKeyListReading;

typedef struct {
  DkmsFirmware state;
  DkmsKnown shim; /* shim started the boot loader: it has passed on its lists */
  DkmsKeyListReading lists[DKMS_LIST_LAST];
} DkmsFirmwareReading;

/**
 * dkms_firmware_read:
 * @root: its /sys is read, as the kernel shows it
 *
 * The kernel prefers the copies of shim's variables in /sys/firmware/efi/mok-variables, which are not limited in size,
 * and so does this function if it may read them. An empty /sys/firmware, as in containers, says nothing.
 *
 * Returns: (transfer full)
 */
DkmsFirmwareReading *dkms_firmware_read (const DkmsRoot *root);
void dkms_firmware_reading_free (DkmsFirmwareReading *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsFirmwareReading, dkms_firmware_reading_free)

/** Returns: (transfer none): the name of the variable of @list */
const char *dkms_key_list_name (DkmsKeyList list);
