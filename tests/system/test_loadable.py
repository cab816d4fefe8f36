"""Modules are checked against the headers of their kernel, and dkms fails or warns if the kernel will not load them.

Most modules here are composed byte by byte, for a fake kernel that copies them, so that every kind of file can be tested."""
import json
import os
import pathlib
import shutil
import struct
import subprocess

import pytest
from conftest import ARCH, DKMS, K1, K2

EM = {"x86_64": 62, "aarch64": 183, "i686": 3, "s390x": 22, "ppc64le": 21, "riscv64": 243}
CONFIG = {"x86_64": "CONFIG_X86_64=y\nCONFIG_64BIT=y\n", "aarch64": "CONFIG_ARM64=y\nCONFIG_64BIT=y\n"}
HOST_CONFIG = CONFIG.get(ARCH, "")


def module(release=K1, machine=None, bits=64, big=False, kind=1, needs=(), exports=(), versions=None, info=None, this=True, modinfo=True):
    """An ELF file with the parts of a kernel module."""
    order = ">" if big else "<"
    fields = {"license": "GPL", "name": "foo", "depends": ""}
    if release is not None:
        fields["vermagic"] = f"{release} SMP preempt mod_unload modversions "
    fields.update(info or {})
    names, sections = b"\0", []

    def section(name, kind_, data, link=0, info_=0, entry=0):
        nonlocal names
        sections.append((len(names), kind_, data, link, info_, entry))
        names += name.encode() + b"\0"

    strings, symbols = b"\0", [b"\0" * (24 if bits == 64 else 16)]

    def symbol(name, place, binding):
        nonlocal strings
        at = len(strings)
        strings += name.encode() + b"\0"
        info_ = binding << 4
        symbols.append(struct.pack(order + "IBBHQQ", at, info_, 0, place, 0, 0) if bits == 64
                       else struct.pack(order + "IIIBBH", at, 0, 0, info_, 0, place))

    for name in exports:
        symbol(f"__ksymtab_{name}", 1, 0)
        symbol(name, 1, 1)
    for name in needs:
        weak = name.startswith("weak:")
        symbol(name.removeprefix("weak:"), 0, 2 if weak else 1)
    if modinfo:
        section(".modinfo", 1, b"".join(f"{k}={v}".encode() + b"\0" for k, v in fields.items()))
    if this:
        section(".gnu.linkonce.this_module", 1, b"\0" * 64)
    if versions is not None:
        word = "Q" if bits == 64 else "I"
        section("__versions", 1, b"".join(struct.pack(order + word, crc) + name.encode().ljust(64 - struct.calcsize(word), b"\0")
                                          for name, crc in versions.items()))
    section(".symtab", 2, b"".join(symbols), link=len(sections) + 2, info_=1 + len(exports), entry=24 if bits == 64 else 16)
    section(".strtab", 3, strings)
    section(".shstrtab", 3, names + b".shstrtab\0")
    header = 64 if bits == 64 else 52
    body, table = b"", [struct.pack(order + ("IIQQQQIIQQ" if bits == 64 else "IIIIIIIIII"), *[0] * 10)]
    for name, kind_, data, link, info_, entry in sections:
        while (header + len(body)) % 8:
            body += b"\0"
        table.append(struct.pack(order + ("IIQQQQIIQQ" if bits == 64 else "IIIIIIIIII"), name, kind_, 0, 0, header + len(body), len(data),
                                 link, info_, 8, entry))
        body += data
    while (header + len(body)) % 8:
        body += b"\0"
    ident = b"\x7fELF" + bytes([2 if bits == 64 else 1, 2 if big else 1, 1]) + b"\0" * 9
    return ident + struct.pack(order + ("HHIQQQIHHHHHH" if bits == 64 else "HHIIIIIHHHHHH"), kind, EM[machine or ARCH], 1, 0, 0,
                               header + len(body), 0, header, 0, 0, 64 if bits == 64 else 40, len(table), len(table) - 1) + body + b"".join(table)


def kernel(root, release=K1, headers=None, symbols={"printk": 0x11}, config=None, versions=True):
    """A build directory of a kernel."""
    root.kernel(release, config=(HOST_CONFIG if config is None else config) + ("CONFIG_MODVERSIONS=y\n" if versions else "") + "CONFIG_MODULES=y\n")
    build = root.modules / release / "build"
    (build / "include/generated").mkdir(parents=True, exist_ok=True)
    (build / "include/generated/utsrelease.h").write_text(f'#define UTS_RELEASE "{headers or release}"\n')
    if symbols is not None:
        (build / "Module.symvers").write_text("".join(f"{crc:#010x}\t{name}\tvmlinux\tEXPORT_SYMBOL\t\n" for name, crc in symbols.items()))
    return build


def source(root, content, name="foo", extra="", **more):
    root.source(name, extra=extra)
    for file, data in {name: content, **more}.items():
        (root.src / f"{name}-1.0/{file}.c").write_bytes(data)


def good(**keywords):
    return module(**{"needs": ["printk"], "versions": {"printk": 0x11}, **keywords})


# ---- modules that load ----

def test_good_module_without_a_word(root):
    kernel(root)
    source(root, good())
    result = root.ok("install", "foo/1.0", "-k", K1)
    assert result.err == "" and root.status() == [f"foo/1.0, {K1}, {ARCH}: installed"]
    assert (root.modules / K1 / "updates/dkms/foo.ko").read_bytes() == good()


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".zst"])
def test_compressed_modules_are_looked_at_too(root, suffix):
    kernel(root)
    (root.modules / K1 / "kernel").mkdir()
    (root.modules / K1 / f"kernel/other.ko{suffix}").write_bytes(b"x")
    source(root, good())
    assert root.ok("install", "foo/1.0", "-k", K1).err == ""
    source(root, good(machine="s390x", big=True), name="bar")
    assert root("install", "bar/1.0", "-k", K1).rc == 7


def test_fake_kernel_headers_cause_no_warning(root):
    """A build directory that is not from a kernel build does not cause warnings."""
    source(root, b"no module\n")
    assert root.ok("install", "foo/1.0", "-k", K1).err == ""


def test_real_module_without_a_word(real):
    code = "#include <linux/module.h>\nMODULE_LICENSE(\"GPL\");\nstatic int __init f(void) { pr_info(\"hi\\n\"); return 0; }\nmodule_init(f);\n"
    real.source("hello", files={"hello.c": code, "Makefile": "obj-m := hello.o\n"})
    assert real.ok("install", "hello/1.0", "-k", real.release).err == ""


def test_read_only_module_is_stripped(real):
    code = "#include <linux/module.h>\nMODULE_LICENSE(\"GPL\");\nstatic int __init f(void) { return 0; }\nmodule_init(f);\n"
    real.source("hello", files={"hello.c": code, "Makefile": "obj-m := hello.o\nccflags-y := -g\n"}, extra="STRIP=yes\n"
                'MAKE="make -C $kernel_source_dir M=$dkms_tree/hello/1.0/build modules && chmod 0444 hello.ko"\n')
    result = real.ok("install", "hello/1.0", "-k", real.release)
    file = real.modules / real.release / "updates/dkms/hello.ko"
    assert result.err == "" and b".debug_info" not in file.read_bytes() and file.stat().st_mode & 0o777 == 0o644


def test_module_without_symbols_of_a_kernel_without_versions(root):
    kernel(root, symbols=None, versions=False)
    source(root, module())
    assert root.ok("install", "foo/1.0", "-k", K1).err == ""


# ---- modules that certainly do not load ----

CERTAIN = {
    "text": (b"no module at all\n", "not an ELF file"),
    "empty": (b"", "empty"),
    "program": (module(kind=2), "program or library"),
    "object": (module(this=False), "object file"),
    "object without information": (module(modinfo=False), "object file"),
    "cut off": (good()[:-70], "section names are missing"),
    "header alone": (good()[:64], "section headers are missing"),
    "archive": (b"!<arch>\n", "not an ELF file"),
    "other architecture": (good(machine="s390x" if ARCH != "s390x" else "x86_64", big=ARCH != "s390x"), "the file is for"),
    "other word size": (good(bits=32), "the file is for"),
    "other byte order": (good(big=True), "the file is for"),
}


@pytest.mark.parametrize("kind", CERTAIN)
@pytest.mark.parametrize("verb", ["build", "install"])
def test_what_cannot_load_is_an_error_of_the_build(root, kind, verb):
    content, why = CERTAIN[kind]
    kernel(root)
    source(root, content)
    result = root(verb, "foo/1.0", "-k", K1)
    assert result.rc == 7 and why in result.err and "foo.ko" in result.err, result
    assert root.status() == ["foo/1.0: added"] and not (root.modules / K1 / "updates").exists()
    assert (root.tree / "foo/1.0/build/make.log").exists()


def test_the_document_names_the_cause(root):
    kernel(root)
    source(root, b"text\n")
    error = json.loads(root("build", "foo/1.0", "-k", K1, "--json").out)["error"]
    assert (error["kind"], error["cause"], error["module"], error["kernel"]) == ("not-a-module", "not-loadable", "foo", K1), error
    assert pathlib.Path(error["log"]).is_file()


def test_what_was_there_stays(root):
    kernel(root)
    source(root, good())
    root.ok("install", "foo/1.0", "-k", K1)
    source(root, b"broken now\n")
    assert root("build", "foo/1.0", "-k", K1, "--force").rc == 7
    assert root.status() == [f"foo/1.0, {K1}, {ARCH}: installed"]


def test_only_that_module_fails(root):
    kernel(root)
    source(root, b"text\n", name="bad")
    source(root, good(), name="fine")
    for name in ("bad", "fine"):
        root.register(name)
    result = root("autoinstall", "-k", K1)
    assert result.rc == 11 and "bad(7)" in result.out
    assert root.status("fine") == [f"fine/1.0, {K1}, {ARCH}: installed"]


def test_other_release_where_symbols_have_no_versions(root):
    kernel(root, versions=False)
    source(root, good(release=K2))
    result = root("install", "foo/1.0", "-k", K1)
    assert result.rc == 7 and K2 in result.err and f"linux-headers-{K1}" in result.err


def test_other_release_of_a_module_without_versions(root):
    kernel(root)
    source(root, module(release=K2))
    assert root("install", "foo/1.0", "-k", K1).rc == 7


@pytest.mark.parametrize("forced, code", [("", 7), ("CONFIG_MODULE_FORCE_LOAD=y\n", 0)])
def test_no_vermagic(root, forced, code):
    kernel(root, config=HOST_CONFIG + forced)
    source(root, good(release=None))
    assert root("install", "foo/1.0", "-k", K1).rc == code


def test_other_architecture_of_the_kernel(root):
    """The architecture of the kernel counts, not that of the machine."""
    other = "aarch64" if ARCH != "aarch64" else "x86_64"
    kernel(root, config=CONFIG[other])
    source(root, good(machine=other))
    assert root.ok("install", "foo/1.0", "-k", f"{K1}/{other}").err == ""
    source(root, good(), name="bar")
    assert root("install", "bar/1.0", "-k", f"{K1}/{other}").rc == 7


def test_real_text_for_a_real_kernel(real):
    real.source("hello", files={"hello.c": "x", "Makefile": "x"}, extra='MAKE="cp hello.c hello.ko"\n')
    result = real("install", "hello/1.0", "-k", real.release)
    assert result.rc == 7 and "not a kernel module" in result.err


def test_file_that_ends_its_reader(root, tmp_path):
    """A file that crashes libkmod would also crash every later depmod."""
    kernel(root)
    source(root, good(info={"alias": "x" * 9}))
    program = tmp_path / "bin"
    shutil.copytree(os.path.dirname(DKMS), program, ignore=shutil.ignore_patterns("*.p", "*.a"))
    helper = program / "helpers/dkms-modinfo"
    helper.unlink()
    helper.write_text("#!/bin/sh\nprintf 'class\\0002\\000'; kill -ABRT $$\n")
    helper.chmod(0o755)
    result = subprocess.run([program / "dkms", "--root", root.path, "install", "foo/1.0", "-k", K1], capture_output=True, text=True, check=False)
    assert result.returncode == 7 and "signal 6" in result.stderr and "not a kernel module" in result.stderr, result
    helper.write_text("#!/bin/sh\nexit 3\n")
    result = subprocess.run([program / "dkms", "--root", root.path, "install", "foo/1.0", "-k", K1], capture_output=True, text=True, check=False)
    assert result.returncode == 1 and "dkms-modinfo exited with status 3" in result.stderr, result


# ---- modules that probably do not load ----

OTHER = "6.0.0-9-other"
DOUBTS = {
    "headers": (dict(headers=OTHER), good(release=OTHER), f"those of kernel {OTHER}", f"linux-headers-{K1}"),
    "prebuilt": (dict(), good(release=OTHER), f"was built for kernel {OTHER}", f"linux-headers-{K1}"),
    "no Module.symvers": (dict(symbols=None), good(), "Module.symvers, which lists the symbols of the kernel, is missing", "modules_prepare"),
    "no Module.symvers and no symbols": (dict(symbols=None), module(), "is missing", "modules_prepare"),
    "symbols": (dict(), good(needs=["printk", "nosuch_b", "nosuch_a", "x", "y"]), "nosuch_a, nosuch_b, x and 1 more", "register or install"),
    "checksums": (dict(symbols={"printk": 0x99}), good(), "other versions of symbols than the kernel has: printk", "Build it again"),
}


@pytest.mark.parametrize("kind", DOUBTS)
def test_doubt_is_a_warning(root, kind):
    how, content, sentence, advice = DOUBTS[kind]
    kernel(root, **how)
    source(root, content)
    result = root.ok("install", "foo/1.0", "-k", K1)
    assert result.err.count("Warning: ") == 2 and f"Warning: foo/1.0 may not load in kernel {K1}: " in result.err
    assert result.err.endswith(f"Warning: Kernel {K1} may not load the installed modules of: foo. 'dkms verify -k {K1}' explains why.\n")
    assert sentence in result.err and advice in result.err
    assert root.status() == [f"foo/1.0, {K1}, {ARCH}: installed"], "status lines are those of the reference"


@pytest.mark.parametrize("kind", DOUBTS)
@pytest.mark.parametrize("verb", ["build", "install", "autoinstall"])
def test_doubt_is_an_error_if_the_admin_wants(root, kind, verb):
    how, content, sentence, advice = DOUBTS[kind]
    root.framework("strict_symbols=yes\n")
    kernel(root, **how)
    source(root, content)
    root.ok("add", "foo/1.0")
    result = root(verb, *([] if verb == "autoinstall" else ["foo/1.0"]), "-k", K1)
    assert result.rc == (11 if verb == "autoinstall" else 7) and sentence in result.err and advice in result.err
    assert "strict_symbols=no" in result.err and root.status() == ["foo/1.0: added"]


def test_strict_symbols_takes_a_word(root):
    root.framework("strict_symbols=perhaps\n")
    result = root("status")
    assert result.rc == 2 and "strict_symbols" in result.err
    root.framework("strict_symbols=no\n")
    kernel(root, symbols=None)
    source(root, good())
    root.ok("install", "foo/1.0", "-k", K1)


def test_doubt_is_in_the_summary(root):
    kernel(root)
    source(root, good(), name="fine")
    source(root, good(needs=["nosuch"]), name="odd")
    for name in ("fine", "odd"):
        root.register(name)
    result = root.ok("autoinstall", "-k", K1)
    assert f"Autoinstall on {K1} succeeded for: fine odd\n" in result.out
    assert f"Warning: Kernel {K1} may not load the installed modules of: odd. 'dkms verify -k {K1}' explains why." in result.err


def test_doubt_is_in_the_result_line(root):
    kernel(root)
    source(root, good(needs=["nosuch"]))
    program = "import pty,sys; pty.spawn(sys.argv[1:])"
    environment = dict(os.environ, TERM="xterm", LC_ALL="C", DEBIAN_FRONTEND="dialog")
    shown = subprocess.run(["/usr/bin/python3", "-c", program, *root.command(), "install", "foo/1.0", "-k", K1], capture_output=True,
                           text=True, check=True, stdin=subprocess.DEVNULL, env=environment).stdout
    assert "installed, but may not load" in shown


def test_doubt_is_kept_with_the_build(root):
    kernel(root)
    source(root, good(needs=["nosuch"]))
    assert "nosuch" in root.ok("build", "foo/1.0", "-k", K1).err
    assert "nosuch" in root.ok("install", "foo/1.0", "-k", K1).err
    root.ok("uninstall", "foo/1.0", "-k", K1)
    root.framework("strict_symbols=yes\n")
    assert root("install", "foo/1.0", "-k", K1).rc != 0


# ---- exporters of symbols ----

def test_symbols_of_the_same_package(root):
    kernel(root)
    source(root, good(needs=["of_bar"]), extra="BUILT_MODULE_NAME[1]=bar\nDEST_MODULE_LOCATION[1]=/extra\nSTRIP[1]=no\n", bar=good(exports=["of_bar"]))
    assert root.ok("install", "foo/1.0", "-k", K1).err == ""


@pytest.mark.parametrize("symvers", [True, False])
@pytest.mark.parametrize("state", ["installed", "built", "built for another kernel"])
def test_symbols_of_another_module(root, state, symvers):
    for release in (K1, K2):
        kernel(root, release)
    where = K2 if state == "built for another kernel" else K1
    source(root, good(release=where, exports=["of_bar"]), name="bar")
    if symvers:
        (root.src / "bar-1.0/Module.symvers").write_text("0x00000001\tof_bar\tbar\tEXPORT_SYMBOL\t\n")
    root.ok("install" if state == "installed" else "build", "bar/1.0", "-k", where)
    source(root, good(needs=["of_bar"]))
    assert root.ok("install", "foo/1.0", "-k", K1).err == ""


def test_symbols_of_a_module_that_others_installed(root):
    kernel(root)
    (root.modules / K1 / "modules.symbols").write_text("# Aliases for symbols\nalias symbol:of_other other\n")
    source(root, good(needs=["of_other"]))
    assert root.ok("install", "foo/1.0", "-k", K1).err == ""


def test_symbols_that_need_not_be_there(root):
    kernel(root)
    source(root, module(needs=["weak:nosuch", "_GLOBAL_OFFSET_TABLE_", "printk"], versions={"printk": 0x11}))
    assert root.ok("install", "foo/1.0", "-k", K1).err == ""


def test_real_symbol_that_nothing_exports(real):
    code = "#include <linux/module.h>\nMODULE_LICENSE(\"GPL\");\nint nosuch(void);\nstatic int __init f(void) { return nosuch(); }\nmodule_init(f);\n"
    real.source("hello", files={"hello.c": code, "Makefile": "obj-m := hello.o\nccflags-y := -Wno-error\n"},
                extra=f'MAKE="make -C $kernel_source_dir M=$dkms_tree/hello/1.0/build KBUILD_MODPOST_WARN=1 modules"\n')
    result = real.ok("install", "hello/1.0", "-k", real.release)
    assert "nosuch" in result.err and "may not load" in result.err


# ---- builds that were not checked when they were made ----

@pytest.mark.parametrize("content, code", [(b"text\n", 6), (good(), 0), (good(needs=["nosuch"]), 0)], ids=["text", "good", "doubtful"])
def test_build_of_the_reference(root, content, code):
    source(root, content)
    root.ok("build", "foo/1.0", "-k", K1)
    for name in (".record.json", ".recipe.json"):
        (root.tree / f"foo/1.0/{K1}/{ARCH}" / name).unlink()
    kernel(root)
    result = root("install", "foo/1.0", "-k", K1)
    assert result.rc == code and (root.modules / K1 / "updates/dkms/foo.ko").exists() == (code == 0)
    assert ("nosuch" in result.err) == (b"nosuch" in content)


def test_a_built_module_that_was_changed_is_judged_again(root):
    """Guards that the recorded result applies to the built file only, and not to a file that replaced it."""
    kernel(root)
    source(root, good())
    root.ok("build", "foo/1.0", "-k", K1)
    built = root.tree / f"foo/1.0/{K1}/{ARCH}/module/foo.ko"
    built.write_bytes(b"no module any more\n")
    assert root("install", "foo/1.0", "-k", K1).rc == 6
    assert not (root.modules / K1 / "updates/dkms/foo.ko").exists()
    built.write_bytes(good(needs=["printk", "nosuch"]))
    assert "nosuch" in root.ok("install", "foo/1.0", "-k", K1).err


def test_build_from_an_archive(root, tmp_path):
    kernel(root, versions=False)
    source(root, good())
    root.ok("build", "foo/1.0", "-k", K1)
    root.ok("mktarball", "foo/1.0", "-k", K1, "--archive", tmp_path / "a.tar")
    root.ok("remove", "foo/1.0", "--all")
    kernel(root, symbols={"other": 1}, versions=False)
    root.ok("ldtarball", tmp_path / "a.tar")
    assert "printk" in root.ok("install", "foo/1.0", "-k", K1).err
    root.ok("remove", "foo/1.0", "--all")
    kernel(root, config=CONFIG["aarch64" if ARCH != "aarch64" else "x86_64"])
    root.ok("ldtarball", tmp_path / "a.tar")
    assert root("install", "foo/1.0", "-k", K1).rc == 6


# ---- names of architectures ----

@pytest.mark.parametrize("config, arch, proper", [
    ("CONFIG_X86_64=y\n", "amd64", "x86_64"), ("CONFIG_ARM64=y\n", "arm64", "aarch64"), ("", "amd64", "x86_64"), ("", "arm64", "aarch64"),
    ("CONFIG_X86_64=y\n", "sparc64", "x86_64"), ("CONFIG_X86_64=y\n", "x86_64", None), ("CONFIG_X86_32=y\n", "i586", None), ("", "x", None)])
def test_architecture_that_has_another_name(root, config, arch, proper):
    root.kernel(K1, config=config + "CONFIG_MODULES=y\n")
    for name in ("foo", "bar"):
        root.source(name)
        root.register(name)
    result = root.ok("install", "foo/1.0", "-k", K1, "-a", arch)
    assert root.status("foo") == [f"foo/1.0, {K1}, {arch}: installed"]
    assert result.err.count("Warning: ") == (proper is not None)
    if proper:
        assert f"is called {proper}" in result.err and f"-a {proper}" in result.err
