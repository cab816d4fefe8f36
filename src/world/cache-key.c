/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Gathers what a key of the build cache depends on besides the inputs of each build. */
#define _GNU_SOURCE
#include "world/cache-key.h"

#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "base/unread.h"
#include "kernel/btf.h"
#include "model/inputs.h"
#include "store/digests.h"
#include "store/layout.h"
#include "store/scan.h"
#include "world/environment.h"
#include "world/inputs.h"

typedef struct {
  DkmsDigests *digests;
  const DkmsRoot *root;
  DkmsKernelFacts facts;
  const char *path; /* (nullable): PATH of the build */
  GPtrArray *lines; /* (element-type utf8): "NAME DIGEST" */
  gboolean unknown; /* something could not be read */
} Gathering;

/* @digest: (nullable): NULL: it cannot be read */
static void
add_line (Gathering *g, const char *name, const char *digest)
{
  if (digest == NULL || strcmp (digest, "-") == 0)
    g->unknown = TRUE;
  else
    g_ptr_array_add (g->lines, g_strconcat (name, " ", digest, "\n", NULL));
}

/* Returns: (transfer full) (nullable): the digest of the sorted lines; NULL if something is unknown */
static char *
digest_lines (Gathering *g)
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);

  g_ptr_array_sort (g->lines, dkms_compare_names);
  for (guint i = 0; i < g->lines->len; i++)
    g_checksum_update (sum, g->lines->pdata[i], (gssize)strlen (g->lines->pdata[i]));
  return g->unknown ? NULL : g_strdup (g_checksum_get_string (sum));
}

static void
add_file (Gathering *g, const char *name, const char *path)
{
  g_auto (DkmsFd) fd = dkms_kernel_open_file (g->root, path);
  g_autofree char *digest = fd >= 0 ? dkms_digests_file (g->digests, path, fd) : NULL;

  add_line (g, name, digest);
}

/* ---- the kernel ---- */

/* A directory that builds read. */
typedef struct {
  char *path;       /* as tools name it, without links; the key in store/digests.h */
  GPtrArray *links; /* (element-type utf8): where links in it lead */
} Tree;

static void
tree_clear (Tree *self)
{
  g_clear_pointer (&self->path, g_free);
  g_clear_pointer (&self->links, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Tree, tree_clear)

/* Adds the tree @path under the name @role. @tree: (out) (nullable): the tree; its path is NULL if it does not exist */
static void
add_tree (Gathering *g, const char *role, const char *path, Tree *tree)
{
  g_autofree char *real = dkms_kernel_real_path (g->root, path);
  g_autoptr (GPtrArray) links = g_ptr_array_new_with_free_func (g_free);
  g_auto (DkmsFd) fd = real != NULL ? dkms_kernel_open_file (g->root, real) : -1;
  struct stat st;

  if (fd < 0 || fstat (fd, &st) < 0 || !S_ISDIR (st.st_mode))
    {
      g->unknown |= real != NULL; /* it exists */
      return;
    }
  g_autofree char *digest = dkms_digests_tree_links (g->digests, real, fd, links);
  add_line (g, role, digest);
  if (tree != NULL)
    *tree = (Tree){ g_steal_pointer (&real), g_steal_pointer (&links) };
}

/* Adds the file or the tree @path, unless it belongs to one of @trees. A link that leads nowhere is part of its tree.
 */
static void
add_place (Gathering *g, const char *kind, guint *number, const char *path, const Tree trees[2])
{
  g_autofree char *real = dkms_kernel_real_path (g->root, path);
  g_auto (DkmsFd) fd = real != NULL ? dkms_kernel_open_file (g->root, real) : -1;
  struct stat st;

  if (real == NULL || dkms_path_is_in (real, trees[0].path)
      || (trees[1].path != NULL && dkms_path_is_in (real, trees[1].path)))
    return;
  g_autofree char *name = g_strdup_printf ("%s.%u", kind, ++*number);
  if (fd >= 0 && fstat (fd, &st) == 0 && S_ISREG (st.st_mode))
    add_file (g, name, real);
  else
    add_tree (g, name, real, NULL);
}

/* Adds the directories of the files that the Makefile of @tree includes. Debian and SUSE split headers that way. */
static void
add_included (Gathering *g, const Tree *tree, guint *number, const Tree trees[2])
{
  g_autofree char *path = g_build_filename (tree->path, "Makefile", NULL);
  g_auto (DkmsFd) fd = dkms_kernel_open_file (g->root, path);
  g_autofree char *text = fd >= 0 ? dkms_read_fd (fd, path, 1 << 20, NULL, NULL) : NULL;
  g_auto (GStrv) lines = g_strsplit (text != NULL ? text : "", "\n", -1);

  for (char **line = lines; *line != NULL; line++)
    if (g_str_has_prefix (*line, "include /"))
      {
        g_autofree char *dir = g_path_get_dirname (g_strstrip (*line + strlen ("include ")));
        add_place (g, "include", number, dir, trees);
      }
}

/* Returns: (transfer full) (nullable): the digest of what builds read of the kernel */
static char *
digest_headers (Gathering *g)
{
  g_auto (Tree) build = { 0 }, source = { 0 };
  g_autofree char *source_link = g_build_filename (g->facts.kernel->dir, "source", NULL);
  g_autofree char *source_path = dkms_root_tool_path (g->root, source_link);
  guint includes = 0, links = 0;

  add_tree (g, "build", g->facts.kernel->source_dir, &build);
  if (build.path == NULL)
    return NULL;
  add_tree (g, "source", source_path, &source);
  const Tree trees[2] = { build, source };
  for (gsize i = 0; i < G_N_ELEMENTS (trees); i++)
    if (trees[i].path != NULL && (i == 0 || strcmp (trees[i].path, build.path) != 0))
      {
        add_included (g, &trees[i], &includes, trees);
        for (guint j = 0; j < trees[i].links->len; j++)
          add_place (g, "link", &links, trees[i].links->pdata[j], trees);
      }
  return digest_lines (g);
}

/* ---- the tools ---- */

/* A question to the compiler. */
typedef struct {
  const Gathering *g;
  const char *compiler, *program;
} Question;

/* Returns: (transfer full) (nullable): the path, or the name, of the program that the compiler uses */
static char *
ask_program (int fd, gpointer data)
{
  const Question *self = data;
  g_autofree char *option = g_strconcat ("-print-prog-name=", self->program, NULL);

  (void)fd;
  return dkms_kernel_ask_tool (self->g->root, self->compiler, option);
}

static void
add_tool (Gathering *g, const char *name, const char *program)
{
  g_autofree char *file = dkms_kernel_find_tool (g->root, g->path, program);

  if (file != NULL)
    add_file (g, name, file);
  else
    g->unknown = TRUE;
}

/* Adds the program @name of the compiler in the file @compiler. */
static void
add_part (Gathering *g, const char *compiler, const char *name)
{
  const Question question = { g, compiler, name };
  g_autofree char *key = g_strconcat ("program ", name, " ", compiler, NULL);
  g_auto (DkmsFd) fd = dkms_kernel_open_file (g->root, compiler);
  g_autofree char *program
      = fd >= 0 ? dkms_digests_value (g->digests, key, fd, ask_program, (gpointer)&question) : NULL;

  if (program == NULL)
    g->unknown = TRUE;
  else
    add_tool (g, name, program);
}

/* Returns: (transfer full) (nullable): the digest of the programs that make a module */
static char *
digest_tools (Gathering *g, const DkmsInputs *inputs)
{
  static const char *const gnu[]
      = { "ld", "objcopy", "strip" },
      *const llvm[] = { "ld.lld", "llvm-objcopy", "llvm-strip" }, *const all[] = { "make", "bash" };
  const char *compiler = dkms_inputs_get (inputs, "compiler"), *btf = dkms_inputs_get (inputs, "btf");
  g_auto (GStrv) words = g_strsplit (compiler != NULL ? compiler : "", " ", 2);
  g_autofree char *file = words[0] != NULL ? dkms_kernel_find_tool (g->root, g->path, words[0]) : NULL;
  g_autofree char *base = file != NULL ? g_path_get_basename (file) : NULL;
  gboolean is_clang = base != NULL && g_str_has_prefix (base, "clang");

  if (file == NULL || words[1] == NULL)
    return NULL;
  add_line (g, "version", words[1]);
  if (is_clang)
    add_file (g, "clang", file);
  else
    {
      add_part (g, file, "cc1");
      add_part (g, file, "as");
    }
  for (gsize i = 0; i < G_N_ELEMENTS (gnu); i++)
    add_tool (g, gnu[i], is_clang ? llvm[i] : gnu[i]);
  for (gsize i = 0; i < G_N_ELEMENTS (all); i++)
    add_tool (g, all[i], all[i]);
  if (btf != NULL && strcmp (btf, "-") != 0) /* without pahole, kbuild makes no BTF */
    {
      g_autofree char *pahole = dkms_kernel_find_tool (g->root, g->path, "pahole");
      if (pahole != NULL)
        add_file (g, "pahole", pahole);
    }
  return digest_lines (g);
}

/* ---- the environment ---- */

/* Whether the variable changes no build. */
static gboolean
is_harmless (const char *name)
{
  static const char *const names[]
      = { "HOME",    "USER",      "LOGNAME", "PWD",   "OLDPWD", "SHLVL",     "TERM",     "SHELL", "MAIL",
          "DISPLAY", "LS_COLORS", "COLUMNS", "LINES", "_",      "MAKEFLAGS", "LANGUAGE", NULL };
  static const char *const beginnings[]
      = { "SSH_",  "SUDO_",       "XDG_",     "DBUS_",    "DEBCONF_",         "DEBIAN_", "DPKG_", "APT_",
          "DKMS_", "INVOCATION_", "JOURNAL_", "SYSTEMD_", "MEMORY_PRESSURE_", "LC_",     "LANG" };

  for (gsize i = 0; i < G_N_ELEMENTS (beginnings); i++)
    if (g_str_has_prefix (name, beginnings[i]))
      return TRUE;
  return g_strv_contains (names, name);
}

/* The values are in the record of the build, which others can read; they may be secrets, so only digests are. */
static void
add_variable (DkmsInputs *inputs, const char *pair, gboolean (*is_omitted) (const char *name))
{
  g_auto (GStrv) parts = g_strsplit (pair, "=", 2);

  if (parts[0] == NULL || parts[1] == NULL || is_omitted (parts[0]))
    return;
  g_autofree char *name = g_strconcat ("env.", parts[0], NULL);
  g_autofree char *digest = g_compute_checksum_for_string (G_CHECKSUM_SHA256, parts[1], -1);
  dkms_inputs_set (inputs, name, digest);
}

/* Adds the variables that the caller passes to the build, and its place. */
static void
add_environment_of_caller (DkmsWorld *world, const char *place, DkmsInputs *inputs)
{
  const GPtrArray *directives = dkms_world_request (world)->directives;
  g_auto (GStrv) env = g_get_environ ();

  for (char **pair = env; *pair != NULL; pair++)
    add_variable (inputs, *pair, is_harmless);
  for (guint i = 0; i < directives->len; i++)
    add_variable (inputs, directives->pdata[i], is_harmless);
  dkms_inputs_set (inputs, "env.place", place);
}

/* Whether a command in the recipe overrides the options that leave the place of the build out of what is compiled. */
static gboolean
sets_flags (const DkmsInputs *inputs)
{
  static const char *const names[] = { "make", "prebuild" };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      const char *text = dkms_inputs_get (inputs, names[i]);
      if (text != NULL && (strstr (text, "KCFLAGS") != NULL || strstr (text, "KAFLAGS") != NULL))
        return TRUE;
    }
  return FALSE;
}

/* Whether a variable of a defined environment is about the jobs or the root. */
static gboolean
is_of_dkms (const char *name)
{
  return g_str_has_prefix (name, "DKMS_");
}

static void
add_environment_of_build (DkmsWorld *world, const DkmsId *id, char *const *env, DkmsInputs *inputs)
{
  for (char *const *pair = env; *pair != NULL; pair++)
    {
      g_autofree char *plain = dkms_world_normalise (world, id, *pair);
      add_variable (inputs, plain, is_of_dkms);
    }
}

static void
add_environment (DkmsWorld *world, const DkmsId *id, DkmsInputs *inputs)
{
  const DkmsPlaces *places = &dkms_world_settings (world)->places;
  g_autofree char *build = dkms_layout_version (places, id, "build");
  g_autofree char *place = dkms_root_tool_path (places->root, build);
  gboolean mapped = FALSE;
  g_auto (GStrv) env = dkms_world_is_reproducible (world) ? dkms_world_environment (world, id, &mapped) : NULL;

  if (env == NULL)
    {
      add_environment_of_caller (world, place, inputs);
      return;
    }
  add_environment_of_build (world, id, env, inputs);
  if (!mapped || sets_flags (inputs))
    dkms_inputs_set (inputs, "env.place", place);
}

/* ---- modules that the build needs ---- */

/* Returns: (transfer full) (nullable): the digest of the files that POST_BUILD left beside the modules of @id, and that
 * other builds read; "-": none; NULL if one cannot be read */
static char *
digest_extras (DkmsWorld *world, const DkmsId *id)
{
  const DkmsPlaces *places = &dkms_world_settings (world)->places;
  g_autoptr (GPtrArray) lines = g_ptr_array_new_with_free_func (g_free);
  Gathering g = { .digests = dkms_world_digests (world), .root = places->root, .lines = lines };
  g_autofree char *base = dkms_layout_build (places, id, NULL);
  g_auto (DkmsFd) dir = dkms_root_openat (places->root, base, O_RDONLY | O_DIRECTORY, 0);
  g_autoptr (GPtrArray) names = dir >= 0 ? dkms_list_dir_at (dir, ".", NULL) : NULL;

  for (guint i = 0; names != NULL && i < names->len; i++)
    {
      const char *name = names->pdata[i];
      g_autofree char *path = g_build_filename (base, name, NULL);
      if (*name == '.' || dkms_is_dir_at (dir, name))
        continue;
      g_auto (DkmsFd) fd = openat (dir, name, DKMS_READ_FLAGS | O_NOFOLLOW);
      g_autofree char *digest = fd >= 0 ? dkms_digests_file (g.digests, path, fd) : NULL;
      add_line (&g, name, digest);
    }
  return names == NULL ? NULL : lines->len == 0 && !g.unknown ? g_strdup ("-") : digest_lines (&g);
}

/* Adds to the inputs about installed modules the digests of such files. Returns: FALSE if one cannot be known */
static gboolean
add_extras (DkmsWorld *world, const DkmsId *id, DkmsInputs *inputs)
{
  const char *known = dkms_inputs_get (inputs, "depends");
  g_auto (GStrv) names = g_strsplit (known != NULL ? known : "", " ", -1);

  for (char **name = names; *name != NULL; name++)
    {
      g_autofree char *input = g_strconcat ("depend.", *name, NULL);
      const char *value = dkms_inputs_get (inputs, input);
      g_auto (GStrv) parts = g_strsplit (value != NULL ? value : "", " ", 2);
      if (parts[0] == NULL)
        continue; /* it is not installed */
      g_autofree char *extras = digest_extras (world, &(DkmsId){ *name, parts[0], id->kernel, id->arch });
      g_autofree char *all = g_strjoin (" ", value, extras, NULL);
      if (extras == NULL)
        return FALSE;
      dkms_inputs_set (inputs, input, all);
    }
  return TRUE;
}

/* ---- all of it ---- */

/* Reads what belongs to the kernel, once in a run. @inputs: those of the build that begins */
static const DkmsInputs *
find_of_kernel (DkmsWorld *world, const DkmsId *id, const DkmsInputs *inputs)
{
  DkmsInputs **shared = dkms_world_kernel_cache_inputs (world, id);
  const DkmsSettings *settings = dkms_world_settings (world);

  if (*shared == NULL)
    {
      g_autoptr (GPtrArray) lines = g_ptr_array_new_with_free_func (g_free);
      Gathering g = { .digests = dkms_world_digests (world),
                      .root = settings->places.root,
                      .facts = dkms_world_kernel (world, id),
                      .path = dkms_world_path (world),
                      .lines = lines };
      g_autofree char *headers = digest_headers (&g);
      g_ptr_array_set_size (lines, 0);
      g.unknown = FALSE;
      g_autofree char *tools = digest_tools (&g, inputs);
      *shared = dkms_inputs_new (&(DkmsId){ .kernel = id->kernel, .arch = id->arch });
      dkms_inputs_set (*shared, "headers", headers);
      dkms_inputs_set (*shared, "tools", tools);
      dkms_digests_save (g.digests);
    }
  return *shared;
}

DkmsInputs *
dkms_world_cache_inputs (DkmsWorld *self, const DkmsId *id, const DkmsInputs *inputs)
{
  guint mark = dkms_unread_mark ();
  const DkmsInputs *of_kernel = dkms_inputs_are_complete (inputs) ? find_of_kernel (self, id, inputs) : NULL;
  g_autoptr (DkmsInputs) all = dkms_inputs_new (id);

  dkms_inputs_copy (all, inputs);
  gboolean known = of_kernel != NULL && dkms_inputs_get (of_kernel, "headers") != NULL
                   && dkms_inputs_get (of_kernel, "tools") != NULL && add_extras (self, id, all);
  dkms_unread_drop (mark); /* what cannot be read has no key */
  if (!known)
    return NULL;
  dkms_inputs_copy (all, of_kernel);
  add_environment (self, id, all);
  return g_steal_pointer (&all);
}
