"""dkms forecast with the real apt of Debian, which offers a newer kernel.

The tests share one root, and run in the order of the file."""
import json
import pathlib
import re
import shutil
import sys

import pytest

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "lib")]

import debian  # noqa: E402

CONF = ('PACKAGE_NAME="{0}"\nPACKAGE_VERSION="1.0"\nBUILT_MODULE_NAME[0]="{0}"\nDEST_MODULE_LOCATION[0]="/updates"\nAUTOINSTALL="yes"\n')
QUICK = "export INITRD=No; " # nothing boots these kernels
# It is the next hook of apt. What it prints shows that the hook of dkms lets apt continue, and nothing is installed yet.
STOP = 'DPkg::Pre-Install-Pkgs { "echo apt went on; exit 3"; };\n'


def package(root, name, depends):
    """An old version of a package that names the present kernel, as it was when the old kernel was new."""
    (root.path / "old" / name / "DEBIAN").mkdir(parents=True)
    (root.path / "old" / name / "DEBIAN/control").write_text(
        f"Package: {name}\nVersion: 1\nArchitecture: amd64\nMaintainer: A <a@lamp.invalid>\nDepends: {depends}\nDescription: the present kernel\n")
    root.ok(f"dpkg-deb -b /old/{name} /old/{name}.deb")
    return f"/old/{name}.deb"


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """A Debian whose kernel is not the newest one, with a module that builds for both and one that does not."""
    root = debian.bootstrap("bookworm", tmp_path_factory.mktemp("debian") / "root")
    shutil.copytree(debian.packages(tmp_path_factory), root.path / "debs")
    try:
        names = [name for name in root.kernels_on_offer() if re.fullmatch(r"6[.]1[.]\S*-\d+-amd64", name)]
        assert len(names) >= 2
        root.old, root.new = sorted(names, key=debian.age)[-2:]
        present = " ".join(package(root, f"linux-{kind}-amd64", f"linux-{kind}-{root.old}") for kind in ("image", "headers"))
        root.ok(f"{QUICK}apt-get install -qq /debs/dkms_*.deb gcc {present}", timeout=1800)
        for name, code in (("good", ""), ("bad", "#ifdef NEWER\nstatic void f (char *p) { strlcpy_of_old (p, \"\", 1); }\n#endif\n")):
            source = root.path / f"usr/src/{name}-1.0"
            source.mkdir()
            (source / "dkms.conf").write_text(CONF.format(name))
            (source / "Kbuild").write_text(f"obj-m := {name}.o\nccflags-$(if $(filter {root.new},$(KERNELRELEASE)),y) += -DNEWER\n")
            (source / f"{name}.c").write_text((TESTS.parent / "examples/hello/hello.c").read_text() + code)
            root.ok(f"dkms add {name}/1.0")
        root.ok(f"dkms autoinstall -k {root.old}")
        assert sorted(root.modules(root.old)) == ["bad", "good"]
        # Only the kernel is upgraded.
        root.ok("apt-get install -qq unattended-upgrades; apt-mark hold $(apt list --upgradable 2>/dev/null | sed -n 's,/.*,,p' | grep -v ^linux-) || :",
                timeout=900)
        yield root
    finally:
        root.delete()


def setting(root, text):
    (root.path / "etc/dkms/framework.conf.d/forecast.conf").write_text(text)


def packages(root):
    return (root.path / "var/lib/dpkg/status").read_bytes()


def kept(root):
    return {record["modules"][0]["name"]: path.parent for path in (root.path / "var/lib/dkms/.dkms/ahead/builds").glob("*/.record.json")
            for record in [json.loads(path.read_text())]}


def test_forecast(machine):
    """The headers of the offered kernel are fetched, and nothing is installed."""
    before = packages(machine)
    result = machine.run("dkms forecast")
    assert result.returncode == 11, result
    assert re.search(rf"^Offered: {re.escape(machine.new)} \(linux-image-\S+, Debian\S*\). The headers were fetched \([0-9.]+ MB\)[.]$",
                     result.stdout, re.M), result.stdout
    assert re.search(r"^good/1.0  builds \(", result.stdout, re.M), result.stdout
    assert re.search(r"^bad/1.0   FAILS: .*strlcpy_of_old", result.stdout, re.M), result.stdout
    assert "apt-mark hold linux-image-amd64 linux-headers-amd64" in result.stdout
    assert packages(machine) == before and not (machine.path / "lib/modules" / machine.new).exists()
    assert not list((machine.path / "usr/src").glob(f"linux-headers-{machine.new}*"))


@pytest.mark.parametrize("command", ["apt-get -y dist-upgrade", "apt-get -y install linux-image-amd64 linux-headers-amd64"])
def test_abort(machine, command):
    """forecast=abort ends apt before it changes anything."""
    setting(machine, "forecast=abort\n")
    before = packages(machine)
    result = machine.run(command, timeout=900)
    assert result.returncode == 100, result
    assert result.stdout.count("FAILS") == 1 and "Error! 1 of 2 modules" in result.stdout, result.stdout
    assert packages(machine) == before and not (machine.path / "lib/modules" / machine.new).exists()


def test_unattended(machine):
    """unattended-upgrades, which installs the headers and the kernel in two steps, goes on, unless forecast_unattended says that it
    ends."""
    (machine.path / "etc/apt/apt.conf.d/51all").write_text('Unattended-Upgrade::Origins-Pattern { "origin=*"; };\n')
    stop = machine.path / "etc/apt/apt.conf.d/99stop"
    stop.write_text(STOP)
    before = packages(machine)
    upgrade = "unattended-upgrade -v --debug 2>&1; cat /var/log/unattended-upgrades/*.log; rm /var/log/unattended-upgrades/*.log"
    setting(machine, "forecast=abort\n")
    text = machine.run(upgrade, timeout=900).stdout
    assert "apt went on" in text and "Warning: 1 of 2 modules" in text and "Error! 1 of 2" not in text, text
    setting(machine, "forecast=abort\nforecast_unattended=abort\n")
    text = machine.run(upgrade, timeout=900).stdout
    assert "apt went on" not in text and "Error! 1 of 2 modules" in text, text
    stop.unlink()
    assert packages(machine) == before


def test_upgrade(machine):
    """forecast=warn prints one warning. The module of the forecast is installed, and the failed one is tried again: a failure may
    have a cause that is not among its inputs, and a forecast must not decide about a real installation."""
    setting(machine, "")
    module = (kept(machine)["good"] / "module/good.ko").read_bytes()
    compiler = machine.path / "usr/lib/gcc/x86_64-linux-gnu/12/cc1"
    compiler.rename(compiler.with_name("cc1.real"))
    compiler.write_text("#!/bin/sh\necho 'a compiler was started' >&2\nexit 1\n")
    compiler.chmod(0o755)
    result = machine.run(f"{QUICK}apt-get -y dist-upgrade", timeout=1800)
    compiler.with_name("cc1.real").rename(compiler)
    assert result.stdout.count("Warning: 1 of 2 modules") == 1 and result.stdout.count("FAILS") == 1, result.stdout
    assert machine.modules(machine.new) == ["good"], result.stdout
    base = machine.path / "var/lib/dkms"
    log = {name: next((base / f"{name}/1.0").rglob("make.log")).read_text() for name in ("bad",)}
    assert "a compiler was started" in log["bad"]
    build = base / f"good/1.0/{machine.new}/x86_64"
    assert "a compiler was started" not in (build / "log/make.log").read_text()
    steps = [step["name"] for step in json.loads((build / ".attempt.json").read_text())["steps"]]
    assert any("Taking over" in step for step in steps) and not any("make" in step.lower() for step in steps), steps
    installed = next((machine.path / "lib/modules" / machine.new).rglob("good.ko")).read_bytes()
    assert installed.startswith(module) and (installed == module or installed.endswith(b"~Module signature appended~\n"))
    # The same bytes as from the installed headers.
    machine.ok(f"dkms build good/1.0 -k {machine.new} --force")
    assert (build / "module/good.ko").read_bytes() == installed
