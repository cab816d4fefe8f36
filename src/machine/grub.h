/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads the menu of GRUB, and finds the entry that it boots.
 *
 * Formats: the manual of GRUB, "Writing full configuration files directly" and "The GRUB environment block". Of the
 * script language, assignments, conditions with simple tests, menu entries and submenus are evaluated. Everything else
 * is skipped. Where a condition is not understood, its commands count, and the answer is not certain. */
#pragma once

#include "machine/boot-entry.h"

typedef struct {
  GPtrArray *entries; /* (element-type DkmsBootEntry): the menu */
  char *selector;     /* (nullable): what the variable "default" contains at the end: a number, a title or an id for
                         each level of the menu, separated by '>' */
  gboolean certain;   /* the selector does not depend on something that was not understood */
  gboolean has_bls;   /* the script lists the entries of the Boot Loader Specification, too */
  guint bls_at;       /* their place among @entries */
} DkmsGrubMenu;

/**
 * dkms_grub_environment:
 * @text: a file grubenv
 *
 * Returns: (transfer full) (nullable) (element-type utf8 utf8): its variables; NULL if it is not an environment block
 */
GHashTable *dkms_grub_environment (const char *text);
/**
 * dkms_grub_parse:
 * @text: a file grub.cfg
 * @environment: (nullable): the variables that load_env sets; NULL: there is no environment block
 * @efi: whether the machine was booted by EFI firmware
 *
 * Returns: (transfer full): the menu; it is empty if @text is no menu
 */
DkmsGrubMenu *dkms_grub_parse (const char *text, GHashTable *environment, gboolean efi);
void dkms_grub_menu_free (DkmsGrubMenu *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsGrubMenu, dkms_grub_menu_free)

/**
 * dkms_grub_choose:
 * @certain: (inout): is set to FALSE if the selector names no entry, so that GRUB takes the first one
 *
 * Returns: (transfer none) (nullable): the entry that GRUB boots; in a submenu without a further selector, its first
 * one. NULL if the menu is empty
 */
const DkmsBootEntry *dkms_grub_choose (const DkmsGrubMenu *self, gboolean *certain);
