"""autoinstall: latest versions, rounds, and the classes failed, skipped, deferred."""
from conftest import ARCH, K1, K2


def add(root, name, version="1.0", extra=""):
    root.source(name, version, extra=extra)
    root.register(name, version)


def test_nothing_to_do_is_silent(root):
    result = root.ok("autoinstall", "-k", K1)
    assert result.out == "" and result.err == ""


def test_latest_version_only(root):
    for version in ("1.0", "9.0", "10.0"):
        add(root, "foo", version)
    root.ok("autoinstall", "-k", K1)
    assert root.status() == [f"foo/1.0: added", f"foo/10.0, {K1}, {ARCH}: installed", "foo/9.0: added"]
    before = root.snapshot()
    root.ok("autoinstall", "-k", K1)
    assert root.snapshot() == before


def test_dependencies_first(root):
    add(root, "a", extra="BUILD_DEPENDS=z\n")
    add(root, "z")
    out = root.ok("autoinstall", "-k", K1).out
    assert out.index("Building z/1.0") < out.index("Building a/1.0")
    assert out.rstrip().endswith("succeeded for: z a")


def test_failed_skipped_deferred(root):
    add(root, "fails", extra='MAKE="false"\n')
    add(root, "needs-fails", extra="BUILD_DEPENDS=fails\n")
    add(root, "skipped", extra="BUILD_EXCLUSIVE_KERNEL=^5\n")
    add(root, "after-skipped", extra="BUILD_DEPENDS=skipped\n")
    add(root, "waits", extra="BUILD_DEPENDS=unheard-of\n")
    add(root, "works")
    add(root, "manual", extra="AUTOINSTALL=no\n")
    result = root("autoinstall", "-k", K1)
    assert result.rc == 11
    lines = result.out.splitlines()
    assert f"Autoinstall on {K1} succeeded for: works" in lines
    assert f"Autoinstall on {K1} was skipped for: skipped" in lines
    failed = next(line for line in lines if " failed for:" in line)
    assert "fails(10)" in failed and "after-skipped(13)" in failed and "needs-fails" in failed
    assert any(line.startswith("Deferred: waits/1.0") for line in lines)
    assert "manual/1.0: added" in root.status()


def test_deferred_alone_is_success(root):
    add(root, "waits", extra="BUILD_DEPENDS=unheard-of\n")
    root.ok("autoinstall", "-k", K1)


def test_switched_off(root):
    add(root, "foo")
    (root.path / "etc/dkms/no-autoinstall").touch()
    root.ok("autoinstall", "-k", K1)
    assert root.status() == ["foo/1.0: added"]


def test_without_headers(root):
    bare = "6.9.0-bare"
    root.kernel(bare, headers=False)
    root.ok("autoinstall", "-k", bare)
    add(root, "foo")
    assert root("autoinstall", "-k", bare).rc == 21


def test_depmod_once_per_kernel(root):
    for kernel in (K1, K2):
        for name in ("modules.dep", "modules.order", "modules.builtin"):
            (root.modules / kernel / name).write_text("")
    for name in ("a", "b", "c"):
        add(root, name)
    assert root.ok("autoinstall", "-k", K1).out.count("Running depmod") == 1
    assert root.ok("install", "a/1.0", "-k", K2, "--no-depmod").out.count("Running depmod") == 0


def test_interrupted_depmod_is_made_up_for(root):
    add(root, "a")
    root.ok("install", "a/1.0", "-k", K1)
    for name in ("modules.dep", "modules.order", "modules.builtin"):
        (root.modules / K1 / name).write_text("x: y\n")
    note = root.tree / f".dkms/depmod/0badcafe.{K1}"
    note.touch()
    assert "Running depmod" in root.ok("build", "a/1.0", "-k", K2).out
    assert not note.exists()
