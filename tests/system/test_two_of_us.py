"""Several runs at once, and runs that were cut off."""
import json
import os
import subprocess

from conftest import ARCH, DKMS, K1, K2, Crowd, eventually, strace


SLOW = {"foo.c": "x", "slow.sh": f"#!/bin/sh\nsleep {Crowd.SECONDS} || true\n"}


def start(root, *arguments, **options):
    return subprocess.Popen([*root.command(), *arguments], stdin=subprocess.DEVNULL, env=dict(os.environ, LC_ALL="C"),
                            **{"stdout": subprocess.DEVNULL, **options})


def test_same_install_at_once(root, tmp_path):
    root.source(extra='PRE_BUILD="slow.sh"\n', files=SLOW)
    outputs = [tmp_path / f"output{n}" for n in range(4)]
    runs = []
    for output in outputs:
        with open(output, "w", encoding="utf-8") as f:
            runs.append(start(root, "install", "foo/1.0", "-k", K1, stdout=f, stderr=subprocess.STDOUT))
    Crowd().wait(1)
    eventually(lambda: any("Waiting for another run that works on foo (process " in output.read_text() for output in outputs))
    Crowd().release()
    assert [run.wait(timeout=60) for run in runs] == [0, 0, 0, 0], [output.read_text() for output in outputs]
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
