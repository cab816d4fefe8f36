/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What holds for a whole run: the root, the trees, framework.conf and the options that override it. */
#pragma once

#include "conf/places.h"
#include "conf/recipe.h"
#include "kernel/distro.h"

/* Whether packages' own code runs confined (conf/sandbox.h). */
typedef enum {
  DKMS_SANDBOX_AUTO,   /* if that is possible here; otherwise it is said, and done without */
  DKMS_SANDBOX_STRICT, /* or not at all */
  DKMS_SANDBOX_OFF
} DkmsSandboxMode;

typedef struct {
  DkmsPlaces places;
  DkmsDistro *distro;
  char *jobs;               /* the most jobs at once, of all builds together; "" means no limit */
  char *action;             /* the verb's name, for recipes */
  char *addon_modules_dir;  /* "" or a destination for every module */
  char *kernelsourcedir;    /* (nullable) --kernelsourcedir */
  char *config;             /* (nullable) --config */
  char *conf_file;          /* (nullable) -c, a path of the host */
  char *compress_gzip_opts; /* (nullable) the admin's own options: then the tool is run */
  char *compress_xz_opts;
  char *compress_zstd_opts;
  GPtrArray *directives;   /* "NAME=value" in command-line order */
  gboolean strict_symbols; /* modules that probably will not load are an error */
  guint recipe_timeout;    /* seconds one recipe may take to be read */
  guint build_timeout;     /* seconds without output after which a confined step of a build is ended; 0: never */
  guint tarball_limit_mib; /* the most that an archive may unpack to */
  char *post_transaction;  /* "" or a command line to run after a successful run */
  char *build_environment; /* "" or a shell file whose exports builds get */
  char *signing_key;       /* "", or what mok_signing_key says to files that see no $kernelver */
  char *ignored;           /* (nullable): a sentence about files of framework.conf of which nothing was taken */
  DkmsSandboxMode sandbox; /* of the machine; in another root what that says can only make it stricter, and AUTO is
                              STRICT */
  uid_t build_uid;         /* who builds run as in the sandbox; 0: root, without its rights */
  gid_t build_gid;
  gboolean modprobe_on_install;
  gboolean no_weak_modules;
  gboolean verbose;
  gboolean symlink_modules;
  gboolean force;
} DkmsSettings;

/**
 * dkms_settings_new:
 * @root: (transfer full): the root of this run
 *
 * Built-in defaults, then the environment, then framework.conf and framework.conf.d
 * (docs/interface/framework-conf.md). A file of nothing but comments costs no process.
 *
 * Returns: (transfer full) (nullable)
 */
DkmsSettings *dkms_settings_new (DkmsRoot *root, GError **error) G_GNUC_WARN_UNUSED_RESULT;

void dkms_settings_free (DkmsSettings *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DkmsSettings, dkms_settings_free)

/**
 * dkms_settings_reread:
 * @names: blank separated variables to take over
 * @kernel: (nullable): release that the files see as $kernelver
 * @values: (out) (nullable): NULL when no file says anything
 *
 * Evaluates framework.conf and framework.conf.d again, now that the kernel is known.
 */
gboolean dkms_settings_reread (const DkmsSettings *self, const char *names, const char *kernel, DkmsVars **values,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * dkms_settings_key_files:
 * @releases: (element-type utf8): of kernels
 *
 * Returns: (transfer full) (nullable) (element-type utf8): the key files that mok_signing_key names, as tools name
 * them: `signing_key`, and those for @releases if framework.conf makes the key depend on the kernel, which costs a
 * process for each. NULL with an error
 */
GPtrArray *dkms_settings_key_files (const DkmsSettings *self, const GPtrArray *releases, GError **error);

/** Returns: (transfer full): the files of framework.conf that exist, paths inside the root in the order they are read
 */
GPtrArray *dkms_settings_files (const DkmsPlaces *places);
/** Returns: (transfer full): the names of all settings */
char **dkms_settings_known (void);
/** Returns: (transfer full) (nullable): where all modules go below a kernel's directory, whatever recipes say
 * (docs/interface/dkms-conf.md §4), such as "/updates/dkms"; NULL where recipes decide */
char *dkms_settings_destination (const DkmsSettings *self);
/** Returns: the one of both that allows less */
DkmsSandboxMode dkms_sandbox_mode_stricter (DkmsSandboxMode a, DkmsSandboxMode b);
/** Reads "auto", "strict" or "off". Returns: FALSE with @mode untouched for any other word */
gboolean dkms_sandbox_mode_parse (const char *word, DkmsSandboxMode *mode);
