"""Readers keep no writer waiting: two loops of `dkms status` run on a large tree beside commits.

DKMS_CRASH=all uses 500 modules for 20 kernels. The default is 50 modules.
"""
import contextlib
import json
import os
import subprocess
import threading
import time

import lab as stage
from lab import ARCH, DKMS, K1

MODULES, KERNELS = (500 if os.environ.get("DKMS_CRASH") == "all" else 50), 20
LOOPS, COMMITS, MOST_SECONDS = 2, 5, 2


def grow(lab):
    """Writes a large tree like that of many installations: foo is installed, and the others are copies of it."""
    lab.source()
    lab.ok("install", "foo/1.0", "-k", K1)
    build = lab.tree / f"foo/1.0/{K1}/{ARCH}"
    record = (build / ".record.json").read_text()
    for module in range(MODULES):
        name = f"m{module:03}"
        version = lab.tree / name / "1.0"
        source = lab.source(name)
        version.mkdir(parents=True)
        (version / "source").symlink_to(f"/usr/src/{source.name}")
        for number in range(KERNELS):
            kernel = f"6.{number}.0-test"
            place = version / kernel / ARCH
            (place / "module").mkdir(parents=True)
            (place / "module" / f"{name}.ko").write_text("x")
            (place / ".record.json").write_text(record.replace("foo", name).replace(K1, kernel))
            installed = lab.modules / kernel / "updates/dkms"
            installed.mkdir(parents=True, exist_ok=True)
            (installed / f"{name}.ko").write_text("x")
            (lab.tree / name / f"kernel-{kernel}-{ARCH}").symlink_to(f"1.0/{kernel}/{ARCH}")
    assert json.loads(record)
    lab.source("last")


def test_two_readers_and_a_writer(tmp_path, capsys):
    lab = stage.Root(tmp_path / "root")
    grow(lab)
    end, answers, lines = threading.Event(), [], MODULES * KERNELS + 1

    def read():
        while not end.is_set():
            begin = time.monotonic()
            out = subprocess.run([DKMS, "--root", lab.path, "status"], capture_output=True, text=True, check=True, timeout=300).stdout
            answers.append((time.monotonic() - begin, out.count(": installed"), len(out.splitlines())))
    readers = [threading.Thread(target=read) for _ in range(LOOPS)]
    for reader in readers:
        reader.start()
    waits = []
    try:
        while len(answers) < LOOPS:
            time.sleep(0.01)
        for _ in range(COMMITS):
            for verb in ("add", "remove"):
                begin = time.monotonic()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    lab.ok(verb, "last/1.0", *(["--all"] if verb == "remove" else []), timeout=40)
                waits.append(time.monotonic() - begin)
                if waits[-1] > 40:
                    break
    finally:
        end.set()
        for reader in readers:
            reader.join()
    with capsys.disabled():
        print(f"\n{MODULES} modules, {KERNELS} kernels: {len(waits)} commits beside {LOOPS} status loops, the longest took {max(waits):.2f} s; "
              f"{len(answers)} answers in {sum(a[0] for a in answers) / len(answers):.2f} s each", end="")
    assert max(waits) <= MOST_SECONDS, waits
    assert {a[1] for a in answers} == {lines} and {a[2] for a in answers} <= {lines, lines + 1}
