/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reduces a module file to the parts that depmod reads. */
#include "helpers/module-stub.h"

#include <elf.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "helpers/elf-image.h"

enum { MOST_SECTIONS = 64, VERSION_ENTRY = 64 }; /* of a stub; bytes of an entry of __versions */

static const char odd_layout[] = "its layout is unusual";
static const char no_memory[] = "there is not enough memory";

/* A section of the stub. */
typedef struct {
  unsigned origin;  /* its number in the file; 0 for the names of sections */
  const char *name; /* in the file, or constant */
  size_t label;     /* offset of its name in the names of sections */
  size_t offset, size;
} Part;

typedef struct {
  ElfImage in;
  uint64_t table; /* offset of the section headers */
  unsigned count, names_index, symtab_index, strtab_index, versions_index;
  ElfSection names;
  Part parts[MOST_SECTIONS];
  unsigned n_parts;
  uint8_t *out;
  size_t size, room;
} Job;

/* ---- reading ---- */

static bool
begins_with (const char *name, const char *prefix)
{
  return strncmp (name, prefix, strlen (prefix)) == 0;
}

/* Whether depmod reads the section, or a symbol of an export is in it. Symbols and their names are not meant. */
static bool
is_kept (const char *name)
{
  return strcmp (name, ".modinfo") == 0 || begins_with (name, "__version_ext_") || begins_with (name, "__ksymtab")
         || begins_with (name, "__kcrctab");
}

static bool
read_section (const Job *job, unsigned index, ElfSection *section)
{
  return elf_read_section (&job->in, job->table, index, section)
         && (section->type == SHT_NOBITS || elf_lies_inside (&job->in, section->offset, section->size));
}

/* depmod takes one of two sections with the same name. Returns: whether @name is new, and there is room */
static bool
add_part (Job *job, unsigned origin, const char *name)
{
  for (unsigned i = 0; i < job->n_parts; i++)
    if (strcmp (job->parts[i].name, name) == 0)
      return false;
  if (job->n_parts == MOST_SECTIONS)
    return false;
  job->parts[job->n_parts++] = (Part){ .origin = origin, .name = name };
  return true;
}

/* Notes the first section with a name that only one may have. */
static bool
note_index (unsigned *index, unsigned i)
{
  if (*index != 0)
    return false;
  *index = i;
  return true;
}

/* Finds sections by their names, as depmod does. Returns: (nullable): why depmod could find something else */
static const char *
find_sections (Job *job)
{
  ElfSection section;
  bool good = true;

  for (unsigned i = 1; i < job->count && good; i++)
    {
      if (!read_section (job, i, &section))
        return "it is cut off";
      const char *name = elf_text_at (&job->in, &job->names, section.name);
      if (name == NULL)
        return odd_layout;
      bool symbols = strcmp (name, ".symtab") == 0, strings = strcmp (name, ".strtab") == 0;
      bool versions = strcmp (name, "__versions") == 0;

      good = symbols == (section.type == SHT_SYMTAB) && (!strings || section.type == SHT_STRTAB);
      if (symbols)
        good = good && note_index (&job->symtab_index, i);
      else if (strings)
        good = good && note_index (&job->strtab_index, i);
      else if (versions)
        good = good && section.type != SHT_NOBITS && note_index (&job->versions_index, i);
      else if (is_kept (name))
        good = good && section.type != SHT_NOBITS && add_part (job, i, name);
    }
  if (!good)
    return odd_layout;
  for (unsigned i = 0; i < job->n_parts; i++)
    if (strcmp (job->parts[i].name, ".modinfo") == 0)
      return NULL;
  return "it is not a module";
}

static const char *
read_header (Job *job)
{
  const ElfImage *in = &job->in;
  uint64_t entry = elf_number (in, in->wide ? 0x3a : 0x2e, 2);

  job->table = elf_number (in, in->wide ? 0x28 : 0x20, in->wide ? 8 : 4);
  job->count = (unsigned)elf_number (in, in->wide ? 0x3c : 0x30, 2);
  job->names_index = (unsigned)elf_number (in, in->wide ? 0x3e : 0x32, 2);
  if (elf_number (in, 16, 2) != ET_REL)
    return "it is not an object file";
  if (entry != elf_header_size (in) || job->count == 0 || job->names_index == 0 || job->names_index >= job->count
      || job->table > in->size || !elf_lies_inside (in, job->table, (uint64_t)job->count * entry)
      || !read_section (job, job->names_index, &job->names))
    return odd_layout;
  return NULL;
}

/* ---- writing ---- */

static void
put_number (const Job *job, size_t at, uint64_t value, unsigned n)
{
  for (unsigned i = 0; i < n; i++, value >>= 8)
    job->out[at + (job->in.big ? n - 1 - i : i)] = (uint8_t)value;
}

/* Returns: whether there was room. A stub has room for the bytes of the file: only in a hostile file parts overlap. */
static bool
append (Job *job, const void *bytes, uint64_t n)
{
  if (n > job->room - job->size)
    return false;
  if (n > 0)
    memcpy (job->out + job->size, bytes, (size_t)n);
  job->size += (size_t)n;
  return true;
}

static bool
align (Job *job)
{
  static const char zeros[8] = { 0 };

  return append (job, zeros, (8 - job->size % 8) % 8);
}

/* Returns: the part with section @origin of the file; NULL if there is none */
static Part *
part_of (Job *job, unsigned origin)
{
  for (unsigned i = 0; i < job->n_parts; i++)
    if (job->parts[i].origin == origin)
      return &job->parts[i];
  return NULL;
}

/* The content of the sections that the stub has now. */
static const char *
put_contents (Job *job)
{
  ElfSection section;

  for (unsigned i = 0; i < job->n_parts; i++)
    {
      Part *part = &job->parts[i];

      if (!align (job) || !read_section (job, part->origin, &section))
        return odd_layout;
      part->offset = job->size;
      if (begins_with (part->name, "__ksymtab") && strcmp (part->name, "__ksymtab_strings") != 0)
        continue;
      part->size = (size_t)section.size;
      if (!append (job, job->in.bytes + section.offset, section.size))
        return odd_layout;
    }
  return NULL;
}

/* Appends the names of sections, and the section headers. */
static const char *
finish (Job *job)
{
  const ElfImage *in = &job->in;
  unsigned step = elf_header_size (in), word = in->wide ? 8 : 4;
  static const char zeros[sizeof (Elf64_Shdr)] = { 0 };

  if (!add_part (job, 0, ".shstrtab"))
    return odd_layout;
  Part *names = &job->parts[job->n_parts - 1];
  names->offset = job->size;
  if (!append (job, "", 1))
    return odd_layout;
  for (unsigned i = 0; i < job->n_parts; i++)
    {
      job->parts[i].label = job->size - names->offset;
      if (!append (job, job->parts[i].name, strlen (job->parts[i].name) + 1))
        return odd_layout;
    }
  names->size = job->size - names->offset;
  size_t table = job->size + (8 - job->size % 8) % 8;
  if (!align (job) || !append (job, zeros, step))
    return odd_layout;
  for (unsigned i = 0; i < job->n_parts; i++)
    {
      const Part *part = &job->parts[i];
      size_t at = job->size;

      if (!append (job, part->origin != 0 ? (const char *)in->bytes + job->table + (size_t)part->origin * step : zeros,
                   step))
        return odd_layout;
      put_number (job, at, part->label, 4);
      if (part->origin == 0)
        put_number (job, at + 4, SHT_STRTAB, 4);
      put_number (job, at + 8 + 2 * word, part->offset, word);
      put_number (job, at + 8 + 3 * word, part->size, word);
      put_number (job, at + 8 + 4 * word, 0, 4);
      if (part->origin != 0 && part->origin == job->symtab_index)
        put_number (job, at + 8 + 4 * word, i + 2, 4); /* its names are the next section */
    }
  put_number (job, in->wide ? 0x28 : 0x20, table, word);
  put_number (job, in->wide ? 0x20 : 0x1c, 0, word); /* program headers */
  put_number (job, in->wide ? 0x38 : 0x2c, 0, 2);
  put_number (job, in->wide ? 0x3c : 0x30, job->n_parts + 1, 2);
  put_number (job, in->wide ? 0x3e : 0x32, job->n_parts, 2);
  return NULL;
}

/* ---- symbols ---- */

/* The names of kept symbols, which become the content of .strtab. */
typedef struct {
  char *text;
  size_t used, room;
} Words;

/* Whether depmod can read the checksum of an export in the stub: it is the value of the symbol, or is at that place of
 * a section that is kept. */
static bool
has_checksum (Job *job, unsigned place, uint64_t value)
{
  const Part *part = place < SHN_LORESERVE ? part_of (job, place) : NULL;

  if (place == SHN_ABS || place == SHN_UNDEF)
    return true;
  return part != NULL && begins_with (part->name, "__kcrctab") && part->size >= 4 && value <= part->size - 4;
}

/* Returns: the number in the stub of the section that symbol @at is in */
static unsigned
new_place (Job *job, unsigned place)
{
  const Part *part = place != SHN_UNDEF && place < SHN_LORESERVE ? part_of (job, place) : NULL;

  if (part != NULL)
    return (unsigned)(part - job->parts) + 1;
  return place == SHN_UNDEF ? SHN_UNDEF : SHN_ABS;
}

/* Appends the symbol at @at of the file, if depmod reads it. */
static bool
copy_symbol (Job *job, const ElfSection *strings, size_t at, unsigned step, Words *words)
{
  const ElfImage *in = &job->in;
  size_t to = job->size, place_at = in->wide ? 6 : 14;
  unsigned place = (unsigned)elf_number (in, at + place_at, 2);
  uint64_t value = elf_number (in, at + (in->wide ? 8 : 4), in->wide ? 8 : 4);
  const char *name = elf_text_at (in, strings, elf_number (in, at, 4));

  if (name == NULL)
    return false;
  bool checksum = begins_with (name, "__crc_");
  if (place != SHN_UNDEF && !checksum && !begins_with (name, "__ksymtab_") && !begins_with (name, "__kstrtabns_"))
    return true;
  size_t length = strlen (name) + 1;
  if ((checksum && !has_checksum (job, place, value)) || length > words->room - words->used
      || !append (job, in->bytes + at, step))
    return false;
  put_number (job, to, *name != '\0' ? words->used : 0, 4);
  put_number (job, to + place_at, new_place (job, place), 2);
  if (*name == '\0')
    return true;
  memcpy (words->text + words->used, name, length);
  words->used += length;
  return true;
}

/* Whether depmod finds the symbol @name among the undefined ones of the stub. */
static bool
is_undefined (const Words *words, const char *name)
{
  for (const char *at = words->text + 1; at < words->text + words->used; at += strlen (at) + 1)
    if (strcmp (at, name) == 0)
      return true;
  return false;
}

static const char *
put_symbols (Job *job, const ElfSection *symbols, const ElfSection *strings, Words *words)
{
  unsigned step = job->in.wide ? sizeof (Elf64_Sym) : sizeof (Elf32_Sym);
  size_t begin = job->size;

  if (symbols->link != job->strtab_index || symbols->entry != step || symbols->size % step != 0
      || job->strtab_index == job->names_index)
    return odd_layout;
  for (uint64_t i = 0; i < symbols->size / step; i++)
    if (!copy_symbol (job, strings, (size_t)(symbols->offset + i * step), step, words))
      return odd_layout;
  if (!add_part (job, job->symtab_index, ".symtab") || !add_part (job, job->strtab_index, ".strtab"))
    return odd_layout;
  Part *part = &job->parts[job->n_parts - 2];
  part[0].offset = begin;
  part[0].size = job->size - begin;
  part[1].offset = job->size;
  part[1].size = words->used;
  return append (job, words->text, words->used) ? NULL : odd_layout;
}

/* Appends the entries of __versions whose symbols are not among @words. depmod adds these symbols, such as
 * module_layout, to those that the module needs. The checksums have no influence on the indexes. */
static const char *
put_versions (Job *job, const Words *words)
{
  ElfSection section;
  unsigned word = job->in.wide ? 8 : 4;
  size_t begin = job->size;

  if (!read_section (job, job->versions_index, &section) || section.size % VERSION_ENTRY != 0)
    return odd_layout;
  for (uint64_t at = 0; at < section.size; at += VERSION_ENTRY)
    {
      const char *entry = (const char *)job->in.bytes + section.offset + at, *name = entry + word;

      if (memchr (name, '\0', VERSION_ENTRY - word) == NULL)
        return odd_layout;
      if (!is_undefined (words, name) && !append (job, entry, VERSION_ENTRY))
        return odd_layout;
    }
  if (job->size == begin)
    return NULL;
  if (!add_part (job, job->versions_index, "__versions"))
    return odd_layout;
  job->parts[job->n_parts - 1].offset = begin;
  job->parts[job->n_parts - 1].size = job->size - begin;
  return NULL;
}

static const char *
put_tables (Job *job)
{
  ElfSection symbols, strings;
  Words words = { 0 };
  const char *why = NULL;

  if (job->symtab_index == 0 && job->strtab_index == 0)
    return job->versions_index == 0 ? NULL : odd_layout; /* depmod needs both */
  if (job->symtab_index == 0 || job->strtab_index == 0 || !read_section (job, job->symtab_index, &symbols)
      || !read_section (job, job->strtab_index, &strings))
    return odd_layout;
  words = (Words){ .text = malloc ((size_t)strings.size + 1), .used = 1, .room = (size_t)strings.size + 1 };
  if (words.text == NULL)
    return no_memory;
  words.text[0] = '\0';
  why = put_symbols (job, &symbols, &strings, &words);
  if (why == NULL && job->versions_index != 0)
    why = align (job) ? put_versions (job, &words) : odd_layout;
  free (words.text);
  return why;
}

static const char *
put_all (Job *job)
{
  const char *why = NULL;

  if (!append (job, job->in.bytes, job->in.wide ? sizeof (Elf64_Ehdr) : sizeof (Elf32_Ehdr)))
    return odd_layout;
  why = put_contents (job);
  if (why == NULL && !align (job))
    why = odd_layout;
  if (why == NULL)
    why = put_tables (job);
  return why == NULL ? finish (job) : why;
}

const char *
module_stub_make (const void *bytes, size_t size, void **stub, size_t *stub_size)
{
  Job job = { 0 };
  const char *why = elf_image_open (&job.in, bytes, size);

  if (why == NULL)
    why = read_header (&job);
  if (why == NULL)
    why = find_sections (&job);
  if (why != NULL)
    return why;
  job.room = size + sizeof (Elf64_Shdr) + 64; /* of a tiny file, the names of sections and alignments need more */
  job.out = malloc (job.room);
  if (job.out == NULL)
    return no_memory;
  why = put_all (&job);
  if (why != NULL)
    {
      free (job.out);
      return why;
    }
  *stub = job.out;
  *stub_size = job.size;
  return NULL;
}
