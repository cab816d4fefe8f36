"""The structure of the sources: rooms include only rooms above them in the table."""
import pathlib
import shutil
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]


def check(top):
    return subprocess.run([TOP / "scripts/check-rooms", top], capture_output=True, text=True, check=False)


def test_includes_point_down():
    result = check(TOP)
    assert result.returncode == 0 and result.stderr == ""


@pytest.mark.parametrize("room, header, says", [
    ("store", "run/run.h", "the room store must not include headers of run"), ("base", "report/report.h", "the room base must not include headers of report"),
    ("helpers", "base/fd.h", "the room helpers must not include headers of base"), ("attic", None, "docs/architecture.md does not say what src/attic/ is for")])
def test_an_include_that_points_up_is_found(tmp_path, room, header, says):
    shutil.copytree(TOP / "src", tmp_path / "src")
    shutil.copytree(TOP / "docs", tmp_path / "docs")
    (tmp_path / "src" / room).mkdir(exist_ok=True)
    (tmp_path / "src" / room / "new.c").write_text(f'/* SPDX */\n/* New. */\n#include "{header}"\n')
    result = check(tmp_path)
    assert result.returncode == 1 and says in result.stderr


@pytest.mark.parametrize("name, text, says", [
    ("base/new.c", "#include <stdio.h>\n", "src/base/new.c has no header src/base/new.h"),
    ("base/walk.c", '#include <stdio.h>\n#include "base/walk.h"\n', "src/base/walk.c does not include base/walk.h first"),
    ("cli/verbs-new.c", '#include "cli/option-table.h"\n', "src/cli/verbs-new.c does not include cli/verbs.h first"),
    ("base/walk.h", "\n" * 600, "src/base/walk.h has more than 600 lines")])
def test_a_file_without_its_header_and_a_long_one_are_found(tmp_path, name, text, says):
    shutil.copytree(TOP / "src", tmp_path / "src")
    shutil.copytree(TOP / "docs", tmp_path / "docs")
    (tmp_path / "src" / name).write_text(f"/* SPDX */\n/* New. */\n{text}")
    result = check(tmp_path)
    assert result.returncode == 1 and says in result.stderr


def test_a_file_that_does_not_say_what_it_is_for_is_found(tmp_path):
    shutil.copytree(TOP / "src", tmp_path / "src")
    shutil.copytree(TOP / "docs", tmp_path / "docs")
    (tmp_path / "src/base/new.c").write_text("/* SPDX */\n#define _GNU_SOURCE\n")
    assert "second line of src/base/new.c" in check(tmp_path).stderr


def test_a_long_test_is_found(tmp_path):
    shutil.copytree(TOP / "src", tmp_path / "src")
    shutil.copytree(TOP / "docs", tmp_path / "docs")
    (tmp_path / "tests/system").mkdir(parents=True)
    (tmp_path / "tests/system/test_new.py").write_text("\n" * 601)
    result = check(tmp_path)
    assert result.returncode == 1 and "tests/system/test_new.py has more than 600 lines" in result.stderr
