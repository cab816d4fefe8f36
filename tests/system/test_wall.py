"""With --root DIR, a hostile system in DIR cannot change files outside of DIR, and its code gets no capabilities.

Every verb runs on every kind of hostile DIR. Beside DIR is a victim, a directory at an absolute path that also exists in DIR.
Code that follows a link of DIR on the machine instead of in DIR changes the victim. Code of DIR tries to change it, too, and
writes its capabilities to a file."""
import os
import shutil
import subprocess

import pytest

from conftest import DKMS, K1, K2, strace
from test_terminal import EVIL, SHOWN, assert_harmless, on_terminal

SIGNING = "CONFIG_MODULES=y\nCONFIG_MODULE_SIG=y\nCONFIG_MODULE_SIG_HASH=\"sha256\"\n"


class Trap:
    def __init__(self, root, here):
        self.root, self.path, self.here = root, root.path, here
        self.victim = root.path.parent / "victim"
        self.victim.mkdir()
        (self.victim / "passwd").write_text("root:x:0:0\n")
        (self.victim / "passwd").chmod(0o640)
        (self.victim / "kernel").mkdir()
        (self.path / "marks").mkdir()
        (self.path / "marks").chmod(0o777)
        (self.path / "proc").mkdir()
        (self.path / "closed").touch(0)
        os.chown(self.path / "closed", 65534, 65534)
        self.inside(self.victim).mkdir(parents=True)
        self.before = self.look()

    def inside(self, path):
        return self.path / str(path).lstrip("/")

    def code(self, name):
        """Code that changes the victim if possible, and writes its capabilities to a file in DIR."""
        return (f"echo hit >{self.victim}/{name}; : >>{self.here}/marks/{name}; "
                f"read -r line <{self.victim}/passwd && echo 'CapEff: 1' >>{self.here}/marks/{name}; "
                f"for place in {self.here}/mnt/*/; do echo hit >$place/{name}; done; "
                f"{{ : <{self.here}/closed; }} && echo 'CapEff: 1' >>{self.here}/marks/{name}; " # needs CAP_DAC_OVERRIDE
                "while read -r line; do [[ $line == CapEff* ]] && echo \"$line\" >>"
                f"{self.here}/marks/{name}; done </proc/self/status; true; ")

    def script(self, path, name):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/bash\n({self.code(name)}) 2>&-\nexit 0\n")
        path.chmod(0o755)

    def quiet(self, name):
        return f"{{ {self.code(name)} }} 2>&-\n"

    def link(self, path, target):
        path = self.inside(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir() and not path.is_symlink():
            self.inside(target).parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(self.inside(target), ignore_errors=True)
            path.rename(self.inside(target))
        path.symlink_to(target)

    def look(self):
        """All files beside DIR."""
        found = {}
        for directory, names, files in os.walk(self.path.parent):
            for skipped in ("root", "machine", "out"):
                if directory == str(self.path.parent) and skipped in names:
                    names.remove(skipped)
            for name in names + files:
                path = os.path.join(directory, name)
                st = os.lstat(path)
                found[path] = (st.st_mode, st.st_uid, st.st_mtime_ns, open(path, "rb").read() if os.path.isfile(path) else b"")
        return found

    def check(self, what):
        assert self.look() == self.before, what
        for mark in (self.path / "marks").iterdir():
            for line in mark.read_text().splitlines():
                assert int(line.split()[1], 16) == 0, (what, mark.name, line)


def framework(trap):
    trap.root.framework(trap.quiet("framework"))


def framework_d(trap):
    (trap.path / "etc/dkms/framework.conf.d").mkdir()
    (trap.path / "etc/dkms/framework.conf.d/x.conf").write_text(trap.quiet("framework.d"))


def sysconfig(trap):
    (trap.path / "etc/sysconfig").mkdir()
    (trap.path / "etc/sysconfig/module-init-tools").write_text(trap.quiet("sysconfig"))


def kernelvariables(trap):
    script = trap.path / "kv.sh"
    trap.script(script, "kernelvariables")
    (trap.root.modules / K1 / "build/.kernelvariables").write_text(f"X := $(shell {trap.here}/kv.sh)\n")


def override(trap):
    (trap.path / "etc/dkms/foo.conf").write_text("# sandbox\n" + trap.quiet("override"))


def pre_build(trap):
    trap.root.source(extra="PRE_BUILD=x.sh\nPOST_BUILD=x.sh\n" + trap.quiet("recipe"))
    trap.script(trap.root.src / "foo-1.0/x.sh", "pre_build")


def sandbox_off(trap):
    pre_build(trap)
    (trap.path / "etc/dkms/framework.conf").write_text("sandbox=off\n")


def sandbox_off_for_module(trap):
    pre_build(trap)
    (trap.path / "etc/dkms/foo.conf").write_text("sandbox=off\n")


def build_user(trap):
    pre_build(trap)
    (trap.path / "etc/dkms/framework.conf").write_text("build_user=root\nsandbox=auto\n")


def scripts(trap):
    names = ("POST_ADD", "PRE_INSTALL", "POST_INSTALL", "POST_REMOVE")
    trap.root.source(extra="".join(f"{name}={name}.sh\n" for name in names))
    for name in names:
        trap.script(trap.root.src / f"foo-1.0/{name}.sh", name)


def script_of_admin(trap):
    trap.root.source(extra="POST_INSTALL=post.sh\n")
    trap.script(trap.path / "etc/dkms/foo/post.sh", "post.sh")


def post_transaction(trap):
    trap.script(trap.path / "post.sh", "post_transaction")
    trap.root.framework(f"post_transaction={trap.here}/post.sh\n")


def sign_file(trap):
    trap.root.kernel(K1, config=SIGNING)
    trap.script(trap.path / "sign", "sign_file")
    (trap.path / "etc/dkms/framework.conf").write_text("try_sign_modules=true\nsign_file=/sign\n")


def build_environment(trap):
    (trap.path / "env.sh").write_text(trap.quiet("build_environment"))
    (trap.path / "etc/dkms/framework.conf").write_text("build_environment=/env.sh\n")


def compress_options(trap):
    (trap.root.modules / K1 / "kernel").mkdir()
    (trap.root.modules / K1 / "kernel/x.ko.zst").touch()
    (trap.path / "etc/dkms/framework.conf").write_text(f'compress_zstd_opts="-o {trap.victim}/out.zst"\n')


def kernel_dir_is_a_link(trap):
    trap.link(f"/lib/modules/{K1}", trap.victim)
    (trap.inside(trap.victim) / "modules.dep").touch()


def install_tree_is_a_link(trap):
    trap.link("/lib/modules", trap.victim)
    (trap.inside(trap.victim) / f"{K1}/modules.dep").touch()


def updates_is_a_link(trap):
    (trap.root.modules / K1 / "modules.dep").touch()
    trap.link(f"/lib/modules/{K1}/updates", trap.victim)


def index_is_a_link(trap):
    for name in ("modules.dep", "modules.alias", "modules.symbols.bin"):
        (trap.root.modules / K1 / name).symlink_to(trap.victim / "passwd")
    (trap.inside(trap.victim) / "passwd").touch()


def keys_are_a_link(trap):
    trap.root.kernel(K1, config=SIGNING)
    trap.link("/keys", trap.victim)
    (trap.path / "etc/dkms/framework.conf").write_text(
        "try_sign_modules=true\nmok_signing_key=/keys/mok.key\nmok_certificate=/keys/mok.pub\n")


def key_is_a_link(trap):
    trap.root.kernel(K1, config=SIGNING)
    (trap.path / "var/lib/dkms").mkdir(parents=True)
    (trap.path / "var/lib/dkms/mok.key").symlink_to(trap.victim / "new.key")
    (trap.path / "var/lib/dkms/mok.pub").symlink_to(trap.victim / "new.pub")
    (trap.path / "etc/dkms/framework.conf").write_text("try_sign_modules=true\n")


def tree_is_a_link(trap):
    trap.link("/var/lib/dkms", trap.victim)


def sources_are_a_link(trap):
    trap.link("/usr/src", trap.victim)


def own_directory_is_a_link(trap):
    trap.link("/var/lib/dkms/.dkms", trap.victim)


def settings_are_a_link(trap):
    trap.link("/etc/dkms", trap.victim)
    (trap.inside(trap.victim) / "framework.conf").write_text(trap.quiet("linked"))


def log_is_a_link(trap):
    (trap.path / "var/lib/dkms").mkdir(parents=True)
    (trap.path / "var/lib/dkms/post_transaction.log").symlink_to(trap.victim / "passwd")
    (trap.path / "etc/dkms/framework.conf").write_text("post_transaction=true\n")


def trees_outside(trap):
    (trap.path / "etc/dkms/framework.conf").write_text(
        f"dkms_tree={trap.victim}/../victim/tree\nsource_tree=/../../../..{trap.victim}\ninstall_tree={trap.victim}/../victim\ntmp_location={trap.victim}\n")


def build_is_a_link(trap):
    (trap.path / "var/lib/dkms/foo/1.0").mkdir(parents=True)
    (trap.path / "var/lib/dkms/foo/1.0/build").symlink_to(trap.victim)
    (trap.path / "var/lib/dkms/foo/1.0/source").symlink_to("/usr/src/foo-1.0")


def journal(trap):
    directory = trap.path / "var/lib/dkms/.dkms/journal"
    directory.mkdir(parents=True)
    trap.link("/lib/modules/K9", trap.victim)
    (directory / "00000001.json").write_text(f'{{"ops": [["delete", "/lib/modules/K9/passwd", "", ""], ["delete", "{trap.victim}/passwd", "", ""]]}}')


def token(trap):
    trap.root.kernel(K1, config=SIGNING)
    (trap.path / "var/lib/dkms").mkdir(parents=True)
    (trap.path / "var/lib/dkms/mok.pub").touch()
    (trap.path / "etc/dkms/framework.conf").write_text(
        f'try_sign_modules=true\nmok_signing_key="pkcs11:token=t?module-path={trap.path}/evil.so"\n')


KINDS = [framework, framework_d, sysconfig, kernelvariables, override, pre_build, sandbox_off, sandbox_off_for_module, build_user, scripts,
         script_of_admin, post_transaction, sign_file, build_environment, compress_options, kernel_dir_is_a_link, install_tree_is_a_link,
         updates_is_a_link, index_is_a_link, keys_are_a_link, key_is_a_link, tree_is_a_link, sources_are_a_link,
         own_directory_is_a_link, settings_are_a_link, log_is_a_link, trees_outside, build_is_a_link, journal, token]
OF_CODE = KINDS[:14]
OF_KEYS = [keys_are_a_link, key_is_a_link, tree_is_a_link, trees_outside, token]
VERBS = [("status",), ("add", "foo/1.0"), ("build", "foo/1.0", "-k", K1), ("install", "foo/1.0", "-k", K1), ("status",),
         ("match", "--templatekernel", K1, "-k", K2), ("mktarball", "foo/1.0", "-k", K1, "--archive", "OUT/foo.tar.gz"),
         ("uninstall", "foo/1.0", "-k", K1), ("unbuild", "foo/1.0", "-k", K1), ("autoinstall", "-k", K1),
         ("remove", "foo/1.0", "--all"), ("ldtarball", "OUT/foo.tar.gz"), ("remove", "foo/1.0", "--all"), ("generate_mok",),
         ("add", "foo/1.0"), ("kernel_postinst", "-k", K1), ("kernel_prerm", "-k", K1)]


LIFE = [("install", "foo/1.0", "-k", K1), ("status",), ("generate_mok",), ("remove", "foo/1.0", "--all")]


def go(trap, kind, verbs):
    out = trap.path.parent / "out"
    out.mkdir()
    trap.root.source()
    kind(trap)
    if getattr(kind, "kind", kind) not in OF_KEYS: # these files show that a new key is created inside of DIR
        trap.root.keys()
    trap.before = trap.look()
    for verb in verbs:
        result = trap.root(*(word.replace("OUT", str(out)) for word in verb))
        trap.check((verb, result))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_data_only(root, kind):
    go(Trap(root, root.path), kind, VERBS)


@pytest.mark.parametrize("relative", [False, True], ids=["absolute", "relative"])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if "link" in kind.__name__ or kind in (trees_outside, journal)],
                         ids=lambda kind: kind.__name__)
def test_targets_that_exist_only_outside(root, kind, relative):
    """In DIR these links lead nowhere. On the machine they lead to the victim."""
    def without_target(trap):
        kind(trap)
        shutil.rmtree(trap.inside(trap.victim))
        for directory, names, files in os.walk(trap.path) if relative else ():
            for path in (os.path.join(directory, name) for name in names + files):
                text = os.readlink(path) if os.path.islink(path) else ""
                if text.startswith(str(trap.victim)):
                    os.unlink(path)
                    os.symlink(os.path.relpath(text, os.path.realpath(directory)), path)
    without_target.kind = kind
    go(Trap(root, root.path), without_target, VERBS)


@pytest.mark.parametrize("kind", OF_CODE, ids=lambda kind: kind.__name__)
def test_with_a_shell_of_its_own(chrooted, kind):
    go(Trap(chrooted, ""), kind, LIFE)


@pytest.mark.parametrize("kind", [scripts, post_transaction], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("shell", [False, True])
def test_code_of_the_root_runs_in_it(request, kind, shell):
    """Scripts run, and may change the root; so the tests above do not pass because nothing runs."""
    root = request.getfixturevalue("chrooted" if shell else "root")
    trap = Trap(root, "" if shell else root.path)
    root.source()
    kind(trap)
    root.ok("install", "foo/1.0", "-k", K1)
    root.ok("remove", "foo/1.0", "--all")
    assert {mark.name for mark in (root.path / "marks").iterdir()} >= {"POST_INSTALL", "POST_REMOVE"} or \
           (root.path / "marks/post_transaction").exists()


@pytest.mark.parametrize("shell", [False, True])
def test_what_is_mounted_in_the_root(request, shell):
    """An image contains a /sys, and possibly other mounts of the machine."""
    root = request.getfixturevalue("chrooted" if shell else "root")
    trap = Trap(root, "" if shell else root.path)
    place = root.path / "mnt/machine"
    place.mkdir(parents=True)
    subprocess.run(["mount", "--bind", trap.victim, place], check=True)
    try:
        root.source()
        scripts(trap)
        trap.before = trap.look()
        root.ok("install", "foo/1.0", "-k", K1)
        trap.check("install")
        assert (root.path / "marks/POST_INSTALL").exists()
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.mark.parametrize("tree", ["var/lib/dkms", "lib/modules", "boot"])
def test_its_own_places_may_be_mounts(root, tree):
    trap = Trap(root, root.path)
    place, elsewhere = root.path / tree, root.path.parent / "out"
    place.mkdir(parents=True, exist_ok=True)
    elsewhere.mkdir()
    subprocess.run(["cp", "-a", f"{place}/.", elsewhere], check=True)
    subprocess.run(["mount", "--bind", elsewhere, place], check=True)
    try:
        root.source(extra="POST_INSTALL=x.sh\n", files={"foo.c": "x", "x.sh": f"#!/bin/sh\necho >{place}/made\n"})
        root.ok("install", "foo/1.0", "-k", K1)
        assert (elsewhere / "made").exists()
    finally:
        subprocess.run(["umount", place], check=True)
    trap.check(tree)


@pytest.mark.parametrize("shell", [False, True])
@pytest.mark.parametrize("kind", [framework, scripts], ids=lambda kind: kind.__name__)
def test_what_cannot_be_confined_does_not_run(request, kind, shell):
    root = request.getfixturevalue("chrooted" if shell else "root")
    trap = Trap(root, "" if shell else root.path)
    root.source()
    kind(trap)
    trap.before = trap.look()
    result = strace("-o", "/dev/null", "-e", "inject=unshare:error=EPERM", DKMS, "--root", root.path, "install", "foo/1.0", "-k", K1, check=False)
    assert result.returncode == 1 and "namespaces: Operation not permitted" in result.stderr, result
    trap.check(kind)
    assert not list((root.path / "marks").iterdir())
    root.machine("framework.conf", "sandbox=off\n")
    root.ok("install", "foo/1.0", "-k", K1)
    assert list((root.path / "marks").iterdir()), "with sandbox=off, the code is not confined"


@pytest.mark.parametrize("shell", [False, True])
def test_code_of_the_root_has_no_terminal(request, shell):
    root = request.getfixturevalue("chrooted" if shell else "root")
    root.source(extra="POST_INSTALL=x.sh\n", files={"foo.c": "x", "evil": "", "x.sh": (
        "#!/bin/bash\ncat \"${0%/*}/evil\"; cat \"${0%/*}/evil\" >&2; cat \"${0%/*}/evil\" >/dev/tty\n"
        "read -t 1 line && echo \"stolen $line\"; read -t 1 line <&2 && echo \"stolen $line\"; exit 0\n")})
    (root.src / "foo-1.0/evil").write_bytes(EVIL)
    code, seen = on_terminal(root, "install", "foo/1.0", "-k", K1, typed=b"my password\n")
    assert code == 0 and SHOWN in seen and b"stolen" not in seen, seen
    assert_harmless(seen)


@pytest.mark.parametrize("shell", [False, True])
def test_stdin_gives_no_access(request, shell):
    root = request.getfixturevalue("chrooted" if shell else "root")
    trap = Trap(root, "" if shell else root.path)
    root.source(extra="POST_INSTALL=x.sh\n", files={"foo.c": "x", "x.sh": (
        "#!/bin/bash\ncd /proc/self/fd/0 && echo hit >hit; echo hit >/proc/self/fd/0; exit 0\n")})
    for way, flags in ((trap.victim, os.O_RDONLY), (trap.victim / "passwd", os.O_RDONLY)):
        stdin = os.open(way, flags)
        subprocess.run([*root.command(), "install", "foo/1.0", "-k", K1, "--force"], stdin=stdin, check=True, capture_output=True)
        os.close(stdin)
        trap.check(way)


@pytest.mark.parametrize("shell", [False, True])
def test_rights_of_root_behind_the_wall(request, shell):
    """Root without capabilities can use its own files, but files of other users only like any user."""
    root = request.getfixturevalue("chrooted" if shell else "root")
    here = "" if shell else root.path
    for name, mode, owner in (("own", 0o600, 0), ("private", 0o600, 65534), ("public", 0o644, 65534)):
        (root.path / name).write_text(name)
        (root.path / name).chmod(mode)
        os.chown(root.path / name, owner, owner)
    root.source(extra="POST_INSTALL=x.sh\n", files={"foo.c": "x", "x.sh": (
        f"#!/bin/bash\ncd {here}/\nfor file in own private public; do\n(read -r text <$file; echo \"read $text\") 2>/dev/null\n"
        "(: >>$file) 2>/dev/null && echo wrote $file\n(umask 077; : 2>/dev/null >$file.new) && echo made $file.new\ndone\nexit 0\n")})
    output = root.ok("install", "foo/1.0", "-k", K1).out
    assert {"read own", "wrote own", "made own.new", "read public"} <= set(output.splitlines()), output
    assert "read private" not in output and "wrote private" not in output and "wrote public" not in output, output
    # depmod exits with 0 even if it could not write.
    for name in ("modules.order", "modules.builtin"):
        (root.modules / K1 / name).write_text("")
    subprocess.run(["depmod", "-b", root.path, "-a", K1], check=True, capture_output=True)
    assert "failed" not in root.ok("install", "foo/1.0", "-k", K1, "--force").err
    os.chown(root.modules / K1, 65534, 65534)
    result = root.ok("install", "foo/1.0", "-k", K1, "--force")
    assert f"failed: /lib/modules/{K1} belongs to another user" in result.err, result
    root.machine("framework.conf", "sandbox=off\n")
    assert "failed" not in root.ok("install", "foo/1.0", "-k", K1, "--force").err
