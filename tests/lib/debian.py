"""Debian systems in directories, which debootstrap creates and which run like separate machines."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

# Caches the systems of debootstrap and the packages of apt, so that the next run is fast.
CACHE = pathlib.Path(os.environ.get("DKMS_ROOTS") or pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache", "dkms-roots"))
FRESH = 7 * 24 * 3600 # seconds after which a cached system is created again

def driver_packages(variable, usual, options=()):
    """The names of driver packages that the environment variable lists; "all": those of apt; without it, @usual."""
    chosen = os.environ.get(variable, "")
    if chosen != "all":
        return chosen.split() or usual
    found = subprocess.run(["apt-cache", *options, "search", "--names-only", "--", "-dkms$"], capture_output=True, text=True, check=True).stdout
    return sorted(line.split()[0] for line in found.splitlines() if not line.startswith("dh-dkms"))


def whole_archive(directory):
    """Options of apt for all parts of the archive of this release, with lists in @directory."""
    for name in ("lists/partial", "archives/partial"):
        (directory / name).mkdir(parents=True)
    suite = re.search(r"^VERSION_CODENAME=(\w+)", pathlib.Path("/etc/os-release").read_text(), re.M).group(1)
    (directory / "list").write_text(f"deb {mirror()} {suite} main contrib non-free\n")
    options = ["-o", f"Dir::State::lists={directory}/lists", "-o", f"Dir::Cache={directory}", "-o", f"Dir::Etc::sourcelist={directory}/list",
               "-o", "Dir::Etc::sourceparts=-", "-o", "APT::Sandbox::User=root"]
    run("apt-get", *options, "update", "-qq")
    return options


# Driver packages that build within seconds, and thirteen that build within a few minutes.
SMALL = ["acpi-call-dkms", "v4l2loopback-dkms", "vpoll-dkms"]
THIRTEEN = [*SMALL, "bbswitch-dkms", "dahdi-dkms", "ddcci-dkms", "digimend-dkms", "evdi-dkms", "jool-dkms", "lime-forensics-dkms", "rapiddisk-dkms", "tp-smapi-dkms",
            "xtables-addons-dkms"]


def driver_sources(package, directory, options=()):
    """Downloads @package, and unpacks it below @directory. Returns: the directories with a dkms.conf in it"""
    debs = directory / "debs"
    debs.mkdir(parents=True)
    subprocess.run(["apt-get", *options, "download", "-qq", package], cwd=debs, check=True, stderr=subprocess.DEVNULL)
    subprocess.run(["dpkg-deb", "-x", next(debs.glob("*.deb")), directory / "files"], check=True)
    found = sorted(conf.parent for conf in (directory / "files/usr/src").glob("*/dkms.conf"))
    assert found, f"{package} has no dkms.conf"
    return found


def kernels_with_headers():
    """The kernels of this machine for which modules can be built."""
    return sorted(p.parent.name for p in pathlib.Path("/lib/modules").glob("*/build") if (p / "include").is_dir())


TOP = pathlib.Path(__file__).resolve().parents[2]
BUILT = [] # the directory that packages() returns

# Mounts and processes end with the command, even after a time-out.
ENTER = r"""
root=$1
shift
mount --rbind "$root" "$root"
cd "$root"
mount -t proc proc proc
mount --rbind /sys sys
mount -t tmpfs -o mode=755 tmpfs dev
for node in null zero full random urandom tty; do
  touch dev/$node
  mount --bind /dev/$node dev/$node
done
ln -s /proc/self/fd dev/fd
ln -s fd/0 dev/stdin
ln -s fd/1 dev/stdout
ln -s fd/2 dev/stderr
ln -s pts/ptmx dev/ptmx
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts dev/pts
mount -t tmpfs tmpfs dev/shm
if [ "$PIVOT" = 1 ]; then
  mkdir -p .outside
  pivot_root . .outside
  umount -l .outside
  rmdir .outside
  exec env -u PIVOT "$@"
fi
exec chroot . env -u PIVOT "$@"
"""

ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C", "HOME": "/root", "TERM": "dumb"}


def run(*command, **options):
    process = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, **options)
    assert process.returncode == 0, f"{command}\n{process.stdout[-4000:]}\n{process.stderr[-4000:]}"
    return process.stdout


def mirror():
    """The archive from which this machine gets packages."""
    text = "\n".join(p.read_text() for p in [pathlib.Path("/etc/apt/sources.list"), *pathlib.Path("/etc/apt/sources.list.d").glob("*")]
                     if p.is_file())
    found = re.search(r"^(?:deb(?:\s+\[[^\]]*\])?|URIs:)\s+(https?://\S+/debian/?)(?:\s|$)", text, re.M)
    return found.group(1) if found else "http://deb.debian.org/debian"


def age(release):
    """A key that sorts kernel releases."""
    return [int(number) for number in re.findall(r"\d+", release)]


def sources(suite):
    lines = [f"deb {mirror()} {suite} main contrib"]
    if suite != "sid":
        lines += [f"deb {mirror()} {suite}-updates main contrib", f"deb {mirror().rstrip('/')}-security {suite}-security main contrib"]
    return "\n".join(lines) + "\n"


def packages(tmp_path_factory):
    """The directory with the packages of dkms for Debian. They are built once for all files of tests."""
    if not BUILT:
        BUILT.append(tmp_path_factory.mktemp("debs"))
        run(TOP / "scripts/make-package", "deb", BUILT[0])
    return BUILT[0]


class OutOfTime(AssertionError):
    pass


class Root:
    """A system in the directory @path. With @pivot, it is the root of its processes, not a chroot."""

    def __init__(self, path, suite, pivot=False):
        self.path, self.suite, self.pivot = path, suite, pivot
        self.archives, self.given = path / "var/cache/apt/archives", []

    def start(self, script, **options):
        command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private", "sh", "-eu", "-c", ENTER, "enter",
                   str(self.path), "sh", "-ec", script]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL,
                                env=dict(ENVIRONMENT, PIVOT="1" if self.pivot else "0"), errors="replace", **options)

    def run(self, script, timeout=None):
        """Runs a shell script. Returns: its exit status and output"""
        process = self.start(script)
        try:
            out, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired as expired:
            process.send_signal(signal.SIGKILL) # this ends all its processes
            out, _ = process.communicate()
            raise OutOfTime(f"not done after {timeout:.0f} s: {script}\n{out[-3000:]}") from expired
        return subprocess.CompletedProcess(script, process.returncode, out, "")

    def ok(self, script, timeout=None):
        result = self.run(script, timeout)
        assert result.returncode == 0, f"{script}\nexit status {result.returncode}\n{result.stdout[-8000:]}"
        return result.stdout

    def kernels_on_offer(self):
        """The releases with headers and image in the archive. During an update of the archive one of them may be missing."""
        found = {}
        for line in self.ok("apt-cache search --names-only '^linux-(headers|image)-[0-9]+[.][0-9]+[.][0-9]+'").splitlines():
            kind, release = re.match(r"linux-(headers|image)-(\S+) ", line).groups()
            found.setdefault(release, set()).add(kind)
        return [release for release, kinds in found.items() if len(kinds) == 2]

    def status(self):
        return self.ok("dkms status").splitlines()

    def modules(self, kernel):
        return sorted(p.name.split(".ko")[0] for p in (self.path / "lib/modules" / kernel).rglob("updates/dkms/*.ko*"))

    def delete(self):
        """Copies downloaded packages to the cache, and deletes outdated ones."""
        self.run("apt-get autoclean -qq", timeout=300)
        cache = CACHE / self.suite / "archives"
        for name in self.given:
            if not (self.archives / name).exists():
                (cache / name).unlink(missing_ok=True)
        share(self.archives, cache)
        shutil.rmtree(self.path, ignore_errors=True)


def share(source, target):
    """Copies packages from @source to @target, each with a rename, because other processes may do the same."""
    target.mkdir(parents=True, exist_ok=True)
    for package in source.glob("*.deb"):
        part = target / f".{package.name}.{os.getpid()}"
        if (target / package.name).exists():
            continue
        try:
            part.hardlink_to(package)
        except OSError: # on another file system
            shutil.copyfile(package, part)
        part.replace(target / package.name)


def bootstrap(suite, path, pivot=False):
    """A minimal Debian @suite in @path, with current package lists."""
    assert os.geteuid() == 0, "needs root"
    root = Root(path, suite, pivot)
    (CACHE / suite).mkdir(parents=True, exist_ok=True)
    tarball = CACHE / suite / "minbase.tar"
    if tarball.exists() and 0 <= time.time() - tarball.stat().st_mtime < FRESH:
        path.mkdir()
        run("tar", "-C", path, "-xpf", tarball, "--numeric-owner", "--xattrs")
    else:
        run("debootstrap", "--variant=minbase", "--include=ca-certificates,apt-utils",
            suite, path, mirror())
        part = tarball.with_name(f"minbase.{os.getpid()}")
        run("tar", "-C", path, "-cpf", part, "--numeric-owner", "--xattrs", "--exclude=./proc/*", "--exclude=./sys/*", "--exclude=./dev/*",
            "--exclude=./var/cache/apt/archives/*.deb", ".")
        part.rename(tarball)
    shutil.copy("/etc/resolv.conf", path / "etc/resolv.conf")
    for directory in ("apt.conf.d", "auth.conf.d"): # the access of this machine to its archive
        if pathlib.Path("/etc/apt", directory).is_dir():
            shutil.copytree(pathlib.Path("/etc/apt", directory), path / "etc/apt" / directory, dirs_exist_ok=True)
    shutil.rmtree(path / "etc/apt/sources.list.d", ignore_errors=True)
    (path / "etc/apt/sources.list.d").mkdir()
    (path / "etc/apt/sources.list").write_text(sources(suite))
    (path / "etc/apt/apt.conf.d/docker-clean").unlink(missing_ok=True)
    (path / "etc/apt/apt.conf.d/99test").write_text('APT::Sandbox::User "root";\nAPT::Install-Recommends "false";\nAPT::Get::Assume-Yes "true";\n'
                                                    'APT::Keep-Downloaded-Packages "true";\nDpkg::Options { "--force-confdef"; };\n')
    (path / "etc/dpkg/dpkg.cfg.d/test").write_text("force-unsafe-io\n")
    share(CACHE / suite / "archives", root.archives)
    root.given = [package.name for package in root.archives.glob("*.deb")]
    root.ok("apt-get update -qq", timeout=600)
    return root
