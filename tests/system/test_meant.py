"""Misspelt words: the message names the nearest known word."""
import pytest
from conftest import K1, K2


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


def test_source_that_is_not_registered(root):
    root.kernel(K1)
    root.source("evdi", "1.14.1")
    result = root("add", "evid/1.14.1")
    assert result.rc == 2 and "Did you mean evdi-1.14.1?" in result.err, result


def test_kernel_that_is_absent(tree):
    result = tree("autoinstall", "-k", K1 + "x")
    assert f"{K1}x does not exist. Did you mean {K1}?" in result.err, result
