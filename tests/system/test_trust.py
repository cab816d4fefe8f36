"""A tree is accepted only if no other user than the caller and root may write to it, because its journal is carried out."""
import os

import pytest

from conftest import K1, as_nobody

OTHER = 65534


@pytest.fixture
def trap(root):
    """A tree whose journal deletes a file, which root would do."""
    root.source()
    (root.path / "etc/important").write_text("important\n")
    root.tree.mkdir(parents=True)
    journal = root.tree / ".dkms/journal"
    journal.mkdir(parents=True)
    (journal / "00000001.json").write_text('{"ops": [["delete", "/etc/important", "", ""]]}')
    return root


VERBS = [("add", "foo/1.0"), ("build", "foo/1.0", "-k", K1), ("install", "foo/1.0", "-k", K1), ("autoinstall", "-k", K1),
         ("uninstall", "foo/1.0", "-k", K1), ("remove", "foo/1.0", "--all"), ("unbuild", "foo/1.0", "-k", K1)]


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb[0])
@pytest.mark.parametrize("part", ["", ".dkms", ".dkms/journal"])
def test_a_directory_of_somebody_else(trap, verb, part):
    os.chown(trap.tree / part, OTHER, OTHER)
    result = trap(*verb)
    assert (trap.path / "etc/important").exists(), result
    assert result.rc != 0 and str(trap.tree) in result.err and "nobody" in result.err, result
    assert "--dkmstree" in result.err and "chown" in result.err, result


@pytest.mark.parametrize("part", ["", ".dkms", ".dkms/journal"])
@pytest.mark.parametrize("mode, group", [(0o777, 0), (0o1777, 0), (0o775, OTHER)])
def test_a_directory_that_others_may_write_to(trap, part, mode, group):
    os.chown(trap.tree / part, 0, group)
    (trap.tree / part).chmod(mode)
    result = trap("install", "foo/1.0", "-k", K1)
    assert (trap.path / "etc/important").exists(), result
    assert result.rc != 0 and "chmod -R go-w" in result.err, result
    # The command in the advice is sufficient.
    for directory, _, _ in os.walk(trap.tree):
        os.chmod(directory, os.stat(directory).st_mode & 0o755)
    trap.ok("install", "foo/1.0", "-k", K1)


def test_the_advice_for_a_tree_of_somebody_else_is_enough(root):
    root.source()
    root.tree.mkdir(parents=True)
    os.chown(root.tree, OTHER, OTHER)
    assert root("add", "foo/1.0").rc != 0
    os.chown(root.tree, 0, 0)
    root.ok("add", "foo/1.0")


@pytest.mark.parametrize("mode, group", [(0o755, 0), (0o775, 0), (0o700, 0), (0o755, OTHER)])
def test_trees_that_are_ones_own(root, mode, group):
    root.source()
    root.tree.mkdir(parents=True)
    os.chown(root.tree, 0, group)
    root.tree.chmod(mode)
    root.ok("install", "foo/1.0", "-k", K1)


def test_status_reads_any_tree(trap):
    os.chown(trap.tree, OTHER, OTHER)
    assert trap("status").rc == 0 and (trap.path / "etc/important").exists()


def test_an_ordinary_user_has_his_own(root):
    root.source()
    root.tree.mkdir(parents=True)
    result = as_nobody(root, "install", "foo/1.0", "-k", K1, own=[root.path])
    assert result.rc == 0, result


@pytest.mark.parametrize("mode", [0o1777, 0o777, 0o775])
def test_a_new_tree_that_is_open_to_all_is_closed(root, mode):
    """A tmpfs that is mounted without a mode is writable by all. It is new, so it contains no files of others."""
    root.kernel(K1)
    root.source()
    root.tree.mkdir(parents=True)
    root.tree.chmod(mode)
    root.ok("install", "foo/1.0", "-k", K1)
    assert root.tree.stat().st_mode & 0o7777 == 0o755


def test_only_the_default_tree_is_closed(root, tmp_path):
    root.kernel(K1)
    root.source()
    place = root.path / "scratch"
    place.mkdir()
    place.chmod(0o1777)
    result = root("build", "foo/1.0", "-k", K1, "--dkmstree", "/scratch")
    assert result.rc != 0 and "chmod -R go-w" in result.err and place.stat().st_mode & 0o7777 == 0o1777, result
