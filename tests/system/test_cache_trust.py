"""Keys and signatures of the build cache: the verb that makes keys, and what the helper takes from other machines."""
import hashlib
import pathlib
import stat
import subprocess

import pytest

from conftest import DKMS

HELPERS = pathlib.Path(DKMS).parent / "helpers"
STRANGER = "RWSAxxgoHEve+1CgFD5dkZmxiqk0pSXM2wIoM7iNFWqsO03v+/6vbEe4"
INPUTS = "arch x86_64\nkernel 6.1\nmodule m\nversion 1\n"
KEY = hashlib.sha256(INPUTS.encode()).hexdigest()
BUILD = [("key", KEY), ("module", "m"), ("version", "1"), ("kernel", "6.1"), ("arch", "x86_64")]


# ---- generate_key ----

def test_generate_key(root, tmp_path):
    """cache generate_key makes a key, prints the line for cache-trust, and replaces nothing."""
    key, public = tmp_path / "key", tmp_path / "key.pub"
    result = root.ok("cache", "generate_key", key)
    assert f"The key is in {key}, and its public key in {public}." in result.out and "/etc/dkms/cache-trust" in result.out
    line = result.out.splitlines()[-1]
    comment, text = public.read_text().splitlines()
    assert line == f"trust {text}" and len(text) == 56 and text.startswith("RW")
    assert comment.startswith("untrusted comment: minisign public key ")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600 and stat.S_IMODE(public.stat().st_mode) == 0o644
    assert key.read_text().startswith("-----BEGIN PRIVATE KEY-----\n")
    before = key.read_bytes()
    public.unlink()
    # A file with such a name may be an action, a verb or a module; here it is a file.
    assert root.ok("cache", "generate_key", key).out.splitlines()[-1] == line and key.read_bytes() == before
    assert public.read_text() == f"{comment}\n{text}\n"
    relative = root("cache", "generate_key", "status", cwd=tmp_path)
    assert relative.rc == 0 and (tmp_path / "status.pub").exists()


def test_generate_key_says_when_it_cannot(root, tmp_path):
    result = root("cache", "generate_key")
    assert result.rc == 2 and "No file given for the key" in result.err
    result = root("cache", "generate_key", tmp_path / "none/key")
    assert result.rc == 1 and f"Cannot create a file beside {tmp_path}/none/key" in result.err
    (tmp_path / "key.pub").write_text("something\n")
    result = root("cache", "generate_key", tmp_path / "key")
    assert result.rc == 1 and "exists and its key" in result.err and not (tmp_path / "key").exists()
    (tmp_path / "rsa").write_bytes(subprocess.run(["openssl", "genrsa", "2048"], capture_output=True, check=True).stdout)
    result = root("cache", "generate_key", tmp_path / "rsa")
    assert result.rc == 1 and "is not an Ed25519 key" in result.err and not (tmp_path / "rsa.pub").exists()
    root.ok("cache", "generate_key", tmp_path / "mine")
    (tmp_path / "mine.pub").write_text("something\n")
    result = root("cache", "generate_key", tmp_path / "mine")
    assert result.rc == 1 and "contains something else" in result.err


# ---- the helper ----

def pairs(list_of_pairs):
    return b"".join(f"{key}\0{value}\0".encode() for key, value in list_of_pairs)


def ask(*arguments, request=()):
    """Returns: the pairs that dkms-entry prints"""
    ran = subprocess.run([HELPERS / "dkms-entry", *arguments], input=pairs(request), capture_output=True, check=False)
    assert ran.returncode == 0, ran
    fields = ran.stdout.decode().split("\0")
    answer = list(zip(fields[::2], fields[1::2]))
    assert answer[-1] == ("end", "")
    return answer[:-1]


class Builder:
    """A machine that has built a module, and signed the entry of the build."""

    def __init__(self, path):
        self.path = path
        path.chmod(0o755)
        for name in ("source/log", "out", "blobs", "files"):
            (path / name).mkdir(parents=True)
            (path / name).chmod(0o777)  # the helper has no privileges
        (path / "source/log/make.log").write_text("a log\n")
        packed = ask("pack", path / "source", self.out, request=[
            *BUILD, ("result", "failed"), ("inputs", INPUTS), ("time", 5), ("seconds", 1), ("dkms", 4), ("builder", "b"), ("error", "no"),
            ("exit", 1), ("file", "log/make.log")])
        self.blob = dict(packed)["blob"]
        assert dict(packed)["manifest"] == "build.json"
        self.key = self.make_key("key")
        self.sign("key")
        self.wish = [*BUILD, ("output", "m"), ("most", 1 << 20), ("signer", self.key)]

    @property
    def out(self):
        return self.path / "out"

    def make_key(self, name):
        subprocess.run([HELPERS / "dkms-sign", "generate-cache-key", self.path / name], check=True)
        return (self.path / f"{name}.pub").read_text().splitlines()[1]

    def sign(self, name):
        subprocess.run([HELPERS / "dkms-sign", "manifest", self.path / name, self.out / "build.json"], check=True)
        ask("seal", self.out)

    def list(self, *arguments, wish=None):
        return ask("list", self.out / "entry", *arguments, request=wish or self.wish)


@pytest.fixture
def builder(tmp_path):
    return Builder(tmp_path)


def test_helper_lists_and_unpacks_what_is_signed(builder):
    listed = builder.list()
    assert listed[0] == ("signer", builder.key) and ("result", "failed") in listed and ("error", "no") in listed
    at = listed.index(("blob", builder.blob))
    assert listed[at:at + 4] == [("blob", builder.blob), ("size", str((builder.out / builder.blob).stat().st_size)), ("content", "6"),
                                 ("file", "log/make.log")]
    unpacked = ask("unpack", builder.out / "entry", builder.out, builder.path / "files", request=builder.wish)
    assert ("file", "log/make.log") in unpacked and (builder.path / "files/log/make.log").read_text() == "a log\n"
    # The manifest, so that another key can sign it.
    builder.list(builder.out, builder.path / "files")
    assert (builder.path / "files/build.json").read_bytes() == (builder.out / "build.json").read_bytes()


def test_helper_takes_only_what_a_signer_has_signed(builder):
    other = [pair for pair in builder.wish if pair[0] != "signer"]
    assert builder.list(wish=[*other, ("signer", STRANGER)]) == [("refused", "it is signed with another key")]
    assert builder.list(wish=[*other, ("signer", STRANGER), ("signer", builder.key)])[0] == ("signer", builder.key)
    assert builder.list(wish=[*other, ("signer", "nothing")]) == [("refused", "the signer is not a public key")]
    assert builder.list(wish=other)[0] == ("result", "failed"), "without signers, a signature is not needed"
    for digest in (KEY, builder.blob, hashlib.sha256(b"a log\n").hexdigest()):
        assert builder.list(wish=[*builder.wish, ("deny", digest)])[-1][1].endswith("denied")
    assert builder.list(wish=[*builder.wish, ("deny", "0" * 64)])[0] == ("signer", builder.key)


def varint(number):
    return bytes([number & 127 | 128]) + varint(number >> 7) if number > 127 else bytes([number])


def field(number, content):
    return varint(number << 3 | 2) + varint(len(content)) + content


def test_helper_names_parts_that_a_server_has_taken_out(builder):
    """A server may store what an entry contains as blobs. They are fetched like others, and compared."""
    parts = {name: (builder.out / name).read_bytes() for name in ("build.json", "build.json.minisig")}
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in parts.items()}
    (builder.out / "entry").unlink()
    (builder.out / "entry").write_bytes(b"".join(
        field(2, field(1, name.encode()) + field(2, field(1, digests[name].encode()) + varint(2 << 3) + varint(len(content))))
        for name, content in parts.items()))
    blobs = builder.path / "blobs"
    wanted = [pair for name in parts for pair in (("fetch", digests[name]), ("size", str(len(parts[name]))))]
    assert builder.list() == builder.list(blobs) == wanted
    assert ask("unpack", builder.out / "entry", blobs, builder.path / "files", request=builder.wish) == [
        ("missing", digests[name]) for name in parts]
    (blobs / digests["build.json"]).write_bytes(parts["build.json"])
    assert builder.list(blobs) == wanted[2:]
    (blobs / digests["build.json.minisig"]).write_bytes(parts["build.json.minisig"])
    assert builder.list(blobs)[0] == ("signer", builder.key)
    (blobs / digests["build.json"]).write_bytes(parts["build.json"].replace(b"6.1", b"6.2"))
    assert builder.list(blobs) == [("bad", digests["build.json"]), ("refused", "a part of the entry has another digest")]


def test_key_is_needed_to_sign(builder):
    for key, reason in (("none", "Cannot read the key"), ("out/build.json", "not a private key in PEM form")):
        ran = subprocess.run([HELPERS / "dkms-sign", "manifest", builder.path / key, builder.out / "build.json"],
                             capture_output=True, text=True, check=False)
        assert ran.returncode == 1 and reason in ran.stderr
    (builder.out / "link").symlink_to("build.json")
    large = builder.path / "large"
    large.write_bytes(b" " * ((256 << 10) + 1))
    for name in (builder.out / "link", large, builder.path / "absent"):
        ran = subprocess.run([HELPERS / "dkms-sign", "manifest", builder.path / "key", name], capture_output=True, text=True, check=False)
        assert ran.returncode == 1 and f"Cannot read {name}" in ran.stderr and not pathlib.Path(f"{name}.minisig").exists()
