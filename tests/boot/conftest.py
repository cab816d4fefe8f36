"""The directory of the tests with real kernels."""
import shutil

import pytest


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    for program in ("qemu-system-x86_64", "busybox", "cpio", "openssl", "apt-get"):
        assert shutil.which(program), f"no {program} here; scripts/install-deps boot installs it"
    return tmp_path_factory.mktemp("boot")
