"""Makes module files that differ from a good one in one respect each: their content, or their signature.

A mutant is a file, the name of the module in it, and the name of the mutant that must be loaded before (or None).
"""
import hashlib
import struct
import subprocess

from elf import Module

MAGIC = b"~Module signature appended~\n"

HEAD = '#include <linux/module.h>\nMODULE_LICENSE ("{licence}");\nMODULE_DESCRIPTION ("A module of a test");\n'
PROBE = '{more}static int __init\nstart (void)\n{{\n  pr_info ("%s: here\\n", KBUILD_MODNAME);\n  {body}\n  return 0;\n}}\n\nstatic void __exit\nstop (void)\n{{\n}}\n\nmodule_init (start);\nmodule_exit (stop);\n'


def probe(body="", more="", licence="Dual BSD/GPL"):
    return HEAD.format(licence=licence) + PROBE.format(body=body, more=more)


def exporter(exports, body="", more="", licence="Dual BSD/GPL"):
    text = "".join(f"int {name} (int);\nint\n{name} (int n)\n{{\n  return n + {i};\n}}\n{kind.format(name)};\n" for i, (name, kind) in enumerate(exports.items()))
    return probe(body, more + text, licence)


PLAIN, GPL, SPACE = "EXPORT_SYMBOL ({})", "EXPORT_SYMBOL_GPL ({})", 'EXPORT_SYMBOL_NS ({}, MXSPACE)'


def using(*symbols, more="", licence="Dual BSD/GPL"):
    declared = "".join(f"int {symbol} (int);\n" for symbol in symbols)
    return probe("".join(f"if ({symbol} (1) == 77777)\n    return -5;\n  " for symbol in symbols), declared + more, licence)


# The file of each source is its name in the kernel.
SOURCES = {
    "mx_probe": probe(),
    "mx_provider": exporter({"mx_plain": PLAIN, "mx_gpl": GPL, "mx_spaced": SPACE, "mx_twice": PLAIN}),
    "mx_owned": exporter({"mx_closed": PLAIN}),
    "mx_plain_user": using("mx_plain"),
    "mx_gpl_user": using("mx_gpl"),
    "mx_space_user": using("mx_spaced", more="MODULE_IMPORT_NS (MXSPACE);\n"),
    "mx_closed_user": using("mx_closed"),
    "mx_closed_gpl_user": using("mx_closed", more="#include <linux/kobject.h>\n").replace("  return 0;", '  kobject_put (kobject_create_and_add ("mx", NULL));\n  return 0;'),
    "mx_weak": using("mx_nowhere", more="extern int mx_nowhere (int) __attribute__ ((weak));\n").replace("if (mx_nowhere (1)", "if (mx_nowhere && mx_nowhere (1)"),
    "mx_kernel_gpl": probe('struct kobject *k = kobject_create_and_add ("mx", NULL);\n  kobject_put (k);', "#include <linux/kobject.h>\n"),
    "mx_doubles_kernel": exporter({"mx_doub_00": PLAIN}),
    "mx_doubles_module": exporter({"mx_twixe": PLAIN}, "if (mx_plain (1) == 77777)\n    return -5;", "int mx_plain (int);\n"),
}


def compile_modules(lab, release):
    """Returns: the content of each module, without debugging information and signature."""
    place = lab / "sources"
    place.mkdir()
    for name, text in SOURCES.items():
        (place / f"{name}.c").write_text(text)
    (place / "Kbuild").write_text("".join(f"obj-m += {name}.o\n" for name in SOURCES))
    process = subprocess.run(["make", "-j2", "-C", f"/usr/src/linux-headers-{release}", f"M={place}", "KBUILD_MODPOST_WARN=1", "modules"], capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stdout + process.stderr
    modules = {}
    for name in SOURCES:
        subprocess.run(["strip", "--strip-debug", place / f"{name}.ko"], check=True)
        modules[name] = (place / f"{name}.ko").read_bytes()
    return modules


# ---- keys ----

MANY_PRIMES = ("-pkeyopt", "rsa_keygen_primes:3") # makes large keys in seconds; signatures are the same

# Words of 'openssl req' for each certificate. "ours" signs all that is not about signatures.
KEYS = {
    "rsa": ["rsa:2048"],
    "foreign": ["rsa:2048"],
    "foreign_ec": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "stranger": ["rsa:2048"],
    "rsa1024": ["rsa:1024"],
    "rsa2056": ["rsa:2056"],
    "rsa3072": ["rsa:3072", *MANY_PRIMES],
    "rsa4096": ["rsa:4096", *MANY_PRIMES],
    "rsa8192": ["rsa:8192", *MANY_PRIMES],
    "ec256": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "ec384": ["ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
    "ec521": ["ec", "-pkeyopt", "ec_paramgen_curve:P-521"],
    "usage": ["rsa:2048", "-addext", "keyUsage=critical,keyEncipherment", "-addext", "extendedKeyUsage=serverAuth"],
    "eku": ["rsa:2048", "-addext", "extendedKeyUsage=codeSigning"],
    "no_skid": ["rsa:2048"],
    "self_pss": ["rsa:2048", "-sigopt", "rsa_padding_mode:pss"],
    "self_md5": ["rsa:2048", "-md5"],
    "self_sha512": ["rsa:2048", "-sha512"],
    "authority": ["rsa:2048", "-addext", "basicConstraints=critical,CA:TRUE"],
    "tbs_revoked": ["rsa:2048"],
    "revoked": ["rsa:2048"],
    "expired": ["rsa:2048"],
    "future": ["rsa:2048"],
}
NOT_ENROLLED = ("foreign", "foreign_ec", "stranger")
NO_IDENTIFIER = "[req]\ndistinguished_name = d\n[d]\n"


def openssl(*words, data=None):
    process = subprocess.run(["openssl", *map(str, words)], input=data, capture_output=True, check=False)
    assert process.returncode == 0, f"{words}\n{process.stderr.decode()}"
    return process.stdout


class Keys:
    def __init__(self, lab):
        self.place = lab / "keys"
        self.place.mkdir()
        (self.place / "empty.cnf").write_text(NO_IDENTIFIER)
        for name, words in KEYS.items():
            self._make(name, words)
        self._issue("leaf", "authority", "authorityKeyIdentifier = keyid\n")
        self._issue("leaf_by_serial", "authority", "authorityKeyIdentifier = issuer:always\n")
        self._issue("leaf_without_identifier", "authority", "authorityKeyIdentifier = none\n")

    def _make(self, name, words):
        key, pem = self.pair(name)
        if name in ("expired", "future"):
            return self._make_with_dates(name)
        more = ["-config", self.place / "empty.cnf"] if name == "no_skid" else []
        openssl("req", "-new", "-x509", "-nodes", "-days", "36500", "-newkey", *words, "-subj", f"/CN=key {name}", "-keyout", key, "-out", pem, *more)
        return None

    def _make_with_dates(self, name):
        """'openssl ca' of OpenSSL 3.0 is the only command that takes dates."""
        key, pem = self.pair(name)
        place = self.place / f"ca-{name}"
        place.mkdir()
        (place / "index").write_text("")
        (place / "serial").write_text("77\n")
        (place / "ca.cnf").write_text(f"[ca]\ndefault_ca = c\n[c]\ndatabase = {place}/index\nserial = {place}/serial\nnew_certs_dir = {place}\npolicy = p\nx509_extensions = x\n"
                                      "[p]\ncommonName = supplied\n[x]\nsubjectKeyIdentifier = hash\n")
        openssl("req", "-new", "-nodes", "-newkey", "rsa:2048", "-subj", f"/CN=key {name}", "-keyout", key, "-out", place / "request")
        dates = ("20010101000000Z", "20020101000000Z") if name == "expired" else ("21010101000000Z", "21020101000000Z")
        openssl("ca", "-batch", "-selfsign", "-notext", "-config", place / "ca.cnf", "-keyfile", key, "-in", place / "request", "-md", "sha256",
                "-startdate", dates[0], "-enddate", dates[1], "-out", pem)

    def _issue(self, name, authority, extensions):
        key, pem = self.pair(name)
        other, certificate = self.pair(authority)
        openssl("req", "-new", "-nodes", "-newkey", "rsa:2048", "-subj", f"/CN=key {name}", "-keyout", key, "-out", self.place / "request")
        (self.place / "extensions").write_text(extensions)
        openssl("x509", "-req", "-in", self.place / "request", "-CA", certificate, "-CAkey", other, "-CAcreateserial", "-days", "36500",
                "-extfile", self.place / "extensions", "-out", pem)

    def pair(self, name):
        return self.place / f"{name}.key", self.place / f"{name}.pem"

    def der(self, name):
        return openssl("x509", "-in", self.pair(name)[1], "-outform", "DER")

    def tbs_digest(self, name):
        """The SHA-256 of the signed part of a certificate."""
        der = self.der(name)
        assert der[4:6] == b"\x30\x82" # both lengths have two bytes
        return hashlib.sha256(der[4:4 + 4 + int.from_bytes(der[6:8], "big")]).digest()

    def sign(self, data, *names, digest="sha256", attributes=False, certificates=False, embedded=False, identifier=False, more=()):
        signers = [word for name in names for word in ("-signer", self.pair(name)[1], "-inkey", self.pair(name)[0], *more)]
        flags = [*([] if attributes else ["-noattr"]), *([] if certificates else ["-nocerts"]), *(["-nodetach"] if embedded else []), *(["-keyid"] if identifier else [])]
        message = openssl("cms", "-sign", "-binary", "-outform", "DER", "-md", digest, *flags, *signers, data=data)
        return data + message + struct.pack(">BBBBBxxxI", 0, 0, 2, 0, 0, len(message)) + MAGIC


# ---- mutants ----

def contents(modules, release):
    """Mutants that differ in their content. Returns: name -> (content, name of the module, provider)"""
    def change(name, *steps):
        module = Module(modules[name])
        for method, *words in steps:
            getattr(module, method)(*words)
        return module.bytes()

    vermagic = next(field for field in modules["mx_probe"].split(b"\0") if field.startswith(b"vermagic=")).decode()
    other = vermagic.replace(release, release[:-1] + "X")
    flags = vermagic.replace(" preempt", " prEempt") if " preempt" in vermagic else vermagic.replace(" SMP", " SMq")
    free = ("replace", "Dual BSD/GPL", "MIT\0\0\0\0\0\0\0\0\0", ".modinfo")
    closed = ("replace", "Dual BSD/GPL", "Proprietary\0", ".modinfo")
    good = modules["mx_probe"]
    probes = {
        "good": good,
        "crc": change("mx_probe", ("spoil", "_printk")),
        "crc_layout": change("mx_probe", ("spoil", "module_layout")),
        "crc_both": change("mx_probe", ("spoil", "module_layout"), ("spoil", "_printk")),
        "crc_absent": change("mx_probe", ("forget", "_printk")),
        "crc_layout_absent": change("mx_probe", ("forget", "module_layout")),
        "crc_all_absent": change("mx_probe", ("write", "__versions", b"")),
        "no_versions": change("mx_probe", ("rename", "__versions")),
        "no_versions_other_release": change("mx_probe", ("rename", "__versions"), ("replace", vermagic, other)),
        "other_release": change("mx_probe", ("replace", vermagic, other)),
        "other_flags": change("mx_probe", ("replace", vermagic, flags)),
        "no_modversions": change("mx_probe", ("replace", "modversions ", "            ")),
        "no_vermagic": change("mx_probe", ("replace", "vermagic=", "vermagix=")),
        "no_vermagic_no_versions": change("mx_probe", ("replace", "vermagic=", "vermagix="), ("rename", "__versions")),
        "no_vermagic_crc": change("mx_probe", ("replace", "vermagic=", "vermagix="), ("spoil", "_printk")),
        "undefined": change("mx_probe", ("replace", "_printk\0", "_prinkt\0")),
        "undefined_no_versions": change("mx_probe", ("replace", "_printk\0", "_prinkt\0", ".strtab"), ("rename", "__versions")),
        "mit": change("mx_probe", free),
        "proprietary": change("mx_probe", closed),
        "no_license": change("mx_probe", ("replace", "license=", "licence=", ".modinfo")),
        "other_machine": change("mx_probe", ("put", 18, struct.pack("<H", 183))),
        "executable": change("mx_probe", ("put", 16, struct.pack("<H", 2))),
        "sections_outside": change("mx_probe", ("put", 40, struct.pack("<Q", 1 << 40))),
        "no_this_module": change("mx_probe", ("rename", ".gnu.linkonce.this_module")),
        "struct_size": change("mx_probe", ("shrink", ".gnu.linkonce.this_module", 64)),
        "no_symbols": change("mx_probe", ("retype", ".symtab", 1)),
        "in_tree": change("mx_probe", ("replace", "description=A", "intree=Y\0\0\0\0\0")),
        "text": b"This is not a kernel module.\n" * 100,
        "half": good[:len(good) // 2],
    }
    mutants = {name: (content, "mx_probe", None) for name, content in probes.items()}
    if b".BTF\0" in good:
        mutants["btf_magic"] = (change("mx_probe", ("write", ".BTF", b"\0\0" + Module(good).read(".BTF")[2:])), "mx_probe", None)
        btf = Module(good).read(".BTF")
        mutants["btf_offset"] = (change("mx_probe", ("write", ".BTF", btf[:8] + struct.pack("<I", 1 << 30) + btf[12:])), "mx_probe", None)
        mutants["btf_absent"] = (change("mx_probe", ("rename", ".BTF")), "mx_probe", None)
    others = {
        "provider": ("mx_provider", None),
        "owned": ("mx_owned", None, closed),
        "uses_plain": ("mx_plain_user", "provider"),
        "uses_gpl": ("mx_gpl_user", "provider"),
        "uses_namespace": ("mx_space_user", "provider"),
        "uses_plain_mit": ("mx_plain_user", "provider", free),
        "uses_gpl_mit": ("mx_gpl_user", "provider", free),
        "uses_plain_proprietary": ("mx_plain_user", "provider", closed),
        "uses_gpl_proprietary": ("mx_gpl_user", "provider", closed),
        "uses_namespace_not_imported": ("mx_space_user", "provider", ("replace", "import_ns=MXSPACE", "import_ns=MXSPACF", ".modinfo")),
        "uses_plain_crc": ("mx_plain_user", "provider", ("spoil", "mx_plain")),
        "uses_plain_crc_absent": ("mx_plain_user", "provider", ("forget", "mx_plain")),
        "uses_gpl_crc": ("mx_gpl_user", "provider", ("spoil", "mx_gpl")),
        "uses_closed": ("mx_closed_user", "owned"),
        "uses_closed_and_gpl": ("mx_closed_gpl_user", "owned"),
        "kernel_gpl": ("mx_kernel_gpl", None),
        "kernel_gpl_mit": ("mx_kernel_gpl", None, free),
        "weak_undefined": ("mx_weak", None),
        "doubles_kernel": ("mx_doubles_kernel", None, ("replace", "mx_doub_00", "jiffies_64")),
        "doubles_module": ("mx_doubles_module", "provider", ("replace", "mx_twixe", "mx_twice")),
    }
    for name, (source, before, *steps) in others.items():
        mutants[name] = (change(source, *steps), source, before)
    return mutants


def stripped(signed, lab):
    """What strip(1) leaves of a signed module."""
    path = lab / "stripped.ko"
    path.write_bytes(signed)
    subprocess.run(["strip", "--strip-debug", path], check=True)
    return path.read_bytes()


def signatures(good, keys, ours):
    """Mutants of a good module that differ in their signature. @ours: the key. Returns: name -> content"""
    text, others = b"A module of a test", [text + b" module of a test" for text in (b"B", b"C", b"D")]
    signed = keys.sign(good, ours)
    fields = signed[-40:-32]
    mutants = {
        "unsigned": good,
        "foreign": keys.sign(good, "foreign"),
        "foreign_curve": keys.sign(good, "foreign_ec"),
        "tampered": signed.replace(text, others[0]),
        "foreign_tampered": keys.sign(good, "foreign").replace(text, others[0]),
        "stripped": stripped(signed, keys.place),
        "byte_behind": signed + b"\0",
        "magic_alone": good + MAGIC,
        "only_magic": MAGIC,
        "truncated": signed[:-700],
        "cut_in_magic": signed[:-1],
        "not_cms": good + b"\x30\x03\x02\x01\x01" + fields + struct.pack(">I", 5) + MAGIC,
        "size_too_large": signed[:-32] + struct.pack(">I", 1 << 30) + MAGIC,
        "size_too_small": signed[:-32] + struct.pack(">I", 100) + MAGIC,
        "other_id_type": signed[:-40] + bytes([0, 0, 1]) + signed[-37:],
        "reserved_fields": signed[:-40] + bytes([1, 0, 2]) + signed[-37:],
        "empty": b"",
        "ours_last": keys.sign(keys.sign(good, "foreign"), ours),
        "foreign_last": keys.sign(signed, "foreign"),
        "two_signers": keys.sign(good, ours, "foreign"),
        "two_signers_foreign_first": keys.sign(good, "foreign", ours),
        "two_signers_tampered": keys.sign(good, "foreign", ours).replace(text, others[0]),
        "two_foreign_signers": keys.sign(good, "foreign", "stranger"),
        "key_identifier": keys.sign(good, ours, identifier=True),
        "with_certificate": keys.sign(good, ours, certificates=True),
        "foreign_with_certificate": keys.sign(good, "foreign", certificates=True),
        "issued_with_certificate": keys.sign(good, "leaf", certificates=True),
        "issued_by_serial": keys.sign(good, "leaf_by_serial", certificates=True),
        "issued_without_identifier": keys.sign(good, "leaf_without_identifier", certificates=True),
        "issued_tampered": keys.sign(good, "leaf", certificates=True).replace(text, others[0]),
        "issued_without_certificate": keys.sign(good, "leaf"),
        "attributes": keys.sign(good, ours, attributes=True),
        "foreign_attributes": keys.sign(good, "foreign", attributes=True),
        "embedded": keys.sign(good, ours, embedded=True),
        "embedded_large": keys.sign(good + bytes(1 << 16), ours, embedded=True),
        "foreign_embedded": keys.sign(good, "foreign", embedded=True),
        "foreign_with_certificate_tampered": keys.sign(good, "foreign", certificates=True).replace(text, others[0]),
        "foreign_with_certificate_sha512_tampered": keys.sign(good, "foreign", certificates=True, digest="sha512").replace(text, others[0]),
        "foreign_curve_with_certificate": keys.sign(good, "foreign_ec", certificates=True),
        "curve_with_certificate": keys.sign(good, "ec384", certificates=True),
        "pss": keys.sign(good, "rsa", more=("-keyopt", "rsa_padding_mode:pss")),
        "hash_revoked": keys.sign(good.replace(text, others[1]), ours),
        "unsigned_hash_revoked": good.replace(text, others[2]),
    }
    for digest in ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha3-256"):
        mutants[digest.replace("-", "_")] = keys.sign(good, "rsa", digest=digest)
    mutants["foreign_sha512"] = keys.sign(good, "foreign", digest="sha512")
    for name in KEYS:
        if name not in NOT_ENROLLED:
            mutants[f"by_{name}"] = keys.sign(good, name)
    mutants["by_ec256_sha512"] = keys.sign(good, "ec256", digest="sha512")
    mutants["by_ec384_sha384"] = keys.sign(good, "ec384", digest="sha384")
    return mutants
