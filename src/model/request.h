/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The goal of a command, independent of the verb that was used. A verb makes its request once from the command line
 * (cli/); afterwards it is constant. world/facts.h contains the facts from the disk. */
#pragma once

#include "base/id.h"

/* The wanted state of the selected modules, for each target kernel. */
typedef enum {
  DKMS_GOAL_REPORT,        /* unchanged: the request is a query */
  DKMS_GOAL_REGISTERED,    /* their source is registered */
  DKMS_GOAL_LOADED,        /* sources and builds of an archive are in the tree */
  DKMS_GOAL_BUILT,         /* a build exists */
  DKMS_GOAL_INSTALLED,     /* the build is installed */
  DKMS_GOAL_SIGNED,        /* the build, if it exists, and its installed modules have a signature of today's keys */
  DKMS_GOAL_NOT_INSTALLED, /* the build, if it exists, is not installed */
  DKMS_GOAL_NOT_BUILT,     /* no build exists */
  DKMS_GOAL_GONE,          /* no build exists, and the source is not registered unless another kernel has a build */
  DKMS_GOAL_PACKED         /* an archive contains them */
} DkmsGoal;

/* The selection of modules. */
typedef enum {
  DKMS_SELECT_ONE,       /* the version that is named, or the one in the source or archive */
  DKMS_SELECT_LATEST,    /* the latest version of every module with AUTOINSTALL=yes */
  DKMS_SELECT_TEMPLATE,  /* the versions that are installed for the template kernel */
  DKMS_SELECT_BUILT,     /* every version that is built for the target kernel */
  DKMS_SELECT_RETURNING, /* the same, limited to versions that DKMS_SELECT_LATEST would build again */
  DKMS_SELECT_ORPHANED,  /* every build for a kernel that is not installed; targets, module and version are filters */
  DKMS_SELECT_EXISTING   /* every build for the targets or, with all, for every installed kernel; module and version are
                            filters */
} DkmsSelection;

typedef struct DkmsRequest DkmsRequest;
struct DkmsRequest {
  DkmsGoal goal;
  DkmsSelection selection;
  char *module;          /* (nullable): as given on the command line */
  char *version;         /* (nullable) */
  char *source;          /* (nullable): a source directory of the host that is to be registered */
  char *archive;         /* (nullable): archive to load or to write */
  char *output;          /* (nullable): a file of the host for the answer */
  char *metrics;         /* (nullable): a file of the host for metrics */
  char *template;        /* (nullable): template kernel of DKMS_SELECT_TEMPLATE */
  char *action;          /* (nullable): the verb, visible in recipes as $action */
  char *part;            /* (nullable): the action of the verb cache (inspect/cache.h) */
  gint64 limit_mib;      /* cache prune --max-size; -1: not given */
  char *kernel_source;   /* (nullable): --kernelsourcedir */
  char *kernel_config;   /* (nullable): --config */
  char *conf_file;       /* (nullable): -c, a path of the host, instead of the dkms.conf of the source */
  GPtrArray *directives; /* element-type utf8: "NAME=value" in the order of the command line */
  char *hook;            /* (nullable): "attended", "unattended" or "timer": the policy forecast decides */
  GPtrArray *headers;    /* element-type utf8: --headers, paths of the host */
  GPtrArray *targets;    /* element-type DkmsId of kernels; of a filter, kernel or arch may be NULL */
  gboolean source_only, binaries_only; /* for DKMS_GOAL_PACKED */
  gboolean rpm_safe_upgrade;
  gboolean usual_kernel; /* the kernel in targets was not named */
  gboolean all;          /* every kernel and architecture that the version is built for */
  gboolean force;
  gboolean force_version_override;
  gboolean no_depmod;
  gboolean no_cache; /* the build cache is not used */
  gboolean dry_run;
  gboolean enroll;        /* secureboot --enroll */
  gboolean test;          /* secureboot --test */
  char *repair;           /* (nullable): doctor --fix: the faults to repair, separated by commas; "": all */
  char *undo;             /* (nullable): doctor --undo: the repair to take back; "": the last one */
  gboolean yes;           /* doctor --yes: repair without questions */
  gboolean detailed;      /* status --long, log --list */
  gboolean matrix;        /* status --matrix */
  gboolean every_kernel;  /* a query about all kernels, without targets */
  gboolean strict;        /* warnings count as problems */
  gboolean quiet_if_ok;   /* nothing is printed if nothing is wrong */
  gboolean last;          /* the answer is the last verdict */
  gboolean after_upgrade; /* nothing is checked if nothing has changed since the last verdict */
  gboolean monitor;       /* the answer is one line and an exit status for monitoring programs */
  gboolean forecast;      /* builds are tried beside the tree, and not published in it */
  GHashTable *only; /* (nullable): of a forecast: a set of DkmsId, the builds to try, without a choice of versions */
  const char *build_place; /* (nullable): of a forecast: what compilers write in place of the directory of the build */
  /* Of the verb matrix: */
  GPtrArray *sources; /* element-type DkmsRequest: what to build, each as for DKMS_GOAL_REGISTERED */
  GPtrArray *roots;   /* element-type utf8: directories of the host; empty: the root of the machine */
  GPtrArray *trees;   /* element-type utf8: options that name directories, and their values */
  char *format;       /* (nullable): of the answer */
  char *shards;       /* (nullable): number of shards */
  char *shard;        /* (nullable): the shard to do, "I/N" or "auto" */
  char *durations;    /* (nullable): a merged report of the host */
  char *merge;        /* (nullable): the directory of the host with the reports to merge */
  char *job;          /* (nullable): id of the only job */
  /* (nullable): the exit status of an error of a verb */
  int (*exit_code) (const char *verb, const GError *error);
};

/** Returns: (transfer full): a query without targets */
DkmsRequest *dkms_request_new (void);
void dkms_request_free (DkmsRequest *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsRequest, dkms_request_free)

/** Returns: (transfer none) (nullable): the word of a query about a module; whether a file has that name does not
 * matter */
const char *dkms_request_word (const DkmsRequest *self);
/** Returns: whether @self removes the builds of all modules for a kernel */
gboolean dkms_request_clears_kernel (const DkmsRequest *self);
/** Returns: whether @self selects modules by a rule, instead of naming one */
gboolean dkms_request_is_about_many (const DkmsRequest *self);

/** Returns: (transfer full): an empty list of DkmsId */
GPtrArray *dkms_targets_new (void);
/** Appends a copy of the kernel and architecture of @kernel to a list of DkmsId. */
void dkms_targets_add (GPtrArray *targets, const DkmsId *kernel);
/** Returns: whether the kernel and architecture of @kernel, neither of them NULL, are in a list of DkmsId */
gboolean dkms_targets_contain (const GPtrArray *targets, const DkmsId *kernel);
/** Returns: whether @id passes one of @targets, used as filters; every @id passes if @targets is empty */
gboolean dkms_targets_pass (const GPtrArray *targets, const DkmsId *id);
