"""Packages of Debian for each kernel with headers, in four shards on Slurm and on GNU parallel: each table is that of one machine.

DKMS_MATRIX=all takes thirteen packages, and DKMS_MATRIX can list others; the default is some small ones.
"""
import json
import os
import pathlib
import re
import shlex
import sys

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent), str(pathlib.Path(__file__).resolve().parents[1] / "lib")]
import debian  # noqa: E402
from test_engines import Fleet, need  # noqa: E402

CHOSEN = os.environ.get("DKMS_MATRIX", "")
PACKAGES = debian.THIRTEEN if CHOSEN == "all" else CHOSEN.split() or debian.SMALL
SHARDS = 4


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """The matrix of all packages. dkms compares the results of each job when it merges them."""
    path = tmp_path_factory.mktemp("packages")
    kernels = debian.kernels_with_headers()
    if not kernels:
        pytest.fail("needs kernel headers; scripts/install-deps demo boot installs them")
    given = [str(source) for package in PACKAGES for source in debian.driver_sources(package, path / package)]
    arguments = [*given, *(word for kernel in kernels for word in ("-k", kernel))]
    return Fleet(path, arguments, None, ", 0 missing\n")


def durations(real):
    """The file with the durations of the run on one machine, and the durations by job."""
    text = real.run(["dkms", "matrix", "--merge", str(real.out("one")), "--json"]).stdout
    (real.path / "durations.json").write_text(text)
    return real.path / "durations.json", {job["id"]: job["seconds"] for job in json.loads(text)["jobs"] if "seconds" in job}


def test_shards_of_equal_duration(real):
    """No shard has more work than a tenth above the average, but for one that consists of the longest job. A few jobs cannot be
    distributed so evenly."""
    file, known = durations(real)
    listed = real.run(["dkms", "matrix", *real.arguments, "--shards", str(SHARDS), "--durations", str(file)]).stdout
    jobs = re.findall(rf"^([0-9]+)/{SHARDS}  (.+)$", listed, re.M)
    assert len(jobs) == len(listed.splitlines()) and known.keys() <= {job for _, job in jobs}
    work = [0.0] * SHARDS
    for shard, job in jobs:
        work[int(shard) - 1] += known.get(job, 0)
    print(f"\n{len(jobs)} jobs, {sum(work):.1f} s; shards: {', '.join(f'{seconds:.1f}' for seconds in work)} s; longest job {max(known.values()):.1f} s")
    average, longest = sum(work) / SHARDS, max(known.values())
    assert max(work) <= (max(1.1 * average, longest) if len(jobs) > 5 * SHARDS else average + longest)


def test_packages_on_parallel(real, tmp_path):
    need("parallel")
    file, _ = durations(real)
    (tmp_path / "worker").write_text(f"exec dkms matrix --shard auto --durations {file} --output '{real.out('parallel')}' {shlex.join(real.arguments)}\n")
    command = f"seq {SHARDS} | parallel -n0 -j2 sh {tmp_path}/worker; dkms matrix --merge '{real.out('parallel')}'"
    assert real.table(["sh", "-c", command], "parallel", DKMS_SHARDS=str(SHARDS)) == real.expected


def test_packages_on_slurm(real, tmp_path):
    file, _ = durations(real)
    assert real.on_slurm(tmp_path / "slurm", "--durations", str(file)) == real.expected
