/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The result of a build: takes files from the work area, in which code of a package may have created anything, to a
 * directory that becomes a build in the tree. */
#pragma once

#include "build/area.h"

/** Returns: (transfer full): path of the file that make creates for @output, relative to the work area */
char *dkms_built_path (const DkmsOutput *output);
/** Fails with DKMS_ERROR_MODULE_NOT_MADE if a module of the recipe was not built. */
gboolean dkms_result_check (const DkmsWorkArea *area, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Makes the module of @output writable for its owner, because a file that a recipe copied read-only must be stripped,
 * too. */
void dkms_result_make_writable (const DkmsWorkArea *area, const DkmsOutput *output);
/** Creates the directory of the result, with module/ and log/. */
gboolean dkms_result_begin (DkmsWorkArea *area, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Signs and compresses the modules in the result. */
gboolean dkms_result_seal (const DkmsWorkArea *area, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Copies Module.symvers and all modules to the result, and signs and compresses them there. */
gboolean dkms_result_collect (DkmsWorkArea *area, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Makes the result visible for POST_BUILD, and writable, as <m>/<v>/<k>/<a>, with module/ and log/. */
gboolean dkms_result_show (DkmsWorkArea *area, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * dkms_result_take:
 * Ends the view of dkms_result_show(). Regular files that the script added or changed are added to the result, except
 * names that begin with a dot. At most 64 files and 64 MiB may be added beside module/.
 */
gboolean dkms_result_take (DkmsWorkArea *area, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** Writes the records of the result, publishes it, and deletes the work area. @start: start of the build */
gboolean dkms_result_publish (DkmsWorkArea *area, gint64 start, GError **error) G_GNUC_WARN_UNUSED_RESULT;
