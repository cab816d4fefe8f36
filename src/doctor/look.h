/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The search for faults (check/fault.h): what its parts, look-*.h, share. Private to doctor/. Each part adds its
 * findings, and changes nothing. A state is found by one part only. */
#pragma once

#include "check/fault.h"
#include "model/request.h"
#include "model/state.h"
#include "world/world.h"

typedef struct {
  const DkmsSettings *settings;
  DkmsListener *events;
  DkmsWorld *world;
  DkmsState *state;
  GHashTable *busy; /* set of modules that a running dkms works on, which are not examined */
  GHashTable *gone; /* set of kernels with a finding that they are not installed any more */
  GPtrArray *findings;
} DkmsLook;

/** Adds a finding: DKMS_FOUND (look, SOURCE_GONE, .id = id, .path = path). */
#define DKMS_FOUND(look, kind, ...)                                                                                    \
  dkms_fault_findings_add ((look)->findings, (look)->settings->places.root->host_path, DKMS_FAULT_##kind,              \
                           &(const DkmsErrorInfo){ __VA_ARGS__ })

/* A part of the search, about one thing. */
typedef struct {
  guint findings, notes;
} DkmsLookPart;

/** Begins to look at one thing. */
DkmsLookPart dkms_look_begin (const DkmsLook *self);
/** Drops what was found since @part began if a file could not be read since then: it may be wrong. */
void dkms_look_end (DkmsLook *self, DkmsLookPart part);
/** Returns: whether a running dkms holds the lock @name, as far as the user may know */
gboolean dkms_look_is_locked (const DkmsPlaces *places, const char *name);
/** Returns: whether @name is that of a module file; @base: (out) (optional) (transfer full): its name without suffix */
gboolean dkms_look_is_module_name (const char *name, char **base);
/** Returns: (transfer full) (nullable): the path of a source in the source tree whose dkms.conf has the name and the
 * version of @id, and which is not @but */
char *dkms_look_find_source (const DkmsPlaces *places, const DkmsId *id, const char *but);
/**
 * dkms_look_identity:
 * @dir: of a source, inside the root
 *
 * Returns: (transfer full) (nullable): "name/version" of its dkms.conf; NULL if it does not assign plain texts to both
 */
char *dkms_look_identity (const DkmsPlaces *places, const char *dir);
/** Returns: (transfer full) (nullable): where an archived original was, by the file <file>.origin beside it, or by the
 * record of a build of the module */
char *dkms_look_origin (const DkmsLook *self, const DkmsId *id, const char *file);
/** Returns: whether the link @path itself exists inside the root */
gboolean dkms_look_exists (const DkmsPlaces *places, const char *path);
/** Returns: whether both files, paths inside the root, can be read and are equal */
gboolean dkms_look_equal (const DkmsPlaces *places, const char *a, const char *b);
/** Returns: (transfer full) (element-type utf8): sorted names in the directory @path inside the root; empty if it does
 * not exist */
GPtrArray *dkms_look_list (const DkmsPlaces *places, const char *path);
