"""A strict server of the build cache, as bazel-remote is one: see server/http.go and cache/disk/disk.go there.

It refuses uploads without a length, blobs whose digest is not their name, and entries that are not an ActionResult; it
writes the worker into entries without one, and hides entries of which a blob is missing. It can misbehave, too."""
import base64
import hashlib
import http.server
import json
import re
import socket
import threading

def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        shift += 7
        at += 1
        if data[at - 1] < 128:
            return value, at
        if shift > 63:
            raise ValueError("a number is too long")


def fields(data):
    """Yields number, value of each field."""
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        if tag >> 3 == 0:
            raise ValueError("a field without a number")
        if tag & 7 == 0:
            value, at = varint(data, at)
        elif tag & 7 == 2:
            size, at = varint(data, at)
            value, at = data[at:at + size], at + size
            if at > len(data):
                raise ValueError("a field is cut off")
        else:
            raise ValueError("an unknown type of field")
        yield tag >> 3, value


def number(value):
    """Returns: the bytes of a varint"""
    return ([value & 127 | 128] + number(value >> 7)) if value > 127 else [value]


def field(tag, value):
    return bytes([tag << 3 | 2] + number(len(value))) + value


class Entry:
    """An ActionResult: the blobs that it needs, and the worker."""

    def __init__(self, data):
        self.needs, self.worker = [], b""
        for number, value in fields(data):
            if number == 2:
                file = dict(fields(value))
                digest = dict(fields(file[2]))
                if not file.get(5):
                    self.needs.append(digest[1].decode())
            elif number == 9:
                self.worker = dict(fields(value)).get(1, b"")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "strict"

    log_message = lambda *_: None  # noqa: E731

    def answer(self, status, body=b"", **headers):
        self.server.log.append((self.command, self.path, status))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def misbehave(self):
        """Returns: whether the request is answered"""
        for method, pattern, what in self.server.faults:
            if method in ("*", self.command) and re.search(pattern, self.path):
                self.server.log.append((self.command, self.path, what))
                self.close_connection = True
                FAULTS[what](self) if what in FAULTS else self.answer(302, Location=what.replace("%s", self.path))
                return True
        return False

    def is_known(self):
        if self.server.password is None or (self.command in ("GET", "HEAD") and self.server.read_open):
            return True
        wanted = "Basic " + base64.b64encode(self.server.password.encode()).decode()
        return self.headers.get("Authorization") == wanted

    def name(self):
        match = re.fullmatch(r"/cache/(ac|cas)/([a-f0-9]{64})", self.path)
        return (match[1], match[2]) if match else None

    def content(self):
        kind, digest = self.name()
        data = self.server.files.get((kind, digest))
        if kind == "ac" and data is not None and any(("cas", n) not in self.server.files for n in Entry(data).needs):
            return None
        return data

    def do_GET(self):
        if self.misbehave():
            return
        self.server.before(self)
        if not self.is_known():
            self.answer(401, WWW_Authenticate='Basic realm="cache"')
        elif self.name() is None:
            self.answer(400, b"not the name of a file")
        elif self.content() is None:
            self.answer(404, b"Not found")
        else:
            self.answer(200, self.content(), Content_Type="application/octet-stream")

    do_HEAD = do_GET

    def refusal(self, data):
        """Returns: why the file cannot be stored, or None"""
        if self.name()[0] == "cas":
            return None if hashlib.sha256(data).hexdigest() == self.name()[1] else "hash mismatch"
        try:
            return None if Entry(data) and data else "empty"
        except (ValueError, IndexError, KeyError):
            return "not an ActionResult"

    def do_PUT(self):
        if "chunked" in self.headers.get("Transfer-Encoding", "") or "Content-Length" not in self.headers:
            self.close_connection = True
            return self.answer(400, b"PUT without Content-Length")
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if len(data) < int(self.headers["Content-Length"]): # the client has ended
            self.close_connection = True
            return None
        if self.misbehave():
            return None
        if not self.is_known():
            return self.answer(401, WWW_Authenticate='Basic realm="cache"')
        if self.name() is None or self.refusal(data) is not None:
            return self.answer(400)
        if self.name()[0] == "ac" and not Entry(data).worker:
            data += field(9, field(1, self.client_address[0].encode()))
        self.server.files[self.name()] = data
        return self.answer(200)


def claim(key, expires, result="building", **members):
    """Returns: an entry which says that a machine makes the build with @key, and its manifest"""
    text = json.dumps({"format": 1, "key": key, "result": result, "expires": expires, **members}).encode()
    return entry_with(text), text


def entry_with(manifest, inline=True):
    """Returns: an entry with the manifest, or with its digest only"""
    digest = field(1, hashlib.sha256(manifest).hexdigest().encode()) + b"\x10" + bytes(number(len(manifest)))
    return field(2, field(1, b"build.json") + field(2, digest) + (field(5, manifest) if inline else b""))


def slot(key, signer):
    return hashlib.sha256(f"dkms-slot-1\n{key}\n{signer}\n".encode()).hexdigest()


def stall(handler):
    handler.server.released.wait(60)


def send_some(handler, promised, sent):
    handler.wfile.write(f"HTTP/1.1 200 OK\r\nContent-Length: {promised}\r\n\r\n".encode() + b"x" * sent)
    handler.wfile.flush()


def send_endlessly(handler):
    send_some(handler, 10 << 30, 0)
    try:
        while not handler.server.released.is_set():
            handler.wfile.write(b"x" * 65536)
    except OSError:
        pass


FAULTS = {
    "stall": stall, "stall after a byte": lambda handler: (send_some(handler, 1000, 1), stall(handler)),
    "close": lambda handler: handler.connection.shutdown(socket.SHUT_RDWR),
    "close after a byte": lambda handler: send_some(handler, 1000, 1),
    "endless": send_endlessly,
    "garbage": lambda handler: handler.wfile.write(b"\0\1\2 not HTTP\r\n\r\n"),
    "500": lambda handler: handler.answer(500, b"\x1b[31mred"),
    "403": lambda handler: handler.answer(403), "404": lambda handler: handler.answer(404),
    "other bytes": lambda handler: handler.answer(200, b"z" * (len(handler.content() or b"") or 100)),
}


class Server(http.server.ThreadingHTTPServer):
    """files: by kind and digest; log: method, path and status of each request; faults: method, pattern, what."""
    daemon_threads = True

    def __init__(self, handler=Handler):
        super().__init__(("127.0.0.1", 0), handler)
        self.files, self.log, self.faults, self.connections = {}, [], [], 0
        self.password, self.read_open, self.released = None, False, threading.Event()
        self.before = lambda handler: None  # is called before a file is read
        self.url = f"http://127.0.0.1:{self.server_port}/cache"
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def get_request(self):
        self.connections += 1
        return super().get_request()

    handle_error = lambda *_: None  # noqa: E731 (clients go away when they have had enough)

    def close(self):
        self.released.set(), self.shutdown(), self.server_close()

    def count(self, method, kind="", status=None):
        return sum(1 for m, path, s in self.log if m == method and f"/{kind}" in path and status in (None, s))
