"""What a confined build may use: each limit ends it, with a sentence that says which one it was."""
import os
import pathlib
import subprocess

import pytest

from conftest import DKMS, K1, mounted
from test_sandbox import caged  # noqa: F401

HELPER = pathlib.Path(DKMS).parent / "helpers/dkms-sandbox"
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="what the sandbox keeps from root is tested as root")


def failing(root, script, **keywords):
    root.source(extra="PRE_BUILD=pre.sh\n", files={"foo.c": "x", "pre.sh": script})
    result = root("build", "foo/1.0", "-k", K1, **keywords)
    assert result.rc == 137, result
    return result.err


def test_silence(root):
    root.framework("build_timeout=1\n")
    assert "it wrote nothing for 1 s" in failing(root, "#!/bin/sh\nsleep 1000\n")


def test_a_build_that_says_something_now_and_then_may_take_its_time(root):
    root.framework("build_timeout=2\n")
    root.source(extra="PRE_BUILD=pre.sh\n", files={"foo.c": "x", "pre.sh": "#!/bin/sh\nfor i in 1 2 3 4 5 6; do echo $i; sleep 0.5; done\n"})
    root.ok("build", "foo/1.0", "-k", K1)


def test_no_limit_of_silence(root):
    root.framework("build_timeout=0\n")
    root.source(extra="PRE_BUILD=pre.sh\n", files={"foo.c": "x", "pre.sh": "#!/bin/sh\nsleep 1\n"})
    root.ok("build", "foo/1.0", "-k", K1)


def helped(tmp_path, *options, script):
    """The helper itself, where dkms's own limit is too large to be reached in a test."""
    report = tmp_path / "report"
    with open(report, "w", encoding="utf-8") as file:
        process = subprocess.run([HELPER, "--report", str(file.fileno()), *options, "--", "/bin/sh", "-c", script], pass_fds=[file.fileno()],
                                 capture_output=True, check=False, timeout=60)
    return process.returncode, report.read_text()


def test_memory(tmp_path):
    script = "exec python3 -c 'x = bytearray(300 << 20); import time; time.sleep(60)'"
    assert helped(tmp_path, "--memory", str(200 << 20), script=script) == (137, "memory\n")


def test_memory_of_many_processes(tmp_path):
    script = "for i in 1 2 3; do python3 -c 'x = bytearray(100 << 20); import time; time.sleep(60)' & done; wait"
    assert helped(tmp_path, "--memory", str(200 << 20), script=script) == (137, "memory\n")


def test_fork_bomb(tmp_path):
    script = "exec bash -c 'b() { b | b & }; b; sleep 60'"
    assert helped(tmp_path, "--processes", "400", script=script) == (137, "processes 400\n")


def test_threads(tmp_path):
    script = """exec python3 -c '
import threading, time
threading.stack_size(65536)
for i in range(300):
    threading.Thread(target=time.sleep, args=(60,)).start()
'"""
    assert helped(tmp_path, "--processes", "50", script=script) == (137, "processes 50\n")


def test_inodes(tmp_path):
    place = tmp_path / "small"
    with mounted(place, "size=50m,nr_inodes=2000"):
        (place / "dir").mkdir()
        script = f"cd {place}/out && i=0; while true >f$i; do i=$((i+1)); done; sleep 60"
        code, report = helped(tmp_path, "--reserve", str(place), "4096", "--bind", str(place / "dir"), str(place / "out"), script="exit 0")
        (place / "out").mkdir()
        code, report = helped(tmp_path, "--reserve", str(place), "4096", "--bind", str(place / "dir"), str(place / "out"), script=script)
    assert (code, report) == (137, "disk\n")


def test_output(root, tmp_path):
    log = tmp_path / "log"
    request = tmp_path / "request"
    request.write_bytes(b"\0".join([b"/", b"3", b"/bin/sh", b"-c", b"head -c 20000000 /dev/zero; sleep 30", b"PATH=/bin:/usr/bin"]) + b"\0")
    import socket
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    report = tmp_path / "report"
    with open(report, "w", encoding="utf-8") as findings, open(log, "w", encoding="utf-8") as output, open(request, "rb") as words, open("/dev/null", "rb") as null:
        helper = subprocess.Popen([HELPER, "--report", str(findings.fileno()), "--output", "1000000", "--serve", str(theirs.fileno())],
                                  pass_fds=[findings.fileno(), theirs.fileno()])
        theirs.close()
        socket.send_fds(ours, [b"run"], [words.fileno(), null.fileno(), output.fileno()])
        assert ours.recv(16) == b"137"
        ours.close()
        assert helper.wait(10) == 0
    assert report.read_text() == "output\n"


def test_victims_come_first(root):
    root.source(extra="PRE_BUILD=pre.sh\n", files={"foo.c": "x", "pre.sh": "#!/bin/sh\ntest $(cat /proc/self/oom_score_adj) -ge 500\n"})
    root.ok("build", "foo/1.0", "-k", K1)
