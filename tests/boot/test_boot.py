"""Real kernels load the modules that dkms built, signed, compressed and installed, and refuse modules with other signatures."""
import os
import pathlib
import subprocess

import machine
import pytest
from stage import Stage, headers, make_key, run, standin


def flipped(module, target):
    data = bytearray(module.read_bytes())
    at = data.find(b"hello from a module")
    assert at > 0
    data[at] ^= 1
    target.write_bytes(data)
    return target


@pytest.fixture(scope="module")
def old(lab):
    """The kernel of the distribution, every compression, and modules that the kernel must refuse."""
    stage = Stage(lab, headers(r"^linux-headers-6\.1\.|^linux-headers-5\."))
    stage.trees = {"plain": stage.root("root", "")}
    ours = [stage.trees["plain"] / "var/lib/dkms" / name for name in ("mok.key", "mok.pub")]
    stage.trees.update({suffix[1:]: stage.root(f"root{suffix}", suffix, pair=ours) for suffix in (".xz", ".zst", ".gz")})
    foreign = make_key(lab, "foreign", "rsa:2048")
    stage.files = {
        "gz.ko.gz": stage.module(stage.trees["gz"]),
        "unsigned.ko": stage.module(stage.root("unsigned", "", "try_sign_modules=false")),
        "foreign.ko": stage.module(stage.root("foreign", "", pair=foreign)),
        "flipped.ko": flipped(stage.module(stage.trees["plain"]), stage.lab / "flipped.ko"),
        "stripped.ko": stage.lab / "stripped.ko",
    }
    run("strip", "-g", "-o", stage.files["stripped.ko"], stage.module(stage.trees["plain"]))
    stage.certificate = ours[1]
    stage.trees["standin"] = stage.root("standin", "", pair=ours)
    trees = {name: root for name, root in stage.trees.items() if name != "gz"} # kmod of this distribution cannot read gzip
    cases = [(name, "modprobe", f"/{name}", "hello") for name in trees] + stage.add_standin(stage.trees["standin"])
    cases += [("gz", "gunzip", "/gz.ko.gz", "0")]
    cases += [(name.removesuffix(".ko"), "load", f"/{name}", "0") for name in stage.files if name != "gz.ko.gz"]
    stage.initrd = machine.initramfs(stage.lab, "guest", trees, stage.files, cases)
    return stage


@pytest.fixture(scope="module")
def trusting(old):
    """That kernel with our certificate, which enforces signatures."""
    image = old.lab / "vmlinux"
    image.write_bytes(machine.trusting(machine.unpack_vmlinux(old.vmlinuz), old.certificate.read_bytes()))
    return machine.boot(old.lab, "trusting", image, old.initrd, "module.sig_enforce=1")


def check_loaded(case, module, taint="O", says="hello from a module that dkms built"):
    assert case["loaded"] == "OK", case
    # O: from outside the kernel tree. E would be an untrusted signature, F a forced module.
    assert case["taint"] == taint, case
    assert case["version"] == "1.0" and case["unloaded"] == "yes"
    assert case["srcversion"] == run("modinfo", "-F", "srcversion", module).strip()
    assert any(says in line for line in case["kernel"])


def check_standin(guest, root):
    """The modules of the other package that a module needs are loaded, and their symbols are found."""
    for name, package in standin.MODULES.items():
        case = dict(guest.cases[name])
        if name != "cluster":
            case["kernel"] = guest.cases["cluster"]["kernel"]
        says = {"cluster": "cluster: 7 devices, checksum 96354", "pool": "pool: checksum 96354", "pool_base": ""}[name]
        (module,) = (root / "lib/modules").rglob(f"updates/**/{name}.ko*")
        check_loaded(case, module, says=says)


@pytest.mark.parametrize("name", ["plain", "xz", "zst", "gz"])
def test_signed_and_compressed_is_loaded(trusting, old, name):
    assert trusting.facts["enforced"] == "Y"
    check_loaded(trusting.cases[name], old.module(old.trees["plain"]))


def test_packages_after_the_kind_of_zfs_are_loaded(trusting, old):
    check_standin(trusting, old.trees["standin"])


@pytest.mark.parametrize("name, says", [("unsigned", "Loading of unsigned module is rejected"),
                                        ("stripped", "Loading of unsigned module is rejected"),
                                        ("foreign", "Loading of module with unavailable key is rejected"), ("flipped", None)])
def test_untrusted_is_refused(trusting, name, says):
    case = trusting.cases[name]
    assert case["loaded"] == "EKEYREJECTED" and "taint" not in case
    assert says is None or any(says in line for line in case["kernel"]), case


def test_another_certificate_refuses_the_same(old, lab):
    """Checks the test itself: a kernel with another certificate loads none of our modules."""
    _, other = make_key(lab, "other", "rsa:2048")
    image = old.lab / "vmlinux-other"
    image.write_bytes(machine.trusting(machine.unpack_vmlinux(old.vmlinuz), other.read_bytes()))
    guest = machine.boot(old.lab, "other", image, old.initrd, "module.sig_enforce=1")
    assert all(case.get("loaded") != "OK" for case in guest.cases.values()) and len(guest.cases) >= 8
    assert guest.cases["gz"]["loaded"] == "EKEYREJECTED"


def test_a_panic_is_a_failure(old):
    with pytest.raises(AssertionError, match="did not reach its end"):
        machine.boot(old.lab, "panic", old.lab / "vmlinux", old.initrd, "rdinit=/no-such-program")


def test_stock_kernel_finds_it_by_depmod(old):
    """The kernel as shipped does not enforce signatures. modprobe finds the module in the indexes that the installation wrote."""
    image = old.lab / "vmlinux-stock"
    image.write_bytes(machine.unpack_vmlinux(old.vmlinuz))
    guest = machine.boot(old.lab, "stock", image, old.initrd)
    assert guest.facts["enforced"] == "N"
    # The kernel does not trust our certificate, so the module taints it.
    check_loaded(guest.cases["plain"], old.module(old.trees["plain"]), taint="OE")


def pairs(*words):
    text = run(pathlib.Path(os.environ["DKMS"]).resolve().parent / "helpers" / words[0], *words[1:]).split("\0")
    return list(zip(text[::2], text[1::2]))


def check_facts(stage):
    """The helpers read from the image and from modules what Module.symvers in the headers says."""
    symvers = pathlib.Path(f"/usr/src/linux-headers-{stage.release}/Module.symvers")
    found = pairs("dkms-facts", "kernel", stage.release, stage.vmlinuz)
    symbols = {value.split(" ")[1]: value.split(" ", 3) for key, value in found if key == "symbol"}
    listed = {}
    for line in symvers.read_text().splitlines():
        crc, name, owner, kind, space = (line + "\t").split("\t")[:5]
        listed.setdefault(owner, {})[name] = [crc.removeprefix("0x"), name, "gpl" if kind.endswith("_GPL") else "any", space]
    assert symbols == listed.pop("vmlinux") and len(symbols) > 5000
    assert sorted(value for key, value in pairs("dkms-facts", "symvers", symvers) if key == "symbol") == sorted(" ".join(words) for words in symbols.values())
    assert [key for key, _ in found].count("certificate") == 1, "that of the key of the build"
    module = next(path for path in stage.modules.rglob("*.ko*") if path.is_file())
    assert run("modinfo", "-F", "vermagic", module).rstrip("\n") == dict(found)["vermagic"]
    check_modules(stage, listed)


def check_modules(stage, listed):
    """@listed: module -> symbols in Module.symvers"""
    files = {path.relative_to(stage.modules / "kernel").as_posix().split(".ko")[0]: path for path in (stage.modules / "kernel").rglob("*.ko*")}
    names = sorted(listed)[::5]
    facts = iter(pairs("dkms-modinfo", "--facts", *(files[name] for name in names)))
    for name in names:
        exports, gpl, crcs, spaces = [], set(), {}, {}
        for key, value in facts:
            if key == "end":
                break
            assert key != "error", f"{name}: {value}"
            if key == "export":
                exports.append(value)
            elif key == "gpl":
                gpl.add(value)
            elif key == "crc":
                crcs[value.split(" ")[1]] = value.split(" ")[0].removeprefix("0x")
            elif key == "space":
                spaces[value.split(" ", 1)[0]] = value.split(" ", 1)[1]
        assert {e: [crcs[e], e, "gpl" if e in gpl else "any", spaces.get(e, "")] for e in exports} == listed[name], name


def test_image_and_headers_agree(old):
    check_facts(old)


def test_secure_boot_with_an_enrolled_key(old, lab):
    """The kernel as shipped with Secure Boot, and the default key of dkms among the keys of the owner."""
    guest = machine.boot(old.lab, "secure", old.vmlinuz, old.initrd, variables=machine.firmware(lab / "vars.fd", machine.owner_keys(old.certificate.read_bytes())))
    assert guest.facts["enforced"] == "Y" and "[integrity]" in guest.facts["lockdown"]
    check_loaded(guest.cases["plain"], old.module(old.trees["plain"]))
    check_loaded(guest.cases["zst"], old.module(old.trees["plain"]))
    for name in ("unsigned", "foreign", "flipped"):
        assert guest.cases[name]["loaded"] == "EKEYREJECTED"


def test_new_kernel_decompresses_and_takes_elliptic_curves(lab):
    """A kernel that decompresses modules itself, and a key that is not RSA."""
    key, certificate = make_key(lab, "ec", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
    stage = Stage(lab, headers(r"^linux-headers-6\.(1[2-9]|[2-9][0-9])\."))
    check_facts(stage)
    root = stage.root("root", ".xz", pair=(key, certificate))
    module = stage.module(root)
    cases = stage.add_standin(root)
    image = stage.lab / "vmlinux"
    image.write_bytes(machine.trusting(machine.unpack_vmlinux(stage.vmlinuz), certificate.read_bytes()))
    wrong = stage.lab / "wrong.ko.xz"
    plain = subprocess.run(["xz", "-dc", module], capture_output=True, check=True).stdout
    wrong.write_bytes(subprocess.run(["xz", "-c", "--check=crc64"], input=plain, capture_output=True, check=True).stdout)
    initrd = machine.initramfs(stage.lab, "guest", {"root": root}, {"hello.ko.xz": module, "wrong.ko.xz": wrong},
                               [("modprobe", "modprobe", "/root", "hello"), ("kernel", "load", "/hello.ko.xz", "4"),
                                ("wrong", "load", "/wrong.ko.xz", "4"), *cases])
    guest = machine.boot(stage.lab, "new", image, initrd, "module.sig_enforce=1")
    assert guest.facts["enforced"] == "Y"
    check_loaded(guest.cases["modprobe"], module)
    check_loaded(guest.cases["kernel"], module)
    check_standin(guest, root)
    assert guest.cases["wrong"]["loaded"] == "EINVAL" # a checksum that the kernel does not support
