"""Citations in comments, tests and pages exist: sections and marks of docs/interface, and targets of links. Pages and
messages avoid certain words."""
import functools
import pathlib
import re

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
PLACES = ["src", "tests", "docs", "man", "data", "scripts", "debian", "packaging", "examples"]
INTERFACE = "docs/interface/"
OUTSIDE = "docs/compatibility.md"


def read_all():
    """Text of every file with citations, by its path."""
    paths = [path for place in PLACES for path in (TOP / place).rglob("*")] + list(TOP.glob("*.md")) + list(TOP.glob("meson*"))
    found = {}
    for path in paths:
        if path.is_file() and not path.is_symlink() and "__pycache__" not in path.parts:
            text = path.read_bytes()
            if b"\0" not in text:
                found[str(path.relative_to(TOP))] = text.decode(errors="replace")
    return found


FILES = read_all()


@functools.cache
def headings(text):
    return re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M)


@functools.cache
def sections(text):
    """Numbers of the sections of a page: "9" of "## 9. Exit codes", "9.1" of "### 9.1 All codes"."""
    return {number.rstrip(".") for number in re.findall(r"^#+ ([0-9][0-9.]*) ", text, re.M)}


@functools.cache
def points(text, number):
    """Numbers of the list items in section @number of a page."""
    body = re.split(r"^## ", text.split(f"\n## {number}. ", 1)[-1], maxsplit=1, flags=re.M)[0]
    return set(re.findall(r"^([0-9]+)\. ", body, re.M))


def slug(heading):
    """The anchor of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@functools.cache
def marks(text):
    """Marks at the ends of statements, such as "(Q-nn)" or "(Q-nn, Q-mm)", with the number of their section."""
    found, section = [], None
    for line in text.splitlines():
        if number := re.match(r"## ([0-9]+)\. ", line):
            section = number.group(1)
        for group in re.findall(r"\((Q-[0-9][0-9A-Z](?:, Q-[0-9][0-9A-Z])*)\)", line):
            found += [(mark, section) for mark in group.split(", ")]
    return found


@functools.cache
def joined(text):
    """A text in which comments are not split into lines."""
    return re.sub(r"\n[ \t]*(?:\*|//|#)?[ \t]*", " ", text)


SECTION = r"§([0-9]+(?:\.[0-9]+)?)"
CITATION = rf"([a-z-]+\.md)((?: {SECTION}(?:, §[0-9.]*[0-9])*)?)(?:, (?:steps?|rules?) ([0-9]+)(?: to ([0-9]+))?)?"


def wrong_sections(files):
    for path, text in files.items():
        inside = path.startswith(INTERFACE)
        prefix = "(?<![\\w/.-])" if inside else re.escape(INTERFACE)
        for match in re.finditer(prefix + CITATION, joined(text)):
            page = INTERFACE + match.group(1)
            if inside and not match.group(2):
                continue  # a link, or another use of the name
            if page not in files:
                yield f"{path} cites {page}, which does not exist"
                continue
            for number in re.findall(SECTION, match.group(2)):
                if number not in sections(files[page]):
                    yield f"{path} cites {page} §{number}, and the page has no such section"
            for point in {match.group(4), match.group(5)} - {None}:
                if point not in points(files[page], match.group(3)):
                    yield f"{path} cites point {point} of {page} §{match.group(3)}, which has none of that number"
        for number in re.findall(r"\bsection ([0-9]+)", joined(text)) if inside else []:
            if number not in sections(text):
                yield f"{path} cites its section {number}, which it does not have"


def wrong_marks(files):
    places = {}
    for path in files:
        if path.startswith(INTERFACE):
            for mark, section in marks(files[path]):
                places.setdefault(mark, []).append((path, section))
    for mark, found in places.items():
        if len(found) > 1:
            yield f"{mark} is described at {found}"
    for path, text in files.items():
        for mark in sorted(set(re.findall(r"\bQ-[0-9]\w*", text)) - set(places)):
            yield f"{path} cites {mark}, which no page of {INTERFACE} has"
    for line in files.get(OUTSIDE, "").splitlines():
        row = re.match(rf"\| (Q-\w+) \| .* \| \[([a-z-]+\.md) {SECTION}\]\(interface/", line)
        if line.startswith("| Q-") and not row:
            yield f"{OUTSIDE} does not say where {line[2:6]} is described"
        elif row and (INTERFACE + row.group(2), row.group(3)) not in places.get(row.group(1), []):
            yield f"{OUTSIDE} says that {row.group(1)} is described in {row.group(2)} §{row.group(3)}"


def wrong_places(files):
    for path, text in files.items():
        for cited in re.findall(r"(?<![\w.])spec/\w[\w-]*", text):
            yield f"{path} cites {cited}, which is not in this repository"
        for cited in re.findall(r"(?<![\w./-])docs/[\w/-]+\.md", text):
            if cited not in files:
                yield f"{path} cites {cited}, which does not exist"


def wrong_links(files):
    linked = set()
    for path in [path for path in files if path.endswith(".md")]:
        text = re.sub(r"^```.*?^```|`[^`\n]*`", "", files[path], flags=re.M | re.S)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if re.match(r"[a-z]+:", target):
                continue
            file, _, fragment = target.partition("#")
            place = (TOP / path).parent / file if file else TOP / path
            name = str(place.resolve().relative_to(TOP))
            linked.add(name)
            if name not in files and not place.exists():
                yield f"{path} links to {target}, which does not exist"
            elif fragment and fragment not in {slug(heading) for heading in headings(files[name])}:
                yield f"{path} links to {target}, and that page has no such heading"
    for page in [path for path in files if path.startswith("docs/") and path.endswith(".md")]:
        if page not in linked:
            yield f"no page links to {page}"


@functools.cache
def contains_test(text, test):
    return re.search(rf"\bdef {test}\(|^{test} \(|[\"/]{test}\"", text, re.M) is not None


def wrong_tests(files):
    """Tests that pages name: `test_x.py::name`, `test-x.c::name`, and `::name` for the same file again."""
    tests = {path.rpartition("/")[2]: text for path, text in files.items() if path.startswith("tests/")}
    for path in [path for path in files if path.endswith(".md")]:
        file = None
        for named, test in re.findall(r"`(?:tests/\w+/)?(test_\w+\.py|test-[\w-]+\.c)?(?:::([\w-]+))?`", files[path]):
            file = named or file
            if file is None or (not named and not test):
                continue
            if file not in tests:
                yield f"{path} names {file}, which does not exist"
            elif test and not contains_test(tests[file], test):
                yield f"{path} names {file}::{test}, which does not exist"


WORDS = r"\b(?:is|are|was|were) no |\b(?:tells?|telling|told|said)\b"
PROSE = r"[A-Z]+\.md|docs/.*\.md|man/.*\.in|data/.*|debian/.*|packaging/.*"


def messages(source):
    """String literals of a C source. Adjacent literals are one message."""
    source = re.sub(r"/\*.*?\*/|//[^\n]*", "", source, flags=re.S)
    source = re.sub(r'"\s*"', "", re.sub(r"^#include.*$|'(?:[^'\\\n]|\\.)+'", "", source, flags=re.M))
    return re.findall(r'"((?:[^"\\\n]|\\.)*)"', source)


@functools.cache
def lines_with_words(path, text):
    if re.fullmatch(PROSE, path):
        found = [re.sub(r"^```.*?^```|`[^`\n]*`|\"[^\"\n]*\"", "", text, flags=re.M | re.S)]
    else:
        found = messages(text) if path.startswith("src/") and path.endswith((".c", ".h", ".def")) else []
    return [line.strip() for each in found for line in each.splitlines() if re.search(WORDS, line)]


def wrong_words(files):
    """Words to avoid in messages and manuals, except in quotations."""
    for path, text in files.items():
        for line in lines_with_words(path, text):
            yield f"{path} has a word of the list in test_docs.py: {line}"


CHECKS = [wrong_sections, wrong_marks, wrong_places, wrong_links, wrong_tests, wrong_words]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_citations(check):
    assert list(check(FILES)) == []


def test_sections_are_numbered_in_order():
    for path, text in FILES.items():
        if path.startswith(INTERFACE) and path != INTERFACE + "README.md":
            numbers = [int(number) for number in re.findall(r"^## ([0-9]+)\. ", text, re.M)]
            assert numbers == list(range(1, len(numbers) + 1)), path
            assert len(re.findall(r"^## ", text, re.M)) == len(numbers), path


# ---- tests of these checks; words to avoid are composed here, so that the checks do not find them in this file ----

Q = "Q-"
MUTATIONS = [
    ("src/new.c", None, f"/* {INTERFACE}cli.md §99 */", "cli.md §99"),
    ("src/new.c", None, f"/* {INTERFACE}cli.md §9, §98 */", "cli.md §98"),
    ("src/new.c", None, f"/* {INTERFACE}cli.md §9.7 */", "cli.md §9.7"),
    ("src/new.c", None, f"/* {INTERFACE}cli.md §1, step 95 */", "cites point 95"),
    ("src/new.c", None, f"/* {INTERFACE}build-install.md §6, steps 3 to 94 */", "cites point 94"),
    ("src/new.c", None, f"/* The codes ({INTERFACE}cli.md\n * §97) */", "cli.md §97"),
    ("src/new.c", None, f"/* {INTERFACE}" + "fleet.md */", "fleet.md, which does not exist"),
    ("man/new.8.in", None, "docs/" + "cellar.md", "cellar.md, which does not exist"),
    ("tests/system/test_new.py", None, f"# {Q}96", f"cites {Q}96"),
    ("docs/architecture.md", "# Architecture", f"# Architecture\n{Q}5 is gone.", f"cites {Q}5,"),
    ("src/new.c", None, "/* " + "spec" + "/cli.md §9 */", "which is not in this repository"),
    (INTERFACE + "cli.md", "## 9. ", "## 10. ", "cli.md §9, and the page has no such section"),
    (INTERFACE + "cli.md", "# Command line", "# Command line\n\nSee section 77.", "its section 77"),
    (INTERFACE + "cli.md", "# Command line", "# Command line\n\nSee tree.md §77.", "tree.md §77"),
    (INTERFACE + "cli.md", f"({Q}07)", "", f"cites {Q}07"),
    (INTERFACE + "cli.md", f"({Q}07)", f"({Q}07) ({Q}08)", f"{Q}08 is described at"),
    (OUTSIDE, "[cli.md §", "[cli.md §1", "says that"),
    (OUTSIDE, " | [cli.md §", " | [", "does not say where"),
    ("README.md", "](docs/architecture.md)", "](docs/" + "architektur.md)", "which does not exist"),
    ("README.md", "](docs/architecture.md)", "](docs/architecture.md#cellar)", "no such heading"),
    ("man/dkms.8.in", "compiled again.", "compiled again, which it te" + "lls.", "which it te" + "lls"),
    ("NEWS.md", "# News", "# News\n\nThis is n" + "o page.", "This is n" + "o page."),
    ("README.md", "# dkms", "# dkms\n\nA user to" + "ld us.", "to" + "ld us"),
    ("src/new.c", None, 'f ("%s is n" "o file", x); /* this comment is n' + "o message */", "%s is n" + "o file"),
    ("src/new.c", None, "if (c == '\"') g (\"It sa" + 'id so")', "It sa" + "id so"),
    ("docs/security.md", "`test_evil.py`", "`test_evil.py::test_cellar`", "test_evil.py::test_cellar, which does not exist"),
    ("docs/security.md", "`::test_calls_of_32_bit_programs`", "`::test_calls_of_33_bit_programs`", "33_bit_programs, which does not exist"),
    ("docs/security.md", "`test-worker.c`", "`test-worker.c::cellar`", "test-worker.c::cellar, which does not exist"),
    ("CONTRIBUTING.md", "`test_callers.py`", "`test_cellars.py`", "test_cellars.py, which does not exist"),
    ("docs/" + "lonely.md", None, "# Lonely", "no page links to docs/" + "lonely.md"),
]


@pytest.mark.parametrize("path, old, new, says", MUTATIONS)
def test_wrong_citations_are_found(path, old, new, says):
    text = FILES.get(path, "")
    assert old is None or old in text, "the text that this case changes does not exist"
    files = {**FILES, path: text.replace(old, new, 1) if old else new}
    assert any(says in problem for check in CHECKS for problem in check(files)), [problem for check in CHECKS for problem in check(files)]
