"""Hooks of package managers that try new kernels before they are installed."""
import os
import pathlib
import subprocess

import pytest

from conftest import ARCH, DKMS
from test_forecast import PICKY_MAKEFILE, digest, make_deb, module
from test_offers import NEW, HostRoot

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "data/hooks/forecast-apt.in"


@pytest.fixture
def apt(tmp_path):
    """A system, and the hook of apt with what apt gives it."""
    host = HostRoot(tmp_path / "root")
    script = tmp_path / "forecast-apt"
    (tmp_path / "sbin").mkdir()
    (tmp_path / "sbin/dkms").write_text(f'#!/bin/sh\necho "$*" >> {host.calls}\nexec {DKMS} "$@"\n')
    (tmp_path / "sbin/dkms").chmod(0o755)
    script.write_text(SCRIPT.read_text().replace("@sbindir@", str(tmp_path / "sbin")))
    script.chmod(0o755)
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

    def run(actions, version=3, name="sh"):
        text = f"VERSION {version}\nAPT::Architecture=amd64\nDir::Etc=etc%2fapt/\n\n{actions}"
        command = [*host.command()[:-1], "python3", "-c", "import os,subprocess,sys; sys.exit(subprocess.run(sys.argv[1:]).returncode)"]
        if name != "sh":
            caller = tmp_path / name
            caller.write_text('#!/bin/sh\n"$@"\nexit $?\n')
            caller.chmod(0o755)
            command = [*host.command()[:-1], str(caller)]
        return subprocess.run([*command, str(script)], input=text, capture_output=True, text=True, check=False, timeout=120,
                              env={**os.environ, "LC_ALL": "C"})
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
    apt.framework("forecast=abort\nforecast_unattended=abort\n")
    assert apt.hook(apt.usual, name="unattended-upgrade").returncode == 1


@pytest.mark.parametrize("case", ["empty", "version", "no-headers", "no-kernel", "removal", "fields", "strange-name", "strange-file", "no-file",
                                  "no-modules", "damaged"])
def test_apt_lines(apt, case):
    """What does not concern kernels with headers, or is not understood, never stops apt and starts nothing."""
    apt.framework("forecast=abort\nforecast_unattended=abort\n")
    image, headers = apt.line(f"linux-image-{NEW}", apt.image), apt.line(f"linux-headers-{NEW}", apt.headers)
    if case != "no-modules":
        module(apt, "bad", "BROKEN")
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
