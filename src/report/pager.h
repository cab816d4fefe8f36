/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A long text for a person: through the user's pager. */
#pragma once

#include <glib.h>

/**
 * dkms_pager_show:
 * @fd: a file
 *
 * Writes the file to the standard output as it is. If that is a terminal, the text is shown without anything that would
 * control the terminal, in the pager of DKMS_PAGER or PAGER, else in less. The words of the variable are split as a
 * shell does it, and no shell runs. For a root that sudo or its kin made, neither variable is used: who may run this
 * program as root may not be allowed to run any other.
 */
gboolean dkms_pager_show (int fd, GError **error) G_GNUC_WARN_UNUSED_RESULT;
