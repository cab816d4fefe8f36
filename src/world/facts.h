/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The facts on the disk about a request, which are collected before anything is decided. Plans depend only on these
 * facts and the request.
 *
 * A run sets them in this order: dkms_facts_identify() and dkms_facts_complete(), then it acquires its locks, then
 * dkms_facts_compare_source() and dkms_facts_read(). Afterwards they are constant. */
#pragma once

#include "conf/settings.h"
#include "model/request.h"
#include "model/state.h"
#include "share/source.h"
#include "world/world.h"

typedef struct {
  char *module;            /* (nullable): the module of a request for one version, from the command line, or from the */
  char *version;           /* (nullable): recipe of its source */
  char **depends;          /* (nullable): BUILD_DEPENDS of that recipe */
  char *source;            /* (nullable): directory of the host: the given source, or the unpacked archive */
  struct stat source_seen; /* status of that directory when its recipe was read */
  DkmsSourceState source_state; /* the comparison with the registered source */
  char *differs;                /* (nullable): the different files */
  gboolean loads;               /* the archive contains builds, or a dkms.conf without sources */
  gboolean template_exists;     /* the template kernel is installed */
  DkmsState *state;             /* the part of the tree that the request is about */
  char *near;         /* (nullable): "m/v", the nearest registered version, if the named one is not registered; if no
                         version is named, those in the source tree, or the nearest registered one; the kernel that is nearest
                         to an unknown         template */
  GPtrArray *targets; /* element-type DkmsId: those of the request; with --all, those of the existing builds */
} DkmsFacts;

/** Returns: (transfer full): the facts that need no look at the disk */
DkmsFacts *dkms_facts_new (const DkmsRequest *request);
void dkms_facts_free (DkmsFacts *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsFacts, dkms_facts_free)

/** Returns: whether @self is about one named module, and not about modules selected by a rule */
gboolean dkms_facts_name_one (const DkmsFacts *self, const DkmsRequest *request);
/** Sets module and version from the dkms.conf in source, if a source is given. @strict: as for
 * dkms_world_valid_recipe() */
gboolean dkms_facts_identify (DkmsFacts *self, DkmsWorld *world, gboolean strict,
                              GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Sets the version, if only the module is named and the tree shows which version is meant (world/naming.h). Not for a
 * request that registers a source. */
void dkms_facts_complete (DkmsFacts *self, const DkmsPlaces *places, const DkmsRequest *request);
/** Sets source_state and differs, if a source is given. */
void dkms_facts_compare_source (DkmsFacts *self, const DkmsPlaces *places);
/**
 * Reads the tree and, if the plan depends on them, recipes and damage of builds. If a module of the request cannot be
 * read, this is an error. Others are moved from state->versions to state->unread. May be called again after locks were
 * acquired.
 */
gboolean dkms_facts_read (DkmsFacts *self, DkmsWorld *world, const DkmsRequest *request,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;
