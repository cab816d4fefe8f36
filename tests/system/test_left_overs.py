"""Files that are hard to delete do not make later commands fail."""
import os
import subprocess

import pytest

from conftest import ARCH, K1, K2, mounted

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounts and set-id files of root need root")

# More directories than available descriptors.
DEEP = """#!/bin/sh
dirs=$(printf 'd/%.0s' $(seq 100))
for i in 1 2 3 4; do mkdir -p $dirs && cd $dirs || exit 1; done
cp /bin/sh shell && chmod 6755 shell
"""


def deep(root, end="exit 1"):
    root.source("deep", extra="PRE_BUILD=deep.sh\n", files={"deep.c": "x", "deep.sh": DEEP + end + "\n"})


@pytest.fixture(autouse=True)
def deleted(root):
    """Python's own function cannot delete such a deep tree."""
    yield
    subprocess.run(["rm", "-rf", root.path], check=True)


@pytest.fixture
def few_files(root, monkeypatch):
    """Sets the hard limit, too, because dkms raises the soft limit."""
    command = root.command
    monkeypatch.setattr(root, "command", lambda: ["prlimit", "--nofile=256:256", *command()])


def set_id_files(root):
    # find(1) can handle any depth
    return subprocess.run(["find", root.path, "-perm", "/6000"], capture_output=True, text=True, check=True).stdout.splitlines()


def test_failed_build_of_any_depth_leaves_no_set_id_file_and_no_obstacle(root, few_files):
    deep(root)
    root.source("other")
    assert root("build", "deep/1.0", "-k", K1).rc == 1
    assert set_id_files(root) == []
    for _ in range(2):
        result = root.ok("install", "other/1.0", "-k", K1)
        assert "Warning" not in result.err, result
        assert root("build", "deep/1.0", "-k", K1).rc == 1
    root.ok("remove", "deep/1.0", "--all")
    assert not (root.tree / "deep").exists()
    assert list((root.tree / ".dkms/work").iterdir()) == []


def test_successful_build_of_any_depth_leaves_nothing(root, few_files):
    deep(root, "exit 0")
    root.ok("build", "deep/1.0", "-k", K1)
    assert set_id_files(root) == []
    assert list((root.tree / ".dkms/work").iterdir()) == []


def test_kept_files_of_a_failed_build_are_nobody_elses_to_write(root):
    root.source(extra="PRE_BUILD=pre.sh\n", files={"foo.c": "x", "pre.sh": "#!/bin/sh\numask 0; mkdir d; chmod 777 . d; exit 3\n"})
    assert root("build", "foo/1.0", "-k", K1).rc == 3
    for path in ("foo/1.0/build", "foo/1.0/build/d"):
        assert (root.tree / path).stat().st_mode & 0o7777 == 0o755


def test_mount_in_the_files_of_a_failed_build(root):
    root.source(extra='MAKE="mkdir -p mnt; exit 1"\n')
    root.source("other")
    assert root("build", "foo/1.0", "-k", K1).rc == 10
    place = root.tree / "foo/1.0/build/mnt"
    with mounted(place):
        (place / "precious").write_text("x")
        result = root("build", "foo/1.0", "-k", K1)
        assert result.rc == 10 and str(root.tree) in result.err and "mounted" in result.err, result
        for verb in ("install", "uninstall", "remove"):
            root.ok(verb, "other/1.0", *(["--all"] if verb == "remove" else ["-k", K1]))
        moved = subprocess.run(["find", root.path, "-name", "precious"], capture_output=True, text=True, check=True).stdout.split()
        assert len(moved) == 1
        os.rename(moved[0], moved[0] + "2")
        where = os.path.dirname(moved[0])
        if where != str(place):
            # The mount moved with its directory; the fixture must find it to unmount it.
            subprocess.run(["umount", where], check=True)
            place.mkdir(parents=True, exist_ok=True)
            subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], check=True)
    root.source("other")
    root.ok("install", "other/1.0", "-k", K1)
    root.ok("remove", "foo/1.0", "--all")
    assert not (root.tree / "foo").exists()


def test_mount_in_a_build_that_is_replaced_or_removed(root):
    root.source()
    root.source("other")
    root.ok("install", "foo/1.0", "-k", K1)
    root.ok("build", "foo/1.0", "-k", K2)
    place = root.tree / f"foo/1.0/{K1}/{ARCH}/log/mnt"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], check=True)
    try:
        result = root("unbuild", "foo/1.0", "-k", K1)
        assert "mounted" in result.err, result
        root.ok("install", "other/1.0", "-k", K1)
        root.ok("install", "foo/1.0", "-k", K2)
        assert "other/1.0, %s, %s: installed" % (K1, ARCH) in root.status()
    finally:
        for line in open("/proc/self/mounts", encoding="utf-8").read().splitlines():
            mount = line.split()[1]
            if mount.startswith(str(root.path)):
                subprocess.run(["umount", mount], check=True)
    root.ok("remove", "foo/1.0", "--all")
    assert not (root.tree / "foo").exists()
    found = subprocess.run(["find", root.path, "-name", ".dkms-*"], capture_output=True, text=True, check=True).stdout
    assert found == ""
