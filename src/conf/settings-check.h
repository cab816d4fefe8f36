/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds assignments in framework.conf and dkms.conf that are probably mistakes. */
#pragma once

#include "base/error.h"
#include "conf/settings.h"

/** Returns: (transfer full) (nullable): the last file that sets @name; NULL if none does */
char *dkms_settings_place (const DkmsPlaces *places, const char *name);

/** Fails with @wrong, which contains the name of a setting and its value as text; adds the file that sets it. Returns:
 * FALSE */
gboolean dkms_settings_fail (const DkmsPlaces *places, const DkmsErrorInfo *wrong, GError **error);

/** Returns: (transfer full) (element-type DkmsEvent): one for each variable of framework.conf that has no effect */
GPtrArray *dkms_settings_unknown (const DkmsPlaces *places);
/** Returns: (transfer full) (nullable): an event if the command in the setting @name does not exist or is not
 * executable; otherwise NULL */
DkmsEvent *dkms_settings_bad_command (const DkmsPlaces *places, const char *name, const char *command);
