"""Records in the journal or in syslog: which work leaves one, their fields, and when nothing is written."""
import os
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import tempfile

import pytest

from conftest import ARCH, DKMS, K1, K2, Result, as_nobody

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs mounts")
TOP = pathlib.Path(__file__).resolve().parents[2]

# Runs dkms without --root: the directories of a root are mounted at their places, and the sockets are those of the test.
SCRIPT = """
set -e
root=$1 sockets=$2
shift 2
mount -t tmpfs tmpfs /run
[ ! -e "$sockets/journal" ] || { mkdir -p /run/systemd/journal; touch /run/systemd/journal/socket; mount --bind "$sockets/journal" /run/systemd/journal/socket; }
[ ! -e "$sockets/syslog" ] || mount --bind "$sockets/dev" /dev
mkdir -p "$root/var/lib/dkms"
mount -t overlay -o "lowerdir=$root/var:/var" overlay /var
mount --bind "$root/var/lib/dkms" /var/lib/dkms
mount --bind "$root/usr/src" /usr/src
mount --bind "$root/lib/modules" /lib/modules
mount -t overlay -o "lowerdir=$root/etc:/etc" overlay /etc
exec "$@"
"""


class Machine:
    """A machine with a journal or a syslog daemon, which are sockets of this test."""

    def __init__(self, root, journal=True, syslog=False):
        self.root = root
        self.place = pathlib.Path(tempfile.mkdtemp(prefix="log."))  # the names of sockets are short
        self.sockets = []
        root.framework("sandbox=off\n")
        (root.path / "etc/dkms/framework.conf").write_text("sandbox=off\n")
        if journal:
            self.listen(self.place / "journal")
        if syslog:
            (self.place / "dev").mkdir()
            for name in ("null", "zero", "full", "random", "urandom", "tty"):
                status = os.stat(f"/dev/{name}")
                os.mknod(self.place / "dev" / name, status.st_mode, status.st_rdev)
            (self.place / "syslog").touch()
            self.listen(self.place / "dev/log")

    def listen(self, path):
        server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        server.bind(str(path))
        server.setblocking(False)
        self.sockets.append(server)

    def close(self):
        for server in self.sockets:
            server.close()
        shutil.rmtree(self.place)

    def __call__(self, *arguments, program=(DKMS,), **env):
        return Result(subprocess.run(["unshare", "-m", "-p", "-f", "--mount-proc", "sh", "-c", SCRIPT, "sh", self.root.path, self.place, *program, *arguments],
                                     capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False, timeout=120,
                                     env={**os.environ, "LC_ALL": "C", **env}))

    def received(self):
        """The messages since the last call."""
        found = []
        for server in self.sockets:
            while True:
                try:
                    found.append(server.recv(1 << 20))
                except BlockingIOError:
                    break
        return found

    def records(self):
        return [fields(message) for message in self.received()]


def fields(message):
    """The fields of a message to the journal."""
    found = {}
    while message:
        name, equals, rest = re.match(rb"([A-Z_]+)([=\n])(.*)\Z", message, re.S).groups()
        if equals == b"=":
            value, message = rest.split(b"\n", 1)
        else:
            size = struct.unpack("<Q", rest[:8])[0]
            value, message = rest[8:8 + size], rest[8 + size + 1:]
        found[name.decode()] = value.decode()
    return found


@pytest.fixture
def machine(root):
    lab = Machine(root)
    yield lab
    lab.close()


CATALOG = dict(re.findall(r"^-- ([0-9a-f]{32})\nSubject: (.*)$", (TOP / "data/dkms.catalog").read_text(), re.M))


def test_a_whole_life(machine):
    """Each build, installation and removal leaves one record, whose number is in the catalogue."""
    machine.root.source()
    seen = []
    for words in (["add", "foo/1.0"], ["build", "foo/1.0", "-k", K1], ["install", "foo/1.0", "-k", K1], ["uninstall", "foo/1.0", "-k", K1],
                  ["remove", "foo/1.0", "--all"]):
        result = machine(*words)
        assert result.rc == 0, result
        records = machine.records()
        for record in records:
            assert record["MESSAGE_ID"] in CATALOG and record["SYSLOG_IDENTIFIER"] == "dkms" and record["DKMS_VERB"] == words[0]
            assert record["PRIORITY"] == "6" and record["DKMS_MODULE"] == "foo" and record["DKMS_MODULE_VERSION"] == "1.0"
            assert re.fullmatch(r"\d+\.\d", record["DKMS_SECONDS"]) and record["SYSLOG_PID"].isdigit() and "DKMS_ERROR" not in record
        seen += [(record["DKMS_RESULT"], record.get("DKMS_KERNEL"), record.get("DKMS_ARCH"), record["MESSAGE"]) for record in records]
    name = f"foo/1.0 for kernel {K1} ({ARCH}): "
    assert seen == [("built", K1, ARCH, name + "built"), ("installed", K1, ARCH, name + "installed"), ("uninstalled", K1, ARCH, name + "uninstalled"),
                    ("build deleted", K1, ARCH, name + "build deleted"), ("unregistered", None, None, "foo/1.0: unregistered")]


def test_an_autoinstall(machine):
    """One record for each module and kernel: a failure has its cause and its log, and what is skipped is no error."""
    machine.root.source("good")
    machine.root.source("bad", extra="MAKE='make -f m.mk'\n", files={"bad.c": "x", "m.mk": "all:\n\t@echo 'a.c:7:2: error: implicit declaration of function strlcpy'; exit 1\n"})
    machine.root.source("other", extra='BUILD_EXCLUSIVE_KERNEL="^9"\n')
    for name in ("good", "bad", "other"):
        machine.root.register(name)
    assert machine("autoinstall", "-k", K1, "--json").rc == 11
    records = {record["DKMS_MODULE"]: record for record in machine.records()}
    assert {name: record["DKMS_RESULT"] for name, record in records.items()} == {"good": "installed", "bad": "failed", "other": "skipped"}
    assert {name: record["PRIORITY"] for name, record in records.items()} == {"good": "6", "bad": "3", "other": "6"}
    assert len({record["MESSAGE_ID"] for record in records.values()}) == 3
    bad = records["bad"]
    assert bad["MESSAGE"] == f"Building bad/1.0 for kernel {K1} failed: make exited with status 2" and bad["DKMS_ERROR"] == "make-failed"
    assert bad["DKMS_LOG"] == f"/var/lib/dkms/.dkms/logs/bad/1.0/{K1}/{ARCH}/1/make.log"
    assert "DKMS_CAUSE" in bad and machine("explain", bad["DKMS_CAUSE"]).rc == 0
    assert records["other"]["DKMS_ERROR"] == "excluded"


def test_an_error_before_all_work(machine):
    machine.root.kernel("6.9.0-no-headers", headers=False)
    machine.root.source()
    machine.root.register()
    assert machine("install", "foo/1.0", "-k", "6.9.0-no-headers").rc == 21
    assert [(record["DKMS_RESULT"], record["DKMS_KERNEL"], record["PRIORITY"]) for record in machine.records()] == [("failed", "6.9.0-no-headers", "3")]


def test_values_with_line_ends(machine):
    """A value of several lines cannot add fields."""
    machine.root.source(extra="PRE_BUILD=no.sh\n", files={"foo.c": "x", "no.sh": "#!/bin/sh\nprintf 'error: a\\nDKMS_MODULE=evil\\n'; exit 1\n"})
    machine.root.register()
    assert machine("build", "foo/1.0", "-k", K1).rc == 1
    (record,) = machine.records()
    assert record["DKMS_MODULE"] == "foo"


@pytest.mark.parametrize("words", [["status"], ["install", "foo/1.0", "-k", K1, "--dry-run"], ["explain", "foo"], ["instal", "foo/1.0"],
                                   ["install", "foo", "bar"], ["autoinstall", "-k", K1, "--dkmstree", "/var/lib/dkms"]])
def test_what_leaves_no_record(machine, words):
    machine.root.source()
    machine.root.register()
    machine(*words)
    assert machine.records() == []


def test_not_of_another_root(machine):
    """With --root, of an ordinary user, and in a chroot, the journal is that of another system."""
    machine.root.source()
    machine.root.register()
    result = machine("--root", str(machine.root.path), "install", "foo/1.0", "-k", K1)
    assert result.rc == 0, result
    assert machine.records() == []
    chroot = ("mkdir /run/root /run/upper /run/work && mount -t overlay -o lowerdir=/,upperdir=/run/upper,workdir=/run/work overlay /run/root && "
              "for d in etc proc dev run/systemd usr/src lib/modules var/lib/dkms; do mkdir -p /run/root/$d; mount --rbind /$d /run/root/$d; done && "
              '{ chroot /run/root "$@"; exit; }')
    result = machine("install", "foo/1.0", "-k", K2, program=("sh", "-c", chroot, "sh", DKMS))
    assert result.rc == 0, result
    assert machine.records() == []
    as_nobody(machine.root, "build", "foo/1.0", "-k", K2, "--force", own=[machine.root.path])
    drop = ("/usr/bin/python3", "-c", "import os,sys; os.setgroups([]); os.setgid(65534); os.setuid(65534); os.execv(sys.argv[1], sys.argv[1:])")
    result = machine("build", "foo/1.0", "-k", K2, "--force", program=(*drop, str(machine.root.path.parent / "program/dkms")))
    assert result.rc == 0, result
    assert machine.records() == []


def test_syslog(root):
    """Without a journal the messages go to the syslog daemon, and without both nowhere."""
    lab = Machine(root, journal=False, syslog=True)
    try:
        root.source()
        root.register()
        assert lab("install", "foo/1.0", "-k", K1).rc == 0
        (message,) = lab.received()
        assert re.fullmatch(rf"<30>[A-Z][a-z][a-z] [ \d]\d \d\d:\d\d:\d\d dkms\[\d+\]: foo/1\.0 for kernel {re.escape(K1)} \({ARCH}\): installed", message.decode())
        (lab.place / "dev/log").unlink()
        assert lab("install", "foo/1.0", "-k", K2).rc == 0 and lab.received() == []
    finally:
        lab.close()


def test_a_journal_that_reads_nothing(machine):
    """A full socket holds up no command."""
    server = machine.sockets[0]
    sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sender.setblocking(False)
    try:
        while True:
            sender.sendto(b"x" * 100, server.getsockname())
    except BlockingIOError:
        pass
    machine.root.source()
    machine.root.register()
    assert machine("install", "foo/1.0", "-k", K1).rc == 0


def test_verify(machine):
    """A run that nobody started by hand records what is wrong, and nothing else is recorded."""
    root = machine.root
    root.source()
    root.ok("add", "foo/1.0")
    (root.path / "boot").mkdir()
    for words, recorded in (["verify", "-k", K1], False), (["verify", "-k", K1, "--quiet-if-ok"], True):
        result = machine(*words)
        assert result.rc == 30, result
        records = machine.records()
        assert len(records) == recorded, records
    (record,) = records
    assert record["MESSAGE_ID"] in CATALOG and record["PRIORITY"] == "3" and record["DKMS_VERB"] == "verify" and record["DKMS_RESULT"] == "will not load"
    assert record["DKMS_CODE"] == "never-tried" and (record["DKMS_MODULE"], record["DKMS_KERNEL"]) == ("foo", K1), record
    assert record["MESSAGE"].startswith(f"foo/1.0 will not be there after a boot of {K1}: ")


def test_catalogue(tmp_path):
    """journalctl understands the catalogue, and it has an entry for each number of the program."""
    place = tmp_path / "usr/lib/systemd/catalog"
    place.mkdir(parents=True)
    shutil.copy(TOP / "data/dkms.catalog", place)
    subprocess.run(["journalctl", f"--root={tmp_path}", "--update-catalog"], check=True)
    listed = subprocess.run(["journalctl", f"--root={tmp_path}", "--list-catalog"], capture_output=True, text=True, check=True).stdout
    numbers = set(re.findall(r'"([0-9a-f]{32})"', (TOP / "src/report/logging.c").read_text()))
    assert {line.split()[0] for line in listed.splitlines()} == numbers == set(CATALOG)
    manual = (TOP / "man/dkms.8.in").read_text()
    assert all(number in manual for number in numbers)
