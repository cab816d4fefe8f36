"""dkms-trust: certificates, and the signatures of modules as kernels judge them."""
import hashlib
import pathlib
import struct
import subprocess
import sys

import pytest
from conftest import DKMS, strace

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "lib"))
from modules import pack  # noqa: E402

HELPER = pathlib.Path(DKMS).resolve().parent / "helpers/dkms-trust"
MODULE = b"\x7fELF module" * 100
X509, HASHES, TBS = (bytes.fromhex(x) for x in ("a159c0a5e494a74a87b5ab155c2bf072", "2616c4c14c509240aca941f936934328", "92a4d23bc0967940b420fcf98ef103ed"))


def openssl(*words, data=None):
    return subprocess.run(["openssl", *map(str, words)], input=data, capture_output=True, check=True).stdout


def trust(*words):
    """Returns: for each file, its keys and values."""
    out = subprocess.run([HELPER, *words], capture_output=True, check=True, timeout=60).stdout.decode().split("\0")
    assert out.pop() == "" and len(out) % 2 == 0
    files = [[]]
    for key, value in zip(out[::2], out[1::2]):
        if key == "end":
            files.append([])
        else:
            files[-1].append((key, value))
    assert files.pop() == []
    return files


class Keys:
    """Key pairs in one directory, made when they are used first."""
    KINDS = {"rsa": ["rsa:2048"], "foreign": ["rsa:2048"], "ec": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "small": ["rsa:1024"]}

    def __init__(self, place):
        self.place = place

    def pair(self, name, *more):
        key, certificate = self.place / f"{name}.key", self.place / f"{name}.pem"
        if not key.exists():
            openssl("req", "-new", "-x509", "-nodes", "-days", "36500", "-newkey", *self.KINDS.get(name, ["rsa:2048"]), "-subj", f"/CN=key {name}", "-keyout", key,
                    "-out", certificate, *more)
        return key, certificate

    def sign(self, *names, data=MODULE, more=("-noattr",), digest="sha256", id_type=2):
        pairs = [self.pair(name) for name in names]
        signers = [word for key, certificate in pairs for word in ("-signer", certificate, "-inkey", key)]
        message = openssl("cms", "-sign", "-binary", "-outform", "DER", "-nocerts", "-md", digest, *signers, *more, data=data)
        return data + message + struct.pack(">BBBBBxxxI", 0, 0, id_type, 0, 0, len(message)) + b"~Module signature appended~\n"


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    return Keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def known(keys, tmp_path):
    """A file with the certificates rsa (0) and ec (1)."""
    path = tmp_path / "known.pem"
    path.write_bytes(b"".join(keys.pair(name)[1].read_bytes() for name in ("rsa", "ec")))
    return path


def judged(known, tmp_path, content):
    path = tmp_path / "module.ko"
    path.write_bytes(content)
    found = trust("signature", known, path)[0]
    assert found.pop(0) == ("sha256", hashlib.sha256(content).hexdigest())
    return found


@pytest.mark.parametrize("names, expected", [
    (["rsa"], ["SHA256 plain 0 matches"]), (["ec"], ["SHA256 plain 1 matches"]), (["foreign"], ["SHA256 plain - differs"]),
    (["foreign", "ec"], ["SHA256 plain - differs", "SHA256 plain 1 matches"])])
def test_signers(keys, known, tmp_path, names, expected):
    found = judged(known, tmp_path, keys.sign(*names))
    assert sorted(found) == sorted(("signer", value) for value in expected)


@pytest.mark.parametrize("digest", ["sha1", "sha224", "sha384", "sha512"])
def test_digests(keys, known, tmp_path, digest):
    assert judged(known, tmp_path, keys.sign("rsa", digest=digest)) == [("signer", f"{digest.upper()} plain 0 matches")]


def test_by_key_identifier(keys, known, tmp_path):
    assert judged(known, tmp_path, keys.sign("rsa", more=("-noattr", "-keyid"))) == [("signer", "SHA256 plain 0 matches")]


def test_pss(keys, known, tmp_path):
    """Kernels do not know this kind of signature."""
    found = judged(known, tmp_path, keys.sign("rsa", more=("-noattr", "-keyopt", "rsa_padding_mode:pss")))
    assert found == [("signer", "SHA256 pss 0 differs")]


def test_one_changed_byte(keys, known, tmp_path):
    signed = bytearray(keys.sign("rsa"))
    signed[17] ^= 1
    assert judged(known, tmp_path, bytes(signed)) == [("signer", "SHA256 plain 0 differs")]


@pytest.mark.parametrize("extensions, inside", [
    ("authorityKeyIdentifier=keyid\n", "0 matches"), ("authorityKeyIdentifier=issuer:always\n", "0 matches"),
    ("authorityKeyIdentifier=keyid,issuer:always\n", "0 matches"), ("authorityKeyIdentifier=none\n", "- differs")])
def test_issued_by_a_known_certificate(keys, tmp_path, extensions, inside):
    """A certificate in the message stands for the one that issued it, if it has an authority key identifier."""
    authority, root = keys.pair("authority", "-addext", "basicConstraints=critical,CA:TRUE")
    key, request, certificate = (tmp_path / name for name in ("leaf.key", "leaf.csr", "leaf.pem"))
    openssl("req", "-new", "-nodes", "-newkey", "rsa:2048", "-subj", "/CN=leaf", "-keyout", key, "-out", request)
    (tmp_path / "extensions").write_text(extensions)
    openssl("x509", "-req", "-in", request, "-CA", root, "-CAkey", authority, "-CAcreateserial", "-CAserial", tmp_path / "serial", "-days", "3650", "-out", certificate,
            "-extfile", tmp_path / "extensions")
    for more, expected in (((), f"SHA256 plain {inside} rsa 2048"), (("-nocerts",), "SHA256 plain - differs")):
        message = openssl("cms", "-sign", "-binary", "-outform", "DER", "-noattr", "-md", "sha256", *more, "-signer", certificate, "-inkey", key, data=MODULE)
        signed = MODULE + message + struct.pack(">BBBBBxxxI", 0, 0, 2, 0, 0, len(message)) + b"~Module signature appended~\n"
        assert judged(root, tmp_path, signed) == [("signer", expected)]


def test_a_certificate_in_the_message_refutes(keys, known, tmp_path):
    """Kernels verify with a certificate in the message before they look for one that they trust."""
    message = openssl("cms", "-sign", "-binary", "-outform", "DER", "-noattr", "-md", "sha256", "-signer", keys.pair("foreign")[1], "-inkey", keys.pair("foreign")[0], data=MODULE)
    for data, expected in ((MODULE, "differs"), (MODULE.replace(b"module", b"Module"), "refuted")):
        signed = data + message + struct.pack(">BBBBBxxxI", 0, 0, 2, 0, 0, len(message)) + b"~Module signature appended~\n"
        assert judged(known, tmp_path, signed) == [("signer", f"SHA256 plain - {expected} rsa 2048")]


def test_what_the_program_signs(keys, known, tmp_path):
    """The signatures of dkms-sign are those that this program expects, also in compressed files."""
    module = tmp_path / "own.ko"
    module.write_bytes(MODULE)
    key, certificate = keys.pair("rsa")
    subprocess.run([HELPER.parent / "dkms-sign", "sign", "sha256", key, certificate, module], check=True, capture_output=True)
    for suffix in (".ko.xz", ".ko.gz", ".ko.zst"):
        path = tmp_path / f"packed{suffix}"
        path.write_bytes(pack(module.read_bytes(), suffix))
        assert trust("signature", known, path)[0] == [("sha256", hashlib.sha256(module.read_bytes()).hexdigest()), ("signer", "SHA256 plain 0 matches")]


def test_forms_that_kernels_refuse(keys, known, tmp_path):
    signed = keys.sign("rsa")
    tail = signed[-40:]
    for content, expected in [
            (MODULE, [("unsigned", "")]), (signed + b"\0", [("unsigned", "")]), (signed[:-1], [("unsigned", "")]), (b"~Module signature appended~\n", [("unsigned", "")]),
            (b"x~Module signature appended~\n", [("refused", "EBADMSG")]),
            (keys.sign("rsa", id_type=1), [("refused", "ENOPKG")]), (keys.sign("rsa", more=()), [("refused", "EKEYREJECTED")]),
            (keys.sign("rsa", more=("-noattr", "-nodetach")), [("refused", "EBADMSG")]),
            (keys.sign("rsa", data=bytes(1 << 16), more=("-noattr", "-nodetach")), [("refused", "EMSGSIZE")]), (MODULE + b"no message" + tail, [("refused", "EBADMSG")]),
            (signed[:-32] + struct.pack(">I", 1 << 30) + signed[-28:], [("refused", "EBADMSG")])]:
        assert judged(known, tmp_path, content) == expected
    twice = keys.sign("foreign", data=signed)
    assert judged(known, tmp_path, twice) == [("signer", "SHA256 plain - differs")], "only the last signature counts"
    assert judged(known, tmp_path, keys.sign("rsa", data=keys.sign("foreign"))) == [("signer", "SHA256 plain 0 matches")]


# ---- certificates ----

def signature_list(kind, *entries):
    body = b"".join(bytes(16) + entry for entry in entries)
    return kind + struct.pack("<III", 28 + len(body), 0, len(entries[0]) + 16) + body


def test_certificates(keys, tmp_path):
    for name, key, flags in (("rsa", "rsa 2048", "ca "), ("ec", "ec prime256v1", "ca "), ("small", "rsa 1024", "ca ")):
        _, pem = keys.pair(name)
        der = tmp_path / "der"
        der.write_bytes(openssl("x509", "-in", pem, "-outform", "DER"))
        lists = tmp_path / "list"
        lists.write_bytes(signature_list(HASHES, b"h" * 32, b"i" * 32) + signature_list(X509, der.read_bytes()) + signature_list(TBS, b"t" * 48))
        facts = trust("certificates", pem)[0]
        assert facts == trust("certificates", der)[0]
        assert trust("certificates", lists)[0] == [("hash", (b"h" * 32).hex()), ("hash", (b"i" * 32).hex()), *facts, ("tbs", (b"t" * 32).hex())]
        values = dict(facts)
        assert values["certificate"] == hashlib.sha256(der.read_bytes()).hexdigest() and values["subject"] == f"CN = key {name}"
        assert values["key"] == key and values["flags"] == flags and int(values["ends"]) > int(values["begins"])
        assert len(values["identifier"]) == 40 and values["name"] == f"key {name}" and bytes.fromhex(values["der"]) == der.read_bytes()
        assert trust("certificates", lists, tmp_path / "absent", pem)[1:] == [[("error", "it is empty or cannot be read")], facts]


def test_equal_names(keys, tmp_path):
    """Kernels find the certificate of a signer by issuer and serial number."""
    key, _ = keys.pair("rsa")
    found = []
    for serial in "5", "5", "6":
        openssl("req", "-new", "-x509", "-key", key, "-subj", "/CN=twin", "-set_serial", serial, "-days", "100", "-out", tmp_path / "twin.pem")
        found.append(dict(trust("certificates", tmp_path / "twin.pem")[0])["issuer"])
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize("name, more, flags", [
    ("strict", ["-addext", "keyUsage=critical,keyCertSign"], "ca signs-certificates "), ("signer", ["-addext", "basicConstraints=critical,CA:FALSE", "-addext",
     "keyUsage=digitalSignature"], "signs-data "), ("odd", ["-sigopt", "rsa_padding_mode:pss"], "ca odd-signature "), ("old", ["-md5"], "ca md5-signature ")])
def test_flags(keys, name, more, flags):
    assert dict(trust("certificates", keys.pair(name, *more)[1])[0])["flags"] == flags


DAMAGED = {
    "empty": b"", "text": b"no certificate", "cut off": b"\x30\x82\xff\xff", "list too long": X509 + struct.pack("<III", 1000, 0, 100),
    "header too long": X509 + struct.pack("<III", 28, 50, 100), "no certificates": signature_list(X509, b"junk" * 10),
    "list cut off": signature_list(HASHES, b"h" * 32)[:-1], "empty entries": X509 + struct.pack("<III", 28, 0, 0),
    "entry too large": X509 + struct.pack("<III", 128, 0, (1 << 32) - 16) + bytes(100)}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_lists(tmp_path, name):
    content = DAMAGED[name]
    (tmp_path / "list").write_bytes(content)
    found = trust("certificates", tmp_path / "list")[0]
    assert found[-1][0] == "error" or ("error", "a certificate cannot be read") in found


def test_it_has_no_rights_when_it_parses(keys, known, tmp_path):
    path = tmp_path / "module.ko"
    path.write_bytes(keys.sign("rsa"))
    calls = strace("-e", "trace=setresuid,setuid,prctl,openat", HELPER, "signature", known, path).stderr
    opened = calls.index("module.ko")
    assert "65534" in calls[opened:] and "PR_SET_NO_NEW_PRIVS" in calls[opened:]
