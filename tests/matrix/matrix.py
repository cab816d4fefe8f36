"""The confusion matrix of 'dkms verify': module files, the policies of kernels, what real kernels answer, and what dkms predicts."""
import hashlib
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "boot"))

import machine # noqa: E402
import mutations # noqa: E402

DIGEST = "sha512_generic" # the module that computes SHA-384 and SHA-512
PREFIX = "mutant_" # of the files that dkms judges: a kernel has a module "md5" of its own
BLACKLIST = "module_blacklist=mx_probe,mx_weak"

# name -> (Secure Boot: shim validates, does not, or there is no firmware; command line; whose certificate replaces that in the
# image: nobody's, ours, or that of others)
POLICIES = {
    "secure-boot": ("validates", "", None),
    "shim-off": ("unchecked", "", None),
    "noruntime": ("validates", "efi=noruntime", None),
    "stock": (None, "", None),
    "lockdown": (None, "lockdown=integrity", None),
    "blacklist": (None, BLACKLIST, None),
    "own-certificate": (None, "tree=own", "ours"),
    "own-certificate-enforced": (None, "module.sig_enforce=1 tree=own", "ours"),
    "other-certificate-enforced": (None, "module.sig_enforce=1 tree=own", "others"),
    "digest-out-of-reach": (None, "module.sig_enforce=1 tree=bare", "ours"),
}


def run(*command, **options):
    process = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert process.returncode == 0, f"{command}\n{process.stdout}\n{process.stderr}"
    return process.stdout


class Variables:
    """The variables of the firmware that matter, in stores of the emulated firmware and as files of a root."""

    def __init__(self, lab, keys, hashes):
        self.lab, self.stores = lab, {}
        enrolled = [name for name in mutations.KEYS if name not in mutations.NOT_ENROLLED]
        self.owner = b"".join(machine.signature_list("certificate", keys.der(name)) for name in enrolled)
        self.revoked = (b"".join(machine.signature_list("hash", digest) for digest in hashes) + machine.signature_list("certificate", keys.der("revoked"))
                        + machine.signature_list("tbs", keys.tbs_digest("tbs_revoked") + bytes(16)))

    def of_shim(self, state):
        variables = {"MokListRT": (7, self.owner), "MokListXRT": (7, self.revoked)}
        if state == "unchecked":
            variables["MokSBStateRT"] = (6, b"\1")
        return variables

    def store(self, state):
        """Returns: the file for the emulator"""
        if state not in self.stores:
            self.stores[state] = machine.firmware(self.lab / f"{state}.fd", self.of_shim(state))
        return self.stores[state]

    def write(self, root, state, copied=False):
        """Writes them below /sys of a root."""
        machine.write_variables(root, self.of_shim(state) if state else None, copied)


class Kernel:
    """A kernel with its mutants, the guest that loads them, and the roots in which dkms judges them."""

    def __init__(self, lab, release, keys, image):
        self.lab, self.release, self.keys, self.image = lab / release, release, keys, image
        self.lab.mkdir()
        # Their certificates must not be larger than that in the image.
        self.ours, self.others = ("rsa", "foreign") if release.startswith("6.1.") else ("ec256", "foreign_ec")
        self.vmlinuz = image / f"boot/vmlinuz-{release}"
        self.config = image / f"boot/config-{release}"
        self._make_files()
        self.variables = Variables(self.lab, keys, [hashlib.sha256((self.files / f"{name}.ko").read_bytes()).digest()
                                                    for name in ("hash_revoked", "unsigned_hash_revoked")])
        plain = machine.unpack_vmlinux(self.vmlinuz)
        self.images = {}
        for whose, key in ((None, None), ("ours", self.ours), ("others", self.others)):
            self.images[whose] = self.lab / f"vmlinux-{key}"
            self.images[whose].write_bytes(machine.trusting(bytearray(plain), keys.der(key)) if key else plain)
        self._make_tree()
        self._make_guest()

    def _make_files(self):
        modules = mutations.compile_modules(self.lab, self.release)
        self.files = self.lab / "files"
        self.files.mkdir()
        self.mutants = {} # name -> (name of the module, provider)
        for name, (content, module, provider) in mutations.contents(modules, self.release).items():
            (self.files / f"{name}.ko").write_bytes(self.keys.sign(content, self.ours))
            self.mutants[name] = (module, provider)
        for name, content in mutations.signatures(modules["mx_probe"], self.keys, self.ours).items():
            assert name not in self.mutants
            (self.files / f"{name}.ko").write_bytes(content)
            self.mutants[name] = ("mx_probe", None)

    def _make_tree(self):
        """Roots with the modules of the kernel and the mutants: as it comes, as if our keys had signed the kernel's modules, and
        the same without the module that computes SHA-512."""
        usual, own = self.lab / "tree-usual", self.lab / "tree-own"
        (usual / "lib/modules").mkdir(parents=True)
        run("cp", "-al", self.image / "lib/modules" / self.release, usual / "lib/modules")
        self._add_mutants(usual)
        run("depmod", "-b", usual, self.release)
        run("cp", "-al", usual, own)
        for path in own.rglob(f"{DIGEST}.ko"): # Linux 6.1 loads it; 6.12 has it built in
            content, status = path.read_bytes(), path.stat()
            path.unlink()
            path.write_bytes(self.keys.sign(content[:-40 - struct.unpack(">I", content[-32:-28])[0]], self.ours, self.others))
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        bare = self.lab / "tree-bare"
        run("cp", "-al", own, bare)
        for path in bare.rglob("sha512*.ko"): # and those for some processors
            path.unlink()
        run("depmod", "-b", bare, self.release)
        self.trees = {"usual": usual, "own": own, "bare": bare}

    def _add_mutants(self, root):
        """As dkms 3 leaves them: a build without record, installed."""
        tree, source = root / "var/lib/dkms/mutants", root / "usr/src/mutants-1.0"
        arch = os.uname().machine
        built = tree / "1.0" / self.release / arch / "module"
        target = root / "lib/modules" / self.release / "updates/dkms"
        for directory in (built, target, source, root / "etc"):
            directory.mkdir(parents=True)
        (root / "etc/os-release").write_text("ID=debian\n")
        text = "PACKAGE_NAME=mutants\nPACKAGE_VERSION=1.0\nAUTOINSTALL=yes\n"
        for number, name in enumerate(self.mutants):
            text += f"BUILT_MODULE_NAME[{number}]={PREFIX}{name}\nDEST_MODULE_LOCATION[{number}]=/updates/dkms\n"
            for place in (built, target):
                os.link(self.files / f"{name}.ko", place / f"{PREFIX}{name}.ko")
        (source / "dkms.conf").write_text(text)
        (tree / "1.0/source").symlink_to("/usr/src/mutants-1.0")
        (tree / f"kernel-{self.release}-{arch}").symlink_to(f"1.0/{self.release}/{arch}")
        (root / "boot").mkdir()

    def _make_guest(self):
        """All files, and what the kernel needs to load more digests, for all policies."""
        guests = {}
        for name, tree in self.trees.items():
            root = self.lab / f"guest-{name}"
            target = root / "lib/modules" / self.release / "kernel"
            target.mkdir(parents=True)
            for path in (tree / "lib/modules" / self.release / "kernel").rglob(f"{DIGEST}.ko"):
                shutil.copy(path, target)
            run("depmod", "-b", root, self.release)
            guests[name] = root
        lines = "".join(f"{name} /m/{name}.ko {module} {f'{self.mutants[provider][0]}=/m/{provider}.ko' if provider else '-'}\n"
                        for name, (module, provider) in self.mutants.items())
        (self.lab / "list").write_text(lines)
        files = {f"m/{name}.ko": self.files / f"{name}.ko" for name in self.mutants}
        self.initrd = machine.initramfs(self.lab, "guest", {".": guests["usual"], "own": guests["own"], "bare": guests["bare"]}, {**files, "files": self.lab / "list"}, [], [HERE / "judge.c"])

    # ---- answers ----

    def boot(self, policy):
        """Returns: the answers of the kernel: name -> (answer, errno, taint)"""
        state, cmdline, whose = POLICIES[policy]
        image = self.vmlinuz if state else self.images[whose]
        guest = machine.boot(self.lab, policy, image, self.initrd, cmdline, variables=self.variables.store(state) if state else None)
        self.guest = guest
        return {name: ("loads", None, case.get("taint")) if case["loaded"] == "OK" else ("refused", case["loaded"], None)
                for name, case in guest.cases.items()}

    def root(self, policy):
        """Returns: a root of a machine that boots this kernel under @policy next"""
        state, cmdline, whose = POLICIES[policy]
        root = self.lab / f"root-{policy}"
        if root.exists():
            return root
        tree = re.search(r"tree=(\w+)", cmdline)
        run("cp", "-al", self.trees[tree[1] if tree else "usual"], root)
        shutil.copy(self.images[whose] if whose else self.vmlinuz, root / f"boot/vmlinuz-{self.release}")
        shutil.copy(self.config, root / "boot")
        (root / "boot/grub").mkdir()
        (root / "boot/grub/grub.cfg").write_text(f'set default="0"\nmenuentry "Debian" {{\n  linux /boot/vmlinuz-{self.release} root=/dev/vda {cmdline}\n}}\n')
        self.variables.write(root, state)
        return root

    # ---- boot images ----

    def make_image(self, name, files, digest):
        """Makes a boot image. @files: module -> (mutant with its content, suffix); @digest: with the module for SHA-512.
        Returns: its file"""
        root = self.lab / name
        target = root / "lib/modules" / self.release / "updates/dkms"
        target.mkdir(parents=True)
        for module, (mutant, suffix) in files.items():
            path = target / f"{PREFIX}{module}.ko"
            shutil.copy(self.files / f"{mutant}.ko", path)
            if suffix == ".xz":
                run("xz", "--check=crc32", path)
        for path in (self.trees["own"] / "lib/modules" / self.release / "kernel").rglob(f"{DIGEST}.ko"):
            if digest:
                shutil.copy(path, target.parent)
        run("depmod", "-b", root, self.release)
        cases = [(module, "modprobe", "/", f"{PREFIX}{module}", "mx_probe") for module in files]
        return machine.initramfs(self.lab, f"{name}-guest", {".": root}, {}, cases)

    def loaded_by(self, image):
        """Boots with an image. Returns: the modules that modprobe loads from it"""
        guest = machine.boot(self.lab, image.stem, self.images["ours"], image, "module.sig_enforce=1")
        return {name for name, case in guest.cases.items() if case["loaded"] == "OK"}

    def findings_about(self, image, dkms):
        """Returns: module -> what dkms says about its copy in the image, if the kernel enforces signatures"""
        place = self.root("own-certificate-enforced") / f"boot/initrd.img-{self.release}"
        place.unlink(missing_ok=True)
        shutil.copy(image, place)
        self.predict("own-certificate-enforced", dkms)
        place.unlink()
        return {name: {finding["code"] for finding in file["findings"] if finding["check"] == "boot-image" and finding["result"] == "problem"}
                for name, file in self.judged.items()}

    # ---- predictions ----

    def predict(self, policy, dkms):
        """Returns: the answers of dkms, in the same form"""
        process = subprocess.run([dkms, "--root", self.root(policy), "verify", "-k", self.release, "--json=short"], capture_output=True, text=True, check=False)
        assert process.returncode in (0, 30, 31), process.stdout + process.stderr
        kernel, = json.loads(process.stdout)["kernels"]
        self.judged = {file["name"].removeprefix(PREFIX): file for module in kernel["modules"] for file in module["files"]}
        return {name: (file["answer"], file.get("errno"), file.get("taint") if file["answer"] == "loads" else None) for name, file in self.judged.items()}
