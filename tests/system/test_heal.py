"""States that heal: what got lost is made again, and nothing is deleted that is not ours."""
import os
import shutil
import subprocess

import pytest
from conftest import ARCH, DKMS, K1, K2, mounted

RECORDS = (".record.json", ".recipe.json")
INSTALLED = f"foo/1.0, {K1}, {ARCH}: installed"


def install(root, name="foo", version="1.0", kernel=K1, **keywords):
    root.source(name, version, **keywords)
    root.ok("install", f"{name}/{version}", "-k", kernel)
    return root.modules / kernel / f"updates/dkms/{name}.ko"


def build_dir(root, name="foo", version="1.0", kernel=K1):
    return root.tree / f"{name}/{version}/{kernel}/{ARCH}"


def forget_record(root, **keywords):
    """As builds of the reference are, which keeps none."""
    for name in RECORDS:
        (build_dir(root, **keywords) / name).unlink()


def index(root, tmp_path, kernel=K1, listed=("kernel/other.ko",)):
    """An index of the kernel, and a depmod that lists every module in it and counts its calls."""
    (root.modules / kernel / "modules.dep").write_text("".join(f"{path}: kernel/base.ko\n" for path in listed))
    bin_dir = tmp_path / "bin"
    bin_dir.mkdir(exist_ok=True)
    (bin_dir / "depmod").write_text(f'#!/bin/sh\nfor k; do :; done\ncd {root.modules}/$k && find . -name "*.ko*" | '
                                    f"sed 's,^./,,; s/$/:/' >new; rm -f modules.*; mv new modules.dep; echo $k >>{tmp_path}/depmods\n")
    (bin_dir / "depmod").chmod(0o755)
    return {"PATH": f"{bin_dir}:{os.environ['PATH']}"}


def calls(tmp_path):
    path = tmp_path / "depmods"
    return path.read_text().split() if path.exists() else []


# ---- status without rights ----

def as_nobody(*arguments):
    return subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *map(str, arguments)],
                          capture_output=True, text=True, check=False, cwd="/")


@pytest.mark.parametrize("record", [True, False])
def test_unreadable_kernels_are_no_differences(root, record):
    install(root)
    root.source("bar")
    root.ok("install", "bar/1.0", "-k", K1)
    if not record:
        forget_record(root)
        forget_record(root, name="bar")
    expected = root.status()
    for directory in [root.path, *root.path.parents]:
        if directory.stat().st_mode & 0o005 != 0o005:
            directory.chmod(directory.stat().st_mode | 0o055)
    root.modules.chmod(0o700)
    result = as_nobody(DKMS, "--root", root.path, "status")
    assert result.returncode == 0 and result.stdout.splitlines() == expected, result
    assert result.stderr.count("Warning:") == 1 and "Permission denied" in result.stderr and "root" in result.stderr
    root.modules.chmod(0o755)
    (root.modules / K1 / "updates/dkms/foo.ko").write_text("tampered\n")
    assert "Differences" in as_nobody(DKMS, "--root", root.path, "status").stdout
