/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Input: the text of a journal, as a run that was killed leaves it in <tree>/.dkms/journal, or as somebody wrote it who
 * owns a tree that root works on. Recovery runs on a real directory, with links in it that lead out.
 * A finding: a crash; anything outside of the root that changed; a recovery that succeeds once and fails when it is
 * repeated. */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "fuzz.h"
#include "store/recovery.h"

static void
make_link (const char *text, const char *path)
{
  g_autofree char *full = g_build_filename (fuzz_place (), path, NULL);

  g_assert (symlink (text, full) == 0);
}

static void
make_world (const uint8_t *data, size_t size)
{
  g_autofree char *canary = g_build_filename (fuzz_place (), "canary", NULL);

  fuzz_write ("root/tree/.dkms/journal/00000001.json", data, size);
  fuzz_write ("root/tree/.dkms/work/x", "", 0);
  fuzz_write ("root/tree/.dkms/lock", "", 0);
  fuzz_write ("root/lib/m.ko", "old", 3);
  fuzz_write ("root/lib/.dkms-00000001-0", "new", 3);
  fuzz_write ("root/lib/.dkms-00000001-old1/d/file", "old", 3);
  fuzz_write ("root/a/b/c/file", "x", 1);
  make_link (canary, "root/out");
  make_link ("../../canary", "root/a/up");
  make_link (canary, "root/lib/.dkms-00000001-2");
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  const DkmsSettings *settings;

  fuzz_begin ();
  settings = fuzz_settings ();
  fuzz_canary_make ();
  make_world (data, size);
  fuzz_canary_check ("root");
  if (dkms_journal_recover (&settings->places, fuzz_listener (), NULL))
    g_assert (dkms_journal_recover (&settings->places, fuzz_listener (), NULL));
  fuzz_canary_check ("root");
  fuzz_delete ("root/tree");
  fuzz_delete ("root/lib");
  fuzz_delete ("root/a");
  fuzz_delete ("root/out");
  return 0;
}
