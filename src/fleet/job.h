/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A job of a matrix: the build of one module for one kernel of one root. Without disk, clock and output.
 *
 * The id of a job is <module>/<version>/<kernel>/<arch>@<root>. Parts contain no slash, root contains no @. Jobs are
 * sorted by the bytes of their ids, so every machine that has the same jobs has the same list.
 *
 * The list, as JSON: {"format": 1, "jobs": [{"id", "module", "version", "kernel", "arch", "root", "argv": [...]}]}.
 * argv, and "shard", are optional. Readers ignore unknown members, and reject other formats. */
#pragma once

#include <jansson.h>

#include "base/id.h"

/* The root of jobs for the system itself. */
#define DKMS_FLEET_HOST "host"
#define DKMS_FLEET_LIST "jobs.json"

typedef struct {
  char *text;      /* the id */
  DkmsId *id;      /* its module, version, kernel and arch */
  char *root;      /* name of the root */
  guint source;    /* number of its source and */
  guint place;     /* of its root, on the command line */
  GPtrArray *argv; /* (nullable) element-type utf8: the command that runs it */
} DkmsFleetJob;

/** Returns: (transfer full): a job without a command */
DkmsFleetJob *dkms_fleet_job_new (const DkmsId *id, const char *root);
/** Returns: (transfer full) (nullable): the job of that id; NULL if @text is not an id */
DkmsFleetJob *dkms_fleet_job_parse (const char *text);
void dkms_fleet_job_free (DkmsFleetJob *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsFleetJob, dkms_fleet_job_free)

/** Adds the members id, module, version, kernel, arch and root to @object. */
void dkms_fleet_job_set_members (const DkmsFleetJob *self, json_t *object);

/** Returns: whether @name can be the root of a job */
gboolean dkms_fleet_is_root_name (const char *name);
/** Returns: (transfer full): the name of a file of the job @id: @id with %, / and @ as %25, %2F and %40, and @suffix */
char *dkms_fleet_file_name (const char *id, const char *suffix);

/** Returns: (transfer full): an empty list of jobs */
GPtrArray *dkms_fleet_jobs_new (void);
/** Sorts @jobs, and removes jobs that are in it twice. */
void dkms_fleet_jobs_sort (GPtrArray *jobs);
/** Returns: (nullable): the job of that id in the sorted @jobs */
DkmsFleetJob *dkms_fleet_jobs_find (const GPtrArray *jobs, const char *id);

/**
 * dkms_fleet_jobs_to_text:
 * @shards: (nullable): the shard of each job, as dkms_fleet_split() returns it, of @count shards
 * @commands: whether to include argv
 *
 * Returns: (transfer full): the list as one line of JSON, line end included
 */
char *dkms_fleet_jobs_to_text (const GPtrArray *jobs, const guint *shards, guint count, gboolean commands);
/** Adds the jobs in a list, @size bytes of any content, to @jobs. Returns: FALSE if it is not a list */
gboolean dkms_fleet_jobs_from_text (GPtrArray *jobs, const char *text, gsize size);
