"""The build cache on a server: builds of other machines are taken if a trusted key has signed them."""
import hashlib
import json
import os
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import time

import caches
import pytest
from conftest import ARCH, DKMS, K1, K2, Root, eventually
from test_cache import COMPILES, TEXT, built
from test_loadable import good, kernel, source

TAKING = "Taking the modules of"
AWAY = "does not answer"
HELPERS = pathlib.Path(DKMS).parent / "helpers"


def cache_key(directory, name="cache.key"):
    """Creates a key. Returns: its path and the public key"""
    directory.mkdir(parents=True, exist_ok=True)
    subprocess.run([HELPERS / "dkms-sign", "generate-cache-key", directory / name], capture_output=True, check=True)
    return directory / name, (directory / f"{name}.pub").read_text().split()[-1]


class Lab:
    """A server, a key, and machines."""

    def __init__(self, path):
        self.path, self.machines = path, 0
        self.server = caches.Server()
        self.key, self.public = cache_key(path / "keys")

    def machine(self, settings="", trust=None, writes=False, kernel=K1, config="CONFIG_MODULES=y\n", text=TEXT, **keywords):
        """A machine with the module foo/1.0. @trust: lines of cache-trust; None: the key of the lab"""
        self.machines += 1
        root = Root(self.path / f"machine{self.machines}" / "root")
        root.kernel(kernel, config=config)
        for release in (K1, K2):
            (root.modules / release / "build/Makefile").write_text(COMPILES)
        root.source("foo", files={"foo.c": text}, **keywords)
        lines = [f"cache_url={self.server.url}", settings]
        if writes:
            shutil.copy(self.key, root.path / "etc/dkms/cache.key")
            lines += ["cache_write=yes", "cache_signing_key=/etc/dkms/cache.key", "cache_builder_name=ci-7"]
        root.framework("\n".join(lines) + "\n")
        (root.path / "etc/dkms/cache-trust").write_text(f"trust {self.public}\n" if trust is None else trust)
        return root

    def entries(self):
        return [digest for kind, digest in self.server.files if kind == "ac"]


@pytest.fixture
def lab(tmp_path):
    made = Lab(tmp_path)
    yield made
    made.server.close()


def build(root, *arguments, rc=0, kernel=K1, **keywords):
    result = root("build", "foo/1.0", "-k", kernel, *arguments, **keywords)
    assert result.rc == rc, result
    return result


def taken(result):
    return TAKING in result.out and "Building module" not in result.out


def attempt(root):
    return json.loads((root.tree / "foo/1.0" / K1 / ARCH / ".attempt.json").read_text())


def test_a_fleet_compiles_once(lab):
    """cache_url, cache_write, cache_signing_key and cache_builder_name: the second machine compiles nothing."""
    first, second = lab.machine(writes=True), lab.machine("cache_dir=/var/cache/dkms\n")
    assert not taken(build(first))
    assert len(lab.entries()) == 1 and lab.server.count("PUT", "cas", 200) == lab.server.count("HEAD", "cas", 404) == 4
    assert lab.server.log[-1][:2] == ("PUT", f"/cache/ac/{lab.entries()[0]}"), "the entry comes last"
    before, log = len(lab.server.log), lab.server.log
    connections = lab.server.connections
    result = build(second)
    assert taken(result) and "Warning" not in result.err
    assert [line[0] for line in log[before:]] == ["GET"] * 3, "an entry, the module, and the log"
    assert lab.server.connections == connections + 1
    ours, theirs = built(first), built(second)
    assert ours["module/foo.ko"] == theirs["module/foo.ko"]
    key_id = re.search(r"minisign public key (\w{16})", (lab.path / "keys/cache.key.pub").read_text())[1]
    line = theirs["log/make.log"].decode().split("\n")[0]
    assert re.fullmatch(rf"# from {lab.server.url}, signed by {key_id} \(ci-7\), built 20\S+", line), line
    assert ours["log/make.log"] in theirs["log/make.log"]
    assert attempt(second)["cached"] == lab.server.url and attempt(second)["cache_signer"] == key_id
    # The local directory has it now, and the server is not asked.
    shutil.rmtree(second.tree)
    before = len(log)
    assert taken(build(second)) and len(log) == before
    assert built(second)["log/make.log"].startswith(b"# from the build cache of this machine, signed by " + key_id.encode())
    second.ok("remove", "foo/1.0", "--all")
    assert not list((second.path / "var/cache/dkms/ac").iterdir())


def test_known_failures_travel(lab):
    first, second = lab.machine(writes=True, text="int a = ;\n"), lab.machine(text="int a = ;\n")
    build(first, rc=10)
    assert len(lab.entries()) == 1
    result = build(second, rc=10)
    assert "known to fail" in result.err and "expected expression" in result.err
    assert "known to fail" not in build(second, "--force", rc=10).err


def test_nobody_is_asked_without_trust(lab):
    """Without a trust line for the module, nothing is read."""
    build(lab.machine(writes=True))
    lab.server.log.clear()
    for trust in ("", f"trust {lab.public} zfs spl\n"):
        assert not taken(build(lab.machine(trust=trust)))
    (lab.machine(trust=f"trust {lab.public}\n").path / "etc/dkms/cache-trust").chmod(0o666)
    assert not lab.server.log
    root = lab.machine()
    (root.path / "etc/dkms/cache-trust").chmod(0o666)
    result = build(root)
    assert not taken(result) and not lab.server.log and result.err.count("cache-trust is not used") == 1
    assert taken(build(lab.machine(trust=f"trust {lab.public} zfs f*\n")))


def test_denied_and_other_signers(lab):
    build(lab.machine(writes=True))
    other, public = cache_key(lab.path / "other")
    assert not taken(build(lab.machine(trust=f"trust {public}\n")))
    blob = next(digest for kind, digest in lab.server.files if kind == "cas")
    result = build(lab.machine(trust=f"trust {lab.public}\n" + "".join(f"deny {digest}\n" for kind, digest in lab.server.files if kind == "cas")))
    assert not taken(result) and "in the build cache" in result.err and blob
    # An entry in the place of another signer.
    (_, slot), = [name for name in lab.server.files if name[0] == "ac"]
    root = lab.machine(trust=f"trust {public}\n")
    lab.server.files["ac", place(root, public_id(other))] = lab.server.files["ac", slot]
    result = build(root)
    assert not taken(result) and "is not used" in result.err


def public_id(key):
    return re.search(r"minisign public key (\w{16})", pathlib.Path(f"{key}.pub").read_text())[1]


def key_of(root):
    """The key of foo/1.0, and its inputs."""
    root("add", "foo/1.0")
    event, = json.loads(root.ok("cache", "key", "foo", "-k", K1, "--json=short").out)["events"]
    return event["name"], event["text"]


def place(root, signer):
    return hashlib.sha256(f"dkms-slot-1\n{key_of(root)[0]}\n{signer}\n".encode()).hexdigest()


def test_require_two(lab):
    """So many signers must have made equal modules."""
    second, public = cache_key(lab.path / "other")
    trust = f"trust {lab.public}\ntrust {public}\nrequire 2\n"
    first = lab.machine(writes=True)
    build(first)
    assert not taken(build(lab.machine(trust=trust)))
    lab.key = second
    build(lab.machine(writes=True, trust=""))
    assert len(lab.entries()) == 2
    reader = lab.machine("cache_dir=/var/cache/dkms\n", trust=trust)
    assert taken(build(reader))
    lab.server.log.clear()
    shutil.rmtree(reader.tree)
    assert taken(build(reader)) and not lab.server.log, "both are in the local directory"
    root = lab.machine(trust=trust)
    forge(lab, root, second, built(first)["module/foo.ko"].replace(b"foo.c", b"fox.c"))
    result = build(root)
    assert not taken(result) and "differ" in result.err


def forge(lab, root, key, content, **pairs):
    """Stores an entry for foo/1.0 on @root, with the module @content, signed with @key."""
    directory = lab.path / "forged"
    shutil.rmtree(directory, ignore_errors=True)
    for name in ("source/module", "source/log", "out"):
        (directory / name).mkdir(parents=True)
    (directory / "source/module/foo.ko").write_bytes(content)
    (directory / "source/log/make.log").write_text("made elsewhere\n")
    os.chown(directory / "out", 65534, 65534)
    inputs = key_of(root)
    request = {"key": inputs[0], "module": "foo", "version": "1.0", "kernel": K1, "arch": ARCH, "result": "built", "inputs": inputs[1],
               "time": "1795000000", "seconds": "1.0", "dkms": "dkms-4", "builder": "", **pairs}
    text = "".join(f"{k}\0{v}\0" for k, v in [*request.items(), ("file", "module/foo.ko"), ("file", "log/make.log")])
    subprocess.run([HELPERS / "dkms-entry", "pack", directory / "source", directory / "out"], input=text.encode(), check=True, capture_output=True)
    subprocess.run([HELPERS / "dkms-sign", "manifest", key, directory / "out/build.json"], check=True, capture_output=True)
    subprocess.run([HELPERS / "dkms-entry", "seal", directory / "out"], input=b"", check=True, capture_output=True)
    for file in (directory / "out").iterdir():
        lab.server.files["cas", file.name] = file.read_bytes()
    lab.server.files["ac", place(root, public_id(key))] = (directory / "out/entry").read_bytes()


@pytest.mark.parametrize("wrong, reason", [({"release": "9.9.9"}, "9.9.9"), ({"versions": {"printk": 0x12}}, "printk")])
def test_modules_that_do_not_fit(lab, wrong, reason):
    """An entry whose modules this kernel does not load is a miss, although its key is right and its signer is trusted."""
    root = lab.machine()
    kernel(root, config="" if "release" in wrong else None, versions="versions" in wrong)
    source(root, good())
    forge(lab, root, lab.key, good())
    assert taken(build(root))
    shutil.rmtree(root.tree)
    forge(lab, root, lab.key, good(**wrong))
    result = build(root)
    assert not taken(result) and "Building module" in result.out, result
    assert "in the build cache is not used" in result.err and reason in result.err and "may not load" not in result.err, result
    assert built(root)["module/foo.ko"] == good()
    assert "cached" not in attempt(root) and [step["name"] for step in attempt(root)["steps"]] == ["Building module(s)"]
    assert "made elsewhere" not in built(root)["log/make.log"].decode()


def test_a_server_that_takes_the_manifest_out_of_entries(lab):
    """Some servers do not keep the contents of files in an ActionResult."""
    build(lab.machine(writes=True))
    slot, = lab.entries()
    data, out = lab.server.files["ac", slot], b""
    for number, value in caches.fields(data):
        if number == 2:
            value = b"".join(caches.field(n, v) for n, v in caches.fields(value) if n != 5)
        out += caches.field(number, value)
    lab.server.files["ac", slot] = out
    assert len(out) < len(data) and len(caches.Entry(out).needs) == 4
    root = lab.machine("cache_dir=/var/cache/dkms\n")
    assert taken(build(root))
    shutil.rmtree(root.tree)
    lab.server.log.clear()
    assert taken(build(root)) and not lab.server.log


# ---- a server with faults ----

@pytest.mark.parametrize("fault", ["close", "close after a byte", "garbage", "500", "stall", "stall after a byte", "file:///etc/passwd",
                                   "ftp://127.0.0.1/", "http://127.0.0.1:1/cache%s", "/loop%s"])
def test_a_server_that_does_not_answer(lab, fault):
    """It is set aside for the rest of the run, which goes on here. cache_timeout limits how long that takes."""
    lab.server.faults = [("*", "", fault)]
    root = lab.machine("cache_timeout=1\n")
    result = root.ok("build", "foo/1.0", "-k", K1, "-k", K2, "-j1")
    assert result.out.count(AWAY) == 1 and "127.0.0.1" in result.out and result.err == ""
    assert result.out.count("Building module") == 2
    assert sum(path.startswith("/cache/") and status == fault for _, path, status in lab.server.log) == 1
    assert "\x1b" not in result.out


def test_nothing_listens(lab):
    root = lab.machine()
    lab.server.close()
    result = root.ok("build", "foo/1.0", "-k", K1, "-k", K2)
    assert result.out.count(AWAY) == 1 and result.out.count("Building module") == 2
    status = root.ok("cache", "status").out
    assert lab.server.url in status and "it answers" not in status


def test_packets_are_dropped(lab):
    """One time limit for connections in a run, not one for each build."""
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    waiting = []
    for _ in range(8): # the queue of connections is full after a few
        waiting.append(socket.socket())
        waiting[-1].setblocking(False)
        waiting[-1].connect_ex(full.getsockname())
    root = lab.machine()
    root.framework(f"cache_url=http://127.0.0.1:{full.getsockname()[1]}/cache\n")
    began = time.monotonic()
    result = root.ok("build", "foo/1.0", "-k", K1, "-k", K2, "-j1")
    assert result.out.count(AWAY) == 1 and result.out.count("Building module") == 2
    print(f"{time.monotonic() - began:.1f} s")


@pytest.mark.parametrize("fault, words", [("other bytes", "another digest|is not"), ("endless", "larger than")])
def test_wrong_files(lab, fault, words):
    """A blob with other bytes or another size is a miss, and a warning that names server and file."""
    build(lab.machine(writes=True))
    lab.server.faults = [("GET", "cas", fault)]
    result = build(lab.machine())
    assert not taken(result) and "in the build cache" in result.err and re.search(words, result.err), result
    assert result.err.count("Warning") == 1 and "Building module" in result.out


def test_an_entry_without_end(lab):
    lab.server.faults = [("GET", "ac", "endless")]
    result = build(lab.machine())
    assert not taken(result) and "127.0.0.1" in result.err and "larger than" in result.err


def test_evicted_files_are_a_quiet_miss(lab):
    build(lab.machine(writes=True))
    lab.server.faults = [("GET", "cas", "404")]
    result = build(lab.machine())
    assert not taken(result) and result.err == "" and AWAY not in result.out


def test_uploads_that_are_refused(lab):
    """A failure to store is not a failure of the build, and said with --debug only."""
    for fault in ("500", "403", "close"):
        lab.server.faults = [("PUT", "", fault)]
        root = lab.machine(writes=True)
        result = build(root)
        assert result.err == "" and not lab.entries()
        assert (AWAY in result.out) == (fault == "close")


def test_password(lab):
    """cache_netrc: only root can read it, and servers without a password for this machine are set aside."""
    lab.server.password = "dkms:secret"
    writer = lab.machine("cache_netrc=/etc/dkms/netrc\n", writes=True)
    netrc = writer.path / "etc/dkms/netrc"
    netrc.write_text("machine 127.0.0.1 login dkms password secret\n")
    netrc.chmod(0o600)
    build(writer)
    assert len(lab.entries()) == 1
    result = lab.machine().ok("build", "foo/1.0", "-k", K1, "-k", K2, "-j1")
    assert result.err.count("does not accept the credentials") == 1 and "401" in result.err
    lab.server.read_open = True
    assert taken(build(lab.machine()))
    netrc.chmod(0o640)
    shutil.rmtree(writer.tree)
    result = build(writer)
    assert not taken(result) and result.err.count("others can read /etc/dkms/netrc") == 1
    assert "secret" not in result.out + result.err


def test_files_that_others_can_change_or_read(lab):
    """/etc/dkms/cache-trust, what leads to it, and files with secrets: the server is not asked, and the message names the file."""
    build(lab.machine(writes=True))
    root = lab.machine("cache_signing_key=/etc/dkms/key\ncache_netrc=/etc/dkms/netrc\ncache_tls_key=/etc/dkms/tls\n")
    etc = root.path / "etc/dkms"
    for name in ("key", "netrc", "tls"):
        (etc / name).touch(0o600)
    link = root.path / "srv/link"
    link.parent.mkdir()
    (etc / "cache-trust").rename(root.path / "srv/trust")
    (etc / "cache-trust").symlink_to("/srv/link")
    link.symlink_to("trust")

    def try_it(path, reading=False):
        shutil.rmtree(root.tree, ignore_errors=True)
        lab.server.log.clear()
        result = build(root)
        if path is None:
            assert taken(result) and result.err == "", result
            return
        says = f"others can {'read' if reading else 'write'} {path}\n"
        assert not taken(result) and not lab.server.log and result.err.count("Warning") == 1 and says in result.err, (path, result)

    for path, mode in ("srv/trust", 0o664), ("srv", 0o757), ("etc/dkms", 0o775), ("etc", 0o777):
        before = (root.path / path).stat().st_mode
        (root.path / path).chmod(mode)
        try_it(f"/{path}")
        (root.path / path).chmod(before)
    os.lchown(link, 1, 1)
    try_it("/srv/link")
    os.lchown(link, 0, 0)
    for name, mode in ("key", 0o640), ("netrc", 0o604), ("tls", 0o644):
        (etc / name).chmod(mode)
        try_it(f"/etc/dkms/{name}", reading=True)
        (etc / name).chmod(0o600)
    os.chown(etc / "key", 1, 1)
    try_it("/etc/dkms/key", reading=True)
    (etc / "key").unlink() # it is not needed to read
    try_it(None)


def test_tls(lab):
    """cache_tls_ca, cache_tls_cert and cache_tls_key; a redirection never leaves TLS."""
    directory = lab.path / "tls"
    directory.mkdir()
    for name in ("server", "client"):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}",
                        "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", f"{name}.key", "-out", f"{name}.pem"], cwd=directory, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "server.pem", directory / "server.key")
    context.load_verify_locations(directory / "client.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    lab.server.socket = context.wrap_socket(lab.server.socket, server_side=True, do_handshake_on_connect=False)
    lab.server.url = lab.server.url.replace("http:", "https:")
    settings = "cache_tls_ca=/etc/dkms/server.pem\ncache_tls_cert=/etc/dkms/client.pem\ncache_tls_key=/etc/dkms/client.key\n"
    writer, reader, lost = lab.machine(settings, writes=True), lab.machine(settings), lab.machine(settings)
    for root in (writer, reader, lost):
        for file in directory.iterdir():
            shutil.copy(file, root.path / "etc/dkms")
            (root.path / "etc/dkms" / file.name).chmod(0o600)
    build(writer)
    assert len(lab.entries()) == 1
    assert taken(build(reader))
    assert AWAY in build(lab.machine()).out
    other = caches.Server()
    other.files = lab.server.files
    lab.server.faults = [("GET", "", other.url.removesuffix("/cache") + "%s")]
    result = build(lost)
    other.close()
    assert AWAY in result.out and not taken(result) and not other.log


def test_the_helper_has_no_rights(lab):
    """What talks to the server is another user than that of builds, without capabilities, and can write to one directory only."""
    lab.server.faults = [("GET", "", "stall")]
    root = lab.machine("build_user=bin\n")
    process = subprocess.Popen([*root.command(), "build", "foo/1.0", "-k", K1], stdout=subprocess.PIPE, text=True)

    def helper():
        for directory in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                words = (directory / "cmdline").read_bytes().split(b"\0")
                if words[0] == bytes(HELPERS / "dkms-transfer") and parent(directory, process.pid):
                    return directory
            except OSError:
                pass
        return None

    def parent(directory, wanted):
        while directory.name != "1":
            directory = pathlib.Path("/proc") / re.search(r"PPid:\s+(\d+)", (directory / "status").read_text())[1]
            if directory.name == str(wanted):
                return True
        return False

    eventually(lambda: lab.server.log)
    directory = helper()
    status = dict(line.split(":\t", 1) for line in (directory / "status").read_text().splitlines())
    assert status["Uid"].split() == status["Gid"].split() == ["65534"] * 4 and status["Groups"].strip() == ""
    assert {int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {0} and status["NoNewPrivs"] == "1"
    assert (directory / "ns/mnt").readlink() != pathlib.Path("/proc/self/ns/mnt").readlink()
    for line in (directory / "mountinfo").read_text().splitlines():
        assert "ro" in line.split()[5].split(","), line
    lab.server.released.set()
    assert process.communicate()[0].count(AWAY) == 1 and process.returncode == 0


# ---- the verb, and settings ----

def test_push_and_status(lab):
    """cache push sends builds that this machine has made; cache status shows whether the server answers."""
    root = lab.machine("cache_dir=/var/cache/dkms\ncache_signing_key=/etc/dkms/cache.key\n", trust="")
    shutil.copy(lab.key, root.path / "etc/dkms/cache.key")
    build(root)
    assert not lab.server.files
    build(root, "--no-cache", kernel=K2)
    out = root.ok("cache", "push", "foo").out
    assert f"foo/1.0, {K1}, {ARCH}: sent to 127.0.0.1" in out and f"foo/1.0, {K2}, {ARCH}: not in the local build cache" in out
    assert len(lab.entries()) == 1
    reader = lab.machine()
    assert taken(build(reader)) and built(reader)["module/foo.ko"] == built(root)["module/foo.ko"]
    out = reader.ok("cache", "status").out
    assert f"{lab.server.url}: it answers" in out and "1 of 1 builds" in out
    lab.server.faults = [("*", "", "500")]
    result = root("cache", "push", "foo")
    assert result.rc == 1 and "was not sent" in result.err and "HTTP status 500" in result.err
    root.framework("cache_dir=/var/cache/dkms\n")
    assert "cache_url" in root("cache", "push").err
    assert root("cache", "push", "bar").rc == 3


@pytest.mark.parametrize("line, words", [
    ("cache_url=cache.example", "is not the address"), ("cache_url=ftp://cache.example", "is not the address"), ("cache_url=https:///cache", "is not the address"),
    ("cache_url='http://x/?a'", "is not the address"), ("cache_url=http://user:hidden@x/cache", "a password"), ("cache_netrc=netrc", "absolute"),
    ("cache_tls_ca=ca.pem", "absolute"), ("cache_signing_key=key", "absolute"), ("cache_timeout=0", "from 1 to 3600")])
def test_settings_that_are_wrong(lab, line, words):
    root = lab.machine()
    root.framework(line + "\n")
    result = root("build", "foo/1.0", "-k", K1)
    assert result.rc == 2 and words in result.err and "hidden" not in result.err, result


def test_writing_needs_a_key(lab):
    result = build(lab.machine("cache_write=yes\n"))
    assert result.err.count("cache_write needs cache_signing_key") == 1 and not lab.server.log


def test_server_of_another_root(lab):
    """Files of a --root cannot make this machine talk to a server that it does not use itself, or use its tokens."""
    root = lab.machine(writes=True)
    root.machine("framework.conf", "cache_url=https://cache.example/\n")
    before = len(lab.server.log)
    result = build(root)
    assert "cache_url in" in result.err and "has no effect" in result.err and len(lab.server.log) == before, result
    root.machine("framework.conf", f"cache_url={lab.server.url}/\n")
    (root.path / "etc/dkms/framework.conf").write_text(f"cache_url={lab.server.url}\ncache_write=yes\ncache_signing_key=pkcs11:object=x\n")
    result = build(root, "--force")
    assert "cache_signing_key in" in result.err and "PUT" not in [line[0] for line in lab.server.log[before:]], result
