/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes modules available to compatible kernels (docs/interface/build-install.md §10). */
#define _GNU_SOURCE
#include "install/weak-modules.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "install/job.h"

/* Writes the installed files for the tool, one absolute path per line. */
static int
list_files (const DkmsJob *job)
{
  g_autoptr (GString) list = g_string_new (NULL);
  g_auto (DkmsFd) fd = memfd_create ("modules", MFD_CLOEXEC);

  for (guint i = 0; i < job->outputs->len; i++)
    {
      const DkmsOutput *output = job->outputs->pdata[i];
      g_autofree char *dir = g_strconcat (job->kernel->dir, output->dest_location, NULL);
      g_autofree char *file = dkms_job_find (job->settings->places.root, dir, output->dest_name);
      if (file != NULL)
        g_string_append_printf (list, "%s/%s\n", dir, file);
    }
  if (fd < 0 || list->len == 0 || !dkms_write_all (fd, list->str, list->len, "a memory file", NULL)
      || lseek (fd, 0, SEEK_SET) < 0)
    return -1;
  return dkms_fd_steal (&fd);
}

void
dkms_weak_modules (const DkmsJob *job, gboolean add)
{
  const DkmsSettings *s = job->settings;
  const char *rhel[] = { "/usr/sbin/weak-modules", "--no-initramfs", add ? "--add-modules" : "--remove-modules", NULL };
  const char *suse[] = { "/usr/lib/module-init-tools/weak-modules2",
                         add ? "--add-kernel-modules" : "--remove-kernel-modules", job->kernel->release, NULL };
  g_auto (DkmsFd) list = -1;

  if (!dkms_policy_uses_weak (&s->policy) || (job->recipe != NULL && job->recipe->no_weak_modules))
    return;
  /* A root without a shell has no tools, and those of the host would change the host. */
  if (!s->places.root->has_shell)
    return;
  list = list_files (job);
  if (list < 0)
    return;
  DkmsCommand command = { .argv = s->policy.distro->weak == DKMS_WEAK_RHEL ? rhel : suse,
                          .root = s->places.root,
                          .output_fd = -1,
                          .input_fd = list };
  if (dkms_root_is_file (s->places.root, command.argv[0]))
    dkms_process_try (&command);
}
