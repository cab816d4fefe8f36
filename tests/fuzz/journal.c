/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Input: the text of a journal in <tree>/.dkms/journal, left by a killed run, or written by the owner of a tree on
 * which root works. Recovery runs in a real directory that contains links to the outside. Findings: a crash; a change
 * outside of the root; a recovery that succeeds once and fails when it is repeated. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "fuzz.h"
#include "store/recovery.h"

#define JOURNAL "00000001.json"

static int journal = -1; /* the directory of the journal */
static FuzzWatch *world; /* NULL: the files must be created */

static void
make_link (const char *text, const char *path)
{
  g_autofree char *full = g_build_filename (fuzz_place (), path, NULL);

  g_assert (symlink (text, full) == 0);
}

/* Deletes everything in the root, also what recovery moved there, except /etc. */
static void
delete_world (void)
{
  g_autofree char *root = g_build_filename (fuzz_place (), "root", NULL);
  g_autoptr (GDir) dir = g_dir_open (root, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename ("root", name, NULL);
      if (strcmp (name, "etc") != 0)
        fuzz_delete (path);
    }
}

/* All files except the journal. They are kept for the next input unless they were changed. */
static void
make_world (void)
{
  static const char *const watched[] = { "root",
                                         "root/tree",
                                         "root/tree/.dkms",
                                         "root/tree/.dkms/journal",
                                         "root/tree/.dkms/work",
                                         "root/lib",
                                         "root/lib/.dkms-00000001-old1",
                                         "root/lib/.dkms-00000001-old1/d",
                                         "root/a",
                                         "root/a/b",
                                         "root/a/b/c" };
  g_autofree char *canary = g_build_filename (fuzz_place (), "canary", NULL);
  g_autofree char *dir = g_build_filename (fuzz_place (), "root/tree/.dkms/journal", NULL);

  if (world != NULL)
    return;
  delete_world ();
  fuzz_write ("root/tree/.dkms/work/x", "", 0);
  fuzz_write ("root/tree/.dkms/lock", "", 0);
  fuzz_write ("root/lib/m.ko", "old", 3);
  fuzz_write ("root/lib/.dkms-00000001-0", "new", 3);
  fuzz_write ("root/lib/.dkms-00000001-old1/d/file", "old", 3);
  fuzz_write ("root/a/b/c/file", "x", 1);
  make_link (canary, "root/out");
  make_link ("../../canary", "root/a/up");
  make_link (canary, "root/lib/.dkms-00000001-2");
  g_assert (mkdir (dir, 0755) == 0);
  if (journal >= 0)
    (void)close (journal);
  journal = open (dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  g_assert (journal >= 0);
  world = fuzz_watch_new ();
  for (gsize i = 0; i < G_N_ELEMENTS (watched); i++)
    fuzz_watch_add (world, watched[i]);
}

static void
write_journal (const uint8_t *data, size_t size)
{
  int fd = openat (journal, JOURNAL, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

  g_assert (fd >= 0 && dkms_write_all (fd, data, size, JOURNAL, NULL));
  (void)close (fd);
}

/* Paths that every recovery changes. */
static gboolean
is_usual (const char *path, const char *name)
{
  if (strcmp (path, "root/tree/.dkms") == 0)
    return strcmp (name, "lock") == 0 || strcmp (name, "sequence") == 0;
  return strcmp (path, "root/tree/.dkms/journal") == 0 && (strcmp (name, JOURNAL) == 0 || strcmp (name, "bad") == 0);
}

static gboolean delete (const char *name, int flags)
{
  return unlinkat (journal, name, flags) == 0 || errno == ENOENT;
}

static void
clear_world (void)
{
  gboolean usual = !fuzz_watch_changed (world, is_usual);

  if (usual && delete (JOURNAL, 0) && delete ("bad/" JOURNAL, 0) && delete ("bad", AT_REMOVEDIR))
    return;
  fuzz_watch_free (g_steal_pointer (&world));
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  const DkmsSettings *settings;

  fuzz_begin ();
  settings = fuzz_settings ();
  fuzz_canary_make ("root");
  make_world ();
  write_journal (data, size);
  if (dkms_journal_recover (&settings->places, fuzz_listener (), NULL))
    g_assert (dkms_journal_recover (&settings->places, fuzz_listener (), NULL));
  fuzz_canary_check ();
  clear_world ();
  return 0;
}
