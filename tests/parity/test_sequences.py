"""The same commands with the dkms of the distribution and with ours, in twin roots: exit codes, status, files.

differences.json lists the intended differences of each sequence, with the reason.
"""
import difflib
import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

HERE = pathlib.Path(__file__).resolve().parent
NAMES = re.findall(r"^seq_(\w+) ", (HERE / "sequences.list").read_text(), re.M)
DIFFERENCES = json.loads((HERE / "differences.json").read_text())

MODULE = """\
#include <linux/module.h>
static int __init begin (void) { return 0; }
static void __exit end (void) { }
module_init (begin);
module_exit (end);
MODULE_LICENSE ("GPL");
MODULE_DESCRIPTION (TEXT);
"""
VERSIONS = {"foo-0.9": "0.9", "foo-1.0": "1.0", "foo-2.0": "2.0", "bar-1.0": None, "baz-1.0": "1.0", "own": None}


def make_modules(place):
    """Small real modules with and without versions, compiled once for both sides."""
    headers = sorted(pathlib.Path("/lib/modules").glob("*/build"))
    if not headers:
        pytest.fail("no kernel headers; scripts/install-deps demo installs them")
    work = place / "work"
    work.mkdir()
    objects = []
    for name, version in VERSIONS.items():
        object_name = re.sub(r"\W", "_", name)
        text = f'#define TEXT "{name}"\n' + MODULE + (f'MODULE_VERSION ("{version}");\n' if version else "")
        (work / f"{object_name}.c").write_text(text)
        objects.append(object_name)
    (work / "Makefile").write_text("obj-m := " + " ".join(f"{o}.o" for o in objects) + "\n")
    subprocess.run(["make", "-s", "-C", headers[0], f"M={work}", "modules"], check=True, stdout=subprocess.DEVNULL)
    for name, object_name in zip(VERSIONS, objects):
        subprocess.run(["strip", "-g", work / f"{object_name}.ko"], check=True)
        shutil.copy(work / f"{object_name}.ko", place / f"{name}.ko")
    shutil.rmtree(work)


@pytest.fixture(scope="module")
def sides(tmp_path_factory):
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        pytest.fail("the parity tier needs root on a Debian machine")
    lab = tmp_path_factory.mktemp("sequences")
    stage = lab / "stage"
    stage.mkdir()
    stage.chmod(0o777)
    subprocess.run(["apt-get", "download", "-qq", "dkms"], cwd=stage, check=True)
    make_modules(stage)
    shutil.copy(HERE / "sequences.list", stage)
    outs, running = {}, []
    for name, which in (("debian", "debian"), ("ours", os.environ["DKMS"])):
        outs[name] = lab / name
        outs[name].mkdir()
        running.append(subprocess.Popen([HERE / "twin", which, stage, outs[name], HERE / "sequences.sh"], stdin=subprocess.DEVNULL))
    assert [process.wait() for process in running] == [0, 0]
    return {name: {p.name: p.read_text(errors="replace").splitlines() for p in out.iterdir()} for name, out in outs.items()}


def test_enough_of_them():
    assert len(NAMES) == len(set(NAMES)) >= 60
    assert set(DIFFERENCES) <= set(NAMES), "a sequence of differences.json does not exist"


@pytest.mark.parametrize("name", NAMES)
def test_same(sides, name):
    theirs, ours = sides["debian"][name], sides["ours"][name]
    assert any(line.startswith("dkms ") for line in ours)
    found = [line for line in difflib.unified_diff(theirs, ours, lineterm="", n=0) if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    meant = DIFFERENCES.get(name, {"lines": []})
    unexplained = [line for line in found if not any(re.fullmatch(pattern, line) for pattern in meant["lines"])]
    assert not unexplained, "\n".join(unexplained)
    assert found or name not in DIFFERENCES, "differences.json explains differences that do not exist"
