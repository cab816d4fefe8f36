"""The root of the crash tier with real modules, the checks of its state, and functions that interrupt dkms."""
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "system"), str(HERE.parent / "lib")]

from conftest import ARCH, DKMS, K1, K2, Root  # noqa: E402
from depmods import indexes  # noqa: E402

KERNEL_MAKEFILE = """\
# A build directory of a kernel, in which make copies prepared modules.
all:
\t@for f in $(M)/*.ko.in; do cp $$f $${f%.in} || exit 1; done
"""
MODULE = """\
#include <linux/module.h>
MODULE_LICENSE("GPL");
MODULE_VERSION("%s");
static int __init start (void) { return 0; }
static void __exit stop (void) { }
module_init (start);
module_exit (stop);
"""


def build_modules(directory):
    """foo and bar in several versions, compiled for a real kernel, so that depmod and modinfo can read them."""
    headers = sorted(pathlib.Path("/usr/src").glob("linux-headers-*/include/config/auto.conf"))
    assert headers, "no kernel headers in /usr/src; scripts/install-deps demo installs them"
    for name, version in (("foo", "0.9"), ("foo", "1.0"), ("foo", "2.0"), ("bar", "1.0")):
        work = directory / f"{name}-{version}"
        work.mkdir(parents=True)
        (work / f"{name}.c").write_text(MODULE % version)
        (work / "Makefile").write_text(f"obj-m := {name}.o\n")
        subprocess.run(["make", "-s", "-C", headers[0].parents[2], f"M={work}"], check=True, capture_output=True)
        subprocess.run(["strip", "-g", work / f"{name}.ko"], check=True)


def build_point(directory):
    program = directory / "point"
    subprocess.run(["cc", "-O1", "-o", program, HERE / "point.c"], check=True)
    return program


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def unsigned(path):
    """The digest of a module without its signature."""
    data, magic = path.read_bytes(), b"~Module signature appended~\n"
    if data.endswith(magic):
        end = len(data) - len(magic) - 12
        data = data[:end - int.from_bytes(data[end + 8:end + 12], "big")]
    return hashlib.sha256(data).hexdigest()


class Lab(Root):
    """Two kernels, each with an original module foo; sources of foo 1.0, foo 2.0 and of bar 1.0, which depends on foo."""

    def __init__(self, path, modules):
        super().__init__(path)
        self.kos = modules
        self.original = digest(modules / "foo-0.9/foo.ko")
        for kernel in (K1, K2):
            place = self.modules / kernel / "kernel/drivers"
            place.mkdir(parents=True)
            shutil.copy(modules / "foo-0.9/foo.ko", place / "foo.ko")
            (self.modules / kernel / "build/Makefile").write_text(KERNEL_MAKEFILE)
            for name in ("modules.order", "modules.builtin"):
                (self.modules / kernel / name).write_text("")
            subprocess.run(["depmod", "-b", path, "-a", kernel], check=True, capture_output=True)
        self.package("foo", "1.0")
        self.package("foo", "2.0")
        self.package("bar", "1.0", "BUILD_DEPENDS=foo\n")

    def package(self, name, version, extra=""):
        directory = self.source(name, version, extra=extra, files={"README": f"{name} {version}\n"})
        shutil.copy(self.kos / f"{name}-{version}/{name}.ko", directory / f"{name}.ko.in")
        return directory

    def administer(self):
        """Settings of an administrator: each installation of foo creates a file."""
        script = self.path / "etc/dkms/foo/mark.sh"
        script.parent.mkdir()
        script.write_text("#!/bin/bash\n: >\"${0%/etc/dkms/*}/var/mark-$kernelver\"\n")
        script.chmod(0o755)
        (self.path / "etc/dkms/foo.conf").write_text("POST_INSTALL=mark.sh\n")
        self.framework("modprobe_on_install=\n")

    def sign(self):
        """Modules for K1 are signed."""
        self.framework("try_sign_modules=true\n")
        (self.modules / K1 / "build/include/config/auto.conf").write_text('CONFIG_MODULES=y\nCONFIG_MODULE_SIG_HASH="sha256"\n')
        self.keys()

    def change_key(self):
        for name in ("mok.key", "mok.pub"):
            (self.tree / name).unlink()
        subprocess.run([pathlib.Path(DKMS).resolve().parent / "helpers/dkms-sign", "generate", self.tree / "mok.key", self.tree / "mok.pub"], check=True)

    def settings(self):
        file = self.path / "etc/dkms/framework.conf"
        return file.read_text() if file.exists() else ""

    # ---- facts ----

    def facts(self):
        """The registered, built and active versions, read from the disk."""
        found = set()
        for version in sorted(self.tree.glob("[!.]*/[!.]*")):
            name = version.parent.name
            if version.name.startswith(("kernel-", "original_module")) or not version.is_dir():
                continue
            found.add(("added", name, version.name))
            for module in version.glob("*/*/module"):
                found.add(("built", name, version.name, module.parents[1].name))
        for link in self.tree.glob("*/kernel-*"):
            version, kernel, _ = os.readlink(link).split("/")
            found.add(("active", link.parent.name, version, kernel))
        for mark in self.path.glob("var/mark-*"):
            found.add(("marked", "", "", mark.name))
        return found

    def problems(self, before, after, others=frozenset()):
        """The problems of the root. @before and @after are the facts before and after the interrupted change; @others are facts
        that another command may have added."""
        wrong = []
        facts = self.facts()
        for fact in facts - before - after - others:
            wrong.append(f"neither old nor new: {fact}")
        for fact in (before & after) - facts:
            wrong.append(f"lost: {fact}")
        active = {(f[1], f[3]): f[2] for f in facts if f[0] == "active"}
        if len(active) != sum(f[0] == "active" for f in facts):
            wrong.append("two versions active at once")
        for (name, kernel), version in active.items():
            if ("built", name, version, kernel) not in facts:
                wrong.append(f"active without a build: {name}/{version} {kernel}")
        # During an upgrade the kernel always has the old or the new module.
        for fact in before:
            if fact[0] == "active" and any(f[0] == "active" and f[1] == fact[1] and f[3] == fact[3] for f in after) \
                    and (fact[1], fact[3]) not in active:
                wrong.append(f"no {fact[1]} for {fact[3]} although it was there and will be")
        for fact in facts:
            if fact[0] == "built":
                wrong += self.problems_of_build(*fact[1:])
            if fact[0] == "added" and not (self.tree / fact[1] / fact[2] / "source").is_symlink():
                wrong.append(f"{fact[1]}/{fact[2]} without its source link")
        for kernel in (K1, K2):
            wrong += self.problems_of_kernel(kernel, active)
        for archive in self.tree.glob("*/*/tarball/*"):
            if subprocess.run(["tar", "-tf", archive], capture_output=True, check=False).returncode != 0:
                wrong.append(f"{archive} is not a complete archive")
        return wrong + self.left_overs()

    def problems_of_build(self, name, version, kernel):
        base = self.tree / name / version / kernel / ARCH
        expected = digest(self.kos / f"{name}-{version}/{name}.ko")
        module = base / f"module/{name}.ko"
        wrong = [] if module.is_file() and unsigned(module) == expected else [f"{module} is not what was built"]
        return wrong + [f"{base / part} is missing" for part in ("log/make.log", ".record.json", ".recipe.json") if not (base / part).is_file()]

    def problems_of_kernel(self, kernel, active):
        wrong = []
        directory = self.modules / kernel
        archive = self.tree / f"foo/original_module/{kernel}/{ARCH}/foo.ko"
        place = directory / "kernel/drivers/foo.ko"
        originals = [path for path in (archive, place) if path.is_file() and digest(path) == self.original]
        if originals != [archive if ("foo", kernel) in active else place]:
            wrong.append(f"the original foo of {kernel} is in {originals}")
        for name in ("foo", "bar"):
            installed = directory / f"updates/dkms/{name}.ko"
            version = active.get((name, kernel))
            if version is None and installed.exists():
                wrong.append(f"{installed} is nobody's")
            if version is not None and not (installed.is_file() and unsigned(installed) == digest(self.kos / f"{name}-{version}/{name}.ko")):
                wrong.append(f"{installed} is not {name} {version}")
            elif version is not None and digest(installed) != digest(self.tree / name / version / kernel / ARCH / f"module/{name}.ko"):
                wrong.append(f"{installed} has another signature than its build")
        there = {str(p.relative_to(directory)) for p in directory.rglob("*.ko")}
        index = directory / "modules.dep"
        listed = {line.split(":")[0] for line in index.read_text().splitlines()} if index.exists() else {"nothing: it is gone"}
        if there != listed:
            wrong.append(f"modules.dep of {kernel} lists {sorted(listed)}, there is {sorted(there)}")
        if "depmod_stubs=yes" in self.settings():
            wrong += self.problems_of_indexes(kernel)
        return wrong

    def problems_of_indexes(self, kernel):
        """All indexes, compared with those that depmod writes."""
        found = indexes(self.modules / kernel)
        subprocess.run(["depmod", "-b", self.path, "-a", kernel], check=True, capture_output=True)
        wanted = indexes(self.modules / kernel)
        return [f"{name} of {kernel} is not what depmod writes" for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name)]

    def left_overs(self):
        found = []
        for directory, names, files in os.walk(self.path):
            at = pathlib.Path(directory)
            for name in names + files:
                if name.startswith((".dkms-", ".tmp_")) or re.match(r"\..*\.[0-9a-f]{8}$", name) or re.match(r"modules\..*\.\d+\.\d+\.\d+$", name):
                    found.append(f"left over: {at / name}")
            if at == self.path / "tmp" or at.name == "tarball":
                found += [f"left over: {at / name}" for name in names + files if not name.endswith(".tar.gz")]
            if at.parent == self.tree / ".dkms" and at.name in ("work", "journal", "depmod"):
                found += [f"left over: {at / name}" for name in names + files]
            if at.parent.parent == self.tree and not at.parent.name.startswith(".") and not at.name.startswith((".", "kernel-", "original")):
                found += [f"empty directory: {at / name}" for name in names
                          if re.match(r"\d", name) and not any((at / name).iterdir())]
        return found

    def untruths(self):
        """Differences between status and the disk."""
        expected = set()
        facts = self.facts()
        for fact in facts:
            builds = {f[3] for f in facts if f[0] == "built" and f[1:3] == fact[1:3]}
            if fact[0] == "added" and not builds:
                expected.add(f"{fact[1]}/{fact[2]}: added")
            for kernel in builds:
                word = "installed" if ("active", *fact[1:3], kernel) in facts else "built"
                more = " (Original modules exist)" if (self.tree / fact[1] / "original_module" / kernel / ARCH).is_dir() else ""
                expected.add(f"{fact[1]}/{fact[2]}, {kernel}, {ARCH}: {word}{more}")
        output = set(self.ok("status").out.splitlines())
        return [f"status says {sorted(output)}, it is {sorted(expected)}"] if output != expected else []


def copy_of(template, path, modules):
    """A lab at @path, copied from @template."""
    if path.exists():
        shutil.rmtree(path)
    subprocess.run(["cp", "-a", template.path, path], check=True)
    lab = Lab.__new__(Lab)
    lab.path, lab.tree, lab.src, lab.modules = path, path / "var/lib/dkms", path / "usr/src", path / "lib/modules"
    lab.kos, lab.original = modules, template.original
    return lab


# ---- roots without real modules ----

def place_in_memory(directory):
    """A generator for a fixture: @directory, in memory, where flushes take no time, and the program that counts and kills."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1g,mode=755", "crash", directory], check=True)
    yield directory, build_point(directory)
    subprocess.run(["umount", "-l", directory], check=True)


def copy_root(root, path):
    shutil.rmtree(path, ignore_errors=True)
    subprocess.run(["cp", "-a", root.path, path], check=True)
    copy = Root.__new__(Root)
    copy.path, copy.tree, copy.src, copy.modules = path, path / "var/lib/dkms", path / "usr/src", path / "lib/modules"
    return copy


def command_at(point, root, *what):
    """The command line up to the arguments of dkms, which @point runs. The programs before it are not counted."""
    command = root.command()
    at = command.index(DKMS)
    return [*command[:at], point, *what, *command[at:]]


def count_points(point, root, arguments):
    with open(root.path.parent / "points", "w+b") as out:
        os.set_inheritable(out.fileno(), True)
        subprocess.run(["bash", "-c", 'exec "$@" 9>&$OUT', "-", *command_at(point, root, "count"), *arguments], check=True, capture_output=True,
                       stdin=subprocess.DEVNULL, close_fds=False, env=dict(os.environ, LC_ALL="C", OUT=str(out.fileno()), ASAN_OPTIONS="detect_leaks=0"))
        out.seek(0)
        return int(out.read())


def kill_at(point, root, number, arguments):
    subprocess.run([*command_at(point, root, "kill", str(number)), *arguments], capture_output=True, check=False, stdin=subprocess.DEVNULL,
                   env=dict(os.environ, LC_ALL="C", ASAN_OPTIONS="detect_leaks=0"), timeout=120)
    root.settle()
