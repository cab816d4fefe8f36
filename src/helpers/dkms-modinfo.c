/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dkms-modinfo FILE...: for each module file prints "version NUL srcversion NUL".
 *
 * Version is the first word of the module's `version` field; srcversion its `srcversion` field, else
 * the second word of `version`; absent ones are empty (spec/build-install.md §7). Exit 1 with one
 * line on stderr when a file is no module. Keeps libkmod out of the main program's start-up. */
#include <libkmod.h>
#include <stdio.h>
#include <string.h>

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

int
main (int argc, char **argv)
{
  const char *const no_config[] = { NULL };
  struct kmod_ctx *ctx = kmod_new (NULL, no_config);
  int failed = ctx == NULL;

  for (int i = 1; i < argc && !failed; i++)
    failed = print_identity (ctx, argv[i]);
  kmod_unref (ctx);
  if (fflush (stdout) != 0)
    failed = 1;
  return failed;
}
