/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include "conf/sandbox.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"

/* Directories whose content is nobody's business, and of which nothing stays. */
static const char *const fresh[] = { "/tmp", "/var/tmp", "/run" };
static const char *const homes[] = { "/root", "/home" };
/* What a build that runs as root could read otherwise. */
static const char *const secrets[] = { "/etc/shadow",          "/etc/shadow-",
                                       "/etc/gshadow",         "/etc/gshadow-",
                                       "/etc/krb5.keytab",     "/etc/ssh",
                                       "/etc/ssl/private",     "/etc/pki/tls/private",
                                       "/etc/wpa_supplicant",  "/etc/NetworkManager/system-connections",
                                       "/etc/wireguard",       "/var/lib/shim-signed/mok",
                                       "/var/lib/dkms/mok.key" };

#define FILE_SIZE_LIMIT "8589934592"
#define OUTPUT_LIMIT "1073741824"
enum { LEAST_PROCESSES = 4096, PROCESSES_PER_JOB = 64 };

static void
add (GPtrArray *argv, const char *option, const char *value)
{
  g_ptr_array_add (argv, g_strdup (option));
  g_ptr_array_add (argv, g_strdup (value));
}

static gboolean
is_below (const char *path, const char *dir)
{
  gsize n = strlen (dir);

  return strncmp (path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

static gboolean
is_hidden (const char *path)
{
  gboolean hidden = FALSE;

  for (gsize i = 0; i < G_N_ELEMENTS (fresh); i++)
    hidden |= is_below (path, fresh[i]);
  for (gsize i = 0; i < G_N_ELEMENTS (homes); i++)
    hidden |= is_below (path, homes[i]);
  return hidden;
}

static gboolean
is_exposed (const GPtrArray *argv, const char *path)
{
  for (guint i = 0; i + 1 < argv->len; i++)
    if (strcmp (argv->pdata[i], "--expose") == 0 && is_below (path, argv->pdata[i + 1]))
      return TRUE;
  return FALSE;
}

/* A path as tools name it, without links. Returns: (transfer full) (nullable) */
static char *
real_path (const DkmsSettings *settings, const char *path)
{
  g_autofree char *real
      = settings->root->has_shell ? dkms_root_canonical (settings->root, path) : realpath (path, NULL);

  return g_strdup (real);
}

/* Shows @path (nullable) again if a directory above it was hidden. */
static void
expose (const DkmsConfinement *self, GPtrArray *argv, const char *path)
{
  g_autofree char *real = path != NULL ? real_path (self->settings, path) : NULL;

  if (real != NULL && is_hidden (real) && !is_exposed (argv, real))
    add (argv, "--expose", real);
}

/* What must be visible although it lies in a home directory or in /tmp. */
static void
expose_all (const DkmsConfinement *self, GPtrArray *argv)
{
  const DkmsSettings *s = self->settings;
  g_autofree char *tree = dkms_root_tool_path (s->root, s->dkms_tree);
  g_autofree char *sources = dkms_root_tool_path (s->root, s->source_tree);
  g_autofree char *modules = dkms_root_tool_path (s->root, s->install_tree);

  if (!s->root->has_shell)
    expose (self, argv, s->root->host_path);
  expose (self, argv, tree);
  expose (self, argv, sources);
  expose (self, argv, modules);
  expose (self, argv, self->kernel_source_dir);
  expose (self, argv, s->conf_file);
  expose (self, argv, s->config);
  expose (self, argv, s->kernelsourcedir);
  expose (self, argv, self->show);
}

/* Directories that packages write to although they should not: sources and kernel headers. */
static void
overlay_all (const DkmsConfinement *self, GPtrArray *argv)
{
  const DkmsSettings *s = self->settings;
  g_autofree char *sources = dkms_root_tool_path (s->root, s->source_tree);
  g_autofree char *headers = NULL;

  if (dkms_root_is_dir (s->root, s->source_tree))
    add (argv, "--overlay", sources);
  if (self->kernel_source_dir == NULL)
    return;
  headers = real_path (s, self->kernel_source_dir);
  if (headers != NULL && !is_below (headers, sources))
    add (argv, "--overlay", headers);
}

/* So much of the disk stays free: a hundredth, but neither nothing nor a lot. */
static void
reserve (const DkmsConfinement *self, GPtrArray *argv)
{
  const DkmsSettings *s = self->settings;
  g_autofree char *host = dkms_root_host_path (s->root, s->dkms_tree);
  struct statvfs st;

  if (statvfs (host, &st) < 0)
    return;
  guint64 bytes = CLAMP ((guint64)st.f_blocks * st.f_frsize / 100, (guint64)1 << 20, (guint64)512 << 20);
  g_autofree char *number = g_strdup_printf ("%" G_GUINT64_FORMAT, bytes);
  g_autofree char *tree = dkms_root_tool_path (s->root, s->dkms_tree);
  add (argv, "--reserve", tree);
  g_ptr_array_add (argv, g_steal_pointer (&number));
}

static void
limit (const DkmsConfinement *self, GPtrArray *argv)
{
  guint64 jobs = 0;
  g_autofree char *processes = NULL;
  g_autofree char *memory = NULL;
  g_autofree char *silence = NULL;

  (void)g_ascii_string_to_unsigned (self->settings->jobs, 10, 0, 1 << 16, &jobs, NULL);
  processes = g_strdup_printf ("%" G_GUINT64_FORMAT, MAX ((guint64)LEAST_PROCESSES, jobs * PROCESSES_PER_JOB));
  add (argv, "--processes", processes);
  add (argv, "--file-size", FILE_SIZE_LIMIT);
  add (argv, "--output", OUTPUT_LIMIT);
  memory = g_strdup_printf ("%" G_GUINT64_FORMAT,
                            (guint64)sysconf (_SC_PHYS_PAGES) * (guint64)sysconf (_SC_PAGESIZE) / 5 * 4);
  add (argv, "--memory", memory);
  if (self->settings->build_timeout > 0)
    {
      silence = g_strdup_printf ("%u", self->settings->build_timeout);
      add (argv, "--silence", silence);
    }
  reserve (self, argv);
}

GPtrArray *
dkms_sandbox_wrap (const DkmsConfinement *self, const char *const *command, const char *cwd, int report)
{
  const DkmsSettings *s = self->settings;
  GPtrArray *argv = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *number = g_strdup_printf ("%d", report);

  g_ptr_array_add (argv, dkms_process_helper ("dkms-sandbox"));
  if (report >= 0)
    add (argv, "--report", number);
  if (s->root->has_shell && !dkms_root_is_host (s->root))
    add (argv, "--root", s->root->host_path);
  if (cwd != NULL)
    add (argv, "--chdir", cwd);
  limit (self, argv);
  for (gsize i = 0; i < G_N_ELEMENTS (fresh); i++)
    add (argv, "--fresh", fresh[i]);
  for (gsize i = 0; i < G_N_ELEMENTS (homes); i++)
    add (argv, "--mask", homes[i]);
  expose_all (self, argv);
  overlay_all (self, argv);
  if (self->version_dir != NULL)
    {
      g_autofree char *place = g_build_filename (self->version_dir, "build", NULL);
      add (argv, "--cover", self->version_dir);
      add (argv, "--bind", self->scratch);
      g_ptr_array_add (argv, g_steal_pointer (&place));
    }
  if (self->result != NULL)
    {
      g_autofree char *kernel_dir = g_path_get_dirname (self->result_dir);
      add (argv, "--cover", kernel_dir);
      add (argv, "--bind", self->result);
      g_ptr_array_add (argv, g_strdup (self->result_dir));
    }
  for (gsize i = 0; i < G_N_ELEMENTS (secrets); i++)
    add (argv, "--mask", secrets[i]);
  if (!s->root->has_shell)
    {
      g_autofree char *key = dkms_root_host_path (s->root, "/var/lib/dkms/mok.key");
      add (argv, "--mask", key);
    }
  if (self->key != NULL && *self->key == '/')
    add (argv, "--mask", self->key);
  if (s->build_uid != 0)
    {
      g_autofree char *uid = g_strdup_printf ("%u", s->build_uid);
      add (argv, "--user", uid);
      g_ptr_array_add (argv, g_strdup_printf ("%u", s->build_gid));
    }
  if (command != NULL)
    {
      g_ptr_array_add (argv, g_strdup ("--"));
      for (; *command != NULL; command++)
        g_ptr_array_add (argv, g_strdup (*command));
    }
  g_ptr_array_add (argv, NULL);
  return argv;
}

void
dkms_findings_clear (DkmsFindings *self)
{
  g_clear_pointer (&self->failure, g_free);
  g_clear_pointer (&self->ended, g_free);
  g_clear_pointer (&self->left, g_free);
}

void
dkms_findings_read (DkmsFindings *self, int report)
{
  g_autofree char *text
      = lseek (report, 0, SEEK_SET) == 0 ? dkms_read_fd (report, "report", 1 << 16, NULL, NULL) : NULL;
  g_auto (GStrv) lines = g_strsplit (text != NULL ? text : "", "\n", -1);

  for (char **line = lines; *line != NULL; line++)
    {
      g_auto (GStrv) words = g_strsplit (*line, " ", 3);
      if (g_str_has_prefix (*line, "setup "))
        self->failure = g_strdup (*line + strlen ("setup "));
      else if (g_str_has_prefix (*line, "processes ") && words[1] != NULL)
        self->ended = g_strdup_printf ("it started more than %s processes and was ended", words[1]);
      else if (strcmp (*line, "disk") == 0)
        self->ended = g_strdup ("it filled the disk and was ended");
      else if (strcmp (*line, "memory") == 0)
        self->ended = g_strdup ("it used four fifths of the machine's memory and was ended");
      else if (strcmp (*line, "output") == 0)
        self->ended = g_strdup ("it wrote more than 1 GiB of output and was ended");
      else if (g_str_has_prefix (*line, "silence ") && words[1] != NULL)
        self->ended = g_strdup_printf ("it wrote nothing for %s s and was ended (build_timeout in "
                                       "/etc/dkms/framework.conf sets the limit)",
                                       words[1]);
      else if (g_str_has_prefix (*line, "left ") && g_strv_length (words) == 3)
        self->left = g_strdup_printf ("%s process%s (%s)", words[1], strcmp (words[1], "1") == 0 ? "" : "es", words[2]);
    }
}

char *
dkms_sandbox_missing (const DkmsConfinement *self)
{
  g_autoptr (GPtrArray) argv = NULL;
  g_autoptr (GArray) keep = g_array_new (FALSE, FALSE, sizeof (int));
  g_auto (DkmsFd) report = memfd_create ("findings", MFD_CLOEXEC);
  g_auto (DkmsFindings) findings = { 0 };
  g_autoptr (GError) error = NULL;

  if (report < 0)
    return g_strdup (g_strerror (errno));
  g_array_append_val (keep, report);
  argv = dkms_sandbox_wrap (self, NULL, NULL, report);
  DkmsCommand command = { .argv = (const char *const *)argv->pdata, .output_fd = -2, .keep = keep, .null_stdin = TRUE };
  int status = dkms_process_run (&command, &error);
  if (status == 0)
    return NULL;
  dkms_findings_read (&findings, report);
  return findings.failure != NULL ? g_steal_pointer (&findings.failure)
         : error != NULL          ? g_strdup (error->message)
                                  : g_strdup_printf ("dkms-sandbox ended with exit status %d", status);
}
