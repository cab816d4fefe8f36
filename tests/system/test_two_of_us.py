"""Several runs at once, and runs that were interrupted."""
import json
import os
import pathlib
import subprocess

import pytest

from conftest import ARCH, DKMS, K1, K2, Crowd, eventually, family, strace


SLOW = {"foo.c": "x", "slow.sh": f"#!/bin/sh\nsleep {Crowd.SECONDS} || true\n"}


def start(root, *arguments, **options):
    return subprocess.Popen([*root.command(), *arguments], stdin=subprocess.DEVNULL, env=dict(os.environ, LC_ALL="C"),
                            **{"stdout": subprocess.DEVNULL, **options})


def runs(pid, *programs):
    """Whether process @pid runs one of these programs, given by the ends of their paths."""
    try:
        return os.readlink(f"/proc/{pid}/exe").endswith(programs)
    except OSError:
        return False # the process has ended


def test_same_install_at_once(root, tmp_path):
    root.source(extra='PRE_BUILD="slow.sh"\n', files=SLOW)
    outputs = [tmp_path / f"output{n}" for n in range(4)]
    runs = []
    for output in outputs:
        with open(output, "w", encoding="utf-8") as f:
            runs.append(start(root, "install", "foo/1.0", "-k", K1, stdout=f, stderr=subprocess.STDOUT))
    Crowd().wait(1)
    eventually(lambda: any("Waiting for another dkms process working on foo (PID " in output.read_text() for output in outputs))
    Crowd().release()
    assert [run.wait(timeout=60) for run in runs] == [0, 0, 0, 0], [output.read_text() for output in outputs]
    assert sum("Building foo/1.0" in output.read_text() for output in outputs) == 1, "only one of them builds"
    assert root.status() == [f"foo/1.0, {K1}, {ARCH}: installed"]


def test_same_autoinstall_at_once(root, tmp_path):
    """Guards that autoinstall reads the state again after it gets a lock, because another run may have built the module."""
    root.source(extra='PRE_BUILD="slow.sh"\n', files=SLOW)
    root.ok("add", "foo/1.0")
    outputs = [tmp_path / f"output{n}" for n in range(2)]
    runs = []
    for output in outputs:
        with open(output, "w", encoding="utf-8") as f:
            runs.append(start(root, "autoinstall", "-k", K1, stdout=f, stderr=subprocess.STDOUT))
    Crowd().wait(1)
    eventually(lambda: any("Waiting for another dkms process working on foo (PID " in output.read_text() for output in outputs))
    Crowd().release()
    assert [run.wait(timeout=60) for run in runs] == [0, 0], [output.read_text() for output in outputs]
    assert sum("Building foo/1.0" in output.read_text() for output in outputs) == 1, "only one of them builds"
    assert root.status() == [f"foo/1.0, {K1}, {ARCH}: installed"]


def test_status_does_not_wait_for_a_build(root):
    root.source(extra='PRE_BUILD="slow.sh"\n', files=SLOW)
    build = start(root, "build", "foo/1.0", "-k", K1)
    Crowd().wait(1, build)
    assert root.status() == ["foo/1.0: added"]
    assert build.poll() is None
    Crowd().release()
    assert build.wait(timeout=60) == 0


def test_kill_during_a_build_leaves_a_usable_tree(root):
    root.source(extra='PRE_BUILD="slow.sh"\n', files=SLOW)
    build = start(root, "install", "foo/1.0", "-k", K1)
    Crowd().wait(1, build)
    build.kill()
    build.wait()
    eventually(lambda: not Crowd().members())
    assert root.status() == ["foo/1.0: added"]
    (root.src / "foo-1.0/slow.sh").write_text("#!/bin/sh\n")
    root.ok("install", "foo/1.0", "-k", K1)
    assert root.status() == [f"foo/1.0, {K1}, {ARCH}: installed"]


@pytest.mark.parametrize("sandbox", ["auto", "off"])
def test_no_process_of_a_build_outlives_its_dkms(root, sandbox):
    """Guards that workers, sandboxes and commands end with the process that started them, in each way that it can end."""
    root.framework(f"sandbox={sandbox}\n")
    root.source(extra='PRE_BUILD="slow.sh"\n', files=SLOW)
    build = start(root, "build", "foo/1.0", "-k", K1)
    Crowd().wait(1, build)
    members = set(family(build.pid))
    assert len(members) > 2, "a worker, and what it runs"
    build.kill()
    build.wait()
    helpers = {pid for pid in members if runs(pid, DKMS, "dkms-sandbox")}
    eventually(lambda: not any(pathlib.Path(f"/proc/{pid}").exists() for pid in helpers))
    if sandbox == "auto": # the end of the sandbox kills the processes of a command
        eventually(lambda: not Crowd().members())
    Crowd().release()


def test_a_script_ends_with_its_dkms(root):
    """Guards that the kernel kills an unconfined script when the dkms that waits for it is killed."""
    root.source(extra='POST_INSTALL="slow.sh"\n', files={"foo.c": "x", "slow.sh": f"#!/bin/sh\nexec sleep {Crowd.SECONDS}\n"})
    install = start(root, "install", "foo/1.0", "-k", K1)
    Crowd().wait(1, install)
    install.kill()
    install.wait()
    try:
        eventually(lambda: not Crowd().members())
    finally:
        Crowd().release()


def test_scratch_of_another_run_is_left_alone(root):
    """Guards that a run deletes scratch directories of ended runs only, because builds work in those of others."""
    root.source(extra='PRE_BUILD="slow.sh"\n', files=SLOW)
    root.source("bar")
    build = start(root, "build", "foo/1.0", "-k", K1)
    Crowd().wait(1, build)
    work = root.tree / ".dkms/work"
    before = {path.name for path in work.iterdir()}
    assert before
    (work / "0dead000").mkdir()
    root.ok("install", "bar/1.0", "-k", K1)
    assert {path.name for path in work.iterdir()} == before
    Crowd().release()
    assert build.wait(timeout=60) == 0
    assert list(work.iterdir()) == []


def test_journal_of_a_dead_run_is_finished(root):
    root.source()
    root.ok("build", "foo/1.0", "-k", K1)
    target = root.modules / K1 / "updates/dkms"
    target.mkdir(parents=True)
    (target / ".dkms-1-0").write_text("foo 1.0\n")
    (root.tree / "foo/.dkms-1-1").symlink_to(f"1.0/{K1}/{ARCH}")
    journal = root.tree / ".dkms/journal"
    journal.mkdir(parents=True, exist_ok=True)
    place = f"/lib/modules/{K1}/updates/dkms"
    (journal / "1.json").write_text(json.dumps({"ops": [
        ["rename", f"{place}/.dkms-1-0", f"{place}/foo.ko"],
        ["rename", "/var/lib/dkms/foo/.dkms-1-1", f"/var/lib/dkms/foo/kernel-{K1}-{ARCH}"]]}))
    result = root.ok("build", "foo/1.0", "-k", K2)
    assert "interrupted" in result.err
    assert f"foo/1.0, {K1}, {ARCH}: installed" in root.status()
    assert os.listdir(target) == ["foo.ko"] and not os.listdir(journal)


def test_status_spawns_nothing(root):
    for name in ("a", "b"):
        root.source(name)
        root.ok("install", f"{name}/1.0", "-k", K1, "-k", K2)
    trace = strace("-e", "trace=process", DKMS, "--root", root.path, "status", check=True)
    calls = [line for line in trace.stderr.splitlines() if "(" in line and not line.startswith(("execve(", "exit_group(", "+++"))]
    assert calls == [], calls
    assert len(trace.stdout.splitlines()) == 4


def test_remove_clears_what_an_interrupted_build_left(root):
    root.source()
    root.ok("add", "foo/1.0")
    left = root.tree / f"foo/1.0/{K1}"
    (left / f".tmp_{ARCH}_abc/module").mkdir(parents=True)
    (left / f"{ARCH}/log").mkdir(parents=True)
    root.ok("remove", "foo/1.0", "-k", K1)
    assert not (root.tree / "foo").exists()


def test_a_build_ends_with_its_dkms(root):
    root.source(extra='PRE_BUILD="slow.sh"\n', files=SLOW)
    build = start(root, "build", "foo/1.0", "-k", K1)
    Crowd().wait(1, build)
    build.terminate()
    assert build.wait(timeout=60) == 143
    assert not Crowd().members()
