"""dkms secureboot: machines with made-up firmware, kernels, keys and modules."""
import errno
import os
import pathlib
import pty
import subprocess
import sys

import pytest
from conftest import DKMS, K1, Result
from test_signatures import HASHES, X509, Keys, openssl, signature_list

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "lib"))
from kernels import bzimage, certificate_list, vmlinux  # noqa: E402
from modules import full_module  # noqa: E402
from schema import document  # noqa: E402

GLOBAL, SHIM, DB = "8be4df61-93ca-11d2-aa0d-00e098032b8c", "605dab50-e046-4300-abb6-3dd810dd8b23", "d719b2cb-3d3a-4596-a3bc-dad00e67656f"
DIGESTS = "CONFIG_CRYPTO_SHA1=y\nCONFIG_CRYPTO_SHA256=y\nCONFIG_CRYPTO_SHA512=m\n"
CONFIG = ('# Linux/x86 6.12.117 Kernel Configuration\nCONFIG_MODULES=y\nCONFIG_MODULE_SIG=y\nCONFIG_MODULE_SIG_HASH="sha256"\n'
          "CONFIG_IMA_ARCH_POLICY=y\nCONFIG_LOCK_DOWN_IN_EFI_SECURE_BOOT=y\nCONFIG_INTEGRITY_MACHINE_KEYRING=y\nCONFIG_CRYPTO_ECDSA=y\n" + DIGESTS)
SCRIPT = """
mount -t tmpfs x /sys/firmware && mkdir -p /sys/firmware/memmap && cp -r "$0/firmware/." /sys/firmware || exit 99
mount -t tmpfs x /boot && cp "$0/boot/"* /boot && mount --bind "$0/cmdline" /proc/cmdline || exit 99
mount -t overlay -o "lowerdir=$0/etc:/etc" overlay /etc || exit 99
[ ! -f "$0/keys" ] || mount --bind "$0/keys" /proc/keys || exit 99
exec "$@"
"""


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    return Keys(tmp_path_factory.mktemp("keys"))


class Machine:
    """This machine with another firmware, kernel and command line, in mounts of its own."""

    def __init__(self, root, keys):
        self.root, self.keys, self.place = root, keys, root.path.parent / "machine-of-keys"
        for name in ("firmware/efi/efivars", "boot", "etc/dkms"):
            (self.place / name).mkdir(parents=True)
        (self.place / "etc/os-release").write_text("ID=debian\n")
        self.cmdline("root=/dev/sda1 quiet")
        self.kernel()
        self.variable("SecureBoot", b"\1", GLOBAL)
        self.variable("SetupMode", b"\0", GLOBAL)
        self.owner_keys("other")
        self.key("own")

    def variable(self, name, value, vendor=SHIM):
        (self.place / "firmware/efi/efivars" / f"{name}-{vendor}").write_bytes(b"\6\0\0\0" + value)

    def forget(self, name, vendor=SHIM):
        (self.place / "firmware/efi/efivars" / f"{name}-{vendor}").unlink()

    def cmdline(self, text):
        (self.place / "cmdline").write_text(text + "\n")

    def kernel(self, config=CONFIG, certificates=("kernel",)):
        """@certificates: None: the image cannot be read"""
        self.root.kernel(K1, config=config)
        (self.place / f"boot/config-{K1}").write_text(config)
        image = vmlinux([("module_layout", 1, False, "")], data=certificate_list([self.der(name) for name in certificates or ()]))
        packed = subprocess.run(["gzip", "-nc"], input=image, capture_output=True, check=True).stdout
        (self.place / f"boot/vmlinuz-{K1}").write_bytes(bzimage(packed, release=K1, size=len(image)) if certificates is not None else b"damaged")

    def der(self, name):
        return openssl("x509", "-in", self.keys.pair(name)[1], "-outform", "DER")

    def list_of(self, *names):
        return b"".join(signature_list(X509, self.der(name)) for name in names)

    def owner_keys(self, *names):
        self.variable("MokListRT", self.list_of(*names))

    def key(self, name, form="DER"):
        self.own, certificate = self.place / "mok.key", self.place / "mok.pub"
        key, pem = self.keys.pair(name)
        self.own.write_bytes(key.read_bytes())
        self.own.chmod(0o600)
        certificate.write_bytes(self.der(name) if form == "DER" else pem.read_bytes())

    def install(self, *signers, name="foo", data=b"\x7fELF module" * 100):
        """Writes the files of an installed module. Without @signers it is not signed. @data: its content"""
        build = self.root.tree / name / "1.0" / K1 / os.uname().machine
        (build / "module").mkdir(parents=True)
        self.root.source(name)
        (self.root.tree / name / "1.0/source").symlink_to(f"/usr/src/{name}-1.0")
        (self.root.tree / name / f"kernel-{K1}-{os.uname().machine}").symlink_to(f"1.0/{K1}/{os.uname().machine}")
        content = self.keys.sign(*signers, data=data) if signers else data
        (build / f"module/{name}.ko").write_bytes(content)
        return build / f"module/{name}.ko"

    def __call__(self, *arguments, program=DKMS, prefix=(), verb="secureboot", **env):
        self.root.tree.mkdir(parents=True, exist_ok=True)
        trees = ["--dkmstree", self.root.tree, "--sourcetree", self.root.src, "--installtree", self.root.modules]
        settings = {"mok_signing_key": str(self.own), "mok_certificate": str(self.place / "mok.pub")}
        command = ["unshare", "-m", "sh", "-c", SCRIPT, self.place, *prefix, program, verb, "-k", K1, *trees, *arguments]
        return Result(subprocess.run(list(map(str, command)), capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False,
                                     env={**os.environ, "LC_ALL": "C", **settings, **env}))

    def ask(self, **env):
        """Returns: the answer in JSON, whose text is the same"""
        result = self("--json", **env)
        return document(result.out)


@pytest.fixture
def machine(root, keys):
    return Machine(root, keys)


# ---- states ----

def no_efi(machine):
    for path in sorted((machine.place / "firmware").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    machine.cmdline("module.sig_enforce")


STATES = {
    "enrolled": (lambda m: m.owner_keys("other", "own"), 0), "built-in": (lambda m: m.kernel(certificates=("kernel", "own")), 0),
    "pending": (lambda m: m.variable("MokNew", m.list_of("own")), 30),
    "pending-removal": (lambda m: (m.owner_keys("own"), m.variable("MokDel", m.list_of("own"))), 30),
    "not-enrolled": (lambda m: None, 30), "not-usable": (lambda m: m.kernel(CONFIG.replace("CONFIG_CRYPTO_ECDSA=y\n", "")) or m.key("ec"), 30),
    "revoked": (lambda m: (m.owner_keys("own"), m.variable("dbx", m.list_of("own"), DB), m.kernel(CONFIG + "CONFIG_SYSTEM_REVOCATION_LIST=y\n")), 30),
    "platform-only": (lambda m: (m.variable("db", m.list_of("own"), DB), (m.place / "etc/os-release").write_text("ID=arch\n")), 30),
    "not-read": (lambda m: m.cmdline("efi=noruntime"), 30), "not-needed": (lambda m: m.variable("SecureBoot", b"\0", GLOBAL), 0),
    "no-efi": (no_efi, 30), "no-shim": (lambda m: m.forget("MokListRT"), 30),
    "unknown": (lambda m: (m.owner_keys("own"), (m.place / "etc/os-release").write_text("ID=void\n"), m.kernel(CONFIG.replace("MACHINE_KEYRING=y", "MACHINE_KEYRING=n"))), 31)}


@pytest.mark.parametrize("state", STATES)
def test_states(machine, state):
    """The exit status is 0, 30 or 31."""
    change, status = STATES[state]
    change(machine)
    answer = machine.ask()
    key = answer["secureboot"]["keys"][0]
    assert (key["enrolment"], answer["status"]) == (state, status), answer
    result = machine()
    assert result.rc == status and ("Error!" in result.err) == (status != 0)
    assert ("What to do: " in result.out) == (status == 30), result


def test_every_state_has_a_test():
    words = subprocess.run(["sed", "-n", "/names\\[\\]$/,/};/p", pathlib.Path(__file__).parents[2] / "src/check/enrolment.c"], capture_output=True, text=True,
                           check=True).stdout
    assert set(words.split('"')[1::2]) == set(STATES)


def test_the_answer(machine):
    machine.owner_keys("own")
    machine.install("own")
    machine.install("own", "foreign", name="both")
    machine.install("foreign", name="bar")
    machine.install(name="baz")
    result = machine()
    assert result.rc == 30
    ends = openssl("x509", "-in", machine.keys.pair("own")[1], "-noout", "-enddate", "-dateopt", "iso_8601").decode().split("=")[1]
    assert result.out.splitlines() == [
        "Secure Boot     on (shim validates boot loader and kernel)",
        f"Kernel          {K1} is locked down, and enforces signatures; accepts RSA 2048-4096, EC P-256/384/521; sha256, sha384, sha512",
        f'Key             {machine.own}, RSA 2048, sha256, "key own", valid until {ends[:10]}', "Enrolment       enrolled",
        "Modules         2 signed with this key, 1 with another key (bar: an unknown key), 1 unsigned",
        "What to do: Sign these modules again: 'dkms sign --all'."]
    answer = machine.ask()["secureboot"]
    assert answer["modules"] == {"signed": 2, "other": 1, "unsigned": 1, "refused": 2}
    assert (answer["efi"], answer["secure_boot"], answer["validation"]) == (True, True, True)
    kernel, key = answer["kernels"][0], answer["keys"][0]
    assert (kernel["enforced"], kernel["lockdown"], kernel["hash"]) == (True, True, "sha256") and kernel["digests"] == ["sha1", "sha256", "sha384", "sha512"]
    assert (key["algorithm"], key["bits"], key["usable"], key["subject"]) == ("rsa", 2048, {K1: True}, "CN = key own")
    assert {(f["module"], f["signed_by"], f["accepted"]) for f in answer["files"]} == {
        ("foo", "own", True), ("both", "own", True), ("bar", "other", False), ("baz", "unsigned", False)}


def test_a_signer_that_is_only_known_by_name(machine):
    """Old certificates beside the one in the settings name signers that the kernel does not know."""
    machine.owner_keys("own")
    machine.install("foreign")
    (machine.place / "mok.pub.1").write_bytes(machine.der("foreign"))
    assert '1 with another key (foo: "key foreign")' in machine().out


@pytest.mark.parametrize("change, accepted", [
    (lambda path: path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:]), False), (lambda path: path.write_bytes(path.read_bytes()[:-1]), False),
    (lambda path: path.write_bytes(b""), None)], ids=["changed", "cut off", "empty"])
def test_damaged_files(machine, change, accepted):
    machine.owner_keys("own")
    change(machine.install("own"))
    answer = machine.ask()
    assert (answer["secureboot"]["files"][0]["accepted"], answer["status"]) == (accepted, 30 if accepted is False else 31)


def test_a_changed_file_is_refused_without_enforcement(machine):
    machine.variable("SecureBoot", b"\0", GLOBAL)
    machine.owner_keys("own")
    path = machine.install("kernel")
    assert machine.ask()["status"] == 0
    path.write_bytes(b"x" + path.read_bytes()[1:])
    assert machine.ask()["status"] == 30


def test_a_forbidden_file(machine):
    machine.owner_keys("own")
    path = machine.install("own")
    digest = bytes.fromhex(subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True).stdout.split()[0])
    machine.variable("dbx", signature_list(HASHES, b"x" * 32, digest), DB)
    answer = machine.ask()
    assert answer["status"] == 30 and answer["secureboot"]["files"][0]["accepted"] is False


def test_two_kernels(machine):
    machine.owner_keys("own")
    result = machine("-k", K1, "--json")
    assert len(document(result.out)["secureboot"]["kernels"]) == 1, "a kernel that is named twice is one"


# ---- what is not known ----

def test_a_kernel_that_cannot_be_read(machine):
    """A signer that no known certificate names may be one that the kernel contains."""
    machine.owner_keys("own")
    machine.install("foreign")
    assert machine.ask()["status"] == 30
    machine.kernel(certificates=None)
    answer = machine.ask()
    assert answer["status"] == 31 and answer["secureboot"]["files"][0]["accepted"] is None


def test_another_root(root):
    root.keys()
    root.kernel(K1, config=CONFIG)
    result = root("secureboot", "-k", K1, "--json")
    answer = document(result.out)["secureboot"]
    assert result.rc == 31 and answer["secure_boot"] is None and answer["keys"][0]["enrolment"] == "unknown"
    assert answer["keys"][0]["usable"] == {K1: True}
    assert "is not the root of this machine" in root("secureboot", "-k", K1).out


def test_without_a_key(machine):
    (machine.place / "mok.pub").unlink()
    result = machine()
    assert result.rc == 0 and f"Key             {machine.own}, does not exist yet" in result.out.splitlines() and "generate_mok" in result.out
    machine.install("foreign")
    assert machine().rc == 30


def test_a_certificate_with_its_key(machine):
    """The private key in such a file is not passed to another program."""
    key, pem = machine.keys.pair("own")
    (machine.place / "mok.pub").write_bytes(key.read_bytes() + pem.read_bytes())
    result = machine()
    assert result.rc == 31 and "contains a private key" in result.out


def test_as_an_ordinary_user(machine, tmp_path):
    """Variables of the firmware can be read by everyone, the copies of shim's lists cannot."""
    machine.owner_keys("own")
    copies = machine.place / "firmware/efi/mok-variables"
    copies.mkdir()
    (copies / "MokListRT").write_bytes(machine.list_of("own"))
    for directory in [machine.place, *machine.place.parents][:5]:
        directory.chmod(directory.stat().st_mode | 0o055)
    drop = ["/usr/bin/python3", "-c", "import os,sys; os.setgroups([]); os.setgid(65534); os.setuid(65534); os.execv(sys.argv[1], sys.argv[1:])"]
    program = root_program(tmp_path)
    closed = 'mount -t tmpfs x /sys/firmware && cp -r "$0/firmware/." /sys/firmware && chmod 0400 /sys/firmware/efi/mok-variables/MokListRT && exec "$@"'
    result = machine("--json", program=program, prefix=["sh", "-c", closed, machine.place, *drop])
    assert document(result.out)["secureboot"]["keys"][0]["enrolment"] == "enrolled", result


def test_verify_reads_the_copies_of_shim(machine):
    """The kernel prefers the copies, which are whole where the variables are too large for the firmware."""
    module = machine.install("own", data=full_module("foo", info=["license=GPL"]))
    installed = machine.root.modules / K1 / "updates/dkms/foo.ko"
    installed.parent.mkdir(parents=True)
    installed.write_bytes(module.read_bytes())
    source = machine.root.tree / "foo/1.0/source"
    source.unlink()
    source.symlink_to(machine.root.src / "foo-1.0")
    subprocess.run(["depmod", "-b", machine.root.path, K1], check=True)
    copies = machine.place / "firmware/efi/mok-variables"
    copies.mkdir()

    def codes():
        (kernel,) = document(machine("--json", verb="verify").out)["kernels"]
        (found,) = kernel["modules"]
        return [finding["code"] for file in found["files"] for finding in file["findings"] if finding["check"] == "signature"]

    machine.owner_keys("other")
    assert codes() == ["key-unknown"]
    (copies / "MokListRT").write_bytes(machine.list_of("other", "own"))
    assert codes() == []
    machine.owner_keys("own")
    (copies / "MokListRT").write_bytes(machine.list_of("other"))
    assert codes() == ["key-unknown"]
    (copies / "MokListRT").unlink()
    assert codes() == []


def root_program(tmp_path):
    """A copy of the program that all users can run."""
    place = tmp_path / "program"
    (place / "helpers").mkdir(parents=True)
    for path in [pathlib.Path(DKMS), *(p for p in pathlib.Path(DKMS).parent.glob("helpers/dkms-*") if p.is_file())]:
        target = place / (path.name if path.name == "dkms" else f"helpers/{path.name}")
        target.write_bytes(path.read_bytes())
        target.chmod(0o755)
    return place / "dkms"


# ---- warnings ----

def warnings(result):
    return [line.removeprefix("Warning: ") for line in result.err.splitlines() if line.startswith("Warning: ")]


def test_no_warnings(machine):
    machine.owner_keys("own")
    result = machine()
    assert result.rc == 0 and result.err == ""


def short_lived(machine):
    key, _ = machine.keys.pair("own")
    openssl("req", "-new", "-x509", "-key", key, "-subj", "/CN=short", "-days", "30", "-outform", "DER", "-out", machine.place / "mok.pub")


def twins(machine):
    key, _ = machine.keys.pair("foreign")
    names = []
    for subject_key in ("own", "foreign"):
        openssl("req", "-new", "-x509", "-key", machine.keys.pair(subject_key)[0], "-subj", "/CN=twin", "-set_serial", "7", "-days", "3650", "-outform", "DER", "-out",
                machine.place / f"twin-{subject_key}")
        names.append((machine.place / f"twin-{subject_key}").read_bytes())
    machine.variable("MokListRT", b"".join(signature_list(X509, der) for der in [*names, machine.der("own")]))


WARNINGS = {
    "expires": (short_lived, "mok.pub expires on "), "open": (lambda m: m.own.chmod(0o644), "(mode 0644)"),
    "pair": (lambda m: m.own.write_bytes(m.keys.pair("foreign")[0].read_bytes()), "does not belong to the key"),
    "passphrase": (lambda m: openssl("pkey", "-in", m.keys.pair("own")[0], "-aes256", "-passout", "pass:x", "-out", m.own), "it has a passphrase"),
    "form": (lambda m: m.key("own", "PEM"), "in PEM form"), "twins": (twins, 'are enrolled: "twin"'),
    "digest": (lambda m: m.kernel(CONFIG.replace('"sha256"', '"sha3-256"')), "wants signatures with sha3-256"),
    "module": (lambda m: m.kernel(CONFIG.replace('"sha256"', '"sha512"')), "loads a module for signatures with sha512"),
    "forbidden": (lambda m: m.variable("dbx", m.list_of("own"), DB), "which this kernel does not heed"),
    "ima": (lambda m: m.cmdline("ima_policy=secure_boot"), "IMA may refuse modules")}


@pytest.mark.parametrize("name", WARNINGS)
def test_warnings(machine, name):
    change, text = WARNINGS[name]
    machine.owner_keys("own")
    change(machine)
    found = warnings(machine())
    assert len(found) == 1 and text in found[0], found


def test_a_token_is_not_opened(machine):
    machine.owner_keys("own")
    result = machine(mok_signing_key="pkcs11:token=none;object=none")
    assert result.rc == 0 and warnings(result) == [], result


# ---- enrolment ----

def enroll(machine, tmp_path, script, terminal=True, **env):
    """Runs --enroll with another mokutil. @script: of a shell; $2 is the file that it gets"""
    (tmp_path / "bin").mkdir()
    tool = tmp_path / "bin/mokutil"
    tool.write_text("#!/bin/sh\n" + script)
    tool.chmod(0o755)
    parent, child = pty.openpty() if terminal else os.pipe()
    trees = ["--dkmstree", machine.root.tree, "--sourcetree", machine.root.src, "--installtree", machine.root.modules]
    machine.root.tree.mkdir(parents=True, exist_ok=True)
    command = ["unshare", "-m", "sh", "-c", SCRIPT, machine.place, DKMS, "secureboot", "--enroll", "-k", K1, *trees]
    settings = {"mok_signing_key": str(machine.own), "mok_certificate": str(machine.place / "mok.pub"), "PATH": f"{tool.parent}:{os.environ['PATH']}"}
    try:
        return Result(subprocess.run(list(map(str, command)), capture_output=True, text=True, stdin=child if terminal else parent, check=False,
                                     env={**os.environ, "LC_ALL": "C", **settings, "OUT": str(tmp_path / "out"), **env}))
    finally:
        os.close(parent)
        os.close(child)


REQUEST = f'test "$1" = --import && cp "$2" "$OUT" && cp "$LIST" /sys/firmware/efi/efivars/MokNew-{SHIM}\n'


def test_enroll(machine, tmp_path):
    """--enroll gives the certificate to mokutil in DER form, whatever form the file has, and checks the request."""
    machine.key("own", "PEM")
    (tmp_path / "list").write_bytes(b"\6\0\0\0" + machine.list_of("own"))
    result = enroll(machine, tmp_path, REQUEST, LIST=str(tmp_path / "list"))
    assert result.rc == 0 and '"Enroll MOK"' in result.out and '"key own"' in result.out, result
    assert (tmp_path / "out").read_bytes() == machine.der("own")


@pytest.mark.parametrize("script", ["exit 1\n", "true\n"])
def test_a_request_that_is_not_made(machine, tmp_path, script):
    result = enroll(machine, tmp_path, script)
    assert result.rc == 1 and "was not requested" in result.err


def test_enrolling_again(machine, tmp_path):
    machine.owner_keys("own")
    result = enroll(machine, tmp_path, "exit 1\n")
    assert result.rc == 0 and "Enrolment       enrolled" in result.out


@pytest.mark.parametrize("change, text", [(lambda m: m.forget("MokListRT"), "without shim"), (no_efi, "does not exist"),
                                          (lambda m: (m.place / "mok.pub").unlink(), "is missing")], ids=["shim", "efi", "certificate"])
def test_an_enrolment_that_is_impossible(machine, tmp_path, change, text):
    change(machine)
    result = enroll(machine, tmp_path, "exit 1\n")
    assert result.rc == 1 and text in result.err


def test_enrolling_needs_a_terminal(machine, tmp_path):
    result = enroll(machine, tmp_path, "exit 1\n", terminal=False)
    assert result.rc == 1 and "needs a terminal" in result.err


def test_enrolling_works_here_only(root):
    result = root("secureboot", "--enroll", "-k", K1)
    assert result.rc == 1 and "works on this machine only" in result.err


def test_one_of_several_keys_is_enough(machine):
    """Each key of a list is shown, the one that the kernel accepts first."""
    key, certificate = machine.place / "second.key", machine.place / "second.pub"
    key.write_bytes(machine.keys.pair("second")[0].read_bytes())
    key.chmod(0o600)
    certificate.write_bytes(machine.der("second"))
    lists = {"mok_signing_key": f"{machine.own};{key}", "mok_certificate": f"{machine.place}/mok.pub;{certificate}"}
    machine.install("second")
    assert machine(**lists).rc == 30
    machine.owner_keys("second")
    answer = machine.ask(**lists)
    found = answer["secureboot"]
    assert answer["status"] == 0 and found["kernels"][0]["enrolment"] == "enrolled" and found["kernels"][0]["certificate"] == str(certificate)
    assert [(k["path"], k["enrolment"]) for k in found["keys"]] == [(str(key), "enrolled"), (str(machine.own), "not-enrolled")]
    assert found["modules"] == {"signed": 1, "other": 0, "unsigned": 0, "refused": 0}
    result = machine(**lists)
    assert [line.split()[0] for line in result.out.splitlines()] == ["Secure", "Kernel", "Key", "Enrolment", "Key", "Enrolment", "Modules"], result


# ---- the kernel's own answer ----

ENOEXEC, EKEYREJECTED, ENOSYS = errno.ENOEXEC, errno.EKEYREJECTED, errno.ENOSYS


@pytest.fixture(scope="session")
def fake_kernel(tmp_path_factory):
    library = tmp_path_factory.mktemp("fake") / "fake-kernel.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, pathlib.Path(__file__).parents[1] / "lib/fake-kernel.c"], check=True)
    return library


@pytest.fixture
def ask(machine, fake_kernel, tmp_path):
    """Runs --test. The running kernel is K1, and answers with error numbers."""
    def ask(*errors, release=K1, version="#1 SMP", words=("--test",), try_sign_modules="true", **env):
        files = tmp_path / "asked"
        files.mkdir(exist_ok=True)
        return machine(*words, LD_PRELOAD=str(fake_kernel), FAKE_ERRORS=" ".join(map(str, errors)), FAKE_FILES=str(files), FAKE_RELEASE=release,
                       FAKE_VERSION=version, ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0",
                       try_sign_modules=try_sign_modules, **env)
    return ask


def answer_of(result):
    answer = document(result.out)["secureboot"]
    return [answer["test"][name] for name in ("enforced", "accepted", "trusted")], answer["kernels"][0]["enrolment"]


@pytest.mark.parametrize("errors, found, enrolment, status, says", [
    ((EKEYREJECTED, ENOEXEC, EKEYREJECTED), [True, True, True], "enrolled", 0, "the running kernel accepts files that are signed with this key"),
    ((EKEYREJECTED, EKEYREJECTED, EKEYREJECTED), [True, False, False], "platform-only", 30, "the running kernel refuses files that are signed with this key"),
    ((ENOEXEC, ENOEXEC, EKEYREJECTED), [False, True, True], "enrolled", 0, "the running kernel accepts files without a signature"),
    ((ENOSYS, ENOSYS, ENOSYS), [None, None, None], "unknown", 31, "the running kernel gave no clear answer")])
def test_the_kernel_answers(machine, ask, errors, found, enrolment, status, says):
    """--test decides where the tables do not: this distribution's kernels may or may not trust the keys of the owner."""
    STATES["unknown"][0](machine)
    result = ask(*errors)
    assert result.rc == status and f"Test            {says}\n" in result.out, result
    assert answer_of(ask(*errors, words=("--test", "--json"))) == (found, enrolment)


def test_an_answer_is_remembered(machine, ask):
    """For the same build of the kernel, lists of the firmware and certificate."""
    STATES["unknown"][0](machine)
    assert machine.ask()["secureboot"]["kernels"][0]["enrolment"] == "unknown"
    assert ask(EKEYREJECTED, ENOEXEC, EKEYREJECTED, version="#2 SMP").rc == 0
    assert machine.ask()["secureboot"]["kernels"][0]["enrolment"] == "unknown" # another build answered
    assert ask(EKEYREJECTED, ENOEXEC, EKEYREJECTED).rc == 0
    answer = machine.ask()["secureboot"]
    assert answer["kernels"][0]["enrolment"] == "enrolled" and "test" not in answer
    machine.owner_keys("own", "other")
    assert machine.ask()["secureboot"]["kernels"][0]["enrolment"] == "unknown"


def test_what_the_kernel_is_asked(machine, ask, tmp_path):
    """Three files that no kernel can load: a section lies behind the end. One is unsigned, one signed, one changed afterwards. Nothing stays."""
    machine.owner_keys("own")
    assert ask(EKEYREJECTED, ENOEXEC, EKEYREJECTED).rc == 0
    plain, signed, changed = ((tmp_path / f"asked/{number}").read_bytes() for number in (1, 2, 3))
    assert sorted(os.listdir(tmp_path / "asked")) == ["1", "2", "3"]
    assert signed.startswith(plain) and signed.endswith(b"~Module signature appended~\n") and len(changed) == len(signed)
    assert [a != b for a, b in zip(signed, changed)].count(True) == 1 and not changed.startswith(plain)
    program = subprocess.run(["readelf", "-hSW", tmp_path / "asked/1"], capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"})
    beyond = next(line.split() for line in program.stdout.splitlines() if ".beyond" in line)
    assert "REL (Relocatable file)" in program.stdout and int(beyond[5], 16) > len(signed), program
    assert not list((machine.root.tree / ".dkms/work").iterdir())


def test_what_cannot_be_asked(machine, ask):
    result = ask(release="6.9.9-other")
    assert result.rc == 1 and f"--test asks the running kernel 6.9.9-other, and cannot ask {K1}" in result.err
    result = ask(words=("--test", "--root", machine.root.path))
    assert result.rc == 1 and "--test asks the kernel of this machine" in result.err
    result = ask(words=("--test", "--enroll"))
    assert result.rc == 1 and "cannot be combined" in result.err
    result = ask(try_sign_modules="false")
    assert result.rc == 1 and "The file for the test cannot be signed: " in result.err, result
    (machine.place / "mok.pub").unlink()
    result = ask()
    assert result.rc == 1 and "is missing" in result.err


def test_keys_of_the_running_kernel(machine, ask):
    """A key on no list, which the running kernel has, is built into it."""
    (machine.place / "keys").write_text("1ecafe I------     1 perm 1f030000     0     0 asymmetri key kernel: 0123: X509.rsa 0123 []\n")
    answer = document(ask(words=("--json",)).out)["secureboot"]
    assert answer["kernels"][0]["enrolment"] == "not-enrolled"
    skid = answer["keys"][0]["skid"]
    (machine.place / "keys").write_text(f"1ecafe I------     1 perm 1f030000     0     0 asymmetri key own: {skid}: X509.rsa {skid[-8:]} []\n")
    assert document(ask(words=("--json",)).out)["secureboot"]["kernels"][0]["enrolment"] == "built-in"
    assert document(ask(words=("--json",), release="6.9.9-other").out)["secureboot"]["kernels"][0]["enrolment"] == "not-enrolled"
