"""Copies the packages of this directory to a root, for several tiers."""
import os
import pathlib
import re
import shutil

HERE = pathlib.Path(__file__).resolve().parent
PACKAGES = ("pool", "cluster")
# In this order the modules can be unloaded.
MODULES = {"cluster": "cluster", "pool": "pool", "pool_base": "pool"}


def put(root, dkms):
    """Copies the sources to the root, and a dkms for this root that scripts of packages can call. Returns: the environment of
    builds"""
    for name in PACKAGES:
        shutil.copytree(HERE / f"{name}-1.0", root / f"usr/src/{name}-1.0")
    tool = root / "usr/local/bin/dkms"
    tool.parent.mkdir(parents=True, exist_ok=True)
    # A copy, because builds cannot see directories in /home and /tmp.
    copy = root / "usr/local/lib/dkms"
    copy.mkdir(parents=True)
    shutil.copy(dkms, copy / "dkms")
    shutil.copytree(pathlib.Path(dkms).parent / "helpers", copy / "helpers", ignore=shutil.ignore_patterns("*.p"))
    tool.write_text(f'#!/bin/sh\nexec {copy}/dkms --root {root} "$@"\n')
    tool.chmod(0o755)
    return {"PATH": f"{tool.parent}:{os.environ['PATH']}", "POOL_CONFIG": str(root / "etc/dkms/pool.conf")}


def link_source(kernel):
    """Adds the link 'source' beside the link 'build' of a kernel whose headers have two parts, as in Debian."""
    headers = (kernel / "build").resolve()
    common = headers.with_name(re.sub(r"-[a-z0-9]+$", "-common", headers.name))
    if common.is_dir():
        (kernel / "source").symlink_to(common)
