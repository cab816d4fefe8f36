/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files beside module/ that a build leaves:
 *   .record.json   the modules that were built, and the stat signature of every installed file, so that `status`
 *                  evaluates no recipe and reads no module: format 1; seconds (of make); checked (whether the modules
 *                  were checked, see build/loadable.h); doubts: [text...], why they will probably not load;
 *                  modules: [{name, location, file, sha256, built, installed, owned, indexed}], the last four stat
 *                  signatures
 *   .recipe.json   the recipe of the build, directive -> array, so that it can be deleted without its source */
#pragma once

#include "base/id.h"
#include "conf/places.h"
#include "conf/recipe.h"

typedef struct {
  char *dest_name;     /* without suffix */
  char *dest_location; /* after the override of the distribution, such as "/updates/dkms" */
  char *file;          /* name in module/, with suffix; NULL: not built */
  char *sha256;
  char *built_sig;     /* (nullable) stat signature of module/<file> */
  char *installed_sig; /* (nullable) stat signature of the installed file when it was last equal */
  char *owned_sig;     /* (nullable) stat signature of the file that dkms installed, also after a rebuild */
  char *indexed_sig; /* (nullable) stat signature of the installed file if dkms has signed it again since depmod ran, so
                        that the older index still describes it */
  gboolean unchanged; /* module/<file> had the signature built_sig; FALSE: unknown. Not written */
} DkmsRecordModule;

typedef struct {
  GPtrArray *modules; /* element-type DkmsRecordModule */
  double seconds;     /* duration of make */
  gboolean checked;   /* whether dkms checked that the kernel will load the modules, */
  GPtrArray *doubts;  /* and the doubts (element-type utf8): a sentence, newline, advice */
} DkmsRecord;

DkmsRecord *dkms_record_new (void);
void dkms_record_free (DkmsRecord *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsRecord, dkms_record_free)
DkmsRecordModule *dkms_record_add (DkmsRecord *self, const char *dest_name, const char *dest_location,
                                   const char *file);
/** Returns: (transfer none) (nullable): the entry of that module; @self may be NULL */
DkmsRecordModule *dkms_record_find (const DkmsRecord *self, const char *dest_name);
/** Returns: (transfer full) (nullable): NULL if the build has no record, as builds of the reference, or if its record
 * names files outside of the directories for modules */
DkmsRecord *dkms_record_read (const DkmsPlaces *places, const DkmsId *id);
/**
 * dkms_record_look:
 * @kernel_fd: the directory <k> of a build
 * @seen: (out): whether one of its modules exists
 *
 * As dkms_record_read(), for the build <k>/@arch, which must not be a symbolic link; also sets `unchanged` of its
 * modules. It needs two system calls less per file than with paths, because a tree may have 10,000 builds.
 *
 * Returns: (transfer full) (nullable): NULL also after a failure, which is not noted: dkms_record_read() will report it
 */
DkmsRecord *dkms_record_look (int kernel_fd, const char *arch, gboolean *seen);
/** As dkms_record_read(), for the build in the directory @build_dir_fd. */
DkmsRecord *dkms_record_read_at (int build_dir_fd);
/** Returns: (transfer full): the content of .record.json */
char *dkms_record_to_text (const DkmsRecord *self);
/**
 * dkms_record_write:
 * @via_fd: a directory on the same file system for the temporary file; -1: the directory of the build, which is in a
 *   work area and is flushed as a whole before it is published
 */
gboolean dkms_record_write (const DkmsRecord *self, int build_dir_fd, int via_fd,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** Returns: (transfer full) (nullable): the recipe of that build, NULL if it is not recorded, or if
 * dkms_recipe_is_valid() rejects it */
DkmsRecipe *dkms_record_recipe (const DkmsPlaces *places, const DkmsId *id);
gboolean dkms_record_write_recipe (const DkmsRecipe *recipe, int build_dir_fd,
                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;
