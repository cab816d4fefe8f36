"""The owner of a source directory changes it while root copies it (dkms add DIR).

A preloaded library replaces an entry at the worst moment: after dkms has examined the entry, and before it opens it."""
import os
import subprocess

import pytest

SHIM = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* After the first look at the entry $SWAP_NAME, $SWAP_PATH is moved away and $SWAP_WITH takes its place. */
static void swap (const char *name)
{
  const char *wanted = getenv ("SWAP_NAME"), *path = getenv ("SWAP_PATH"), *with = getenv ("SWAP_WITH");
  char aside[4096];
  if (wanted == NULL || strcmp (name, wanted) != 0 || access (with, F_OK) != 0)
    return;
  snprintf (aside, sizeof aside, "%s.aside", with);
  rename (path, aside);
  rename (with, path);
}

int fstatat (int fd, const char *restrict name, struct stat *restrict st, int flags)
{
  int result = (int) syscall (SYS_newfstatat, fd, name, st, flags);
  swap (name);
  return result;
}
int fstatat64 (int fd, const char *restrict name, struct stat64 *restrict st, int flags)
  __attribute__ ((alias ("fstatat")));
int stat (const char *restrict name, struct stat *restrict st)
{
  return fstatat (AT_FDCWD, name, st, 0);
}
int stat64 (const char *restrict name, struct stat64 *restrict st) __attribute__ ((alias ("stat")));
"""


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    path = tmp_path_factory.mktemp("shim")
    (path / "shim.c").write_text(SHIM)
    subprocess.run(["cc", "-shared", "-fPIC", "-w", "-o", path / "shim.so", path / "shim.c"], check=True)
    return path / "shim.so"


@pytest.fixture
def secret(tmp_path):
    """A directory that only root may read, like /root."""
    path = tmp_path / "secret"
    (path / "inside").mkdir(parents=True)
    (path / "key").write_text("the secret of root\n")
    (path / "inside/key").write_text("the secret of root\n")
    (path / "key").chmod(0o600)
    path.chmod(0o700)
    return path


@pytest.fixture
def driver(root, tmp_path):
    path = tmp_path / "driver"
    root.source().rename(path)
    (path / "sub").mkdir()
    (path / "sub/b.h").write_text("harmless\n")
    return path


def copied(root):
    """The texts of all files of the copy that other users can read."""
    return [(path, path.read_text()) for path in root.src.rglob("*") if path.is_file() and not path.is_symlink()]


def swapping(root, shim, name, path, replacement, *words):
    """Runs dkms with @shim before the library of a sanitizer, which is allowed because @shim does not allocate memory."""
    return root(*words, env={"LD_PRELOAD": str(shim), "SWAP_NAME": name, "SWAP_PATH": str(path), "SWAP_WITH": str(replacement),
                             "ASAN_OPTIONS": "verify_asan_link_order=0"})


def add_and_swap(root, shim, driver, name, path, replacement):
    return swapping(root, shim, name, path, replacement, "add", driver)


def check_nothing_leaked(root, result):
    assert not [path for path, text in copied(root) if "secret" in text], result


@pytest.mark.parametrize("verb", ["add", "build", "install"])
def test_a_file_becomes_a_link(root, shim, driver, secret, verb):
    link = driver.parent / "link"
    link.symlink_to(secret / "key")
    result = swapping(root, shim, "foo.c", driver / "foo.c", link, verb, driver, "-k", "6.1.0-1-test")
    assert os.path.islink(driver / "foo.c") # the entry was replaced
    check_nothing_leaked(root, result)
    assert result.rc != 0 and "foo.c" in result.err and "replaced while" in result.err, result


def test_a_directory_becomes_a_link(root, shim, driver, secret):
    link = driver.parent / "link"
    link.symlink_to(secret)
    result = add_and_swap(root, shim, driver, "sub", driver / "sub", link)
    assert os.path.islink(driver / "sub")
    check_nothing_leaked(root, result)
    assert result.rc != 0 and "sub" in result.err and "replaced while" in result.err, result


def test_a_file_becomes_a_pipe(root, shim, driver):
    pipe = driver.parent / "pipe"
    os.mkfifo(pipe)
    result = add_and_swap(root, shim, driver, "foo.c", driver / "foo.c", pipe)
    assert result.rc != 0 and "replaced while" in result.err, result


def test_the_mode_is_that_of_what_was_read(root, shim, driver, secret):
    """A file that is a hard link to a secret file gets the mode of that file, and so does its copy."""
    twin = driver.parent / "twin"
    os.link(secret / "key", twin)
    result = add_and_swap(root, shim, driver, "foo.c", driver / "foo.c", twin)
    copy = root.src / "foo-1.0/foo.c"
    assert result.rc == 0 and copy.stat().st_mode & 0o777 == 0o600, (result, oct(copy.stat().st_mode))


def test_the_directory_itself_is_replaced(root, shim, driver, secret):
    """After dkms has examined the directory, it is replaced by another one."""
    (secret / "dkms.conf").write_text((driver / "dkms.conf").read_text())
    link = driver.parent / "link"
    link.symlink_to(secret)
    result = add_and_swap(root, shim, driver, str(driver), driver, link)
    assert os.path.islink(driver), "the entry was not replaced"
    check_nothing_leaked(root, result)
    assert result.rc != 0 and "put in its place" in result.err, result


def test_a_link_in_an_earlier_copy_is_not_followed(root, driver, secret):
    """Without --force a source is copied into the existing directory."""
    (driver / "out").symlink_to(secret)
    root.ok("add", driver)
    root.ok("remove", "foo/1.0", "--all")
    (driver / "out").unlink()
    (driver / "out").mkdir()
    (driver / "out/key").write_text("changed\n")
    root("add", driver)
    assert (secret / "key").read_text() == "the secret of root\n"
