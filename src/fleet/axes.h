/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The axes of a matrix: every source for every kernel of every root is a job. */
#pragma once

#include "conf/settings.h"
#include "fleet/job.h"
#include "model/event.h"
#include "model/request.h"

/* A source of the command line, in one root. */
typedef struct {
  const DkmsRequest *given; /* as for DKMS_GOAL_REGISTERED */
  char *module, *version;
  char **depends; /* (nullable): BUILD_DEPENDS, of a directory or an archive */
} DkmsFleetSource;

/* A root. */
typedef struct {
  char *path;             /* (nullable): a directory of the host; NULL: the root of the machine */
  char *name;             /* of its jobs */
  DkmsSettings *settings; /* those of a run in that root */
  GPtrArray *kernels;     /* element-type DkmsId */
  GPtrArray *sources;     /* element-type DkmsFleetSource, in the order of the command line */
} DkmsFleetPlace;

typedef struct {
  GPtrArray *places; /* element-type DkmsFleetPlace */
  GPtrArray *jobs;   /* element-type DkmsFleetJob: all of them, sorted */
} DkmsFleetAxes;

/**
 * dkms_fleet_axes_new:
 * @settings: those of the command
 *
 * Reads the recipes of directories and archives, and lists the kernels of all roots. Sources that are not registered
 * are not registered now.
 *
 * Returns: (transfer full) (nullable)
 */
DkmsFleetAxes *dkms_fleet_axes_new (const DkmsSettings *settings, DkmsListener *events, const DkmsRequest *request,
                                    GError **error) G_GNUC_WARN_UNUSED_RESULT;
void dkms_fleet_axes_free (DkmsFleetAxes *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsFleetAxes, dkms_fleet_axes_free)

/** Sets argv of all jobs of @self, commands that write to the directory @output. */
void dkms_fleet_axes_command (const DkmsFleetAxes *self, const DkmsRequest *request, const char *output);
/** Returns: (transfer none) (nullable): the source of @module in @place, given on the command line as a directory or an
 * archive */
const DkmsFleetSource *dkms_fleet_place_given (const DkmsFleetPlace *place, const char *module);
