"""dkms is killed before every system call that changes a file, and each of these calls fails once. Then another dkms runs.
Afterwards nothing may be lost, incomplete or left over.

DKMS_CRASH=all tests every call and every error. The default is a sample: about sixty kills and thirty errors for each
command, spread evenly.
"""
import concurrent.futures
import errno
import os
import pathlib
import re
import shutil
import subprocess
import time

import pytest

import lab as stage
from lab import DKMS, K1, K2

ALL = os.environ.get("DKMS_CRASH") == "all"

# name: preparing commands, tested command
SCENARIOS = {
    "add": ([], "add /elsewhere/foo-1.0"),
    "install": ([], f"install foo/1.0 -k {K1}"),
    "install-two-kernels": (["add foo/1.0"], f"install foo/1.0 -k {K1} -k {K2} -j1"),
    "rebuild": ([f"install foo/1.0 -k {K1}"], f"build foo/1.0 -k {K1} --force"),
    "reinstall": ([f"install foo/1.0 -k {K1}"], f"install foo/1.0 -k {K1} --force"),
    "replace": ([f"install foo/1.0 -k {K1}"], f"install /elsewhere/foo-1.0 -k {K1} --force"),
    # With depmod_stubs=yes.
    "stubs-install": ([], f"install foo/1.0 -k {K1}"),
    "stubs-upgrade": ([f"install foo/1.0 -k {K1}"], f"install foo/2.0 -k {K1}"),
    "stubs-uninstall": ([f"install foo/1.0 -k {K1}"], f"uninstall foo/1.0 -k {K1}"),
    "upgrade": ([f"install foo/1.0 -k {K1}"], f"install foo/2.0 -k {K1}"),
    "uninstall": ([f"install foo/1.0 -k {K1}"], f"uninstall foo/1.0 -k {K1}"),
    "unbuild": ([f"install foo/1.0 -k {K1}"], f"unbuild foo/1.0 -k {K1}"),
    "remove": ([f"install foo/1.0 -k {K1} -k {K2}"], "remove foo/1.0 --all"),
    "autoinstall": (["add foo/1.0", "add bar/1.0"], f"autoinstall -k {K1} -j1"),
    # With another key than at the build.
    "sign": ([f"install foo/1.0 -k {K1}"], f"sign foo/1.0 -k {K1}"),
    "kernel_prerm": ([f"install foo/1.0 -k {K1}", f"install bar/1.0 -k {K1}"], f"kernel_prerm -k {K1}"),
    "ldtarball": ([], "ldtarball /elsewhere/foo.tar.gz"),
    "mktarball": ([f"install foo/1.0 -k {K1}", "mktarball foo/1.0 --all --source-only --archive foo.tar.gz"],
                  "mktarball foo/1.0 --all --archive foo.tar.gz"),
}
# Commands that change nothing.
READERS = {
    "status": ([f"install foo/1.0 -k {K1}", f"build foo/1.0 -k {K2}", f"install bar/1.0 -k {K1}", "add foo/2.0"], "status"),
}
# Each of these commands must clean up, even if it has nothing to do or fails.
NEXT = [f"build bar/1.0 -k {K2} --force", f"autoinstall -k {K2}", "remove nothing/1.0 --all", f"uninstall bar/1.0 -k {K2}", "add nothing/1.0"]
ERRORS = [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EINTR]


@pytest.fixture(scope="session")
def things(tmp_path_factory):
    """In memory, where flushes take no time."""
    directory = tmp_path_factory.mktemp("crash")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2g", "crash", directory], check=True)
    stage.build_modules(directory / "modules")
    yield directory, stage.build_point(directory), directory / "modules"
    subprocess.run(["umount", "-l", directory], check=True)


def words(lab, line):
    return [word.replace("/elsewhere", str(lab.path.parent / "elsewhere")) for word in line.split()]


def set_stage(name, things, administered=False):
    """The root before the change, and the facts before and after the change."""
    directory, _, modules = things
    place = directory / name
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    template = stage.Lab(place / "template", modules)
    elsewhere = place / "elsewhere"
    elsewhere.mkdir()
    shutil.move(template.src / "foo-1.0", elsewhere / "foo-1.0") if name in ("add", "ldtarball") else None
    if name == "replace":
        shutil.copytree(template.src / "foo-1.0", elsewhere / "foo-1.0")
        (elsewhere / "foo-1.0/README").write_text("another source\n")
    if name == "ldtarball":
        maker = stage.copy_of(template, place / "maker", modules)
        maker.ok("build", str(elsewhere / "foo-1.0"), "-k", K1)
        maker.ok("build", "foo/1.0", "-k", K2)
        maker.ok("mktarball", "foo/1.0", "--all", "--archive", elsewhere / "foo.tar.gz")
    preparation, command = {**SCENARIOS, **READERS}[name]
    if administered:
        template.administer()
    if name.startswith("stubs-"):
        template.framework("depmod_stubs=yes\n")
    if name == "sign":
        template.sign()
    for line in preparation:
        template.ok(*line.split())
    if name == "sign":
        template.change_key()
    before = template.facts()
    undisturbed = stage.copy_of(template, place / "undisturbed", modules)
    undisturbed.ok(*words(undisturbed, command))
    after = undisturbed.facts()
    assert undisturbed.problems(before, after) == [], "the checks fail for an intact root"
    return template, before, after


def hurt(name, things, template, before, after, how, number, error):
    """One run with a failure at call @number, and another command. Returns: the problems, and the exit code"""
    directory, point, modules = things
    lab = stage.copy_of(template, directory / name / f"run-{os.getpid()}", modules)
    command = [DKMS, "--root", lab.path, *words(lab, SCENARIOS[name][1])]
    options = [how, str(number)] + ([str(error)] if how == "fail" else [])
    process = subprocess.run([point, *options, *command], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
                             env=dict(os.environ, LC_ALL="C", ASAN_OPTIONS="detect_leaks=0"), timeout=120)
    wrong = []
    if lab("status").rc != 0:
        wrong.append("status fails after the crash")
    following = NEXT[number % len(NEXT)].split()
    extra = {("added", "bar", "1.0"), ("built", "bar", "1.0", K2)}
    if "autoinstall" in following:
        extra |= {(w, n, v, K2) for w in ("built", "active") for n, v in (("foo", "1.0"), ("foo", "2.0"), ("bar", "1.0"))}
    result = lab(*following)
    if result.rc not in (0, 2, 3, 11, 13):
        wrong.append(f"{following}: {result}")
    wrong += lab.problems(before, after, extra) + lab.untruths()
    again = lab(*words(lab, SCENARIOS[name][1]))
    if again.rc not in (0, 3, 8):
        wrong.append(f"the same command again: {again}")
    if after - lab.facts():
        wrong.append(f"the same command again does not get there: {sorted(after - lab.facts())}")
    wrong += lab.problems(before, after, extra)
    if name == "sign" and (lab.modules / K1 / "updates/dkms/foo.ko").read_bytes() != (template.path.parent / f"undisturbed/lib/modules/{K1}/updates/dkms/foo.ko").read_bytes():
        wrong.append("the same command again does not sign")
    return [f"{how} {number} {errno.errorcode.get(error, '')} then {' '.join(following)}: {w}\n{process.stderr[-400:]}" for w in wrong]


def count_points(name, things, template):
    directory, point, modules = things
    lab = stage.copy_of(template, directory / name / "count", modules)
    with open(directory / name / "points", "w+b") as out:
        os.set_inheritable(out.fileno(), True)
        subprocess.run(["bash", "-c", 'exec "$@" 9>&$OUT', "-", point, "count", DKMS, "--root", lab.path, *words(lab, SCENARIOS[name][1])],
                       check=True, capture_output=True, stdin=subprocess.DEVNULL, close_fds=False,
                       env=dict(os.environ, LC_ALL="C", OUT=str(out.fileno()), ASAN_OPTIONS="detect_leaks=0"))
        out.seek(0)
        return int(out.read())


def run_all(one, common, cases, title, capsys):
    """Calls @one with @common and the arguments of each case on all processors. Returns: all problems"""
    start = time.monotonic()
    wrong = []
    with concurrent.futures.ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        futures = [pool.submit(one, *common, *case) for case in cases]
        for future in futures:
            try:
                wrong += future.result()
            except subprocess.TimeoutExpired as error: # the results of the others count
                wrong.append(str(error))
    with capsys.disabled():
        print(f"\n{title}, {len(cases)} runs, {len(wrong)} losses, {time.monotonic() - start:.0f} s", end="")
    return wrong


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("how", ["kill", "fail"])
def test_crash(things, name, how, capsys):
    template, before, after = set_stage(name, things)
    total = count_points(name, things, template)
    assert total > 8
    points = range(1, total + 1, 1 if ALL else max(total // (60 if how == "kill" else 30), 1))
    if how == "kill":
        cases = [(n, 0) for n in points]
    else:
        cases = [(n, e) for n in points for e in ERRORS] if ALL else [(n, ERRORS[i % 4]) for i, n in enumerate(points)]
    wrong = run_all(hurt, (name, things, template, before, after, how), cases, f"{how} {name}: {total} calls", capsys)
    shutil.rmtree(things[0] / name)
    assert wrong == [], "\n".join(wrong[:12])


def fail_on_full_disk(things, template, number):
    """One autoinstall of a module that does not build, on a disk that is full once. Returns: the problems"""
    directory, point, modules = things
    lab = stage.copy_of(template, directory / "full" / f"run-{os.getpid()}", modules)
    process = subprocess.run([point, "fail", str(number), str(errno.ENOSPC), DKMS, "--root", lab.path, "autoinstall", "-k", K1], check=False,
                             capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120,
                             env=dict(os.environ, LC_ALL="C", ASAN_OPTIONS="detect_leaks=0"))
    output = process.stdout + process.stderr
    wrong = [] if process.returncode != 0 else ["exit status 0"]
    named = re.findall(r"^(?:The whole log:|  less) (.*)$", output, re.M)
    for log in named:
        if not os.path.isfile(log) or not pathlib.Path(log).read_text().startswith("DKMS ("):
            wrong.append(f"{log} is named and is not a log")
    if not named and "No space left on device" not in output:
        wrong.append("neither a log nor the full disk is named")
    if "First error:" in output and "no such thing" not in output:
        wrong.append("another first error")
    return [f"full disk at {number}: {w}\n{output}" for w in wrong]


def test_a_log_that_is_named_is_there(things):
    directory, point, modules = things
    (directory / "full").mkdir()
    template = stage.Lab(directory / "full/template", modules)
    template.source("bad", "1.0", extra="MAKE=./fail.sh\n", files={"fail.sh": "#!/bin/sh\necho 'x.c:1: error: no such thing'\nexit 1\n", "x.c": ""})
    template.ok("add", "bad/1.0")
    lab = stage.copy_of(template, directory / "full/count", modules)
    with open(directory / "full/points", "w+b") as out:
        os.set_inheritable(out.fileno(), True)
        subprocess.run(["bash", "-c", 'exec "$@" 9>&$OUT', "-", point, "count", DKMS, "--root", lab.path, "autoinstall", "-k", K1], check=False,
                       capture_output=True, stdin=subprocess.DEVNULL, close_fds=False,
                       env=dict(os.environ, LC_ALL="C", OUT=str(out.fileno()), ASAN_OPTIONS="detect_leaks=0"))
        out.seek(0)
        total = int(out.read())
    assert total > 8
    with concurrent.futures.ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        wrong = [w for found in pool.map(fail_on_full_disk, [things] * total, [template] * total, range(1, total + 1)) for w in found]
    shutil.rmtree(directory / "full")
    assert wrong == [], f"{total} calls\n" + "\n".join(wrong[:12])
