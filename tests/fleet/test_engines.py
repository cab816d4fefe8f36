"""The same matrix on several engines: each table is that of one machine. The commands are those of docs/fleet."""
import contextlib
import os
import pathlib
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))
from conftest import DKMS, K1, K2, Root, eventually  # noqa: E402

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs/fleet"
KERNELS = K1, K2, "6.9.0-3-test"


def need(*programs):
    for program in programs:
        assert shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin"), \
            f"no {program} here; scripts/install-deps fleet installs it"


class Fleet:
    """The matrix of @arguments, whose table ends with @end, and the table of one machine."""

    def __init__(self, path, arguments, status, end):
        self.path, self.arguments, self.status, self.end = path, arguments, status, end
        bin_dir = path / "bin"
        bin_dir.mkdir()
        (bin_dir / "dkms").symlink_to(DKMS)
        self.environment = dict(os.environ, LC_ALL="C", PATH=f"{bin_dir}:{os.environ['PATH']}:/usr/sbin:/sbin")
        self.environment.pop("MAKEFLAGS", None)
        self.expected = None
        self.expected = self.table(["dkms", "matrix", *self.arguments, "-j2", "--output", str(self.out("one"))], "one")

    def out(self, name):
        return self.path / f"out-{name}"

    def run(self, command, **environment):
        return subprocess.run(command, env=dict(self.environment, **environment), capture_output=True, text=True, check=False,
                              timeout=3000, stdin=subprocess.DEVNULL, cwd=self.path)

    def table(self, command, name, **environment):
        """Runs @command. Returns: the merged table, without times"""
        ran = self.run(command, OUTPUT=str(self.out(name)), **environment)
        merged = self.run(["dkms", "matrix", "--merge", str(self.out(name))])
        assert self.status in (None, merged.returncode), (ran, merged)
        table = re.sub(r" +[0-9]+ s", "", merged.stdout)
        assert table.endswith(self.end), (ran, merged)
        if self.expected is not None:
            assert merged.stdout in ran.stdout, ran # the script prints it, too
        return table

    def shards(self, name):
        return {re.search('"shard":"([^"]*)"', path.read_text())[1] for path in self.out(name).glob("*%40*.json")}

    def on_slurm(self, place, *arguments):
        """The table of @arguments on Slurm."""
        need("slurmctld", "slurmd", "munged", "sbatch", "unshare")
        configure_slurm(place)
        self.out("slurm").mkdir()
        begun = time.monotonic()
        try:
            table = self.table(["unshare", "--uts", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", CLUSTER, "sh", DOCS / "slurm.sh",
                                *self.arguments, *arguments], "slurm", PLACE=str(place), SHARDS="4")
        except AssertionError:
            for log in sorted(place.glob("*.log")) + sorted(self.out("slurm").glob("slurm-*")):
                print(f"--- {log.name}\n{log.read_text()[-3000:]}")
            raise
        print(f"Slurm: {time.monotonic() - begun:.1f} s")
        return table


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    """Five sources and three kernels in a root. m2 does not build."""
    path = tmp_path_factory.mktemp("fleet")
    root = Root(path / "lab")
    root.kernel(KERNELS[2])
    sources = []
    for i, extra in enumerate(("", 'BUILD_DEPENDS="m0"\n', 'MAKE[0]="echo m2.c:1:2: error: oops; false"\n',
                               'BUILD_EXCLUSIVE_KERNEL="^6.1"\n', "")):
        sources.append(str(path / f"source {i}'s"))
        shutil.move(root.source(f"m{i}", extra=extra), sources[-1])
    made = Fleet(path, [*sources, "--root", str(root.path)], 11, "5 modules, 3 kernels: 12 good, 3 failed, 0 missing\n")
    made.root, made.sources = root, sources
    return made


def test_xargs(fleet):
    assert fleet.table([DOCS / "xargs.sh", *fleet.arguments], "xargs") == fleet.expected


def test_make(fleet, tmp_path):
    # make passes words to a shell, so these sources have plain names.
    links = []
    for i, source in enumerate(fleet.sources):
        (tmp_path / f"m{i}").symlink_to(source)
        links.append(str(tmp_path / f"m{i}"))
    sources = " ".join([*links, "--root", str(fleet.root.path)])
    assert fleet.table(["make", "-k", "-j2", "-f", DOCS / "fleet.mk", f"SOURCES={sources}", f"OUTPUT={fleet.out('make')}"],
                       "make") == fleet.expected


def test_parallel(fleet):
    need("parallel")
    command = [DOCS / "parallel.sh", *fleet.arguments]
    assert fleet.table(command, "parallel") == fleet.expected
    before = {path: path.stat().st_mtime_ns for path in fleet.out("parallel").glob("*%40*.json")}
    assert fleet.table(command, "parallel") == fleet.expected # --resume-failed: only the failures run again
    assert {path.name.split("%")[0] for path, when in before.items() if path.stat().st_mtime_ns != when} == {"m2"}


def test_parallel_shards(fleet, tmp_path):
    """GNU parallel as an engine of shards: PARALLEL_SEQ."""
    need("parallel")
    (tmp_path / "worker").write_text(f"exec dkms matrix --shard auto --output '{fleet.out('seq')}' {shlex.join(fleet.arguments)}\n")
    command = f"seq 4 | parallel -n0 -j2 sh {tmp_path}/worker; dkms matrix --merge '{fleet.out('seq')}'"
    assert fleet.table(["sh", "-c", command], "seq", DKMS_SHARDS="4") == fleet.expected
    assert fleet.shards("seq") == {"1/4", "2/4", "3/4", "4/4"}


@contextlib.contextmanager
def sshd(fleet, directory):
    """Runs sshd on the loopback interface, and gives the user an ssh that connects to it."""
    need("sshd", "ssh", "ssh-keygen")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for name in "host", "user":
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / name], check=True)
    shutil.copy(directory / "user.pub", directory / "authorized")
    (directory / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {directory}/host\nAuthorizedKeysFile {directory}/authorized\nStrictModes no\n"
        f"UsePAM no\nPermitRootLogin yes\nPidFile none\nMaxStartups 100\nMaxSessions 100\n"
        f'SetEnv PATH="{fleet.environment["PATH"]}"\n')
    pathlib.Path("/run/sshd").mkdir(exist_ok=True)
    server = subprocess.Popen([shutil.which("sshd", path="/usr/sbin:/sbin:/usr/bin"), "-D", "-e", "-f", directory / "sshd_config"],
                              stderr=open(directory / "sshd.log", "w"))

    def answers():
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0
    try:
        eventually(answers)
        yield (f"ssh -p {port} -i {directory}/user -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
               " -F none 127.0.0.1")
    finally:
        server.terminate()
        server.wait()


def test_parallel_ssh(fleet, tmp_path):
    need("parallel")
    with sshd(fleet, tmp_path) as login:
        assert fleet.table([DOCS / "parallel-ssh.sh", *fleet.arguments], "ssh", HOSTS=f"2/{login}") == fleet.expected


SLURM = """\
ClusterName=test
SlurmctldHost=sl1(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={place}/munge.socket
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
StateSaveLocation={place}/state
SlurmdSpoolDir={place}/spool
SlurmctldPidFile={place}/slurmctld.pid
SlurmdPidFile={place}/slurmd.pid
SlurmctldLogFile={place}/slurmctld.log
SlurmdLogFile={place}/slurmd.log
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
NodeName=sl1 NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES State=UP
"""

# Runs in namespaces of its own, in which the machine is called sl1. All daemons end with the PID namespace.
CLUSTER = r"""
set -eu
hostname sl1
mount --make-rprivate /
mount -t proc proc /proc
{ cat /etc/hosts; echo 127.0.0.1 sl1; } >"$PLACE/hosts"
mount --bind "$PLACE/hosts" /etc/hosts
export SLURM_CONF=$PLACE/slurm.conf
munged --force --key-file="$PLACE/munge.key" --socket="$PLACE/munge.socket" --pid-file="$PLACE/munged.pid" \
  --log-file="$PLACE/munged.log" --seed-file="$PLACE/munge.seed"
slurmctld
tries=0; until scontrol ping | grep -q UP; do tries=$((tries + 1)); [ $tries -lt 100 ]; sleep 0.2; done
slurmd
tries=0; until sinfo -h -o %T | grep -qx idle; do tries=$((tries + 1)); [ $tries -lt 200 ]; sleep 0.2; done
"$@"
"""


def configure_slurm(place):
    for name in "state", "spool":
        (place / name).mkdir(parents=True)
    place.chmod(0o755)
    (place / "munge.key").write_bytes(os.urandom(1024))
    (place / "munge.key").chmod(0o400)
    with socket.socket() as a, socket.socket() as b:
        a.bind(("127.0.0.1", 0))
        b.bind(("127.0.0.1", 0))
        ports = a.getsockname()[1], b.getsockname()[1]
    (place / "slurm.conf").write_text(SLURM.format(place=place, ports=ports))


def test_slurm(fleet, tmp_path):
    assert fleet.on_slurm(tmp_path / "slurm") == fleet.expected
    assert fleet.shards("slurm") == {"1/4", "2/4", "3/4", "4/4"}
