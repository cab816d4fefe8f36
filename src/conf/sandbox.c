/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Decides which files recipes and builds see and can change, and their limits. */
#define _GNU_SOURCE
#include "conf/sandbox.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/jobs.h"
#include "base/unread.h"
#include "conf/sandbox-view.h"

/* Directories of tools, libraries and headers, and links to them. On some systems /usr/local is a link to another
 * place. */
static const char *const systems[]
    = { "/usr", "/usr/local",        "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/nix",
        "/gnu", "/etc/alternatives", "/sys", NULL };
/* Directories replaced by an empty tmpfs. /var/run and similar ones are links. */
static const char *const fresh[] = { "/tmp", "/var/tmp", "/run", "/var/run" };
static const char *const homes[] = { "/root", "/home" };
/* Package databases, which recipes query. */
static const char *const databases[] = { "/var/lib/dpkg", "/var/lib/rpm", "/var/lib/pacman", "/var/db/pkg", NULL };
/* Files in /etc that compilers, interpreters and scripts read: users, libraries, alternatives, the system, and
 * configuration of packages. */
static const char *const of_etc[]
    = { "passwd",      "group",       "nsswitch.conf", "hosts",          "host.conf",       "hostname",
        "protocols",   "services",    "ld.so.*",       "ld-musl-*.path", "env.d",           "os-release",
        "*-release",   "*_release",   "*.release",     "*-version",      "*_version",       "issue",
        "dpkg",        "rpm",         "apk",           "pacman.conf",    "default",         "sysconfig",
        "conf.d",      "config.site", "modprobe.conf", "modprobe.d",     "modules",         "modules-load.d",
        "depmod.conf", "depmod.d",    "localtime",     "timezone",       "locale*",         "inputrc",
        "pam.*",       "security",    "login.defs",    "terminfo",       "magic*",          "mime.types",
        "perl",        "python*",     "clang*",        "gcc*",           "crypto-policies", NULL };
/* Single files in other directories of /etc. */
static const char *const of_etc_too[][2]
    = { { "/etc/ssl", "openssl.cnf" }, { "/etc/pki/tls", "openssl*" }, { "/etc/selinux", "config" } };
/* Recipes read the configuration of kernels. Images may contain keys, and are not shown. */
static const char *const of_boot[] = { "config-*", "System.map-*", "symvers-*", NULL };
/* Only root may read the files in these directories. */
static const char *const private_dirs[]
    = { "/sys/kernel/debug", "/sys/kernel/tracing", "/sys/fs/pstore", "/usr/local/etc" };
/* The home directory of a build if the caller has none, or one that is not hidden. */
#define HOME_OF_BUILDS "/tmp/.dkms-home"

/* Directories of a kernel tree that may contain a key for signing its modules, and names of such keys. */
static const char *const places_of_keys[] = { "", "certs", "source", "source/certs" };
static const char *const names_of_keys[] = { "*.pem", "*.priv", "*.key", "*.p12", NULL };
/* The default key, and incomplete files of it. */
static const char *const keys_of_tree[] = { "*.key", ".*.key*", NULL };

#define FILE_SIZE_LIMIT "8589934592"
#define OUTPUT_LIMIT "1073741824"
#define WALL_OUTPUT_LIMIT "134217728" /* dkms keeps it in memory */
enum { USUAL_PROCESSES = 4096, PROCESSES_PER_JOB = 64, LEAST_PROCESSES = 64 };

static void
add (GPtrArray *argv, const char *option, const char *value)
{
  g_ptr_array_add (argv, g_strdup (option));
  g_ptr_array_add (argv, g_strdup (value));
}

/* ---- visible files ---- */

/* Whether headers belong to one user, judged by the files that every build reads. Packages install headers with one
 * owner, and who builds a kernel owns its headers. */
static gboolean
has_one_owner (DkmsView *view, const char *dir)
{
  static const char *const files[]
      = { ".config", "Module.symvers", "include/config/auto.conf", "include/generated/autoconf.h" };
  struct stat top, st;

  if (!dkms_view_stat (view, dir, &top))
    return TRUE;
  for (gsize i = 0; i < G_N_ELEMENTS (files); i++)
    {
      g_autofree char *path = g_build_filename (dir, files[i], NULL);
      if (dkms_view_stat (view, path, &st) && (st.st_uid != top.st_uid || (st.st_mode & 0400) == 0))
        return FALSE;
    }
  return TRUE;
}

/* The headers of a kernel often contain links to each other, or to the sources of the kernel. @build: whether a build
 * may write to them */
static void
show_kernel (DkmsView *view, const char *dir, gboolean build)
{
  g_autofree char *parent = g_path_get_dirname (dir);
  g_autofree char *beside = g_build_filename (parent, "source", NULL);
  g_autofree char *inside = g_build_filename (dir, "source", NULL);
  const char *const others[] = { inside, g_str_has_suffix (dir, "/build") ? beside : NULL };

  if (build)
    dkms_view_show_writable (view, dir, !has_one_owner (view, dir));
  else
    dkms_view_show_source (view, dir);
  for (gsize i = 0; i < G_N_ELEMENTS (others); i++)
    if (build)
      dkms_view_show_writable (view, others[i], FALSE);
    else
      dkms_view_show_source (view, others[i]);
  dkms_view_show_links (view, dir);
}

/* Recipes also read other files of their source. */
static void
show_recipe (DkmsView *view, const char *path)
{
  g_autofree char *dir = g_path_get_dirname (path);

  dkms_view_show_source (view, dir);
  g_free (dkms_view_show (view, path));
}

/* The named pipe of a jobserver. */
static void
show_jobserver (DkmsView *view, const char *make_flags)
{
  static const char word[] = "--jobserver-auth=fifo:";
  const char *auth = make_flags != NULL ? g_strrstr (make_flags, word) : NULL;
  g_autofree char *path = auth != NULL ? g_strndup (auth + strlen (word), strcspn (auth + strlen (word), " ")) : NULL;

  g_free (dkms_view_show (view, path));
}

/* Shows the targets of the links in a build's copy of the source. @dir: as tools name it; closes @fd */
static void
show_linked (DkmsView *view, int fd, const char *dir)
{
  g_auto (DkmsFd) here = fd;
  g_autoptr (GPtrArray) names = fd >= 0 ? dkms_list_dir_at (fd, ".", NULL) : NULL;

  for (guint i = 0; names != NULL && i < names->len; i++)
    {
      const char *name = names->pdata[i];
      g_autofree char *path = g_build_filename (dir, name, NULL);
      g_autofree char *text = dkms_read_link_at (here, name);

      if (text != NULL)
        dkms_view_show_linked (view, path, text);
      else if (errno == EINVAL && dkms_is_dir_at (here, name))
        show_linked (view, openat (here, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), path);
    }
}

/* The source of the version, as tools name it. An absolute link is a path inside the root. */
static char *
source_of (const DkmsConfinement *self)
{
  const DkmsRoot *root = self->settings->places.root;
  g_autofree char *link = g_build_filename (self->version_dir, "source", NULL);
  g_autofree char *text = root->has_shell ? NULL : dkms_read_link_at (AT_FDCWD, link);

  return text != NULL && *text == '/' ? g_strconcat (root->host_path, text, NULL) : g_steal_pointer (&link);
}

static void
show_build (const DkmsConfinement *self, DkmsView *view)
{
  g_autofree char *source = source_of (self);
  g_autofree char *place = g_build_filename (self->version_dir, "build", NULL);

  g_free (dkms_view_show (view, self->version_dir));
  dkms_view_show_writable (view, source, TRUE);
  show_linked (view, open (self->scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC), place);
  show_jobserver (view, self->make_flags);
}

/* Home directories are usually hidden, and replaced by an empty one. A build always gets an empty one, because tools
 * keep caches in it. A reproducible build has the same one for every caller. */
static void
show_home (const DkmsConfinement *self, DkmsView *view)
{
  gboolean defined = self->version_dir != NULL && self->settings->policy.reproducible;
  const char *wanted = defined ? NULL : g_getenv ("HOME");
  g_autofree char *home = wanted != NULL && *wanted == '/' ? g_canonicalize_filename (wanted, "/") : NULL;

  if (home != NULL && strcmp (home, "/") != 0 && dkms_view_hides (view, home))
    dkms_view_set_home (view, home);
  else if (self->version_dir != NULL)
    dkms_view_set_home (view, HOME_OF_BUILDS);
}

/* Shows the parts of the system at @root that every command sees. @root is "" or a directory without a shell; in that
 * case the tools are those of the machine, and parts of both are shown. */
static void
show_system (DkmsView *view, const char *root)
{
  const char *const *const lists[] = { systems, databases };
  g_autofree char *etc = g_strconcat (root, "/etc", NULL);
  g_autofree char *boot = g_strconcat (root, "/boot", NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (lists); i++)
    for (const char *const *path = lists[i]; *path != NULL; path++)
      {
        g_autofree char *full = g_strconcat (root, *path, NULL);
        g_free (dkms_view_show (view, full));
      }
  dkms_view_show_public (view, etc, of_etc);
  for (gsize i = 0; i < G_N_ELEMENTS (of_etc_too); i++)
    {
      const char *const patterns[] = { of_etc_too[i][1], NULL };
      g_autofree char *dir = g_strconcat (root, of_etc_too[i][0], NULL);
      dkms_view_show_public (view, dir, patterns);
    }
  dkms_view_show_public (view, boot, of_boot);
  for (gsize i = 0; i < G_N_ELEMENTS (private_dirs); i++)
    {
      g_autofree char *dir = g_strconcat (root, private_dirs[i], NULL);
      dkms_view_hide (view, dir);
    }
}

/* Shows the files that the command works with, and makes some of them writable. */
static void
show_work (const DkmsConfinement *self, DkmsView *view)
{
  const DkmsSettings *s = self->settings;
  g_autofree char *tree = dkms_root_tool_path (s->places.root, s->places.dkms_tree);
  g_autofree char *sources = dkms_root_tool_path (s->places.root, s->places.source_tree);
  g_autofree char *modules = dkms_root_tool_path (s->places.root, s->places.install_tree);
  g_autofree char *own = dkms_root_tool_path (s->places.root, "/etc/dkms");
  const char *const paths[] = { tree, modules, self->conf_file, self->kernel_config };
  const char *const all[] = { "*", NULL };

  for (gsize i = 0; i < G_N_ELEMENTS (paths); i++)
    g_free (dkms_view_show (view, paths[i]));
  dkms_view_show_public (view, own, all); /* the administrator may run scripts there before and after builds */
  dkms_view_show_writable (view, sources, FALSE);
  if (self->kernel_source_dir != NULL)
    show_kernel (view, self->kernel_source_dir, TRUE);
  for (guint i = 0; self->kernels != NULL && i < self->kernels->len; i++)
    show_kernel (view, self->kernels->pdata[i], FALSE);
  if (self->recipe != NULL)
    show_recipe (view, self->recipe);
  for (guint i = 0; self->overrides != NULL && i < self->overrides->len; i++)
    g_free (dkms_view_show (view, self->overrides->pdata[i]));
  if (self->version_dir != NULL)
    show_build (self, view);
  show_home (self, view);
}

static void
hide_keys_of_kernel (DkmsView *view, const char *dir)
{
  for (gsize i = 0; i < G_N_ELEMENTS (places_of_keys); i++)
    {
      g_autofree char *place = g_build_filename (dir, places_of_keys[i], NULL);
      dkms_view_hide_files (view, place, names_of_keys);
    }
}

static void
hide_keys (const DkmsConfinement *self, DkmsView *view)
{
  const DkmsSettings *s = self->settings;
  const DkmsRemotePolicy *remote = &s->policy.remote;
  const char *const secrets[] = { s->policy.signing_key, remote->signing_key, remote->netrc, remote->tls_key };
  g_autofree char *tree = dkms_root_tool_path (s->places.root, s->places.dkms_tree);

  const char *gentoo = g_getenv ("MODULES_SIGN_KEY");

  dkms_view_hide_files (view, tree, keys_of_tree);
  for (gsize i = 0; i < G_N_ELEMENTS (secrets); i++)
    {
      g_autofree char *path = *secrets[i] == '/' ? dkms_root_tool_path (s->places.root, secrets[i]) : NULL;
      if (path != NULL)
        dkms_view_hide (view, path);
    }
  if (gentoo != NULL)
    dkms_view_hide (view, gentoo);
  for (guint i = 0; self->keys != NULL && i < self->keys->len; i++)
    dkms_view_hide (view, self->keys->pdata[i]);
  if (self->kernel_source_dir != NULL)
    hide_keys_of_kernel (view, self->kernel_source_dir);
  for (guint i = 0; self->kernels != NULL && i < self->kernels->len; i++)
    hide_keys_of_kernel (view, self->kernels->pdata[i]);
}

/* A command that runs as root owns the locks of the tree, and could block other runs. Only existing files can be
 * hidden: see dkms_lock_prepare(). */
static void
hide_locks (const DkmsConfinement *self, DkmsView *view)
{
  static const char *const names[] = { ".dkms/lock", ".dkms/locks" };
  g_autofree char *tree = dkms_root_tool_path (self->settings->places.root, self->settings->places.dkms_tree);

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *path = g_build_filename (tree, names[i], NULL);
      dkms_view_hide (view, path);
    }
}

/* ---- limits ---- */

/* A hundredth of the disk stays free, within limits. */
static void
reserve (const DkmsConfinement *self, GPtrArray *argv)
{
  const DkmsSettings *s = self->settings;
  g_autofree char *host = dkms_root_host_path (s->places.root, s->places.dkms_tree);
  struct statvfs st;

  if (statvfs (host, &st) < 0)
    return;
  guint64 bytes = CLAMP ((guint64)st.f_blocks * st.f_frsize / 100, (guint64)1 << 20, (guint64)512 << 20);
  g_autofree char *number = g_strdup_printf ("%" G_GUINT64_FORMAT, bytes);
  g_autofree char *place = self->version_dir != NULL ? g_build_filename (self->version_dir, "build", NULL)
                                                     : dkms_root_tool_path (s->places.root, s->places.dkms_tree);
  add (argv, "--reserve", place);
  g_ptr_array_add (argv, g_steal_pointer (&number));
}

static void
limit (const DkmsConfinement *self, const char *output, GPtrArray *argv)
{
  guint64 jobs = 0, room = dkms_jobs_free_processes () / 4, most;
  g_autofree char *processes = NULL;
  g_autofree char *memory = NULL;
  g_autofree char *silence = NULL;

  (void)g_ascii_string_to_unsigned (self->settings->policy.jobs, 10, 0, 1 << 16, &jobs, NULL);
  most = MAX ((guint64)USUAL_PROCESSES, jobs * PROCESSES_PER_JOB);
  if (room > 0 && room < most) /* other processes need some, too */
    most = MAX (room, LEAST_PROCESSES);
  processes = g_strdup_printf ("%" G_GUINT64_FORMAT, most);
  add (argv, "--processes", processes);
  add (argv, "--file-size", FILE_SIZE_LIMIT);
  add (argv, "--output", output);
  memory = g_strdup_printf ("%" G_GUINT64_FORMAT,
                            (guint64)sysconf (_SC_PHYS_PAGES) * (guint64)sysconf (_SC_PAGESIZE) / 5 * 4);
  add (argv, "--memory", memory);
  if (self->settings->policy.build_timeout > 0)
    {
      silence = g_strdup_printf ("%u", self->settings->policy.build_timeout);
      add (argv, "--silence", silence);
    }
  reserve (self, argv);
}

GPtrArray *
dkms_sandbox_wrap (const DkmsConfinement *self, const char *const *command, const char *cwd, int report)
{
  const DkmsSettings *s = self->settings;
  GPtrArray *argv = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (DkmsView) view = dkms_view_new (s);
  g_autofree char *number = g_strdup_printf ("%d", report);

  g_ptr_array_add (argv, dkms_process_helper ("dkms-sandbox"));
  if (report >= 0)
    add (argv, "--report", number);
  if (s->places.root->has_shell && !dkms_root_is_host (s->places.root))
    add (argv, "--root", s->places.root->host_path);
  if (cwd != NULL)
    add (argv, "--chdir", cwd);
  limit (self, OUTPUT_LIMIT, argv);
  guint mark = dkms_unread_mark ();
  for (gsize i = 0; i < G_N_ELEMENTS (fresh); i++)
    dkms_view_show_empty (view, fresh[i]);
  show_system (view, "");
  if (!s->places.root->has_shell)
    show_system (view, s->places.root->host_path);
  show_work (self, view);
  dkms_unread_drop (mark); /* if dkms cannot read a file, the command cannot read it either, and reports that */
  hide_keys (self, view);
  hide_locks (self, view);
  dkms_view_add_options (view, argv);
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
  if (s->policy.build_uid != 0)
    {
      g_autofree char *uid = g_strdup_printf ("%u", s->policy.build_uid);
      add (argv, "--user", uid);
      g_ptr_array_add (argv, g_strdup_printf ("%u", s->policy.build_gid));
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

char **
dkms_sandbox_env (const DkmsRoot *root, char **env)
{
  /* Directories for temporary files, caches and sockets. They are hidden or read-only; the defaults work. */
  static const char *const elsewhere[] = { "TMPDIR",          "TMP",           "TEMP",           "XDG_CACHE_HOME",
                                           "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR",
                                           "CCACHE_DIR",      "DISTCC_DIR",    "SCCACHE_DIR" };
  /* Compilers that use a cache or other machines must compile locally, because a cache would be discarded and there is
   * no network. */
  static const char *const local[][2] = { { "CCACHE_DISABLE", "1" }, { "DISTCC_HOSTS", "localhost/1024" } };

  for (gsize i = 0; i < G_N_ELEMENTS (elsewhere); i++)
    env = g_environ_unsetenv (env, elsewhere[i]);
  for (gsize i = 0; i < G_N_ELEMENTS (local); i++)
    env = g_environ_setenv (env, local[i][0], local[i][1], TRUE);
  if (!dkms_root_is_host (root))
    env = g_environ_setenv (env, DKMS_WALL_VARIABLE, root->host_path, TRUE);
  return dkms_process_forget_secrets (env);
}

/* ---- the wall around a root ---- */

/* Shows the directories of programs: those in PATH, and those of dkms and its helpers. */
static void
show_programs (DkmsView *view, const char *helper)
{
  g_auto (GStrv) dirs = g_strsplit (g_getenv ("PATH") != NULL ? g_getenv ("PATH") : "", ":", -1);
  g_autofree char *helpers = g_path_get_dirname (helper);
  g_autofree char *above = g_path_get_dirname (helpers);

  for (char **dir = dirs; *dir != NULL; dir++)
    g_free (dkms_view_show (view, *dir));
  g_free (dkms_view_show (view, above));
}

/* If the root contains a shell, a command is chrooted there and sees the files of the root. Otherwise it sees the files
 * of the machine that every confined command sees, and all of the root. */
static GPtrArray *
build_wall (const DkmsRoot *given, gboolean of_machine)
{
  DkmsRoot root = *given;
  DkmsSettings s = *(const DkmsSettings *)given->wall_data;
  const DkmsConfinement about = { .settings = &s };
  const char *const writable[] = { "/", s.places.dkms_tree, s.places.source_tree, s.places.install_tree, "/boot" };
  g_autoptr (DkmsView) view = dkms_view_new (&s);
  GPtrArray *argv = g_ptr_array_new_with_free_func (g_free);
  guint mark = dkms_unread_mark ();

  root.has_shell = given->has_shell && !of_machine;
  s.places.root = &root;
  s.policy.build_uid = s.policy.build_gid = 0; /* it runs as the caller of dkms */
  g_ptr_array_add (argv, dkms_process_helper ("dkms-sandbox"));
  limit (&about, WALL_OUTPUT_LIMIT, argv);
  if (root.has_shell)
    {
      add (argv, "--root", root.host_path);
      dkms_view_show_root (view);
      for (gsize i = 0; i < G_N_ELEMENTS (homes); i++) /* they may be directories of the machine */
        dkms_view_show_empty (view, homes[i]);
    }
  for (gsize i = 0; i < G_N_ELEMENTS (fresh); i++)
    dkms_view_show_empty (view, fresh[i]);
  if (!root.has_shell)
    {
      show_system (view, "");
      show_programs (view, argv->pdata[0]);
    }
  for (gsize i = 0; i < G_N_ELEMENTS (writable); i++)
    {
      g_autofree char *path = dkms_root_tool_path (&root, writable[i]);
      dkms_view_show_open (view, path);
    }
  dkms_unread_drop (mark);
  dkms_view_add_options (view, argv);
  return argv;
}

void
dkms_sandbox_close_root (const DkmsSettings *settings)
{
  DkmsRoot *root = settings->places.root;

  root->wall = !dkms_root_is_host (root) && settings->policy.sandbox == DKMS_SANDBOX_STRICT ? build_wall : NULL;
  root->wall_data = settings;
}

/* ---- what comes of it ---- */

gboolean
dkms_sandbox_missing (const DkmsConfinement *self, char **missing, GError **error)
{
  g_autoptr (GPtrArray) argv = NULL;
  g_autoptr (GArray) keep = g_array_new (FALSE, FALSE, sizeof (int));
  g_auto (DkmsFd) report = memfd_create ("findings", MFD_CLOEXEC);
  g_auto (DkmsFindings) findings = { 0 };

  *missing = NULL;
  if (report < 0)
    return dkms_fail_errno (error, "create", "a memory file");
  g_array_append_val (keep, report);
  argv = dkms_sandbox_wrap (self, NULL, NULL, report);
  DkmsCommand command = { .argv = (const char *const *)argv->pdata, .output_fd = -2, .keep = keep, .null_stdin = TRUE };
  int status = dkms_process_run (&command, error);
  if (status <= 0)
    return status == 0;
  dkms_findings_read (&findings, report);
  if (findings.missing)
    {
      *missing = g_steal_pointer (&findings.failure);
      return TRUE;
    }
  return DKMS_FAIL (error, SANDBOX_UNKNOWN, .text = findings.failure, .status = status);
}
