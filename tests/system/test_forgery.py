"""A hostile recipe can change only its own values, and cannot delay or prevent the installation of other modules."""
import os

import pytest

from conftest import ARCH, K1
from test_sandbox import caged  # noqa: F401

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="what the sandbox keeps from root is tested as root")

# Writes answers to every query on every descriptor of this process and of its parents.
FORGE = r"""
for pid in self $PPID $$ 1; do
  for fd in /proc/$pid/fd/*; do
    for id in 0 1 2 3 4 5; do
      printf 'B\0%s\0%s\0V\0PACKAGE_NAME\0000\0other\0V\0PACKAGE_VERSION\0000\0001.0\0V\0POST_INSTALL\0000\0evil.sh\0D\0E\0%s\0000\0' $id 99 $id
    done >$fd
  done
done 2>/dev/null
"""
OVERWRITE = r"""
for conf in "{src}"/*/dkms.conf; do printf 'POST_INSTALL=evil.sh\nMAKE="echo evil; true"\n' >>"$conf"; done 2>/dev/null
"""
LATE = r"""
(sleep 1; printf 'POST_INSTALL=evil.sh\n' >>"{src}/other-1.0/dkms.conf"; sleep 60) >/dev/null 2>&1 &
disown
"""


def packages(root, evil):
    """Three packages. The first and the last become hostile after they are registered. Only bash can read the recipes."""
    root.source("other", extra=":\n", files={"other.c": "x", "evil.sh": f"#!/bin/sh\ntouch {root.path}/forged\n"})
    for name in ("aaa", "other", "zzz"):
        if name != "other":
            root.source(name)
        root.register(name)
    for name in ("aaa", "zzz"):
        root.source(name, extra=evil.replace("{src}", str(root.src)))


@pytest.mark.parametrize("evil", [FORGE, OVERWRITE, LATE], ids=["answers", "overwrites", "waits"])
def test_nobody_answers_for_others(root, evil):
    packages(root, evil)
    root("autoinstall", "-k", K1)
    assert f"other/1.0, {K1}, {ARCH}: installed" in root.status()
    assert not (root.path / "forged").exists()
    log = (root.tree / "other/1.0" / K1 / ARCH / "log/make.log").read_text()
    assert "evil" not in log


SLOW = {
    "sleep": "sleep 1000",
    "flood": "while :; do printf 'V\\0MAKE\\0000\\0true\\0' >&$__dkms_fd; done",
    "flood-of-junk": "while :; do printf 'x' >&$__dkms_fd; done",
    "ends-and-sleeps": "printf 'D\\0E\\0000\\0000\\0' >&$__dkms_fd; sleep 1000",
    "says-that-all-is-over": "printf 'Z\\0' >&$__dkms_fd; sleep 1000",
    "begins-again": "while :; do printf 'B\\0000\\0001\\0' >&$__dkms_fd; done",
    "stops": "kill -STOP $$ $BASHPID",
    "stops-its-parent": "kill -STOP $PPID; sleep 1000",
    "ignores-signals": "trap '' TERM INT HUP; sleep 1000",
    "huge-value": "MAKE=$(head -c 60000000 /dev/zero | tr '\\0' x)",
}


@pytest.mark.parametrize("kind", SLOW)
def test_time_and_room_are_limited_whatever_a_recipe_says(root, kind):
    root.framework("recipe_timeout=1\n")
    packages(root, SLOW[kind] + "\n")
    result = root("autoinstall", "-k", K1, timeout=100)
    assert f"other/1.0, {K1}, {ARCH}: installed" in root.status("other/1.0"), result


def test_answers_have_a_limit(root):
    """Guards the memory of dkms if the time limit is long: the size of answers is limited, too."""
    root.framework("recipe_timeout=600\n")
    root.source(extra="head -c 20000000 /dev/zero | tr '\\0' x >&$__dkms_fd\n")
    result = root("add", "foo/1.0")
    assert result.rc == 8 and "more than 16 MiB of values" in result.err, result.err[:2000]


BOMBS = {"parentheses": "(" * 30000, "repetitions": "((((x{1,200}){1,200}){1,200}){1,200})", "long": "a?" * 200000}


@pytest.mark.parametrize("kind", BOMBS)
@pytest.mark.parametrize("directive", ["BUILD_EXCLUSIVE_KERNEL", "BUILD_EXCLUSIVE_ARCH", "MAKE_MATCH", "PATCH_MATCH"])
def test_expressions_explode_where_they_belong(root, kind, directive):
    root.framework("recipe_timeout=2\n")
    more = {"MAKE_MATCH": 'MAKE="true"\n', "PATCH_MATCH": 'PATCH="x.patch"\n'}.get(directive, "")
    packages(root, f'{directive}="{BOMBS[kind]}"\n{more}')
    result = root("autoinstall", "-k", K1, timeout=100)
    assert result.rc in (0, 11), result
    assert f"other/1.0, {K1}, {ARCH}: installed" in root.status("other/1.0")
