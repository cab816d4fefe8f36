"""Invalid input: the specified exit code, a message with file and advice, and an unchanged tree."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest
from conftest import ARCH, DKMS, K1, K2, mounted

ID = "PACKAGE_NAME=foo\nPACKAGE_VERSION=1.0\n"
ONE = ID + "BUILT_MODULE_NAME=foo\nDEST_MODULE_LOCATION=/extra\nSTRIP=no\n"


@pytest.mark.parametrize("conf, code, says", [
    (None, 4, "dkms.conf"),
    ("", 8, "PACKAGE_NAME is missing"),
    (b"\x7fELF\0\0\1", 8, "not a text file"),
    (ID + "BUILT_MODULE_NAME=foo\n", 8, "DEST_MODULE_LOCATION[0] is missing"),
    (ONE + "BUILT_MODULE_NAME[1]=foo\nDEST_MODULE_LOCATION[1]=/extra\n", 8, "listed twice"),
    (ONE + "AUTOINSTALL=perhaps\n", 8, "must be yes or no"),
    (ID + "BUILT_MODULE_NAME=foo\nDEST_MODULE_LOCATION=/updates/../../../etc\n", 8, "leads out"),
    (ONE + "exit 0\n", 8, "ended its shell"),
    (ONE + "exec true\n", 8, "ended its shell"),
    (ONE + "while :; do sleep 1; done\n", 8, "took more than"),
], ids=["absent", "empty", "binary", "missing", "duplicate", "boolean", "dotdot", "exit", "exec", "hang"])
def test_bad_conf(root, conf, code, says):
    directory = root.source(conf=conf if conf is not None else "")
    (root.path / "etc/dkms/framework.conf").write_text("recipe_timeout=1\n")
    if conf is None:
        (directory / "dkms.conf").unlink()
    before = root.snapshot()
    result = root("add", "foo/1.0", "-k", K1)
    assert result.rc == code and says in result.err and "dkms.conf" in result.err, result
    after = root.snapshot()
    after = {k: v for k, v in after.items() if k not in ("var", "var/lib", "var/lib/dkms")}
    assert after == before


@pytest.mark.parametrize("line", ["echo noise; echo more noise >&2", "set -e; false", "unset IFS", "IFS=,",
                                  "echo() { exit 3; }; printf() { exit 3; }; eval() { exit 3; }; unset() { exit 3; }",
                                  "trap 'exit 9' EXIT", "cd /nowhere", "shopt -s nullglob", "set -u; set -f", "local x"])
def test_rude_recipes_work(root, line):
    root.source(conf=ONE + line + "\n")
    root.ok("install", "foo/1.0", "-k", K1)


def test_a_bad_recipe_harms_only_itself(root):
    root.source("bad", conf="PACKAGE_NAME=bad\nPACKAGE_VERSION=1.0\nBUILT_MODULE_NAME=b\nDEST_MODULE_LOCATION=/extra\nAUTOINSTALL=yes\n")
    root.source("good")
    root.ok("add", "bad/1.0")
    root.ok("add", "good/1.0")
    (root.src / "bad-1.0/dkms.conf").write_text("exit 5\n")
    result = root("autoinstall", "-k", K1)
    assert result.rc == 11 and "bad/1.0" in result.err
    assert f"good/1.0, {K1}, {ARCH}: installed" in root.status()


def test_crlf(root):
    conf = ONE + "\nif [ -n \"$kernelver\" ]; then\n  AUTOINSTALL=yes\nfi\nPRE_BUILD=pre.sh\n"
    root.source(conf=conf.replace("\n", "\r\n"), files={"foo.c": "x", "pre.sh": "#!/bin/sh\ntouch done-$kernelver.c\n"})
    root.ok("add", "foo/1.0")
    root.ok("autoinstall", "-k", K1)
    assert root.status() == [f"foo/1.0, {K1}, {ARCH}: installed"]


@pytest.mark.parametrize("arguments, code", [
    (["add", "nothing/1"], 2), (["add", "foo"], 1), (["add"], 1), (["build"], 1), (["remove", "nothing/1"], 3),
    (["uninstall", "foo/9"], 3), (["--nonsense"], 2), (["status", "-k"], 2), (["add", "build"], 4), ([], 2),
    (["add", "foo/1.0", "--all"], 5), (["remove", "foo/1.0", "--all", "-k", K1], 2), (["remove", "foo/1.0", "--all", "-a", "x"], 3),
    (["build", "foo/1.0", "-k", K1, "-a", "x", "-a", "y"], 1), (["kernel_postinst", "-k", K1, "-k", K2], 4),
    (["status", "--binaries-only", "--source-only"], 8), (["build", "foo/1.0", "-k", ""], 16), (["build", "foo/1.0", "-a", ""], 16),
    (["add", "/no/such/place"], 1), (["install", "foo/1.0", "-k", "9.9.9"], 21), (["-m", "foo", "-v", "a/b", "add"], 2),
    (["add", "-m", "a b", "-v", "1"], 2), (["remove", "-m", "-x", "-v", "1"], 3), (["add", "-m", "..", "-v", "1"], 2),
    (["build", "foo/1.0", "-k", "../../etc"], 2),
])
def test_exit_codes(root, arguments, code):
    root.source()
    before = root.snapshot()
    result = root(*arguments)
    assert result.rc == code, result
    assert result.err.strip(), "an error message is printed"
    left = {k: v for k, v in root.snapshot().items() if not k.startswith("var")}
    assert left == {k: v for k, v in before.items() if not k.startswith("var")}


# ---- values of options, checked before any work ----

def untouched(root, before):
    return {k: v for k, v in root.snapshot().items() if not k.startswith("var")} == before and root.status() == []


@pytest.mark.parametrize("verb", [["build", "foo/1.0"], ["install", "foo/1.0"], ["autoinstall"], ["add", "foo/1.0"]])
@pytest.mark.parametrize("jobs", [["-j", "abc"], ["-j", "-1"], ["-j", "1.5"], ["-j", ""], ["-j4x"], ["-j", "10000"], ["-j", "99999999999"]])
def test_bad_job_numbers(root, verb, jobs):
    root.source()
    before = root.snapshot()
    result = root(*verb, *(["-k", K1] if verb[0] != "add" else []), *jobs)
    assert result.rc == 2 and "-j" in result.err and "number" in result.err and result.out == "", result
    assert untouched(root, before)


@pytest.mark.parametrize("where", ["framework.conf", "framework.conf.d/x.conf", "environment"])
def test_bad_job_number_in_the_settings(root, where):
    root.source()
    env = {"parallel_jobs": "many"} if where == "environment" else {}
    if not env:
        (root.path / "etc/dkms/framework.conf.d").mkdir()
        root.framework("parallel_jobs=4\n")
        (root.path / "etc/dkms" / where).write_text("parallel_jobs=many\n")
    result = root("build", "foo/1.0", "-k", K1, env=env)
    assert result.rc == 2 and "parallel_jobs=many" in result.err and result.out == "", result
    assert (str(root.path / "etc/dkms" / where) if not env else "the environment") in result.err
    assert root.ok("status", env=env).err == "" and root("remove", "foo/1.0", env=env).rc == 3, "verbs that need no jobs work"
    root.ok("build", "foo/1.0", "-k", K1, "-j", "2", env=env)


@pytest.mark.parametrize("jobs, shown", [("0", "-j "), ("00", "-j "), ("04", "-j4 "), ("9999", "-j9999 ")])
def test_good_job_numbers(root, jobs, shown):
    root.source()
    root.ok("build", "foo/1.0", "-k", K1, "-j", jobs)
    assert f"make {shown}KERNELRELEASE" in (root.tree / f"foo/1.0/{K1}/{ARCH}/log/make.log").read_text()


@pytest.mark.parametrize("name, code", [("a b", 2), (".", 2), ("..", 2), ("-x", 2), (".hidden", 2), ("a\tb", 2), ("a\x01b", 2), ("x" * 201, 2),
                                        ("a/b/c", 2), ("", 16), (" ", 16), ("/usr/src/linux-headers-6.1", 16), ("/", 16)])
@pytest.mark.parametrize("verb", ["build", "install", "uninstall", "remove", "autoinstall", "kernel_postinst", "mktarball"])
def test_bad_kernel_names(root, verb, name, code):
    root.source()
    before = root.snapshot()
    result = root(verb, *([] if verb in ("autoinstall", "kernel_postinst") else ["foo/1.0"]), f"--kernelver={name}")
    assert result.rc == code and result.out == "", result
    assert untouched(root, before)
    assert root.status("-k", name) == [], "a filter may be anything"


@pytest.mark.parametrize("arguments, code, says", [
    (["-c", "/nope.conf"], 4, "/nope.conf"), (["-c", "/"], 4, "regular file"), (["--config", "/nope"], 2, "/nope"), (["--config", "/etc"], 2, "directory"),
    (["--kernelsourcedir", "/nope"], 21, "/nope"), (["--kernelsourcedir", "/etc/os-release"], 21, "/etc/os-release"),
    (["--directive", "FOO"], 2, "--directive FOO"), (["--directive", "=x"], 2, "--directive"), (["--directive", "A B=x"], 2, "A B=x"), (["--directive", "1A=x"], 2, "1A=x"),
    (["--directive", "STRIP[x]=no"], 2, "STRIP[x]"), (["--directive", "STRIP[=no"], 2, "STRIP["), (["--directive", ""], 2, "--directive"),
    (["--dkmstree", "/nope"], 1, "/nope"), (["--dkmstree", "/no/such"], 1, "/no/such")])
@pytest.mark.parametrize("verb", ["build", "install"])
def test_bad_files_and_directives(root, verb, arguments, code, says):
    root.source()
    before = root.snapshot()
    result = root(verb, "foo/1.0", "-k", K1, *arguments)
    assert result.rc == code and says in result.err and result.out == "", result
    assert untouched(root, before) and not (root.path / "nope").exists() and not (root.path / "no").exists()


@pytest.mark.parametrize("arguments, code", [
    (["status"], 0), (["remove", "foo/1.0", "--all"], 3), (["unbuild", "foo/1.0", "-k", K1], 3), (["uninstall", "foo/1.0", "-k", K1], 3),
    (["mktarball", "foo/1.0"], 3), (["autoinstall", "-k", K1], 2), (["match", "--templatekernel", K2, "-k", K1], 2), (["add", "foo/1.0"], 1),
    (["kernel_prerm", "-k", K1], 2), (["install", "foo/1.0", "-k", K1], 1)])
def test_mistyped_tree_is_not_made(root, arguments, code):
    root.source()
    result = root(*arguments, "--dkmstree", "/var/lib/dkmz")
    assert result.rc == code and f"The tree {root.path}/var/lib/dkmz does not exist" in result.err, result
    assert not (root.path / "var").exists()


def test_match_with_a_kernel_that_nobody_knows(root):
    root.source()
    root.ok("install", "foo/1.0", "-k", K2)
    result = root("match", "--templatekernel", "5.0", "-k", K1)
    assert result.rc == 2 and "Kernel 5.0 is not installed" in result.err
    shutil.rmtree(root.modules / K2)
    root.ok("match", "--templatekernel", K2, "-k", K1)  # no longer installed, but modules are built for it
    assert f"foo/1.0, {K1}, {ARCH}: installed" in root.status()


def test_autoinstall_for_a_kernel_that_is_not_there(root):
    assert "Kernel 6.9-nope is not installed" in root.ok("autoinstall", "-k", "6.9-nope").err
    assert root.ok("autoinstall", "-k", K1).err == ""


# ---- values of settings ----

@pytest.mark.parametrize("line, says", [
    ("sandbx=off", "Did you mean sandbox?"), ("Sandbox=off", "Did you mean sandbox?"), ("paralel_jobs=2", "Did you mean parallel_jobs?"),
    ("  mok_signing_kye=/x", "Did you mean mok_signing_key?"), ("wholly_other=1", "sets wholly_other, which is not a setting."),
    ("sign_tool=/etc/dkms/sign_helper.sh", "Use sign_file"), ("export SANDBOX_X=1", None), ("AUTOINSTALL=yes", None), ("PATH=$PATH:/x", None),
    ("keys=/etc/keys\nmok_signing_key=$keys/k", None), ("keys=/etc/keys\nmok_signing_key=${keys}/k", None), ("#sandbx=off", None),
    ("f() {\n  echo sandbx=off\n}", None), ("DKMS_DIRECTIVE_1=STRIP=no", None), ("mok_certificate=/x", None), ("autoinstall_all_kernels=1", None)])
def test_unknown_settings(root, line, says):
    root.source()
    (root.path / "etc/dkms/framework.conf.d").mkdir()
    place = root.path / "etc/dkms/framework.conf.d/x.conf"
    place.write_text(line + "\n")
    result = root.ok("add", "foo/1.0")
    assert result.err == "" if says is None else len(result.err.splitlines()) == 1 and result.err.startswith(f"Warning: {place}:{line.count(chr(10)) + 1} sets ") and says in result.err, result
    assert root.ok("status").err == ""


@pytest.mark.parametrize("lines, meant", [
    ("AUTOINSTAL=yes", "AUTOINSTALL"), ("DEST_MODULE_LOCTION[1]=/x", "DEST_MODULE_LOCATION"), ("BUILD_MODULE_NAME=foo", "BUILT_MODULE_NAME"),
    ("if true; then\n  POST_INSTAL=x.sh\nfi", "POST_INSTALL"), ("REMAKE_INITRDS=no", "REMAKE_INITRD"), ("AUTOINSTALL=yes", None), ("MODULE_DIR=/x", None),
    ("# AUTOINSTAL=yes", None), ("CLEANS='make clean'\nMAKE=\"$CLEANS; cp foo.c foo.ko\"", None), ("strip=no", None), ("export MAKES=1", None),
    ("NO_WEAK_MODULES=yes\nCLEAN=true", None)])
def test_misspelt_directives(root, lines, meant):
    source = root.source(conf=ONE + lines + "\n")
    result = root.ok("add", "foo/1.0")
    name = lines.replace("if true; then\n  ", "").split("=")[0].split("[")[0]
    number = ONE.count("\n") + lines.count("\n", 0, lines.index(name)) + 1
    expected = f"Warning: {source}/dkms.conf:{number} sets {name}, which is not a directive. Did you mean {meant}?\n" if meant else ""
    assert result.err == expected, result
    assert root.ok("autoinstall", "-k", K1).err == "", "the kernel hooks do not repeat it"


def test_every_shipped_setting_is_known(root):
    text = (pathlib.Path(__file__).resolve().parents[2] / "data/framework.conf").read_text()
    names = re.findall(r"^#([a-z_]+)=", text, re.M)
    assert len(names) > 15
    root.framework("".join(f"{name}=\n" for name in names))
    assert root.ok("autoinstall", "-k", K1).err == ""


def test_unknown_setting_is_reported_once_per_package(root):
    root.source()
    root.framework("sandbx=off\n")
    postinst = root.path.parent / "common.postinst"
    postinst.symlink_to(DKMS)
    result = subprocess.run([postinst, "--root", root.path, "foo", "1.0"], capture_output=True, text=True, check=True)
    assert (result.stdout + result.stderr).count("sandbx") == 1, result


@pytest.mark.parametrize("setting, code, says", [
    ("recipe_timeout=soon", 2, "is not a number"), ("recipe_timeout=0", 2, "is not a number"), ("tarball_limit_mib=-1", 2, "is not a number"),
    ("sandbox=of", 8, 'Invalid value "of" for sandbox in {place}:1.'),
    *((f"{name}=some/where", 2, "is not an absolute path") for name in ("dkms_tree", "source_tree", "install_tree", "tmp_location"))])
def test_bad_settings_name_their_place(root, setting, code, says):
    (root.path / "etc/dkms/framework.conf.d").mkdir()
    (root.path / "etc/dkms/framework.conf.d/x.conf").write_text(setting + "\n")
    result = root("status")
    place = f"{root.path}/etc/dkms/framework.conf.d/x.conf"
    assert result.rc == code and (says if "{" in says else f"{setting} in {{place}}:1 {says}").format(place=place) in result.err


def test_a_build_user_who_does_not_exist(root):
    """The setting of the host counts, not that of the root."""
    root.framework("build_user=nobody-at-all\n")
    result = root("status")
    assert result.rc == 8 and "build_user=nobody-at-all in /etc/dkms/framework.conf:1 is not a user" in result.err


def test_tmp_location_that_is_not_there(root, tmp_path):
    root.source()
    root.ok("add", "foo/1.0")
    root.ok("mktarball", "foo/1.0", "--source-only", "--archive", tmp_path / "x.tar")
    root.ok("remove", "foo/1.0")
    root.framework("tmp_location=/no/such\n")
    result = root("ldtarball", tmp_path / "x.tar")
    assert result.rc == 2 and f"tmp_location=/no/such in {root.path}/etc/dkms/framework.conf" in result.err, result
    assert not (root.path / "no").exists() and root.status() == []
    root.ok("add", "foo/1.0")  # does not unpack anything
    root.framework("")
    assert root("ldtarball", tmp_path / "x.tar", env={"TMPDIR": "/no/such"}).rc == 2


@pytest.mark.parametrize("command, says", [("/no/such --now", "does not exist"), ("/etc/os-release", "is not an executable file"), ("/no/$kernelver", None), ("/no/such $kernelver", "does not exist"),
                                           ("true", None)])
def test_post_transaction_that_cannot_run(root, command, says):
    root.source()
    root.framework(f"post_transaction='{command}'\n")
    result = root.ok("autoinstall", "-k", K1)
    assert (result.err == "") if says is None else says in result.err and "post_transaction in " + str(root.path) in result.err, result


def test_build_environment_that_is_not_there(root):
    root.source()
    root.framework("build_environment=/no/such\n")
    result = root.ok("build", "foo/1.0", "-k", K1)
    assert "build_environment in " in result.err and "/no/such" in result.err


def test_missing_headers_name_the_package(root):
    root.kernel("6.5.0-bare", headers=False)
    root.source()
    result = root("build", "foo/1.0", "-k", "6.5.0-bare")
    assert result.rc == 21 and "linux-headers-6.5.0-bare" in result.err


def test_kernel_that_is_not_installed(root):
    root.source()
    root.kernel("6.5.0-bare", headers=False)
    result = root("build", "foo/1.0", "-k", "6.1.0-9-test")
    assert result.rc == 21 and f"Kernel 6.1.0-9-test is not installed: {root.modules}/6.1.0-9-test does not exist" in result.err, result
    assert f"Kernels with headers: {K2}, {K1}." in result.err or f"Kernels with headers: {K1}, {K2}." in result.err


def test_no_os_release(root):
    (root.path / "etc/os-release").unlink()
    assert root("--version").rc == 4
    (root.path / "usr/lib").mkdir(parents=True)
    (root.path / "usr/lib/os-release").write_text("ID=fedora\n")
    assert root.ok("--version").out == "dkms-4.0.0~dev\n"


@pytest.mark.parametrize("patch, code", [("gone.patch", 5), ("../../x", 5), ("bad.patch", 6)])
def test_patches_that_fail(root, patch, code):
    root.source(extra=f'PATCH[0]="{patch}"\n', files={"foo.c": "x\n", "patches/bad.patch": "--- a/foo.c\n+++ b/foo.c\n@@ -1 +1 @@\n-nope\n+y\n"})
    assert root("build", "foo/1.0", "-k", K1).rc == code
    assert root.status() == ["foo/1.0: added"]


def test_scripts_that_fail(root):
    root.source("a", extra='PRE_BUILD="s.sh 1"\n', files={"a.c": "x", "s.sh": "#!/bin/sh\nexit 42\n"})
    assert root("install", "a/1.0", "-k", K1).rc == 42
    root.source("b", extra="POST_BUILD=s.sh\n", files={"b.c": "x", "s.sh": "#!/bin/sh\nexit 43\n"})
    assert root("install", "b/1.0", "-k", K1).rc == 43
    root.source("c", extra="PRE_INSTALL=s.sh\n", files={"c.c": "x", "s.sh": "#!/bin/sh\nexit 44\n"})
    assert root("install", "c/1.0", "-k", K1).rc == 101
    root.source("d", extra="POST_ADD=s.sh\n", files={"d.c": "x", "s.sh": "#!/bin/sh\nexit 45\n"})
    assert root("add", "d/1.0").rc == 45
    assert root.status() == ["a/1.0: added", "b/1.0: added", f"c/1.0, {K1}, {ARCH}: built", "d/1.0: added"]
    root.ok("install", "c/1.0", "-k", K1, "--force")


def test_a_build_that_fails_is_not_installed_and_made_once(root):
    """Guards that a step does not run after a failed step that it needs: the installation would build the module again."""
    count = root.path / "count"
    root.framework("sandbox=off\n")
    root.source(extra="PRE_BUILD=s.sh\n", files={"foo.c": "x", "s.sh": f"#!/bin/sh\necho once >>{count}\nexit 42\n"})
    result = root("install", "foo/1.0", "-k", K1)
    assert result.rc == 42 and count.read_text() == "once\n" and result.err.count("Error!") == 1, result


def test_make_that_does_not_build_the_module(root):
    root.source(extra="BUILT_MODULE_NAME[1]=other\nDEST_MODULE_LOCATION[1]=/extra\n")
    result = root("build", "foo/1.0", "-k", K1)
    assert result.rc == 7 and "other.ko" in result.err


def test_exclusive_is_skipped(root):
    root.source(extra="BUILD_EXCLUSIVE_KERNEL_MIN=6.5\n")
    assert root("build", "foo/1.0", "-k", K1).rc == 77
    root.ok("build", "foo/1.0", "-k", K2)


def test_missing_dependency(root):
    root.source(extra='BUILD_DEPENDS[0]="one two"\n')
    result = root("build", "foo/1.0", "-k", K1)
    assert result.rc == 13 and "one two" in result.err
    root.ok("build", "foo/1.0", "-k", K1, "--force")


def test_left_over_build_directory(root):
    root.source()
    root.ok("add", "foo/1.0")
    (root.tree / f"foo/1.0/{K1}/{ARCH}").mkdir(parents=True)
    assert root("build", "foo/1.0", "-k", K1).rc == 3
    root.ok("build", "foo/1.0", "-k", K1, "--force")


def as_nobody(root, *arguments):
    return subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", DKMS, *map(str, arguments)],
                          capture_output=True, text=True, check=False, cwd="/")


def test_without_privilege(root, tmp_path):
    if os.geteuid() != 0:
        pytest.fail("run the system tier as root: sudo make check")
    with_helpers = tmp_path / "bin"
    assert shutil.which("setpriv")
    with_helpers.mkdir()
    result = as_nobody(root, "add", "foo/1.0", "--dkmstree", root.tree, "--sourcetree", root.src)
    if result.returncode == 126 or "Permission denied" in result.stderr and "setpriv" in result.stderr:
        pytest.fail("the binary is in a place that others cannot reach")
    assert result.returncode == 1 and "--dkmstree" in result.stderr
    assert as_nobody(root, "install", "foo/1.0").returncode == 1


def test_read_only_tree(root):
    root.source()
    with mounted(root.tree, "ro"):
        result = root("add", "foo/1.0")
        assert result.rc == 1 and "/var/lib/dkms" in result.err


def test_disk_full_at_build(root):
    root.source(files={"foo.c": "x" * 300_000})
    with mounted(root.tree, "size=512k"):
        result = root("build", "foo/1.0", "-k", K1)
        assert result.rc != 0 and "No space left" in result.err
        assert root.status() == ["foo/1.0: added"]


def test_disk_full_at_install(root):
    root.source(files={"foo.c": "x" * 300_000})
    root.ok("build", "foo/1.0", "-k", K1)
    old = root.modules / K1 / "updates"
    with mounted(old, "size=64k"):
        (old / "dkms").mkdir()
        (old / "dkms/foo.ko").write_text("old\n")
        result = root("install", "foo/1.0", "-k", K1, "--force")
        assert result.rc == 6 and "No space left" in result.err
        assert [p.name for p in old.rglob("*")] == ["dkms", "foo.ko"]
        assert (old / "dkms/foo.ko").read_text() == "old\n"
        assert root.status() == [f"foo/1.0, {K1}, {ARCH}: built"]
