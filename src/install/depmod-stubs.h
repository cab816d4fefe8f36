/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Creates the indexes of a kernel by running depmod on stubs of its modules (docs/architecture.md), and replaces the
 * old indexes by them in one transaction. */
#pragma once

#include "conf/settings.h"
#include "model/event.h"

/* A call of depmod. */
typedef struct {
  const char *release; /* of the kernel */
  const char *dir;     /* <install_tree>/<release> */
  const char *base; /* the directory above lib/modules, as programs of the machine name it; "": that of the machine */
  const char *map;  /* (nullable): a file with the symbols of the kernel, as programs of the machine name it */
  const char *note; /* the note that depmod is due, which is deleted with the replacement of the indexes */
  int tokens;       /* pipe of a job server that limits the processes that make stubs; -1: none */
} DkmsDepmodCall;

/**
 * dkms_depmod_stubs:
 * The stubs are kept in .dkms/stubs/<release>. The indexes are byte for byte those of depmod itself. Call it with the
 * lock of depmod for that kernel.
 *
 * Returns: FALSE if the indexes were not replaced, for example because a setting forbids stubs, or they would be
 * slower, or something failed. Then the caller runs depmod itself. With verbose, the reason is printed
 */
gboolean dkms_depmod_stubs (const DkmsSettings *settings, DkmsListener *events, const DkmsDepmodCall *call);
/** Makes the stubs for a later dkms_depmod_stubs(), if the kernel has none. @call: as there, without a note. A failure
 * has no consequence. */
void dkms_depmod_stubs_prepare (const DkmsSettings *settings, const DkmsDepmodCall *call);
