"""docs/compatibility.md is complete: a test names each part of the interface."""
import pathlib
import re
import subprocess

import pytest
from conftest import DKMS

TOP = pathlib.Path(__file__).resolve().parents[2]


def tables():
    found, title = {}, None
    for line in (TOP / "docs/compatibility.md").read_text().splitlines():
        if line.startswith("## "):
            title = line[3:]
        elif line.startswith("| ") and title:
            found.setdefault(title, []).append([cell.strip().strip("`") for cell in line.strip("|").split(" | ")])
    return {title: rows[1:] for title, rows in found.items()}


TABLES = tables()
ROWS = [(title, row) for title, rows in TABLES.items() for row in rows]


def test_text(reference):
    """The source of a test, with its decorators and the constants of its module."""
    file, name = reference.split("::")
    path = next((TOP / "tests").rglob(file))
    text = path.read_text()
    if path.suffix == ".c":
        return text if re.search(rf"\b{name} \(", text) else ""
    match = re.search(rf"((?:^@pytest(?:.|\n)*?\n)?^def {name}\((?:.|\n)*?)(?=^(?:def |@|class |[A-Z]|# ----)|\Z)", text, re.M)
    if not match:
        return ""
    # Constants and helpers of the module that the test uses, and the methods of conftest for verbs.
    return match.group(1) + "\n".join(re.findall(r"^[A-Z_]+ = (?:.|\n)*?(?=^\S)", text, re.M))


test_text.__test__ = False


@pytest.mark.parametrize("title, row", ROWS, ids=[f"{t}-{r[0]}" for t, r in ROWS])
def test_row_is_pinned(title, row):
    item, reference = row[0], row[-1]
    if reference == "-":
        assert item in ("Q-37", "Q-93"), "only entries that cannot be tested lack a test"
        return
    text = test_text(reference)
    assert text, f"the test {reference} does not exist"
    if title in ("Verbs", "Options", "Directives", "Variables and switches"):
        assert item in text, f"{reference} does not name {item}"
    if title == "Exit codes":
        assert re.search(rf"(?<!\d){item}(?!\d)", text) or item == "0", f"{reference} does not name {item}"


def names(title):
    return {row[0] for row in TABLES[title]}


def test_every_verb_and_option_of_the_program():
    text = subprocess.run([DKMS, "--help"], capture_output=True, text=True, check=True).stdout
    verbs, options = text.split("\n\nSelecting modules and kernels:\n")
    assert set(re.findall(r"^  (\w+) ", verbs.split("Verbs:\n")[1], re.M)) == names("Verbs")
    shown = set(re.findall(r"(?<![\w-])(--?[A-Za-z][\w-]*)", options))
    assert shown <= names("Options")
    silent = names("Options") - shown  # accepted, without an effect
    for option in silent:
        assert f"{option} has no effect" in subprocess.run([DKMS, option, "--version"], capture_output=True, text=True, check=True).stderr


def test_every_directive_of_the_program():
    source = (TOP / "src/conf/recipe.c").read_text()
    head = source[:source.index("struct")] if "struct" in source[:2000] else source[:3000]
    known = {word for text in re.findall(r'"([A-Z_ ]+)"', head) for word in text.split()}
    assert known == names("Directives")


def test_every_exit_code_of_the_program():
    source = (TOP / "src/cli/exit-code.c").read_text()
    codes = set(re.findall(r"\] = (\d+),", source))
    assert codes - {"12"} <= names("Exit codes")


def test_every_variable_of_the_program():
    source = (TOP / "src/conf/settings.c").read_text()
    start = source.index("static const char names[]")
    text = "".join(re.findall(r'"([^"]*)"', source[start:source.index(";", start)]))
    assert set(text.split()) <= names("Variables and switches")


def test_every_quirk():
    listed = [row[0] for row in TABLES["Where the reference is wrong"]]
    assert len(listed) == len(set(listed))
    for tens, last in ((0, 15), (20, 39), (40, 49), (50, 59), (60, 79), (80, 87), (90, 95)):
        for number in range(max(tens, 1), last + 1):
            assert f"Q-{number:02}" in listed
    assert {"Q-3A", "Q-5A"} <= set(listed)
