/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The administrator's files for a module, which override its dkms.conf (docs/interface/dkms-conf.md §1). */
#pragma once

#include "base/id.h"
#include "conf/places.h"

/** Returns: (transfer full) (element-type utf8): the existing files, as paths inside the root, in the order in which
 * they are evaluated. @id: a module and version for a kernel */
GPtrArray *dkms_overrides_list (const DkmsPlaces *places, const DkmsId *id);

/** Returns: (transfer full): the @text of a configuration file without comments, empty lines, and blanks at the
 * beginning and end of lines */
char *dkms_overrides_text (const char *text);
