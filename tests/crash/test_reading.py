"""Every system call with which dkms and its helpers read the root fails once, and is not treated like a missing file.

After each failure nothing may be lost or incomplete. Exit status 0 means that the command did all its work, including the
script and the override of the administrator. The same command succeeds afterwards, and status prints every line or names
what it could not read. Calls outside of the root and calls of other programs do not fail (see point.c). DKMS_CRASH=all
tests every call with every error, DKMS_CRASH=calls every call with one error after the other. The default is a sample of
these, spread evenly.
"""
import errno
import os
import shutil
import subprocess

import pytest

import lab as stage
from lab import DKMS
from test_crash import ALL, READERS, SCENARIOS, run_all, set_stage, things, words  # noqa: F401

ERRORS = [errno.EIO, errno.EMFILE, errno.ENOMEM, errno.ESTALE]
# name: number of runs of the sample
SAMPLES = {"install": 60, "upgrade": 60, "uninstall": 60, "remove": 60, "autoinstall": 60, "status": 160, "unbuild": 40, "rebuild": 40}


def point(name, things, lab, *how):
    """Runs the command of the scenario under point in @lab. Returns: the process; its .count is the output of point on descriptor 9"""
    read_end, write_end = os.pipe()
    os.set_inheritable(write_end, True)
    command = words(lab, {**SCENARIOS, **READERS}[name][1])
    process = subprocess.run(["bash", "-c", 'exec "$@" 9>&$OUT', "-", things[1], *how, DKMS, "--root", lab.path, *command], text=True,
                             capture_output=True, check=False, stdin=subprocess.DEVNULL, close_fds=False, timeout=120,
                             env=dict(os.environ, LC_ALL="C", OUT=str(write_end), POINT_BELOW=str(lab.path.resolve()), ASAN_OPTIONS="detect_leaks=0"))
    os.close(write_end)
    with open(read_end) as counted:
        process.count = counted.read()
    return process


def fail_one(name, things, template, before, after, expected, number, error):
    """One run in which one call fails. Returns: the problems"""
    lab = stage.copy_of(template, things[0] / name / f"run-{os.getpid()}", things[2])
    process = point(name, things, lab, "fail", str(number), str(error))
    wrong = []
    if process.returncode not in range(0, 126):
        wrong.append(f"exit status {process.returncode}")
    if process.returncode == 0 and after - lab.facts():
        wrong.append(f"not done without a word: {sorted(after - lab.facts())}")
    if process.returncode != 0 and not process.stderr.strip():
        wrong.append(f"exit status {process.returncode} without a word")
    if name in READERS:
        missing = expected - set(process.stdout.splitlines())
        if missing and process.returncode == 0:
            wrong.append(f"left out without a word: {sorted(missing)}")
    else:
        if lab("status").rc != 0:
            wrong.append("status fails afterwards")
        wrong += [p for p in lab.problems(before, after) if not p.startswith("left over: ")]
    again = lab(*words(lab, {**SCENARIOS, **READERS}[name][1]))
    if again.rc not in (0, 3):
        wrong.append(f"the same command again: {again}")
    # A script that could not be read was reported, and does not run again for installed modules.
    marks = {fact for fact in after if fact[0] == "marked"}
    if lab.facts() | marks != after:
        wrong.append(f"the same command again does not get there: {sorted(after ^ lab.facts())}")
    wrong += lab.problems(after - marks, after) + lab.untruths()
    return [f"{name} {number} {errno.errorcode[error]}: {w}\n{process.stdout[-300:]}{process.stderr[-300:]}" for w in wrong]


@pytest.mark.parametrize("name", SAMPLES)
def test_what_cannot_be_read_is_not_absent(things, name, capsys):  # noqa: F811
    template, before, after = set_stage(name, things, administered=True)
    lab = stage.copy_of(template, things[0] / name / "count", things[2])
    unhurt = point(name, things, lab, "count")
    assert unhurt.returncode == 0, unhurt
    total, expected = int(unhurt.count), set(unhurt.stdout.splitlines())
    assert total > 40
    if os.environ.get("DKMS_CRASH") == "calls":
        cases = [(n, ERRORS[n % len(ERRORS)]) for n in range(1, total + 1)]
    elif ALL:
        cases = [(n, e) for n in range(1, total + 1) for e in ERRORS]
    else:
        step = max(total / SAMPLES[name], 1)
        numbers = sorted({int(1 + i * step) for i in range(SAMPLES[name]) if 1 + i * step <= total})
        cases = [(n, ERRORS[i % len(ERRORS)]) for i, n in enumerate(numbers)]
    wrong = run_all(fail_one, (name, things, template, before, after, expected), cases, f"read {name}: {total} calls", capsys)
    shutil.rmtree(things[0] / name)
    with capsys.disabled():
        print(f", of which {sum('without a word' in w for w in wrong)} silent", end="")
    assert wrong == [], "\n".join(wrong[:40])
