/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compresses modules in the format of the kernel's own modules. */
#include "build/compress.h"

#include <fcntl.h>
#include <string.h>

#include "base/file.h"
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

/* Returns: FALSE if one of @files could not be compressed */
static gboolean
run_helper (const DkmsJob *job, GPtrArray *files, const char *format, GError **error)
{
  g_autofree char *helper = dkms_process_helper ("dkms-compress");
  g_autofree char *tokens = g_strdup_printf ("%d", job->tokens);
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_autoptr (GArray) keep = g_array_new (FALSE, FALSE, sizeof (int));
  const char *jobs = job->make_jobs != NULL ? job->make_jobs : "0"; /* then tokens are the limit */
  const char *words[] = { helper, format, jobs, tokens };

  for (gsize i = 0; i < G_N_ELEMENTS (words); i++)
    g_ptr_array_add (argv, (gpointer)words[i]);
  for (guint i = 0; i < files->len; i++)
    g_ptr_array_add (argv, files->pdata[i]);
  g_ptr_array_add (argv, NULL);
  if (job->tokens >= 0)
    g_array_append_val (keep, job->tokens);
  DkmsCommand command = { .argv = (const char *const *)argv->pdata, .output_fd = -1, .keep = keep, .null_stdin = TRUE };
  return dkms_process_run (&command, error) == 0;
}

void
dkms_compress (const DkmsJob *job, const GPtrArray *paths, const char *suffix)
{
  const struct {
    const char *suffix, *tool, *options;
  } kinds[] = { { ".gz", "gzip", job->settings->policy.compress_gzip_opts },
                { ".xz", "xz", job->settings->policy.compress_xz_opts },
                { ".zst", "zstd", job->settings->policy.compress_zstd_opts } };
  g_autoptr (GPtrArray) files = g_ptr_array_new_with_free_func (g_free);
  const char *tool = NULL, *options = NULL;
  g_autoptr (GError) failure = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (strcmp (suffix, kinds[i].suffix) == 0)
      {
        tool = kinds[i].tool;
        options = kinds[i].options;
      }
  for (guint i = 0; i < paths->len; i++)
    g_ptr_array_add (files, dkms_root_host_path (job->settings->places.root, paths->pdata[i]));
  gboolean all = options == NULL && files->len > 0 && run_helper (job, files, suffix + 1, &failure);
  for (guint i = 0; i < files->len; i++)
    {
      g_autofree char *packed = g_strconcat (files->pdata[i], suffix, NULL);
      g_autoptr (GError) error = NULL;
      gboolean ok = options != NULL ? run_tool (job, tool, options, files->pdata[i], &error) == 0
                                    : all || dkms_is_file_at (AT_FDCWD, packed);
      if (!ok)
        DKMS_EMIT (job->events, COMPRESS_FAILED, .path = paths->pdata[i], .error = error != NULL ? error : failure);
    }
}
