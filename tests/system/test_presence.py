"""Files that say elsewhere what the last check of the next boot found: units, motd, apt, needrestart, molly-guard, pacman, cron."""
import configparser
import os
import pathlib
import shutil
import subprocess

import pytest

DATA = pathlib.Path(__file__).resolve().parents[2] / "data"
VERIFY = DATA / "verify"
BLOCK = "Next boot: 6.1 (GRUB, Debian)\nfoo/1.0  PROBLEM: it is gone\n"


class Fake:
    """A dkms that gives a certain answer and notes its arguments."""

    def __init__(self, place):
        self.place = place
        for directory in ("sbin", "lib"):
            (place / directory).mkdir()

    def says(self, status, text):
        program = self.place / "sbin/dkms"
        (self.place / "text").write_text(text)
        program.write_text(f'#!/bin/sh\necho "$@" >> {self.place}/calls\ncat {self.place}/text\necho noise >&2\nexit {status}\n')
        program.chmod(0o755)

    def calls(self):
        file = self.place / "calls"
        return file.read_text().splitlines() if file.exists() else []

    def file(self, name, to=None):
        text = (DATA / name).read_text()
        for word, path in {"@sbindir@": "sbin", "@libdir@": "lib"}.items():
            text = text.replace(word, str(self.place / path))
        assert "@" not in text.replace("@DKMS", ""), text
        made = self.place / (to or pathlib.Path(name).name.removesuffix(".in"))
        made.write_text(text)
        made.chmod(0o755)
        return made


@pytest.fixture
def fake(tmp_path):
    return Fake(tmp_path)


def run(*command, **keywords):
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, **keywords)


def test_motd(fake):
    script, file = fake.file("verify/dkms-motd.in"), fake.place / "motd.d/60-dkms"
    for status, text, said in (0, "", None), (30, BLOCK, BLOCK + "\n"), (30, BLOCK, BLOCK + "\n"), (31, "", None), (31, "", None):
        fake.says(status, text)
        result = run(script, file)
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
        assert (file.read_text() if file.exists() else None) == said
        assert not file.exists() or list(file.parent.iterdir()) == [file]
    assert set(fake.calls()) == {"verify --last --quiet-if-ok"}


@pytest.mark.parametrize("command, status, stops", [("reboot", 30, True), ("shutdown", 30, True), ("poweroff", 30, False), ("reboot", 0, False),
                                                    ("reboot", 31, False)])
def test_molly_guard(fake, command, status, stops):
    """It asks on a terminal only. Elsewhere it says why, and lets the restart happen."""
    fake.says(status, BLOCK)
    script = fake.file("verify/molly-guard.in")
    result = run(script, env=dict(os.environ, MOLLYGUARD_CMD=command))
    assert result.returncode == 0 and (BLOCK in result.stderr) == stops, result
    for reply, expected in (b"\n", 1), (b"y\n", 0):
        master, slave = os.openpty()
        os.write(master, reply)
        asked = subprocess.run([script], stdin=slave, capture_output=True, text=True, check=False, env=dict(os.environ, MOLLYGUARD_CMD=command))
        os.close(master)
        os.close(slave)
        assert asked.returncode == (expected if stops else 0) and ("Restart anyway?" in asked.stderr) == stops, asked


def test_molly_guard_after_the_package_is_gone(fake):
    assert run(fake.file("verify/molly-guard.in")).returncode == 0


@pytest.mark.parametrize("status, said", [(30, True), (0, False), (31, False)])
def test_needrestart(fake, status, said):
    """needrestart evaluates the file as Perl, and warns unless its value is true."""
    fake.says(status, BLOCK)
    result = run("perl", "-we", "my $file = shift; do $file or die qq($file: $@)", fake.file("verify/needrestart.conf.in"))
    assert result.returncode == 0 and (BLOCK in result.stderr) == said and result.stdout == "", result


def test_after_upgrade(fake):
    """An upgrade never fails because of it."""
    fake.file("verify/dkms-after-upgrade.in", "lib/dkms-after-upgrade")
    fake.says(1, BLOCK)
    result = run(fake.place / "lib/dkms-after-upgrade")
    assert result.returncode == 0 and result.stdout == BLOCK and fake.calls()[0] == "verify --after-upgrade"
    conf = fake.file("verify/apt.conf.in")
    if shutil.which("apt-config"):
        (line,) = [word for word in run("apt-config", "-c", conf, "dump", "--format", "%v%n", "DPkg::Post-Invoke").stdout.splitlines() if "dkms" in word]
        assert run("sh", "-c", line).stdout == BLOCK
        (fake.place / "lib/dkms-after-upgrade").unlink()
        assert run("sh", "-ec", line).returncode == 0, "a configuration file stays when the package is removed"


def test_cron(fake):
    script = fake.file("verify/cron.daily.in")
    for status, expected in (0, 0), (30, 1), (31, 0):
        fake.says(status, BLOCK if status == 30 else "")
        assert run(script).returncode == expected


def test_pacman_hook(fake):
    hook = configparser.ConfigParser(strict=False, interpolation=None, allow_no_value=True)
    hook.optionxform = str
    hook.read_string(fake.file("pacman/90-dkms-verify.hook.in").read_text())
    assert hook["Action"]["When"] == "PostTransaction" and hook["Action"]["Exec"].endswith("/dkms-after-upgrade")


def test_units(fake):
    """systemd accepts them, and knows each setting."""
    if not shutil.which("systemd-analyze") and shutil.which("openrc-run"):
        pytest.skip("this machine does not use systemd")
    fake.says(0, "")
    fake.file("verify/dkms-motd.in", "lib/dkms-motd")
    units = fake.place / "units"
    units.mkdir()
    for file in (*VERIFY.glob("dkms-verify*"), *(VERIFY.parent / "forecast").iterdir()):
        text = fake.file(f"{file.parent.name}/{file.name}").read_text() if "@moddir@" not in file.read_text() else None
        name = file.name.removesuffix(".in")
        (units / name).write_text(text or file.read_text().replace("@moddir@", "/usr/lib/modules"))
    assert {path.name for path in units.iterdir()} == {f"dkms-verify{end}" for end in (".service", ".timer", ".path", "-later.timer")} | {"dkms-forecast.service", "dkms-forecast.timer"}
    result = run("systemd-analyze", "verify", "--man=no", *sorted(units.iterdir()))
    assert result.returncode == 0 and str(units) not in result.stderr, result.stderr
    service = (units / "dkms-verify.service").read_text()
    assert "verify --quiet-if-ok\n" in service and "SuccessExitStatus=31\n" in service
