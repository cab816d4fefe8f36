"""What dkms verify knows about a kernel (verify/kernel-facts.c), as the program show-kernel of the unit tests prints it."""
import gzip
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import pytest
from conftest import DKMS, eventually, strace

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "lib"))
from kernels import bzimage, certificate_list, vmlinux  # noqa: E402
from modules import full_module, pack  # noqa: E402

SHOW = pathlib.Path(DKMS).resolve().parents[1] / "tests/unit/reading/show-kernel"
K = "6.1.0-1-lts"
OTHER = "6.1.0-2-lts"
VERMAGIC = f"{K} SMP preempt mod_unload modversions "
SYMBOLS = [("module_layout", 0x1, False, ""), ("_printk", 0x2, False, ""), ("gpl_one", 0x80000003, True, ""), ("spaced", 0x4, True, "DMA_BUF")]
LINES = {"_printk": "yes any 00000002 crc", "gpl_one": "yes gpl 80000003 crc", "spaced": "yes gpl 00000004 crc space=DMA_BUF"}
SYMVERS = "".join(f"0x{crc:08x}\t{name}\tvmlinux\tEXPORT_SYMBOL{'_GPL' if gpl else ''}\t{space}\n" for name, crc, gpl, space in SYMBOLS)


def image(release=K, symbols=SYMBOLS, **more):
    plain = vmlinux(symbols, [f"{release} SMP preempt mod_unload modversions "], b"types", **more)
    return bzimage(gzip.compress(plain, 1), release, len(plain))


class Kernel:
    def __init__(self, path):
        self.path, self.dir = path, path / "lib/modules" / K
        (path / "var/lib/dkms").mkdir(parents=True)
        (path / "boot").mkdir()
        self.dir.mkdir(parents=True)

    def put(self, name, content):
        path = self.path / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def headers(self, symvers=SYMVERS, config=""):
        self.put(f"usr/src/linux-headers-{K}/include/config/auto.conf", config)
        self.put(f"usr/src/linux-headers-{K}/Module.symvers", symvers)
        (self.dir / "build").symlink_to(self.path / f"usr/src/linux-headers-{K}")

    def command(self, *words, given="-"):
        return [SHOW, self.path, K, given, *words]

    def show(self, *words, given="-", user=None):
        prefix = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if user else []
        result = subprocess.run([*prefix, *self.command(*words, given=given)], capture_output=True, text=True, check=False, timeout=60)
        assert result.returncode == 0, result
        return dict(line.split(": ", 1) if ": " in line else (line.rstrip(":"), "") for line in result.stdout.replace("flags: ", "flags:").replace("flags:", "flags: ").splitlines())


@pytest.fixture
def kernel(tmp_path):
    return Kernel(tmp_path)


@pytest.fixture
def public():
    """A kernel in a directory that all users can enter."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as directory:
        pathlib.Path(directory).chmod(0o755)
        yield Kernel(pathlib.Path(directory))


def test_image(kernel):
    kernel.put(f"boot/vmlinuz-{K}", image())
    shown = kernel.show(*LINES, "absent")
    assert {name: shown[name] for name in LINES} == LINES and shown["absent"] == "no"
    assert shown["image"] == f"/boot/vmlinuz-{K}" and shown["unread"] == "-" and shown["confidence"] == "certain"
    assert shown["vermagic"] == VERMAGIC and len(shown["btf"]) == 64 and shown["config"] == "-1" and shown["certificates"] == "0"
    assert shown["struct"] == shown["machine"] == "0"


def test_certificates(kernel, tmp_path):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", os.devnull, "-outform",
                    "DER", "-out", tmp_path / "der", "-subj", "/CN=someone"], check=True, capture_output=True)
    kernel.put(f"boot/vmlinuz-{K}", image(data=certificate_list([(tmp_path / "der").read_bytes()] * 2, 1)))
    assert kernel.show()["certificates"] == "2"


@pytest.mark.parametrize("place", [f"lib/modules/{K}/vmlinuz", f"boot/vmlinux-{K}", f"boot/kernel-{K}", f"boot/{'1' * 32}/{K}/linux", f"efi/{'1' * 32}/{K}/linux",
                                   "boot/vmlinuz-linux-zen", "boot/vmlinuz-lts"])
def test_places(kernel, place):
    """Other places of images: Fedora, systemd's kernel-install, Arch, Alpine, and kernels that are not compressed."""
    kernel.put("etc/machine-id", "1" * 32 + "\n")
    kernel.put(f"lib/modules/{K}/pkgbase", "linux-zen\n")
    kernel.put(place, image())
    shown = kernel.show("_printk")
    assert shown["image"] == f"/{place}" and shown["confidence"] == "certain" and shown["_printk"] == LINES["_printk"]


def test_image_of_another_kernel(kernel):
    """Arch and Alpine replace an image whose name has no release. It may be that of another kernel."""
    kernel.put("boot/vmlinuz-lts", image(OTHER))
    shown = kernel.show("_printk")
    assert shown["image"] == "-" and shown["confidence"] == "unknown" and shown["_printk"] == "unknown"
    shown = kernel.show("_printk", given="/boot/vmlinuz-lts")
    assert shown["image"] == "/boot/vmlinuz-lts" and shown["unread"] == "it is the image of another kernel" and shown["_printk"] == "unknown"
    assert kernel.show(given="/boot/absent")["unread"] == os.strerror(2)


def test_given_image(kernel):
    kernel.put(f"boot/vmlinuz-{K}", image(symbols=[("a", 1, False, "")]))
    kernel.put("boot/special", image())
    assert kernel.show("_printk", given="/boot/special")["_printk"] == LINES["_printk"]


@pytest.mark.parametrize("place", ["headers", f"lib/modules/{K}/symvers.gz", f"lib/modules/{K}/symvers.xz", f"boot/symvers-{K}.gz"])
def test_symvers(kernel, place):
    """Without an image, the list of the headers or of the distribution is likely right."""
    if place == "headers":
        kernel.headers()
    else:
        kernel.put(place, pack(SYMVERS.encode(), ".ko" + place[-3:]))
    shown = kernel.show(*LINES, "absent")
    assert {name: shown[name] for name in LINES} == LINES and shown["absent"] == "no" and shown["confidence"] == "likely"


def test_damaged_image(kernel):
    kernel.put(f"boot/vmlinuz-{K}", bzimage(b"no kernel", K))
    shown = kernel.show("_printk")
    assert shown["unread"] == "it is compressed in a way that dkms cannot read" and shown["_printk"] == "unknown"
    kernel.headers()
    shown = kernel.show("_printk", "absent")
    assert shown["confidence"] == "likely" and shown["_printk"] == LINES["_printk"] and shown["unread"] != "-"


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs another user")
def test_private_image(public):
    """What only root can read is unknown, and not missing. A copy for all is as good."""
    path = public.put(f"boot/vmlinuz-{K}", image())
    path.chmod(0o600)
    shown = public.show("_printk", "absent", user=65534)
    assert shown["unread"] == os.strerror(13) and "needs_root" in shown["flags"] and shown["confidence"] == "unknown"
    assert shown["_printk"] == shown["absent"] == "unknown"
    public.headers()
    shown = public.show("_printk", "absent", user=65534)
    assert shown["confidence"] == "likely" and shown["_printk"] == LINES["_printk"] and shown["absent"] == "unknown"
    public.put(f"lib/modules/{K}/vmlinuz", image())
    shown = public.show("absent", user=65534)
    assert shown["confidence"] == "certain" and shown["unread"] == "-" and "needs_root" not in shown["flags"] and shown["absent"] == "no"


def test_headers_of_another_build(kernel):
    kernel.put(f"boot/vmlinuz-{K}", image())
    kernel.headers()
    assert "other_headers" not in kernel.show()["flags"]
    kernel.put(f"usr/src/linux-headers-{K}/Module.symvers", SYMVERS.replace("0x80000003", "0x80000009"))
    shown = kernel.show("gpl_one")
    assert "other_headers" in shown["flags"] and shown["gpl_one"] == LINES["gpl_one"]


def sample(**more):
    return full_module("sample", versions={"module_layout": 0x77}, info=["license=GPL", f"vermagic={VERMAGIC}", "intree=Y"], struct_size=1344, **more)


@pytest.mark.parametrize("listed", ["modules.order", "modules.dep"])
@pytest.mark.parametrize("suffix", [".ko", ".ko.xz"])
def test_own_module(kernel, listed, suffix):
    """One of its own modules tells what all have in common, also where nothing else is known."""
    lines = {"modules.order": "kernel/gone.ko\nkernel/foreign.ko\nkernel/sample.ko\n",
             "modules.dep": f"updates/x.ko: kernel/y.ko\nkernel/foreign.ko:\nkernel/sample{suffix}: kernel/foreign.ko\n"}
    kernel.put(f"lib/modules/{K}/{listed}", lines[listed])
    kernel.put(f"lib/modules/{K}/kernel/foreign.ko", full_module("foreign", struct_size=8))
    kernel.put(f"lib/modules/{K}/updates/x.ko", full_module("x", struct_size=8))
    kernel.put(f"lib/modules/{K}/kernel/sample{suffix}", pack(sample(), suffix))
    shown = kernel.show("module_layout", "_printk")
    assert shown["struct"] == "1344" and shown["machine"] == "62" and shown["vermagic"] == VERMAGIC
    assert shown["module_layout"] == "yes any 00000077 crc" and shown["_printk"] == "unknown" and shown["confidence"] == "unknown"
    kernel.put(f"boot/vmlinuz-{K}", image())
    assert kernel.show("module_layout")["module_layout"] == "yes any 00000001 crc"


CONFIG = "CONFIG_MODVERSIONS=y\nCONFIG_MODULE_FORCE_LOAD=y\nCONFIG_MODULE_ALLOW_BTF_MISMATCH=y\nCONFIG_MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS=y\n"


@pytest.mark.parametrize("place", [f"boot/config-{K}", f"lib/modules/{K}/config", f"usr/src/linux-headers-{K}/.config",
                                   f"usr/src/linux-headers-{K}/include/config/auto.conf"])
def test_config(kernel, place):
    kernel.put(f"boot/vmlinuz-{K}", image())
    if place.startswith("usr"):
        (kernel.dir / "build").symlink_to(kernel.path / f"usr/src/linux-headers-{K}")
        (kernel.path / f"usr/src/linux-headers-{K}/include").mkdir(parents=True)
    assert kernel.show()["flags"] == "modversions", "by the version text"
    kernel.put(place, CONFIG)
    shown = kernel.show()
    assert shown["config"] == str(len(CONFIG)) and shown["flags"] == "modversions force_load missing_namespaces btf_mismatch"
    kernel.put(place, "# CONFIG_MODVERSIONS is not set\n")
    assert kernel.show()["flags"] == ""


# ---- modules that provide symbols ----

PROVIDERS = {"kernel/a.ko": full_module("a", [("from_a", 0x11, True, "A")], {"module_layout": 1}, ["_printk"], info=["license=GPL", "intree=Y"]),
             "updates/dkms/b.ko": full_module("b", [("from_b", 0x22, False, ""), ("more", 0x33, False, "")], {"module_layout": 1}, info=["license=MIT"]),
             "updates/dkms/user.ko": full_module("user", (), {"module_layout": 1}, ["_printk", "from_a", "from_b", "nowhere"], ["maybe"], info=["license=GPL"])}


@pytest.fixture
def provided(public):
    public.put(f"boot/vmlinuz-{K}", image())
    for name, content in PROVIDERS.items():
        public.put(f"lib/modules/{K}/{name}", content)
    subprocess.run(["depmod", "-b", public.path, K], check=True, capture_output=True, timeout=60)
    return public


def ask(kernel, **options):
    return kernel.show("--provide", kernel.dir / "updates/dkms/user.ko", "from_a", "from_b", "more", "nowhere", "maybe", "_printk", **options)


def test_providers(provided):
    shown = ask(provided)
    assert shown["provider a"] == f"/lib/modules/{K}/kernel/a.ko" and shown["provider b"] == f"/lib/modules/{K}/updates/dkms/b.ko"
    assert shown["from_a"] == "yes gpl 00000011 crc space=A owner=a" and shown["from_b"] == "yes any 00000022 crc owner=b proprietary"
    assert shown["more"] == "yes any 00000033 crc owner=b proprietary" and shown["nowhere"] == shown["maybe"] == "no" and shown["_printk"] == LINES["_printk"]


def test_unknown_providers(provided):
    """Without an index, or if a provider cannot be read, its symbols are not missing."""
    (provided.dir / "kernel/a.ko").write_bytes(b"damaged")
    shown = ask(provided)
    assert shown["from_a"] == "unknown" and shown["from_b"].startswith("yes") and shown["nowhere"] == "no" and "provider a" not in shown
    (provided.dir / "modules.symbols.bin").unlink()
    shown = ask(provided)
    assert shown["from_a"] == shown["from_b"] == shown["nowhere"] == "unknown" and shown["_printk"] == LINES["_printk"]


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs another user")
def test_private_provider(provided):
    (provided.dir / "kernel/a.ko").chmod(0o600)
    assert ask(provided, user=65534)["from_a"] == "unknown" and ask(provided)["from_a"].startswith("yes")
    (provided.dir / "modules.symbols.bin").chmod(0o600)
    assert ask(provided, user=65534)["nowhere"] == "unknown"


def test_remembered(provided):
    """When nothing changes, the next run starts no helper."""
    provided.headers()
    words = provided.command("--provide", provided.dir / "updates/dkms/user.ko", "from_a")
    first = []

    def nothing_read():
        trace = strace("-e", "trace=execve", *words)
        first.append(trace.stdout)
        return trace.stderr.count("execve(") == 1

    eventually(nothing_read)
    assert len(set(first)) == 1
    provided.put(f"boot/vmlinuz-{K}", image(symbols=[*SYMBOLS, ("new", 5, False, "")]))
    assert provided.show("new")["new"] == "yes any 00000005 crc"
