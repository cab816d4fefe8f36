"""Sixteen processes run random commands on one tree. Some order of the commands must explain their output and the result.

DKMS_CRASH=all runs 20 rounds of 500 commands. The default is 2 rounds.
"""
import concurrent.futures
import os
import random
import re
import shutil
import subprocess
import time

import pytest

import lab as stage
from lab import ARCH, DKMS, K1, K2
from order import ADDED, BUILT, INSTALLED, NOTHING, Operation, State, disorder

ROUNDS = 20 if os.environ.get("DKMS_CRASH") == "all" else 2
OPERATIONS, PROCESSES = 500, 16
KERNELS = (K1, K2)
MODULES = ["a", "b", "c", "d", "e", "f"]
DEPENDS = "f" # on a
VERBS = ["add", "build", "install", "install", "uninstall", "unbuild", "remove", "autoinstall", "status", "status"]


# ---- tests of crash/order.py ----

ONE_BUILT, ONE_INSTALLED, BOTH = State(True, (BUILT, ADDED)), State(True, (INSTALLED, ADDED)), State(True, (INSTALLED, INSTALLED))


@pytest.mark.parametrize("operations, end, fine", [
    ([("add", None, 0, 1, 2)], State(True, (ADDED, ADDED)), True),
    ([("add", None, 0, 1, 2)], NOTHING, False),  # the effect is missing
    ([("add", None, 0, 1, 2), ("add", None, 0, 3, 4)], State(True, (ADDED, ADDED)), False),  # added twice
    ([("add", None, 0, 1, 3), ("add", None, 3, 2, 4)], State(True, (ADDED, ADDED)), True),
    ([("build", 0, 0, 1, 2), ("uninstall", 0, 0, 3, 4)], ONE_BUILT, True),
    ([("build", 0, 0, 1, 2), ("unbuild", 0, 0, 3, 4)], ONE_BUILT, False),  # in sequence
    ([("build", 0, 0, 1, 4), ("unbuild", 0, 0, 2, 3), ("add", None, 0, 0, 1)], ONE_BUILT, True),  # at the same time
    ([("build", 0, 0, 1, 4), ("unbuild", 0, 3, 2, 3)], ONE_BUILT, True),
    ([("build", 0, 0, 1, 2), ("unbuild", 0, 3, 3, 4)], ONE_BUILT, False),  # existed, and was not found
    ([("install", 0, 0, 1, 2), ("remove", 0, 0, 3, 4)], NOTHING, True),
    ([("install", 0, 0, 1, 2), ("install", 1, 0, 1, 2), ("remove", 0, 0, 3, 4)], NOTHING, False),  # removed the other build, too
    ([("install", 0, 0, 1, 3), ("install", 1, 0, 2, 4)], BOTH, True),
    ([("install", 0, 0, 1, 3), ("status", None, 0, 2, 4, ONE_BUILT)], ONE_INSTALLED, True),  # an intermediate state
    ([("install", 0, 0, 1, 3), ("status", None, 0, 4, 5, ONE_BUILT)], ONE_INSTALLED, False),  # an intermediate state after the end
    ([("install", 0, 0, 3, 4), ("status", None, 0, 1, 2, ONE_BUILT)], ONE_INSTALLED, False),  # an intermediate state before the start
    ([("install", 0, 0, 1, 5), ("status", None, 0, 1, 2, ONE_BUILT), ("status", None, 0, 3, 4, NOTHING)], ONE_INSTALLED, False),  # an undone state
    ([("install", 0, 0, 1, 2), ("remove", 0, 0, 3, 6), ("status", None, 0, 4, 5, ONE_BUILT)], NOTHING, True),
    ([("install", 0, 0, 1, 2), ("build", 0, 0, 3, 6), ("status", None, 0, 4, 5, ONE_BUILT)], ONE_INSTALLED, False),
    ([("add", None, 0, 1, 2), ("autoinstall", 0, 0, 3, 4)], State(True, (ADDED, ADDED)), False),
    ([("add", None, 0, 1, 2), ("autoinstall", 0, 11, 3, 4)], State(True, (ADDED, ADDED)), True),
])
def test_judge(operations, end, fine):
    assert (disorder([Operation(*o) for o in operations], end) is None) == fine


# ---- the random commands ----

def one(root, operation):
    verb, module, kernel = operation
    arguments = {"add": [f"{module}/1.0"], "remove": [f"{module}/1.0", "-k", kernel], "status": [], "autoinstall": ["-k", kernel]}.get(
        verb, [f"{module}/1.0", "-k", kernel])
    start = time.monotonic()
    process = subprocess.run([DKMS, "--root", root, verb, *arguments], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
                             env=dict(os.environ, LC_ALL="C"), timeout=300)
    return operation, start, time.monotonic(), process.returncode, process.stdout, process.stderr


def shown(text, module):
    """The state of a module according to status."""
    words = {"built": BUILT, "installed": INSTALLED}
    far = {}
    for kernel, word in re.findall(rf"^{module}/1\.0, ([^,]+), {ARCH}: (\S+)$", text, re.M):
        assert kernel in KERNELS and kernel not in far, text
        far[kernel] = words[word]
    added = re.findall(rf"^{module}/1\.0: added$", text, re.M)
    assert len(added) + bool(far) <= 1 and len(re.findall(rf"^{module}/", text, re.M)) == len(added) + len(far), text
    return State(bool(added or far), tuple(far.get(k, ADDED) for k in KERNELS))


def history(results, module):
    """The operations on one module."""
    for (verb, name, kernel), start, end, code, out, _ in results:
        if verb == "status":
            yield Operation(verb, None, code, start, end, shown(out, module))
        elif verb == "autoinstall" or name == module:
            yield Operation(verb, None if verb == "add" else KERNELS.index(kernel), code, start, end)


def on_disk(lab, module):
    def how_far(kernel):
        if (lab.tree / module / f"kernel-{kernel}-{ARCH}").is_symlink():
            return INSTALLED
        return BUILT if (lab.tree / module / "1.0" / kernel / ARCH / "module").is_dir() else ADDED
    return State((lab.tree / module / "1.0").is_dir(), tuple(how_far(k) for k in KERNELS))


@pytest.mark.parametrize("number", range(ROUNDS))
def test_sixteen_at_once(tmp_path, number, capsys):
    lab = stage.Root(tmp_path / "root")
    for name in MODULES:
        lab.source(name, extra="BUILD_DEPENDS=a\n" if name == DEPENDS else "")
    chance = random.Random(number)
    operations = [(chance.choice(VERBS), chance.choice(MODULES), chance.choice(KERNELS)) for _ in range(OPERATIONS)]
    begin = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(PROCESSES) as pool:
        results = list(pool.map(lambda operation: one(lab.path, operation), operations))
    seconds = time.monotonic() - begin
    for operation, _, _, code, out, err in results:
        # Done before, or not found. No other code is possible, except for a missing dependency.
        fine = {0, 3} | ({13} if operation[1] == DEPENDS else set()) | ({11} if operation[0] == "autoinstall" else set())
        assert code in fine, f"{operation}: {code}\n{out}{err}"
        assert "half" not in out + err, out + err
    ends = {module: on_disk(lab, module) for module in MODULES}
    wrong = {module: disorder(history(results, module), end, depends=module == DEPENDS) for module, end in ends.items()}
    assert {m: w for m, w in wrong.items() if w is not None} == {}
    left = [str(p) for kind in ("work", "journal", "depmod") for p in (lab.tree / ".dkms" / kind).glob("*")]
    assert left == []
    for module, end in ends.items():
        for kernel, far in zip(KERNELS, end.kernels):
            assert (lab.modules / kernel / f"updates/dkms/{module}.ko").exists() == (far == INSTALLED)
    output = lab.ok("status").out
    assert {module: shown(output, module) for module in MODULES} == ends
    counts = [sum(r[3] == code for r in results) for code in (0, 3, 11, 13)]
    with capsys.disabled():
        print(f"\nround {number}: {OPERATIONS} operations, {counts[0]} done, {counts[1]} were done or not there, "
              f"{sum(counts[2:])} met a missing dependency, an order explains all of them, {seconds:.0f} s", end="")
    shutil.rmtree(lab.path)
