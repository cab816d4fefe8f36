"""The same real packages with the dkms of the distribution and with ours, in twin roots.

DKMS_PARITY=all uses every *-dkms package of the distribution. It can also list packages; the default is eight packages.
DKMS_PARITY_KERNEL names the kernel release; the default is the oldest one with headers. Our builds run as user _dkms, as
on a machine with our package, or as root with DKMS_PARITY_USER=root.
"""
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import debian  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
EIGHT = ["dahdi-dkms", "digimend-dkms", "evdi-dkms", "jool-dkms", "openafs-modules-dkms", "rapiddisk-dkms",
         "v4l2loopback-dkms", "xtables-addons-dkms"]
PACKAGES = debian.driver_packages("DKMS_PARITY", EIGHT)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        pytest.fail("the parity tier needs root on a Debian machine")
    lab = tmp_path_factory.mktemp("parity")
    debs = lab / "debs"
    debs.mkdir()
    debs.chmod(0o777)
    if not subprocess.run(["apt-cache", "policy", "dkms"], capture_output=True, text=True, check=False).stdout.count("Candidate"):
        subprocess.run(["apt-get", "update", "-qq"], check=True)
    subprocess.run(["apt-get", "download", "-qq", "dkms", *PACKAGES], cwd=debs, check=True)
    kernels = sorted(p.parent.name for p in pathlib.Path("/lib/modules").glob("*/build") if (p / "include").is_dir())
    if not kernels:
        pytest.fail("no kernel headers; scripts/install-deps demo installs them")
    kernel = os.environ.get("DKMS_PARITY_KERNEL", kernels[0])
    environment = dict(os.environ, KERNEL=kernel, PACKAGES=" ".join(PACKAGES))
    outs, running = {}, []
    for name, which in (("debian", "debian"), ("ours", os.environ["DKMS"])):
        outs[name] = lab / name
        outs[name].mkdir()
        # Both sides run at once: the longest package runs configure for minutes on one processor.
        running.append(subprocess.Popen([HERE / "twin", which, debs, outs[name], HERE / "packages.sh"], env=environment,
                                        stdin=subprocess.DEVNULL))
    assert [process.wait() for process in running] == [0, 0]
    sides = {name: {p.name: p.read_text(errors="replace") for p in out.iterdir()} for name, out in outs.items()}
    print(f"\n{len(PACKAGES)} packages on {kernel}: {sides['ours']['status'].count(': installed')} installed")
    return sides


@pytest.mark.parametrize("what", ["codes", "status", "modules"])
def test_same(results, what):
    assert results["debian"][what], "the other side did nothing"
    why = "\n".join(f"--- what failed, {name}\n{side['failed']}" for name, side in results.items() if "failed" in side)
    assert results["ours"][what] == results["debian"][what], why
