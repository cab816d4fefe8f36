/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compresses modules in the format of the kernel's own modules. */
#include "build/compress.h"

#include <string.h>

#include "base/process.h"
#include "install/job.h"

/* If the administrator sets options, the tool is run with them, and -f as the last one, as specified. */
static int
run_tool (const DkmsJob *job, const char *tool, const char *options, const char *path, GError **error)
{
  g_auto (GStrv) words = g_strsplit_set (options, " \t", -1);
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();

  g_ptr_array_add (argv, (gpointer)tool);
  for (char **word = words; *word != NULL; word++)
    if (**word != '\0')
      g_ptr_array_add (argv, *word);
  g_ptr_array_add (argv, (gpointer) "-f");
  g_ptr_array_add (argv, (gpointer)path);
  g_ptr_array_add (argv, NULL);

  DkmsCommand command = { .argv = (const char *const *)argv->pdata,
                          .root = job->settings->places.root,
                          .of_machine = TRUE,
                          .output_fd = -1,
                          .null_stdin = TRUE };
  return dkms_process_run (&command, error);
}

void
dkms_compress (const DkmsJob *job, const char *path, const char *suffix)
{
  const struct {
    const char *suffix, *tool, *options;
  } kinds[] = { { ".gz", "gzip", job->settings->policy.compress_gzip_opts },
                { ".xz", "xz", job->settings->policy.compress_xz_opts },
                { ".zst", "zstd", job->settings->policy.compress_zstd_opts } };
  g_autofree char *host = dkms_root_host_path (job->settings->places.root, path);
  g_autofree char *helper = dkms_process_helper ("dkms-compress");
  const char *argv[] = { helper, suffix + 1, host, NULL };
  DkmsCommand command = { .argv = argv, .output_fd = -1, .null_stdin = TRUE };
  g_autoptr (GError) error = NULL;
  int status = 0;

  for (gsize i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (strcmp (suffix, kinds[i].suffix) == 0)
      status = kinds[i].options != NULL ? run_tool (job, kinds[i].tool, kinds[i].options, host, &error)
                                        : dkms_process_run (&command, &error);
  if (status != 0)
    DKMS_EMIT (job->events, COMPRESS_FAILED, .path = path, .error = error);
}
