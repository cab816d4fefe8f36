/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A view of the file system for this process and its children: a mount namespace of its own, in which directories show
 * other ones. The machine is not changed. All paths are paths of the host. Only root can have one. */
#pragma once

#include <glib.h>

typedef struct DkmsMounts DkmsMounts;

/** Enters a new view, which shows the machine at first. Returns: (transfer full) (nullable) */
DkmsMounts *dkms_mounts_enter (GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Returns to the view of before, even if that fails in parts, which is an error. @self: (transfer full) */
gboolean dkms_mounts_leave (DkmsMounts *self, GError **error);

/** Shows the directory @from, with file systems mounted below it, at the existing directory @to. @writable: whether it
 * can be changed there */
gboolean dkms_mounts_bind (const char *from, const char *to, gboolean writable,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Adds the files of the directories @more (element-type utf8) to those of @dir, read-only. Existing files stay, and so
 * do file systems mounted below @dir. */
gboolean dkms_mounts_merge (const char *dir, const GPtrArray *more, GError **error) G_GNUC_WARN_UNUSED_RESULT;
