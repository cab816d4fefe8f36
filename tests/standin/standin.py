"""Puts the packages of this directory into a root, for the tests of several tiers."""
import os
import pathlib
import re
import shutil

HERE = pathlib.Path(__file__).resolve().parent
PACKAGES = ("pool", "cluster")
# Each before those that it needs, so that all can be unloaded in this order.
MODULES = {"cluster": "cluster", "pool": "pool", "pool_base": "pool"}


def put(root, dkms):
    """Puts the sources into the root, and a dkms that knows it, which the scripts of packages call. Returns the environment to
    build in."""
    for name in PACKAGES:
        shutil.copytree(HERE / f"{name}-1.0", root / f"usr/src/{name}-1.0")
    tool = root / "usr/local/bin/dkms"
    tool.parent.mkdir(parents=True, exist_ok=True)
    # A copy, because builds do not see the place where this one was built when it is below /home or /tmp.
    copy = root / "usr/local/lib/dkms"
    copy.mkdir(parents=True)
    shutil.copy(dkms, copy / "dkms")
    shutil.copytree(pathlib.Path(dkms).parent / "helpers", copy / "helpers", ignore=shutil.ignore_patterns("*.p"))
    tool.write_text(f'#!/bin/sh\nexec {copy}/dkms --root {root} "$@"\n')
    tool.chmod(0o755)
    return {"PATH": f"{tool.parent}:{os.environ['PATH']}", "POOL_CONFIG": str(root / "etc/dkms/pool.conf")}


def link_source(kernel):
    """Adds the link 'source' beside the link 'build' of a kernel's modules, where the headers are in two parts as Debian's."""
    headers = (kernel / "build").resolve()
    common = headers.with_name(re.sub(r"-[a-z0-9]+$", "-common", headers.name))
    if common.is_dir():
        (kernel / "source").symlink_to(common)
