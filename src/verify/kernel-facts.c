/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads what is known about a kernel. */
#define _GNU_SOURCE
#include "verify/kernel-facts.h"

#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/pairs.h"
#include "base/unread.h"
#include "kernel/kernel.h"
#include "store/answers.h"
#include "verify/kernel-places.h"
#include "verify/lookup.h"

void
dkms_kernel_reading_free (DkmsKernelReading *self)
{
  if (self == NULL)
    return;
  g_free (self->release);
  g_free (self->image);
  g_free (self->unread);
  g_free (self->build);
  g_free (self->config);
  g_free (self->vermagic);
  g_free (self->btf);
  g_ptr_array_unref (self->certificates);
  dkms_symbol_table_free (self->symbols);
  g_free (self);
}

/* ---- helpers ---- */

/* Asks a helper about @path, of the host. @what: for the name of the answer; @argv: the words before @path */
static GBytes *
ask (const DkmsPlaces *places, const char *what, const char *const *argv, const char *path, GError **error)
{
  g_autofree char *name = g_strdelimit (g_strdup (what), "/", '_');
  g_autoptr (GPtrArray) files = g_ptr_array_new ();

  g_ptr_array_add (files, (gpointer)path);
  return dkms_answers_ask (places, name, argv, files, error);
}

/* Returns: (transfer full) (nullable): what the module @path, inside the root, says about itself; NULL if it cannot be
 * read */
static DkmsModuleFile *
ask_module (const DkmsPlaces *places, const char *name, const char *path)
{
  g_autofree char *host = dkms_root_resolved (places->root, path);
  g_autoptr (GPtrArray) paths = g_ptr_array_new ();
  g_autoptr (GError) ignored = NULL;

  g_ptr_array_add (paths, host);
  g_autoptr (GPtrArray) all = dkms_module_files_remembered (places, name, paths, &ignored);
  const DkmsModuleFile *file = all != NULL ? all->pdata[0] : NULL;
  return file != NULL && file->ended && file->unread == 0 && file->error == NULL ? g_ptr_array_steal_index (all, 0)
                                                                                 : NULL;
}

/* ---- the image ---- */

/* Takes the answer about an image, except its symbols. Returns: FALSE if the helper could not read the image */
static gboolean
take_image (DkmsKernelReading *self, GBytes *answer)
{
  const char *end, *at = dkms_pairs_begin (answer, &end), *key, *value;
  gboolean ended = FALSE;

  while (dkms_pairs_next (&at, end, &key, &value))
    {
      if (strcmp (key, "error") == 0)
        dkms_replace_text (&self->unread, value);
      else if (strcmp (key, "version") == 0 && strstr (value, " #") != NULL)
        dkms_replace_text (&self->build, strstr (value, " #") + 1);
      else if (strcmp (key, "vermagic") == 0)
        dkms_replace_text (&self->vermagic, value);
      else if (strcmp (key, "btf") == 0)
        dkms_replace_text (&self->btf, value);
      else if (strcmp (key, "end") == 0)
        ended = TRUE;
      else if (strcmp (key, "certificate") == 0)
        {
          GBytes *certificate = dkms_bytes_of_hex (value);
          if (certificate != NULL)
            g_ptr_array_add (self->certificates, certificate);
        }
    }
  return ended && self->unread == NULL;
}

/* Whether the answer about an image tells its release, and it is not that of @self. */
static gboolean
is_other_release (const DkmsKernelReading *self, GBytes *answer)
{
  const char *end, *at = dkms_pairs_begin (answer, &end), *key, *value;

  while (dkms_pairs_next (&at, end, &key, &value))
    if (strcmp (key, "version") == 0)
      return strncmp (value, self->release, strlen (self->release)) != 0 || value[strlen (self->release)] != ' ';
  return FALSE;
}

/* Reads the image @path inside the root. @must_match: whether only an image that tells the release of the kernel
 * counts. Returns: FALSE if it does not exist, or is of another kernel */
static gboolean
read_image (DkmsKernelReading *self, const DkmsPlaces *places, const char *path, gboolean must_match)
{
  const char *const argv[] = { "dkms-facts", "kernel", self->release, NULL };
  g_auto (DkmsFd) fd = dkms_root_openat (places->root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
  int code = errno;
  g_autofree char *host = dkms_root_resolved (places->root, path);
  g_autofree char *what = g_strconcat ("kernel-", self->release, NULL);
  g_autoptr (GError) error = NULL;

  if (fd < 0 && (dkms_is_absent (code) || must_match))
    return FALSE;
  if (fd < 0)
    {
      dkms_replace_text (&self->image, path);
      dkms_replace_text (&self->unread, g_strerror (code));
      self->needs_root = code == EACCES || code == EPERM;
      return TRUE;
    }
  g_autoptr (GBytes) answer = ask (places, what, argv, host, &error);
  if (answer != NULL && is_other_release (self, answer))
    return FALSE;
  if (answer == NULL && must_match)
    return FALSE;
  dkms_replace_text (&self->image, path);
  g_clear_pointer (&self->unread, g_free);
  self->needs_root = FALSE;
  if (answer == NULL)
    dkms_replace_text (&self->unread, error->message);
  else if (take_image (self, answer) && dkms_symbol_table_add (self->symbols, g_steal_pointer (&answer)) > 0)
    self->confidence = DKMS_CONFIDENCE_CERTAIN;
  return TRUE;
}

static void
find_image (DkmsKernelReading *self, const DkmsPlaces *places, const DkmsKernel *kernel, const char *image)
{
  g_autoptr (GPtrArray) candidates = image == NULL ? dkms_kernel_images (places->root, kernel) : NULL;

  if (image != NULL && !read_image (self, places, image, FALSE))
    {
      const gboolean exists = dkms_root_is_file (places->root, image);
      dkms_replace_text (&self->image, image);
      dkms_replace_text (&self->unread, exists ? "it is the image of another kernel" : g_strerror (ENOENT));
    }
  /* An image that only root can read may have a copy for all. */
  for (guint i = 0; candidates != NULL && i < candidates->len && (self->image == NULL || self->needs_root); i++)
    {
      const DkmsKernelPlace *place = candidates->pdata[i];
      (void)read_image (self, places, place->path, place->must_match || self->needs_root);
    }
}

/* ---- other sources ---- */

/* A module of the kernel itself tells what all its modules have in common. */
static void
read_sample (DkmsKernelReading *self, const DkmsPlaces *places, const DkmsKernel *kernel)
{
  g_autoptr (GPtrArray) paths = dkms_kernel_own_modules (places->root, kernel);
  g_autofree char *what = g_strconcat ("sample-", self->release, NULL);

  for (guint i = 0; i < paths->len && self->struct_size == 0; i++)
    {
      g_autoptr (DkmsModuleFile) file = ask_module (places, what, paths->pdata[i]);

      if (file == NULL || !file->in_tree)
        continue;
      self->struct_size = file->struct_size;
      self->machine = file->machine;
      if (self->vermagic == NULL)
        self->vermagic = g_strdup (file->vermagic);
      if (file->has_layout)
        dkms_symbol_table_add_crc (self->symbols, "module_layout", file->layout);
    }
}

static void
read_config (DkmsKernelReading *self, const DkmsPlaces *places, const DkmsKernel *kernel)
{
  self->config = dkms_kernel_read_installed_config (kernel, places->root);
  if (self->config == NULL)
    self->config = dkms_kernel_read_built (kernel, places->root, ".config");
  if (self->config == NULL)
    self->config = dkms_kernel_read_config (kernel, places->root);
}

/* Compares the list of symbols @symvers with those of the image. The result is remembered: reading the list takes
 * longer than all other checks. */
static void
compare_symvers (DkmsKernelReading *self, const DkmsPlaces *places, char *symvers)
{
  const char *const argv[] = { "dkms-facts", "symvers", NULL };
  g_autofree char *name = g_strconcat ("headers-", self->release, NULL),
                  *what = g_strconcat ("symvers-", self->release, NULL),
                  *image = dkms_root_resolved (places->root, self->image);
  g_autoptr (GPtrArray) files = g_ptr_array_new ();
  g_autoptr (GError) ignored = NULL; /* a list that cannot be read is no source */

  g_ptr_array_add (files, image);
  g_ptr_array_add (files, symvers);
  g_autofree char *key = dkms_answers_key (files);
  g_autoptr (GBytes) known = key != NULL ? dkms_answers_recall (places, name, key) : NULL;
  g_autoptr (GBytes) answer = known == NULL ? ask (places, what, argv, symvers, &ignored) : NULL;
  if (known != NULL && g_bytes_get_size (known) == 1)
    self->other_headers = *(const char *)g_bytes_get_data (known, NULL) == '1';
  if (answer == NULL)
    return;
  self->other_headers = dkms_symbol_table_differs (self->symbols, g_steal_pointer (&answer));
  g_autoptr (GBytes) result = g_bytes_new_static (self->other_headers ? "1" : "0", 1);
  if (key != NULL)
    dkms_answers_remember (places, name, key, result);
}

/* Reads Module.symvers, in place of the image or to compare it with the image. */
static void
read_symvers (DkmsKernelReading *self, const DkmsPlaces *places, const DkmsKernel *kernel)
{
  const char *const argv[] = { "dkms-facts", "symvers", NULL };
  gboolean known = self->confidence == DKMS_CONFIDENCE_CERTAIN, done = FALSE;
  g_autoptr (GPtrArray) paths = dkms_kernel_symvers (places->root, kernel, known);
  g_autofree char *what = g_strconcat ("symvers-", self->release, NULL);

  for (guint i = 0; i < paths->len && !done; i++)
    {
      g_autoptr (GError) ignored = NULL; /* a list that cannot be read is no source */
      if (known)
        {
          compare_symvers (self, places, paths->pdata[i]);
          continue;
        }
      g_autoptr (GBytes) answer = ask (places, what, argv, paths->pdata[i], &ignored);
      if (answer != NULL)
        done = dkms_symbol_table_add (self->symbols, g_steal_pointer (&answer)) > 0;
    }
  if (done)
    self->confidence = DKMS_CONFIDENCE_LIKELY;
}

DkmsKernelReading *
dkms_kernel_reading_new (const DkmsSettings *settings, const char *release, const char *image)
{
  const DkmsPlaces *places = &settings->places;
  DkmsKernelReading *self = g_new0 (DkmsKernelReading, 1);
  g_autoptr (DkmsKernel) kernel = dkms_kernel_new (
      places->root, places->install_tree, &(DkmsId){ .kernel = release, .arch = dkms_running_machine () }, NULL, NULL);
  guint mark = dkms_unread_mark ();

  self->release = g_strdup (release);
  self->certificates = g_ptr_array_new_with_free_func ((GDestroyNotify)g_bytes_unref);
  self->symbols = dkms_symbol_table_new ();
  find_image (self, places, kernel, image);
  read_symvers (self, places, kernel);
  read_sample (self, places, kernel);
  read_config (self, places, kernel);
  /* A list in place of an image that exists, but that this user cannot read, may be of another build. */
  if (self->confidence == DKMS_CONFIDENCE_CERTAIN || (self->confidence == DKMS_CONFIDENCE_LIKELY && !self->needs_root))
    dkms_symbol_table_set_absent (self->symbols, DKMS_NO);
  dkms_unread_drop (mark); /* the reading says what is not known */
  return self;
}

/* ---- modules that provide symbols ---- */

/* Returns: (transfer full) (element-type utf8): "symbol:NAME" for each import of @files that the table lacks */
static GPtrArray *
list_missing (const DkmsKernelReading *self, const GPtrArray *files)
{
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; i < files->len; i++)
    {
      const DkmsModuleFile *file = files->pdata[i];
      for (guint k = 0; k < file->imports->len; k++)
        {
          const char *name = g_array_index (file->imports, DkmsImport, k).name;
          if (dkms_symbol_table_find (self->symbols, name).found != DKMS_YES && g_hash_table_add (seen, (gpointer)name))
            g_ptr_array_add (names, g_strconcat ("symbol:", name, NULL));
        }
    }
  return names;
}

/* Adds the exports of the module @path. Returns: FALSE if it cannot be read */
static gboolean
add_provider (DkmsKernelReading *self, const DkmsPlaces *places, const char *name, const char *path)
{
  g_autofree char *what = g_strconcat ("module-", self->release, "-", name, NULL);
  g_autoptr (DkmsModuleFile) file = ask_module (places, what, path);

  if (file != NULL)
    dkms_symbol_table_add_module (self->symbols, file);
  return file != NULL;
}

void
dkms_kernel_reading_provide (DkmsKernelReading *self, const DkmsSettings *settings, const GPtrArray *files,
                             GHashTable **providers)
{
  const DkmsPlaces *places = &settings->places;
  g_autoptr (GPtrArray) names = list_missing (self, files);
  g_autoptr (GError) ignored = NULL;
  g_autoptr (GPtrArray) found
      = names->len > 0 ? dkms_lookup_remembered (places, self->release, "symbols", names, &ignored) : NULL;
  GHashTable *added = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);

  *providers = added;
  if (names->len > 0 && found == NULL) /* there is no index: any module may provide them */
    dkms_symbol_table_set_absent (self->symbols, DKMS_DONT_KNOW);
  for (guint i = 0; found != NULL && i < found->len; i++)
    {
      const DkmsModuleLookup *lookup = found->pdata[i];
      const char *symbol = strchr (names->pdata[i], ':') + 1;

      for (guint k = 0; k < MIN (lookup->modules->len, lookup->paths->len); k++)
        {
          const char *name = lookup->modules->pdata[k], *path = lookup->paths->pdata[k];
          if (g_hash_table_contains (added, name))
            continue;
          if (add_provider (self, places, name, path))
            g_hash_table_insert (added, g_strdup (name), g_strdup (path));
          else
            dkms_symbol_table_add_unknown (self->symbols, symbol);
        }
    }
}

/* ---- facts ---- */

static DkmsSymbol
find_symbol (gconstpointer data, const char *name)
{
  return dkms_symbol_table_find (data, name);
}

/* Whether @release is at least Linux @major.@minor. */
static gboolean
is_since (const char *release, guint64 major, guint64 minor)
{
  char *rest;
  guint64 has = g_ascii_strtoull (release, &rest, 10);

  return has > major || (has == major && *rest == '.' && g_ascii_strtoull (rest + 1, NULL, 10) >= minor);
}

static gboolean
is_set (const DkmsKernelReading *self, const char *option)
{
  return self->config != NULL && dkms_kernel_config_has (self->config, option);
}

void
dkms_kernel_reading_facts (const DkmsKernelReading *self, DkmsLoadKernel *to)
{
  to->vermagic = self->vermagic;
  to->struct_size = self->struct_size;
  to->compares_struct_size = is_since (self->release, 6, 4);
  to->modversions = self->config != NULL ? is_set (self, "CONFIG_MODVERSIONS")
                                         : self->vermagic != NULL && strstr (self->vermagic, " modversions ") != NULL;
  to->force_load = is_set (self, "CONFIG_MODULE_FORCE_LOAD");
  to->missing_namespaces = is_set (self, "CONFIG_MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS");
  to->btf_mismatch = is_set (self, "CONFIG_MODULE_ALLOW_BTF_MISMATCH");
  to->symbol = find_symbol;
  to->data = self->symbols;
}
