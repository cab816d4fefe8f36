/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The planner as a table: a state, a request, and the expected steps or error.
 *
 * Steps are separated by '|' and numbered from 1. "<1,2" after a step: it runs only after steps 1 and 2 have succeeded.
 * "~3": it runs after step 3, which may also be skipped. "(again)" and "(due)" are fields of DkmsStep; "(again)" is
 * omitted if the name of the step implies it.
 *
 * State, with one version per entry, separated by ';':
 *   m/v [broken] [auto] [deps=a,b] [badconf] [K=built] [K=installed@dep:v,...] [K=remains] [K=link]
 * The architecture is always x. @ precedes the versions of dependencies at the time of the build. remains: what is left
 * of a build that was not installed; link: of one that was. !incomplete, !gone, !unindexed and !stale after a build are
 * fields of DkmsBuild.
 *
 * Flags: "same": the given source is the registered one; "other": it differs. */
#include <string.h>

#include "base/error.h"
#include "cli/verbs.h"
#include "plan/plan.h"
#include "report/sentences.h"

typedef struct {
  const char *name, *state, *verb, *identity, *kernels, *flags;
  const char *steps; /* and the numbers of failures, of deferred modules and of cycles */
  int error;         /* DKMS_ERROR_*, or -1 */
} Case;

static const Case cases[] = {
  { "add", "", "add", "foo/1", "k1", "", "add foo/1", -1 },
  { "add-twice", "foo/1", "add", "foo/1", "k1", "", NULL, DKMS_ERROR_ALREADY_ADDED },
  { "add-repairs-broken", "foo/1 broken", "add", "foo/1", "k1", "", "add foo/1", -1 },
  { "add-no-version", "", "add", "foo", "k1", "", NULL, DKMS_ERROR_NO_VERSION },
  { "build-adds", "", "build", "foo/1", "k1", "", "add foo/1|build foo/1 k1 x <1", -1 },
  { "build-two", "foo/1", "build", "foo/1", "k1 k2", "", "build foo/1 k1 x|build foo/1 k2 x", -1 },
  { "build-done", "foo/1 k1=built", "build", "foo/1", "k1", "", "note foo/1 k1 x: already built", -1 },
  { "build-force", "foo/1 k1=built", "build", "foo/1", "k1", "force", "rebuild foo/1 k1 x", -1 },
  { "build-broken", "foo/1 broken", "build", "foo/1", "k1", "", NULL, DKMS_ERROR_BROKEN },
  { "install-all-steps", "", "install", "foo/1", "k1", "",
    "add foo/1|build foo/1 k1 x <1|install foo/1 k1 x <2|depmod k1 <3", -1 },
  { "install-built", "foo/1 k1=built", "install", "foo/1", "k1", "", "install foo/1 k1 x|depmod k1 <1", -1 },
  { "install-done", "foo/1 k1=installed", "install", "foo/1", "k1", "", "note foo/1 k1 x: already installed", -1 },
  { "install-force", "foo/1 k1=installed", "install", "foo/1", "k1", "force", "reinstall foo/1 k1 x|depmod k1 <1", -1 },
  { "install-two-kernels-two-depmods", "foo/1 k1=built k2=built", "install", "foo/1", "k1 k2", "",
    "install foo/1 k1 x|install foo/1 k2 x|depmod k1 <1|depmod k2 <2", -1 },
  { "uninstall", "foo/1 k1=installed", "uninstall", "foo/1", "k1", "", "uninstall foo/1 k1 x|depmod k1 <1", -1 },
  { "uninstall-nothing", "foo/1 k1=built", "uninstall", "foo/1", "k1", "", "note foo/1 k1 x: not installed", -1 },
  { "uninstall-unknown", "", "uninstall", "foo/1", "k1", "", NULL, DKMS_ERROR_NOT_ADDED },
  { "unbuild", "foo/1 k1=installed", "unbuild", "foo/1", "k1", "",
    "uninstall foo/1 k1 x|unbuild foo/1 k1 x <1|depmod k1 <1", -1 },
  { "remove-last", "foo/1 k1=built", "remove", "foo/1", "k1", "",
    "note foo/1 k1 x: not installed|unbuild foo/1 k1 x <1|unregister foo/1 <2", -1 },
  { "remove-one-of-two", "foo/1 k1=built k2=built", "remove", "foo/1", "k1", "",
    "note foo/1 k1 x: not installed|unbuild foo/1 k1 x <1", -1 },
  { "remove-two-kernels", "foo/1 k1=installed k2=installed", "remove", "foo/1", "k1 k2", "",
    "uninstall foo/1 k1 x|unbuild foo/1 k1 x <1|uninstall foo/1 k2 x <2|unbuild foo/1 k2 x <3|"
    "unregister foo/1 <4|depmod k1 <1|depmod k2 <3",
    -1 },
  { "remove-added", "foo/1", "remove", "foo/1", "k1", "",
    "note foo/1 k1 x: not installed|note foo/1 k1 x: not built <1|unregister foo/1 <2", -1 },
  { "build-incomplete", "foo/1 k1=built!incomplete", "build", "foo/1", "k1", "", "rebuild foo/1 k1 x", -1 },
  { "build-in-the-place-of-remains", "foo/1 k1=remains", "build", "foo/1", "k1", "", "build foo/1 k1 x", -1 },
  { "build-for-a-directory-of-the-tree", "foo/1", "build", "foo/1", "source", "force", NULL,
    DKMS_ERROR_RESERVED_KERNEL },
  { "install-for-a-directory-of-the-tree", "foo/1", "install", "foo/1", "k1 build", "", NULL,
    DKMS_ERROR_RESERVED_KERNEL },
  { "auto-for-a-directory-of-the-tree", "foo/1 auto", "autoinstall", "", "tarball", "", NULL,
    DKMS_ERROR_RESERVED_KERNEL },
  { "match-for-a-directory-of-the-tree", "foo/1 k1=installed", "match", "", "rpm", "template", NULL,
    DKMS_ERROR_RESERVED_KERNEL },
  { "unbuild-of-a-directory-of-the-tree", "foo/1", "unbuild", "foo/1", "source", "",
    "note foo/1 source x: not installed|note foo/1 source x: not built <1", -1 },
  { "install-incomplete", "foo/1 k1=built!incomplete", "install", "foo/1", "k1", "", "install foo/1 k1 x|depmod k1 <1",
    -1 },
  { "install-gone", "foo/1 k1=installed!gone", "install", "foo/1", "k1", "", "install foo/1 k1 x (again)|depmod k1 <1",
    -1 },
  { "install-gone-and-incomplete", "foo/1 k1=installed!gone!incomplete", "install", "foo/1", "k1", "",
    "rebuild foo/1 k1 x|install foo/1 k1 x <1 (again)|depmod k1 <2", -1 },
  { "install-incomplete-but-there", "foo/1 k1=installed!incomplete", "install", "foo/1", "k1", "",
    "note foo/1 k1 x: already installed", -1 },
  { "install-unindexed", "foo/1 k1=installed!unindexed", "install", "foo/1", "k1", "",
    "note foo/1 k1 x: already installed|depmod k1 (due)", -1 },
  { "install-force-incomplete", "foo/1 k1=installed!incomplete", "install", "foo/1", "k1", "force",
    "reinstall foo/1 k1 x|depmod k1 <1", -1 },
  { "install-over-a-link", "foo/1 k1=link", "install", "foo/1", "k1", "",
    "build foo/1 k1 x|install foo/1 k1 x <1 (again)|depmod k1 <2", -1 },
  { "add-version-of-the-tree", "", "add", "foo/original_module", "k1", "", NULL, DKMS_ERROR_RESERVED_NAME },
  { "add-version-like-a-link", "", "install", "foo/kernel-6.1-x86_64", "k1", "", NULL, DKMS_ERROR_RESERVED_NAME },
  { "add-version-source", "", "build", "foo/source", "k1", "", NULL, DKMS_ERROR_RESERVED_NAME },
  { "add-version-build", "", "add", "foo/build", "k1", "", NULL, DKMS_ERROR_RESERVED_NAME },
  { "add-module-of-the-tree", "", "add", "mok.key/1", "k1", "", NULL, DKMS_ERROR_RESERVED_NAME },
  { "load-version-of-the-tree", "", "ldtarball", "foo/source", "k1", "loads", NULL, DKMS_ERROR_RESERVED_PACKAGE },
  { "version-of-the-tree-that-is-there", "foo/build", "build", "foo/build", "k1", "", "build foo/build k1 x", -1 },
  { "uninstall-broken", "foo/1 broken k1=installed", "uninstall", "foo/1", "k1", "",
    "uninstall foo/1 k1 x|depmod k1 <1", -1 },
  { "unbuild-broken", "foo/1 broken k1=installed", "unbuild", "foo/1", "k1", "",
    "uninstall foo/1 k1 x|unbuild foo/1 k1 x <1|depmod k1 <1", -1 },
  { "remove-broken", "foo/1 broken k1=installed", "remove", "foo/1", "k1", "",
    "uninstall foo/1 k1 x|unbuild foo/1 k1 x <1|unregister foo/1 <2|depmod k1 <1", -1 },
  { "remove-broken-added", "foo/1 broken", "remove", "foo/1", "", "all", "unregister foo/1", -1 },
  { "remove-broken-not-built", "foo/1 broken", "remove", "foo/1", "k1", "", NULL, DKMS_ERROR_BROKEN },
  { "uninstall-broken-nothing", "foo/1 broken", "uninstall", "foo/1", "", "all", NULL, DKMS_ERROR_BROKEN },
  { "unbuild-broken-link", "foo/1 broken k1=link", "unbuild", "foo/1", "k1", "",
    "uninstall foo/1 k1 x|unbuild foo/1 k1 x <1|depmod k1 <1", -1 },
  { "install-broken", "foo/1 broken k1=installed", "install", "foo/1", "k1", "", NULL, DKMS_ERROR_BROKEN },
  { "remove-remains", "foo/1 k1=remains", "remove", "foo/1", "k1", "",
    "note foo/1 k1 x: not installed|unbuild foo/1 k1 x <1|unregister foo/1 <2", -1 },
  { "remove-link", "foo/1 k1=link", "remove", "foo/1", "k1", "",
    "uninstall foo/1 k1 x|unbuild foo/1 k1 x <1|unregister foo/1 <2|depmod k1 <1", -1 },
  { "remove-beside-a-link", "foo/1 k1=built k2=link", "remove", "foo/1", "k1", "",
    "note foo/1 k1 x: not installed|unbuild foo/1 k1 x <1", -1 },
  { "remove-beside-remains", "foo/1 k1=built k2=remains", "remove", "foo/1", "k1", "",
    "note foo/1 k1 x: not installed|unbuild foo/1 k1 x <1|unregister foo/1 <2", -1 },
  { "auto-incomplete", "foo/1 auto k1=built!incomplete", "autoinstall", "", "k1", "",
    "rebuild foo/1 k1 x|install foo/1 k1 x <1|depmod k1 <2", -1 },
  { "auto-gone", "foo/1 auto k1=installed!gone", "autoinstall", "", "k1", "", "install foo/1 k1 x (again)|depmod k1 <1",
    -1 },
  { "forecast", "foo/1 auto;bar/1;baz/1 auto deps=foo", "forecast", "", "k1 k2", "",
    "build foo/1 k1 x|build baz/1 k1 x ~1|build foo/1 k2 x|build baz/1 k2 x ~3", -1 },
  { "forecast-one", "foo/1 auto;bar/1 deps=low;low/1;baz/1 auto", "forecast", "bar", "k1", "",
    "build low/1 k1 x|build bar/1 k1 x ~1", -1 },
  { "forecast-needs", "foo/1 auto deps=gone;baz/1 auto badconf", "forecast", "", "k1", "", "failed 1|deferred 1", -1 },
  { "auto-gone-but-off", "foo/1 k1=installed!gone", "autoinstall", "", "k1", "", "", -1 },
  { "auto-unindexed", "foo/1 auto k1=installed!unindexed", "autoinstall", "", "k1", "", "depmod k1 (due)", -1 },
  { "auto-unindexed-but-off", "foo/1 k1=installed!unindexed", "autoinstall", "", "k1", "", "depmod k1 (due)", -1 },
  { "auto-unindexed-and-another", "foo/1 auto k1=installed!unindexed;bar/1 auto", "kernel_postinst", "", "k1", "",
    "build bar/1 k1 x|install bar/1 k1 x <1|depmod k1 <2 (due)", -1 },
  { "auto-without-headers", "a/1 auto k1=built;b/1 auto;c/1 auto k1=built", "autoinstall", "", "k1", "no-headers",
    "install a/1 k1 x|depmod k1 <1", -1 },
  { "auto-without-headers-at-once", "a/1 auto;c/1 auto k1=built", "autoinstall", "", "k1", "no-headers", "", -1 },
  { "auto-without-headers-depmod-is-due", "a/1 auto;c/1 auto k1=installed!unindexed", "autoinstall", "", "k1",
    "no-headers", "depmod k1 (due)", -1 },
  { "match-mends", "foo/1 k1=installed k2=installed!gone", "match", "", "k2", "template",
    "install foo/1 k2 x (again)|depmod k2 <1", -1 },
  { "prune", "a/1 k1=installed k2=built;b/1 k2=installed", "prune", "", "k1", "",
    "uninstall a/1 k1 x|unbuild a/1 k1 x <1|depmod k1 <1", -1 },
  { "prune-two-kernels", "a/1 k1=built;b/1 k2=remains", "prune", "", "k1 k2", "", "unbuild a/1 k1 x|unbuild b/1 k2 x",
    -1 },
  { "prune-version", "a/1 k1=built;a/2 k1=built", "prune", "a/2", "k1", "", "unbuild a/2 k1 x", -1 },
  { "prune-unknown", "a/1 k1=built", "prune", "a/2", "k1", "", NULL, DKMS_ERROR_NOT_ADDED },
  { "sign", "a/1 k1=installed k2=built;b/1 k1=built;b/2 k2=built", "sign", "", "k1", "", "sign a/1 k1 x|sign b/1 k1 x",
    -1 },
  { "sign-version", "a/1 k1=built;a/2 k1=installed", "sign", "a/2", "k1", "", "sign a/2 k1 x", -1 },
  { "sign-module", "a/1 k1=built;a/2 k1=installed k2=remains", "sign", "a", "k1", "", "sign a/1 k1 x|sign a/2 k1 x",
    -1 },
  { "sign-nothing", "a/1 k2=built", "sign", "", "k1", "", "", -1 },
  { "sign-broken", "a/1 broken k1=installed!stale", "sign", "a/1", "k1", "", "sign a/1 k1 x", -1 },
  { "sign-not-built", "a/1 k1=built", "sign", "a/1", "k1 k2", "", NULL, DKMS_ERROR_SIGN_NOT_BUILT },
  { "sign-remains", "a/1 k1=remains", "sign", "a/1", "k1", "", NULL, DKMS_ERROR_SIGN_NOT_BUILT },
  { "sign-unknown", "a/1 k1=built", "sign", "a/2", "k1", "", NULL, DKMS_ERROR_NOT_ADDED },
  { "sign-needs-no-depmod", "a/1 k1=installed", "sign", "", "k1", "force", "sign a/1 k1 x", -1 },
  { "prerm-remains", "a/1 k1=link;b/1 k1=remains", "kernel_prerm", "", "k1", "",
    "uninstall a/1 k1 x|unbuild a/1 k1 x <1|unbuild b/1 k1 x|depmod k1 <1|clean k1 <1,2,3,4", -1 },
  { "auto-nothing", "foo/1", "autoinstall", "", "k1", "", "", -1 },
  { "auto-latest", "foo/1 auto;foo/10 auto;foo/9 auto", "autoinstall", "", "k1", "",
    "build foo/10 k1 x|install foo/10 k1 x <1|depmod k1 <2", -1 },
  { "auto-built", "foo/1 auto k1=built", "autoinstall", "", "k1", "", "install foo/1 k1 x|depmod k1 <1", -1 },
  { "auto-done", "foo/1 auto k1=installed", "autoinstall", "", "k1", "", "", -1 },
  { "auto-dependents-in-a-later-round", "a/1 auto deps=b;b/1 auto;c/1 auto", "autoinstall", "", "k1", "",
    "build b/1 k1 x|install b/1 k1 x <1|build c/1 k1 x|install c/1 k1 x <3|build a/1 k1 x ~2|"
    "install a/1 k1 x <5|depmod k1 <2,4,6",
    -1 },
  { "auto-two-dependencies", "a/1 auto deps=b,c;b/1 auto;c/1 auto k1=built", "autoinstall", "", "k1", "",
    "build b/1 k1 x|install b/1 k1 x <1|install c/1 k1 x|build a/1 k1 x ~2,3|install a/1 k1 x <4|"
    "depmod k1 <2,3,5",
    -1 },
  { "auto-built-dependent", "a/1 auto k1=built deps=b;b/1 auto", "autoinstall", "", "k1", "",
    "build b/1 k1 x|install b/1 k1 x <1|install a/1 k1 x ~2|depmod k1 <2,3", -1 },
  { "auto-unknown-dependency", "a/1 auto deps=zzz", "autoinstall", "", "k1", "", "deferred 1", -1 },
  { "auto-known-but-off", "a/1 auto deps=b;b/1", "autoinstall", "", "k1", "", "failed 1", -1 },
  { "auto-self", "a/1 auto deps=a", "autoinstall", "", "k1", "", "failed 1", -1 },
  { "auto-cycle", "a/1 auto deps=b;b/1 auto deps=a", "autoinstall", "", "k1", "", "failed 2", -1 },
  { "auto-bad-conf-fails-only-itself", "a/1 badconf;b/1 auto", "autoinstall", "", "k1", "",
    "build b/1 k1 x|install b/1 k1 x <1|depmod k1 <2|failed 1", -1 },
  { "auto-broken-skipped", "a/1 broken auto;b/1 auto", "autoinstall", "", "k1", "",
    "build b/1 k1 x|install b/1 k1 x <1|depmod k1 <2", -1 },
  { "auto-two-kernels", "foo/1 auto;bar/1 auto k1=installed", "autoinstall", "", "k1 k2", "",
    "build foo/1 k1 x|install foo/1 k1 x <1|build foo/1 k2 x|install foo/1 k2 x <3|build bar/1 k2 x|"
    "install bar/1 k2 x <5|depmod k1 <2|depmod k2 <4,6",
    -1 },
  { "match", "bar/1 k1=installed;bar/2;foo/1 k1=installed k2=built;off/1 k1=built", "match", "", "k2", "template",
    "build bar/1 k2 x|install bar/1 k2 x <1|install foo/1 k2 x|depmod k2 <2,3", -1 },
  { "match-done", "foo/1 k1=installed k2=installed", "match", "", "k2", "template",
    "note foo/1 k2 x: already installed", -1 },
  { "match-broken-skipped", "foo/1 broken k1=installed", "match", "", "k2", "template", "", -1 },
  { "match-unknown", "", "match", "foo", "k2", "template", NULL, DKMS_ERROR_NOT_ADDED },
  { "prerm", "a/1 k1=installed;b/1 auto k1=built;c/1 k2=installed", "kernel_prerm", "", "k1", "",
    "uninstall a/1 k1 x|unbuild a/1 k1 x <1|unbuild b/1 k1 x|depmod k1 <1|clean k1 <1,2,3,4", -1 },
  { "preinst-only-what-comes-back", "a/1 k1=installed;b/1 auto k1=installed", "kernel_preinst", "", "k1", "",
    "uninstall b/1 k1 x|unbuild b/1 k1 x <1|depmod k1 <1|clean k1 <1,2,3", -1 },
  { "preinst-bad-conf", "a/1 badconf k1=installed", "kernel_preinst", "", "k1", "", "clean k1|failed 1", -1 },
  { "postinst", "foo/1 auto", "kernel_postinst", "", "k1", "", "build foo/1 k1 x|install foo/1 k1 x <1|depmod k1 <2",
    -1 },
  { "pack", "foo/1 k1=built", "mktarball", "foo/1", "k1", "", "pack foo/1", -1 },
  { "pack-not-built", "foo/1", "mktarball", "foo/1", "k1", "", NULL, DKMS_ERROR_NOT_BUILT },
  { "pack-source-only", "foo/1", "mktarball", "foo/1", "k1", "source-only", "pack foo/1", -1 },
  { "match-unknown-template", "foo/1 k2=built", "match", "", "k2", "template", NULL, DKMS_ERROR_TEMPLATE_UNKNOWN },
  { "same-add", "foo/1", "add", "foo/1", "k1", "same", NULL, DKMS_ERROR_SAME_SOURCE_ADDED },
  { "same-add-force", "foo/1", "add", "foo/1", "k1", "same force", "", -1 },
  { "same-install", "foo/1", "install", "foo/1", "k1", "same", "build foo/1 k1 x|install foo/1 k1 x <1|depmod k1 <2",
    -1 },
  { "same-mends-broken", "foo/1 broken", "build", "foo/1", "k1", "same", "add foo/1|build foo/1 k1 x <1", -1 },
  { "other-add", "foo/1", "add", "foo/1", "k1", "other", NULL, DKMS_ERROR_OTHER_SOURCE_ADDED },
  { "other-install", "foo/1 k1=built", "install", "foo/1", "k1", "other", NULL, DKMS_ERROR_OTHER_SOURCE_ADDED },
  { "other-add-force", "foo/1", "add", "foo/1", "k1", "other force", "replace the source of foo/1", -1 },
  { "other-install-force", "foo/1 k1=installed k2=built", "install", "foo/1", "k1 k2", "other force",
    "replace the source of foo/1|rebuild foo/1 k1 x <1|reinstall foo/1 k1 x <2|rebuild foo/1 k2 x <1|"
    "install foo/1 k2 x <4|depmod k1 <3|depmod k2 <5",
    -1 },
  { "stale-build", "foo/1 k1=built!stale", "build", "foo/1", "k1", "", "rebuild foo/1 k1 x", -1 },
  { "stale-install", "foo/1 k1=built!stale", "install", "foo/1", "k1", "",
    "rebuild foo/1 k1 x|install foo/1 k1 x <1|depmod k1 <2", -1 },
  { "stale-installed", "foo/1 k1=installed!stale", "install", "foo/1", "k1", "",
    "note foo/1 k1 x: already installed, from an earlier source; --force replaces it", -1 },
  { "stale-installed-force", "foo/1 k1=installed!stale", "install", "foo/1", "k1", "force",
    "rebuild foo/1 k1 x|reinstall foo/1 k1 x <1|depmod k1 <2", -1 },
  { "stale-autoinstall", "foo/1 auto k1=built!stale;bar/1 auto k1=installed!stale", "autoinstall", "", "k1", "",
    "rebuild foo/1 k1 x|install foo/1 k1 x <1|depmod k1 <2", -1 },
  { "load-same-and-install", "foo/1 k1=built", "install", "foo/1", "k1", "loads same",
    "load foo/1|install foo/1 k1 x <1|depmod k1 <2", -1 },
  { "load-other-and-install", "foo/1", "install", "foo/1", "k1", "loads other", NULL, DKMS_ERROR_ARCHIVE_OTHER_ADDED },
  { "load", "", "ldtarball", "foo/1", "k1", "loads", "load foo/1|add foo/1 <1", -1 },
  { "load-again", "foo/1", "ldtarball", "foo/1", "k1", "loads", NULL, DKMS_ERROR_ARCHIVE_ADDED },
  { "load-by-force", "foo/1", "ldtarball", "foo/1", "k1", "loads force", "load foo/1", -1 },
  { "load-and-install", "", "install", "foo/1", "k1", "loads",
    "load foo/1|add foo/1 <1|build foo/1 k1 x <2|install foo/1 k1 x <3|depmod k1 <4", -1 },
  { "dependent", "bar/1 k1=installed;bar/2;foo/1 k1=installed@bar:1", "install", "bar/2", "k1", "",
    "build bar/2 k1 x|install bar/2 k1 x <1|"
    "rebuild foo/1 k1 x: because bar changed from version 1 to 2 <2|reinstall foo/1 k1 x <3|"
    "depmod k1 <2,4",
    -1 },
  { "dependent-only-built", "bar/1 k1=installed;bar/2;foo/1 k1=built@bar:1", "install", "bar/2", "k1", "",
    "build bar/2 k1 x|install bar/2 k1 x <1|"
    "rebuild foo/1 k1 x: because bar changed from version 1 to 2 <2|depmod k1 <2",
    -1 },
  { "dependent-other-kernel", "bar/1 k1=installed;bar/2;foo/1 k2=installed@bar:1", "install", "bar/2", "k1", "",
    "build bar/2 k1 x|install bar/2 k1 x <1|depmod k1 <2", -1 },
  { "dependent-force", "bar/1 k1=built;foo/1 k1=installed@bar:0", "install", "bar/1", "k1", "force",
    "install bar/1 k1 x|depmod k1 <1", -1 },
  { "dependent-missing-dependency", "bar/1;foo/1 k1=installed@gone:1", "install", "bar/1", "k1", "",
    "build bar/1 k1 x|install bar/1 k1 x <1|depmod k1 <2", -1 },
  { "dependent-that-is-upgraded-itself", "bar/1 k1=installed;bar/2 auto;foo/1 k1=installed@bar:1;foo/2 auto",
    "autoinstall", "", "k1", "",
    "build bar/2 k1 x|install bar/2 k1 x <1|build foo/2 k1 x|install foo/2 k1 x <3|depmod k1 <2,4", -1 },
  { "dependents-in-order", "bar/1 k1=built;one/1 k1=built@bar:0,two:1;two/1 k1=built@bar:0", "install", "bar/1", "k1",
    "",
    "install bar/1 k1 x|rebuild two/1 k1 x: because bar changed from version 0 to 1 <1|"
    "rebuild one/1 k1 x: because bar changed from version 0 to 1 <1|depmod k1 <1",
    -1 },
  { "dependents-installed-in-order", "bar/1 k1=built;one/1 k1=installed@bar:0,two:0;two/1 k1=installed@bar:0",
    "install", "bar/1", "k1", "",
    "install bar/1 k1 x|rebuild two/1 k1 x: because bar changed from version 0 to 1 <1|"
    "reinstall two/1 k1 x <2|rebuild one/1 k1 x: because bar changed from version 0 to 1 <1,3|"
    "reinstall one/1 k1 x <4|depmod k1 <1,3,5",
    -1 },
  { "dependents-in-a-circle", "bar/1 k1=built;one/1 k1=built@bar:0,two:1;two/1 k1=built@bar:0,one:1", "install",
    "bar/1", "k1", "", "install bar/1 k1 x|depmod k1 <1|cycles 2", -1 },
};

static void
parse_seen (DkmsBuild *build, const char *text)
{
  g_auto (GStrv) pairs = g_strsplit (text != NULL ? text + 1 : "", ",", -1);

  for (char **pair = pairs; *pair != NULL; pair++)
    {
      g_auto (GStrv) halves = g_strsplit (*pair, ":", 2);
      if (build->seen == NULL)
        build->seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
      g_hash_table_insert (build->seen, g_strdup (halves[0]), g_strdup (halves[1]));
    }
}

static void
parse_version (DkmsState *state, const char *text)
{
  static const char *const kernels[] = { "k1", "k2" };
  g_auto (GStrv) words = g_strsplit (text, " ", -1);
  g_auto (GStrv) id = g_strsplit (words[0], "/", 2);
  DkmsVersion *v = dkms_state_add (state, &(DkmsId){ .module = id[0], .version = id[1] });

  for (char **word = words + 1; *word != NULL; word++)
    {
      char *equals = strchr (*word, '=');

      if (strcmp (*word, "broken") == 0)
        v->broken = TRUE;
      else if (equals == NULL || g_str_has_prefix (*word, "deps="))
        for (gsize k = 0; k < G_N_ELEMENTS (kernels); k++)
          {
            DkmsVersionFacts *facts = dkms_version_facts (v, &(DkmsId){ .kernel = kernels[k], .arch = "x" });
            facts->autoinstall |= strcmp (*word, "auto") == 0;
            if (strcmp (*word, "badconf") == 0)
              DKMS_FAIL (&facts->conf_error, BAD_CONF, .path = "/bad");
            if (equals != NULL)
              facts->depends = g_strsplit (equals + 1, ",", -1);
          }
      else
        {
          *equals = '\0';
          gboolean whole = strcmp (equals + 1, "remains") != 0 && strcmp (equals + 1, "link") != 0;
          DkmsBuild *build = whole ? dkms_version_add_build (v, &(DkmsId){ .kernel = *word, .arch = "x" })
                                   : dkms_version_add_remains (v, &(DkmsId){ .kernel = *word, .arch = "x" });
          build->built = whole;
          build->active = g_str_has_prefix (equals + 1, "installed") || strcmp (equals + 1, "link") == 0;
          build->incomplete = strstr (equals + 1, "!incomplete") != NULL;
          build->gone = strstr (equals + 1, "!gone") != NULL;
          build->unindexed = strstr (equals + 1, "!unindexed") != NULL;
          build->stale = strstr (equals + 1, "!stale") != NULL;
          parse_seen (build, strchr (equals + 1, '@'));
        }
    }
}

static DkmsState *
parse_state (const char *text)
{
  DkmsState *state = dkms_state_new ();
  g_auto (GStrv) entries = g_strsplit (text, ";", -1);

  for (char **entry = entries; *entry != NULL && **entry != '\0'; entry++)
    parse_version (state, *entry);
  return state;
}

/* Appends @mark and the numbers of @steps, if it is not empty. */
static void
append_edges (GString *text, const char *mark, const GArray *steps)
{
  for (guint i = 0; i < steps->len; i++)
    g_string_append_printf (text, "%s%u", i == 0 ? mark : ",", g_array_index (steps, guint, i) + 1);
}

static char *
describe (const DkmsPlan *plan)
{
  GString *all = g_string_new (NULL);

  for (guint i = 0; i < plan->steps->len; i++)
    {
      const DkmsStep *step = plan->steps->pdata[i];
      g_autofree char *line = dkms_sentence_for (&(const DkmsEvent){
          .kind = DKMS_EVENT_PLAN_STEP, .id = *step->id, .name = dkms_step_word (step), .reason = step->reason });
      gboolean says_again = step->kind == DKMS_STEP_BUILD || step->kind == DKMS_STEP_ADD;

      g_string_append_printf (all, "%s%s", all->len > 0 ? "|" : "", line);
      append_edges (all, " <", step->needs);
      append_edges (all, " ~", step->after);
      g_string_append_printf (all, "%s%s", step->replaces && !says_again ? " (again)" : "", step->due ? " (due)" : "");
    }
  if (plan->failed->len > 0)
    g_string_append_printf (all, "%sfailed %u", all->len > 0 ? "|" : "", plan->failed->len);
  if (plan->deferred->len > 0)
    g_string_append_printf (all, "%sdeferred %u", all->len > 0 ? "|" : "", plan->deferred->len);
  if (plan->cycles->len > 0)
    g_string_append_printf (all, "%scycles %u", all->len > 0 ? "|" : "", plan->cycles->len);
  return g_string_free (all, FALSE);
}

static void
test_case (gconstpointer data)
{
  const Case *c = data;
  const DkmsVerbInfo *verb = dkms_verb_find (c->verb);
  g_autoptr (DkmsRequest) request = dkms_request_new ();
  g_auto (GStrv) id = g_strsplit (c->identity, "/", 2);
  g_auto (GStrv) kernels = g_strsplit (c->kernels, " ", -1);
  g_autoptr (GError) error = NULL;

  g_assert_nonnull (verb);
  request->goal = verb->goal;
  request->selection = verb->selection;
  request->module = g_strdup (id[0]);
  request->version = id[0] != NULL ? g_strdup (id[1]) : NULL;
  request->all = strcmp (c->flags, "all") == 0;
  request->forecast = strcmp (c->verb, "forecast") == 0;
  request->force = strstr (c->flags, "force") != NULL;
  request->source_only = strstr (c->flags, "source-only") != NULL;
  request->template = strstr (c->flags, "template") != NULL ? g_strdup ("k1") : NULL;
  if (strstr (c->flags, "same") != NULL || strstr (c->flags, "other") != NULL)
    request->source = g_strdup ("/driver");
  for (char **k = kernels; *k != NULL; k++)
    if (**k != '\0')
      dkms_targets_add (request->targets, &(DkmsId){ .kernel = *k, .arch = "x" });

  g_autoptr (DkmsFacts) facts = dkms_facts_new (request);
  if (request->selection == DKMS_SELECT_ORPHANED) /* the kernels of the case are those that the facts found */
    for (guint i = 0; i < request->targets->len; i++)
      dkms_targets_add (facts->targets, request->targets->pdata[i]);
  facts->state = parse_state (c->state);
  facts->loads = strstr (c->flags, "loads") != NULL;
  if (request->source != NULL)
    facts->source_state = strstr (c->flags, "same") != NULL ? DKMS_SOURCE_SAME : DKMS_SOURCE_OTHER;
  g_autoptr (DkmsPlan) plan = dkms_plan_make (request, facts, &error);
  if (c->error >= 0)
    {
      g_assert_null (plan);
      g_assert_error (error, DKMS_ERROR, c->error);
      return;
    }
  g_assert_no_error (error);
  if (strstr (c->flags, "no-headers") != NULL)
    dkms_plan_cut_builds (plan);
  g_autofree char *got = describe (plan);
  g_assert_cmpstr (got, ==, c->steps);
  for (guint i = 0; i < plan->steps->len; i++) /* each step comes after the steps that it depends on */
    {
      const DkmsStep *step = plan->steps->pdata[i];
      for (guint n = 0; n < step->needs->len; n++)
        g_assert_cmpuint (g_array_index (step->needs, guint, n), <, i);
      for (guint n = 0; n < step->after->len; n++)
        g_assert_cmpuint (g_array_index (step->after, guint, n), <, i);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = g_strconcat ("/plan/", cases[i].name, NULL);
      g_test_add_data_func (path, &cases[i], test_case);
    }
  return g_test_run ();
}
