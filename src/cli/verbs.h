/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Descriptors of verbs. Each family of verbs has a file verbs-*.c; verbs.c lists all verbs in the order of the help. */
#pragma once

#include "base/error.h"
#include "cli/options.h"

/* The kinds of arguments; completions list their values. */
typedef enum {
  DKMS_WORD_NONE,      /* nothing */
  DKMS_WORD_TEXT,      /* anything */
  DKMS_WORD_MODULE,    /* a registered module, or <module>/<version> */
  DKMS_WORD_FAULT,     /* names of faults that doctor finds, separated by commas */
  DKMS_WORD_CAUSE,     /* a module, or the name of a cause of failed builds */
  DKMS_WORD_VERSION,   /* a version of the given module */
  DKMS_WORD_KERNEL,    /* a kernel release of the host */
  DKMS_WORD_ARCH,      /* an architecture, as uname -m prints it */
  DKMS_WORD_COLUMN,    /* columns of the table of status, separated by commas */
  DKMS_WORD_FILE,      /* a file */
  DKMS_WORD_DIRECTORY, /* a directory */
  DKMS_WORD_SOURCE     /* a registered module, a source, a directory or an archive */
} DkmsWordKind;

/* Options that have an effect on some verbs only. */
typedef enum {
  DKMS_OPTION_ALWAYS, /* options for every verb */
  DKMS_OPTION_MODULE,
  DKMS_OPTION_KERNEL,
  DKMS_OPTION_ARCH,
  DKMS_OPTION_ALL,
  DKMS_OPTION_ALL_KERNELS,
  DKMS_OPTION_FORCE,
  DKMS_OPTION_FORCE_VERSION,
  DKMS_OPTION_TEMPLATE,
  DKMS_OPTION_ARCHIVE,
  DKMS_OPTION_PACK,
  DKMS_OPTION_CONF,
  DKMS_OPTION_CHANGE,
  DKMS_OPTION_HEADERS,
  DKMS_OPTION_JOBS,
  DKMS_OPTION_CACHE,
  DKMS_OPTION_SIZE,
  DKMS_OPTION_DEPMOD,
  DKMS_OPTION_PLACE,
  DKMS_OPTION_RPM,
  DKMS_OPTION_LONG,
  DKMS_OPTION_LIST,
  DKMS_OPTION_OUTPUT,
  DKMS_OPTION_VERIFY,
  DKMS_OPTION_ENROLL,
  DKMS_OPTION_GIVEN_HEADERS,
  DKMS_OPTION_REPAIR,
  DKMS_OPTION_MATRIX
} DkmsOptionId;

#define DKMS_TAKES(id) (1u << DKMS_OPTION_##id)
/* Sets of options. */
#define DKMS_TAKES_TARGET (DKMS_TAKES (ALWAYS) | DKMS_TAKES (KERNEL) | DKMS_TAKES (ARCH))
#define DKMS_TAKES_MODULE (DKMS_TAKES_TARGET | DKMS_TAKES (MODULE))
#define DKMS_TAKES_BUILD (DKMS_TAKES (CHANGE) | DKMS_TAKES (HEADERS) | DKMS_TAKES (JOBS) | DKMS_TAKES (CACHE))
#define DKMS_TAKES_INSTALL (DKMS_TAKES_BUILD | DKMS_TAKES (DEPMOD) | DKMS_TAKES (PLACE))

/* A verb: its names, its arguments, its requirements, and its functions. */
typedef struct DkmsVerbInfo DkmsVerbInfo;

struct DkmsVerbInfo {
  const char *name;
  const char *arguments; /* as help shows them */
  const char *summary;   /* a short description, without full stop */
  const char *example;   /* one command, for the help */
  const char *details;   /* sentences */
  DkmsGoal goal;         /* of its request */
  DkmsSelection selection;
  const char *const *actions; /* (nullable): the words that may follow the verb, NULL-terminated */
  const char *file_action;    /* (nullable): the action that is followed by a file, `output` of the request */
  const char *source_action;  /* (nullable): the action that takes a source, which need not be registered */
  DkmsWordKind positional;
  guint options; /* DKMS_TAKES (...): the options that have an effect on it, and that its help lists */
  gboolean takes_all;
  gboolean many_kernels; /* several -k are allowed */
  gboolean many_sources; /* all words are modules or sources */
  gboolean one_kernel;   /* exactly one -k is required */
  gboolean filters;      /* it lists something: -m, -v, -k and -a select lines */
  gboolean adds;         /* it may register a source */
  gboolean builds;
  gboolean explains;       /* it also explains failed builds, for kernels without builds */
  gboolean writes_archive; /* --archive is created */
  gboolean needs_root;
  gboolean needs_root_to_force;
  gboolean needs_tree; /* --dkmstree must exist, or the verb creates it */
  gboolean needs_writable_tree;
  /** (nullable): additional checks of the options */
  gboolean (*check_options) (const DkmsOptions *options, GError **error);
  /** (nullable): additional checks of the finished request */
  gboolean (*check_request) (const DkmsRequest *request, GError **error);
  /** (nullable): answers the request; NULL: run/run.h carries out the request */
  gboolean (*answer) (const DkmsSettings *settings, DkmsListener *events, const DkmsRequest *request, GError **error);
};

/* Each family of verbs has a file; verbs.c lists all verbs in the order of the help. */
extern const DkmsVerbInfo dkms_verb_add, dkms_verb_build, dkms_verb_install, dkms_verb_uninstall, dkms_verb_unbuild,
    dkms_verb_remove, dkms_verb_autoinstall, dkms_verb_prune, dkms_verb_sign, dkms_verb_status, dkms_verb_explain,
    dkms_verb_log, dkms_verb_report, dkms_verb_verify, dkms_verb_doctor, dkms_verb_secureboot, dkms_verb_forecast,
    dkms_verb_cache, dkms_verb_matrix, dkms_verb_match, dkms_verb_mktarball, dkms_verb_ldtarball,
    dkms_verb_generate_mok, dkms_verb_kernel_preinst, dkms_verb_kernel_postinst, dkms_verb_kernel_prerm;

/** Returns: (transfer none): all verbs, NULL-terminated */
const DkmsVerbInfo *const *dkms_verbs (void);
/** Returns: (transfer none) (nullable): the verb of that name */
const DkmsVerbInfo *dkms_verb_find (const char *name);
/** Returns: whether @self, followed by @action (nullable), takes a source that need not be registered */
gboolean dkms_verb_takes_source (const DkmsVerbInfo *self, const char *action);
/** Returns: whether @name is a verb of earlier versions that no longer exists; @instead: (out): what to use instead */
gboolean dkms_verb_dropped (const char *name, DkmsPhrase *instead);
