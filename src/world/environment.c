/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes the defined environment of builds, and asks the compiler whether it can leave out where they are. */
#define _GNU_SOURCE
#include "world/environment.h"

#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "base/process.h"
#include "build/environment.h"
#include "kernel/kernel.h"
#include "store/layout.h"

/* A question to the compiler. */
typedef struct {
  const DkmsRoot *root;
  const char *compiler;
} Question;

gboolean
dkms_world_is_reproducible (const DkmsWorld *self)
{
  const DkmsPolicy *policy = &dkms_world_settings (self)->policy;

  return policy->reproducible && policy->sandbox != DKMS_SANDBOX_OFF;
}

const char *
dkms_world_path (const DkmsWorld *self)
{
  return dkms_world_is_reproducible (self) ? DKMS_DEFINED_PATH : g_getenv ("PATH");
}

/* Returns: (transfer full): "yes" if the compiler knows the option, else "no" */
static char *
try_option (int fd, gpointer data)
{
  const Question *self = data;
  const char *argv[] = { self->compiler, "-ffile-prefix-map=a=b", "-E", "-x", "c", "/dev/null", NULL };
  const DkmsRoot *root = self->root->has_shell ? self->root : NULL;
  const DkmsCommand command = { .argv = argv, .root = root, .output_fd = -2, .null_stdin = TRUE };

  (void)fd;
  return g_strdup (dkms_process_run (&command, NULL) == 0 ? "yes" : "no");
}

/* Whether the compiler in @env can write another path in place of the directory of the build. gcc can from 8 on. */
static gboolean
compiler_maps (DkmsWorld *self, char **env)
{
  const DkmsRoot *root = dkms_world_settings (self)->places.root;
  const char *cc = g_environ_getenv (env, "CC");
  g_autofree char *file
      = dkms_kernel_find_tool (root, g_environ_getenv (env, "PATH"), cc != NULL && *cc != '\0' ? cc : "gcc");
  g_auto (DkmsFd) fd = file != NULL ? dkms_kernel_open_file (root, file) : -1;
  const Question question = { root, file };

  if (fd < 0)
    return FALSE;
  g_autofree char *key = g_strconcat ("prefix-map ", file, NULL);
  g_autofree char *answer = dkms_digests_value (dkms_world_digests (self), key, fd, try_option, (gpointer)&question);
  return g_strcmp0 (answer, "yes") == 0;
}

/* Whether @path can be in an option, which shells and makefiles split. */
static gboolean
is_plain (const char *path)
{
  return path != NULL
         && path[strspn (path, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._+-~@:,")] == '\0';
}

/* Returns: (transfer full) (nullable): the options of compilers that replace the directory of the build, and that of
 * the headers unless it is the usual one; NULL if that is impossible. -ffile-prefix-map for the headers would override
 * an option of kbuild. */
static char *
map_options (DkmsWorld *self, const DkmsId *id)
{
  const DkmsPlaces *places = &dkms_world_settings (self)->places;
  const char *replaced = dkms_world_request (self)->build_place;
  g_autofree char *build = dkms_layout_version (places, id, "build");
  g_autofree char *place = dkms_root_tool_path (places->root, build);
  g_autofree char *usual = g_strdup_printf ("/usr/src/%s-%s", id->module, id->version);
  g_autofree char *headers = dkms_kernel_real_path (places->root, dkms_world_kernel (self, id).kernel->source_dir);
  g_autofree char *usual_headers = g_strconcat ("/usr/src/linux-headers-", id->kernel, NULL);
  const char *to = replaced != NULL ? replaced : usual;
  GString *options;

  if (!is_plain (place) || !is_plain (to))
    return NULL;
  options = g_string_new (NULL);
  g_string_printf (options, "-ffile-prefix-map=%s=%s", place, to);
  if (is_plain (headers) && is_plain (usual_headers) && strcmp (headers, usual_headers) != 0)
    g_string_append_printf (options, " -fdebug-prefix-map=%s=%s", headers, usual_headers);
  return g_string_free (options, FALSE);
}

char **
dkms_world_environment (DkmsWorld *self, const DkmsId *id, gboolean *mapped)
{
  const DkmsKernelFacts facts = dkms_world_kernel (self, id);
  const DkmsJob job = { .settings = dkms_world_settings (self),
                        .request = dkms_world_request (self),
                        .events = dkms_world_events (self),
                        .id = *id,
                        .kernel = facts.kernel,
                        .config = facts.config,
                        .confined = TRUE };
  gboolean defined = dkms_world_is_reproducible (self);

  *mapped = FALSE;
  if (!defined && job.request->build_place == NULL)
    return NULL;
  char **env = defined ? dkms_environment_defined (&job) : dkms_environment_of_caller (&job);
  g_autofree char *options = compiler_maps (self, env) ? map_options (self, id) : NULL;
  *mapped = options != NULL;
  return options != NULL ? dkms_environment_add_flags (env, options) : env;
}
