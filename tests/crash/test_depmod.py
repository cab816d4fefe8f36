"""dkms-depmod is killed before every system call that changes a file, and each of them fails once; the next run must still write
the indexes that depmod writes. (In test_crash.py, dkms-depmod runs in a sandbox, whose calls are not counted.)"""
import errno
import os
import pathlib
import shutil

import pytest

import lab as stage
from lab import DKMS, K1

import depmods
from modules import module

HELPER = pathlib.Path(DKMS).resolve().parent / "helpers/dkms-depmod"
ALL = os.environ.get("DKMS_CRASH") == "all"


@pytest.fixture(scope="module")
def point(tmp_path_factory):
    return stage.build_point(tmp_path_factory.mktemp("point"))


@pytest.fixture
def machine(tmp_path):
    made = depmods.Machine(tmp_path, HELPER, K1)
    for i in range(3):
        made.put(f"kernel/m{i}", module(f"m{i}", [f"s{i}"], [f"s{i - 1}"], info=[f"alias=a{i}:*"]), (".ko", ".ko.xz", ".ko.xz")[i])
    (made.dir / "modules.order").write_text("kernel/m2.ko\n")
    made.plain()
    return made


def count(machine, point):
    log = machine.path / "points"
    script = 'exec "$@" 9>"$POINTS"'
    os.environ["POINTS"] = str(log)
    out, result = machine.helper(before=["bash", "-c", script, "-", point, "count"])
    assert result.returncode == 0, result
    shutil.rmtree(out)
    return int(log.read_text())


def set_back(machine, warm):
    """The store of an earlier run, in which one module has changed; or none."""
    for path in machine.store.iterdir():
        path.unlink()
    machine.put("kernel/m0", module("m0", ["s0"]))
    if warm:
        machine.check()
        machine.put("kernel/m0", module("m0", ["s0", "more"]))


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize("how", ["kill", "fail"])
def test_crash(machine, point, how, warm):
    set_back(machine, warm)
    total = count(machine, point)
    assert total > 20
    for number in range(1, total + 1, 1 if ALL else 3):
        set_back(machine, warm)
        before = depmods.indexes(machine.dir)
        options = [how, str(number)] + ([str([errno.ENOSPC, errno.EIO][number % 2])] if how == "fail" else [])
        out, result = machine.helper(before=[point, *options])
        if result.returncode == 0:  # the failure did not matter
            found, wanted = depmods.indexes(out), machine.plain()
            assert found == wanted, (number, result)
        else:
            assert depmods.indexes(machine.dir) == before, (number, result)
        machine.check()
        assert [path.name for path in machine.store.iterdir() if path.name != K1] in ([], [K1 + ".new"]), number
        shutil.rmtree(out, ignore_errors=True)
        machine.put("kernel/m1", module("m1", ["s1"], ["s0"], info=[f"alias=n{number}:*"]), ".ko.xz")
        machine.check()  # writes the store again
        assert [path.name for path in machine.store.iterdir()] == [K1], number
