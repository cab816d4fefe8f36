/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds in the program modprobe what it was built with, without running it: it may be for another processor. */
#define _GNU_SOURCE
#include "verify/readable.h"

#include <string.h>

#include "base/unread.h"
#include "kernel/kernel.h"

enum { LARGEST = 4 << 20, FIRST_WITH_KERNEL = 31 };

static const struct {
  const char *suffix, *feature, *option;
} kinds[] = { { ".gz", "ZLIB", "CONFIG_MODULE_COMPRESS_GZIP" },
              { ".xz", "XZ", "CONFIG_MODULE_COMPRESS_XZ" },
              { ".zst", "ZSTD", "CONFIG_MODULE_COMPRESS_ZSTD" } };

struct DkmsReadable {
  DkmsKnown modprobe[G_N_ELEMENTS (kinds)]; /* it decompresses that kind itself, */
  DkmsKnown kernel[G_N_ELEMENTS (kinds)];   /* or has the kernel do it */
};

/* Returns: (nullable): the text behind @words, in a line of @program, which ends with NUL */
static const char *
find (const char *program, gsize size, const char *words)
{
  const char *at = memmem (program, size, words, strlen (words));

  return at != NULL ? at + strlen (words) : NULL;
}

/* Takes the lines that `kmod --version` prints: "kmod version 30", "+ZSTD +XZ -ZLIB +LIBCRYPTO". */
static void
take_program (DkmsReadable *self, const char *program, gsize size, const char *config)
{
  const char *version = find (program, size, "kmod version ");
  guint64 number = version != NULL ? g_ascii_strtoull (version, NULL, 10) : 0;
  gboolean helped = config != NULL && dkms_kernel_config_has (config, "CONFIG_MODULE_DECOMPRESS");

  for (gsize i = 0; i < G_N_ELEMENTS (kinds); i++)
    {
      g_autofree char *with = g_strconcat ("+", kinds[i].feature, " ", NULL),
                      *without = g_strconcat ("-", kinds[i].feature, " ", NULL);

      self->modprobe[i] = find (program, size, with) != NULL      ? DKMS_YES
                          : find (program, size, without) != NULL ? DKMS_NO
                                                                  : DKMS_DONT_KNOW;
      if (config != NULL && !helped)
        self->kernel[i] = DKMS_NO;
      else if (number != 0 && number < FIRST_WITH_KERNEL)
        self->kernel[i] = DKMS_NO;
      else if (config != NULL)
        self->kernel[i] = !dkms_kernel_config_has (config, kinds[i].option) ? DKMS_NO
                          : number != 0                                     ? DKMS_YES
                                                                            : DKMS_DONT_KNOW;
    }
}

DkmsReadable *
dkms_readable_new (const DkmsRoot *root, const char *config)
{
  static const char *const places[] = { "/usr/bin/kmod", "/bin/kmod", "/usr/sbin/modprobe", "/sbin/modprobe" };
  DkmsReadable *self = g_new0 (DkmsReadable, 1);
  guint mark = dkms_unread_mark ();

  for (gsize i = 0; i < G_N_ELEMENTS (kinds); i++)
    self->modprobe[i] = self->kernel[i] = DKMS_DONT_KNOW;
  for (gsize i = 0; i < G_N_ELEMENTS (places); i++)
    {
      gsize size = 0;
      g_autoptr (GError) ignored = NULL; /* the next one */
      g_autofree char *program = dkms_root_read (root, places[i], LARGEST, &size, &ignored);
      if (program == NULL)
        continue;
      take_program (self, program, size, config);
      break;
    }
  dkms_unread_drop (mark);
  return self;
}

void
dkms_readable_free (DkmsReadable *self)
{
  g_free (self);
}

DkmsKnown
dkms_readable_check (const DkmsReadable *self, const char *path)
{
  for (gsize i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (g_str_has_suffix (path, kinds[i].suffix))
      {
        const DkmsKnown modprobe = self->modprobe[i], kernel = self->kernel[i];
        return modprobe == DKMS_YES || kernel == DKMS_YES ? DKMS_YES
               : modprobe == DKMS_NO && kernel == DKMS_NO ? DKMS_NO
                                                          : DKMS_DONT_KNOW;
      }
  return DKMS_YES;
}
