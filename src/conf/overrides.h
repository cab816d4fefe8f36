/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The administrator's files about a module, which override its dkms.conf (docs/interface/dkms-conf.md §1). */
#pragma once

#include "base/id.h"
#include "conf/places.h"

/** Returns: (transfer full) (element-type utf8): those that exist, in the order in which they are read; paths inside
 * the root. @id: a module and version for a kernel */
GPtrArray *dkms_overrides_list (const DkmsPlaces *places, const DkmsId *id);

/** Returns: (transfer full): what the @text of a configuration file says: its lines without comments, empty ones, and
 * blanks around them */
char *dkms_overrides_said (const char *text);
