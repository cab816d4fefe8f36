"""Hostile packages, in their recipe, in PRE_BUILD and in make: each attempt fails, is reported, and has no lasting effect. The
settings of the sandbox."""
import os
import pathlib
import pwd
import subprocess
import time

import pytest

from conftest import ARCH, DKMS, K1, K2, mounted, strace

HELPER = pathlib.Path(DKMS).parent / "helpers/dkms-sandbox"
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="what the sandbox keeps from root is tested as root")


@pytest.fixture(scope="module", autouse=True)
def caged():
    """Skips tests that would harm this machine without a sandbox."""
    probe = subprocess.run([HELPER, "--root", "/"], capture_output=True, text=True, check=False)
    if probe.returncode != 0:
        pytest.skip(f"this machine permits no sandbox: {probe.stderr.strip()}")


FORBIDDEN = {
    "etc": "touch /etc/dkms-evil",
    "usr": "touch /usr/dkms-evil",
    "modules": "touch {root}/lib/modules/{k}/evil.ko",
    "other-module": "touch {root}/var/lib/dkms/other/1.0/source/evil {root}/var/lib/dkms/other/evil",
    "own-tree": "touch {root}/var/lib/dkms/evil",
    "key": "cat {root}/var/lib/dkms/mok.key",
    "shadow": "cat /etc/shadow",
    "home": "ls /root/.profile",
    "mount": "mount -t tmpfs none /mnt",
    "namespace": "unshare -m true",
    "ptrace": "python3 -c 'import ctypes,sys; sys.exit(ctypes.CDLL(None).ptrace(0,0,0,0) and \"ptrace: Operation not permitted\")'",
    "loopback": "python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", {port}), 2)'",
    "outside": "python3 -c 'import socket; socket.create_connection((\"192.0.2.1\", 80), 2)'",
    "packet-socket": "python3 -c 'import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)'",
    "disk-device": "cat /dev/vda /dev/sda /dev/mem",
    "module-load": "python3 -c 'import ctypes,sys; sys.exit(ctypes.CDLL(None).syscall(175,0,0,0) and \"init_module: Operation not permitted\")'",
    "host-kernel": "echo 1 > /proc/sys/kernel/sysrq",
    "run": "ls /run/* ",
    "setuid": "su nobody -s /bin/true",
}


@pytest.fixture
def listener():
    import socket
    server = socket.create_server(("127.0.0.1", 0))
    yield server.getsockname()[1]
    server.settimeout(0.01)
    with pytest.raises(TimeoutError):
        server.accept()
    server.close()


def outside(root):
    """Paths outside of its tree that a package could have changed."""
    return {k: v for k, v in root.snapshot().items() if not k.startswith("var/lib/dkms/foo") and k not in ("var", "var/lib", "var/lib/dkms")}


def prepared(root):
    root.source("other")
    root.ok("add", "other/1.0")
    (root.tree / "mok.key").write_text("THE SECRET KEY\n")
    (root.tree / "mok.key").chmod(0o600)


@pytest.mark.parametrize("where", ["PRE_BUILD", "MAKE", "POST_BUILD"])
@pytest.mark.parametrize("what", FORBIDDEN)
def test_forbidden(root, listener, what, where):
    command = FORBIDDEN[what].format(root=root.path, k=K1, port=listener)
    prepared(root)
    extra = f"{where}=evil.sh\n" if where != "MAKE" else "MAKE=./evil.sh\n"
    # A script that continues after a failure, so that only the sandbox can have prevented its attempts.
    root.source(extra=extra, files={"foo.c": "x", "evil.sh": f"#!/bin/bash\n{command}\nstatus=$?\ncp foo.c foo.ko\nexit $status\n"})
    before = outside(root)
    start = time.monotonic()
    result = root("build", "foo/1.0", "-k", K1)
    assert result.rc != 0, result
    assert time.monotonic() - start < 20
    assert "First error: " in result.err, result
    assert "THE SECRET" not in (root.tree / "foo/1.0/build/make.log").read_text()
    after = outside(root)
    assert {k: v for k, v in after.items() if before.get(k) != v} == {}
    assert not any(pathlib.Path(p).exists() for p in ("/etc/dkms-evil", "/usr/dkms-evil"))
    assert root.status() == ["foo/1.0: added", "other/1.0: added"]


@pytest.mark.parametrize("what", ["etc", "modules", "other-module", "key", "shadow", "mount", "loopback"])
def test_forbidden_in_a_recipe(root, listener, what):
    command = FORBIDDEN[what].format(root=root.path, k=K1, port=listener)
    prepared(root)
    root.source(extra=f"PRE_BUILD=$( ({command}) >/dev/null 2>&1 && echo got-through)\n")
    before = outside(root)
    result = root("build", "foo/1.0", "-k", K1)
    assert "got-through" not in result.out + result.err, result
    assert {k: v for k, v in outside(root).items() if before.get(k) != v} == {}
    assert not pathlib.Path("/etc/dkms-evil").exists()


@pytest.mark.parametrize("command", ["kill -9 $PPID", "kill -9 1", "kill -STOP 1", "kill -9 -1", "kill -TERM 0"])
def test_parent_cannot_be_killed(root, command):
    root.source(extra="PRE_BUILD=evil.sh\n", files={"foo.c": "x", "evil.sh": f"#!/bin/bash\ntrap '' TERM\n{command}\nexit 0\n"})
    root.ok("build", "foo/1.0", "-k", K1)
    assert root.status() == [f"foo/1.0, {K1}, {ARCH}: built"]


def test_daemon_is_killed_and_reported(root):
    name = f"evil{os.getpid()}"
    root.source(extra="PRE_BUILD=evil.sh\n", files={"foo.c": "x", "evil.sh": f"#!/bin/bash\ncp /bin/sleep ./{name}\n(setsid ./{name} 1000 &) >/dev/null 2>&1\nexit 0\n"})
    result = root.ok("build", "foo/1.0", "-k", K1)
    assert f"left 1 process ({name}) running. They were killed" in result.err
    assert subprocess.run(["pgrep", "-x", name], check=False).returncode == 1


def test_mounts(root):
    """Guards the mount options, which are a second line of defence: only harmless devices and no set-user-id files work, and
    only the directories of the build are writable."""
    root.source(extra="PRE_BUILD=look.sh\n", files={"foo.c": "x", "look.sh": "#!/bin/sh\nsed 's/^/mount: /' /proc/self/mountinfo\n"})
    root.ok("build", "foo/1.0", "-k", K1)
    log = (root.tree / f"foo/1.0/{K1}/{ARCH}/log/make.log").read_text()
    mounts = {line.split()[5]: set(line.split()[6].split(",")) for line in log.splitlines() if line.startswith("mount: ")}
    nodes = {path for path in mounts if path.startswith("/dev/")}
    assert {os.path.basename(path) for path in nodes} <= {"null", "zero", "full", "random", "urandom"}
    assert {path for path in mounts if not mounts[path] >= {"nosuid", "nodev"}} == nodes
    version, temporary = root.tree / "foo/1.0", {"/dev", "/run", "/var/run", "/tmp", "/var/tmp", os.environ.get("HOME", ""), "/tmp/.dkms-home"}
    writable = {path for path in mounts if "rw" in mounts[path]} - nodes - temporary
    assert writable <= {str(path) for path in (version, version / "build", root.src, root.modules / K1 / "build")}
    assert str(version / "build") in writable and "ro" in mounts["/"] and "ro" in mounts["/usr"] and "ro" in mounts["/proc"]


def test_what_is_mounted_meanwhile_does_not_appear(root):
    """A file system that is mounted during a build would be writable in the sandbox."""
    shared, place = root.modules / "srv", root.modules / "srv/disk"
    look = f"touch started; for i in $(seq 300); do [ ! -e {place}/seen ] || exit 1; [ ! -e {shared}/mounted ] || exit 0; sleep 0.02; done; exit 2"
    root.source(extra="PRE_BUILD=look.sh\n", files={"foo.c": "x", "look.sh": f"#!/bin/sh\n{look}\n"})
    with mounted(shared):
        subprocess.run(["mount", "--make-shared", shared], check=True)
        place.mkdir()
        build = subprocess.Popen([*root.command(), "build", "foo/1.0", "-k", K1], stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, text=True)
        while not list((root.tree / ".dkms/work").rglob("started")):
            assert build.poll() is None, build.communicate()
            time.sleep(0.01)
        with mounted(place):
            (place / "seen").touch()
            (shared / "mounted").touch()
            assert build.wait() == 0, (root.tree / "foo/1.0/build/make.log").read_text()


def test_chroot(root):
    """The root of the chroot is not a mount point, as in an image under construction."""
    place = root.path.parent / "place"
    evil = "touch /evil && exit 1\nmount -t tmpfs none /mnt && exit 1\nexit 0\n"
    root.source(extra="PRE_BUILD=evil.sh\n", files={"foo.c": "x", "evil.sh": f"#!/bin/bash\n{evil}"})
    script = f"""
mkdir -p {place}/image
for d in /usr /etc /proc /dev {root.path} {pathlib.Path(DKMS).parent}; do
  mkdir -p {place}/image/$d
  mount --bind $d {place}/image/$d
done
for l in bin sbin lib lib64; do ln -s usr/$l {place}/image/$l; done
mkdir {place}/image/mnt
chroot {place}/image {DKMS} --root {root.path} build foo/1.0 -k {K1}
ls {place}/image
"""
    with mounted(place):
        result = subprocess.run(["sh", "-ec", script], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
                                env=dict(os.environ, LC_ALL="C", ASAN_OPTIONS="detect_leaks=0"))
    assert result.returncode == 0, result
    assert "without a sandbox" not in result.stderr and "evil" not in result.stdout
    assert root.status() == [f"foo/1.0, {K1}, {ARCH}: built"]


def test_too_many_processes_end_the_build_only(root):
    """test_limits.py::test_fork_bomb starts more processes at once."""
    script = "#!/bin/sh\nmkfifo p\ni=0\nwhile [ $i -lt 4500 ]; do read x <>p & i=$((i + 1)); done\nwait\n"
    root.source(extra="PRE_BUILD=evil.sh\n", files={"foo.c": "x", "evil.sh": script})
    result = root("build", "foo/1.0", "-k", K1, timeout=600)
    assert result.rc == 137 and "it started more than 4096 processes or threads and was killed" in result.err, result
    assert root.status() == ["foo/1.0: added"]


def test_full_disk_ends_the_build_only(root):
    root.source(extra="PRE_BUILD=evil.sh\n", files={"foo.c": "x", "evil.sh": "#!/bin/bash\ncat /dev/zero > big 2>/dev/null\nsleep 1000\n"})
    with mounted(root.tree, "size=64m"):
        result = root("build", "foo/1.0", "-k", K1)
        assert result.rc == 137 and "it filled the disk and was killed" in result.err, result
        root.source(files={"foo.c": "x"}, conf=None)
        root.ok("remove", "foo/1.0", "--all")
        root.ok("build", "foo/1.0", "-k", K1)


@pytest.mark.parametrize("leave, words", [
    ("ln -s /etc/shadow foo.ko", "is a link that leads out of the build directory"),
    ("ln -s ../../../mok.key foo.ko", "is a link that leads out of the build directory"),
    ("mkdir d; ln -s /etc d/e; ln -s d/e/shadow foo.ko", "is a link that leads out of the build directory"),
    ("mkfifo foo.ko", "foo.ko is not a regular file"),
    ("mkdir foo.ko", "foo.ko is not a regular file"),
    ("true", "was not built")])
def test_what_make_leaves_in_place_of_a_module(root, leave, words):
    root.source(extra="MAKE=./evil.sh\n", files={"foo.c": "x", "evil.sh": f"#!/bin/bash\n{leave}\n"})
    result = root("install", "foo/1.0", "-k", K1)
    assert result.rc == 7 and words in result.err, result
    assert root.status() == ["foo/1.0: added"]
    assert not list(root.modules.rglob("foo.ko*"))


@pytest.mark.parametrize("link", ["ln -s real.ko foo.ko", "ln -s $PWD/real.ko foo.ko"])
def test_links_inside_are_followed(root, link):
    root.source(extra="MAKE=./x.sh\n", files={"foo.c": "x", "x.sh": f"#!/bin/bash\necho module > real.ko; {link}\n"})
    root.ok("install", "foo/1.0", "-k", K1)
    assert (root.modules / K1 / "updates/dkms/foo.ko").read_text() == "module\n"


def test_log_cannot_be_swapped(root):
    root.source(extra="MAKE=./evil.sh\n", files={"foo.c": "x", "evil.sh": "#!/bin/bash\nrm make.log; ln -s /etc/shadow make.log; exit 3\n"})
    assert root("build", "foo/1.0", "-k", K1).rc == 10
    log = root.tree / "foo/1.0/build/make.log"
    assert not log.is_symlink() and "# exit code: 3" in log.read_text()
    assert "# exit code: 3" in root.log().read_text()


def test_no_set_id_file_is_left(root):
    root.source(extra="MAKE=./evil.sh\n", files={"foo.c": "x", "evil.sh": "#!/bin/bash\ncp /bin/true evil; chmod 6755 evil; exit 1\n"})
    assert root("build", "foo/1.0", "-k", K1).rc == 10
    assert (root.tree / "foo/1.0/build/evil").stat().st_mode & 0o6000 == 0


def test_what_real_packages_write_is_forgotten(root):
    """Sources, kernel headers and /tmp are writable, and the changes are discarded."""
    root.source(extra="PRE_BUILD=x.sh\n", files={
        "foo.c": "x", "x.sh": f"#!/bin/bash -e\ntouch {root.src}/foo-1.0/new {root.modules}/{K1}/build/new /tmp/new-$$\n"
                              f"echo changed > {root.src}/foo-1.0/foo.c\ncat {root.src}/foo-1.0/foo.c\n"})
    before = outside(root)
    root.ok("build", "foo/1.0", "-k", K1)
    assert outside(root) == before


def test_modes(root):
    marks = root.path / "marks"
    marks.mkdir()
    root.source(extra="PRE_BUILD=x.sh\n", files={"foo.c": "x", "x.sh": f"#!/bin/bash\ntouch {marks}/$kernelver\n"})
    for mode, made in (("auto", False), ("strict", False), ("off", True)):
        root.framework(f"sandbox={mode}\n")
        assert (root("build", "foo/1.0", "-k", K1, "--force").rc == 0) == made
        assert (marks / K1).exists() == made
    (marks / K1).unlink()
    root.framework("")
    root.machine("foo.conf", "sandbox=off\n")
    root.ok("build", "foo/1.0", "-k", K1, "--force")
    assert (marks / K1).exists()


def test_mode_that_is_none(root):
    root.source()
    root.framework("sandbox=maybe\n")
    result = root("build", "foo/1.0", "-k", K1)
    assert result.rc == 8 and '"maybe" for sandbox' in result.err
    root.framework("")
    (root.path / "etc/dkms/foo.conf").write_text("sandbox=none\n")
    result = root("build", "foo/1.0", "-k", K1)
    assert result.rc == 8 and '"none" for sandbox' in result.err and 'foo.conf' in result.err


def test_a_package_cannot_open_its_own_cage(root):
    mark = root.path / "mark"
    root.source(extra="sandbox=off\nPRE_BUILD=x.sh\n", files={"foo.c": "x", "x.sh": f"#!/bin/bash\ntouch {mark}\nexit 0\n"})
    root.ok("build", "foo/1.0", "-k", K1)
    assert not mark.exists()


@pytest.fixture
def no_namespaces(tmp_path):
    """Runs dkms while the kernel refuses namespaces, as in many containers. It runs as if it were already confined to the
    root; otherwise it would refuse to work on the root (test_wall.py)."""
    def run(root, *arguments):
        return strace("-o", "/dev/null", "-e", "inject=unshare:error=EPERM", DKMS, "--root", root.path, *arguments, check=False,
                      env={"DKMS_CONFINED_TO": str(root.path)})
    return run


def test_auto_goes_without_where_it_must(root, no_namespaces):
    for name in ("foo", "bar"):
        root.source(name)
    result = no_namespaces(root, "install", "foo/1.0", "-k", K1, "-k", K2)
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("Building without a sandbox: namespaces: Operation not permitted") == 1
    assert root.status() == [f"foo/1.0, {k}, {ARCH}: installed" for k in (K1, K2)]


def test_strict_does_not(root, no_namespaces):
    root.source()
    root.ok("add", "foo/1.0")
    (root.path / "etc/dkms/framework.conf").write_text("sandbox=strict\n")
    result = no_namespaces(root, "install", "foo/1.0", "-k", K1)
    assert result.returncode == 1 and "namespaces: Operation not permitted" in result.stderr
    assert root.status() == ["foo/1.0: added"]


def test_strict_for_one_module_does_not(root, no_namespaces):
    """Guards the setting for one module if other modules may be built unconfined."""
    for name in ("foo", "bar"):
        root.source(name)
    (root.path / "etc/dkms/foo.conf").write_text("sandbox=strict\n")
    result = no_namespaces(root, "install", "foo/1.0", "-k", K1)
    assert result.returncode == 1 and "cannot be confined here" in result.stderr, result.stderr
    assert root.status() == ["foo/1.0: added"]
    assert no_namespaces(root, "install", "bar/1.0", "-k", K1).returncode == 0


def test_build_user(root):
    nobody = pwd.getpwnam("nobody")
    root.path.chmod(0o755)
    root.framework("build_user=nobody\n")
    root.source(extra="PRE_BUILD=x.sh\n", files={"foo.c": "x", "x.sh": "#!/bin/bash\nid -u; id -g; id -G; touch made\n"})
    root.ok("install", "foo/1.0", "-k", K1)
    log = (root.tree / f"foo/1.0/{K1}/{ARCH}/log/make.log").read_text()
    assert f"\n{nobody.pw_uid}\n{nobody.pw_gid}\n{nobody.pw_gid}\n" in log
    assert (root.modules / K1 / "updates/dkms/foo.ko").stat().st_uid == 0
    root.framework("build_user=no-such-user\n")
    assert root("build", "foo/1.0", "-k", K2).rc == 8


def test_ordinary_user(root):
    """Users other than root build in a user namespace if the kernel allows it, which it does not in a chroot."""
    user = pwd.getpwnam("nobody")
    root.source(extra="PRE_BUILD=x.sh\n", files={"foo.c": "x", "x.sh": f"#!/bin/bash\nid -u; touch {root.path}/evil; true\n"})
    for directory, names, files in os.walk(root.path.parent):
        for name in [".", *names, *files]:
            os.lchown(pathlib.Path(directory) / name, user.pw_uid, user.pw_gid)
    at = root.path
    while at != pathlib.Path("/"):
        at.chmod(at.stat().st_mode | 0o755)
        at = at.parent
    program = root.path.parent / "program"
    subprocess.run(["cp", "-r", pathlib.Path(DKMS).parent, program], check=True)
    result = subprocess.run(["su", "-s", "/bin/bash", "nobody", "-c", f"{program}/dkms --root {root.path} build foo/1.0 -k {K1}"],
                            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, env={"PATH": os.environ["PATH"]})
    assert result.returncode == 0, result
    assert f"\n{user.pw_uid}\n" in (root.tree / f"foo/1.0/{K1}/{ARCH}/log/make.log").read_text()
    may = subprocess.run(["su", "-s", "/bin/bash", "nobody", "-c", "unshare -U true"], capture_output=True, check=False).returncode == 0
    assert ("Building without a sandbox: user namespace: " in result.stderr) == (not may)
    assert (root.path / "evil").exists() == (not may)


def test_root_of_a_user_namespace(root):
    """As in a container of an unprivileged user, where groups cannot be changed. A chroot does not allow such a container."""
    if subprocess.run(["unshare", "-r", "true"], capture_output=True, check=False).returncode != 0:
        return
    root.framework("sandbox=strict\n")
    root.source(extra="PRE_BUILD=x.sh\n", files={"foo.c": "x", "x.sh": f"#!/bin/sh\ntouch {root.src}/foo-1.0/new || exit 9; ! touch {root.modules}/evil || exit 8; touch {root.path}/evil\n"})
    result = subprocess.run(["unshare", "-rm", *root.command(), "build", "foo/1.0", "-k", K1], capture_output=True, text=True,
                            check=False, stdin=subprocess.DEVNULL)
    assert result.returncode == 0, result
    assert not (root.path / "evil").exists() and not (root.modules / "evil").exists() and not (root.src / "foo-1.0/new").exists()


def test_hanging_recipes_do_not_disturb_the_others(root):
    root.framework("recipe_timeout=1\n")
    root.source("a", extra="sleep 100\n")
    root.source("b")
    root.source("c", extra="exec sleep 100\n")
    for name in ("a", "b", "c"):
        (root.tree / name / "1.0").mkdir(parents=True)
        (root.tree / name / "1.0/source").symlink_to(f"/usr/src/{name}-1.0")
    result = root("autoinstall", "-k", K1)
    assert result.rc == 11 and result.err.count("took more than 1 s") == 2
    assert f"b/1.0, {K1}, {ARCH}: installed" in root.status()


def test_a_recipe_that_was_confined_has_tried_it_out(root):
    """One sandbox for the recipe and one for the build; none to check whether sandboxes are possible."""
    root.source(extra=': "$(true)"\n')
    root.register()
    trace = strace("-e", "trace=unshare", DKMS, "--root", root.path, "build", "foo/1.0", "-k", K1, check=True)
    assert trace.stderr.count("unshare(CLONE_NEWNS") == 2, trace.stderr


# ---- sandboxes that fail ----

def hurt(root, tmp_path, name, how, **env):
    """Runs dkms with a helper dkms-sandbox that is the shell script @how."""
    import shutil
    copy = tmp_path / name
    shutil.copytree(pathlib.Path(DKMS).parent, copy, ignore=shutil.ignore_patterns("*.p", "*.a"))
    helper = copy / "helpers/dkms-sandbox"
    helper.rename(copy / "helpers/real")
    helper.write_text(f"#!/bin/bash\n{how}\n")
    helper.chmod(0o755)
    marker = root.path / "ran"
    root.source(extra=f'PRE_BUILD=pre.sh\n: "$(touch {root.path}/recipe 2>/dev/null)"\n', files={"foo.c": "x", "pre.sh": f"#!/bin/sh\ntouch {marker}\nexit 0\n"})
    return subprocess.run([copy / "dkms", "--root", root.path, "install", "foo/1.0", "-k", K1], capture_output=True, text=True, check=False,
                          env={**os.environ, **env})


REPORT = 'for ((i=1; i<$#; i++)); do [[ ${!i} == --report ]] && { j=$((i+1)); printf "%s\\n" "WORDS" >&${!j}; }; done; exit 125'


@pytest.mark.parametrize("how", ["kill -9 $$", "exit 1", "exit 127", REPORT.replace("WORDS", "setup show /x: Input/output error"),
                                 REPORT.replace("WORDS", "setup namespaces: Cannot allocate memory"), "exec </dev/null; ulimit -n 3; exec ${0%/*}/real \"$@\""],
                         ids=["killed", "fails", "absent", "other-error", "memory", "descriptors"])
def test_what_fails_for_another_reason_is_an_error_and_nothing_runs(root, tmp_path, how):
    result = hurt(root, tmp_path, "bin", how)
    assert result.returncode != 0 and "foo/1.0" not in "".join(root.status("-k", K1)), result
    assert not (root.path / "ran").exists() and not (root.path / "recipe").exists(), result
    assert "Error!" in result.stderr and "without a sandbox" not in result.stderr, result


def test_missing_permission_is_one_warning(root, tmp_path):
    result = hurt(root, tmp_path, "bin", REPORT.replace("WORDS", "missing namespaces: Operation not permitted"),
                  DKMS_CONFINED_TO=str(root.path))  # as in no_namespaces
    assert result.returncode == 0 and (root.path / "ran").exists(), result
    assert result.stderr.count("without a sandbox: namespaces: Operation not permitted") in (1, 2), result
