/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chooses the key and certificate for modules, and signs modules. */
#define _GNU_SOURCE
#include "build/sign.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "base/unread.h"
#include "build/secure-boot.h"
#include "conf/settings-check.h"

#define DEFAULT_CERTIFICATE "/var/lib/dkms/mok.pub"

void
dkms_signer_free (DkmsSigner *self)
{
  if (self == NULL)
    return;
  g_free (self->hash);
  g_free (self->tool);
  g_free (self->key);
  g_free (self->certificate);
  g_free (self);
}

/* ---- settings ---- */

typedef struct {
  char *tool, *key, *certificate, *try_sign; /* (nullable) */
} SigningValues;

static void
signing_values_clear (SigningValues *self)
{
  g_free (self->tool);
  g_free (self->key);
  g_free (self->certificate);
  g_free (self->try_sign);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (SigningValues, signing_values_clear)

/* Reads framework.conf, and the environment for missing settings. */
static gboolean
read_values (const DkmsSettings *settings, const char *release, SigningValues *values, GError **error)
{
  const struct {
    const char *name;
    char **field;
  } fields[] = { { "sign_file", &values->tool },
                 { "mok_signing_key", &values->key },
                 { "mok_certificate", &values->certificate },
                 { "try_sign_modules", &values->try_sign } };
  g_autoptr (DkmsVars) vars = NULL;

  if (!dkms_settings_reread (settings, "sign_file mok_signing_key mok_certificate try_sign_modules", release, &vars,
                             error))
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (fields); i++)
    {
      const char *value = vars != NULL ? dkms_vars_get (vars, fields[i].name, 0) : "";
      if (*value == '\0')
        value = g_getenv (fields[i].name);
      if (value != NULL && *value != '\0')
        *fields[i].field = g_strdup (value);
    }
  return TRUE;
}

/* ---- chroots ---- */

/* Files in /proc have no size. */
static char *
read_proc (const char *path)
{
  char *text = NULL;

  return g_file_get_contents (path, &text, NULL, NULL) ? text : NULL;
}

/* Modules that are built in a chroot are for another machine, whose key is not available. */
static gboolean
in_chroot (const DkmsRoot *root)
{
  const char *preload = g_getenv ("LD_PRELOAD");
  g_autofree char *first = NULL;
  g_autofree char *mine = NULL;
  struct stat a, b;

  if (!dkms_root_is_host (root))
    return TRUE;
  if (g_strcmp0 (g_getenv ("FAKECHROOT"), "true") == 0 && g_getenv ("FAKECHROOT_BASE") != NULL && preload != NULL
      && strstr (preload, "libfakechroot.so") != NULL)
    return TRUE;
  first = read_proc ("/proc/1/mountinfo");
  mine = read_proc ("/proc/self/mountinfo");
  if (first != NULL && mine != NULL && strcmp (first, mine) != 0)
    return TRUE;
  return geteuid () == 0 && stat ("/proc/1/root/.", &a) == 0 && stat ("/", &b) == 0
         && (a.st_dev != b.st_dev || a.st_ino != b.st_ino);
}

/* ---- keys ---- */

static gboolean
is_token (const char *key)
{
  return g_str_has_prefix (key, "pkcs11:");
}

/* Returns the value of NAME=value or NAME="value" at the beginning of a line of make.conf. */
static char *
from_make_conf (const DkmsRoot *root, const char *name)
{
  g_autofree char *text = dkms_root_read (root, "/etc/portage/make.conf", 1 << 20, NULL, NULL);
  g_auto (GStrv) lines = g_strsplit (text != NULL ? text : "", "\n", -1);
  char *found = NULL;

  for (char **line = lines; *line != NULL; line++)
    if (g_str_has_prefix (*line, name) && (*line)[strlen (name)] == '=')
      {
        g_auto (GStrv) pieces = g_strsplit_set (*line + strlen (name) + 1, "\"'", -1);
        g_free (found);
        found = g_strchomp (g_strjoinv ("", pieces));
      }
  return found;
}

static char *
gentoo_value (const DkmsRoot *root, const char *name)
{
  const char *env = g_getenv (name);

  return env != NULL && *env != '\0' ? g_strdup (env) : from_make_conf (root, name);
}

/* CONFIG_MODULE_SIG_KEY names a file with key and certificate, relative to the build directory of the kernel. */
static char *
kernels_own_key (const DkmsKernel *kernel, const char *config)
{
  g_autofree char *name = dkms_kernel_config_value (config, "CONFIG_MODULE_SIG_KEY");

  return name != NULL && *name != '\0' ? g_canonicalize_filename (name, kernel->source_dir) : NULL;
}

static void
choose_keys (DkmsSigner *self, const DkmsSettings *settings, const DkmsKernel *kernel, const char *config,
             const SigningValues *values)
{
  const DkmsFamily *family = settings->policy.distro->family;

  if (values->key != NULL)
    {
      self->key = g_strdup (values->key);
      self->certificate = g_strdup (values->certificate != NULL ? values->certificate : DEFAULT_CERTIFICATE);
      return;
    }
  if (family->key == NULL)
    {
      self->key = gentoo_value (settings->places.root, "MODULES_SIGN_KEY");
      self->certificate = gentoo_value (settings->places.root, "MODULES_SIGN_CERT");
      if (self->key == NULL)
        {
          self->key = kernels_own_key (kernel, config);
          g_free (self->certificate);
          self->certificate = g_strdup (self->key);
        }
    }
  if (self->key == NULL)
    self->key = g_strdup (family->key != NULL ? family->key : "/var/lib/dkms/mok.key");
  if (values->certificate != NULL || self->certificate == NULL)
    {
      g_free (self->certificate);
      self->certificate = g_strdup (values->certificate != NULL   ? values->certificate
                                    : family->certificate != NULL ? family->certificate
                                                                  : DEFAULT_CERTIFICATE);
    }
}

/* Ubuntu's own tool creates its key with the right permissions, and requests its enrolment. */
static gboolean
ask_mok_tool (const DkmsSettings *settings, const DkmsSigner *self, GError **error)
{
  const char *tool = settings->policy.distro->family->mok_tool;
  const char *argv[][3] = { { tool, "--new-key", NULL }, { tool, "--enroll-key", NULL } };
  g_autofree char *found = g_find_program_in_path (tool);
  g_auto (GStrv) quiet = g_environ_setenv (g_get_environ (), "SHIM_NOTRIGGER", "y", TRUE);
  g_autofree char *certificate = dkms_root_resolved (settings->places.root, self->certificate);
  g_autofree char *aside = g_strconcat (certificate, ".old", NULL);

  if (found == NULL)
    return DKMS_FAIL (error, NO_KEY_TOOL, .path = self->key, .name = tool);
  /* The tool creates nothing if only the certificate exists. That certificate may still be in use, so it is renamed. */
  if (rename (certificate, aside) < 0 && errno != ENOENT)
    return dkms_fail_errno (error, "move away", certificate);
  for (gsize i = 0; i < G_N_ELEMENTS (argv); i++)
    {
      DkmsCommand command = { .argv = argv[i],
                              .env = i == 0 ? quiet : NULL,
                              .root = settings->places.root,
                              .output_fd = i == 0 ? -2 : -1,
                              .null_stdin = i == 0 };
      if (dkms_process_run (&command, error) < 0)
        return FALSE;
    }
  return TRUE;
}

static char *
host_path_of (const DkmsRoot *root, const char *path)
{
  return is_token (path) ? g_strdup (path) : dkms_root_resolved (root, path);
}

static gboolean
generate (const DkmsPlaces *places, DkmsListener *events, const DkmsSigner *self, GError **error)
{
  g_autofree char *helper = dkms_process_helper ("dkms-sign");
  g_autofree char *key_dir = g_path_get_dirname (self->key);
  g_autofree char *certificate_dir = g_path_get_dirname (self->certificate);
  g_auto (DkmsFd) a = dkms_root_open_dir (places->root, key_dir, TRUE, error);
  g_auto (DkmsFd) b = a >= 0 ? dkms_root_open_dir (places->root, certificate_dir, TRUE, error) : -1;
  g_autofree char *key = host_path_of (places->root, self->key);
  g_autofree char *certificate = host_path_of (places->root, self->certificate);
  const char *argv[] = { helper, "generate", key, certificate, NULL };
  DkmsCommand command = { .argv = argv, .root = places->root, .of_machine = TRUE, .null_stdin = TRUE };
  g_autofree char *output = NULL;
  int status = 0;

  if (b < 0)
    return FALSE;
  if (dkms_root_is_file (places->root, self->key))
    DKMS_EMIT (events, CERTIFICATE_GENERATED, .path = self->certificate);
  else
    DKMS_EMIT (events, KEY_GENERATED, .path = self->key);
  output = dkms_process_transcript (&command, &status, error);
  if (output == NULL)
    return FALSE;
  if (status == 0)
    return TRUE;
  dkms_recall_helper (g_strchomp (output));
  return DKMS_FAIL (error, KEY_NOT_GENERATED, .path = self->key, .text = output);
}

/* Modules for another system depend on the firmware of that system. */
static DkmsSecureBoot
secure_boot_of (const DkmsRoot *root)
{
  return in_chroot (root) ? DKMS_SECURE_BOOT_UNKNOWN : dkms_secure_boot_read ();
}

/* Emits whether the kernel will load the signed modules, or the next step. @created: the certificate is new */
static void
report_trust (const DkmsRoot *root, DkmsListener *events, const DkmsSigner *self, gboolean created)
{
  DkmsSecureBoot state = secure_boot_of (root);

  if (state == DKMS_SECURE_BOOT_DISABLED)
    DKMS_EMIT (events, SECURE_BOOT_DISABLED);
  if (state == DKMS_SECURE_BOOT_ENABLED && g_strcmp0 (self->key, self->certificate) == 0) /* kernels_own_key() */
    DKMS_EMIT (events, CERTIFICATE_OF_KERNEL, .path = self->certificate);
  else if (state == DKMS_SECURE_BOOT_ENABLED && dkms_secure_boot_trusts (self->certificate))
    DKMS_EMIT (events, CERTIFICATE_ENROLLED, .path = self->certificate);
  else if (state == DKMS_SECURE_BOOT_ENABLED)
    DKMS_EMIT (events, CERTIFICATE_NOT_ENROLLED, .path = self->certificate);
  else if (created)
    DKMS_EMIT (events, CERTIFICATE_TO_ENROL, .path = self->certificate);
}

static gboolean
is_readable (const DkmsRoot *root, const char *path)
{
  g_autofree char *resolved = dkms_root_resolved (root, path);

  return faccessat (AT_FDCWD, resolved, R_OK, AT_EACCESS) == 0; /* only the helper opens a key */
}

/* A certificate may be enrolled in the firmware. A new pair in its place would sign modules that no kernel trusts. */
static gboolean
fail_keyless (const DkmsPlaces *places, const DkmsSigner *self, GError **error)
{
  g_autofree char *file = NULL;
  g_autofree char *place = dkms_settings_place (places, "mok_signing_key", &file);

  return DKMS_FAIL (error, KEY_LOST, .path = self->key, .place = self->certificate,
                    .name = file != NULL ? place : NULL);
}

/* A token belongs to the machine. Another system must neither sign with it nor choose the library for it, unless the
 * caller names the same token. */
static gboolean
may_use_token (const DkmsPlaces *places, const char *key, GError **error)
{
  return places->root->wall == NULL || g_strcmp0 (g_getenv ("mok_signing_key"), key) == 0
         || DKMS_FAIL (error, TOKEN_REFUSED, .path = key, .name = places->root->host_path);
}

/* Creates missing files. Afterwards both exist, or signing is off. */
static gboolean
provide_keys (const DkmsSettings *settings, DkmsListener *events, const DkmsSigner *self, GError **error)
{
  const DkmsRoot *root = settings->places.root;
  gboolean token = is_token (self->key);
  gboolean created = FALSE;
  gboolean complete = (token || dkms_root_is_file (root, self->key)) && dkms_root_is_file (root, self->certificate);
  const DkmsFamily *family = settings->policy.distro->family;
  struct stat st;

  DKMS_EMIT (events, SIGNING_KEY, .path = self->key);
  DKMS_EMIT (events, SIGNING_CERTIFICATE, .path = self->certificate);
  if (!complete && !token && family->mok_tool != NULL && g_strcmp0 (self->key, family->key) == 0)
    {
      if (!ask_mok_tool (settings, self, error))
        return FALSE;
      complete = dkms_root_is_file (root, self->key) && dkms_root_is_file (root, self->certificate);
    }
  if (!token && !dkms_root_is_file (root, self->key) && dkms_root_stat (root, self->certificate, &st) == 0)
    return fail_keyless (&settings->places, self, error);
  /* A pair that may exist is not replaced either. */
  if (!complete && !token)
    {
      if (!dkms_unread_check (error) || !generate (&settings->places, events, self, error))
        return FALSE;
      created = TRUE;
    }
  if (!token && dkms_root_is_file (root, self->key) && !is_readable (root, self->key))
    return dkms_fail_errno (error, "read the signing key", self->key);
  if (!token && !dkms_root_is_file (root, self->key))
    return DKMS_FAIL (error, KEY_ABSENT, .path = self->key);
  if (!dkms_root_is_file (root, self->certificate))
    return DKMS_FAIL (error, CERTIFICATE_ABSENT, .path = self->certificate);
  if (token && !may_use_token (&settings->places, self->key, error))
    return FALSE;
  report_trust (root, events, self, created);
  return TRUE;
}

/* ---- the decision ---- */

static gboolean
choose_tool (DkmsSigner *self, const DkmsPlaces *places, DkmsListener *events, const char *configured, GError **error)
{
  struct stat st;

  if (configured == NULL)
    return TRUE;
  DKMS_EMIT (events, SIGNING_TOOL, .path = configured);
  if (dkms_root_stat (places->root, configured, &st) < 0 || !S_ISREG (st.st_mode) || (st.st_mode & 0111) == 0)
    {
      g_autofree char *file = NULL;
      g_autofree char *place = dkms_settings_place (places, "sign_file", &file);
      return DKMS_FAIL (error, SIGN_TOOL_BAD, .path = configured, .place = place);
    }
  self->tool = dkms_root_tool_path (places->root, configured);
  return TRUE;
}

static gboolean
prepare (DkmsSigner *self, const DkmsSettings *settings, DkmsListener *events, const DkmsKernel *kernel,
         const char *config, GError **error)
{
  g_auto (SigningValues) values = { 0 };

  if (!read_values (settings, kernel->release, &values, error))
    return FALSE;
  if (g_strcmp0 (values.try_sign, "false") == 0)
    return DKMS_FAIL (error, SIGNING_OFF, .name = "try_sign_modules");
  if (g_strcmp0 (values.try_sign, "true") != 0 && in_chroot (settings->places.root))
    return DKMS_FAIL (error, SIGNING_IN_CHROOT);
  if (config == NULL)
    return DKMS_FAIL (error, NO_KERNEL_CONFIG, .path = kernel->config);
  self->hash = dkms_kernel_config_value (config, "CONFIG_MODULE_SIG_HASH");
  if (self->hash == NULL || *self->hash == '\0')
    return DKMS_FAIL (error, KERNEL_WITHOUT_SIGNATURES, .path = kernel->config);
  choose_keys (self, settings, kernel, config, &values);
  return choose_tool (self, &settings->places, events, values.tool, error)
         && provide_keys (settings, events, self, error);
}

DkmsSigner *
dkms_signer_new (const DkmsSettings *settings, DkmsListener *events, const DkmsKernel *kernel, const char *config)
{
  DkmsSigner *self = g_new0 (DkmsSigner, 1);
  g_autoptr (GError) error = NULL;

  self->ready = prepare (self, settings, events, kernel, config, &error);
  if (!self->ready)
    {
      DKMS_EMIT (events, NOT_SIGNING, .error = error);
      if (secure_boot_of (settings->places.root) == DKMS_SECURE_BOOT_ENABLED)
        DKMS_EMIT (events, UNSIGNED_UNDER_SECURE_BOOT);
    }
  return self;
}

gboolean
dkms_signer_generate (const DkmsSettings *settings, DkmsListener *events, const DkmsKernel *kernel, const char *config,
                      GError **error)
{
  g_autoptr (DkmsSigner) self = g_new0 (DkmsSigner, 1);
  g_auto (SigningValues) values = { 0 };

  if (!read_values (settings, kernel->release, &values, error))
    return FALSE;
  choose_keys (self, settings, kernel, config, &values);
  return provide_keys (settings, events, self, error);
}

gboolean
dkms_signer_files (const DkmsSettings *settings, const DkmsKernel *kernel, const char *config, char **key,
                   char **certificate, GError **error)
{
  g_autoptr (DkmsSigner) self = g_new0 (DkmsSigner, 1);
  g_auto (SigningValues) values = { 0 };

  *key = *certificate = NULL;
  if (!read_values (settings, kernel->release, &values, error))
    return FALSE;
  choose_keys (self, settings, kernel, config, &values);
  *key = g_steal_pointer (&self->key);
  *certificate = g_steal_pointer (&self->certificate);
  return TRUE;
}

/* ---- signing ---- */

/* Runs the tool of the administrator on one file, or dkms-sign on all of @files, which are paths as the tool names
 * them. Returns: (transfer full) (nullable): what it printed; NULL with an error */
static char *
run_tool (const DkmsSigner *self, const DkmsPlaces *places, const GPtrArray *files, int *status, GError **error)
{
  gboolean theirs = self->tool != NULL;
  g_autofree char *helper = dkms_process_helper ("dkms-sign");
  g_autofree char *key = theirs && !is_token (self->key) ? dkms_root_tool_path (places->root, self->key)
                                                         : host_path_of (places->root, self->key);
  g_autofree char *certificate = theirs ? dkms_root_tool_path (places->root, self->certificate)
                                        : dkms_root_resolved (places->root, self->certificate);
  const char *words[] = { theirs ? self->tool : helper, theirs ? NULL : "sign", self->hash, key, certificate };
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();

  for (gsize i = 0; i < G_N_ELEMENTS (words); i++)
    if (words[i] != NULL)
      g_ptr_array_add (argv, (gpointer)words[i]);
  for (guint i = 0; i < files->len; i++)
    g_ptr_array_add (argv, files->pdata[i]);
  g_ptr_array_add (argv, NULL);
  DkmsCommand command = { .argv = (const char *const *)argv->pdata,
                          .root = theirs || !is_token (self->key) ? places->root : NULL,
                          .of_machine = !theirs,
                          .null_stdin = TRUE };
  return dkms_process_transcript (&command, status, error);
}

/* Signs @paths in one call. */
static void
sign_together (const DkmsSigner *self, const DkmsPlaces *places, DkmsListener *events, const GPtrArray *paths,
               const GPtrArray *shown)
{
  g_autoptr (GPtrArray) files = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) before = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) error = NULL;
  struct stat st;
  int status = 0;

  for (guint i = 0; i < paths->len; i++)
    {
      const char *path = paths->pdata[i];
      g_ptr_array_add (files, self->tool != NULL ? dkms_root_tool_path (places->root, path)
                                                 : dkms_root_resolved (places->root, path));
      g_ptr_array_add (before, dkms_root_stat (places->root, path, &st) == 0 ? dkms_stat_signature (&st) : NULL);
    }
  g_autofree char *output = run_tool (self, places, files, &status, &error);
  if (output != NULL)
    dkms_recall_helper (g_strchomp (output));
  if (status == 0 && output != NULL && *output != '\0')
    DKMS_EMIT (events, SIGNER_REMARK, .text = output);
  for (guint i = 0; i < paths->len; i++)
    {
      DKMS_EMIT (events, SIGNING, .path = shown->pdata[i]);
      /* A file that was signed has changed. */
      if (output == NULL
          || (status != 0
              && (paths->len == 1 || dkms_root_stat (places->root, paths->pdata[i], &st) < 0
                  || dkms_stat_has_signature (&st, before->pdata[i]))))
        DKMS_EMIT (events, SIGN_FAILED, .path = shown->pdata[i], .error = error, .text = output);
    }
}

void
dkms_signer_sign (const DkmsSigner *self, const DkmsPlaces *places, DkmsListener *events, const GPtrArray *paths,
                  const GPtrArray *shown)
{
  guint together = self->tool != NULL ? 1 : MAX (paths->len, 1);

  for (guint i = 0; i < paths->len; i += together)
    {
      g_autoptr (GPtrArray) some = g_ptr_array_new ();
      g_autoptr (GPtrArray) names = g_ptr_array_new ();

      for (guint k = i; k < i + together; k++)
        {
          g_ptr_array_add (some, paths->pdata[k]);
          g_ptr_array_add (names, shown->pdata[k]);
        }
      sign_together (self, places, events, some, names);
    }
}
