"""The commands and statements of the README are correct.

A command that is not in the tables below fails the first test. Add it to a table, and add a test of its effect.
"""
import os
import pathlib
import re
import shutil
import subprocess

import pytest
from conftest import ARCH, DKMS, K1, K2, Root, as_nobody

TOP = pathlib.Path(__file__).resolve().parents[2]
TEXT = (TOP / "README.md").read_text()


def commands_of(page):
    blocks = re.findall(r"^```sh\n(.*?)^```", (TOP / page).read_text(), re.M | re.S)
    return [re.sub(r"\s+#.*", "", line).strip() for block in blocks for line in block.splitlines()]


COMMANDS = commands_of("README.md")
A, B = "6.1.0-56-amd64", "6.12.117+deb12-amd64"  # the kernels in the README


class Machine(Root):
    """A root with the kernels of the README. "sudo dkms X" is run as "dkms --root DIR X"."""

    def __init__(self, path):
        super().__init__(path)
        shutil.rmtree(self.modules)
        for kernel in (A, B):
            self.kernel(kernel)
        self.home = path / "home/me"
        driver = self.home / "my-driver"
        driver.mkdir(parents=True)
        (driver / "dkms.conf").write_text("PACKAGE_NAME=my-driver\nPACKAGE_VERSION=1.0\nBUILT_MODULE_NAME=my-driver\nDEST_MODULE_LOCATION=/updates\n"
                                          "STRIP=no\nAUTOINSTALL=yes\n")
        (driver / "my-driver.c").write_text("first\n")

    def type(self, command, *more, **replaced):
        words = command.removeprefix("sudo ").split()
        assert words[0] == "dkms"
        return self.ok(*(replaced.get(word, word) for word in words[1:]), *more, cwd=self.home)

    def module(self, kernel):
        return (self.modules / kernel / "updates/dkms/my-driver.ko").read_text()


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path / "machine")


INSTALL = ["sudo dkms install ./my-driver", "dkms status", "dkms status --matrix", "dkms explain", "dkms verify", "sudo dkms autoinstall --all-kernels", "sudo dkms install ./my-driver --force",
           "sudo dkms remove my-driver/1.0 --all"]
PACKAGE = [f"sudo dkms build ./my-driver -k {A} -k {B}", "dkms build ./my-driver --dkmstree ./tree --sourcetree ./sources",
           f"sudo dkms match --templatekernel {A} -k {B}", f"dkms mktarball my-driver/1.0 -k {A} --archive ./my-driver.tar.gz"]
IMAGE = ["sudo dkms add --root /mnt/image ./my-driver", f"sudo dkms autoinstall --root /mnt/image -k {B} -j 8",
         "sudo dkms ldtarball --root /mnt/image ./my-driver.tar.gz"]
MATRIX = ["dkms matrix ./my-driver --output results", "dkms matrix --merge results"]
# Targets of the Makefile. Other tiers test their effects, for example "distros" on new machines.
MAKE = ["sudo make demo", "sudo make check", "make deb", "make rpm", "make arch", "sudo make install"]


def test_every_command_has_a_run():
    known = INSTALL + PACKAGE + IMAGE + MATRIX + MAKE
    new = [command for command in COMMANDS if command not in known]
    assert new == [] or all(command.split()[-2:-1] == ["make"] and make_knows(command) for command in new), new
    assert [command for command in INSTALL + PACKAGE + IMAGE + MATRIX if command not in COMMANDS] == [], "the README no longer has these"
    assert not re.search(r"^    \S", TEXT, re.M), "commands are in fenced blocks"


def make_knows(command):
    target = command.split()[-1]
    text = (TOP / "Makefile").read_text()
    assert re.search(rf"^(?:[\w-]+ )*{target}(?: [\w-]+)*:", text, re.M), command
    return subprocess.run(["make", "-n", "-C", TOP, target], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("command", [command for command in COMMANDS + commands_of("CONTRIBUTING.md") if " make " in f" {command}"])
def test_make_has_the_target(command):
    assert make_knows(command)


def test_the_first_screen():
    """The commands are at the beginning of the page."""
    start = TEXT.split("\n## ")[0].splitlines()
    assert [line.split("#")[0].strip() for line in start[5:9]] == ["```sh", "sudo make demo", "sudo make check", "```"], start
    assert len(start) < 24


# ---- a driver to install ----

def test_life_of_a_driver(machine):
    install, status, matrix, explain, verify, autoinstall, force, remove = INSTALL
    out = machine.type(install).out
    assert "Added my-driver/1.0" in out and machine.module(B) == "first\n", "the running kernel; with --root the newest"
    assert machine.type(status).out == f"my-driver/1.0, {B}, {ARCH}: installed\n"
    picture = machine.type(matrix).out
    assert picture == f"MODULE         {A}  {B}\nmy-driver/1.0  -               installed\n"
    shown = re.search(r"^MODULE  .*\n(?:.*\n)+?\* .*\n", TEXT, re.M)[0]
    assert shown.splitlines()[0].split() == ["MODULE", f"{A}*", f"{B}>"] and "my-driver/1.0 " in shown
    assert machine.type(explain).out == "No log of a failed build exists.\n"
    result = machine(*verify.split()[1:])
    assert result.rc == 30 and f"Next boot: probably {B}" in result.out and "my-driver/1.0  PROBLEM" in result.out, "no depmod ran"
    machine.type(autoinstall)
    assert machine.type(status).out == "".join(f"my-driver/1.0, {k}, {ARCH}: installed\n" for k in (A, B))
    assert "same source" in machine.type(install).out, "the first command can be repeated"
    (machine.home / "my-driver/my-driver.c").write_text("second\n")
    machine.type(force)
    assert machine.module(B) == "second\n"
    machine.type(remove)
    assert machine.type(status).out == "" and not list(machine.modules.rglob("*.ko"))
    assert (machine.src / "my-driver-1.0/my-driver.c").read_text() == "second\n", "the source stays"


def test_name_and_version_are_those_of_the_recipe(machine):
    (machine.home / "my-driver").rename(machine.home / "checkout")
    machine.ok("add", "./checkout", cwd=machine.home)
    assert machine.status() == ["my-driver/1.0: added"]


def test_first_error_and_the_logs(machine):
    conf = machine.home / "my-driver/dkms.conf"
    conf.write_text(conf.read_text() + "MAKE='echo \"x.c:1:2: error: no such thing\"; false'\n")
    result = machine("install", "./my-driver", cwd=machine.home)
    log = machine.tree / f".dkms/logs/my-driver/1.0/{B}/{ARCH}/1/make.log"
    assert result.rc == 10 and "x.c:1:2: error: no such thing" in result.err and str(log) in result.err, result
    assert "no such thing" in machine.type("dkms explain").out
    assert "no such thing" in log.read_text() and (machine.tree / "my-driver/1.0/build/my-driver.c").exists()


# ---- packaging ----

def test_build_for_both(machine):
    machine.type(PACKAGE[0])
    assert machine.status() == [f"my-driver/1.0, {k}, {ARCH}: built" for k in (A, B)]


def test_build_without_root(machine, tmp_path):
    own = tmp_path / "tmp"
    own.mkdir()
    own.chmod(0o1777)
    words = [{"./tree": own / "t", "./sources": own / "s", "./my-driver": machine.home / "my-driver"}.get(word, word) for word in PACKAGE[1].split()[1:]]
    result = as_nobody(machine, *words, "--installtree", machine.modules, "-k", A, host=True)
    assert result.rc == 0, result
    assert (own / f"t/my-driver/1.0/{A}/{ARCH}/module/my-driver.ko").read_text() == "first\n"
    assert (own / "s/my-driver-1.0/dkms.conf").exists()


def test_matrix(machine):
    machine.type(MATRIX[0])
    table = machine.type(MATRIX[1]).out
    assert "my-driver/1.0" in table and all(kernel in table for kernel in (A, B)) and "1 module, 2 kernels: 2 good" in table, table
    assert machine.status() == []


def test_match_and_archive(machine):
    machine.ok("install", "./my-driver", "-k", A, cwd=machine.home)
    machine.type(PACKAGE[2])
    assert machine.status() == [f"my-driver/1.0, {k}, {ARCH}: installed" for k in (A, B)]
    machine.type(PACKAGE[3])
    assert (machine.home / "my-driver.tar.gz").is_file()


# ---- images ----

@pytest.fixture
def image(tmp_path):
    """A system that contains only data, with one of the kernels of the README, and no headers."""
    lab = Machine(tmp_path / "image")
    shutil.rmtree(lab.modules / A)
    return lab


def test_image(machine, image):
    add, autoinstall, ldtarball = IMAGE

    def in_image(command):
        words = command.split()[2:]
        assert words[words.index("--root") + 1] == "/mnt/image"
        words[words.index("--root"):words.index("--root") + 2] = []
        return image.ok(*words, cwd=machine.home)

    in_image(add)
    in_image(autoinstall)
    assert image.status() == [f"my-driver/1.0, {B}, {ARCH}: installed"]
    image.ok("remove", "my-driver/1.0", "--all")
    machine.type(PACKAGE[0])
    machine.ok("mktarball", "my-driver/1.0", "-k", B, "--archive", "./my-driver.tar.gz", cwd=machine.home)
    in_image(ldtarball)
    assert image.status() == [f"my-driver/1.0, {B}, {ARCH}: built"]


def test_what_is_of_the_host_and_what_is_of_the_image(machine, image):
    """Sources, archives and -c are files of the host; trees, --config and --kernelsourcedir are paths inside DIR."""
    (image.path / "inside").mkdir()
    (image.path / "inside/config").write_text("CONFIG_WANTED=y\n")
    (image.modules / B / "build").rename(image.path / "inside/headers")
    conf = machine.home / "other.conf"
    conf.write_text((machine.home / "my-driver/dkms.conf").read_text() + "BUILD_EXCLUSIVE_CONFIG=CONFIG_WANTED\nDEST_MODULE_NAME=other\n")
    image.ok("install", "./my-driver", "-c", "other.conf", "--config", "/inside/config", "--kernelsourcedir", "/inside/headers", cwd=machine.home)
    assert (image.modules / B / "updates/dkms/other.ko").exists()
    (image.path / "inside/tree").mkdir()
    image.ok("add", "my-driver/1.0", "--dkmstree", "/inside/tree")
    assert (image.path / "inside/tree/my-driver/1.0").is_dir()


def test_dry_run_changes_nothing(machine):
    machine.ok("add", "./my-driver", cwd=machine.home)
    before = machine.snapshot()
    assert "build my-driver/1.0" in machine.ok("autoinstall", "--dry-run").out
    assert machine.snapshot() == before
