/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads the information in module files. A separate program, so that libkmod and the compression libraries do not delay
 * the start of dkms, and so that files of packages are not parsed in its process.
 *
 * dkms-modinfo FILE...: for each file prints "version NUL srcversion NUL". The version is the first word of the
 * module's `version` field; srcversion is its `srcversion` field, otherwise the second word of `version`; absent ones
 * are empty (docs/interface/build-install.md §7). Exit status 1 with one line on stderr if a file is not a module.
 *
 * dkms-modinfo --facts FILE...: for each file, which may be compressed, prints pairs "key NUL value NUL":
 *   unread                       errno: the file cannot be opened
 *   compression                  gzip, xz or zstd, by its first bytes
 *   empty                        1: there is nothing in it
 *   sha256                       of the uncompressed file, in hexadecimal
 *   class, data, type, machine   decimal numbers of its ELF header
 *   modinfo.NAME                 a field of its module information
 *   undefined, weak              a symbol that it needs, or that may be missing, in the order of the file
 *   version                      "CHECKSUM NAME" of a symbol that it needs
 *   export                       a symbol that it exports
 *   gpl                          an exported symbol for modules under the GPL only
 *   crc                          "CHECKSUM NAME" of an exported symbol
 *   space                        "NAME NAMESPACE" of an exported symbol
 *   versioned                    1: it has checksums; extended: in the form of Linux 6.14
 *   struct                       bytes of its struct module
 *   tables                       number of its symbol tables
 *   btf, btf-base                1: it has type information, and a base for it
 *   module                       1: a kernel may load it; otherwise error
 *   error                        why it is not a module
 *   end                          an empty value: the last pair of each file
 *
 * dkms-modinfo lookup DIRECTORY NAME... [-- FILE...]: what modprobe would load for each name by the indexes in
 * DIRECTORY, such as /lib/modules/6.1.0, without the configuration of the machine (helpers/module-lookup.h).
 *
 * With --facts, all files are opened first. Then the process drops its privileges, and sets limits on time and memory.
 * A file that crashes the process, for example by a failed assertion in libkmod, has no "end"; it would also crash
 * depmod. */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <libkmod.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "helpers/drop-rights.h"
#include "helpers/facts-out.h"
#include "helpers/memory-file.h"
#include "helpers/module-elf.h"
#include "helpers/module-lookup.h"

enum { MOST_FINDINGS = 1 << 18, MOST_SECONDS = 60 };

/* ---- versions ---- */

static void
print_word (const char *text, int number)
{
  const char *at = text;

  for (; number > 0; number--)
    {
      at += strcspn (at, " ");
      at += strspn (at, " ");
    }
  fwrite (at, 1, strcspn (at, " "), stdout);
  fputc ('\0', stdout);
}

static int
print_identity (struct kmod_ctx *ctx, const char *path)
{
  struct kmod_module *module = NULL;
  struct kmod_list *info = NULL;
  struct kmod_list *entry;
  const char *version = "", *srcversion = NULL;
  int error = kmod_module_new_from_path (ctx, path, &module);

  if (error == 0)
    error = kmod_module_get_info (module, &info) < 0;
  if (error != 0)
    {
      fprintf (stderr, "%s: not a kernel module\n", path);
      kmod_module_unref (module);
      return 1;
    }
  kmod_list_foreach (entry, info)
    {
      if (strcmp (kmod_module_info_get_key (entry), "version") == 0)
        version = kmod_module_info_get_value (entry);
      else if (strcmp (kmod_module_info_get_key (entry), "srcversion") == 0)
        srcversion = kmod_module_info_get_value (entry);
    }
  print_word (version, 0);
  print_word (srcversion != NULL ? srcversion : version, srcversion != NULL ? 0 : 1);
  kmod_module_info_free_list (info);
  kmod_module_unref (module);
  return 0;
}

static int
print_identities (char **paths)
{
  const char *const no_config[] = { NULL };
  struct kmod_ctx *ctx = kmod_new (NULL, no_config);
  int failed = ctx == NULL;

  for (; *paths != NULL && !failed; paths++)
    failed = print_identity (ctx, *paths);
  kmod_unref (ctx);
  return failed;
}

/* ---- facts ---- */

static void
put_number (const char *key, unsigned number)
{
  char text[16];

  (void)snprintf (text, sizeof text, "%u", number);
  facts_put (key, text);
}

static void
put_two (const char *key, const char *first, const char *second)
{
  fputs (key, stdout);
  fputc ('\0', stdout);
  fprintf (stdout, "%s %s", first, second);
  fputc ('\0', stdout);
}

static void
put_finding (ElfKind kind, const char *name, const char *value, void *user)
{
  static const char *const keys[]
      = { [ELF_UNDEFINED] = "undefined", [ELF_WEAK] = "weak", [ELF_EXPORT] = "export", [ELF_GPL] = "gpl" };
  unsigned *count = user;

  if ((*count)++ >= MOST_FINDINGS)
    return;
  if (kind == ELF_MODINFO)
    {
      fputs ("modinfo.", stdout);
      facts_put (name, value);
    }
  else if (kind == ELF_VERSION)
    put_two ("version", value, name);
  else if (kind == ELF_CRC)
    put_two ("crc", value, name);
  else if (kind == ELF_SPACE)
    put_two ("space", name, value);
  else
    facts_put (keys[kind], name);
}

/* Whether libkmod, and therefore depmod and modprobe, can read the file. A failed assertion in libkmod ends the
 * process. */
static int
kmod_can_read (struct kmod_ctx *ctx, int fd)
{
  char path[64];
  struct kmod_module *module = NULL;
  struct kmod_list *info = NULL, *symbols = NULL, *needed = NULL;
  int good;

  (void)snprintf (path, sizeof path, "/proc/self/fd/%d", fd);
  if (access (path, R_OK) < 0)
    return 1; /* /proc is not mounted */
  good = kmod_module_new_from_path (ctx, path, &module) >= 0;
  if (good)
    {
      good = kmod_module_get_info (module, &info) >= 0;
      if (kmod_module_get_symbols (module, &symbols) >= 0) /* a module may have none */
        kmod_module_symbols_free_list (symbols);
      if (kmod_module_get_dependency_symbols (module, &needed) >= 0)
        kmod_module_dependency_symbols_free_list (needed);
      kmod_module_info_free_list (info);
    }
  kmod_module_unref (module);
  return good;
}

/* Returns: a descriptor of the plain file: @fd itself, or a memory file; -1 if it cannot be unpacked */
static int
plain_file (int fd, const unsigned char *bytes, size_t size)
{
  UnpackFunc unpack = unpack_find (bytes, size);

  size_t rest; /* libkmod decides about bytes behind the compressed ones */

  return unpack != NULL ? memory_file_unpack (unpack, bytes, size, &rest) : fd;
}

static void
put_compression (const unsigned char *bytes, size_t size)
{
  UnpackFunc unpack = unpack_find (bytes, size);

  if (unpack != NULL)
    facts_put ("compression", unpack == unpack_gz ? "gzip" : unpack == unpack_xz ? "xz" : "zstd");
}

static void
put_elf (const ElfFacts *facts)
{
  const struct {
    const char *key;
    unsigned number;
  } numbers[] = { { "class", facts->class },
                  { "data", facts->data },
                  { "type", facts->type },
                  { "machine", facts->machine },
                  { "struct", facts->struct_size <= UINT_MAX ? (unsigned)facts->struct_size : UINT_MAX },
                  { "tables", facts->symbol_tables } };
  const struct {
    const char *key;
    bool yes;
  } answers[] = { { "versioned", facts->versioned },
                  { "extended", facts->extended },
                  { "btf", facts->has_btf },
                  { "btf-base", facts->has_btf_base } };

  for (size_t i = 0; facts->class != 0 && i < sizeof numbers / sizeof *numbers; i++)
    put_number (numbers[i].key, numbers[i].number);
  for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
    if (answers[i].yes)
      facts_put (answers[i].key, "1");
}

static const char *
put_facts (struct kmod_ctx *ctx, int fd)
{
  size_t size;
  const unsigned char *bytes = memory_file_map (fd, &size);
  int plain = bytes != NULL ? plain_file (fd, bytes, size) : -1;
  struct stat st;
  ElfFacts facts;
  unsigned count = 0;

  if (bytes != NULL)
    put_compression (bytes, size);
  else if (fstat (fd, &st) == 0 && S_ISREG (st.st_mode) && st.st_size == 0)
    facts_put ("empty", "1");
  if (bytes == NULL)
    return "it is empty or cannot be read";
  if (plain < 0)
    return "it cannot be decompressed";
  if (plain != fd)
    {
      bytes = memory_file_map (plain, &size);
      if (bytes == NULL)
        return facts_put ("empty", "1"), "there is nothing in it";
    }
  facts_put_digest ("sha256", bytes, size, NULL);
  elf_read (bytes, size, &facts, put_finding, &count);
  put_elf (&facts);
  if (facts.why != NULL)
    return facts.why;
  if (count > MOST_FINDINGS)
    return "it has too many symbols";
  if (facts.type != ET_REL)
    return "it is a program or library and not an object file";
  if (!facts.is_module)
    return "it is an object file without the parts of a module";
  (void)fflush (stdout); /* before libkmod may end the process */
  return kmod_can_read (ctx, plain) ? NULL : "libkmod cannot read it";
}

static int
print_facts (int count, char **paths)
{
  const char *const no_config[] = { NULL };
  int *fds = calloc ((size_t)count + 1, sizeof *fds);
  struct kmod_ctx *ctx;

  if (fds == NULL)
    return 1;
  for (int i = 0; i < count; i++)
    {
      fds[i] = open (paths[i], O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
      if (fds[i] < 0)
        fds[i] = -errno;
    }
  if (!drop_rights ("dkms-modinfo", MOST_SECONDS, MEMORY_FILE_MOST))
    return perror ("dkms-modinfo: cannot drop its rights"), free (fds), 1;
  ctx = kmod_new (NULL, no_config);
  for (int i = 0; i < count && ctx != NULL; i++)
    {
      if (fds[i] < 0)
        put_number ("unread", (unsigned)-fds[i]);
      const char *why = put_facts (ctx, fds[i]);

      facts_put (why != NULL ? "error" : "module", why != NULL ? why : "1");
      facts_put ("end", "");
      (void)fflush (stdout);
    }
  free (fds);
  return ctx == NULL;
}

int
main (int argc, char **argv)
{
  int failed;

  if (argc > 1 && strcmp (argv[1], "--facts") == 0)
    failed = print_facts (argc - 2, argv + 2);
  else if (argc > 2 && strcmp (argv[1], "lookup") == 0)
    failed = module_lookup_print (argv[2], argv + 3);
  else
    failed = print_identities (argv + 1);
  if (fflush (stdout) != 0)
    failed = 1;
  return failed;
}
