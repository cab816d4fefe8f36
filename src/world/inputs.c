/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Gathers the inputs of a build. */
#define _GNU_SOURCE
#include "world/inputs.h"

#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "base/unread.h"
#include "conf/overrides.h"
#include "kernel/btf.h"
#include "store/digests.h"
#include "store/layout.h"
#include "store/scan.h"
#include "world/environment.h"

typedef struct {
  DkmsWorld *world;
  DkmsDigests *digests;
  const DkmsSettings *settings;
  const DkmsId *id;
  const DkmsKernel *kernel;
  const char *config;     /* (nullable) */
  const DkmsInputs *made; /* (nullable): the inputs of the last attempt */
  DkmsInputs *inputs;
} Gathering;

/* ---- texts that are hashed ---- */

/* Adds @text with its NUL. @text: (nullable): NULL makes the digest unknown */
static void
add_text (GChecksum **sum, const char *text)
{
  if (text == NULL)
    g_clear_pointer (sum, g_checksum_free);
  if (*sum != NULL)
    g_checksum_update (*sum, (const guchar *)text, (gssize)strlen (text) + 1);
}

/* Returns: (transfer full) (nullable): the digest of the added texts, "-" if @any is FALSE */
static char *
end_texts (GChecksum *sum, gboolean any)
{
  return sum == NULL ? NULL : g_strdup (any ? g_checksum_get_string (sum) : "-");
}

/* ---- the source ---- */

static void
add_source (const Gathering *g)
{
  g_autofree char *path = dkms_layout_source (&g->settings->places, g->id, NULL);
  g_auto (DkmsFd) fd = dkms_root_openat (g->settings->places.root, path, O_RDONLY | O_DIRECTORY, 0);
  g_autofree char *digest
      = fd >= 0 || dkms_is_absent (errno) ? dkms_digests_tree (g->digests, path, fd, "dkms.conf") : NULL;

  dkms_inputs_set (g->inputs, "source", digest);
}

/* Adds the directory of patches and other files, and the text of override files. */
static void
add_admin (const Gathering *g, const GPtrArray *overrides)
{
  const DkmsRoot *root = g->settings->places.root;
  g_autofree char *dir = g_build_filename ("/etc/dkms", g->id->module, NULL);
  g_auto (DkmsFd) fd = dkms_root_openat (root, dir, O_RDONLY | O_DIRECTORY, 0);
  g_autofree char *files = fd >= 0 || dkms_is_absent (errno) ? dkms_digests_tree (g->digests, dir, fd, NULL) : NULL;
  GChecksum *sum = g_checksum_new (G_CHECKSUM_SHA256);

  add_text (&sum, files);
  for (guint i = 0; i < overrides->len; i++)
    {
      g_autofree char *text = dkms_root_read (root, overrides->pdata[i], 1 << 20, NULL, NULL);
      g_autofree char *plain = text != NULL ? dkms_overrides_text (text) : NULL;
      add_text (&sum, overrides->pdata[i]);
      add_text (&sum, plain);
    }
  g_autofree char *digest = end_texts (sum, fd >= 0 || overrides->len > 0);
  dkms_inputs_set (g->inputs, "admin", digest);
  g_clear_pointer (&sum, g_checksum_free);
}

/* Returns: (transfer full) (nullable): the digest of all bytes of dkms.conf and its overrides */
static char *
digest_texts (const Gathering *g, const GPtrArray *overrides)
{
  const DkmsRoot *root = g->settings->places.root;
  g_autofree char *conf = dkms_layout_source (&g->settings->places, g->id, "dkms.conf");
  GChecksum *sum = g_checksum_new (G_CHECKSUM_SHA256);
  char *digest;

  for (guint i = 0; i <= overrides->len; i++)
    {
      const char *path = i == 0 ? conf : overrides->pdata[i - 1];
      g_auto (DkmsFd) fd = dkms_root_openat (root, path, DKMS_READ_FLAGS, 0);
      g_autofree char *one = fd >= 0 ? dkms_digests_file (g->digests, path, fd) : NULL;
      add_text (&sum, i == 0 ? "dkms.conf" : path);
      add_text (&sum, one);
    }
  digest = end_texts (sum, TRUE);
  g_clear_pointer (&sum, g_checksum_free);
  return digest;
}

/* ---- the recipe ---- */

/* Replaces @path by @name if it is the whole text or the beginning of a path in it. */
static char *
replace_path (char *text, const char *path, const char *name)
{
  GString *result = g_string_new (NULL);
  gsize length = strlen (path);

  for (const char *at = text; *at != '\0';)
    {
      if (length > 1 && strncmp (at, path, length) == 0 && (at == text || at[-1] != '/')
          && (at[length] == '\0' || (!g_ascii_isalnum (at[length]) && strchr ("._-+", at[length]) == NULL)))
        {
          g_string_append (result, name);
          at += length;
        }
      else
        g_string_append_c (result, *at++);
    }
  g_free (text);
  return g_string_free (result, FALSE);
}

char *
dkms_world_normalise (DkmsWorld *self, const DkmsId *id, const char *text)
{
  static const char pattern[] = "-j *[0-9]+";
  const DkmsPlaces *places = &dkms_world_settings (self)->places;
  g_autofree char *build = dkms_layout_version (places, id, "build");
  const char *const inside[][2]
      = { { build, "@BUILD@" }, { places->dkms_tree, "@TREE@" }, { places->source_tree, "@SOURCE@" } };
  char *result = replace_path (g_strdup (text), dkms_world_kernel (self, id).kernel->source_dir, "@KERNEL@");
  g_autoptr (GRegex) jobs = g_regex_new (pattern, G_REGEX_RAW, 0, NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (inside); i++)
    {
      g_autofree char *path = dkms_root_tool_path (places->root, inside[i][0]);
      result = replace_path (result, path, inside[i][1]);
    }
  g_autofree char *before = result;
  return g_regex_replace_literal (jobs, before, -1, 0, "-j", 0, NULL);
}

static void
add_directive (const Gathering *g, const char *name, const char *text)
{
  g_autofree char *value = *text != '\0' ? dkms_world_normalise (g->world, g->id, text) : NULL;

  dkms_inputs_set (g->inputs, name, value);
}

static void
add_recipe (const Gathering *g, const DkmsRecipe *recipe)
{
  g_autofree char *build = dkms_layout_version (&g->settings->places, g->id, "build");
  g_autofree char *tool_build = dkms_root_tool_path (g->settings->places.root, build);
  g_autofree char *make = dkms_recipe_make (recipe, g->kernel, tool_build, FALSE);
  g_autoptr (GPtrArray) patches = dkms_recipe_patches (recipe);
  g_autoptr (GPtrArray) outputs = dkms_recipe_outputs (recipe, g->kernel, NULL, g->config);
  g_autofree char *depends = g_strjoinv (" ", recipe->depends);

  add_directive (g, "make", make);
  add_directive (g, "prebuild", recipe->scripts[DKMS_SCRIPT_PRE_BUILD]);
  add_directive (g, "postbuild", recipe->scripts[DKMS_SCRIPT_POST_BUILD]);
  add_directive (g, "depends", depends);
  for (guint i = 0; i < patches->len; i++)
    {
      g_autofree char *name = g_strdup_printf ("patch.%03u", i);
      dkms_inputs_set (g->inputs, name, patches->pdata[i]);
    }
  for (guint i = 0; i < outputs->len; i++)
    {
      const DkmsOutput *output = outputs->pdata[i];
      g_autofree char *name = g_strconcat ("output.", output->dest_name, NULL);
      g_autofree char *value
          = g_strdup_printf ("%s%s strip=%s", output->built_location, output->built_name, output->strip ? "yes" : "no");
      if (!output->excluded)
        dkms_inputs_set (g->inputs, name, value);
    }
}

/* ---- installed modules ---- */

/* The exports in a Module.symvers: name, version, kind and namespace of each, without paths. */
static char *
digest_exports (int fd, gpointer data)
{
  g_autofree char *text = dkms_read_fd (fd, "", 64 << 20, NULL, NULL);
  g_auto (GStrv) lines = g_strsplit (text != NULL ? text : "", "\n", -1);
  g_autoptr (GPtrArray) exports = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);

  (void)data;
  for (char **line = lines; *line != NULL; line++)
    {
      g_auto (GStrv) fields = g_strsplit (*line, "\t", -1);
      if (g_strv_length (fields) >= 4) /* CRC, name, path, kind, namespace */
        g_ptr_array_add (exports, g_strjoin (" ", fields[1], fields[0], fields[3], fields[4], NULL));
    }
  g_ptr_array_sort (exports, dkms_compare_names);
  for (guint i = 0; i < exports->len; i++)
    g_checksum_update (sum, exports->pdata[i], (gssize)strlen (exports->pdata[i]) + 1);
  return text != NULL ? g_strdup (g_checksum_get_string (sum)) : NULL;
}

/* Adds the installed versions of the modules that the build needs. Modules that are not installed are omitted. */
static void
add_depends (const Gathering *g)
{
  const DkmsPlaces *places = &g->settings->places;
  const char *known = dkms_inputs_get (g->inputs, "depends");
  g_auto (GStrv) names = g_strsplit (known != NULL ? known : "", " ", -1);

  for (char **name = names; *name != NULL; name++)
    {
      const DkmsId wanted = { *name, NULL, g->id->kernel, g->id->arch };
      g_autoptr (DkmsState) state
          = **name != '\0' ? dkms_state_read (places, &(DkmsId){ .module = *name }, NULL) : NULL;
      const DkmsVersion *v = state != NULL ? dkms_state_installed (state, &wanted) : NULL;
      if (v == NULL)
        continue;
      const DkmsId found = dkms_version_id (v, &wanted);
      g_autofree char *path = dkms_layout_build (places, &found, "module/Module.symvers");
      g_autofree char *key = g_strconcat ("exports ", path, NULL);
      g_auto (DkmsFd) fd = dkms_root_openat (places->root, path, DKMS_READ_FLAGS, 0);
      g_autofree char *digest
          = fd >= 0 || dkms_is_absent (errno) ? dkms_digests_value (g->digests, key, fd, digest_exports, NULL) : NULL;
      g_autofree char *input = g_strconcat ("depend.", *name, NULL);
      g_autofree char *value = digest != NULL ? g_strdup_printf ("%s %s", v->version, digest) : NULL;
      /* An omitted input would count as an absent module. */
      dkms_inputs_set (g->inputs, input, value != NULL || g->made == NULL ? value : dkms_inputs_get (g->made, input));
    }
}

/* ---- the kernel and its compiler ---- */

static char *
compute_btf (int fd, gpointer data)
{
  (void)data;
  return dkms_btf_digest (fd);
}

static void
add_kernel_file (const Gathering *g, const char *input, const char *path)
{
  g_auto (DkmsFd) fd = dkms_kernel_open_file (g->settings->places.root, path);
  gboolean known = fd >= 0 || dkms_is_absent (errno);
  g_autofree char *digest = known ? dkms_digests_file (g->digests, path, fd) : NULL;

  dkms_inputs_set (g->inputs, input, digest);
}

static void
add_kernel (const Gathering *g)
{
  const char *dir = g->kernel->source_dir;
  g_autofree char *symvers = g_build_filename (dir, "Module.symvers", NULL);
  g_autofree char *release = g_build_filename (dir, "include/generated/utsrelease.h", NULL);
  g_autofree char *vmlinux = g_build_filename (dir, "vmlinux", NULL);
  g_autofree char *btf = NULL;

  add_kernel_file (g, "symvers", symvers);
  add_kernel_file (g, "config", g->kernel->config);
  add_kernel_file (g, "release", release);
  if (g->config != NULL && dkms_kernel_config_has (g->config, "CONFIG_DEBUG_INFO_BTF_MODULES"))
    {
      g_autofree char *key = g_strconcat ("btf ", vmlinux, NULL);
      g_auto (DkmsFd) fd = dkms_kernel_open_file (g->settings->places.root, vmlinux);
      btf = fd >= 0 || dkms_is_absent (errno) ? dkms_digests_value (g->digests, key, fd, compute_btf, NULL) : NULL;
    }
  else if (g->config != NULL)
    btf = g_strdup ("-");
  dkms_inputs_set (g->inputs, "btf", btf);
}

typedef struct {
  const Gathering *gathering;
  const char *path;
} Compiler;

/* Returns the first line of the compiler's --version. */
static char *
ask_version (int fd, gpointer data)
{
  const Compiler *self = data;
  char *line = dkms_kernel_ask_tool (self->gathering->settings->places.root, self->path, "--version");

  (void)fd;
  return line != NULL ? g_strdelimit (line, "\t", ' ') : NULL;
}

static void
add_compiler (const Gathering *g)
{
  const DkmsRoot *root = g->settings->places.root;
  const char *path = dkms_world_path (g->world);
  char **given = g_environ_setenv (g_get_environ (), "PATH", path != NULL ? path : "", path != NULL);
  g_auto (GStrv) env = dkms_kernel_compiler_env (g->kernel, root, g->config, given);
  const char *cc = g_environ_getenv (env, "CC");
  g_autofree char *file = dkms_kernel_find_tool (root, path, cc != NULL ? cc : "gcc");
  g_auto (DkmsFd) fd = file != NULL ? dkms_kernel_open_file (root, file) : -1;
  const Compiler compiler = { g, file };

  if (fd < 0)
    return;
  g_autofree char *key = g_strconcat ("version ", file, NULL);
  g_autofree char *version = dkms_digests_value (g->digests, key, fd, ask_version, (gpointer)&compiler);
  g_autofree char *value = version != NULL ? g_strdup_printf ("%s %s", cc != NULL ? cc : "gcc", version) : NULL;
  dkms_inputs_set (g->inputs, "compiler", value);
}

static void
add_environment (const Gathering *g)
{
  static const char *const names[] = { "ARCH",
                                       "CC",
                                       "CFLAGS_MODULE",
                                       "CROSS_COMPILE",
                                       "EXTRA_CFLAGS",
                                       "KAFLAGS",
                                       "KBUILD_EXTRA_SYMBOLS",
                                       "KCFLAGS",
                                       "KCPPFLAGS",
                                       "KDIR",
                                       "LD",
                                       "LLVM",
                                       "LLVM_IAS",
                                       "V" };
  const DkmsPolicy *policy = &g->settings->policy;
  const char *file = policy->build_environment;
  g_auto (GStrv) passed = g_strsplit_set (policy->cache_environment, " \t", -1);
  gboolean all = !dkms_world_is_reproducible (g->world);
  GChecksum *sum = g_checksum_new (G_CHECKSUM_SHA256);
  gboolean any = FALSE;

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    if (g_getenv (names[i]) != NULL && (all || g_strv_contains ((const char *const *)passed, names[i])))
      {
        add_text (&sum, names[i]);
        add_text (&sum, g_getenv (names[i]));
        any = TRUE;
      }
  if (*file != '\0' && dkms_root_is_file (g->settings->places.root, file))
    {
      g_autofree char *text = dkms_root_read (g->settings->places.root, file, 1 << 20, NULL, NULL);
      add_text (&sum, text);
      any = TRUE;
    }
  g_autofree char *digest = end_texts (sum, any);
  dkms_inputs_set (g->inputs, "environment", digest);
  g_clear_pointer (&sum, g_checksum_free);
}

/* Adds the inputs that are the same for all modules of a kernel. */
static void
gather_of_kernel (const Gathering *g)
{
  add_kernel (g);
  add_compiler (g);
  add_environment (g);
}

/* Adds them. Comparisons with earlier builds share them. A build that begins has no earlier attempt here and gathers
 * its own, because the kernel may have changed since the plan was made. */
static void
add_of_kernel (const Gathering *g)
{
  DkmsInputs **shared = dkms_world_kernel_inputs (g->world, g->id);

  if (g->made == NULL)
    {
      gather_of_kernel (g);
      return;
    }
  if (*shared == NULL)
    {
      Gathering of_kernel = *g;
      of_kernel.inputs = *shared = dkms_inputs_new (&(DkmsId){ .kernel = g->id->kernel, .arch = g->id->arch });
      gather_of_kernel (&of_kernel);
    }
  dkms_inputs_copy (g->inputs, *shared);
}

/* ---- all of it ---- */

/* Copies the values of the recipe from the last attempt, if its files are unchanged. */
static gboolean
copy_recipe (const Gathering *g, const DkmsAttempt *made, const char *texts)
{
  static const char *const names[] = { "source", "config" };

  if (made == NULL || made->inputs == NULL || texts == NULL || g_strcmp0 (made->texts, texts) != 0)
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    if (g_strcmp0 (dkms_inputs_get (made->inputs, names[i]), dkms_inputs_get (g->inputs, names[i])) != 0)
      return FALSE;
  dkms_inputs_copy_recipe (g->inputs, made->inputs);
  return TRUE;
}

DkmsInputs *
dkms_world_inputs (DkmsWorld *self, const DkmsId *id, const DkmsAttempt *made, char **texts)
{
  guint mark = dkms_unread_mark ();
  DkmsKernelFacts facts = dkms_world_kernel (self, id);
  const Gathering g = { .world = self,
                        .digests = dkms_world_digests (self),
                        .settings = dkms_world_settings (self),
                        .id = id,
                        .kernel = facts.kernel,
                        .config = facts.config,
                        .made = made != NULL ? made->inputs : NULL,
                        .inputs = dkms_inputs_new (id) };
  g_autoptr (GPtrArray) overrides = dkms_overrides_list (&g.settings->places, id);

  add_source (&g);
  add_admin (&g, overrides);
  add_of_kernel (&g);
  *texts = digest_texts (&g, overrides);
  if (!copy_recipe (&g, made, *texts))
    {
      const DkmsRecipe *recipe = dkms_world_recipe (self, id, NULL);
      if (recipe != NULL)
        add_recipe (&g, recipe);
      else if (g.made != NULL)
        dkms_inputs_copy_recipe (g.inputs, g.made);
    }
  add_depends (&g);
  dkms_unread_drop (mark); /* a file that cannot be read is not an input */
  return g.inputs;
}

/* Whether the version has only a dkms.conf, as one from an archive of binaries. */
static gboolean
is_without_source (const DkmsPlaces *places, const DkmsId *id)
{
  g_autofree char *source = dkms_layout_source (places, id, NULL);
  g_autofree char *target = dkms_root_read_link (places->root, source);

  return target == NULL;
}

guint
dkms_world_changes (DkmsWorld *self, const DkmsId *id, const DkmsAttempt *made)
{
  g_autofree char *texts = NULL;

  if (made == NULL || made->inputs == NULL || is_without_source (&dkms_world_settings (self)->places, id))
    return 0;
  g_autoptr (DkmsInputs) now = dkms_world_inputs (self, id, made, &texts);
  return dkms_inputs_compare (made->inputs, now);
}
