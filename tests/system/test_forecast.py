"""dkms forecast: whether modules build for a kernel that is not installed."""
import gzip
import hashlib
import io
import json
import os
import pathlib
import shutil
import struct
import subprocess
import tarfile

import pytest

from conftest import ARCH, FAKE_MAKEFILE, K1, Crowd, strace

NEW = "6.99.0-1-test"
# A kernel for which sources with BROKEN do not compile.
PICKY_MAKEFILE = FAKE_MAKEFILE.replace("for f", 'grep -q BROKEN $(M)/*.c && { echo "$(M)/x.c:1:2: error: implicit '
                                       'declaration of function \'strlcpy\'" >&2; exit 1; }; for f')
AHEAD = "var/lib/dkms/.dkms/ahead"


def headers(directory, makefile=PICKY_MAKEFILE):
    """A directory in which modules for a fake kernel can be built."""
    (directory / "include/config").mkdir(parents=True)
    (directory / "include/config/auto.conf").write_text('CONFIG_MODULES=y\nCONFIG_MODULE_SIG=y\nCONFIG_MODULE_SIG_HASH="sha256"\n')
    (directory / "Makefile").write_text(makefile)
    return directory


def install_headers(root, given, makefile=None):
    """What the package of the headers would install. @makefile: of a kernel that cannot compile, for example"""
    build = root.modules / NEW / "build"
    shutil.copytree(given, build)
    if makefile is not None:
        (build / "Makefile").write_text(makefile)
    return build


def module(root, name, text="", **keywords):
    root.source(name, files={f"{name}.c": f"{name} {text}\n"}, **keywords)
    root.register(name)


def answer(root, *arguments, rc=0, **keywords):
    result = root("forecast", *arguments, "--json=short", **keywords)
    assert result.rc == rc, result
    return json.loads(result.out)


def modules(document, release=NEW):
    candidate, = [c for c in document["candidates"] if c["release"] == release]
    return {m["module"]: m for m in candidate["modules"]}


def words_of(document, release):
    return {name: m["result"] for name, m in modules(document, release).items()}


def words(document):
    return words_of(document, NEW)


def kept(root):
    return sorted(path.name for path in (root.path / AHEAD / "builds").glob("*"))


def digest(path):
    """All files below @path, except those of forecasts: type, mode, content."""
    found = {}
    for directory, names, files in os.walk(path):
        here = pathlib.Path(directory)
        names[:] = [n for n in names if str((here / n).relative_to(path)) != AHEAD]
        for name in names + files:
            file = here / name
            content = os.readlink(file) if file.is_symlink() else (
                hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else "")
            found[str(file.relative_to(path))] = (file.lstat().st_mode, content)
    return found


@pytest.fixture
def given(tmp_path):
    return headers(tmp_path / "given")


def test_answers(root, given):
    """What builds, what does not, what the recipe excludes; nothing outside of .dkms/ahead changes, and nothing is signed."""
    root.keys()
    module(root, "good")
    module(root, "bad", "BROKEN")
    module(root, "picky", extra='BUILD_EXCLUSIVE_KERNEL_MAX="6.12"\n')
    module(root, "manual", extra='AUTOINSTALL=""\n')
    (root.tree / ".dkms").mkdir()
    before = digest(root.path)
    document = answer(root, "-k", NEW, "--headers", given, rc=11)
    assert words(document) == {"good": "builds", "bad": "fails", "picky": "excluded"}
    bad = modules(document)["bad"]
    assert bad["cause"] == "api-removed" and "strlcpy" in bad["why"] and "strlcpy" in pathlib.Path(bad["log"]).read_text()
    good = modules(document)["good"]
    assert (root.path / AHEAD / "builds" / good["kept"] / "module/good.ko").read_text() == "good \n"
    assert digest(root.path) == before
    result = root("forecast", "-k", NEW, "--headers", given)
    assert result.rc == 11 and "good/1.0   builds" in result.out, result
    assert "bad/1.0    FAILS: " in result.out and "apt-mark hold" in result.out and "Building" not in result.out, result
    assert digest(root.path) == before
    assert not (root.path / AHEAD / "tree").exists()


def test_takes_over(root, given):
    """The later build compiles nothing; its module is the one of the forecast, with a signature."""
    root.framework("try_sign_modules=true\n")
    root.keys()
    module(root, "good")
    module(root, "bad", "BROKEN")
    answer(root, "-k", NEW, "--headers", given, rc=11)
    assert len(kept(root)) == 2
    install_headers(root, given, makefile="all:\n\t@echo compiled >&2; exit 1\n")
    result = root("autoinstall", "-k", NEW)
    assert result.rc == 11 and "Taking over the build" in result.out, result
    base = root.tree / f"good/1.0/{NEW}/{ARCH}"
    module_file = (base / "module/good.ko").read_bytes()
    assert module_file.startswith(b"good \n") and module_file.endswith(b"~Module signature appended~\n")
    assert "make.log for good/1.0" in (base / "log/make.log").read_text()
    assert (root.modules / NEW / "updates/dkms/good.ko").read_bytes() == module_file
    attempt = json.loads((base / ".attempt.json").read_text())
    assert attempt["outcome"] == "built" and attempt["signer"]
    assert len(kept(root)) == 1 # what was taken over is not kept any more; the failure is
    assert "good/1.0, 6.99.0-1-test" in root.ok("status").out


@pytest.mark.parametrize("change", ["admin", "source", "config", "force"])
def test_other_inputs(root, given, change):
    """With another input, the build is made anew."""
    module(root, "good")
    answer(root, "-k", NEW, "--headers", given)
    build = install_headers(root, given)
    if change == "admin":
        (root.path / "etc/dkms/good/patches").mkdir(parents=True)
        (root.path / "etc/dkms/good/patches/a").write_text("x")
    elif change == "config":
        (build / "include/config/auto.conf").write_text("CONFIG_MODULES=y\nCONFIG_OTHER=y\n")
    elif change == "source":
        (root.src / "good-1.0/good.c").write_text("another\n")
    result = root.ok("build", "good/1.0", "-k", NEW, *(["--force"] if change == "force" else []))
    assert "Taking over" not in result.out and "Building module" in result.out, result


def test_real(real, tmp_path):
    """With real headers: no compiler runs, and the module has the same bytes as one that is built after the installation.
    If one byte of Module.symvers differs, it is compiled."""
    release = real.release
    build = real.modules / release / "build"
    there = build.resolve()
    build.unlink()
    build.parent.rmdir()
    given = tmp_path / "unpacked" # as packages of Debian would be
    kbuild = (there / "scripts").resolve().parent
    shutil.copytree(there, given / f"usr/src/linux-headers-{release}", symlinks=True)
    shutil.copytree(kbuild, given / "usr/lib" / kbuild.name, symlinks=True)
    (given / f"lib/modules/{release}").mkdir(parents=True)
    (given / f"lib/modules/{release}/build").symlink_to(f"/usr/src/linux-headers-{release}")
    files = {"tiny.c": '#include <linux/module.h>\nstatic int __init tiny(void) { pr_info("tiny\\n"); return 0; }\n'
                       'static void __exit end(void) { }\nmodule_init(tiny); module_exit(end); MODULE_LICENSE("GPL");\n',
             "Makefile": "obj-m := tiny.o\n"}
    real.source("tiny", files=files, extra='MAKE[0]="make -C $kernel_source_dir M=$dkms_tree/tiny/1.0/build modules"\n')
    real.register("tiny")
    assert words_of(answer(real, "-k", release, "--headers", given), release) == {"tiny": "builds"}
    identity, = kept(real)
    forecast = (real.path / AHEAD / "builds" / identity / "module/tiny.ko").read_bytes()
    shutil.copytree(real.path / AHEAD, tmp_path / "ahead")
    shutil.copytree(given, real.path, symlinks=True, dirs_exist_ok=True)

    def compiles(*arguments):
        strace("--seccomp-bpf", "-e", "trace=execve", "-o", str(tmp_path / "calls"), *real.command(), *arguments)
        return (tmp_path / "calls").read_text().count("/cc1\"")
    assert compiles("build", "tiny/1.0", "-k", release) == 0
    built = real.tree / f"tiny/1.0/{release}/{ARCH}/module/tiny.ko"
    assert built.read_bytes() == forecast and not kept(real)
    assert compiles("build", "tiny/1.0", "-k", release, "--force") > 0
    assert built.read_bytes() == forecast
    real.ok("unbuild", "tiny/1.0", "-k", release)
    shutil.rmtree(real.path / AHEAD)
    shutil.copytree(tmp_path / "ahead", real.path / AHEAD)
    symvers = real.src / f"linux-headers-{release}/Module.symvers"
    symvers.write_bytes(symvers.read_bytes().replace(b"0x", b"0X", 1))
    assert compiles("build", "tiny/1.0", "-k", release) > 0 and len(kept(real)) == 1


def test_remembers(root, given):
    """A failure is not tried again until an input changes, or with --force."""
    module(root, "bad", "BROKEN")
    first = modules(answer(root, "-k", NEW, "--headers", given, rc=11))["bad"]
    assert not first["known"]
    (given / "Makefile").write_text(FAKE_MAKEFILE) # not an input: now it would compile
    second = modules(answer(root, "-k", NEW, "--headers", given, rc=11))["bad"]
    assert second["known"] and second["why"] == first["why"] and second["log"] == first["log"]
    assert "--force tries again" in root("forecast", "-k", NEW, "--headers", given).out
    assert words(answer(root, "-k", NEW, "--headers", given, "--force")) == {"bad": "builds"}
    assert len(kept(root)) == 1
    assert words(answer(root, "-k", NEW, "--headers", given)) == {"bad": "builds"}


def test_real_build_tries_again(root, given):
    """Only forecasts remember failures: a forecast does not decide about a real build, which may find a repaired machine."""
    module(root, "bad", "BROKEN")
    answer(root, "-k", NEW, "--headers", given, rc=11)
    install_headers(root, given, makefile=FAKE_MAKEFILE) # not an input: now it compiles
    result = root.ok("autoinstall", "-k", NEW)
    assert "Building module" in result.out and (root.modules / NEW / "updates/dkms/bad.ko").exists(), result


def test_damaged(root, given):
    """A kept build that is not the one that was recorded is not taken over."""
    module(root, "good")
    answer(root, "-k", NEW, "--headers", given)
    identity, = kept(root)
    (root.path / AHEAD / "builds" / identity / "module/good.ko").write_text("other\n")
    install_headers(root, given)
    result = root.ok("build", "good/1.0", "-k", NEW)
    assert "Taking over" not in result.out, result
    assert (root.tree / f"good/1.0/{NEW}/{ARCH}/module/good.ko").read_text() == "good \n"


def dependent(root, make):
    """Registers low/1.0, and high/1.0, which needs it."""
    conf = ('PACKAGE_NAME="high"\nPACKAGE_VERSION="1.0"\nBUILT_MODULE_NAME="high"\nDEST_MODULE_LOCATION="/extra"\nAUTOINSTALL="yes"\n'
            f'STRIP="no"\nBUILD_DEPENDS="low"\nMAKE="{make}"\n')
    module(root, "low")
    root.source("high", conf=conf)
    root.register("high")


def test_dependencies(root, given):
    """A module finds the symbols of another one in the forecast; if that one fails, it is not tried."""
    dependent(root, "cat $dkms_tree/low/1.0/$kernelver/$arch/module/low.ko && cp high.c high.ko")
    assert words(answer(root, "-k", NEW, "--headers", given)) == {"low": "builds", "high": "builds"}
    assert words(answer(root, "low", "-k", NEW, "--headers", given)) == {"low": "builds"}
    assert words(answer(root, "high/1.0", "-k", NEW, "--headers", given)) == {"low": "builds", "high": "builds"}
    (root.src / "low-1.0/low.c").write_text("BROKEN\n")
    assert words(answer(root, "-k", NEW, "--headers", given, rc=11)) == {"low": "fails", "high": "deferred"}


def test_installed_later(root, given):
    """Modules that depend on others are taken over, too."""
    dependent(root, "cp high.c high.ko")
    answer(root, "-k", NEW, "--headers", given)
    install_headers(root, given, makefile="all:\n\texit 1\n")
    result = root.ok("autoinstall", "-k", NEW)
    assert result.out.count("Taking over") == 2, result


def test_refusals(root, given, tmp_path):
    """Headers that do not fit, and unknown modules."""
    module(root, "good")
    assert root("forecast", "--headers", given).rc == 2
    assert root("forecast", "-k", NEW, "--headers", tmp_path / "none").rc == 1
    (tmp_path / "empty").mkdir()
    assert root("forecast", "-k", NEW, "--headers", tmp_path / "empty").rc == 21
    (given / "include/generated").mkdir()
    (given / "include/generated/utsrelease.h").write_text('#define UTS_RELEASE "6.98.0"\n')
    result = root("forecast", "-k", NEW, "--headers", given)
    assert result.rc == 21 and "6.98.0" in result.err, result
    (given / "include/generated/utsrelease.h").unlink()
    assert root("forecast", "nope", "-k", NEW, "--headers", given).rc == 3


def test_without_sandbox(root, given):
    root.framework("sandbox=off\n")
    module(root, "good")
    result = root("forecast", "-k", NEW, "--headers", given)
    assert result.rc == 31 and "cannot be tried without installing" in result.out, result


def test_time(root, given):
    """When the time is over, what is not finished is not known."""
    root.framework("forecast_seconds=1\n")
    module(root, "good")
    (given / "Makefile").write_text("all:\n\tsleep 100000\n")
    document = answer(root, "-k", NEW, "--headers", given, rc=31)
    assert words(document) == {"good": "unknown"} and not kept(root)


def test_killed(root, given):
    """A killed forecast leaves nothing that a build would take over, and the next one works."""
    module(root, "good")
    crowd = Crowd()
    (given / "Makefile").write_text(f"all:\n\tsleep {crowd.SECONDS}\n")
    process = subprocess.Popen([*root.command(), "forecast", "-k", NEW, "--headers", str(given)], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    crowd.wait(1, process)
    process.kill()
    process.wait()
    crowd.release()
    root.settle()
    assert not (root.path / AHEAD / "builds").exists() or not kept(root)
    assert digest(root.path).keys().isdisjoint({"var/lib/dkms/good/1.0/build", f"var/lib/dkms/good/1.0/{NEW}"})
    (given / "Makefile").write_text(FAKE_MAKEFILE)
    assert words(answer(root, "-k", NEW, "--headers", given)) == {"good": "builds"}


def test_two_at_once(root, given):
    """The second forecast waits for the first one, and takes over its builds. A build of another kernel does not wait."""
    module(root, "good")
    crowd = Crowd()
    (given / "Makefile").write_text(FAKE_MAKEFILE.replace("for f", f"sleep {crowd.SECONDS}; for f"))
    command = [*root.command(), "forecast", "-k", NEW, "--headers", str(given), "--json=short"]
    first = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    crowd.wait(1, first)
    second = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    root.ok("build", "good/1.0", "-k", K1)
    assert first.poll() is None and second.poll() is None
    crowd.release()
    documents = [json.loads(process.communicate(timeout=60)[0]) for process in (first, second)]
    assert [modules(document)["good"]["known"] for document in documents] == [False, True]
    assert [words(document) for document in documents] == [{"good": "builds"}] * 2


def test_disk_full(root, given):
    """If the headers or builds do not fit, that is an error, and nothing is kept that a build would take over."""
    module(root, "good")
    ahead = root.path / AHEAD
    ahead.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", ahead], check=True)
    try:
        (ahead / "filler").write_bytes(b"x" * (36 << 10))
        good = modules(answer(root, "-k", NEW, "--headers", given, rc=31))["good"]
        assert good["result"] == "unknown" and "No space left" in good["why"] and not kept(root), good
        install_headers(root, given)
        result = root.ok("build", "good/1.0", "-k", NEW)
        assert "Taking over" not in result.out, result
    finally:
        subprocess.run(["umount", ahead], check=True)


def test_sweep(root, given):
    """Old files and headers of installed kernels are deleted by any run, and the oldest above a limit by a forecast."""
    module(root, "good")
    answer(root, "-k", NEW, "--headers", given)
    identity, = kept(root)
    directory = root.path / AHEAD / "builds" / identity
    kernels = root.path / AHEAD / "kernels"
    assert os.listdir(kernels) == [NEW]
    root.ok("build", "good/1.0", "-k", K1)
    assert kept(root) == [identity] and os.listdir(kernels) == [NEW]
    os.utime(directory, (1, 1))
    install_headers(root, given)
    root.ok("build", "good/1.0", "-k", K1, "--force")
    assert kept(root) == [] and os.listdir(kernels) == []
    root.framework("ahead_limit_mib=0\n")
    answer(root, "-k", NEW, "--headers", given)
    assert kept(root) == [] and os.listdir(kernels) == []


# ---- packages ----

def files_of_headers(prefix=f"usr/src/linux-headers-{NEW}", makefile=PICKY_MAKEFILE):
    """The files of a package like that of Debian."""
    return {f"{prefix}/include/config/auto.conf": "CONFIG_MODULES=y\n", f"{prefix}/Makefile": makefile,
            f"lib/modules/{NEW}/build": f"-> /{prefix}"}


def make_tar(files, dot="./"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            if callable(content):
                entry = content(tarfile.TarInfo(dot + name))
                tar.addfile(entry)
                continue
            entry = tarfile.TarInfo(dot + name)
            if content.startswith("-> "):
                entry.type, entry.linkname = tarfile.SYMTYPE, content[3:]
                tar.addfile(entry)
            else:
                entry.size, entry.mode = len(content), 0o755 if content.startswith("#!") else 0o644
                tar.addfile(entry, io.BytesIO(content.encode()))
    return buffer.getvalue()


def make_deb(path, files):
    data = b"!<arch>\n"
    for name, content in (("debian-binary", b"2.0\n"), ("control.tar.gz", make_tar({"control": "Package: x\n"})),
                          ("data.tar.gz", make_tar(files))):
        data += f"{name:<16}{0:<12}{0:<6}{0:<6}{0o100644:<8o}{len(content):<10}`\n".encode() + content
        data += b"\n" * (len(content) % 2)
    path.write_bytes(data)
    return path


def make_rpm(path, files):
    """Lead, an empty signature, an empty header, and a compressed cpio archive."""
    cpio = b""
    for number, (name, content) in enumerate([*files.items(), ("TRAILER!!!", "")]):
        link = content.startswith("-> ")
        data = (content[3:] if link else content).encode()
        member = ("./" + name if name != "TRAILER!!!" else name).encode() + b"\0"
        fields = [number + 1, 0o120777 if link else 0o100644, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(member), 0]
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + member
        cpio += head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4)
    lead = struct.pack(">4sBBHH66sHH16x", b"\xed\xab\xee\xdb", 3, 0, 0, 1, b"x", 1, 5)
    header = struct.pack(">4sIII", b"\x8e\xad\xe8\x01", 0, 1, 4) + struct.pack(">IIII", 1000, 4, 0, 1) + b"\0" * 4
    path.write_bytes(lead + header + b"\0" * (-len(header) % 8) + header + gzip.compress(cpio))
    return path


def make_pacman(path, files):
    path.write_bytes(make_tar({".PKGINFO": "pkgname = linux-headers\n", ".MTREE": "x", **files}, dot=""))
    return path


@pytest.mark.parametrize("make, name", [(make_deb, "x.deb"), (make_rpm, "x.rpm"), (make_pacman, "x.pkg.tar.gz"),
                                        (make_pacman, "x.apk")])
def test_package(root, tmp_path, make, name):
    """The files of packages appear at their real paths; several packages together make the headers."""
    common = "usr/src/linux-headers-6.99.0-1-common"
    files = files_of_headers(makefile=f"include {root.path}/{common}/Makefile\n")
    packages = [make(tmp_path / name, files), make(tmp_path / f"common-{name}", {f"{common}/Makefile": PICKY_MAKEFILE})]
    module(root, "good")
    module(root, "bad", "BROKEN")
    before = digest(root.path / "usr")
    document = answer(root, "-k", NEW, "--headers", *packages, rc=11)
    assert words(document) == {"good": "builds", "bad": "fails"}
    assert digest(root.path / "usr") == before and not (root.modules / NEW).exists()


def set_id(entry):
    entry.mode = 0o4755
    return entry


def device(entry):
    entry.type, entry.devmajor, entry.devminor = tarfile.CHRTYPE, 1, 3
    return entry


def test_hostile_links(root, tmp_path):
    """A link to the build directory of a kernel of SUSE is created in the headers only."""
    outside = tmp_path / "outside"
    outside.mkdir()
    release = "6.12.0-1-default"
    package = make_deb(tmp_path / "x.deb", {"usr/src/linux-6.12.0-1-obj/x86_64/default/include/config/auto.conf": "CONFIG_MODULES=y\n",
                                            "lib": f"-> {outside}"})
    module(root, "good")
    assert root("forecast", "-k", release, "--headers", package).rc != 0
    assert not list(outside.iterdir())


@pytest.mark.parametrize("hostile", [{"../../../../escaped": "x"}, {"usr/bin/su": set_id}, {"dev/null2": device},
                                     {"usr/out": "-> /etc", "usr/out/escaped": "x"}])
def test_hostile_package(root, tmp_path, hostile):
    """As for archives of sources: nothing is written outside, and no set-id files or devices are unpacked."""
    package = make_deb(tmp_path / "x.deb", {**files_of_headers(), **hostile})
    module(root, "good")
    before = digest(root.path)
    result = root("forecast", "-k", NEW, "--headers", package)
    assert result.rc == 3 and "x.deb" in result.err, result
    assert not pathlib.Path("/etc/escaped").exists()
    assert {key for key in digest(root.path) if key not in before} <= {"var/lib/dkms/.dkms"}


def test_installed_beside(root, tmp_path):
    """Headers of other kernels stay, and file systems mounted beside them."""
    module(root, "good", extra=f'MAKE="test -f {root.path}/usr/src/other/file && cp good.c good.ko"\n')
    (root.src / "other").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", root.src / "other"], check=True)
    try:
        (root.src / "other/file").write_text("x")
        package = make_deb(tmp_path / "x.deb", files_of_headers())
        assert words(answer(root, "-k", NEW, "--headers", package)) == {"good": "builds"}
    finally:
        subprocess.run(["umount", root.src / "other"], check=True)
