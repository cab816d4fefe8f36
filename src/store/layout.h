/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All paths of the tree (docs/interface/tree.md §1). No other file constructs such a path. All paths are
 * inside the root, and absolute.
 *
 *   <m>/<v>/source, build/             link to the source; directory of an unconfined build
 *   <m>/<v>/<k>/<a>/module/, log/      a build; .record.json and .recipe.json in it (store/record.h)
 *   <m>/kernel-<k>-<a>                 link to the installed build
 *   <m>/original_module/<k>/<a>/       modules of the kernel that a build replaced
 *
 * Files that the layout of the reference does not have are in .dkms:
 *   lock, locks/         see dkms_lock_take(); only root can open them, so no other user can block a run
 *   sequence             a number that each change of the tree increments (store/reading.h)
 *   work/<id>/           scratch directory, locked by its run; any run deletes it if it is unlocked; loan-*:
 *                        store/loan.h
 *   journal/<id>.json    an unfinished transaction (store/transaction.h)
 *   depmod/<id>.<k>      the run with work/<id> changed modules of kernel <k>: depmod is due
 *   stubs/<k>            stubs of the modules of kernel <k>, which depmod reads (install/depmod-stubs.h)
 *   logs/<m>/<v>/<k>/<a>/<n>/    attempts without a build (store/attempts.h)
 *   adopted              exists after builds of dkms 3 got records (run/adopt.h)
 *   digests              of files that were read (store/digests.h)
 *   attic/<date>-<n>/    what a repair of doctor took away (doctor/attic.h)
 *   facts/               answers of helpers about files (store/answers.h)
 *   ahead/               files of 'dkms forecast', which nothing else needs:
 *     locks/forecast     held exclusively by a forecast
 *     kernels/<k>/root/  unpacked headers of a kernel that is not installed
 *     tree/              the copy of the tree in which a forecast builds; deleted at its end
 *     builds/<identity>/ builds and failures that are kept (store/kept.h) */
#pragma once

#include "base/id.h"
#include "conf/places.h"

/** Returns: (transfer full): <m> */
char *dkms_layout_module (const DkmsPlaces *places, const DkmsId *id);
/** Returns: (transfer full): <m>/<v>, or @name (nullable) in it */
char *dkms_layout_version (const DkmsPlaces *places, const DkmsId *id, const char *name);
/** Returns: (transfer full): <m>/<v>/source, or @name (nullable) in it */
char *dkms_layout_source (const DkmsPlaces *places, const DkmsId *id, const char *name);
/** Returns: (transfer full): <source_tree>/<m>-<v>, the directory for the source of a version */
char *dkms_layout_unpacked (const DkmsPlaces *places, const DkmsId *id);
/** Returns: (transfer full): <m>/<v>/<k>/<a>, or @name (nullable) in it, such as "log/make.log" */
char *dkms_layout_build (const DkmsPlaces *places, const DkmsId *id, const char *name);
/** Returns: (transfer full): the path at which the module @file is installed for @kernel. @location: of the recipe,
 * such as "/updates/dkms" */
char *dkms_layout_installed (const DkmsPlaces *places, const char *kernel, const char *location, const char *file);
/** Returns: (transfer full) (nullable): the kernel in whose directory @path is; NULL: in none */
char *dkms_layout_kernel_of (const DkmsPlaces *places, const char *path);
/** Returns: (transfer full): the link to the installed build */
char *dkms_layout_link (const DkmsPlaces *places, const DkmsId *id);
/** Returns: (transfer full): the directory of the original modules that a build replaced */
char *dkms_layout_originals (const DkmsPlaces *places, const DkmsId *id);
/** Returns: (transfer full): the directory with attempts without a build: for the kernel of @id, or for a whole version
 */
char *dkms_layout_logs (const DkmsPlaces *places, const DkmsId *id);
/** Returns: (transfer full): @name in the tree's own directory .dkms, such as "journal"; @in: (nullable): a file in it
 */
char *dkms_layout_own (const DkmsPlaces *places, const char *name, const char *in);
/** Returns: (transfer full): the log file for the output of post_transaction commands */
char *dkms_layout_post_log (const DkmsPlaces *places);
