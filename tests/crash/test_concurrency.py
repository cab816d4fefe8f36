"""Sixteen processes do what comes to their minds, all on one tree: the end is what some order of it would have led to.

DKMS_CRASH=all takes 20 rounds of 500 operations, otherwise it is 2.
"""
import concurrent.futures
import os
import random
import shutil
import subprocess
import time

import pytest

import lab as stage
from lab import ARCH, DKMS, K1, K2

ROUNDS = 20 if os.environ.get("DKMS_CRASH") == "all" else 2
OPERATIONS, PROCESSES = 500, 16
MODULES = ["a", "b", "c", "d", "e", "f"]
VERBS = ["add", "build", "install", "install", "uninstall", "unbuild", "remove", "autoinstall", "status", "status"]
# Done already, not there, a dependency that another one has just taken away: no other code is a result of bad luck alone.
FINE = {0, 3}


def one(root, operation):
    verb, module, kernel = operation
    arguments = {"add": [f"{module}/1.0"], "remove": [f"{module}/1.0", "-k", kernel], "status": [], "autoinstall": ["-k", kernel]}.get(
        verb, [f"{module}/1.0", "-k", kernel])
    start = time.monotonic()
    process = subprocess.run([DKMS, "--root", root, verb, *arguments], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
                             env=dict(os.environ, LC_ALL="C"), timeout=300)
    return operation, start, time.monotonic(), process.returncode, process.stdout + process.stderr


def effects(operation, code):
    """(module, kernel) -> the states that the operation may leave there."""
    verb, module, kernel = operation
    if code != 0 or verb == "status":
        return {}
    if verb == "add":
        return {(module, k): {"added"} for k in (K1, K2)}
    if verb == "autoinstall":
        return {(m, kernel): {"installed", "gone"} for m in MODULES}
    if verb == "remove":
        return {(module, kernel): {"gone", "added"}, (module, K1 if kernel == K2 else K2): {"gone", "added"}}
    return {(module, kernel): {{"build": "built", "install": "installed", "uninstall": "built", "unbuild": "added"}[verb]}}


def state_of(lab, module, kernel):
    if not (lab.tree / module / "1.0").is_dir():
        return "gone"
    if (lab.tree / module / f"kernel-{kernel}-{ARCH}").is_symlink():
        return "installed"
    return "built" if (lab.tree / module / "1.0" / kernel / ARCH / "module").is_dir() else "added"


def explained(lab, results):
    """Whether every build's end state was left by an operation that may have come last."""
    wrong = []
    for module in MODULES:
        for kernel in (K1, K2):
            touching = [(start, end, effects(op, code)[(module, kernel)], op) for op, start, end, code, _ in results
                        if (module, kernel) in effects(op, code)]
            # One that began after another had ended came later; what nobody came after may have been last. What finds its
            # work done, or a weaker state that suits it, leaves what was there: so the one before counts as well.
            last = [t for t in touching if not any(o[0] > t[1] and not may_do_nothing(o[3]) for o in touching)]
            state = state_of(lab, module, kernel)
            if last and not any(state in t[2] for t in last):
                wrong.append(f"{module} for {kernel} is {state}; last were {[(t[3][0], sorted(t[2])) for t in last]}")
    return wrong


def may_do_nothing(operation):
    """build of what is installed, uninstall of what is only added, and so on change nothing."""
    return operation[0] in ("add", "build", "uninstall", "unbuild", "remove", "autoinstall")


@pytest.mark.parametrize("number", range(ROUNDS))
def test_sixteen_at_once(tmp_path, number):
    lab = stage.Root(tmp_path / "root")
    for name in MODULES:
        lab.source(name, extra="BUILD_DEPENDS=a\n" if name == "f" else "")
    chance = random.Random(number)
    operations = [(chance.choice(VERBS), chance.choice(MODULES), chance.choice((K1, K2))) for _ in range(OPERATIONS)]
    with concurrent.futures.ThreadPoolExecutor(PROCESSES) as pool:
        results = list(pool.map(lambda operation: one(lab.path, operation), operations))
    for operation, _, _, code, text in results:
        fine = FINE | ({11, 13} if operation[1] == "f" or operation[0] == "autoinstall" else set())
        assert code in fine, f"{operation}: {code}\n{text}"
        assert "half" not in text and "Traceback" not in text, text
    assert explained(lab, results) == []
    left = [str(p) for kind in ("work", "journal", "depmod") for p in (lab.tree / ".dkms" / kind).glob("*")]
    assert left == []
    for module in MODULES:
        for kernel in (K1, K2):
            installed = lab.modules / kernel / f"updates/dkms/{module}.ko"
            assert installed.exists() == (state_of(lab, module, kernel) == "installed")
    lines = lab.status()
    assert not any("Differences" in line or "missing" in line for line in lines), lines
    shutil.rmtree(lab.path)
