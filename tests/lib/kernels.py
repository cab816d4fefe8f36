"""Small kernel images with the tables that dkms-facts reads."""
import struct


def vmlinux(symbols, texts=(), btf=b"", crcs=True, flags=False, data=b""):
    """A 64-bit little-endian ELF file. @symbols: (name, crc, gpl, namespace); @texts: other texts in its data; @data: more
    of it, at a multiple of 8; @flags: one table of symbols, with a byte for each."""
    strings, places = b"", {}
    for text in [name for name, *_ in symbols] + [space for *_, space in symbols if space]:
        if text not in places:
            places[text] = len(strings)
            strings += text.encode() + b"\0"
    words = b"\0" + b"".join(text.encode() + b"\0" for text in texts)
    data = words + bytes(-(64 + len(strings) + len(words)) % 8) + data
    address = {"__ksymtab_strings": 0x1000, "__ksymtab": 0x100000, "__ksymtab_gpl": 0x200000}
    sections = [("__ksymtab_strings", strings, 0x1000), (".rodata", data, 0x900000)]
    for kind, gpl in (("__ksymtab", False), ("__ksymtab_gpl", True)):
        table, sums = b"", b""
        for name, crc, is_gpl, space in symbols:
            if (is_gpl and not flags) != gpl:
                continue
            at = address[kind] + len(table)
            table += struct.pack("<iii", 0, 0x1000 + places[name] - (at + 4), (0x1000 + places[space] - (at + 8)) if space else 0)
            sums += struct.pack("<I", crc)
        sections.append((kind, table, address[kind]))
        if crcs:
            sections.append((kind.replace("ksymtab", "kcrctab"), sums, 0x700000))
    if flags:
        sections.append(("__kflagstab", bytes(2 + is_gpl for _, _, is_gpl, _ in symbols), 0x800000))
    if btf:
        sections.append((".BTF", btf, 0))
    names, body, headers = b"\0", b"\0" * 64, [bytes(64)]
    for name, content, where in sections + [(".shstrtab", None, 0)]:
        at = len(names)
        names += name.encode() + b"\0"
        content = names if content is None else content
        headers.append(struct.pack("<IIQQQQIIQQ", at, 3 if name == ".shstrtab" else 1, 2, where, len(body), len(content), 0, 0, 1, 0))
        body += content
    identification = b"\x7fELF\2\1\1" + bytes(9)
    header = identification + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0, 0, len(body), 0, 64, 0, 0, 64, len(headers), len(headers) - 1)
    return header + body[64:] + b"".join(headers)


def bzimage(payload, release="6.1.0-1-test", size=0):
    """A bzImage. @payload: a compressed kernel of @size bytes."""
    setup = bytearray(5 * 512)
    text = f"{release} (builder@host) #1 SMP".encode() + b"\0"
    setup[0x1f1] = 4
    setup[0x202:0x206] = b"HdrS"
    setup[0x20e:0x210] = struct.pack("<H", 0x400 - 0x200)
    setup[0x400:0x400 + len(text)] = text
    setup[0x248:0x250] = struct.pack("<II", 64, len(payload) + 4)
    return bytes(setup) + bytes(64) + payload + struct.pack("<I", size) + b"rest"


def newc(files, magic=b"070701", trailer=True):
    """A cpio archive. @files: (path, content)"""
    out = b""
    for number, (path, content) in enumerate([*files, *([("TRAILER!!!", b"")] if trailer else [])]):
        name = path.encode() + b"\0"
        mode = 0o100644 if path != "TRAILER!!!" else 0
        numbers = [number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name), 0]
        out += magic + b"".join(b"%08X" % value for value in numbers) + name
        out += bytes(-len(out) % 4) + content
        out += bytes(-len(out) % 4)
    return out


def unified(sections):
    """A unified kernel image: a program for EFI firmware. @sections: (name, content)"""
    headers, body, start = b"", b"", 0x400
    for name, content in sections:
        stored = content + b"\xff" * (-len(content) % 512) # what is behind the content does not count
        headers += struct.pack("<8sIIIIIIHHI", name.encode(), len(content), 0x1000, len(stored), start + len(body), 0, 0, 0, 0, 0x40000040)
        body += stored
    coff = struct.pack("<HHIIIHH", 0x8664, len(sections), 0, 0, 0, 112, 0x22f)
    head = b"MZ" + bytes(0x3a) + struct.pack("<I", 0x80) + bytes(0x40) + b"PE\0\0" + coff + struct.pack("<H", 0x20b) + bytes(110) + headers
    return head + bytes(start - len(head)) + body


def certificate_list(certificates, own=0, extra=0):
    """The certificates of a kernel, as in certs/system_certificates.S: the first @own are those of its build; @extra:
    bytes that are reserved for another one."""
    whole, part = b"".join(certificates), b"".join(certificates[:own])
    text = whole + bytes(extra)
    return text + bytes(-len(text) % 8) + struct.pack("<QQ", len(whole), len(part))
