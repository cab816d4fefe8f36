"""Settings and files by which administrators and distributions change what a run does."""
import os
import pathlib
import re
import shutil
import subprocess
import time

import pytest
from conftest import ARCH, DKMS, K1, K2


def with_tool(tmp_path, name, script):
    directory = tmp_path / "bin"
    directory.mkdir(exist_ok=True)
    (directory / name).write_text("#!/bin/sh\n" + script)
    (directory / name).chmod(0o755)
    return {"PATH": f"{directory}:{os.environ['PATH']}"}


def log_of(root, name="foo", kernel=K1):
    return (root.tree / f"{name}/1.0/{kernel}/{ARCH}/log/make.log").read_text()


# ---- post_transaction ----

def test_post_transaction(root):
    root.framework(f'post_transaction="echo done for $kernelver >> {root.path}/ran; echo said"\n')
    root.source()
    ran = root.path / "ran"
    result = root.ok("install", "foo/1.0", "-k", K1)
    assert "Executing post-transaction command..." in result.out
    assert ran.read_text() == f"done for {K1}\n"
    log = (root.tree / "post_transaction.log").read_text()
    assert log.startswith("\nExecuting post-transaction command\n# command: echo done for") and "\nsaid\n" in log
    assert re.search(r"\n# exit code: 0\n# elapsed time: 00:\d\d:\d\d\n-{64}\n\Z", log), log
    for arguments in (["add", "foo/1.0"], ["build", "foo/1.0", "-k", K2]):
        root(*arguments)
    assert ran.read_text().count("\n") == 1, "neither add nor build"
    for count, arguments in enumerate((["install", "foo/1.0", "-k", K1], ["uninstall", "foo/1.0", "-k", K1], ["unbuild", "foo/1.0", "-k", K1],
                                       ["remove", "foo/1.0", "--all"]), 2):
        root.ok(*arguments)
        assert ran.read_text().count("\n") == count, arguments


def test_post_transaction_after_autoinstall_and_hooks(root):
    root.framework(f'post_transaction="echo $kernelver >> {root.path}/ran; exit 9"\n')
    root.source()
    root.ok("add", "foo/1.0")
    ran = root.path / "ran"
    assert not ran.exists()
    for count, arguments in enumerate((["autoinstall", "-k", K1], ["autoinstall", "-k", K1], ["kernel_prerm", "-k", K1], ["kernel_prerm", "-k", K1])):
        root.ok(*arguments)
        assert ran.read_text() == f"{K1}\n" * (1 + count // 2), "only when something changed; its status is ignored"


def test_post_transaction_not_after_a_failure(root):
    root.framework(f'post_transaction="touch {root.path}/ran"\n')
    root.source(extra='PRE_BUILD="pre.sh"\n', files={"foo.c": "x", "pre.sh": "#!/bin/sh\nexit 3\n"})
    assert root("install", "foo/1.0", "-k", K1).rc == 3
    assert not (root.path / "ran").exists()


# ---- build_environment, .kernelvariables ----

def test_build_environment(root):
    (root.path / "env.sh").write_text('echo noise\nexport SEEN="$module-$module_version-$kernelver-$arch with blanks"\nHIDDEN=1\n')
    root.framework(f"build_environment={root.path}/env.sh\n")
    root.source(conf=f"PACKAGE_NAME=foo\nPACKAGE_VERSION=1.0\nBUILT_MODULE_NAME=foo\nDEST_MODULE_LOCATION=/extra\nSTRIP=no\n"
                     f"MAKE='echo \"seen:\\$SEEN:\\$HIDDEN\"; cp foo.c foo.ko'\n")
    (root.path / "tmp").mkdir()
    # If the root contains only data, the path is that of the host, as tools see it.
    inside = root.path / str(root.path).lstrip("/")
    inside.mkdir(parents=True)
    (inside / "env.sh").write_text((root.path / "env.sh").read_text())
    root.ok("build", "foo/1.0", "-k", K1)
    assert f"seen:foo-1.0-{K1}-{ARCH} with blanks:\n" in log_of(root)


def test_kernelvariables(root):
    (root.modules / K1 / "build/.kernelvariables").write_text("override CC = my-gcc-12\n")
    (root.modules / K2 / "build/.kernelvariables").write_text("VERSION = 6\n")
    root.source(conf="PACKAGE_NAME=foo\nPACKAGE_VERSION=1.0\nBUILT_MODULE_NAME=foo\nDEST_MODULE_LOCATION=/extra\nSTRIP=no\n"
                     "MAKE='echo \"cc:\\${CC-unset}\"; cp foo.c foo.ko'\n")
    root.ok("build", "foo/1.0", "-k", K1, "-k", K2, env={"CC": "mine"})
    assert "\ncc:my-gcc-12\n" in log_of(root) and "\ncc:unset\n" in log_of(root, kernel=K2)


# ---- the force list ----

@pytest.mark.parametrize("word, result", [("foo", 0), ("bar foo_version-override", 0), ("fo", 6)])
def test_force_list(root, word, result):
    directory = root.path / "usr/share/dkms/modules_to_force_install"
    directory.mkdir(parents=True)
    (directory / "list").write_text(f"{word}\nother\n")
    (root.modules / K1 / "kernel").mkdir()
    (root.modules / K1 / "kernel/foo.ko").write_text("foo 1.0\n")
    root.source()
    assert root("install", "foo/1.0", "-k", K1).rc == result


# ---- rpm upgrades ----

def rpm(root, *scriptlets):
    """Runs dkms like rpm: one shell for each scriptlet, all started by one process."""
    program = "import subprocess,sys\nfor s in sys.argv[1:]:\n  r = subprocess.run(['sh', '-c', s + '; exit $?'])\nsys.exit(r.returncode)"
    lines = [f"{DKMS} --root {root.path} {s}" for s in scriptlets]
    return subprocess.run(["python3", "-c", program, *lines], capture_output=True, text=True, check=False)


def test_rpm_safe_upgrade(root):
    root.source()
    root.ok("install", "foo/1.0", "-k", K1)
    result = rpm(root, "add foo/1.0 --rpm_safe_upgrade", f"remove foo/1.0 --all --rpm_safe_upgrade")
    assert result.returncode == 0 and "is kept: its package is being upgraded" in result.stderr
    assert root.status() == [f"foo/1.0, {K1}, {ARCH}: installed"] and not list((root.path / "tmp").iterdir())
    assert rpm(root, "remove foo/1.0 --all --rpm_safe_upgrade").returncode == 0
    assert root.status() == []


def test_rpm_lock_of_another_upgrade_does_not_count(root):
    root.source()
    root.ok("add", "foo/1.0")
    rpm(root, "add foo/1.0 --rpm_safe_upgrade")
    assert len(list((root.path / "tmp").iterdir())) == 1
    lines = next((root.path / "tmp").iterdir()).read_text().splitlines()
    assert lines[0] == "foo-1.0" and len(lines) == 2
    if shutil.which("ps"):
        assert time.strptime(lines[1], "%a %b %d %H:%M:%S %Y")
    else:
        assert int(lines[1]) > 0
    assert rpm(root, "remove foo/1.0 -k " + K1 + " --rpm_safe_upgrade").returncode == 0
    assert root.status() == []


def test_rpm_safe_upgrade_forces_an_install(root):
    (root.modules / K1 / "kernel").mkdir()
    (root.modules / K1 / "kernel/foo.ko").write_text("foo 1.0\n")
    root.source()
    assert root("install", "foo/1.0", "-k", K1).rc == 6
    root.ok("install", "foo/1.0", "-k", K1, "--rpm_safe_upgrade")


# ---- apport ----

@pytest.mark.parametrize("extra, files, expected", [
    ("MAKE='false'\n", {}, True), ('PATCH="p"\n', {"patches/p": "nonsense\n"}, True), ("MAKE='true'\n", {}, True),
    ('PRE_BUILD="pre.sh"\n', {"pre.sh": "#!/bin/sh\nexit 1\n"}, False)])
def test_apport(chrooted, extra, files, expected):
    chrooted.source(extra=extra, files={"foo.c": "x", **files})
    chrooted.tool("/usr/share/apport/apport", "exit 0\n")
    chrooted.tool("/usr/bin/python3", 'echo "$@" > /apport-called\n')
    assert chrooted("build", "foo/1.0", "-k", K1).rc != 0
    called = chrooted.path / "apport-called"
    assert called.exists() == expected
    if expected:
        assert called.read_text().split()[:8] == ["/usr/share/apport/package-hooks/dkms_packages.py", "-m", "foo", "-v", "1.0", "-k", K1, "--cause"]


# ---- weak-modules ----

RHEL, SUSE = "/usr/sbin/weak-modules", "/usr/lib/module-init-tools/weak-modules2"
RECORDER = 'echo "$@" >> /weak; cat >> /weak\n'


@pytest.mark.parametrize("name, like, tool, add, remove", [
    ("rhel", "fedora", RHEL, "--no-initramfs --add-modules", "--no-initramfs --remove-modules"),
    ("almalinux", "rhel centos fedora", RHEL, "--no-initramfs --add-modules", "--no-initramfs --remove-modules"),
    ("sles", "suse", SUSE, f"--add-kernel-modules {K1}", f"--remove-kernel-modules {K1}"),
    ("opensuse-leap", "suse opensuse", SUSE, f"--add-kernel-modules {K1}", f"--remove-kernel-modules {K1}")])
def test_weak_modules(chrooted, name, like, tool, add, remove):
    chrooted.os_release(name, like)
    chrooted.tool(tool, RECORDER)
    chrooted.source()
    chrooted.ok("install", "foo/1.0", "-k", K1, "-a", ARCH)
    file = "/" + str(next(chrooted.modules.rglob("foo.ko")).relative_to(chrooted.path))
    weak = chrooted.path / "weak"
    assert weak.read_text() == f"{add}\n{file}\n"
    chrooted.ok("uninstall", "foo/1.0", "-k", K1, "-a", ARCH)
    assert weak.read_text() == f"{add}\n{file}\n{remove}\n{file}\n", "called while the files still exist"


@pytest.mark.parametrize("how", ["fedora", "conf", "environment", "file"])
def test_no_weak_modules(chrooted, how):
    chrooted.os_release("fedora" if how == "fedora" else "rhel")
    chrooted.tool(RHEL, RECORDER)
    chrooted.source(extra="NO_WEAK_MODULES=yes\n" if how == "conf" else "")
    if how == "file":
        (chrooted.path / "etc/sysconfig").mkdir()
        (chrooted.path / "etc/sysconfig/module-init-tools").write_text("NO_WEAK_MODULES=1\n")
    chrooted.ok("install", "foo/1.0", "-k", K1, "-a", ARCH, env={"NO_WEAK_MODULES": "1"} if how == "environment" else None)
    assert not (chrooted.path / "weak").exists()


def weak_links(root):
    link = root.modules / K2 / "weak-updates/foo.ko"
    link.parent.mkdir()
    link.symlink_to(f"/lib/modules/{K1}/extra/foo.ko")
    return link


def test_installed_weak(root):
    root.os_release("rhel", "fedora")
    root.source()
    root.ok("install", "foo/1.0", "-k", K1, "-a", ARCH)
    link = weak_links(root)
    regular, weak = f"foo/1.0, {K1}, {ARCH}: installed", f"foo, 1.0, {K2}, {ARCH}: installed-weak from {K1}"
    assert root.status() == [regular, weak]
    assert root.status("-k", K2) == ["foo/1.0: added", weak] and root.status("-k", K1) == [regular]
    assert root.ok("autoinstall", "-k", K2, "-a", ARCH).out == "", "it is already linked"
    assert root("status", env={"NO_WEAK_MODULES": "1"}).out.splitlines() == [regular]
    link.unlink()
    link.write_text("a file of its own\n")
    assert root.status() == [regular]
    root.os_release("debian")
    link.unlink()
    link.symlink_to(f"/lib/modules/{K1}/extra/foo.ko")
    assert not [line for line in root.status() if "weak" in line]


def test_addon_modules_dir_of_the_same_file(root):
    (root.path / "etc/sysconfig").mkdir()
    (root.path / "etc/sysconfig/module-init-tools").write_text("ADDON_MODULES_DIR=addon\n")
    root.source()
    root.ok("install", "foo/1.0", "-k", K1)
    assert (root.modules / K1 / "addon/foo.ko").is_file()


# ---- rebuilds of dependents ----

def dependents(root, *, deps=("bar",), name="foo", rebuild=True, extra=""):
    root.source(name, extra="".join(f'BUILD_DEPENDS[{i}]="{d}"\n' for i, d in enumerate(deps))
                + ('BUILD_DEPENDS_REBUILD="yes"\n' if rebuild else "") + extra)


def seen(root, name="foo", dependency="bar", kernel=K1):
    path = root.tree / f"{name}/1.0/{kernel}/{ARCH}/.dep_{dependency}"
    return path.read_text() if path.exists() else None


def test_dependents_are_rebuilt_on_upgrade_and_downgrade(root):
    for version in ("1.0", "2.0"):
        root.source("bar", version)
    dependents(root)
    root.ok("install", "bar/1.0", "-k", K1)
    root.ok("install", "foo/1.0", "-k", K1)
    assert seen(root) == "1.0\n"
    result = root.ok("install", "bar/2.0", "-k", K1)
    assert "Rebuilding foo/1.0 because bar changed from version 1.0 to 2.0" in result.out and seen(root) == "2.0\n"
    assert result.out.count("Building foo/1.0") == 1
    assert f"foo/1.0, {K1}, {ARCH}: installed" in root.status()
    assert "Rebuilding" in root.ok("install", "bar/1.0", "-k", K1, "-k", K1).out and seen(root) == "1.0\n"
    assert "Rebuilding" not in root.ok("install", "bar/1.0", "-k", K1).out


def test_what_was_only_built_stays_only_built(root):
    for version in ("1.0", "2.0"):
        root.source("bar", version)
    dependents(root)
    root.ok("install", "bar/1.0", "-k", K1)
    root.ok("build", "foo/1.0", "-k", K1)
    root.ok("install", "bar/2.0", "-k", K1)
    assert seen(root) == "2.0\n" and f"foo/1.0, {K1}, {ARCH}: built" in root.status()


def test_merely_adding_a_newer_version_rebuilds_nothing(root):
    for version in ("1.0", "2.0"):
        root.source("bar", version)
    dependents(root)
    root.ok("install", "bar/1.0", "-k", K1)
    root.ok("install", "foo/1.0", "-k", K1)
    root.ok("add", "bar/2.0")
    root.source("baz")
    assert "Rebuilding" not in root.ok("install", "baz/1.0", "-k", K1).out and seen(root) == "1.0\n"
    assert "Rebuilding" in root.ok("install", "bar/2.0", "-k", K1).out


def test_force_means_no_rebuilds_and_no_record(root):
    for version in ("1.0", "2.0"):
        root.source("bar", version)
    dependents(root)
    root.ok("install", "bar/1.0", "-k", K1)
    root.ok("build", "foo/1.0", "-k", K1, "--force")
    assert seen(root) is None
    root.ok("build", "foo/1.0", "-k", K2, "--force")
    root.ok("unbuild", "foo/1.0", "-k", K1)
    root.ok("install", "foo/1.0", "-k", K1)
    assert "Rebuilding" not in root.ok("install", "bar/2.0", "-k", K1, "--force").out and seen(root) == "1.0\n"


def test_without_the_directive_nothing_is_recorded(root):
    root.source("bar")
    dependents(root, rebuild=False)
    root.ok("install", "bar/1.0", "-k", K1)
    root.ok("install", "foo/1.0", "-k", K1)
    assert seen(root) is None


def test_chain_is_rebuilt_in_order(root):
    for version in ("1.0", "2.0"):
        root.source("bar", version)
    dependents(root, name="zzz")
    dependents(root, name="aaa", deps=("bar", "zzz"))
    for name in ("bar", "zzz", "aaa"):
        root.ok("install", f"{name}/1.0", "-k", K1)
    result = root.ok("install", "bar/2.0", "-k", K1)
    assert result.out.index("Building zzz") < result.out.index("Building aaa"), "the dependency comes first"
    assert result.out.count("Building aaa") == 1 and seen(root, "aaa") == "2.0\n" and seen(root, "zzz") == "2.0\n"


def test_cycle_is_reported_and_changes_nothing(root):
    for version in ("1.0", "2.0"):
        root.source("bar", version)
    for name, other in (("one", "two"), ("two", "one")):
        root.source(name, extra=f'BUILD_DEPENDS="bar"\nBUILD_DEPENDS_REBUILD="yes"\n')
    for name in ("bar", "one", "two"):
        root.ok("install", f"{name}/1.0", "-k", K1)
    for name, other in (("one", "two"), ("two", "one")):
        (root.tree / f"{name}/1.0/{K1}/{ARCH}/.dep_{other}").write_text("1.0\n")
    result = root.ok("install", "bar/2.0", "-k", K1)
    assert result.err.count("need each other") == 2 and seen(root, "one") == "1.0\n"


def test_failing_rebuild_ends_with_its_code(root):
    for version in ("1.0", "2.0"):
        root.source("bar", version)
    root.source("foo", extra='BUILD_DEPENDS="bar"\nBUILD_DEPENDS_REBUILD="yes"\nPRE_BUILD="pre.sh"\n',
                files={"foo.c": "x", "pre.sh": f"#!/bin/sh\n[ ! -e {root.src}/fail ] || exit 42\n"})
    root.ok("install", "bar/1.0", "-k", K1)
    root.ok("install", "foo/1.0", "-k", K1)
    (root.src / "fail").touch()
    assert root("install", "bar/2.0", "-k", K1).rc == 42
    assert f"bar/2.0, {K1}, {ARCH}: installed" in root.status()


def test_autoinstall_rebuilds_too(root):
    for version in ("1.0", "2.0"):
        root.source("bar", version)
    dependents(root)
    root.ok("install", "bar/1.0", "-k", K1)
    root.ok("install", "foo/1.0", "-k", K1)
    root.ok("add", "bar/2.0")
    result = root.ok("autoinstall", "-k", K1)
    assert "Rebuilding foo/1.0" in result.out and seen(root) == "2.0\n"


# ---- modprobe-on-install ----

def here(root, tmp_path, *arguments, env=None):
    """Runs dkms on the root of the machine with the trees of this test."""
    root.tree.mkdir(parents=True, exist_ok=True)
    return subprocess.run([DKMS, *arguments, "--dkmstree", root.tree, "--sourcetree", root.src, "--installtree", root.modules, "-a", ARCH],
                          capture_output=True, text=True, check=False, env=dict(os.environ, **(env or {})))


@pytest.mark.parametrize("how", ["option", "environment", "other kernel", "not asked"])
def test_modprobe(root, tmp_path, how):
    env = with_tool(tmp_path, "modprobe", f'echo "$@" > {tmp_path}/called\nexit 1\n')
    env |= with_tool(tmp_path, "systemctl", f'echo "$@" > {tmp_path}/restarted\n')
    kernel = K1 if how == "other kernel" else os.uname().release
    root.kernel(kernel)
    root.source()
    env |= {"modprobe_on_install": "1"} if how == "environment" else {}
    result = here(root, tmp_path, "install", "foo/1.0", "-k", kernel, *(["--modprobe-on-install"] if how in ("option", "other kernel") else []), env=env)
    assert result.returncode == 0, result
    expected = how in ("option", "environment") and any(pathlib.Path("/sys/devices").rglob("modalias"))
    assert (tmp_path / "called").exists() == expected
    if expected:
        words = (tmp_path / "called").read_text().split()
        assert words[:4] == ["-a", "-b", "-q", words[3]] and len(words) == len(set(words)) and "foo" not in words
    if (tmp_path / "restarted").exists():
        assert how in ("option", "environment") and "systemd-modules-load.service" in (tmp_path / "restarted").read_text()


def test_modprobe_only_for_the_running_kernel_of_this_machine(root, tmp_path):
    env = with_tool(tmp_path, "modprobe", f"touch {tmp_path}/called\n")
    running = os.uname().release
    root.kernel(running)
    root.source()
    root.ok("install", "foo/1.0", "-k", running, "--modprobe-on-install", env=env)
    assert not (tmp_path / "called").exists(), "the root is not that of the machine"


# ---- framework.conf ----

def test_framework_trees(root):
    """Uses source_tree, install_tree and tmp_location."""
    root.framework("source_tree=/my/src\ninstall_tree=/my/modules\ntmp_location=/my/tmp\n")
    root.source()
    (root.path / "my/tmp").mkdir(parents=True)
    root.src.rename(root.path / "my/src")
    root.modules.rename(root.path / "my/modules")
    root.ok("install", "foo/1.0", "-k", K1)
    assert (root.path / f"my/modules/{K1}/updates/dkms/foo.ko").exists()
    root.ok("mktarball", "foo/1.0", "--source-only", "--archive", root.path / "foo.tar")
    root.ok("remove", "foo/1.0", "--all")
    root.ok("ldtarball", root.path / "foo.tar")
    assert not (root.path / "tmp").exists()


def test_framework_switches(root):
    root.framework("symlink_modules=yes\n")
    root.source()
    root.ok("install", "foo/1.0", "-k", K1)
    assert (root.modules / K1 / "updates/dkms/foo.ko").is_symlink()


@pytest.mark.parametrize("variable, suffix, tool", [("compress_gzip_opts", "gz", "gzip"), ("compress_xz_opts", "xz", "xz"), ("compress_zstd_opts", "zst", "zstd")])
def test_compression_options(root, tmp_path, variable, suffix, tool):
    env = with_tool(tmp_path, tool, f'echo "$@" > {root.path}/called\nfor f; do :; done\nmv "$f" "$f.{suffix}"\n')
    (root.modules / K1 / "kernel").mkdir()
    (root.modules / K1 / f"kernel/x.ko.{suffix}").touch()
    root.framework(f'{variable}="-9  --mine"\n')
    root.source()
    root.ok("install", "foo/1.0", "-k", K1, env=env)
    assert (root.path / "called").read_text().split()[:3] == ["-9", "--mine", "-f"]
    assert (root.modules / K1 / f"updates/dkms/foo.ko.{suffix}").read_text() == "foo 1.0\n"
