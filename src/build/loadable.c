/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks whether the kernel will load the modules of a build: format, vermagic, symbols. */
#define _GNU_SOURCE
#include "build/loadable.h"

#include <elf.h>
#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "install/job.h"
#include "kernel/arch.h"
#include "kernel/module-file.h"
#include "store/layout.h"
#include "store/scan.h"

enum { NAMES_SHOWN = 3, MOST_TEXT = 64 << 20 };

/* ---- the output of the helper ---- */

/* Returns: (transfer full) (nullable): the facts of @files, paths of the host; NULL if the helper cannot run */
static GPtrArray *
ask_helper (const GPtrArray *files, int *status, GError **error)
{
  g_autofree char *helper = dkms_process_helper ("dkms-modinfo");
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  DkmsCommand command = { .null_stdin = TRUE };
  gsize size = 0;

  g_ptr_array_add (argv, helper);
  g_ptr_array_add (argv, (gpointer) "--facts");
  for (guint i = 0; i < files->len; i++)
    g_ptr_array_add (argv, files->pdata[i]);
  g_ptr_array_add (argv, NULL);
  command.argv = (const char *const *)argv->pdata;
  g_autofree char *text = dkms_process_capture (&command, &size, status, error);
  return text != NULL ? dkms_module_files_parse (text, size, files->len) : NULL;
}

/* ---- symbols ---- */

/* Copies the word of @size bytes at @at as a string, if it is short enough to be a symbol. */
static gboolean
copy_word (const char *at, gsize size, char word[static 512])
{
  if (size == 0 || size >= 512)
    return FALSE;
  memcpy (word, at, size);
  word[size] = '\0';
  return TRUE;
}

void
dkms_symvers_take (const char *text, GHashTable *wanted, GHashTable *differing)
{
  for (const char *line = text; *line != '\0' && g_hash_table_size (wanted) > 0;) /* checksum, name, module, ... */
    {
      const char *next = strchr (line, '\n'), *name = line + strcspn (line, "\t\n");
      char word[512];
      gpointer key, checksum;

      name += *name == '\t';
      if (copy_word (name, strcspn (name, "\t\n"), word)
          && g_hash_table_lookup_extended (wanted, word, &key, &checksum))
        {
          if (differing != NULL && checksum != NULL
              && g_ascii_strtoull (checksum, NULL, 16) != g_ascii_strtoull (line, NULL, 16))
            g_hash_table_add (differing, key);
          g_hash_table_remove (wanted, word);
        }
      line = next != NULL ? next + 1 : "";
    }
}

void
dkms_symbol_index_take (const char *text, GHashTable *wanted)
{
  static const char prefix[] = "alias symbol:";

  for (const char *line = text; *line != '\0' && g_hash_table_size (wanted) > 0;)
    {
      const char *next = strchr (line, '\n');
      char word[512];

      if (strncmp (line, prefix, sizeof prefix - 1) == 0
          && copy_word (line + sizeof prefix - 1, strcspn (line + sizeof prefix - 1, " \n"), word))
        g_hash_table_remove (wanted, word);
      line = next != NULL ? next + 1 : "";
    }
}

static void
take_exports (const DkmsModuleFile *file, GHashTable *wanted)
{
  for (guint i = 0; i < file->exports->len; i++)
    g_hash_table_remove (wanted, ((const DkmsModuleExport *)file->exports->pdata[i])->name);
}

/* Removes the exports of the modules of one build from the wanted symbols. Paths of modules that Module.symvers does
 * not list are added for the helper. */
static void
take_build (const DkmsPlaces *places, const DkmsVersion *v, const DkmsBuild *b, GHashTable *wanted, GPtrArray *paths)
{
  const DkmsId id = dkms_build_id (v, b);
  g_autofree char *dir = dkms_layout_build (places, &id, "module");
  g_auto (DkmsFd) fd = dkms_root_openat (places->root, dir, O_RDONLY | O_DIRECTORY, 0);
  g_autofree char *text = fd >= 0 ? dkms_read_at (fd, "Module.symvers", MOST_TEXT, NULL, NULL) : NULL;
  g_autoptr (GPtrArray) names = fd >= 0 && text == NULL ? dkms_list_dir_at (fd, ".", NULL) : NULL;

  if (text != NULL)
    dkms_symvers_take (text, wanted, NULL);
  for (guint i = 0; names != NULL && i < names->len; i++)
    if (strstr (names->pdata[i], ".ko") != NULL)
      {
        g_autofree char *path = g_build_filename (dir, names->pdata[i], NULL);
        g_ptr_array_add (paths, dkms_root_resolved (places->root, path));
      }
}

/* Removes the exports of registered modules: those of their build for this kernel, otherwise of any build. */
static void
take_registered (const DkmsJob *job, GHashTable *wanted)
{
  /* A module that cannot be read counts as without exports, which can cause a wrong doubt. */
  g_autoptr (DkmsState) state = dkms_state_read_most (&job->settings->places, NULL, NULL);
  g_autoptr (GPtrArray) paths = g_ptr_array_new_with_free_func (g_free);
  int status = 0;

  for (guint i = 0; state != NULL && i < state->versions->len && g_hash_table_size (wanted) > 0; i++)
    {
      const DkmsVersion *v = state->versions->pdata[i];
      const DkmsBuild *build
          = dkms_version_find (v, &(DkmsId){ .kernel = job->kernel->release, .arch = job->kernel->arch });

      if (strcmp (v->module, job->id.module) == 0)
        continue; /* the new build replaces it */
      if (build == NULL && v->builds->len > 0)
        build = v->builds->pdata[0];
      if (build != NULL)
        take_build (&job->settings->places, v, build, wanted, paths);
    }
  if (paths->len == 0 || g_hash_table_size (wanted) == 0)
    return;
  g_autoptr (GPtrArray) all = ask_helper (paths, &status, NULL);
  for (guint i = 0; all != NULL && i < all->len; i++)
    take_exports (all->pdata[i], wanted);
}

/* Removes the exports of all modules that are installed for the kernel, by the index of depmod. */
static void
take_installed (const DkmsJob *job, GHashTable *wanted)
{
  g_autofree char *path = g_build_filename (job->kernel->dir, "modules.symbols", NULL);
  g_autofree char *text = dkms_root_read (job->settings->places.root, path, MOST_TEXT, NULL, NULL);

  if (text != NULL)
    dkms_symbol_index_take (text, wanted);
}

/* ---- the kernel ---- */

char *
dkms_release_of_header (const char *text)
{
  static const char define[] = "#define UTS_RELEASE \"";
  const char *at = strstr (text, define);

  if (at == NULL)
    return NULL;
  at += sizeof define - 1;
  return g_strndup (at, strcspn (at, "\"\n"));
}

/* Returns: (transfer full) (nullable): the release of the headers. Modules contain the one in utsrelease.h; the other
 * file contains only a part of it on Debian. */
static char *
headers_release (const DkmsJob *job)
{
  const DkmsRoot *root = job->settings->places.root;
  g_autofree char *header = dkms_kernel_read_built (job->kernel, root, "include/generated/utsrelease.h");
  char *release = header != NULL ? dkms_release_of_header (header) : NULL;

  if (release != NULL)
    return release;
  release = dkms_kernel_read_built (job->kernel, root, "include/config/kernel.release");
  return release != NULL ? g_strstrip (release) : NULL;
}

/* ---- the judgement ---- */

typedef struct {
  const DkmsJob *job;
  const GPtrArray *files;
  GPtrArray *facts;
  char *headers; /* (nullable): release of the headers */
  GPtrArray *doubts;
  gboolean cached;      /* another build made the files, */
  gboolean contradicts; /* and they use other symbols than this kernel has */
} Judgement;

static void
judgement_clear (Judgement *self)
{
  g_free (self->headers);
  g_clear_pointer (&self->facts, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Judgement, judgement_clear)

/* @text, @name: (nullable): fields of @kind */
static gboolean
refuse (const Judgement *self, guint file, DkmsError kind, const char *text, const char *name, GError **error)
{
  return dkms_fail_with (
      error, &(const DkmsErrorInfo){
                 .kind = kind, .id = self->job->id, .path = self->files->pdata[file], .text = text, .name = name });
}

static gboolean
check_kind (const Judgement *self, guint i, int status, GError **error)
{
  const DkmsModuleFile *facts = self->facts->pdata[i];
  g_autofree char *died = DKMS_SAY (READER_CRASHED, .number = status - 128);

  if (facts->ended && facts->error == NULL)
    return TRUE;
  if (facts->error == NULL && status <= 128)
    return DKMS_FAIL (error, MODULE_UNREADABLE, .id = self->job->id, .path = self->files->pdata[i], .status = status);
  return refuse (self, i, DKMS_ERROR_NOT_A_MODULE, facts->error != NULL ? facts->error : died, NULL, error);
}

static gboolean
check_arch (const Judgement *self, guint i, GError **error)
{
  const DkmsModuleFile *facts = self->facts->pdata[i];
  const DkmsJob *job = self->job;
  guint bits = facts->class == ELFCLASS64 ? 64 : 32;
  gboolean big = facts->data == ELFDATA2MSB;
  DkmsArch arch;

  if ((!dkms_arch_of_config (job->config, &arch) && !dkms_arch_of_name (job->kernel->arch, &arch))
      || (arch.machine == facts->machine && arch.bits == bits && arch.big == big))
    return TRUE;
  g_autofree char *made_for = dkms_arch_describe (facts->machine, bits, big);
  return refuse (self, i, DKMS_ERROR_WRONG_ARCH, made_for, arch.name, error);
}

/* Adds a doubt: a sentence, and on the next line what to do. */
#define DOUBT(self, phrase, ...) g_ptr_array_add ((self)->doubts, DKMS_SAY (phrase, .id = (self)->job->id, __VA_ARGS__))

static char *
headers_package (const DkmsJob *job)
{
  return dkms_distro_headers_package (job->settings->policy.distro, job->settings->places.root, job->kernel->dir,
                                      job->kernel->release);
}

/* A kernel compares the whole vermagic. With CONFIG_MODVERSIONS, and a module that has checksums, it ignores the
 * release. */
static gboolean
check_vermagic (const Judgement *self, guint i, GError **error)
{
  const DkmsModuleFile *facts = self->facts->pdata[i];
  const DkmsJob *job = self->job;
  gboolean lenient
      = !self->cached
        && (job->config == NULL || (facts->versioned && dkms_kernel_config_has (job->config, "CONFIG_MODVERSIONS")));
  gboolean forces = job->config == NULL || dkms_kernel_config_has (job->config, "CONFIG_MODULE_FORCE_LOAD");
  g_autofree char *release = NULL;

  if (facts->vermagic == NULL)
    return forces || refuse (self, i, DKMS_ERROR_NO_VERMAGIC, NULL, NULL, error);
  release = g_strndup (facts->vermagic, strcspn (facts->vermagic, " "));
  if (strcmp (release, job->kernel->release) == 0)
    return TRUE;
  g_autofree char *shown = g_strescape (release, NULL);
  g_autofree char *package = headers_package (job);
  if (!lenient)
    return refuse (self, i, DKMS_ERROR_WRONG_KERNEL, shown, package, error);
  if (g_strcmp0 (self->headers, release) != 0) /* else doubt_headers() reports it */
    DOUBT (self, BUILT_FOR_OTHER, .path = self->files->pdata[i], .text = shown, .name = package);
  return TRUE;
}

static void
doubt_headers (const Judgement *self)
{
  const DkmsJob *job = self->job;
  g_autofree char *package = headers_package (job);

  if (self->headers != NULL && strcmp (self->headers, job->kernel->release) != 0)
    DOUBT (self, HEADERS_OF_OTHER, .path = job->kernel->source_dir, .text = self->headers, .name = package);
}

/* Returns: (transfer full): the first names of a set in byte order, for messages. */
static char *
name_some (GHashTable *set)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  g_autoptr (GString) text = g_string_new (NULL);
  GHashTableIter iter;
  gpointer name;

  g_hash_table_iter_init (&iter, set);
  while (g_hash_table_iter_next (&iter, &name, NULL))
    g_ptr_array_add (names, name);
  g_ptr_array_sort (names, dkms_compare_names);
  for (guint i = 0; i < MIN (names->len, NAMES_SHOWN); i++)
    {
      g_autofree char *shown = g_strescape (names->pdata[i], NULL);
      g_string_append_printf (text, "%s%s", i > 0 ? ", " : "", shown);
    }
  return names->len > NAMES_SHOWN ? DKMS_SAY (AND_MORE, .text = text->str, .number = names->len - NAMES_SHOWN)
                                  : g_strdup (text->str);
}

/* Adds a symbol to @needs, which borrows @name. @has_crc: whether the checksum @crc of the symbol is known */
static void
add_need (GHashTable *needs, const char *name, gboolean has_crc, guint32 crc)
{
  g_hash_table_insert (needs, (gpointer)name, has_crc ? g_strdup_printf ("0x%08x", crc) : NULL);
}

/* Returns the symbols that file @i needs, except those that the build exports. */
static GHashTable *
list_needs (const Judgement *self, guint i)
{
  const DkmsModuleFile *file = self->facts->pdata[i];
  GHashTable *needs = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, g_free);

  for (guint k = 0; k < file->imports->len; k++)
    {
      const DkmsImport *import = &g_array_index (file->imports, DkmsImport, k);
      if (!import->weak || import->has_crc)
        add_need (needs, import->name, import->has_crc, import->crc);
    }
  if (file->has_layout)
    add_need (needs, "module_layout", TRUE, file->layout);
  for (guint f = 0; f < self->facts->len; f++)
    take_exports (self->facts->pdata[f], needs);
  return needs;
}

/* Without Module.symvers, symbols get no checksums, and a kernel with CONFIG_MODVERSIONS requires them in every module.
 */
static void
doubt_without_symvers (const Judgement *self)
{
  const DkmsJob *job = self->job;
  guint needed = 0;

  for (guint i = 0; i < self->facts->len; i++)
    {
      g_autoptr (GHashTable) needs = list_needs (self, i);
      needed += g_hash_table_size (needs);
    }
  if (needed > 0 || (job->config != NULL && dkms_kernel_config_has (job->config, "CONFIG_MODVERSIONS")))
    DOUBT (self, NO_SYMVERS, .path = job->kernel->source_dir);
}

static void
doubt_symbols (Judgement *self, const char *dir)
{
  const DkmsJob *job = self->job;
  g_autofree char *own_path = g_build_filename (dir, "Module.symvers", NULL);
  g_autofree char *own = dkms_root_read (job->settings->places.root, own_path, MOST_TEXT, NULL, NULL);

  for (guint i = 0; i < self->facts->len; i++)
    {
      g_autoptr (GHashTable) needs = list_needs (self, i);
      g_autoptr (GHashTable) differing = g_hash_table_new (g_str_hash, g_str_equal);
      const char *file = self->files->pdata[i];

      if (g_hash_table_size (needs) == 0)
        continue;
      dkms_symvers_take (job->symvers, needs, differing);
      if (own != NULL)
        dkms_symvers_take (own, needs, NULL);
      if (g_hash_table_size (needs) > 0)
        take_registered (job, needs);
      if (g_hash_table_size (needs) > 0)
        take_installed (job, needs);
      g_autofree char *missing = name_some (needs);
      g_autofree char *other = name_some (differing);
      if (g_hash_table_size (needs) > 0)
        DOUBT (self, SYMBOLS_MISSING, .path = file, .text = missing);
      self->contradicts |= g_hash_table_size (differing) > 0;
      if (g_hash_table_size (differing) > 0)
        DOUBT (self, SYMBOLS_DIFFER, .path = file, .text = other);
    }
}

/* Fails if doubts are errors. */
static gboolean
allow (const DkmsJob *job, const GPtrArray *doubts, gboolean strict, GError **error)
{
  g_auto (GStrv) lines = NULL;

  if (doubts->len == 0 || !strict)
    return TRUE;
  lines = g_strsplit (doubts->pdata[0], "\n", 2);
  return DKMS_FAIL (error, MAY_NOT_LOAD, .id = job->id, .text = lines[0], .advice = lines[1]);
}

gboolean
dkms_loadable_judge (const DkmsJob *job, const char *dir, const GPtrArray *files, GPtrArray *doubts, GError **error)
{
  g_auto (Judgement) self = { .job = job, .files = files, .doubts = doubts };
  g_autoptr (GPtrArray) paths = g_ptr_array_new_with_free_func (g_free);
  int status = 0;

  /* Its key should have excluded a build from the cache that does not fit. */
  self.cached = job->attempt != NULL && job->attempt->cached != NULL;
  self.headers = headers_release (job);
  if (files->len == 0 || (self.headers == NULL && job->symvers == NULL))
    return TRUE;
  for (guint i = 0; i < files->len; i++)
    {
      g_autofree char *path = g_build_filename (dir, files->pdata[i], NULL);
      g_ptr_array_add (paths, dkms_root_resolved (job->settings->places.root, path));
    }
  self.facts = ask_helper (paths, &status, error);
  if (self.facts == NULL)
    return FALSE;
  for (guint i = 0; i < files->len; i++)
    if (!check_kind (&self, i, status, error) || !check_arch (&self, i, error) || !check_vermagic (&self, i, error))
      return FALSE;
  doubt_headers (&self);
  if (job->symvers == NULL)
    doubt_without_symvers (&self);
  else
    doubt_symbols (&self, dir);
  return allow (job, doubts, job->settings->policy.strict_symbols || (self.cached && self.contradicts), error);
}

gboolean
dkms_loadable_recall (const DkmsJob *job, const DkmsRecord *record, GError **error)
{
  if (!allow (job, record->doubts, job->settings->policy.strict_symbols, error))
    return FALSE;
  for (guint i = 0; i < record->doubts->len; i++)
    DKMS_EMIT (job->events, MAY_NOT_LOAD, .id = job->id, .text = record->doubts->pdata[i]);
  return TRUE;
}

gboolean
dkms_loadable_judge_record (const DkmsJob *job, const char *dir, DkmsRecord *record, GError **error)
{
  g_autoptr (GPtrArray) files = g_ptr_array_new ();

  for (guint i = 0; i < record->modules->len; i++)
    {
      const DkmsRecordModule *module = record->modules->pdata[i];
      if (module->file != NULL)
        g_ptr_array_add (files, module->file);
    }
  g_ptr_array_set_size (record->doubts, 0);
  record->checked = dkms_loadable_judge (job, dir, files, record->doubts, error);
  return record->checked && dkms_loadable_recall (job, record, error);
}
