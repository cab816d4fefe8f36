"""Real packages, built with 'dkms matrix' in two places, by two users, on two hosts, minutes apart: the modules are equal.

DKMS_EQUAL=all builds every *-dkms package of the distribution, with contrib and non-free, but for those that take longest. It
can also list packages; the default is some small ones.
DKMS_EQUAL_KERNEL names the kernel; the default is the oldest one with headers. docs/fleet/README.md has the results.
"""
import atexit
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import debian  # noqa: E402

DKMS = os.environ.get("DKMS", "dkms")
# Builds of many minutes or gigabytes: only if DKMS_EQUAL names them.
LONG = {"nvidia-kernel-dkms", "nvidia-open-kernel-dkms", "nvidia-tesla-kernel-dkms", "nvidia-tesla-470-kernel-dkms", "nvidia-tesla-535-kernel-dkms",
        "openafs-modules-dkms", "zfs-dkms"}


def choose():
    """Returns: options of apt, and the packages"""
    if "DKMS_EQUAL" not in os.environ:
        return [], debian.SMALL
    directory = pathlib.Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    options = debian.whole_archive(directory)
    found = debian.driver_packages("DKMS_EQUAL", debian.SMALL, options)
    return options, [package for package in found if package not in LONG or os.environ["DKMS_EQUAL"] != "all"]


APT, PACKAGES = choose()
NOBODY = 65534
# Packages with modules that differ, and why.
EXCEPTIONS = {}


@pytest.fixture(scope="module")
def kernel():
    kernels = debian.kernels_with_headers()
    if not kernels or os.geteuid() != 0:
        pytest.fail("needs root and kernel headers; scripts/install-deps demo installs them")
    return os.environ.get("DKMS_EQUAL_KERNEL", kernels[0])


@pytest.fixture
def lab():
    """A directory that every user can enter."""
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory)
        path.chmod(0o755)
        yield path


def build(lab, kernel, given, place, prefix=(), variables=None, owner=0):
    """Runs one worker in the directory @place. Returns: its reports, by job"""
    out, tmp = lab / f"out-{place.replace('/', '-')}", lab / place
    out.mkdir()
    tmp.mkdir(parents=True)
    for path in (out, tmp):
        os.chown(path, owner, owner)
    environment = dict(os.environ, TMPDIR=str(tmp), **(variables or {}))
    subprocess.run([*prefix, DKMS, "matrix", *given, "-k", kernel, "--output", out], env=environment, check=False,
                   stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    reports = [json.loads(path.read_text()) for path in out.glob("*%40*.json")]
    assert reports, "the worker has reported nothing"
    return {report["id"]: report for report in reports}


@pytest.mark.parametrize("package", PACKAGES)
def test_equal_in_two_places(package, kernel, lab):
    given = debian.driver_sources(package, lab, APT)
    one = build(lab, kernel, given, "one")
    other = build(lab, kernel, given, "a/longer/place", owner=NOBODY,
                  prefix=["unshare", "--uts", "sh", "-c", f'hostname elsewhere; exec setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups "$@"', "sh"],
                  variables={"HOME": "/nonexistent", "USER": "other", "LOGNAME": "other", "TZ": "Asia/Tokyo", "LC_ALL": "C.UTF-8",
                             "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "KCFLAGS": "-DOTHER", "MAKEFLAGS": "-j1"})
    results = {job: report["result"] for job, report in one.items()}
    assert results == {job: report["result"] for job, report in other.items()}
    differing, count = [], 0
    for job, report in one.items():
        files, others = ({file["path"]: file for file in r.get("files", [])} for r in (report, other[job]))
        assert files.keys() == others.keys() and (not files or report["key"] == other[job]["key"])
        assert all("payload" in file for file in files.values()), "the builds were not confined"
        count += len(files)
        differing += [path for path in files if files[path]["payload"] != others[path]["payload"]]
        if not differing:
            assert [path for path in files if files[path]["sha256"] != others[path]["sha256"]] == []
    print(f"\n{package}: {', '.join(sorted(set(results.values())))}, {count} modules, differing: {differing or 'none'}")
    assert bool(differing) == (package in EXCEPTIONS), differing
