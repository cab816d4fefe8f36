"""Hooks of package managers that try new kernels before they are installed."""
import os
import pathlib
import subprocess

import pytest

from conftest import ARCH, DKMS
from test_forecast import PICKY_MAKEFILE, digest, make_deb, make_pacman, module
from test_offers import NEW, HostRoot

DATA = pathlib.Path(__file__).resolve().parents[2] / "data"


@pytest.fixture
def apt(tmp_path):
    """A system, and the hook of apt with what apt gives it."""
    host = HostRoot(tmp_path / "root")
    script = tmp_path / "forecast-apt"
    (tmp_path / "sbin").mkdir()
    (tmp_path / "sbin/dkms").write_text(f'#!/bin/sh\necho "$*" >> {host.calls}\nexec {DKMS} "$@"\n')
    (tmp_path / "sbin/dkms").chmod(0o755)
    for name in ("forecast-apt", "forecast-run"):
        text = (DATA / f"hooks/{name}.in").read_text()
        for place, path in (("sbindir", tmp_path / "sbin"), ("libdir", tmp_path), ("moddir", "/lib/modules")):
            text = text.replace(f"@{place}@", str(path))
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    archives = tmp_path / "archives"
    archives.mkdir()
    prefix = f"usr/src/linux-headers-{NEW}"
    host.image = archives / f"linux-image-{NEW}_6.12.120-1%7edeb12u1_amd64.deb"
    host.image.write_text("not read")
    host.headers = make_deb(archives / f"linux-headers-{NEW}_6.12.120-1%7edeb12u1_amd64.deb",
                            {f"{prefix}/include/config/auto.conf": "CONFIG_MODULES=y\n", f"{prefix}/Makefile": PICKY_MAKEFILE,
                             f"usr/lib/modules/{NEW}/build": f"-> /{prefix}"})

    def line(name, file, old="-", direction="<"):
        return f"{name} {old} - none {direction} 6.12.120-1~deb12u1 amd64 none {file}\n"
    host.line = line
    host.usual = line(f"linux-image-{NEW}", host.image) + line(f"linux-headers-{NEW}", host.headers) + line("bash", "**CONFIGURE**")

    def run(actions, version=3, name="sh", **variables):
        text = f"VERSION {version}\nAPT::Architecture=amd64\nDir::Etc=etc%2fapt/\n\n{actions}"
        command = [*host.command()[:-1], "python3", "-c", "import os,subprocess,sys; sys.exit(subprocess.run(sys.argv[1:]).returncode)"]
        if name != "sh":
            caller = tmp_path / name
            caller.write_text('#!/bin/sh\n"$@"\nexit $?\n')
            caller.chmod(0o755)
            command = [*host.command()[:-1], str(caller)]
        return subprocess.run([*command, str(script)], input=text, capture_output=True, text=True, check=False, timeout=120,
                              env={**{k: v for k, v in os.environ.items() if k != "INVOCATION_ID"}, "LC_ALL": "C", **variables},
                              start_new_session=True)
    host.hook = run
    return host


def test_apt_policy(apt):
    """warn prints and succeeds, abort fails, off does nothing. Modules that build never stop apt."""
    module(apt, "good")
    result = apt.hook(apt.usual)
    assert result.returncode == 0 and "good/1.0  builds" in result.stdout and not result.stderr, result
    module(apt, "bad", "BROKEN")
    before = digest(apt.path)
    result = apt.hook(apt.usual)
    assert result.returncode == 0 and "bad/1.0   FAILS" in result.stdout and "Warning: 1 of 2 modules" in result.stderr, result
    assert "apt-mark hold linux-image-amd64" in result.stdout
    apt.framework("forecast=abort\n")
    result = apt.hook(apt.usual)
    assert result.returncode == 1 and "bad/1.0   FAILS" in result.stdout and "Error! 1 of 2 modules" in result.stderr, result
    apt.framework("forecast=off\n")
    result = apt.hook(apt.usual)
    assert result.returncode == 0 and not result.stdout + result.stderr, result
    apt.framework("forecast=perhaps\n")
    assert apt("forecast", "--hook", "attended", "-k", NEW, "--headers", apt.headers).rc == 2
    (apt.path / "etc/dkms/framework.conf").unlink()
    assert digest(apt.path) == before and not (apt.tree / f"good/1.0/{NEW}").exists()


def test_unattended(apt):
    """abort holds nothing back if nobody is there, unless the administrator wants that."""
    module(apt, "bad", "BROKEN")
    apt.framework("forecast=abort\n")
    result = apt.hook(apt.usual, name="unattended-upgrade")
    assert result.returncode == 0 and "Warning: 1 of 1 modules" in result.stderr, result
    assert "--hook unattended" in apt.calls.read_text()
    apt.calls.unlink()
    assert apt.hook(apt.usual, INVOCATION_ID="1").returncode == 0 # a service, without a terminal
    assert "--hook unattended" in apt.calls.read_text()
    apt.framework("forecast=abort\nforecast_unattended=abort\n")
    assert apt.hook(apt.usual, name="unattended-upgrade").returncode == 1


def test_timer(apt):
    """The unit fails if a module will not build. It does nothing with forecast=off, and is no alarm for a machine without a network."""
    words = ("forecast", "--hook", "timer", "-k", NEW, "--headers")
    module(apt, "good")
    assert apt(*words, apt.headers).rc == 0
    module(apt, "bad", "BROKEN")
    assert apt(*words, apt.headers).rc == 11
    missing = apt(*words, apt.path / "none.deb")
    assert missing.rc == 0 and "Warning: " in missing.err, missing
    apt.framework("forecast=off\n")
    result = apt(*words, apt.headers)
    assert (result.rc, result.out, result.err) == (0, "", ""), result


@pytest.mark.parametrize("case", ["empty", "version", "no-headers", "no-kernel", "removal", "fields", "strange-name", "strange-file", "no-file",
                                  "no-modules", "damaged"])
def test_apt_lines(apt, case):
    """What does not concern kernels with headers, or is not understood, never stops apt and starts nothing."""
    apt.framework("forecast=abort\nforecast_unattended=abort\n")
    image, headers = apt.line(f"linux-image-{NEW}", apt.image), apt.line(f"linux-headers-{NEW}", apt.headers)
    if case != "no-modules":
        module(apt, "bad", "BROKEN")
    if case in ("no-kernel", "removal", "fields", "strange-name"): # the kernel of the headers is installed
        (apt.modules / NEW / "kernel").mkdir(parents=True)
    if case == "damaged":
        apt.headers.write_text("!<arch>\nrubbish")
    actions = {"empty": "", "version": image + headers, "no-headers": image, "no-kernel": headers,
               "removal": apt.line(f"linux-image-{NEW}", "**REMOVE**", direction=">") + headers,
               "fields": image.strip() + " more\n" + headers, "strange-name": image.replace("linux-image-", "linux-image-$(id)") + headers,
               "strange-file": image + headers.replace("/linux-headers", "/;id;linux-headers"),
               "no-file": image + apt.line(f"linux-headers-{NEW}", "/none.deb"), "no-modules": image + headers,
               "damaged": image + headers}[case]
    result = apt.hook(actions, version=2 if case == "version" else 3)
    assert result.returncode == 0, result
    if case not in ("no-modules", "damaged"):
        assert not apt.calls.exists(), apt.calls.read_text()
    elif case == "damaged":
        assert "Warning: " in result.stderr and "linux-headers" in result.stderr, result
    assert not (apt.tree / f"bad/1.0/{NEW}/{ARCH}").exists()


def test_apt_headers_first(apt):
    """unattended-upgrades installs headers before the kernel. Headers that several kernels share belong to none."""
    module(apt, "bad", "BROKEN")
    apt.framework("forecast=abort\nforecast_unattended=abort\n")
    headers = apt.line(f"linux-headers-{NEW}", apt.headers)
    result = apt.hook(headers, name="unattended-upgrade")
    assert result.returncode == 1 and "bad/1.0  FAILS" in result.stdout, result
    apt.calls.unlink()
    result = apt.hook(headers.replace(" amd64 none /", " all none /"))
    assert result.returncode == 0 and not apt.calls.exists(), result


# ---- pacman and dnf, which tests/packages runs for real ----

def fill(text, **places):
    for place, path in places.items():
        text = text.replace(f"@{place}@", str(path))
    return text


@pytest.fixture
def runner(tmp_path):
    """A program in place of forecast-run, which prints its arguments and ends with the status in the file status."""
    run = tmp_path / "forecast-run"
    run.write_text(f'#!/bin/sh\necho "$*"\nexit $(cat {tmp_path}/status)\n')
    run.chmod(0o755)
    (tmp_path / "status").write_text("0")
    return tmp_path


@pytest.mark.parametrize("case", ["new", "installed", "another", "no-package", "strange", "signature"])
def test_pacman_hook(runner, case):
    """The package that contains the makefile is found in the cache, and its status decides."""
    cache, fake, modules = runner / "cache", runner / "bin", runner / "modules"
    for directory in (cache, fake, modules):
        directory.mkdir()
    (fake / "pacman-conf").write_text(f"#!/bin/sh\necho {cache}/\necho {cache}-none/\n")
    (fake / "bsdtar").write_text('#!/bin/sh\nexec tar -xOf "$2" "$3"\n') # in place of that of libarchive
    for name in ("pacman-conf", "bsdtar"):
        (fake / name).chmod(0o755)
    path = "usr/lib/modules/6.12.2-arch1-1/build/Makefile"
    make_pacman(cache / "linux-lts-headers-6.6.63-1-x86_64.pkg.tar.gz", {"usr/lib/modules/6.6.63-1-lts/build/Makefile": "x"})
    wanted = make_pacman(cache / "linux-headers-6.12.2.arch1-1-x86_64.pkg.tar.gz", {path: "x"})
    if case == "installed":
        (modules / "6.12.2-arch1-1/build").mkdir(parents=True)
        (modules / "6.12.2-arch1-1/build/Makefile").touch()
    elif case == "no-package":
        wanted.unlink()
    elif case == "signature":
        wanted.rename(f"{wanted}.sig")
    lines = {"another": "usr/lib/modules/6.1.1-x/build/Makefile\n", "strange": "usr/lib/modules/--x;id/build/Makefile\n"}.get(case, path + "\n")
    script = runner / "hook"
    script.write_text(fill((DATA / "pacman/dkms-forecast-hook.in").read_text(), libdir=runner, moddir=modules))
    for status in (0, 1):
        (runner / "status").write_text(str(status))
        result = subprocess.run(["sh", script], input=lines, capture_output=True, text=True, check=False,
                                env={**os.environ, "PATH": f"{fake}:{os.environ['PATH']}"})
        tried = case == "new"
        assert result.returncode == (status if tried else 0) and not result.stderr, result
        assert result.stdout == (f"6.12.2-arch1-1 -- {wanted}\n" if tried else ""), result


def test_pacman_hook_file():
    """Only this hook can end a transaction."""
    for path in (DATA / "pacman").glob("*.hook.in"):
        text = path.read_text()
        assert ("AbortOnFail" in text) == (path.name == "60-dkms-forecast.hook.in")
    text = (DATA / "pacman/60-dkms-forecast.hook.in").read_text()
    assert "When = PreTransaction" in text and "NeedsTargets" in text and "Operation = Remove" not in text


def test_dnf_plugin(runner):
    """Kernels with headers in the transaction are tried; others, and other roots, are not."""
    plugin = runner / "dkms_forecast.py"
    plugin.write_text(fill((DATA / "dnf/dkms_forecast.py.in").read_text(), libdir=runner))
    (runner / "dnf.py").write_text("import types\nclass Plugin:\n    pass\nexceptions = types.SimpleNamespace(Error=type('Error', (Exception,), {}))\n")
    (runner / "try.py").write_text("""
import sys, types
import dnf, dkms_forecast
def package(name, path, version="6.8.9", release="300.fc40"):
    return types.SimpleNamespace(name=name, version=version, release=release, arch="x86_64", localPkg=lambda: path)
plugin = dkms_forecast.DkmsForecast()
def run(*packages, root="/"):
    plugin.base = types.SimpleNamespace(conf=types.SimpleNamespace(installroot=root), transaction=types.SimpleNamespace(install_set=packages))
    try:
        plugin.pre_transaction()
    except dnf.exceptions.Error as error:
        print(error, flush=True)
file = __file__
run(package("kernel-core", "/none"), package("kernel-devel", file), package("bash", "/none"))
run(package("kernel-rt-core", "/none"), package("kernel-rt-devel", file), package("kernel-devel-matched", file))
run(package("kernel-core", "/none"), package("kernel-devel", file, release="301.fc40"))
run(package("kernel-core", "/none"))
run(package("kernel-core", "/none"), package("kernel-devel", "/none/file"))
run(package("kernel-core", "/none"), package("kernel-devel", file), root="/mnt")
""")

    def output():
        return subprocess.run(["/usr/bin/python3", runner / "try.py"], capture_output=True, text=True, check=True, cwd=runner).stdout.splitlines()
    tried = [f"6.8.9-300.fc40.x86_64 -- {runner}/try.py", f"6.8.9-300.fc40.x86_64+rt -- {runner}/try.py"]
    assert output() == tried
    (runner / "status").write_text("1")
    lines = output()
    assert lines[::2] == tried and all("forecast=abort" in line for line in lines[1::2])
