/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds assignments in framework.conf and dkms.conf that are probably mistakes. */
#pragma once

#include "base/error.h"
#include "conf/settings.h"
#include "conf/vars.h"

/** Returns: (transfer full): "FILE:LINE" of the last assignment to @name, "the environment", or "framework.conf" if
 * neither sets it; @file: (out) (nullable) (transfer full): that file */
char *dkms_settings_place (const DkmsPlaces *places, const char *name, char **file);

/** Fails with @wrong, which contains the name of a setting and its value as text; adds the file and the line
 * that set it. Returns: FALSE */
gboolean dkms_settings_fail (const DkmsPlaces *places, const DkmsErrorInfo *wrong, GError **error);

/* A setting that is a number. */
typedef struct {
  const char *name;
  guint least, most;
  guint *field;
} DkmsNumberSetting;

/** Takes the value of a setting, if it has one. */
gboolean dkms_settings_number (const DkmsPlaces *places, const DkmsVars *values, const DkmsNumberSetting *setting,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** Returns: (transfer full) (nullable): the advice to correct the setting @name, if a file sets it to @directory and
 * that directory does not exist */
char *dkms_settings_absent (const DkmsPlaces *places, const char *name, const char *directory);

/** Returns: (transfer full) (element-type DkmsEvent): one for each variable of framework.conf that has no effect */
GPtrArray *dkms_settings_unknown (const DkmsPlaces *places);
/** Returns: (transfer full) (nullable): an event if the command in the setting @name does not exist or is not
 * executable; otherwise NULL */
DkmsEvent *dkms_settings_bad_command (const DkmsPlaces *places, const char *name, const char *command);
