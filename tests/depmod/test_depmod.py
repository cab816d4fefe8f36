"""The indexes that dkms-depmod writes for Debian's kernels, compared with those of depmod: kmod of Debian 12 and 13, kernels with
uncompressed, xz, zstd and gzip modules, whole and in parts, in all states of tests/lib/depmods.py.

The kernels are downloaded with apt once, and kept with the roots of tests/lib/debian.py.
"""
import os
import pathlib
import random
import re
import resource
import shutil
import statistics
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "lib"))
import debian  # noqa: E402
import depmods  # noqa: E402
from modules import pack  # noqa: E402

HELPER = pathlib.Path(os.environ["DKMS"]).resolve().parent / "helpers/dkms-depmod"
SUITES = ["bookworm", "trixie"]


def newest_images():
    """The newest image of each series (6.1, 6.12) that apt offers; at most two series."""
    listed = subprocess.run(["apt-cache", "pkgnames", "linux-image-"], capture_output=True, text=True, check=True).stdout.split()
    series = {}
    for name in sorted(listed, key=debian.age):
        if match := re.fullmatch(r"linux-image-((\d+\.\d+)[.\d]*[-+.a-z\d]*-(amd64|arm64))", name):
            if not re.search("cloud|rt|rpi|16k", name):
                series[match[2]] = match[1]
    return [series[key] for key in sorted(series, key=debian.age)[-2:]]


@pytest.fixture(scope="session")
def images(tmp_path_factory):
    """Directories with unpacked modules, by release."""
    place = tmp_path_factory.mktemp("images")
    cache = debian.CACHE / "images"
    cache.mkdir(parents=True, exist_ok=True)
    found = {}
    for release in newest_images():
        package = next(cache.glob(f"linux-image-{release}_*.deb"), None)
        if package is None:
            subprocess.run(["apt-get", "download", "-qq", "-o", "APT::Sandbox::User=root", f"linux-image-{release}"], cwd=cache, check=True)
            package = next(cache.glob(f"linux-image-{release}_*.deb"))
        subprocess.run(["dpkg-deb", "-x", package, place / release], check=True)
        found[release] = place / release / "lib/modules" / release
        if not found[release].exists():
            found[release] = place / release / "usr/lib/modules" / release
    return found


@pytest.fixture(scope="session", params=SUITES)
def program(request, tmp_path_factory):
    """depmod of a Debian release, with its own libraries, as a program of this machine."""
    place = tmp_path_factory.mktemp(request.param)
    root = debian.bootstrap(request.param, place / "root")
    root.ok("apt-get install -qq kmod >/dev/null", timeout=600)
    loader = next(path for path in (root.path / "usr/lib64", root.path / "usr/lib") for path in path.glob("ld-linux-*"))
    libraries = next((root.path / "usr/lib").glob("*-linux-gnu"))
    file = place / "bin/depmod"
    file.parent.mkdir()
    file.write_text(f'#!/bin/sh\nexec {loader} --argv0 depmod --library-path {libraries} {root.path}/bin/kmod "$@"\n')
    file.chmod(0o755)
    yield str(file)
    root.delete()


def part(images, index, suffix, path, program, count, seed):
    """A machine with some modules of a kernel. With another @suffix they are compressed anew."""
    releases = list(images)
    release = releases[min(index, len(releases) - 1)]
    source = images[release]
    machine = depmods.Machine(path, HELPER, release, program)
    files = sorted(source.rglob("*.ko*"))
    for file in random.Random(seed).sample(files, min(count, len(files))) if count else files:
        target = machine.dir / file.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        if suffix is None:
            shutil.copy(file, target)
            continue
        content = file.read_bytes() if file.suffix == ".ko" else subprocess.run(["xz", "-dc", file], capture_output=True, check=True).stdout
        target.with_name(file.name.split(".ko")[0] + suffix).write_bytes(pack(content, suffix))
    for file in source.glob("modules.*"):
        if file.is_file() and file.name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
            shutil.copy(file, machine.dir / file.name)
    return machine


@pytest.mark.parametrize("index, suffix", [(0, None), (1, None), (1, ".ko.zst"), (1, ".ko.gz")])
@pytest.mark.parametrize("name", depmods.STATES)
def test_states(images, program, tmp_path, name, index, suffix):
    machine = part(images, index, suffix, tmp_path, program, 120, f"{name} {index}")
    machine.check()
    depmods.STATES[name](machine)
    machine.check()
    machine.check()
    shutil.rmtree(tmp_path)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("index", [0, 1])
def test_random_sets(images, program, tmp_path, index, seed):
    machine = part(images, index, None, tmp_path, program, 500, seed)
    machine.check()
    machine.check()
    shutil.rmtree(tmp_path)


def seconds_of(function, *arguments):
    """Processor time of the children in @function, its duration, and its result."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.monotonic()
    result = function(*arguments)
    wall = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall, result


@pytest.mark.parametrize("index", [0, 1])
def test_whole_kernels(images, program, tmp_path, index, capsys):
    """All modules; prints the processor time and the duration."""
    machine = part(images, index, None, tmp_path, program, None, 0)
    machine.check()
    machine.check()
    times = {"plain": [], "cold": [], "warm": []}
    for _ in range(5):
        times["plain"].append(seconds_of(machine.plain)[:2])
        machine.forget()
        for kind in ("cold", "warm"):
            took, wall, (out, result) = seconds_of(machine.helper)
            assert result.returncode == 0, result
            times[kind].append((took, wall))
            shutil.rmtree(out)
    with capsys.disabled():
        print(f"\n{program.split('/')[-3]}, {machine.release}: " + ", ".join(
            f"{kind} {statistics.median(cpu for cpu, _ in values):.2f} s CPU, {statistics.median(wall for _, wall in values):.2f} s wall" for kind, values in times.items()
        ))
    shutil.rmtree(tmp_path)
