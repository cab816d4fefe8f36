/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One kernel: its headers, configuration, compiler and compression. */
#define _GNU_SOURCE
#include "kernel/kernel.h"

#include <fcntl.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/kconfig.h"
#include "base/near.h"
#include "base/process.h"
#include "base/unread.h"
#include "base/walk.h"
#include "config.h"

enum { LARGEST_CONFIG = 16 << 20 };

/* ---- the running kernel ---- */

/* Returns: (transfer full) (nullable): the uname in PATH, if it is not that of the system */
static char *
replaced_uname (void)
{
  static const char *const usual[] = { "/usr/bin/uname", "/bin/uname" };
  g_autofree char *found = g_find_program_in_path ("uname");
  struct stat a, b;

  if (found == NULL || stat (found, &a) < 0)
    return NULL;
  for (gsize i = 0; i < G_N_ELEMENTS (usual); i++)
    if (stat (usual[i], &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino)
      return NULL;
  return g_steal_pointer (&found);
}

/* Returns: (transfer full) (nullable): the output of a replaced uname; NULL if it is not a valid name */
static char *
ask_uname (const char *program, const char *option)
{
  const char *argv[] = { program, option, NULL };
  DkmsCommand command = { .argv = argv, .null_stdin = TRUE };
  int status = 0;
  g_autofree char *output = dkms_process_capture (&command, NULL, &status, NULL);

  if (output == NULL || status != 0 || *g_strstrip (output) == '\0' || strpbrk (output, " \t\n/") != NULL)
    return NULL;
  return g_steal_pointer (&output);
}

typedef struct {
  char *release, *machine;
} Running;

static const Running *
running (void)
{
  static Running self; /* constant during a run */
  g_autofree char *program = NULL;
  struct utsname uts = { 0 };

  if (self.release != NULL)
    return &self;
  (void)uname (&uts); /* can fail only for an invalid pointer */
  program = replaced_uname ();
  self.release = program != NULL ? ask_uname (program, "-r") : NULL;
  self.machine = program != NULL ? ask_uname (program, "-m") : NULL;
  if (self.release == NULL)
    self.release = g_strdup (uts.release);
  if (self.machine == NULL)
    self.machine = g_strdup (uts.machine);
  return &self;
}

const char *
dkms_running_release (void)
{
  return running ()->release;
}

const char *
dkms_running_machine (void)
{
  return running ()->machine;
}

/* ---- one kernel ---- */

char *
dkms_kernel_openable (const DkmsRoot *root, const char *tool_path)
{
  /* Only a root with a shell has other paths for its tools. */
  return root->has_shell ? dkms_root_host_path (root, tool_path) : g_strdup (tool_path);
}

static gboolean
openable_exists (const DkmsRoot *root, const char *tool_path, gboolean dir)
{
  if (root->has_shell)
    return dir ? dkms_root_is_dir (root, tool_path) : dkms_root_is_file (root, tool_path);
  return dir ? dkms_is_dir_at (AT_FDCWD, tool_path) : dkms_is_file_at (AT_FDCWD, tool_path);
}

static gboolean
holds_headers (const DkmsRoot *root, const char *tool_path)
{
  g_autofree char *include = g_build_filename (tool_path, "include", NULL);

  return openable_exists (root, include, TRUE);
}

/* The headers of @release, as tools name them: the target of its build link. An image without that link may have them
 * in the usual place, and a root without a shell uses those of the host. */
static char *
find_headers (const DkmsRoot *root, const char *build, const char *release)
{
  g_autofree char *linked = dkms_root_tool_path (root, build);
  char *const places[]
      = { g_strconcat ("/usr/src/linux-headers-", release, NULL), g_strconcat ("/usr/src/kernels/", release, NULL) };
  char *found = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (places); i++)
    {
      g_autofree char *inside = dkms_root_tool_path (root, places[i]);
      if (found == NULL && !dkms_root_is_host (root) && !holds_headers (root, linked) && holds_headers (root, inside))
        found = g_steal_pointer (&inside);
    }
  if (found == NULL && !root->has_shell && !holds_headers (root, linked))
    {
      g_autofree char *hosts = g_build_filename (DKMS_MODULE_DIR, release, "build", NULL);
      if (holds_headers (root, hosts))
        found = g_canonicalize_filename (hosts, NULL);
      for (gsize i = 0; i < G_N_ELEMENTS (places); i++)
        if (found == NULL && holds_headers (root, places[i]))
          found = g_strdup (places[i]);
    }
  for (gsize i = 0; i < G_N_ELEMENTS (places); i++)
    g_free (places[i]);
  return found != NULL ? found : g_steal_pointer (&linked);
}

DkmsKernel *
dkms_kernel_new (const DkmsRoot *root, const char *install_tree, const DkmsId *id, const char *source_dir,
                 const char *config)
{
  DkmsKernel *self = g_new0 (DkmsKernel, 1);
  g_autofree char *build = NULL;

  self->release = g_strdup (id->kernel);
  self->arch = g_strdup (id->arch);
  self->dir = g_build_filename (install_tree, id->kernel, NULL);
  build = g_build_filename (self->dir, "build", NULL);
  self->source_dir
      = source_dir != NULL ? dkms_root_tool_path (root, source_dir) : find_headers (root, build, id->kernel);
  if (config != NULL)
    self->config = dkms_root_tool_path (root, config);
  else
    {
      self->config = g_build_filename (self->source_dir, "include/config/auto.conf", NULL);
      if (!openable_exists (root, self->config, FALSE))
        {
          g_free (self->config);
          self->config = g_build_filename (self->source_dir, ".config", NULL);
        }
    }
  return self;
}

void
dkms_kernel_free (DkmsKernel *self)
{
  if (self == NULL)
    return;
  g_free (self->release);
  g_free (self->arch);
  g_free (self->dir);
  g_free (self->source_dir);
  g_free (self->config);
  g_free (self);
}

gboolean
dkms_kernel_has_headers (const DkmsKernel *self, const DkmsRoot *root)
{
  g_autofree char *include = g_build_filename (self->source_dir, "include", NULL);

  return openable_exists (root, include, TRUE);
}

GPtrArray *
dkms_kernel_list (const DkmsRoot *root, const char *install_tree, gboolean headers)
{
  g_auto (DkmsFd) fd = dkms_root_openat (root, install_tree, O_RDONLY | O_DIRECTORY, 0);
  GPtrArray *names = fd >= 0 ? dkms_list_dir_at (fd, ".", NULL) : NULL;

  if (names == NULL)
    return g_ptr_array_new_with_free_func (g_free);
  for (guint i = names->len; headers && i-- > 0;)
    {
      g_autoptr (DkmsKernel) kernel
          = dkms_kernel_new (root, install_tree, &(DkmsId){ .kernel = names->pdata[i], .arch = "" }, NULL, NULL);
      if (!dkms_kernel_has_headers (kernel, root))
        g_ptr_array_remove_index (names, i);
    }
  return names;
}

gboolean
dkms_kernel_is_gone (const DkmsRoot *root, const char *install_tree, const char *release)
{
  static const char *const parts[] = { "kernel", "build", "source", "modules.order", "modules.builtin", "vmlinuz" };
  g_autofree char *dir = g_build_filename (install_tree, release, NULL);
  gboolean gone = TRUE;

  if (!dkms_root_is_dir (root, dir))
    return TRUE;
  for (gsize i = 0; i < G_N_ELEMENTS (parts) && gone; i++)
    {
      g_auto (DkmsFd) fd = dkms_root_openat (root, dir, O_PATH | O_DIRECTORY, 0);
      gone = fd >= 0 && faccessat (fd, parts[i], F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
    }
  return gone;
}

char *
dkms_kernel_near (const DkmsRoot *root, const char *install_tree, const char *word)
{
  guint mark = dkms_unread_mark ();
  g_autoptr (GPtrArray) names = dkms_kernel_list (root, install_tree, FALSE);
  const char *longest = NULL;

  dkms_unread_drop (mark); /* this is only a hint */
  for (guint i = 0; i < names->len; i++)
    {
      const char *name = names->pdata[i];
      gsize rest = strlen (word) - MIN (strlen (word), strlen (name));

      /* vmlinuz-6.1.0-1, linux-headers-6.1.0-1, /lib/modules/6.1.0-1 */
      if (g_str_has_suffix (word, name) && rest > 0 && strchr ("-/", word[rest - 1]) != NULL
          && (longest == NULL || strlen (name) > strlen (longest)))
        longest = name;
    }
  return g_strdup (longest != NULL ? longest : dkms_nearest_in (word, names));
}

int
dkms_kernel_open_file (const DkmsRoot *root, const char *tool_path)
{
  if (root->has_shell)
    return dkms_root_openat (root, tool_path, DKMS_READ_FLAGS, 0);
  return openat (AT_FDCWD, tool_path, DKMS_READ_FLAGS);
}

char *
dkms_kernel_real_path (const DkmsRoot *root, const char *tool_path)
{
  g_autofree char *real = root->has_shell ? NULL : realpath (tool_path, NULL);

  return root->has_shell ? dkms_root_canonical (root, tool_path) : g_strdup (real);
}

char *
dkms_kernel_read_installed_config (const DkmsKernel *self, const DkmsRoot *root)
{
  g_autofree char *boot = g_strconcat ("/boot/config-", self->release, NULL);
  g_autofree char *beside = g_build_filename (self->dir, "config", NULL);
  char *text = dkms_root_read (root, boot, LARGEST_CONFIG, NULL, NULL);

  return text != NULL ? text : dkms_root_read (root, beside, LARGEST_CONFIG, NULL, NULL);
}

char *
dkms_kernel_read_config (const DkmsKernel *self, const DkmsRoot *root)
{
  g_auto (DkmsFd) fd = dkms_kernel_open_file (root, self->config);

  return dkms_read_fd (fd, self->config, LARGEST_CONFIG, NULL, NULL);
}

char *
dkms_kernel_read_built (const DkmsKernel *self, const DkmsRoot *root, const char *name)
{
  enum { LIMIT = 64 << 20 };
  g_autofree char *path = g_build_filename (self->source_dir, name, NULL);
  g_auto (DkmsFd) fd = dkms_kernel_open_file (root, path);

  return dkms_read_fd (fd, path, LIMIT, NULL, NULL);
}

gboolean
dkms_kernel_config_has (const char *config, const char *name)
{
  const char *value = dkms_kconfig_find (config, name);

  return value != NULL && (*value == 'y' || *value == 'm');
}

char *
dkms_kernel_config_value (const char *config, const char *name)
{
  const char *value = config != NULL ? dkms_kconfig_find (config, name) : NULL;

  if (value == NULL)
    return NULL;
  value += *value == '"';
  return g_strndup (value, strcspn (value, "\"\r\n"));
}

enum { SEEN_GZ = 1, SEEN_XZ = 2, SEEN_ZST = 4 };

static gboolean
look_at_suffix (const char *path, const char *name, unsigned char type, gpointer data)
{
  int *seen = data;

  if (g_str_has_suffix (name, ".ko.zst"))
    *seen |= SEEN_ZST;
  else if (g_str_has_suffix (name, ".ko.xz"))
    *seen |= SEEN_XZ;
  else if (g_str_has_suffix (name, ".ko.gz"))
    *seen |= SEEN_GZ;
  return (*seen & SEEN_ZST) == 0;
}

const char *
dkms_kernel_compression (const DkmsKernel *self, const DkmsRoot *root)
{
  g_auto (DkmsFd) fd = dkms_root_openat (root, self->dir, O_RDONLY | O_DIRECTORY, 0);
  int seen = 0;

  if (fd >= 0)
    dkms_each_file_at (fd, look_at_suffix, &seen);
  return (seen & SEEN_ZST) ? ".zst" : (seen & SEEN_XZ) ? ".xz" : (seen & SEEN_GZ) ? ".gz" : "";
}

gboolean
dkms_kernel_is_llvm (const DkmsKernel *self, const DkmsRoot *root, const char *config)
{
  g_autofree char *vmlinux = g_build_filename (self->source_dir, "vmlinux", NULL);

  if (openable_exists (root, vmlinux, FALSE))
    {
      const char *argv[]
          = { "/bin/bash", "-p", "-c", "readelf -p .comment \"$1\" | grep -q clang", "dkms", vmlinux, NULL };
      DkmsCommand command = { .argv = argv, .root = root, .output_fd = -2, .null_stdin = TRUE };

      return dkms_process_run (&command, NULL) == 0;
    }
  return dkms_kernel_config_has (config, "CONFIG_CC_IS_CLANG");
}

char *
dkms_kernel_find_tool (const DkmsRoot *root, const char *path, const char *program)
{
  const char *list = g_path_is_absolute (program) ? "/" : path != NULL ? path : "/usr/bin:/bin";
  g_auto (GStrv) dirs = g_strsplit (list, ":", -1);

  for (char **dir = dirs; *dir != NULL; dir++)
    {
      g_autofree char *file = g_build_filename (**dir != '\0' ? *dir : ".", program, NULL);
      if (root->has_shell ? dkms_root_is_file (root, file) : dkms_is_file_at (AT_FDCWD, file))
        return g_steal_pointer (&file);
    }
  return NULL;
}

char *
dkms_kernel_ask_tool (const DkmsRoot *root, const char *path, const char *option)
{
  const char *argv[] = { path, option, NULL };
  g_auto (GStrv) env = dkms_process_speak_english (g_get_environ ());
  const DkmsCommand command = { .argv = argv, .env = env, .root = root->has_shell ? root : NULL, .null_stdin = TRUE };
  int status = 0;
  g_autofree char *text = dkms_process_capture (&command, NULL, &status, NULL);

  if (text == NULL || status != 0)
    return NULL;
  text[strcspn (text, "\n")] = '\0';
  return g_steal_pointer (&text);
}

static gboolean
in_path (const DkmsRoot *root, char **env, const char *program)
{
  g_autofree char *file = dkms_kernel_find_tool (root, g_environ_getenv (env, "PATH"), program);

  return file != NULL;
}

/* Distributions may name the compiler of their kernel in .kernelvariables, a part of a makefile. */
static char *
compiler_of_kernelvariables (const DkmsKernel *self, const DkmsRoot *root, char **env)
{
  g_autofree char *path = g_build_filename (self->source_dir, ".kernelvariables", NULL);
  const char *argv[] = { "make",
                         "--no-print-directory",
                         "-s",
                         "-f",
                         path,
                         "--eval",
                         "dkms-cc:;@:$(if $(filter default undefined,$(origin CC)),,$(info $(CC)))",
                         "dkms-cc",
                         NULL };
  DkmsCommand command = { .argv = argv, .env = env, .root = root, .null_stdin = TRUE };
  int status = 0;
  g_autofree char *text
      = openable_exists (root, path, FALSE) ? dkms_process_capture (&command, NULL, &status, NULL) : NULL;

  if (text == NULL || status != 0 || *g_strchomp (text) == '\0')
    return NULL;
  return g_steal_pointer (&text);
}

/* Returns: (transfer full) (nullable): the compiler that built the kernel, by its configuration; NULL if it is not here
 */
static char *
compiler_of_config (const DkmsRoot *root, char **env, const char *config)
{
  const char *text = dkms_kconfig_find (config, "CONFIG_CC_VERSION_TEXT");

  if (dkms_kernel_config_has (config, "CONFIG_CC_IS_CLANG") && in_path (root, env, "clang"))
    return g_strdup ("clang");
  if (text == NULL)
    return NULL;
  text += *text == '"';
  gsize n = strcspn (text, " \n\"");
  g_autofree char *cc = g_strndup (text, n);
  return text[n] == ' ' && n > 0 && in_path (root, env, cc) ? g_steal_pointer (&cc) : NULL;
}

char **
dkms_kernel_compiler_env (const DkmsKernel *self, const DkmsRoot *root, const char *config, char **env)
{
  g_autofree char *of_config = compiler_of_config (root, env, config);
  /* make is asked only if its answer counts. */
  g_autofree char *cc = of_config == NULL ? compiler_of_kernelvariables (self, root, env) : g_strdup (of_config);

  env = g_environ_unsetenv (env, "CC");
  if (cc != NULL)
    env = g_environ_setenv (env, "CC", cc, TRUE);
  if (of_config != NULL)
    env = g_environ_setenv (env, "KERNEL_CC", of_config, TRUE);
  if (dkms_kernel_config_has (config, "CONFIG_LD_IS_LLD") && in_path (root, env, "ld.lld"))
    {
      env = g_environ_setenv (env, "LD", "ld.lld", TRUE);
      env = g_environ_setenv (env, "KERNEL_LD", "ld.lld", TRUE);
    }
  return env;
}
