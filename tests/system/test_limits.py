"""The limits of a confined build: exceeding a limit ends the build, and the message names the limit."""
import os
import pathlib
import re
import signal
import subprocess
import time

import pytest

from conftest import DKMS, K1, K2, Crowd, family, mounted
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


def test_time_does_not_count_while_nothing_can_run(root):
    """As while a machine sleeps."""
    root.framework("build_timeout=12\n")
    root.source(extra="PRE_BUILD=pre.sh\n", files={"foo.c": "x", "pre.sh": f"#!/bin/sh\nsleep {Crowd.SECONDS} || true\n"})
    with subprocess.Popen([*root.command(), "build", "foo/1.0", "-k", K1], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                          stdin=subprocess.DEVNULL) as run:
        Crowd().wait(1, run)
        everybody = family(run.pid)
        for number, seconds in (signal.SIGSTOP, 13), (signal.SIGCONT, 0):
            for pid in everybody:
                os.kill(pid, number)
            time.sleep(seconds)
        Crowd().release()
        assert run.wait(60) == 0, run.stderr.read()


def helped(tmp_path, *options, script):
    """Runs the helper directly, because the limits of dkms are too large for a test."""
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


@pytest.fixture(scope="module")
def bomb(tmp_path_factory):
    """A program that starts idle threads or processes as fast as possible, and prints a byte for each."""
    place = tmp_path_factory.mktemp("bomb")
    (place / "bomb.c").write_text(BOMB)
    subprocess.run(["cc", "-O1", "-o", place / "bomb", place / "bomb.c"], check=True)
    return str(place / "bomb")


BOMB = """
#define _GNU_SOURCE
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
static int idle (void *data) { for (;;) pause (); return data != 0; }
int main (int argc, char **argv)
{
  for (;;)
    {
      char *stack = strcmp (argv[argc - 1], "threads") == 0 ? mmap (0, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) : 0;
      int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
      int pid = stack != 0 ? clone (idle, stack + 4096, flags, 0) : fork ();
      if (pid == 0)
        idle (0);
      if (pid > 0)
        (void)!write (1, "x", 1);
    }
}
"""


@pytest.mark.parametrize("kind", ["threads", "processes"])
@pytest.mark.parametrize("kernel", [[], ["setarch", "--uname-2.6"]], ids=["new", "old"])
def test_how_large_a_crowd_gets(tmp_path, bomb, kernel, kind):
    """The rest of the machine must be able to start processes. Linux before 6.14 does not enforce this; see sandbox-world.c."""
    with open(tmp_path / "report", "wb") as report:
        command = [*kernel, HELPER, "--expose", bomb, "--report", str(report.fileno()), "--processes", "2000", "--", bomb, kind]
        process = subprocess.run(command, capture_output=True, pass_fds=[report.fileno()], check=False, timeout=60)
    assert (process.returncode, (tmp_path / "report").read_text()) == (137, "processes 2000\n")
    assert len(process.stdout) < 4000


def test_the_limit_follows_the_room_that_there_is(root):
    """In a PID namespace with a small pid_max, like a container. Before Linux 6.14 pid_max is that of the machine."""
    root.source(extra="PRE_BUILD=pre.sh\n", files={"foo.c": "x", "pre.sh": "#!/bin/bash\nb() { b | b & }; b; sleep 60\n"})
    old = tuple(int(n) for n in os.uname().release.split(".")[:2]) < (6, 14)
    total = int(pathlib.Path("/proc/loadavg").read_text().split("/")[1].split()[0]) + 1000
    script = f'{":" if old else f"echo {total} >/proc/sys/kernel/pid_max"} && exec "$@"'
    command = ["unshare", "-m", "-p", "-f", "--mount-proc", "sh", "-c", script, "-", *root.command(), "build", "foo/1.0", "-k", K1]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=dict(os.environ, LC_ALL="C"))
    number = int(re.search(r"it started more than (\d+) processes or threads and was killed", result.stderr)[1])
    assert result.returncode == 137 and (number == 4096 if old else 64 <= number <= total // 4), result.stderr


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
    assert report.read_text() == "output 1000000\n"


def test_victims_come_first(root):
    root.source(extra="PRE_BUILD=pre.sh\n", files={"foo.c": "x", "pre.sh": "#!/bin/sh\ntest $(cat /proc/self/oom_score_adj) -ge 500\n"})
    root.ok("build", "foo/1.0", "-k", K1)


def test_output_of_a_single_command(tmp_path):
    """The size of the file before the command does not count, and a silent command is not killed."""
    with open(tmp_path / "log", "wb") as output, open(tmp_path / "report", "wb") as report:
        output.write(b"x" * 2000000)
        output.flush()
        for script, code in (("sleep 2", 0), ("head -c 500000 /dev/zero; sleep 1", 0), ("head -c 20000000 /dev/zero; sleep 30", 137)):
            command = [HELPER, "--report", str(report.fileno()), "--output", "1000000", "--silence", "1", "--", "/bin/sh", "-c", script]
            assert subprocess.run(command, stdout=output, pass_fds=[report.fileno()], check=False, timeout=60).returncode == code, script
    assert (tmp_path / "report").read_text() == "output 1000000\n"


@pytest.mark.parametrize("script, code", [("POST_ADD", 137), ("PRE_INSTALL", 101), ("POST_INSTALL", 0), ("POST_REMOVE", 0)])
def test_scripts_behind_the_wall(root, script, code):
    evil = f"#!/bin/bash\necho begun\ncat /dev/zero >{root.tree}/big 2>/dev/null\nsleep 1000\n"
    lines = [("add", "foo/1.0"), ("install", "foo/1.0", "-k", K1), ("uninstall", "foo/1.0", "-k", K1)]
    last = {"POST_ADD": 0, "POST_REMOVE": 2}.get(script, 1)
    with mounted(root.tree, "size=64m"):
        root.source(extra=f"{script}=x.sh\n", files={"foo.c": "x", "x.sh": evil})
        for line in lines[:last]:
            root.ok(*line)
        result = root(*lines[last])
    assert result.rc == code and "begun" in result.out + result.err, result
    assert f"{script} of foo/1.0 exceeded a limit: it filled the disk and was killed." in result.err, result


@pytest.mark.parametrize("script, code, status, kernels", [("PRE_INSTALL", 101, 3, (K1,)), ("POST_INSTALL", 0, 0, (K1, K2))])
def test_a_long_output_behind_the_wall(root, script, code, status, kernels):
    """For one kernel dkms prints the output of the script; for several kernels a worker reports it."""
    size = 17 << 20
    text = f"#!/bin/bash\necho begun\nhead -c {size} /dev/zero | tr '\\0' x\necho at last\nexit {status}\n"
    root.source(extra=f"{script}=x.sh\n", files={"foo.c": "x", "x.sh": text})
    result = root("install", "foo/1.0", *(word for kernel in kernels for word in ("-k", kernel)))
    assert result.rc == code, result.err
    assert "larger than" not in result.err and "-1" not in result.err, result.err
    assert not status or f"{script} of foo/1.0 ended with exit status {status}" in result.err, result.err
    assert len(re.findall(r"begun\nx", result.out)) == len(re.findall(r"x\n? *at last\n", result.out)) == len(kernels), result.err
    missing = size + len("begun\nat last\n") - (4 << 20)
    assert result.out.count(f"[{missing} bytes of output are not shown]\n") == len(kernels)


def test_endless_output_behind_the_wall(root):
    root.source(extra="PRE_INSTALL=x.sh\n", files={"foo.c": "x", "x.sh": "#!/bin/sh\ncat /dev/zero\n"})
    result = root("install", "foo/1.0", "-k", K1)
    assert result.rc == 101 and "PRE_INSTALL of foo/1.0 exceeded a limit: it wrote more than 128 MiB of output and was killed." in result.err, result


def test_a_crowd_in_a_root_without_proc(chrooted, tmp_path):
    assert not (chrooted.path / "proc").exists()
    script = "i=0; while [ $i -lt 60 ]; do sh -c 'kill -STOP $$' & i=$((i+1)); done; wait"
    assert helped(tmp_path, "--root", chrooted.path, "--processes", "50", script=script) == (137, "processes 50\n")


@pytest.mark.parametrize("shell", [False, True])
def test_what_a_script_behind_the_wall_leaves_running(request, shell):
    root = request.getfixturevalue("chrooted" if shell else "root")
    root.source(extra="POST_INSTALL=x.sh\n", files={"foo.c": "x", "x.sh": "#!/bin/bash\n{ kill -STOP $BASHPID; } &\n"})
    assert "POST_INSTALL of foo/1.0 left 1 process (x.sh) running" in root.ok("install", "foo/1.0", "-k", K1).err


def test_other_commands_behind_the_wall(root):
    script = root.path / "post.sh"
    script.write_text(f"#!/bin/bash\ncat /dev/zero >{root.tree}/big 2>/dev/null\nsleep 1000\n")
    script.chmod(0o755)
    root.framework(f"post_transaction={script}\n")
    root.source()
    with mounted(root.tree, "size=64m"):
        result = root.ok("install", "foo/1.0", "-k", K1)
    assert "Warning: /bin/bash exceeded a limit: it filled the disk and was killed." in result.err, result
