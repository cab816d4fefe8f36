"""Kernels from Debian packages, and roots in which the real dkms builds, signs and installs a module for them."""
import os
import pathlib
import re
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "standin"))

import standin  # noqa: E402

DKMS = os.environ.get("DKMS", str(pathlib.Path(__file__).resolve().parents[2] / "build/src/dkms"))
EXAMPLE = pathlib.Path(__file__).resolve().parents[2] / "examples/hello"


def run(*command, **options):
    process = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert process.returncode == 0, f"{command}\n{process.stdout}\n{process.stderr}"
    return process.stdout


def headers(pattern):
    found = sorted(p.parents[2] for p in pathlib.Path("/usr/src").glob("linux-headers-*/include/config/auto.conf"))
    found = [p for p in found if re.search(pattern, p.name)]
    assert found, f"no kernel headers like {pattern} here; scripts/install-deps demo boot installs them"
    return found[-1].name.removeprefix("linux-headers-")


class Stage:
    """A kernel with its image and unpacked modules, and roots in which dkms installs modules for it."""

    def __init__(self, lab, release):
        self.lab, self.release = lab / release, release
        self.lab.mkdir()
        lab.chmod(0o755)
        self.lab.chmod(0o777)
        run("apt-get", "download", "-qq", f"linux-image-{release}", cwd=self.lab)
        package = next(self.lab.glob("*.deb"))
        run("dpkg-deb", "-x", package, self.lab / "image")
        self.vmlinuz = next((self.lab / "image/boot").glob("vmlinuz-*"))
        self.modules = self.lab / "image/lib/modules" / release

    def root(self, name, suffix, settings="", pair=None, files=None, prefix=()):
        """Installs hello into a new root whose kernel uses modules with @suffix. It is signed with the key pair that dkms
        creates, or with @pair (key, certificate). @files: name in /etc/dkms -> text; @prefix: of the command. Returns: the root"""
        root = self.lab / name
        kernel = root / "lib/modules" / self.release
        (kernel / "kernel/lib").mkdir(parents=True)
        (root / "etc/dkms").mkdir(parents=True)
        (root / "etc/os-release").write_text("ID=debian\n")
        (root / "etc/dkms/framework.conf").write_text(f"try_sign_modules=true\n{settings}\n")
        for file, text in (files or {}).items():
            (root / "etc/dkms" / file).write_text(text)
            (root / "etc/dkms" / file).chmod(0o600)
        if pair is not None:
            (root / "var/lib/dkms").mkdir(parents=True)
            shutil.copy(pair[0], root / "var/lib/dkms/mok.key")
            shutil.copy(pair[1], root / "var/lib/dkms/mok.pub")
        (kernel / "build").symlink_to(f"/usr/src/linux-headers-{self.release}")
        for file in ("modules.builtin", "modules.order"):
            shutil.copy(self.modules / file, kernel)
        own = next((self.modules / "kernel/lib").glob("crc-itu-t.ko*"))
        plain = kernel / "kernel/lib/crc-itu-t.ko"
        plain.write_bytes(subprocess.run({".xz": ["xz", "-dc"]}.get(own.suffix, ["cat"]), stdin=open(own, "rb"), capture_output=True,
                                         check=True).stdout)
        if suffix:
            run(*{".xz": ["xz", "--check=crc32"], ".gz": ["gzip", "-n"], ".zst": ["zstd", "-q", "--rm"]}[suffix], plain)
        run("depmod", "-b", root, self.release) # like the package of the kernel
        run(*prefix, DKMS, "--root", root, "install", EXAMPLE, "-k", self.release)
        assert f"{self.release}, {os.uname().machine}: installed" in run(DKMS, "--root", root, "status", "hello/1.0")
        return root

    def add_standin(self, root):
        """Installs the stand-in packages for ZFS into a root. Returns: the cases that load their modules"""
        standin.link_source(root / "lib/modules" / self.release)
        environment = dict(os.environ, **standin.put(root, DKMS))
        for name in standin.PACKAGES:
            run(DKMS, "--root", root, "install", f"{name}/1.0", "-k", self.release, env=environment)
        return [(name, "modprobe", f"/{root.name}", name) for name in standin.MODULES]

    def module(self, root):
        found = list((root / "lib/modules" / self.release / "updates").rglob("hello.ko*"))
        assert len(found) == 1
        return found[0]


def make_key(lab, name, *algorithm):
    key, pem, certificate = lab / f"{name}.key", lab / f"{name}.pem", lab / f"{name}.der"
    run("openssl", "req", "-new", "-x509", "-newkey", *algorithm, "-nodes", "-sha256", "-days", "3650", "-subj", f"/CN={name}",
        "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", key, "-out", pem)
    run("openssl", "x509", "-in", pem, "-outform", "DER", "-out", certificate)
    return key, certificate
