/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records of finished work in the journal of systemd, otherwise in syslog (dkms(8), LOGGING). Private to report/.
 *
 * The journal gets fields over its socket (systemd.io/JOURNAL_NATIVE_PROTOCOL), which needs no library: libsystemd
 * would be a dependency of minimal systems without systemd, and its start would cost each command time. Records are
 * sent without waiting. If they cannot be delivered, they are dropped. */
#pragma once

#include "model/event.h"

typedef struct DkmsLogging DkmsLogging;

/** Returns: (transfer full) (nullable): a log for a command of the verb @verb; NULL in a chroot, whose log is not that
 * of its system */
DkmsLogging *dkms_logging_new (const char *verb);
/** @self: (nullable) */
void dkms_logging_free (DkmsLogging *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsLogging, dkms_logging_free)

/** Writes a record if @event is the result of work on a module, or an error that prevented work for a kernel. */
void dkms_logging_hear (DkmsLogging *self, const DkmsEvent *event);
