"""Control characters in the output of packages are printed as escapes, and recipes cannot read from the terminal."""
import os
import pty
import select
import subprocess
import termios
import time

import pytest

from conftest import DKMS, K1
from test_sandbox import caged  # noqa: F401

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="recipes are confined as root here")
EVIL = "\x1b]0;title\x07 \x1b[2J \x1b]52;c;AAAA\x07 \x9b31m \x7f \r over".encode("utf-8")
SHOWN = b"\\x1b]0;title\\x07"


def on_terminal(root, *arguments, typed=b"", env=None):
    """Returns: exit status, and all output on the terminal"""
    ours, theirs = pty.openpty()
    attributes = termios.tcgetattr(theirs)
    attributes[1] &= ~termios.OPOST
    termios.tcsetattr(theirs, termios.TCSANOW, attributes)
    before = termios.tcgetattr(theirs)
    process = subprocess.Popen([*root.command(), *arguments], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
                               preexec_fn=lambda: __import__("fcntl").ioctl(0, termios.TIOCSCTTY, 0),
                               env=dict(os.environ, TERM="xterm", LC_ALL="C.UTF-8", **(env or {})))
    os.write(ours, typed)
    seen, end = b"", time.monotonic() + 60
    while process.poll() is None or select.select([ours], [], [], 0.1)[0]:
        assert time.monotonic() < end, seen
        if select.select([ours], [], [], 0.1)[0]:
            seen += os.read(ours, 65536)
    after = termios.tcgetattr(theirs)
    os.close(ours)
    os.close(theirs)
    assert before == after, "the settings of the terminal have changed"
    return process.returncode, seen


def assert_harmless(seen):
    for sequence in (b"\x1b]", b"\x1b[2J", b"\x07", b"\xc2\x9b", b"\x9b", b"\x7f"):
        assert sequence not in seen.replace(b"\x1b[J", b""), (sequence, seen)


def test_recipe(root):
    root.source(extra='cat "${BASH_SOURCE%/*}/evil" >&2; cat "${BASH_SOURCE%/*}/evil" >/dev/tty\n')
    (root.src / "foo-1.0/evil").write_bytes(EVIL)
    code, seen = on_terminal(root, "build", "foo/1.0", "-k", K1)
    assert code == 0 and SHOWN in seen, seen
    assert_harmless(seen)


def test_recipe_reads_nothing_that_is_typed_and_sets_nothing(root):
    root.source(extra='stty -echo <&2; stty -echo </dev/tty; read -t 1 x <&2 && echo "stolen $x" >&2; read -t 1 y </dev/tty && echo "stolen $y" >&2\n')
    code, seen = on_terminal(root, "build", "foo/1.0", "-k", K1, typed=b"my password\n")
    assert code == 0 and b"stolen" not in seen, seen


@pytest.mark.parametrize("options", [[], ["--verbose"], ["-j2", "-k", "6.12.0-2-test"]], ids=["plain", "verbose", "live"])
@pytest.mark.parametrize("rc", [0, 1])
def test_build(root, options, rc):
    root.source(extra=f'PRE_BUILD=pre.sh\n', files={"foo.c": "x", "pre.sh": f"#!/bin/sh\ncat evil; cat evil >&2; cat evil >/dev/tty; sleep 0.5; echo; printf 'x.c:1: error: '; cat evil; exit {rc}\n"})
    (root.src / "foo-1.0/evil").write_bytes(EVIL)
    code, seen = on_terminal(root, "build", "foo/1.0", "-k", K1, *options)
    assert code == rc, seen
    assert_harmless(seen)


def test_names_and_remarks(root):
    root.source(extra='BUILD_EXCLUSIVE_KERNEL="^9$(cat "${BASH_SOURCE%/*}/evil")"\nOBSOLETE_BY="$(cat "${BASH_SOURCE%/*}/evil")"\nPOST_ADD="$(cat "${BASH_SOURCE%/*}/evil")"\n')
    (root.src / "foo-1.0/evil").write_bytes(EVIL)
    _, seen = on_terminal(root, "build", "foo/1.0", "-k", K1)
    assert_harmless(seen)


def test_flood(root):
    root.source(extra="yes 'much text' | head -c 50000000 >&2\n")
    result = root.ok("build", "foo/1.0", "-k", K1)
    assert len(result.err) < 70000
