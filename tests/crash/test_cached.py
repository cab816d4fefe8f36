"""A build is killed before every system call that changes a file while it is stored in the build cache, or taken from it.
The next build succeeds, without a warning, and what the cache then has is the same build.

DKMS_CRASH=all tests every call. The default is a sample of about forty kills for each direction.
"""
import concurrent.futures
import os
import shutil

import pytest

import lab as stage
from conftest import ARCH, K1, Root

ALL = os.environ.get("DKMS_CRASH") == "all"
BUILD = ["build", "foo/1.0", "-k", K1]
TAKING = "Taking the modules of"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    yield from stage.place_in_memory(tmp_path_factory.mktemp("cached"))


def template(path):
    root = Root(path)
    (root.modules / K1 / "build/Makefile").write_text("all:\n\t@for f in $(M)/*.c; do $(CC) -c $$f -o $${f%.c}.ko || exit 1; done\n")
    root.framework("cache_dir=/var/cache/dkms\n")
    root.source("foo", files={"foo.c": "int a;\n"})
    return root


def prepared(before, path, filled):
    """A copy of the root @before, in which a build would be stored or taken. The key contains the path."""
    root = stage.copy_root(before, path)
    root.ok("add", "foo/1.0")
    if filled:
        root.ok(*BUILD)
        forget(root)
        root.ok("add", "foo/1.0")
    return root


def forget(root):
    """Deletes the tree, as on another machine."""
    shutil.rmtree(root.tree)


def module(root):
    return (root.tree / "foo/1.0" / K1 / ARCH / "module/foo.ko").read_bytes()


def hurt(place, before, filled, wanted, number):
    directory, point = place
    root = prepared(before, directory / f"{before.path.name}-{os.getpid()}", filled)
    stage.kill_at(point, root, number, BUILD)
    wrong = []
    for what in ("the next build", "the second build", "the third build"):
        result = root(*BUILD)
        if result.rc not in (0, 3) or "Warning" in result.err: # 3: it was complete before the kill
            wrong.append(f"{what}: {result}")
        elif module(root) != wanted:
            wrong.append(f"{what} has another module")
        forget(root)
    if TAKING not in result.out:
        wrong.append("the cache does not have the build")
    return [f"kill {number}: {w}" for w in wrong]


@pytest.mark.parametrize("direction", ["stored", "taken"])
def test_killed(place, direction, capsys):
    directory, point = place
    before, filled = template(directory / direction), direction == "taken"
    after = prepared(before, directory / f"{direction}-after", filled)
    assert (TAKING in after.ok(*BUILD).out) == filled
    wanted = module(after)
    total = stage.count_points(point, prepared(before, directory / f"{direction}-count", filled), BUILD)
    assert total > 8
    points = range(1, total + 1, 1 if ALL else max(total // 40, 1))
    with concurrent.futures.ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        wrong = [problem for found in [pool.submit(hurt, place, before, filled, wanted, number) for number in points] for problem in found.result()]
    with capsys.disabled():
        print(f"\n{direction}: {total} calls, {len(wrong)} losses", end="")
    assert wrong == [], "\n".join(wrong[:12])
