"""Journals of interrupted changes that cannot be read, were written by a newer dkms, or are not journals."""
import errno
import json
import os

import pytest

from conftest import K1, K2


def half_done(root, journal, name="1.json"):
    """foo 1.0 is built for K1, and a journal describes its installation."""
    root.source()
    root.ok("build", "foo/1.0", "-k", K1)
    place = root.modules / K1 / "updates/dkms"
    place.mkdir(parents=True)
    (place / ".dkms-1-0").write_text("foo 1.0\n")
    (root.tree / ".dkms/journal").mkdir(parents=True, exist_ok=True)
    path = root.tree / ".dkms/journal" / name
    path.write_text(journal if isinstance(journal, str) else json.dumps(journal))
    return path, place


def changes(root_of_kernel=f"/lib/modules/{K1}/updates/dkms", **more):
    return {"ops": [["rename", f"{root_of_kernel}/.dkms-1-0", f"{root_of_kernel}/foo.ko", ""]], **more}


@pytest.mark.parametrize("code", [errno.EIO, errno.EMFILE, errno.ENOMEM, errno.ESTALE])
@pytest.mark.parametrize("what", ["file", "directory"])
def test_a_journal_that_cannot_be_read_stays_and_stops_the_run(root, broken, code, what):
    path, place = half_done(root, changes())
    result = broken(path if what == "file" else path.parent, "build", "foo/1.0", "-k", K2, code=code)
    assert result.rc == 1 and os.strerror(code) in result.err and str(path if what == "file" else path.parent) in result.err, result
    assert path.exists() and os.listdir(place) == [".dkms-1-0"]
    assert not (root.tree / f"foo/1.0/{K2}").exists()
    root.ok("build", "foo/1.0", "-k", K2)
    assert os.listdir(place) == ["foo.ko"] and os.listdir(path.parent) == []


@pytest.mark.parametrize("journal", [changes(format=2), {"format": 2, "steps": []}, {"ops": [["exchange", "/a", "/b", ""]]}],
                         ids=["format", "unknown shape of a format", "operation"])
def test_a_newer_journal_is_refused(root, journal):
    path, place = half_done(root, journal)
    before = path.read_text()
    for _ in range(2):
        result = root("build", "foo/1.0", "-k", K2)
        assert result.rc == 1 and str(path) in result.err and "newer version of dkms" in result.err, result
    assert path.read_text() == before and os.listdir(place) == [".dkms-1-0"]
    assert "interrupted" in root.ok("status").err


@pytest.mark.parametrize("text", ["", "no JSON", "[]", "{}", '{"ops": 1}', '{"ops": ["rename"]}', '{"ops": [["rename", 1]]}', '{"ops": [["rename"]]}',
                                  '{"temps": {"a": "b"}}', '{"format": "x", "ops": []}', '{"format": 0, "ops": []}', '{"dirs": [1]}'])
def test_what_is_not_a_journal_moves_aside(root, text):
    path, place = half_done(root, text)
    result = root.ok("build", "foo/1.0", "-k", K2)
    assert result.err.count("Warning:") == 1 and "not a journal" in result.err and "journal/bad/1.json" in result.err, result
    assert not path.exists() and (path.parent / "bad/1.json").read_text() == text
    assert os.listdir(place) == [".dkms-1-0"]
    assert root.ok("build", "foo/1.0", "-k", K2, "--force").err == ""
    assert "interrupted" not in root.ok("status").err


def test_other_files_among_the_journals_move_aside(root):
    path, _ = half_done(root, "notes of the administrator", name="README")
    (path.parent / "directory.json").mkdir()
    (path.parent / "link.json").symlink_to("/etc/passwd")
    (path.parent / ".1.json.01234567").write_text("half of a journal that did not get its name")
    assert root.ok("build", "foo/1.0", "-k", K2).err.count("Warning:") == 3
    assert sorted(os.listdir(path.parent / "bad")) == ["README", "directory.json", "link.json"] and os.listdir(path.parent) == ["bad"]


@pytest.mark.parametrize("more", [{}, {"format": 1}])
def test_journals_with_and_without_a_format_are_finished(root, more):
    path, place = half_done(root, changes(**more))
    assert "interrupted" in root.ok("build", "foo/1.0", "-k", K2).err
    assert os.listdir(place) == ["foo.ko"] and not path.exists()
