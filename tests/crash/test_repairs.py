"""dkms doctor is killed before every system call of a repair, or of an undo, that changes a file. The next call completes
it: the tree is that before, or that after, and no file is lost.

DKMS_CRASH=all tests every call. The default is a sample of about forty kills for each repair.
"""
import concurrent.futures
import hashlib
import json
import os
import shutil

import pytest

import lab as stage
import faults
from conftest import Root

ALL = os.environ.get("DKMS_CRASH") == "all"
# Those whose repair moves files to the attic, and those that run dkms.
ATTIC = ["source_gone", "source_moved", "no_conf", "orphan_version", "stale_build", "build_left", "link_dangling", "link_to_another_version", "file_changed",
         "file_foreign", "original_stray", "kernel_gone", "kernel_husk", "weak_dangling"]
RUN = ["journal", "record_bad", "record_none", "file_lost", "stale"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    yield from stage.place_in_memory(tmp_path_factory.mktemp("repairs"))


def contents(root, below=""):
    """The digests of all files, also of those in the attic."""
    return {hashlib.sha256(path.read_bytes()).hexdigest() for path in (root.path / below).rglob("*") if path.is_file() and not path.is_symlink()}


def kept(root):
    """The digests of the files that no repair may lose: all of the tree and of kernels, except records and indexes."""
    return {hashlib.sha256(path.read_bytes()).hexdigest() for top in (root.tree, root.modules) for path in top.rglob("*")
            if path.is_file() and not path.is_symlink() and ".dkms" not in path.parts and not path.name.startswith((".", "modules."))
            and path.name != "make.log"}


def repair_of(root):
    """The arguments that repair what doctor finds."""
    findings = json.loads(root("doctor", "--json").out)["findings"]
    if any(finding["repair"]["needs_yes"] for finding in findings):
        return ["doctor", "--fix=" + ",".join(f"{f['id']}:{f['path'].removeprefix(str(root.path))}" for f in findings)]
    return ["doctor", "--fix", "--yes"]


def without_records(snapshot):
    return {path: content for path, content in snapshot.items() if not path.rsplit("/", 1)[-1].startswith((".", "make.log", "modules."))}


def hurt(place, template, arguments, wanted, number):
    """A repair that is killed at call @number, and then repeated. Returns: the problems"""
    directory, point = place
    root = stage.copy_root(template, directory / f"{template.path.name}-{os.getpid()}")
    had, wrong = kept(root), []
    stage.kill_at(point, root, number, arguments)
    if root("status").rc != 0:
        wrong.append("status fails")
    if had - contents(root, "var/lib/dkms") - contents(root, "lib/modules"):
        wrong.append("a file is lost by the kill")
    for _ in range(2): # an interrupted change first, then the repair
        root(*arguments)
    root("doctor", "--fix", "--yes")
    if had - contents(root, "var/lib/dkms") - contents(root, "lib/modules"):
        wrong.append("a file is lost")
    if faults.found(root("doctor", "--json")):
        wrong.append(f"left: {faults.found(root('doctor', '--json'))}")
    now = without_records(root.snapshot())
    if now != wanted:
        wrong.append(f"another tree: {sorted(set(now.items()) ^ set(wanted.items()))[:6]}")
    if list((root.tree / ".dkms/journal").glob("*.json")):
        wrong.append("a journal is left")
    return [f"kill {number}: {w}" for w in wrong]


def hurt_undo(place, template, wanted, number):
    directory, point = place
    root = stage.copy_root(template, directory / f"{template.path.name}-{os.getpid()}")
    wrong = []
    stage.kill_at(point, root, number, ["doctor", "--undo"])
    if root("status").rc != 0:
        wrong.append("status fails")
    result = root("doctor", "--undo")
    if result.rc not in (0, 3): # it was completed, or is completed now
        wrong.append(f"undo: {result}")
    root("remove", "absent/1.0", "--all")
    now = without_records(root.snapshot())
    if now != wanted:
        wrong.append(f"another tree: {sorted(set(now.items()) ^ set(wanted.items()))[:6]}")
    return [f"kill {number} of an undo: {w}" for w in wrong]


def run_all(one, arguments, total):
    points = range(1, total + 1, 1 if ALL else max(total // 40, 1))
    with concurrent.futures.ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        return [problem for found in [pool.submit(one, *arguments, number) for number in points] for problem in found.result()]


@pytest.mark.parametrize("name", ATTIC + RUN)
def test_killed(place, name, capsys):
    directory, point = place
    template = faults.sound(Root(directory / name))
    faults.STATES[name][1](template)
    before = without_records(template.snapshot())
    arguments = repair_of(template)
    after = stage.copy_root(template, directory / f"{name}-after")
    after.ok(*arguments)
    wanted = without_records(after.snapshot())
    total = stage.count_points(point, stage.copy_root(template, directory / f"{name}-count"), arguments)
    assert total > 8
    wrong = run_all(hurt, (place, template, arguments, wanted), total)
    undone = 0
    if name in ATTIC:
        undone = stage.count_points(point, stage.copy_root(after, directory / f"{name}-count"), ["doctor", "--undo"])
        wrong += run_all(hurt_undo, (place, after, before), undone)
    with capsys.disabled():
        print(f"\n{name}: {total} + {undone} calls, {len(wrong)} losses", end="")
    for path in directory.glob(f"{name}*"):
        shutil.rmtree(path)
    assert wrong == [], "\n".join(wrong[:12])
