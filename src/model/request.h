/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What should be true, not which word was typed. A verb makes its request once from the command line (cli/); nothing
 * changes it afterwards. What the disk answers is in world/facts.h. */
#pragma once

#include "base/id.h"

/* What becomes of the modules that are selected, for each kernel of the targets. */
typedef enum {
  DKMS_GOAL_REPORT,        /* nothing: the request asks a question */
  DKMS_GOAL_REGISTERED,    /* their source is known to the tree */
  DKMS_GOAL_LOADED,        /* sources and builds of an archive are in the tree */
  DKMS_GOAL_BUILT,         /* there is a build */
  DKMS_GOAL_INSTALLED,     /* the build is installed */
  DKMS_GOAL_NOT_INSTALLED, /* the build, if there is one, is not installed */
  DKMS_GOAL_NOT_BUILT,     /* there is no build */
  DKMS_GOAL_GONE,          /* there is no build; nor is the source registered, if no other kernel has one */
  DKMS_GOAL_PACKED         /* an archive holds them */
} DkmsGoal;

/* Which modules. */
typedef enum {
  DKMS_SELECT_ONE,      /* the version that is named, or that the source or archive holds */
  DKMS_SELECT_LATEST,   /* the latest version of every module whose AUTOINSTALL says yes */
  DKMS_SELECT_TEMPLATE, /* the versions that are installed for the template kernel */
  DKMS_SELECT_BUILT,    /* every version that is built for the target kernel */
  DKMS_SELECT_RETURNING /* of these, the ones that DKMS_SELECT_LATEST would bring back */
} DkmsSelection;

typedef struct {
  DkmsGoal goal;
  DkmsSelection selection;
  char *module;                        /* (nullable): as it was named */
  char *version;                       /* (nullable) */
  char *source;                        /* (nullable): a source directory of the host, which is to be registered */
  char *archive;                       /* (nullable): tarball to load or to make */
  char *output;                        /* (nullable): a file of the host to write the answer to */
  char *template;                      /* (nullable): kernel that DKMS_SELECT_TEMPLATE imitates */
  char *action;                        /* (nullable): the verb, which recipes see as $action */
  char *kernel_source;                 /* (nullable): --kernelsourcedir */
  char *kernel_config;                 /* (nullable): --config */
  char *conf_file;                     /* (nullable): -c, a path of the host: instead of the dkms.conf of the source */
  GPtrArray *directives;               /* element-type utf8: "NAME=value" in the order of the command line */
  GPtrArray *targets;                  /* element-type DkmsId of kernels; of a filter, kernel or arch may be NULL */
  gboolean source_only, binaries_only; /* DKMS_GOAL_PACKED */
  gboolean rpm_safe_upgrade;
  gboolean all; /* every kernel and architecture that the version is built for */
  gboolean force;
  gboolean force_version_override;
  gboolean no_depmod;
  gboolean dry_run;
  gboolean detailed; /* status --long, log --list */
} DkmsRequest;

/** Returns: (transfer full): a request for nothing, without targets */
DkmsRequest *dkms_request_new (void);
void dkms_request_free (DkmsRequest *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsRequest, dkms_request_free)

/** Returns: (transfer none) (nullable): the word of a question about a module; a file of that name makes no difference
 */
const char *dkms_request_word (const DkmsRequest *self);
/** Returns: whether @self takes builds of all modules away from a kernel */
gboolean dkms_request_clears_kernel (const DkmsRequest *self);
/** Returns: whether @self is about whatever modules there are, and not about one that it names */
gboolean dkms_request_is_about_many (const DkmsRequest *self);

/** Returns: (transfer full): an empty list of DkmsId */
GPtrArray *dkms_targets_new (void);
/** Appends a copy of the kernel and architecture of @kernel to a list of DkmsId. */
void dkms_targets_add (GPtrArray *targets, const DkmsId *kernel);
/** Returns: whether the kernel and architecture of @kernel, neither of them NULL, are in a list of DkmsId */
gboolean dkms_targets_contain (const GPtrArray *targets, const DkmsId *kernel);
/** Returns: whether @id passes one of @targets, as filters; without targets, everything passes */
gboolean dkms_targets_pass (const GPtrArray *targets, const DkmsId *id);
