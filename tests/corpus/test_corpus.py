"""Recipes of all kinds with the newest dkms of Debian and with ours, in twin roots: exit codes, the arguments of make, scripts
with their arguments, patches, status and files.

differences.json lists the intended differences of each recipe, with the reason.
"""
import difflib
import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from recipes import RECIPES

HERE = pathlib.Path(__file__).resolve().parent
TWIN = HERE.parent / "parity/twin"
DIFFERENCES = json.loads((HERE / "differences.json").read_text())
SAY = "#!/bin/bash\nprintf 'ran say'; printf ' <%s>' \"$@\"; echo\n"
MODULE = '#include <linux/module.h>\nMODULE_LICENSE ("GPL");\nMODULE_VERSION ("1.0");\n'


def mirror():
    """The archive that this machine is set up with."""
    text = "\n".join(p.read_text() for p in [pathlib.Path("/etc/apt/sources.list"), *pathlib.Path("/etc/apt/sources.list.d").glob("*")]
                     if p.is_file())
    found = re.search(r"^(?:deb(?:\s+\[[^\]]*\])?|URIs:)\s+(https?://\S+/debian/?)(?:\s|$)", text, re.M)
    if not found:
        pytest.fail("the corpus tier needs a Debian machine: it knows no archive")
    return found.group(1)


def fetch_newest_dkms(stage, lab):
    """The package of Debian unstable, with separate package lists."""
    for directory in ("lists/partial", "archives/partial", "parts"):
        (lab / directory).mkdir(parents=True)
    key = pathlib.Path("/usr/share/keyrings/debian-archive-keyring.gpg")
    (lab / "sources.list").write_text(f"deb {f'[signed-by={key}] ' if key.exists() else ''}{mirror()} unstable main\n")
    (lab / "apt.conf").write_text(f'Dir::Etc::sourcelist "{lab}/sources.list";\nDir::Etc::sourceparts "{lab}/parts";\nDir::State::lists "{lab}/lists";\n'
                                  f'Dir::Cache "{lab}";\nAPT::Sandbox::User "root";\nAcquire::Languages "none";\n')
    environment = dict(os.environ, APT_CONFIG=str(lab / "apt.conf"))
    subprocess.run(["apt-get", "update", "-qq"], env=environment, check=True)
    subprocess.run(["apt-get", "download", "-qq", "dkms"], cwd=stage, env=environment, check=True)


def make_module(stage, headers):
    """A real module, with debugging information."""
    work = stage / "work"
    work.mkdir()
    (work / "foo.c").write_text(MODULE)
    (work / "Makefile").write_text("obj-m := foo.o\n")
    subprocess.run(["make", "-s", "-C", headers, f"M={work}", "modules"], check=True, stdout=subprocess.DEVNULL)
    shutil.copy(work / "foo.ko", stage / "module.ko")
    shutil.rmtree(work)


def put(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    path.chmod(0o755 if text.startswith("#!") and path.name != "dkms.conf" else 0o644)


def stage_recipes(stage):
    for name, recipe in RECIPES.items():
        place = stage / "recipes" / name
        files = {"say.sh": SAY, "text": "one\n", "make.list": "".join(f"{m}\n" for m in recipe["modules"]), **recipe["files"]}
        for file, text in files.items():
            put(place / "source" / file, text)
        put(place / "source/dkms.conf", recipe["conf"])
        for file, text in recipe["etc"].items():
            put(place / "etc" / file, text)
        put(place / "commands", "".join(f"{c}\n" for c in recipe["commands"]))
        put(place / "cwd", recipe["cwd"] + "\n")


def plain(text, kernel):
    """A report without the data of this machine."""
    return text.replace(kernel, "KERNEL").replace(os.uname().machine, "ARCH").splitlines()


@pytest.fixture(scope="module")
def sides(tmp_path_factory):
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        pytest.fail("the corpus tier needs root on a Debian machine")
    kernels = sorted(p.parent for p in pathlib.Path("/lib/modules").glob("*/build") if (p / "include").is_dir())
    if not kernels:
        pytest.fail("no kernel headers; scripts/install-deps demo installs them")
    lab = tmp_path_factory.mktemp("corpus")
    stage = lab / "stage"
    stage.mkdir()
    stage.chmod(0o755)
    fetch_newest_dkms(stage, lab / "apt")
    make_module(stage, kernels[0] / "build")
    # A vermagic of the right kernel, because other modules are refused.
    put(stage / "kernel", f"K={kernels[0].name} K2=6.12.0-2-cor\n")
    stage_recipes(stage)
    outs, running = {}, []
    for name, which in (("debian", "debian"), ("ours", os.environ["DKMS"])):
        outs[name] = lab / name
        outs[name].mkdir()
        running.append(subprocess.Popen([TWIN, which, stage, outs[name], HERE / "side.sh"], stdin=subprocess.DEVNULL))
    assert [process.wait() for process in running] == [0, 0]
    print(f"\n{len(RECIPES)} recipes, {next(stage.glob('dkms_*.deb')).name}")
    return {name: {p.name: plain(p.read_text(errors="replace"), kernels[0].name) for p in out.iterdir()} for name, out in outs.items()}


def test_enough_of_them():
    assert len(RECIPES) >= 150
    assert set(DIFFERENCES) <= set(RECIPES), "a recipe of differences.json does not exist"


@pytest.mark.parametrize("name", RECIPES)
def test_same(sides, name):
    theirs, ours = sides["debian"][name], sides["ours"][name]
    assert any(line.startswith("dkms ") for line in ours) and "--- files" in ours
    found = [line for line in difflib.unified_diff(theirs, ours, lineterm="", n=0) if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    meant = DIFFERENCES.get(name, {"lines": []})
    unexplained = [line for line in found if not any(re.fullmatch(pattern, line) for pattern in meant["lines"])]
    assert not unexplained, "\n".join(unexplained)
    assert found or name not in DIFFERENCES, "differences.json explains differences that do not exist"
