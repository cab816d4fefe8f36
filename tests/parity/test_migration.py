"""Our dkms continues with a tree of the distribution's dkms, and the other way round."""
import os
import pathlib
import shutil
import subprocess

import pytest
from test_sequences import make_modules

HERE = pathlib.Path(__file__).resolve().parent


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    place = tmp_path_factory.mktemp("migration") / "stage"
    place.mkdir()
    place.chmod(0o777)
    subprocess.run(["apt-get", "download", "-qq", "dkms"], cwd=place, check=True)
    make_modules(place)
    shutil.copy(HERE / "sequences.sh", place)
    return place


@pytest.mark.parametrize("first, second", [("theirs", "ours"), ("ours", "theirs")])
def test_takeover(stage, tmp_path, first, second):
    """Installs both programs in one root: theirs with its own name, and ours beside it."""
    ours = pathlib.Path(os.environ["DKMS"])
    programs = stage / "ours"
    if not programs.exists():
        (programs / "helpers").mkdir(parents=True)
        shutil.copy(ours, programs / "dkms")
        for helper in ours.parent.glob("helpers/dkms-*"):
            if helper.is_file():
                shutil.copy(helper, programs / "helpers")
    paths = {"theirs": "/usr/sbin/dkms", "ours": "/run/debs/ours/dkms"}
    environment = dict(os.environ, FIRST=paths[first], SECOND=paths[second], ORIGINALS="1" if first == "theirs" else "")
    subprocess.run([HERE / "twin", "debian", stage, tmp_path, HERE / "migration.sh"], check=True, env=environment, stdin=subprocess.DEVNULL)
    report = (tmp_path / "report").read_text()
    states = {n: (tmp_path / f"status-{n}").read_text() for n in ("first", "second", "end")}
    assert report.count("install m") >= 10 and ": 0" in report
    assert states["first"] == states["second"] and states["first"].count(": installed") == 10
    assert all(line.endswith(": 0") for line in report.splitlines() if line.startswith(("install", "remove", "uninstall", "autoinstall"))), report
    assert "modules: as before" in report, report + (tmp_path / "log").read_text()
    assert states["end"] == "" and report.rstrip().endswith("left in the tree:"), report
