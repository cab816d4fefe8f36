/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a build leaves for later, beside its module/ directory:
 *   .record.json   what was built, and the stat signature of every installed file, so that `status` runs no
 *                  recipe and reads no module: format 1; seconds (of make); checked (whether the modules were looked
 *                  at, see build/loadable.h); doubts: [text...], why they will probably not load;
 *                  modules: [{name, location, file, sha256, built, installed, owned}], the last three stat signatures
 *   .recipe.json   the recipe it was built with, directive -> array, so that it can be taken away without its source */
#pragma once

#include "base/id.h"
#include "conf/places.h"
#include "conf/recipe.h"

typedef struct {
  char *dest_name;     /* without suffix */
  char *dest_location; /* effective, such as "/updates/dkms" */
  char *file;          /* name in module/, with suffix; NULL: not built */
  char *sha256;
  char *built_sig;     /* (nullable) stat signature of module/<file> */
  char *installed_sig; /* (nullable) stat signature of the installed file when it was last equal */
  char *owned_sig;     /* (nullable) stat signature of the file that we put in place, also after a rebuild */
  gboolean unchanged;  /* module/<file> had the signature built_sig; FALSE: nobody looked. Not written */
} DkmsRecordModule;

typedef struct {
  GPtrArray *modules; /* element-type DkmsRecordModule */
  double seconds;     /* how long make took */
  gboolean checked;   /* whether its kernel will load the modules was judged, */
  GPtrArray *doubts;  /* and with which doubts (element-type utf8): a sentence, newline, what to do */
} DkmsRecord;

DkmsRecord *dkms_record_new (void);
void dkms_record_free (DkmsRecord *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsRecord, dkms_record_free)
DkmsRecordModule *dkms_record_add (DkmsRecord *self, const char *dest_name, const char *dest_location,
                                   const char *file);
/** Returns: (transfer none) (nullable): the entry of that module; @self may be NULL */
DkmsRecordModule *dkms_record_find (const DkmsRecord *self, const char *dest_name);
/** Returns: (transfer full) (nullable): NULL when the build has none, as those of the reference, or one that names
 * files outside of the directories for modules */
DkmsRecord *dkms_record_read (const DkmsPlaces *places, const DkmsId *id);
/**
 * dkms_record_look:
 * @kernel_fd: the directory <k> of a build
 * @seen: (out): whether one of its modules is there
 *
 * As dkms_record_read() of the build <k>/@arch, which is no symbolic link, and sets `unchanged` of its modules. With
 * two system calls less for each file than by its path, because a tree may have 10,000 builds.
 *
 * Returns: (transfer full) (nullable): NULL also if anything stands in the way, which is not noted: dkms_record_read()
 * will say what
 */
DkmsRecord *dkms_record_look (int kernel_fd, const char *arch, gboolean *seen);
/** As dkms_record_read(), of the build in the directory @build_dir_fd. */
DkmsRecord *dkms_record_read_at (int build_dir_fd);
/** Returns: (transfer full): what is written to .record.json */
char *dkms_record_to_text (const DkmsRecord *self);
/**
 * dkms_record_write:
 * @via_fd: a directory on the same file system in which the new record is written before it is renamed into place;
 *   -1: beside it
 */
gboolean dkms_record_write (const DkmsRecord *self, int build_dir_fd, int via_fd,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;

/** Returns: (transfer full) (nullable): the recipe of that build, NULL when it has none on record, or one that
 * dkms_recipe_is_valid() refuses */
DkmsRecipe *dkms_record_recipe (const DkmsPlaces *places, const DkmsId *id);
gboolean dkms_record_write_recipe (const DkmsRecipe *recipe, int build_dir_fd,
                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;
