/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks libkmod. */
#define _GNU_SOURCE
#include "helpers/module-lookup.h"

#include <errno.h>
#include <fcntl.h>
#include <libkmod.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "helpers/drop-rights.h"
#include "helpers/facts-out.h"
#include "helpers/memory-file.h"

enum { MOST_SECONDS = 60 };

static const char symbol_prefix[] = "symbol:";

/* ---- the indexes ---- */

/* Returns: an errno if the index @name cannot be read now; libkmod would find nothing in it. @optional: depmod leaves
 * it empty if the kernel has no list of what it contains */
static int
check_index (int dir, const char *name, bool optional)
{
  static const unsigned char magic[] = { 0xb0, 0x07, 0xf4, 0x57, 0, 2 };
  unsigned char head[sizeof magic];
  int fd = openat (dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

  if (fd < 0)
    return optional && errno == ENOENT ? 0 : errno;
  ssize_t n = read (fd, head, sizeof head);
  int code = n < 0 ? errno : 0;
  (void)close (fd);
  if (code != 0 || (optional && n == 0))
    return code;
  return n == (ssize_t)sizeof head && memcmp (head, magic, sizeof magic) == 0 ? 0 : EBADMSG;
}

/* Returns: whether the indexes for @names can be read; otherwise prints which cannot */
static bool
check_indexes (int dir, char **names)
{
  static const struct {
    const char *name;
    bool optional, of_symbols;
  } indexes[] = { { "modules.dep.bin", false, false },
                  { "modules.alias.bin", false, false },
                  { "modules.symbols.bin", false, true },
                  { "modules.builtin.bin", true, false } };
  bool symbols = false;

  for (; *names != NULL; names++)
    symbols |= strncmp (*names, symbol_prefix, sizeof symbol_prefix - 1) == 0;
  for (size_t i = 0; i < sizeof indexes / sizeof *indexes; i++)
    {
      int code = !indexes[i].of_symbols || symbols ? check_index (dir, indexes[i].name, indexes[i].optional) : 0;
      char value[64];

      if (code == 0)
        continue;
      (void)snprintf (value, sizeof value, "%d %s", code, indexes[i].name);
      facts_put ("unread", value);
      return false;
    }
  return true;
}

/* ---- answers ---- */

typedef struct {
  struct kmod_ctx *ctx;
  const char *directory; /* as the caller names it */
  char base[PATH_MAX];   /* as libkmod names it */
} Lookup;

static void
put_path (const Lookup *self, const char *key, const char *path)
{
  size_t length = strlen (self->base);

  fputs (key, stdout);
  fputc ('\0', stdout);
  if (strncmp (path, self->base, length) == 0 && path[length] == '/')
    {
      fputs (self->directory, stdout);
      path += length;
    }
  fputs (path, stdout);
  fputc ('\0', stdout);
}

static void
put_module (const Lookup *self, struct kmod_module *module, bool *built_in)
{
  const char *path = kmod_module_get_path (module);
  struct kmod_list *needs = kmod_module_get_dependencies (module), *entry;

  /* This looks into the index first. Otherwise it would look into /sys of the machine, whose answer does not count. */
  if (kmod_module_get_initstate (module) == KMOD_MODULE_BUILTIN && !*built_in)
    {
      *built_in = true;
      facts_put ("builtin", "1");
    }
  facts_put ("module", kmod_module_get_name (module));
  if (path != NULL)
    put_path (self, "path", path);
  kmod_list_foreach (entry, needs)
    {
      struct kmod_module *need = kmod_module_get_module (entry);
      const char *need_path = kmod_module_get_path (need);

      if (need_path != NULL)
        put_path (self, "depends", need_path);
      kmod_module_unref (need);
    }
  kmod_module_unref_list (needs);
}

/* Returns: a negative errno */
static int
put_name (const Lookup *self, const char *name)
{
  struct kmod_list *found = NULL, *entry;
  int code = kmod_module_new_from_lookup (self->ctx, name, &found);
  bool built_in = false;

  if (code < 0 && code != -ENOENT)
    return code;
  kmod_list_foreach (entry, found)
    {
      struct kmod_module *module = kmod_module_get_module (entry);

      put_module (self, module, &built_in);
      kmod_module_unref (module);
    }
  if (found == NULL)
    facts_put ("absent", "1");
  kmod_module_unref_list (found);
  facts_put ("end", "");
  return 0;
}

/* Messages about indexes that check_indexes() reports. */
static void
ignore_message (void *data, int priority, const char *file, int line, const char *function, const char *format,
                va_list words)
{
}

static int
put_names (const Lookup *self, int dir, char **names)
{
  /* This opens indexes that only root can read. If one is missing, all are opened by each lookup. */
  bool opened = kmod_load_resources (self->ctx) == 0;
  int code = 0;

  if (!check_indexes (dir, names))
    return 0;
  if (!drop_rights ("dkms-modinfo", MOST_SECONDS, MEMORY_FILE_MOST))
    return perror ("dkms-modinfo: cannot drop its rights"), 1;
  if (!opened && !check_indexes (dir, names))
    return 0;
  for (; *names != NULL && code == 0; names++)
    code = put_name (self, *names);
  if (code != 0)
    fprintf (stderr, "dkms-modinfo: cannot look up a module: %s\n", strerror (-code));
  return code != 0;
}

int
module_lookup_print (const char *directory, char **names)
{
  const char *const no_config[] = { NULL };
  Lookup self = { .directory = directory };

  for (char **name = names; *name != NULL; name++)
    if (strcmp (*name, "--") == 0)
      {
        *name = NULL;
        break;
      }
  int dir = open (directory, O_PATH | O_DIRECTORY | O_CLOEXEC);

  if (dir < 0)
    {
      (void)snprintf (self.base, sizeof self.base, "%d modules.dep.bin", errno);
      facts_put ("unread", self.base);
      return 0;
    }
  /* The directory may be in one that other users cannot enter. */
  (void)snprintf (self.base, sizeof self.base, "/proc/self/fd/%d", dir);
  if (access (self.base, F_OK) < 0) /* /proc is not mounted */
    (void)snprintf (self.base, sizeof self.base, "%s", directory);
  self.ctx = kmod_new (self.base, no_config);
  if (self.ctx == NULL)
    return perror ("dkms-modinfo: libkmod"), 1;
  kmod_set_log_fn (self.ctx, ignore_message, NULL);
  int status = put_names (&self, dir, names);
  kmod_unref (self.ctx);
  return status;
}
