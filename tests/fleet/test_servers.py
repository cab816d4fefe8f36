"""The build cache on real web servers: one machine stores a build, and another one takes it. nginx has the files of
docs/fleet; they are installed by scripts/install-deps fleet."""
import contextlib
import hashlib
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request

import pytest

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "system"), str(TESTS / "lib")]
import caches  # noqa: E402
from conftest import K1, Root, eventually  # noqa: E402
from test_cache import COMPILES, TEXT, built  # noqa: E402
from test_remote_cache import TAKING, cache_key  # noqa: E402

DOCS = TESTS.parent / "docs/fleet"
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"

APACHE = """\
ServerRoot /
ServerName localhost
Listen 127.0.0.1:{port}
PidFile {dir}/pid
ErrorLog {dir}/error.log
{modules}
User www-data
Group www-data
DocumentRoot {data}
DavLockDB {data}/tmp/lock
<Directory {data}>
  Dav On
  AuthType Basic
  AuthName dkms
  AuthUserFile {dir}/passwords
  <RequireAny>
    Require method GET HEAD
    Require valid-user
  </RequireAny>
</Directory>
"""
APACHE_MODULES = "mpm_event authn_core authn_file authz_core authz_user auth_basic dav dav_fs"
LIGHTTPD = """\
server.port = {port}
server.bind = "127.0.0.1"
server.document-root = "{data}"
server.errorlog = "{dir}/error.log"
server.username = "www-data"
server.groupname = "www-data"
server.upload-dirs = ( "{data}/tmp" )
server.modules = ( "mod_auth", "mod_authn_file", "mod_webdav" )
webdav.activate = "enable"
auth.backend = "htpasswd"
auth.backend.htpasswd.userfile = "{dir}/passwords"
$HTTP["request-method"] !~ "^(GET|HEAD)$" {{
  auth.require = ( "" => ( "method" => "basic", "realm" => "dkms", "require" => "valid-user" ) )
}}
"""
NGINX = """\
user www-data;
pid {dir}/pid;
daemon off;
error_log {dir}/error.log;
events {{ }}
http {{
  access_log off;
  include {dir}/site.conf;
}}
"""


def program(name):
    path = shutil.which(name, path=PATH)
    assert path, f"no {name} here; scripts/install-deps fleet installs it"
    return path


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextlib.contextmanager
def running(command, port, log):
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=open(log, "w"))

    def answers():
        assert process.poll() is None, log.read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0
    try:
        eventually(answers)
        yield
    finally:
        process.terminate()
        process.wait()


def of_docs(name, directory, port, **replaced):
    """A file of docs/fleet, with other paths."""
    text = (DOCS / name).read_text()
    for old, new in {"listen 8080": f"listen 127.0.0.1:{port}", "/srv/dkms-cache": f"{directory}/data", "/var/cache/nginx": f"{directory}/data",
                     "/etc/nginx/dkms-cache.htpasswd": f"{directory}/passwords", **replaced}.items():
        text = text.replace(old, new)
    (directory / "site.conf").write_text(text)


def command_of(name, directory, port):
    """Writes the configuration. Returns: the command that starts the server"""
    values = {"port": port, "dir": directory, "data": directory / "data"}
    if name == "nginx":
        of_docs("nginx.conf", directory, port)
        (directory / "conf").write_text(NGINX.format(**values))
        return [program("nginx"), "-c", directory / "conf"]
    if name == "lighttpd":
        (directory / "conf").write_text(LIGHTTPD.format(**values))
        return [program("lighttpd"), "-D", "-f", directory / "conf"]
    modules = "".join(f"LoadModule {m}_module /usr/lib/apache2/modules/mod_{m}.so\n" for m in APACHE_MODULES.split())
    (directory / "conf").write_text(APACHE.format(modules=modules, **values))
    return [program("apache2"), "-D", "FOREGROUND", "-f", directory / "conf"]


def prepare(directory):
    """The directories of a server, and a password."""
    directory.chmod(0o755)
    for above in directory.parents:
        if str(above).startswith("/tmp/") and above.stat().st_uid == os.geteuid():
            above.chmod(0o755)
    shutil.chown(directory, "www-data", "www-data")
    for name in ("", "ac", "cas", "tmp"):
        (directory / "data" / name).mkdir()
        shutil.chown(directory / "data" / name, "www-data", "www-data")
    subprocess.run([program("htpasswd"), "-bc", directory / "passwords", "dkms", "secret"], check=True, capture_output=True)
    (directory / "passwords").chmod(0o644)


def machine(path, url, trust="", settings=""):
    root = Root(path)
    (root.modules / K1 / "build/Makefile").write_text(COMPILES)
    root.source("foo", files={"foo.c": TEXT})
    root.framework(f"cache_url={url}\ncache_netrc=/etc/dkms/netrc\n{settings}")
    (root.path / "etc/dkms/netrc").write_text("machine 127.0.0.1 login dkms password secret\n")
    (root.path / "etc/dkms/netrc").chmod(0o600)
    (root.path / "etc/dkms/cache-trust").write_text(trust)
    return root


@pytest.mark.parametrize("name", ["nginx", "apache2", "lighttpd"])
def test_round_trip(tmp_path, name):
    directory, port = tmp_path / "server", free_port()
    directory.mkdir()
    prepare(directory)
    key, public = cache_key(tmp_path / "keys")
    url = f"http://127.0.0.1:{port}"
    with running(command_of(name, directory, port), port, directory / "stderr"):
        writer = machine(tmp_path / "writer", url, settings="cache_write=yes\ncache_signing_key=/etc/dkms/cache.key\n")
        shutil.copy(key, writer.path / "etc/dkms/cache.key")
        first = writer.ok("build", "foo/1.0", "-k", K1, "--debug")
        files = [file for kind in ("ac", "cas") for file in (directory / "data" / kind).iterdir()]
        assert len(files) == 5, (first, (directory / "error.log").read_text())
        assert all(hashlib.sha256(file.read_bytes()).hexdigest() == file.name for file in files if file.parent.name == "cas")
        reader = machine(tmp_path / "reader", url, f"trust {public}\n")
        (reader.path / "etc/dkms/netrc").unlink()
        reader.framework(f"cache_url={url}\n")
        second = reader.ok("build", "foo/1.0", "-k", K1)
        assert TAKING in second.out and "Building module" not in second.out and second.err == ""
        assert built(writer)["module/foo.ko"] == built(reader)["module/foo.ko"]
        assert f"{url}: it answers" in reader.ok("cache", "status").out
        # Again, over what is there; and without the password.
        writer.ok("build", "foo/1.0", "-k", K1, "--force")
        (writer.path / "etc/dkms/netrc").write_text("machine 127.0.0.1 login dkms password wrong\n")
        refused = writer("cache", "push")
        assert refused.rc == 1 and "cache_dir" in refused.err
        stamp = {file: file.stat().st_mtime_ns for file in files}
        assert "Error" not in writer.ok("build", "foo/1.0", "-k", K1, "--force").err
        assert {file: file.stat().st_mtime_ns for file in files} == stamp, "nothing was written without the password"


def test_proxy_reads_once(tmp_path):
    """60 machines want the same file at the same time: the server is asked once. A file that is not there is asked for
    again after ten seconds."""
    directory, port = tmp_path / "proxy", free_port()
    directory.mkdir()
    prepare(directory)
    server = caches.Server()
    content = os.urandom(100_000)
    name = hashlib.sha256(content).hexdigest()
    server.files["cas", name] = content
    of_docs("nginx-proxy.conf", directory, port, **{"http://cache.example:8080": f"http://127.0.0.1:{server.server_port}/cache$request_uri"})
    (directory / "conf").write_text(NGINX.format(port=port, dir=directory, data=directory / "data"))
    got = []

    def read():
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/cas/{name}") as answer:
            got.append(answer.read())
    with running([program("nginx"), "-c", directory / "conf"], port, directory / "stderr"):
        threads = [threading.Thread(target=read) for _ in range(60)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert got == [content] * 60 and server.count("GET", "cas", 200) == 1
        request = urllib.request.Request(f"http://127.0.0.1:{port}/cas/{name}", data=b"x", method="PUT")
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(request)
        for _ in range(3):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/ac/{name}")
        assert server.count("GET", "ac", 404) == 1
    server.close()
