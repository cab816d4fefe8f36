"""Signing: keys, tools, and failures."""
import datetime
import lzma
import os
import pathlib
import re
import shutil
import struct
import subprocess

import pytest
from conftest import ARCH, DKMS, K1, K2, Result, as_nobody, key_pair, mounted, strace

HELPER = pathlib.Path(DKMS).parent / "helpers/dkms-sign"
MAGIC = b"~Module signature appended~\n"


@pytest.fixture
def signing(root):
    """A root in which modules are signed although it is not that of the machine, and a module."""
    root.framework("try_sign_modules=true\n")
    root.kernel(K1, config='CONFIG_MODULES=y\nCONFIG_MODULE_SIG_HASH="sha512"\n')
    root.source()
    root.key, root.cert = root.path / "var/lib/dkms/mok.key", root.path / "var/lib/dkms/mok.pub"
    return root


def module(root, kernel=K1):
    return root.modules / kernel / "updates/dkms/foo.ko"


def split(path_or_bytes):
    """The bytes of a signed module as (module, CMS message). The message is None if the module is not signed."""
    data = path_or_bytes if isinstance(path_or_bytes, bytes) else path_or_bytes.read_bytes()
    if not data.endswith(MAGIC):
        return data, None
    trailer = data[-len(MAGIC) - 12:-len(MAGIC)]
    assert trailer[:8] == b"\0\0\2\0\0\0\0\0", "PKCS#7, and no other field is set"
    size = struct.unpack(">I", trailer[8:])[0]
    end = len(data) - len(MAGIC) - 12
    return data[:end - size], data[end - size:end]


def verifies(tmp_path, content, message, certificate):
    (tmp_path / "content").write_bytes(content)
    (tmp_path / "message").write_bytes(message)
    pem = subprocess.run(["openssl", "x509", "-inform", "DER", "-in", certificate], capture_output=True, check=True).stdout
    (tmp_path / "cert.pem").write_bytes(pem)
    result = subprocess.run(["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", tmp_path / "message", "-content",
                             tmp_path / "content", "-certfile", tmp_path / "cert.pem", "-noverify", "-out", os.devnull],
                            capture_output=True, text=True, check=False)
    return result.returncode == 0


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def unsigned_but_installed(root, result):
    assert result.rc == 0 and split(module(root))[1] is None, result
    assert root.status() == [f"foo/1.0, {K1}, {ARCH}: installed"]


def test_key_is_made_on_demand_and_signs(signing, tmp_path):
    result = signing.ok("install", "foo/1.0", "-k", K1)
    assert "sudo mokutil --import /var/lib/dkms/mok.pub\n" in result.out, "the next step"
    assert "Generating a new signing key" in result.out and "Signing /var/lib/dkms/foo/1.0/build/foo.ko" in result.out
    assert signing.key.stat().st_mode & 0o777 == 0o600 and signing.cert.stat().st_mode & 0o777 == 0o644
    content, message = split(module(signing))
    assert content == b"foo 1.0\n" and verifies(tmp_path, content, message, signing.cert)
    assert not verifies(tmp_path, b"fop 1.0\n", message, signing.cert), "a changed byte is detected"
    text = subprocess.run(["openssl", "x509", "-inform", "DER", "-in", signing.cert, "-noout", "-text", "-nameopt", "RFC2253"],
                          capture_output=True, text=True, check=True).stdout
    for part in ("CN=DKMS module signing key", "Code Signing", "CA:TRUE", "2048 bit", "sha256WithRSAEncryption"):
        assert part in text
    begin, end = (datetime.datetime.strptime(when.strip(), "%b %d %H:%M:%S %Y %Z") for when in re.findall(r"Not (?:Before|After) ?: (.*)", text))
    assert (end - begin).days == 36500
    assert b"\x60\x86\x48\x01\x65\x03\x04\x02\x03" in message, "the kernel's hash, sha512"
    assert [p.name for p in signing.key.parent.iterdir() if p.name.startswith(".") and p.name != ".dkms"] == []


def test_same_key_serves_the_next_build(signing, tmp_path):
    signing.ok("install", "foo/1.0", "-k", K1)
    before = signing.key.read_bytes(), signing.cert.read_bytes()
    assert "mokutil" not in signing.ok("build", "foo/1.0", "-k", K1, "--force").out
    assert (signing.key.read_bytes(), signing.cert.read_bytes()) == before


def test_missing_certificate_keeps_the_key(signing, tmp_path):
    signing.keys()
    key = signing.key.read_bytes()
    signing.cert.unlink()
    signing.ok("install", "foo/1.0", "-k", K1)
    assert signing.key.read_bytes() == key, "an existing key is never overwritten"
    assert verifies(tmp_path, *split(module(signing)), signing.cert)


@pytest.mark.parametrize("usual", [True, False])
def test_present_certificate_is_never_replaced(signing, usual):
    """The certificate may be enrolled in the firmware, while only the path of the key is wrong."""
    signing.keys()
    if usual:
        signing.key.unlink()
    else:
        signing.framework("try_sign_modules=true\nmok_signing_key=/etc/keys/MOK.key\nmok_certificate=/var/lib/dkms/mok.pub\n")
    certificate = signing.cert.read_bytes()
    result = signing("generate_mok")
    assert result.rc == 1 and str(signing.cert.relative_to(signing.path)) in result.err and "does not exist" in result.err, result
    assert usual or f"mok_signing_key in {signing.path}/etc/dkms/framework.conf" in result.err
    result = signing("install", "foo/1.0", "-k", K1)
    unsigned_but_installed(signing, result)
    assert "will not be signed" in result.out and "does not exist" in result.out
    assert signing.cert.read_bytes() == certificate and not (signing.path / "etc/keys").exists()
    assert usual is not signing.key.exists()


def test_helper_replaces_no_certificate(tmp_path):
    (tmp_path / "cert").write_text("enrolled\n")
    assert subprocess.run([HELPER, "generate", tmp_path / "key", tmp_path / "cert"], capture_output=True, check=False).returncode == 1
    assert not (tmp_path / "key").exists()
    (tmp_path / "key").write_bytes(key_pair()[0])
    subprocess.run([HELPER, "generate", tmp_path / "key", tmp_path / "cert"], check=True)
    assert (tmp_path / "cert").read_text() == "enrolled\n" and sorted(p.name for p in tmp_path.iterdir()) == ["cert", "key"]


def test_unreadable_key_is_named(signing):
    signing.framework("try_sign_modules=true\nmok_signing_key=/keys/k\nmok_certificate=/keys/c\n")
    signing.ok("generate_mok")
    result = as_nobody(signing, "install", "foo/1.0", "-k", K1, own=[signing.path])
    assert result.rc == 0
    subprocess.run(["chown", "root", signing.path / "keys/k"], check=True)
    result = as_nobody(signing, "build", "foo/1.0", "-k", K1, "--force")
    assert result.rc == 0 and "will not be signed: Cannot read the signing key /keys/k: Permission denied" in result.out, result


def test_generate_mok(signing):
    assert "mokutil --import /var/lib/dkms/mok.pub" in signing.ok("generate_mok").out, "the next step"
    before = signing.key.read_bytes(), signing.cert.read_bytes()
    again = signing.ok("generate_mok").out
    assert "Generating" not in again and "mokutil" not in again
    assert (signing.key.read_bytes(), signing.cert.read_bytes()) == before


def test_generate_mok_says_when_it_cannot(signing):
    signing.framework("mok_signing_key=/proc/version/no/mok.key\n")
    (signing.path / "proc").mkdir()
    (signing.path / "proc/version").write_text("a file\n")
    result = signing("generate_mok")
    assert result.rc == 1 and "/proc/version" in result.err


def test_kernelver_in_the_paths(signing, tmp_path):
    signing.framework("try_sign_modules=true\nmok_signing_key=/keys/$kernelver/k\nmok_certificate=/keys/$kernelver/c\n")
    signing.ok("install", "foo/1.0", "-k", K1)
    assert verifies(tmp_path, *split(module(signing)), signing.path / f"keys/{K1}/c")


def test_key_from_the_environment(signing, tmp_path):
    signing.ok("install", "foo/1.0", "-k", K1, env={"mok_signing_key": "/e/k", "mok_certificate": "/e/c"})
    assert verifies(tmp_path, *split(module(signing)), signing.path / "e/c")


def test_key_without_certificate_falls_back_to_the_usual_one(signing):
    signing.framework("try_sign_modules=true\nmok_signing_key=/my/key\n")
    signing.ok("install", "foo/1.0", "-k", K1)
    assert (signing.path / "my/key").is_file() and signing.cert.is_file()


def test_hash_comes_from_the_config_option(signing, tmp_path):
    signing.keys()
    config = tmp_path / "config"
    config.write_text('CONFIG_MODULE_SIG_HASH="sha256"\n')
    (signing.path / "config").write_text(config.read_text())
    signing.ok("install", "foo/1.0", "-k", K1, "--config", "/config")
    assert b"\x60\x86\x48\x01\x65\x03\x04\x02\x01" in split(module(signing))[1]


@pytest.mark.parametrize("framework, config, why", [
    ("", 'CONFIG_MODULE_SIG_HASH="sha256"\n', "chroot"),
    ("try_sign_modules=not_in_chroot\n", 'CONFIG_MODULE_SIG_HASH="sha256"\n', "chroot"),
    ("try_sign_modules=false\n", 'CONFIG_MODULE_SIG_HASH="sha256"\n', "signed: try_sign_modules=false"),
    ("try_sign_modules=true\n", "CONFIG_MODULES=y\n", "CONFIG_MODULE_SIG_HASH"),
    ("try_sign_modules=true\nsign_file=/no/such\n", 'CONFIG_MODULE_SIG_HASH="sha256"\n', "/no/such"),
    ("try_sign_modules=true\nmok_signing_key=pkcs11:x\nmok_certificate=/no/cert\n", 'CONFIG_MODULE_SIG_HASH="sha256"\n', "/no/cert"),
])
def test_reasons_not_to_sign(root, framework, config, why):
    root.framework(framework)
    root.kernel(K1, config=config)
    root.source()
    result = root("install", "foo/1.0", "-k", K1)
    unsigned_but_installed(root, result)
    assert any("will not be signed" in line and why in line for line in result.out.splitlines())
    assert not (root.path / "var/lib/dkms/mok.key").exists()


def test_no_kernel_configuration(signing):
    shutil.rmtree(signing.modules / K1 / "build/include/config")
    result = signing("install", "foo/1.0", "-k", K1)
    unsigned_but_installed(signing, result)
    assert "The kernel configuration" in result.out


@pytest.mark.parametrize("trouble, says", [
    ("garbage key", "not a private key"), ("garbage certificate", "not an X.509 certificate"), ("other pair", "does not belong"),
    ("encrypted", "KBUILD_SIGN_PIN"), ("wrong passphrase", "passphrase"), ("unknown hash", "sha1337"),
])
def test_signing_trouble_is_a_warning(signing, tmp_path, trouble, says):
    env = {}
    signing.keys()
    if trouble == "garbage key":
        signing.key.write_text("no key\n")
    elif trouble == "garbage certificate":
        signing.cert.write_text("no certificate\n")
    elif trouble == "other pair":
        signing.cert.unlink()
        subprocess.run([HELPER, "generate", tmp_path / "other", signing.cert], check=True)
    elif trouble == "unknown hash":
        signing.kernel(K1, config='CONFIG_MODULE_SIG_HASH="sha1337"\n')
    else:
        openssl("rsa", "-aes256", "-passout", "pass:secret", "-in", signing.key, "-out", tmp_path / "k")
        shutil.copy(tmp_path / "k", signing.key)
        env = {"KBUILD_SIGN_PIN": "guess"} if trouble == "wrong passphrase" else {}
    result = signing("install", "foo/1.0", "-k", K1, env=env)
    unsigned_but_installed(signing, result)
    assert "Warning: Could not sign" in result.err and says in result.err


def test_passphrase(signing, tmp_path):
    signing.keys()
    openssl("rsa", "-aes256", "-passout", "pass:secret", "-in", signing.key, "-out", tmp_path / "k")
    shutil.copy(tmp_path / "k", signing.key)
    result = signing.ok("install", "foo/1.0", "-k", K1, env={"KBUILD_SIGN_PIN": "secret"})
    assert verifies(tmp_path, *split(module(signing)), signing.cert)
    assert "secret" not in result.out + result.err


def test_the_key_gets_into_no_core_dump(signing, tmp_path):
    signing.keys()
    trace = tmp_path / "trace"
    strace("-e", "trace=execve,prlimit64,setrlimit,prctl,openat,open", "-o", trace, DKMS, "--root", signing.path,
           "install", "foo/1.0", "-k", K1, check=True)
    lines = trace.read_text().splitlines()
    pid = next(line.split()[0] for line in lines if "dkms-sign" in line and ', "sign",' in line)
    own = [line for line in lines if line.startswith(f"{pid} ")]
    first = {what: next(i for i, line in enumerate(own) if re.search(what, line))
             for what in ("RLIMIT_CORE, {rlim_cur=0, rlim_max=0}", "PR_SET_DUMPABLE, SUID_DUMP_DISABLE", r'open.*mok\.key"')}
    assert max(first, key=first.get).startswith("open"), first


def test_expired_certificate_signs_with_a_warning(signing, tmp_path):
    signing.keys()
    (tmp_path / "ca.conf").write_text("[ca]\ndefault_ca=x\n[x]\ndatabase=db\nserial=sn\nnew_certs_dir=.\npolicy=p\n"
                                      "default_md=sha256\n[p]\nCN=supplied\n")
    (tmp_path / "db").write_text("")
    (tmp_path / "sn").write_text("01\n")
    openssl("req", "-new", "-key", signing.key, "-subj", "/CN=old", "-out", tmp_path / "csr")
    subprocess.run(["openssl", "ca", "-batch", "-selfsign", "-config", "ca.conf", "-keyfile", signing.key, "-in", "csr", "-out",
                    "old.pem", "-notext", "-startdate", "200101000000Z", "-enddate", "210101000000Z"], cwd=tmp_path,
                   check=True, capture_output=True)
    openssl("x509", "-in", tmp_path / "old.pem", "-outform", "DER", "-out", signing.cert)
    result = signing.ok("install", "foo/1.0", "-k", K1)
    assert "has expired" in result.err and verifies(tmp_path, *split(module(signing)), signing.cert)


def test_certificate_in_pem_form(signing, tmp_path):
    signing.keys()
    openssl("x509", "-inform", "DER", "-in", signing.cert, "-out", tmp_path / "pem")
    der = tmp_path / "der"
    shutil.copy(signing.cert, der)
    shutil.copy(tmp_path / "pem", signing.cert)
    signing.ok("install", "foo/1.0", "-k", K1)
    assert verifies(tmp_path, *split(module(signing)), der)


@pytest.mark.parametrize("works", [True, False])
def test_the_admins_own_tool(signing, works):
    tool = signing.path / "sign"
    tool.write_text(f'#!/bin/sh\necho "$@" > {signing.path}/called\necho cannot >&2\nexit {0 if works else 1}\n')
    tool.chmod(0o755)
    signing.framework("try_sign_modules=true\nsign_file=/sign\n")
    result = signing.ok("install", "foo/1.0", "-k", K1)
    called = (signing.path / "called").read_text().split()
    assert called[0] == "sha512" and [pathlib.Path(p).name for p in called[1:]] == ["mok.key", "mok.pub", "foo.ko"]
    assert ("stays unsigned: cannot" in result.err) != works


def test_signed_before_it_is_compressed(signing, tmp_path):
    signing.keys()
    (signing.modules / K1 / "kernel").mkdir()
    (signing.modules / K1 / "kernel/x.ko.xz").write_bytes(b"")
    signing.ok("install", "foo/1.0", "-k", K1)
    data = lzma.decompress((signing.modules / K1 / "updates/dkms/foo.ko.xz").read_bytes())
    assert verifies(tmp_path, *split(data), signing.cert)


def test_two_kernels_two_hashes(signing):
    signing.keys()
    signing.kernel(K2, config='CONFIG_MODULE_SIG_HASH="sha256"\n')
    signing.ok("install", "foo/1.0", "-k", K1, "-k", K2)
    assert b"\x04\x02\x03" in split(module(signing))[1] and b"\x04\x02\x01" in split(module(signing, K2))[1]


def test_ubuntus_tool_makes_its_key(signing, tmp_path):
    signing.os_release("ubuntu", "debian")
    fake = tmp_path / "bin"
    fake.mkdir()
    mok = signing.path / "var/lib/shim-signed/mok"
    tool = fake / "update-secureboot-policy"
    tool.write_text(f'#!/bin/sh\necho "$1 $SHIM_NOTRIGGER" >> {signing.path}/calls\nmkdir -p {mok}\n'
                    f'[ "$1" = --enroll-key ] || {HELPER} generate {mok}/MOK.priv {mok}/MOK.der\n')
    tool.chmod(0o755)
    signing.ok("install", "foo/1.0", "-k", K1, env={"PATH": f"{fake}:{os.environ['PATH']}"})
    assert (signing.path / "calls").read_text() == "--new-key y\n--enroll-key \n"
    assert verifies(tmp_path, *split(module(signing)), mok / "MOK.der")


def test_ubuntus_left_over_certificate_is_kept_aside(signing, tmp_path):
    signing.os_release("ubuntu")
    mok = signing.path / "var/lib/shim-signed/mok"
    mok.mkdir(parents=True)
    (mok / "MOK.der").write_text("enrolled\n")
    fake = tmp_path / "bin"
    fake.mkdir()
    (fake / "update-secureboot-policy").write_text(f'#!/bin/sh\n[ "$1" = --enroll-key ] || {HELPER} generate {mok}/MOK.priv {mok}/MOK.der\n')
    (fake / "update-secureboot-policy").chmod(0o755)
    signing.ok("install", "foo/1.0", "-k", K1, env={"PATH": f"{fake}:{os.environ['PATH']}"})
    assert verifies(tmp_path, *split(module(signing)), mok / "MOK.der")
    assert (mok / "MOK.der.old").read_text() == "enrolled\n"
    (mok / "MOK.priv").unlink()
    (mok / "MOK.der").write_text("enrolled later\n")
    signing.ok("build", "foo/1.0", "-k", K1, "--force", env={"PATH": f"{fake}:{os.environ['PATH']}"})
    assert (mok / "MOK.der.old").read_text() == "enrolled\n" and (mok / "MOK.der.1").read_text() == "enrolled later\n"


def test_ubuntu_without_its_tool(signing):
    signing.os_release("ubuntu")
    result = signing("install", "foo/1.0", "-k", K1)
    unsigned_but_installed(signing, result)
    assert "update-secureboot-policy" in result.out


def test_gentoos_keys(signing, tmp_path):
    signing.os_release("gentoo")
    (signing.path / "etc/portage").mkdir()
    (signing.path / "etc/portage/make.conf").write_text('CFLAGS="-O2"\nMODULES_SIGN_KEY="/g/key.pem"\nMODULES_SIGN_CERT="/g/cert"\n')
    signing.ok("build", "foo/1.0", "-k", K1)
    built = signing.tree / f"foo/1.0/{K1}/{ARCH}/module/foo.ko"
    assert verifies(tmp_path, *split(built), signing.path / "g/cert")
    signing.ok("build", "foo/1.0", "-k", K1, "--force", env={"MODULES_SIGN_KEY": "/e/key", "MODULES_SIGN_CERT": "/e/cert"})
    assert verifies(tmp_path, *split(built), signing.path / "e/cert")


def test_disk_full_while_signing(signing):
    signing.source(files={"foo.c": "x" * 300_000})
    signing.keys()
    keys = signing.key.read_bytes(), signing.cert.read_bytes()
    with mounted(signing.tree, "size=1100k"):
        signing.key.write_bytes(keys[0])
        signing.cert.write_bytes(keys[1])
        result = signing("build", "foo/1.0", "-k", K1)
        assert "stays unsigned" in result.err and "No space left" in result.err
        assert result.rc == 0, result
        assert (signing.tree / f"foo/1.0/{K1}/{ARCH}/module/foo.ko").stat().st_size == 300_000, "not truncated"


def test_key_on_a_token(signing, tmp_path):
    if not shutil.which("softhsm2-util"):
        pytest.fail("softhsm2 is missing; scripts/install-deps check installs it")
    (tmp_path / "tokens").mkdir()
    (tmp_path / "softhsm.conf").write_text(f"directories.tokendir = {tmp_path}/tokens\n")
    env = {"SOFTHSM2_CONF": str(tmp_path / "softhsm.conf"), "KBUILD_SIGN_PIN": "1234"}
    signing.keys()
    openssl("pkcs8", "-topk8", "-nocrypt", "-in", signing.key, "-out", tmp_path / "p8")
    for arguments in (["--init-token", "--free", "--label", "t", "--pin", "1234", "--so-pin", "1234"],
                      ["--import", str(tmp_path / "p8"), "--token", "t", "--label", "sig", "--id", "A1", "--pin", "1234"]):
        subprocess.run(["softhsm2-util", *arguments], env={**os.environ, **env}, check=True, capture_output=True)
    uri = "pkcs11:token=t;object=sig;type=private"
    signing.framework(f'try_sign_modules=true\nmok_signing_key="{uri}"\nmok_certificate=/var/lib/dkms/mok.pub\n')
    signing.key.unlink()
    assert f"The token {uri} is not used because it is set in {signing.path}" in signing.ok("build", "foo/1.0", "-k", K1, env=env).out
    signing.ok("unbuild", "foo/1.0", "-k", K1)
    env["mok_signing_key"] = uri
    signing.ok("install", "foo/1.0", "-k", K1, env=env)
    assert verifies(tmp_path, *split(module(signing)), signing.cert)
    result = signing("build", "foo/1.0", "-k", K1, "--force", env={**env, "KBUILD_SIGN_PIN": "0000"})
    assert result.rc == 0 and "stays unsigned" in result.err


SILENT_TOKEN = """\
#include <stdio.h>
#include <unistd.h>
unsigned long C_GetFunctionList (void *list) { unsigned left = alarm (0); fprintf (stderr, "%u s\\n", left); alarm (left > 0); for (;;) pause (); }
unsigned long C_GetInterface (void *name, void *version, void *interface, unsigned long flags) { return C_GetFunctionList (interface); }
"""


@pytest.mark.parametrize("command", ["sign", "check", "manifest"])
def test_a_token_that_does_not_answer(tmp_path, command):
    """Its library ends the time limit early, and would wait forever without one."""
    for path, content in zip((tmp_path / "key", tmp_path / "cert"), key_pair()):
        path.write_bytes(content)
    (tmp_path / "file").write_text("content")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", tmp_path / "silent.so", "-xc", "-"], input=SILENT_TOKEN, text=True, check=True)
    words = {"sign": ["sha256", "pkcs11:object=x", tmp_path / "cert", tmp_path / "file"], "check": ["pkcs11:object=x", tmp_path / "cert"],
             "manifest": ["pkcs11:object=x", tmp_path / "file"]}[command]
    result = subprocess.run([HELPER, command, *words], capture_output=True, text=True, check=False, timeout=60,
                            env={**os.environ, "PKCS11_MODULE_PATH": str(tmp_path / "silent.so"), "PKCS11_PROVIDER_MODULE": str(tmp_path / "silent.so")})
    assert result.returncode == 1 and re.search(r"\A(300|299) s\nThe token does not answer\n\Z", result.stderr), result
    assert (tmp_path / "file").read_text() == "content" and not (tmp_path / "file.minisig").exists()


def test_like_the_kernels_own_tool(tmp_path):
    """The bytes are the same as those of scripts/sign-file, whose format the kernel checks."""
    tools = [p for pattern in ("linux-kbuild-*/scripts/sign-file", "linux-headers-*/scripts/sign-file")
             for place in ("/usr/lib", "/usr/src") for p in pathlib.Path(place).glob(pattern) if os.access(p, os.X_OK)]
    if not tools:
        pytest.fail("no sign-file; scripts/install-deps demo installs it with the kernel headers")
    key, cert, ours, theirs = (tmp_path / n for n in ("key", "cert", "ours", "theirs"))
    for path, content in zip((key, cert), key_pair()):
        path.write_bytes(content)
    for size in (0, 1, 70_000):
        ours.write_bytes(os.urandom(size))
        subprocess.run([tools[0], "sha384", key, cert, ours, theirs], check=True)
        subprocess.run([HELPER, "sign", "sha384", key, cert, ours], check=True)
        assert ours.read_bytes() == theirs.read_bytes()


def test_modinfo_shows_the_signer(real, tmp_path):
    real.keys()
    real.framework("try_sign_modules=true\n")
    shutil.copytree(pathlib.Path(__file__).resolve().parents[2] / "examples/hello", real.src / "hello-1.0")
    real.ok("install", "hello/1.0", "-k", real.release)
    found = list((real.modules / real.release / "updates/dkms").iterdir())
    shown = subprocess.run(["/sbin/modinfo", found[0]], capture_output=True, text=True, check=True).stdout
    certificate = real.path / "var/lib/dkms/mok.pub"
    key_id = subprocess.run(["openssl", "x509", "-inform", "DER", "-in", certificate, "-noout", "-serial"], capture_output=True,
                            text=True, check=True).stdout.strip().removeprefix("serial=")
    assert "signer:         DKMS module signing key" in shown and "sig_hashalgo:   sha256" in shown
    assert key_id in shown.replace(":", "").upper()


# ---- Secure Boot ----

class Firmware:
    """This machine with other EFI variables: own mounts and processes, so that it is not a chroot, and an own tree."""

    def __init__(self, root):
        self.root, self.variables = root, root.path.parent / "variables"
        self.variables.mkdir()
        root.kernel(K1, config='CONFIG_MODULES=y\nCONFIG_MODULE_SIG_HASH="sha512"\n')
        self.source = root.source()
        root.tree.mkdir(parents=True)
        self.trees = ["--dkmstree", root.tree, "--sourcetree", root.path / "sources"]
        self.key, self.cert = root.path / "mok.key", root.path / "mok.pub"

    def variable(self, name, value, vendor="605dab50-e046-4300-abb6-3dd810dd8b23"):
        (self.variables / f"{name}-{vendor}").write_bytes(b"\6\0\0\0" + value)

    def secure_boot(self, value):
        self.variable("SecureBoot", value, "8be4df61-93ca-11d2-aa0d-00e098032b8c")

    def __call__(self, *arguments, key=None, cert=None, **env):
        script = 'mount -t tmpfs x /sys/firmware && mkdir -p /sys/firmware/efi && cp -r "$0" /sys/firmware/efi/efivars && exec "$@"'
        settings = {"mok_signing_key": str(key or self.key), "mok_certificate": str(cert or key or self.cert), "try_sign_modules": "not_in_chroot"}
        return Result(subprocess.run(["unshare", "-m", "-p", "-f", "--mount-proc", "sh", "-c", script, self.variables, DKMS, *map(str, arguments)],
                                     capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False,
                                     env={**os.environ, "LC_ALL": "C", **settings, **env}))

    def keys(self):
        for path, content in zip((self.key, self.cert), key_pair()):
            path.write_bytes(content)

    def generate(self, **keywords):
        return self("generate_mok", *self.trees, **keywords)

    def build(self, **env):
        kernel = self.root.modules / K1 / "build"
        result = self("build", self.source, "-k", K1, "--kernelsourcedir", kernel, "--config", kernel / "include/config/auto.conf", "--force", *self.trees, **env)
        assert result.rc == 0, result
        return result


@pytest.fixture
def firmware(root):
    return Firmware(root)


ENROL = "after the certificate is enrolled: sudo dkms secureboot --enroll\n"
NOT_LOADED = ("Warning: Secure Boot is enabled, and the certificate is not enrolled: the kernel does not load the modules. "
              "Run 'sudo dkms secureboot --enroll' and reboot.")


@pytest.mark.parametrize("shim", [None, b"\0"])
def test_secure_boot_names_the_next_step(firmware, shim):
    """Every build and generate_mok print the next step, not only when a key is created."""
    firmware.secure_boot(b"\1")
    if shim:
        firmware.variable("MokSBStateRT", shim)
    for result in (firmware.generate(), firmware.generate(), firmware.build()):
        assert result.rc == 0 and NOT_LOADED in result.err.splitlines(), result
        assert "Under Secure Boot" not in result.out
    assert split(next(firmware.root.tree.rglob("foo.ko")))[1] is not None


@pytest.mark.parametrize("form", ["DER", "PEM"])
@pytest.mark.parametrize("name, vendor", [("MokListRT", "605dab50-e046-4300-abb6-3dd810dd8b23"), ("db", "d719b2cb-3d3a-4596-a3bc-dad00e67656f")])
def test_secure_boot_with_the_certificate_enrolled(firmware, form, name, vendor):
    firmware.secure_boot(b"\1")
    firmware.keys()
    certificate = firmware.cert.read_bytes()
    if form == "PEM":
        openssl("x509", "-inform", "DER", "-in", firmware.cert, "-out", firmware.cert)
    firmware.variable(name, b"another certificate" + certificate[:-1], vendor)
    assert "not enrolled" in firmware.generate().err
    firmware.variable(name, b"another certificate" + certificate + b"and one more", vendor)
    for result in (firmware.generate(), firmware.build()):
        assert "\nSecure Boot: enabled, the certificate is enrolled\n" in result.out and "--enroll" not in result.out + result.err, result


@pytest.mark.parametrize("variables", [{"SecureBoot": b"\0"}, {"SecureBoot": b"\1", "MokSBStateRT": b"\1"}], ids=["off", "shim"])
def test_secure_boot_that_is_disabled(firmware, variables):
    firmware.secure_boot(variables["SecureBoot"])
    if "MokSBStateRT" in variables:
        firmware.variable("MokSBStateRT", variables["MokSBStateRT"])
    first, again = firmware.generate(), firmware.generate()
    for result in (first, again, firmware.build()):
        assert "\nSecure Boot: disabled\n" in result.out and "Warning" not in result.err, result
    assert ENROL in first.out and ENROL not in again.out
    assert "Secure Boot" not in firmware.build(try_sign_modules="false").err


@pytest.mark.parametrize("variables", [{}, {"SecureBoot": b""}, {"SecureBoot": b"\1\1"}], ids=["none", "empty", "long"])
def test_secure_boot_that_is_not_known(firmware, variables):
    for value in variables.values():
        firmware.secure_boot(value)
    first, again = firmware.generate(), firmware.generate()
    assert ENROL in first.out
    for result in (first, again, firmware.build()):
        assert "Secure Boot:" not in result.out and "Warning" not in result.err, result


def test_secure_boot_and_unsigned_modules(firmware):
    """The reason is an ordinary line. That the module will not load is a warning."""
    firmware.secure_boot(b"\1")
    result = firmware.build(try_sign_modules="false")
    assert "Modules will not be signed: try_sign_modules=false." in result.out
    assert "Warning: Secure Boot is enabled: the kernel does not load unsigned modules." in result.err.splitlines(), result


def test_secure_boot_and_the_key_of_the_kernel(firmware, tmp_path):
    """The kernel contains its own certificate, so the firmware need not list it."""
    firmware.secure_boot(b"\1")
    firmware.keys()
    both = tmp_path / "signing_key.pem"
    openssl("req", "-new", "-x509", "-subj", "/CN=kernel", "-key", firmware.key, "-out", tmp_path / "cert.pem")
    openssl("rsa", "-in", firmware.key, "-out", both)
    both.write_bytes(both.read_bytes() + (tmp_path / "cert.pem").read_bytes())
    result = firmware.generate(key=both)
    assert "\nSecure Boot: enabled, the certificate is that of the kernel\n" in result.out and "Warning" not in result.err, result


def test_secure_boot_of_this_machine_says_nothing_about_another_root(firmware):
    """Nothing is printed for a chroot or a container, whose modules are for another machine."""
    firmware.secure_boot(b"\1")
    for words in (["--root", firmware.root.path, "generate_mok"], ["--root", firmware.root.path, "install", "foo/1.0", "-k", K1]):
        for signs in ("true", "false"):
            result = firmware(*words, key="/mok.key", cert="/mok.pub", try_sign_modules=signs)
            assert "Secure Boot:" not in result.out and "Warning" not in result.err, result
