"""The table of status: what is printed when, its columns, and the commands in it."""
import json
import re
import shutil
import subprocess

import pytest

from conftest import ARCH, K1, K2
from terminal import Terminal


@pytest.fixture
def states(root):
    """A module in each state."""
    root.keys()
    for name in ("good", "stale", "edited", "built", "added", "gone"):
        root.source(name)
    for name in ("good", "stale", "edited"):
        root.ok("install", f"{name}/1.0", "-k", K1)
    root.ok("install", "good/1.0", "-k", K2)
    root.ok("build", "built/1.0", "-k", K1)
    root.ok("add", "added/1.0")
    root.ok("add", "gone/1.0")
    shutil.rmtree(root.src / "gone-1.0")
    next(root.modules.rglob("edited.ko*")).write_text("other")
    (root.src / "stale-1.0/stale.c").write_text("changed")
    return root


def cells(text):
    """The rows of a table, by the heading, where the columns of the heading begin."""
    heading, *rows = text.split("\n\n")[0].splitlines()
    starts = [match.start() for match in re.finditer(r"\S+", heading)] + [None]
    return [{heading[a:b].strip().lower(): row[a:b].strip() for a, b in zip(starts, starts[1:])} for row in rows]


def test_columns(states):
    """Every row has its state, and if something is to be done, the command. The options -t and --table are the same."""
    out = states.ok("status", "-t", "--columns", "module,kernel,state,notes,stale,remedy").out
    assert states.ok("status", "--table", "--columns", "MODULE,Kernel,state,notes,stale,remedy").out == out
    assert [tuple(row.values()) for row in cells(out)] == [
        ("added", "", "added", "", "", ""),
        ("built", K1, "built", "", "", f"dkms install built/1.0 -k {K1}"),
        ("edited", K1, "installed", "differs", "", f"dkms install --force edited/1.0 -k {K1}"),
        ("gone", "", "broken", "", "", f"dkms remove gone/1.0 --all"),
        ("good", K1, "installed", "", "", ""),
        ("good", K2, "installed", "", "", ""),
        ("stale", K1, "installed", "", "source", f"dkms build --force stale/1.0 -k {K1} && dkms install --force stale/1.0 -k {K1}")]
    assert out.endswith("\n\nModules: 6, kernels: 2, builds: 5, installed: 4, stale: 1, wrong: 2\n")


def test_commands_mend(states):
    """After the commands of the table, nothing is left to be done."""
    for row in cells(states.ok("status", "--columns", "module,remedy").out):
        for command in filter(None, row["remedy"].split(" && ")):
            states.ok(*command.split()[1:])
    table = states.ok("status", "-t").out
    assert "remedy" not in cells(table)[0] and "stale:" not in table and "wrong:" not in table
    assert {row["state"] for row in cells(states.ok("status", "--columns", "module,state").out)} == {"added", "installed"}


def test_usual_columns(states):
    """Empty columns are omitted, unless --columns names them."""
    heading = states.ok("status", "-t").out.splitlines()[0].split()
    assert heading == ["MODULE", "VERSION", "KERNEL", "ARCH", "STATE", "NOTES", "AGE", "STALE", "REMEDY"]
    assert states.ok("status", "-t", "added/1.0").out.splitlines()[0].split() == ["MODULE", "VERSION", "STATE"]
    assert states.ok("status", "--columns", "module,signer", "added/1.0").out.splitlines()[0].split() == ["MODULE", "SIGNER"]
    assert states.ok("status", "-t", "nothing").out == "Modules: 0, kernels: 0, builds: 0, installed: 0\n"
    assert states.ok("status", "--raw", "nothing").out == ""


def test_time_of_builds(states):
    def shown(column):
        return states.ok("status", "--raw", "--columns", column, "good/1.0", "-k", K1).out.splitlines()[1]

    for column, text in (("built", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"), ("seconds", r"\d+\.\d"), ("age", r"\dmin")):
        assert re.fullmatch(text, shown(column))
    record = next((states.tree / f"good/1.0/{K1}/{ARCH}").rglob("*attempt*.json"))
    for time, age in (("2020-01-01T00:00:00.000000Z", r"\d{4}d"), ("2999-01-01T00:00:00.000000Z", "0min")):
        record.write_text(json.dumps(dict(json.loads(record.read_text()), time=time)))
        assert re.fullmatch(age, shown("age"))


def test_raw(states):
    out = states.ok("status", "--raw").out
    rows = [line.split(" ") for line in out.splitlines()]
    assert rows[0] == ["MODULE", "VERSION", "KERNEL", "ARCH", "STATE", "NOTES", "AGE", "STALE", "SIGNER", "REMEDY"]
    assert {len(row) for row in rows} == {10} and len(rows) == 8
    example = subprocess.run(["sed", "-n", "2,$s/ ..*//p"], input=states.ok("status", "--raw", "--columns", "module,stale").out,
                             capture_output=True, text=True, check=True)
    assert example.stdout == "stale\n", "the example of the manual"
    assert rows[2][-1] == f"dkms\\x20--root\\x20{states.path}\\x20install\\x20built/1.0\\x20-k\\x20{K1}"


@pytest.mark.parametrize("names, near", [("modul", "module"), ("module,stat", "state"), ("", None), ("module,", None), ("x", None)])
def test_unknown_columns(states, names, near):
    result = states("status", "--columns", names)
    assert result.rc == 2 and result.out == "" and (near is None or f"Did you mean {near}?" in result.err)


def test_nothing_else_changes(states):
    """Without its options the lines are the same everywhere, and --json is not affected."""
    lines = states.ok("status")
    terminal = Terminal([*states.command(), "status"], 200)
    assert terminal.finish() == 0
    assert [line for line in terminal.raw.decode().replace("\r", "").splitlines() if ": " in line and "Error" not in line and "run:" not in line] == lines.out.splitlines()
    assert "MODULE" not in states.ok("status", "--long").out and "(stale: source)" in states.ok("status", "--long").out
    with_table, without = (json.loads(states.ok("status", "--json", *words).out)["modules"] for words in (["--columns", "module"], []))
    assert with_table == without


def test_long_on_a_terminal(states):
    terminal = Terminal([*states.command(), "status", "--long"], 200, 40)
    assert terminal.finish() == 0
    assert terminal.screen.everything()[0].split()[:3] == ["MODULE", "VERSION", "KERNEL"]
    colours = {}
    for y in range(terminal.screen.lines):
        line = terminal.screen.text_of(terminal.screen.row(y))
        if "installed" in line and "Modules" not in line:
            colours[line.split()[0]] = terminal.screen.buffer[y][line.index("installed")].fg
    assert colours == {"good": "green", "edited": "red", "stale": "brown"}
    terminal = Terminal([*states.command(), "status", "--long"], 200, 40, env={"NO_COLOR": "1"})
    assert terminal.finish() == 0 and b"\x1b[" not in terminal.raw


def test_control_characters(root):
    """Names that are wrong are refused elsewhere; a table shows no control characters of a record."""
    root.source()
    root.ok("install", "foo/1.0", "-k", K1)
    (root.tree / "foo/1.0" / "6.2\x1b[2Jx" / ARCH / "module").mkdir(parents=True)
    terminal = Terminal([*root.command(), "status", "-t"], 200)
    terminal.finish()
    assert b"\x1b[2J" not in terminal.raw


def test_errors_are_not_lost(states, broken):
    """An unreadable version is an error, and the other rows are printed."""
    result = broken(states.tree / "good/1.0", "status", "-t", "--columns", "module")
    assert result.rc == 1 and "Error!" in result.err and "edited" in result.out and "good" not in result.out
    full = subprocess.run(["sh", "-c", 'exec "$@" > /dev/full', "sh", *states.command(), "status", "-t"], capture_output=True, text=True, check=False)
    assert full.returncode != 0 and "Error!" in full.stderr
