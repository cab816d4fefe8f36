/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The settings of framework.conf, with the values of the distribution or defaults for missing ones. */
#pragma once

#include <sys/types.h>

#include "conf/remote-policy.h"
#include "kernel/distro.h"

/* Whether code of packages runs confined (conf/sandbox.h). */
typedef enum {
  DKMS_SANDBOX_AUTO,   /* if the system allows it; otherwise unconfined, with a warning */
  DKMS_SANDBOX_STRICT, /* otherwise it does not run */
  DKMS_SANDBOX_OFF
} DkmsSandboxMode;

/* Whether depmod reads stubs instead of modules (install/depmod-stubs.h). */
typedef enum {
  DKMS_STUBS_AUTO, /* if that is faster */
  DKMS_STUBS_YES,
  DKMS_STUBS_NO
} DkmsStubsMode;

/* What a hook of a package manager does if a module will not build for a new kernel. */
typedef enum {
  DKMS_FORECAST_OFF,  /* hooks do not try anything */
  DKMS_FORECAST_WARN, /* it warns */
  DKMS_FORECAST_ABORT /* it ends the package manager */
} DkmsForecastMode;

typedef struct {
  DkmsDistro *distro;
  char *jobs;               /* the limit of jobs of all builds together; "" means no limit */
  char *addon_modules_dir;  /* "" or a destination for every module */
  char *compress_gzip_opts; /* (nullable) options of the administrator; if set, the tool is run */
  char *compress_xz_opts;
  char *compress_zstd_opts;
  char *post_transaction;  /* "" or a command line to run after a successful run */
  char *build_environment; /* "" or a shell file whose exports builds get */
  char *signing_key;       /* "", or the value of mok_signing_key without $kernelver */
  guint recipe_timeout;    /* seconds for the evaluation of one recipe */
  guint build_timeout;     /* seconds without output after which a confined step of a build is killed; 0: never */
  guint tarball_limit_mib; /* maximum size of an unpacked archive */
  DkmsSandboxMode sandbox; /* files of another root can only make it stricter; there AUTO means STRICT */
  uid_t build_uid;         /* user of confined builds; 0: root without privileges */
  gid_t build_gid;
  DkmsStubsMode depmod_stubs;
  DkmsForecastMode forecast;
  DkmsForecastMode forecast_unattended; /* the same for upgrades without a user */
  guint forecast_seconds;               /* limit of one forecast; 0: none */
  guint ahead_limit_mib;                /* size of the builds and headers that forecasts keep */
  char *cache_dir;                      /* "" or the local directory of the build cache (share/cache-dir.h) */
  char *cache_exclude;                  /* globs of modules that are not cached, separated by blanks */
  guint cache_size_mib;                 /* limit of the local directory */
  guint cache_object_mib;               /* limit of one file in the cache */
  guint cache_negative;                 /* days for which a failed build in the cache counts; 0: never */
  char *cache_environment;              /* names of variables of the caller that reproducible builds get */
  gboolean reproducible;                /* confined builds get a defined environment, and their place is not written */
  DkmsRemotePolicy remote;              /* the build cache on a server */
  gboolean strict_symbols;              /* modules that will probably not load are an error */
  gboolean rebuild;                     /* autoinstall rebuilds modules whose inputs have changed */
  gboolean rebuild_on_compiler;         /* also if only the compiler has changed */
  gboolean modprobe_on_install;
  gboolean no_weak_modules;
  gboolean symlink_modules;
  gboolean verbose;
} DkmsPolicy;

/** Frees the content of @self. */
void dkms_policy_clear (DkmsPolicy *self);

/** Returns: (transfer full) (nullable): the directory for all modules below the directory of a kernel, with precedence
 * over recipes (docs/interface/dkms-conf.md §4), such as "/updates/dkms"; NULL if recipes decide */
char *dkms_policy_destination (const DkmsPolicy *self);
/** Returns: whether modules are used for compatible kernels, too (docs/interface/build-install.md §10) */
gboolean dkms_policy_uses_weak (const DkmsPolicy *self);

/** Returns: the changes (model/inputs.h) after which autoinstall rebuilds a module */
guint dkms_policy_rebuilds_after (const DkmsPolicy *self);
/** Returns: the stricter one of both modes */
DkmsSandboxMode dkms_sandbox_mode_stricter (DkmsSandboxMode a, DkmsSandboxMode b);
/** Reads "auto", "yes" or "no". Returns: FALSE for any other word; then @mode is unchanged */
gboolean dkms_stubs_mode_parse (const char *word, DkmsStubsMode *mode);
/** Reads "off", "warn" or "abort". Returns: FALSE for any other word; then @mode is unchanged */
gboolean dkms_forecast_mode_parse (const char *word, DkmsForecastMode *mode);
/** Reads "auto", "strict" or "off". Returns: FALSE for any other word; then @mode is unchanged */
gboolean dkms_sandbox_mode_parse (const char *word, DkmsSandboxMode *mode);
