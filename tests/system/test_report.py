"""A report contains what a bug report needs, and no personal data."""
import json
import os
import re
import subprocess

import pytest

from conftest import ARCH, K1, as_nobody, strace

SEEDS = {
    "erika": "the user", "mill7": "the host", "erika@example.com": "her address", "192.168.178.23": "an address", "2001:db8::17": "one of IPv6",
    "52:54:00:12:34:56": "a network card", "0a1b2c3d-1111-2222-3333-444455556666": "a disk", "PF0SERIAL77": "a serial number",
    "hunter2": "a password", "ghp_0123456789abcdefABCDEF0123456789abcd": "a token", "MIIEvQIBADANBgkqhkiG9w0": "a key",
    "aGVsbG8gd29ybGQsIHRoaXMgaXMgYSBsb25nIGtleQ": "something random",
}
SPILL = """\
compiled by erika on mill7 for erika@example.com in /home/erika/src
from 192.168.178.23 and 2001:db8::17 via 52:54:00:12:34:56
root=UUID=0a1b2c3d-1111-2222-3333-444455556666 Serial Number: PF0SERIAL77
DB_PASSWORD=hunter2 ghp_0123456789abcdefABCDEF0123456789abcd aGVsbG8gd29ybGQsIHRoaXMgaXMgYSBsb25nIGtleQ==
-----BEGIN PRIVATE KEY-----
MIIEvQIBADANBgkqhkiG9w0
-----END PRIVATE KEY-----
"""


@pytest.fixture
def spilling(root):
    """A build that fails, with personal data in every part of the report."""
    comment = "".join(f"# {line}\n" for line in SPILL.splitlines())
    root.source(extra="MAKE='./make.sh'\n" + comment, files={
        "foo.c": "x", "spill": SPILL, "make.sh": "#!/bin/sh\ncat spill\necho 'a.c:1:2: error: expected erika@example.com'\nexit 1\n"})
    (root.path / "etc/dkms/foo.conf").write_text(comment)
    root.framework("mok_signing_key=/home/erika/mok.key\npost_transaction='curl --password=hunter2 192.168.178.23'\n")
    assert root("build", "foo/1.0", "-k", K1).rc == 10
    return root


def report(root, *arguments):
    """A report of user erika on host mill7."""
    script = 'hostname mill7 && exec "$@"'
    return subprocess.run(["unshare", "--uts", "sh", "-c", script, "sh", *root.command(), "report", *arguments], capture_output=True, text=True,
                          check=True, env={**os.environ, "SUDO_USER": "erika", "KBUILD_SIGN_PIN": "hunter2", "LC_ALL": "C"})


def test_no_secret_gets_out(spilling):
    answer = report(spilling, "foo")
    for seed, what in SEEDS.items():
        assert seed not in answer.stdout, f"{what}: {[line for line in answer.stdout.splitlines() if seed in line]}"
    assert "<user>" in answer.stdout and "<private key>" in answer.stdout and "Read the report before you send it" in answer.stderr
    document = json.loads(report(spilling, "foo", "--json").stdout)
    assert not [seed for seed in SEEDS if seed in json.dumps(document)]


def test_what_is_in_it(spilling):
    text = report(spilling).stdout
    for line in (f"- Build: foo/1.0, {K1}, {ARCH}", "- Outcome: failed", "- Cause: compile", "## make.log", "## attempt.json", "## /etc/dkms/foo.conf",
                 "## /etc/os-release", "## Modules", "## Configuration of the kernel", "## /etc/dkms/framework.conf"):
        assert f"\n{line}" in text, line
    assert "foo/1.0: added" in text and "exited with status" in text and "# exit code: 1" in text


def test_the_key_is_not_opened(spilling):
    spilling.framework("")
    for name in ("mok.key", "mok.pub"):
        (spilling.tree / name).write_text("x")
    trace = strace("-e", "trace=open,openat,openat2", *spilling.command(), "report", check=True).stderr
    assert "make.log" in trace and not [line for line in trace.splitlines() if "mok.key" in line and "= -1" not in line]


def test_a_file(spilling, tmp_path):
    result = spilling.ok("report", "foo", "-o", tmp_path / "report.md")
    assert result.out == f"Wrote {tmp_path}/report.md\n" and (tmp_path / "report.md").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "report.md").read_text().startswith("# Report of dkms\n")
    assert spilling("report", "foo", "--output", tmp_path / "no/such/place").rc == 1


def test_a_fence_cannot_be_closed_by_what_is_inside(root):
    root.source(extra="MAKE='./make.sh'\n", files={"foo.c": "x", "make.sh": "#!/bin/sh\necho '````'\necho '# Report'\nexit 1\n"})
    assert root("build", "foo/1.0", "-k", K1).rc == 10
    assert "\n`````\n" in root.ok("report").out


def test_a_long_log(root):
    root.source(extra="MAKE='./make.sh'\n", files={"foo.c": "x", "make.sh": "#!/bin/sh\nyes 'a line of the middle' | head -c 3000000\necho the end\nexit 1\n"})
    assert root("build", "foo/1.0", "-k", K1).rc == 10
    text = root.ok("report").out
    assert "make.log for foo/1.0" in text and "\n[...]\n" in text and "the end" in text and len(text) < 800000


def test_a_build_that_succeeded_and_none(root):
    assert "## /etc/os-release" in root.ok("report").out
    root.source()
    root.ok("build", "foo/1.0", "-k", K1)
    assert "- Outcome: built" in root.ok("report", "foo").out
    result = root("report", "fooo")
    assert result.rc == 3 and "fooo is not registered" in result.err
    assert root("report", "-m", "..").rc == 3


def test_a_user(spilling):
    assert "- Outcome: failed" in as_nobody(spilling, "report", "foo").out


def test_packages_of_a_root_that_is_only_data(root):
    """The package database of the root names the package. The versions of the host are not used."""
    root.source()
    (root.path / "var/lib/dpkg/info").mkdir(parents=True)
    (root.path / "var/lib/dpkg/status").write_text("Package: bash\nStatus: install ok installed\nArchitecture: all\nVersion: 0.1\nMaintainer: x <x@y.z>\nDescription: x\n\n")
    (root.path / "var/lib/dpkg/info/bash.list").write_text("/.\n/usr\n/usr/src\n/usr/src/foo-1.0\n")
    root("install", "foo/1.0", "-k", K1)
    lines = [line for line in root("report", "foo/1.0").out.splitlines() if "Package of the source" in line]
    assert len(lines) == 1 and re.fullmatch(r".*\bbash\W*", lines[0]), lines
