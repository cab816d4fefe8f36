"""Builds of dkms 3 get records once. After that, status does not evaluate their recipes."""
import json
import subprocess

import pytest

from conftest import ARCH, K1, K2, as_nobody, strace


def foreign(root, name="foo", kernel=K1, installed=True, text="x", **keywords):
    """Creates a build as dkms 3 does."""
    if not (root.tree / name).exists():
        root.source(name, **keywords)
        root.register(name)
    base = root.tree / f"{name}/1.0/{kernel}/{ARCH}"
    (base / "module").mkdir(parents=True)
    (base / "log").mkdir()
    (base / "log/make.log").write_text("DKMS make.log\n")
    (base / f"module/{name}.ko").write_text(text)
    if installed:
        place = root.modules / kernel / "updates/dkms"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{name}.ko").write_text(text)
        (root.tree / name / f"kernel-{kernel}-{ARCH}").symlink_to(f"1.0/{kernel}/{ARCH}")
    return base


CODE = "[ $kernelver ] && MAKE[0]=make\n" # so that only bash can read it


def adopt(root):
    subprocess.run([root.command()[0], "--adopt", *root.command()[1:]], check=True)


def programs(root, *arguments):
    """The number of programs that a command starts, including itself."""
    return strace("-e", "trace=execve", *root.command(), *arguments, check=True).stderr.count("execve(")


@pytest.mark.parametrize("how", ["add", "autoinstall", "--adopt"])
def test_once(root, how):
    base = foreign(root, extra=CODE)
    foreign(root, kernel=K2, installed=False)
    before = root.status()
    assert programs(root, "status") > 1
    if how == "add":
        root.ok("add", root.source("bar"))
        before = ["bar/1.0: added", *before]
    else:
        adopt(root) if how == "--adopt" else root.ok("autoinstall", "-k", K1)
    assert root.status() == before and programs(root, "status") == 1
    record = json.loads((base / ".record.json").read_text())
    assert record["modules"][0]["file"] == "foo.ko" and "owned" not in record["modules"][0]
    assert not (base / ".attempt.json").exists(), "its inputs are unknown"
    assert root.status("--long") == before
    assert as_nobody(root, "status").out.splitlines() == before


def test_recipes_without_code_need_no_program(root):
    foreign(root)
    foreign(root, kernel=K2, installed=False)
    foreign(root, "away", text="other")
    (root.modules / K1 / "updates/dkms/away.ko").unlink()
    assert programs(root, "status") == 1
    before = root.status()
    assert [line.split(" (")[1] for line in before if line.startswith("away")] == ["Differences between built and installed modules)"]
    for name in ("foo", "away"):
        with open(root.src / f"{name}-1.0/dkms.conf", "a", encoding="ascii") as file:
            file.write(CODE)
    assert programs(root, "status") > 1 and root.status() == before


def test_what_is_missing_and_what_differs_stays_so(root):
    foreign(root, "differs")
    (root.modules / K1 / "updates/dkms/differs.ko").write_text("other")
    foreign(root, "missing", extra="BUILT_MODULE_NAME[1]=more\nDEST_MODULE_LOCATION[1]=/extra\n")
    foreign(root, "excluded", extra="BUILT_MODULE_NAME[1]=more\nDEST_MODULE_LOCATION[1]=/extra\nBUILD_EXCLUSIVE_KERNEL[1]=^9\n")
    foreign(root, "broken")
    (root.src / "broken-1.0/dkms.conf").write_text("exit 1\n")
    before = root("status")
    assert "Differences" in before.out and "missing" in before.out
    adopt(root)
    after = root("status")
    assert (after.out, after.err) == (before.out, before.err)
    adopted = [name for name in ("differs", "missing", "excluded", "broken") if (root.tree / f"{name}/1.0/{K1}/{ARCH}/.record.json").exists()]
    assert adopted == ["differs", "excluded"], "incomplete builds are not recorded"


def test_life_goes_on(root):
    """Adopted builds can be uninstalled, installed and removed."""
    foreign(root)
    adopt(root)
    root.ok("uninstall", "foo/1.0", "-k", K1)
    assert root.status() == [f"foo/1.0, {K1}, {ARCH}: built"] and not (root.modules / K1 / "updates").exists()
    root.ok("install", "foo/1.0", "-k", K1)
    assert root.status() == [f"foo/1.0, {K1}, {ARCH}: installed"]
    root.ok("remove", "foo/1.0", "--all")
    assert root.status() == [] and not (root.modules / K1 / "updates").exists()


def test_it_can_be_removed_without_its_source(root):
    foreign(root)
    adopt(root)
    subprocess.run(["rm", "-r", root.src / "foo-1.0"], check=True)
    root.ok("remove", "foo/1.0", "--all")
    assert not (root.tree / "foo").exists() and not (root.modules / K1 / "updates").exists()


def test_installed_where_the_recipe_says(root):
    """dkms 3 uses the directory of the recipe if the distribution does not define one."""
    base = foreign(root, installed=False, extra='DEST_MODULE_LOCATION[0]="/extra"\n')
    place = root.modules / K1 / "extra"
    place.mkdir()
    (place / "foo.ko").write_text("x")
    (root.tree / f"foo/kernel-{K1}-{ARCH}").symlink_to(f"1.0/{K1}/{ARCH}")
    before = root.status()
    adopt(root)
    assert json.loads((base / ".record.json").read_text())["modules"][0]["location"] == "/extra"
    assert root.status() == before == [f"foo/1.0, {K1}, {ARCH}: installed"]
    root.ok("uninstall", "foo/1.0", "-k", K1)
    assert not (place / "foo.ko").exists()


def test_only_once_and_again_with_autoinstall(root):
    foreign(root)
    root.ok("add", root.source("bar"))
    later = foreign(root, "late", kernel=K2)
    root.ok("add", root.source("baz"))
    assert not (later / ".record.json").exists(), "a new build of dkms 3 is not detected"
    root.ok("autoinstall", "-k", K1)
    assert (later / ".record.json").exists()


def test_what_changes_nothing(root):
    base = foreign(root)
    root.ok("status")
    root.ok("install", "foo/1.0", "-k", K2, "--dry-run")
    assert not (base / ".record.json").exists()


def test_a_record_that_a_power_cut_emptied(root):
    base = foreign(root)
    (base / ".record.json").write_text("")
    assert root.status() == [f"foo/1.0, {K1}, {ARCH}: installed"]
    adopt(root)
    assert json.loads((base / ".record.json").read_text())["format"] == 1


def test_no_tree(root):
    adopt(root)
    assert not root.tree.exists()
