"""Which of two modules is newer, and which module of the kernel is compared."""
import pytest

from conftest import ARCH, K1
from test_loadable import module, source


def made(version="", srcversion="", **more):
    info = {key: value for key, value in {"version": version, "srcversion": srcversion}.items() if value}
    return module(info={**info, **more})


def put(root, place, content):
    path = root.modules / K1 / place / "foo.ko"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("built, there, installed", [
    (("1.0",), ("0.9",), True), (("1.0",), ("1.1",), False), (("2.10",), ("2.9",), True), (("2.9",), ("2.10",), False),
    (("1.0",), ("1.00",), True),  # equal numbers, other text: not newer, and not the same module
    (("1.0", "AAAA"), ("1.0", "BBBB"), True), (("1.0", "AAAA"), ("1.0", "AAAA"), False), (("", "AAAA"), ("", "AAAA"), False),
    ((), (), True), (("1.0",), (), True), ((), ("1.0",), False)])
def test_which_is_newer(root, built, there, installed):
    """Guards the comparison of versions: a newer or equal module of the kernel is kept, any other is replaced."""
    source(root, made(*built, description="ours"))
    original = put(root, "kernel/net", made(*there, description="the kernel's"))
    result = root("install", "foo/1.0", "-k", K1)
    assert result.rc == (0 if installed else 6), result
    assert (root.modules / K1 / "updates/dkms/foo.ko").exists() == installed
    assert original.exists() != installed, "it is archived when ours is installed"
    if not installed:
        assert "--force" in result.err


def test_both_versions_are_named(root):
    source(root, made("1.0"))
    put(root, "kernel/net", made("1.1"))
    assert "/foo.ko is newer than foo of foo/1.0 and is kept: version 1.1, not 1.0.\n" in root("install", "foo/1.0", "-k", K1).err
    put(root, "kernel/net", made("1.0", description="the kernel's"))
    assert "/foo.ko has the same version (1.0) as foo of foo/1.0 and is kept." in root("install", "foo/1.0", "-k", K1).err


def test_equal_files_are_the_same(root):
    source(root, made())
    put(root, "kernel/net", made())
    assert root("install", "foo/1.0", "-k", K1).rc == 6


@pytest.mark.parametrize("places", [("kernel/a", "updates"), ("extra", "updates"), ("kernel/a", "extra"), ("extra", "updates/x")])
def test_the_version_is_compared_with_the_module_that_depmod_prefers(root, places):
    """Guards the order updates, extra, others: the module that the kernel would load is compared."""
    unused, loaded = places
    source(root, made("1.0"))
    put(root, unused, made("9.0"))
    put(root, loaded, made("0.1"))
    root.ok("install", "foo/1.0", "-k", K1)
    root.ok("remove", "foo/1.0", "--all")
    put(root, unused, made("0.1"))
    put(root, loaded, made("9.0"))
    result = root("install", "foo/1.0", "-k", K1)
    assert result.rc == 6 and f"/{loaded}/foo.ko is newer" in result.err


def test_of_several_originals_the_one_in_extra_is_archived(root):
    """Guards the order extra, updates, the directory of the new module, others."""
    source(root, made("5.0"))
    for place in ("kernel/a", "updates", "extra"):
        put(root, place, place.encode())
    root.ok("install", "foo/1.0", "-k", K1, "--force")
    backup = root.tree / f"foo/original_module/{K1}/{ARCH}"
    assert (backup / "foo.ko").read_bytes() == b"extra"
    assert (backup / "foo.ko.origin").read_text() == f"/lib/modules/{K1}/extra/foo.ko\n"
    root.ok("uninstall", "foo/1.0", "-k", K1)
    assert (root.modules / K1 / "extra/foo.ko").read_bytes() == b"extra"
