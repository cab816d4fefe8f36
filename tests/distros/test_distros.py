"""A new machine for each release of Debian: the commands of the README in a clean clone, then the use of the packages.

DKMS_DISTROS lists the releases. DKMS_DISTROS_SECONDS limits the time of all releases together; steps that are not complete by
then are reported as skipped.
"""
import os
import pathlib
import re
import sys
import time

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/lib"))

import debian  # noqa: E402
import guide  # noqa: E402
from conftest import TABLE  # noqa: E402

SUITES = os.environ.get("DKMS_DISTROS", "trixie sid bookworm").split()
END = time.monotonic() + float(os.environ.get("DKMS_DISTROS_SECONDS", "inf"))
DRIVER = "v4l2loopback"


@pytest.fixture(scope="module")
def root(request, tmp_path_factory):
    """A new machine with git and make, and a clone of the committed files."""
    TABLE[request.param] = ("", {})
    if time.monotonic() > END:
        yield None
        return
    path = tmp_path_factory.mktemp(request.param) / "root"
    root = debian.bootstrap(request.param, path, pivot=True)
    try:
        root.ok("apt-get install -qq git make")
        debian.run("git", "-c", "safe.directory=*", "clone", "--quiet", "--no-hardlinks", TOP, path / "root/dkms")
        yield root
    finally:
        root.delete()


def demo(root):
    assert "That was dkms." in make(root, "demo")


def check(root):
    passed, failed, skipped = re.search(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", make(root, "check"), re.M).groups()
    assert int(passed) > 1000 and (failed, skipped) == ("0", "0")
    return f"{passed}/{failed}/{skipped}"


def deb(root):
    make(root, "deb")
    assert sorted(p.name.split("_")[0] for p in (root.path / "root/dkms/build/packages").glob("*.deb")) in (
        ["dh-dkms", "dkms"], ["dh-dkms", "dkms", "dkms-dbgsym"])


def install(root):
    apt(root, "install /root/dkms/build/packages/dkms_*.deb /root/dkms/build/packages/dh-dkms_*.deb")
    assert root.status() == []
    assert not root.run("find /etc/systemd /usr/lib/systemd /lib/systemd -name 'dkms*' ! -name '*.catalog'").stdout.splitlines()


def packaging(root):
    """A new user follows docs/guide/packaging.md with the packages that were made here. Then all of it is removed."""
    if root.suite == "sid":
        return "stable releases only" # the kernels of sid print other paths
    root.ok("mkdir /root/new; cp /root/dkms/build/packages/dkms_*.deb /root/dkms/build/packages/dh-dkms_*.deb /root/new")
    reader = guide.Reader(root, "/root/new")
    text = guide.read("packaging.md")
    reader.write(text)
    # The packages are installed already. The output of the other commands is compared.
    text = re.sub(r"^\$ sudo apt-get install ./dkms.*\n(?:(?!\$ ).*\n)*", "", text, flags=re.M)
    try:
        reader.follow(text, {"sudo autopkgtest": 8, "sudo dkms build ./my-driver": 10}, LIMIT[0])
    finally:
        root.run("dkms remove my-driver/1.0 --all; rm -rf /usr/src/my-driver-1.0 /root/new")
    assert root.status() == []
    apt(root, "purge lintian autopkgtest autodep8 'linux-headers-.*rt-amd64'")


def driver(root):
    """A package of the distribution is built for the kernel whose headers the demo installed."""
    text = apt(root, f"install {DRIVER}-dkms")
    assert "without a sandbox" not in text, text
    root.kernels = kernels(root)
    assert root.kernels and states(root) == {(kernel, "installed") for kernel in root.kernels}, root.status()
    for kernel in root.kernels:
        assert root.modules(kernel) == [DRIVER]
        root.ok(f"modinfo $(find /lib/modules/{kernel}/ -name '{DRIVER}.ko*') | grep -q 'vermagic: *{kernel} '")


def kernel(root):
    """Another kernel with headers is installed and removed; its hooks build and delete modules."""
    release = other_kernel(root)
    packages = f"linux-image-{release} linux-headers-{release}"
    apt(root, f"install {packages}")
    assert states(root) == {(k, "installed") for k in [*root.kernels, release]}, root.status()
    assert root.modules(release) == [DRIVER]
    root.ok(f"modinfo -k {release} {DRIVER}")
    apt(root, f"purge {packages}")
    assert states(root) == {(k, "installed") for k in root.kernels}, root.status()
    assert root.modules(release) == [] and not (root.path / f"lib/modules/{release}/updates").exists()
    return release


def purge(root):
    apt(root, f"purge {DRIVER}-dkms")
    assert root.status() == [] and not any(root.modules(kernel) for kernel in root.kernels)
    apt(root, "purge dkms dh-dkms")
    left = root.ok(r"""
        find / -xdev \( -path /root -o -path /proc -o -path /sys -o -path /tmp -o -path /var/cache/apt -o -path /var/lib/dpkg -o -path /var/log \) \
            -prune -o -name '*dkms*' -print | while read -r path; do dpkg -S "$path" >/dev/null 2>&1 || echo "$path"; done""").split()
    assert left == []


STEPS = {demo: None, check: demo, deb: demo, install: deb, packaging: install, driver: install, kernel: driver, purge: driver} # step: the step that it needs
LIMITS = {check: 2400}


def make(root, target):
    return root.ok(f"cd /root/dkms && make {target}", timeout=LIMIT[0])


def apt(root, words):
    return root.ok(f"apt-get -qq {words}", timeout=LIMIT[0])


LIMIT = [None] # seconds that the current step may take


def states(root):
    """The kernels and states that dkms prints for the driver."""
    return {tuple(re.fullmatch(rf"{DRIVER}/\S+, (\S+), \S+: (.*)", line).groups()) for line in root.status()}


def kernels(root):
    """The kernels with headers. `build` may be an absolute link, which is valid inside the root only."""
    return sorted(path.name for path in (root.path / "lib/modules").iterdir() if (path / "build").is_symlink() or (path / "build").exists())


def other_kernel(root):
    """The newest kernel of the same series that is not installed; otherwise the same kernel with another flavour."""
    arch = root.ok("dpkg --print-architecture").strip()
    series = root.kernels[-1].split(".")[:2]
    usable = [name for name in root.kernels_on_offer() if name.endswith("-" + arch) and name not in root.kernels and "cloud" not in name]
    assert usable, root.kernels
    return max(usable, key=lambda name: (name.split(".")[:2] == series, "-rt-" not in name, debian.age(name)))


def versions(root):
    return ", ".join(root.ok("""
        gcc --version | sed -n '1s/.* /gcc /p'
        pkg-config --modversion glib-2.0 | sed 's/^/glib /'
        make --version | sed -n '1s/GNU M/m/p'
        ls /lib/modules""").split("\n")[:4])


@pytest.mark.parametrize("step", list(STEPS), ids=lambda step: step.__name__)
@pytest.mark.parametrize("root", SUITES, indirect=True)
def test_new_machine(root, step, request):
    suite = request.node.callspec.params["root"]
    row = TABLE[suite][1]
    name = step.__name__
    left = END - time.monotonic()
    needed = STEPS[step]
    assert needed is None or row[needed.__name__] not in ("FAILED", "not reached"), (row.update({name: "not reached"}), needed.__name__)
    if root is None or left < 60 or (needed and row[needed.__name__] == "no time"):
        row[name] = "no time"
        pytest.skip(f"{suite}, {name}: no time is left")
    print(f"\n{suite}: {name}", end="", flush=True)
    LIMIT[0] = min(LIMITS.get(step, 1200), left)
    row[name] = "FAILED"
    start = time.monotonic()
    try:
        note = step(root)
    except AssertionError as error:
        if isinstance(error, debian.OutOfTime) and time.monotonic() >= END:
            row[name] = "no time"
            pytest.skip(f"{suite}, {name}: was under way when time was over")
        print(f": FAILED\n{error}\n", flush=True) # printed at once, not after the other machines
        raise
    row[name] = f"{time.monotonic() - start:.0f} s" + (f" ({note})" if note else "")
    print(f": {row[name]} ", end="", flush=True)
    if step is demo:
        TABLE[suite] = (versions(root), row)
