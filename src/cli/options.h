/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parsed command line, before defaults are added. */
#pragma once

#include "conf/settings.h"
#include "model/event.h"
#include "model/request.h"

/* The command line, before defaults are added. */
typedef struct {
  GPtrArray *kernels; /* element-type DkmsId; arch NULL unless given as k/a */
  GPtrArray *arches;  /* from -a */
  char *verb;         /* (nullable) */
  char *module, *version, *source;
  char *archive;
  char *output;     /* (nullable) */
  char *metrics;    /* (nullable): --metrics */
  char *missing;    /* (nullable): a path that does not exist */
  char *unreadable; /* (nullable): a path that the user may not read */
  int unreadable_errno;
  char *bare_dir;      /* (nullable): a directory without dkms.conf */
  char *action;        /* (nullable): of the verb, such as "prune" in "dkms cache prune" */
  char *max_size;      /* (nullable) */
  char *columns;       /* (nullable): of the table of status */
  char *json;          /* (nullable): "", or the requested style */
  char *repair, *undo; /* (nullable): "", or the value */
  char *root, *dkmstree, *sourcetree, *installtree, *config, *kernelsourcedir, *conf_file, *jobs, *templatekernel;
  GPtrArray *directives;
  GPtrArray *roots; /* from --root, absolute paths */
  GPtrArray
      *sources; /* element-type DkmsOptions: the words of a verb for many sources, each as if it was the only one */
  char *format, *shards, *shard, *durations, *merge, *job; /* of matrix */
  char *hook;                                              /* (nullable): "attended" or "unattended" */
  GPtrArray *headers;                                      /* from --headers */
  GPtrArray *words;                                        /* all arguments that are not options, in order */
  GPtrArray *ignored;                                      /* the words without a meaning */
  gboolean more_headers;                                   /* while parsing: further words are headers */
  gboolean all, all_kernels, force, force_version_override, no_depmod, no_cache, dry_run, verbose, quiet, help,
      version_asked;
  gboolean symlink_modules, modprobe_on_install, rpm_safe_upgrade; /* of verbs that build and install */
  gboolean binaries_only, source_only;                             /* of archives */
  gboolean detailed, table, matrix, raw;                           /* of status */
  gboolean enroll, test;                                           /* of secureboot */
  gboolean strict, quiet_if_ok, last, after_upgrade, monitor;      /* of verify */
  gboolean yes;                                                    /* of doctor */
} DkmsOptions;

/** Returns: (transfer full): a command line without options and words */
DkmsOptions *dkms_options_new (void);
void dkms_options_free (DkmsOptions *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsOptions, dkms_options_free)
DkmsOptions *dkms_options_parse (int argc, char **argv, DkmsListener *events, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Fails because the words contain no verb. The error names the nearest verb, or the replacement of a verb that no
 * longer exists. */
gboolean dkms_fail_verb (const DkmsOptions *self, GError **error);
/** Takes each word after the verb as a module or a source of its own. */
gboolean dkms_options_take_sources (DkmsOptions *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/** Sets the module, and the version in <m>/<v>, split at the first slash. */
void dkms_options_set_module (DkmsOptions *self, const char *value);
/** Sets the version; slashes at its end are removed. */
void dkms_options_set_version (DkmsOptions *self, const char *value);
/** Adds a value of -k. */
void dkms_options_add_kernel (DkmsOptions *self, const char *value);
/** Adds a value of --headers. */
void dkms_options_add_headers (DkmsOptions *self, const char *path);
/** Replaces values in @settings by options. */
void dkms_options_apply (const DkmsOptions *self, DkmsSettings *settings);
