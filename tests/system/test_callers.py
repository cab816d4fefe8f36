"""The caller of dkms ignores or blocks signals, closes or does not read streams, removes PATH from the environment, or limits
descriptors."""
import os
import re
import resource
import signal
import subprocess
import time

import pytest

from conftest import ARCH, DKMS, K1, strace

INSTALLED = [f"foo/1.0, {K1}, {ARCH}: installed"]


def start(root, *arguments, before=None, **keywords):
    keywords.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run([*root.command(), *map(str, arguments)], preexec_fn=before, text=True, check=False, timeout=120,
                          **{"capture_output": True, **keywords})


# ---- signals ----

def test_ignored_sigchld(root):
    root.source()
    result = start(root, "install", "foo/1.0", "-k", K1, before=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
    assert result.returncode == 0, result
    assert "sandbox" not in result.stderr
    assert root.status() == INSTALLED


def test_blocked_signals(root):
    """dkms resets the signal mask of the caller, so that a run can be interrupted."""
    mark = root.path / "begun"
    root.framework("sandbox=off\n")
    root.source(extra="PRE_BUILD=slow.sh\n", files={"foo.c": "x", "slow.sh": f"#!/bin/sh\ntouch {mark}\nsleep 30\n"})
    process = subprocess.Popen([*root.command(), "install", "foo/1.0", "-k", K1], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                               preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals()))
    while not mark.exists():
        time.sleep(0.02)
    process.terminate()
    assert process.wait(timeout=10) == 143
    process.stderr.close()


def test_nohup(root):
    """SIGHUP does not end a run that was started with nohup."""
    mark, go = root.path / "begun", root.path / "go"
    root.framework("sandbox=off\n")
    root.source(extra="PRE_BUILD=slow.sh\n",
                files={"foo.c": "x", "slow.sh": f"#!/bin/sh\ntouch {mark}\nwhile [ ! -e {go} ]; do sleep 0.05; done\n"})
    process = subprocess.Popen(["nohup", *root.command(), "install", "foo/1.0", "-k", K1], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not mark.exists():
        time.sleep(0.02)
    process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    go.touch()
    assert process.wait(timeout=20) == 0
    assert root.status() == INSTALLED


# ---- streams ----

class Broken:
    """A pipe whose reader has terminated."""

    def __enter__(self):
        read_end, self.write_end = os.pipe()
        os.close(read_end)
        return self.write_end

    def __exit__(self, *_):
        os.close(self.write_end)


@pytest.mark.parametrize("streams", [("stdout",), ("stderr",), ("stdout", "stderr")])
def test_reader_goes_away(root, streams):
    root.source(extra="POST_INSTALL=post.sh\n", files={"foo.c": "x", "post.sh": "#!/bin/sh\necho said; echo said >&2; exit 0\n"})
    with Broken() as pipe:
        keywords = dict(capture_output=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        keywords.update({stream: pipe for stream in streams})
        assert start(root, "install", "foo/1.0", "-k", K1, **keywords).returncode == 0
        assert root.status() == INSTALLED
        assert start(root, "status", **keywords).returncode == 0, "the reader got its line"
        assert start(root, "build", "none/1.0", "-k", K1, **keywords).returncode == 2, "the exit status is that of the work"
        assert start(root, "remove", "foo/1.0", "--all", **keywords).returncode == 0
    assert root.status() == []


@pytest.mark.parametrize("sandbox", ["auto", "off"])
@pytest.mark.parametrize("where", ["PRE_BUILD", "PRE_INSTALL"])
def test_programs_get_sigpipe_back(root, where, sandbox):
    root.framework(f"sandbox={sandbox}\n")
    root.source(extra=f"{where}=pre.sh\n",
                files={"foo.c": "x", "pre.sh": "#!/bin/bash\nyes | head -n 1 >/dev/null\n[ ${PIPESTATUS[0]} = 141 ]\n"})
    root.ok("install", "foo/1.0", "-k", K1)


@pytest.mark.parametrize("arguments", [("status",), ("--help",), ("status", "--help"), ("--version",), ("install", "foo/1.0", "-k", K1, "--dry-run")])
def test_an_answer_that_is_lost_is_an_error(root, arguments):
    root.source()
    root.ok("add", "foo/1.0")
    with open("/dev/full", "w") as full:
        result = start(root, *arguments, capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert result.returncode == 1 and "Cannot write" in result.stderr, result
    closed = start(root, *arguments, capture_output=False, stderr=subprocess.PIPE, before=lambda: os.close(1))
    assert closed.returncode == 1 and "Cannot write" in closed.stderr, closed


def test_a_long_answer_that_is_lost(root):
    for number in range(300):
        root.source(f"module-with-a-long-name-{number}")
        root.register(f"module-with-a-long-name-{number}")
    assert len(root.status()) == 300
    with open("/dev/full", "w") as full:
        assert start(root, "status", capture_output=False, stdout=full, stderr=subprocess.PIPE).returncode == 1


def test_work_does_not_depend_on_its_messages(root):
    root.source()
    with open("/dev/full", "w") as full:
        assert start(root, "install", "foo/1.0", "-k", K1, capture_output=False, stdout=full, stderr=full).returncode == 0
    assert root.status() == INSTALLED


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_closed_streams(root, closed):
    """No file that dkms opens becomes a standard stream and is written to."""
    root.source(extra="POST_INSTALL=post.sh\n",
                files={"foo.c": "x", "post.sh": "#!/bin/sh\necho said; echo said >&2; cat; touch /proc/self/fd/1 && exit 0\n"})
    result = start(root, "install", "foo/1.0", "-k", K1, capture_output=False, stdin=None, before=lambda: [os.close(fd) for fd in closed])
    assert result.returncode == 0
    assert root.status() == INSTALLED
    for path in root.tree.rglob("*"):
        assert not path.is_file() or "said" not in path.read_text(errors="replace"), path


# ---- environment ----

@pytest.mark.parametrize("env", [{}, {"PATH": ""}, {"PATH": "/usr/bin:/bin"}])
def test_environment(root, env):
    root.source(extra="PRE_BUILD=env.sh\n", files={"foo.c": "x", "env.sh": "#!/bin/sh\nenv\nuname\n"})
    result = start(root, "install", "foo/1.0", "-k", K1, env=env)
    assert result.returncode == 0, result
    log = (root.tree / f"foo/1.0/{K1}/{ARCH}/log/make.log").read_text()
    path = re.search(r"^PATH=(.*)$", log, re.M)[1].split(":")
    assert {"/usr/sbin", "/usr/bin", "/sbin", "/bin"} <= set(path), path
    assert root.status() == INSTALLED


def test_a_path_of_the_caller_is_kept(root):
    root.source(extra="PRE_BUILD=env.sh\n", files={"foo.c": "x", "env.sh": "#!/bin/sh\nenv\n"})
    mine = "/opt/tools:/usr/sbin:/usr/bin:/bin"
    assert start(root, "build", "foo/1.0", "-k", K1, env={"PATH": mine}).returncode == 0
    assert f"\nPATH={mine}\n" in (root.tree / f"foo/1.0/{K1}/{ARCH}/log/make.log").read_text()


SECRETS = ("KBUILD_SIGN_PIN", "GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "db_password", "GPG_PASSPHRASE", "NPM_TOKEN_FILE", "MY_API_KEY")


@pytest.mark.parametrize("mode", ["auto", "strict"])
def test_secrets_of_the_environment(root, mode):
    """Recipes and builds do not get these variables; variables that control builds are passed on."""
    root.framework(f"sandbox={mode}\n")
    root.source(extra="env >&2\nPRE_BUILD=env.sh\n", files={"foo.c": "x", "env.sh": "#!/bin/sh\nenv\n"})
    env = dict(os.environ, IGNORE_CC_MISMATCH="1", **dict.fromkeys(SECRETS, "hidden"))
    result = start(root, "install", "foo/1.0", "-k", K1, env=env)
    log = (root.tree / f"foo/1.0/{K1}/{ARCH}/log/make.log").read_text()
    assert result.returncode == 0
    for text in (result.stdout + result.stderr, log):
        assert "IGNORE_CC_MISMATCH=1" in text and "hidden" not in text


# ---- descriptors ----

def limit(soft, hard):
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("soft,hard,jobs", [(128, 128, 16), (1024, 1024, 192)])
def test_few_descriptors(root, soft, hard, jobs):
    """Fewer builds run at once if descriptors are scarce."""
    for number in range(60):
        root.source(f"m{number}")
        root.register(f"m{number}")
    result = start(root, "autoinstall", "-k", K1, "-j", jobs, before=limit(soft, hard))
    assert result.returncode == 0, result
    assert sum(line.endswith(": installed") for line in root.status()) == 60


def test_soft_limit_of_descriptors(root):
    """dkms raises its soft limit. Its children get the original limit unless it is too low for a compiler."""
    root.framework("sandbox=off\n")
    root.source(extra="PRE_BUILD=limit.sh\n", files={"foo.c": "x", "limit.sh": "#!/bin/sh\necho soft $(ulimit -S -n)\n"})
    for soft, seen in ((20, 1024), (2000, 2000)):
        assert start(root, "build", "foo/1.0", "-k", K1, "--force", before=limit(soft, 4096)).returncode == 0
        assert f"soft {seen}\n" in (root.tree / f"foo/1.0/{K1}/{ARCH}/log/make.log").read_text()


@pytest.mark.parametrize("number", [8, 12, 16, 20, 24, 32, 40, 64, 100])
def test_too_few_descriptors(root, number):
    """The command succeeds, or the message names the limit."""
    root.source()
    result = start(root, "install", "foo/1.0", "-k", K1, before=limit(number, number))
    if result.returncode == 0:
        assert root.status() == INSTALLED
    else:
        assert "limit of open files" in result.stderr, result
    assert number < 40 or result.returncode == 0, result
    root.ok("install", "foo/1.0", "-k", K1)


# ---- file systems ----

@pytest.mark.parametrize("verb", ["add", "install", "autoinstall", "remove"])
def test_file_system_without_locks(root, verb):
    """For example NFS without its lock service, and some FUSE file systems."""
    root.source()
    root.ok("add", "foo/1.0")
    root.source("bar")
    words = {"add": ["bar/1.0"], "install": ["foo/1.0", "-k", K1], "autoinstall": ["-k", K1], "remove": ["foo/1.0", "--all"]}[verb]
    command = ["-o", "/dev/null", "-e", "inject=flock:error=ENOLCK", DKMS, "--root", root.path]
    result = strace(*command, verb, *words, check=False)
    assert result.returncode == 1, result
    assert "supports no locks" in result.stderr and str(root.tree) in result.stderr and "--dkmstree" in result.stderr, result
    assert strace(*command, "status", check=False).stdout == "foo/1.0: added\n", "status changes nothing"
    assert root.status() == ["foo/1.0: added"]
