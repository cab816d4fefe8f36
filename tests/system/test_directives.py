"""Directives of dkms.conf that are not the subject of another test."""
import pathlib
import re
import subprocess

import pytest
from conftest import ARCH, K1, K2

ID = "PACKAGE_NAME=foo\nPACKAGE_VERSION=1.0\n"
ONE = ID + "BUILT_MODULE_NAME=foo\nDEST_MODULE_LOCATION=/extra\nSTRIP=no\n"


def files(root, kernel=K1):
    return sorted(p.name for p in (root.modules / kernel / "updates/dkms").iterdir())


def command_of(root, kernel=K1):
    log = (root.tree / f"foo/1.0/{kernel}/{ARCH}/log/make.log").read_text()
    return re.search(r"Building module\(s\)\n# command: (.*)", log).group(1)


def test_names_and_places(root):
    root.source(conf=ID + "BUILT_MODULE_NAME[0]=foo\nBUILT_MODULE_LOCATION[0]=sub\nDEST_MODULE_NAME[0]=renamed\nDEST_MODULE_LOCATION[0]=/kernel/x\n"
                          "STRIP=no\nMAKE=\"cp sub/foo.c sub/foo.ko\"\n", files={"sub/foo.c": "deep\n"})
    root.os_release("gentoo")
    root.ok("install", "foo/1.0", "-k", K1, "-a", ARCH)
    assert (root.modules / K1 / "kernel/x/renamed.ko").read_text() == "deep\n"


@pytest.mark.parametrize("location, place", [("/kernel/../x/", "x"), ("/updates//a/./b//", "updates/a/b"), ("/kernel/../", "."), ("/kernel/../updates/", "updates")])
def test_places_are_normalised(root, location, place):
    """mstflint-dkms and xpmem write paths in this way."""
    root.os_release("gentoo")
    root.source(conf=ID + f"BUILT_MODULE_NAME=foo\nDEST_MODULE_LOCATION={location}\nSTRIP=no\n")
    before = root.snapshot()
    root.ok("install", "foo/1.0", "-k", K1)
    assert (root.modules / K1 / place / "foo.ko").exists()
    assert not (root.modules / K1 / "kernel").exists()
    assert root.status() == [f"foo/1.0, {K1}, {ARCH}: installed"]
    root.ok("remove", "foo/1.0", "--all")
    assert {p: v for p, v in root.snapshot().items() if p.startswith("lib/")} == {p: v for p, v in before.items() if p.startswith("lib/")}


@pytest.mark.parametrize("location", ["/updates/../../x", "/kernel/../../" + K1 + "/x"])
def test_places_outside_are_refused(root, location):
    root.source(conf=ID + f"BUILT_MODULE_NAME=foo\nDEST_MODULE_LOCATION={location}\nSTRIP=no\n")
    result = root("add", "foo/1.0")
    assert result.rc == 8 and "leads out of the kernel's module directory" in result.err, result


@pytest.mark.parametrize("location, code", [("sub/../sub/", 0), ("./sub", 0), ("../build/sub", 0), ("../../1.0/build/sub", 8), ("../other", 8)])
def test_built_places_may_climb_inside(root, location, code):
    root.source(conf=ONE + f"BUILT_MODULE_LOCATION={location}\nMAKE=\"cp sub/foo.c sub/foo.ko\"\n", files={"sub/foo.c": "deep\n"})
    result = root("install", "foo/1.0", "-k", K1)
    assert result.rc == code, result
    assert code == 0 or "leads out of the build directory" in result.err


def test_built_module_name_defaults_to_the_package(root):
    root.source(conf=ID + "DEST_MODULE_LOCATION=/extra\nSTRIP=no\n")
    root.ok("install", "foo/1.0", "-k", K1)
    assert files(root) == ["foo.ko"]


def test_make_and_make_match(root):
    root.source(conf=ONE + f"MAKE[0]='cp foo.c foo.ko # zero'\nMAKE[1]='cp foo.c foo.ko # one'\nMAKE_MATCH[1]='^{K2[:4]}'\n"
                           f"MAKE[5]='cp foo.c foo.ko # five'\nMAKE_MATCH[5]='^9'\nMAKE[6]='false'\n")
    root.ok("build", "foo/1.0", "-k", K1, "-k", K2)
    assert command_of(root).endswith("# zero") and command_of(root, K2).endswith("# one")


def test_default_make_command(root):
    root.source(conf=ONE)
    root.ok("build", "foo/1.0", "-k", K1, "-j", "2")
    assert command_of(root) == (f"make -j2 KERNELRELEASE={K1} -C {root.modules}/{K1}/build M={root.tree}/foo/1.0/build")


@pytest.mark.parametrize("make", ["'make' -C $kernel_source_dir M=$dkms_tree/foo/1.0/build", "makefoo() { cp foo.c foo.ko; }; makefoo"])
def test_make_that_opts_out_of_injection(root, make):
    root.source(conf=ONE + f'MAKE="{make}"\n')
    root.ok("build", "foo/1.0", "-k", K1)
    assert "KERNELRELEASE" not in command_of(root)


def test_llvm_goes_to_make(root):
    root.kernel(K1, config="CONFIG_CC_IS_CLANG=y\n")
    makefile = root.modules / K1 / "build/Makefile"
    makefile.write_text("$(if $(filter 1,$(LLVM)),,$(error gcc was to be used))\n" + makefile.read_text())
    root.source(conf=ONE + 'MAKE="make -C $kernel_source_dir M=$dkms_tree/foo/1.0/build; cd .."\n')
    root.ok("build", "foo/1.0", "-k", K1)
    assert command_of(root).endswith("/build LLVM=1; cd ..")


def test_patch_match_and_sparse_patches(root):
    patch = "--- a/foo.c\n+++ b/foo.c\n@@ -1 +1 @@\n-{}\n+{}\n"
    root.source(conf=ONE + f"PATCH[0]=a.patch\nPATCH[2]=dir/c.patch\nPATCH[3]=no.patch\nPATCH_MATCH[3]=^9\nPATCH_MATCH[2]={K1}\n",
                files={"foo.c": "one\n", "patches/a.patch": patch.format("one", "two"), "patches/dir/c.patch": patch.format("two", "three")})
    root.ok("install", "foo/1.0", "-k", K1, "-k", K2)
    assert (root.modules / K1 / "updates/dkms/foo.ko").read_text() == "three\n"
    assert (root.modules / K2 / "updates/dkms/foo.ko").read_text() == "two\n"


@pytest.mark.parametrize("line, on_k1, on_k2", [
    ("BUILD_EXCLUSIVE_KERNEL='^6\\.1\\.'", True, False), ("BUILD_EXCLUSIVE_KERNEL_MIN=6.2", False, True), ("BUILD_EXCLUSIVE_KERNEL_MAX=6.2", True, False),
    (f"BUILD_EXCLUSIVE_ARCH='^({ARCH}|x)$'", True, True), ("BUILD_EXCLUSIVE_ARCH=^sparc", False, False), ("BUILD_EXCLUSIVE_KERNEL='['", False, False),
    ("BUILD_EXCLUSIVE_CONFIG='CONFIG_MODULES !CONFIG_NONE'", True, True), ("BUILD_EXCLUSIVE_CONFIG=!CONFIG_MODULES", False, False),
    ("OBSOLETE_BY=6.2", True, False)])
def test_exclusivity(root, line, on_k1, on_k2):
    root.source(conf=ONE + line + "\n")
    for kernel, allowed in ((K1, on_k1), (K2, on_k2)):
        assert root("build", "foo/1.0", "-k", kernel).rc == (0 if allowed else 77)


def test_obsolete_by(root):
    """Guards OBSOLETE_BY: the module is built, but not installed, because this kernel contains it."""
    root.source(conf=ONE + f"OBSOLETE_BY={K1}\n")
    root.ok("build", "foo/1.0", "-k", K1)
    result = root("install", "foo/1.0", "-k", K1)
    assert result.rc == 6 and "is obsolete in kernel" in result.err and not (root.modules / K1 / "updates").exists()
    root.ok("install", "foo/1.0", "-k", K1, "--force")
    assert files(root) == ["foo.ko"]
    assert root("build", "foo/1.0", "-k", K2).rc == 77


def test_exclusivity_of_one_module(root):
    root.source(conf=ID + "BUILT_MODULE_NAME[0]=foo\nBUILT_MODULE_NAME[1]=bar\nDEST_MODULE_LOCATION[0]=/extra\nDEST_MODULE_LOCATION[1]=/extra\nSTRIP=no\n"
                          "BUILD_EXCLUSIVE_KERNEL_MIN[1]=6.2\n", files={"foo.c": "f", "bar.c": "b"})
    root.ok("install", "foo/1.0", "-k", K1, "-k", K2)
    assert files(root) == ["foo.ko"] and files(root, K2) == ["bar.ko", "foo.ko"]


def test_pinned_contradiction_is_skipped(root):
    root.source(conf=ID + "BUILT_MODULE_NAME[0]=foo\nBUILT_MODULE_NAME[1]=bar\nDEST_MODULE_LOCATION[0]=/extra\nDEST_MODULE_LOCATION[1]=/extra\n"
                          "BUILD_EXCLUSIVE_KERNEL_MAX[0]=3.99\nBUILD_EXCLUSIVE_KERNEL_MIN[1]=5.0\n", files={"foo.c": "f", "bar.c": "b"})
    assert root("build", "foo/1.0", "-k", K1).rc == 77


@pytest.mark.parametrize("directive", ["CLEAN", "REMAKE_INITRD", "MODULES_CONF", "MODULES_CONF_OBSOLETES", "MODULES_CONF_ALIAS_TYPE",
                                       "MODULES_CONF_OBSOLETE_ONLY", "OBSOLETE_BY"])
def test_deprecated(root, directive):
    root.source(conf=ONE + f"{directive}=99\n")
    result = root.ok("install", "foo/1.0", "-k", K1)
    lines = [line for line in result.err.splitlines() if line.startswith("Deprecated: ")]
    assert len(lines) == 1 and directive in lines[0] and "dkms.conf" in lines[0]


@pytest.mark.parametrize("value", ["true", "/bin/true", "/usr/bin/true"])
def test_clean_without_effect_is_not_reported(root, value):
    root.source(conf=ONE + f"CLEAN={value}\n")
    assert "Deprecated" not in root.ok("build", "foo/1.0", "-k", K1).err


@pytest.mark.parametrize("directive, verb", [("POST_ADD", "add"), ("PRE_BUILD", "build"), ("POST_BUILD", "build"), ("PRE_INSTALL", "install"),
                                             ("POST_INSTALL", "install"), ("POST_REMOVE", "uninstall")])
@pytest.mark.parametrize("place", ["source", "admin"])
def test_scripts(root, directive, verb, place):
    root.framework("sandbox=off\n")  # so that the script can write outside of the build directory
    root.source(conf=ONE + f"{directive}='x.sh one \"two words\"'\n", files={"foo.c": "x", "x.sh": f'#!/bin/sh\necho "source $#" > {root.path}/ran\n'})
    if place == "admin":
        override = root.path / "etc/dkms/foo/x.sh"
        override.parent.mkdir()
        override.write_text(f'#!/bin/sh\necho "admin $# $PWD" > {root.path}/ran\n')
        override.chmod(0o755)
    if verb == "uninstall":
        root.ok("install", "foo/1.0", "-k", K1)
    assert not (root.path / "ran").exists()
    root.ok(verb, "foo/1.0", "-k", K1)
    text = (root.path / "ran").read_text()
    assert text.split()[:2] == [place, "2"]
    assert place == "source" or text.split()[2].endswith("/etc/dkms/foo")


SAY = "#!/bin/bash\nprintf \"ran $0 in $PWD ($(cd .. && pwd)):\"; printf ' <%s>' \"$@\"; echo\n"


def test_arguments_are_taken_as_by_a_shell(root):
    root.source(conf=ONE + "POST_INSTALL=\"say.sh 'two words' \\\"\\$kernelver\\\" f*.c n*ne 'f*.c' \\\"\\\" a;b\"\n", files={"foo.c": "x", "say.sh": SAY})
    assert f": <two words> <{K1}> <foo.c> <n*ne> <f*.c> <> <a;b>\n" in root.ok("install", "foo/1.0", "-k", K1).out


@pytest.mark.parametrize("directive, verb", [("PRE_INSTALL", "install"), ("POST_INSTALL", "install"), ("POST_ADD", "add"), ("POST_REMOVE", "uninstall")])
def test_directory_of_install_scripts_is_the_link(chrooted, directive, verb):
    """'cd ..' leads into the tree and not to /usr/src."""
    chrooted.source(conf=ONE + f"{directive}='./say.sh a'\n", files={"foo.c": "x", "say.sh": SAY})
    if verb == "uninstall":
        chrooted.ok("install", "foo/1.0", "-k", K1)
    here = "/var/lib/dkms/foo/1.0"
    assert f"ran {here}/source/./say.sh in {here}/source ({here}): <a>\n" in chrooted.ok(verb, "foo/1.0", "-k", K1).out


@pytest.mark.parametrize("directive", ["PRE_BUILD", "POST_BUILD", "PRE_INSTALL", "POST_INSTALL"])
@pytest.mark.parametrize("kind", ["chrooted", "root"])
def test_names_that_climb(request, kind, directive):
    """A common way to name an own signing key: relative to <m>/<v>/build, or to the source."""
    lab = request.getfixturevalue(kind)
    up = "../" * (6 if "BUILD" in directive else 9)
    hook = lab.path / "etc/dkms/hooks/sign"
    hook.parent.mkdir()
    hook.write_text(SAY)
    hook.chmod(0o755)
    lab.source(conf=ONE)
    (lab.path / "etc/dkms/foo.conf").write_text(f"{directive}='{up}etc/dkms/hooks/sign now'\n")
    result = lab.ok("install", "foo/1.0", "-k", K1)
    log = (lab.tree / f"foo/1.0/{K1}/{ARCH}/log/make.log").read_text()
    assert ": <now>\n" in (log if "BUILD" in directive else result.out) and "going on without" not in result.err


def test_names_that_climb_to_the_source(root):
    root.source(conf=ONE + "PRE_BUILD=d/../../source/say.sh\nPOST_BUILD=sub/../say.sh\n", files={"foo.c": "x", "say.sh": SAY, "sub/x": "x"})
    root.ok("build", "foo/1.0", "-k", K1)
    assert (root.tree / f"foo/1.0/{K1}/{ARCH}/log/make.log").read_text().count("\nran ") == 2


def test_no_name_climbs_out_of_the_root(root):
    outside = root.path.parent / "outside.sh"
    outside.write_text(SAY)
    outside.chmod(0o755)
    up = "../" * 7
    root.source(conf=ONE + "".join(f"{d}={up}outside.sh\n" for d in ("PRE_BUILD", "POST_BUILD", "PRE_INSTALL", "POST_INSTALL")))
    result = root.ok("install", "foo/1.0", "-k", K1)
    assert result.err.count("Continuing without it") == 4 and "ran " not in result.out
    assert "ran " not in (root.tree / f"foo/1.0/{K1}/{ARCH}/log/make.log").read_text()


def test_missing_script_is_shown_where_it_should_be(root):
    root.source(conf=ONE + "PRE_BUILD=no.sh\nPOST_BUILD=../../../no.sh\nPRE_INSTALL=no.sh\n")
    result = root.ok("install", "foo/1.0", "-k", K1)
    for directive, line, path in (("PRE_BUILD", 6, "no.sh"), ("POST_BUILD", 7, "../../../no.sh"), ("PRE_INSTALL", 8, "no.sh")):
        assert (f"{directive} ({root.src}/foo-1.0/dkms.conf:{line}) names the script {root.src}/foo-1.0/{path}, which does not exist."
                in result.err), result


@pytest.mark.parametrize("directive, code", [("PRE_BUILD", 126), ("POST_BUILD", 126), ("PRE_INSTALL", 101), ("POST_INSTALL", 0)])
def test_directory_as_a_script_fails(root, directive, code):
    root.source(conf=ONE + f"{directive}=sub\n", files={"foo.c": "x", "sub/x": "x"})
    assert root("install", "foo/1.0", "-k", K1).rc == code


@pytest.mark.parametrize("directive", ["PRE_BUILD", "PRE_INSTALL", "POST_INSTALL"])
def test_name_after_a_line_end(root, directive):
    """The reference takes the empty first word for the name, and fails."""
    root.source(conf=ONE + f'{directive}="\n  say.sh\n  a\n"\n', files={"foo.c": "x", "say.sh": SAY})
    result = root.ok("install", "foo/1.0", "-k", K1)
    log = (root.tree / f"foo/1.0/{K1}/{ARCH}/log/make.log").read_text()
    assert ": <a>\n" in (log if "BUILD" in directive else result.out)


def test_scripts_have_the_callers_stdin(root):
    names = ("POST_ADD", "PRE_INSTALL", "POST_INSTALL", "POST_REMOVE")
    root.source(conf=ONE + "".join(f"{n}=read.sh\n" for n in names), files={"foo.c": "x", "read.sh": "#!/bin/sh\nread line; echo \"got $line\"\n"})
    out = ""
    for verb in (["add"], ["install"], ["uninstall"]):
        out += subprocess.run([*root.command(), *verb, "foo/1.0", "-k", K1], input="one\ntwo\n", capture_output=True, text=True, check=True).stdout
    assert re.findall("got (.*)", out) == ["one", "one", "two", "one"]


@pytest.mark.parametrize("order", [["foo.conf"], ["foo.conf", "foo-1.0.conf"], ["foo-1.0.conf", f"foo-1.0-{K1}.conf"],
                                   [f"foo-1.0-{K1}.conf", f"foo-1.0-{K1}-{ARCH}.conf"], [f"foo-1.0-{K1}-{ARCH}.conf", f"foo--{K1}.conf"],
                                   [f"foo--{K1}.conf", f"foo--{K1}-{ARCH}.conf"]])
def test_override_files_in_order(root, order):
    root.source(conf=ONE)
    for number, name in enumerate(order):
        (root.path / "etc/dkms" / name).write_text(f"DEST_MODULE_NAME=name{number}\n")
    root.ok("install", "foo/1.0", "-k", K1)
    assert files(root) == [f"name{len(order) - 1}.ko"]


def test_variables_of_the_manual(root):
    """Each variable that dkms.conf(5) lists has a value during the evaluation."""
    page = (pathlib.Path(__file__).resolve().parents[2] / "man/dkms.conf.5.in").read_text()
    section = page[page.index("\n.Ss Variables"):page.index("\n.Ss Values")]
    names = [name for line in re.findall(r"^\.It Va (.*)", section, re.M) for name in re.findall(r"\b[a-z][a-z_]+\b", line.split(" No ")[0])]
    assert len(names) > 15
    root.source(extra="MAKE=\"'echo' " + " ".join(f"{name}=[${name}]" for name in names) + "; cp foo.c foo.ko\"\n")
    root.ok("add", "foo/1.0")
    root.ok("install", "foo/1.0", "-k", K1, "--force", "--verbose", "--symlink-modules", "-j", "3")
    values = dict(re.findall(r"(\w+)=\[(.*?)\]", (root.tree / f"foo/1.0/{K1}/{ARCH}/log/make.log").read_text()))
    assert [name for name in names if not values.get(name)] == []
    assert values["kernelver"] == K1 and values["parallel_jobs"] == "3" and values["action"] == "install" and values["module_version"] == "1.0"
    assert values["verbose"] == values["force"] == values["symlink_modules"] == "1"
