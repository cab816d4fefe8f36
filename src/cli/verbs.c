/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

/* name, verb, summary, --all, several -k, root, writable tree */
static const DkmsVerbInfo verbs[] = {
  { "add", DKMS_VERB_ADD, "Register a module's source with the tree", FALSE, TRUE, FALSE, TRUE },
  { "build", DKMS_VERB_BUILD, "Compile a module for one or more kernels", FALSE, TRUE, FALSE, TRUE },
  { "install", DKMS_VERB_INSTALL, "Put a module in place, building it first if need be", FALSE, TRUE, TRUE, TRUE },
  { "uninstall", DKMS_VERB_UNINSTALL, "Take an installed module away, restore what it replaced", TRUE, TRUE, TRUE,
    TRUE },
  { "unbuild", DKMS_VERB_UNBUILD, "Uninstall, and delete what was compiled", TRUE, TRUE, FALSE, TRUE },
  { "remove", DKMS_VERB_REMOVE, "Unbuild, and unregister when nothing is left", TRUE, TRUE, FALSE, TRUE },
  { "autoinstall", DKMS_VERB_AUTOINSTALL, "Install the latest version of every module for a kernel", FALSE, TRUE, TRUE,
    TRUE },
  { "status", DKMS_VERB_STATUS, "Show what is added, built and installed", TRUE, TRUE, FALSE, FALSE },
  { "match", DKMS_VERB_MATCH, "Install for a kernel what is installed for another one", FALSE, FALSE, TRUE, TRUE },
  { "mktarball", DKMS_VERB_MKTARBALL, "Pack sources and builds into an archive", TRUE, TRUE, FALSE, FALSE },
  { "ldtarball", DKMS_VERB_LDTARBALL, "Load sources and builds from an archive", TRUE, TRUE, FALSE, TRUE },
  { "generate_mok", DKMS_VERB_GENERATE_MOK, "Make the key pair that modules are signed with", TRUE, TRUE, FALSE,
    FALSE },
  { "kernel_preinst", DKMS_VERB_KERNEL_PREINST, "Take builds away before a kernel is replaced", FALSE, FALSE, TRUE,
    TRUE },
  { "kernel_postinst", DKMS_VERB_KERNEL_POSTINST, "Autoinstall for a kernel that was installed", FALSE, FALSE, TRUE,
    TRUE },
  { "kernel_prerm", DKMS_VERB_KERNEL_PRERM, "Take all builds away before a kernel is removed", FALSE, FALSE, TRUE,
    TRUE },
};

const DkmsVerbInfo *
dkms_verb_find (const char *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS (verbs); i++)
    if (strcmp (verbs[i].name, name) == 0)
      return &verbs[i];
  return NULL;
}

static const char *const options[] = {
  "-m, --module <m>[/<v>]      module, and version",
  "-v <v>                      version",
  "-k, --kernelver <k>[/<a>]   kernel release; may be given several times",
  "-a, --arch <a>              architecture",
  "-c <file>                   dkms.conf to use instead of the module's own",
  "    --config <file>         kernel configuration to consult",
  "    --kernelsourcedir <dir> kernel build directory",
  "    --directive NAME=value  override a directive of dkms.conf",
  "    --dkmstree <dir>        the tree (default /var/lib/dkms)",
  "    --sourcetree <dir>      module sources (default /usr/src)",
  "    --installtree <dir>     kernels' modules (default /lib/modules)",
  "    --root <dir>            work on the system in that directory",
  "    --all                   every kernel the module is built for",
  "    --all-kernels           autoinstall: every kernel that has headers",
  "    --force                 do it in spite of versions and present builds",
  "    --force-version-override  skip only the version comparison",
  "    --no-depmod             do not run depmod",
  "    --symlink-modules       install links instead of copies",
  "    --modprobe-on-install   load modules for this machine afterwards",
  "    --templatekernel <k>    match: the kernel to imitate",
  "    --archive <file>        archive to load, or to make",
  "    --source-only, --binaries-only  mktarball: what to pack",
  "    --rpm_safe_upgrade      for scriptlets of rpm packages",
  "    --dry-run               show what would be done, change nothing",
  "-j <n>                      jobs for make; 0 means no limit",
  "-q, --quiet                 no output at all",
  "    --verbose               show command lines",
  "-V, --version               print the version",
  "-h, --help                  print this text",
};

void
dkms_verb_print_help (const DkmsVerbInfo *only)
{
  if (only != NULL && only->summary != NULL)
    printf ("Usage: dkms %s [options]\n       [module/version | directory | dkms.conf | archive]\n\n%s.\n", only->name,
            only->summary);
  else
    {
      printf ("Usage: dkms <verb> [options]\n       [module/version | directory | dkms.conf | archive]\n\nVerbs:\n");
      for (gsize i = 0; i < G_N_ELEMENTS (verbs); i++)
        if (verbs[i].summary != NULL)
          printf ("  %-15s %s\n", verbs[i].name, verbs[i].summary);
    }
  printf ("\nOptions:\n");
  for (gsize i = 0; i < G_N_ELEMENTS (options); i++)
    printf ("  %s\n", options[i]);
  fflush (stdout);
}
