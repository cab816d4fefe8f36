"""The live lines of builds on a terminal: any size and number, a new size, Ctrl-Z, colours, known durations, and progress."""
import json
import os
import pathlib
import re
import shlex
import subprocess
import time

import pytest

from conftest import ARCH, K1, K2, Crowd, eventually, family
from terminal import KNOWN, Terminal
from test_parallel import sleeper

SIZES = [(80, 24), (40, 10), (200, 50)]
LIVE = re.compile(r"^m\d+/1\.0 +(\S+ +)?\d+:\d\d|\d+ running|^… and \d+ more")


def modules(root, count):
    names = [f"m{n:02}" for n in range(count)]
    for name in names:
        sleeper(root, name, Crowd.SECONDS, script=f"echo '  CC [M]  {root.tree}/{name}/1.0/build/core/main_{name}.o'")
    return names


def autoinstall(root, jobs, kernels=(K1,)):
    return [*root.command(), "autoinstall", "-j", str(jobs), *(word for k in kernels for word in ("-k", k))]


def results(lines, columns):
    """The final lines of the builds in @lines; a line that is wider than the terminal takes several rows."""
    text, joined = "", []
    for line in lines:
        text += line
        if len(line) < columns:
            joined.append(text)
            text = ""
    return [re.sub(r" \(\d+\.\d s\)$", "", line) for line in joined if re.match(r"m\d+/1\.0, ", line)]


def expected(names, kernel=K1, result="installed"):
    return sorted(f"{name}/1.0, {kernel}, {ARCH}: {result}" for name in names)


@pytest.mark.parametrize("columns, lines", SIZES)
@pytest.mark.parametrize("count", [2, 14, 40])
def test_sizes(root, columns, lines, count):
    """The live lines fit into the screen, no live line gets into the scrollback, and all results stay."""
    names = modules(root, count)
    terminal = Terminal(autoinstall(root, count), columns, lines)
    terminal.wait(lambda text: f"{count} running" in text)
    shown = "\n".join(terminal.screen.display)
    rows = min(count, lines - 2) if count <= lines - 2 else lines - 3
    terminal.wait(lambda text: len(re.findall(r"^m\d+/1\.0 ", text, re.M)) == rows)
    terminal.wait(lambda text: len(re.findall(r"main_m\d+\.o", text)) == rows)
    shown = terminal.screen.display
    assert ("more" in "\n".join(shown)) == (rows < count)
    if rows < count:
        assert any(line.startswith(f"… and {count - rows} more") for line in shown), shown
    starts = {line.index(":") for line in shown if line.startswith("m")}
    assert len(starts) == 1, "columns are aligned"
    assert "/build/" not in "\n".join(shown), "the build directory is omitted"
    assert not any(LIVE.search(line) for line in terminal.screen.scrollback())
    assert terminal.finish(Crowd().release) == 0
    everything = terminal.screen.everything()
    assert sorted(results(everything, columns)) == expected(names), everything
    assert not any(LIVE.search(line) for line in everything), everything


@pytest.mark.parametrize("wraps", [False, True], ids=["cuts", "wraps"])
@pytest.mark.parametrize("before", SIZES)
def test_new_sizes(root, before, wraps):
    """After a change of size in any direction, no old row stays and no result is lost."""
    names = modules(root, 14)
    terminal = Terminal(autoinstall(root, 6), *before, wraps=wraps)
    step = 0
    for columns, lines in [(40, 10), (200, 50), (30, 6), (80, 24), (50, 4), (100, 12)]:
        terminal.wait(lambda text: "6 running" in text)
        terminal.resize(columns, lines)
        rows = min(6, lines - 2) if lines > 7 else lines - 3
        terminal.wait(lambda text: len(re.findall(r"^m\d+/1\.0 ", text, re.M)) == rows and "6 running" in text
                      and all(len(line.rstrip()) < columns for line in text.split("\n") if LIVE.search(line)))
        live = [line for line in terminal.screen.display if LIVE.search(line)]
        assert len(live) == rows + 1 + (rows < 6), live
        assert sum("running" in line for line in terminal.screen.everything()) == 1, terminal.screen.everything()
        Crowd().release(list(Crowd().wait(6))[:1])
        step += 1
        terminal.wait(lambda text: re.search(rf"\b{step}( of |/)14 done", text))
    assert terminal.finish(Crowd().release) == 0
    everything = terminal.screen.everything()
    assert not any(LIVE.search(line) for line in everything), everything
    # The terminal itself cuts lines if it does not wrap them. The beginning of each result stays.
    assert sorted(re.findall(r"^(m\d+/1\.0), ", "\n".join(everything), re.M)) == [f"{name}/1.0" for name in names], everything


def test_the_terminal_shows_live_lines_as_a_whole():
    """Not a part of them, which would differ from what the tests expect."""
    terminal = Terminal(["sh", "-c", r"stty -echo; printf 'before\033'; read x; printf '[?7lone\r\n'; read x; printf 'two\033[?7hafter'"])
    for arrived, shown in (b"before", ["before"]), (b"one", ["before"]):
        while arrived not in terminal.raw:
            assert terminal.read()
        assert terminal.screen.everything() == shown
        terminal.type(b"\n")
    assert terminal.finish() == 0
    assert terminal.screen.everything() == ["beforeone", "twoafter"]


class Tmux:
    """A real terminal, which wraps lines again and keeps a history, with a shell."""

    def __init__(self, place):
        self.socket = place / "tmux"
        environment = {name: value for name, value in os.environ.items() if name not in KNOWN}
        subprocess.run([*self.command(), "new-session", "-d", "-x", "100", "-y", "24", "env", "PS1=prompt> ", "bash", "--norc", "--noprofile"],
                       check=True, env={**environment, "LC_ALL": "C.UTF-8", "TERM": "xterm"})
        self.run("set-option", "-g", "window-size", "manual")

    def command(self):
        return ["tmux", "-u", "-S", str(self.socket), "-f", "/dev/null"]

    def run(self, *words):
        return subprocess.run([*self.command(), *words], capture_output=True, text=True, check=True).stdout

    def everything(self):
        return self.run("capture-pane", "-p", "-S", "-1000").rstrip("\n").split("\n")

    def wait(self, condition):
        eventually(lambda: condition(self.run("capture-pane", "-p")))


def test_new_sizes_in_tmux(root, tmp_path):
    """No row stays and no result is lost, if the screen is full, as it mostly is. When the lines of a screen that is not full
    get wrapped, tmux moves as many lines from its top to the history, the live lines among them."""
    names = modules(root, 14)
    tmux = Tmux(tmp_path)
    try:
        tmux.run("send-keys", "-l", "seq 100; " + shlex.join(map(str, autoinstall(root, 3))))
        tmux.run("send-keys", "Enter")
        for step, (columns, lines) in enumerate([(100, 24), (40, 10), (150, 40), (60, 10), (40, 10), (120, 10)]):
            tmux.run("resize-window", "-x", str(columns), "-y", str(lines))
            tmux.wait(lambda text: re.search(rf"\b{step}( of |/)14 done, 3 running", text) and len(re.findall(r"^m\d+/1\.0 +\d", text, re.M)) == 3)
            everything = tmux.everything()
            assert sum(bool(LIVE.search(line)) for line in everything) == 4, everything
            assert not any(len(re.findall(r"main_m|running", line)) > 1 for line in everything), everything
            Crowd().release(list(Crowd().wait(3))[:1])
        while "Autoinstall on" not in tmux.run("capture-pane", "-p"):
            Crowd().release()
        everything = tmux.everything()
        assert not any(LIVE.search(line) for line in everything), everything
        assert sorted(results(everything, 120)) == expected(names), everything
    finally:
        tmux.run("kill-server")
        eventually(lambda: not Crowd().release() and not Crowd().members())


def states(pids):
    return {pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] for pid in pids}


def shell(arguments, background=""):
    """An interactive shell that runs dkms as a job."""
    terminal = Terminal(["bash", "--norc", "--noprofile", "-i"], 250, env={"PS1": "prompt> "})
    terminal.wait(lambda text: "prompt>" in text)
    terminal.type((shlex.join(map(str, arguments)) + background + "\n").encode())
    return terminal


@pytest.mark.parametrize("sandbox", ["auto", "off"])
def test_stop_and_continue(root, sandbox):
    """Ctrl-Z stops dkms and its builds, and fg continues them. Without a sandbox they have no session of their own."""
    root.framework(f"sandbox={sandbox}\n")
    modules(root, 3)
    terminal = shell(autoinstall(root, 2))
    terminal.wait(lambda text: "2 running" in text)
    sleepers = Crowd().wait(2)
    for _ in range(2):
        terminal.type(b"\x1a")
        terminal.wait(lambda text: "Stopped" in text and text.rstrip().endswith("prompt>"))
        dkms = [pid for pid in family(terminal.pid) if pid != terminal.pid]
        eventually(lambda: states(dkms) == {"T"})
        assert "running" not in "\n".join(terminal.screen.everything()), "no live line stays"
        terminal.type(b"clear; fg\n")
        terminal.wait(lambda text: "2 running" in text)
        assert "T" not in states(dkms)
    assert Crowd().members() == sleepers
    terminal.type(b"")
    while "Autoinstall on" not in "\n".join(terminal.screen.display):
        Crowd().release()
        assert terminal.read()
    terminal.type(b"echo status $?; exit\n")
    assert terminal.finish() == 0
    assert "status 0" in "\n".join(terminal.screen.everything())
    assert [line.split(":")[1] for line in root.status()] == [" installed"] * 3


def test_stopped_time_does_not_count(root):
    modules(root, 2)
    start = time.monotonic()
    terminal = shell(autoinstall(root, 2))
    terminal.wait(lambda text: "2 running" in text)
    Crowd().wait(2)
    terminal.type(b"\x1a")
    terminal.wait(lambda text: "Stopped" in text)
    terminal.type(b"clear; sleep 3; fg\n")
    terminal.wait(lambda text: "2 running" in text)
    shown = re.search(r"running +0:(\d\d)", "\n".join(terminal.screen.display))
    assert int(shown[1]) <= time.monotonic() - start - 3
    while "Autoinstall on" not in "\n".join(terminal.screen.display):
        Crowd().release()
        assert terminal.read()
    terminal.type(b"exit\n")
    terminal.finish()
    for name in ("m00", "m01"):
        record = json.loads((root.tree / f"{name}/1.0/{K1}/{ARCH}/.record.json").read_text())
        assert record["seconds"] <= time.monotonic() - start - 3


def test_stop_of_a_script(root):
    """A script that runs in dkms's process group is stopped by the terminal, while dkms waits for it."""
    root.source(extra="PRE_INSTALL=slow.sh\n", files={"foo.c": "x", "slow.sh": f"#!/bin/sh\nexec sleep {Crowd.SECONDS}\n"})
    root.ok("add", "foo/1.0")
    terminal = shell([*root.command(), "install", "foo/1.0", "-k", K1])
    sleepers = Crowd().wait(1)
    terminal.type(b"\x1a")
    terminal.wait(lambda text: "Stopped" in text)
    terminal.type(b"clear; fg; echo status $?\n")
    eventually(lambda: states(sleepers) == {"S"})
    Crowd().release()
    terminal.wait(lambda text: re.search(r"status \d", text))
    terminal.type(b"exit\n")
    terminal.finish()


def test_nothing_stays_of_a_stopped_run_that_is_killed(root):
    modules(root, 2)
    terminal = shell(autoinstall(root, 2))
    terminal.wait(lambda text: "2 running" in text)
    Crowd().wait(2)
    terminal.type(b"\x1a")
    terminal.wait(lambda text: "Stopped" in text)
    terminal.type(b"kill -9 %1\n")
    eventually(lambda: not Crowd().members())
    for count in range(1, 100): # until the shell knows, because it does not exit while jobs are stopped
        terminal.type(b"echo $(($(jobs | wc -l) + %d))=\n" % (100 * count))
        terminal.wait(lambda text, count=count: re.search(rf"^{count}\d\d=", text, re.M))
        if f"{100 * count}=" in "\n".join(terminal.screen.display):
            break
    terminal.type(b"exit\n")
    terminal.finish()


def test_in_the_background(root):
    """A run in the background does not draw over what its shell prints."""
    names = modules(root, 2)
    terminal = shell(autoinstall(root, 2), " &")
    Crowd().wait(2)
    terminal.type(b"echo still | tr a-z A-Z\n")
    terminal.wait(lambda text: "STILL" in text)
    while "Autoinstall on" not in "\n".join(terminal.screen.display):
        Crowd().release()
        assert terminal.read()
    assert b"running" not in terminal.raw
    assert sorted(results([re.sub("^prompt> ", "", line) for line in terminal.screen.everything()], 100)) == expected(names)
    terminal.type(b"exit\n")
    terminal.finish()


def test_kernels_in_a_column_of_their_own(root):
    modules(root, 1)
    terminal = Terminal(autoinstall(root, 2, (K1, K2)), 100, 24)
    terminal.wait(lambda text: "2 running" in text and text.count("main_m00.o") == 2)
    rows = [line for line in terminal.screen.display if line.startswith("m00")]
    assert sorted(row.split()[1] for row in rows) == [K1, K2]
    assert len({row.index("0:0") for row in rows}) == 1
    assert terminal.finish(Crowd().release) == 0


def test_last_line_of_the_log(root):
    """Lines that mark a place, and those of make about directories, do not hide the last progress."""
    sleeper(root, "m00", Crowd.SECONDS, script="echo 'a.c:1: warning: the progress'; echo '   |   ^~~~~~'; echo -----------; "
                                               "echo \"make[1]: Entering directory '/usr/src/linux'\"")
    terminal = Terminal(autoinstall(root, 1))
    terminal.wait(lambda text: "the progress" in text and len(Crowd().members()) == 1)
    assert terminal.finish(Crowd().release) == 0
    assert not re.search(rb"pre_build script +Running", terminal.raw)
    assert b"~~" not in terminal.raw and b"----" not in terminal.raw and b"Entering" not in terminal.raw


def coloured(terminal, text, after=""):
    """The colour of @text on the screen, in the line that contains @after."""
    for y in range(terminal.screen.lines):
        line = terminal.screen.text_of(terminal.screen.row(y))
        if text in line and after in line:
            return {terminal.screen.buffer[y][x].fg for x in range(line.index(text), line.index(text) + len(text))}
    raise AssertionError(terminal.screen.everything())


def test_colours(root):
    """Green is good, red is bad, yellow needs attention, and what is skipped has no colour."""
    root.source("good")
    root.source("bad", extra="PRE_BUILD=no.sh\n", files={"bad.c": "x", "no.sh": "#!/bin/sh\nexit 3\n"})
    root.source("above", extra="BUILD_DEPENDS=bad\n")
    root.source("other", extra='BUILD_EXCLUSIVE_KERNEL="^9"\n')
    for name in ("good", "bad", "above", "other"):
        root.register(name)
    terminal = Terminal(autoinstall(root, 2), 150, 50)
    assert terminal.finish() == 11
    assert coloured(terminal, "installed", "good/1.0, ") == {"green"}
    assert coloured(terminal, "failed", "bad/1.0, ") == {"red"}
    assert coloured(terminal, "Error!") == {"red"}
    assert coloured(terminal, "Warning:") == {"brown"}
    assert coloured(terminal, "skipped", "other/1.0, ") == {"default"}
    terminal = Terminal([*root.command(), "build", "gone/1.0", "-k", K1], env={"NO_COLOR": "1"})
    assert terminal.finish() != 0 and coloured(terminal, "Error!") == {"default"}


def with_durations(root, names, seconds):
    for name in names:
        path = root.tree / f"{name}/1.0/{K2}/{ARCH}/.record.json"
        path.write_text(json.dumps(dict(json.loads(path.read_text()), seconds=seconds)))


def test_remaining_time(root):
    names = modules(root, 2)
    process = Terminal(autoinstall(root, 2, (K2,)))
    assert process.finish(Crowd().release) == 0 and b"left" not in process.raw
    with_durations(root, names, 125)
    terminal = Terminal(autoinstall(root, 2))
    terminal.wait(lambda text: re.search(r"running +0:\d\d, about 2:\d\d left", text) and text.count("/2:05") == 2)
    assert terminal.finish(Crowd().release) == 0


TERMINALS = [({"TERM_PROGRAM": "ghostty"}, True), ({"TERM_PROGRAM": "WezTerm"}, True), ({"VTE_VERSION": "8001"}, True), ({"VTE_VERSION": "7600"}, False),
             ({"WT_SESSION": "x"}, True), ({"ConEmuANSI": "ON"}, True), ({"TERM_PROGRAM": "iTerm.app", "TERM_FEATURES": "T3P"}, True),
             ({"TERM_PROGRAM": "iTerm.app"}, False), ({}, False), ({"VTE_VERSION": "8001", "TMUX": "x"}, False),
             ({"VTE_VERSION": "8001", "DKMS_PLAIN": "1"}, False), ({"VTE_VERSION": "8001", "TERM": "dumb"}, False)]


@pytest.mark.parametrize("env, known", TERMINALS)
def test_progress_of_the_terminal(root, env, known):
    """The progress bar is used where the terminal is known to have one, and it is empty at the end."""
    for name in ("a", "b"):
        root.source(name, extra="PRE_BUILD=work.sh\n", files={f"{name}.c": "x", "work.sh": f"#!/bin/sh\n[ {name} = b ]\n"})
        root.register(name)
    terminal = Terminal(autoinstall(root, 1), env=env)
    assert terminal.finish() == 11
    found = re.findall(rb"\x1b\]9;4;(\d);(\d+)\x1b\\", terminal.raw)
    assert bool(found) == known and terminal.raw.count(b"\x1b]") == len(found)
    if known:
        assert found[-1] == (b"0", b"0") and {state for state, _ in found} >= {b"0", b"2"}
