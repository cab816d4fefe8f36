"""Packages like ZFS and Lustre: a long recipe, a configure script that tests the kernel, files beside the result, and a
second package that is built against these files.

Separate tests for each kernel would take minutes. Therefore the tests share one sequence of commands for all kernels with
headers, and each test checks a part of it."""
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "standin"), str(TESTS / "system")]

import standin  # noqa: E402
from conftest import ARCH, DKMS, Root  # noqa: E402


class Lab(Root):
    """Kernels with real headers, linked like those of Debian's packages."""

    def __init__(self, path):
        super().__init__(path)
        shutil.rmtree(self.modules)
        self.releases = []
        for config in sorted(pathlib.Path("/usr/src").glob("linux-headers-*/include/config/auto.conf")):
            headers = config.parents[2]
            release = headers.name.removeprefix("linux-headers-")
            kernel = self.modules / release
            kernel.mkdir(parents=True)
            (kernel / "build").symlink_to(headers)
            standin.link_source(kernel)
            for name in ("modules.order", "modules.builtin"):
                (kernel / name).touch()
            self.releases.append(release)
        assert self.releases, "no kernel headers in /usr/src; scripts/install-deps demo installs them"
        self.kernels = [word for release in self.releases for word in ("-k", release)]
        self.framework("try_sign_modules=true\n")
        self.env = standin.put(path, DKMS)

    def run(self, *words):
        return self.ok(*words, env=self.env, timeout=600)

    def result(self, name, release):
        return self.tree / name / "1.0" / release / ARCH

    def installed(self, release):
        return {p.name for p in (self.modules / release).rglob("updates/**/*.ko")}

    def lines(self, state):
        return sorted(f"{name}/1.0, {release}, {ARCH}: {state}" for name in ("cluster", "pool") for release in self.releases)

    def extras(self):
        return {(release, name): (self.result("pool", release) / name).read_bytes()
                for release in self.releases for name in ("pool_config.h", "Module.symvers")}


def modinfo(field, path):
    return subprocess.run(["modinfo", "-F", field, path], capture_output=True, text=True, check=True).stdout.strip()


def sections(path):
    return subprocess.run(["readelf", "-SW", path], capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def life(tmp_path_factory):
    lab = Lab(tmp_path_factory.mktemp("standin") / "root")
    for name in ("cluster", "pool"):
        lab.run("add", f"{name}/1.0")
    lab.first_run = lab.run("autoinstall", *lab.kernels, "-j", "4")
    return lab


def test_both_are_built_for_all_kernels_at_once(life):
    assert sorted(life.status()) == life.lines("installed"), life.first_run
    for release in life.releases:
        assert f"Autoinstall on {release} succeeded for: pool cluster" in life.first_run.out
        assert life.installed(release) == {"pool_base.ko", "pool.ko", "cluster.ko"}


def test_values_of_many_lines_are_one_command(life):
    for release in life.releases:
        log = (life.result("pool", release) / "log/make.log").read_text()
        commands = [line.strip() for line in re.findall(r"^# command: (.*)$", log, re.M)]
        kernel = life.modules / release
        linux = kernel / ("source" if (kernel / "source").exists() else "build")
        assert len(commands) == 3, log
        assert f"/configure --prefix=/usr --with-linux={linux} --with-linux-obj={kernel / 'build'} " in commands[0]
        assert re.fullmatch(rf"make (-j\d+ )?KERNELRELEASE={re.escape(release)} -C module all", commands[1])
        assert commands[2].endswith(f"/scripts/dkms.postbuild -n pool -v 1.0 -a {ARCH} -k {release} -t {life.tree}")


def test_what_configure_found_out_is_kept_beside_the_modules(life):
    for release in life.releases:
        one = tuple(int(n) for n in re.findall(r"\d+", release)[:2]) >= (6, 4)
        assert ("#define HAVE_CLASS_CREATE_ONE 1" in (life.result("pool", release) / "pool_config.h").read_text()) == one
        symbols = (life.result("pool", release) / "Module.symvers").read_text()
        assert re.search(r"^0x[0-9a-f]{8}\tpool_devices\tpool/pool\b|\tpool_devices\t\S*/pool\tEXPORT_SYMBOL_GPL", symbols, re.M), symbols
        # The other package was built against these files.
        assert f"checking for pool... 1.0 in {life.result('pool', release)}" in (life.result("cluster", release) / "log/make.log").read_text()


@pytest.mark.parametrize("module", standin.MODULES)
def test_modules_are_whole(life, module):
    package = standin.MODULES[module]
    for release in life.releases:
        path = life.modules / release / f"updates/dkms/{module}.ko"
        assert path.read_bytes() == (life.result(package, release) / f"module/{module}.ko").read_bytes()
        assert modinfo("vermagic", path).split()[0] == release
        assert modinfo("signer", path) == "DKMS module signing key"
        assert set(modinfo("depends", path).split(",")) == {"pool_base": {""}, "pool": {"pool_base"}, "cluster": {"pool", "pool_base"}}[module]
        assert ".debug_info" not in sections(path)


def test_an_archive_carries_them(life):
    before, archive = life.extras(), life.path / "pool.tar.gz"
    logs = {release: (life.result("pool", release) / "log/make.log").read_bytes() for release in life.releases}
    life.run("mktarball", "pool/1.0", *life.kernels, "--archive", archive)
    life.run("remove", "cluster/1.0", "--all")
    life.run("remove", "pool/1.0", "--all")
    shutil.rmtree(life.src / "pool-1.0")
    life.run("ldtarball", archive)
    assert life.extras() == before
    # Only missing modules are built, against the files in the archive.
    life.run("add", "cluster/1.0")
    output = life.run("autoinstall", *life.kernels, "-j", "4").out
    assert "Building pool/1.0" not in output and output.count("Building cluster/1.0") == len(life.releases)
    assert sorted(life.status()) == life.lines("installed")
    assert logs == {release: (life.result("pool", release) / "log/make.log").read_bytes() for release in life.releases}


def test_forced_build_reads_what_the_administrator_says(life):
    release = life.releases[0]
    (life.path / "etc/dkms/pool.conf").write_text("POOL_DKMS_ENABLE_DEBUG=Yes\nPOOL_DKMS_DISABLE_STRIP=yes\n")
    life.run("build", "pool/1.0", "-k", release, "--force")
    life.run("install", "pool/1.0", "-k", release, "--force")
    path = life.modules / release / "updates/dkms/pool.ko"
    assert "--enable-debug" in (life.result("pool", release) / "log/make.log").read_text()
    assert "#define POOL_DEBUG 1" in (life.result("pool", release) / "pool_config.h").read_text()
    assert ".debug_info" in sections(path) and modinfo("signer", path) == "DKMS module signing key"
    assert sorted(life.status()) == life.lines("installed")


def test_nothing_stays(life):
    life.run("uninstall", "cluster/1.0", "-k", life.releases[0])
    assert life.installed(life.releases[0]) == {"pool_base.ko", "pool.ko"}
    life.run("remove", "cluster/1.0", "--all")
    life.run("remove", "pool/1.0", "--all")
    assert all(life.installed(release) == set() for release in life.releases)
    assert [p.name for p in life.tree.iterdir() if p.is_dir() and p.name != ".dkms"] == []
    assert life.status() == []
