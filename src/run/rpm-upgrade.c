/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --rpm_safe_upgrade (docs/interface/build-install.md §16): when rpm upgrades a package, `add` of the new package runs
 * before `remove` of the old one, for the same module and version, and both run below one rpm process. */
#define _GNU_SOURCE
#include "run/rpm-upgrade.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "base/publish.h"
#include "run/steps.h"

/* Field @number, counted from 1, of the stat file of a process (proc(5)). Returns: (transfer full) (nullable) */
static char *
stat_field (int pid, guint number)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/stat", pid);
  g_autofree char *text = NULL;
  const char *after;

  if (!g_file_get_contents (path, &text, NULL, NULL) || (after = strrchr (text, ')')) == NULL)
    return NULL;
  /* Field 2, the name of the command, may contain any characters, so fields are counted after it. */
  g_auto (GStrv) fields = g_strsplit (after + 1, " ", -1);
  return number >= 2 && number - 2 < g_strv_length (fields) ? g_strdup (fields[number - 2]) : NULL;
}

/* Returns the process that started the shell of the scriptlet. */
static int
grandparent (void)
{
  g_autofree char *parent = stat_field (getppid (), 4);

  return parent != NULL ? (int)g_ascii_strtoll (parent, NULL, 10) : 0;
}

/* The time in the format of ps, for compatibility with locks of the reference; without ps, in clock ticks of the
 * kernel. */
static char *
start_time (int pid)
{
  g_autofree char *number = g_strdup_printf ("%d", pid);
  const char *argv[] = { "ps", "-o", "lstart", "--no-headers", "-p", number, NULL };
  DkmsCommand command = { .argv = argv, .null_stdin = TRUE };
  int status = 0;
  char *text = dkms_process_capture (&command, NULL, &status, NULL);

  if (status == 0 && text != NULL && *g_strchomp (text) != '\0')
    return text;
  g_free (text);
  text = stat_field (pid, 22);
  return text != NULL ? text : g_strdup ("unknown");
}

static gboolean
write_lock (const DkmsRun *run, const char *name, const char *start, int pid, GError **error)
{
  g_autofree char *text = g_strconcat (name, "\n", start, "\n", NULL);
  g_autofree char *file = g_strdup_printf ("dkms_rpm_safe_upgrade_lock.%d.%06x", pid, g_random_int () & 0xffffff);
  g_auto (DkmsFd) dir
      = dkms_root_open_dir (run->settings->places.root, run->settings->places.tmp_location, TRUE, error);

  return dir >= 0 && dkms_publish_at (dir, file, text, strlen (text), 0600, error);
}

/* Deletes the lock of this upgrade. Returns: whether it existed */
static gboolean
take_lock (const DkmsRun *run, const char *name, const char *start, int pid)
{
  g_autofree char *prefix = g_strdup_printf ("dkms_rpm_safe_upgrade_lock.%d.", pid);
  g_auto (DkmsFd) dir
      = dkms_root_openat (run->settings->places.root, run->settings->places.tmp_location, O_RDONLY | O_DIRECTORY, 0);
  g_autoptr (GPtrArray) names = dir >= 0 ? dkms_list_dir_at (dir, ".", NULL) : NULL;

  for (guint i = 0; names != NULL && i < names->len; i++)
    {
      g_autofree char *text = NULL;
      struct stat st;

      /* Others may write to that directory, so only a lock of our own user is valid. */
      if (!g_str_has_prefix (names->pdata[i], prefix) || fstatat (dir, names->pdata[i], &st, AT_SYMLINK_NOFOLLOW) < 0
          || st.st_uid != geteuid ())
        continue;
      text = dkms_read_at (dir, names->pdata[i], 4096, NULL, NULL);
      g_auto (GStrv) lines = g_strsplit (text != NULL ? g_strchomp (text) : "", "\n", -1);
      guint count = g_strv_length (lines);
      if (count >= 2 && strcmp (lines[0], name) == 0 && strcmp (lines[count - 1], start) == 0
          && unlinkat (dir, names->pdata[i], 0) == 0)
        return TRUE;
    }
  return FALSE;
}

gboolean
dkms_rpm_upgrade (DkmsRun *run, gboolean *cancelled, GError **error)
{
  const DkmsRequest *request = run->request;
  int pid = grandparent ();
  g_autofree char *start = start_time (pid);
  g_autofree char *name = g_strdup_printf ("%s-%s", run->facts->module, run->facts->version);

  *cancelled = FALSE;
  if (request->goal == DKMS_GOAL_REGISTERED)
    return write_lock (run, name, start, pid, error);
  if (request->goal == DKMS_GOAL_GONE && take_lock (run, name, start, pid))
    {
      DKMS_EMIT (run->events, STAYS_DURING_UPGRADE, .id = { run->facts->module, run->facts->version, NULL, NULL });
      *cancelled = TRUE;
    }
  return TRUE;
}
