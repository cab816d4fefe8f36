/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the disk answers to a request, found out before anything is decided. Plans are made from these facts and the
 * request alone.
 *
 * A run fills them in this order: dkms_facts_identify(), then it takes its locks, then dkms_facts_compare_source() and
 * dkms_facts_read(). Nothing changes them afterwards. */
#pragma once

#include "conf/settings.h"
#include "model/request.h"
#include "model/state.h"
#include "share/source.h"
#include "world/world.h"

typedef struct {
  char *module;            /* (nullable): which version a request for one is about; as it was named, or as the */
  char *version;           /* (nullable): recipe of its source says */
  char *source;            /* (nullable): directory of the host: the source that is given, or its archive unpacked */
  struct stat source_seen; /* that directory when its recipe was read */
  DkmsSourceState source_state; /* it, compared with what is in its place */
  char *differs;                /* (nullable): in which files */
  gboolean loads;               /* the archive holds builds, or a dkms.conf without sources */
  gboolean template_exists;     /* the kernel that is imitated is installed */
  DkmsState *state;             /* the tree, as far as the request is about it */
  char *near;                   /* (nullable): "m/v" in the tree that may be meant, if what is named is not there */
  GPtrArray *targets;           /* element-type DkmsId: those of the request; with --all, of the builds there are */
} DkmsFacts;

/** Returns: (transfer full): what is known without a look at the disk */
DkmsFacts *dkms_facts_new (const DkmsRequest *request);
void dkms_facts_free (DkmsFacts *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsFacts, dkms_facts_free)

/** Returns: whether @self is about one module that is named; otherwise it is about whatever modules there are */
gboolean dkms_facts_name_one (const DkmsFacts *self, const DkmsRequest *request);
/** Fills module and version from the dkms.conf in source, if a source is given. @strict: as dkms_world_valid_recipe()
 */
gboolean dkms_facts_identify (DkmsFacts *self, DkmsWorld *world, gboolean strict,
                              GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Fills source_state and differs, if a source is given. */
void dkms_facts_compare_source (DkmsFacts *self, const DkmsPlaces *places);
/**
 * Reads the tree and, where the plan depends on them, recipes and the condition of builds. Modules that cannot be read
 * are an error if the request is about one of them. Otherwise they stay in state->unread and are taken out of
 * state->versions. May be called again, when locks have been taken meanwhile.
 */
gboolean dkms_facts_read (DkmsFacts *self, DkmsWorld *world, const DkmsRequest *request,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;
