"""A build is killed before every system call that changes a file while it is stored in the build cache, or taken from it, and
also before each call that sends something to the server of the cache. The next build succeeds, without a warning, and what the
cache then has is the same build. Another machine never takes half of a build from the server.

DKMS_CRASH=all tests every call. The default is a sample of about forty kills for each direction.
"""
import concurrent.futures
import os
import pathlib
import shutil
import subprocess

import pytest

import lab as stage
import caches
from conftest import ARCH, DKMS, K1, Root
from test_cache import COMPILES, MAKEFILE, TAKING

ALL = os.environ.get("DKMS_CRASH") == "all"
BUILD = ["build", "foo/1.0", "-k", K1]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    yield from stage.place_in_memory(tmp_path_factory.mktemp("cached"))


def template(path, makefile=MAKEFILE):
    root = Root(path)
    (root.modules / K1 / "build/Makefile").write_text(makefile)
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


def problems(root, wanted, what, taken=None):
    """Builds. @taken: whether the build must come from the cache; None: it may"""
    result = root(*BUILD)
    if result.rc not in (0, 3) or "Warning" in result.err: # 3: it was complete before the kill
        return [f"{what}: {result}"]
    if module(root) != wanted:
        return [f"{what} has another module"]
    return [] if taken is None or (TAKING in result.out) == taken else [f"{what}: taken is {not taken}"]


def hurt(place, before, filled, wanted, number):
    directory, point = place
    root = prepared(before, directory / f"{before.path.name}-{os.getpid()}", filled)
    stage.kill_at(point, root, number, BUILD)
    wrong = []
    for what, taken in ("the next build", None), ("the second build", None), ("the third build", True):
        wrong += problems(root, wanted, what, taken)
        forget(root)
    return [f"kill {number}: {w}" for w in wrong]


def kill_everywhere(name, total, capsys, task, *arguments):
    """Calls @task with @arguments and the number of a call, for a sample of the @total calls."""
    assert total > 8
    points = range(1, total + 1, 1 if ALL else max(total // 40, 1))
    with concurrent.futures.ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        wrong = [problem for found in [pool.submit(task, *arguments, number) for number in points] for problem in found.result()]
    with capsys.disabled():
        print(f"\n{name}: {total} calls, {len(wrong)} losses", end="")
    assert wrong == [], "\n".join(wrong[:12])


@pytest.mark.parametrize("direction", ["stored", "taken"])
def test_killed(place, direction, capsys):
    directory, point = place
    before, filled = template(directory / direction), direction == "taken"
    after = prepared(before, directory / f"{direction}-after", filled)
    assert (TAKING in after.ok(*BUILD).out) == filled
    wanted = module(after)
    total = stage.count_points(point, prepared(before, directory / f"{direction}-count", filled), BUILD)
    kill_everywhere(direction, total, capsys, hurt, place, before, filled, wanted)


# ---- a server ----

class Site:
    """A server that has @files, and machines. Keys of such builds do not contain paths."""

    def __init__(self, before, directory, files):
        shutil.rmtree(directory, ignore_errors=True)
        self.before, self.directory = before, directory
        self.server = caches.Server()
        self.server.files.update(files)
        self.public = (before.path / "etc/dkms/cache.key.pub").read_text().split()[-1]

    def machine(self, name, settings=""):
        (self.directory / name).mkdir(parents=True)
        root = stage.copy_root(self.before, self.directory / name / "root")
        root.framework(f"cache_url={self.server.url}\n{settings}")
        root.ok("add", "foo/1.0")
        return root

    def reader(self, name="reader"):
        root = self.machine(name, "cache_dir=/var/cache/dkms\n")
        (root.path / "etc/dkms/cache-trust").write_text(f"trust {self.public}\n")
        return root

    def writer(self):
        return self.machine("writer", "cache_write=yes\ncache_signing_key=/etc/dkms/cache.key\n")


def site(place, before, files, name=None):
    return Site(before, place[0] / (name or f"site-{os.getpid()}"), files)


def hurt_sender(place, before, wanted, number):
    """A machine is killed while it sends. Another one takes a whole build, or builds."""
    here = site(place, before, {})
    root, other = here.writer(), here.reader()
    stage.kill_at(place[1], root, number, BUILD)
    wrong = problems(other, wanted, "the other machine")
    wrong += problems(root, wanted, "the next build", taken=False)
    forget(root)
    wrong += problems(root, wanted, "the second build", taken=False)
    wrong += problems(here.reader("third"), wanted, "the third machine", taken=True)
    here.server.close()
    return [f"kill {number}: {w}" for w in wrong]


def hurt_taker(place, before, files, wanted, number):
    """A machine is killed while it takes a build from the server. Then it does so again; after that, its own directory has it."""
    here = site(place, before, files)
    root = here.reader()
    stage.kill_at(place[1], root, number, BUILD)
    wrong = problems(root, wanted, "the next build")
    forget(root)
    wrong += problems(root, wanted, "the second build", taken=True)
    forget(root)
    asked = len(here.server.log)
    wrong += problems(root, wanted, "the third build", taken=True)
    if len(here.server.log) > asked or here.server.files != files:
        wrong.append("the local directory does not have the build, or the server has other files")
    here.server.close()
    return [f"kill {number}: {w}" for w in wrong]


@pytest.fixture
def before(place, request):
    root = template(place[0] / request.node.name, COMPILES) # it leaves the place out of modules
    subprocess.run([pathlib.Path(DKMS).parent / "helpers/dkms-sign", "generate-cache-key", root.path / "etc/dkms/cache.key"], check=True, capture_output=True)
    return root


def test_killed_while_it_sends(place, before, capsys):
    here = site(place, before, {}, "sender")
    root = here.writer()
    total = stage.count_points(place[1], root, BUILD)
    assert len(here.server.files) == 5
    kill_everywhere("sent", total, capsys, hurt_sender, place, before, module(root))


def test_killed_while_it_takes_from_the_server(place, before, capsys):
    here = site(place, before, {}, "taker")
    root = here.writer()
    root.ok(*BUILD)
    total = stage.count_points(place[1], here.reader(), BUILD)
    assert here.server.count("GET", "ac", 200) == 1
    kill_everywhere("fetched", total, capsys, hurt_taker, place, before, here.server.files, module(root))
