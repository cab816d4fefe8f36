"""Scripts of a package that call dkms for their own module. A call works as in the reference, which has no locks, or fails at
once. No call waits for its own caller."""
import os
import pathlib
import signal
import subprocess
import time

import pytest

from conftest import ARCH, DKMS, K1, K2


@pytest.fixture
def nested(root):
    """Creates a source whose script calls dkms with the words of one or more command lines."""
    def make(name, version, extra=None, unbuilt=False, **scripts):
        files = {f"{name}.c": f"{name} {version}\n"}
        lines = extra or ""
        for directive, commands in scripts.items():
            body = "".join(f"{DKMS} --root {root.path} {words} || status=$?\n" if not words.startswith("!") else words[1:] + "\n"
                           for words in ([commands] if isinstance(commands, str) else commands))
            files[f"{directive.lower()}.sh"] = f"#!/bin/bash\nstatus=0\n{body}exit $status\n"
            lines += f"{directive}={directive.lower()}.sh\n"
        root.source(name, version, extra=lines, files=files)
    return make


def run(root, *arguments, **keywords):
    return root(*arguments, timeout=20, **keywords)


def test_post_add_builds(root, nested):
    nested("foo", "1.0", POST_ADD=f"build foo/1.0 -k {K1}")
    result = run(root, "add", "foo/1.0")
    assert result.rc == 0, result
    assert root.status() == [f"foo/1.0, {K1}, {ARCH}: built"]


@pytest.mark.parametrize("verb", ["add", "build", "install"])
def test_post_add_installs_everywhere(root, nested, verb):
    nested("foo", "1.0", POST_ADD=f"install foo/1.0 -k {K1} -k {K2}")
    result = run(root, verb, "foo/1.0", "-k", K1)
    assert result.rc == 0, result
    assert root.status() == [f"foo/1.0, {k}, {ARCH}: installed" for k in (K1, K2)]


def test_post_add_autoinstalls(root, nested):
    nested("foo", "1.0", POST_ADD=f"autoinstall -k {K1}")
    assert run(root, "add", "foo/1.0").rc == 0
    assert root.status() == [f"foo/1.0, {K1}, {ARCH}: installed"]


def test_post_install_removes_an_older_version(root, nested):
    root.source("foo", "0.9")
    root.ok("install", "foo/0.9", "-k", K1)
    nested("foo", "1.0", POST_INSTALL="remove foo/0.9 --all")
    result = run(root, "install", "foo/1.0", "-k", K1)
    assert result.rc == 0 and "Error" not in result.err, result
    assert root.status() == [f"foo/1.0, {K1}, {ARCH}: installed"]
    assert not (root.tree / "foo/0.9").exists()
    assert (root.modules / K1 / "updates/dkms/foo.ko").read_text() == "foo 1.0\n"


def test_post_install_in_an_autoinstall(root, nested):
    root.source("foo", "0.9")
    root.ok("install", "foo/0.9", "-k", K1)
    nested("foo", "1.0", POST_INSTALL="remove foo/0.9 --all")
    root.ok("add", "foo/1.0")
    root.source("bar")
    root.ok("add", "bar/1.0")
    result = run(root, "autoinstall", "-k", K1, "-k", K2, "-j4")
    assert result.rc == 0, result
    assert root.status() == [f"{m}/1.0, {k}, {ARCH}: installed" for m in ("bar", "foo") for k in (K1, K2)]


@pytest.mark.parametrize("directive", ["POST_ADD", "PRE_INSTALL", "POST_INSTALL", "POST_REMOVE"])
@pytest.mark.parametrize("words", ["remove foo/1.0 --all", f"uninstall foo/1.0 -k {K1}", f"unbuild foo/1.0 -k {K1}", "status", f"install foo/1.0 -k {K1}",
                                   f"install foo/1.0 -k {K2}", f"build --force foo/1.0 -k {K1}", "remove bar/1.0 --all", f"install --force foo/1.0 -k {K1}"])
def test_any_call_ends(root, nested, directive, words):
    """No call waits for ever, and the tree is consistent and usable afterwards."""
    # A script that installs its own module would call itself without end.
    nested("foo", "1.0", **{directive: [f"![ ! -e {root.path}/once ] || exit 0; touch {root.path}/once", words]})
    root.source("bar")
    root.ok("add", "bar/1.0")
    run(root, "install", "foo/1.0", "-k", K1)
    run(root, "remove", "foo/1.0", "--all")
    for line in root.status():
        assert line.split(": ")[1] in ("added", "built", "installed"), root.status()
    (root.path / "once").touch()
    if not (root.tree / "foo/1.0").exists():
        root.ok("add", "foo/1.0")
    root.ok("install", "foo/1.0", "-k", K1, "-k", K2, "--force")
    assert [line for line in root.status() if "foo" in line] == [f"foo/1.0, {k}, {ARCH}: installed" for k in (K1, K2)]
    assert not [p for p in (root.tree / ".dkms/work").iterdir()] and not list((root.tree / ".dkms/journal").iterdir())


def test_pre_install_that_deletes_the_build(root, nested):
    nested("foo", "1.0", PRE_INSTALL=f"unbuild foo/1.0 -k {K1}")
    result = run(root, "install", "foo/1.0", "-k", K1)
    assert result.rc == 6 and "PRE_INSTALL of foo/1.0 deleted the build" in result.err, result
    assert root.status() == ["foo/1.0: added"]


@pytest.mark.parametrize("where", ["PRE_BUILD", "POST_BUILD"])
@pytest.mark.parametrize("words", [f"build foo/1.0 -k {K1}", "remove foo/1.0 --all", f"install foo/1.0 -k {K1}", f"autoinstall -k {K1}"])
def test_builds_that_are_not_confined(root, nested, where, words):
    """The run is in the middle of a build: the call fails at once, with a message that explains this."""
    root.framework("sandbox=off\n")
    nested("foo", "1.0", **{where: words})
    start = time.monotonic()
    result = run(root, "build", "foo/1.0", "-k", K1)
    log = (root.tree / "foo/1.0/build/make.log").read_text()
    assert result.rc != 0 and "foo is in use by the dkms that waits for this command" in log, result
    assert f"dkms --root {root.path} build foo/1.0" in log, "who that is"
    assert time.monotonic() - start < 15


def test_a_module_of_the_same_run(root, nested):
    """Locks of other modules of the run are not lent, because the run works on these modules now or later."""
    root.source("bar", extra="PRE_BUILD=slow.sh\n", files={"bar.c": "x", "slow.sh": f"#!/bin/sh\nfor i in $(seq 300); do [ ! -e {root.path}/tried ] || exit 0; sleep 0.05; done\n"})
    nested("foo", "1.0", POST_INSTALL=[f"install bar/1.0 -k {K1}", f"!touch {root.path}/tried"])
    root.framework("sandbox=off\n")
    for name in ("bar", "foo"):
        root.register(name)
    result = root("autoinstall", "-k", K1, "-j2")
    assert result.rc == 0 and "bar is in use by the dkms that waits for this command" in result.out + result.err, result
    assert root.status() == [f"{m}/1.0, {K1}, {ARCH}: installed" for m in ("bar", "foo")]


def test_a_script_that_does_not_wait(root, nested):
    """The run continues after all processes of its script have ended."""
    root.source("foo", "0.9")
    root.ok("install", "foo/0.9", "-k", K1)
    nested("foo", "1.0", POST_INSTALL=f"!{DKMS} --root {root.path} remove foo/0.9 --all & sleep 1; exit 0") # until it has begun
    result = run(root, "install", "foo/1.0", "-k", K1)
    assert result.rc == 0, result
    for _ in range(600):
        if root.status() == [f"foo/1.0, {K1}, {ARCH}: installed"]:
            break
        time.sleep(0.1)
    assert root.status() == [f"foo/1.0, {K1}, {ARCH}: installed"], result


def test_a_loan_ends(root, nested):
    """Afterwards neither the name of the loan nor an invented name gives access to a lock."""
    nested("foo", "1.0", POST_INSTALL=f'!echo "$DKMS_LOAN" >{root.path}/loan')
    root.ok("install", "foo/1.0", "-k", K1)
    loan = (root.path / "loan").read_text().strip()
    root.source("slow", extra="PRE_BUILD=slow.sh\n", files={"slow.c": "x", "slow.sh": "#!/bin/sh\nsleep 4\n"})
    build = subprocess.Popen([*root.command(), "build", "slow/1.0", "-k", K1], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(1)
    for value in (loan, "none", "../../../etc/passwd", "00000000/loan-1-1", ""):
        result = root("build", "slow/1.0", "-k", K1, "--dry-run", env={"DKMS_LOAN": value})
        assert result.rc == 0
        waits = subprocess.Popen([*root.command(), "remove", "slow/1.0", "--all"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                 text=True, env=dict(os.environ, DKMS_LOAN=value))
        assert "Waiting for another dkms process working on slow" in waits.stderr.readline()
        waits.kill()
        waits.wait()
        waits.stderr.close()
    assert build.wait() == 0


def test_a_lender_that_is_killed(root, nested):
    nested("foo", "1.0", POST_ADD=[f"!touch {root.path}/in; while [ ! -e {root.path}/go ]; do sleep 0.05; done"])
    adds = subprocess.Popen([*root.command(), "add", "foo/1.0"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (root.path / "in").exists():
        time.sleep(0.02)
    adds.send_signal(signal.SIGKILL)
    adds.wait()
    (root.path / "go").touch()
    root.ok("install", "foo/1.0", "-k", K1)
    assert root.status() == [f"foo/1.0, {K1}, {ARCH}: installed"]
    assert not [p for p in (root.tree / ".dkms/work").iterdir()]


def test_in_a_root_with_a_shell(chrooted):
    """In a root with a shell, the script sees other paths than its caller."""
    chrooted.tool("/usr/bin/dkms-there", "test -n \"$DKMS_LOAN\" && test -f /var/lib/dkms/.dkms/work/$DKMS_LOAN\n")
    chrooted.source(extra="POST_ADD=post.sh\n", files={"foo.c": "x", "post.sh": "#!/bin/sh\n/usr/bin/dkms-there\n"})
    chrooted.ok("add", "foo/1.0")
