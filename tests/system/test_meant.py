"""Misspelt words: the message names the nearest known word."""
import os
import re
import shutil
import subprocess

import pytest
from conftest import ARCH, K1, K2


@pytest.fixture
def tree(root):
    root.kernel(K1)
    root.kernel(K2)
    for name, version in (("evdi", "1.14.1"), ("evdi", "1.14.2"), ("zfs", "2.3.0")):
        root.source(name, version)
        root.ok("add", f"{name}/{version}")
    return root


@pytest.mark.parametrize("words,rc,meant", [
    (["unbuild", "evid/1.14.1"], 3, "Did you mean evdi/1.14.1?"),
    (["unbuild", "evdi/1.14.3"], 3, "Did you mean evdi/1.14."),
    (["remove", "zsf/2.3.0", "--all"], 3, "Did you mean zfs/2.3.0?"),
    (["remove", "zfs/2.1", "--all"], 3, "Did you mean zfs/2.3.0?"), # no similar module is registered
    (["build", "evid/1.14.2"], 2, "Did you mean evdi/1.14.2?"),
    (["install", "zfs/2.3.0", "--forse"], 2, "Did you mean --force?"),
    (["status", "--dkms-tree=/x"], 2, "Did you mean --dkmstree?"),
    (["build", "zfs/2.3.0", "-k", K1.replace("6.1.0", "6.10.0")], 21, f"Did you mean {K1}?"),
])
def test_one_is_near(tree, words, rc, meant):
    result = tree(*words)
    assert result.rc == rc and meant in result.err, result


@pytest.mark.parametrize("words,rc", [(["unbuild", "nvidia/550"], 3), (["build", "nvidia/550"], 2), (["status", "--xyzzy"], 2),
                                      (["build", "zfs/2.3.0", "-k", "2.4.18"], 21)])
def test_none_is_near(tree, words, rc):
    result = tree(*words)
    assert result.rc == rc and "Did you mean" not in result.err, result


@pytest.mark.parametrize("verb, state", [("build", "built"), ("install", "installed"), ("mktarball", "added"), ("uninstall", "added"), ("unbuild", "added"), ("remove", None)])
@pytest.mark.parametrize("word", ["zfs", "zfs/", "zfs-2.3.0", "zfs,2.3.0", "zfs@2.3.0", "zfs:2.3.0"])
def test_the_only_version(tree, verb, state, word):
    arguments = ["--source-only"] if verb == "mktarball" else ["-k", K1]
    tree.ok(verb, word, *arguments)
    assert tree.status("zfs") == ([] if state is None else ["zfs/2.3.0: added"] if state == "added" else [f"zfs/2.3.0, {K1}, {ARCH}: {state}"])


def test_a_version_that_is_not_clear(tree):
    before = tree.snapshot()
    for words, advice in ((["remove", "evdi", "--all"], "Name the version: evdi/1.14.1 or evdi/1.14.2."), (["add", "zfs"], "Name the version: zfs/2.3.0."),
                          (["remove", "zfs", "1.0", "--all"], "Write it zfs/1.0."), (["remove", "evid", "--all"], "evid is not registered"),
                          (["remove", "zsf", "--all"], "Did you mean zfs/2.3.0?"), (["remove", "zfs-1.0", "--all"], "Write it zfs/1.0.")):
        result = tree(*words)
        assert result.rc == 1 and advice in result.err, result
    assert tree.snapshot() == before


def test_names_with_separators(root):
    """Guards that a registered name is never split."""
    for name, version in (("a", "b-1.0"), ("a-b", "1.0"), ("c", "1-2"), ("c-1", "3")):
        root.source(name, version)
        root.ok("add", f"{name}/{version}")
    root.ok("build", "a-b", "-k", K1)
    root.ok("build", "c-1-2", "-k", K1)
    root.ok("build", "c-1", "-k", K1)
    assert root.status() == ["a/b-1.0: added", f"a-b/1.0, {K1}, {ARCH}: built", f"c/1-2, {K1}, {ARCH}: built", f"c-1/3, {K1}, {ARCH}: built"]


def test_versions_of_a_source_that_is_not_registered(root):
    root.source("zfs", "2.1")
    root.source("zfs", "2.2")
    assert "Name the version: zfs/2.1 or zfs/2.2." in root("install", "zfs").err


def test_remove_of_a_broken_version(root):
    for name in "abc":
        root.source(name)
        root.ok("add", f"{name}/1.0")
    root.ok("build", "c/1.0", "-k", K1)
    for name in "abc":
        shutil.rmtree(root.src / f"{name}-1.0")
    assert root("remove", "a/1.0", "-k", K1).rc == 4, "as in 3.4.3"
    root.ok("remove", "a/1.0")
    root.ok("remove", "b", "--all")
    result = root("remove", "c/1.0")
    assert result.rc == 4 and "dkms remove c/1.0 --all" in result.err, "a build is left"
    root.ok("remove", "c/1.0", "--all")
    assert root.status() == []


def test_source_that_is_not_registered(root):
    root.kernel(K1)
    root.source("evdi", "1.14.1")
    result = root("add", "evid/1.14.1")
    assert result.rc == 2 and "Did you mean evdi-1.14.1?" in result.err, result


def test_kernel_that_is_absent(tree):
    result = tree("autoinstall", "-k", K1 + "x")
    assert f"{K1}x does not exist. Did you mean {K1}?" in result.err, result


def test_advice_for_another_root(tree):
    """Commands that sentences advise have the --root of the command: without it, they would change this machine."""
    def said(*words):
        ran = subprocess.run([*tree.command(), *words], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, env=dict(os.environ, LC_ALL="C"))
        return ran.stdout + ran.stderr

    dkms = f"dkms --root {tree.path}"
    tree.ok("build", "zfs/2.3.0", "-k", K1)
    (tree.tree / f"zfs/2.3.0/{K1}/{ARCH}/module/zfs.ko").unlink()
    assert f"Build it again: {dkms} build --force zfs/2.3.0 -k {K1}" in said("install", "zfs/2.3.0", "-k", K1)
    tree.ok("build", "zfs/2.3.0", "-k", K1, "--force")
    tree.ok("install", "zfs/2.3.0", "-k", K1)
    assert f"depmod -b {tree.path} {K1}" in said("verify", "-k", K1)
    everything = "".join(said(*words) for words in (("status", "--long"), ("doctor",), ("verify",), ("build", "evdi"), ("remove", "zsf/1")))
    commands = re.findall(r"dkms (?:--root \S+ )?[a-z]+ [-a-z]*/?[0-9.]* ?-[-k]", everything)
    assert all(command.startswith(dkms) for command in commands), everything
