/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compares the version of a module with that of the kernel's module. */
#define _GNU_SOURCE
#include "install/version-check.h"

#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/process.h"
#include "install/job.h"
#include "model/version.h"

typedef struct {
  char *version;
  char *srcversion;
} Identity;

static void
identity_clear (Identity *self)
{
  g_free (self->version);
  g_free (self->srcversion);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Identity, identity_clear)

/* Runs dkms-modinfo, which prints "version\0srcversion\0" for each file. */
static gboolean
identify (const char *built, const char *found, Identity *b, Identity *f, GError **error)
{
  g_autofree char *helper = dkms_process_helper ("dkms-modinfo");
  const char *argv[] = { helper, built, found, NULL };
  DkmsCommand command = { .argv = argv, .null_stdin = TRUE };
  const char *fields[4];
  gsize size = 0, at = 0;
  int status = 0;
  g_autofree char *text = dkms_process_capture (&command, &size, &status, error);

  if (text == NULL)
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (fields); i++)
    {
      if (status != 0 || at >= size)
        return DKMS_FAIL (error, VERSIONS_UNREADABLE, .path = found, .place = built);
      fields[i] = text + at;
      at += strlen (fields[i]) + 1;
    }
  b->version = g_strdup (fields[0]);
  b->srcversion = g_strdup (fields[1]);
  f->version = g_strdup (fields[2]);
  f->srcversion = g_strdup (fields[3]);
  return TRUE;
}

/* Returns: (transfer full) (nullable): @version, NULL if it is empty */
static char *
version_or_null (const char *version)
{
  return version != NULL && *version != '\0' ? g_strdup (version) : NULL;
}

DkmsVerdict
dkms_version_check (const DkmsJob *job, const char *built, const char *found, char **mine, char **theirs,
                    GError **error)
{
  const DkmsRoot *root = job->settings->places.root;
  g_autofree char *built_host = dkms_root_resolved (root, built);
  g_autofree char *found_host = dkms_root_resolved (root, found);
  g_auto (Identity) b = { 0 };
  g_auto (Identity) f = { 0 };

  *mine = *theirs = NULL;
  if (dkms_files_equal_at (AT_FDCWD, built_host, AT_FDCWD, found_host))
    return DKMS_VERDICT_SAME;
  if (!identify (built_host, found_host, &b, &f, error))
    return DKMS_VERDICT_INSTALL;
  *mine = version_or_null (b.version);
  *theirs = version_or_null (f.version);
  if (g_strcmp0 (b.version, f.version) != 0)
    return dkms_version_compare (f.version, b.version) > 0 ? DKMS_VERDICT_OLDER : DKMS_VERDICT_INSTALL;
  if (g_strcmp0 (b.srcversion, f.srcversion) != 0)
    return DKMS_VERDICT_INSTALL;
  return *b.version != '\0' || *b.srcversion != '\0' ? DKMS_VERDICT_SAME : DKMS_VERDICT_INSTALL;
}

gboolean
dkms_version_equal (const DkmsJob *job, const char *built, const char *found)
{
  g_autofree char *built_host = dkms_root_resolved (job->settings->places.root, built);
  g_autofree char *found_host = dkms_root_resolved (job->settings->places.root, found);
  g_auto (Identity) b = { 0 };
  g_auto (Identity) f = { 0 };

  return identify (built_host, found_host, &b, &f, NULL) && g_strcmp0 (b.version, f.version) == 0;
}
