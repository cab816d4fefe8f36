"""Text that tools write to stderr is not taken for the name of a compiler, a version or a list of kernels."""
import json

import pytest

from conftest import ARCH, K1, K2

# The run-time linker complains on stderr in every started program; make complains about its job server.
NOISE = [{"LD_PRELOAD": "/nonexistent/noise.so"}, {"MAKEFLAGS": " -j3 --jobserver-auth=97,98", "MAKELEVEL": "1"}]


@pytest.mark.parametrize("env", NOISE, ids=["linker", "make"])
def test_life_among_noise(root, env):
    root.framework('build_environment="/env.sh"\n')
    (root.path / "env.sh").write_text("echo noise >&2\nexport SEEN=seen\n")
    for version in ("1.0", "2.0"):
        root.source(version=version, extra="PRE_BUILD=pre.sh\n",
                    files={"foo.c": f"foo {version}\n", "pre.sh": '#!/bin/sh\necho "CC=<$CC> SEEN=<$SEEN>"\n'})
    for kernel in (K1, K2):
        (root.modules / kernel / "build/.kernelvariables").write_text("CC = my-compiler\n")
    root.source("bar")
    root.ok("install", "foo/1.0", "-k", K1, env=env)
    root.ok("install", "foo/2.0", "-k", K1, env=env)
    root.ok("add", "bar/1.0", env=env)
    root.ok("autoinstall", "-k", K1, "-k", K2, env=env)
    assert root.status() == [f"bar/1.0, {K1}, {ARCH}: installed", f"bar/1.0, {K2}, {ARCH}: installed",
                             f"foo/1.0, {K1}, {ARCH}: built", f"foo/2.0, {K1}, {ARCH}: installed", f"foo/2.0, {K2}, {ARCH}: installed"]
    for path in root.tree.glob("foo/*/*/*/log/make.log"):
        text = path.read_text()
        assert "CC=<my-compiler> SEEN=<seen>" in text, text
    record = json.loads((root.tree / "foo/2.0" / K2 / ARCH / ".record.json").read_text())
    assert [m["file"] for m in record["modules"]] == ["foo.ko"]
