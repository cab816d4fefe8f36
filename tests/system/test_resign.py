"""dkms sign: new signatures for finished builds, without a compiler."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
from conftest import ARCH, DKMS, K1, K2, mounted, strace

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "lib"))
from modules import module as elf  # noqa: E402
from modules import pack  # noqa: E402

HELPERS = pathlib.Path(DKMS).resolve().parent / "helpers"
CONFIG = 'CONFIG_MODULES=y\nCONFIG_MODULE_SIG_HASH="sha512"\n'
MAKEFILE = "# A kernel whose build copies prepared modules.\nall:\n\t@for f in $(M)/*.in; do cp $$f $${f%.in}.ko || exit 1; done\n"


class Signed:
    """A root with kernels and installed modules that are signed by a first key."""

    def __init__(self, root):
        self.root = root
        root.framework("try_sign_modules=true\n")
        for kernel in (K1, K2):
            root.kernel(kernel, config=CONFIG)
            (root.modules / kernel / "build/Makefile").write_text(MAKEFILE)
        root.keys()
        self.key, self.cert = root.tree / "mok.key", root.tree / "mok.pub"
        self.first = root.path / "first.pub"
        shutil.copy(self.cert, self.first)

    def package(self, name="foo", version="1.0", modules=None):
        modules = modules or [name]
        conf = f'PACKAGE_NAME="{name}"\nPACKAGE_VERSION="{version}"\nAUTOINSTALL="yes"\n' + "".join(
            f'BUILT_MODULE_NAME[{i}]="{m}"\nDEST_MODULE_LOCATION[{i}]="/extra"\nSTRIP[{i}]="no"\n' for i, m in enumerate(modules))
        source = self.root.source(name, version, conf=conf, files={"README": version})
        for m in modules:
            (source / f"{m}.in").write_bytes(elf(m, info=[f"version={version}"]))
        return source

    def compress(self, suffix, kernel=K1):
        if suffix:
            (self.root.modules / kernel / "kernel").mkdir(exist_ok=True)
            (self.root.modules / kernel / f"kernel/x.ko{suffix}").write_bytes(b"")

    def install(self, *what, kernels=(K1,)):
        self.root.ok("install", *(what or ["foo/1.0"]), *[word for kernel in kernels for word in ("-k", kernel)])

    def new_key(self):
        self.key.unlink()
        self.cert.unlink()
        subprocess.run([HELPERS / "dkms-sign", "generate", self.key, self.cert], check=True)

    def built(self, name="foo", kernel=K1, package=None, version="1.0"):
        return next((self.root.tree / (package or name) / version / kernel / ARCH / "module").glob(f"{name}.ko*"))

    def installed(self, name="foo", kernel=K1):
        return next((self.root.modules / kernel / "updates/dkms").glob(f"{name}.ko*"))

    def record(self, name="foo", kernel=K1, file=".record.json"):
        return json.loads((self.root.tree / name / "1.0" / kernel / ARCH / file).read_text())


def cut(path, *certificates):
    """The content of a module without signatures, how many were cut off, and the signers of the last one."""
    listed = [word for certificate in certificates for word in ("+", certificate)][1:]
    out = path.parent / ".cut"
    try:
        said = subprocess.run([HELPERS / "dkms-trust", "cut", *listed, path, out], capture_output=True, check=True).stdout.decode().split("\0")
        pairs = list(zip(said[::2], said[1::2]))
        return out.read_bytes(), int(dict(pairs)["cut"]), [value for key, value in pairs if key == "signer"]
    finally:
        out.unlink(missing_ok=True)


OURS = ["SHA512 plain 0 matches"]


@pytest.fixture
def signed(root):
    return Signed(root)


@pytest.mark.parametrize("suffix", ["", ".xz", ".gz", ".zst"])
def test_a_new_key_signs_what_is_built(signed, suffix):
    """Without source, headers and compiler; names, contents, status and index stay."""
    signed.package(modules=["foo", "bar"])
    signed.compress(suffix)
    signed.install()
    before = {name: cut(signed.built(name, package="foo"), signed.first) for name in ("foo", "bar")}
    assert all(found[1:] == (1, OURS) for found in before.values())
    indexes = {path.name: path.read_bytes() for path in (signed.root.modules / K1).glob("modules.*")}
    signed.new_key()
    shutil.rmtree(signed.root.src / "foo-1.0")
    status = signed.root.status()
    (signed.root.path / "boot").mkdir()
    shutil.move(signed.root.modules / K1 / "build/include/config/auto.conf", signed.root.path / f"boot/config-{K1}")
    shutil.rmtree(signed.root.modules / K1 / "build")
    out = signed.root.ok("sign", "foo/1.0", "-k", K1).out
    assert f"Signed foo/1.0 for {K1} ({ARCH})" in out, out
    for name in ("foo", "bar"):
        built, installed = signed.built(name, package="foo"), signed.installed(name)
        assert built.name == installed.name == f"{name}.ko{suffix}" and built.read_bytes() == installed.read_bytes()
        assert built.stat().st_mode & 0o777 == installed.stat().st_mode & 0o777 == 0o644
        assert cut(built, signed.cert) == (before[name][0], 1, OURS), "the content is byte for byte the same"
    assert indexes == {path.name: path.read_bytes() for path in (signed.root.modules / K1).glob("modules.*")}
    assert signed.root.status() == status
    assert list((signed.root.tree / ".dkms/work").iterdir()) == [] and not list(signed.root.path.rglob(".dkms-0*"))


def test_no_difference_remains(signed):
    """The record knows the new files; the attempt names its signer; uninstallation finds them."""
    signed.package()
    signed.install()
    signed.new_key()
    before = signed.record(file=".attempt.json")
    signed.root.ok("sign", "-k", K1)
    module = signed.record()["modules"][0]
    assert all(module[key] for key in ("sha256", "built", "installed", "owned"))
    assert {**signed.record(file=".attempt.json"), "signer": None} == {**before, "signer": None}
    assert signed.record(file=".attempt.json")["signer"] == "/var/lib/dkms/mok.pub"
    assert signed.root.status() == [f"foo/1.0, {K1}, {ARCH}: installed"]
    signed.root.ok("install", "foo/1.0", "-k", K1)
    signed.root.ok("uninstall", "foo/1.0", "-k", K1)
    assert not list((signed.root.modules / K1).rglob("foo.ko"))


def test_nothing_is_compiled(signed, tmp_path):
    signed.package()
    signed.install()
    signed.new_key()
    trace = tmp_path / "trace"
    strace("-e", "trace=execve", "-o", trace, DKMS, "--root", signed.root.path, "sign", "foo", "-k", K1, check=True)
    programs = {pathlib.Path(name).name for name in re.findall(r'execve\("([^"]*)"', trace.read_text())}
    assert programs & {"dkms-sign", "dkms-trust"} == {"dkms-sign", "dkms-trust"}
    assert not programs & {"make", "cc", "cc1", "gcc", "bash", "depmod", "strip", "dkms-depmod"}, programs


def test_already_signed(signed):
    signed.package()
    signed.install()
    before = signed.built().stat(), signed.installed().stat()
    assert f"foo/1.0 for {K1} ({ARCH}): already signed" in signed.root.ok("sign", "foo/1.0", "-k", K1).out
    assert before == (signed.built().stat(), signed.installed().stat())
    assert "Signed foo/1.0" in signed.root.ok("sign", "foo/1.0", "-k", K1, "--force").out
    assert before[0].st_ino != signed.built().stat().st_ino and cut(signed.built(), signed.cert)[1:] == (1, OURS)


def test_selection(signed):
    signed.package()
    signed.package("bar")
    signed.install(kernels=(K1, K2))
    signed.install("bar/1.0", kernels=(K1,))
    root = signed.root
    plan = lambda *words: [line.strip() for line in root.ok("sign", *words, "--dry-run").out.splitlines()]  # noqa: E731
    both = [f"sign bar/1.0 {K1} {ARCH}", f"sign foo/1.0 {K1} {ARCH}"]
    assert plan("-k", K1) == both and plan("-k", K2) == [f"sign foo/1.0 {K2} {ARCH}"]
    assert sorted(plan("--all")) == sorted([*both, f"sign foo/1.0 {K2} {ARCH}"])
    assert plan("foo", "--all") == plan("foo/1.0", "-k", K1, "-k", K2) == [f"sign foo/1.0 {K1} {ARCH}", f"sign foo/1.0 {K2} {ARCH}"]
    assert root("sign", "bar/1.0", "-k", K2).rc == 6 and root("sign", "baz").rc == 3 and root("sign", "--all", "-k", K1).rc == 2
    shutil.rmtree(root.modules / K2)
    assert plan("--all") == both, "kernels that are not installed need no signature"
    assert "No build" in root.ok("sign", "-k", "9.9-none").out


def test_a_build_that_is_not_installed(signed):
    signed.package()
    signed.root.ok("build", "foo/1.0", "-k", K1)
    signed.new_key()
    signed.root.ok("sign", "foo/1.0", "-k", K1)
    assert cut(signed.built(), signed.cert)[1:] == (1, OURS) and not (signed.root.modules / K1 / "updates").exists()


def test_unsigned_builds(signed):
    signed.package()
    signed.root.framework("try_sign_modules=false\n")
    signed.install()
    assert cut(signed.built(), signed.cert)[1] == 0
    result = signed.root("sign", "foo/1.0", "-k", K1)
    assert result.rc == 1 and "try_sign_modules=false" in result.err and cut(signed.built(), signed.cert)[1] == 0
    signed.root.framework("try_sign_modules=true\n")
    signed.root.ok("sign", "foo/1.0", "-k", K1)
    assert cut(signed.installed(), signed.cert)[1:] == (1, OURS)


@pytest.mark.parametrize("suffix", ["", ".xz"])
def test_all_other_signatures_are_cut_off(signed, suffix, tmp_path):
    """Tools of distributions sign twice. The changed file is refused without --force, because it could be damaged."""
    signed.package()
    signed.compress(suffix)
    signed.install()
    content = cut(signed.built(), signed.first)[0]
    other = [tmp_path / "other.key", tmp_path / "other.pub"]
    subprocess.run([HELPERS / "dkms-sign", "generate", *other], check=True)
    twice = tmp_path / "foo.ko"
    twice.write_bytes(content)
    for pair in ([signed.key, signed.cert], other, other):
        subprocess.run([HELPERS / "dkms-sign", "sign", "sha512", *pair, twice], check=True)
    for path in (signed.built(), signed.installed()):
        path.write_bytes(pack(twice.read_bytes(), f".ko{suffix}"))
    assert cut(signed.built(), signed.cert)[1] == 3
    result = signed.root("sign", "foo/1.0", "-k", K1)
    assert result.rc == 1 and "has changed since it was built" in result.err, result
    signed.root.ok("sign", "foo/1.0", "-k", K1, "--force")
    for path in (signed.built(), signed.installed()):
        assert cut(path, signed.cert) == (content, 1, OURS)


def test_a_damaged_signature(signed):
    """Its length cannot be known, so nothing is cut off."""
    signed.package()
    signed.install()
    data = bytearray(signed.built().read_bytes())
    data[-32] = 0x7f # the highest byte of the length
    signed.built().write_bytes(data)
    result = signed.root("sign", "foo/1.0", "-k", K1, "--force")
    assert result.rc == 1 and "its signature is damaged" in result.err and signed.built().read_bytes() == data


@pytest.mark.parametrize("recorded", [True, False])
def test_files_of_others_stay(signed, recorded):
    """An installed file that somebody replaced, or that is that of an earlier build, is not the one of the build."""
    signed.package()
    signed.install()
    if recorded:
        signed.package(version="1.0", modules=["foo"])
        (signed.root.src / "foo-1.0/foo.in").write_bytes(elf("foo", info=["version=1.1"]))
        signed.root.ok("build", "foo/1.0", "-k", K1, "--force")
    else:
        signed.installed().write_bytes(b"of somebody else\n")
    before = signed.installed().read_bytes()
    signed.new_key()
    result = signed.root.ok("sign", "foo/1.0", "-k", K1)
    assert signed.installed().read_bytes() == before and "is not signed" in result.err
    assert cut(signed.built(), signed.cert)[1:] == (1, OURS)


def test_a_link_to_the_build(signed):
    signed.package()
    signed.root.framework("try_sign_modules=true\nsymlink_modules=yes\n")
    signed.install()
    signed.new_key()
    signed.root.ok("sign", "foo/1.0", "-k", K1)
    assert signed.installed().is_symlink() and cut(signed.built(), signed.cert)[1:] == (1, OURS)
    assert signed.root.status() == [f"foo/1.0, {K1}, {ARCH}: installed"]


def test_a_build_without_a_record(signed):
    """As dkms 3 leaves it, also without its source."""
    signed.package()
    signed.install()
    for name in (".record.json", ".recipe.json", ".attempt.json"):
        (signed.root.tree / "foo/1.0" / K1 / ARCH / name).unlink(missing_ok=True)
    shutil.rmtree(signed.root.src / "foo-1.0")
    signed.new_key()
    signed.root.ok("sign", "--all")
    for path in (signed.built(), signed.installed()):
        assert cut(path, signed.cert)[1:] == (1, OURS)


def test_two_signers(signed):
    signed.package()
    signed.install()
    old = signed.first.with_suffix(".key")
    shutil.copy(signed.key, old)
    signed.new_key()
    signed.root.framework("try_sign_modules=true\nmok_signing_key='/first.key;/var/lib/dkms/mok.key'\n"
                          "mok_certificate='/first.pub;/var/lib/dkms/mok.pub'\n")
    signed.root.ok("sign", "foo/1.0", "-k", K1)
    assert sorted(cut(signed.installed(), signed.first, signed.cert)[2]) == ["SHA512 plain 0 matches", "SHA512 plain 1 matches"]
    assert "already signed" in signed.root.ok("sign", "foo/1.0", "-k", K1).out
    assert signed.record(file=".attempt.json")["signer"] == "/first.pub;/var/lib/dkms/mok.pub"
    signed.root.framework("try_sign_modules=true\n")
    signed.root.ok("sign", "foo/1.0", "-k", K1)
    assert cut(signed.installed(), signed.cert)[1:] == (1, OURS), "the old key is removed"


def test_signing_fails(signed):
    """Nothing changes, and the others are signed."""
    signed.package()
    signed.package("bar")
    for name, kernel in (("foo", K1), ("bar", K2)):
        signed.install(f"{name}/1.0", kernels=(kernel,))
    signed.new_key()
    signed.root.kernel(K1, config='CONFIG_MODULE_SIG_HASH="sha1337"\n')
    before = signed.built().read_bytes(), signed.installed().read_bytes(), signed.record()
    result = signed.root("sign", "--all")
    assert result.rc == 1 and "sha1337" in result.err and f"Cannot sign foo/1.0 for kernel {K1}" in result.err, result
    assert before == (signed.built().read_bytes(), signed.installed().read_bytes(), signed.record())
    assert cut(signed.built("bar", K2), signed.cert)[1:] == (1, OURS)


def test_kernels_without_signatures(signed):
    signed.package()
    signed.install()
    signed.root.kernel(K1, config="CONFIG_MODULES=y\n")
    before = signed.built().read_bytes()
    assert "CONFIG_MODULE_SIG_HASH" in signed.root.ok("sign", "--all").out and signed.built().read_bytes() == before


def test_a_tool_that_does_not_sign(signed):
    signed.package()
    signed.install()
    tool = signed.root.path / "sign"
    tool.write_text("#!/bin/sh\nexit 0\n")
    tool.chmod(0o755)
    signed.root.framework("try_sign_modules=true\nsign_file=/sign\n")
    signed.new_key()
    before = signed.built().read_bytes()
    result = signed.root("sign", "foo/1.0", "-k", K1)
    assert result.rc == 1 and "did not sign" in result.err and signed.built().read_bytes() == before


def test_full_disk(root):
    with mounted(root.path / "var/lib/dkms", "size=3m"):
        signed = Signed(root)
        source = signed.package()
        (source / "foo.in").write_bytes(elf("foo", filler=400000))
        signed.install()
        before = signed.built().read_bytes(), signed.installed().read_bytes(), signed.record()
        signed.new_key()
        free = os.statvfs(root.tree)
        with open(root.tree / "ballast", "wb") as ballast:
            ballast.write(bytes((free.f_bavail - 20) * free.f_bsize))
        result = signed.root("sign", "foo/1.0", "-k", K1)
        assert result.rc != 0 and "a copy of it cannot be written" in result.err, result
        assert before == (signed.built().read_bytes(), signed.installed().read_bytes(), signed.record())
        (root.tree / "ballast").unlink()
        root.ok("sign", "foo/1.0", "-k", K1)
        assert cut(signed.installed(), signed.cert)[1:] == (1, OURS)


def test_killed(signed, point):
    """At each change of a file: both files are old, or both are new after the next command."""
    signed.package()
    signed.install()
    signed.new_key()
    old, saved = signed.built().read_bytes(), signed.root.path.parent / "saved"
    places = [signed.root.tree / "foo", signed.root.modules / K1 / "updates"]
    for i, place in enumerate(places):
        shutil.copytree(place, saved / str(i), symlinks=True)
    command = [DKMS, "--root", signed.root.path, "sign", "foo/1.0", "-k", K1]
    quiet = {"capture_output": True, "text": True, "stdin": subprocess.DEVNULL, "env": dict(os.environ, LC_ALL="C", ASAN_OPTIONS="detect_leaks=0")}
    counted = subprocess.run(["bash", "-c", 'exec "$@" 9>&2', "-", point, "count", *command], check=True, **quiet)
    total = int(counted.stderr.split()[-1])
    assert total > 8 and cut(signed.built(), signed.cert)[1:] == (1, OURS)
    outcomes = set()
    for number in range(1, total + 1, max(total // 12, 1)):
        for i, place in enumerate(places):
            shutil.rmtree(place)
            shutil.copytree(saved / str(i), place, symlinks=True)
        subprocess.run([point, "kill", str(number), *command], check=False, **quiet)
        signed.root.settle()
        assert all(len(cut(path, signed.first, signed.cert)[2]) == 1 for path in (signed.built(), signed.installed())), "each file is whole"
        signed.root("remove", "nothing/1.0", "--all")
        assert signed.built().read_bytes() == signed.installed().read_bytes(), f"{number}: one old and one new file"
        assert signed.root.status() == [f"foo/1.0, {K1}, {ARCH}: installed"], number
        outcomes.add(signed.built().read_bytes() == old)
        signed.root.ok("sign", "foo/1.0", "-k", K1)
        assert cut(signed.installed(), signed.cert)[1:] == (1, OURS)
    assert outcomes == {True, False}


def test_doctor_knows_that_the_index_is_still_right(root):
    """A new signature changes nothing in the index, so depmod need not run."""
    signed = Signed(root)
    signed.package()
    signed.install()
    subprocess.run(["depmod", "-b", root.path, K1], check=True, stderr=subprocess.DEVNULL)
    signed.new_key()
    root.ok("sign", "--all")
    index, (installed,) = root.modules / K1 / "modules.dep.bin", (root.modules / K1).rglob("foo.ko*")
    os.utime(index, ns=(0, installed.stat().st_mtime_ns - 1))

    def found():
        return [finding["id"] for finding in json.loads(root("doctor", "--json").out)["findings"]]
    assert "depmod-due" not in found()
    os.utime(installed)
    assert "depmod-due" in found()
