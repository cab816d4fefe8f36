"""Only root can make a run wait, and a waiting run can be interrupted."""
import concurrent.futures
import contextlib
import fcntl
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

import pytest

from conftest import ARCH, DKMS, K1, K2, Crowd, as_nobody, eventually, family, mounted, strace

INSTALLED = [f"foo/1.0, {K1}, {ARCH}: installed"]
WRITE, POLL = {"x86_64": (1, 7), "aarch64": (64, 73)}.get(os.uname().machine, (-1, -1)) # numbers of system calls
# Opens every file of the tree that its user can open, waits for a line, locks the files and prints which.
GRAB = """\
import fcntl, os, sys
opened = []
for directory, names, files in os.walk(sys.argv[1]):
    for name in ["."] + files:
        try:
            opened.append((os.path.join(directory, name), os.open(os.path.join(directory, name), os.O_RDONLY)))
        except OSError:
            pass
print("opened", flush=True)
sys.stdin.readline()
for _, fd in opened:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        pass
print(len(opened), flush=True)
sys.stdin.readline()
"""


@contextlib.contextmanager
def grabber(root):
    """A process of another user. Yields a function that locks all files that the process has opened."""
    for directory in [root.path, *root.path.parents][:5]:
        directory.chmod(directory.stat().st_mode | 0o055)
    with subprocess.Popen([sys.executable, "-c", GRAB, root.tree], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, user=65534, group=65534,
                          extra_groups=[], cwd="/") as process:
        assert process.stdout.readline() == "opened\n"

        def lock():
            process.stdin.write("\n")
            process.stdin.flush()
            assert int(process.stdout.readline()) > 3
        try:
            yield lock
        finally:
            process.kill()


@contextlib.contextmanager
def held(path, how=fcntl.LOCK_EX):
    """Holds the lock @path in another process of root, whose command line contains an escape sequence."""
    code = f"import fcntl,sys; f = open({str(path)!r}); fcntl.flock(f, {how}); print('held', flush=True); sys.stdin.readline()"
    with subprocess.Popen([sys.executable, "-c", code, "\033[31m"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        try:
            yield process.pid
        finally:
            process.kill()


@contextlib.contextmanager
def full_pipe():
    """A full pipe without a reader. Yields its write end."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, b"x" * 4096)
    os.set_blocking(writing, True)
    yield writing
    os.close(reading)
    os.close(writing)


def start(root, *arguments, **options):
    return subprocess.Popen([DKMS, "--root", root.path, *arguments], stdin=subprocess.DEVNULL, env=dict(os.environ, LC_ALL="C"),
                            **{"stdout": subprocess.DEVNULL, **options})


def as_older_versions_left_it(root):
    """Gives lock files and their directories the modes of older versions."""
    (root.tree / ".dkms/lock").touch()
    for path in [root.tree / ".dkms/lock", *(root.tree / ".dkms/locks").rglob("*"), root.tree / ".dkms/locks"]:
        path.chmod(0o755 if path.is_dir() else 0o644)


# ---- other users ----

def test_other_users_can_open_nothing_that_is_locked(root, tmp_path):
    """Checks every flock(2) of each kind of command."""
    root.source()
    seen = set()
    for arguments in (["add", "foo/1.0"], ["build", "foo/1.0", "-k", K1], ["install", "foo/1.0", "-k", K1, "-k", K2], ["uninstall", "foo/1.0", "-k", K1],
                      ["autoinstall", "-k", K1], ["mktarball", "foo/1.0", "-k", K1], ["status"], ["unbuild", "foo/1.0", "-k", K1],
                      ["remove", "foo/1.0", "--all"], ["kernel_prerm", "-k", K1]):
        trace = tmp_path / "trace"
        strace("-y", "-o", trace, "-e", "trace=flock,fcntl,mkdirat,fchmod,openat", DKMS, "--root", root.path, *arguments, check=True)
        text = trace.read_text()
        assert not re.search(r"F_(OFD_)?SETLK", text)
        seen |= set(re.findall(r"flock\(\d+<([^>]*)>, ([A-Z_|]*)", text))
    paths = {(path.replace(" (deleted)", "").removeprefix(f"{root.tree}/.dkms/"), how) for path, how in seen}
    assert {path for path, _ in paths} >= {"lock", "locks/module/foo"}
    scratch = {(path, how) for path, how in paths if re.fullmatch(r"work/[0-9a-f]{8}", path)}
    assert scratch and all("LOCK_NB" in how for _, how in scratch)
    for path in {path for path, _ in paths - scratch}:
        assert path == "lock" or path.startswith("locks/"), path
        there = root.tree / ".dkms" / path
        modes = [p.stat().st_mode & 0o077 for p in (there, there.parent) if p.exists() and p != root.tree / ".dkms"]
        assert modes and not any(modes), path


@pytest.mark.parametrize("verb", ["install", "remove", "autoinstall"])
def test_another_user_cannot_stall_root(root, verb):
    root.source()
    root.ok("install", "foo/1.0", "-k", K1)
    with grabber(root) as lock:
        lock()
        root.ok(verb, *([] if verb == "autoinstall" else ["foo/1.0"]), "-k", K2 if verb != "remove" else K1, timeout=60)


def test_what_another_user_opened_before_is_replaced(root):
    """Every user can open lock files of older versions."""
    root.source()
    root.ok("install", "foo/1.0", "-k", K1)
    as_older_versions_left_it(root)
    with grabber(root) as lock:
        root.ok("uninstall", "foo/1.0", "-k", K1)
        lock()
        root.ok("install", "foo/1.0", "-k", K1, timeout=60)
    assert (root.tree / ".dkms/lock").stat().st_mode & 0o777 == 0o600
    assert (root.tree / ".dkms/locks/module").stat().st_mode & 0o777 == 0o700


def test_an_older_dkms_that_runs_is_waited_for(root):
    """The older dkms holds the file that it created, and notices that the file was replaced."""
    root.source()
    root.ok("add", "foo/1.0")
    as_older_versions_left_it(root)
    with held(root.tree / ".dkms/lock"):
        run = start(root, "install", "foo/1.0", "-k", K1, stderr=subprocess.PIPE, text=True)
        assert "Waiting for another dkms process working on the tree" in run.stderr.readline()
        assert run.poll() is None and not (root.tree / f"foo/kernel-{K1}-{ARCH}").is_symlink()
    assert run.communicate(timeout=60) and run.returncode == 0
    assert root.status() == INSTALLED


@pytest.mark.parametrize("new", [False, True])
def test_a_build_cannot_stall_other_runs(root, new):
    """A confined build that runs as root sees no locks, also not those that are created later in a tree without locks."""
    grab = f"""#!/bin/bash
for file in $(find {root.tree}/.dkms -name lock -o -path '*/.dkms/locks/*' -type f); do
    exec {{fd}}<$file && flock -n $fd && echo $file
done
(until exec 9<{root.tree}/.dkms/lock; do sleep 0.01; done 2>/dev/null; flock 9; sleep 1000) &
sleep {Crowd.SECONDS} || true
"""
    root.source("bar")
    root.ok("add", "bar/1.0")
    root.source(extra="PRE_BUILD=grab.sh\n", files={"foo.c": "x", "grab.sh": grab})
    root.ok("add", "foo/1.0")
    if new:
        shutil.rmtree(root.tree / ".dkms")
    run = start(root, "build", "foo/1.0", "-k", K1)
    try:
        Crowd().wait(1, run)
        root.ok("install", "bar/1.0", "-k", K1, timeout=60)
        root.ok("remove", "bar/1.0", "--all", timeout=60)
    finally:
        Crowd().release()
        assert run.wait(timeout=60) == 0


# ---- signals ----

def interrupt(process, number):
    process.send_signal(number)
    try:
        assert process.wait(timeout=30) in (128 + number, -number)
    finally:
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("name, verb", [("lock", "install"), ("lock", "uninstall"), ("lock", "remove"), ("locks/module/foo", "install"),
                                        (f"locks/build/{K1}/{ARCH}/foo", "install")])
def test_waiting_for_a_lock_can_be_interrupted(root, name, verb, number):
    root.source()
    root.ok("build" if verb == "install" else "install", "foo/1.0", "-k", K1)
    before = root.status()
    path = root.tree / ".dkms" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    with held(path) as holder:
        run = start(root, verb, "foo/1.0", "-k", K1, stderr=subprocess.PIPE, text=True, errors="replace")
        line = run.stderr.readline()
        assert f"(PID {holder}: " in line and "\\x1b[31m" in line and "\033" not in line
        interrupt(run, number)
    assert root.status() == before
    root.ok(verb, "foo/1.0", "-k", K1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("both", [False, True])
def test_waiting_for_a_reader_can_be_interrupted(root, both, number):
    """The caller connects dkms to a pipe and does not read it."""
    root.source()
    root.ok("add", "foo/1.0")
    with full_pipe() as writing:
        run = start(root, "install", "foo/1.0", "-k", K1, stdout=writing, stderr=writing if both else subprocess.DEVNULL)
        eventually(lambda: waits_for_pipe(run.pid, writing))
        interrupt(run, number)
    root.ok("install", "foo/1.0", "-k", K1)


def state(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rsplit(")", 1)[1].split()[0]
    except OSError:
        return "X" # the process has ended


def waits_for_pipe(pid, pipe):
    """Whether process @pid sleeps in a write to @pipe, or in poll(2) for the descriptor of the pipe only."""
    with open(f"/proc/{pid}/syscall", encoding="ascii") as f:
        words = f.read().split()
    if words[0] == str(WRITE):
        return os.path.samestat(os.stat(f"/proc/{pid}/fd/{int(words[1], 16)}"), os.fstat(pipe))
    return words[0] == str(POLL) and int(words[2], 16) == 1


# ---- readers ----

def test_a_reader_keeps_no_writer_waiting(root):
    """A status whose output is not read keeps no other command waiting. The output is larger than a buffer of stdio."""
    root.source()
    root.ok("add", "foo/1.0")
    for number in range(600):
        version = root.tree / f"m{number:03}/1.0"
        version.mkdir(parents=True)
        (version / "source").symlink_to("/usr/src/foo-1.0")
    with full_pipe() as writing:
        reader = start(root, "status", stdout=writing)
        eventually(lambda: waits_for_pipe(reader.pid, writing))
        try:
            root.ok("install", "foo/1.0", "-k", K1, timeout=60)
            assert reader.poll() is None
        finally:
            reader.kill()
            reader.wait()


@pytest.mark.parametrize("who", ["root", "nobody"])
def test_status_during_a_change(root, who):
    """status waits for a change that a live run makes, and reports a change that a killed run left."""
    root.source()
    root.ok("add", "foo/1.0")
    ask = root if who == "root" else lambda *arguments: as_nobody(root, *arguments)
    assert ask("status").out == "foo/1.0: added\n"
    journal = root.tree / ".dkms/journal/00000001.json"
    journal.write_text(json.dumps({"ops": [["delete", "/nothing", "", ""]]}))
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        with held(root.tree / ".dkms/lock") as holder:
            answer = pool.submit(ask, "status")
            eventually(lambda: any(words[0].endswith("/dkms") and "status" in words for words in root.commands()))
            with pytest.raises(concurrent.futures.TimeoutError):
                answer.result(timeout=3)
            journal.unlink()
            assert answer.result(timeout=60).out == "foo/1.0: added\n" and "interrupted" not in answer.result().err
            assert f"Waiting for another dkms process working on the tree (PID {holder}: " in answer.result().err
            journal.write_text(json.dumps({"temps": [], "dirs": []}))
            result = ask("status")
            assert result.out == "foo/1.0: added\n" and "interrupted" not in result.err, "nothing has changed so far"
    result = ask("status")
    assert result.rc == 0 and result.out == "foo/1.0: added\n" and "A change was interrupted" in result.err, result


def stopped(pid):
    """The stopped processes of the family of @pid."""
    return [member for member in family(pid)[1:] if state(member) in "Tt" and "strace" not in os.readlink(f"/proc/{member}/exe")]


@pytest.mark.parametrize("who", ["root", "nobody"])
def test_status_reads_again_what_changed_meanwhile(root, tmp_path, who):
    """status stops in the middle, and a module is removed and another one added."""
    for name in ("a", "z"):
        root.source(name)
    root.ok("add", "z/1.0")
    trace = tmp_path / "trace"
    trace.touch(mode=0o666)
    trace.chmod(0o666)
    assert as_nobody(root, "status").out == "z/1.0: added\n"
    program = DKMS if who == "root" else root.path.parent / "program/dkms"
    identity = {} if who == "root" else {"user": 65534, "group": 65534, "extra_groups": []}
    command = ["strace", "-o", trace, "-P", root.tree / "z", "-e", "trace=getdents64", "-e", "inject=getdents64:signal=SIGSTOP:when=1", program, "--root",
               root.path, "status"]
    environment = dict(os.environ, ASAN_OPTIONS="detect_leaks=0")
    with subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True, cwd="/", env=environment, **identity) as process:
        try:
            eventually(lambda: stopped(process.pid))
            root.ok("add", "a/1.0", timeout=60)
            root.ok("remove", "z/1.0", "--all", timeout=60)
            for pid in stopped(process.pid):
                os.kill(pid, signal.SIGCONT)
            assert process.communicate(timeout=60)[0] == "a/1.0: added\n"
        finally:
            for pid in family(process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


# ---- obstacles ----

IN_THE_WAY = {"fifo": os.mkfifo, "directory": os.mkdir, "link": lambda path: path.symlink_to("elsewhere")}


@pytest.mark.parametrize("name", ["lock", "locks/module/foo", "sequence"])
@pytest.mark.parametrize("kind", IN_THE_WAY)
def test_something_else_in_place_of_a_lock(root, name, kind):
    root.source()
    root.ok("install", "foo/1.0", "-k", K1)
    path = root.tree / ".dkms" / name
    path.parent.mkdir(exist_ok=True, parents=True)
    path.unlink(missing_ok=True)
    IN_THE_WAY[kind](path)
    before = root.snapshot()
    result = root("remove", "foo/1.0", "--all", timeout=60)
    assert result.rc == 1 and f"Error! {path} is not a regular file" in result.err and "Delete it." in result.err, result
    assert root.snapshot() == before
    status = root("status", timeout=60)
    assert status.out.splitlines() == INSTALLED and (status.rc == 0 or str(path) in status.err), status
    path.rmdir() if kind == "directory" else path.unlink()
    root.ok("remove", "foo/1.0", "--all")
    assert root.status() == []


@pytest.mark.parametrize("kind", IN_THE_WAY)
def test_something_else_in_place_of_a_log(root, kind):
    root.source()
    root.framework("post_transaction=true\n")
    log = next(iter(re.findall(r"\S+post_transaction\S*\.log", root.ok("install", "foo/1.0", "-k", K1, "--verbose").out)), None)
    path = root.tree / "post_transaction.log" if log is None else root.path / log.lstrip("/")
    path.unlink()
    IN_THE_WAY[kind](path)
    root.ok("uninstall", "foo/1.0", "-k", K1, timeout=60)


def test_no_room_for_the_sequence_number(root, tmp_path):
    """The number is written before the journal lists changes, so nothing is changed."""
    root.source()
    root.ok("install", "foo/1.0", "-k", K1)
    (root.tree / ".dkms/sequence").unlink()
    before = root.snapshot()
    result = strace("-o", tmp_path / "trace", "-P", root.tree / ".dkms/sequence", "-e", "inject=pwrite64:error=ENOSPC", DKMS, "--root", root.path,
                    "remove", "foo/1.0", "--all", check=False)
    assert result.returncode == 1 and "Cannot write the sequence number of the tree (.dkms/sequence): No space left on device" in result.stderr, result
    assert root.snapshot() == before and not list((root.tree / ".dkms/journal").iterdir())
    assert root.status() == INSTALLED
    root.ok("remove", "foo/1.0", "--all")
    assert root.status() == []


def test_full_disk_at_the_sequence_number(root):
    """As above, with a full disk."""
    root.source()
    with mounted(root.tree / ".dkms", "size=64k"):
        root.ok("install", "foo/1.0", "-k", K1)
        (root.tree / ".dkms/sequence").unlink()
        with contextlib.suppress(OSError), open(root.tree / ".dkms/big", "wb", buffering=0) as big:
            while True:
                big.write(b"x")
        result = root("remove", "foo/1.0", "--all")
        assert result.rc == 1 and "No space left on device" in result.err, result
        assert root.status() == INSTALLED
        (root.tree / ".dkms/big").unlink()
        root.ok("remove", "foo/1.0", "--all")
    assert root.status() == []
