"""Changes of module files: sections of a 64-bit ELF file, in place or with other sizes."""
import struct


class Module:
    """The content of a module file. Changes keep the places of all sections; a section can only shrink."""

    def __init__(self, content):
        self.data = bytearray(content)
        self.headers, = struct.unpack_from("<Q", self.data, 40)
        self.step, self.number, names = struct.unpack_from("<HHH", self.data, 58)
        self.texts = self._header(names)[4]

    def _header(self, index):
        return list(struct.unpack_from("<IIQQQQIIQQ", self.data, self.headers + index * self.step))

    def _name_at(self, index):
        return self.texts + self._header(index)[0]

    def _index(self, name):
        wanted = name.encode() + b"\0"
        found = [i for i in range(self.number) if self.data[self._name_at(i):self._name_at(i) + len(wanted)] == wanted]
        assert len(found) == 1, f"{len(found)} sections {name}"
        return found[0]

    def has(self, name):
        try:
            return self._index(name) > 0
        except AssertionError:
            return False

    def read(self, name):
        header = self._header(self._index(name))
        return bytes(self.data[header[4]:header[4] + header[5]])

    def write(self, name, content):
        """Replaces the content of a section, which cannot grow."""
        index = self._index(name)
        header = self._header(index)
        assert len(content) <= header[5], f"{name} has {header[5]} bytes, not {len(content)}"
        self.data[header[4]:header[4] + len(content)] = content
        header[5] = len(content)
        struct.pack_into("<IIQQQQIIQQ", self.data, self.headers + index * self.step, *header)
        return self

    def rename(self, name):
        """Hides a section: gives it a name that nothing looks for."""
        self.data[self._name_at(self._index(name))] ^= 0x20
        return self

    def retype(self, name, kind):
        struct.pack_into("<I", self.data, self.headers + self._index(name) * self.step + 4, kind)
        return self

    def shrink(self, name, by):
        return self.write(name, self.read(name)[:-by])

    def replace(self, old, new, section=None):
        """Replaces text by text of the same length, in a section or everywhere."""
        old, new = old.encode(), new.encode()
        assert len(old) == len(new)
        content = self.read(section) if section else bytes(self.data)
        assert old in content, f"no {old} in {section or 'the file'}"
        if section:
            return self.write(section, content.replace(old, new))
        self.data = bytearray(content.replace(old, new))
        return self

    def put(self, at, content):
        self.data[at:at + len(content)] = content
        return self

    # ---- CRCs of imported symbols: entries of 64 bytes, a CRC and a name ----

    def versions(self):
        content = self.read("__versions")
        return {content[i + 8:i + 64].rstrip(b"\0").decode(): content[i:i + 64] for i in range(0, len(content), 64)}

    def spoil(self, symbol):
        """Changes the CRC of an imported symbol."""
        entries = self.versions()
        entries[symbol] = bytes([entries[symbol][0] ^ 1]) + entries[symbol][1:]
        return self.write("__versions", b"".join(entries.values()))

    def forget(self, symbol):
        """Removes the CRC of an imported symbol."""
        entries = self.versions()
        del entries[symbol]
        return self.write("__versions", b"".join(entries.values()))

    def bytes(self):
        return bytes(self.data)
