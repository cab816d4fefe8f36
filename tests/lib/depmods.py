"""A kernel's directory in many states, in which dkms-depmod must write the same indexes as depmod."""
import contextlib
import os
import pathlib
import random
import re
import shutil
import subprocess
import time

from modules import Elf, module, pack

STATES = {}
SUFFIXES = (".ko", ".ko.gz", ".ko.xz", ".ko.zst")


def state(function):
    STATES[function.__name__.replace("_", "-")] = function
    return function


def indexes(directory):
    """Content and mode of each file that depmod writes."""
    return {path.name: (path.read_bytes(), path.stat().st_mode) for path in directory.glob("modules.*")
            if path.name not in ("modules.order", "modules.builtin", "modules.builtin.modinfo", "modules.builtin.ranges")}


@contextlib.contextmanager
def small_filesystem(directory, kilobytes):
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k,mode=700", "tmpfs", directory], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", directory], check=True)


class Machine:
    def __init__(self, path, helper, release, program="depmod"):
        self.path, self.program, self.release, self.helper_path = path, program, release, helper
        self.dir = path / "base/lib/modules" / release
        self.dir.mkdir(parents=True)
        self.store = path / "stubs"
        self.store.mkdir(mode=0o700)
        self.number = 0
        self.random = random.Random(release)

    # ---- the kernel ----

    def put(self, path, content, suffix=".ko"):
        file = self.dir / (path + suffix)
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.exists() or file.is_symlink():
            file.unlink()
        file.write_bytes(pack(content, suffix))
        return file

    def all(self):
        return sorted(path for path in self.dir.rglob("*.ko*") if path.is_file() and not path.is_symlink() and path.name.endswith(SUFFIXES))

    def some(self, count=1):
        """Modules of the kernel, the same ones in each run."""
        return self.random.sample([path for path in self.all() if path.is_relative_to(self.dir / "kernel")], count)

    def order(self, choice):
        names = [re.sub(r"\.ko.*", ".ko", str(path.relative_to(self.dir))) for path in self.all()]
        choice.shuffle(names)
        (self.dir / "modules.order").write_text("".join(name + "\n" for name in names[:len(names) * 3 // 4]))
        (self.dir / "modules.builtin").write_text("kernel/built/in.ko\nkernel/built/in-too.ko\n")
        (self.dir / "modules.builtin.modinfo").write_bytes(b"in.alias=platform:inside\0in.license=GPL\0in_too.alias=net-pf-99\0")

    def config(self, text):
        """The configuration of depmod, in /etc/depmod.d."""
        directory = self.path / "etc/depmod.d"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "test.conf").write_text(text)

    # ---- commands ----

    def words(self, words):
        """@words, with the configuration of depmod."""
        if not (self.path / "etc").exists():
            return words
        return ["unshare", "-m", "sh", "-c", 'mount -t overlay -o "lowerdir=$0:/etc" overlay /etc && exec "$@"', self.path / "etc", *words]

    def helper(self, *options, path=None, before=(), fds=()):
        self.number += 1
        out = self.path / f"out{self.number}"
        out.mkdir()
        own = [os.open(directory, os.O_RDONLY | os.O_DIRECTORY) for directory in (self.dir, self.store, out)]
        words = [*before, self.helper_path, "--modules", str(own[0]), "--store", str(own[1]), "--out", str(own[2]), "--jobs", "2", "--verbose",
                 *options, self.path / "base", self.release]
        environment = dict(os.environ, PATH=path or f"{os.environ['PATH']}:/usr/sbin:/sbin")
        if path is None and "/" in self.program:
            environment["PATH"] = f"{os.path.dirname(self.program)}:{environment['PATH']}"
        if before: # no sanitizer can look for leaks under strace
            environment["ASAN_OPTIONS"] = "detect_leaks=0"
        try:
            result = subprocess.run(self.words(words), pass_fds=[*own, *fds], capture_output=True, text=True, check=False, env=environment, timeout=600)
        finally:
            for fd in own:
                os.close(fd)
        return out, result

    def plain(self):
        """Runs depmod itself. Returns its indexes; None if it fails."""
        for name in indexes(self.dir):
            (self.dir / name).unlink()
        words = self.words([self.program, "-b", self.path / "base", "-a", self.release])
        result = subprocess.run(words, check=False, capture_output=True, timeout=600)
        return indexes(self.dir) if result.returncode == 0 else None

    def check(self, refused=False):
        """Compares all indexes with those of depmod. @refused: whether stubs cannot be used, although depmod succeeds."""
        out, result = self.helper()
        found = indexes(out)
        wanted = self.plain()
        assert result.returncode == (3 if refused or wanted is None else 0), result
        if result.returncode == 0:
            assert sorted(found) == sorted(wanted)
            for name, index in wanted.items():
                assert found[name] == index, f"{name} differs: {out / name}"
        shutil.rmtree(out)

    def forget(self):
        (self.store / self.release).unlink(missing_ok=True)

    def trace(self, *options):
        log = self.path / "trace"
        out, result = self.helper(before=["strace", "-f", "-qq", "-y", *options, "-o", str(log)])
        assert result.returncode == 0, result
        shutil.rmtree(out)
        return log.read_text(errors="replace").splitlines()

    def store_all(self):
        """Runs the helper until its store contains all stubs. Those of modules that changed a moment ago are not stored."""
        for _ in range(1000):
            if not self.modules_read():
                return
            time.sleep(0.01)
        raise AssertionError("the store does not become complete")

    def modules_read(self):
        """The modules that are opened in the directory of the kernel."""
        return {match[1] for line in self.trace("--trace=openat")
                if (match := re.search(rf'openat\(\d+<{re.escape(str(self.dir))}>, "([^"]*\.ko[^"]*)", O_RDONLY', line))}


# ---- changes of the modules ----

@state
def unchanged(m):
    pass


@state
def installed_in_updates(m):
    m.put("updates/dkms/newcomer", module("newcomer", ["brand_new"], ["printk"]))


@state
def installed_compressed(m):
    for suffix in SUFFIXES:
        m.put("updates/dkms/new" + suffix[-2:], module("new" + suffix[-2:], [f"n{suffix[-2:]}"], ["printk"], info=["alias=pci:v1d2*"]), suffix)


@state
def upgraded(m):
    m.put("updates/dkms/newcomer", module("newcomer", ["brand_new"], []))
    m.check()
    m.put("updates/dkms/newcomer", module("newcomer", ["brand_newer"], ["brand_new"], info=["alias=x:y"]))


@state
def uninstalled(m):
    file = m.put("updates/dkms/newcomer", module("newcomer", ["brand_new"], []))
    m.check()
    file.unlink()
    file.parent.rmdir()


@state
def original_replaced(m):
    victim, = m.some()
    name = victim.name.split(".")[0]
    victim.rename(m.path / "archived")
    m.put(str(victim.relative_to(m.dir).with_name(name)), module(name, ["other"], ["printk"]))


@state
def original_restored(m):
    victim, = m.some()
    victim.rename(m.path / "archived")
    m.check()
    (m.path / "archived").rename(victim)


@state
def removed_behind_our_back(m):
    for path in m.some(3):
        path.unlink()


@state
def renamed(m):
    path, = m.some()
    path.rename(path.with_name("renamed-" + path.name))


@state
def exchanged(m):
    """Two names exchange their files."""
    a, b = m.some(2)
    content = a.read_bytes(), b.read_bytes()
    if a.name.split(".")[1:] == b.name.split(".")[1:]:
        a.write_bytes(content[1])
        b.write_bytes(content[0])


@state
def touched(m):
    for path in m.some(3):
        os.utime(path)


@state
def hard_linked(m):
    path, = m.some()
    os.link(path, path.with_name("twin_of_" + path.name))


@state
def directory_moved(m):
    path, = m.some()
    path.parent.rename(path.parent.with_name("moved"))


@state
def empty_directory(m):
    (m.dir / "updates/dkms").mkdir(parents=True, exist_ok=True)


@state
def other_files(m):
    for name in ("README", "kernel/notes.txt", "kernel/vmlinuz", "kernel/ko", "kernel/x.koo", ".hidden"):
        (m.dir / name).write_text("no module")


@state
def random_set(m):
    files = m.all()
    for path in m.random.sample(files, len(files) // 2):
        path.unlink()


@state
def no_module(m):
    for path in m.all():
        path.unlink()


@state
def symbol_moves(m):
    """Another module exports the symbols now."""
    m.put("kernel/a-giver", module("a-giver", ["brand_new"], []))
    m.put("kernel/taker", module("taker", [], ["brand_new"]))
    m.check()
    m.put("kernel/a-giver", module("a-giver", [], []))
    m.put("kernel/z-giver", module("z-giver", ["brand_new"], []))


# ---- copies of a name ----

def copies(m, *directories, config=None):
    path, = m.some()
    name = path.name.split(".")[0]
    for directory in directories:
        m.put(f"{directory}/{name}", module(name, [f"copy_{directory.replace('/', '_')}"], ["printk"], info=[f"alias=copy:{directory}"]))
    if config:
        m.config(config.format(name=name))


@state
def copy_in_updates(m):
    copies(m, "updates/dkms")


@state
def copy_in_extra(m):
    copies(m, "extra")


@state
def copies_everywhere(m):
    copies(m, "updates", "extra", "weak-updates", "misc")


@state
def copies_that_tie(m):
    copies(m, *(f"z{i}" for i in range(9)))


@state
def copies_of_many(m):
    for _ in range(12):
        copies(m, "extra", "kernel/other")


@state
def dashes_and_underscores(m):
    for name in ("a-b_c", "a_b-c", "a-b-c"):
        m.put(f"kernel/{name[1]}{name[3]}/{name}", module("a_b_c", ["abc"], [], info=[f"alias=abc:{name}"]))


@state
def copies_with_other_suffixes(m):
    path, = m.some()
    name, place = path.name.split(".")[0], str(path.parent.relative_to(m.dir))
    for suffix in SUFFIXES:
        if not path.name.endswith(suffix):
            m.put(f"{place}/{name}", module(name, [f"copy{suffix[-2:]}"], []), suffix)


# ---- configuration ----

@state
def search_extra_first(m):
    copies(m, "updates", "extra", config="search extra updates built-in\n")


@state
def search_built_in_first(m):
    copies(m, "updates", "extra", config="search built-in updates\n")


@state
def search_without_updates(m):
    copies(m, "updates/dkms", "extra", config="search extra built-in weak-updates\n")


@state
def override_of_a_module(m):
    copies(m, "updates", "extra", "kernel/special", config="override {name} * kernel/special\n")


@state
def override_for_another_kernel(m):
    copies(m, "updates", "extra", config="override {name} 1.2.3 extra\n")


@state
def excluded_directory(m):
    copies(m, "updates", "extra", config="exclude updates\n")


@state
def external_directory(m):
    outside = m.path / "outside"
    outside.mkdir()
    (outside / "elsewhere.ko").write_bytes(module("elsewhere", ["outer"], ["printk"], info=["alias=outer:*"]))
    m.put("updates/insider", module("insider", [], ["outer"]))
    m.config(f"external {m.release} {outside}\nsearch external updates built-in\n")


@state
def configuration_removed(m):
    copies(m, "updates", "extra", config="search extra built-in\n")
    m.check()
    shutil.rmtree(m.path / "etc")


# ---- links ----

@state
def weak_updates(m):
    other = m.dir.parent / "other-kernel/extra"
    other.mkdir(parents=True)
    (other / "lent.ko").write_bytes(module("lent", ["lent"], ["printk"], info=["alias=lent:*"]))
    (m.dir / "weak-updates/deep").mkdir(parents=True)
    (m.dir / "weak-updates/deep/lent.ko").symlink_to(other / "lent.ko")
    m.put("updates/borrower", module("borrower", [], ["lent"]))


@state
def weak_link_to_another_version(m):
    weak_updates(m)
    m.check()
    (m.dir.parent / "other-kernel/extra/newer.ko").write_bytes(module("lent", ["lent", "more"], ["printk"]))
    (m.dir / "weak-updates/deep/lent.ko").unlink()
    (m.dir / "weak-updates/deep/lent.ko").symlink_to("../../../other-kernel/extra/newer.ko")


@state
def module_linked_into_the_tree(m):
    (m.path / "built.ko").write_bytes(module("built", ["built"], []))
    (m.dir / "updates").mkdir(exist_ok=True)
    (m.dir / "updates/built.ko").symlink_to(m.path / "built.ko")


@state
def directory_link(m):
    (m.dir / "extra").symlink_to("kernel")


@state
def build_and_source_links(m):
    headers = m.path / "headers/drivers"
    headers.mkdir(parents=True)
    (headers / "surplus.ko").write_bytes(module("surplus", ["surplus"], []))
    for name in ("build", "source"):
        (m.dir / name).symlink_to(headers.parent)


# ---- contents ----

@state
def without_modversions(m):
    m.put("extra/bare", module("bare", ["bare_export"], ["printk"], versions=False))
    m.put("extra/barer", module("barer", [], ["bare_export"], versions=False))


@state
def softdep_and_weakdep(m):
    m.put("extra/soft", module("soft", info=["softdep=pre: a b post: c", "softdep=pre: d", "weakdep=e f", "alias=soft-*", "alias=a b"]))


@state
def strange_information(m):
    m.put("extra/strange", module("strange", info=["alias=", "alias=with blank", "alias=[a-z]x*", "softdep=", "devname", "alias=" + "x" * 300,
                                                   "alias=char-major-9-*", "devname=strange"]))


@state
def mutual_dependency(m):
    m.put("extra/left", module("left", ["left"], ["right"]))
    m.put("extra/right", module("right", ["right"], ["left"]))


@state
def other_machines(m):
    m.put("extra/narrow", module("narrow", ["narrow"], ["printk"], wide=False, machine=3))
    m.put("extra/big", module("big", ["big"], ["narrow"], wide=True, big=True, machine=22))


@state
def two_exporters(m):
    for name in ("first", "second", "third"):
        m.put(f"extra/{name}", module(name, ["contested", f"of_{name}"], []))
    m.put("extra/user", module("user", [], ["contested"]))


@state
def symbol_only_in_versions(m):
    """depmod takes names from __versions, too."""
    content = module("odd", [], ["s1", "s2"]).replace(b"\0s2\0", b"\0zz\0", 1)
    m.put("extra/odd", content)


@state
def exports_without_symbol_table(m):
    elf = Elf()
    elf.section(".modinfo", b"license=GPL\0")
    elf.section("__ksymtab_strings", b"only_here\0")
    m.put("extra/bald", elf.bytes())
    m.put("extra/hat", module("hat", [], ["only_here"]))


# ---- damage ----

@state
def broken_module(m):
    m.put("extra/broken", b"this is not a module")


@state
def empty_module(m):
    m.put("extra/void", b"")


@state
def cut_modules(m):
    for path in m.some(3):
        content = path.read_bytes()
        path.write_bytes(content[:len(content) // 2])


@state
def wrong_suffix(m):
    m.put("extra/plain", module("plain", ["plain"], []))
    content = (m.dir / "extra/plain.ko").read_bytes()
    for suffix in SUFFIXES[1:]:
        (m.dir / f"extra/bogus{suffix[-2:]}{suffix}").write_bytes(content)
        (m.dir / f"extra/packed{suffix[-2:]}.ko").write_bytes(pack(content, suffix))


@state
def zstd_without_size(m):
    """Data that a stream was compressed to. Some versions of kmod refuse them."""
    m.put("extra/sized", module("sized", ["sized"], ["printk"]), ".ko.zst")
    (m.dir / "extra/unsized.ko.zst").write_bytes(pack(module("unsized", ["unsized"], ["sized"]), ".ko.zst", sized=False))


@state
def data_behind_the_end(m):
    for suffix in SUFFIXES:
        content = pack(module("tail" + suffix[-2:], ["tail" + suffix[-2:]], ["printk"]), suffix)
        m.put("extra/whole", module("whole", ["whole"]))
        (m.dir / f"extra/tail{suffix[-2:]}{suffix}").write_bytes(content + b"more of it")
        (m.dir / f"extra/twice{suffix[-2:]}{suffix}").write_bytes(content + content)


@state
def program_instead_of_a_module(m):
    shutil.copy("/bin/true", m.dir / "kernel/true.ko")


@state
def sections_with_the_same_name(m):
    elf = Elf()
    elf.section(".modinfo", b"alias=first:*\0")
    elf.section(".modinfo", b"alias=second:*\0")
    elf.symbol("s1")
    elf.tables()
    m.put("extra/double", elf.bytes())


@state
def files_without_indexes(m):
    for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
        (m.dir / name).unlink(missing_ok=True)


@state
def other_order(m):
    m.order(random.Random(2))
