"""A temporary root for each test, with the program under test.

Most tests use a fake kernel: a header directory whose makefile copies a file instead of compiling a module. This is
fast, and covers everything except the compiler. Tests with the fixture `real` use real kernel headers.
"""
import contextlib
import errno
import functools
import hashlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import host  # noqa: E402
import schema  # noqa: E402

DKMS = os.environ.get("DKMS", str(pathlib.Path(__file__).resolve().parents[2] / "build/src/dkms"))
K1, K2 = "6.1.0-1-test", "6.12.0-2-test"
ARCH = os.uname().machine

FAKE_MAKEFILE = """\
# The makefile of a fake kernel: 'make -C here M=dir' copies every *.c of dir to a .ko.
all:
\t@for f in $(M)/*.c; do cp $$f $${f%.c}.ko || exit 1; echo "  LD [M] $${f%.c}.ko"; done
"""


def pytest_collection_modifyitems(items):
    """Starts groups of tests that run in one process first, because they take longest."""
    items.sort(key=lambda item: item.get_closest_marker("xdist_group") is None)


def pytest_configure(config):
    for number, action in (signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL):
        if signal.getsignal(number) == signal.SIG_IGN: # nohup and shells without job control ignore these signals
            signal.signal(number, action)
    config.addinivalue_line("markers", "xdist_group(name): tests for one process of pytest-xdist, which registers it, too")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport():
    """Ends the programs that a failed test leaves behind. Otherwise the next test would count their processes as its own."""
    outcome = yield
    if outcome.get_result().failed:
        kill_family(os.getpid(), itself=False)
        eventually(lambda: not Crowd().members())


@contextlib.contextmanager
def mounted(path, options="size=50%"):
    """Mounts a tmpfs at @path while the block runs."""
    path.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"mode=0755,{options}", "tmpfs", path], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-R", path], check=True)


def strace(*words, env=None, **keywords):
    """Runs strace -f WORDS, without the search for leaks, which does not work under ptrace."""
    return subprocess.run(["strace", "-f", *words], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          env=dict(os.environ, LC_ALL="C", ASAN_OPTIONS="detect_leaks=0", **(env or {})), **keywords)


def eventually(condition):
    """Waits until @condition holds."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "the condition does not become true"
        time.sleep(0.01)


class Crowd:
    """Processes 'sleep Crowd.SECONDS' of builds, which the test counts to know how many builds run, and ends. So tests do
    not depend on the speed of the machine."""
    SECONDS = f"1000{os.getpid()}"

    def members(self):
        found = set()
        for directory in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if (directory / "cmdline").read_bytes() == f"sleep\0{self.SECONDS}\0".encode():
                    found.add(int(directory.name))
            except OSError:
                pass # the process has ended
        return found

    def wait(self, count, process=None):
        """Waits until @count of them run. Returns: their process ids"""
        end = time.monotonic() + 60
        while len(found := self.members()) < count:
            assert process is None or process.poll() is None, f"ended with {process.returncode}"
            assert time.monotonic() < end, f"{len(found)} at work, not {count}"
            time.sleep(0.03)
        return found

    def release(self, some=None):
        for pid in self.members() if some is None else some:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    def hold(self, process, total, at_once):
        """Waits until @process has started @at_once members, or all that are left, and ends them, until it has started @total."""
        done = set()
        try:
            while len(done) < total:
                found = self.wait(min(at_once, total - len(done)), process)
                done |= found
                self.release(found)
                eventually(lambda: not self.members() & found)
        except AssertionError:
            kill_family(process.pid) # otherwise the caller waits for its end
            raise


def family(pid):
    """Process @pid and its descendants."""
    children = {}
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            children.setdefault(int(path.read_text().rsplit(")", 1)[1].split()[1]), []).append(int(path.parent.name))
    found = [pid]
    for each in found:
        found += children.get(each, [])
    return found


def kill_family(pid, itself=True):
    for member in family(pid)[0 if itself else 1:]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(member, signal.SIGKILL)


@functools.cache
def key_pair():
    """A signing key and its certificate, as bytes. Tests share them, because creating them takes a third of a second."""
    with tempfile.TemporaryDirectory() as directory:
        paths = [pathlib.Path(directory, name) for name in ("key", "cert")]
        subprocess.run([pathlib.Path(DKMS).parent / "helpers/dkms-sign", "generate", *paths], check=True)
        return [path.read_bytes() for path in paths]


class Result:
    def __init__(self, process, root=None):
        """@root: commands in the output are shown without their --root, which all have (see test_advice_for_another_root)"""
        self.rc, self.out, self.err = process.returncode, process.stdout, process.stderr
        if root is not None:
            self.out, self.err = (text.replace(f"dkms --root {root} ", "dkms ").replace(f"depmod -b {root} ", "depmod ") for text in (self.out, self.err))

    def __repr__(self):
        return f"rc={self.rc}\n--- out\n{self.out}\n--- err\n{self.err}"


class Root:
    def __init__(self, path):
        self.path = path
        self.tree = path / "var/lib/dkms"
        self.src = path / "usr/src"
        self.modules = path / "lib/modules"
        self.src.mkdir(parents=True)
        (path / "etc/dkms").mkdir(parents=True)
        self.os_release("debian")
        for kernel in (K1, K2):
            self.kernel(kernel)

    def os_release(self, name, like=None):
        text = f"ID={name}\n" + (f'ID_LIKE="{like}"\n' if like else "")
        (self.path / "etc/os-release").write_text(text)

    def framework(self, text):
        """Writes settings for this root. Settings that only the host may make are written there."""
        lines = text.splitlines(keepends=True)
        of_machine = [line for line in lines if line.startswith(("sandbox=", "build_user="))]
        of_both = [line for line in lines if line.startswith("cache_url=")]
        if of_machine or of_both or "framework.conf" in self.of_machine():
            self.machine("framework.conf", "".join(of_machine + of_both))
        (self.path / "etc/dkms/framework.conf").write_text("".join(line for line in lines if line not in of_machine))

    def of_machine(self):
        directory = self.path.parent / "machine/dkms"
        return os.listdir(directory) if directory.exists() else []

    def machine(self, name, text):
        """Writes /etc/dkms/@name of the host that runs dkms on this root."""
        file = self.path.parent / "machine/dkms" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def command(self):
        """The command line up to the arguments of dkms."""
        if not self.of_machine():
            return [DKMS, "--root", str(self.path)]
        return [*host.with_etc(self.path.parent / "machine"), DKMS, "--root", str(self.path)]

    def kernel(self, release, headers=True, config="CONFIG_MODULES=y\n"):
        directory = self.modules / release
        directory.mkdir(parents=True, exist_ok=True)
        if headers:
            build = directory / "build"
            (build / "include/config").mkdir(parents=True, exist_ok=True)
            (build / "include/config/auto.conf").write_text(config)
            (build / "Makefile").write_text(FAKE_MAKEFILE)
        return directory

    def source(self, name="foo", version="1.0", conf=None, extra="", files=None):
        directory = self.src / f"{name}-{version}"
        directory.mkdir(parents=True, exist_ok=True)
        if conf is None:
            conf = (f'PACKAGE_NAME="{name}"\nPACKAGE_VERSION="{version}"\nBUILT_MODULE_NAME[0]="{name}"\n'
                    'DEST_MODULE_LOCATION[0]="/kernel/drivers/misc"\nSTRIP="no"\nAUTOINSTALL="yes"\n') + extra
        mode = "wb" if isinstance(conf, bytes) else "w"
        with open(directory / "dkms.conf", mode) as f:
            f.write(conf)
        for file, text in (files or {f"{name}.c": f"{name} {version}\n"}).items():
            (directory / file).parent.mkdir(parents=True, exist_ok=True)
            (directory / file).write_text(text)
            if text.startswith("#!"):
                (directory / file).chmod(0o755)
        return directory

    def commands(self):
        """The words of each process that works on the root."""
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                words = os.fsdecode((process / "cmdline").read_bytes()).split("\0")
                if str(self.path) in words:
                    yield words

    def settle(self):
        """Waits until no dkms works on the root. A worker whose dkms was killed ends a moment later."""
        eventually(lambda: not any(self.commands()))

    def attempts(self, name="foo", version="1.0", kernel=K1):
        """Directories of the failed attempts, oldest first."""
        directory = self.tree / f".dkms/logs/{name}/{version}/{kernel}/{ARCH}"
        return sorted((path for path in directory.glob("*") if path.name.isdigit()), key=lambda path: int(path.name))

    def log(self, *build, **named):
        """The log of the newest failed attempt."""
        return self.attempts(*build, **named)[-1] / "make.log"

    def register(self, name="foo", version="1.0"):
        """Creates the same files as 'add', but faster."""
        (self.tree / name / version).mkdir(parents=True)
        (self.tree / name / version / "source").symlink_to(f"/usr/src/{name}-{version}")

    def keys(self):
        """Creates the same files as 'generate_mok', but faster."""
        self.tree.mkdir(parents=True, exist_ok=True)
        for name, mode, content in zip(("mok.key", "mok.pub"), (0o600, 0o644), key_pair()):
            (self.tree / name).write_bytes(content)
            (self.tree / name).chmod(mode)

    def __call__(self, *arguments, env=None, timeout=120, cwd=None):
        environment = {**os.environ, "LC_ALL": "C", **(env or {})}
        result = Result(subprocess.run([*self.command(), *map(str, arguments)], capture_output=True, text=True,
                                       env=environment, timeout=timeout, check=False, stdin=subprocess.DEVNULL, cwd=cwd), self.path)
        if schema.asked_for(arguments):
            schema.document(result.out)
        return result

    def ok(self, *arguments, **keywords):
        result = self(*arguments, **keywords)
        assert result.rc == 0, result
        return result

    def status(self, *arguments):
        return self.ok("status", *arguments).out.splitlines()

    def snapshot(self):
        """Type, mode and content or target of every path except .dkms."""
        found = {}
        for directory, names, files in os.walk(self.path):
            if ".dkms" in names:
                names.remove(".dkms")
            for name in names + files:
                path = pathlib.Path(directory) / name
                mode = path.lstat().st_mode
                if path.is_symlink():
                    content = os.readlink(path)
                elif path.is_file():
                    content = hashlib.sha256(path.read_bytes()).hexdigest()
                else:
                    content = ""
                found[str(path.relative_to(self.path))] = (oct(mode), content)
        return found


def as_nobody(root, *arguments, own=(), host=False, **keywords):
    """Runs a copy of the program as user nobody, who gets the paths @own; with @host without --root."""
    program = root.path.parent / "program/dkms"
    if not program.exists():
        (program.parent / "helpers").mkdir(parents=True)
        shutil.copy(DKMS, program)
        for helper in pathlib.Path(DKMS).parent.glob("helpers/dkms-*"):
            if helper.is_file():
                shutil.copy(helper, program.parent / "helpers")
    for path in own:
        subprocess.run(["chown", "-R", "nobody", path], check=True)
    for directory in [root.path, *root.path.parents][:5]:  # pytest's own directories, one more with several processes
        if directory.stat().st_mode & 0o055 != 0o055:
            directory.chmod(directory.stat().st_mode | 0o055)
    drop = "import os,sys; os.setgroups([]); os.setgid(65534); os.setuid(65534); os.execv(sys.argv[1], sys.argv[1:])"
    return Result(subprocess.run(["/usr/bin/python3", "-c", drop, program, *([] if host else ["--root", root.path]), *map(str, arguments)], capture_output=True,
                                 text=True, check=False, cwd="/", env=dict(os.environ, LC_ALL="C"), **keywords))


@pytest.fixture
def root(tmp_path):
    return Root(tmp_path / "root")


@pytest.fixture
def real(tmp_path):
    """A root whose kernel has the real headers of this machine."""
    headers = sorted(pathlib.Path("/usr/src").glob("linux-headers-*/include/config/auto.conf"))
    if not headers:
        pytest.fail("no kernel headers in /usr/src; scripts/install-deps demo installs them")
    directory = headers[0].parents[2]
    release = directory.name.removeprefix("linux-headers-")
    lab = Root(tmp_path / "root")
    shutil.rmtree(lab.modules)
    (lab.modules / release).mkdir(parents=True)
    (lab.modules / release / "build").symlink_to(directory)
    lab.release = release
    return lab


class ChrootedRoot(Root):
    """A root with a shell: the programs of the machine, bind-mounted read-only."""

    def tool(self, path, script):
        target = self.path / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("#!/bin/sh\n" + script)
        target.chmod(0o755)


@pytest.fixture
def chrooted(tmp_path):
    """Programs run inside this root, so tests can replace those at absolute paths."""
    lab = ChrootedRoot(tmp_path / "root")
    copied = ["bash", "sh", "make", "cat", "cp", "env", "echo", "patch", "true", "false", "touch", "depmod"]
    libraries = set()
    (lab.path / "bin").mkdir()
    (lab.path / "usr/bin").mkdir(parents=True, exist_ok=True)
    for name in copied:
        found = shutil.which(name)
        shutil.copy(found, lab.path / "bin" / name)
        listing = subprocess.run(["ldd", found], capture_output=True, text=True, check=False).stdout
        libraries.update(word for word in listing.split() if word.startswith("/"))
    for library in libraries:
        target = lab.path / library.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, target)
    (lab.path / "dev").mkdir()
    os.mknod(lab.path / "dev/null", 0o666 | 0o020000, os.makedev(1, 3))
    return lab


@pytest.fixture(scope="session")
def point(tmp_path_factory):
    """The program that makes system calls fail."""
    program = tmp_path_factory.mktemp("point") / "point"
    subprocess.run(["cc", "-O1", "-o", program, pathlib.Path(__file__).parents[1] / "crash/point.c"], check=True)
    return program


@pytest.fixture
def broken(root, point):
    """Runs dkms while nothing at or below a path can be read; with @number, only that read fails."""

    def run(path, *arguments, code=errno.EIO, number=0):
        return Result(subprocess.run([point, "fail", str(number), str(code), DKMS, "--root", root.path, *arguments], capture_output=True, text=True,
                                     check=False, timeout=120, stdin=subprocess.DEVNULL,
                                     env=dict(os.environ, LC_ALL="C", POINT_BELOW=str(path), ASAN_OPTIONS="detect_leaks=0")))

    return run
