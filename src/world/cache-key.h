/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The inputs by which the build cache finds a build. A build that is already installed is compared with what usually
 * changes; for a build that is taken from elsewhere, everything that it reads must be equal. So its key has these
 * inputs besides those of model/inputs.h:
 *
 *   headers       digest of all files of the kernel that a build can read: the build directory, the source directory of
 *                 the kernel, directories whose files the Makefile of either includes, and what links in them lead to
 *   tools         digest of the programs that make the module: compiler and assembler, linker, objcopy, strip, make,
 *                 bash and pahole
 *   depend.MODULE as there, and a digest of the files that POST_BUILD of that module left for others, or "-"
 *   env.NAME      digest of each variable that the caller passes to the build and that is not known to be harmless;
 *                 with reproducible, of each variable of the defined environment (world/environment.h)
 *   env.place     the directory of the build, which is part of what the compiler writes; with reproducible only if the
 *                 compiler cannot replace it, or the recipe sets its options */
#pragma once

#include "world/world.h"

/**
 * dkms_world_cache_inputs:
 * @inputs: the inputs of the build that begins, by dkms_world_inputs()
 *
 * The files of a kernel are read once in a run, and only what has changed since earlier runs (store/digests.h).
 *
 * Returns: (transfer full) (nullable): all inputs of its key; NULL if one of them cannot be known: then there is no key
 */
DkmsInputs *dkms_world_cache_inputs (DkmsWorld *self, const DkmsId *id, const DkmsInputs *inputs);
