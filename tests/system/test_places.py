"""Sources, kernels and trees in directories that are hidden from builds, or that the build user cannot read."""
import contextlib
import os
import pathlib
import pwd
import re
import shutil
import subprocess
import tempfile

import pytest

from conftest import ARCH, DKMS, FAKE_MAKEFILE, K1, Result, Root, strace

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounts file systems")
OWNER = pwd.getpwnam("nobody")  # somebody who is not root


OWN = ["dev", "root", "home", "srv", "mnt", "tmp", "var/tmp", "run", "etc/dkms", "var/lib/dkms", "usr/src", "lib/modules"]
OF_ETC = ["alternatives", "group", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "os-release", "passwd"]


def mount(*arguments):
    subprocess.run(["mount", *arguments], check=True)


def bind(path, to):
    to.mkdir(parents=True, exist_ok=True)
    mount("--bind", path, to)
    mount("-o", "remount,bind,ro", to)


def assemble(path):
    """A root with the programs of the machine, read-only, and a part of its /etc."""
    for entry in map(pathlib.Path, ("/bin", "/sbin", *pathlib.Path("/").glob("lib*"), "/usr")):
        if entry.is_symlink():
            (path / entry.name).symlink_to(os.readlink(entry))
        else:
            bind(entry, path / entry.name)
    (path / "etc").mkdir()
    for name in OF_ETC:
        entry = pathlib.Path("/etc") / name
        if entry.is_dir():
            shutil.copytree(entry, path / "etc" / name, symlinks=True)
        elif entry.exists():
            shutil.copy(entry, path / "etc" / name)


class Machine(Root):
    """A second root with its own home directories and trees, which are empty."""

    def __init__(self, path):
        for name in OWN:
            (path / name).mkdir(parents=True, exist_ok=True)
            mount("-t", "tmpfs", "-o", "mode=0755", "tmpfs", path / name)
        (path / "proc").mkdir(exist_ok=True)
        mount("-t", "proc", "proc", path / "proc")
        for name in ("tmp", "var/tmp"):
            (path / name).chmod(0o1777)
        for name in ("null", "zero", "full", "random", "urandom"):
            os.mknod(path / "dev" / name, os.stat(f"/dev/{name}").st_mode, os.stat(f"/dev/{name}").st_rdev)
            (path / "dev" / name).chmod(0o666)
        (path / "dev/fd").symlink_to("/proc/self/fd")
        (path / "mnt/program/helpers").mkdir(parents=True)
        for program in (pathlib.Path(DKMS), *(p for p in (pathlib.Path(DKMS).parent / "helpers").iterdir() if p.is_file())):
            shutil.copy(program, path / "mnt/program" / program.relative_to(pathlib.Path(DKMS).parent))
        self.path, self.tree, self.src, self.modules = path, path / "var/lib/dkms", path / "usr/src", path / "lib/modules"
        self.kernel(K1)

    def framework(self, text):
        """Writes settings. In this root dkms runs without --root, so they are those of the host."""
        self.file("/etc/dkms/framework.conf", text)

    def __call__(self, *arguments, env=None, timeout=120, cwd="/", before=()):
        environment = dict(os.environ, **{"LC_ALL": "C", "HOME": "/root", **(env or {})})
        command = ["chroot", self.path, "env", "-C", cwd, *before, "/mnt/program/dkms", *map(str, arguments)]
        return Result(subprocess.run(command, capture_output=True, text=True, env=environment, timeout=timeout, check=False,
                                     stdin=subprocess.DEVNULL))

    def at(self, path):
        return self.path / str(path).lstrip("/")

    def file(self, path, text, mode=0o644):
        self.at(path).parent.mkdir(parents=True, exist_ok=True)
        self.at(path).write_text(text)
        self.at(path).chmod(mode)
        return path

    def move(self, path, to):
        """Moves @path to @to, and creates a link from @path."""
        self.at(to).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(self.at(path), self.at(to))
        self.at(path).symlink_to(to)

    def give(self, path, directory_mode, file_mode):
        """Gives all files at @path to another user."""
        for directory, names, files in os.walk(self.at(path)):
            os.chmod(directory, directory_mode)
            os.chown(directory, OWNER.pw_uid, OWNER.pw_gid)
            for name in files:
                if not os.path.islink(os.path.join(directory, name)):
                    os.chmod(os.path.join(directory, name), file_mode)
                os.lchown(os.path.join(directory, name), OWNER.pw_uid, OWNER.pw_gid)


@contextlib.contextmanager
def made_machine(overlay):
    base = pathlib.Path(tempfile.mkdtemp(prefix="dkms-machine-", dir="/var/tmp"))
    try:
        mount("-t", "tmpfs", "-o", "mode=0755", "tmpfs", base)
        mount("--make-private", base)
        for name in ("root", "upper", "work"):
            (base / name).mkdir()
        if overlay:
            mount("-t", "overlay", "overlay", "-o", f"lowerdir=/,upperdir={base}/upper,workdir={base}/work", base / "root")
        else:
            assemble(base / "root")
        machine = Machine(base / "root")
        machine.framework("sandbox=strict\n")
        yield machine
    finally:
        subprocess.run(["umount", "-R", base], check=False)
        base.rmdir()  # fails if it contains files


@pytest.fixture
def machine():
    with made_machine(False) as made:
        yield made


@pytest.fixture
def live():
    """A root that is an overlay, as in a live system."""
    with made_machine(True) as made:
        yield made


def installed(machine, name="foo", kernel=K1):
    return f"{name}/1.0, {kernel}, {ARCH}: installed" in machine.status()


# Files beside the visible ones that a build must not read.
SECRETS = "\n".join(["! ls /root/secret /home/dev/secret /tmp/secret /run/secret 2>/dev/null || exit 9",
                     "! touch /root/secret /home/dev/new 2>/dev/null || exit 9", "! touch /etc/dkms/new 2>/dev/null || exit 9"])


def confined(machine, name="foo", **keywords):
    """A source whose PRE_BUILD exits with 9 if it is not confined."""
    for path in ("/root/secret", "/home/dev/secret", "/tmp/secret", "/run/secret"):
        machine.file(path, "secret\n")
    extra = keywords.pop("extra", "")
    files = {f"{name}.c": "x\n", "look.sh": f"#!/bin/bash\n{SECRETS}\n{keywords.pop('look', '')}\nexit 0\n"}
    return machine.source(name, extra="PRE_BUILD=look.sh\n" + extra, files=files, **keywords)


def no_word_of_it(result):
    assert "sandbox" not in result.out + result.err, result


PLACES = ["/root", "/home/dev", "/tmp", "/var/tmp", "/run"]


@pytest.mark.parametrize("place, mode", [*((place, 0o755) for place in PLACES), ("/root", 0o700), ("/home/dev", 0o700)])
def test_source_behind_a_link(machine, place, mode):
    """/usr/src/<m>-<v> is a link to a checkout."""
    confined(machine, look="cat ../source/foo.c > /tmp/seen && echo y >> ../source/foo.c || exit 8")
    machine.move("/usr/src/foo-1.0", f"{place}/git/drv")
    machine.give(f"{place}/git", mode, mode)
    no_word_of_it(machine.ok("install", "foo/1.0", "-k", K1))
    assert installed(machine)
    assert machine.at(f"{place}/git/drv/foo.c").read_text() == "x\n"
    machine.kernel("6.2.0-new")
    machine.ok("autoinstall", "-k", "6.2.0-new")
    assert installed(machine, kernel="6.2.0-new")


def test_source_behind_several_links(machine):
    confined(machine)
    machine.move("/usr/src/foo-1.0", "/home/dev/git/foo-1.0")
    machine.move("/home/dev/git", "/home/dev/work/git")
    machine.at("/root/link").symlink_to("../home/dev/git/foo-1.0")
    machine.at("/usr/src/foo-1.0").unlink()
    machine.at("/usr/src/foo-1.0").symlink_to("/root/link")
    no_word_of_it(machine.ok("install", "foo/1.0", "-k", K1))
    assert installed(machine)


def test_a_recipe_does_not_see_the_source_of_another_package(machine):
    for name in ("foo", "bar"):
        machine.source(name, extra=f"echo {name} sees $(ls /home/dev/git) >&2\n")
        machine.move(f"/usr/src/{name}-1.0", f"/home/dev/git/{name}-1.0")
        machine.ok("add", f"{name}/1.0")
    result = machine.ok("autoinstall", "-k", K1)
    seen = {line for line in (result.out + result.err).splitlines() if " sees " in line}
    assert seen == {"foo sees foo-1.0", "bar sees bar-1.0"}, result


@pytest.mark.parametrize("place, command", [*((place, "install") for place in PLACES), ("/root", "add"), ("/root", "build")])
def test_source_named_by_its_directory(machine, place, command):
    confined(machine, extra=f"MAKE=\"$(! ls /root/secret /tmp/secret 2>/dev/null && echo make) -C $kernel_source_dir M=/var/lib/dkms/foo/1.0/build\"\n")
    shutil.move(machine.src / "foo-1.0", machine.at(f"{place}/drv"))
    no_word_of_it(machine.ok(command, "./drv", *(["-k", K1] if command != "add" else []), cwd=place))
    assert machine.status()


@pytest.mark.parametrize("place, name", [*((place, "foo.c") for place in PLACES), *(("/home/dev", name) for name in ("dkms.conf", "Makefile", "part")),
                                         ("/run", "dkms.conf"), ("/run", "part")])
def test_one_linked_file(machine, place, name):
    confined(machine, look="cat Makefile part/* > /dev/null || exit 8")
    machine.file("/usr/src/foo-1.0/Makefile", "obj-m := foo.o\n")
    machine.file("/usr/src/foo-1.0/part/x.h", "x\n")
    machine.move(f"/usr/src/foo-1.0/{name}", f"{place}/git/{name}")
    if (place, name) == ("/run", "part"):  # /run contains sockets, so only a file is visible
        assert machine("install", "foo/1.0", "-k", K1).rc == 8
    else:
        no_word_of_it(machine.ok("install", "foo/1.0", "-k", K1))
        assert installed(machine)


@pytest.mark.parametrize("target, mode", [("/root/.ssh/id", 0o644), ("/root/key.priv", 0o600), ("/home/dev", 0o755), ("/root", 0o755)])
def test_a_package_cannot_link_to_secrets(machine, target, mode):
    confined(machine, look=f"ls x/ >/dev/null 2>&1 || cat x 2>/dev/null")
    machine.file("/root/.ssh/id", "THE SECRET\n")
    machine.file("/root/key.priv", "THE SECRET\n")
    machine.file("/home/dev/notes", "THE SECRET\n")
    machine.at(target).chmod(mode)
    machine.at("/usr/src/foo-1.0/x").symlink_to(target)
    machine.at("/usr/src/foo-1.0/look.sh").write_text("#!/bin/sh\ncat x x/* && exit 0; cat /root/secret\nexit 0\n")
    machine.ok("install", "foo/1.0", "-k", K1)
    log = machine.at(f"/var/lib/dkms/foo/1.0/{K1}/{ARCH}/log/make.log").read_text()
    assert "SECRET" not in log and "secret\n" not in log


def kernel_tree(machine, place, release=K1):
    """The build directory of a kernel is a link to the directory in which it was compiled."""
    machine.kernel(release)
    machine.move(f"/lib/modules/{release}/build", f"{place}/linux")


@pytest.mark.parametrize("mode, files", [(0o755, 0o644), (0o700, 0o600)])
@pytest.mark.parametrize("place", ["/root", "/home/dev/src", "/tmp", "/srv/private"])
def test_kernel_compiled_there(machine, place, mode, files):
    tree = f"{place}/linux"
    confined(machine, look=f"cat {tree}/.config >/dev/null || exit 7; echo x > {tree}/new || exit 6;"
                           f" echo x >> {tree}/include/config/auto.conf || exit 5; ! grep -r SECRET {tree} 2>/dev/null || exit 4",
             extra='[[ $(cat $kernel_source_dir/.config) == CONFIG_HERE=y ]] || BUILT_MODULE_NAME[0]=wrong\n')
    kernel_tree(machine, place)
    machine.file(f"{tree}/.config", "CONFIG_HERE=y\n")
    machine.file(f"{tree}/certs/signing_key.pem", "THE SECRET KEY\n")
    machine.give(place, mode, files)
    no_word_of_it(machine.ok("install", "foo/1.0", "-k", K1))
    assert installed(machine)
    assert not machine.at(f"{tree}/new").exists()
    assert machine.at(f"{tree}/include/config/auto.conf").stat().st_mode & 0o777 == files
    no_word_of_it(machine.ok("build", "foo/1.0", "-k", "6.3.0-other", "--kernelsourcedir", tree))
    machine.ok("uninstall", "foo/1.0", "-k", K1)
    machine.ok("unbuild", "foo/1.0", "-k", K1)
    no_word_of_it(machine.ok("autoinstall", "-k", K1))
    assert installed(machine)


def test_kernel_compiled_outside_its_source(machine):
    """A build directory made with O= contains a link to the sources, and a Makefile that includes theirs."""
    confined(machine)
    kernel_tree(machine, "/root/out")
    machine.move("/root/out/linux/Makefile", "/home/dev/src/Makefile")
    machine.at("/root/out/linux/Makefile").unlink()
    machine.file("/root/out/linux/Makefile", "include /home/dev/src/Makefile\n")
    machine.at("/root/out/linux/source").symlink_to("/home/dev/src")
    machine.give("/home/dev", 0o700, 0o600)
    no_word_of_it(machine.ok("install", "foo/1.0", "-k", K1))


def test_scripts_of_headers_are_elsewhere(machine):
    confined(machine, look="cat /lib/modules/$kernelver/build/scripts/x || exit 8")
    kernel_tree(machine, "/home/dev")
    machine.file("/home/dev/linux/scripts/x", "x\n")
    machine.move("/home/dev/linux/scripts", "/root/kbuild/scripts")
    no_word_of_it(machine.ok("install", "foo/1.0", "-k", K1))


@pytest.mark.parametrize("root, owner, user", [("machine", OWNER.pw_uid, ""), ("live", OWNER.pw_uid, ""), ("machine", 0, OWNER.pw_name),
                                               ("machine", 12345, OWNER.pw_name)])
@pytest.mark.parametrize("whole", [True, False])
def test_headers_of_somebody(request, root, owner, user, whole):
    """Only the owner can read the headers. On an overlay, files have other device numbers than directories."""
    machine = request.getfixturevalue(root)
    machine.framework(f"sandbox=strict\nbuild_user={user}\n")
    place = f"/lib/modules/{K1}/build"
    if root == "live":
        machine.move(place, "/opt/headers")
        place = "/opt/headers"
    confined(machine, look="cat /lib/modules/$kernelver/build/include/config/auto.conf || exit 8")
    headers = machine.at(place)
    for path in [headers, *headers.rglob("*")] if whole else [headers / "include/config/auto.conf"]:
        os.chown(path, owner, owner)
        path.chmod(0o700 if path.is_dir() else 0o600)
    no_word_of_it(machine.ok("install", "foo/1.0", "-k", K1))


def traced(machine, *options, words):
    """A command in @machine that finds headers which only root can read. Returns: its output with the calls that @options select"""
    machine.framework(f"sandbox=strict\nbuild_user={OWNER.pw_name}\n")
    look = "cat /lib/modules/$kernelver/build/include/config/auto.conf || exit 8; touch /lib/modules/$kernelver/build/new || exit 7"
    confined(machine, look=look, extra='X="$(uname -r)"\n')
    machine.move(f"/lib/modules/{K1}/build", "/usr/src/headers")
    machine.file("/usr/src/headers/include/config/NOT_LOOKED_AT", "")
    machine.at("/usr/src/headers/include/config/auto.conf").chmod(0o600)
    return strace("-o", machine.at("/srv/trace"), *options, "chroot", machine.path, "/mnt/program/dkms", *words, check=False)


def has_id_mapped_mounts():
    """Of file systems in memory, on which these machines are."""
    return tuple(int(n) for n in os.uname().release.split("-")[0].split(".")[:2]) >= (6, 3)


def test_headers_are_not_searched(machine):
    """A kernel has 20,000 of them, and each sandbox would look at those of all kernels in /usr/src."""
    result = traced(machine, "-e", "trace=%file", words=["install", "foo/1.0", "-k", K1])
    assert result.returncode == 0, result
    assert installed(machine)
    searched = "NOT_LOOKED_AT" in machine.at("/srv/trace").read_text()
    assert searched != has_id_mapped_mounts()


def test_overlays_without_exchanged_owners(machine):
    """Linux 5.12 to 5.18 have id-mapped mounts, but no overlays of them."""
    result = traced(machine, "-P", "/usr/src", "-e", "trace=mount", "-e", "inject=mount:error=EINVAL:when=1", words=["install", "foo/1.0", "-k", K1])
    assert result.returncode == 0, result
    assert installed(machine)
    assert "(INJECTED)" in machine.at("/srv/trace").read_text()


@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
@pytest.mark.parametrize("mode", [0o755, 0o700])
def test_git_in_the_checkout_of_a_user(machine, mode):
    """git refuses repositories of other users, and must accept that confined root is the owner."""
    confined(machine, look="[ $(git -C ../source log -1 --format=%s) = hello ] || exit 8")
    conf = machine.src / "foo-1.0/dkms.conf"
    conf.write_text(conf.read_text() + "DEST_MODULE_NAME=$(git log -1 --format=%s)\n")
    for words in (["init", "-q"], ["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "hello"]):
        subprocess.run(["git", "-C", machine.src / "foo-1.0", *words], check=True)
    machine.give("/usr/src/foo-1.0", mode, mode)
    machine.move("/usr/src/foo-1.0", "/home/dev/git/foo")
    no_word_of_it(machine.ok("install", "foo/1.0", "-k", K1))
    assert machine.at(f"/lib/modules/{K1}/updates/dkms/hello.ko").exists()


@pytest.mark.parametrize("place", ["/root", "/home/dev", "/tmp", "/var/tmp/a,b:c"])
def test_files_and_trees_there(machine, place):
    confined(machine)
    machine.at(place).mkdir(parents=True, exist_ok=True)
    machine.at(place).chmod(0o755)
    options = ["--dkmstree", f"{place}/tree", "--sourcetree", f"{place}/src", "--installtree", f"{place}/modules"]
    for name, path in (("src", machine.src), ("modules", machine.modules)):
        machine.at(f"{place}/{name}").mkdir()
        for entry in path.iterdir():
            shutil.move(entry, machine.at(f"{place}/{name}"))
    machine.at(f"{place}/tree").mkdir()
    machine.file(f"{place}/my.conf", machine.at(f"{place}/src/foo-1.0/dkms.conf").read_text())
    machine.file(f"{place}/config", "CONFIG_X=y\n", 0o600)
    os.chown(machine.at(f"{place}/config"), OWNER.pw_uid, OWNER.pw_gid)
    no_word_of_it(machine.ok("install", "foo/1.0", "-k", K1, *options))
    assert machine.at(f"{place}/modules/{K1}/updates/dkms/foo.ko").exists()
    machine.ok("remove", "foo/1.0", "--all", *options)
    no_word_of_it(machine.ok("build", "foo/1.0", "-k", K1, "-c", f"{place}/my.conf", "--config", f"{place}/config", *options))


@pytest.mark.parametrize("place", ["/root/image", "/home/dev/image", "/tmp/image"])
def test_image_there(machine, place):
    """--root DIR, where DIR contains only data."""
    image = Root(machine.at(place))
    image.framework("sandbox=strict\n")
    image.source(extra="PRE_BUILD=look.sh\n", files={"foo.c": "x", "look.sh": "#!/bin/sh\n! ls /root/secret 2>/dev/null\n"})
    machine.file("/root/secret", "x\n")
    no_word_of_it(machine.ok("--root", place, "install", "foo/1.0", "-k", K1))
    assert machine.at(f"{place}/lib/modules/{K1}/updates/dkms/foo.ko").exists()


@pytest.mark.parametrize("name", ["/usr/src", "/var/lib/dkms"])
def test_overlay_root_and_a_linked_directory(live, name):
    confined(live, look="touch ../source/new /lib/modules/$kernelver/build/new || exit 8")
    subprocess.run(["cp", "-a", live.at(name), live.at("/opt/big")], check=True)
    subprocess.run(["umount", live.at(name)], check=True)
    shutil.rmtree(live.at(name))
    live.at(name).symlink_to("../opt/big" if name == "/usr/src" else "/opt/big")
    live.move(f"/lib/modules/{K1}/build", "/usr/src/headers")
    no_word_of_it(live.ok("install", "foo/1.0", "-k", K1))
    assert installed(live)


def test_overlay_on_overlays(live):
    """If the kernel cannot stack another overlay, sources are read-only, and builds work."""
    confined(live)
    top = live.at("/srv")
    for name in ("lower", "upper1", "work1", "one", "upper2", "work2", "two"):
        (top / name).mkdir()
    shutil.copytree(live.src, top / "lower", dirs_exist_ok=True)
    for n, lower, place in ((1, "lower", "one"), (2, "one", "two")):
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", f"lowerdir={top}/{lower},upperdir={top}/upper{n},workdir={top}/work{n}",
                        top / place], check=True)
    no_word_of_it(live.ok("install", "foo/1.0", "-k", K1, "--sourcetree", "/srv/two"))
    assert installed(live)


def test_headers_on_a_file_system_of_their_own(machine):
    """An overlay of /usr/src would hide file systems that are mounted in it."""
    confined(machine, look="touch /lib/modules/$kernelver/build/new /usr/src/new || exit 8; cat /usr/src/other/x || exit 7")
    for name in ("headers", "other"):
        (machine.src / name).mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", machine.src / name], check=True)
    machine.file("/usr/src/other/x", "x\n")
    machine.file("/usr/src/headers/include/config/auto.conf", "CONFIG_MODULES=y\n")
    machine.file("/usr/src/headers/Makefile", FAKE_MAKEFILE)
    shutil.rmtree(machine.modules / K1 / "build")
    (machine.modules / K1 / "build").symlink_to("/usr/src/headers")
    no_word_of_it(machine.ok("install", "foo/1.0", "-k", K1))
    assert not machine.at("/usr/src/headers/new").exists()


def test_devices_elsewhere(machine):
    """Device nodes outside of /dev, as in an image under construction, cannot be opened."""
    os.mkdir(machine.at("/srv/dev"))
    for name, number in (("null", os.makedev(1, 3)), ("disk", os.stat("/dev/zero").st_rdev)):
        os.mknod(machine.at(f"/srv/dev/{name}"), 0o666 | 0o020000, number)
    os.mknod(machine.at("/usr/src/null"), 0o666 | 0o020000, os.makedev(1, 3))
    confined(machine, look="for f in /srv/dev/* /usr/src/null; do ! head -c 1 $f 2>/dev/null || exit 8; done; head -c 1 /dev/zero")
    machine.ok("install", "foo/1.0", "-k", K1)


@pytest.mark.parametrize("home", ["/root", "/root/", "/home/dev", "/home/gone", "/home/../root", "/tmp", "/var/lib/ci", None])
def test_a_build_has_a_home(machine, home):
    """Compilers keep caches in the home directory. Builds get an empty one, at the path of a hidden one."""
    confined(machine, look="mkdir -p $HOME/.cache/ccache ${CCACHE_DIR:-$HOME/x} $(mktemp -d) && touch $HOME/.cache/ccache/f || exit 8; echo HOME=$HOME")
    machine.ok("install", "foo/1.0", "-k", K1, env={"HOME": home or "", "CCACHE_DIR": "/var/cache/ccache", "TMPDIR": "/tmp/user/0",
                                                    "XDG_CACHE_HOME": "/root/cache"})
    log = machine.at(f"/var/lib/dkms/foo/1.0/{K1}/{ARCH}/log/make.log").read_text()
    if home in ("/root", "/home/dev", "/home/gone"):
        assert f"\nHOME={home}\n" in log
    assert not list(machine.path.glob("root/.cache")) + list(machine.path.glob("home/dev/.cache"))


def test_home_of_the_build_user(machine):
    machine.framework(f"sandbox=strict\nbuild_user={OWNER.pw_name}\n")
    confined(machine, look="touch $HOME/x && mkdir -p $HOME/.cache/ccache || exit 8; [ $(id -u) != 0 ] || exit 7")
    machine.ok("install", "foo/1.0", "-k", K1)
    confined(machine, "bar", look="touch $HOME/x || exit 8")
    machine.ok("install", "bar/1.0", "-k", K1, env={"HOME": "/nonexistent"})


@pytest.mark.parametrize("user, wanted", [("", "12345"), ("build_user=root\n", "0"), (f"build_user={OWNER.pw_name}\n", str(OWNER.pw_uid))])
def test_the_user_of_the_packages_is_the_default(machine, user, wanted):
    """The packages of dkms create this user."""
    with open(machine.at("/etc/passwd"), "a", encoding="utf-8") as file:
        file.write("_dkms:x:12345:12345:Kernel module builds:/:/usr/sbin/nologin\n")
    machine.framework(f"sandbox=strict\n{user}")
    recipe = 'PRE_BUILD="look.sh $(id -u)"\nPOST_BUILD=look.sh\n'
    machine.source(extra=recipe, files={"foo.c": "x", "look.sh": '#!/bin/bash\necho "<$1 $(id -u)>"; touch foo.c new ../source/new\n'})
    machine.ok("install", "foo/1.0", "-k", K1)
    log = machine.at(f"/var/lib/dkms/foo/1.0/{K1}/{ARCH}/log/make.log").read_text()
    assert f"\n<{wanted} {wanted}>\n" in log and f"\n< {wanted}>\n" in log, log
    assert machine.at(f"/lib/modules/{K1}/updates/dkms/foo.ko").stat().st_uid == 0
    tree = [p for p in (machine.tree / "foo").rglob("*") if p.lstat().st_uid != 0]
    assert tree == []


def umount(path):
    subprocess.run(["umount", path], check=True)


def test_no_proc(machine):
    """As in a root that debootstrap has just created."""
    confined(machine, look="[ -e /proc/self/fd ] || exit 8")
    umount(machine.at("/proc"))
    no_word_of_it(machine.ok("install", "foo/1.0", "-k", K1))
    assert installed(machine)
    assert not os.listdir(machine.at("/proc"))
    machine.ok("mktarball", "foo/1.0", "-k", K1, "--archive", "/srv/foo.tar.gz")
    machine.ok("remove", "foo/1.0", "--all")
    machine.ok("ldtarball", "/srv/foo.tar.gz")


def test_no_proc_and_no_right_to_mount_it(machine):
    confined(machine)
    umount(machine.at("/proc"))
    result = machine("install", "foo/1.0", "-k", K1, before=["setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin"])
    assert result.rc == 1 and "/proc is not mounted.\n" in result.err and "mount -t proc proc /proc" in result.err, result
    assert machine.status() == []


@pytest.mark.parametrize("mode", ["strict", "off"])
def test_nothing_in_dev(machine, mode):
    machine.framework(f"sandbox={mode}\n")
    confined(machine, look="echo x > /dev/null && [ -c /dev/null ] && head -c 1 /dev/zero && head -c 1 /dev/urandom || exit 8")
    if mode == "off":
        machine.file("/usr/src/foo-1.0/look.sh", "#!/bin/sh\nexit 0\n", 0o755)
    umount(machine.at("/dev"))
    mount("--bind", machine.at("/srv"), machine.at("/dev"))
    no_word_of_it(machine.ok("install", "foo/1.0", "-k", K1))
    assert installed(machine)
    assert not os.listdir(machine.at("/dev"))


@pytest.mark.parametrize("user, owner", [("", 0), ("", 12345), (OWNER.pw_name, 0)])
@pytest.mark.parametrize("mode, directory", [(0o444, 0o555), (0o600, 0o700), (0, 0o700)])
def test_source_that_may_not_be_read_or_written(machine, user, owner, mode, directory):
    """The reference copies and patches sources as root, who may read and write every file."""
    machine.framework(f"sandbox=strict\nbuild_user={user}\n")
    confined(machine, look="echo '#' >> Makefile && cp foo.c part/h.h && sed -i s/x/y/ foo.c && echo z > part/new && cat ../source/part/h.h >/dev/null"
                           " && echo z > ../source/part/h.h && touch ../source/part/new && mv foo.c bar.c && mv bar.c foo.c || exit 8")
    machine.file("/usr/src/foo-1.0/Makefile", "all:\n")
    machine.file("/usr/src/foo-1.0/part/h.h", "old\n")
    for path in [machine.src / "foo-1.0", *(machine.src / "foo-1.0").rglob("*")]:
        os.chown(path, owner, owner)
        path.chmod(directory if path.is_dir() else mode | (0o100 if path.suffix == ".sh" else 0))
    result = machine("install", "foo/1.0", "-k", K1)
    no_word_of_it(result)
    assert result.rc == 0, result


GIVE = ["chown {0} foo.c", "chown -R {0}:{0} .", "chgrp {0} foo.c", "cp -a ../source/theirs .", "cp -p ../source/theirs .",
        "tar -C ../source -cf - theirs | tar -xpf -", "install -o {0} -g {0} foo.c copy.c", "cp -a ../source/theirs /tmp", "mv ../source/theirs ."]


@pytest.mark.parametrize("user", ["", OWNER.pw_name])
def test_giving_files_away(machine, user):
    """chown has no effect and succeeds: modules do not belong to the owner of the source."""
    machine.framework(f"sandbox=strict\nbuild_user={user}\n")
    tries = "\n".join(f"rm -rf theirs; ({command.format('daemon')}) || {{ echo FAILED: '{command}'; bad=8; }}" for command in GIVE)
    confined(machine, look=f"set -o pipefail\n{tries}\n[ -z $bad ] || exit $bad")
    machine.file("/usr/src/foo-1.0/theirs", "x\n")
    os.chown(machine.at("/usr/src/foo-1.0/theirs"), 12345, 12345)
    machine.ok("install", "foo/1.0", "-k", K1)
    assert machine.at(f"/lib/modules/{K1}/updates/dkms/foo.ko").stat().st_uid == 0


def root_is_shown_addresses():
    text = pathlib.Path("/proc/kallsyms").read_text() if os.path.exists("/proc/kallsyms") else ""
    return any(line.split()[0].strip("0") for line in text.splitlines()[:1000])


@pytest.mark.skipif(not root_is_shown_addresses(), reason="this kernel hides addresses from root")
@pytest.mark.parametrize("where", ["PRE_BUILD", "MAKE", "POST_BUILD"])
def test_addresses_of_symbols(machine, where):
    """Builds cannot see the addresses. A build that looks for them fails, because it would compile another module."""
    probe = "ADDRESS=$(awk '/ printk$/ {print $1}' /proc/kallsyms)\n[ -n \"$ADDRESS\" ] || ADDRESS=0\necho \"#define PRINTK 0x$ADDRESS\" > config.h\n"
    machine.source(extra=f"{where}={'./' * (where == 'MAKE')}probe.sh\n", files={"foo.c": "x", "probe.sh": f"#!/bin/sh\n{probe}cp foo.c foo.ko\nexit 0\n"})
    result = machine("install", "foo/1.0", "-k", K1)
    assert result.rc != 0 and "/proc/kallsyms" in result.err and "sandbox=off to /etc/dkms/foo.conf" in result.err, result
    assert machine.status() == ["foo/1.0: added"]
    machine.file("/etc/dkms/foo.conf", "sandbox=off\n")
    machine.ok("install", "foo/1.0", "-k", K1)
    assert installed(machine)


@pytest.mark.skipif(not root_is_shown_addresses(), reason="this kernel hides addresses from root")
def test_addresses_are_seen_however_quick_a_script_is(root):
    """The sandbox continues after fork when the script has already read the file."""
    root.framework("sandbox=strict\n")
    root.source(extra="PRE_BUILD=probe.sh\n", files={"foo.c": "x", "probe.sh": "#!/bin/sh\nread -r first < /proc/kallsyms\nexit 0\n"})
    root.ok("add", "foo/1.0")
    result = strace("-o", "/dev/null", "-e", "trace=clone,clone3,fork", "-e", "inject=clone,clone3,fork:delay_exit=100000",
                    *root.command(), "build", "foo/1.0", "-k", K1, check=False)
    assert result.returncode != 0 and "/proc/kallsyms" in result.stderr, result


@pytest.mark.skipif(not root_is_shown_addresses(), reason="this kernel hides addresses from root")
@pytest.mark.parametrize("script,seen", [("head -c 1 /proc/kallsyms", True), ("cat /proc/version", False)])
def test_addresses_where_the_kernel_grants_no_lease(root, tmp_path, script, seen):
    """The sandbox detects the read by inotify instead."""
    root.framework("sandbox=strict\n")
    root.source(extra="PRE_BUILD=probe.sh\n", files={"foo.c": "x", "probe.sh": f"#!/bin/sh\n{script}\n"})
    root.ok("add", "foo/1.0")
    trace = tmp_path / "trace"
    result = strace("-o", trace, "-P", "/proc/kallsyms", "-e", "trace=fcntl,inotify_add_watch", "-e", "inject=fcntl:error=EAGAIN",
                    *root.command(), "build", "foo/1.0", "-k", K1, check=False)
    assert re.search(r"F_SETLEASE, F_WRLCK\) += -1 EAGAIN .*INJECTED(.*\n)+.*inotify_add_watch\(.*\) += \d", trace.read_text()), trace.read_text()
    assert ("/proc/kallsyms" in result.stderr) == seen and (result.returncode != 0) == seen, result


def test_a_failure_of_its_own_comes_first(machine):
    machine.source(extra="PRE_BUILD=probe.sh\n", files={"foo.c": "x", "probe.sh": "#!/bin/sh\ngrep -q nothing /proc/kallsyms\necho 'probe: error: wrong disk' >&2\nexit 3\n"})
    result = machine("install", "foo/1.0", "-k", K1)
    assert result.rc == 3 and "wrong disk" in result.err, result
