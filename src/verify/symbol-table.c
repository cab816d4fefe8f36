/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A hash table whose keys and values lie in few blocks: a kernel exports more than 10,000 symbols, and each run of
 * verify reads them. */
#include "verify/symbol-table.h"

#include <string.h>

#include "base/pairs.h"

struct DkmsSymbolTable {
  GHashTable *symbols; /* name -> DkmsSymbol; both are in @blocks */
  GPtrArray *blocks;
  DkmsKnown absent;
};

DkmsSymbolTable *
dkms_symbol_table_new (void)
{
  DkmsSymbolTable *self = g_new0 (DkmsSymbolTable, 1);

  self->symbols = g_hash_table_new (g_str_hash, g_str_equal);
  self->blocks = g_ptr_array_new_with_free_func (g_free);
  self->absent = DKMS_DONT_KNOW;
  return self;
}

void
dkms_symbol_table_free (DkmsSymbolTable *self)
{
  if (self == NULL)
    return;
  g_hash_table_unref (self->symbols);
  g_ptr_array_unref (self->blocks);
  g_free (self);
}

static gpointer
keep (DkmsSymbolTable *self, gpointer block)
{
  g_ptr_array_add (self->blocks, block);
  return block;
}

static void
insert (DkmsSymbolTable *self, const char *name, DkmsSymbol *symbol)
{
  if (!g_hash_table_contains (self->symbols, name))
    g_hash_table_insert (self->symbols, (gpointer)name, symbol);
}

/* Splits "CRC NAME KIND SPACE" in place. Returns: (nullable): the name */
static const char *
read_symbol (char *value, DkmsSymbol *symbol)
{
  char *name = strchr (value, ' '), *kind = name != NULL ? strchr (name + 1, ' ') : NULL,
       *space = kind != NULL ? strchr (kind + 1, ' ') : NULL;

  if (space == NULL)
    return NULL;
  *name = *kind = *space = '\0';
  symbol->found = DKMS_YES;
  symbol->has_crc = strcmp (value, "-") != 0;
  symbol->crc = symbol->has_crc ? (guint32)g_ascii_strtoull (value, NULL, 16) : 0;
  symbol->gpl_only = strcmp (kind + 1, "gpl") == 0;
  symbol->name_space = space[1] != '\0' ? space + 1 : NULL;
  return name + 1;
}

guint
dkms_symbol_table_add (DkmsSymbolTable *self, GBytes *answer)
{
  gsize size;
  char *text = keep (self, g_bytes_unref_to_data (answer, &size));
  const char *end = size > 0 ? text + size : text, *key, *value;
  guint count = 0, used = 0;

  for (const char *at = text; dkms_pairs_next (&at, end, &key, &value);)
    count += strcmp (key, "symbol") == 0;
  DkmsSymbol *symbols = keep (self, g_new0 (DkmsSymbol, count));
  for (const char *at = text; dkms_pairs_next (&at, end, &key, &value);)
    {
      /* The value is split after @at has left it. */
      const char *name = strcmp (key, "symbol") == 0 ? read_symbol (text + (value - text), &symbols[used]) : NULL;
      if (name != NULL)
        insert (self, name, &symbols[used++]);
    }
  return used;
}

/* Returns: (transfer none): a copy of @name (nullable) in the table */
static const char *
copy_name (DkmsSymbolTable *self, const char *name)
{
  return name != NULL ? keep (self, g_strdup (name)) : NULL;
}

void
dkms_symbol_table_add_module (DkmsSymbolTable *self, const DkmsModuleFile *file)
{
  DkmsSymbol *symbols = keep (self, g_new0 (DkmsSymbol, file->exports->len));
  const char *owner = copy_name (self, file->name != NULL ? file->name : "");

  for (guint i = 0; i < file->exports->len; i++)
    {
      const DkmsModuleExport *export = file->exports->pdata[i];

      symbols[i] = (DkmsSymbol){ .found = DKMS_YES,
                                 .gpl_only = export->gpl_only,
                                 .name_space = copy_name (self, export->name_space),
                                 .has_crc = export->has_crc,
                                 .crc = export->crc,
                                 .of_proprietary = !dkms_load_is_gpl (file->license),
                                 .owner = owner };
      insert (self, copy_name (self, export->name), &symbols[i]);
    }
}

void
dkms_symbol_table_add_crc (DkmsSymbolTable *self, const char *name, guint32 crc)
{
  DkmsSymbol *symbol = keep (self, g_new0 (DkmsSymbol, 1));

  *symbol = (DkmsSymbol){ .found = DKMS_YES, .has_crc = TRUE, .crc = crc };
  insert (self, copy_name (self, name), symbol);
}

void
dkms_symbol_table_add_unknown (DkmsSymbolTable *self, const char *name)
{
  DkmsSymbol *symbol = keep (self, g_new0 (DkmsSymbol, 1));

  symbol->found = DKMS_DONT_KNOW;
  insert (self, copy_name (self, name), symbol);
}

void
dkms_symbol_table_set_absent (DkmsSymbolTable *self, DkmsKnown absent)
{
  self->absent = absent;
}

DkmsSymbol
dkms_symbol_table_find (const DkmsSymbolTable *self, const char *name)
{
  const DkmsSymbol *symbol = g_hash_table_lookup (self->symbols, name);

  return symbol != NULL ? *symbol : (DkmsSymbol){ .found = self->absent };
}

gboolean
dkms_symbol_table_differs (const DkmsSymbolTable *self, GBytes *answer)
{
  gsize size;
  g_autofree char *text = g_bytes_unref_to_data (answer, &size);
  const char *at = text, *end = size > 0 ? text + size : text, *key, *value;
  gboolean differs = FALSE;

  while (!differs && dkms_pairs_next (&at, end, &key, &value))
    {
      DkmsSymbol other = { .found = DKMS_NO };
      const char *name = strcmp (key, "symbol") == 0 ? read_symbol (text + (value - text), &other) : NULL;
      const DkmsSymbol *symbol = name != NULL ? g_hash_table_lookup (self->symbols, name) : NULL;

      differs = symbol != NULL && symbol->has_crc && other.has_crc && symbol->crc != other.crc;
    }
  return differs;
}
