"""Keys of builds in the build cache whose sources are not registered."""
import hashlib
import json
import shutil
import subprocess

from conftest import ARCH, DKMS, K1
from test_cache import TEXT


def test_key_of_a_directory(root):
    """cache key DIR, ARCHIVE, and m/v in the source tree: the source need not be registered. The key is that of the build after add, also
    with a module in BUILD_DEPENDS, and where the place of the build is an input."""
    root.framework("cache_dir=/var/cache/dkms\n")
    root.source("base")
    root.ok("install", "base/1.0", "-k", K1)
    for settings, place in ("cache_dir=/var/cache/dkms\n", True), ("reproducible=yes\n", False):
        root.framework(settings)
        source = root.source("foo", extra="BUILD_DEPENDS[0]=base\n", files={"foo.c": TEXT})
        named = root.ok("cache", "key", "foo/1.0", "-k", K1).out
        words = [[DKMS, "--complete", "--root", root.path, "cache", action, ""] for action in ("key", "why")]
        assert ["foo/1.0" in subprocess.run(line, capture_output=True, text=True, check=True).stdout for line in words] == [True, False]
        elsewhere = root.path.parent / "elsewhere"
        shutil.copytree(source, elsewhere)
        shutil.rmtree(source)
        archive = root.path.parent / "foo.tar.gz"
        subprocess.run(["tar", "-C", elsewhere, "-czf", archive, "."], check=True)
        before = tree_of(root)
        event, = json.loads(root.ok("cache", "key", elsewhere, "-k", K1, "--json=short").out)["events"]
        assert hashlib.sha256(event["text"].encode()).hexdigest() == event["name"] and event["version"] == "1.0"
        assert "".join(f"{name} {value}\n" for name, value in sorted(event["inputs"].items())) == event["text"].replace("%25", "%")
        assert "depend.base" in event["inputs"] and event["inputs"].get("env.place") == (f"{root.tree}/foo/1.0/build" if place else None), event
        lines = root.ok("cache", "key", archive).out.splitlines()
        assert lines[0] == f"{event['name']}  foo/1.0, {K1}, {ARCH}" and len(lines) == 2
        assert named == lines[0] + "\n"
        assert tree_of(root) == before and not list((root.path / "tmp").glob("dkms-matrix-0/*/*"))
        root.ok("add", elsewhere)
        assert root.ok("cache", "key", "foo", "-k", K1).out.splitlines() == lines[:1]
        root.ok("remove", "foo/1.0", "--all")
        shutil.rmtree(root.src / "foo-1.0", ignore_errors=True)
        shutil.rmtree(elsewhere)
    missing = root("cache", "key", "/nonexistent/foo")
    assert missing.rc == 1 and "/nonexistent/foo" in missing.err


def test_kernels_without_headers(root):
    """There is no build that could have a key."""
    root.framework("cache_dir=/var/cache/dkms\n")
    root.kernel("6.9.0-bare", headers=False)
    root.source()
    root.ok("add", "foo/1.0")
    result = root("cache", "key", "foo/1.0", "-k", K1, "-k", "6.9.0-bare")
    assert result.rc == 21 and result.out == "" and "The headers of kernel 6.9.0-bare are missing" in result.err and "Install " in result.err
    shutil.rmtree(root.modules)
    (root.modules / "6.9.0-bare").mkdir(parents=True)
    for words in ["cache", "key"], ["matrix", "foo/1.0"]:
        result = root(*words)
        assert result.rc == 21 and "has headers" in result.err and "linux-headers-6.9.0-bare" in result.err, result


def tree_of(root):
    """The files of the tree and of the sources, but for what dkms remembers about files."""
    return {path: path.stat().st_mtime_ns for place in (root.tree, root.src) for path in place.rglob("*") if ".dkms" not in str(path) and path.is_file()}
