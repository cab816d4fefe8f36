"""Options, streams and exit codes of the command line. docs/compatibility.md lists the Q-numbers."""
import os
import re
import shutil
import subprocess

import pytest
from conftest import ARCH, DKMS, K1, K2, as_nobody

CONF = 'PACKAGE_NAME=foo\nPACKAGE_VERSION=1.0\nBUILT_MODULE_NAME=foo\nDEST_MODULE_LOCATION=/extra\nSTRIP=no\nAUTOINSTALL=yes\n'


def tools(tmp_path, **scripts):
    directory = tmp_path / "bin"
    directory.mkdir(exist_ok=True)
    for name, script in scripts.items():
        path = directory / name.replace("_", "-")
        path.write_text("#!/bin/sh\n" + script)
        path.chmod(0o755)
    return {"PATH": f"{directory}:{os.environ['PATH']}"}


def log_of(root, kernel=K1):
    return (root.tree / f"foo/1.0/{kernel}/{ARCH}/log/make.log").read_text()


def command_of(root, kernel=K1):
    return re.search(r"Building module\(s\)\n# command: (.*)", log_of(root, kernel)).group(1)


# ---- names of modules and kernels ----

@pytest.mark.parametrize("arguments", [["-m", "foo", "-v", "1.0"], ["-m", "foo/1.0"], ["--module", "foo/1.0"], ["--module=foo/1.0"],
                                       ["foo/1.0"], ["foo", "-v", "1.0"], ["--module=foo", "--module-version=1.0"],
                                       ["-m", "bar", "-m", "foo", "-v", " 1.0 \nrest"], ["-v", "9", "foo/1.0"]])
def test_module_and_version(root, arguments):
    root.source()
    root.ok("add", *arguments)
    assert root.status() == ["foo/1.0: added"]


@pytest.mark.parametrize("arguments, built", [
    (["-k", K1], [(K1, ARCH)]), (["--kernelver", K1], [(K1, ARCH)]), ([f"--kernelver={K1}"], [(K1, ARCH)]),
    (["-k", f"{K1}/riscv64"], [(K1, "riscv64")]), (["-k", K1, "-k", K2], [(K1, ARCH), (K2, ARCH)]),
    (["-k", K1, "-a", "x"], [(K1, "x")]), (["--arch=x", "-k", K1, "-k", K2], [(K1, "x"), (K2, "x")]),
    (["-k", K1, "-k", K2, "-a", "x", "--arch", "y"], [(K1, "x"), (K2, "y")]),
    (["-k", K1, "-k", f"{K2}/y"], [(K1, ARCH), (K2, "y")])])  # y belongs to its kernel
def test_kernels_and_arches(root, arguments, built):
    root.source()
    root.ok("build", "foo/1.0", *arguments)
    assert root.status() == [f"foo/1.0, {k}, {a}: built" for k, a in built]


def test_running_kernel_is_the_default(root):
    root.source()
    root.kernel(os.uname().release)
    root.ok("build", "foo/1.0")
    assert root.status() == [f"foo/1.0, {os.uname().release}, {ARCH}: built"]


def test_a_replaced_uname_is_asked(root, tmp_path):
    """Image builders place a uname first in PATH that prints the kernel of the image."""
    root.source()
    root.ok("build", "foo/1.0", env=tools(tmp_path, uname=f"case $1 in -r) echo {K1};; -m) echo riscv64;; esac\n"))
    assert root.status() == [f"foo/1.0, {K1}, riscv64: built"]
    for useless in ("exit 1\n", "echo\n", "echo two words\n", "echo a/b\n"):
        root.ok("build", "foo/1.0", env=tools(tmp_path, uname=useless))
        assert f"foo/1.0, {K2}, {ARCH}: built" in root.status(), "the system determines it"
        root.ok("unbuild", "foo/1.0", "-k", K2)


def test_recipes_see_the_replaced_uname(root, tmp_path):
    root.source(conf=CONF + "MAKE=\"echo kernel=$current_kernel; cp foo.c foo.ko\"\n")
    root.ok("build", "foo/1.0", env=tools(tmp_path, uname=f"case $1 in -r) echo {K1};; *) /usr/bin/uname $1;; esac\n"))
    assert f"kernel={K1}" in log_of(root)


def test_default_kernel_of_another_root(root):
    """The kernel of the host is the default only if it is installed in the root."""
    root.source()
    root.kernel("6.100.0-1-bare", headers=False)
    root.ok("build", "foo/1.0")
    assert root.status() == [f"foo/1.0, {K2}, {ARCH}: built"], "the newest that has headers"
    root.ok("autoinstall")
    assert root.status() == [f"foo/1.0, {k}, {ARCH}: installed" for k in (K1, K2)], "all that have headers"
    root.ok("remove", "foo/1.0", "--all")
    shutil.rmtree(root.modules)
    root.modules.mkdir()
    for verb in (["build", "foo/1.0"], ["install", "foo/1.0"], ["autoinstall"]):
        result = root(*verb)
        assert result.rc == 21 and str(root.modules) in result.err and os.uname().release not in result.err, result
    root.ok("add", "foo/1.0")
    root.ok("remove", "foo/1.0")


@pytest.mark.parametrize("arguments, code", [
    (["build", "foo/1.0", "-k", K1, "-a", "x", "-a", "y"], 1), (["build", "foo/1.0", "-k", K1, "--all"], 2),
    (["uninstall", "foo/1.0", "-a", "x", "--all"], 3), (["build", "foo/1.0", "-k", ""], 16), (["build", "foo/1.0", "-k", K1, "-a", ""], 16),
    (["build", "--all", "foo/1.0"], 5), (["add", "--all", "foo/1.0"], 5), (["install", "--all", "foo/1.0"], 5), (["autoinstall", "--all"], 5),
    (["match", "--templatekernel", K1, "-k", K1, "-k", K2], 4), (["add", "remove"], 4), (["mktarball", "--binaries-only", "--source-only"], 8),
    (["remove", "foo"], 1), (["remove"], 1), (["remove", "foo/9"], 3), (["unbuild", "foo/9"], 3), (["uninstall", "foo/9"], 3),
    (["add", "nosuch/1.0"], 2), (["--bogus"], 2), (["status", "-k=x"], 2), (["status", "-m=x"], 2), (["--kernelverX=1"], 2), ([], 2), (["nonsense"], 2),
    (["build", "foo/1.0", "-k"], 2), (["add", "/no/such/place"], 1), (["add", "."], 1), (["add", "./nope"], 1), (["add", "../nope/x"], 1)])
def test_refusals(root, tmp_path, arguments, code):
    root.source()
    before = root.snapshot()
    result = root(*arguments, cwd=tmp_path)
    assert result.rc == code and result.err.startswith("\nError! "), result
    assert {k: v for k, v in root.snapshot().items() if not k.startswith("var")} == before


def test_a_directory_and_a_module_at_once(root):
    assert root("add", root.source(), "-m", "foo").rc == 1


@pytest.mark.parametrize("words", [["add", "foo/1.0/"], ["add", "foo/1.0//"], ["add", "foo", "-v", "1.0/"], ["add", "", "foo/1.0"],
                                   ["", "add", "foo/1.0", ""], ["add", "-m", "", "foo/1.0"], ["add", "--", "foo/1.0"],
                                   ["--", "add", "foo/1.0"]])
def test_words_that_add_nothing(root, tmp_path, words):
    root.source()
    result = root.ok(*words, cwd=tmp_path)
    assert result.err == "" and root.status() == root.status("foo/1.0/") == ["foo/1.0: added"]


def test_an_empty_word_is_not_the_callers_directory(root, tmp_path):
    root.source()
    (tmp_path / "dkms.conf").write_text(CONF.replace("foo", "bar"))
    root.ok("install", "", "foo/1.0", "-k", K1, cwd=tmp_path)
    assert root.status() == [f"foo/1.0, {K1}, {ARCH}: installed"]


def test_two_dashes_end_the_options(root):
    assert '"--force" cannot be a module name' in root("add", "--", "--force").err
    assert root("--", "--version").rc == 2


def test_a_second_name_is_ignored(root):
    root.source()
    assert "Ignoring the argument extra" in root.ok("add", "foo/1.0", "extra").err


def test_options_of_other_verbs_are_accepted(root):
    root.source()
    root.ok("add", "foo/1.0", "-j", "4", "--templatekernel", "x", "--no-depmod")


# ---- streams ----

@pytest.mark.parametrize("arguments, advice", [
    (["build", "foo"], "foo/1.0 or foo/2.0"), (["remove", "foo", "--all"], "foo/1.0 or foo/2.0"), (["add", "foo-1.0"], "Write it foo/1.0."),
    (["install", "foo-bar-1.0"], "Write it foo-bar/1.0."), (["build", "foo,3"], "Write it foo/3."), (["build", "bar"], "bar/1.2"), (["build"], "foo/1.2")])
def test_missing_version_is_asked_for(root, tmp_path, arguments, advice):
    for version in ("1.0", "2.0"):
        root.source(version=version)
        root.register("foo", version)
    result = root(*arguments, cwd=tmp_path)
    assert result.rc == 1 and advice in result.err, result


def test_help_and_version(root):
    assert re.fullmatch(r"dkms-\d+\.\d+\.\d+(~\w+)?\n", root.ok("--version").out)
    assert root.ok("-V", "--bogus").out == root.ok("--version").out, "printed at once"
    for arguments in (["--help"], ["-h"], ["--help", "--bogus"]):
        assert "autoinstall" in root.ok(*arguments).out and root.ok(*arguments).err == ""
    assert "Install" in root.ok("autoinstall", "--help").out
    assert all(len(line) <= 80 for line in root.ok("--help").out.splitlines())


@pytest.mark.parametrize("given, advice", [
    (["--bogus"], "See 'dkms --help'."), (["status", "--bogus"], "See 'dkms status --help'."), (["build", "--forse"], "Did you mean --force? See"),
    (["build", "-k6.1"], "Did you mean -k 6.1? See"), (["build", "-k=6.1"], "Did you mean -k 6.1? See"), (["build", "--force=yes"], "Did you mean --force?")])
def test_an_unknown_option_is_an_error_without_usage(root, given, advice):
    result = root(*given)
    assert result.rc == 2 and result.out == "" and result.err.startswith(f"\nError! Unknown option {given[-1]}.\n{advice}"), result


def test_abbreviated_options(root):
    root.source()
    root.ok("add", "foo/1.0", "--dry", "--verb")
    assert root.status() == []
    root.ok("build", "foo/1.0", "--kernelv=" + K1, "--dir", "STRIP=no")
    assert root.status("--kernelv", K1) == [f"foo/1.0, {K1}, {ARCH}: built"]
    for given, choices in (("--no", "--no-cache, --no-depmod, --no-initrd"), ("--forc", "--force, --force-version-override"), ("--kernel=x", "--kernelver, --kernelsourcedir")):
        result = root("build", "foo/1.0", given)
        assert result.rc == 2 and f"{given.split('=')[0]} is ambiguous: {choices}" in result.err, result


def test_abbreviated_options_that_are_needed_first(root):
    """Guards that an abbreviated --root never means the root of the machine."""
    other = subprocess.run([DKMS, "--roo", root.path / "nope", "status"], capture_output=True, text=True, check=False)
    assert other.returncode == 1 and "nope" in other.stderr
    assert subprocess.run([DKMS, f"--ro={root.path}", "status", "--dkmstree", "/nope"], capture_output=True, text=True, check=True).stderr == \
        f"Warning: The tree {root.path}/nope does not exist.\n"
    assert root("status", "--js=short").out.startswith("{")
    assert root("add", "--", "--root=/no/such", cwd=root.path).rc == 2, "a name, and not another root"


def test_paths_that_lead_nowhere_are_named(root, tmp_path):
    (tmp_path / "bare").mkdir()
    for word, says in (("./nope", "The file or directory ./nope does not exist"), ("./bare", "./bare contains no dkms.conf"),
                       ("bare/", "bare/ contains no dkms.conf")):
        result = root("add", word, cwd=tmp_path)
        assert result.rc == 1 and says in result.err, result


def test_directory_that_may_not_be_read(root, tmp_path):
    (tmp_path / "closed/driver").mkdir(parents=True)
    (tmp_path / "closed").chmod(0)
    result = as_nobody(root, "add", tmp_path / "closed/driver")
    assert result.rc == 1 and f"Cannot read {tmp_path}/closed/driver: Permission denied" in result.err, result


@pytest.mark.parametrize("option", ["-q", "--quiet"])
def test_quiet_hides_even_errors(root, option):
    result = root("remove", "foo/9", option)
    assert (result.rc, result.out, result.err) == (3, "", "")


@pytest.mark.parametrize("option", ["--no-initrd", "--no-clean-kernel", "--no-prepare-kernel"])
def test_obsolete_options(root, option):
    result = root.ok("status", option)
    assert result.err.startswith("Deprecated: ") and option in result.err and result.out == ""


def test_verbose_shows_command_lines(root):
    root.source()
    assert "make -j" not in root.ok("build", "foo/1.0", "-k", K1).out
    assert f"make -j" in root.ok("build", "foo/1.0", "-k", K1, "--force", "--verbose").out
    root.framework("verbose=1\n")
    assert "make -j" in root.ok("build", "foo/1.0", "-k", K1, "--force").out


def test_debug_prints_commands_on_stderr(root):
    """Debugging messages do not appear on stdout, which scripts read."""
    root.source()
    result = root.ok("install", "foo/1.0", "-k", K1, "--debug")
    assert re.search(r"DEBUG: .*process \d+: \S", result.err), result
    assert "DEBUG" not in result.out
    assert root.ok("status", "--debug").out == root.ok("status").out
    assert "DEBUG" not in root.ok("install", "foo/1.0", "-k", K1, "--force").err


def test_steps_on_stdout_warnings_on_stderr(root):
    root.source(extra='PRE_INSTALL="missing.sh"\n')
    result = root.ok("install", "foo/1.0", "-k", K1)
    assert "Building module(s)... done" in result.out and result.err.startswith("Warning: PRE_INSTALL")


# ---- effects of options ----

@pytest.mark.parametrize("arguments, env, expected", [
    ([], {}, f"-j{len(os.sched_getaffinity(0))} "), (["-j", "7"], {}, "-j7 "), (["-j7"], {}, "-j7 "), (["-j", "0"], {}, "-j "),
    ([], {"parallel_jobs": "3"}, "-j3 "), (["-j", "5"], {"parallel_jobs": "3"}, "-j5 ")])
def test_jobs(root, arguments, env, expected):
    root.source()
    root.ok("build", "foo/1.0", "-k", K1, *arguments, env=env)
    assert command_of(root).startswith(f"make {expected}KERNELRELEASE={K1} -C ")


def test_kernelsourcedir_for_all_kernels(root):
    elsewhere = root.path / "headers"
    (root.modules / K1 / "build").rename(elsewhere)
    root.source()
    assert root("build", "foo/1.0", "-k", K1).rc == 21
    root.ok("build", "foo/1.0", "-k", K1, "-k", K2, "--kernelsourcedir", "/headers")
    for kernel in (K1, K2):
        assert f"-C {elsewhere} " in command_of(root, kernel) + " "


@pytest.mark.parametrize("place", ["linux-headers-{}", "kernels/{}"])
@pytest.mark.parametrize("kind", ["root", "chrooted"])
def test_headers_of_a_root_without_a_build_link(request, kind, place):
    lab = request.getfixturevalue(kind)
    headers = lab.src / place.format(K1)
    headers.parent.mkdir(exist_ok=True)
    (lab.modules / K1 / "build").rename(headers)
    lab.source()
    lab.ok("build", "foo/1.0", "-k", K1)
    inside = f"{'' if kind == 'chrooted' else lab.path}/usr/src/{place.format(K1)}"
    assert f"-C {inside} " in command_of(lab) + " "


def test_headers_of_the_host_for_a_root_that_is_only_data(real):
    (real.modules / real.release / "build").unlink()
    real.source(files={"foo.c": '#include <linux/module.h>\nMODULE_LICENSE("GPL");\n', "Makefile": "obj-m := foo.o\n"})
    real.ok("install", "foo/1.0")
    assert real.status() == [f"foo/1.0, {real.release}, {ARCH}: installed"]
    shutil.rmtree(real.modules / real.release / "updates")
    (real.modules / real.release).rename(real.modules / "6.0.0-nowhere")
    assert real("build", "foo/1.0").rc == 21, "the host has none for that release"


def test_relative_paths_mean_the_callers_directory(root, tmp_path):
    root.source()
    (tmp_path / "my.conf").write_text(CONF + "MAKE=\"echo mine; cp foo.c foo.ko\"\n")
    root.ok("build", "foo/1.0", "-k", K1, "-c", "my.conf", cwd=tmp_path)
    assert "echo mine" in command_of(root)


def test_config_decides_exclusivity(root):
    root.source(extra="BUILD_EXCLUSIVE_CONFIG=CONFIG_WANTED\n")
    (root.path / "cfg").write_text("CONFIG_WANTED=m\n")
    assert root("build", "foo/1.0", "-k", K1).rc == 77
    root.ok("build", "foo/1.0", "-k", K1, "--config", "/cfg")


def test_directive_is_echoed_exported_and_literal(root):
    root.source(conf=CONF + "MAKE='echo \"got:\\$ANY:\\$PACKAGE_VERSION\"; cp foo.c foo.ko'\n")
    result = root.ok("build", "foo/1.0", "-k", K1, "--directive", "ANY=a  b=$HOME", "--directive=STRIP=yes", "--directive", "STRIP=no")
    assert "got:a  b=$HOME:" in log_of(root)
    assert re.search(r'^Directive: ANY="a  b=\$HOME"$', result.out, re.M) and result.out.count("Directive: STRIP") == 2


def test_directive_of_one_element(root):
    root.source(conf=CONF + "BUILT_MODULE_NAME[1]=bar\nDEST_MODULE_LOCATION[1]=/extra\nSTRIP[1]=no\n", files={"foo.c": "f", "bar.c": "b"})
    root.ok("install", "foo/1.0", "-k", K1, "--directive", "DEST_MODULE_NAME[1]=baz")
    assert sorted(p.name for p in (root.modules / K1 / "updates/dkms").iterdir()) == ["baz.ko", "foo.ko"]


def test_no_depmod(root, tmp_path):
    env = tools(tmp_path, depmod=f"touch {root.path}/called\n")
    (root.modules / K1 / "modules.dep").write_text("x\n")
    root.source()
    root.ok("install", "foo/1.0", "-k", K1, "--no-depmod", env=env)
    assert not (root.path / "called").exists()
    root.ok("uninstall", "foo/1.0", "-k", K1, env=env)
    assert (root.path / "called").exists()


@pytest.mark.parametrize("dep, called", [(None, False), ("x\n", True)])
def test_depmod_needs_modules_dep(root, tmp_path, dep, called):
    env = tools(tmp_path, depmod=f'echo "$@" > {root.path}/called\n')
    if dep is not None:
        (root.modules / K1 / "modules.dep").write_text(dep)
    (root.path / "boot").mkdir()
    (root.path / f"boot/System.map-{K1}").touch()
    root.source()
    root.ok("install", "foo/1.0", "-k", K1, env=env)
    assert (root.path / "called").exists() == called
    if called:
        words = (root.path / "called").read_text().split()
        assert words == ["-b", str(root.path), "-a", K1, "-F", f"{root.path}/boot/System.map-{K1}"]


def test_emptied_modules_dep_is_cleaned_away(root, tmp_path):
    env = tools(tmp_path, depmod=f"for f in dep alias symbols.bin; do : > {root.modules}/{K1}/modules.$f; done\n")
    (root.modules / K1 / "modules.dep").write_text("x\n")
    root.source()
    root.ok("install", "foo/1.0", "-k", K1, env=tools(tmp_path, depmod="exit 0\n"))
    (root.modules / K1 / "build").rename(root.path / "away")
    root.ok("uninstall", "foo/1.0", "-k", K1, env=tools(tmp_path, depmod=f"for f in dep alias symbols.bin; do : > {root.modules}/{K1}/modules.$f; done\n"))
    assert not (root.modules / K1).exists() and env


def test_depmod_failure_is_a_warning(root, tmp_path):
    (root.modules / K1 / "modules.dep").write_text("x\n")
    root.source()
    result = root.ok("install", "foo/1.0", "-k", K1, env=tools(tmp_path, depmod="exit 3\n"))
    assert "depmod" in result.err and "The next dkms command tries again" in result.err
    result = root.ok("build", "foo/1.0", "-k", K2, env=tools(tmp_path, depmod=f"echo again >> {root.path}/again\n"))
    assert (root.path / "again").read_text() == "again\n"


def test_unprivileged_verbs_of_the_tree(root):
    """A user who may write to the trees may add and build, without --root or with an own root."""
    root.source()
    result = as_nobody(root, "install", "foo/1.0", "-k", K1, own=[root.path])
    assert result.rc == 0, result
    assert root.status() == [f"foo/1.0, {K1}, {ARCH}: installed"]


# ---- several kernels, sources and conf files ----

def test_first_failure_counts_and_all_kernels_are_done(root):
    root.source(extra='PRE_BUILD="pre.sh"\n', files={"foo.c": "x", "pre.sh": f"#!/bin/sh\n[ $kernelver != {K1} ] || exit 42\n"})
    assert root("install", "foo/1.0", "-k", K1, "-k", K2).rc == 42
    assert root.status() == [f"foo/1.0, {K2}, {ARCH}: installed"]


def test_same_kernel_twice(root):
    root.source()
    result = root.ok("build", "foo/1.0", "-k", K1, "-k", K1)
    assert result.out.count("Building foo/1.0") == 1


def test_same_kernel_twice_in_autoinstall(root):
    """3.4.3 accepts one kernel only, and exits with 4 although both are the same."""
    root.source()
    root.ok("add", "foo/1.0")
    result = root.ok("autoinstall", "-k", K1, "-k", K1)
    assert result.out.count("Building foo/1.0") == 1 and root.status() == [f"foo/1.0, {K1}, {ARCH}: installed"]


def test_the_record_decides_after_an_install(root, tmp_path):
    """status and uninstall use the record of the installation, not the options or recipe of now."""
    directory = root.source()
    other = tmp_path / "other.conf"
    other.write_text((directory / "dkms.conf").read_text() + "DEST_MODULE_NAME=other\n")
    for arguments, edit in ((["-c", other], ""), (["--directive", "DEST_MODULE_NAME=other"], ""), ([], "DEST_MODULE_NAME=other\n")):
        before = (directory / "dkms.conf").read_text()
        (directory / "dkms.conf").write_text(before + edit)
        root.ok("install", "foo/1.0", "-k", K1, *arguments)
        (directory / "dkms.conf").write_text(before)
        assert (root.modules / K1 / "updates/dkms/other.ko").exists()
        assert root.status() == [f"foo/1.0, {K1}, {ARCH}: installed"]
        root.ok("remove", "foo/1.0", "--all")
        assert not list(root.modules.rglob("*.ko")) and root.status() == []


def test_a_missing_tree_is_made(root):
    root.source()
    assert not root.tree.exists()
    assert root.status() == [] and not root.tree.exists(), "status does not create it"
    root.ok("add", "foo/1.0")
    assert root.status() == ["foo/1.0: added"]


def test_directory_of_an_added_module_is_not_copied(root, tmp_path):
    root.source()
    root.ok("add", "foo/1.0")
    other = tmp_path / "work"
    other.mkdir()
    (other / "dkms.conf").write_text(CONF)
    (other / "foo.c").write_text("other\n")
    for verb in ("add", "build", "install"):
        assert root(verb, other, "-k", K1).rc == 3
    assert (root.src / "foo-1.0/foo.c").read_text() == "foo 1.0\n"


def test_forced_add_of_the_source_itself_deletes_nothing(root):
    source = root.source()
    root.ok("add", source, "--force")
    assert (source / "foo.c").is_file() and root.status() == ["foo/1.0: added"]


def test_identity_is_not_compared_but_warned_about(root):
    root.source("bar", conf=CONF)
    assert "names foo/1.0" in root.ok("add", "bar/1.0").err


def test_identity_lookup_ignores_overrides(root, tmp_path):
    (root.path / "etc/dkms/.conf").write_text("PACKAGE_NAME=evil\n")
    (root.path / "etc/dkms/-.conf").write_text("PACKAGE_NAME=evil\n")
    root.ok("add", root.source())
    assert root.status() == ["foo/1.0: added"]


def test_syntax_error_after_the_directives(root):
    root.source(conf=CONF + "if then\n")
    root.ok("install", "foo/1.0", "-k", K1)


def test_internal_names_of_the_reference_are_ignored(root):
    root.source(conf=CONF + "strip=no\npatch_array=(x)\nbuilt_module_name=(zzz)\ndest_module_location=(/nowhere)\nbuild_exclude=yes\n")
    root.ok("install", "foo/1.0", "-k", K1)
    assert (root.modules / K1 / "updates/dkms/foo.ko").is_file()


@pytest.mark.parametrize("strip, called", [("", ["foo", "bar"]), ("STRIP=no\n", []), ("STRIP[0]=N\nSTRIP[1]=yes\n", ["bar"]),
                                           ("STRIP[0]=no\nSTRIP[1]=maybe\n", ["bar"]), ("STRIP[1]=no\n", ["foo"])])
def test_strip(root, tmp_path, strip, called):
    root.framework("sandbox=off\n")  # so that the stand-in can write outside of the build directory
    env = tools(tmp_path, strip=f'echo "$@" >> {tmp_path}/called\n')
    root.source(conf="PACKAGE_NAME=foo\nPACKAGE_VERSION=1.0\nBUILT_MODULE_NAME[0]=foo\nBUILT_MODULE_NAME[1]=bar\n"
                     "DEST_MODULE_LOCATION[0]=/extra\nDEST_MODULE_LOCATION[1]=/extra\n" + strip, files={"foo.c": "f", "bar.c": "b"})
    root.ok("build", "foo/1.0", "-k", K1, env=env)
    found = (tmp_path / "called").read_text().splitlines() if (tmp_path / "called").exists() else []
    assert found == ([" ".join(["-g", *(f"{name}.ko" for name in called)])] if called else [])


def test_strip_of_a_clang_kernel(root, tmp_path):
    root.framework("sandbox=off\n")
    env = tools(tmp_path, clang_17="exit 0\n", llvm_strip=f"touch {tmp_path}/llvm\n", strip=f"touch {tmp_path}/gnu\n")
    root.kernel(K1, config='CONFIG_CC_VERSION_TEXT="clang-17 version 17"\n')
    root.source(conf=CONF.replace("STRIP=no\n", ""))
    root.ok("build", "foo/1.0", "-k", K1, env=env)
    assert (tmp_path / "llvm").exists() and not (tmp_path / "gnu").exists()


@pytest.mark.parametrize("config, expected", [
    ("", "CC= LD="), ('CONFIG_CC_VERSION_TEXT="my-gcc (x) 1"\n', "CC=my-gcc LD="), ("CONFIG_CC_VERSION_TEXT=my-gcc 1\n", "CC=my-gcc LD="),
    ('CONFIG_CC_VERSION_TEXT="not-there 1"\n', "CC= LD="), ("CONFIG_CC_IS_CLANG=y\nCONFIG_LD_IS_LLD=y\n", "CC=clang LD=ld.lld LLVM=1")])
def test_compiler_of_the_kernel(root, tmp_path, config, expected):
    env = tools(tmp_path, my_gcc="", clang="", **{"ld.lld": ""})
    root.kernel(K1, config=config)
    root.source(conf=CONF + "MAKE='cp foo.c foo.ko; echo \"CC=\\$KERNEL_CC LD=\\$KERNEL_LD\"'\n")
    root.ok("build", "foo/1.0", "-k", K1, env=dict(env, CC="mine"))
    assert f"\n{expected.removesuffix(' LLVM=1')}" in log_of(root)
    assert command_of(root).endswith(" LLVM=1") == expected.endswith(" LLVM=1")


def test_make_log_of_the_source_is_not_kept(root):
    root.source(files={"foo.c": "x", "make.log": "stale\n"})
    root.ok("build", "foo/1.0", "-k", K1)
    assert "stale" not in log_of(root)


def test_zero_records_and_exclusivity(root):
    root.source(conf="PACKAGE_NAME=foo\nPACKAGE_VERSION=1.0\nBUILD_EXCLUSIVE_KERNEL=^9\n")
    assert root("build", "foo/1.0", "-k", K1).rc == 77
    root.source("bar", conf="PACKAGE_NAME=bar\nPACKAGE_VERSION=1.0\n")
    assert "does not list a module" in root.ok("install", "bar/1.0", "-k", K1).err
    assert f"bar/1.0, {K1}, {ARCH}: installed" in root.status()


def test_exclusivity_names_the_real_file(root):
    root.source(extra="BUILD_EXCLUSIVE_KERNEL=^9\n")
    result = root("build", "foo/1.0", "-k", K1)
    assert result.rc == 77 and result.err.startswith("Warning: ") and str(root.src / "foo-1.0/dkms.conf") in result.err


def test_exclusivity_without_a_configuration(root):
    (root.modules / K1 / "build/include/config/auto.conf").unlink()
    root.source(extra="BUILD_EXCLUSIVE_CONFIG=CONFIG_X\n")
    root.ok("build", "foo/1.0", "-k", K1)  # Q-5A


def test_depends_in_one_string(root):
    for name in ("a", "b"):
        root.source(name)
        root.ok("install", f"{name}/1.0", "-k", K1)
    root.source(extra='BUILD_DEPENDS="a b"\n')
    root.ok("build", "foo/1.0", "-k", K1)


def test_failing_post_build_means_not_built(root):
    root.source(extra='POST_BUILD="post.sh"\n', files={"foo.c": "x", "post.sh": "#!/bin/sh\nexit 9\n"})
    assert root("install", "foo/1.0", "-k", K1).rc == 9
    assert root.status() == ["foo/1.0: added"]


def test_script_that_cannot_run_is_a_warning_also_before_install(root):
    root.source(extra='PRE_INSTALL="pre.sh"\n', files={"foo.c": "x", "pre.sh": "no script\n"})
    assert "not executable" in root.ok("install", "foo/1.0", "-k", K1).err
