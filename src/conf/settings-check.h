/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds what the files of framework.conf, and names of variables in dkms.conf, say that cannot be meant. */
#pragma once

#include "base/error.h"
#include "conf/settings.h"

/** Returns: (transfer full) (nullable): the file that sets @name, the last of several; NULL if nothing sets it */
char *dkms_settings_place (const DkmsPlaces *places, const char *name);

/** Fails with @wrong, which names a setting and, as text, its value; adds the file that sets it. Returns: FALSE */
gboolean dkms_settings_fail (const DkmsPlaces *places, const DkmsErrorInfo *wrong, GError **error);

/** Returns: (transfer full) (element-type DkmsEvent): one for each variable of framework.conf that has no effect */
GPtrArray *dkms_settings_unknown (const DkmsPlaces *places);
/** Returns: (transfer full) (nullable): an event if the command line of setting @name names no program; else NULL */
DkmsEvent *dkms_settings_bad_command (const DkmsPlaces *places, const char *name, const char *command);
