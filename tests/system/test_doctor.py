"""dkms doctor: each fault is found and named by one identifier, repaired, and taken back."""
import json
import os
import pathlib
import shutil
import subprocess
import time

import pytest
from conftest import ARCH, DKMS, K1, K2, Root, mounted

import faults


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A sound root, which each test copies."""
    return faults.sound(Root(tmp_path_factory.mktemp("sound") / "root"))


@pytest.fixture
def root(template, tmp_path):
    """A copy of the sound root with its times. Stat signatures of copies differ, so their records are refreshed."""
    return copy_of(template, tmp_path / "root")


def copy_of(template, path):
    subprocess.run(["cp", "-a", template.path, path], check=True)
    root = Root.__new__(Root)
    root.path, root.tree, root.src, root.modules = path, path / "var/lib/dkms", path / "usr/src", path / "lib/modules"
    return root


def doctor(root, *arguments):
    return root("doctor", "--json", *arguments)


def test_sound(root):
    result = root.ok("doctor")
    assert result.out == "No problem was found.\n" and result.err == ""
    assert faults.found(doctor(root)) == []


@pytest.mark.parametrize("name", faults.STATES)
def test_found(root, name):
    fault, make, kind = faults.STATES[name]
    make(root)
    before = root.snapshot()
    result = doctor(root)
    assert faults.found(result) == [fault], result
    finding = json.loads(result.out)["findings"][0]
    assert result.rc == (30 if finding["result"] == "problem" else 0)
    assert finding["repair"]["possible"] != bool(kind.get("left"))
    assert finding["repair"]["needs_yes"] == bool(kind.get("consent"))
    assert root.snapshot() == before


def consent(result):
    """The value of --fix that consents to every finding of @result by its file."""
    return "--fix=" + ",".join(f"{finding['id']}:{finding['path']}" for finding in json.loads(result.out)["findings"])


def attic(root):
    return sorted(path.name for path in (root.tree / ".dkms/attic").glob("*"))


def without_records(snapshot):
    return {path: content for path, content in snapshot.items() if not path.endswith((".record.json", ".recipe.json"))}


def agrees(root):
    """What status says of the builds is true on the disk."""
    for module in json.loads(root.ok("status", "--json").out)["modules"]:
        for build in module["builds"]:
            path = root.modules / build["kernel"] / f"updates/dkms/{module['module']}.ko"
            assert path.exists() == (build["state"] == "installed"), (module, path)
            assert not build["differs"] and not build["missing"]


@pytest.mark.parametrize("name", [name for name, (_, _, kind) in faults.STATES.items() if not kind.get("left")])
def test_repaired_and_taken_back(root, name):
    fault, make, kind = faults.STATES[name]
    make(root)
    before = root.snapshot()
    if kind.get("consent"): # not by --yes, and not by the name of the fault
        assert faults.found(root("doctor", "--json", "--fix", "--yes")) == [fault]
        assert faults.found(root("doctor", "--json", f"--fix={fault}")) == [fault] and root.snapshot() == before
        result = root("doctor", "--json", consent(doctor(root)))
    else:
        result = root("doctor", "--json", "--fix", "--yes")
    answer = json.loads(result.out)
    repaired = answer["findings"]
    assert result.rc == 0 and repaired[0]["id"] == fault and all(finding["fixed"] for finding in repaired), result
    assert len(repaired) == 1 or kind.get("more")
    assert faults.found(doctor(root)) == []
    agrees(root)
    after = root.snapshot()
    again = root.ok("doctor", "--json", "--fix", "--yes")
    assert root.snapshot() == after and json.loads(again.out)["findings"] == []
    undo = answer["findings"][0]["repair"]["undo"]
    assert undo == kind.get("undo", True) and attic(root) == ([answer["attic"]] if undo else [])
    if undo:
        root.ok("doctor", "--undo")
        assert without_records(root.snapshot()) == without_records(before) if kind.get("more") else root.snapshot() == before
        assert attic(root) == []
        assert faults.found(doctor(root)) == ([fault] if fault != "build-left" else []) # its directory is new again
