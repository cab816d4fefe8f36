/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a build makes: from files in the work area, which package code may have made to anything, to a directory that
 * gets its place in the tree. */
#pragma once

#include "build/area.h"

/** Returns: (transfer full): path of the file that make makes for @output, relative to the work area */
char *dkms_built_path (const DkmsOutput *output);
/** Fails with DKMS_ERROR_MODULE_NOT_MADE when a module that the recipe names is not there. */
gboolean dkms_result_check (const DkmsWorkArea *area, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Makes the module of @output writable for its owner: what a recipe copied read-only is to be stripped, too. */
void dkms_result_make_writable (const DkmsWorkArea *area, const DkmsOutput *output);
/** Copies Module.symvers and all modules into the result, and signs and compresses them there. */
gboolean dkms_result_collect (DkmsWorkArea *area, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Lets POST_BUILD see the result as <m>/<v>/<k>/<a>, with module/ and log/, and write there. */
gboolean dkms_result_show (DkmsWorkArea *area, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * dkms_result_take:
 * Ends what dkms_result_show() began. Regular files that the script added or changed are taken into the result, with
 * the exception of names that begin with a dot. At most 64 files and 64 MiB may be added beside module/.
 */
gboolean dkms_result_take (DkmsWorkArea *area, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** Writes the records of the result and gives it its place; the work area goes. @start: when the build began */
gboolean dkms_result_publish (DkmsWorkArea *area, gint64 start, GError **error) G_GNUC_WARN_UNUSED_RESULT;
