"""Programs that distributions call: the pacman hook, the apport hook, the service."""
import configparser
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from conftest import DKMS, K1, K2, strace

DATA = pathlib.Path(__file__).resolve().parents[2] / "data"


# ---- pacman ----

@pytest.fixture
def pacman(root, tmp_path):
    """Runs the hook like pacman, for the root. Returns a function with the verb and the touched paths as parameters."""
    places = {"@sbindir@/dkms": f"{tmp_path}/dkms", "@moddir@": str(root.modules), 'sources=/usr/src': f'sources={root.src}',
              "      depmod ": "      echo depmod-for "}
    text = (DATA / "pacman/dkms-hook.in").read_text()
    for old, new in places.items():
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "dkms").write_text(f'#!/bin/sh\necho "dkms $*" >&2\nexec {DKMS} --root {root.path} "$@"\n')
    (tmp_path / "dkms").chmod(0o755)
    (tmp_path / "hook").write_text(text)

    def call(verb, *paths):
        process = subprocess.run(["bash", tmp_path / "hook", verb], input="".join(f"{p}\n" for p in paths), capture_output=True, text=True,
                                 check=True)
        return process.stdout, re.findall(r"^dkms (\w+)", process.stderr, re.M)
    return call


def test_pacman_installs_modules_and_kernels_in_one_run(root, pacman):
    root.source("foo", "1.0")
    root.source("two-words", "2.0")
    _, verbs = pacman("finish", "usr/src/foo-1.0/dkms.conf", "usr/src/two-words-2.0/dkms.conf", f"usr/lib/modules/{K1}/vmlinuz")
    assert verbs.count("autoinstall") == 1 and "install" not in verbs
    status = root.ok("status").out
    for name in ("foo/1.0", "two-words/2.0"):
        for kernel in (K1, K2):
            assert re.search(rf"^{name}, {kernel}, \S+: installed$", status, re.M), status


def test_pacman_installs_what_has_no_autoinstall(root, pacman):
    root.source("foo", "1.0", conf='PACKAGE_NAME=foo\nPACKAGE_VERSION=1.0\nBUILT_MODULE_NAME=foo\nDEST_MODULE_LOCATION=/updates\nSTRIP=no\n')
    pacman("finish", "usr/src/foo-1.0/dkms.conf")
    assert root.ok("status").out.count(": installed") == 2


def test_pacman_takes_away_what_goes(root, pacman):
    for name in ("foo", "bar"):
        root.source(name, "1.0")
        root.ok("install", f"{name}/1.0", "-k", K1, "-k", K2)
    out, _ = pacman("prepare", "usr/src/foo-1.0/dkms.conf", f"usr/lib/modules/{K2}/vmlinuz")
    assert root.ok("status").out == f"bar/1.0, {K1}, {os.uname().machine}: installed\n"
    # The remaining kernel has lost a module. The removed kernel needs no index.
    assert re.findall(r"depmod-for (\S+)", out) == [K1]


def test_pacman_failure_ends_well(root, pacman):
    root.source("foo", "1.0", extra='MAKE="false"\n')
    pacman("finish", "usr/src/foo-1.0/dkms.conf")
    assert root.ok("status").out == "foo/1.0: added\n"


# ---- apport ----

STUB = """
import io, contextlib
class Packaging:
    def get_file_package(self, path): return {"/usr/src/foo-1.0": "foo-dkms", "/usr/src/nosource-1.0": "nosource"}.get(path)
    def is_distro_package(self, name):
        if name != "linux-headers-6.1": raise ValueError(name)
        return True
    def get_source(self, name):
        if name == "nosource": raise ValueError(name)
        return "foo"
    def get_version(self, name): return "1.0-1"
packaging = Packaging()
class Report(dict):
    def __init__(self, kind): self["ProblemType"] = kind
    def write(self, file): file.write(repr(dict(self)).encode())
def fatal(*words): raise SystemExit(9)
"""
FILEUTILS = """
import os
def make_report_file(report): return open(os.environ["REPORT"], "xb")
"""


@pytest.mark.parametrize("arguments, log, status", [
    ("-m foo -v 1.0 -k 6.1", "a.c:1: error: no\nb.c:2: error: neither\n", 0), ("-m foo -v 1.0", None, 0), ("-m foo", None, 2), ("", None, 2),
    ("-m other -v 1.0", None, 1), ("-m foo -v 1.0 -k 7.0-own", None, 1), ("-m nosource -v 1.0", None, 3),
    ("-m foo -v 1.0 --cause api-removed --name strlcpy --text it_is_gone", "a.c:1: error: no\n", 0),
    ("-m foo -v 1.0 --cause unknown --name= --text=", "a.c:1: error: no\n", 0),
    ("-m foo -v 1.0", "cc1: Segmentation fault\n", 1)])
def test_apport_hook(tmp_path, arguments, log, status):
    (tmp_path / "apport").mkdir()
    (tmp_path / "apport/__init__.py").write_text(STUB)
    (tmp_path / "apport/fileutils.py").write_text(FILEUTILS)
    hook = (DATA / "apport/dkms_packages.py").read_text().replace('"/var/lib/dkms"', f'"{tmp_path}/tree"')
    (tmp_path / "hook.py").write_text(hook)
    if log is not None:
        (tmp_path / "tree/foo/1.0/build").mkdir(parents=True)
        (tmp_path / "tree/foo/1.0/build/make.log").write_text(log)
    process = subprocess.run([sys.executable, tmp_path / "hook.py", *arguments.split()], capture_output=True, text=True, check=False,
                             env=dict(os.environ, PYTHONPATH=str(tmp_path), REPORT=str(tmp_path / "report")))
    assert process.returncode == status, process.stderr
    assert (process.stderr == "") == (status == 0) and len(process.stderr.splitlines()) <= 1
    assert (tmp_path / "report").exists() == (status == 0)
    if status == 0:
        report = eval((tmp_path / "report").read_text())
        assert report["Package"] == "foo-dkms 1.0-1" and report["SourcePackage"] == "foo"
        known = "api-removed" in arguments
        assert report["Title"] == ("it_is_gone" if known else "foo-dkms 1.0-1: foo kernel module failed to build")
        assert report.get("DuplicateSignature") == ("dkms:foo-dkms:1.0-1:api-removed:strlcpy" if known else
                                                    "dkms:foo-dkms:1.0-1:a.c:1: error: no" if log else None)
        assert report.get("DKMSBuildLog") == log


# ---- services ----

def test_unit():
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str
    unit.read_string((DATA / "dkms.service.in").read_text())
    assert unit["Service"]["ExecStart"] == "@sbindir@/dkms autoinstall --kernelver %v"
    assert unit["Unit"]["Before"] == "graphical.target" and unit["Install"]["WantedBy"] == "multi-user.target"


# The units of a cloud machine that matter for the order: the network is configured before sysinit.target.
CLOUD = {
    "shutdown.target": "[Unit]\nDefaultDependencies=no\n",
    "local-fs.target": "[Unit]\nDefaultDependencies=no\n",
    "sysinit.target": "[Unit]\nDefaultDependencies=no\nWants=local-fs.target\nAfter=local-fs.target\n",
    "basic.target": "[Unit]\nRequires=sysinit.target\nAfter=sysinit.target\n",
    "network-pre.target": "[Unit]\n",
    "network.target": "[Unit]\n",
    "network-online.target": "[Unit]\nAfter=network.target\n",
    "multi-user.target": "[Unit]\nRequires=basic.target\nAfter=basic.target\nWants=dkms.service networkd.service cloud-init.target sshd.service\n",
    "graphical.target": "[Unit]\nRequires=multi-user.target\nAfter=multi-user.target\n",
    "networkd.service": "[Unit]\nDefaultDependencies=no\nAfter=network-pre.target\nBefore=network.target multi-user.target\nWants=network.target\n",
    "networkd-wait-online.service": "[Unit]\nDefaultDependencies=no\nRequires=networkd.service\nAfter=networkd.service\nBefore=network-online.target\n",
    "cloud-init.target": "[Unit]\nAfter=multi-user.target\nWants=cloud-init-local.service cloud-init-network.service cloud-final.service\n",
    "cloud-init-local.service": "[Unit]\nDefaultDependencies=no\nWants=network-pre.target\nBefore=network-pre.target sysinit.target shutdown.target\n",
    "cloud-init-network.service": "[Unit]\nDefaultDependencies=no\nWants=cloud-init-local.service networkd-wait-online.service\n"
                                  "After=cloud-init-local.service networkd-wait-online.service\n"
                                  "Before=network-online.target sshd.service sysinit.target shutdown.target\n",
    "cloud-final.service": "[Unit]\nAfter=network-online.target cloud-init-network.service multi-user.target\nBefore=cloud-init.target\n"
                           "Wants=network-online.target\n",
    "sshd.service": "[Unit]\nAfter=network.target\n",
}


@pytest.mark.parametrize("early", [False, True])
def test_unit_closes_no_circle(tmp_path, early):
    """With the order of earlier versions there is a cycle: systemd reports it, and removes a service from the boot."""
    if not shutil.which("systemd-analyze") and shutil.which("openrc-run"):
        pytest.skip("this machine does not use systemd")
    for name, text in CLOUD.items():
        service = "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n" if name.endswith(".service") else ""
        (tmp_path / name).write_text(text + service)
    text = (DATA / "dkms.service.in").read_text().replace("@sbindir@/dkms", "/bin/true")
    (tmp_path / "dkms.service").write_text(text.replace("Before=", "Before=network-pre.target ") if early else text)
    checked = subprocess.run(["systemd-analyze", "verify", "--man=no", "graphical.target"], capture_output=True, text=True, check=False,
                             env=dict(os.environ, SYSTEMD_UNIT_PATH=str(tmp_path)))
    assert "Unknown" not in checked.stderr, checked.stderr
    assert ("ordering cycle" in checked.stderr) == early, checked.stderr


def test_nothing_to_do_prints_nothing_and_is_fast(root):
    for name in ("foo", "bar", "baz"):
        root.source(name, "1.0")
        root.ok("install", f"{name}/1.0", "-k", K1)
    assert root.ok("autoinstall", "--kernelver", K1).err == ""
    # The check starts no process and needs few system calls.
    trace = strace("-c", *root.command(), "autoinstall", "--kernelver", K1, check=True)
    calls = {line.split()[-1]: int(line.split()[3]) for line in trace.stderr.splitlines() if re.match(r" *[\d.]+ +[\d.]+ +\d+ +\d+ ", line)}
    assert trace.stdout == "" and calls["execve"] == 1 and not {"clone", "clone3", "fork", "vfork"} & set(calls), calls
    assert calls["total"] < 2000, calls


def test_openrc_service_is_shell():
    subprocess.run(["sh", "-n", DATA / "openrc/dkms.in"], check=True)
    text = (DATA / "openrc/dkms.in").read_text()
    assert "depend ()" in text and "autoinstall" in text
