"""Packages with several modules: one call signs them all, and they are compressed at the same time, within the limit of jobs."""
import errno
import os
import pathlib
import shutil
import subprocess

import pytest
from conftest import DKMS, K1, eventually, strace
from test_signing import split

COMPRESS = pathlib.Path(DKMS).parent / "helpers/dkms-compress"
SIGN = pathlib.Path(DKMS).parent / "helpers/dkms-sign"
NAMES = ["one", "two", "three"]


@pytest.fixture
def several(root):
    """A root in which modules are signed and compressed, and a package with three modules."""
    root.framework("try_sign_modules=true\n")
    root.kernel(K1, config='CONFIG_MODULES=y\nCONFIG_MODULE_SIG_HASH="sha512"\n')
    (root.modules / K1 / "kernel").mkdir()
    (root.modules / K1 / "kernel/x.ko.xz").write_bytes(b"")
    conf = 'PACKAGE_NAME=foo\nPACKAGE_VERSION=1.0\nSTRIP=no\n' + "".join(
        f"BUILT_MODULE_NAME[{i}]={name}\nDEST_MODULE_LOCATION[{i}]=/extra\n" for i, name in enumerate(NAMES))
    root.source(conf=conf, files={f"{name}.c": f"{name}\n" for name in NAMES})
    return root


def places(root):
    return [root.modules / K1 / f"updates/dkms/{name}.ko.xz" for name in NAMES]


def test_one_call_for_all(several, tmp_path):
    trace = strace("-o", tmp_path / "trace", "-e", "trace=execve", DKMS, "--root", several.path, "install", "foo/1.0", "-k", K1, check=False)
    assert trace.returncode == 0, trace
    started = [line for line in (tmp_path / "trace").read_text().splitlines() if line.endswith(" = 0") or "<unfinished" in line]
    for name in ("dkms-compress", "dkms-sign"):
        assert sum(f'helpers/{name}", [' in line and "generate" not in line for line in started) == 1, (name, started)
    for name, path in zip(NAMES, places(several)):
        content, message = split(subprocess.run(["xz", "-dc", path], capture_output=True, check=True).stdout)
        assert content == f"{name}\n".encode() and message is not None


def test_tokens_of_builds_at_the_same_time(several, tmp_path):
    """Builds that share a limit of jobs share it with the compression of their modules."""
    conf = (several.src / "foo-1.0/dkms.conf").read_text()
    for name in NAMES: # the modules of the second package have other names
        conf = conf.replace(f"={name}\n", f"=other-{name}\n")
    several.source("bar", conf=conf.replace("NAME=foo", "NAME=bar"), files={f"other-{name}.c": f"{name}\n" for name in NAMES})
    for name in ("foo", "bar"):
        file = several.src / f"{name}-1.0/dkms.conf"
        file.write_text(file.read_text() + "AUTOINSTALL=yes\n")
        several.register(name)
    result = strace("-o", tmp_path / "trace", "-e", "trace=execve,read", DKMS, "--root", several.path, "-j", "4", "autoinstall", "-k", K1, check=False)
    assert result.returncode == 0, result
    lines = (tmp_path / "trace").read_text().splitlines()
    called = {line.split()[0]: line.split('"')[9] for line in lines if 'helpers/dkms-compress", [' in line}
    assert len(called) == 2 and "-1" not in called.values(), called
    assert any(line.split()[0] in called and f"read({called[line.split()[0]]}, \"+\", 1)" in line for line in lines), called


def test_one_that_cannot_be_signed(several):
    """The others are signed, and the warning names that one."""
    copy = several.path / "program"
    shutil.copytree(pathlib.Path(DKMS).parent, copy, ignore=shutil.ignore_patterns("*.p", "*.a"))
    helper = copy / "helpers/dkms-sign"
    helper.rename(copy / "helpers/real")
    helper.write_text('#!/bin/bash\nwords=()\nfor word; do [[ $word == */two.ko ]] && word+=.absent; words+=("$word"); done\nexec "${0%/*}/real" "${words[@]}"\n')
    helper.chmod(0o755)
    result = subprocess.run([copy / "dkms", "--root", several.path, "install", "foo/1.0", "-k", K1], capture_output=True, text=True, check=False,
                            stdin=subprocess.DEVNULL)
    assert result.returncode == 0, result
    signed = [split(subprocess.run(["xz", "-dc", path], capture_output=True, check=True).stdout)[1] is not None for path in places(several)]
    assert signed == [True, False, True]
    assert result.stderr.count("Could not sign") == result.stderr.count("build/two.ko") == 1, result.stderr


def test_one_that_cannot_be_compressed(tmp_path):
    files = [tmp_path / f"{name}.ko" for name in NAMES]
    for file in files:
        file.write_bytes(b"x" * 100)
    (tmp_path / "two.ko.xz").mkdir()
    result = subprocess.run([COMPRESS, "xz", "0", "-1", *files], capture_output=True, text=True, check=False)
    assert result.returncode == 1 and "two.ko" in result.stderr, result
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["one.ko.xz", "three.ko.xz", "two.ko"]


def test_a_tool_that_fails(several, tmp_path):
    """Its exit status counts, whatever file it leaves."""
    several.framework("try_sign_modules=false\ncompress_xz_opts=-1\n")
    tool = tmp_path / "xz"
    tool.write_text('#!/bin/bash\ncp "${!#}" "${!#}.xz"\n[[ ${!#} != */two.ko ]]\n')
    tool.chmod(0o755)
    result = several("build", "foo/1.0", "-k", K1, env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert result.err.count("Could not compress") == 1 and "two.ko" in result.err, result


def let_go(fifos):
    """Opens for writing what somebody waits to read, and closes it."""
    for fifo in fifos:
        try:
            os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
        except OSError as error:
            assert error.errno == errno.ENXIO


@pytest.mark.parametrize("jobs, tokens, at_once", [("1", None, 1), ("2", None, 2), ("0", None, 3), ("0", 0, 1), ("0", 1, 2), ("2", 5, 2)])
def test_as_many_at_the_same_time_as_there_are_jobs(tmp_path, jobs, tokens, at_once):
    """Each process waits for somebody who writes to its file."""
    fifos = [tmp_path / f"{name}.ko" for name in NAMES]
    for fifo in (*fifos, tmp_path / "tokens"):
        os.mkfifo(fifo)
    pipe = os.open(tmp_path / "tokens", os.O_RDWR | os.O_NONBLOCK)
    os.write(pipe, b"+" * (tokens or 0))
    process = subprocess.Popen([COMPRESS, "xz", jobs, "-1" if tokens is None else str(pipe), *fifos], pass_fds=[pipe], stderr=subprocess.DEVNULL)
    here = pathlib.Path(f"/proc/{process.pid}")

    def children():
        return len((here / f"task/{process.pid}/children").read_text().split())

    def waits():
        return (here / "stat").read_text().rpartition(")")[2].split()[0] == "S"

    def ended():
        let_go(fifos)
        return process.poll() is not None
    try:
        eventually(lambda: children() == at_once and waits())
        assert children() == at_once
        eventually(ended)
        assert process.returncode == 1 # a FIFO is no module
        assert not tokens or os.read(pipe, 100) == b"+" * tokens
    finally:
        process.kill()
        os.close(pipe)
