/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where everything lies in the tree (docs/interface/tree.md §1); no other file puts such a path together. All paths are
 * inside the root, and absolute.
 *
 *   <m>/<v>/source, build/             link to the source; place of an unconfined build
 *   <m>/<v>/<k>/<a>/module/, log/      a build; .record.json and .recipe.json in it (store/record.h)
 *   <m>/kernel-<k>-<a>                 link to the build that is installed
 *   <m>/original_module/<k>/<a>/       modules of the kernel that a build replaced
 *
 * What this program adds to the reference's layout lies in .dkms:
 *   lock, locks/         see dkms_lock_take(); only root can open them, so nobody else can keep a run waiting
 *   sequence             a number that each change of the tree raises (store/reading.h)
 *   work/<id>/           scratch of a run, locked by it; deleted by whoever finds it unlocked; loan-* in it:
 *                        store/loan.h
 *   journal/<id>.json    a change under way (store/transaction.h)
 *   depmod/<id>.<k>      the run with work/<id> installed something for kernel <k>: depmod is due
 *   logs/<m>/<v>/<k>/<a>/<n>/    attempts that made no build (store/attempts.h)
 *   adopted              builds of dkms 3 got records (run/adopt.h)
 *   digests              of files that were read (store/digests.h) */
#pragma once

#include "base/id.h"
#include "conf/places.h"

/** Returns: (transfer full): <m> */
char *dkms_layout_module (const DkmsPlaces *places, const DkmsId *id);
/** Returns: (transfer full): <m>/<v>, or @name (nullable) in it */
char *dkms_layout_version (const DkmsPlaces *places, const DkmsId *id, const char *name);
/** Returns: (transfer full): <m>/<v>/source, or @name (nullable) in it */
char *dkms_layout_source (const DkmsPlaces *places, const DkmsId *id, const char *name);
/** Returns: (transfer full): <source_tree>/<m>-<v>, where the source of a version lies, or is to lie */
char *dkms_layout_unpacked (const DkmsPlaces *places, const DkmsId *id);
/** Returns: (transfer full): <m>/<v>/<k>/<a>, or @name (nullable) in it, such as "log/make.log" */
char *dkms_layout_build (const DkmsPlaces *places, const DkmsId *id, const char *name);
/** Returns: (transfer full): the link to the build that is installed */
char *dkms_layout_link (const DkmsPlaces *places, const DkmsId *id);
/** Returns: (transfer full): the directory of the kernel's modules that a build replaced */
char *dkms_layout_originals (const DkmsPlaces *places, const DkmsId *id);
/** Returns: (transfer full): where attempts that made no build are kept: for the kernel that @id names, or all of a
 * version */
char *dkms_layout_logs (const DkmsPlaces *places, const DkmsId *id);
/** Returns: (transfer full): @name in the tree's own directory .dkms, such as "journal"; @in: (nullable): a file in it
 */
char *dkms_layout_own (const DkmsPlaces *places, const char *name, const char *in);
/** Returns: (transfer full): the file that logs what post_transaction commands print */
char *dkms_layout_post_log (const DkmsPlaces *places);
