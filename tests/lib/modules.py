"""Writes kernel modules without a compiler: ELF files with the sections that depmod, modinfo and dkms read."""
import gzip
import lzma
import struct
import subprocess


def pack(content, suffix, sized=True):
    """The content of a file whose name ends with this suffix. @sized: zstd data contain the size of the content."""
    if suffix == ".ko.xz":
        return lzma.compress(content, check=lzma.CHECK_CRC32, preset=0)
    if suffix == ".ko.gz":
        return gzip.compress(content, 1, mtime=0)
    if suffix == ".ko.zst":
        return subprocess.run(["zstd", "-q", "-1", "-c", *([f"--stream-size={len(content)}"] if sized else [])], input=content, capture_output=True, check=True).stdout
    return content


class Elf:
    """A relocatable ELF file with sections and symbols."""

    def __init__(self, wide=True, big=False, machine=62):
        self.wide, self.order, self.machine = wide, ">" if big else "<", machine
        self.sections, self.symbols = [], []

    def section(self, name, content=b"", kind=1):
        self.sections.append((name, content, kind))
        return len(self.sections)

    def symbol(self, name, place=0, value=0, info=0x10):
        self.symbols.append((name, place, value, info))

    def tables(self, names=".strtab"):
        strings, table = b"\0", b"\0" * (24 if self.wide else 16)
        for name, place, value, info in self.symbols:
            at = len(strings) if name else 0
            strings += name.encode() + b"\0" if name else b""
            table += (struct.pack(self.order + "IBBHQQ", at, info, 0, place, value, 0) if self.wide
                      else struct.pack(self.order + "IIIBBH", at, value, 0, info, 0, place))
        self.section(".symtab", table, 2)
        self.section(names, strings, 3)

    def bytes(self):
        sections = [*self.sections, (".shstrtab", b"", 3)]
        names, labels = b"\0", []
        for name, _, _ in sections:
            labels.append(len(names))
            names += name.encode() + b"\0"
        sections[-1] = (".shstrtab", names, 3)
        head, step = (64, 64) if self.wide else (52, 40)
        body, headers = b"", b"\0" * step
        index = {name: number + 1 for number, (name, _, _) in enumerate(sections)}
        for (name, content, kind), label in zip(sections, labels):
            body += b"\0" * (-len(body) % 8)
            link, entry = (index.get(".strtab", 0), 24 if self.wide else 16) if kind == 2 else (0, 0)
            headers += struct.pack(self.order + ("IIQQQQIIQQ" if self.wide else "IIIIIIIIII"), label, kind, 0, 0, head + len(body),
                                   len(content), link, 0, 8, entry)
            body += content if kind != 8 else b""
        body += b"\0" * (-len(body) % 8)
        ident = b"\x7fELF" + bytes([2 if self.wide else 1, 1 if self.order == "<" else 2, 1]) + b"\0" * 9
        word = "Q" if self.wide else "I"
        return (ident + struct.pack(self.order + "HHI" + 3 * word + "IHHHHHH", 1, self.machine, 1, 0, 0, head + len(body), 0, head, 0, 0, step,
                                    len(sections) + 1, len(sections)) + body + headers)


def module(name, exports=(), needs=(), weak=(), info=(), versions=True, crc_values=False, filler=3000, **kind):
    """A module: @exports and @needs are names of symbols, @weak ones may be missing; @info are fields of .modinfo.
    @versions: with checksums; @crc_values: those of exports are values of symbols, as before Linux 5.19."""
    return full_module(name, [(symbol, 7 + i, False, "") for i, symbol in enumerate(exports)],
                       {symbol: 1000 + i for i, symbol in enumerate(["module_layout", *needs])} if versions else None,
                       needs, weak, ["license=GPL", "vermagic=5.0 SMP mod_unload modversions ", *info],
                       crcs="value" if crc_values else "table" if versions else "none", filler=filler, **kind)


def full_module(name, exports=(), versions=None, needs=(), weak=(), info=(), crcs="table", extended=False, gpl="section", btf=(), struct_size=64,
                filler=0, tables=1, **kind):
    """A module. @exports: (name, crc, gpl, namespace); @versions: symbol -> crc (None: without checksums); @extended: they
    are in the form of Linux 6.14. @crcs: those of exports are in a "table", in the "value" of a symbol, or "none"; @gpl:
    their kind is the name of a "section", or a byte of "flags"."""
    elf = Elf(**kind)
    elf.section(".text", bytes(range(256)) * (filler // 256), 1)
    elf.section(".bss", b"\0" * 64, 8)
    elf.section(".modinfo", b"".join(field.encode() + b"\0" for field in [f"name={name}", *info]))
    spaces, strings = {}, b"".join(symbol.encode() + b"\0" for symbol, *_ in exports)
    for symbol, _, _, space in exports:
        if space:
            spaces[symbol] = len(strings)
            strings += space.encode() + b"\0"
    texts = elf.section("__ksymtab_strings", strings)
    flags = gpl == "flags" and elf.section("__kflagstab", bytes(is_gpl for _, _, is_gpl, _ in exports))
    places = {}
    for suffix in ("", "_gpl"):
        mine = [export for export in exports if ("_gpl" if export[2] and not flags else "") == suffix]
        if suffix == "" or mine:
            checksums = elf.section("__kcrctab" + suffix, b"".join(struct.pack(elf.order + "I", crc) for _, crc, _, _ in mine))
            table = elf.section("__ksymtab" + suffix, b"\0" * 12 * len(mine))
            places.update({symbol: (checksums, table, i) for i, (symbol, *_) in enumerate(mine)})
    if versions is not None and extended:
        elf.section("__version_ext_crcs", b"".join(struct.pack(elf.order + "I", crc) for crc in versions.values()))
        elf.section("__version_ext_names", b"".join(symbol.encode() + b"\0" for symbol in versions))
    if versions is not None and extended != "only":
        entry = "Q56s" if elf.wide else "I60s"
        elf.section("__versions", b"".join(struct.pack(elf.order + entry, crc, symbol.encode()) for symbol, crc in versions.items()))
    for section in btf:
        elf.section(section, b"types")
    elf.section(".gnu.linkonce.this_module", b"\0" * struct_size)
    elf.symbol("init_module", 1, 0, 0x12)
    for i, (symbol, crc, _, _) in enumerate(exports):
        checksums, table, index = places[symbol]
        elf.symbol(symbol, 1, 16 * i, 0x12)
        elf.symbol(f"__ksymtab_{symbol}", table, 12 * index, 0)
        if crcs != "none":
            elf.symbol(f"__crc_{symbol}", *((0xfff1, crc) if crcs == "value" else (checksums, 4 * index)), 0x10)
        if symbol in spaces:
            elf.symbol(f"__kstrtabns_{symbol}", texts, spaces[symbol], 0)
        if flags:
            elf.symbol(f"__flags_{symbol}", flags, i, 0)
    for symbol in needs:
        elf.symbol(symbol)
    for symbol in weak:
        elf.symbol(symbol, info=0x20)
    for _ in range(tables):
        elf.tables()
    return elf.bytes()
