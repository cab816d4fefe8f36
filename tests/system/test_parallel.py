"""Parallel builds: the limit of jobs, the order, complete output of each build, and signals."""
import json
import os
import re
import shutil
import signal
import subprocess

import pyte
import pytest

from conftest import ARCH, DKMS, K1, K2, Crowd
from terminal import Screen, Terminal


def sleeper(root, name, seconds=0, extra="", script=""):
    root.source(name, extra="PRE_BUILD=work.sh\n" + extra,
                files={f"{name}.c": name, "work.sh": f"#!/bin/bash\necho begin $(date +%s.%N)\n{script}\nsleep {seconds}\necho end $(date +%s.%N)\n"})
    root.register(name)


def span(root, name, kernel=K1):
    log = (root.tree / f"{name}/1.0/{kernel}/{ARCH}/log/make.log").read_text()
    return float(re.search(r"begin (\S+)", log)[1]), float(re.search(r"end (\S+)", log)[1])


def most_at_once(spans):
    return max(sum(a <= begin < b for a, b in spans) for begin, _ in spans)


def in_crowd(root, total, at_once, *arguments, **options):
    """Runs dkms, whose builds run 'sleep' of the Crowd in @total places; keeps @at_once of them running."""
    process = subprocess.Popen([*root.command(), *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               text=True, stdin=subprocess.DEVNULL, env=dict(os.environ, LC_ALL="C"), **options)
    Crowd().hold(process, total, at_once)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0, out
    return out


@pytest.mark.parametrize("jobs", [1, 2, 4])
def test_one_limit_for_all(root, jobs):
    names = [f"m{n}" for n in range(6)]
    for name in names:
        sleeper(root, name, Crowd.SECONDS)
    in_crowd(root, len(names), jobs, "autoinstall", "-k", K1, "-j", jobs)
    assert most_at_once([span(root, name) for name in names]) == jobs


def test_same_version_for_two_kernels_at_once(root):
    sleeper(root, "foo", Crowd.SECONDS)
    in_crowd(root, 2, 2, "install", "foo/1.0", "-k", K1, "-k", K2, "-j4")
    assert most_at_once([span(root, "foo", K1), span(root, "foo", K2)]) == 2
    for kernel in (K1, K2):
        log = (root.tree / f"foo/1.0/{kernel}/{ARCH}/log/make.log").read_text()
        assert f"M={root.tree}/foo/1.0/build" in log, "each build runs at the canonical path"


def test_unconfined_builds_of_one_version_take_turns(root):
    root.framework("sandbox=off\n")
    sleeper(root, "foo", Crowd.SECONDS)
    sleeper(root, "bar", Crowd.SECONDS)
    (root.src / "foo-1.0/large.c").write_text("//\n" * (1 << 20))  # foo is started first, for both kernels
    in_crowd(root, 4, 2, "autoinstall", "-k", K1, "-k", K2, "-j2")  # a build that waits for the directory holds no slot
    assert most_at_once([span(root, "foo", K1), span(root, "foo", K2)]) == 1
    assert most_at_once([span(root, name, k) for name in ("foo", "bar") for k in (K1, K2)]) == 2


def test_several_kernels_in_one_autoinstall(root):
    for name in ("a", "b"):
        root.source(name)
        root.register(name)
    result = root.ok("autoinstall", "-k", K1, "-k", K2)
    for kernel in (K1, K2):
        assert f"Autoinstall on {kernel} succeeded for: a b" in result.out
    assert len(root.status()) == 4 and all(line.endswith(": installed") for line in root.status())


def test_all_kernels(root):
    root.kernel("6.9.0-no-headers", headers=False)
    root.source()
    root.ok("add", "foo/1.0")
    root.ok("autoinstall", "--all-kernels")
    assert root.status() == [f"foo/1.0, {k}, {ARCH}: installed" for k in (K1, K2)]
    assert root("build", "foo/1.0", "--all-kernels").rc == 2
    assert root("autoinstall", "-k", K1, "--all-kernels").rc == 2


def test_a_kernel_without_headers_harms_only_itself(root):
    root.kernel("6.9.0-no-headers", headers=False)
    root.source()
    root.ok("add", "foo/1.0")
    result = root("autoinstall", "-k", "6.9.0-no-headers", "-k", K1)
    assert result.rc == 11 and "Autoinstall on 6.9.0-no-headers failed for: foo(21)" in result.out
    assert root.status() == [f"foo/1.0, {K1}, {ARCH}: installed"]


def test_a_failure_stops_only_what_depends_on_it(root):
    sleeper(root, "bad", 0.3, script="exit 3")
    sleeper(root, "above", extra="BUILD_DEPENDS=bad\n")
    sleeper(root, "good", 0.6)
    sleeper(root, "after", extra="BUILD_DEPENDS=good\n")
    result = root("autoinstall", "-k", K1, "-j4")
    assert result.rc == 11
    assert [line.split(",")[0] for line in root.status() if line.endswith("installed")] == ["after/1.0", "good/1.0"]
    assert span(root, "after")[0] > span(root, "good")[1]


def test_long_builds_start_first(root):
    """The duration of a build is recorded. Later builds are ordered by it."""
    for name in ("a", "b", "c"):
        sleeper(root, name)
    root.ok("autoinstall", "-k", K1)
    for name in ("a", "b", "c"):
        path = root.tree / f"{name}/1.0/{K1}/{ARCH}/.record.json"
        record = json.loads(path.read_text())
        assert 0 < record["seconds"] < 600
        path.write_text(json.dumps(dict(record, seconds=700 if name == "c" else 7)))
    root.ok("autoinstall", "-k", K2, "-j1")
    assert span(root, "c", K2)[0] < min(span(root, "a", K2)[0], span(root, "b", K2)[0])


def test_slow_install_scripts_hold_up_no_build(root):
    """The script of a waits for the build of b, so b must not wait for the script. c, which depends on a, waits for it."""
    ended = root.path / "ended"
    built = root.tree / f"b/1.0/{K1}/{ARCH}/log/make.log"
    root.source("a", extra="PRE_INSTALL=work.sh\n",
                files={"a.c": "x", "work.sh": f"#!/bin/bash\nfor i in $(seq 600); do [ ! -e {built} ] || break; sleep 0.1; done\n"
                                             f"echo said in between\n[ -e {built} ] && date +%s.%N > {ended}\n"})
    root.ok("add", "a/1.0")
    sleeper(root, "b")
    sleeper(root, "c", extra="BUILD_DEPENDS=a\n")
    out = root.ok("autoinstall", "-k", K1, "-j1").out
    assert float(ended.read_text()) <= span(root, "c")[0]
    assert root.ok("status").out.count(": installed") == 3 and out.count("said in between") == 1


def test_installs_beside_builds_take_turns(root):
    """Guards that one installation runs at a time: b is built while the script of a runs. That script checks that the script of
    b does not start."""
    built, first, second, met = root.tree / f"b/1.0/{K1}/{ARCH}/log/make.log", root.modules / "first", root.path / "second", root.path / "met"
    root.source("a", extra="PRE_INSTALL=work.sh\n",
                files={"a.c": "x", "work.sh": f"#!/bin/bash\ntouch {first}\nfor i in $(seq 600); do [ ! -e {built} ] || break; sleep 0.1; done\n"
                                             f"for i in $(seq 20); do [ ! -e {second} ] || touch {met}; sleep 0.1; done\n"})
    root.source("b", extra="PRE_BUILD=wait.sh\nPRE_INSTALL=work.sh\n",
                files={"b.c": "x", "wait.sh": f"#!/bin/bash\nfor i in $(seq 600); do [ ! -e {first} ] || exit 0; sleep 0.1; done\nexit 1\n",
                       "work.sh": f"#!/bin/sh\ntouch {second}\n"})
    for name in ("a", "b"):
        root.register(name)
    root.ok("autoinstall", "-k", K1, "-j2")
    assert second.exists() and not met.exists()
    assert root.ok("status").out.count(": installed") == 2


def test_builds_beyond_the_processors_make_way(root):
    cores = len(os.sched_getaffinity(0))
    names = [f"m{n:02}" for n in range(2 * cores + 1)]
    for name in names:
        sleeper(root, name, Crowd.SECONDS, script="echo nice $(nice) of $(cat /proc/self/autogroup)")
    mine = os.getpriority(os.PRIO_PROCESS, 0)
    in_crowd(root, len(names), len(names), "autoinstall", "-k", K1, "-j", len(names))
    logs = [(root.tree / f"{name}/1.0/{K1}/{ARCH}/log/make.log").read_text() for name in names]
    expected = [mine + n // cores for n in range(len(names))]
    assert [int(re.search(r"nice (\d+)", log)[1]) for log in logs] == expected
    grouped = [re.search(r"of /autogroup-\d+ nice (\d+)", log) for log in logs]
    if all(grouped): # on kernels with autogroups of sessions; a session may change its group only from time to time
        values = [int(m[1]) for m in grouped]
        assert any(values) and all(value in (0, wanted) for value, wanted in zip(values, expected)), values


def test_outputs_are_not_mixed(root):
    for name in ("a", "b", "c", "d"):
        sleeper(root, name, 0.2, extra="POST_INSTALL=hello.sh\n")
        script = root.src / f"{name}-1.0/hello.sh"
        script.write_text(f"#!/bin/sh\necho hello from {name}\n")
        script.chmod(0o755)
    out = root.ok("autoinstall", "-k", K1, "-j4").out
    blocks = re.findall(r"Building (\w)/1.0 .*\nRunning the pre_build script.*\nBuilding module\(s\).*\nInstalling .*/(\w)\.ko\n"
                        r"Running the POST_INSTALL script:\nhello from (\w)\n", out)
    assert sorted(blocks) == [(name,) * 3 for name in "abcd"], out


def test_verbose_streams_with_a_prefix(root):
    for name in ("a", "b"):
        sleeper(root, name, 0.3, script=f"echo this is {name}")
    out = root.ok("autoinstall", "-k", K1, "-j2", "--verbose").out
    for name in ("a", "b"):
        assert f"{name}/1.0, {K1}, {ARCH}: this is {name}\n" in out
        assert out.count(f"M={root.tree}/{name}/1.0/build\n") == 1 and f"{name}/1.0, {K1}, {ARCH}: # command: make" in out


def test_verbose_of_a_single_build_has_no_prefix(root):
    sleeper(root, "a", 0, script="echo this is a")
    out = root.ok("install", "a/1.0", "-k", K1, "--verbose").out
    assert "\nthis is a\n" in out and f"{ARCH}: " not in out.replace(f"({ARCH})", "")
    assert out.count("make -j") == 1 and out.count("/work.sh\n") == 1, "a command is printed once"


# ---- the jobserver ----

JOBS = 'MAKE="make -f $dkms_tree/jobs/1.0/build/jobs.mk"\n'
JOBS_MK = ("all: j1 j2 j3 j4 j5 j6\n\tcp jobs.c jobs.ko\nj%:\n"
           f"\t@echo begin $$(date +%s.%N); sleep {Crowd.SECONDS}; echo end $$(date +%s.%N)\n")


def job_spans(log):
    return list(zip(map(float, re.findall(r"begin (\S+)", log)), map(float, re.findall(r"end (\S+)", log))))


@pytest.mark.parametrize("kernels", [[K1], [K1, K2]])
def test_jobs_of_all_builds_together(root, kernels):
    root.source("jobs", extra=JOBS, files={"jobs.c": "x", "jobs.mk": JOBS_MK})
    in_crowd(root, 6 * len(kernels), 3, "build", "jobs/1.0", "-j3", *(word for k in kernels for word in ("-k", k)))
    spans = []
    for kernel in kernels:
        log = (root.tree / f"jobs/1.0/{kernel}/{ARCH}/log/make.log").read_text()
        assert "warning" not in log, log
        spans += job_spans(log)
    assert most_at_once(spans) == 3


def test_quoted_make_gets_no_jobs(root):
    root.source("jobs", extra=JOBS.replace('"make', "\"'make'"), files={"jobs.c": "x", "jobs.mk": JOBS_MK})
    in_crowd(root, 12, 2, "build", "jobs/1.0", "-j3", "-k", K1, "-k", K2)
    for kernel in (K1, K2):
        log = (root.tree / f"jobs/1.0/{kernel}/{ARCH}/log/make.log").read_text()
        assert most_at_once(job_spans(log)) == 1


def test_outer_make_is_joined(root, tmp_path):
    """A dkms that make -j3 starts uses the job server of make; -j3 in MAKEFLAGS without a job server sets the limit."""
    root.source("jobs", extra=JOBS, files={"jobs.c": "x", "jobs.mk": JOBS_MK})
    (tmp_path / "Makefile").write_text(f"all:\n\t+{DKMS} --root {root.path} build jobs/1.0 -k {K1} -k {K2}\n")
    make = subprocess.Popen(["make", "-j3", "-C", tmp_path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    Crowd().hold(make, 12, 3)
    assert make.wait(timeout=60) == 0
    spans = []
    for kernel in (K1, K2):
        log = (root.tree / f"jobs/1.0/{kernel}/{ARCH}/log/make.log").read_text()
        spans += job_spans(log)
    assert most_at_once(spans) == 3
    (root.src / "jobs-1.0/jobs.mk").write_text("all:\n\tcp jobs.c jobs.ko\n")
    root.ok("build", "jobs/1.0", "-k", K1, "--force", env={"MAKEFLAGS": "-j2"})
    assert "make -j2 " in (root.tree / f"jobs/1.0/{K1}/{ARCH}/log/make.log").read_text()


TAKE = """#!/bin/bash
case $MAKEFLAGS in
*fifo:*) auth=${MAKEFLAGS#*fifo:}; exec {r}<>"${auth%% *}" || exit 9; w=$r ;;
*) auth=${MAKEFLAGS#*--jobserver-auth=}; auth=${auth%% *}; r=${auth%,*} w=${auth#*,} ;;
esac
for i in 1 2 3; do IFS= read -r -n 1 -t 10 -u $r token || exit 8; done
! read -r -n 1 -t 0.3 -u $r token || exit 7
"""


@pytest.mark.parametrize("make", ["GNU Make 4.3", "GNU Make 4.4.1"])
@pytest.mark.parametrize("end", ["printf +++ >&$w", "kill -9 $$", "true"])
def test_outer_jobserver_in_a_hidden_place(root, tmp_path, make, end):
    """Since make 4.4 the job server is a named pipe in /tmp. Builds get its jobs, and it gets all of them back."""
    fifo = tmp_path / "GMfifo1"
    os.mkfifo(fifo)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/make").write_text(f'#!/bin/sh\n[ "$1" != --version ] || {{ echo "{make}"; exit 0; }}\nexec {shutil.which("make")} "$@"\n')
    (tmp_path / "bin/make").chmod(0o755)
    root.source(extra="MAKE=./take.sh\n", files={"foo.c": "x", "take.sh": f"{TAKE}{end}\ncp foo.c foo.ko\n"})
    pipe = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
    try:
        os.write(pipe, b"abc")
        result = root("install", "foo/1.0", "-k", K1, env={"MAKEFLAGS": f" -j4 --jobserver-auth=fifo:{fifo}",
                                                            "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"})
        assert (result.rc == 0) == ("kill" not in end), result
        assert sorted(os.read(pipe, 10)) == sorted(b"abc")
    finally:
        os.close(pipe)


def test_build_user_reaches_the_jobserver(root, tmp_path):
    root.framework("build_user=nobody\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/make").write_text(f'#!/bin/sh\n[ "$1" != --version ] || {{ echo "GNU Make 4.4.1"; exit 0; }}\nexec {shutil.which("make")} "$@"\n')
    (tmp_path / "bin/make").chmod(0o755)
    take = TAKE.replace("! read", "read").replace("1 2 3", "1 2").replace("|| exit 7", "").replace("-t 0.3", "-t 0")
    root.source(extra="MAKE=./take.sh\n", files={"foo.c": "x", "take.sh": f"{take}\necho $MAKEFLAGS; id -u; printf ++ >&$w; cp foo.c foo.ko\n"})
    root.ok("install", "foo/1.0", "-k", K1, "-k", K2, "-j", "4", env={"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"})
    log = (root.tree / f"foo/1.0/{K1}/{ARCH}/log/make.log").read_text()
    assert "--jobserver-auth=fifo:" in log and "\n0\n" not in log


def test_limit_in_order(root):
    """The limit is -j, otherwise parallel_jobs, otherwise MAKEFLAGS."""
    root.source()

    def jobs(*arguments, env=None):
        root.ok("build", "foo/1.0", "-k", K1, "--force", *arguments, env=env)
        return re.search(r"make -j(\d*) ", (root.tree / f"foo/1.0/{K1}/{ARCH}/log/make.log").read_text())[1]

    assert jobs(env={"MAKEFLAGS": "-j7"}) == "7"
    root.framework("parallel_jobs=5\n")
    assert jobs(env={"MAKEFLAGS": "-j7"}) == "5"
    assert jobs("-j", "3") == "3"
    assert jobs("-j", "0") == ""


# ---- signals ----

@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("sandbox", ["auto", "off"])
def test_signals_end_builds_in_good_order(root, number, code, sandbox):
    root.framework(f"sandbox={sandbox}\n")
    root.source("done")
    root.ok("install", "done/1.0", "-k", K1)
    before = root.snapshot()
    for name in ("a", "b"):
        root.source(name, extra="PRE_BUILD=work.sh\n", files={f"{name}.c": name, "work.sh": f"#!/bin/bash\nsleep {Crowd.SECONDS} & sleep {Crowd.SECONDS}\n"})
        root.register(name)
    process = subprocess.Popen([*root.command(), "autoinstall", "-k", K1, "-j2"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True, stdin=subprocess.DEVNULL)
    Crowd().wait(4, process)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code and "Interrupted" in err
    assert not Crowd().members()
    assert root.status() == ["a/1.0: added", "b/1.0: added", f"done/1.0, {K1}, {ARCH}: installed"]
    assert not os.listdir(root.tree / ".dkms/work")
    root.ok("remove", "a/1.0", "--all")
    root.ok("remove", "b/1.0", "--all")
    after = root.snapshot()
    assert {k: v for k, v in after.items() if not k.startswith("usr/src/")} == {k: v for k, v in before.items() if not k.startswith("usr/src/")}


def test_signal_during_a_script(root):
    root.source(extra="PRE_INSTALL=slow.sh\n", files={"foo.c": "x", "slow.sh": f"#!/bin/sh\nexec sleep {Crowd.SECONDS}\n"})
    process = subprocess.Popen([*root.command(), "install", "foo/1.0", "-k", K1], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    Crowd().wait(1, process)
    process.terminate()
    assert process.wait(timeout=60) == 143
    assert root.status() == [f"foo/1.0, {K1}, {ARCH}: built"]


def test_signal_during_a_script_beside_builds(root):
    sleeper(root, "bar", Crowd.SECONDS)
    root.source(extra="PRE_INSTALL=slow.sh\n", files={"foo.c": "x", "slow.sh": f"#!/bin/sh\nexec sleep {Crowd.SECONDS}\n"})
    root.ok("add", "foo/1.0")
    process = subprocess.Popen([*root.command(), "autoinstall", "-k", K1, "-j2"], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    Crowd().wait(2, process)
    process.terminate()
    assert process.wait(timeout=60) == 143
    assert root.status() == ["bar/1.0: added", f"foo/1.0, {K1}, {ARCH}: built"]
    assert not Crowd().members()


# ---- on a terminal ----

def on_terminal(root, *arguments, env=None, columns=100, until=None, program=DKMS):
    """Runs dkms on a terminal. The processes of the Crowd end when the output contains all of @until."""
    terminal = Terminal([program, "--root", root.path, *arguments], columns, env=env)
    release = lambda: until and all(part.encode() in terminal.raw for part in until) and Crowd().release()
    return terminal.finish(release), terminal.raw.decode()


def screen(text, columns=100):
    """The lines of the screen and above it after all of @text that are not empty."""
    shown = Screen(columns, 100)
    pyte.Stream(shown).feed(text)
    return [line for line in shown.everything() if line]


def test_live_lines(root):
    for name in ("a", "b"):
        sleeper(root, name, Crowd.SECONDS, script=f"echo tail of {name}")
    code, text = on_terminal(root, "autoinstall", "-k", K1, "-j2", until=["tail of a", "Running the pre_build script", "2 running"])
    assert code == 0
    left = screen(text)
    assert [re.sub(r"\d+\.\d s", "T", line) for line in left if line.startswith(("a/", "b/"))] \
        in ([[f"{x}/1.0, {K1}, {ARCH}: installed (T)" for x in order] for order in ("ab", "ba")])
    assert not any("running" in line or "tail of" in line for line in left), left
    assert f"Autoinstall on {K1} succeeded for: a b" in left
    assert "\x1b[32minstalled" in text


def test_live_lines_of_a_failure(root):
    sleeper(root, "bad", 0.3, script="echo oh: error: no; exit 1")
    code, text = on_terminal(root, "install", "bad/1.0", "-k", K1, columns=50)
    assert code == 1
    left = " ".join(screen(text, columns=1000))
    assert "First error: oh: error: no" in left and f"bad/1.0, {K1}, {ARCH}: failed" in left


@pytest.mark.parametrize("env", [{"DPKG_MAINTSCRIPT_PACKAGE": "foo-dkms"}, {"DPKG_RUNNING_VERSION": "1.21"}, {"RPM_INSTALL_PREFIX0": "/usr"},
                                 {"DEBIAN_FRONTEND": "noninteractive"}, {"KERNEL_INSTALL_LAYOUT": "bls"}, {"DKMS_PLAIN": "1"}])
@pytest.mark.parametrize("kernels", [["-k", K1], ["-k", K1, "-k", K2]])
def test_no_live_lines_in_scripts_of_package_managers(root, env, kernels):
    """The scripts of apt and dpkg have a terminal, but its output is also written to a log."""
    sleeper(root, "a", 0.3)
    code, text = on_terminal(root, "install", "a/1.0", *kernels, env=env)
    assert code == 0 and "\x1b" not in text
    for kernel in kernels[1::2]:
        assert text.count(f"Building a/1.0 for {kernel} ({ARCH})") == 1
        assert f"Installing {root.modules}" in text or f"Installing /lib/modules/{kernel}" in text


@pytest.mark.parametrize("env", [{"DEBIAN_FRONTEND": "dialog"}, {"DPKG_ROOT": ""}])
def test_live_lines_elsewhere(root, env):
    sleeper(root, "a", 0.3)
    assert "\x1b" in on_terminal(root, "install", "a/1.0", "-k", K1, env=env)[1]


def test_no_live_lines_in_common_postinst(root, tmp_path):
    link = tmp_path / "common.postinst"
    link.symlink_to(DKMS)
    root.source("a")
    code, text = on_terminal(root, "a", "1.0", program=link)
    assert code == 0 and "\x1b" not in text and text.count("Building a/1.0 for ") == 2


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_plain_terminals(root, env):
    sleeper(root, "a", 0.3)
    code, text = on_terminal(root, "install", "a/1.0", "-k", K1, env=env)
    assert code == 0 and not re.search(r"\x1b\[\d+m", text)
    assert ("\x1b" in text) == (env.get("TERM") != "dumb")
