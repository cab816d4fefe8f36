/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parses the output of dkms-modinfo --facts. The helper reads files of other parties, so its output may contain any
 * keys and values, in any order. */
#include "kernel/module-file.h"

#include <string.h>

#include "base/pairs.h"

static void
export_free (gpointer data)
{
  DkmsModuleExport *self = data;

  g_free (self->name);
  g_free (self->name_space);
  g_free (self);
}

static void
import_clear (gpointer data)
{
  DkmsImport *self = data;

  g_free ((char *)self->name);
}

static DkmsModuleFile *
file_new (void)
{
  DkmsModuleFile *self = g_new0 (DkmsModuleFile, 1);

  self->imports = g_array_new (FALSE, TRUE, sizeof (DkmsImport));
  g_array_set_clear_func (self->imports, import_clear);
  self->exports = g_ptr_array_new_with_free_func (export_free);
  return self;
}

void
dkms_module_file_free (DkmsModuleFile *self)
{
  if (self == NULL)
    return;
  g_free (self->error);
  g_free (self->sha256);
  g_free (self->compression);
  g_free (self->name);
  g_free (self->vermagic);
  g_free (self->license);
  g_free (self->srcversion);
  g_strfreev (self->namespaces);
  g_free (self->export_names);
  g_array_unref (self->imports);
  g_ptr_array_unref (self->exports);
  g_free (self);
}

/* ---- the output of the helper ---- */

typedef struct {
  DkmsModuleFile *file;
  GHashTable *versions; /* (element-type utf8 guint): symbol -> checksum */
  GHashTable *exports;  /* (element-type utf8 DkmsModuleExport): all that is known about exported symbols */
  GPtrArray *exported;  /* (element-type utf8): names, in order */
  GPtrArray *namespaces;
} Parser;

/* Symbols that compilers and linkers generate, and that kernels do not resolve. */
static gboolean
is_made_up (const char *name)
{
  static const char *const prefixes[]
      = { "_restgpr", "_savegpr", "_rest32gpr_", "_save32gpr_", "_restvr_", "_savevr_" };

  if (strcmp (name, "_GLOBAL_OFFSET_TABLE_") == 0 || strcmp (name, ".TOC.") == 0 || strcmp (name, "__this_module") == 0)
    return TRUE;
  for (gsize i = 0; i < G_N_ELEMENTS (prefixes); i++)
    if (g_str_has_prefix (name, prefixes[i]))
      return TRUE;
  return FALSE;
}

/* Returns: (transfer none): what is known about the exported symbol */
static DkmsModuleExport *
find_export (Parser *self, const char *name)
{
  DkmsModuleExport *item = g_hash_table_lookup (self->exports, name);

  if (item == NULL)
    {
      item = g_new0 (DkmsModuleExport, 1);
      item->name = g_strdup (name);
      g_hash_table_insert (self->exports, item->name, item);
    }
  return item;
}

/* The first value counts, as in kernels. */
static void
set_once (char **field, const char *value)
{
  if (*field == NULL)
    *field = g_strdup (value);
}

static gboolean
take_text (Parser *self, const char *key, const char *value)
{
  DkmsModuleFile *file = self->file;
  const struct {
    const char *key;
    char **field;
  } texts[] = { { "error", &file->error },
                { "sha256", &file->sha256 },
                { "compression", &file->compression },
                { "modinfo.name", &file->name },
                { "modinfo.vermagic", &file->vermagic },
                { "modinfo.license", &file->license },
                { "modinfo.srcversion", &file->srcversion } };

  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    if (strcmp (key, texts[i].key) == 0)
      return set_once (texts[i].field, value), TRUE;
  return FALSE;
}

static gboolean
take_number (Parser *self, const char *key, const char *value)
{
  DkmsModuleFile *file = self->file;
  const struct {
    const char *key;
    guint *number;
  } numbers[] = { { "class", &file->class },     { "data", &file->data },          { "type", &file->type },
                  { "machine", &file->machine }, { "struct", &file->struct_size }, { "tables", &file->symbol_tables },
                  { "unread", &file->unread } };
  const struct {
    const char *key;
    gboolean *answer;
  } answers[] = { { "end", &file->ended },
                  { "empty", &file->empty },
                  { "modinfo.intree", &file->in_tree },
                  { "versioned", &file->versioned },
                  { "extended", &file->extended },
                  { "btf", &file->has_btf },
                  { "btf-base", &file->has_btf_base } };

  for (gsize i = 0; i < G_N_ELEMENTS (numbers); i++)
    if (strcmp (key, numbers[i].key) == 0)
      return *numbers[i].number = (guint)g_ascii_strtoull (value, NULL, 10), TRUE;
  for (gsize i = 0; i < G_N_ELEMENTS (answers); i++)
    if (strcmp (key, answers[i].key) == 0)
      return *answers[i].answer = TRUE;
  return FALSE;
}

/* "CHECKSUM NAME" */
static void
take_checksum (Parser *self, const char *value, gboolean exported)
{
  const char *blank = strchr (value, ' ');
  guint32 crc = (guint32)g_ascii_strtoull (value, NULL, 16);

  if (blank == NULL)
    return;
  if (!exported)
    {
      g_hash_table_insert (self->versions, g_strdup (blank + 1), GUINT_TO_POINTER (crc));
      return;
    }
  DkmsModuleExport *item = find_export (self, blank + 1);
  item->has_crc = TRUE;
  item->crc = crc;
}

/* "NAME NAMESPACE" */
static void
take_space (Parser *self, const char *value)
{
  const char *blank = strchr (value, ' ');
  g_autofree char *name = blank != NULL ? g_strndup (value, (gsize)(blank - value)) : NULL;

  if (name != NULL)
    set_once (&find_export (self, name)->name_space, blank + 1);
}

static void
take_pair (Parser *self, const char *key, const char *value)
{
  gboolean weak = strcmp (key, "weak") == 0;

  if (take_number (self, key, value) || take_text (self, key, value))
    return;
  if (weak || strcmp (key, "undefined") == 0)
    {
      DkmsImport import = { .weak = weak };
      if (is_made_up (value))
        return;
      import.name = g_strdup (value);
      g_array_append_val (self->file->imports, import);
    }
  else if (strcmp (key, "version") == 0)
    take_checksum (self, value, FALSE);
  else if (strcmp (key, "crc") == 0)
    take_checksum (self, value, TRUE);
  else if (strcmp (key, "export") == 0)
    g_ptr_array_add (self->exported, find_export (self, value)->name);
  else if (strcmp (key, "gpl") == 0)
    find_export (self, value)->gpl_only = TRUE;
  else if (strcmp (key, "space") == 0)
    take_space (self, value);
  else if (strcmp (key, "modinfo.import_ns") == 0)
    g_ptr_array_add (self->namespaces, g_strdup (value));
}

/* Joins what was printed separately. */
static void
finish (Parser *self)
{
  DkmsModuleFile *file = self->file;
  gpointer crc;

  for (guint i = 0; i < file->imports->len; i++)
    {
      DkmsImport *import = &g_array_index (file->imports, DkmsImport, i);
      import->has_crc = g_hash_table_lookup_extended (self->versions, import->name, NULL, &crc);
      import->crc = import->has_crc ? GPOINTER_TO_UINT (crc) : 0;
    }
  file->has_layout = g_hash_table_lookup_extended (self->versions, "module_layout", NULL, &crc);
  file->layout = file->has_layout ? GPOINTER_TO_UINT (crc) : 0;
  file->export_names = g_new0 (const char *, self->exported->len + 1);
  for (guint i = 0; i < self->exported->len; i++)
    {
      gpointer item;
      /* A name that is exported twice was stolen before, and is in the list. */
      if (!g_hash_table_steal_extended (self->exports, self->exported->pdata[i], NULL, &item))
        continue;
      file->export_names[file->exports->len] = ((DkmsModuleExport *)item)->name;
      g_ptr_array_add (file->exports, item);
    }
  g_ptr_array_add (self->namespaces, NULL);
  file->namespaces = (char **)g_ptr_array_free (g_steal_pointer (&self->namespaces), FALSE);
  g_hash_table_unref (self->versions);
  g_hash_table_unref (self->exports);
  g_ptr_array_unref (self->exported);
}

GPtrArray *
dkms_module_files_parse (const char *text, gsize size, guint count)
{
  GPtrArray *all = g_ptr_array_new_with_free_func ((GDestroyNotify)dkms_module_file_free);
  const char *at = text, *end = size > 0 ? text + size : text, *key, *value;

  for (guint i = 0; i < count; i++)
    {
      Parser self = { .file = file_new (),
                      .versions = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL),
                      .exports = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, export_free),
                      .exported = g_ptr_array_new (),
                      .namespaces = g_ptr_array_new () };

      while (!self.file->ended && dkms_pairs_next (&at, end, &key, &value))
        take_pair (&self, key, value);
      finish (&self);
      g_ptr_array_add (all, self.file);
    }
  return all;
}

/* ---- facts ---- */

void
dkms_module_file_facts (const DkmsModuleFile *self, guint machine, DkmsLoadModule *to)
{
  to->is_empty = self->empty;
  to->is_module = self->ended && self->error == NULL;
  to->other_machine = machine != 0 && self->machine != machine;
  to->has_symbols = self->symbol_tables == 1;
  to->struct_size = self->struct_size;
  to->in_tree = self->in_tree;
  to->name = self->name;
  to->vermagic = self->vermagic;
  to->license = self->license;
  to->namespaces = (const char *const *)self->namespaces;
  to->has_crcs = self->versioned;
  to->may_lack_crcs = self->extended;
  to->has_layout = self->has_layout;
  to->layout = self->layout;
  to->imports = (const DkmsImport *)(gpointer)self->imports->data;
  to->n_imports = self->imports->len;
  to->exports = self->export_names;
  to->has_btf = self->has_btf;
}
