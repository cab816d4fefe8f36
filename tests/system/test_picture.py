"""status --matrix: modules by kernels."""
from conftest import K1, K2
from test_verify import Machine, module


def test_picture(root):
    machine = Machine(root)
    machine.install("good")
    machine.install("bad", module("bad", versions={"_printk": 1}))
    machine.source("fails", extra='MAKE="false"\n')
    machine.source("other", extra='BUILD_EXCLUSIVE_KERNEL="^6\\.1\\."\n')
    machine.root.ok("add", "other/1.0")
    assert root("install", "fails/1.0", "-k", K2).rc == 10 and root("install", "other/1.0", "-k", K2).rc == 77
    assert root("build", "fails/1.0", "-k", "9.9.9").rc == 21, "that kernel gets no column"
    shown = root.ok("status", "--matrix")
    assert shown.out == (f"MODULE     {K1}>  {K2}\n"
                         "bad/1.0    installed      -\n"
                         "fails/1.0  -              failed\n"
                         "good/1.0   installed      -\n"
                         "other/1.0  -              excluded\n"
                         "* runs now, > boots next\n"), shown
    assert root("verify").rc == 30
    assert "bad/1.0    problem" in root.ok("status", "--matrix").out
    (root.path / "boot/grub/grub.cfg").touch()
    assert "bad/1.0    installed" in root.ok("status", "--matrix").out, "the verdict may be outdated"
    root.modules.joinpath(K1, "updates/dkms/good.ko").unlink()
    assert "good/1.0   differs" in root.ok("status", "--matrix").out
    assert root.ok("status", "--matrix", "-k", K2).out.splitlines()[0] == f"MODULE     {K2}"
    assert root.ok("status", "--matrix", "good").out.splitlines()[1:] == ["good/1.0  differs        -", "* runs now, > boots next"]


def test_nothing(root):
    assert root.ok("status", "--matrix").out == ""
