/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What describes a verb. The families of verbs are files of their own, verbs-*.c; words.c has all verbs in the order of
 * the help. */
#pragma once

#include "cli/options.h"

/* What an argument stands for; completions know how to list it. */
typedef enum {
  DKMS_WORD_NONE,      /* nothing */
  DKMS_WORD_TEXT,      /* anything */
  DKMS_WORD_MODULE,    /* a module of the tree, or <module>/<version> */
  DKMS_WORD_CAUSE,     /* the same, or the name of a cause of failed builds */
  DKMS_WORD_VERSION,   /* a version of the module given */
  DKMS_WORD_KERNEL,    /* a kernel release of the machine */
  DKMS_WORD_ARCH,      /* an architecture, as uname -m prints it */
  DKMS_WORD_FILE,      /* a file */
  DKMS_WORD_DIRECTORY, /* a directory */
  DKMS_WORD_SOURCE     /* a module of the tree or of the sources, a directory or an archive */
} DkmsWordKind;

/* Options that mean something to some verbs only. */
typedef enum {
  DKMS_OPTION_ALWAYS, /* what means something to every verb */
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
  DKMS_OPTION_DEPMOD,
  DKMS_OPTION_PLACE,
  DKMS_OPTION_RPM,
  DKMS_OPTION_LONG,
  DKMS_OPTION_LIST,
  DKMS_OPTION_OUTPUT
} DkmsOptionId;

#define DKMS_TAKES(id) (1u << DKMS_OPTION_##id)
/* Sets of them that go together. */
#define DKMS_TAKES_TARGET (DKMS_TAKES (ALWAYS) | DKMS_TAKES (KERNEL) | DKMS_TAKES (ARCH))
#define DKMS_TAKES_MODULE (DKMS_TAKES_TARGET | DKMS_TAKES (MODULE))
#define DKMS_TAKES_BUILD (DKMS_TAKES (CHANGE) | DKMS_TAKES (HEADERS) | DKMS_TAKES (JOBS))
#define DKMS_TAKES_INSTALL (DKMS_TAKES_BUILD | DKMS_TAKES (DEPMOD) | DKMS_TAKES (PLACE))

/* A verb: what it is called, what it takes and needs, and what is special about it. */
typedef struct DkmsVerbInfo DkmsVerbInfo;

struct DkmsVerbInfo {
  const char *name;
  const char *arguments; /* as help shows them */
  const char *summary;   /* a few words, without full stop */
  const char *details;   /* sentences */
  DkmsGoal goal;         /* of its request */
  DkmsSelection selection;
  DkmsWordKind positional;
  guint options; /* DKMS_TAKES (...): those that mean something to it, and that its help shows */
  gboolean takes_all;
  gboolean many_kernels; /* more than one -k makes sense */
  gboolean one_kernel;   /* it needs exactly one -k */
  gboolean filters;      /* it shows something: -m, -v, -k and -a leave out lines */
  gboolean adds;         /* it may put a source into the tree */
  gboolean builds;
  gboolean explains;       /* it is about builds that failed, too: for kernels without builds */
  gboolean writes_archive; /* --archive is to be made */
  gboolean needs_root;
  gboolean needs_root_to_force;
  gboolean needs_tree; /* --dkmstree must exist, or be made by the verb */
  gboolean needs_writable_tree;
  /** (nullable): checks what only this verb demands of the options */
  gboolean (*check_options) (const DkmsOptions *options, GError **error);
  /** (nullable): the same for the finished request */
  gboolean (*check_request) (const DkmsRequest *request, GError **error);
  /** (nullable): answers the request; without it the engine does what the request asks for (run/run.h) */
  gboolean (*answer) (const DkmsSettings *settings, DkmsListener *events, const DkmsRequest *request, GError **error);
};

/* One file for each family of verbs; words.c has them in the order of the help. */
extern const DkmsVerbInfo dkms_verb_add, dkms_verb_build, dkms_verb_install, dkms_verb_uninstall, dkms_verb_unbuild,
    dkms_verb_remove, dkms_verb_autoinstall, dkms_verb_status, dkms_verb_explain, dkms_verb_log, dkms_verb_report,
    dkms_verb_match, dkms_verb_mktarball, dkms_verb_ldtarball, dkms_verb_generate_mok, dkms_verb_kernel_preinst,
    dkms_verb_kernel_postinst, dkms_verb_kernel_prerm;
