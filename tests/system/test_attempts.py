"""Every attempt to build leaves a record of its inputs, steps and result."""
import hashlib
import json
import os
import re
import signal
import subprocess
import time

import pytest

from conftest import ARCH, DKMS, K1, K2, as_nobody

FAILING = {"foo.c": "x", "m.mk": "all:\n\t@echo 'a.c:7:2: error: implicit declaration of function '\\''strlcpy'\\'; exit 1\n"}


def record(path):
    return json.loads((path / "attempt.json").read_text())


def built(root, name="foo", version="1.0", kernel=K1):
    return json.loads((root.tree / f"{name}/{version}/{kernel}/{ARCH}/.attempt.json").read_text())


def identity(inputs):
    """The digest of the document described in model/inputs.h."""
    def escape(value):
        return value.replace("%", "%25").replace("\n", "%0A").replace("\r", "%0D")
    return hashlib.sha256("".join(f"{name} {escape(value)}\n" for name, value in sorted(inputs.items())).encode()).hexdigest()


def test_a_build(root):
    root.source(extra='PRE_BUILD="pre.sh"\n', files={"foo.c": "x", "pre.sh": "#!/bin/sh\ntrue\n"})
    root.ok("build", "foo/1.0", "-k", K1)
    attempt = built(root)
    assert attempt["outcome"] == "built" and attempt["seconds"] > 0 and "error" not in attempt
    assert [step["name"] for step in attempt["steps"]] == ["Running the pre_build script", "Building module(s)"]
    assert {step["status"] for step in attempt["steps"]} == {0}
    assert attempt["sandbox"] == "confined" and attempt["make"].startswith("make ")
    assert attempt["identity"] == identity(attempt["inputs"])
    inputs = attempt["inputs"]
    assert inputs["format"] == "dkms-inputs-1" and inputs["kernel"] == K1 and inputs["prebuild"] == "pre.sh"
    assert inputs["output.foo"] == "foo strip=no" and "@BUILD@" in inputs["make"] and str(root.path) not in inputs["make"]
    assert re.fullmatch("[0-9a-f]{64}", inputs["source"]) and inputs["admin"] == "-"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", attempt["time"])
    assert root.attempts() == [] and not list((root.tree / ".dkms/work").iterdir())


def test_a_failure(root):
    root.source(extra="MAKE='make -f m.mk'\n", files=FAILING)
    assert root("build", "foo/1.0", "-k", K1).rc == 10
    attempt = record(root.attempts()[0])
    assert attempt["outcome"] == "failed" and attempt["steps"][-1]["status"] == 2
    assert attempt["error"]["kind"] == "make-failed" and "exited with status 2" in attempt["error"]["message"]
    assert attempt["cause"] == {"id": "api-removed", "name": "strlcpy", "file": "a.c", "line": 7}
    assert attempt["first_error"].startswith("a.c:7:2: error:") and "-f m.mk" in attempt["make"]
    assert "make.log for foo/1.0" in root.log().read_text()


def test_three_failures_are_kept_beside_the_build(root):
    root.source(extra="MAKE='./make.sh'\n", files={"foo.c": "x", "make.sh": "#!/bin/sh\ncp foo.c foo.ko\n"})
    root.ok("build", "foo/1.0", "-k", K1)
    for n in range(5):
        (root.src / "foo-1.0/make.sh").write_text(f"#!/bin/sh\necho this is try {n}\nexit 1\n")
        assert root("build", "foo/1.0", "-k", K1, "--force").rc == 10
    assert [path.name for path in root.attempts()] == ["3", "4", "5"]
    assert ["try 2" in (path / "make.log").read_text() for path in root.attempts()] == [True, False, False]
    assert built(root)["outcome"] == "built", "the earlier build is kept with its record"
    listed = root.ok("log", "--list").out.splitlines()
    assert len(listed) == 4 and all(f"foo/1.0, {K1}, {ARCH}: " in line for line in listed), listed
    assert [line.split(": ")[-1].split()[0].rstrip(",") for line in listed] == ["failed", "failed", "failed", "built"]
    assert "try 4" in root.ok("log", "foo").out and "3 of 4)" not in root("explain", "foo").out and "4 of 4)" in root("explain", "foo").out
    assert root.ok("log", "--list", "-k", K2).out == "No build was tried.\n"
    root.ok("remove", "foo/1.0", "--all")
    assert not list((root.tree / ".dkms/logs").iterdir()) and root.ok("log", "--list").out == "No build was tried.\n"


def test_log_of_an_older_version(root):
    """Versions without records kept one log for each kernel."""
    root.source(extra="MAKE=false\n")
    root.ok("add", "foo/1.0")
    old = root.tree / f".dkms/logs/foo/1.0/{K1}/{ARCH}/make.log"
    old.parent.mkdir(parents=True)
    old.write_text("DKMS make.log for foo/1.0\n\nBuilding module(s)\n# command: make\na.c:1:1: error: expected ';'\n\n# exit code: 2\n")
    assert root.ok("log", "foo").out == old.read_text() and "compile" in root.ok("explain", "foo").out
    assert "failed" in root.ok("log", "--list").out
    for n in range(2):
        assert root("build", "foo/1.0", "-k", K1).rc == 10
    assert old.exists() and len(root.attempts()) == 2
    assert root("build", "foo/1.0", "-k", K1).rc == 10
    assert not old.exists() and len(root.attempts()) == 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_interrupted(root, number):
    root.source(extra="MAKE='./make.sh'\n", files={"foo.c": "x", "make.sh": "#!/bin/sh\necho one line\nsleep 60\n"})
    root.ok("add", "foo/1.0")
    with subprocess.Popen([DKMS, "--root", root.path, "build", "foo/1.0", "-k", K1], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          start_new_session=True) as process:
        end = time.monotonic() + 60
        while not [log for log in (root.tree / ".dkms/work").glob("*/build/make.log") if "one line" in log.read_text()]:
            assert time.monotonic() < end and process.poll() is None
            time.sleep(0.02)
        process.send_signal(number)
        assert process.wait() in (130, -9)
    root.settle()
    root.ok("add", root.source("bar")) # every command that writes to the tree completes the record of a killed run
    attempt = record(root.attempts()[0])
    assert attempt["outcome"] == "interrupted" and attempt["inputs"]["module"] == "foo"
    assert "one line" in root.log().read_text()
    result = root.ok("explain", "foo")
    assert "The build was interrupted." in result.out and "Cause: interrupted" in result.out
    assert "interrupted" in root.ok("log", "--list").out and not list((root.tree / ".dkms/work").iterdir())


def test_excluded(root):
    root.ok("add", root.source(extra='BUILD_EXCLUSIVE_KERNEL="^9"\n'))
    for _ in range(3):
        root.ok("autoinstall", "-k", K1)
    assert len(root.attempts()) == 1, "one record contains it"
    attempt = record(root.attempts()[0])
    assert attempt["outcome"] == "excluded" and "BUILD_EXCLUSIVE_" in attempt["error"]["message"]
    result = root.ok("explain", "foo", "-k", K1)
    assert f"foo/1.0 is not for kernel {K1}" in result.out and "Cause: excluded" in result.out
    assert "No log of a failed build exists." in root.ok("explain").out, "nothing failed"
    assert root("log", "foo").rc == 3
    root.conf = root.src / "foo-1.0/dkms.conf"
    root.conf.write_text(root.conf.read_text().replace('"^9"', '"^6"'))
    root.ok("autoinstall", "-k", K1)
    assert "succeeded" in root.ok("explain", "foo", "-k", K1).out


def test_not_begun(root):
    root.source()
    root.kernel("6.9-bare", headers=False)
    for _ in range(2):
        assert root("build", "foo/1.0", "-k", "6.9-bare").rc == 21
    attempt = record(root.attempts(kernel="6.9-bare")[0])
    assert attempt["outcome"] == "failed" and attempt["cause"]["id"] == "no-headers" and attempt["error"]["kind"] == "no-headers"
    assert len(root.attempts(kernel="6.9-bare")) == 1
    result = root.ok("explain", "foo", "-k", "6.9-bare")
    assert "The headers of kernel 6.9-bare are missing" in result.out and "linux-headers-6.9-bare" in result.out


def test_damaged_and_newer_records(root):
    """The log of an unreadable record is listed. A record of a newer dkms is not interpreted."""
    root.source(extra="MAKE='make -f m.mk'\n", files=FAILING)
    assert root("build", "foo/1.0", "-k", K1).rc == 10
    path = root.attempts()[0] / "attempt.json"
    for text in ("", "{}", '{"format":2,"outcome":"unheard-of"}', "x" * (2 << 20)):
        path.write_text(text)
        assert "Cause: api-removed" in root.ok("explain", "foo").out
        assert "failed" in root.ok("log", "--list").out
    (root.attempts()[0] / "make.log").unlink()
    result = root("explain", "foo")
    assert result.rc == 31 and "has an unknown format" in result.err, result


def test_who_may_read(root):
    root.source(extra="MAKE='make -f m.mk'\n", files=FAILING)
    assert root("build", "foo/1.0", "-k", K1).rc == 10
    assert as_nobody(root, "log", "--list").out == root.ok("log", "--list").out != ""
    for path in [*root.attempts()[0].iterdir()]:
        assert path.stat().st_mode & 0o777 == 0o644


def test_a_build_cannot_choose_its_log(root):
    """root reads the files that a killed build left."""
    root.source(extra="MAKE='./evil.sh'\n", files={"foo.c": "x", "evil.sh": "#!/bin/sh\nrm -f make.log\nln -s /etc/shadow make.log\nsync\nsleep 60\n"})
    root.ok("add", "foo/1.0")
    with subprocess.Popen([DKMS, "--root", root.path, "build", "foo/1.0", "-k", K1], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        end = time.monotonic() + 60
        while not [log for log in (root.tree / ".dkms/work").glob("*/build/make.log") if log.is_symlink()]:
            assert time.monotonic() < end and process.poll() is None
            time.sleep(0.02)
        process.kill()
    root.settle()
    root.ok("add", root.source("bar"))
    assert record(root.attempts()[0])["outcome"] == "interrupted" and not (root.attempts()[0] / "make.log").exists()
    assert not [path for path in root.tree.rglob("*") if path.is_symlink() and os.readlink(path) == "/etc/shadow"]
