/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What framework.conf decides, or the distribution and the defaults where it says nothing. */
#pragma once

#include <sys/types.h>

#include "kernel/distro.h"

/* Whether packages' own code runs confined (conf/sandbox.h). */
typedef enum {
  DKMS_SANDBOX_AUTO,   /* if that is possible here; otherwise a warning is printed, and it runs unconfined */
  DKMS_SANDBOX_STRICT, /* or not at all */
  DKMS_SANDBOX_OFF
} DkmsSandboxMode;

typedef struct {
  DkmsDistro *distro;
  char *jobs;               /* the most jobs at once, of all builds together; "" means no limit */
  char *addon_modules_dir;  /* "" or a destination for every module */
  char *compress_gzip_opts; /* (nullable) the admin's own options: then the tool is run */
  char *compress_xz_opts;
  char *compress_zstd_opts;
  char *post_transaction;  /* "" or a command line to run after a successful run */
  char *build_environment; /* "" or a shell file whose exports builds get */
  char *signing_key;       /* "", or what mok_signing_key says to files that see no $kernelver */
  guint recipe_timeout;    /* seconds one recipe may take to be read */
  guint build_timeout;     /* seconds without output after which a confined step of a build is ended; 0: never */
  guint tarball_limit_mib; /* the most that an archive may unpack to */
  DkmsSandboxMode sandbox; /* of the machine; in another root what that says can only make it stricter, and AUTO is
                              STRICT */
  uid_t build_uid;         /* who builds run as in the sandbox; 0: root, without its rights */
  gid_t build_gid;
  gboolean strict_symbols;      /* modules that probably will not load are an error */
  gboolean rebuild;             /* autoinstall builds again what is made from something that has changed */
  gboolean rebuild_on_compiler; /* also if that is the compiler */
  gboolean modprobe_on_install;
  gboolean no_weak_modules;
  gboolean symlink_modules;
  gboolean verbose;
} DkmsPolicy;

/** Frees what @self holds. */
void dkms_policy_clear (DkmsPolicy *self);

/** Returns: (transfer full) (nullable): where all modules go below a kernel's directory, whatever recipes say
 * (docs/interface/dkms-conf.md §4), such as "/updates/dkms"; NULL where recipes decide */
char *dkms_policy_destination (const DkmsPolicy *self);
/** Returns: whether modules serve the compatible siblings of a kernel (docs/interface/build-install.md §10) */
gboolean dkms_policy_uses_weak (const DkmsPolicy *self);

/** Returns: the changes (model/inputs.h) after which autoinstall builds a module again */
guint dkms_policy_rebuilds_after (const DkmsPolicy *self);
/** Returns: the one of both that allows less */
DkmsSandboxMode dkms_sandbox_mode_stricter (DkmsSandboxMode a, DkmsSandboxMode b);
/** Reads "auto", "strict" or "off". Returns: FALSE with @mode untouched for any other word */
gboolean dkms_sandbox_mode_parse (const char *word, DkmsSandboxMode *mode);
