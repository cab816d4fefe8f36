"""Several signing keys, new certificates, and certificates without keys."""
import os
import re
import struct
import subprocess

import pytest
from conftest import K1
from test_signing import HELPER, module, openssl, signing, split, unsigned_but_installed  # noqa: F401


# ---- several keys ----

def two_pairs(signing):
    """Settings with two keys, and the names of their certificates."""
    signing.framework("try_sign_modules=true\nmok_signing_key='/keys/old.key; /keys/new.key'\nmok_certificate='/keys/old.pub;/keys/new.pub'\n")
    return [signing.path / "keys" / name for name in ("old.pub", "new.pub")]


def signers(certificates, file):
    listed = [word for i, certificate in enumerate(certificates) for word in ([certificate] if i == 0 else ["+", certificate])]
    out = file.parent / "cut"
    found = subprocess.run([HELPER.parent / "dkms-trust", "cut", *listed, file, out], capture_output=True, check=True).stdout.decode().split("\0")
    out.unlink()
    return [value for key, value in zip(found[::2], found[1::2]) if key == "signer"]


def test_two_keys_sign_one_message(signing, tmp_path):
    certificates = two_pairs(signing)
    out = signing.ok("install", "foo/1.0", "-k", K1).out
    assert "/keys/old.key" in out and "/keys/new.key" in out
    content, message = split(module(signing))
    assert content == b"foo 1.0\n"
    for certificate in certificates:
        assert verifies_one(tmp_path, content, message, certificate)
    (tmp_path / "m.ko").write_bytes(b"\x7fELF" + bytes(100))
    keys = [path.with_suffix(".key") for path in certificates]
    subprocess.run([HELPER, "sign", "sha256", keys[0], certificates[0], "+", keys[1], certificates[1], tmp_path / "m.ko"], check=True)
    assert sorted(signers(certificates, tmp_path / "m.ko")) == ["SHA256 plain 0 matches", "SHA256 plain 1 matches"]
    assert sorted(signers(certificates[1:], tmp_path / "m.ko")) == ["SHA256 plain - differs", "SHA256 plain 0 matches"]


def verifies_one(tmp_path, content, message, certificate):
    """Whether one of the signatures in the message is that of @certificate. openssl itself wants to verify all."""
    module = tmp_path / "one.ko"
    module.write_bytes(content + message + struct.pack(">BBBBBxxxI", 0, 0, 2, 0, 0, len(message)) + b"~Module signature appended~\n")
    found = subprocess.run([HELPER.parent / "dkms-trust", "signature", certificate, module], capture_output=True, check=True).stdout.decode().split("\0")
    return "SHA512 plain 0 matches" in found


def test_openssl_verifies_two_keys(signing, tmp_path):
    certificates = two_pairs(signing)
    signing.ok("install", "foo/1.0", "-k", K1)
    content, message = split(module(signing))
    both = tmp_path / "both.pem"
    both.write_bytes(b"".join(subprocess.run(["openssl", "x509", "-inform", "DER", "-in", path], capture_output=True, check=True).stdout for path in certificates))
    (tmp_path / "content").write_bytes(content)
    (tmp_path / "message").write_bytes(message)
    openssl("cms", "-verify", "-binary", "-inform", "DER", "-in", tmp_path / "message", "-content", tmp_path / "content", "-certfile", both, "-noverify", "-out", os.devnull)


@pytest.mark.parametrize("settings, says", [
    ("mok_signing_key='/a;/b'\nmok_certificate=/a.pub\n", "lists 2 keys, and mok_certificate 1 certificates"),
    ("mok_signing_key='/a;/b'\nmok_certificate='/a.pub;/b.pub'\nsign_file=/sign\n", "can use only one key"),
])
def test_lists_that_do_not_fit(signing, settings, says):
    signing.framework("try_sign_modules=true\n" + settings)
    (signing.path / "sign").write_text("#!/bin/sh\n")
    (signing.path / "sign").chmod(0o755)
    result = signing("install", "foo/1.0", "-k", K1)
    unsigned_but_installed(signing, result)
    assert says in result.out


# ---- certificates ----

@pytest.mark.parametrize("config, usage", [("", None), ("CONFIG_INTEGRITY_MACHINE_KEYRING=y\n", None),
                                           ("CONFIG_INTEGRITY_MACHINE_KEYRING=y\nCONFIG_INTEGRITY_CA_MACHINE_KEYRING=y\n", "Certificate Sign"),
                                           ("CONFIG_INTEGRITY_CA_MACHINE_KEYRING=y\nCONFIG_INTEGRITY_CA_MACHINE_KEYRING_MAX=y\n", "Certificate Sign")])
def test_profile_of_a_new_certificate(signing, config, usage):
    """Kernels that take only certificates of authorities as machine owner keys want this usage, and with _MAX no other."""
    signing.kernel(K1, config='CONFIG_MODULE_SIG_HASH="sha512"\n' + config)
    signing.ok("generate_mok", "-k", K1)
    text = subprocess.run(["openssl", "x509", "-inform", "DER", "-in", signing.cert, "-noout", "-text"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"X509v3 Key Usage: critical\n *(.*)", text)
    assert (found[1] if found else None) == usage and "CA:TRUE" in text and "Digital Signature" not in text
    before = signing.cert.read_bytes()
    signing.kernel(K1, config='CONFIG_MODULE_SIG_HASH="sha512"\nCONFIG_INTEGRITY_CA_MACHINE_KEYRING=y\n')
    signing.ok("generate_mok", "-k", K1)
    assert signing.cert.read_bytes() == before, "an existing certificate is never replaced"


def test_a_lost_key_is_replaced_on_request(signing, tmp_path):
    """The certificate is kept, so that the signatures of the lost key can be named."""
    signing.keys()
    old = signing.cert.read_bytes()
    out = signing.ok("generate_mok", "--force").out
    assert signing.cert.read_bytes() == old and "is kept" not in out, "a pair is never replaced"
    for number in (1, 2):
        before = signing.cert.read_bytes()
        signing.key.unlink()
        assert signing("generate_mok").rc == 1 and "generate_mok --force" in signing("generate_mok").err
        assert f"mok.pub is kept as /var/lib/dkms/mok.pub.{number}." in signing.ok("generate_mok", "--force").out
        assert signing.cert.with_name(f"mok.pub.{number}").read_bytes() == before != signing.cert.read_bytes()
